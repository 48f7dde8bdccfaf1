"""The public example circuits and the reference networks: counts and sums as BMTK has them."""

import pytest

from isocortex.circuit import CurrentInput, SpikeInput
from isocortex.sonata.config import load_circuit, load_simulation

# Edges, sums of the weights after the weight function, of delays and of synapses; the node ids'
# sums are libsonata's, the others BMTK's for the examples.
NODES = {
    "examples/bmtk/bio_14cells/config.simulation.json": {"v1": 14, "lgn": 90, "tw": 30},
    "examples/bmtk/bio_1cell/config.simulation_syns.json": {"biocell": 1, "virt": 1},
    "examples/bmtk/bio_1cell/config.simulation_iclamp.json": {"biocell": 1},
    "examples/sonata/9_cells/config.json": {"cortex": 9, "excvirt": 10, "inhvirt": 10},
    "examples/sonata/9_cells/simulation_config.json": {"cortex": 9, "excvirt": 10, "inhvirt": 10},
    "examples/sonata/5_cells_iclamp/config.json": {"biophysical": 5},
    "golden/networks/bio_14cells/simulation_config.json": {"v1": 14, "lgn": 90, "tw": 30},
    "golden/networks/9_cells/simulation_config.json": {"cortex": 9, "excvirt": 10, "inhvirt": 10},
}
EDGES = {
    "examples/bmtk/bio_14cells/config.simulation.json": {
        "v1_to_v1": (196, 0.24247, 392.0, 980, 1274, 1274),
        "lgn_to_v1": (660, 0.6882, 1320.0, 6600, 27570, 3810),
        "tw_to_v1": (420, 4.1418, 840.0, 2100, 6090, 2730),
    },
    "examples/bmtk/bio_1cell/config.simulation_syns.json": {
        "virt_to_biocell": (12, 0.42, 24.0, 12, 0, 0),
    },
    "examples/sonata/9_cells/config.json": {
        "excvirt_to_cortex": (659, 0.22406, 1318.0, 659, 2934, 2543),
        "inhvirt_to_cortex": (630, 0.1638, 1260.0, 630, 2835, 2520),
    },
}


@pytest.mark.parametrize("name", NODES)
def test_nodes(shared, name):
    simulation = load_simulation(shared / name, skip_unsupported_reports=True)
    circuit = simulation.circuit
    assert {n: len(p.node_ids) for n, p in circuit.nodes.items()} == NODES[name]
    for population in circuit.nodes.values():
        assert len(population.table) == len(population.node_ids)
        assert population.table["model_type"].notna().all()


@pytest.mark.parametrize("name", EDGES)
def test_edges(shared, name):
    circuit = load_circuit(shared / name)
    for edges in circuit.edges:
        ids = [
            circuit.nodes[population].node_ids[rows].sum()
            for population, rows in (
                (edges.source, edges.source_index), (edges.target, edges.target_index)
            )
        ]  # fmt: skip
        m, weight, delay, nsyns, source, target = EDGES[name][edges.name]
        assert (len(edges.weight), edges.nsyns.sum(), *ids) == (m, nsyns, source, target)
        assert edges.weight.sum() == pytest.approx(weight, abs=1e-6)
        assert edges.delay.sum() == pytest.approx(delay, rel=1e-12)
    assert len(circuit.edges) == len(EDGES[name])


def test_old_locations_are_read(shared):
    exc, inh = load_circuit(shared / "examples/sonata/9_cells/circuit_config.json").edges
    assert (exc.section_id.sum(), inh.section_id.sum()) == (24615, 24229)
    assert (exc.section_pos >= 0).all() and (exc.section_pos <= 1).all()


def test_inputs(shared):
    lgn, tw = load_simulation(
        shared / "examples/bmtk/bio_14cells/config.simulation.json", skip_unsupported_reports=True
    ).inputs
    assert isinstance(lgn, SpikeInput) and isinstance(tw, SpikeInput)
    assert (len(lgn.times), len(tw.times)) == (2738, 295)
    pulses = load_simulation(
        shared / "examples/sonata/5_cells_iclamp/config.json", skip_unsupported_reports=True
    ).inputs
    assert all(isinstance(p, CurrentInput) and len(p.rows) == 5 for p in pulses)
    assert [p.signal.amp.tolist() for p in pulses] == [[0.15], [0.175], [0.2]]


@pytest.mark.parametrize("network", ["bio_14cells", "9_cells"])
def test_every_component_of_the_reference_networks_is_found(shared, network):
    circuit = load_circuit(shared / "golden/networks" / network / "circuit_config.json")
    for population in circuit.nodes.values():
        table = population.table
        for _, node in table[table["model_type"] == "biophysical"].iterrows():
            assert circuit.find("morphologies_dir", node["morphology"]).suffix == ".swc"
            circuit.find("biophysical_neuron_models_dir", node["dynamics_params"])
    for edges in circuit.edges:
        assert all(rule.dynamics for rule in edges.rules)
