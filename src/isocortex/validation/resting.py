"""Measures of a cortex at rest: pure functions of spikes, labels and conductances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from isocortex.analysis.conductance import Conductance
from isocortex.analysis.correlations import (
    coupling,
    fano_factors,
    homotopic,
    pair_correlations,
    rate_correlations,
)
from isocortex.analysis.counts import group_counts
from isocortex.analysis.groups import ENOUGH_SPIKES
from isocortex.analysis.irregularity import irregularity
from isocortex.analysis.rates import cell_rates
from isocortex.analysis.spectra import (
    NARROW,
    Peak,
    PopulationSpectrum,
    population_spectrum,
    segment_length,
    spectra_by_group,
    strongest_peak,
)
from isocortex.arrays import FloatArray, IntArray
from isocortex.cortex.drive import TOLERANCE, target_of
from isocortex.validation.measured import Measured, mean, median
from isocortex.validation.neurons import JUDGED_CLASS, Neurons, Spikes

BIN = 50.0  # ms, of correlations and Fano factors
#: A share of silent cells is that of a time: shorter recordings are not held against the gate.
LONG = 5000.0  # ms
#: Neurons of one kind that must have fired before its rates are regressed on anything.
ENOUGH_CELLS = 10


def rates(spikes: Spikes, neurons: Neurons) -> Measured:
    """Rate of every class against its target.

    A class of ``JUDGED_CLASS`` neurons or more is judged, if chance does not decide: ten spikes are
    expected of it at its target.
    """
    found, rows = Measured(), []
    for name, rates in zip(neurons.by_class, spikes.rates(neurons.by_class), strict=True):
        layer, cell_class = name.split(" ")
        aim, hz, n = target_of(layer, cell_class), float(rates.mean()), len(rates)
        told = n >= JUDGED_CLASS and 1e-3 * spikes.duration * n * aim >= ENOUGH_SPIKES
        low, high = (factor * aim for factor in TOLERANCE)
        verdict = "not judged" if not told else "in range" if low <= hz <= high else "out of range"
        rows.append((name, n, hz, aim, hz / aim, verdict))
    columns = ["class", "neurons", "Hz", "target", "ratio", "verdict"]
    table = pd.DataFrame(rows, columns=columns).set_index("class")
    judged = table[table["verdict"] != "not judged"]
    out = judged[judged["verdict"] == "out of range"]
    named = [f"{name} {row['Hz']:.2g} (target {row['target']:.2g})" for name, row in out.iterrows()]
    missing = float("nan") if judged.empty else float(len(out))
    found.put("rates.out", missing, f"of {len(judged)} classes" + _listed(named))
    for sign, ids in neurons.by_sign.items():
        found.put(f"rates.{sign}", hertz(spikes, ids))
    found.tables["rates"] = table
    return found


def irregular(spikes: Spikes, neurons: Neurons) -> Measured:
    """Intervals, inequality and silence of excitatory and inhibitory cells."""
    found = Measured()
    table = irregularity(spikes.times, spikes.ids, neurons.by_sign, spikes.duration)
    excitatory, inhibitory = table.loc["E"], table.loc["I"]
    n = f"of {int(excitatory['measured']):,} cells with 10 spikes or more"
    found.put("irregular.cv", excitatory["cv"], n)
    found.put("irregular.cv2", excitatory["cv2"])
    found.put("irregular.cv_inhibitory", inhibitory["cv"])
    found.put("irregular.spread", excitatory["log10_rate_sd"])
    if spikes.duration >= LONG - 1e-6:
        found.put("irregular.silent", excitatory["silent"])
    found.tables["irregular"] = table.drop(columns="lv")
    return found


def correlated(spikes: Spikes, neurons: Neurons, *, seed: int = 0) -> Measured:
    """What cells share within areas, and areas with each other and across the midline."""
    found, areas = Measured(), neurons.judged_areas
    if not areas or spikes.duration < 4 * BIN:
        return found
    pairs = pair_correlations(
        spikes.times, spikes.ids, areas, spikes.duration, BIN, n_shuffles=3, seed=seed
    )
    counts = group_counts(spikes.times, spikes.ids, areas, spikes.duration, BIN)
    fano = fano_factors(counts)
    found.put(
        "correlated.pairs", mean(pairs["correlation"]),
        f"mean of {len(areas)} areas; shuffled {mean(pairs['shuffled']):.4f}",
    )  # fmt: skip
    found.put("correlated.fano", median(fano), f"median of {len(areas)} areas")
    together = coupling(counts, 100, seed)
    found.put("correlated.areas", together.correlation,
              f"shuffled {mean(together.shuffled):.3f}")  # fmt: skip
    found.put("correlated.areas_p", together.p)
    matrix = rate_correlations(counts)
    partners = {a: b for a, b in neurons.partners.items() if a in areas and b in areas}
    table = pd.DataFrame({"cells": pairs["cells"], "pairs": pairs["correlation"], "fano": fano})
    if len(partners) > 1:
        across = homotopic(matrix, partners)
        others = matrix.to_numpy(float).copy()
        np.fill_diagonal(others, np.nan)
        for a, b in partners.items():
            i, j = matrix.index.get_loc(a), matrix.index.get_loc(b)
            others[i, j] = others[j, i] = np.nan
        rank = f"median rank {median(across['rank']):g} of {median(across['of']):g}"
        found.put("correlated.homotopic", mean(across["homotopic"]), rank)
        found.put("correlated.homotopic_above", mean(across["homotopic"]) - mean(others))
        table = table.join(across["homotopic"])
    found.tables["correlated"] = table
    return found


def spectrum(spikes: Spikes, neurons: Neurons) -> Measured:
    """The strongest peak below 100 Hz, of the whole cortex and of each area."""
    found = Measured()
    if segment_length(spikes.duration) is None or not len(spikes.times):
        return found
    whole = population_spectrum(spikes.times, len(neurons), spikes.duration)
    by_area = spectra_by_group(spikes.times, spikes.ids, neurons.judged_areas, spikes.duration)
    by_layer = spectra_by_group(
        spikes.times, spikes.ids, neurons.grouped(neurons.layer), spikes.duration
    )
    top = narrow_peak(whole)
    at = f"of the whole cortex, at {top.frequency:.3g} Hz"
    found.put("spectrum.share", top.share, at)
    found.put("spectrum.wide", strongest_peak(whole).share, at)
    found.put("spectrum.frequency", top.frequency, "of the whole cortex")
    found.put("spectrum.excess", top.share_of_excess)
    rows = {
        name: (peak.frequency, peak.share, peak.share_of_excess, _level(each, top.frequency))
        for name, each in {**by_area, **{f"layer {k}": v for k, v in by_layer.items()}}.items()
        for peak in [narrow_peak(each)]
    }
    columns = ["frequency_hz", "share", "share_of_excess", "at_whole_peak"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    if len(by_area):
        shares = table.loc[list(by_area), "share"]
        found.put("spectrum.area_share", float(shares.max()), f"the highest, {shares.idxmax()}")
        source = table.loc[list(by_area), "at_whole_peak"].idxmax()
        layer = table.loc[[f"layer {name}" for name in by_layer], "at_whole_peak"].idxmax()
        found.notes["spectrum.frequency"] += f"; strongest in {source} and in {layer}"
    found.tables["spectrum"] = table
    return found


def narrow_peak(found: PopulationSpectrum) -> Peak:
    """The strongest peak, of which what lies within a quarter of its frequency counts.

    At most ``NARROW``: on 3 Hz a slow, broad spectrum lies within that altogether.
    """
    half_width = min(NARROW, 0.25 * strongest_peak(found).frequency)
    return strongest_peak(found, half_width=half_width)


def _level(found: PopulationSpectrum, frequency: float) -> float:
    """Power at a frequency, over that of independent Poisson cells."""
    return float(found.relative[np.argmin(np.abs(found.frequency - frequency))])


class Background(NamedTuple):
    """Every synapse that the background makes.

    Attributes
    ----------
    id : int64[synapses], node id of the cell it is on.
    nS : float64[synapses], peak conductance.
    distance : float64[synapses], um, path from the soma.
    """

    id: IntArray
    nS: FloatArray  # noqa: N815
    distance: FloatArray


def synapses(background: Background, spikes: Spikes, neurons: Neurons) -> Measured:
    """Size of the background's synapses, and whether their place decides who fires."""
    found = Measured()
    row = pd.Index(neurons.ids).get_indexer(background.id)
    for sign, mine in (("E", neurons.excitatory[row]), ("I", ~neurons.excitatory[row])):
        if not mine.any():  # of none none is too large, and that shows nothing
            continue
        largest = round(float(background.nS[mine].max()), 6)  # from single precision
        found.put(f"synapses.{sign}", largest, f"{np.count_nonzero(mine):,} synapses")
    weight = np.bincount(row, background.nS, len(neurons))
    place = np.bincount(row, background.nS * background.distance, len(neurons))
    place = np.divide(place, weight, np.full(len(neurons), np.nan), where=weight > 0)
    share, n = explained_within(
        place, cell_rates(spikes.ids, neurons.ids, spikes.duration), neurons
    )
    found.put("synapses.place", share, f"of {n:,} cells that fired")
    return found


