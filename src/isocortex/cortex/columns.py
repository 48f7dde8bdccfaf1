"""Columns: compact patches of an area, from pia to white matter, of about 2500 neurons each.

The unit of building, of sharing a model between processes and of bookkeeping. Columns depend on the
atlas alone, not on the scale or the seed of a model. Left columns are mirror images of right ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.cortex.atlas import LAYERS, Atlas
from isocortex.cortex.counts import HEMISPHERES, expected_neurons
from isocortex.cortex.pairs import distance_histogram
from isocortex.cortex.volume import MIDPLANE_UM
from isocortex.random import uniform

#: Neurons that a column should hold at scale 1.
NEURONS_PER_COLUMN = 2500.0


@dataclass(frozen=True, eq=False)
class Columns:
    """All columns and the voxels of those on the right.

    Attributes
    ----------
    table : a row per column, left ones first, then by area: ``hemisphere``, ``area``, centre
        ``x``, ``y``, ``z`` (um, CCFv3) and ``flat_x``, ``flat_y`` (um), ``radius`` (um, of the disc
        whose mean square distance from its axis is the same), ``neurons`` (expected at scale 1).
    voxels : (voxels, 3) int16, indices into the labels, by column, then layer.
    row : (voxels,) int16, row of ``area_layer``.
    offset : (columns of one side * layers + 1,) int64, where the voxels of each begin.
    """

    table: pd.DataFrame
    voxels: NDArray[np.int16]
    row: NDArray[np.int16]
    offset: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"Columns({len(self)} in both hemispheres)"

    def __len__(self) -> int:
        return len(self.table)

    @property
    def n_side(self) -> int:
        """Columns of one hemisphere; column ``n_side + c`` mirrors column ``c``."""
        return len(self.table) // 2

    def voxel_counts(self) -> NDArray[np.int64]:
        """Voxels by column of one side and layer."""
        return np.diff(self.offset).reshape(self.n_side, len(LAYERS))


@dataclass(frozen=True, eq=False)
class Division:
    """Which column of the right side each voxel of the isocortex is in.

    Attributes
    ----------
    column : (voxels,) uint16, in the order of ``Volume.voxels``.
    area : (columns,) uint8, number of the area.
    places : what ``_describe`` says of each column.
    """

    column: NDArray[np.uint16]
    area: NDArray[np.uint8]
    places: pd.DataFrame


@lru_cache(maxsize=2)
def make_columns(atlas: Atlas) -> Columns:
    """All columns, of the embedded division or, with tables of one's own, of a new one."""
    division = divide(atlas) if set(atlas.replaced) - {"connectome.npz"} else _embedded()
    voxels, row = atlas.volume.voxels()
    key = division.column * np.int32(len(LAYERS)) + atlas.row_layer[row].astype(np.int32)
    order = np.argsort(key, kind="stable")
    counts = np.bincount(key, minlength=len(division.area) * len(LAYERS))
    right = division.places.assign(area=atlas.areas.index[division.area])
    left = right.assign(z=2.0 * MIDPLANE_UM - right["z"], flat_x=-right["flat_x"])
    table = pd.concat([left, right], ignore_index=True)
    table["hemisphere"] = np.repeat(HEMISPHERES, len(right))
    return Columns(table, voxels[order], row[order], np.concatenate([[0], np.cumsum(counts)]))


def _embedded() -> Division:
    """The division of the embedded atlas, by ``tools/make_columns.py``."""
    with (
        as_file(files("isocortex") / "cortex" / "data" / "columns.npz") as path,
        np.load(path) as f,
    ):
        places = pd.DataFrame(dict(zip(f["names"].tolist(), f["places"].T, strict=True)))
        return Division(f["column"], f["area"], places)


def divide(atlas: Atlas) -> Division:
    """Divide every area: halve its voxels at mid-depth until enough parts are made.

    Each cut runs across the longer axis, the one along which the cortex itself extends further,
    and divides the expected neurons in proportion to the columns on its sides.
    """
    volume = atlas.volume
    voxels, row = volume.voxels()
    points = volume.centre(voxels)
    place = volume.at(points)
    expected = expected_neurons(atlas)[0].sum(axis=1)
    neurons = (expected / np.bincount(row, minlength=len(expected)))[row]

    middle = volume.middle(points)
    column = np.empty(len(voxels), np.uint16)
    areas: list[int] = []
    area_of_voxel = atlas.row_area[row]
    order = np.argsort(area_of_voxel.astype(np.uint8), kind="stable")
    ends = np.cumsum(np.bincount(area_of_voxel, minlength=len(atlas.areas)))
    for area, members in enumerate(np.split(order, ends[:-1])):
        n = max(1, round(float(neurons[members].sum() / NEURONS_PER_COLUMN)))
        column[members] = len(areas) + _bisect(
            middle[members], place.normal[members], neurons[members], n
        )
        areas += [area] * n
    places = _describe(column, points, place.normal, place.flat, neurons)
    return Division(column, np.array(areas, np.uint8), places)


