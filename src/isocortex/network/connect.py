"""All synapses of a circuit, sorted by source, then delay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isocortex.arrays import IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit import Cells, Projection, Synapses
from isocortex.circuit.overrides import ConnectionOverride
from isocortex.circuit.projection import POINT_NEURON, VIRTUAL_NODE
from isocortex.errors import ConfigError
from isocortex.hashes import sha256
from isocortex.mechanisms.release import Release
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.drawn.place import first_node
from isocortex.network.drawn.pool import Pool
from isocortex.network.drawn.tables import Tables
from isocortex.network.factors import Factors, factors_of
from isocortex.network.network import FEW, Connections, DrawnSynapses, Slots
from isocortex.network.paces import rule_kinds, with_paces
from isocortex.network.sources import BIOPHYSICAL, POINT, VIRTUAL, Sources
from isocortex.network.terminals import acting_again
from isocortex.network.touched import Watch

#: Kinetics are numbered in 16 bits where there are many numbers.
MOST_KINDS = 1 << 16


def require_stored(projection: Projection, factors: Factors | None, store: bool) -> None:
    """Refuse other delays of synapses that are drawn at each spike.

    Raises
    ------
    ConfigError : a change asks for them.
    """
    drawn = projection.tables() is not None and not store
    if drawn and factors is not None and factors.laws is not None:
        raise ConfigError(
            f"the synapses of {projection.name} are drawn at each spike, with the delays of their "
            "rule", field="isocortex.changes",
            fix="Let them be stored (--store-synapses), or leave delays as they are.",
        )  # fmt: skip


def cells_of(
    population: str, sources: Sources, models: list[CompiledCell], cell_model: IntArray
) -> Cells:
    """The nodes of a population as targets of synapses."""
    number, kind = sources.number[population], sources.kind[population]
    model = np.where(kind == POINT, POINT_NEURON, VIRTUAL_NODE)
    on_cell = kind == BIOPHYSICAL
    model[on_cell] = cell_model[number[on_cell]]
    return Cells(models, model)


@dataclass(frozen=True)
class Wired:
    """All synapses onto the cells and point neurons of a rank; see :class:`Network`."""

    kinetics: list[Kinetics]
    unchanged: set[tuple[int, Kinetics]]
    slots: Slots
    connections: Connections
    drawn: DrawnSynapses | None
    shortest: float
    releases: list[Release]
    unchanged_releases: set[tuple[int, Release]]
    lasting: str


def connect(
    projections: list[Projection],
    sources: Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
    *,
    share: tuple[range, range],
    seed: int,
    store: bool,
    overrides: Sequence[ConnectionOverride] = (),
    watch: Watch | None = None,
) -> Wired:
    """The synapses onto some cells and point neurons, sorted by source, then delay.

    Parameters
    ----------
    cell_model : int64[n_cells], index into ``models`` of every cell of the circuit.
    share : the cells and the point neurons.
    store : whether synapses that could be drawn at every spike are stored all the same.
    overrides : of weights, of stored and of drawn synapses.
    watch : sees all synapses that are stored.
    """
    changes = [_factors(overrides, projection, sources) for projection in projections]
    late = [
        projection.delays() if factors is None else factors.delays_of(projection.delays())
        for projection, factors in zip(projections, changes, strict=True)
    ]
    everything = [np.zeros(0), *late, *(p.delays() for p in projections)]
    delays = np.unique(np.concatenate(everything))
    index = np.min_scalar_type(max(len(delays) - 1, 0))
    most_nodes = max((m.n_nodes for m in models), default=1)
    kinetics: dict[Kinetics, int] = {}
    releases: dict[Release | None, int] = {None: 0}
    unchanged: set[tuple[int, Kinetics]] = set()
    unchanged_releases: set[tuple[int, Release]] = set()
    drawn: dict[type, _Drawn] = {}
    shortest = np.inf
    lasting: list[object] = []
    numbering = _Numbering(sources, *share, most_nodes)
    parts = [_Piece.none(index)]
    for projection, factors, own_delays in zip(projections, changes, late, strict=True):
        cells = cells_of(projection.target, sources, models, cell_model)
        kinds = projection.kinds(cells)
        delay = np.searchsorted(delays, projection.delays()).astype(index)
        ends = (sources.number[projection.source], sources.number[projection.target])
        least = projection.shortest(sources.kind[projection.source] != VIRTUAL)
        shortest = min(shortest, least)
        if factors is not None and factors.laws is not None and np.isfinite(least):
            shortest = min(shortest, float(factors.delays_of(np.array([least])).min()))
        pairs = with_paces(kinds, factors)
        lasting += _lasting(projection, kinds, factors)
        numbered = [
            (kinetics.setdefault(changed.conductance, len(kinetics)), before.conductance)
            for changed, before in pairs
        ]
        unchanged |= set(numbered)
        kind = np.array([number for number, _ in numbered], np.int64)
        released = [releases.setdefault(k.release, len(releases)) for k, _ in pairs]
        unchanged_releases |= {
            (number - 1, before.release)
            for number, (_, before) in zip(released, pairs, strict=True)
            if before.release is not None
        }
        release = np.array(released, np.uint32)
        tables = projection.tables()
        if tables is not None:
            if release.any():
                raise ConfigError(
                    f"the synapses of {projection.name} are plastic, and drawn at each spike",
                    field="networks", fix="Write them as edges.",
                )  # fmt: skip
            require_stored(projection, factors, store)
            what = type(tables)
            if what in drawn:
                raise ConfigError(
                    f"the synapses of {drawn[what].projection.name} and of {projection.name} can "
                    "be drawn at each spike", field="networks",
                    fix="Keep one of the recipes, and write the edges of the other.",
                )  # fmt: skip
            drawn[what] = _Drawn(projection, tables, kind, delay, factors)
            if factors is not None:
                kept = np.float32 if factors.exact else np.float64
                parts.append(_Piece.none(index, kept))
        if tables is None or store:
            made = projection.onto(numbering.own_rows(ends[1]), cells, seed)
            if watch is not None:
                made = watch.seen(projection, (len(ends[0]), len(ends[1])), made, kinds)
            if factors is not None:
                made = map(factors.changed, made)
            own = np.searchsorted(delays, own_delays).astype(index)
            parts += _pieces(made, ends, numbering, kind, own, release)
        elif watch is not None:
            watch.unseen(projection, kinds)
    of_parts = list(zip(*parts, strict=True))
    del parts
    key_parts, release_parts = of_parts.pop(), of_parts.pop()
    plastic = [each for each in releases if each is not None]
    of_release = np.concatenate(release_parts) if plastic else None
    random = np.concatenate(key_parts) if any(each.sites for each in plastic) else None
    source, key, weight, delay = (np.concatenate(x) for x in of_parts)
    del of_parts
    if len(kinetics) > MOST_KINDS:
        raise ConfigError(
            f"synapses have {len(kinetics):,} different kinetics, of {MOST_KINDS:,} at most",
            field="networks.edges", fix="Round decay_time, for instance to 0.01 ms.",
        )  # fmt: skip
    if of_release is not None and any(each.later for each in plastic):
        some, later = acting_again(of_release, delays[delay], plastic)
        every = np.union1d(delays, later)
        place = np.searchsorted(every, delays).astype(np.min_scalar_type(len(every) - 1))
        delay = np.append(place[delay], np.searchsorted(every, later).astype(place.dtype))
        drawn = {what: each._replace(delay=place[each.delay]) for what, each in drawn.items()}
        delays = every
        of_release = np.append(of_release, of_release[some] + np.uint32(len(plastic)))
        source, key, weight = (np.append(each, each[some]) for each in (source, key, weight))
        random = random if random is None else np.append(random, random[some])
    slots, goal = _slots(key, len(numbering.cells), most_nodes, len(kinetics))
    del key
    if of_release is not None:
        names = (of_release, delay, source)
        order = np.lexsort(names if random is None else (random, *names))
        most = int(of_release.max(initial=0))
        of_release = of_release[order].astype(np.min_scalar_type(most))
        random = random if random is None else random[order]
    elif len(delays) > 1:
        order = np.lexsort((delay, source))
    else:
        order = np.argsort(source, kind="stable")
    first = np.zeros(len(sources.node_id) + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=len(sources.node_id)), out=first[1:])
    connections = Connections(
        first, goal[order], weight[order], delay[order], delays, of_release, random, seed
    )
    synapses = _drawn_synapses(drawn, sources, numbering, (len(kinetics), most_nodes), store)
    return Wired(
        list(kinetics), unchanged, slots, connections, synapses, shortest, plastic,
        unchanged_releases, sha256(lasting)[:12] if lasting else "",
    )  # fmt: skip


def _lasting(
    projection: Projection, kinds: Sequence[Kinetics], factors: Factors | None
) -> list[object]:
    """What is changed of the weights and delays that a spike's second event must find the same."""
    if factors is None:
        return []
    whose = (projection.name, factors.source, factors.target)
    found: list[object] = []
    if any(np.isinf(kind.tau_decay) for kind in kinds):
        removed = np.zeros(1) if factors.removed is None else factors.removed
        if removed.any() or (factors.factor != 1.0).any():
            found += [*whose, factors.factor, removed]
    if factors.law is not None and any(k.release is not None and k.release.later for k in kinds):
        found += [*whose, factors.law, factors.laws]
    return found


