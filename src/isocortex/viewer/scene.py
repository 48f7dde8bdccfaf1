"""What is shown of a circuit: every neuron's place and attributes, as arrays for a browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.analysis import palette
from isocortex.circuit import Column, Columns, NodePopulation, Text
from isocortex.circuit.columns import is_missing, numbers
from isocortex.cortex.atlas import LAYERS, load_atlas
from isocortex.cortex.counts import CLASS_TITLES, CLASSES
from isocortex.cortex.volume import MIDPLANE_UM
from isocortex.errors import InputError
from isocortex.random import uniform
from isocortex.viewer.pack import pack

#: Attributes by which neurons are coloured and chosen, the most telling first: column -> title.
FACETS = {
    "area": "Area", "layer": "Layer", "cell_class": "Class", "hemisphere": "Hemisphere",
    "population": "Node population", "pop_name": "Population", "location": "Location",
    "cre_line": "Cre line", "ei": "E / I", "model_name": "Model", "model_template": "Template",
    "model_type": "Model type",
}  # fmt: skip
#: They fill the channels of one texture.
MOST_FACETS = 4
MOST_VALUES = 250
#: Where SONATA circuits have positions.
PLACES = (("x", "y", "z"), ("positions_x", "positions_y", "positions_z"))
#: The column of neurons as a slab: along the surface twice (um), and depth (um).
SLAB = ("flat_x", "flat_y", "depth")
STEPS = 65535
#: Neurons of the first part, which the first picture waits for, and of every further one.
FIRST, MORE = 2**18, 2**20


@dataclass(frozen=True)
class Facet:
    """A way to colour and choose neurons.

    Attributes
    ----------
    key, title : of the column.
    values : one dictionary each: ``name``, ``title``, ``colour``, and perhaps ``group``, ``allen``.
    code : uint8[n], the value of each neuron.
    exact : whether the values are those of the nodes, so that a query can name them.
    """

    key: str
    title: str
    values: list[dict[str, str]]
    code: NDArray[np.uint8]
    exact: bool = False


@dataclass(frozen=True)
class Quantised:
    """Points on a grid of 65536 steps an axis; the step is the same along all of them.

    Attributes
    ----------
    steps : uint16[n, 3].
    low : float64[3], um.
    step : um.
    """

    steps: NDArray[np.uint16]
    low: NDArray[np.float64]
    step: float

    @classmethod
    def of(cls, points: NDArray[np.floating]) -> Quantised:
        low, high = np.zeros(3), np.zeros(3)
        if len(points):
            ends = (np.min, np.max)
            low, high = (np.array([end(x) for x in points.T], np.float64) for end in ends)
        step = max(float((high - low).max()), 1.0) / STEPS
        steps = np.empty((len(points), 3), np.uint16)
        for axis in range(3):  # one by one: nine million points take less memory
            steps[:, axis] = np.round((points[:, axis] - low[axis]) / step)
        return cls(steps, low, step)

    @property
    def head(self) -> dict[str, Any]:
        return {"low": self.low.tolist(), "step": self.step}

    def extent(self) -> list[list[int]]:
        """First and last step along each axis."""
        if len(self.steps) == 0:
            return [[0, 0]] * 3
        return [[int(axis.min()), int(axis.max())] for axis in self.steps.T]


@dataclass(frozen=True)
class Scene:
    """Neurons in the order in which they are drawn: shuffled, so that any first part is fair.

    Attributes
    ----------
    populations : names.
    population : uint8[n].
    row : int64[n], in the table of its population.
    node_id : int64[n].
    position : float[n, 3], um, as the circuit has them.
    frame : ``ccf`` (anterior-posterior, dorsal-ventral, medial-lateral), ``xyz`` (y is up) or
        ``none`` (the circuit has no positions: a disc stands in).
    facets : at most four.
    columns : attributes of the nodes, by population.
    """

    populations: tuple[str, ...]
    population: NDArray[np.uint8]
    row: NDArray[np.int64]
    node_id: NDArray[np.int64]
    position: NDArray[np.floating]
    frame: str
    facets: list[Facet]
    columns: Mapping[str, Columns]

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def _sorted(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """For each population: its node ids, sorted, and where each is drawn."""
        tables = []
        for p in range(len(self.populations)):
            mine = np.flatnonzero(self.population == p)
            places = np.empty(len(mine), np.int64)
            places[self.row[mine]] = mine
            ids = self.node_id[places]
            if (ids[1:] < ids[:-1]).any():  # those of a table mostly ascend
                order = np.argsort(ids, kind="stable")
                ids, places = ids[order], places[order]
            tables.append((ids, places))
        return tables

    def index_of(self, population: str, node_ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Places in drawing order; -1 for neurons that are not shown."""
        node_ids = np.asarray(node_ids, np.int64)
        if population not in self.populations:
            return np.full(len(node_ids), -1, np.int64)
        ids, places = self._sorted[self.populations.index(population)]
        if len(ids) == 0:
            return np.full(len(node_ids), -1, np.int64)
        if ids[-1] - ids[0] == len(ids) - 1:  # one after the other
            at = np.clip(node_ids - ids[0], 0, len(ids) - 1)
        else:
            at = np.minimum(np.searchsorted(ids, node_ids), len(ids) - 1)
        return np.where(ids[at] == node_ids, places[at], -1)

    @cached_property
    def places(self) -> Quantised:
        return Quantised.of(self.position)

    @property
    def parts(self) -> int:
        """In how many parts the neurons are sent: any first ones of them are a fair sample."""
        return 1 + -(-max(len(self) - FIRST, 0) // MORE)

    def part(self, number: int) -> slice:
        """Of which neurons a part tells, in drawing order."""
        begin = 0 if number == 0 else FIRST + (number - 1) * MORE
        return slice(begin, min(FIRST + number * MORE, len(self)))

    def block(self, head: Mapping[str, Any]) -> bytes:
        """Everything the first picture needs: what is so of all, and the first part."""
        return pack(
            {
                **head,
                "n": len(self),
                "parts": self.parts,
                "frame": self.frame,
                "midplane": MIDPLANE_UM,
                "places": {**self.places.head, "extent": self.places.extent()},
                "populations": self.populations,
                "facets": [
                    {"key": f.key, "title": f.title, "values": f.values, "exact": f.exact}
                    for f in self.facets
                ],
            },
            self._somas(0),
        )

    def somas(self, number: int) -> bytes:
        """A further part."""
        return pack({}, self._somas(number))

    def _somas(self, number: int) -> dict[str, NDArray[Any]]:
        """10 bytes a neuron and the id; its population where there are several."""
        part = self.part(number)
        told: dict[str, NDArray[Any]] = {
            "position": self.places.steps[part],
            "facets": np.stack([f.code[part] for f in self.facets], axis=1),
            "node_id": self.node_id[part].astype(np.uint32),
        }
        return told | ({"population": self.population[part]} if len(self.populations) > 1 else {})

    def column_of(self, name: str) -> NDArray[Any] | None:
        """One attribute of every neuron, or None where a population lacks it."""
        if not all(name in self.columns[p] for p in self.populations):
            return None
        parts = [_values_of(self.columns[p][name]) for p in self.populations]
        first = np.cumsum([0, *(len(part) for part in parts)])
        return np.concatenate(parts)[first[self.population] + self.row]


def make_scene(populations: Mapping[str, NodePopulation], seed: int = 1) -> Scene:
    """The scene of some populations.

    Parameters
    ----------
    populations : those to show, by name.
    seed : of the order of drawing.
    """
    columns = {name: nodes.columns for name, nodes in populations.items()}
    counts = [len(nodes.node_ids) for nodes in populations.values()]
    if sum(counts) == 0:
        raise InputError("the circuit has no neurons to show", fix="Give one with nodes.")
    population = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    row = np.concatenate([np.arange(count) for count in counts])
    order = np.argsort(uniform(seed, "order of drawing", np.arange(len(row))))
    ids = np.concatenate([nodes.node_ids for nodes in populations.values()])
    position, frame = _positions(list(columns.values()), len(row))
    return Scene(
        tuple(columns),
        population[order],
        row[order],
        ids[order],
        position.take(order, axis=0),
        frame,
        _facets(columns, population, order),
        columns,
    )


def _values_of(column: Column) -> NDArray[Any]:
    """The values of a column, texts as objects."""
    if isinstance(column, Text):
        return column.spread(np.array(column.values, object), None)
    return np.asarray(column)


def _positions(columns: list[Columns], n: int) -> tuple[NDArray[np.floating], str]:
    for names in PLACES:
        if all(set(names) <= set(own) for own in columns):
            axes = [np.concatenate([_floats(own[name]) for own in columns]) for name in names]
            position = np.stack(axes, axis=1)
            if np.isfinite(position).all():
                ccf = all({"area", "normal_x", "hemisphere"} <= set(own) for own in columns)
                return position, "ccf" if ccf else "xyz"
    number = np.arange(n)
    angle, radius = number * np.pi * (3.0 - np.sqrt(5.0)), 20.0 * np.sqrt(number)
    disc = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.0 * angle], axis=1)
    return disc, "none"


