"""The cortex, one column and one neuron: the three zooms, drawn from the nodes of a circuit.

Positions are those of the CCFv3 in um: x from front to back, y from top to bottom, z from left to
right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from isocortex.analysis import palette
from isocortex.analysis.morphology import draw_cell, round_length, upright
from isocortex.analysis.palette import on_light
from isocortex.analysis.plots import spread
from isocortex.analysis.rates import population_rate
from isocortex.analysis.style import COLOURS, RC, new_figure, scale_bar, subplots
from isocortex.arrays import FloatArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cortex.atlas import LAYERS, Atlas
from isocortex.cortex.volume import MIDPLANE_UM

#: Columns of the nodes that the pictures of a cortex need.
COLUMNS = (
    "x", "y", "z", "area", "hemisphere", "layer", "depth", "normal_x", "normal_y", "normal_z",
)  # fmt: skip
LAYER_COLOURS = {f"L{name}": on_light(c) for name, c in zip(LAYERS, palette.LAYERS, strict=True)}
#: Horizontal and vertical axis of each view, and which way they run.
VIEWS = {"from above": (2, 0), "from the left": (0, 1), "from the front": (2, 1)}
#: Neurons above which a view is an image, with a pixel of so many mm: points take minutes.
MANY, PIXEL = 500_000, 0.01
#: um, half the width of the slab that stands for a column.
HALF_WIDTH = 400.0
#: Neurons that the slab shows if there are as many; it is as thick as that takes.
IN_SLAB = 300


@dataclass(frozen=True)
class Neuron:
    """A neuron to draw.

    Attributes
    ----------
    row : of the node table.
    cell : its model.
    values : float[n_nodes], voltage in mV, or None.
    """

    row: int
    cell: CompiledCell
    values: FloatArray | None = None


@rc_context(RC)
def views(nodes: pd.DataFrame, atlas: Atlas, *, title: str | None = None) -> Figure:
    """Every neuron of a cortex from three sides, coloured by area.

    Parameters
    ----------
    nodes : with the columns of ``COLUMNS``.
    """
    low, high = nodes[["x", "y", "z"]].min().to_numpy(), nodes[["x", "y", "z"]].max().to_numpy()
    extent = high - low
    widths = [extent[horizontal] for horizontal, _ in VIEWS.values()]
    figure = new_figure(12.0, 0.6 + 12.0 * extent[0] / sum(widths))
    panels = subplots(figure, 1, 3, width_ratios=widths)
    for axes, name in zip(panels, VIEWS, strict=True):
        _view(axes, nodes, atlas, name)
    figure.suptitle(title or f"{len(nodes):,} neurons of the cortex", x=0.01, ha="left")
    return figure


@rc_context(RC)
def zooms(
    nodes: pd.DataFrame,
    atlas: Atlas,
    examples: Sequence[Neuron],
    *,
    trace: tuple[FloatArray, FloatArray, float] | None = None,
    title: str | None = None,
) -> Figure:
    """The whole cortex, one column of it, and one neuron of that column.

    Parameters
    ----------
    nodes : with the columns of ``COLUMNS``.
    examples : neurons whose branches are drawn in the column; the first is the one on the right.
    trace : time (ms), voltage at the soma of the first (mV) and the time that its colours show.
    """
    figure = new_figure(14.0, 7.4)
    grid = figure.add_gridspec(3, 3, width_ratios=[0.8, 1.1, 1.0], height_ratios=[1.5, 0.8, 0.55])
    above, aside = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1:, 0])
    column = figure.add_subplot(grid[:, 1])
    neuron = figure.add_subplot(grid[: 3 if trace is None else 2, 2])
    _view(above, nodes, atlas, "from above")
    _view(aside, nodes, atlas, "from the left")
    first = examples[0]
    place = nodes[["x", "y", "z"]].to_numpy(float)[first.row]
    for axes, (horizontal, vertical) in ((above, (2, 0)), (aside, (0, 1))):
        axes.plot(place[horizontal] / 1000, place[vertical] / 1000, "s", ms=9, mfc="none",
                  mec="black", mew=1.4)  # fmt: skip
    _column(column, nodes, examples)
    _neuron(figure, neuron, first)
    if trace is not None:
        below = figure.add_subplot(grid[2, 2])
        time, v, shown = trace
        below.plot(time, v, color=COLOURS[0], linewidth=0.8)
        below.axvline(shown, color="black", linewidth=0.8)
        below.set(xlabel="time (ms)", ylabel="v (mV)", xlim=(time[0], time[-1]))
    figure.suptitle(title or f"A cortex of {len(nodes):,} neurons", x=0.01, ha="left", fontsize=12)
    return figure


@rc_context(RC)
def raster_by_area(
    spikes: pd.DataFrame,
    groups: Mapping[str, NDArray[np.int64]],
    atlas: Atlas,
    *,
    duration: float,
    bin_width: float = 10.0,
    begin: float = 0.0,
) -> Figure:
    """Every spike as a point, neurons stacked by area; the rate below.

    Parameters
    ----------
    spikes : table with ``timestamps`` (ms) and ``node_ids``.
    groups : area -> node ids; the first is drawn at the bottom.
    duration, bin_width : ms.
    begin : ms, of the time axis.
    """
    ids = np.concatenate(list(groups.values()))
    size = np.array([len(nodes) for nodes in groups.values()])
    order = np.argsort(ids)
    at = np.searchsorted(ids[order], spikes["node_ids"].to_numpy())
    row = order[np.minimum(at, len(ids) - 1)]
    times = spikes["timestamps"].to_numpy(float)
    colour = _area_colours(pd.Series(np.repeat(list(groups), size)), atlas)
    point = float(np.clip(30000.0 / max(len(times), 1), 0.7, 8.0))
    figure = new_figure(8.0, 9.0)
    top, below = subplots(figure, 2, 1, sharex=True, height_ratios=[6, 1])
    top.scatter(times, row, s=point, c=colour[row], linewidths=0, rasterized=True)
    ends = np.cumsum(size)
    for k, (first, last) in enumerate(zip(ends - size, ends, strict=True)):
        if k % 2:
            top.axhspan(first, last, color="0.96", linewidth=0, zorder=0)
    places = spread((ends - size / 2).tolist(), 0.014 * ends[-1], ends[-1])
    top.set_yticks(places, list(groups), fontsize=6)
    top.tick_params(axis="y", length=0)
    for label, at in zip(top.get_yticklabels(), ends, strict=True):
        label.set_color(colour[at - 1])
    module = atlas.areas["module"].reindex(list(groups)).to_numpy()
    for name in dict.fromkeys(module):
        mine = np.flatnonzero(module == name)
        middle = (ends[mine[0]] - size[mine[0]] + ends[mine[-1]]) / 2
        top.text(1.01, middle, name, transform=top.get_yaxis_transform(), va="center", rotation=90,
                 fontsize=7, color=colour[ends[mine[len(mine) // 2]] - 1])  # fmt: skip
    top.set(ylim=(0, ends[-1]))
    top.set_title(f"{len(times):,} spikes of {len(ids):,} neurons, by area (both sides)")
    edges, rate = population_rate(times, len(ids), duration, bin_width, begin)
    below.stairs(rate, edges, fill=True, color="0.55")
    below.set(xlim=(begin, duration), xlabel="time (ms)", ylabel="rate (Hz/cell)")
    return figure


def _view(axes: Axes, nodes: pd.DataFrame, atlas: Atlas, name: str) -> None:
    """Somata as points over the outline of the isocortex, in mm."""
    horizontal, vertical = VIEWS[name]
    _outline(axes, atlas, horizontal, vertical)
    position = nodes[["x", "y", "z"]].to_numpy(np.float32) / 1000.0
    away = ({0, 1, 2} - {horizontal, vertical}).pop()
    order = np.argsort(-position[:, away])  # what is on top, on the left, in front comes last
    colour = _area_colours(nodes["area"], atlas)
    across, down = position[order, horizontal], position[order, vertical]
    if len(nodes) > MANY:
        _image(axes, across, down, colour[order])
    else:
        size = float(np.clip(9000.0 / len(nodes) * 3.0, 0.05, 4.0))
        axes.scatter(across, down, s=size, c=colour[order], linewidths=0, rasterized=True)
    axes.set_aspect("equal")
    bottom, top = axes.get_ylim()
    axes.set_ylim(top + 0.1 * (top - bottom), bottom)  # downwards, with room for the bar
    axes.set_axis_off()
    scale_bar(axes, 1.0, "1 mm")
    axes.set_title(name)


def _image(axes: Axes, across: FloatArray, down: FloatArray, colour: FloatArray) -> None:
    """Somata (mm) as pixels: of several in one the last is seen."""
    left, top = float(across.min()), float(down.min())
    column = ((across - left) / PIXEL).astype(np.int64)
    row = ((down - top) / PIXEL).astype(np.int64)
    image = np.zeros((row.max() + 1, column.max() + 1, 4), np.float32)
    image[row, column, :3], image[row, column, 3] = colour, 1.0
    right, bottom = left + image.shape[1] * PIXEL, top + image.shape[0] * PIXEL
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(image, extent=(left, right, bottom, top), aspect="auto", zorder=2)
    axes.set(xlim=limits[0], ylim=limits[1])


def _outline(axes: Axes, atlas: Atlas, horizontal: int, vertical: int) -> None:
    """The silhouette of both hemispheres, in grey."""
    volume = atlas.volume
    points = volume.corner(np.argwhere(volume.labels > 0))
    points = np.concatenate([points, points * [1, 1, -1] + [0, 0, 2.0 * MIDPLANE_UM]])
    step = 2.0 * volume.voxel_um
    across, down = (points[:, axis] for axis in (horizontal, vertical))
    edges = [np.arange(a.min() - step, a.max() + 2 * step, step) for a in (across, down)]
    there = np.histogram2d(across, down, edges)[0].T > 0
    middles = [(e[1:] + e[:-1]) / 2000.0 for e in edges]
    axes.contourf(*middles, there, [0.5, 1.5], colors=["0.94"], zorder=0)
    axes.contour(*middles, there, [0.5], colors=["0.6"], linewidths=0.6, zorder=0)


def _area_colours(area: pd.Series, atlas: Atlas) -> FloatArray:
    """(n, 3) the viewer's colour of each neuron's area: those of a module share a hue.

    Shades are dealt to the areas that there are, as the viewer deals them.
    """
    names, of = np.unique(area.astype(str), return_inverse=True)
    known = [name for name in palette.by_module(atlas) if name in names]
    shades = palette.area_colours(atlas, known)
    table = {name: to_rgb(on_light(shade)) for name, shade in zip(known, shades, strict=True)}
    return np.array([table.get(name, np.full(3, 0.4)) for name in names])[of]


def _column(axes: Axes, nodes: pd.DataFrame, examples: Sequence[Neuron]) -> None:
    """A slab of the area around the first example, from pia to white matter."""
    centre = examples[0].row
    area, side = (nodes[key].iloc[centre] for key in ("area", "hemisphere"))
    mine = ((nodes["area"] == area) & (nodes["hemisphere"] == side)).to_numpy()
    across, behind = _along_surface(nodes, centre)
    near = np.abs(across) < HALF_WIDTH
    thick = np.sort(np.abs(behind[mine & near]))
    half = thick[min(IN_SLAB, len(thick)) - 1]
    shown = np.flatnonzero(mine & near & (np.abs(behind) <= half))
    depth = nodes["depth"].to_numpy(float)
    layer = nodes["layer"].astype(str).to_numpy()
    top = 0.0
    for name in [name for name in LAYER_COLOURS if (layer[mine] == name).any()]:
        bottom = _lower_end(depth[mine], layer[mine], name)
        axes.axhspan(-bottom, -top, color=LAYER_COLOURS[name], alpha=0.10, linewidth=0)
        axes.text(-HALF_WIDTH * 1.02, -(top + bottom) / 2, name.replace("L", "L "), ha="right",
                  va="center", color=LAYER_COLOURS[name])  # fmt: skip
        top = bottom
    for k, example in enumerate(examples):
        at = np.array([across[example.row], -depth[example.row]])
        lines = at + _within(example.cell, depth[example.row], top)
        colour = "black" if k == 0 else LAYER_COLOURS[layer[example.row]]
        axes.add_collection(
            LineCollection(list(lines), colors=[colour], linewidths=0.7 if k == 0 else 0.45,
                           alpha=1.0 if k == 0 else 0.6, zorder=2 + (k == 0))
        )  # fmt: skip
    colours = [LAYER_COLOURS[name] for name in layer[shown]]
    axes.scatter(across[shown], -depth[shown], s=9, c=colours, linewidths=0, alpha=0.9, zorder=4)
    axes.set(xlim=(-HALF_WIDTH, HALF_WIDTH), ylim=(-top * 1.02, top * 0.05))
    axes.set_aspect("equal")
    axes.set_axis_off()
    scale_bar(axes, 200.0, "200 µm")
    axes.set_title(f"{area}, {side}: {len(shown)} neurons of a slab {2 * half:.0f} µm thick")


def _within(cell: CompiledCell, depth: float, bottom: float) -> FloatArray:
    """float[n_nodes, 2, 2] branches from the soma, um, between pia and white matter.

    Reconstructions are of other places than where they stand: what would reach out above or below
    is compressed.
    """
    start, end = upright(cell)
    lines = np.stack([start, end], axis=1)[:, :, :2] - start[cell.soma][:2]
    height = lines[..., 1]
    for up, room in ((1.0, depth), (-1.0, bottom - depth)):
        length = float((up * height).max())
        if length > room:
            height[up * height > 0] *= max(room, 4.0) / length
    return lines


def _along_surface(nodes: pd.DataFrame, centre: int) -> tuple[FloatArray, FloatArray]:
    """um from one neuron, along two axes across its normal."""
    normal = nodes[["normal_x", "normal_y", "normal_z"]].to_numpy(float)[centre]
    forward = np.array([1.0, 0.0, 0.0]) - normal[0] * normal
    forward /= np.linalg.norm(forward)
    position = nodes[["x", "y", "z"]].to_numpy(float)
    away = position - position[centre]
    return away @ forward, away @ np.cross(normal, forward)


def _lower_end(depth: FloatArray, layer: NDArray, name: str) -> float:
    """Depth between a layer and the next, um: fewest neurons of either are on the wrong side."""
    names = list(LAYER_COLOURS)
    above = np.isin(layer, names[: names.index(name) + 1])
    if above.all():
        return float(depth.max())
    return float((np.percentile(depth[above], 95) + np.percentile(depth[~above], 5)) / 2)


def _neuron(figure: Figure, axes: Axes, neuron: Neuron) -> None:
    """One neuron from the front, coloured by voltage where it is known."""
    shades, mapped = np.full(neuron.cell.n_nodes, "0.2"), None
    if neuron.values is not None:
        there = neuron.values[neuron.cell.area > 0]
        mapped = ScalarMappable(Normalize(there.min(), there.max()), "viridis")
        shades = mapped.to_rgba(neuron.values)
    draw_cell(axes, neuron.cell, shades)
    length = round_length(0.25 * np.ptp(axes.get_xlim()))
    scale_bar(axes, length, f"{length:g} µm")
    axes.set_title(f"One neuron: {neuron.cell.name}")
    if mapped is not None:
        figure.colorbar(mapped, ax=axes, label="v (mV)", shrink=0.6, pad=0.02)
