"""The tables from which the connections of every neuron are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.cells.library import load_cell
from isocortex.cortex.atlas import LAYERS
from isocortex.cortex.counts import CLASSES, KINDS, class_of, group_of
from isocortex.cortex.sites import Sites, target_sites
from isocortex.cortex.thinning import normal
from isocortex.elementary import exp
from isocortex.network.drawn import draw

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel


def make_axons(cortex: CortexModel) -> draw.Axons:
    """What compiled functions draw connections from."""
    n = cortex.neurons
    return draw.Axons(
        np.array([cortex.recipe.key("local"), cortex.recipe.key("long-range")]),
        draw.Neurons(n.position, n.normal, n.column.astype(np.int32), cortex.group, cortex.model),
        _places(cortex),
        _rules(cortex),
        _projections(cortex),
        _sites(cortex),
    )


def _places(cortex: CortexModel) -> draw.Places:
    layout, table = cortex.layout, cortex.layout.columns.table
    sizes = layout.group.reshape(-1)
    side = (table["hemisphere"] == "right").to_numpy().astype(np.int32)
    area = cortex.atlas.areas.index.get_indexer(table["area"])
    n_areas = len(cortex.atlas.areas)
    patch = side * n_areas + area
    centre = table[["x", "y", "z"]].to_numpy(np.float32)
    reach = np.zeros(len(table), np.float32)
    away = np.linalg.norm(cortex.neurons.position - centre[cortex.neurons.column], axis=1)
    np.maximum.at(reach, cortex.neurons.column, away.astype(np.float32))
    return draw.Places(
        np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]),
        patch.astype(np.int32),
        np.searchsorted(patch, np.arange(2 * n_areas + 1)),
        centre,
        reach,
        np.ascontiguousarray(layout.group.sum(axis=2, dtype=np.int32).T),
    )


def _rules(cortex: CortexModel) -> draw.Rules:
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
    wanted = cortex.recipe.scale * connections * cortex.connections_within().sum(axis=(1, 2))
    pairs = cortex.pairs_within(there, sigma, but_self=True).sum(axis=(1, 2))
    peak = np.divide(wanted, pairs, out=np.zeros_like(wanted), where=pairs > 0.0)
    copies = np.maximum(np.ceil(peak), 1.0)
    probability = peak / copies
    most = max(rule.synapses[1] for rule in cortex.rules)
    return draw.Rules(
        of,
        np.concatenate([probability, probability]),
        np.concatenate([copies, copies]).astype(np.int64),
        sigma,
        sigma.max(),
        np.array([_filled(thinning.number, most) for thinning in cortex.thinnings]),
        connections / _drawn_far(cortex),
        np.array([thinning.spread for thinning in cortex.thinnings]),
        np.array([thinning.level for thinning in cortex.thinnings]),
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


def _sites(cortex: CortexModel) -> draw.Sites:
    made: list[Sites | None] = []
    used = {m: {cortex.wiring.group(c) for c, s in cortex.wiring.shares.items()
                for name, _ in s if name == m} for m in cortex.models}  # fmt: skip
    for rule in cortex.rules:
        for model in cortex.models:
            if rule.target in used[model]:
                cell = load_cell(model, cortex.recipe.dL)
                made.append(target_sites(cell, rule.sections, rule.distance_range))
            else:
                made.append(None)
    sizes = [0 if s is None else len(s.nodes) for s in made]
    there = [s for s in made if s is not None]
    return draw.Sites(
        np.concatenate([[0], np.cumsum(sizes)]),
        np.concatenate([s.nodes for s in there]),
        np.concatenate([s.keep for s in there]),
        np.concatenate([s.other for s in there]),
    )


def _projections(cortex: CortexModel) -> draw.Projections:
    n_groups = len(LAYERS) * len(CLASSES)
    kind = np.full(n_groups, -1, np.int16)
    for k, classes in enumerate(KINDS.values()):
        for cell_class in classes:
            kind[group_of(cell_class)] = k
    connections = cortex.long_connections()
    sources = cortex.sources()
    mean = np.divide(connections, sources[:, :, None], out=np.zeros_like(connections),
                     where=sources[:, :, None] > 0)  # fmt: skip
    return draw.Projections(
        kind,
        mean * _drawn_far(cortex),
        cortex.target_layers(),
        cortex.far_rule,
        _near(cortex),
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
