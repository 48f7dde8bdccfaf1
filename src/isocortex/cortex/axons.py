"""The tables from which the connections of every neuron are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.library import load_cell
from isocortex.cortex.atlas import LAYERS
from isocortex.cortex.counts import CLASSES, KINDS, class_of, group_of
from isocortex.cortex.expected import (
    connections_within,
    long_connections,
    pairs_within,
    projecting,
    target_layers,
)
from isocortex.cortex.homeostasis import strength_by_area
from isocortex.cortex.sites import Sites, target_sites
from isocortex.cortex.thinning import normal
from isocortex.elementary import exp, log
from isocortex.network.drawn import tables

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel
    from isocortex.cortex.positions import Neurons

#: Neurons looked at together: temporary arrays stay small.
PIECE = 1 << 20


def make_axons(cortex: CortexModel) -> tables.Axons:
    """What compiled functions draw connections from."""
    n, more = cortex.neurons, (0, tables.TRIED_TOGETHER)
    x, y, z = (np.pad(along, more) for along in n.position.T)
    return tables.Axons(
        np.array([cortex.recipe.key(what) for what in ("local", "long-range", "synapses")]),
        tables.Neurons(x, y, z, n.normal, n.column, cortex.group, cortex.model),
        _places(cortex),
        _rules(cortex),
        _projections(cortex),
        _sites(cortex),
    )


def _places(cortex: CortexModel) -> tables.Places:
    layout, table = cortex.layout, cortex.layout.columns.table
    sizes = layout.group.reshape(-1)
    side = (table["hemisphere"] == "right").to_numpy().astype(np.int32)
    area = cortex.atlas.areas.index.get_indexer(table["area"])
    n_areas = len(cortex.atlas.areas)
    patch = side * n_areas + area
    centre = table[["x", "y", "z"]].to_numpy(np.float32)
    normal, across, along = _extent(cortex.neurons, centre)
    return tables.Places(
        np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]),
        patch.astype(np.int32),
        np.searchsorted(patch, np.arange(2 * n_areas + 1)),
        centre,
        normal,
        across,
        along,
        np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])[_of_layers(len(table))],
        np.ascontiguousarray(layout.group.sum(axis=2).T.astype(np.float32)),
    )


def _of_layers(n_columns: int) -> IntArray:
    """(columns, layers + 1): which of all groups of neurons is the first of each layer."""
    within = np.arange(len(LAYERS) + 1) * len(CLASSES)
    return np.arange(n_columns)[:, None] * len(LAYERS) * len(CLASSES) + within


def _extent(
    neurons: Neurons, centre: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Normal of every column, and how far (um) its neurons are from its middle across and along."""
    column, n = neurons.column, len(centre)
    sums = np.stack([np.bincount(column, part, n) for part in neurons.normal.T], axis=1)
    normal = sums / np.maximum(np.sqrt((sums**2).sum(axis=1, keepdims=True)), 1e-9)
    normal = normal.astype(np.float32)
    across, along = np.zeros((2, n), np.float32)
    for k in range(0, len(neurons), PIECE):
        here = column[k : k + PIECE]
        away = neurons.position[k : k + PIECE] - centre[here]
        up = (away * normal[here]).sum(axis=1)
        beside = np.sqrt(np.maximum((away**2).sum(axis=1) - up**2, 0.0))
        np.maximum.at(across, here, beside)
        np.maximum.at(along, here, np.abs(up))
    return np.asarray(normal), across, along


def _rules(cortex: CortexModel) -> tables.Rules:
    n = len(LAYERS) * len(CLASSES)
    of = np.full((n, n), -1, np.int16)
    numbers = {(rule.source, rule.target): k for k, rule in enumerate(cortex.rules)}
    groups = [cortex.wiring.groups.get(class_of(g), "") for g in range(n)]
    for s, source in enumerate(groups):
        for t, target in enumerate(groups):
            of[s, t] = numbers.get((source, target), -1)
    connections = np.array([thinning.connections for thinning in cortex.thinnings])
    sigma = np.array([rule.sigma for rule in cortex.rules])
    sigma *= np.sqrt(connections / cortex.recipe.scale)
    # as many connections as the whole cortex has, among fewer neurons, each keeping its share
    there = np.zeros((len(cortex.atlas.areas), len(LAYERS), len(CLASSES)))
    there[cortex.atlas.row_area, cortex.atlas.row_layer] = cortex.layout.counts.counts
    wanted = cortex.recipe.scale * connections * connections_within(cortex).sum(axis=(1, 2))
    pairs = pairs_within(cortex, there, sigma, but_self=True).sum(axis=(1, 2))
    peak = np.divide(wanted, pairs, out=np.zeros_like(wanted), where=pairs > 0.0)
    copies = np.maximum(np.ceil(peak), 1.0)
    probability = peak / copies
    most = max(rule.synapses[1] for rule in cortex.rules)
    level = np.array([thinning.level for thinning in cortex.thinnings])
    level = level + log(strength_by_area(cortex))
    return tables.Rules(
        of,
        np.concatenate([probability, probability]).astype(np.float32),
        np.concatenate([copies, copies]).astype(np.int64),
        sigma.astype(np.float32),
        sigma.max(),
        np.array([_filled(thinning.number, most) for thinning in cortex.thinnings]),
        connections / _drawn_far(cortex),
        np.array([thinning.spread for thinning in cortex.thinnings]),
        np.concatenate([level, level]),
        normal(),
        np.array([rule.delay for rule in cortex.rules]),
        cortex.recipe.local_velocity,
    )


