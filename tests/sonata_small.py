"""A circuit of seven nodes as SONATA files, small enough to know every number of it."""

import json
from pathlib import Path

import h5py
import numpy as np

CELLS, DRIVE = 4, 3

NODE_TYPES = """node_type_id model_type model_template morphology dynamics_params ei tuning_angle
10 biophysical ctdb:Biophys1.hoc one.swc one_fit.json e 0.0
11 biophysical ctdb:Biophys1.hoc two two_fit.json i NULL
"""
DRIVE_TYPES = "node_type_id model_type pop_name\n20 virtual drive\n"
EDGE_TYPES = """edge_type_id model_template syn_weight delay dynamics_params target_sections \
distance_range weight_function weight_sigma
1 exp2syn 0.5 2.0 exc.json "['basal', 'apical']" "[10.0, 1e+20]" NULL NULL
2 exp2syn 0.25 1.5 exc.json "['somatic']" 50.0 wmax NULL
"""
LOCAL_TYPES = """edge_type_id model_template syn_weight delay dynamics_params target_sections \
distance_range weight_function weight_sigma
5 exp2syn 1.0 0.5 exc.json "['basal']" NULL gaussianLL 50.0
"""


def write_circuit(folder: Path) -> Path:
    """Write the circuit and a simulation of it; returns the simulation configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node_types.csv").write_text(NODE_TYPES)
    (folder / "drive_types.csv").write_text(DRIVE_TYPES)
    (folder / "edge_types.csv").write_text(EDGE_TYPES)
    (folder / "local_types.csv").write_text(LOCAL_TYPES)
    (folder / "synapses").mkdir(exist_ok=True)
    (folder / "synapses" / "exc.json").write_text('{"tau1": 0.1, "tau2": 1.7, "erev": 0.0}')
    with h5py.File(folder / "nodes.h5", "w") as file:
        cells = file.create_group("nodes/cells")
        cells["node_id"] = np.array([3, 2, 1, 0])
        cells["node_type_id"] = np.array([10, 10, 11, 11])
        cells["node_group_id"] = np.array([0, 0, 1, 1])
        cells["node_group_index"] = np.array([1, 0, 0, 1])
        cells["0/x"] = np.array([2.0, 3.0])
        cells["1/x"] = np.array([1.0, 0.0])
        cells["1/tuning_angle"] = np.array([45.0, 90.0])
    with h5py.File(folder / "drive.h5", "w") as file:
        file["nodes/drive/node_type_id"] = np.full(DRIVE, 20)
        file["nodes/drive/0/rate"] = np.array([0.0, 10.0, 100.0])
        file["nodes/drive/node_group_id"] = np.zeros(DRIVE, int)
        file["nodes/drive/node_group_index"] = np.arange(DRIVE)
    with h5py.File(folder / "edges.h5", "w") as file:
        edges = file.create_group("edges/drive_to_cells")
        edges["source_node_id"] = np.array([0, 1, 2, 2])
        edges["target_node_id"] = np.array([0, 1, 2, 3])
        edges["source_node_id"].attrs["node_population"] = "drive"
        edges["target_node_id"].attrs["node_population"] = "cells"
        edges["edge_type_id"] = np.array([1, 2, 1, 2])
        edges["edge_group_id"] = np.array([0, 0, 1, 1])
        edges["edge_group_index"] = np.array([1, 0, 0, 1])
        edges["0/nsyns"] = np.array([7, 3])
        edges["0/delay"] = np.array([4.0, 5.0])
        edges["1/afferent_section_id"] = np.array([6, 8])
        edges["1/afferent_section_pos"] = np.array([0.25, 0.75])
        edges["1/syn_weight"] = np.array([0.1, 0.2])
    with h5py.File(folder / "local.h5", "w") as file:
        edges = file.create_group("edges/cells_to_cells")
        edges["source_node_id"] = np.array([3, 1])
        edges["target_node_id"] = np.array([1, 0])
        for end in ("source", "target"):
            edges[f"{end}_node_id"].attrs["node_population"] = "cells"
        edges["edge_type_id"] = np.array([5, 5])
    with h5py.File(folder / "spikes.h5", "w") as file:
        file["spikes/drive/node_ids"] = np.array([1, 0, 1], np.uint64)
        file["spikes/drive/timestamps"] = np.array([9.0, 3.0, 6.0])
        file["spikes/drive/timestamps"].attrs["units"] = "ms"
    return write_config(folder, configuration())


def configuration() -> dict:
    """The simulation configuration, to be changed and written again."""
    return {
        "manifest": {"$BASE": ".", "$OUT": "${BASE}/out"},
        "target_simulator": "NEURON",
        "run": {"tstop": 100.0, "dt": 0.1, "dL": 20.0, "spike_threshold": -15,
                "nsteps_block": 5000},
        "conditions": {"celsius": 34.0, "v_init": -80},
        "components": {"synaptic_models_dir": "$BASE/synapses", "morphologies_dir": "$BASE",
                       "mechanisms_dir": "$BASE/mechanisms"},
        "networks": {
            "nodes": [
                {"nodes_file": "$BASE/nodes.h5", "node_types_file": "$BASE/node_types.csv"},
                {"nodes_file": "$BASE/drive.h5", "node_types_file": "$BASE/drive_types.csv"},
            ],
            "edges": [
                {"edges_file": "$BASE/edges.h5", "edge_types_file": "$BASE/edge_types.csv"},
                {"edges_file": "$BASE/local.h5", "edge_types_file": "$BASE/local_types.csv"},
            ],
        },
        "node_sets": {"excitatory": {"population": "cells", "ei": "e"}, "first": [0]},
        "inputs": {
            "spikes": {"input_type": "spikes", "module": "sonata",
                       "input_file": "$BASE/spikes.h5", "node_set": "drive"},
            "clamp": {"input_type": "current_clamp", "module": "IClamp", "node_set": "excitatory",
                      "amp": [0.1, 0.2], "delay": [10.0, 50.0], "duration": [20.0, 5.0]},
        },
        "output": {"output_dir": "$OUT", "log_file": "log.txt", "spikes_file": "spikes.h5"},
        "reports": {"voltage": {"module": "membrane_report", "variable_name": "v",
                                "cells": "excitatory", "sections": "soma"}},
    }  # fmt: skip


def write_config(folder: Path, config: dict, name: str = "simulation.json") -> Path:
    """Write a configuration into the circuit's folder."""
    path = folder / name
    path.write_text(json.dumps(config))
    return path
