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
from isocortex.printable import printable

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

    The cell is turned about z until its apical dendrite points up.

    Parameters
    ----------
    cell : the model; line widths follow its diameters.
    values : float[n_nodes], in the units of ``label``; without, colours tell section types.
    label : of the colour bar.
    cmap : viridis or cividis keep their order for every kind of colour vision.
    limits : of the colours; by default the range of ``values``.
    """
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
    low, high = _bounds(cell)
    extent = high - low
    height = 5.6
    width = float(np.clip(height * (extent[0] + extent[2]) / extent[1], 4.0, 9.5))
    figure = new_figure(width + (1.2 if mapped else 0.4), height + 0.4)
    panels = subplots(figure, 1, 2, sharey=True, width_ratios=[extent[0], extent[2]])
    for axes, horizontal, name in zip(panels, (0, 2), ("front (x, y)", "side (z, y)"), strict=True):
        draw_cell(axes, cell, shades, horizontal)
        axes.set_title(name, fontsize=9)
    length = round_length(0.25 * extent[0])
    scale_bar(panels[0], length, f"{length:g} µm")
    if mapped is not None:
        figure.colorbar(mapped, ax=panels, label=label, shrink=0.6, pad=0.02)
    else:
        _legend(figure, cell)
    figure.suptitle(printable(title or cell.name), x=0.01, ha="left", fontsize=10)
    return figure


def upright(cell: CompiledCell) -> tuple[np.ndarray, np.ndarray]:
    """float64[n_nodes, 3] start and end of every node, um, with the apical dendrite above.

    Reconstructions lie as the slice lay: they are turned about z, soma at rest, until the middle of
    the apical dendrite is straight above it.
    """
    apical = cell.section_type == SECTION_TYPES["apic"]
    if not apical.any():
        return cell.start, cell.end
    soma = cell.start[cell.soma]
    x, y, _ = cell.end[apical].mean(axis=0) - soma
    sine, cosine = np.array([x, y]) / np.hypot(x, y)
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    return (cell.start - soma) @ turn.T + soma, (cell.end - soma) @ turn.T + soma


def _bounds(cell: CompiledCell) -> tuple[np.ndarray, np.ndarray]:
    """float64[3] lowest and highest coordinates of a cell with a margin, um."""
    start, end = upright(cell)
    points = np.concatenate([start, end])[np.tile(cell.area > 0, 2)]
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 30.0)
    return (low + high - 1.1 * extent) / 2, (low + high + 1.1 * extent) / 2


def draw_cell(axes: Axes, cell: CompiledCell, shades: np.ndarray, horizontal: int = 0) -> None:
    """Neurites as lines from start to end of each compartment, the soma as a circle.

    Parameters
    ----------
    shades : a colour for every node.
    horizontal : coordinate that runs across, 0 (front) or 2 (side).
    """
    start, end = upright(cell)
    nodes = np.flatnonzero((cell.area > 0) & (cell.section_type != SECTION_TYPES["soma"]))
    somatic = np.flatnonzero((cell.area > 0) & (cell.section_type == SECTION_TYPES["soma"]))
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
    low, high = _bounds(cell)
    axes.set(xlim=(low[horizontal], high[horizontal]), ylim=(low[1], high[1]))
    axes.set_aspect("equal")
    axes.set_axis_off()


def _legend(figure: Figure, cell: CompiledCell) -> None:
    present = set(cell.section_type.tolist())
    handles = [
        Line2D([], [], color=TYPE_COLOURS[code], linewidth=2, label=TYPE_NAMES[name])
        for name, code in SECTION_TYPES.items()
        if code in present
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def round_length(length: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not longer, um."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length))
