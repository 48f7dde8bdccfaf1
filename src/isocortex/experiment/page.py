"""The page of a study: what was asked, changed and found, with statistics, in one file."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isocortex import __version__
from isocortex.analysis.areas import BIN
from isocortex.circuit.changes import CHANGES, OURS
from isocortex.cortex.atlas import load_atlas
from isocortex.cortex.recipe import recipe_told
from isocortex.experiment import figures
from isocortex.experiment.about import Source
from isocortex.experiment.pieces import Piece
from isocortex.experiment.results import StudyResult, seconds_of
from isocortex.experiment.spread import spread_sections
from isocortex.experiment.statistics import few_seeds
from isocortex.experiment.study import STUDY
from isocortex.experiment.verdict import AGREES, CANNOT, DIFFERS, RULE, UNTOLD, Judged, judge
from isocortex.html_report.page import (
    Cell,
    Markup,
    doi,
    facts,
    figure,
    in_words,
    joined,
    number,
    paragraph,
    section,
    table,
    tag,
    whole_page,
    write_page,
)
from isocortex.text import exact

Section = tuple[str, str, Markup]
STYLES = {AGREES: "fine", DIFFERS: "off", UNTOLD: "soft", CANNOT: "soft"}
#: Values of a list that are told, as of points.
MANY = 12
#: Arms beyond which they are drawn side by side too, as doses are.
FEW = 2


def study_page(result: StudyResult) -> str:
    """The page as text; it loads nothing from anywhere."""
    judged = judge(result)
    sections = [
        _findings(result, judged),
        _changed(result),
        _activity(result),
        *spread_sections(result),
        _differences(result),
        _rhythms(result),
        *_fields(result),
        _lacks(result, judged),
        _made(result),
    ]
    return whole_page(f"Experiment: {_title(result)}", _lead(result), sections)


def write_study(result: StudyResult, path: str | os.PathLike[str] | None = None) -> Path:
    """Write the page; an earlier one is replaced. Default ``report.html`` in the study's folder."""
    return write_page(study_page(result), Path(path or result.folder / "report.html"))


def _title(result: StudyResult) -> str:
    about = result.study.about
    return (about.title or about.name if about else "") or result.folder.resolve().name


def _lead(result: StudyResult) -> Markup:
    study, about = result.study, result.study.about
    neurons = len(result.neurons(result.seeds[0]))
    key = {
        "arms": str(len(result.arms)), "seeds": str(len(result.seeds)),
        "neurons of each": f"{neurons:,}", "simulated, each": in_words(1e-3 * study.tstop),
        "computed in": in_words(seconds_of(result)),
    }  # fmt: skip
    parts: list[Cell] = [tag("h1", _title(result))]
    if about and about.question:
        parts.append(paragraph(about.question))
    boxes = joined(tag("div", tag("dt", name) + tag("dd", value)) for name, value in key.items())
    parts.append(tag("dl", boxes, class_="key"))
    said = few_seeds(len(result.seeds))
    if said:
        parts.append(paragraph(tag("span", said, class_="off")))
    return joined(parts, "\n")


# --- what was expected, and what was changed --------------------------------------------------


def _findings(result: StudyResult, judged: Sequence[Judged]) -> Section:
    about = result.study.about
    parts: list[Cell] = []
    if judged:
        header = ["expected", "arm", "range", "measured", "95 %", "seeds", "verdict", "source"]
        rows = [
            [each.expected.what, each.expected.compared, each.expected.range, number(each.mean),
             _interval(each.low, each.high), _seeds(each),
             tag("span", each.verdict, class_=STYLES[each.verdict]), each.expected.source]
            for each in judged
        ]  # fmt: skip
        parts += [table("Expected, measured, verdict.", header, rows, words=8),
                  paragraph(RULE, class_="soft")]  # fmt: skip
    else:
        parts.append(paragraph("Nothing was said beforehand of what would come out."))
    if about and about.sources:
        parts.append(tag("h3", "Sources"))
        items = joined((tag("li", _source(each)) for each in about.sources), "\n")
        parts.append(tag("ul", items))
    return section("question", "Question and answer", *parts)


def _seeds(judged: Judged) -> str:
    """In how many it was a number, if not in all."""
    if judged.seeds == judged.of:
        return str(judged.of or "–")
    return f"{judged.seeds} of {judged.of}"


def _source(source: Source) -> Markup:
    name: Cell = doi(source.doi, source.text) if source.doi else source.text
    return joined([name, ": " + source.says if source.says else ""])


def _changed(result: StudyResult) -> Section:
    rows: list[list[Cell]] = []
    for arm in result.arms:
        pieces = result.study.pieces(arm)
        if not pieces:
            rows.append([arm, "nothing", "", ""])
        run = result.run(arm, result.seeds[0]).changed
        told = _told(run.get("changes") or [], pieces)
        for k, piece in enumerate(pieces):
            touched = _touched(piece, told[k], run)
            rows.append([arm if k == 0 else "", _words(piece), exact(piece.start), touched])
    seed = result.seeds[0]
    caption = f"Arms, what each changes, from when on, and how much that was (seed {seed})."
    return section(
        "changes", "What was changed",
        table(caption, ["arm", "change", "from (ms)", "touched"], rows, words=4),
    )  # fmt: skip