def _floats(column: Column) -> NDArray[np.floating]:
    """A column as numbers, as exact as the file has them."""
    if isinstance(column, Text) or column.dtype.kind != "f":
        return numbers(column)
    return column


def _facets(
    columns: Mapping[str, Columns], population: NDArray[np.uint8], order: NDArray[np.int64]
) -> list[Facet]:
    facets: list[Facet] = []
    counts = np.bincount(population, minlength=len(columns))
    code: NDArray[np.integer]
    for key, title in FACETS.items():
        if key == "population":
            code, found, exact = population.astype(np.int32), list(columns), True
        elif any(key in own for own in columns.values()):
            parts = [
                _named(own.get(key), n) for own, n in zip(columns.values(), counts, strict=True)
            ]
            code, found = _together(parts)
            exact = all(exact for *_, exact in parts)
        else:
            continue
        if not 1 < len(found) <= MOST_VALUES:
            continue
        values, rank = _values(key, found)
        shown = rank.astype(np.uint8)[code][order]
        if any(_same(shown, f.code) for f in facets):
            continue
        facets.append(Facet(key, title, values, shown, exact))
        if len(facets) == MOST_FACETS:
            break
    if not facets:
        name = ", ".join(columns)
        only = {"name": name, "title": name, "colour": palette.DISTINCT[0]}
        facets = [Facet("population", "Node population", [only], np.zeros(len(order), np.uint8))]
    return facets


