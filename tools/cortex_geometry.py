"""Depth, normal and flat-map coordinate of every place in the isocortex, from the annotation.

Arrays over voxels are of one hemisphere, axes (anterior-posterior, dorsal-ventral, medial-lateral),
the first voxel of the last axis touching the midplane.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

#: What lies beyond a face of the isocortex.
SIDE, PIA, WHITE = 0, 1, 2
#: Where cortex seems thinner than this, in voxels, depth is not extrapolated at its own slope.
_THIN = 16.0
_STEPS = np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]])


def faces(layer: Array, beyond: Array) -> Array:
    """What each of the six faces of every isocortical voxel touches.

    Parameters
    ----------
    layer : (AP, DV, ML) 0 outside the isocortex, else 1 (layer 1) to 6 (layer 6b).
    beyond : (AP, DV, ML) outside the isocortex, ``WHITE`` in fibre tracts and the nuclei below the
        cortex, ``SIDE`` in cortex that goes on, else ``PIA`` (background, other grey matter).

    Returns
    -------
    (voxels, 6) int32: number of the neighbouring voxel, or -1 - what the face touches.

    Notes
    -----
    Only layer 1 meets the pia, there and at the midplane, and only layers 5, 6a and 6b the white
    matter.
    """
    voxels = np.argwhere(layer > 0)
    number = np.full(layer.shape, -1, np.int32)
    number[tuple(voxels.T)] = np.arange(len(voxels))
    own = layer[tuple(voxels.T)]
    result = np.empty((len(voxels), 6), np.int32)
    for f, step in enumerate(_STEPS):
        there = voxels + step
        midplane = there[:, 2] < 0
        there[midplane, 2] = 0
        neighbour, kind = number[tuple(there.T)], beyond[tuple(there.T)].astype(np.int32)
        kind = np.where(midplane, PIA, kind)
        kind = np.where((kind == PIA) & (own > 1), SIDE, kind)
        kind = np.where((kind == WHITE) & (own < 4), SIDE, kind)
        result[:, f] = np.where((neighbour >= 0) & ~midplane, neighbour, -1 - kind)
    return result


@njit(cache=True)
def laplace(neighbour: Array, sweeps: int, omega: float) -> Array:
    """Potential that is 0 at the pia, 1 at the white matter, with no flux through the sides."""
    phi = np.full(len(neighbour), 0.5)
    for _ in range(sweeps):
        for x in range(len(phi)):
            total, weight = 0.0, 0.0
            for f in range(6):
                n = neighbour[x, f]
                if n >= 0:
                    total += phi[n]
                    weight += 1.0
                elif n != -1:  # the boundary is half a voxel away
                    total += 2.0 * (-1 - n == 2)
                    weight += 2.0
            if weight > 0.0:
                phi[x] += omega * (total / weight - phi[x])
    return phi


@njit(cache=True)
def gradient(phi: Array, neighbour: Array) -> Array:
    """Central differences, per voxel."""
    result = np.zeros((len(phi), 3))
    for x in range(len(phi)):
        for axis in range(3):
            low, high = phi[x], phi[x]
            for side in range(2):
                n = neighbour[x, 2 * axis + side]
                value = phi[x]
                if n >= 0:
                    value = phi[n]
                elif n != -1:
                    value = 2.0 * (-1 - n == 2) - phi[x]
                if side == 0:
                    low = value
                else:
                    high = value
            result[x, axis] = 0.5 * (high - low)
    return result


@njit(cache=True)
def path_length(direction: Array, neighbour: Array, order: Array, start: int, sweeps: int) -> Array:
    """Length of the field line from where it enters, in voxels (Yezzi & Prince 2003, upwind).

    Parameters
    ----------
    direction : (voxels, 3) unit vectors along the field, away from where the lines enter.
    order : voxels in the order in which lines cross them.
    start : ``PIA`` or ``WHITE``, where lines enter.
    """
    length = np.zeros(len(order))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    for _ in range(sweeps):
        for x in order:
            total, weight = 1.0, 0.0
            for axis in range(3):
                t = direction[x, axis]
                n = neighbour[x, 2 * axis + (0 if t > 0.0 else 1)]
                if n >= 0:
                    total += abs(t) * length[n]
                    weight += abs(t)
                elif n == -1 - start:
                    weight += 2.0 * abs(t)
            if weight < 0.5:  # the line comes along a side: it entered through the first neighbour
                first = x
                for f in range(6):
                    n = neighbour[x, f]
                    if n >= 0 and rank[n] < rank[first]:
                        first = n
                total, weight = length[first] + 1.0, 1.0
            length[x] = total / weight
    return length


def depth_fields(layer: Array, beyond: Array, sweeps: int = 600) -> tuple[Array, Array, Array]:
    """Relative depth (0 pia, 1 white matter), thickness in voxels and normal towards the pia."""
    neighbour = faces(layer, beyond)
    phi = laplace(neighbour, sweeps, 1.9)
    inwards = gradient(phi, neighbour)
    steepness = np.linalg.norm(inwards, axis=1, keepdims=True)
    inwards /= np.maximum(steepness, 1e-12)
    flat = np.flatnonzero(steepness[:, 0] < 1e-3)  # pockets: take the direction of those around
    for _ in range(20):
        around = neighbour[flat][..., None]
        inwards[flat] = np.where(around >= 0, inwards[around[..., 0]], 0.0).sum(axis=1)
        inwards[flat] /= np.maximum(np.linalg.norm(inwards[flat], axis=1, keepdims=True), 1e-12)
    order = np.argsort(phi, kind="stable").astype(np.int64)
    below_pia = path_length(inwards, neighbour, order, PIA, 4)
    above_white = path_length(-inwards, neighbour, order[::-1], WHITE, 4)
    thickness = below_pia + above_white
    return below_pia / thickness, thickness, -inwards


def coarsen(
    voxels: Array, depth: Array, thickness: Array, normal: Array, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Put the fields on nodes twice as far apart, and one node beyond the cortex all round.

    Parameters
    ----------
    voxels : (voxels, 3) indices.
    thickness : (voxels,) in voxels.
    shape : of the nodes; node i lies at the centre of voxels 2 i and 2 i + 1.

    Returns
    -------
    inside : ``shape``, bool, where there are values.
    values : ``shape`` + (5,): relative depth, thickness (voxels), normal.
    """
    all_voxels = voxels
    known = normal.any(axis=1)  # not so for the few voxels apart from all others
    voxels, depth, thickness, normal = voxels[known], depth[known], thickness[known], normal[known]
    node = voxels // 2
    offset = 0.5 - voxels % 2  # from the voxel to its node, in voxels
    slope = -(normal * offset).sum(1) / np.maximum(thickness, _THIN)
    flat = np.ravel_multi_index(tuple(node.T), shape)
    columns = np.column_stack([depth + slope, thickness, normal])
    size = int(np.prod(shape))
    count = np.bincount(flat, minlength=size)
    sums = np.stack([np.bincount(flat, c, minlength=size) for c in columns.T], axis=1)
    inside = (count > 0).reshape(shape)
    values = (sums / np.maximum(count, 1)[:, None]).reshape(*shape, 5)
    inside &= np.linalg.norm(values[..., 2:], axis=-1) > 0.1  # opposite directions meet
    wanted = np.zeros(shape)
    wanted[tuple(all_voxels.T // 2)] = 1.0
    wanted = _blur(wanted) > 0
    while (wanted & ~inside).any():
        inside, values = _one_beyond(inside, values)
    return wanted, values


def _one_beyond(inside: Array, values: Array) -> tuple[Array, Array]:
    """Extrapolate along the known gradient of the depth by one node in every direction."""
    total = np.zeros_like(values)
    weight = np.zeros(inside.shape)
    for step in np.ndindex(3, 3, 3):
        step = np.array(step) - 1
        if not step.any():
            continue
        to = tuple(slice(max(s, 0), n + min(s, 0)) for s, n in zip(step, inside.shape, strict=True))
        of = tuple(
            slice(max(-s, 0), n + min(-s, 0)) for s, n in zip(step, inside.shape, strict=True)
        )
        w = inside[of] / (step @ step)
        v = values[of].copy()
        v[..., 0] -= 2.0 * (v[..., 2:] @ step) / np.maximum(v[..., 1], _THIN)
        total[to] += w[..., None] * v
        weight[to] += w
    beyond = ~inside & (weight > 0)
    result = values.copy()
    result[beyond] = total[beyond] / weight[beyond][:, None]
    result[..., 2:] /= np.maximum(np.linalg.norm(result[..., 2:], axis=-1, keepdims=True), 1e-12)
    return inside | beyond, result


def flat_field(paths: Array, lookup: Array, shape: tuple[int, int, int]) -> Array:
    """Flat-map coordinate on the streamlines' 100 um grid, right hemisphere, in um.

    Parameters
    ----------
    paths : (streamlines, steps) flat indices into the grid, 0 beyond the end.
    lookup : (rows, columns) streamline at each pixel of the map, -1 for none; the right hemisphere
        is its right half.
    shape : of the whole grid.

    Returns
    -------
    (AP, DV, ML / 2, 2): distance along the columns from the map's middle, and along the rows.
    Voxels that no streamline crosses take the mean of the nearest; smoothed by 100 um.
    """
    half = (shape[0], shape[1], shape[2] // 2)
    rows, columns = np.nonzero(lookup >= 0)
    flat_xy = 100.0 * np.column_stack([columns + 0.5 - lookup.shape[1] / 2, rows + 0.5])
    right = flat_xy[:, 0] > 0
    lines, flat_xy = paths[lookup[rows, columns][right]], flat_xy[right]
    crossed = lines > 0
    index = np.array(np.unravel_index(lines[crossed], shape))
    flat_xy = np.repeat(flat_xy, crossed.sum(1), axis=0)
    keep = index[2] >= half[2]
    index[2] -= half[2]
    flat = np.ravel_multi_index(tuple(index[:, keep]), half)
    size = int(np.prod(half))
    weight = np.bincount(flat, minlength=size).astype(float).reshape(half)
    total = np.stack(
        [np.bincount(flat, c, minlength=size).reshape(half) for c in flat_xy[keep].T], axis=-1
    )
    known = weight > 0
    value = total / np.maximum(weight, 1)[..., None]
    for _ in range(12):  # outwards from the streamlines, 100 um at a time
        spread = _blur(known.astype(float)[..., None])[..., 0]
        fresh = ~known & (spread > 1e-9)
        value[fresh] = _blur(value * known[..., None])[fresh] / spread[fresh][:, None]
        known |= fresh
    for _ in range(2):
        value = _blur(value * known[..., None]) / np.maximum(_blur(known * 1.0), 1e-9)[..., None]
    return value


def _blur(values: Array) -> Array:
    """Binomial (1, 2, 1) along the three axes of space; nothing beyond the edges."""
    for axis in range(3):
        values = np.moveaxis(values, axis, 0)
        out = 0.5 * values
        out[1:] += 0.25 * values[:-1]
        out[:-1] += 0.25 * values[1:]
        values = np.moveaxis(out, 0, axis)
    return values


@njit(cache=True)
def _sample(field: Array, x: float, y: float, z: float, out: Array) -> None:
    """Trilinear; at the edge, the edge."""
    shape = field.shape
    i = min(max(int(np.floor(x)), 0), shape[0] - 2)
    j = min(max(int(np.floor(y)), 0), shape[1] - 2)
    k = min(max(int(np.floor(z)), 0), shape[2] - 2)
    fx, fy, fz = min(max(x - i, 0.0), 1.0), min(max(y - j, 0.0), 1.0), min(max(z - k, 0.0), 1.0)
    out[:] = 0.0
    for corner in range(8):
        a, b, c = corner >> 2, (corner >> 1) & 1, corner & 1
        w = (fx if a else 1 - fx) * (fy if b else 1 - fy) * (fz if c else 1 - fz)
        for f in range(len(out)):
            out[f] += w * field[i + a, j + b, k + c, f]


@njit(cache=True)
def trace_to_middle(inside: Array, values: Array) -> Array:
    """Where each node's field line is at mid-depth.

    Parameters
    ----------
    inside, values : what ``coarsen`` returns.

    Returns
    -------
    ``inside.shape`` + (3,), in distances between nodes.
    """
    result = np.zeros(inside.shape + (3,))
    here, at = np.zeros(5), np.zeros(3)
    for start in np.argwhere(inside):
        at[:] = start
        for _ in range(200):
            i, j, k = int(at[0] + 0.5), int(at[1] + 0.5), int(at[2] + 0.5)
            i = min(max(i, 0), inside.shape[0] - 1)
            j = min(max(j, 0), inside.shape[1] - 1)
            k = min(max(k, 0), inside.shape[2] - 1)
            if not inside[i, j, k]:
                break
            here[:] = values[i, j, k]
            here[0] -= here[2:] @ (at - np.array([i, j, k])) / max(0.5 * here[1], 8.0)
            step = (here[0] - 0.5) * here[1] * 0.5
            if abs(step) < 0.02:
                break
            at += min(max(step, -0.5), 0.5) * here[2:]
        result[start[0], start[1], start[2]] = at
    return result


def sample(field: Array, at: Array) -> Array:
    """Trilinear interpolation of (AP, DV, ML, values) at (points, 3); at the edge, the edge."""
    limit = np.array(field.shape[:3]) - 1
    at = np.clip(at, 0, limit)
    low = np.minimum(at.astype(int), limit - 1)
    part = at - low
    total = np.zeros((len(at), field.shape[3]))
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, part, 1 - part).prod(axis=1)
        total += weight[:, None] * field[tuple((low + corner).T)]
    return total