def _factors(
    overrides: Sequence[ConnectionOverride], projection: Projection, sources: Sources
) -> Factors | None:
    sizes = (len(sources.number[projection.source]), len(sources.number[projection.target]))
    return factors_of(overrides, projection, sizes)


class _Drawn(NamedTuple):
    """A projection that can be drawn, and the network's numbers of its kinetics and delays."""

    projection: Projection
    tables: Tables | Pool
    kind: IntArray
    delay: NDArray[np.unsignedinteger]
    factors: Factors | None


def _drawn_synapses(
    drawn: dict[type, _Drawn],
    sources: Sources,
    numbering: _Numbering,
    sizes: tuple[int, int],
    stored: bool,
) -> DrawnSynapses | None:
    """What is drawn, for :class:`Network`; ``sizes`` are the numbers of kinetics and of nodes."""
    if Tables not in drawn:
        return None
    projection, tables, kind, delay, factors = drawn[Tables]
    pool = drawn.get(Pool)
    shared = None if pool is None else pool.tables
    assert isinstance(tables, Tables)
    assert not isinstance(shared, Tables)
    of_pool = None if pool is None or shared is None else (shared, pool.factors)
    kind = kind[rule_kinds(tables, factors, of_pool, stored)]
    return DrawnSynapses(
        axons=tables.axons,
        pool=shared,
        first_source=int(sources.number[projection.source][0]),
        first_axon=0 if pool is None else int(sources.number[pool.projection.source][0]),
        cell=numbering.own_cells(sources.number[projection.target]),
        kind=kind,
        weight=tables.weight,
        delay=delay,
        allowed=allowed_sites(tables, kind, *sizes),
        expected=sum(found.projection.expected for found in drawn.values()),
        stored=stored,
        factors=factors,
        pool_factors=None if pool is None else pool.factors,
    )


