"""Write a cortex model as a SONATA circuit, ready for ``isocortex run``.

Nodes are always written. Edges are written with ``materialize``; otherwise the circuit's
configuration holds the recipe, and whoever loads it draws the same synapses again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.cells.library import load_cell
from isocortex.cortex.atlas import LAYERS
from isocortex.cortex.counts import CLASSES, HEMISPHERES, N_EXCITATORY, group_of
from isocortex.cortex.digest import digests
from isocortex.cortex.drive import RATE, SYNAPSES, Drive, load_drive
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.cortex.wiring import CellClass
from isocortex.errors import disk_errors
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.drawn.draw import DELAY_STEP
from isocortex.sonata.write import write_edges, write_nodes, write_types

Progress = Callable[[str], None]


def build_cortex(
    folder: str | Path,
    cortex: CortexModel,
    *,
    tstop: float = 1000.0,
    materialize: bool = False,
    drive: Drive | None = None,
    progress: Progress = lambda what: None,
) -> Path:
    """Write circuit, background and configuration; returns the path of simulation_config.json.

    Parameters
    ----------
    folder : made if need be.
    cortex : what is written.
    tstop : ms, of the simulation that the configuration describes.
    materialize : write every synapse to an edge file.
    drive : the background, default the embedded one.
    progress : told what is being done.
    """
    folder = Path(folder)
    network = folder / "network"
    with disk_errors(folder, "make the folder"):
        network.mkdir(parents=True, exist_ok=True)
        (folder / "synaptic_models").mkdir(exist_ok=True)
    progress("writing neurons")
    types, type_id = _node_types(cortex)
    write_types(network / "cortex_node_types.csv", types)
    write_nodes(network / "cortex_nodes.h5", "cortex", type_id, _attributes(cortex))
    progress("writing the background")
    _write_background(network, cortex, drive or load_drive())
    for kinetics, name in _kinetics_names(cortex).items():
        content = {"level_of_detail": "exp2syn", "tau1": kinetics.tau_rise,
                   "tau2": kinetics.tau_decay, "erev": kinetics.reversal}  # fmt: skip
        _write_json(folder / "synaptic_models" / f"{name}.json", content)
    if materialize:
        progress("drawing synapses")
        _write_synapses(network, cortex)
    _write_json(folder / "circuit_config.json", _circuit_config(cortex, materialize))
    _write_json(folder / "node_sets.json", _node_sets(cortex))
    config = folder / "simulation_config.json"
    _write_json(config, _simulation_config(cortex.recipe, tstop))
    return config


# --- nodes ------------------------------------------------------------------------------------


def _node_types(cortex: CortexModel) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """One type per (layer, class, cell model) that occurs, and the type of every neuron."""
    kinds, type_id = cortex.kinds
    rows = []
    for number, (layer, name, model) in enumerate(kinds):
        excitatory = name in CLASSES[:N_EXCITATORY]
        rows.append(
            {
                "node_type_id": number,
                "pop_name": f"{'e' if excitatory else 'i'}{layer.replace('/', '')}{name}",
                "layer": f"L{layer}",
                "cell_class": name,
                "ei": "e" if excitatory else "i",
                "model_type": "biophysical",
                "model_template": f"isocortex:{model}",
            }
        )
    return pd.DataFrame(rows), type_id


def _attributes(cortex: CortexModel) -> dict[str, NDArray[Any]]:
    """Of every neuron: place (um, CCFv3), depth, direction of the pia, area and side."""
    n = cortex.neurons
    area = np.array([name.encode() for name in cortex.atlas.areas.index])
    right = n.column >= cortex.layout.columns.n_side
    return {
        "x": n.position[:, 0],
        "y": n.position[:, 1],
        "z": n.position[:, 2],
        "depth": n.depth_um,
        "normal_x": n.normal[:, 0],
        "normal_y": n.normal[:, 1],
        "normal_z": n.normal[:, 2],
        "flat_x": n.flat[:, 0],
        "flat_y": n.flat[:, 1],
        "column": n.column,
        "area": area[n.area],
        "hemisphere": np.array([side.encode() for side in HEMISPHERES])[right.astype(int)],
    }


# --- background -------------------------------------------------------------------------------


def _write_background(network: Path, cortex: CortexModel, drive: Drive) -> None:
    """A virtual node for every neuron, and its edge: some synapses at random places."""
    n = len(cortex)
    virtual = pd.DataFrame({"node_type_id": [0], "model_type": "virtual", "pop_name": "background"})
    write_types(network / "background_node_types.csv", virtual)
    write_nodes(network / "background_nodes.h5", "background", np.zeros(n, np.int64))
    kinds, type_id = cortex.kinds
    names = _kinetics_names(cortex)
    rows = []
    for number, (layer, name, model) in enumerate(kinds):
        rule = cortex.rules[cortex.far_rule[group_of((layer, name))]]
        rows.append(
            {
                "edge_type_id": number,
                "syn_weight": round(drive.of(layer, name, model) * 1e-3, 9),
                "delay": 1.0,
                "model_template": "exp2syn",
                "dynamics_params": f"{names[rule.kinetics]}.json",
                "target_sections": json.dumps(rule.sections).replace('"', "'"),
                "distance_range": str([min(end, 1e20) for end in rule.distance_range]),
            }
        )
    write_types(network / "background_cortex_edge_types.csv", pd.DataFrame(rows))
    edges = pd.DataFrame(
        {"source_node_id": np.arange(n), "target_node_id": np.arange(n),
         "edge_type_id": type_id, "nsyns": SYNAPSES}
    )  # fmt: skip
    write_edges(network / "background_cortex_edges.h5", "background", "cortex", (n, n), edges)


# --- synapses ---------------------------------------------------------------------------------


def _kinetics_names(cortex: CortexModel) -> dict[Kinetics, str]:
    distinct = dict.fromkeys(rule.kinetics for rule in cortex.rules)
    return {
        k: f"{'AMPA' if k.reversal > -40.0 else 'GABA'}_{k.tau_rise:g}_{k.tau_decay:g}"
        for k in distinct
    }


def _write_synapses(network: Path, cortex: CortexModel) -> None:
    """Every synapse as an edge with its place, weight and delay, sorted by target."""
    names = list(_kinetics_names(cortex).items())
    number = {kinetics: k for k, (kinetics, _) in enumerate(names)}
    types = pd.DataFrame(
        {"edge_type_id": range(len(names)), "model_template": "exp2syn",
         "dynamics_params": [f"{name}.json" for _, name in names]}
    )  # fmt: skip
    write_types(network / "cortex_cortex_edge_types.csv", types)
    type_of_rule = np.array([number[rule.kinetics] for rule in cortex.rules])
    cells = [load_cell(name) for name in cortex.models]
    first = np.cumsum([0, *(cell.n_nodes for cell in cells)])
    section = np.concatenate([cell.section for cell in cells])
    position = np.concatenate([cell.x for cell in cells])
    parts = []
    for made in cortex.synapses(range(len(cortex))):
        node = first[cortex.model[made.target]] + made.node
        parts.append(
            pd.DataFrame(
                {
                    "source_node_id": made.source,
                    "target_node_id": made.target,
                    "edge_type_id": type_of_rule[made.rule],
                    "afferent_section_id": section[node],
                    "afferent_section_pos": position[node],
                    "syn_weight": cortex.weight[made.rule, cortex.model[made.target]],
                    "delay": made.delay * DELAY_STEP,
                }
            )
        )
    edges = pd.concat(parts, ignore_index=True)
    edges = edges.sort_values("target_node_id", kind="stable", ignore_index=True)
    counts = (len(cortex), len(cortex))
    write_edges(network / "cortex_cortex_edges.h5", "cortex", "cortex", counts, edges)


# --- configuration ----------------------------------------------------------------------------


def _circuit_config(cortex: CortexModel, materialize: bool) -> dict[str, Any]:
    def pair(kind: str, name: str) -> dict[str, str]:
        return {
            f"{kind}s_file": f"$NETWORK_DIR/{name}_{kind}s.h5",
            f"{kind}_types_file": f"$NETWORK_DIR/{name}_{kind}_types.csv",
        }

    edges = ["background_cortex", *(["cortex_cortex"] if materialize else [])]
    config: dict[str, Any] = {
        "manifest": {"$BASE_DIR": ".", "$NETWORK_DIR": "$BASE_DIR/network"},
        "components": {"synaptic_models_dir": "$BASE_DIR/synaptic_models"},
        "networks": {
            "nodes": [pair("node", name) for name in ("cortex", "background")],
            "edges": [pair("edge", name) for name in edges],
        },
    }
    if not materialize:
        made = {"version": version("isocortex"), **digests(cortex)}
        config["cortex"] = {**asdict(cortex.recipe), "made": made}
    return config


#: Classes of which the simulation records a neuron; the first ones in every compartment.
RECORDED: tuple[CellClass, ...] = (
    ("5", "ET"), ("2/3", "IT"), ("5", "Pvalb"), ("4", "IT"), ("6a", "CT"), ("6a", "IT"),
    ("2/3", "Pvalb"), ("2/3", "Vip"), ("5", "Sst"), ("1", "Inh"),
)  # fmt: skip
WHOLE = 3
#: Area of the recorded neurons, in the right hemisphere.
RECORDED_AREA = "VISp"


def _recorded(cortex: CortexModel) -> list[int]:
    """A neuron of each class of ``RECORDED``, near each other where the area has them."""
    n = cortex.neurons
    right = n.column >= cortex.layout.columns.n_side
    home = right & (n.area == cortex.atlas.areas.index.get_loc(RECORDED_AREA))
    middle = n.position[home if home.any() else slice(None)].mean(axis=0)
    away = np.linalg.norm(n.position - middle, axis=1) + 1e6 * ~home
    chosen = []
    for cell_class in RECORDED:
        members = np.flatnonzero(cortex.group == group_of(cell_class))
        if len(members):
            chosen.append(int(members[np.argmin(away[members])]))
    return chosen


def _node_sets(cortex: CortexModel) -> dict[str, Any]:
    """Areas, layers and classes by name; some neurons to record."""
    recorded = _recorded(cortex)
    sets: dict[str, Any] = {
        "cortex": {"population": "cortex"},
        "background": {"population": "background"},
        "recorded": {"population": "cortex", "node_id": recorded},
        "whole": {"population": "cortex", "node_id": recorded[:WHOLE]},
    }
    for name in cortex.atlas.areas.index:
        sets[name] = {"population": "cortex", "area": name}
    for layer in LAYERS:
        sets[f"L{layer}"] = {"population": "cortex", "layer": f"L{layer}"}
    for name in CLASSES:
        sets[name] = {"population": "cortex", "cell_class": name}
    return sets


def _simulation_config(recipe: Recipe, tstop: float) -> dict[str, Any]:
    return {
        "manifest": {"$BASE_DIR": ".", "$OUTPUT_DIR": "$BASE_DIR/output"},
        "target_simulator": "isocortex",
        "network": "$BASE_DIR/circuit_config.json",
        "node_sets_file": "$BASE_DIR/node_sets.json",
        "run": {
            "tstop": tstop, "dt": 0.1, "dL": 20.0, "spike_threshold": -15.0,
            "random_seed": recipe.seed,
        },
        "conditions": {"celsius": 34.0, "v_init": -80.0},
        "inputs": {
            "background": {
                "input_type": "spikes", "module": "poisson", "node_set": "background",
                "firing_rate": RATE, "seed": recipe.seed,
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
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
