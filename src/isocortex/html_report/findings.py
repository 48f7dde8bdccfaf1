"""What whoever reads the numbers should know first, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isocortex.analysis.groups import ABOVE, BELOW, ENOUGH_SPIKES, IN_RANGE
from isocortex.analysis.spectra import rate_modulation
from isocortex.html_report.page import (
    Markup,
    cells_in_words,
    joined,
    number,
    paragraph,
    section,
    tag,
)
from isocortex.html_report.subject import Subject
from isocortex.text import read_text

PROBLEM, CHECK, NOTE = "Problem", "Check", "Note"
#: Mean rate of a class beyond any of the cortex, Hz.
RUNAWAY = 50.0
#: Mean rate of a cell that few cells of the cortex keep up, Hz.
FAST = 100.0
#: Steps at which spike counts change little, ms, by integrator.
CONVERGED = {"backward-euler": 0.025, "crank-nicolson": 0.1}
ONSET = 100.0  # ms that are compared with the rest
FIRST = 1.0  # ms in which no synapse has made a resting cell fire
LISTED = 8
#: Spikes below which chance alone makes counts vary by as much as their mean.
ENOUGH_FOR_BURSTS = 100


@dataclass(frozen=True)
class Finding:
    """One thing to know.

    Attributes
    ----------
    level : ``PROBLEM`` (conclusions would be wrong), ``CHECK`` (look before concluding) or
        ``NOTE`` (keep in mind).
    what : the finding.
    todo : what to do about it.
    """

    level: str
    what: str
    todo: str


def findings(subject: Subject) -> list[Finding]:
    """All findings, problems first."""
    found = [finding for check in CHECKS for finding in check(subject)]
    return sorted(found, key=lambda finding: (PROBLEM, CHECK, NOTE).index(finding.level))


def findings_section(found: list[Finding]) -> tuple[str, str, Markup]:
    """The findings as a list; where there are none, that."""
    items = [
        tag(
            "li",
            paragraph(tag("b", f"{f.level}:"), f.what) + paragraph(f.todo, class_="soft"),
            class_=f.level.lower(),
        )
        for f in found
    ]
    nothing = paragraph(
        "Nothing stood out: the run came to its end, no class was silent, ran away or left its "
        "reference range, and activity went on throughout."
    )
    body = tag("ul", joined(items, "\n"), class_="findings") if items else nothing
    return section("findings", "Findings", body)


# --- the run ----------------------------------------------------------------------------------


def _stopped(subject: Subject) -> Iterator[Finding]:
    reached = subject.run.get("reached")
    if reached is not None:
        yield Finding(
            PROBLEM,
            f"The run was stopped at {reached:g} of {subject.run['tstop']:g} ms."
            if reached < subject.run["tstop"]
            else f"The run failed in its last steps, at {reached:g} ms.",
            f"All rates are over {subject.duration:g} ms. The log says why, if there is one; "
            f"{_again(subject)}.",
        )


def _again(subject: Subject) -> str:
    """What to do about a run that did not come to its end."""
    goes_on = subject.result.can_go_on
    return "isocortex continue goes on from its last checkpoint" if goes_on else "run it again"


def _unfinished(subject: Subject) -> Iterator[Finding]:
    if not subject.result.provenance:
        yield Finding(
            NOTE,
            "There is no provenance.json: the results are another simulator’s, or it was lost.",
            f"The duration of {subject.duration:g} ms is that of the reports, else that of the "
            "configuration, else the time of the last spike: if the run was longer, rates are "
            "lower." + ("" if subject.unsaid else " Cells that never fired may be missing."),
        )
    elif subject.result.run_summary is None:
        yield Finding(
            CHECK,
            "The results do not say how the run ended: it was killed, or an earlier version of "
            "Isocortex made them.",
            f"All rates are over the {subject.duration:g} ms that were written; {_again(subject)}.",
        )


def _skipped(subject: Subject) -> Iterator[Finding]:
    if subject.run.get("skipped"):
        yield Finding(
            NOTE,
            f"Reports that were asked for and left out: {', '.join(subject.run['skipped'])}.",
            "These kinds are not supported.",
        )


def _configuration(subject: Subject) -> Iterator[Finding]:
    if subject.missing:
        yield Finding(
            NOTE,
            f"The circuit is not at hand ({subject.sendable(subject.missing)}): cells are told "
            "apart by population only.",
            "Give the configuration with --config.",
        )
    kept = subject.result.provenance.get("config_text")
    now = read_text(subject.config) if subject.config else kept
    if kept is not None and kept != now:
        yield Finding(
            CHECK,
            f"{subject.named_config} is no longer what was run.",
            "The page shows it as it was run, but takes the cells’ classes from the circuit as it "
            "is now: make sure that this is still the same.",
        )


def _numerics(subject: Subject) -> Iterator[Finding]:
    step, integrator = subject.run.get("dt"), subject.run.get("integrator")
    if step is not None and integrator in CONVERGED and step > CONVERGED[integrator] + 1e-9:
        yield Finding(
            NOTE,
            f"With {integrator}, a time step of {step:g} ms is not converged: spike counts "
            f"change on the way to {CONVERGED[integrator]:g} ms.",
            f"Compare runs of the same step, and repeat part of the run with --dt "
            f"{CONVERGED[integrator]:g} before you conclude.",
        )
    precision = subject.run.get("precision")
    if precision in ("single", "mixed"):
        yield Finding(
            NOTE,
            f"{precision.capitalize()} precision: in a recurrent network trajectories part from "
            "those in double.",
            "Compare statistics, not single spikes.",
        )


def _memory(subject: Subject) -> Iterator[Finding]:
    done, memory = subject.result.run_summary, subject.result.provenance.get("machine", {})
    size = memory.get("memory_gb")
    if done is not None and size and done.peak_memory_mb / 1024 > 0.9 * size:
        yield Finding(
            CHECK,
            f"The run took {done.peak_memory_mb / 1024:.1f} of the machine’s {size:g} GB.",
            "Swapping may have made it slow: use --precision single, or a larger machine.",
        )


# --- the activity -----------------------------------------------------------------------------


def _times(subject: Subject) -> Iterator[Finding]:
    times = subject.result.spikes["timestamps"].to_numpy()
    begin, end = subject.begin, subject.end
    wrong = int(np.count_nonzero(~((times >= begin) & (times <= end + 1e-6))))
    if wrong:
        yield Finding(
            PROBLEM,
            f"{wrong:,} spikes have times outside the run, {begin:g} to {end:g} ms.",
            "Rates and spectra are wrong: see where the spike file comes from.",
        )
    early = int(np.count_nonzero((times >= 0) & (times < FIRST)))
    if early:
        yield Finding(
            CHECK,
            f"{early:,} spikes fall into the first {FIRST:g} ms.",
            "Cells start above their threshold: lower conditions.v_init, or leave the beginning "
            "out of what you conclude.",
        )


def _silence(subject: Subject) -> Iterator[Finding]:
    if not len(subject.result.spikes):
        yield Finding(
            PROBLEM,
            f"No cell fired within {subject.duration:g} ms.",
            "Check that the inputs name the nodes they are meant for, and their rates and weights.",
        )
        return
    if subject.duration < 1000.0:
        yield Finding(
            NOTE,
            f"The run is short: one spike of one cell is {number(1e3 / subject.duration, 2)} Hz.",
            "Medians, percentiles and shares of silent cells are coarse; run a second or more.",
        )
    table = subject.class_rates
    expected = 1e-3 * subject.duration * table["n"]  # at 1 Hz where there is no reference
    silent = table[(table["silent"] == 100.0) & table["low"].isna() & (expected >= ENOUGH_SPIKES)]
    if len(silent):
        yield Finding(
            CHECK,
            f"Silent throughout: {_listed([subject.label(r) for r in silent.to_dict('records')])}.",
            "See whether these cells get input.",
        )


def _ranges(subject: Subject) -> Iterator[Finding]:
    table = subject.class_rates
    high = table[table["mean"] > RUNAWAY]
    if len(high):
        named = [f"{subject.label(r)} ({r['mean']:.0f} Hz)" for r in high.to_dict("records")]
        yield Finding(
            PROBLEM,
            f"Runaway activity, more than {RUNAWAY:g} Hz in the mean: {_listed(named)}.",
            "Weaken excitation between cells or the drive, or strengthen inhibition.",
        )
    rest = table[table["mean"] <= RUNAWAY]
    judged = int(rest["verdict"].isin([BELOW, ABOVE, IN_RANGE]).sum())
    off = {v: rest[rest["verdict"] == v].to_dict("records") for v in (BELOW, ABOVE)}
    named = [
        f"{verdict.split()[0]} are "
        + _listed([f"{subject.label(r)} ({cells_in_words(r['n'])}: {r['mean']:.1f} Hz, not "
                   f"{r['low']:.1f}–{r['high']:.1f})" for r in rows])
        for verdict, rows in off.items() if rows
    ]  # fmt: skip
    if named:
        yield Finding(
            CHECK,
            f"{sum(map(len, off.values()))} of {judged} classes fire outside their reference "
            f"range: {'; '.join(named)}.",
            "The ranges are for the network at rest: without a stimulus or a perturbation, "
            "calibrate the background (isocortex build calibrate), or see whether a longer run "
            "says the same.",
        )


def _fastest(subject: Subject) -> Iterator[Finding]:
    fast = subject.cells[subject.cells["rate_hz"] > FAST]
    if len(fast) and subject.duration >= 200.0:
        first = fast.loc[fast["rate_hz"].idxmax()]
        which = f"{first['population']} {first['node_id']} ({subject.label(first)})"
        yield Finding(
            CHECK,
            f"{cells_in_words(len(fast))} of {len(subject.cells):,} fire at more than {FAST:g} Hz "
            f"in the mean, the fastest, {which}, at {first['rate_hz']:.0f} Hz.",
            "They weigh on the means of small classes: record their voltage and see whether their "
            "drive is too strong.",
        )


def _course(subject: Subject) -> Iterator[Finding]:
    times = np.sort(subject.result.spikes["timestamps"].to_numpy()) - subject.begin
    duration = subject.duration
    if not len(times):
        return
    quiet = duration - times[-1]
    if times[-1] > 0 and quiet > 0.2 * duration and quiet * len(times) / times[-1] > 20:
        yield Finding(
            CHECK,
            f"Activity ends at {times[-1]:.0f} ms of {duration:g} ms.",
            "The network fell silent, or its input ended: see the raster.",
        )
    rest = np.count_nonzero(times >= ONSET)
    if duration >= 4 * ONSET and rest:
        late = 1e3 * rest / (duration - ONSET) / len(subject.cells)
        early = 1e3 * np.count_nonzero(times < ONSET) / ONSET / len(subject.cells)
        if late * len(subject.cells) * ONSET / 1e3 >= 30 and not 0.5 <= early / late <= 2.0:
            yield Finding(
                CHECK,
                f"The run begins with a transient: {early:.2f} Hz per cell in the first {ONSET:g} "
                f"ms, {late:.2f} Hz after them.",
                "All means include it. Run longer, or leave the beginning out of what you "
                "conclude.",
            )
    shared = rate_modulation(times, duration)
    if shared > 1.0 and len(times) >= ENOUGH_FOR_BURSTS:
        yield Finding(
            CHECK,
            f"Activity comes in bursts: the rate that all cells share varies by {100 * shared:.0f} "
            "% of its mean.",
            "See the raster; mean rates describe neither the bursts nor what is between them.",
        )


def _listed(names: list[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")


CHECKS = (
    _stopped, _unfinished, _skipped, _configuration, _numerics, _memory, _times, _silence, _ranges,
    _fastest, _course,
)  # fmt: skip
