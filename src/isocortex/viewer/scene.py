"""What is shown of a circuit: every neuron's place and attributes, as arrays for a browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.analysis import palette
from isocortex.circuit import NodePopulation
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
        points = np.asarray(points, np.float64)
        low = points.min(axis=0) if len(points) else np.zeros(3)
        extent = float((points - low).max(initial=0.0))
        step = max(extent, 1.0) / STEPS
        return cls(np.round((points - low) / step).astype(np.uint16), low, step)

    @property
    def head(self) -> dict[str, Any]:
        return {"low": self.low.tolist(), "step": self.step}


@dataclass(frozen=True)
class Scene:
    """Neurons in the order in which they are drawn: shuffled, so that any first part is fair.

    Attributes
    ----------
    populations : names.
    population : uint8[n].
    row : int64[n], in the table of its population.
    node_id : int64[n].
    position : float64[n, 3], um, as the circuit has them.
    frame : ``ccf`` (anterior-posterior, dorsal-ventral, medial-lateral), ``xyz`` (y is up) or
        ``none`` (the circuit has no positions: a disc stands in).
    facets : at most four.
    tables : of the nodes.
    """

    populations: tuple[str, ...]
    population: NDArray[np.uint8]
    row: NDArray[np.int64]
    node_id: NDArray[np.int64]
    position: NDArray[np.float64]
    frame: str
    facets: list[Facet]
    tables: Mapping[str, pd.DataFrame]

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def _sorted(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """For each population: its node ids, sorted, and where each is drawn."""
        tables = []
        for p in range(len(self.populations)):
            mine = np.flatnonzero(self.population == p)
            order = np.argsort(self.node_id[mine], kind="stable")
            tables.append((self.node_id[mine][order], mine[order]))
        return tables

    def index_of(self, population: str, node_ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Places in drawing order; -1 for neurons that are not shown."""
        node_ids = np.asarray(node_ids, np.int64)
        if population not in self.populations:
            return np.full(len(node_ids), -1, np.int64)
        ids, places = self._sorted[self.populations.index(population)]
        if len(ids) == 0:
            return np.full(len(node_ids), -1, np.int64)
        at = np.minimum(np.searchsorted(ids, node_ids), len(ids) - 1)
        return np.where(ids[at] == node_ids, places[at], -1)

    def block(self, head: Mapping[str, Any]) -> bytes:
        """Everything the first picture needs: 10 bytes a neuron and the id."""
        places = Quantised.of(self.position)
        return pack(
            {
                **head,
                "n": len(self),
                "frame": self.frame,
                "midplane": MIDPLANE_UM,
                "places": places.head,
                "populations": self.populations,
                "facets": [
                    {"key": f.key, "title": f.title, "values": f.values, "exact": f.exact}
                    for f in self.facets
                ],
            },
            {
                "position": places.steps,
                "facets": np.stack([f.code for f in self.facets], axis=1)
                if self.facets
                else np.zeros((len(self), 0), np.uint8),
                "node_id": self.node_id.astype(np.uint32),
                "population": self.population,
            },
        )

    def column_of(self, name: str) -> NDArray[Any] | None:
        """One attribute of every neuron, or None where a population lacks it."""
        if not all(name in self.tables[p] for p in self.populations):
            return None
        parts = [self.tables[p][name].to_numpy() for p in self.populations]
        first = np.cumsum([0, *(len(part) for part in parts)])
        return np.concatenate(parts)[first[self.population] + self.row]


def make_scene(populations: Mapping[str, NodePopulation], seed: int = 1) -> Scene:
    """The scene of some populations.

    Parameters
    ----------
    populations : those to show, by name.
    seed : of the order of drawing.
    """
    tables = {name: nodes.table for name, nodes in populations.items()}
    counts = [len(table) for table in tables.values()]
    if sum(counts) == 0:
        raise InputError("the circuit has no neurons to show", fix="Give one with nodes.")
    population = np.repeat(np.arange(len(counts)), counts)
    row = np.concatenate([np.arange(count) for count in counts])
    order = np.argsort(uniform(seed, "order of drawing", np.arange(len(row))), kind="stable")
    ids = np.concatenate([nodes.node_ids for nodes in populations.values()])
    position, frame = _positions(list(tables.values()))
    return Scene(
        tuple(tables),
        population[order].astype(np.uint8),
        row[order],
        ids[order],
        position[order],
        frame,
        _facets(tables, population, order),
        tables,
    )


