"""Nodes by how far their somata lie from points, such as plaques."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit.columns import numbers
from isocortex.circuit.nodes import NodePopulation
from isocortex.errors import ConfigError
from isocortex.random import poisson, uniform

#: Key of a node set's query, and the columns of nodes that it looks at, um.
NEAR, AXES = "near", ("x", "y", "z")
#: um, side of the cubes by which scattered points are numbered: another makes other points.
CUBE = 100.0
#: Points per mm3: more lie denser than cells do.
DENSEST = 1e5
#: Cubes and points that are made at most.
MOST = 5e7
#: Nodes that are looked at together.
AT_ONCE = 2**20


@dataclass(frozen=True)
class Scattered:
    """Points at random anywhere in space, none of which knows of another (a Poisson process).

    They are a function of seed and purpose alone, whoever asks for which part of space; a larger
    density has all points of a smaller one.

    Attributes
    ----------
    density_mm3 : points per mm3.
    seed : of the points; what : their purpose, such as ``plaques``.
    """

    density_mm3: float
    seed: int = 0
    what: str = "points"

    def within(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """float64[n, 3], those in all cubes that a box touches, um.

        Raises
        ------
        ConfigError : there would be too many.
        """
        first, last = (np.floor(end / CUBE) for end in (low, high))
        shape = last - first + 1
        mean = self.density_mm3 * (1e-3 * CUBE) ** 3
        if np.prod(shape) * max(1.0, mean) > MOST:
            raise ConfigError(
                f"{self.density_mm3:g} points per mm3 are too many among nodes that are spread "
                f"over {np.prod(shape) * (1e-3 * CUBE) ** 3:.3g} mm3", field="density_mm3",
                fix="Choose fewer points, or nodes of an area.",
            )  # fmt: skip
        grid = np.indices(tuple(map(int, shape))).reshape(3, -1)
        cubes = grid + first.astype(np.int64)[:, None]
        drawn = uniform(self.seed, f"{self.what}: how many", *cubes)
        count = poisson(mean, drawn)
        cubes = np.repeat(cubes, count, axis=1)
        number = np.arange(cubes.shape[1]) - np.repeat(np.cumsum(count) - count, count)
        places = [
            CUBE * (cube + uniform(self.seed, f"{self.what}: {axis}", *cubes, number))
            for axis, cube in zip(AXES, cubes, strict=True)
        ]
        return np.stack(places, axis=1)


@dataclass(frozen=True)
class Near:
    """Which nodes are meant by how far they are from the nearest of some points.

    Attributes
    ----------
    points : float64[n, 3] um, or scattered ones.
    um : at most so far, infinite for any distance.
    beyond : farther than this; 0 for no limit.
    """

    points: FloatArray | Scattered
    um: float
    beyond: float

    def among(self, population: NodePopulation, rows: IntArray) -> IntArray:
        """Those of some nodes of a population that are meant; nodes without a place are not."""
        if not self.knows(population):
            return rows[:0]
        columns = [population.columns[axis] for axis in AXES]
        place = np.stack([numbers(column)[rows] for column in columns], axis=1)
        there = np.isfinite(place).all(axis=1)
        rows, place = rows[there], place[there]
        away = self._away(place)
        return rows[(away <= self.um) & ((away > self.beyond) | (self.beyond == 0.0))]

    @staticmethod
    def knows(population: NodePopulation) -> bool:
        """Whether its nodes have places."""
        return all(axis in population.columns for axis in AXES)

    def _away(self, place: FloatArray) -> FloatArray:
        """float64[n], um to the nearest point, or more than can matter."""
        from scipy.spatial import cKDTree  # which takes longer to load than a small circuit

        away = np.full(len(place), np.inf)
        if not len(place):
            return away
        points = self.points
        if isinstance(points, Scattered):
            margin = max(self.beyond, self.um if math.isfinite(self.um) else 0.0)
            points = points.within(place.min(axis=0) - margin, place.max(axis=0) + margin)
        if not len(points):
            return away
        tree = cKDTree(points)
        for begin in range(0, len(place), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            away[part] = tree.query(place[part])[0]
        return away


def read_near(told: Any, file: Path | None, where: str) -> Near:
    """``{"points": ..., "um": ..., "beyond": ...}`` of a query.

    ``points`` are a list of ``[x, y, z]`` or ``{"density_mm3": ..., "seed": ..., "what": ...}``.

    Raises
    ------
    ConfigError : it is something else, with its field.
    """
    given = _keys(told, ("points", "um", "beyond"), file, where)
    if "points" not in given:
        raise _wrong(file, f"{where}.points", "is missing")
    um = _number(given.get("um", math.inf), file, f"{where}.um", least=0.0)
    beyond = _number(given.get("beyond", 0.0), file, f"{where}.beyond", least=0.0)
    if math.isinf(um) and not 0.0 < beyond < math.inf:
        raise _wrong(file, f"{where}.um", "is missing, and so is beyond")
    if beyond and beyond >= um:
        raise _wrong(file, f"{where}.beyond", f"must be less than um, found {beyond:g} and {um:g}")
    return Near(_points(given["points"], file, f"{where}.points"), um, beyond)


def _points(told: Any, file: Path | None, where: str) -> FloatArray | Scattered:
    if isinstance(told, Mapping):
        given = _keys(told, ("density_mm3", "seed", "what"), file, where)
        density = _number(given.get("density_mm3"), file, f"{where}.density_mm3", least=0.0)
        if not 0.0 < density <= DENSEST:
            raise _wrong(file, f"{where}.density_mm3",
                         f"must be above 0 and up to {DENSEST:g}, found {density:g}")  # fmt: skip
        seed, what = given.get("seed", 0), given.get("what", "points")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise _wrong(file, f"{where}.seed", f"must be a whole number, found {seed!r}")
        if not isinstance(what, str):
            raise _wrong(file, f"{where}.what", f"must be a text, found {what!r}")
        return Scattered(density, seed, what)
    try:
        points = np.asarray(told, np.float64)
        if isinstance(told, str) or points.ndim != 2 or points.shape[1] != 3 or not len(points):
            raise ValueError
    except (TypeError, ValueError):
        raise _wrong(file, where, "must be a list of [x, y, z] in um, or a density") from None
    if not np.isfinite(points).all():
        raise _wrong(file, where, "must be finite numbers")
    return points


def _keys(told: Any, known: tuple[str, ...], file: Path | None, where: str) -> Mapping[str, Any]:
    if not isinstance(told, Mapping):
        raise _wrong(file, where, f"must be an object with {', '.join(known)}, found {told!r}")
    for key in told:
        if key not in known:
            raise _wrong(file, f"{where}.{key}", f"is unknown; there are {', '.join(known)}")
    return told


def _number(value: Any, file: Path | None, where: str, least: float) -> float:
    right = isinstance(value, int | float) and not isinstance(value, bool) and value >= least
    if not right:
        raise _wrong(file, where, f"must be a number, {least:g} or more, found {value!r}")
    return float(value)


def _wrong(file: Path | None, where: str, what: str) -> ConfigError:
    fix = 'Give {"points": [[x, y, z]], "um": 20}, or "beyond" in place of "um".'
    return ConfigError(what, file=file, field=where, fix=fix)


def chosen_near(
    near: Near, chosen: list[tuple[str, IntArray]], nodes: Mapping[str, NodePopulation]
) -> list[tuple[str, IntArray]]:
    """Those of some nodes that are meant.

    Raises
    ------
    ConfigError : none of their populations has places, or no node is meant.
    """
    if not any(near.knows(nodes[name]) for name, _ in chosen):
        names = ", ".join(name for name, _ in chosen) or "no population"
        raise ConfigError(f"nodes of {names} have no x, y and z", fix="Choose others.")
    found = [(name, near.among(nodes[name], rows)) for name, rows in chosen]
    found = [(name, rows) for name, rows in found if len(rows)]
    if not found:
        limits = [f"within {near.um:g} um of"] if math.isfinite(near.um) else []
        limits += [f"beyond {near.beyond:g} um from"] if near.beyond else []
        raise ConfigError(f"no node lies {' and '.join(limits)} the points",
                          fix="Choose other points, nodes or distances.")  # fmt: skip
    return found
