"""A patch of layers 2/3 to 5 of mouse V1, small enough for a laptop, as a complete SONATA circuit.

Connection probabilities, synaptic time constants, weights, delays and the places of synapses are
those of the Allen V1 model (Billeh et al. 2020, doi:10.1016/j.neuron.2020.01.040). The patch has a
fraction of the cells of V1 and no preferred directions (weights are averaged over them), so its
recurrent input is smaller: the background (`DRIVE`) makes up for it. The weights of the background
are chosen here to give plausible rates (excitatory cells 1 to 5 Hz, inhibitory ones 4 to 15 Hz, in
BioNet at dt 0.1 ms) and are no data.
"""

from __future__ import annotations

import json
from enum import IntEnum
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.elementary import circle, exp
from isocortex.errors import ConfigError, disk_errors
from isocortex.examples.billeh2020 import (
    DELAY,
    LAYERS,
    PLACES,
    PROBABILITY,
    RADIUS,
    SIGMA,
    SYNAPSES,
    SYNAPSES_PER_CONNECTION,
    TUNING,
    WEIGHT,
    table,
)
from isocortex.sonata.write import write_edges, write_nodes, write_types

#: Populations: their share of the cells, their class, the library cells that they are made of.
POPULATIONS = table("""
pop_name  layer  ei  cell_class  share  models
e23       L2/3   e   e23         0.27   Cux2:487661754
e4        L4     e   e4          0.30   Scnn1a:395830185,Rorb:485836906,Nr5a1:386049446
e5        L5     e   e5          0.23   Rbp4:471129934,Rorb:480351780
i23Pvalb  L2/3   i   Pvalb       0.03   Pvalb:484635029
i23Sst    L2/3   i   Sst         0.02   Sst:473016550
i23Htr3a  L2/3   i   Htr3a       0.02   Htr3a:475622793
i4Pvalb   L4     i   Pvalb       0.03   Pvalb:484635029
i4Sst     L4     i   Sst         0.02   Sst:473016550
i4Htr3a   L4     i   Htr3a       0.01   Htr3a:475622793
i5Pvalb   L5     i   Pvalb       0.03   Pvalb:486783119
i5Sst     L5     i   Sst         0.03   Sst:482690728
i5Htr3a   L5     i   Htr3a       0.01   Htr3a:482644550
""")

#: The background: virtual cells, the rate of each (Hz), how many of them drive an e or an i cell.
BACKGROUND_CELLS = 200
BACKGROUND_RATE = 5.0
BACKGROUND_PER_CELL = {"e": 20, "i": 100}

#: Peak conductance of one background synapse (nS; three per connection), by target cell model.
DRIVE = {
    "487661754": 0.68,
    "395830185": 0.72,
    "485836906": 1.0,
    "386049446": 0.96,
    "471129934": 3.6,
    "480351780": 0.78,
    "484635029": 3.9,
    "486783119": 2.5,
    "473016550": 8.5,
    "482690728": 0.68,
    "475622793": 2.5,
    "482644550": 4.1,
}

CLASS_OF_CELL = {
    model.split(":")[1]: population["cell_class"]
    for _, population in POPULATIONS.iterrows()
    for model in population["models"].split(",")
}


class _Stream(IntEnum):
    """What the random numbers are for: each use has its own key."""

    POSITIONS = 0
    CONNECTIONS = 1
    BACKGROUND = 2


def write_microcircuit(
    folder: str | Path, cells: int = 300, seed: int = 1, tstop: float = 1000.0
) -> Path:
    """Write the circuit, its inputs and its configuration, ready for `isocortex run`.

    Parameters
    ----------
    folder : written to, made if need be.
    cells : number of cortical cells, at least one per population.
    seed : key of the random numbers; the same seed gives the same files.
    tstop : duration of the simulation, ms.

    Returns
    -------
    The path of simulation_config.json.
    """
    if cells < len(POPULATIONS):
        raise ConfigError(
            f"a circuit of {cells} cells is too small",
            fix=f"Use {len(POPULATIONS)} or more, one per population.",
        )
    folder = Path(folder)
    with disk_errors(folder, "make the folder"):
        for sub in ("network", "synaptic_models"):
            (folder / sub).mkdir(parents=True, exist_ok=True)

    nodes = _place(cells, _random(seed, _Stream.POSITIONS))
    recurrent = _connect(nodes, _random(seed, _Stream.CONNECTIONS))
    driven = _drive(nodes, _random(seed, _Stream.BACKGROUND))

    network = folder / "network"
    write_types(network / "cortex_node_types.csv", _node_types())
    positions = {axis: nodes[axis].to_numpy() for axis in "xyz"}
    write_nodes(network / "cortex_nodes.h5", "cortex", nodes["node_type_id"].to_numpy(), positions)
    write_types(network / "cortex_cortex_edge_types.csv", _edge_types())
    write_edges(network / "cortex_cortex_edges.h5", "cortex", "cortex", (cells, cells), recurrent)

    virtual = pd.DataFrame({"node_type_id": [0], "model_type": "virtual", "pop_name": "bkg"})
    write_types(network / "background_node_types.csv", virtual)
    write_nodes(
        network / "background_nodes.h5", "background", np.zeros(BACKGROUND_CELLS, dtype=int)
    )
    write_types(network / "background_cortex_edge_types.csv", _drive_types())
    write_edges(
        network / "background_cortex_edges.h5",
        "background",
        "cortex",
        (BACKGROUND_CELLS, cells),
        driven,
    )

    for name, parameters in SYNAPSES.values():
        _write_json(
            folder / "synaptic_models" / f"{name}.json",
            {"level_of_detail": "exp2syn", **parameters},
        )
    _write_json(folder / "circuit_config.json", _circuit_config())
    _write_json(folder / "node_sets.json", _node_sets(nodes))
    config = folder / "simulation_config.json"
    _write_json(config, _simulation_config(seed, tstop))
    return config


