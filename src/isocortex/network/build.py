"""From a circuit to a network: number the sources, compile the cells, place the synapses."""

from __future__ import annotations

from isocortex.circuit import Circuit, EdgePopulation, Projection, Simulation
from isocortex.network.cells import compile_cells, point_neurons
from isocortex.network.connect import connect
from isocortex.network.inputs import all_poisson, electrodes, spike_trains
from isocortex.network.memory import require_memory
from isocortex.network.network import Network
from isocortex.network.plan import plan
from isocortex.network.sources import number_sources

#: Synapses that could be drawn at every spike are stored up to this number unless asked otherwise.
STORED_UP_TO = 1e8
#: Memory that a stored synapse takes while the network is built.
BYTES_PER_SYNAPSE = 60


def build_network(
    simulation: Simulation,
    store_synapses: bool | None = None,
    *,
    ranks: int = 1,
    rank: int = 0,
) -> Network:
    """Compile the cells of a circuit and wire those of one rank.

    Parameters
    ----------
    store_synapses : of projections whose synapses can be drawn at every spike, as those of a
        cortex: whether they are stored all the same. By default up to ``STORED_UP_TO`` are.
    ranks, rank : how many share the circuit (see :func:`isocortex.network.plan.plan`), and whose
        part this is.

    Raises
    ------
    ModelError, InputError, ConfigError : with the population and file at fault.
    """
    circuit = simulation.circuit
    sources = number_sources(circuit)
    drawable = sum(p.expected for p in circuit.projections if p.tables() is not None)
    store = drawable <= STORED_UP_TO if store_synapses is None else store_synapses
    _require_memory([p for p in circuit.projections if store or p.tables() is None], circuit)
    models, cell_model = compile_cells(simulation, sources)
    dealt = plan(sources, models, cell_model, ranks)
    cells, points = dealt.cells(rank), dealt.points(rank)
    wired = connect(
        circuit.projections, sources, models, cell_model,
        share=(cells, points), seed=simulation.seed, store=store,
    )  # fmt: skip
    return Network(
        models=models,
        cell_model=cell_model[cells.start : cells.stop],
        kinetics=wired.kinetics,
        slots=wired.slots,
        connections=wired.connections,
        points=point_neurons(circuit, sources, points),
        n_virtual=sources.n_virtual,
        trains=spike_trains(simulation.inputs, sources),
        poisson=all_poisson(simulation.inputs, sources),
        currents=electrodes(simulation, sources, models, cell_model, cells),
        populations=list(circuit.nodes),
        source_population=sources.population,
        source_node_id=sources.node_id,
        drawn=wired.drawn,
        first_cell=cells.start,
        first_point=sources.n_cells + points.start,
        shortest=wired.shortest,
    )


def _require_memory(stored: list[Projection], circuit: Circuit) -> None:
    """Refuse, before any of it is taken, what synapses would need that the machine has not got."""
    stored = [projection for projection in stored if projection.expected]
    if not stored:
        return
    largest = max(stored, key=lambda projection: projection.expected)
    n = sum(projection.expected for projection in stored)
    what = f"{n:,.0f} synapses"
    if isinstance(largest, EdgePopulation):
        edge = int(largest.nsyns.argmax())
        what += f" (edge {edge} alone has nsyns {largest.nsyns[edge]:,})"
    require_memory(
        BYTES_PER_SYNAPSE * n, what, file=circuit.config_file, field=f"edges/{largest.name}"
    )
