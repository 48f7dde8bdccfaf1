"""A recurrent network of all five example models beside BioNet, run now: spike for spike.

Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from neuron_cell import compile_channels

import isocortex as ic
from circuit import write_circuit, write_simulation
from isocortex.cells.place import candidates
from isocortex.sonata.write import write_edges

pytest.importorskip("neuron")
bmtk = pytest.importorskip("bmtk")

CELLS, TSTOP, DT = 40, 500.0, 0.1


def _give_locations(folder, config):
    """Replace the edges by one edge per synapse with an explicit place, drawn here."""
    simulation = ic.load_simulation(config)
    table = simulation.circuit.nodes["cortex"].table
    rng = np.random.default_rng(0)
    cells = {}
    for edges in simulation.circuit.edges:
        rows = []
        path = folder / "network" / f"{edges.name.split('_')[0]}_edges.h5"
        path = path if path.exists() else folder / "network" / "recurrent_edges.h5"
        with h5py.File(path) as file:
            type_ids = file["edges"][edges.name]["edge_type_id"][:]
        for e in range(len(edges.weight)):
            rule, row = edges.rules[edges.rule[e]], table.iloc[edges.target_index[e]]
            key = row["dynamics_params"]
            if key not in cells:
                cells[key] = ic.compile_allen(
                    simulation.circuit.find("biophysical_neuron_models_dir", key),
                    simulation.circuit.find("morphologies_dir", row["morphology"]),
                )
            nodes, cumulative = candidates(cells[key], rule.target_sections, rule.distance_range)
            chosen = nodes[np.searchsorted(cumulative, rng.random(edges.nsyns[e]), side="right")]
            rows += [
                (edges.source_index[e], edges.target_index[e], type_ids[e], 1, section, x)
                for section, x in zip(cells[key].section[chosen], cells[key].x[chosen], strict=True)
            ]
        names = ["source_node_id", "target_node_id", "edge_type_id", "nsyns", "section", "x"]
        drawn = pd.DataFrame(rows, columns=names)
        counts = [len(simulation.circuit.nodes[p].node_ids) for p in (edges.source, edges.target)]
        write_edges(path, edges.source, edges.target, counts, drawn)
        with h5py.File(path, "r+") as file:
            group = file["edges"][edges.name]["0"]
            del group["nsyns"]
            group["afferent_section_id"] = drawn["section"].to_numpy(np.uint64)
            group["afferent_section_pos"] = drawn["x"].to_numpy()
    types = folder / "network" / "edge_types.csv"
    types.write_text(types.read_text().replace("exp2syn", "Exp2Syn"))


def test_recurrent_network_spikes_equal_bionet(tmp_path):
    package = Path(bmtk.__file__).parent / "utils" / "scripts" / "bionet"
    write_circuit(tmp_path, CELLS, TSTOP, package, seed=3)
    _give_locations(tmp_path, write_simulation(tmp_path, TSTOP, DT))
    compile_channels(tmp_path / "mechanisms")
    config = write_simulation(tmp_path, TSTOP, DT)
    script = Path(__file__).parents[2] / "benchmarks" / "run_bionet.py"
    subprocess.run([sys.executable, script, config, tmp_path / "facts.json"], check=True)
    with h5py.File(tmp_path / f"output_{TSTOP:g}" / "spikes.h5") as file:
        times = file["spikes/cortex/timestamps"][:]
        ids = file["spikes/cortex/node_ids"][:]
    expected = sorted(zip(ids.tolist(), np.round(times, 6).tolist(), strict=True))
    spikes = ic.run(config, output_dir=tmp_path / "ours").spikes
    ours = sorted(zip(spikes["node_ids"].tolist(), spikes["timestamps"].tolist(), strict=True))
    assert len(expected) > 100
    assert len(ours) == len(expected)
    shared = sum(
        a[0] == b[0] and abs(a[1] - b[1]) < 1e-6 for a, b in zip(ours, expected, strict=True)
    )
    assert shared >= 0.99 * len(expected)