def _named(column: Column | None, n: int) -> tuple[NDArray[np.integer], list[str], bool]:
    """Code of every node, the names of the codes, and whether these are the values of the nodes."""
    codes: NDArray[np.integer]
    if column is None:
        codes, values = np.zeros(n, np.int64), [None]
    elif isinstance(column, Text):
        codes, values = column.codes, list(column.values)
        if (codes < 0).any():
            codes, values = codes + 1, [None, *values]
    else:
        found, codes = np.unique(column, return_inverse=True)
        values = [None if is_missing(value) else value for value in found.tolist()]
    used = np.bincount(codes, minlength=len(values)) > 0
    exact = all(isinstance(value, str) for value, yes in zip(values, used, strict=True) if yes)
    return codes, ["none" if value is None else str(value) for value in values], exact


def _together(
    parts: list[tuple[NDArray[np.integer], list[str], bool]],
) -> tuple[NDArray[np.integer], list[str]]:
    """Codes of all populations, one after the other, and the names that any of them bears."""
    used = [np.bincount(code, minlength=len(names)) > 0 for code, names, _ in parts]
    found = sorted({
        name for (_, names, _), yes in zip(parts, used, strict=True)
        for name, is_used in zip(names, yes, strict=True) if is_used
    })  # fmt: skip
    number = {name: k for k, name in enumerate(found)}
    codes = []
    for code, names, _ in parts:
        codes.append(np.array([number.get(name, 0) for name in names], np.int32)[code])
    return np.concatenate(codes), found


def _same(code: NDArray[np.integer], other: NDArray[np.integer]) -> bool:
    """Whether two attributes divide the neurons alike."""
    pairs = np.bincount(code.astype(np.int64) * 256 + other, minlength=1 << 16).reshape(256, 256)
    kinds = [np.count_nonzero(pairs.any(axis=k)) for k in (0, 1)]
    return np.count_nonzero(pairs) == kinds[0] == kinds[1]


