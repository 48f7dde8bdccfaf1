"""Places and angles of nodes that scripts take from BMTK, drawn as there by NumPy's seed.

``plot`` draws no picture here: `isocortex view` shows where cells are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from isocortex.arrays import FloatArray


def positions_columinar(
    N: int = 1,
    center: Sequence[float] = (0.0, 50.0, 0.0),
    height: float = 100.0,
    min_radius: float = 0.0,
    max_radius: float = 1.0,
    plot: bool = False,
) -> FloatArray:
    """float64[N, 3], places in an upright cylinder or ring (along y), um."""
    phi = 2.0 * math.pi * np.random.random([N])
    r = np.sqrt((min_radius**2 - max_radius**2) * np.random.random([N]) + max_radius**2)
    x, z = center[0] + r * np.cos(phi), center[2] + r * np.sin(phi)
    return np.column_stack((x, _along(N, center[1], height), z))


positions_columnar = positions_columinar


def positions_rect_prism(
    N: int = 1,
    center: Sequence[float] = (0.0, 50.0, 0.0),
    height: float = 20.0,
    x_length: float = 100.0,
    z_length: float = 100.0,
    plot: bool = False,
) -> FloatArray:
    """float64[N, 3], places in a box whose height is along y, um."""
    x, z = _along(N, center[0], x_length), _along(N, center[2], z_length)
    return np.column_stack((x, _along(N, center[1], height), z))


def positions_ellipsoid(
    N: int = 1,
    center: Sequence[float] = (0.0, 50.0, 0.0),
    height: float = 50.0,
    x_length: float = 100.0,
    z_length: float = 200.0,
    plot: bool = False,
) -> FloatArray:
    """float64[N, 3], places in an ellipsoid with these axes, um."""
    places = positions_rect_prism(3 * N, center, height, x_length, z_length)
    half = np.array([x_length, height, z_length]) / 2.0
    inside = (((places - np.asarray(center)) / half) ** 2).sum(axis=1) < 1
    return places[inside][:N]


def positions_cuboid(
    N: int = 1,
    center: Sequence[float] = (0.0, 0.0, 0.0),
    height: float = 100.0,
    xside_length: float = 100.0,
    yside_length: float = 100.0,
    min_dist: float = 20.0,
    plot: bool = False,
) -> FloatArray:
    """float64[N, 3], different places of a grid with this distance, um."""
    lengths = (xside_length, yside_length, height)
    axes = [np.arange(c, end + min_dist, min_dist) for c, end in zip(center, lengths, strict=True)]
    grid = np.vstack([axis.ravel() for axis in np.meshgrid(*axes)]).T
    return grid[np.random.choice(np.arange(len(grid)), N, replace=False)]


def positions_list(positions: FloatArray) -> FloatArray:
    """The places themselves."""
    return np.asarray(positions, float)[:, :3]


def xiter_random(N: int = 1, min_x: float = 0.0, max_x: float = 1.0) -> FloatArray:
    """float64[N], any number between the two as likely."""
    return np.random.uniform(low=min_x, high=max_x, size=(N,))


def _along(n: int, middle: float, length: float) -> FloatArray:
    return middle + length * (np.random.random([n]) - 0.5)