class _Piece(NamedTuple):
    """Some synapses: their source, what they end on, weight, index of the delay, release, and key.

    What they end on is a key too, see :class:`_Numbering`. Where nothing is plastic, or releases at
    random, the last two are one number, looked at as many: it takes no memory.
    """

    source: NDArray[np.int32]
    key: IntArray
    weight: NDArray[np.floating]
    delay: NDArray[np.unsignedinteger]
    release: NDArray[np.uint32]
    random: IntArray

    @classmethod
    def none(cls, index: np.dtype, weight: DTypeLike = np.float32) -> _Piece:
        """No synapse at all, so that there is always something to put together.

        Drawn synapses are kept in the type of the stored ones: ``weight`` is what holds theirs.
        """
        return cls(
            np.zeros(0, np.int32),
            np.zeros(0, np.int64),
            np.zeros(0, weight),
            np.zeros(0, index),
            np.zeros(0, np.uint32),
            np.zeros(0, np.int64),
        )


def _pieces(
    synapses: Iterable[Synapses],
    ends: tuple[IntArray, IntArray],
    numbering: _Numbering,
    kind: IntArray,
    delay: NDArray[np.unsignedinteger],
    release: NDArray[np.uint32],
) -> list[_Piece]:
    """What a network keeps of some synapses: they themselves are let go before it is sorted."""
    source, target = ends
    return [
        _Piece(
            source[made.source].astype(np.int32),
            numbering.key(target[made.target], made, kind),
            made.weight,
            delay[made.delay],
            _release(made, release),
            np.broadcast_to(0, len(made.source)) if made.key is None else made.key,
        )
        for made in synapses
    ]


