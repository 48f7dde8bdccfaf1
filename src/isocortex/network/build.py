"""From a circuit to a network: number the sources, compile the cells, place the synapses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit import Projection, Simulation
from isocortex.circuit.force import in_force
from isocortex.errors import ConfigError, located
from isocortex.mechanisms.synapses import Pace
from isocortex.network.cells import compile_cells, point_neurons
from isocortex.network.connect import cells_of, connect, require_stored
from isocortex.network.coupling import cut, gap_junctions
from isocortex.network.drawn.draw import share_of_events
from isocortex.network.drawn.tables import Axons, Tables
from isocortex.network.extent import Extent, extent_of
from isocortex.network.factors import factors_of
from isocortex.network.gaps import GapJunctions
from isocortex.network.inputs import all_poisson, electrodes, spike_trains
from isocortex.network.network import Network
from isocortex.network.outside import fields_of, numbers_driven
from isocortex.network.paces import rule_kinds, with_paces
from isocortex.network.plan import Rank, plan
from isocortex.network.sources import Sources, number_sources
from isocortex.network.touched import Touched, Watch, changed_cells, require_touched

#: Synapses that could be drawn at every spike are stored up to this number unless asked otherwise.
STORED_UP_TO = 1e8


def build_network(
    simulation: Simulation,
    store_synapses: bool | None = None,
    *,
    ranks: int = 1,
    rank: int = 0,
    fits: Callable[[Extent], None] = lambda extent: None,
) -> Network:
    """Compile the cells of a circuit and wire those of one rank.

    Parameters
    ----------
    simulation : as it is at the start, unless it is in force at another time
        (:func:`isocortex.circuit.force.in_force`).
    store_synapses : of projections whose synapses can be drawn at every spike, as those of a
        cortex: whether they are stored all the same. By default up to ``STORED_UP_TO`` are.
    ranks, rank : how many share the circuit (see :func:`isocortex.network.plan.plan`), and whose
        part this is.
    fits : told how much the network will hold before its synapses are made; may refuse it.

    Raises
    ------
    ModelError, InputError, ConfigError : with the population and file at fault.
    """
    begun = _Begun.of(simulation, store_synapses)
    simulation, store, watch = begun.simulation, begun.store, begun.watch
    sources, models, cell_model = begun.sources, begun.models, begun.cell_model
    circuit = simulation.circuit
    dealt = plan(
        sources, models, cell_model, ranks, _starts(circuit.projections, sources),
        _receives(circuit.projections, sources) if ranks > 1 else None,
    )  # fmt: skip
    here = Rank(rank, dealt, cell_model)
    cells, points = here.cells, here.points
    trains = spike_trains(simulation.inputs, sources)
    fits(
        extent_of(
            circuit.projections, sources, models, cell_model, overrides=simulation.overrides,
            share=(dealt, rank), store=store, spikes=len(trains.time),
            driven=numbers_driven(simulation, sources, models, cell_model, cells),
        )
    )  # fmt: skip
    wired = connect(
        circuit.projections, sources, models, cell_model,
        share=(cells, points), seed=simulation.seed, store=store, overrides=simulation.overrides,
        watch=watch,
    )  # fmt: skip
    gaps, told = begun.told()
    if ranks == 1:
        require_touched(told, simulation.config_file)
    return Network(
        models=models,
        cell_model=cell_model[cells.start : cells.stop],
        kinetics=wired.kinetics,
        slots=wired.slots,
        connections=wired.connections,
        points=point_neurons(circuit, sources, points),
        n_virtual=sources.n_virtual,
        trains=trains,
        poisson=all_poisson(simulation.inputs, sources),
        currents=electrodes(simulation, sources, models, cell_model, cells),
        fields=fields_of(simulation, sources, models, cell_model, cells),
        gaps=gaps,
        populations=list(circuit.nodes),
        source_population=sources.population,
        source_node_id=sources.node_id,
        drawn=wired.drawn,
        rank=here,
        shortest=wired.shortest,
        touched=told,
        unchanged=wired.unchanged,
        releases=wired.releases,
        unchanged_releases=wired.unchanged_releases,
        lasting=wired.lasting,
    )


def check_changes(simulation: Simulation, store_synapses: bool | None = None) -> None:
    """Refuse what :func:`build_network` would refuse of changes, before synapses are made.

    So it knows of cells, channels, inputs and kinds of synapses, and not whether there is any
    synapse between two nodes.

    Raises
    ------
    ModelError, InputError, ConfigError : with the change at fault.
    """
    begun = _Begun.of(simulation, store_synapses)
    simulation, sources = begun.simulation, begun.sources
    models, cell_model = begun.models, begun.cell_model
    for projection in simulation.circuit.projections:
        ends = (sources.number[projection.source], sources.number[projection.target])
        factors = factors_of(simulation.overrides, projection, (len(ends[0]), len(ends[1])))
        require_stored(projection, factors, begun.store)
        cells = cells_of(projection.target, sources, models, cell_model)
        begun.watch.unseen(projection, projection.kinds(cells))
    require_touched(begun.told()[1], simulation.config_file)
    electrodes(simulation, sources, models, cell_model, range(0))


@dataclass(frozen=True)
class _Begun:
    """A network before its synapses: cells as they are changed, and whom changes are about."""

    simulation: Simulation
    sources: Sources
    store: bool
    models: list[CompiledCell]
    cell_model: IntArray
    touched: list[Touched]
    watch: Watch

    @classmethod
    def of(cls, simulation: Simulation, store_synapses: bool | None) -> _Begun:
        """Number the sources, compile the cells, and refuse changes that cannot be."""
        simulation = in_force(simulation)
        circuit, effects = simulation.circuit, simulation.effects or []
        _check_division(simulation)
        sources = number_sources(circuit)
        drawable = sum(p.expected for p in circuit.projections if p.tables() is not None)
        store = drawable <= STORED_UP_TO if store_synapses is None else store_synapses
        models, cell_model, touched = changed_cells(
            effects, sources, *compile_cells(simulation, sources), simulation.config_file
        )
        _require_paces(simulation, sources, models, cell_model, store)
        return cls(simulation, sources, store, models, cell_model, touched, Watch(effects))

    def told(self) -> tuple[GapJunctions, tuple[Touched, ...]]:
        """The gap junctions that are left, and whom changes are about, as far as was watched."""
        made = gap_junctions(self.simulation, self.sources, self.models, self.cell_model)
        gaps, about = cut(made, self.simulation.effects or [], self.sources)
        touched = [replace(t, gaps=n) for t, n in zip(self.touched, about, strict=True)]
        return gaps, self.watch.told(touched)


def _require_paces(
    simulation: Simulation,
    sources: Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
    store: bool,
) -> None:
    """Refuse kinetics that cannot be, of all changes that hold together at any time of the run.

    Raises
    ------
    ConfigError : with the change as which begins they would be so.
    """
    effects = simulation.effects or []
    for number, begins in enumerate(effects):
        if all(override.pace == Pace() for override in begins.overrides):
            continue
        overrides = [
            override for effect in effects if effect.change.lasts_at(begins.change.start)
            for override in effect.overrides
        ]  # fmt: skip
        with located(simulation.config_file, begins.change.where(number)):
            for projection in simulation.circuit.projections:
                ends = (sources.number[projection.source], sources.number[projection.target])
                factors = factors_of(overrides, projection, (len(ends[0]), len(ends[1])))
                kinds = projection.kinds(cells_of(projection.target, sources, models, cell_model))
                with_paces(kinds, factors)
                tables = projection.tables()
                if isinstance(tables, Tables):
                    rule_kinds(tables, factors, None, store)


def _check_division(simulation: Simulation) -> None:
    """Refuse a ``dL`` for which a projection's synapses would sit on other compartments."""
    for projection in simulation.circuit.projections:
        dL = projection.dL
        if dL is not None and dL != simulation.dL:
            raise ConfigError(
                f"the synapses of {projection.name} are placed on cells divided for dL {dL:g} um, "
                f"not {simulation.dL:g}",
                file=simulation.config_file, field="run.dL",
                fix=f"Set it to {dL:g}, or build the circuit again for the other dL.",
            )  # fmt: skip


def _drawn(projections: list[Projection], sources: Sources) -> Iterator[tuple[Axons, IntArray]]:
    """Axons of the projections whose connections are drawn, and the cells of their neurons."""
    for projection in projections:
        tables = projection.tables()
        if isinstance(tables, Tables):
            yield tables.axons, sources.number[projection.target]


def _starts(projections: list[Projection], sources: Sources) -> IntArray | None:
    """Cells at which a rank's may begin: of a cortex the first of every column; None for any.

    Neurons of a column are each other's neighbours in the wiring too: a rank that has them all
    draws their local synapses alone.
    """
    may = np.ones(sources.n_cells, bool)
    for axons, cells in _drawn(projections, sources):
        may[cells] = np.diff(axons.neurons.column, prepend=-1) != 0
    return None if may.all() else np.flatnonzero(may)


def _receives(projections: list[Projection], sources: Sources) -> FloatArray | None:
    """How much every cell receives, 1 on average; None where no connections are drawn."""
    for axons, cells in _drawn(projections, sources):
        receives = np.ones(sources.n_cells)
        receives[cells] = share_of_events(axons, 0, len(cells))
        return receives
    return None