def _words(piece: Piece) -> str:
    """A change in words: its entries, without punctuation that JSON needs and people do not."""
    told = []
    for name, value in piece.sections.items():
        entries = value.get("changes", [value]) if isinstance(value, dict) else value
        for entry in entries if isinstance(entries, list) else [entries]:
            rest = {k: v for k, v in entry.items() if k not in ("type", "start")}
            what = entry.get("type", name.replace("_", " "))
            told.append(f"{what}: " + ", ".join(f"{k} {_plain(v)}" for k, v in rest.items()))
    return "; ".join(told)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "[" + ", ".join(f"{k} {_plain(v)}" for k, v in value.items()) + "]"
    if isinstance(value, list):
        told = [_plain(each) for each in value[:MANY]]
        return " or ".join(told) + (f" or {len(value) - MANY} more" if len(value) > MANY else "")
    return str(value)


def _told(changes: Sequence[dict[str, Any]], pieces: Sequence[Piece]) -> list[list[dict[str, Any]]]:
    """By piece, what a run's provenance tells of its changes.

    It tells all modifications first, those that every run has before those of pieces, then ours.
    """
    mods = [
        len(piece.sections.get("conditions", {}).get("modifications") or ()) for piece in pieces
    ]
    ours = [len(piece.sections.get(OURS, {}).get(CHANGES) or ()) for piece in pieces]
    first = len(changes) - sum(ours)
    told, at, late = [], first - sum(mods), first
    for n, m in zip(mods, ours, strict=True):
        told.append([*changes[at : at + n], *changes[late : late + m]])
        at, late = at + n, late + m
    return told


def _touched(piece: Piece, told: Sequence[dict[str, Any]], run: dict[str, Any]) -> str:
    """How much a piece was about, as the provenance of a run tells it."""
    found = []
    for each in told:
        counts = dict(each.get("touched", {}))
        channels = counts.pop("channels", None) or {}
        found += [f"{n:,} {what}" for what, n in counts.items()]
        found += [f"{n:,} compartments with {name}" for name, n in channels.items()]
    names = [each.get("name") for each in piece.sections.get("connection_overrides", ())]
    for each in run.get("connection_overrides") or []:
        if each.get("name") in names:
            ends = [
                " and ".join(f"{at['nodes']:,} of {name}" for name, at in each[end].items())
                for end in ("source", "target")
            ]
            found.append(f"synapses of {ends[0]} onto {ends[1]}")
    return ", ".join(found)


# --- what came of it --------------------------------------------------------------------------


def _activity(result: StudyResult) -> Section:
    seed = result.seeds[0]
    parts: list[Cell] = [
        figure(
            figures.areas_over_time(result, seed),
            f"Rate of every area over time in {len(result.arms)} arms of seed {seed}",
            f"Rate of every area (rows; every fifth by name) over time, in bins of "
            f"{BIN:g} ms, on one scale; seed {seed}. Dotted: when an arm begins to be "
            "compared.",
        )
    ]
    cell = figures.one_cell(result, seed)
    if cell is not None:
        parts.append(
            figure(cell, "Voltage and calcium of one cell in every arm",
                   f"The same cell in every arm, seed {seed}: voltage at its soma, sampled every "
                   "half millisecond, and below the calcium there, of all arms in their colours.")
        )  # fmt: skip
    return section("activity", "Activity", *parts)


def _differences(result: StudyResult) -> Section:
    if not any(result.differ(arm) for arm in result.arms[1:]):
        one = len(result.arms) == 1
        text = "There is one arm" if one else "The runs end before arms differ"
        text += ": nothing is compared."
        return section("differences", "Differences", paragraph(text))
    parts: list[Cell] = [
        paragraph(
            "Differences of mean rates within seeds, arm minus control, from when the two differ. "
            "Bars: 95 % intervals by Student’s t over seeds. Filled: below 0.05 after Holm’s "
            "correction over the groups of the arm."
        )
    ]
    if len(result.arms) > FEW:
        parts.append(
            figure(figures.doses(result), "Rates in every arm, by seed and mean",
                   "Mean rates in every arm, in their order, as of a dose curve: grey a line for "
                   "each seed, blue means with 95 % intervals over seeds, which contain what "
                   "differs between animals; the differences below do not.")
        )  # fmt: skip
    for by, what in (("area", "area, both sides together"), ("layer class", "layer and class")):
        found = result.compare("rate", by, warn=False)
        names = _order(found, by)
        parts.append(
            figure(figures.forest(found, names), f"Paired differences of rates by {what}",
                   f"Paired differences of rates by {what}.")
        )  # fmt: skip
        parts.append(_table(found, names, what))
    return section("differences", "Differences", *parts)


def _order(found: pd.DataFrame, by: str) -> list[str]:
    names = list(found.index.unique(1))
    if by == "area":
        known = [name for name in load_atlas().areas.index if name in names]
        return known + [name for name in names if name not in known]
    return names


