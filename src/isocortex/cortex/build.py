"""Write a cortex model as a SONATA circuit, ready for ``isocortex run``.

Nodes are always written. Edges are written with ``materialize``; otherwise the circuit's
configuration holds the recipe, and whoever loads it draws the same synapses again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isocortex import __version__
from isocortex.cells.library import load_cell
from isocortex.circuit import Cells, Projection
from isocortex.cortex.background import BACKGROUND, FLUCTUATION, RATE
from isocortex.cortex.circuit import (
    attributes,
    axon_attributes,
    circuit_of,
    node_types,
)
from isocortex.cortex.digest import digests
from isocortex.cortex.dynamics import FOLDER, dynamics_of, kinetics_names
from isocortex.cortex.head import TABLE, electrodes_over, report_of_eeg
from isocortex.cortex.model import CortexModel
from isocortex.cortex.node_sets import node_sets
from isocortex.cortex.probe import laminar_probe, report_of_probe
from isocortex.cortex.recipe import Recipe
from isocortex.errors import disk_errors
from isocortex.sonata.contacts import write_contacts
from isocortex.sonata.write import write_edges, write_nodes, write_types

Progress = Callable[[str], None]


def build_cortex(
    folder: str | Path,
    cortex: CortexModel,
    *,
    tstop: float = 1000.0,
    materialize: bool = False,
    probe: str | None = None,
    eeg: Sequence[str] = (),
    progress: Progress = lambda what: None,
) -> Path:
    """Write circuit, background and configuration; returns the path of simulation_config.json.

    Parameters
    ----------
    folder : made if need be.
    cortex : what is written.
    tstop : ms, of the simulation that the configuration describes.
    materialize : write every synapse to an edge file.
    probe : an area: the potential at a laminar probe in its right half will be recorded.
    eeg : areas over which electrodes on the skull, one on either side, will record all cells.
    progress : told what is being done.
    """
    folder = Path(folder)
    network = folder / "network"
    contacts = None if probe is None else laminar_probe(cortex, probe)
    electrodes = electrodes_over(cortex, eeg)
    with disk_errors(folder, "make the folder"):
        network.mkdir(parents=True, exist_ok=True)
        (folder / FOLDER).mkdir(exist_ok=True)
    progress("writing neurons")
    types, type_id = node_types(cortex)
    write_types(network / "cortex_node_types.csv", types)
    write_nodes(network / "cortex_nodes.h5", "cortex", type_id, attributes(cortex))
    virtual = pd.DataFrame({"node_type_id": [0], "model_type": "virtual", "pop_name": BACKGROUND})
    write_types(network / "background_node_types.csv", virtual)
    axons = axon_attributes(cortex)
    none = np.zeros(len(axons["area"]), np.int64)
    write_nodes(network / "background_nodes.h5", BACKGROUND, none, axons)
    for kinetics, name in kinetics_names(cortex).items():
        _write_json(folder / FOLDER / f"{name}.json", dynamics_of(kinetics))
    if materialize:
        circuit = circuit_of(cortex)
        for projection in circuit.projections:
            progress(f"drawing synapses from {projection.source}")
            n_sources = len(circuit.nodes[projection.source].node_ids)
            _write_synapses(network, cortex, projection, n_sources)
    _write_json(folder / "circuit_config.json", _circuit_config(cortex, materialize))
    _write_json(folder / "node_sets.json", node_sets(cortex))
    config = folder / "simulation_config.json"
    simulation = simulation_config(cortex.recipe, tstop)
    if probe is not None and contacts is not None:
        write_contacts(folder / f"probe_{probe}.csv", contacts)
        report = report_of_probe(
            probe, "right", f"$BASE_DIR/probe_{probe}.csv", cortex.recipe.scale
        )
        simulation["reports"][f"lfp_{probe}"] = report
    if eeg:
        names, places = electrodes
        write_contacts(folder / TABLE, places, names)
        simulation["reports"]["eeg"] = report_of_eeg(f"$BASE_DIR/{TABLE}")
    _write_json(config, simulation)
    return config


# --- synapses ---------------------------------------------------------------------------------


def _write_synapses(
    network: Path, cortex: CortexModel, projection: Projection, n_sources: int
) -> None:
    """Every synapse as an edge with its place, weight and delay, sorted by target."""
    cells = [load_cell(name, cortex.recipe.dL) for name in cortex.models]
    onto = Cells(cells, cortex.model.astype(np.int64))
    names = kinetics_names(cortex)
    kinds = projection.kinds(onto)
    types = pd.DataFrame(
        {"edge_type_id": range(len(kinds)), "model_template": "exp2syn",
         "dynamics_params": [f"{names[kinetics]}.json" for kinetics in kinds]}
    )  # fmt: skip
    stem = f"{projection.source}_{projection.target}"
    write_types(network / f"{stem}_edge_types.csv", types)
    first = np.cumsum([0, *(cell.n_nodes for cell in cells)])
    section = np.concatenate([cell.section for cell in cells])
    position = np.concatenate([cell.x for cell in cells])
    delays = projection.delays()
    parts = []
    for made in projection.onto(None, onto, cortex.recipe.seed):
        node = first[cortex.model[made.target]] + made.node
        parts.append(
            pd.DataFrame(
                {
                    "source_node_id": made.source,
                    "target_node_id": made.target,
                    "edge_type_id": made.kind,
                    "afferent_section_id": section[node],
                    "afferent_section_pos": position[node],
                    "syn_weight": made.weight,
                    "delay": delays[made.delay],
                }
            )
        )
    edges = pd.concat(parts, ignore_index=True)
    edges = edges.sort_values("target_node_id", kind="stable", ignore_index=True)
    counts = (n_sources, len(cortex))
    write_edges(network / f"{stem}_edges.h5", projection.source, projection.target, counts, edges)


# --- configuration ----------------------------------------------------------------------------


def _circuit_config(cortex: CortexModel, materialize: bool) -> dict[str, Any]:
    def pair(kind: str, name: str) -> dict[str, str]:
        return {
            f"{kind}s_file": f"$NETWORK_DIR/{name}_{kind}s.h5",
            f"{kind}_types_file": f"$NETWORK_DIR/{name}_{kind}_types.csv",
        }

    edges = ["cortex_cortex", "background_cortex"] if materialize else []
    config: dict[str, Any] = {
        "manifest": {"$BASE_DIR": ".", "$NETWORK_DIR": "$BASE_DIR/network"},
        "components": {"synaptic_models_dir": f"$BASE_DIR/{FOLDER}"},
        "networks": {
            "nodes": [pair("node", name) for name in ("cortex", "background")],
            "edges": [pair("edge", name) for name in edges],
        },
    }
    if not materialize:
        recipe = asdict(cortex.recipe)
        made = {"version": __version__, **digests(cortex), "recipe": recipe}
        config["cortex"] = {**recipe, "made": made}
    return config


def simulation_config(recipe: Recipe, tstop: float) -> dict[str, Any]:
    """What runs a circuit that lies beside it at rest, and what it records; ``tstop`` in ms."""
    return {
        "manifest": {"$BASE_DIR": ".", "$OUTPUT_DIR": "$BASE_DIR/output"},
        "target_simulator": "isocortex",
        "network": "$BASE_DIR/circuit_config.json",
        "node_sets_file": "$BASE_DIR/node_sets.json",
        "run": {
            "tstop": tstop, "dt": 0.1, "dL": recipe.dL, "spike_threshold": -15.0,
            "random_seed": recipe.seed,
        },
        "conditions": {"celsius": 34.0, "v_init": -80.0},
        "inputs": {
            "background": {
                "input_type": "spikes", "module": "poisson", "node_set": "background",
                "firing_rate": RATE, "seed": recipe.seed,
                "fluctuation": FLUCTUATION,
            }
        },
        "output": {
            "output_dir": "$OUTPUT_DIR", "log_file": "log.txt", "spikes_file": "spikes.h5",
            "spikes_sort_order": "time", "overwrite_output_dir": True,
        },
        "reports": {
            "membrane_potential": {
                "module": "membrane_report", "cells": "recorded", "variable_name": "v",
                "sections": "soma", "dt": 0.1,
            },
            "whole_cells": {
                "module": "membrane_report", "cells": "whole", "variable_name": "v",
                "sections": "all", "dt": 0.5,
            },
            "calcium": {
                "module": "membrane_report", "cells": "recorded", "variable_name": "cai",
                "sections": "soma", "dt": 0.1,
            },
        },
    }  # fmt: skip


def _write_json(file: Path, value: dict[str, Any]) -> None:
    with disk_errors(file, "write it"):
        file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
