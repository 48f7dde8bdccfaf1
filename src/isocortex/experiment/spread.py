"""The part of a study's page on where activity goes from an area: who joins, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from isocortex.experiment import figures
from isocortex.experiment.about import EVOKED, RECRUITMENT, SPREAD
from isocortex.experiment.results import StudyResult
from isocortex.html_report.page import Cell, Markup, figure, number, paragraph, section, table, tag
from isocortex.validation.measured import Measured


def spread_sections(result: StudyResult) -> Iterator[tuple[str, str, Markup]]:
    """Sections on what was asked: how discharges recruit, and how pulses are followed."""
    about = result.study.about
    parts: dict[str, list[Cell]] = {RECRUITMENT: [], EVOKED: []}
    asked = dict.fromkeys(
        (each.measure, each.arm, each.by)
        for each in (about.expected if about else ())
        if each.measure in parts and not each.cannot
    )
    for measure, arm, by in asked:
        parts[measure].append(tag("h3", f"{arm}: from {by}"))
        if result.differ(arm):
            told = _recruited if measure == RECRUITMENT else _followed
            parts[measure] += told(result, arm, by)
        else:
            parts[measure].append(paragraph("The runs end before the arm differs."))
    if parts[RECRUITMENT]:
        yield section("recruitment", "Recruitment", *parts[RECRUITMENT])
    if parts[EVOKED]:
        yield section("evoked", "Up the hierarchy", *parts[EVOKED])


def _recruited(result: StudyResult, arm: str, by: str) -> Iterator[Cell]:
    area, side = by.split()
    found = result.recruitment(arm, area, side)
    yield _quantities(found, RECRUITMENT, f"focus.{area}", "Recruitment, by seed.")
    tables = {s: m.tables[f"focus.{area}"] for s, m in found.items() if f"focus.{area}" in m.tables}
    if not tables:
        yield paragraph("In no seed was a discharge of it found before the runs end.")
        return
    order = figures.mean_latency(tables)
    drawing = figures.recruitment_map(result.neurons(result.seeds[0]), order["latency_ms"], area)
    yield figure(
        drawing, f"Flattened cortex, areas coloured by when they join after {by}",
        "Areas of the flattened cortex by the time at which they join the discharges "
        f"of {by}, means over seeds; grey: they do not.",
    )  # fmt: skip
    joined = order[order["seeds"] > 0].head(30)
    yield _latencies(joined, "Who joins, the first 30: latency over seeds (ms).")


def _followed(result: StudyResult, arm: str, by: str) -> Iterator[Cell]:
    area, side = by.split()
    found = result.evoked(arm, area, side)
    yield _quantities(found, EVOKED, "pulse", "Responses to the pulses, by seed.")
    if not result.pulses(arm):
        yield paragraph("The runs end before the first response does.")
    tables = {seed: m.tables["pulse"] for seed, m in found.items() if "pulse" in m.tables}
    if tables:
        yield _latencies(
            figures.mean_latency(tables),
            "Latency over seeds (ms): when half of the spikes in excess have come, of 100 ms.",
        )


def _quantities(found: Mapping[int, Measured], measure: str, prefix: str, caption: str) -> Markup:
    rows = [
        [what, *(number(m.values.get(f"{prefix}.{key}", np.nan)) for m in found.values())]
        for key, what in SPREAD[measure].items()
    ]
    return table(caption, ["quantity", *(f"seed {seed}" for seed in found)], rows)


def _latencies(order: pd.DataFrame, caption: str) -> Markup:
    rows = [
        [str(name), number(row["latency_ms"]), number(row["sd"]), f"{row['seeds']:.0f}"]
        for name, row in order.iterrows()
    ]
    return table(caption, ["area", "latency", "standard deviation", "seeds"], rows)
