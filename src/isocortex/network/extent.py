"""How much a network will hold, told before any of its synapses is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit import Projection
from isocortex.circuit.overrides import ConnectionOverride
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.connect import allowed_sites, cells_of
from isocortex.network.drawn.tables import Tables
from isocortex.network.factors import factors_of
from isocortex.network.paces import with_paces
from isocortex.network.plan import Plan
from isocortex.network.sources import Sources


@dataclass(frozen=True)
class Extent:
    """What one rank will hold.

    Attributes
    ----------
    counts : int64[models], cells of each.
    allowed : of each model, bool[kinetics, nodes], where synapses may be drawn at spikes.
    drawn : whether there are such, stored or not: then all cells of a model are laid out alike.
    stored : the projections whose synapses are stored.
    synapses : how many these are, on average.
    kinetics : kinds of synapses.
    terminals : of plastic synapses, at most.
    sources, spikes : of spikes, and given ones.
    driven : numbers that say what fields drive into cells.
    """

    models: list[CompiledCell]
    counts: IntArray
    allowed: list[NDArray[np.bool_]]
    drawn: bool
    stored: list[Projection]
    synapses: float
    kinetics: int
    terminals: float
    sources: int
    spikes: int
    driven: int


def extent_of(
    projections: list[Projection],
    sources: Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
    *,
    overrides: list[ConnectionOverride],
    share: tuple[Plan, int],
    store: bool,
    spikes: int,
    driven: int,
) -> Extent:
    """The extent of a rank's network; parameters as of :func:`isocortex.network.connect.connect`.

    Parameters
    ----------
    share : who owns what, and the rank.
    spikes : given ones.
    driven : :func:`isocortex.network.outside.numbers_driven`.
    """
    plan, rank = share
    own = plan.cells(rank)
    most_nodes = max((m.n_nodes for m in models), default=1)
    allowed = [np.zeros((1, most_nodes), bool) for _ in models]
    kinetics: set[Kinetics] = set()
    terminals, again = 0.0, 0.0  # the second are synapses whose spikes act again
    for projection in projections:
        kinds = projection.kinds(cells_of(projection.target, sources, models, cell_model))
        sizes = (len(sources.number[projection.source]), len(sources.number[projection.target]))
        factors = factors_of(overrides, projection, sizes)
        changed = [kind for kind, _ in with_paces(kinds, factors)]
        kinetics |= {kind.conductance for kind in changed}
        terminals += _terminals(projection, changed, sizes[0])
        if any(kind.release is not None and kind.release.later for kind in changed):
            again += projection.expected
        tables = projection.tables()
        if not isinstance(tables, Tables):
            continue
        number = sources.number[projection.target]
        sites = allowed_sites(tables, tables.kind, len(kinds), most_nodes)
        pairs = np.stack([tables.axons.neurons.model.astype(np.int64), cell_model[number]])
        for a, m in np.unique(pairs, axis=1).T:  # some cells of a model may have been changed
            allowed[m] = sites[a]
    stored = [p for p in projections if store or p.tables() is None]
    return Extent(
        models=models,
        counts=np.bincount(cell_model[own.start : own.stop], minlength=len(models)),
        allowed=allowed,
        drawn=any(isinstance(p.tables(), Tables) for p in projections),
        stored=stored,
        synapses=(sum(p.expected for p in stored) + again) / plan.ranks,
        kinetics=len(kinetics),
        terminals=terminals,
        sources=len(sources.node_id),
        spikes=spikes,
        driven=driven,
    )


def _terminals(projection: Projection, kinds: Sequence[Kinetics], n_sources: int) -> float:
    """How many terminals the synapses of a projection have at most."""
    releases = {kind.release for kind in kinds if kind.release is not None}
    if not releases:
        return 0.0
    if any(release.sites for release in releases):
        return projection.expected
    several = n_sources * len(projection.delays()) * len(releases)
    return min(projection.expected, float(several))
