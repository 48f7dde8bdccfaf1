"""The table of gates as a page: one file, to read, print or send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.analysis.areas import BIN, areas_over_time
from isocortex.html_report.page import (
    Cell,
    Markup,
    facts,
    figure,
    joined,
    number,
    paragraph,
    safe,
    section,
    table,
    tag,
    whole_page,
    write_page,
)
from isocortex.validation.gates import FAILS, HOLDS, PART, UNMEASURED, Source
from isocortex.validation.outcome import GateOutcome, Validation

#: Gate -> tables behind it, by how their names begin, and what they hold.
BEHIND = {
    "rates": ("rates", "Rates by class, Hz"),
    "recurrence": ("recurrence", "By class: medians of cells"),
    "irregular": ("irregular", "Excitatory and inhibitory cells"),
    "correlated": ("correlated", "By area: cells, pair correlation, Fano factor, correlation with "
                   "the partner"),
    "seizure": ("seizure", "By dose, the share of GABA-A that is blocked"),
    "focus": ("focus", "By area: share of discharges that it joins, and when, after the focus"),
    "stabilised": ("light", "By region, cells and dose, the share of the rheobase"),
    "lesion": ("lesion", "By target: change of the rate, and its standard error over seeds"),
    "evoked": ("pulse", "By area, over all pulses"),
    "spectrum": ("spectrum", "By area and layer: the strongest peak"),
}  # fmt: skip
STYLES = {HOLDS: "fine", PART: "fine", FAILS: "off", UNMEASURED: "soft"}
#: Rows of a table behind a gate that are shown.
SHOWN = 60


def gates_page(validation: Validation) -> str:
    """The page as text; it loads nothing from anywhere."""
    sections = [_overview(validation), *_activity(validation)]
    sections += [_gate(validation, outcome) for outcome in validation.gates]
    sections.append(_facts(validation))
    lead = tag("h1", "Gates of the resting cortex") + paragraph(validation.summary)
    return whole_page(f"Gates: {validation.subject}", lead, sections)


def write_gates(validation: Validation, path: str | Path) -> Path:
    """Write the page; an earlier one is replaced."""
    return write_page(gates_page(validation), Path(path))


def _overview(validation: Validation) -> tuple[str, str, Markup]:
    rows = [
        [*(_first(each) if k == 0 else ["", ""]), line.criterion.what, line.measured,
         line.criterion.target, _verdict(line.verdict),
         _sources(each.gate.sources) if k == 0 else ""]
        for each in validation.gates
        for k, line in enumerate(line for line in each.lines if line.criterion.judged)
    ]  # fmt: skip
    spread = (
        "Measured values are means ± standard deviations over seeds."
        if len(validation.seeds) > 1
        else "One network was measured: there is no spread over seeds."
    )
    return section(
        "overview", "All gates",
        paragraph(spread, " A gate that fails stands here with its figure."),
        table("Gates and what they are judged by",
              ["gate", "", "quantity", "measured", "target", "verdict", "source"], rows, words=7),
    )  # fmt: skip


def _activity(validation: Validation) -> Iterator[tuple[str, str, Markup]]:
    """Areas over time: at rest and under every dose, then with a focus and with pulses."""
    shown = {name: _title(name) for name in validation.activity}
    doses = [name for name in shown if name == "rest" or name.startswith("gaba_block")]
    others = [name for name in shown if name.startswith(("focus", "pulse"))]
    drawn = []
    for names in (doses, others):
        if not names:
            continue
        end = min(float(validation.activity[name].columns[-1]) for name in names)
        runs = {shown[name]: validation.activity[name].loc[:, :end] for name in names}
        drawn.append(
            figure(
                areas_over_time(runs, columns=2 if len(runs) > 1 else 1),
                f"Rate of every area over time: {', '.join(runs)}",
                "Rate of every area (rows; every fifth by name) over time, in bins of "
                f"{BIN:g} ms, colours by the root of the rate; the first network.",
            )
        )
    if drawn:
        yield section("activity", "Areas over time", *drawn)


def _title(name: str) -> str:
    """What a run is, in words."""
    kind, _, rest = name.rpartition("_")
    if kind == "gaba_block":
        return f"GABA-A blocked by {int(rest)} %"
    return {"focus": f"GABA-A blocked in {rest}", "pulse": f"pulses into {rest}"}.get(kind, name)


def _first(outcome: GateOutcome) -> list[Cell]:
    """Name and verdict of a gate, before its first line."""
    gate = outcome.gate
    return [tag("a", gate.title, href=f"#{gate.name}"), _verdict(outcome.verdict)]


def _gate(validation: Validation, outcome: GateOutcome) -> tuple[str, str, Markup]:
    gate = outcome.gate
    rows = [
        (line.criterion.what, line.measured, line.criterion.target or "told only",
         _verdict(line.verdict), line.note)
        for line in outcome.lines
    ]  # fmt: skip
    parts: list[Cell] = [paragraph(gate.what, " ", _verdict(outcome.verdict))]
    parts.append(
        table("What was measured", ["quantity", "measured", "target", "verdict", "note"], rows,
              words=5)
    )  # fmt: skip
    if outcome.verdict == FAILS and gate.needs:
        parts.append(paragraph(tag("b", "What it would need: "), gate.needs, "."))
    if gate.sources:
        parts.append(paragraph("Source: ", _sources(gate.sources), class_="soft"))
    parts += _behind(validation, gate.name)
    return section(gate.name, gate.title, *parts)


def _behind(validation: Validation, name: str) -> Iterator[Markup]:
    """The tables behind a gate, of the first seed."""
    begins, caption = BEHIND.get(name, ("", ""))
    for key, found in validation.tables.items():
        if key.split(".")[0] == begins and len(found):
            shown = found.iloc[:SHOWN].reset_index()
            rest = f", the first {SHOWN} of {len(found)}" if len(found) > SHOWN else ""
            rows = [[_cell(value) for value in row] for row in shown.itertuples(index=False)]
            words = sum(not pd.api.types.is_numeric_dtype(kind) for kind in shown.dtypes)
            header = [str(column).replace("_", " ") for column in shown.columns]
            of = f"{key.split('.')[1]}. " if "." in key else ""
            yield table(f"{of}{caption}{rest}", header, rows, words=max(words, 1))


def _cell(value: object) -> str:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return str(value)
    return number(float(value))


def _facts(validation: Validation) -> tuple[str, str, Markup]:
    rows: list[tuple[str, Cell]] = [("subject", validation.subject)]
    if validation.seeds:
        rows.append(("seeds", ", ".join(map(str, validation.seeds))))
    for name, value in validation.facts.items():
        if isinstance(value, dict):
            value = [f"{key} {each}" for key, each in value.items()]
        several = isinstance(value, (list, tuple))
        text = ", ".join(map(str, value)) if several else str(value)
        rows.append((name.replace("_", " "), text))
    return section("facts", "What was run", facts(rows))


def _verdict(verdict: str) -> Markup:
    return tag("span", verdict, class_=STYLES.get(verdict, "soft"))


def _sources(sources: tuple[Source, ...]) -> Markup:
    return joined(
        [tag("a", each.text, href=each.url) if each.url else safe(each.text) for each in sources],
        ", ",
    )