def _random(seed: int, stream: _Stream) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, int(stream)]))


def _node_types() -> pd.DataFrame:
    """One type per population and library cell, numbered in the order of `POPULATIONS`."""
    rows = [
        {
            "model_type": "biophysical",
            "model_template": f"isocortex:{cell}",
            "model_processing": None,
            "morphology": None,
            "dynamics_params": None,
            "pop_name": name,
            "cre_line": cre_line,
            **population[["ei", "cell_class", "layer"]].to_dict(),
        }
        for name, population in POPULATIONS.iterrows()
        for cre_line, cell in _models(population)
    ]
    types = pd.DataFrame(rows)
    types.insert(0, "node_type_id", range(100, 100 + len(rows)))
    return types


def _models(population: pd.Series) -> list[list[str]]:
    return [model.split(":") for model in population["models"].split(",")]


def _place(cells: int, random: np.random.Generator) -> pd.DataFrame:
    """Cells in a cylinder, uniform over their layer; the models of a population take turns."""
    counts = _share(cells, POPULATIONS["share"].to_numpy(float))
    types = _node_types().set_index("pop_name")["node_type_id"]
    radius = RADIUS * np.sqrt(cells / 300.0)
    frames = []
    for (name, population), count in zip(POPULATIONS.iterrows(), counts, strict=True):
        top, bottom = LAYERS[population["layer"]]
        r = radius * np.sqrt(random.random(count))
        across, along = circle(random.random(count))
        frame = {
            "pop_name": name,
            "kind": "e" if population["ei"] == "e" else population["cell_class"],
            "cell": np.resize([cell for _, cell in _models(population)], count),
            "node_type_id": np.resize(types.loc[[name]], count),
            "x": r * across,
            "y": -(top + (bottom - top) * random.random(count)),
            "z": r * along,
        }
        frames.append(pd.DataFrame(frame))
    return pd.concat(frames, ignore_index=True)