def explained_within(place: FloatArray, hz: FloatArray, neurons: Neurons) -> tuple[float, int]:
    """Share of the variance of log10 rate within layer, class and model that a quantity explains.

    By a regression of its own for each kind with ``ENOUGH_CELLS`` cells that fired; adjusted for
    their number, so that it is 0 on average, and may be below, where there is no relation.

    Parameters
    ----------
    place : float[n], of every neuron; NaN is left out.
    hz : float[n], its rate.

    Returns
    -------
    The share, NaN where there is nothing to explain, and the number of cells.
    """
    used = (hz > 0) & np.isfinite(place)
    log_rate = np.log10(np.where(used, hz, 1.0))
    left = whole = 0.0
    n = n_kinds = 0
    rows = pd.Index(neurons.ids)
    for ids in neurons.by_kind.values():
        at = rows.get_indexer(ids)
        at = at[used[at]]
        if len(at) < ENOUGH_CELLS:
            continue
        x, y = place[at] - place[at].mean(), log_rate[at] - log_rate[at].mean()
        squares = float(x @ x)
        whole += float(y @ y)
        left += float(y @ y) - (float(x @ y) ** 2 / squares if squares > 0 else 0.0)
        n, n_kinds = n + len(at), n_kinds + 1
    if whole == 0.0 or n <= 2 * n_kinds:
        return float("nan"), n
    return 1.0 - (left / (n - 2 * n_kinds)) / (whole / (n - n_kinds)), n