def _bisect(
    middle: NDArray[np.float32], normal: NDArray[np.float32], weight: FloatArray, parts: int
) -> NDArray[np.int32]:
    """Number of the part, 0 to ``parts`` - 1, of each voxel.

    Parameters
    ----------
    middle : (voxels, 3) um, at mid-depth.
    normal : (voxels, 3).
    weight : (voxels,) neurons.
    """
    part = np.zeros(len(middle), np.int32)
    todo = [(np.arange(len(middle)), 0, parts)]
    while todo:
        members, first, n = todo.pop()
        if n == 1:
            part[members] = first
            continue
        here = middle[members].astype(np.float64)
        here -= here.mean(axis=0)
        axis = _longest_axis(here, normal[members].mean(axis=0, dtype=np.float64))
        along = (here * axis).sum(axis=1)
        step = np.floor(along - along.min()).astype(np.int64)  # um
        heaped = np.cumsum(np.bincount(step, weight[members]))
        cut = np.argmin(np.abs(heaped - heaped[-1] * (n // 2) / n))
        low = step <= cut
        todo += [(members[~low], first + n // 2, n - n // 2), (members[low], first, n // 2)]
    return part


def _longest_axis(here: FloatArray, normal: FloatArray) -> FloatArray:
    """Unit vector across ``normal`` along which points (n, 3) about 0 extend furthest.

    In closed form and sums of a fixed order: which column a voxel falls in may not depend on the
    library of linear algebra.
    """
    normal = normal / np.sqrt((normal**2).sum())
    u = np.eye(3)[np.argmin(np.abs(normal))]
    u = u - (u * normal).sum() * normal
    u /= np.sqrt((u**2).sum())
    v = np.roll(normal, -1) * np.roll(u, 1) - np.roll(normal, 1) * np.roll(u, -1)
    x, y = (here * u).sum(axis=1), (here * v).sum(axis=1)
    # the larger eigenvalue of [[xx, xy], [xy, yy]] belongs to (xx - yy + root, 2 xy)
    difference, twice = ((x + y) * (x - y)).sum(), 2.0 * (x * y).sum()
    root = np.sqrt(difference**2 + twice**2)
    along_u, along_v = (
        (difference + root, twice) if difference >= 0.0 else (twice, root - difference)
    )
    axis = along_u * u + along_v * v if root > 0.0 else u
    axis /= np.sqrt((axis**2).sum())
    return axis * np.sign(axis[np.argmax(np.abs(axis))])


def _describe(
    column: NDArray[np.uint16],
    points: NDArray[np.float32],
    normal: NDArray[np.float32],
    flat: NDArray[np.float32],
    neurons: FloatArray,
) -> pd.DataFrame:
    """Centres, radii and numbers of neurons; means over neurons."""
    total = np.bincount(column, neurons)

    def mean(values: NDArray[np.floating]) -> FloatArray:
        return np.stack([np.bincount(column, neurons * v) / total for v in values.T], axis=1)

    centre, flat_centre, axis = mean(points), mean(flat), mean(normal)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    away = points - centre[column]
    across = (away**2).sum(axis=1) - (away * axis[column]).sum(axis=1) ** 2
    return pd.DataFrame(
        {
            "x": centre[:, 0], "y": centre[:, 1], "z": centre[:, 2],
            "flat_x": flat_centre[:, 0], "flat_y": flat_centre[:, 1],
            "radius": np.sqrt(2.0 * np.bincount(column, neurons * across) / total),
            "neurons": total,
        }
    )  # fmt: skip


#: Middles of the bins of ``distances``, um; the last holds all that is further.
DISTANCE_UM = np.arange(5.0, 6000.0, 10.0)
#: Places looked at in every column and layer.
_PLACES = 6


@lru_cache(maxsize=2)
def distances(columns: Columns, atlas: Atlas) -> FloatArray:
    """(areas, layers, layers, bins): shares of the pairs of neurons of two layers by distance.

    Distances run along the surface, see :func:`isocortex.cortex.pairs.distance_histogram`. From
    places spread evenly over every column and layer, the same for every seed and scale.
    """
    volume, n_layers = atlas.volume, len(LAYERS)
    voxels = np.diff(columns.offset)
    there = np.flatnonzero(voxels)
    number = np.arange(len(there) * _PLACES)

    def draw(what: int) -> FloatArray:
        return uniform(0, "distances", number, np.full_like(number, what))

    begin, size = np.repeat(columns.offset[there], _PLACES), np.repeat(voxels[there], _PLACES)
    place = volume.corner(columns.voxels[begin + (draw(0) * size).astype(np.int64)])
    for axis in range(3):
        place[:, axis] += np.float32(volume.voxel_um) * draw(1 + axis)
    normal = volume.at(place).normal
    column, layer = np.divmod(np.repeat(there, _PLACES), n_layers)
    weight = size / _PLACES
    area = atlas.areas.index.get_indexer(columns.table["area"])[column]
    result = np.zeros((len(atlas.areas), n_layers, n_layers, len(DISTANCE_UM)))
    for a, counts in enumerate(result):
        mine = area == a
        distance_histogram(
            place[mine], normal[mine], layer[mine], weight[mine], _PLACES, 10.0, counts
        )
    total = result.sum(axis=3, keepdims=True)
    return np.divide(result, total, out=result, where=total > 0.0)