def _release(made: Synapses, release: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """What each of some synapses releases by; those on point neurons release all."""
    if not release.any() or (len(made.node) and made.node[0] < 0):
        return np.broadcast_to(np.uint32(0), len(made.kind))
    return release[made.kind]


class _Numbering(NamedTuple):
    """From numbers of the circuit to those of one rank.

    What a synapse ends on has a key: its kinetics, cell and node in one number, or -1 - the number
    of a point neuron.
    """

    sources: Sources
    cells: range
    points: range
    most_nodes: int

    def own_rows(self, number: IntArray) -> IntArray | None:
        """Rows of a population that are of this rank; None for all of them."""
        point = number - self.sources.n_cells
        own = (number >= self.cells.start) & (number < self.cells.stop)
        own |= (point >= self.points.start) & (point < self.points.stop)
        own |= point >= self.sources.n_points  # virtual nodes: an edge that ends there is refused
        return None if own.all() else np.flatnonzero(own)

    def own_cells(self, number: IntArray) -> IntArray:
        """Index among this rank's cells, -1 for another's."""
        own = (number >= self.cells.start) & (number < self.cells.stop)
        return np.where(own, number - self.cells.start, -1)

    def key(self, target: IntArray, made: Synapses, kind: IntArray) -> IntArray:
        """Keys of synapses, which end either all on cells or all on point neurons.

        ``kind`` (int64[k]) is the network's number of the projection's kinetics.
        """
        if len(made.node) and made.node[0] < 0:
            return self.points.start + self.sources.n_cells - 1 - target
        cell = target - self.cells.start
        return (kind[made.kind] * len(self.cells) + cell) * self.most_nodes + made.node


def allowed_sites(
    tables: Tables, kind: IntArray, n_kinds: int, most_nodes: int
) -> list[NDArray[np.bool_]]:
    """Per model of the tables, bool[kinetics, nodes]: where there may be synapses."""
    n_models, sites = tables.weight.shape[1], tables.axons.sites
    allowed = [np.zeros((n_kinds, most_nodes), bool) for _ in range(n_models)]
    for table, (begin, size) in enumerate(zip(sites.first, sites.size, strict=True)):
        rule, model = divmod(table, n_models)
        nodes = first_node(sites.slot[begin : begin + size])
        nodes = nodes[nodes < most_nodes]  # a model that no cell has may be larger
        allowed[model][kind[rule], nodes] = True
    return allowed


def _slots(
    key: IntArray, n_cells: int, most_nodes: int, n_kinds: int
) -> tuple[Slots, NDArray[np.int32]]:
    """Distinct (kind, cell, node) of the synapses, and every synapse's target."""
    on_cell = key >= 0
    target = np.zeros(len(key), np.int32)
    if len(key) < n_kinds * n_cells * most_nodes // FEW:
        distinct, target[on_cell] = np.unique(key[on_cell], return_inverse=True)
    else:  # without sorting
        used = np.zeros(n_kinds * n_cells * most_nodes, bool)
        used[key[on_cell]] = True
        number = np.cumsum(used, dtype=np.int32) - 1
        distinct, target[on_cell] = np.flatnonzero(used), number[key[on_cell]]
    kind, rest = np.divmod(distinct, max(n_cells * most_nodes, 1))
    cell, node = np.divmod(rest, most_nodes)
    slots = Slots(cell.astype(np.int32), node.astype(np.int32), kind.astype(np.int32))
    target[~on_cell] = len(slots) - 1 - key[~on_cell]
    return slots, target
