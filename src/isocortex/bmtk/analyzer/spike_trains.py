"""Pictures and numbers of spikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from isocortex.analysis import plots
from isocortex.analysis.rates import cell_rates
from isocortex.analysis.style import RC, new_figure, subplots
from isocortex.arrays import IntArray
from isocortex.bmtk.analyzer.source import Source, StrPath, shown, within

Times = tuple[float, float] | None


def _spikes(
    source: Source,
    spikes_file: StrPath | None,
    population: str | None,
    times: Times,
    group_by: str | None,
    group_excludes: str | Sequence[str] | None,
) -> tuple[pd.DataFrame, tuple[float, float], dict[str, IntArray] | None]:
    """Spikes of a time, this time (ms; by default all of the simulation) and groups of nodes."""
    name, table = source.spikes(spikes_file, population)
    if times is None and source.config_file is not None:
        times = (source.result.begin, source.result.duration)
    if times is None:
        times = (0.0, float(table["timestamps"].max()) if len(table) else 1.0)
    groups = None if group_by is None else source.groups(name, group_by, group_excludes)
    return table[within(table["timestamps"].to_numpy(), times)], times, groups


def plot_raster(
    config_file: StrPath | None = None,
    population: str | None = None,
    with_histogram: bool = True,
    times: Times = None,
    title: str | None = None,
    show: bool = True,
    save_as: StrPath | None = None,
    group_by: str | None = None,
    group_excludes: str | Sequence[str] | None = None,
    spikes_file: StrPath | None = None,
    nodes_file: StrPath | None = None,
    node_types_file: StrPath | None = None,
    plt_style: Any = None,
) -> Figure:
    """Every spike as a mark, and the rate below.

    Parameters
    ----------
    config_file, or spikes_file with nodes_file and node_types_file : what to look at.
    population : needed where there are several.
    times : ms, from and to; by default of the simulation.
    save_as : a file for the figure.
    group_by : an attribute of nodes, by which they are stacked and coloured.
    group_excludes : values of it that are left out.
    with_histogram, plt_style : change nothing; the rate is always drawn.
    """
    source = Source(config_file, nodes_file, node_types_file)
    table, (begin, end), groups = _spikes(
        source, spikes_file, population, times, group_by, group_excludes
    )
    figure = plots.raster(table, groups, begin=begin, duration=end, title=title)
    return shown(figure, show, save_as)


def plot_rates(
    config_file: StrPath | None = None,
    population: str | None = None,
    smoothing: Any = False,
    smoothing_params: Any = None,
    times: Times = None,
    title: str | None = None,
    show: bool = True,
    save_as: StrPath | None = None,
    group_by: str | None = None,
    group_excludes: str | Sequence[str] | None = None,
    spikes_file: StrPath | None = None,
    nodes_file: StrPath | None = None,
    node_types_file: StrPath | None = None,
    plt_style: Any = None,
) -> Figure:
    """Mean rates of cells, and the rate over time, by group.

    Parameters are those of :func:`plot_raster`; ``smoothing`` and its parameters change nothing.
    """
    source = Source(config_file, nodes_file, node_types_file)
    table, (begin, end), groups = _spikes(
        source, spikes_file, population, times, group_by, group_excludes
    )
    figure = plots.rates(table, groups, begin=begin, duration=end, since=begin, title=title)
    return shown(figure, show, save_as)


@rc_context(RC)
def plot_rates_boxplot(
    config_file: StrPath | None = None,
    population: str | None = None,
    times: Times = None,
    title: str | None = None,
    show: bool = True,
    save_as: StrPath | None = None,
    group_by: str | None = None,
    group_excludes: str | Sequence[str] | None = None,
    spikes_file: StrPath | None = None,
    nodes_file: StrPath | None = None,
    node_types_file: StrPath | None = None,
    plt_style: Any = None,
) -> Figure:
    """Boxes of the mean rates of cells, by group; parameters are those of :func:`plot_raster`.

    Without ``group_by`` the cells are those that fired.
    """
    source = Source(config_file, nodes_file, node_types_file)
    table, (begin, end), groups = _spikes(
        source, spikes_file, population, times, group_by, group_excludes
    )
    ids = table["node_ids"].to_numpy(np.int64)
    groups = {"all": np.unique(ids)} if groups is None else groups
    rates = [cell_rates(ids, nodes, end - begin) for nodes in groups.values()]
    figure = new_figure(max(3.0, 0.9 * len(groups) + 1.5), 3.6)
    axis = subplots(figure)
    axis.boxplot(rates)
    axis.set_xticks(range(1, len(groups) + 1), list(groups))
    axis.set(ylabel="mean rate (Hz)", title=title or "")
    return shown(figure, show, save_as)


def to_dataframe(
    config_file: StrPath | None = None,
    spikes_file: StrPath | None = None,
    population: str | None = None,
) -> pd.DataFrame:
    """A row per spike: timestamps (ms), node_ids, population."""
    return Source(config_file).spikes(spikes_file, population)[1]


def spike_statistics(
    spikes_file: StrPath | None = None,
    simulation: Any = None,
    population: str | None = None,
    simulation_time: float | None = None,
    group_by: str | None = None,
    network: Any = None,
    config_file: StrPath | None = None,
    populations: str | list[str] | None = None,
) -> pd.DataFrame:
    """Spikes and mean interval (``isi``, ms) of every cell that fired.

    With a ``simulation`` (BioSimulator) also ``firing_rate`` (Hz), of silent cells too; with
    ``group_by`` their mean and standard deviation by an attribute of the nodes of ``populations``.
    """
    _, table = Source(config_file).spikes(spikes_file, population)
    table = table.sort_values("timestamps", kind="stable")
    by_node = table.groupby(["population", "node_ids"])["timestamps"]
    counts = by_node.count().to_frame("count")
    spans = by_node.last() - by_node.first()
    counts["isi"] = (spans / (counts["count"] - 1)).fillna(0.0)
    counts.index.names = ["population", "node_id"]
    if simulation is None:
        return counts
    counts["firing_rate"] = counts["count"] / simulation.simulation_time("s")
    nodes = simulation.net.node_properties(populations)
    joined = nodes.join(counts).fillna({"count": 0.0, "firing_rate": 0.0, "isi": 0.0})
    numbers = joined[["firing_rate", "count", "isi"]]
    if group_by is None:
        return numbers
    return numbers.groupby(joined[group_by], observed=True).agg(["mean", "std"])
