"""The circuit that both simulators run: five Allen models, recurrently connected, driven."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from isocortex.sonata.write import write_edges, write_nodes, write_types

#: Fit, morphology and kind of the models; the files are inside the PyPI package bmtk.
MODELS = [
    ("472363762_fit.json", "Scnn1a_473845048_m.swc", "e"),
    ("473863510_fit.json", "Rorb_325404214_m.swc", "e"),
    ("473863035_fit.json", "Nr5a1_471087815_m.swc", "e"),
    ("472912177_fit.json", "Pvalb_470522102_m.swc", "i"),
    ("473862421_fit.json", "Pvalb_469628681_m.swc", "i"),
]

#: Source and target kind -> synapse file, its parameters, nS per synapse, sections.
SYNAPSES = {
    ("e", "e"): ("AMPA_ExcToExc", (1.0, 3.0, 0.0), 0.10, "['basal', 'apical']"),
    ("e", "i"): ("AMPA_ExcToInh", (0.1, 0.5, 0.0), 0.30, "['somatic', 'basal']"),
    ("i", "e"): ("GABA_InhToExc", (2.7, 15.0, -70.0), 0.15, "['somatic', 'basal', 'apical']"),
    ("i", "i"): ("GABA_InhToInh", (0.2, 8.0, -70.0), 0.15, "['somatic', 'basal']"),
}
DRIVE = {"e": 0.3, "i": 1.2}  # nS per background synapse

RECURRENT_PER_CELL = 40  # connections onto each cell at the weights above, of five synapses each
BACKGROUND_CELLS, BACKGROUND_PER_CELL, BACKGROUND_RATE = 100, 40, 10.0  # rate in Hz


def write_circuit(
    folder: Path,
    cells: int,
    tstop: float,
    bionet_package: Path,
    seed: int,
    recurrent_per_cell: int = RECURRENT_PER_CELL,
) -> None:
    """Write the network, the background's spikes and circuit_config.json.

    Parameters
    ----------
    tstop : the background spikes until then, ms.
    bionet_package : folder with morphologies/ and biophysical_neuron_models/.
    recurrent_per_cell : connections onto each cell; weights shrink as they grow in number.
    """
    random = np.random.Generator(np.random.Philox(key=seed))
    network = folder / "network"
    network.mkdir(parents=True)
    (folder / "synaptic_models").mkdir()

    model = np.arange(cells) % len(MODELS)
    kind = np.array([MODELS[index][2] for index in model])
    node_types = pd.DataFrame(
        {
            "node_type_id": range(len(MODELS)),
            "model_type": "biophysical",
            "model_template": "ctdb:Biophys1.hoc",
            "model_processing": "aibs_perisomatic",
            "dynamics_params": [fit for fit, _, _ in MODELS],
            "morphology": [morphology for _, morphology, _ in MODELS],
            "ei": [ei for _, _, ei in MODELS],
        }
    )
    write_types(network / "cortex_node_types.csv", node_types)
    write_nodes(network / "cortex_nodes.h5", "cortex", model)
    virtual = pd.DataFrame({"node_type_id": [0], "model_type": "virtual"})
    write_types(network / "background_node_types.csv", virtual)
    write_nodes(network / "background_nodes.h5", "background", np.zeros(BACKGROUND_CELLS, int))

    write_types(network / "edge_types.csv", _edge_types(RECURRENT_PER_CELL / recurrent_per_cell))
    recurrent = _draw(random, cells, cells, min(recurrent_per_cell, cells), 5)
    recurrent["edge_type_id"] = [
        list(SYNAPSES).index((kind[source], kind[target]))
        for source, target in zip(recurrent.source_node_id, recurrent.target_node_id, strict=True)
    ]
    write_edges(network / "recurrent_edges.h5", "cortex", "cortex", (cells, cells), recurrent)
    driven = _draw(random, BACKGROUND_CELLS, cells, BACKGROUND_PER_CELL, 3)
    driven["edge_type_id"] = np.where(kind[driven.target_node_id] == "e", 4, 5)
    counts = (BACKGROUND_CELLS, cells)
    write_edges(network / "background_edges.h5", "background", "cortex", counts, driven)

    for name, (tau1, tau2, erev), _, _ in SYNAPSES.values():
        parameters = {"level_of_detail": "exp2syn", "tau1": tau1, "tau2": tau2, "erev": erev}
        (folder / "synaptic_models" / f"{name}.json").write_text(json.dumps(parameters))
    _write_background(folder / "background.h5", tstop, random)
    circuit = _circuit_config(folder, bionet_package)
    (folder / "circuit_config.json").write_text(json.dumps(circuit, indent=2))


def write_simulation(folder: Path, tstop: float, dt: float) -> Path:
    """Write a simulation of the circuit with reports of ten somata; return its path."""
    config = {
        "manifest": {"$BASE_DIR": str(folder), "$OUTPUT_DIR": f"$BASE_DIR/output_{tstop:g}"},
        "target_simulator": "NEURON",
        "network": "$BASE_DIR/circuit_config.json",
        "run": {
            "tstop": tstop,
            "dt": dt,
            "dL": 20.0,
            "spike_threshold": -15.0,
            "nsteps_block": 5000,
        },
        "conditions": {"celsius": 34.0, "v_init": -80.0},
        "inputs": {
            "background": {
                "input_type": "spikes",
                "module": "sonata",
                "input_file": "$BASE_DIR/background.h5",
                "node_set": "background",
            }
        },
        "output": {
            "output_dir": "$OUTPUT_DIR",
            "log_file": "log.txt",
            "spikes_file": "spikes.h5",
            "overwrite_output_dir": True,
        },
        "reports": {
            "membrane_potential": {
                "cells": list(range(10)),
                "variable_name": "v",
                "module": "membrane_report",
                "sections": "soma",
            }
        },
    }
    file = folder / f"simulation_{tstop:g}.json"
    file.write_text(json.dumps(config, indent=2))
    return file


def _draw(
    random: np.random.Generator, sources: int, targets: int, per_target: int, nsyns: int
) -> pd.DataFrame:
    """Draw ``per_target`` different sources for each target."""
    drawn = [np.sort(random.choice(sources, per_target, replace=False)) for _ in range(targets)]
    return pd.DataFrame(
        {
            "source_node_id": np.concatenate(drawn),
            "target_node_id": np.repeat(np.arange(targets), per_target),
            "nsyns": nsyns,
        }
    )


def _edge_types(scale: float) -> pd.DataFrame:
    pairs = [*SYNAPSES.items(), *((("e", target), SYNAPSES["e", target]) for target in DRIVE)]
    weights = [scale * synapse[2] for synapse in SYNAPSES.values()] + list(DRIVE.values())
    return pd.DataFrame(
        [
            {
                "edge_type_id": index,
                "target_query": f"ei=='{target}'",
                "source_query": f"ei=='{source}'" if index < len(SYNAPSES) else "*",
                "syn_weight": weight * 1e-3,
                "delay": 2.0,
                "model_template": "exp2syn",
                "dynamics_params": f"{name}.json",
                "target_sections": sections,
                "distance_range": "[0.0, 150.0]",
            }
            for index, (((source, target), (name, _, _, sections)), weight) in enumerate(
                zip(pairs, weights, strict=True)
            )
        ]
    )


def _write_background(file: Path, tstop: float, random: np.random.Generator) -> None:
    counts = random.poisson(BACKGROUND_RATE * tstop * 1e-3, BACKGROUND_CELLS)
    with h5py.File(file, "w") as root:
        root.attrs["magic"] = np.uint32(0x0A7A)
        root.attrs["version"] = np.array([0, 1], dtype=np.uint32)
        group = root.create_group("spikes/background")
        group["node_ids"] = np.repeat(np.arange(BACKGROUND_CELLS), counts).astype(np.uint64)
        group["timestamps"] = np.concatenate([np.sort(random.uniform(0, tstop, n)) for n in counts])
        group["timestamps"].attrs["units"] = "ms"


def _circuit_config(folder: Path, bionet_package: Path) -> dict:
    def nodes(name: str) -> dict[str, str]:
        return {
            "nodes_file": f"$BASE_DIR/network/{name}_nodes.h5",
            "node_types_file": f"$BASE_DIR/network/{name}_node_types.csv",
        }

    def edges(name: str) -> dict[str, str]:
        return {
            "edges_file": f"$BASE_DIR/network/{name}_edges.h5",
            "edge_types_file": "$BASE_DIR/network/edge_types.csv",
        }

    return {
        "manifest": {"$BASE_DIR": str(folder)},
        "components": {
            "morphologies_dir": str(bionet_package / "morphologies"),
            "biophysical_neuron_models_dir": str(bionet_package / "biophysical_neuron_models"),
            "synaptic_models_dir": "$BASE_DIR/synaptic_models",
            "mechanisms_dir": "$BASE_DIR/mechanisms",
        },
        "networks": {
            "nodes": [nodes("cortex"), nodes("background")],
            "edges": [edges("recurrent"), edges("background")],
        },
    }
