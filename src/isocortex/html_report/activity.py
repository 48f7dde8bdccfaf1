"""What the cells did: rates, rasters, voltages, rhythms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from isocortex import pictures
from isocortex.analysis import brain, plots
from isocortex.analysis.groups import ABOVE, BELOW, IN_RANGE
from isocortex.analysis.palette import by_module
from isocortex.analysis.plots_spectra import spectra
from isocortex.analysis.rates import isi_cv, settled
from isocortex.analysis.spectra import (
    RANGE,
    PopulationSpectrum,
    fano_factor,
    population_spectrum,
    rate_modulation,
    segment_length,
)
from isocortex.cortex.atlas import load_atlas
from isocortex.cortex.counts import CLASSES
from isocortex.cortex.drive import TOLERANCE
from isocortex.errors import InputError
from isocortex.html_report.findings import ENOUGH_FOR_BURSTS
from isocortex.html_report.page import (
    Cell,
    Markup,
    barred,
    cells_in_words,
    doi,
    figure,
    joined,
    number,
    paragraph,
    safe,
    section,
    table,
    tag,
)
from isocortex.html_report.subject import MOST_GROUPS, Subject
from isocortex.printable import printable

Section = tuple[str, str, Markup]

#: Cells that one raster shows; of more, this many are drawn at random.
MOST_ROWS = 20_000
#: Spikes below which a group's spectrum is not drawn, and of a cell for the CV of its intervals.
SPIKES_FOR_SPECTRUM, SPIKES_FOR_CV = 50, 6

REFERENCE = joined(
    [
        "Reference: medians over units of visual cortex of awake mice without stimulus (",
        doi("10.1038/s41586-020-03171-x", "Siegle et al. 2021"),
        f"), to which the background is calibrated; in range from {TOLERANCE[0]:g} to "
        f"{TOLERANCE[1]:g} times them. They are for a network at rest that has settled: a short "
        "run includes how it begins.",
    ]
)  # fmt: skip


# --- rates ------------------------------------------------------------------------------------


def rates(subject: Subject) -> Section:
    """Tables of rates by class, and in the cortex by layer and area."""
    seconds = 1e-3 * subject.duration
    parts = [
        paragraph(
            f"Mean rates over the whole run, {subject.begin:g} to {subject.end:g} ms, in spikes "
            "per second and cell (Hz), silent cells included. ",
            f"One spike of one cell is {number(1 / seconds, 2)} Hz. " if seconds else "",
            "Median, percentiles and silent cells are over the cells of a group.",
            f" The first {late - subject.begin:g} ms, in which all cells leave the same voltage at "
            "once, are counted."
            if (late := settled(subject.begin, subject.end)) > subject.begin
            else "",
        )
    ]
    if subject.is_cortex:
        parts.append(paragraph(REFERENCE))
        areas, layers, classes = (subject.rates(by) for by in ("area", "layer", "class"))
        parts += [
            _rate_table(subject.class_rates, _labels(subject), "class", "Layers and classes"),
            _rate_table(layers, layers["layer"], "layer", "Layers"),
            _rate_table(classes, classes["class"], "class", "Classes"),
            _rate_table(
                areas, _area_names(areas["area"]), "area", "Areas, both hemispheres together"
            ),
        ]
    else:
        parts.append(_rate_table(subject.class_rates, _labels(subject), "class", "Classes"))
        if subject.nodes:
            text = "There are no reference ranges for this circuit’s classes."
            parts.append(paragraph(text, class_="soft"))
    parts += _rate_figures(subject)
    return section("rates", "Firing rates", *parts)


def _labels(subject: Subject) -> list[str]:
    return [subject.label(row) for row in subject.class_rates.to_dict("records")]


def _area_names(areas: Iterable[str]) -> list[Markup]:
    """Acronyms with the names of the atlas."""
    names = load_atlas().areas["name"]
    return [safe(f"{area} ") + tag("span", names.get(area, ""), class_="soft") for area in areas]


def _rate_table(rows: pd.DataFrame, names: Sequence[Cell], what: str, caption: str) -> Markup:
    """A row for each group, its mean as a bar in front of the range of the reference.

    Parameters
    ----------
    rows : of :func:`isocortex.analysis.groups.group_rates`.
    names : of the groups, and ``what`` they are.
    """
    judged = rows["low"].notna().any()
    top = float(np.nanmax([1e-9, rows["mean"].max(), rows["high"].max()]))
    header = [what, "cells", "mean", "median", "5–95 %", "silent (%)"]
    header += ["reference", "verdict"] if judged else []
    body = []
    for name, row in zip(names, rows.to_dict("records"), strict=True):
        bar = barred(row["mean"], f"{row['mean']:.2f}", top, (row["low"], row["high"]))
        line: list[Cell] = [name, f"{row['n']:,}", bar]
        line.append(f"{row['median']:.2f}")
        line += [f"{row['p5']:.1f}–{row['p95']:.1f}", f"{row['silent']:.0f}"]
        if judged:
            span = f"{row['low']:.1f}–{row['high']:.1f}" if row["verdict"] else "–"
            line += [span, _verdict(row["verdict"])]
        body.append(line)
    scale = f", rates in Hz. Bars: the mean, from 0 to {number(top, 2)} Hz" + (
        ", in front of the reference range." if judged else "."
    )
    return table(caption + scale, header, body)


def _verdict(verdict: str) -> Markup:
    kinds = {IN_RANGE: "fine", BELOW: "off", ABOVE: "off"}
    return tag("span", verdict or "no reference", class_=kinds.get(verdict, "soft"))


def _rate_figures(subject: Subject) -> Iterator[Markup]:
    """Distribution over cells and course in time, of each population by class."""
    for population, cells in subject.cells.groupby("population"):
        groups = _classes(subject, cells)
        if not cells["spikes"].sum() or len(groups) > MOST_GROUPS:
            continue
        spikes = _spikes(subject, str(population))
        drawing = plots.rates(
            spikes, groups, begin=subject.begin, duration=subject.end, since=subject.begin
        )
        means = cells.groupby("class")["rate_hz"].mean()
        yield figure(
            drawing,
            f"Histograms of cells’ mean rates and rates over time of population {population}: "
            + ", ".join(f"{name} {means[name]:.2f} Hz" for name in groups),
            f"Population {population}. Left: share of cells (%) by mean rate (Hz); the line is "
            "the mean. Right: rate over time (Hz per cell) in bins of 50 ms.",
        )


def _classes(subject: Subject, cells: pd.DataFrame) -> dict[str, np.ndarray]:
    """Node ids by class."""
    names = cells["class"].astype(str)
    order = CLASSES if subject.is_cortex else tuple(dict.fromkeys(names))
    ids = cells["node_id"].to_numpy()
    groups = {name: ids[(names == name).to_numpy()] for name in order}
    return {name: members for name, members in groups.items() if len(members)}


def _spikes(subject: Subject, population: str) -> pd.DataFrame:
    spikes = subject.result.spikes
    return spikes[spikes["population"] == population]


# --- rasters ----------------------------------------------------------------------------------


def rasters(subject: Subject) -> Section:
    """Spikes of each population, and voltages where they were recorded."""
    parts = []
    for population in dict.fromkeys(subject.cells["population"]):
        groups = subject.groups(population)
        n = sum(len(ids) for ids in groups.values())
        shown = {name: _sample(ids, MOST_ROWS / n) for name, ids in groups.items()}
        spikes = _spikes(subject, population)
        if not len(spikes):
            parts.append(paragraph(f"No cell of population {population} fired."))
            continue
        rows = sum(len(ids) for ids in shown.values())
        every = cells_in_words(n)
        what = every if rows == n else f"{rows:,} of {every}, drawn at random"
        named = f" by {_what_groups(subject)}" if len(groups) > 1 else ""
        width = plots.telling_bin(len(spikes), subject.duration)
        parts.append(
            figure(
                plots.raster(
                    spikes, shown, begin=subject.begin, duration=subject.end, bin_width=width
                ),
                f"Raster of population {population}, {what}{named}, over {subject.duration:g} ms; "
                f"its {len(spikes):,} spikes are {len(spikes) / n * 1e3 / subject.duration:.2f} Hz "
                "per cell",
                f"Population {population}: a mark for every spike of {what}{named}, with the "
                f"number of cells; below, the rate (Hz per cell) in bins of {width:g} ms. "
                "Time in ms.",
            )
        )
    parts += _raster_by_area(subject)
    parts += _traces(subject)
    return section("spikes", "Spikes and voltages", *parts)


def _raster_by_area(subject: Subject) -> Iterator[Markup]:
    cells, atlas = subject.cells, load_atlas()
    if not subject.is_cortex or cells["population"].nunique() > 1 or not cells["spikes"].sum():
        return
    parts = dict(iter(cells.groupby(cells["area"].astype(str))["node_id"]))
    groups = {
        name: _sample(parts[name].to_numpy(), MOST_ROWS / len(cells))
        for name in reversed(by_module(atlas))
        if name in parts
    }
    if not groups:
        return
    shown = np.concatenate(list(groups.values()))
    spikes = subject.result.spikes
    spikes = spikes[np.isin(spikes["node_ids"], shown)]
    what = "all cells" if len(shown) == len(cells) else f"{len(shown):,} cells, drawn at random"
    means = subject.rates("area").set_index("area")["mean"]
    yield figure(
        brain.raster_by_area(spikes, groups, atlas, begin=subject.begin, duration=subject.end),
        f"Raster of {what} by area; rates in Hz: "
        + ", ".join(f"{name} {means[name]:.1f}" for name in reversed(groups)),
        f"Spikes of {what} by area, both hemispheres together, areas of a module side by side and "
        "in one hue; below, the rate (Hz per cell) in bins of 10 ms. Time in ms.",
    )


def _what_groups(subject: Subject) -> str:
    return "layer, excitatory (e) and inhibitory (i)" if subject.is_cortex else "class"


def _sample(ids: np.ndarray, share: float) -> np.ndarray:
    """A share of the ids, at least one, always the same."""
    if share >= 1.0:
        return ids
    chosen = np.random.default_rng(0).permutation(len(ids))[: max(int(share * len(ids)), 1)]
    return np.sort(ids[chosen])


def _traces(subject: Subject) -> list[Markup]:
    try:
        drawing = pictures.traces(subject.result)
    except InputError:
        return [paragraph("No voltage was recorded.", class_="soft")]
    n = 0
    for axis in drawing.axes:
        title = axis.get_title(loc="left")
        if title:
            n += 1
            axis.set_title(printable(_with_class(subject, title)), loc="left", fontsize=9, pad=2)
    return [
        figure(
            drawing,
            f"Membrane potential over time of {cells_in_words(n)}, with marks at their spikes",
            f"Membrane potential (mV) at the soma of {cells_in_words(n)}, the first recorded, and "
            "calcium where it was recorded; a mark above is a spike. Titles: population, node id "
            "and class.",
        )
    ]


def _with_class(subject: Subject, title: str) -> str:
    """``cortex 5`` and the class of this cell."""
    population, node = title.rsplit(" ", 1)
    cells = subject.cells
    row = cells[(cells["population"] == population) & (cells["node_id"] == int(node))]
    name = population if row.empty else subject.label(row.iloc[0].to_dict())
    return title if name == population else f"{title}, {name.removeprefix(population + ' ')}"


# --- rhythms ----------------------------------------------------------------------------------


def rhythms(subject: Subject) -> Section:
    """Spectra of populations, and how irregular and how synchronous they are."""
    parts = []
    every = subject.spikes_of(subject.cells)
    length = segment_length(subject.duration)
    groups = _rhythm_groups(subject)
    if length is None:
        text = f"{subject.duration:g} ms are too short for spectra: they need 500 ms or more."
        parts.append(paragraph(text))
    elif len(every) < SPIKES_FOR_SPECTRUM:
        parts.append(paragraph(f"{len(every)} spikes are too few for spectra."))
    else:
        times = {name: subject.spikes_of(cells) for name, cells in groups.items()}
        drawn = {
            name: population_spectrum(times[name], len(groups[name]), subject.duration)
            for name in groups
            if len(times[name]) >= SPIKES_FOR_SPECTRUM
        }
        whole = population_spectrum(every, len(subject.cells), subject.duration)
        parts.append(_spectra(drawn or {"all cells": whole}, whole, length))
    more = groups if len(groups) > 1 else {}
    parts.append(_irregularity(subject, {"all cells": subject.cells, **more}))
    return section("rhythms", "Rhythms and synchrony", *parts)


def _rhythm_groups(subject: Subject) -> dict[str, pd.DataFrame]:
    """Cells by layer, then by class, of the cortex; else by class."""
    groups: dict[str, pd.DataFrame] = {}
    columns = ("layer", "class") if subject.is_cortex else ("class",)
    for column in columns:
        parts = {str(name): cells for name, cells in subject.cells.groupby(column, observed=True)}
        in_order = [name for name in CLASSES if subject.is_cortex and name in parts]
        groups |= {name: parts[name] for name in in_order or parts}
    return groups if len(groups) <= 2 * MOST_GROUPS else {}


def _spectra(
    drawn: dict[str, PopulationSpectrum], whole: PopulationSpectrum, length: float
) -> Markup:
    low, high = whole.interval
    peaks = [
        f"{name} at {part.frequency[np.argmax(part.relative)]:.0f} Hz ({part.relative.max():.1f})"
        for name, part in drawn.items()
    ]
    return figure(
        spectra(drawn, whole),
        "Power spectra of population rates relative to independent Poisson cells, largest: "
        + ", ".join(peaks),
        joined(
            [
                f"Power spectra of the rate of each group from {whole.frequency[0]:g} to "
                f"{RANGE[1]:g} Hz (Welch’s method, {whole.n_segments} Hann segments of "
                f"{length:g} ms, half over each other, bins of 1 ms; resolution "
                f"{whole.resolution:.2g} Hz), over that of as many independent Poisson cells of "
                "the same rate (1, dashed); cells that vary together raise it, and so do bursts of "
                "single cells, while regular firing lowers it. Grey: all cells "
                f"together. Bar in the first panel: {low:.2f} to {high:.2f}, where 95 % of the "
                "estimates of a flat spectrum lie. Thick: means over sixths of an octave. Over the "
                "whole run: slow changes and a transient at its beginning raise the low end. "
                f"Groups with fewer than {SPIKES_FOR_SPECTRUM} spikes are left out."
            ]
        ),
    )


def _irregularity(subject: Subject, groups: dict[str, pd.DataFrame]) -> Markup:
    rows = []
    for name, cells in groups.items():
        times = subject.spikes_of(cells)
        cv = _cv_of_intervals(subject, cells)
        rows.append(
            [
                name, f"{len(cells):,}", f"{len(times):,}",
                number(fano_factor(times, subject.duration)),
                number(100 * rate_modulation(times, subject.duration), 2)
                if len(times) >= ENOUGH_FOR_BURSTS
                else "–",
                number(float(np.median(cv)) if len(cv) else None), f"{len(cv):,}",
            ]
        )  # fmt: skip
    return table(
        "Irregularity and synchrony over the whole run. Fano factor: variance over mean of the "
        "group’s spike count in 10 ms, 1 for independent Poisson cells; it grows with the number "
        "of cells that vary together. Shared variation: standard deviation of the rate that the "
        "cells share, in % of its mean, from 100 spikes on; it does not grow with their number, "
        "but bursts of single cells raise it. CV of intervals: "
        "standard deviation over mean of the interspike intervals of a cell, 0 for a clock, 1 for "
        f"a Poisson process, median over cells with {SPIKES_FOR_CV} spikes or more; few "
        "spikes make it smaller (six of a Poisson process: 0.75).",
        ["group", "cells", "spikes", "Fano factor", "shared variation (%)", "CV of intervals",
         "of cells"],
        rows,
    )  # fmt: skip


def _cv_of_intervals(subject: Subject, cells: pd.DataFrame) -> list[float]:
    found: list[float] = []
    busy = cells[cells["spikes"] >= SPIKES_FOR_CV]
    for name, group in busy.groupby("population"):
        spikes = _spikes(subject, str(name))
        mine = spikes[np.isin(spikes["node_ids"], group["node_id"])]
        found += isi_cv(mine["timestamps"], mine["node_ids"]).values()
    return found