def _drawn_far(cortex: CortexModel) -> float:
    """Share of the long-range connections that is drawn: what is left of the rule with most."""
    return max(cortex.thinnings[rule].connections for rule in cortex.far_rule if rule >= 0)


def _filled(number: FloatArray, most: int) -> FloatArray:
    """A distribution with ones up to the number ``most``."""
    return np.concatenate([number, np.ones(most + 1 - len(number))])


def _sites(cortex: CortexModel) -> tables.Sites:
    used = {m: {cortex.wiring.group(c) for c, s in cortex.wiring.shares.items()
                for name, _ in s if name == m} for m in cortex.models}  # fmt: skip
    first, size = np.zeros((2, len(cortex.rules) * len(cortex.models)), np.int32)
    made: dict[tuple[object, ...], tuple[int, int]] = {}
    slots: list[NDArray[np.uint64]] = []
    for r, rule in enumerate(cortex.rules):
        for m, model in enumerate(cortex.models):
            if rule.target not in used[model]:
                continue
            places = (model, rule.sections, rule.distance_range)
            if places not in made:
                begin = sum(map(len, slots))
                cell = load_cell(model, cortex.recipe.dL)
                slots.append(_slots(target_sites(cell, *places[1:])))
                made[places] = begin, len(slots[-1])
            table = r * len(cortex.models) + m
            first[table], size[table] = made[places]
    return tables.Sites(first, size, np.concatenate(slots))


def _slots(sites: Sites) -> NDArray[np.uint64]:
    """An alias table as numbers, see :class:`isocortex.network.drawn.tables.Sites`."""
    keep = np.minimum(sites.keep * 2.0**32, 2.0**32 - 1.0).astype(np.uint64)
    node, other = sites.nodes.astype(np.uint64), sites.nodes[sites.other].astype(np.uint64)
    return np.asarray(keep << np.uint64(32) | node << np.uint64(16) | other, np.uint64)


def _projections(cortex: CortexModel) -> tables.Projections:
    n_groups = len(LAYERS) * len(CLASSES)
    kind = np.full(n_groups, -1, np.int16)
    for k, classes in enumerate(KINDS.values()):
        for cell_class in classes:
            kind[group_of(cell_class)] = k
    connections = long_connections(cortex)
    sources = projecting(cortex)
    mean = np.divide(connections, sources[:, :, None], out=np.zeros_like(connections),
                     where=sources[:, :, None] > 0)  # fmt: skip
    near = _near(cortex)
    return tables.Projections(
        kind,
        mean * _drawn_far(cortex),
        target_layers(cortex),
        cortex.far_rule,
        near,
        _totals(cortex, near),
        cortex.recipe.long_delay,
        cortex.recipe.long_velocity,
    )


def _near(cortex: CortexModel) -> NDArray[np.float32]:
    """(columns, columns) of one side: weights of the topographic map of long-range axons.

    A Gaussian of the distance between the places of two columns on the flat maps of their
    areas, each counted from the area's middle in its standard deviations. Left columns mirror
    right ones, so the matrix holds within and across hemispheres.
    """
    table = cortex.layout.columns.table.iloc[: cortex.layout.columns.n_side]
    flat = table[["flat_x", "flat_y"]].to_numpy()
    area = table["area"].to_numpy()
    place = np.empty_like(flat)
    for name in np.unique(area):
        away = flat[area == name] - flat[area == name].mean(axis=0)
        place[area == name] = away / np.maximum(np.sqrt((away**2).mean(axis=0)), 1.0)
    near = np.empty((len(place), len(place)), np.float32)
    for row, here in zip(near, place, strict=True):  # one at a time: all at once take half a GB
        row[:] = exp(-0.5 * ((here - place) ** 2).sum(axis=1) / cortex.recipe.map_width**2)
    return near


def _totals(cortex: CortexModel, near: NDArray[np.float32]) -> NDArray[np.float32]:
    """(columns of one side, layers, areas): neurons, each as much as its column is near."""
    columns = cortex.layout.columns
    number = cortex.layout.group[: columns.n_side].sum(axis=2, dtype=np.float64)
    area = cortex.atlas.areas.index.get_indexer(columns.table["area"][: columns.n_side])
    total = np.zeros((len(near), number.shape[1], len(cortex.atlas.areas)))
    for k in np.unique(area):
        here = np.flatnonzero(area == k)
        for layer in range(number.shape[1]):  # summed in order: the same on every machine
            total[:, layer, k] = np.cumsum(near[:, here] * number[here, layer], axis=1)[:, -1]
    return total.astype(np.float32)