def _share(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers >= 1 that add up to ``total`` and follow ``weights`` (largest remainders)."""
    exact = total * weights / weights.sum()
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    for empty in np.flatnonzero(counts == 0):
        counts[np.argmax(counts)] -= 1
        counts[empty] = 1
    return counts


def _connect(nodes: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Draw the recurrent connections, target by target.

    The probability falls as exp(-(r / sigma)^2) with horizontal distance r, scaled such that its
    mean over a disc of 75 um is the measured one (Billeh et al. 2020, methods).
    """
    sigma = SIGMA.loc[nodes["kind"]]
    probability = PROBABILITY.loc[nodes["pop_name"]]
    weight = WEIGHT.loc[nodes["pop_name"]]
    source_row = PROBABILITY.index.get_indexer(nodes["pop_name"])
    target_column = WEIGHT.columns.get_indexer(nodes["cell"])
    x, z = nodes["x"].to_numpy(), nodes["z"].to_numpy()
    low, high = SYNAPSES_PER_CONNECTION
    frames = []
    for target, (kind, pop_name, cell) in enumerate(
        zip(nodes["kind"], nodes["pop_name"], nodes["cell"], strict=True)
    ):
        reach = sigma[kind].to_numpy(float)
        ratio = (reach / RADIUS) ** 2
        peak = probability[pop_name].to_numpy(float) / (ratio * (1.0 - exp(-1.0 / ratio)))
        distance2 = (x - x[target]) ** 2 + (z - z[target]) ** 2
        drawn = random.random(len(nodes)) < peak * exp(-distance2 / reach**2)
        drawn &= weight[cell].to_numpy(float) > 0.0
        drawn[target] = False
        sources = np.flatnonzero(drawn)
        frame = {
            "source_node_id": sources,
            "target_node_id": target,
            "edge_type_id": _edge_type_id(source_row[sources], target_column[target]),
            "nsyns": random.integers(low, high, len(sources), endpoint=True),
        }
        frames.append(pd.DataFrame(frame))
    return pd.concat(frames, ignore_index=True)


def _edge_type_id(source_row: NDArray[np.integer], target_column: int) -> NDArray[np.integer]:
    return 100 + len(WEIGHT.columns) * source_row + target_column


def _edge_types() -> pd.DataFrame:
    """One type per source population and target cell model, less those without connections."""
    classes = POPULATIONS["cell_class"]
    rows = [
        {
            "source_query": f"pop_name=='{source}'",
            "target_query": f"model_template=='isocortex:{cell}'",
            "syn_weight": _uS(
                WEIGHT.loc[source, cell] * TUNING[_ei(classes[source]), _ei(CLASS_OF_CELL[cell])]
            ),
            "delay": DELAY.loc[classes[source], CLASS_OF_CELL[cell]],
            **_kinetics(classes[source], CLASS_OF_CELL[cell]),
        }
        for source in WEIGHT.index
        for cell in WEIGHT.columns
    ]
    types = pd.DataFrame(rows)
    types.insert(0, "edge_type_id", range(100, 100 + len(rows)))
    return types[types["syn_weight"] > 0.0]


def _drive(nodes: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Give every cell its own sample, without repetition, of the background."""
    per_cell = [BACKGROUND_PER_CELL[_ei(CLASS_OF_CELL[cell])] for cell in nodes["cell"]]
    sources = [np.sort(random.choice(BACKGROUND_CELLS, k, replace=False)) for k in per_cell]
    types = {cell: index for index, cell in enumerate(DRIVE)}
    return pd.DataFrame(
        {
            "source_node_id": np.concatenate(sources),
            "target_node_id": np.repeat(np.arange(len(nodes)), per_cell),
            "edge_type_id": np.repeat(nodes["cell"].map(types).to_numpy(), per_cell),
            "nsyns": 3,
        }
    )


def _drive_types() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "edge_type_id": index,
                "source_query": "*",
                "target_query": f"model_template=='isocortex:{cell}'",
                "syn_weight": _uS(weight),
                "delay": 1.7,
                **_kinetics("e", CLASS_OF_CELL[cell]),
            }
            for index, (cell, weight) in enumerate(DRIVE.items())
        ]
    )


def _kinetics(source: str, target: str) -> dict[str, str]:
    kind = "e" if _ei(source) == "e" else source
    sections, distance = PLACES.get((kind, target), PLACES[kind, _ei(target)])
    return {
        "model_template": "exp2syn",
        "dynamics_params": f"{SYNAPSES[_ei(source), _ei(target)][0]}.json",
        "target_sections": json.dumps(sections).replace('"', "'"),
        "distance_range": str(list(distance)),
    }


def _ei(cell_class: str) -> str:
    return "e" if cell_class.startswith("e") else "i"


def _uS(nS: float) -> float:
    return round(nS * 1e-3, 9)


def _circuit_config() -> dict:
    def pair(kind: str, name: str) -> dict[str, str]:
        return {
            f"{kind}s_file": f"$NETWORK_DIR/{name}_{kind}s.h5",
            f"{kind}_types_file": f"$NETWORK_DIR/{name}_{kind}_types.csv",
        }

    return {
        "manifest": {"$BASE_DIR": ".", "$NETWORK_DIR": "$BASE_DIR/network"},
        "components": {"synaptic_models_dir": "$BASE_DIR/synaptic_models"},
        "networks": {
            "nodes": [pair("node", name) for name in ("cortex", "background")],
            "edges": [pair("edge", name) for name in ("cortex_cortex", "background_cortex")],
        },
    }


def _node_sets(nodes: pd.DataFrame) -> dict:
    """Ten cells to record, one of each of the first ten populations; one in full."""
    recorded = nodes.groupby("pop_name", sort=False).head(1).index[:10]
    traced = nodes.index[nodes["pop_name"] == "e5"][:1]
    return {
        "background": {"population": "background"},
        "recorded": {"population": "cortex", "node_id": [int(node) for node in recorded]},
        "traced": {"population": "cortex", "node_id": [int(node) for node in traced]},
    }


def _simulation_config(seed: int, tstop: float) -> dict:
    def report(cells: str, variable: str, sections: str, dt: float = 0.1) -> dict:
        return {
            "module": "membrane_report",
            "cells": cells,
            "variable_name": variable,
            "sections": sections,
            "dt": dt,
        }

    return {
        "manifest": {"$BASE_DIR": ".", "$OUTPUT_DIR": "$BASE_DIR/output"},
        "target_simulator": "isocortex",
        "network": "$BASE_DIR/circuit_config.json",
        "node_sets_file": "$BASE_DIR/node_sets.json",
        "run": {"tstop": tstop, "dt": 0.1, "dL": 20.0, "spike_threshold": -15.0},
        "conditions": {"celsius": 34.0, "v_init": -80.0},
        "inputs": {
            "background": {
                "input_type": "spikes",
                "module": "poisson",
                "node_set": "background",
                "firing_rate": BACKGROUND_RATE,
                "seed": seed,
            }
        },
        "output": {
            "output_dir": "$OUTPUT_DIR",
            "log_file": "log.txt",
            "spikes_file": "spikes.h5",
            "spikes_sort_order": "time",
            "overwrite_output_dir": True,
        },
        "reports": {
            "membrane_potential": report("recorded", "v", "soma"),
            "calcium_concentration": report("recorded", "cai", "soma"),
            "whole_cell": report("traced", "v", "all", 0.5),
        },
    }


def _write_json(file: Path, value: dict) -> None:
    with disk_errors(file, "write it"):
        file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