def _table(found: pd.DataFrame, names: Iterable[str], what: str) -> Markup:
    header = ["arm", what, "control", "arm (Hz)", "difference", "95 %", "%", "d", "p (t)",
              "p (Holm)", "p (signs)", "smallest visible"]  # fmt: skip
    rows = []
    for arm in found.index.unique("arm"):
        for name in names:
            if (arm, name) not in found.index:
                continue
            row = found.loc[(arm, name)]
            rows.append([
                arm, name, number(row["control_mean"]), number(row["arm_mean"]),
                number(row["difference"]), _interval(row["low"], row["high"]),
                number(row["percent"], 2), number(row["d"], 2), number(row["p_t"], 2),
                number(row["p_holm"], 2), number(row["p_flip"], 2), number(row["smallest"], 2),
            ])  # fmt: skip
    text = (
        f"Mean rates (Hz) by {what}. d: mean over standard deviation of the differences. p "
        "(signs): exact sign-flip test. Smallest visible: the difference that four of five such "
        "studies would have found by Student’s t, before Holm’s correction. Dashes: differences "
        "that do not vary over seeds, of which only signs tell."
    )
    inside = table(text, header, rows, words=2)
    return tag("details", tag("summary", f"The numbers, by {what}") + inside)


def _rhythms(result: StudyResult) -> Section:
    drawing = figures.spectra(result)
    if drawing is None:
        text = "Arms differ for less than 500 ms: too short for spectra."
        return section("rhythms", "Rhythms", paragraph(text))
    return section(
        "rhythms", "Rhythms",
        figure(drawing, "Spectra of all excitatory cells in every arm",
               "Power of the rate of all excitatory cells over that of as many independent Poisson "
               "cells (0 dB), by arm, from when all arms differ: mean and 95 % interval over "
               "seeds."),
    )  # fmt: skip


def _fields(result: StudyResult) -> Iterator[Section]:
    drawing = figures.eeg(result, result.seeds[0])
    if drawing is not None:
        yield section(
            "fields", "Field potentials",
            figure(drawing, "Potential at electrodes on the skull in every arm, and its spectra",
                   "Left: potential at electrodes on the outside of the skull over MOs, SSp-bfd "
                   f"and VISp, in a head of four spheres, seed {result.seeds[0]}. Right: power, "
                   "mean over electrodes with its 95 % interval over seeds, from when all arms "
                   "differ. A small cortex has few neurons and so small potentials: arms can be "
                   "compared, amplitudes with recordings cannot."),
        )  # fmt: skip


# --- what must be known of it -----------------------------------------------------------------


def _lacks(result: StudyResult, judged: Sequence[Judged]) -> Section:
    about = result.study.about
    lines = list(about.lacks if about else ())
    lines += [f"{j.expected.what}: {j.expected.cannot}" for j in judged if j.expected.cannot]
    lines.append(
        "Cells and local wiring of all areas are those of V1; there is no thalamus, plasticity or "
        "voltage dependence of NMDA. Absolute numbers of single areas prove nothing."
    )
    items = joined((tag("li", line) for line in lines), "\n")
    return section("lacks", "What the model lacks", tag("ul", items))


def _made(result: StudyResult) -> Section:
    study, first = result.study, result.run(result.arms[0], result.seeds[0]).result
    provenance = first.provenance
    versions = provenance.get("versions", {})
    machine = provenance.get("machine", {})
    rows: list[tuple[str, Cell]] = [
        ("isocortex", __version__),
        ("versions", ", ".join(f"{name} {value}" for name, value in versions.items())),
        ("scale", exact(study.scale)),
        ("recipe", "; ".join(map(" ".join, recipe_told(study.recipe).items())) or "default"),
        ("seeds", ", ".join(map(str, result.seeds))),
        ("precision", study.precision),
        ("duration, not compared at first", f"{exact(study.tstop)} ms, {exact(study.settle)} ms"),
        ("processor", str(machine.get("cpu", "–"))),
        ("all runs together", in_words(seconds_of(result))),
    ]  # fmt: skip
    left = [seed for seed in study.seeds if seed not in result.seeds]
    if left:
        rows.append(("seeds that are not whole", ", ".join(map(str, left))))
    told = study.as_json()
    del told["about"]
    commands = tag("pre", tag("code", "\n".join(_commands(result))))
    data = tag("pre", tag("code", json.dumps(told, indent=1)))
    data = tag("details", tag("summary", "The study as data") + data)
    return section("made", "How it was made", facts(rows), commands, data)


def _commands(result: StudyResult) -> Iterator[str]:
    """What repeats the study, and the runs of its first seed, in its folder."""
    yield "# the whole study"
    yield f"isocortex experiment run {STUDY} -o ."
    yield "# one run after the other"
    here = result.folder.absolute()
    for job in result.study.jobs(here):
        place = Path(job.folder).relative_to(here)
        if place.parts[0] == f"seed_{result.seeds[0]}":
            yield f"(cd {shlex.quote(str(place))} && {job.command})"


def _interval(low: float, high: float) -> str:
    if not np.isfinite([low, high]).all():
        return "–"
    return f"{number(low)} to {number(high)}".replace(" ", "\u00a0")  # on one line