def _values(key: str, names: list[str]) -> tuple[list[dict[str, str]], NDArray[np.int64]]:
    """The values in the order of a legend, and the place in it of each of ``names``."""
    atlas = load_atlas()
    known = names
    if key == "area" and set(names) <= set(atlas.areas.index):
        known = [name for name in palette.by_module(atlas) if name in names]
        values = [
            {
                "name": name,
                "title": str(atlas.areas["name"][name]),
                "group": str(atlas.areas["module"][name]),
                "colour": colour,
                "allen": allen,
            }
            for name, colour, allen in zip(
                known,
                palette.area_colours(atlas, known),
                palette.allen_colours(atlas, known),
                strict=True,
            )
        ]
    else:
        fixed: Mapping[str, str] = {}
        if key == "layer" and set(names) <= {f"L{layer}" for layer in LAYERS}:
            fixed = {f"L{name}": c for name, c in zip(LAYERS, palette.LAYERS, strict=True)}
        elif key == "cell_class" and set(names) <= set(CLASSES):
            fixed = {name: palette.CLASSES[name] for name in CLASSES}
        elif key == "hemisphere" and set(names) <= set(palette.SIDES):
            fixed = palette.SIDES
        elif key == "ei" and set(names) <= set(palette.EI):
            fixed = palette.EI
        known = [name for name in fixed if name in names] if fixed else sorted(names)
        shades = [fixed[n] for n in known] if fixed else palette.distinct(len(known))
        titles = CLASS_TITLES if key == "cell_class" and fixed else {}
        values = [
            {"name": name, "title": titles.get(name, name), "colour": colour}
            for name, colour in zip(known, shades, strict=True)
        ]
    rank = np.array([known.index(name) for name in names])
    return values, rank


def slab_block(scene: Scene, area: int) -> bytes:
    """What the column needs of the neurons of an area: place along the surface and depth, um.

    They come in drawing order. Where the first facet is not the area, all neurons are one slab.
    """
    first = scene.facets[0]
    here = first.code == area if first.key == "area" else np.ones(len(scene), bool)
    flat = [scene.column_of(name) for name in SLAB]
    borders = layer_borders(scene).get(first.values[area]["name"], {})
    if all(values is not None for values in flat):
        points = np.stack([np.asarray(values)[here] for values in flat], axis=1).astype(np.float64)
        if borders:  # relative depth times the median thickness: so the layers of a slab are level
            relative = np.nan_to_num(load_atlas().volume.at(scene.position[here]).depth, nan=0.5)
            points[:, 2] = relative * max(end for _, end in borders.values())
        unrolled = True
    else:  # straight: depth is the way down from the highest neuron
        x, y, z = scene.position[here].T
        points, unrolled = np.stack([x, z, scene.position[:, 1].max() - y], axis=1), False
    places = Quantised.of(points)
    return pack(
        {"places": places.head, "unrolled": unrolled, "borders": borders},
        {"slab": places.steps},
    )


def layer_borders(scene: Scene) -> dict[str, dict[str, list[float]]]:
    """Median depth (um) of the top and bottom of every layer of every area, from the atlas."""
    keys = [facet.key for facet in scene.facets]
    if scene.frame != "ccf" or "layer" not in keys or "area" not in keys:
        return {}
    return _layer_borders()


@cache
def _layer_borders() -> dict[str, dict[str, list[float]]]:
    atlas = load_atlas()
    voxels, row = (array[::5] for array in atlas.volume.voxels())  # plenty for a median
    place = atlas.volume.at(atlas.volume.centre(voxels))
    table = pd.DataFrame({"row": row, "depth": place.depth, "um": place.depth_um})
    thickness = (table["um"] / table["depth"].clip(lower=1e-3)).groupby(table["row"]).median()
    ends = table.groupby("row")["depth"].quantile([0.02, 0.98]).unstack()
    borders: dict[str, dict[str, list[float]]] = {}
    for area, rows in atlas.area_layer.groupby("area", sort=False):
        present = [r for r in rows.index if r in ends.index]
        edges = [0.0]
        for upper, lower in zip(present[:-1], present[1:], strict=True):
            edges.append(float(ends.loc[upper, 0.98] + ends.loc[lower, 0.02]) / 2.0)
        edges.append(1.0)
        thick = float(thickness[present].median())
        borders[str(area)] = {
            f"L{rows.loc[r, 'layer']}": [round(edges[k] * thick, 1), round(edges[k + 1] * thick, 1)]
            for k, r in enumerate(present)
        }
    return borders