def conductances(found: Conductance, neurons: Neurons) -> Measured:
    """Where the excitation of excitatory cells comes from, and how inhibition compares with it.

    Medians over cells, and of these over classes; rows are those of ``neurons``.
    """
    measured = Measured()
    shares = _by_class(found.recurrent_share(), neurons)
    balance = found.balance(-60.0)
    measured.put("recurrence.share", median(shares), "median over classes")
    measured.put("balance.ratio", median(balance[neurons.excitatory]), "median over cells")
    measured.tables["recurrence"] = pd.DataFrame(
        {"recurrent_share": shares, "balance": _by_class(balance, neurons)}
    )
    return measured


def _by_class(values: FloatArray, neurons: Neurons) -> pd.Series:
    """Median of each excitatory class."""
    rows, found = pd.Index(neurons.ids), {}
    for name, ids in neurons.by_class.items():
        at = rows.get_indexer(ids)
        if neurons.excitatory[at].all():
            found[name] = median(values[at])
    return pd.Series(found, dtype=float)


def cut_off(spikes: Spikes, rest: Spikes, neurons: Neurons) -> Measured:
    """Rates without any synapse between neurons, over those with all."""
    found = Measured()
    for sign, ids in neurons.by_sign.items():
        found.put(f"recurrence.cut_{sign}", ratio(spikes, rest, ids))
    return found


def ratio(spikes: Spikes, rest: Spikes, ids: IntArray) -> float:
    """Mean rate of some cells over that at rest; NaN if they were silent there."""
    before = hertz(rest, ids)
    return hertz(spikes, ids) / before if before > 0 else float("nan")


def hertz(spikes: Spikes, ids: IntArray) -> float:
    """Mean rate of some cells, Hz."""
    return float(cell_rates(spikes.ids, ids, spikes.duration).mean()) if len(ids) else float("nan")


def _listed(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f": {', '.join(names[:most])}{more}" if names else ""
