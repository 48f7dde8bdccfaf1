"""A cell drawn in two projections, plain by section type or coloured by a value per node."""

from __future__ import annotations

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import ArrayLike

from isocortex.analysis.style import COLOURS, RC, new_figure, scale_bar, subplots
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell

TYPE_NAMES = {"soma": "soma", "axon": "axon", "dend": "basal dendrite", "apic": "apical dendrite"}
TYPE_COLOURS = {1: COLOURS[6], 2: COLOURS[2], 3: COLOURS[0], 4: COLOURS[1]}


@rc_context(RC)
def morphology(
    cell: CompiledCell,
    values: ArrayLike | None = None,
    *,
    label: str = "v (mV)",
    cmap: str = "viridis",
    limits: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a cell from the front (x, y) and from the side (z, y), to scale.

    The apical dendrite points up: where the reconstruction has it down, the cell is turned by 180
    degrees about z.

    Parameters
    ----------
    cell : the model; line widths follow its diameters.
    values : float[n_nodes], in the units of ``label``; without, colours tell section types.
    label : of the colour bar.
    cmap : viridis or cividis keep their order for every kind of colour vision.
    limits : of the colours; by default the range of ``values``.
    """
    nodes = np.flatnonzero((cell.area > 0) & (cell.section_type != SECTION_TYPES["soma"]))
    somatic = np.flatnonzero((cell.area > 0) & (cell.section_type == SECTION_TYPES["soma"]))
    mapped = None
    if values is None:
        shades = np.array([TYPE_COLOURS[int(kind)] for kind in cell.section_type])
    else:
        values = np.asarray(values, dtype=float)
        if values.shape != (cell.n_nodes,):
            raise ValueError(f"{values.shape} values do not match {cell.n_nodes} nodes")
        shown = values[cell.area > 0]
        mapped = ScalarMappable(Normalize(*(limits or (shown.min(), shown.max()))), cmap)
        shades = mapped.to_rgba(values)
    start, end = _upright(cell)
    points = np.concatenate([start[nodes], end[nodes], start[somatic]])
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 30.0)
    low, high = (low + high - 1.1 * extent) / 2, (low + high + 1.1 * extent) / 2
    height = 5.6
    width = float(np.clip(height * (extent[0] + extent[2]) / extent[1], 4.0, 9.5))
    figure = new_figure(width + (1.2 if mapped else 0.4), height + 0.4)
    panels = subplots(figure, 1, 2, sharey=True, width_ratios=[extent[0], extent[2]])
    for axes, horizontal, name in zip(panels, (0, 2), ("front (x, y)", "side (z, y)"), strict=True):
        _draw(axes, cell, start, end, nodes, somatic, shades, horizontal)
        axes.set(xlim=(low[horizontal], high[horizontal]), ylim=(low[1], high[1]))
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_title(name, fontsize=9)
    length = _round_length(0.25 * extent[0])
    scale_bar(panels[0], length, f"{length:g} µm")
    if mapped is not None:
        figure.colorbar(mapped, ax=panels, label=label, shrink=0.6, pad=0.02)
    else:
        _legend(figure, cell)
    figure.suptitle(title or cell.name, x=0.01, ha="left", fontsize=10)
    return figure


def _upright(cell: CompiledCell) -> tuple[np.ndarray, np.ndarray]:
    """float64[n_nodes, 3] start and end of every node, um, with the apical dendrite above."""
    apical = cell.section_type == SECTION_TYPES["apic"]
    down = apical.any() and cell.end[apical, 1].mean() < cell.start[cell.soma, 1]
    turn = np.array([-1.0, -1.0, 1.0]) if down else 1.0
    return cell.start * turn, cell.end * turn


def _draw(
    axes: Axes,
    cell: CompiledCell,
    start: np.ndarray,
    end: np.ndarray,
    nodes: np.ndarray,
    somatic: np.ndarray,
    shades: np.ndarray,
    horizontal: int,
) -> None:
    """Neurites as lines from start to end of each compartment, the soma as a circle."""
    plane = [horizontal, 1]
    lines = np.stack([start[nodes][:, plane], end[nodes][:, plane]], axis=1)
    widths = np.clip(cell.diameter[nodes], 0.5, 6.0)
    axes.add_collection(
        LineCollection(list(lines), linewidths=widths, colors=shades[nodes], capstyle="round")
    )
    if len(somatic):
        centre = (start[somatic][0] + end[somatic][-1])[plane] / 2
        radius = np.sqrt(cell.area[somatic].sum() / np.pi) / 2  # a sphere of the same area
        axes.add_patch(Circle(centre, radius, color=shades[cell.soma], zorder=3))


def _legend(figure: Figure, cell: CompiledCell) -> None:
    present = set(cell.section_type.tolist())
    handles = [
        Line2D([], [], color=TYPE_COLOURS[code], linewidth=2, label=TYPE_NAMES[name])
        for name, code in SECTION_TYPES.items()
        if code in present
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _round_length(length: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not longer, um."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length))
