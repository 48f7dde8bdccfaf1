"""Pictures of reports: voltages, calcium and whatever else was recorded over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from isocortex.analysis.style import RC, colours, new_figure, subplots
from isocortex.bmtk.analyzer.source import Source, StrPath, shown, within
from isocortex.bmtk.utils.populations import only
from isocortex.errors import ConfigError
from isocortex.report.lazy import open_report

if TYPE_CHECKING:
    import xarray

#: Lines of more cells are not named.
MOST_NAMES = 12


def _report(
    source: Source, name: str | None, path: StrPath | None, population: str | None
) -> xarray.DataArray:
    if path is not None:
        return open_report(Path(path), population)
    result = source.result
    if name is None and len(result.reports) != 1:
        raise ConfigError(
            f"there are the reports {', '.join(result.reports) or 'none'}", field="report_name",
            fix="Name one of them.",
        )  # fmt: skip
    name = source.report(name or result.reports[0])
    if name in result.reports:
        population = only(population, result.report_populations(name))
    return result.report(name, population)


@rc_context(RC)
def plot_traces(
    config_file: StrPath | None = None,
    report_name: str | None = None,
    population: str | None = None,
    report_path: StrPath | None = None,
    group_by: str | None = None,
    group_excludes: str | Sequence[str] | None = None,
    nodes_file: StrPath | None = None,
    node_types_file: StrPath | None = None,
    node_ids: int | Iterable[int] | None = None,
    sections: str | Sequence[int] = "origin",
    average: bool = False,
    times: tuple[float, float] | None = None,
    title: str | None = None,
    show_legend: bool | None = None,
    show: bool = True,
    save_as: StrPath | None = None,
    plt_style: Any = None,
) -> Figure:
    """A recorded quantity over time: a line for each of some nodes, or means.

    Parameters
    ----------
    config_file and report_name, or report_path : what to look at; the only report needs no name.
    node_ids : whose lines are drawn; without them it is the mean over all.
    average : the mean of ``node_ids``.
    group_by, group_excludes : means by an attribute of nodes, and values of it that are left out.
    sections : ``origin``, the first element of each node; ``all``; or ids of sections.
    times : ms, from and to.
    plt_style : changes nothing.
    """
    source = Source(config_file, nodes_file, node_types_file)
    data = _report(source, report_name, report_path, population)
    when = within(data["time"].values, times)
    data = data[when, _elements(data["node_id"].values, data["element_id"].values, sections)]
    nodes = data["node_id"].values
    if group_by is not None:
        groups = source.groups(data.attrs["population"], group_by, group_excludes)
    elif node_ids is None:
        groups = {"mean of all": np.unique(nodes)}
    else:
        chosen = np.atleast_1d(np.asarray(node_ids if np.isscalar(node_ids) else list(node_ids)))  # type: ignore[arg-type]
        strange = np.setdiff1d(chosen, nodes)
        if len(strange):
            raise ConfigError(
                f"there is no node {strange[0]} in the report", field="node_ids",
                fix=f"It has {_some(np.unique(nodes))}.",
            )  # fmt: skip
        groups = {"mean": chosen} if average else {f"node {i}": np.array([i]) for i in chosen}
    figure = new_figure(7.0, 3.2)
    axis, palette = subplots(figure), colours(groups)
    for name, members in groups.items():
        mine = np.isin(nodes, members)
        if mine.any():
            line = data.values[:, mine].mean(axis=1)
            axis.plot(data["time"].values, line, color=palette[name], lw=0.8, label=name)
    unit = data.attrs.get("units", "")
    quantity = data.attrs.get("variable", report_name or "")
    axis.set(xlabel="time (ms)", ylabel=f"{quantity} ({unit})" if unit else quantity)
    axis.set_title(title or "")
    named = len(groups) <= MOST_NAMES if show_legend is None else show_legend
    if named and axis.lines:
        axis.legend()
    return shown(figure, show, save_as)


def _some(nodes: np.ndarray) -> str:
    """The first of some nodes."""
    return ", ".join(map(str, nodes[:MOST_NAMES])) + (", ..." if len(nodes) > MOST_NAMES else "")


def _elements(nodes: np.ndarray, sections: np.ndarray, wanted: str | Sequence[int]) -> np.ndarray:
    """Columns of a report."""
    if isinstance(wanted, str):
        first = np.unique(nodes, return_index=True)[1]
        return np.arange(len(nodes)) if wanted == "all" else np.sort(first)
    return np.flatnonzero(np.isin(sections, wanted))
