"""Network: cells grouped by model, their synapses and who drives them, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit.signals import Course
from isocortex.mechanisms.release import Release
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.drawn.pool import AXONS, Pool
from isocortex.network.drawn.tables import Axons
from isocortex.network.factors import Factors
from isocortex.network.fields import NO_FIELDS, Fields
from isocortex.network.gaps import NO_GAPS, GapJunctions
from isocortex.network.plan import Rank
from isocortex.network.poisson import PoissonSources, no_sources

if TYPE_CHECKING:
    from isocortex.network.touched import Touched

#: With fewer synapses than this part of all places, the places in use are sorted, not marked.
FEW = 16


@dataclass(frozen=True)
class Slots:
    """Synaptic state: one entry for every (cell, node, kinetics) that has a synapse.

    Attributes (all of length n_slots)
    ----------
    cell : int32, index of the biophysical cell.
    node : int32, node of that cell's model.
    kind : int32, index into ``Network.kinetics``.
    """

    cell: NDArray[np.integer]
    node: NDArray[np.integer]
    kind: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.cell)


#: Steps between two looks at the outside world when no delay asks for fewer.
LONGEST_WINDOW = 32


@dataclass(frozen=True)
class Connections:
    """All synapses, sorted by source, then by delay.

    Attributes (m synapses, n_sources sources)
    ----------
    first : int64[n_sources + 1]; the synapses of source s are ``first[s]:first[s + 1]``.
    target : int[m]; a slot, or n_slots + index of a point neuron.
    weight : float[m]; uS, or a point neuron's own unit.
    delay : unsigned integer[m], index into ``delays``.
    delays : float64[d], ms, ascending.
    release : unsigned integer[m], one of ``Network.releases`` counted from 1, or 0 for a synapse
        that releases all of its weight; None where all do. Where a spike acts again, so does a
        synapse of a longer delay, whose number is that of its release and of all releases.
        Those of one source and delay are sorted by it, then by the key.
    key : int64[m], which names each synapse that releases at random, 0 for others; None where none
        does.
    seed : of what is released at random.
    """

    first: IntArray
    target: NDArray[np.integer]
    weight: NDArray[np.floating]
    delay: NDArray[np.unsignedinteger]
    delays: FloatArray
    release: NDArray[np.unsignedinteger] | None = None
    key: IntArray | None = None
    seed: int = 0


@dataclass(frozen=True)
class DrawnSynapses:
    """Synapses of a cortex model, drawn at each spike of their source unless they are stored.

    Attributes (n neurons of the model)
    ----------
    axons : what they follow from, see :mod:`isocortex.network.drawn.draw`.
    pool : of axons that areas share, if there are any.
    first_source, first_axon : the sources that the first neuron and the first shared axon are; the
        others follow.
    cell : int64[n], cell of every neuron, -1 if it is another rank's; ours are consecutive.
    kind : int64[rules], index into ``Network.kinetics``.
    weight : float32[rules, models], uS.
    delay : unsigned integer[256], index into ``Connections.delays`` of each possible delay.
    allowed : per model of ``axons``, bool[kinetics, nodes]: where there may be synapses.
    expected : how many synapses there are, from the rules.
    stored : they are among the connections; the rest only sees to it that an engine lays out cells
        and windows alike, so that results are the same to the last bit.
    factors : of overrides, on ``weight``; indexed by neurons of the model.
    pool_factors : of overrides, on weights of the pool; indexed by axons and neurons.
    """

    axons: Axons
    pool: Pool | None
    first_source: int
    first_axon: int
    cell: IntArray
    kind: IntArray
    weight: NDArray[np.float32]
    delay: NDArray[np.unsignedinteger]
    allowed: list[NDArray[np.bool_]]
    expected: float
    stored: bool
    factors: Factors | None = None
    pool_factors: Factors | None = None

    @property
    def axons_of_pool(self) -> range:
        """The sources that shared axons are."""
        n = 0 if self.pool is None else (len(self.pool.patch_first) - 1) * AXONS
        return range(self.first_axon, self.first_axon + n)

    def axons_onto(self, begin: int, end: int) -> range:
        """Those of the areas and sides in which neurons ``begin:end`` are."""
        if self.pool is None or begin == end:
            return range(0)
        patch = self.axons.places.patch[self.axons.neurons.column[[begin, end - 1]]]
        return self.axons_of_pool[patch[0] * AXONS : (patch[1] + 1) * AXONS]


@dataclass(frozen=True)
class PointNeurons:
    """IntFire1 cells: time constant and refractory period, ms."""

    tau: FloatArray
    refractory: FloatArray

    def __len__(self) -> int:
        return len(self.tau)


@dataclass(frozen=True)
class CurrentSource:
    """An electrode; courses are called with an array of times, ms.

    Attributes
    ----------
    amplitude : nA; or, with a conductance, the voltage that it pulls to, mV.
    conductance : uS.
    """

    cell: int
    node: int
    amplitude: Course
    conductance: Course | None = None

    def injects(self, t: FloatArray) -> tuple[FloatArray, FloatArray | float]:
        """What it injects at 0 mV, nA, and how much less per mV, uS."""
        if self.conductance is None:
            return self.amplitude(t), 0.0
        g = self.conductance(t)
        return g * self.amplitude(t), g


@dataclass(frozen=True)
class SpikeTrains:
    """What virtual nodes send, as far as it is given: source ids and times (ms), by time."""

    source: IntArray
    time: FloatArray


@dataclass(frozen=True)
class Network:
    """Everything an engine of one rank needs.

    Sources of spikes are numbered throughout the circuit: biophysical cells first, then point
    neurons, then virtual nodes. Cells and point neurons here are those of this rank.

    Attributes
    ----------
    models : the distinct compiled cells.
    cell_model : int64[n_cells], index into ``models``.
    rank : which of the ranks that share the circuit this is; None if it is the only one.
    shortest : ms, of all delays of reacting sources in the whole circuit, infinite if there are
        none; where it is not given it is looked for among the connections.
    source_population, source_node_id : int64[n sources], for reports and messages.
    fields : what potentials outside drive into cells.
    gaps : gap junctions between cells of the whole circuit.
    touched : what each change of the simulation is about.
    releases : what makes synapses plastic; each is another.
    unchanged_releases : as ``unchanged``, of these.
    lasting : names what is changed of weights where only later events take off what events leave,
        and of delays where spikes act again; "" where nothing is.
    unchanged : (index, kinetics) where the synapses of ``kinetics[index]`` would be of these
        without changes; several where changes make different kinetics the same.
    """

    models: list[CompiledCell]
    cell_model: IntArray
    kinetics: list[Kinetics]
    slots: Slots
    connections: Connections
    points: PointNeurons
    n_virtual: int
    trains: SpikeTrains
    currents: list[CurrentSource] = field(default_factory=list)
    fields: Fields = NO_FIELDS
    gaps: GapJunctions = NO_GAPS
    populations: list[str] = field(default_factory=list)
    source_population: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    source_node_id: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    drawn: DrawnSynapses | None = None
    poisson: PoissonSources = field(default_factory=no_sources)
    rank: Rank | None = None
    shortest: float | None = None
    touched: tuple[Touched, ...] = ()
    unchanged: set[tuple[int, Kinetics]] = field(default_factory=set)
    releases: list[Release] = field(default_factory=list)
    unchanged_releases: set[tuple[int, Release]] = field(default_factory=set)
    lasting: str = ""

    @property
    def here(self) -> Rank:
        """Which rank this is, and who owns what."""
        return self.rank or Rank.alone(self.cell_model, len(self.points))

    @property
    def n_cells(self) -> int:
        return len(self.cell_model)

    @property
    def circuit_model(self) -> IntArray:
        """int64[cells of the circuit], index into ``models``, whoever has them."""
        return self.cell_model if self.rank is None else self.rank.cell_model

    @property
    def circuit_cells(self) -> int:
        """Cells of the whole circuit: the source that its first point neuron is."""
        return len(self.circuit_model)

    @property
    def first_cell(self) -> int:
        """The source that the first cell of this rank is."""
        return self.here.cells.start

    @property
    def first_point(self) -> int:
        """The source that the first point neuron of this rank is."""
        return self.circuit_cells + self.here.points.start

    @property
    def n_reacting(self) -> int:
        """Sources of the whole circuit that spike because of others: all but virtual nodes."""
        return len(self.connections.first) - 1 - self.n_virtual

    @property
    def circuit_points(self) -> int:
        """Point neurons of the whole circuit."""
        return self.n_reacting - self.circuit_cells

    @property
    def n_compartments(self) -> int:
        """Of all cells of the circuit."""
        sizes = np.array([model.n_compartments for model in self.models], np.int64)
        return int(sizes[self.circuit_model].sum()) if self.circuit_cells else 0

    @property
    def n_synapses(self) -> int:
        """Synapses, those that are not stored as many as the rules let expect."""
        return len(self.connections.target) + round(self.n_drawn)

    @property
    def n_drawn(self) -> float:
        """How many synapses the rules let expect that are not stored."""
        return 0.0 if self.drawn is None or self.drawn.stored else self.drawn.expected

    def window(self, dt: float) -> int:
        """Steps that can run without exchange: the shortest delay of all but virtual nodes.

        With gap junctions it is one: they act from step to step.
        """
        if len(self.gaps):
            return 1
        shortest = self.shortest
        if shortest is None:
            delay = self.connections.delay[: self.connections.first[self.n_reacting]]
            shortest = float(self.connections.delays[delay.min()]) if len(delay) else np.inf
        return int(min(max(shortest / dt + 1e-6, 1.0), LONGEST_WINDOW))

    def models_of_drawn(self) -> list[tuple[int, int]]:
        """(model of ``drawn.axons``, model) of the neurons that receive drawn synapses.

        A model of the axons is several of the network where a change is about some of its cells.
        """
        if self.drawn is None:
            return []
        own = np.flatnonzero(self.drawn.cell >= 0)
        of_axons = self.drawn.axons.neurons.model[own].astype(np.int64)
        pairs = of_axons * len(self.models) + self.cell_model[self.drawn.cell[own]]
        found = np.divmod(np.unique(pairs), max(len(self.models), 1))
        return list(zip(*(each.tolist() for each in found), strict=True))

    def electrodes(self, conductances: bool = False) -> list[IntArray]:
        """Of each model int64[n], where electrodes, gap junctions or fields act in some cell.

        Or only gap junctions and electrodes that conduct.
        """
        there = [s for s in self.currents if s.conductance is not None or not conductances]
        places = {(int(self.cell_model[source.cell]), source.node) for source in there}
        places |= self.gaps.nodes(self.circuit_model)
        if not conductances:
            places |= self.fields.nodes(self.cell_model)
        found: list[list[int]] = [[] for _ in self.models]
        for model, node in sorted(places):
            found[model].append(node)
        return [np.array(nodes, np.int64) for nodes in found]

    def without_wiring(self) -> Network:
        """The same without synapses, whose memory an engine that has its own copy can free."""
        return replace(
            self,
            slots=NO_SLOTS,
            connections=_no_connections(len(self.source_population)),
            drawn=None,
        )

    def spiking_nodes(self, population: int) -> IntArray:
        """Ids of a population's nodes that are not virtual, ascending."""
        mine = self.source_population[: self.n_reacting] == population
        return np.sort(self.source_node_id[: self.n_reacting][mine])

    def label(self, source: int) -> str:
        """``population node id`` of a source, for messages."""
        population = self.populations[self.source_population[source]]
        return f"{population} {self.source_node_id[source]}"


NO_SLOTS = Slots(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32))


def _no_connections(n_sources: int) -> Connections:
    first, none = np.zeros(n_sources + 1, np.int64), np.zeros(0, np.int32)
    return Connections(first, none, np.zeros(0, np.float32), np.zeros(0, np.uint8), np.zeros(0))


def bare_network(
    models: list[CompiledCell],
    cell_model: list[int] | IntArray,
    currents: list[CurrentSource] | None = None,
) -> Network:
    """Cells without synapses, for single-cell experiments."""
    n = len(cell_model)
    return Network(
        models=models,
        cell_model=np.asarray(cell_model, np.int64),
        kinetics=[],
        slots=NO_SLOTS,
        connections=_no_connections(n),
        points=PointNeurons(np.zeros(0), np.zeros(0)),
        n_virtual=0,
        trains=SpikeTrains(np.zeros(0, np.int64), np.zeros(0)),
        currents=currents or [],
        populations=["cells"],
        source_population=np.zeros(n, np.int64),
        source_node_id=np.arange(n),
    )
