"""Figures of spikes, traces and rates. Each function returns a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from isocortex.analysis.morphology import morphology
from isocortex.analysis.palette import group_colours
from isocortex.analysis.rates import cell_rates, population_rate, settled
from isocortex.analysis.style import COLOURS, RC, colours, new_figure, subplots
from isocortex.printable import printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fi_curve", "morphology", "raster", "rates", "traces"]

Groups = Mapping[str, ArrayLike]

#: Rates of more groups than this are not told apart in one panel.
MAX_OVERLAID = 4
#: ms; bins of rates are as short, or hold so many spikes on average, up to a twentieth of the time.
SHORTEST, PER_BIN = 10.0, 3


@rc_context(RC)
def raster(
    spikes: pd.DataFrame,
    groups: Groups | None = None,
    *,
    duration: float | None = None,
    begin: float = 0.0,
    bin_width: float | None = None,
    title: str | None = None,
) -> Figure:
    """Every spike as a mark, cells stacked by group, and their rate below.

    The rate is drawn for each group, or for all cells together if there are more than four.

    Parameters
    ----------
    spikes : table with ``timestamps`` (ms) and ``node_ids``, and ``population`` if several.
    groups : name -> node ids, e.g. by cell class; the first is drawn at the bottom. Spikes of
        other cells are left out. By default one group per population, of the cells that fired.
    duration : ms; by default up to the last spike.
    begin : ms, of the time axis.
    bin_width : of the rate, ms; by default 10, more where there are few spikes.
    """
    parts = _group_spikes(spikes, groups)
    duration = duration or _last(parts)
    bins = ""
    if bin_width is None:
        bin_width = telling_bin(sum(len(p[2]) for p in parts.values()), duration - begin)
        bins = f", rate in bins of {bin_width:g} ms" if bin_width > SHORTEST else ""
    figure = new_figure(7.0, 4.8)
    top, below = subplots(figure, 2, 1, sharex=True, height_ratios=[3, 1])
    palette, offset, centres = group_colours(parts), 0, []
    n_rows = sum(len(nodes) for nodes, _, _ in parts.values())
    size = float(np.clip(260.0 / max(n_rows, 1), 1.0, 9.0))
    for k, (name, (nodes, ids, times)) in enumerate(parts.items()):
        rows = offset + np.searchsorted(nodes, ids)
        if k % 2 and len(parts) > MAX_OVERLAID:  # of fewer, colours tell enough
            top.axhspan(offset - 0.5, offset + len(nodes) - 0.5, color="0.95", linewidth=0)
        top.plot(
            times, rows, "|", color=palette[name], ms=size, mew=1.0, label=name, rasterized=True
        )
        if len(parts) <= MAX_OVERLAID:
            edges, rate = population_rate(times, len(nodes), duration, bin_width, begin)
            below.stairs(rate, edges, baseline=None, color=palette[name], label=name, lw=1.2)
        centres.append(offset + (len(nodes) - 1) / 2)
        offset += len(nodes)
    if len(parts) > MAX_OVERLAID:
        every = np.concatenate([times for _, _, times in parts.values()])
        edges, rate = population_rate(every, n_rows, duration, bin_width, begin)
        below.stairs(rate, edges, fill=True, color="0.55", label="all")
    if len(parts) > 1:
        labels = [f"{printable(str(name))} ({len(p[0])})" for name, p in parts.items()]
        places = spread(centres, 0.05 * n_rows, n_rows)
        top.set_yticks(places, labels)
        top.tick_params(axis="y", length=0, pad=12)
        for label, name in zip(top.get_yticklabels(), parts, strict=True):
            label.set_color(palette[name])
        top.add_collection(  # a line leads from each band to its label
            LineCollection(
                [[(0.0, a), (-0.018, b)] for a, b in zip(centres, places, strict=True)],
                colors=list(palette.values()), linewidths=0.8, clip_on=False,
                transform=top.get_yaxis_transform(),
            ),
            autolim=False,
        )  # fmt: skip
    elif n_rows <= 20:
        names = [str(node) for nodes, _, _ in parts.values() for node in nodes]
        top.set_yticks(range(len(names)), names)
        top.set_ylabel("cell")
    else:
        top.set_ylabel("cell")
    top.set_ylim(-0.7, max(n_rows, 1) - 0.3)
    top.set_title(title or f"{sum(len(p[1]) for p in parts.values())} spikes of {_cells(n_rows)}")
    below.set(xlim=(begin, duration), xlabel=f"time (ms){bins}", ylabel="rate (Hz/cell)")
    below.set_ylim(bottom=0)
    return figure


@rc_context(RC)
def traces(
    time: ArrayLike,
    v: ArrayLike,
    cai: ArrayLike | None = None,
    *,
    labels: Sequence[str] | None = None,
    spikes: Sequence[ArrayLike] | None = None,
    title: str | None = None,
) -> Figure:
    """Membrane voltage of one or several cells, stacked, with calcium below each.

    Parameters
    ----------
    time : float[samples], ms.
    v : float[samples] or float[cells, samples], mV.
    cai : like ``v``, mM; drawn in uM on its own axis.
    labels : a name for each cell.
    spikes : for each cell its spike times, ms, marked above the voltage.
    """
    time, v = np.asarray(time, dtype=float), np.atleast_2d(np.asarray(v, dtype=float))
    calcium = None if cai is None else 1000.0 * np.atleast_2d(np.asarray(cai, dtype=float))
    per_cell = 1 if calcium is None else 2
    heights = [2.0, 1.0][:per_cell] * len(v)
    figure = new_figure(7.0, float(np.clip(0.9 + 0.55 * sum(heights), 2.6, 14.0)))
    axes = subplots(
        figure, per_cell * len(v), 1, sharex=True, squeeze=False, height_ratios=heights
    )[:, 0]
    low, high = np.nanmin(v), np.nanmax(v)
    margin = 0.05 * (high - low) or 1.0
    for k, trace in enumerate(v):
        axis = axes[per_cell * k]
        axis.plot(time, trace, color=COLOURS[0], linewidth=0.8)
        axis.set_ylim(low - margin, high + (3 if spikes is not None else 1) * margin)
        axis.set_ylabel("v (mV)")
        if spikes is not None:
            marks = np.asarray(spikes[k], dtype=float)
            height = np.full(len(marks), high + 1.8 * margin)
            axis.plot(marks, height, "|", color="black", ms=5, mew=1.0)
        if labels is not None:
            axis.set_title(printable(labels[k]), fontsize=9, pad=2)
        if calcium is not None:
            lower = axes[per_cell * k + 1]
            lower.plot(time, calcium[k], color=COLOURS[1], linewidth=0.9)
            lower.set_ylabel("Ca (µM)")
            lower.set_ylim(bottom=0)
    axes[-1].set(xlabel="time (ms)", xlim=(time[0], time[-1]))
    figure.align_ylabels(axes)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


@rc_context(RC)
def rates(
    spikes: pd.DataFrame,
    groups: Groups | None = None,
    *,
    duration: float | None = None,
    begin: float = 0.0,
    bin_width: float = 50.0,
    since: float | None = None,
    title: str | None = None,
) -> Figure:
    """For each group a histogram of its cells' mean rates, and its rate over time.

    Parameters are those of :func:`raster`. The vertical line is the mean over cells. Mean rates are
    from ``since`` (ms) on, by default without the onset, as
    :func:`isocortex.analysis.rates.settled` tells; what does not count is shaded.
    """
    parts = _group_spikes(spikes, groups)
    duration = duration or _last(parts)
    n_groups = max(len(parts), 1)
    figure = new_figure(7.5, float(np.clip(0.8 * n_groups + 1.0, 2.4, 14.0)))
    grid = subplots(
        figure, n_groups, 2, sharex="col", sharey="col", squeeze=False, width_ratios=[1, 1.6]
    )
    palette = group_colours(parts)
    since = settled(begin, duration) if since is None else since
    length = duration - since
    means = {
        name: cell_rates(ids[times >= since], nodes, length)
        for name, (nodes, ids, times) in parts.items()
    }
    every = np.concatenate([np.zeros(1), *means.values()])
    highest = np.percentile(every, 99.5)  # a few that fire much faster must not hide the others
    beyond = every.max() > highest
    one_spike = 1000.0 / length  # Hz; rates are multiples of it
    width = one_spike * max(1, np.ceil(highest / one_spike / 25))
    bins = np.arange(0.0, highest + 1.5 * width, width) - one_spike / 2
    for (left, right), (name, (nodes, _, times)) in zip(grid, parts.items(), strict=False):
        share = 100.0 / max(len(nodes), 1)
        weights = np.full(len(nodes), share)
        left.hist(
            np.minimum(means[name], bins[-1]), bins, weights=weights, color=palette[name], alpha=0.7
        )
        left.axvline(means[name].mean(), color="black", linewidth=1.2)
        left.set_title(
            f"{printable(str(name))} ({_cells(len(nodes))}): {means[name].mean():.2f} Hz",
            fontsize=8, pad=2,
        )  # fmt: skip
        edges, rate = population_rate(times, len(nodes), duration, bin_width, begin)
        right.stairs(rate, edges, fill=True, color=palette[name], alpha=0.7)
        if since > begin:
            right.axvspan(begin, since, color="0.9", linewidth=0, zorder=0)
    late = f" from {since:g} ms on" if since > begin else ""
    more = ", last bin: and more" if beyond else ""
    grid[-1, 0].set(xlabel=f"mean rate{late} (Hz){more}", xlim=(bins[0], bins[-1]))
    grid[-1, 1].set(xlabel=f"time (ms), bins of {bin_width:g} ms", xlim=(begin, duration))
    grid[-1, 1].set_ylim(bottom=0)
    labelled = range(n_groups) if n_groups <= MAX_OVERLAID else [n_groups // 2]
    for row in labelled:
        grid[row, 0].set_ylabel("cells (%)")
        grid[row, 1].set_ylabel("rate (Hz/cell)" if n_groups > MAX_OVERLAID else "Hz/cell")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


@rc_context(RC)
def fi_curve(
    amps: ArrayLike,
    rates: ArrayLike | Mapping[str, ArrayLike],
    *,
    title: str | None = None,
) -> Figure:
    """Firing rate against injected current.

    Parameters
    ----------
    amps : float[steps], nA, drawn in pA.
    rates : float[steps], Hz, or name -> rates to compare several.
    """
    current = 1000.0 * np.asarray(amps, dtype=float)
    curves = rates if isinstance(rates, Mapping) else {"": rates}
    order, palette = np.argsort(current), colours(curves)
    figure = new_figure(4.2, 3.2)
    axis = subplots(figure)
    for name, values in curves.items():
        values = np.asarray(values, dtype=float)[order]
        axis.plot(current[order], values, "o-", color=palette[name], ms=4, label=name or None)
    axis.set(xlabel="injected current (pA)", ylabel="firing rate (Hz)")
    axis.set_ylim(bottom=0)
    axis.set_title(title or "f–I curve")
    if len(curves) > 1:
        axis.legend()
    return figure


def telling_bin(n_spikes: int, duration: float) -> float:
    """Width of bins (ms) that tell a rate: five spikes are no rate in bins of 10 ms."""
    wanted = min(PER_BIN * duration / max(n_spikes, 1), duration / 20)
    steps = [step * SHORTEST for step in (1, 2, 5, 10, 20, 50, 100)]
    return next((step for step in steps if step >= wanted), steps[-1])


def _cells(n: int) -> str:
    return f"{n} cell" if n == 1 else f"{n} cells"


Part = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def spread(places: Sequence[float], gap: float, end: float) -> list[float]:
    """Move ascending places apart to at least ``gap``, within ``end``: legible labels."""
    gap = min(gap, end / max(len(places), 1))
    apart: list[float] = []
    for place in places:
        apart.append(max(place, apart[-1] + gap) if apart else place)
    limit = end - 0.5
    for k in range(len(apart) - 1, -1, -1):
        apart[k] = min(apart[k], limit)
        limit = apart[k] - gap
    return apart


def _group_spikes(spikes: pd.DataFrame, groups: Groups | None) -> dict[Any, Part]:
    """Name -> (sorted node ids, node of each spike, time of each spike)."""
    parts = {}
    if groups is None:
        tables = (
            dict(iter(spikes.groupby("population"))) if "population" in spikes else {"": spikes}
        )
        for name, table in tables.items():
            ids = table["node_ids"].to_numpy(dtype=np.int64)
            parts[name] = (np.unique(ids), ids, table["timestamps"].to_numpy(dtype=float))
        return parts
    if "population" in spikes and spikes["population"].nunique() > 1:
        raise ValueError("groups name nodes of one population: select its spikes first")
    ids = spikes["node_ids"].to_numpy(dtype=np.int64)
    times = spikes["timestamps"].to_numpy(dtype=float)
    for name, members in groups.items():
        nodes = np.unique(np.asarray(members, dtype=np.int64))
        chosen = np.isin(ids, nodes)
        parts[name] = (nodes, ids[chosen], times[chosen])
    return parts


def _last(parts: Mapping[Any, Part]) -> float:
    """Time of the last spike, ms, or 1 when there is none."""
    return max((float(times.max()) for _, _, times in parts.values() if len(times)), default=1.0)