def _positions(tables: list[pd.DataFrame]) -> tuple[NDArray[np.float64], str]:
    for names in PLACES:
        if all(set(names) <= set(table) for table in tables):
            parts = [table[list(names)].to_numpy(np.float64) for table in tables]
            position = np.concatenate(parts)
            if np.isfinite(position).all():
                ccf = all({"area", "normal_x", "hemisphere"} <= set(table) for table in tables)
                return position, "ccf" if ccf else "xyz"
    number = np.arange(sum(len(table) for table in tables))
    angle, radius = number * np.pi * (3.0 - np.sqrt(5.0)), 20.0 * np.sqrt(number)
    disc = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.0 * angle], axis=1)
    return disc, "none"


def _facets(
    tables: Mapping[str, pd.DataFrame], population: NDArray[np.int64], order: NDArray[np.int64]
) -> list[Facet]:
    facets: list[Facet] = []
    for key, title in FACETS.items():
        if key == "population":
            column = pd.Series(np.array(list(tables))[population])
        elif any(key in table for table in tables.values()):
            parts = [
                table[key].astype(object) if key in table else pd.Series([None] * len(table))
                for table in tables.values()
            ]
            column = pd.concat(parts, ignore_index=True)
        else:
            continue
        text = column.where(column.notna(), "none").astype(str)
        code, found = pd.factorize(text)
        if not 1 < len(found) <= MOST_VALUES or any(_same(code[order], f.code) for f in facets):
            continue
        values, rank = _values(key, [str(name) for name in found])
        exact = bool((text == column).all())
        facets.append(Facet(key, title, values, rank[code][order].astype(np.uint8), exact))
        if len(facets) == MOST_FACETS:
            break
    if not facets:
        name = ", ".join(tables)
        only = {"name": name, "title": name, "colour": palette.DISTINCT[0]}
        facets = [Facet("population", "Node population", [only], np.zeros(len(order), np.uint8))]
    return facets


def _same(code: NDArray[np.integer], other: NDArray[np.integer]) -> bool:
    """Whether two attributes divide the neurons alike."""
    pairs = np.bincount(code.astype(np.int64) * 256 + other, minlength=1 << 16)
    kinds = [np.count_nonzero(np.bincount(c)) for c in (code, other)]
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


def slab_block(scene: Scene) -> bytes:
    """What the column needs of every neuron: place along the surface and depth, um."""
    flat = [scene.column_of(name) for name in SLAB]
    borders = layer_borders(scene)
    if all(values is not None for values in flat):
        points = np.stack([np.asarray(values, np.float64) for values in flat], axis=1)
        if borders:
            points[:, 2] = _levelled_depth(scene, borders)
        unrolled = True
    else:  # straight: depth is the way down from the highest neuron
        x, y, z = scene.position.T
        points, unrolled = np.stack([x, z, y.max() - y], axis=1), False
    places = Quantised.of(points)
    return pack(
        {"places": places.head, "unrolled": unrolled, "borders": borders},
        {"slab": places.steps},
    )


def _levelled_depth(scene: Scene, borders: dict[str, dict[str, list[float]]]) -> NDArray[Any]:
    """Relative depth times the area's median thickness, um: so the layers of a slab are level."""
    number = [facet.key for facet in scene.facets].index("area")
    facet = scene.facets[number]
    thickness = np.array(
        [max(end for _, end in borders[value["name"]].values()) for value in facet.values]
    )
    relative = load_atlas().volume.at(scene.position).depth
    return np.nan_to_num(relative, nan=0.5) * thickness[facet.code]


def layer_borders(scene: Scene) -> dict[str, dict[str, list[float]]]:
    """Median depth (um) of the top and bottom of every layer of every area, from the atlas."""
    keys = [facet.key for facet in scene.facets]
    if scene.frame != "ccf" or "layer" not in keys or "area" not in keys:
        return {}
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
