"""From a circuit to a network: number the sources, compile the cells, place the synapses."""

from __future__ import annotations

from isocortex.circuit import Circuit, EdgePopulation, Projection, Simulation
from isocortex.network.cells import compile_cells, point_neurons
from isocortex.network.connect import connect
from isocortex.network.inputs import all_poisson, electrodes, spike_trains
from isocortex.network.memory import require_memory
from isocortex.network.network import Network
from isocortex.network.sources import number_sources

#: Synapses that could be drawn at every spike are stored up to this number unless asked otherwise.
STORED_UP_TO = 1e8
#: Memory that a stored synapse takes while the network is built.
BYTES_PER_SYNAPSE = 60


def build_network(simulation: Simulation, store_synapses: bool | None = None) -> Network:
    """Compile the cells of a circuit and wire them.

    Parameters
    ----------
    store_synapses : of projections whose synapses can be drawn at every spike, as those of a
        cortex: whether they are stored all the same. By default up to ``STORED_UP_TO`` are.

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
    kinetics, slots, connections, drawn = connect(
        circuit.projections, sources, models, cell_model, simulation.seed, store
    )
    return Network(
        models=models,
        cell_model=cell_model,
        kinetics=kinetics,
        slots=slots,
        connections=connections,
        points=point_neurons(circuit, sources),
        n_virtual=sources.n_virtual,
        trains=spike_trains(simulation.inputs, sources),
        poisson=all_poisson(simulation.inputs, sources),
        currents=electrodes(simulation, sources, models, cell_model),
        populations=list(circuit.nodes),
        source_population=sources.population,
        source_node_id=sources.node_id,
        drawn=drawn,
    )


def _require_memory(stored: list[Projection], circuit: Circuit) -> None:
    """Refuse, before any of it is taken, what synapses would need that the machine has not got."""
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
