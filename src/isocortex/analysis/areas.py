"""Every area's rate over time, of one run or several beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from isocortex.analysis.counts import Groups, group_counts, whole_bins
from isocortex.analysis.style import RC, new_figure, subplots
from isocortex.arrays import FloatArray, IntArray

#: ms of a bin.
BIN = 10.0
#: Share of the bins that the brightest colour is not reached in.
BRIGHT = 0.995


def rates_over_time(
    times: FloatArray, ids: IntArray, groups: Groups, duration: float
) -> pd.DataFrame:
    """Hz per cell of every group in bins of 10 ms, whose starts (ms) are the columns."""
    counts = group_counts(times, ids, groups, whole_bins(duration, BIN) * BIN, BIN)
    size = np.array([len(nodes) for nodes in groups.values()])
    return counts.div(size * BIN / 1000.0, axis=0)


@rc_context(RC)
def areas_over_time(
    runs: Mapping[str, pd.DataFrame], marks: Mapping[str, float] | None = None, columns: int = 1
) -> Figure:
    """An image of areas over time per run, all on one scale, which is that of the root.

    Parameters
    ----------
    runs : title -> table of :func:`rates_over_time`, all of the same areas, named ``VISp right``
        and the like.
    marks : title -> ms at which a dotted line is drawn.
    columns : of panels.
    """
    rows, marks = -(-len(runs) // columns), marks or {}
    every = np.concatenate([table.to_numpy(float).ravel() for table in runs.values()])
    norm = PowerNorm(0.5, 0.0, max(float(np.quantile(every, BRIGHT)), 1.0))
    figure = new_figure(8.0, 0.4 + 2.3 * rows)
    panels = np.atleast_1d(subplots(figure, rows, columns, sharex=columns == 1)).ravel()
    for axes, (title, table) in zip(panels, runs.items(), strict=False):
        end = float(table.columns[-1]) + BIN
        axes.imshow(
            table.to_numpy(float), aspect="auto", origin="upper", interpolation="nearest",
            cmap="magma", norm=norm, extent=(float(table.columns[0]), end, len(table), 0),
        )  # fmt: skip
        _name_areas(axes, list(table.index))
        if title in marks:
            axes.axvline(marks[title], color="white", linewidth=0.8, linestyle=":")
        axes.set_title(title)
    for axes in panels[len(runs) :]:
        axes.set_axis_off()
    for axes in panels[max(len(runs) - columns, 0) : len(runs)]:
        axes.set_xlabel("time (ms)")
    figure.colorbar(ScalarMappable(norm, "magma"), ax=list(panels), label="rate (Hz per cell)",
                    shrink=0.6, pad=0.01)  # fmt: skip
    return figure


def _name_areas(axes: Axes, names: Sequence[str]) -> None:
    """Every fifth area by name, and a line between the sides."""
    ticks = range(0, len(names), 5)
    axes.set_yticks([k + 0.5 for k in ticks], [names[k].split(" ")[0] for k in ticks], fontsize=6)
    sides = [name.split(" ")[1] for name in names]
    for k in range(1, len(sides)):
        if sides[k] != sides[k - 1]:
            axes.axhline(k, color="white", linewidth=0.6)
    for side in dict.fromkeys(sides):
        middle = float(np.mean([k for k, each in enumerate(sides) if each == side])) + 0.5
        axes.annotate(side, (1.005, 1 - middle / len(names)), xycoords="axes fraction",
                      rotation=270, va="center", fontsize=7)  # fmt: skip
