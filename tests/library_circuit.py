"""A few library cells driven by a few virtual nodes, as SONATA files; every number is a choice."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.sonata.write import write_edges, write_nodes, write_types

CELL = "485836906"
EXC = {"tau1": 0.1, "tau2": 1.7, "erev": 0.0}
#: Where cells are that potentials are recorded of.
ORIGIN = {"x": [0.0], "y": [0.0], "z": [0.0]}
SYNAPSE = {
    "edge_type_id": 0, "model_template": "exp2syn", "syn_weight": 1e-3, "delay": 1.0,
    "dynamics_params": "exc.json", "target_sections": "['basal']",
    "distance_range": "[0.0, 150.0]",
}  # fmt: skip


def write_library_circuit(
    folder: Path,
    *,
    cells: int = 2,
    drive: int = 2,
    edges: list[tuple[int, int, int]] = (),
    recurrent: list[tuple[int, int, int]] = (),
    synapse: dict | None = None,
    place: dict | None = None,
    **sections,
) -> Path:
    """Write circuit and simulation; returns the simulation configuration.

    Parameters
    ----------
    edges, recurrent : (source, target, nsyns) from ``drive`` to ``cells``, among ``cells``.
    synapse : changes to ``SYNAPSE``.
    place : attributes of the cells, such as ``ORIGIN``.
    sections : of the configuration; dictionaries are merged into the defaults.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exc.json").write_text(json.dumps(EXC))
    node = {"node_type_id": [1], "model_type": "biophysical", "model_template": f"isocortex:{CELL}"}
    write_types(folder / "cells_types.csv", pd.DataFrame({**node, **(place or {})}))
    write_types(
        folder / "drive_types.csv", pd.DataFrame({"node_type_id": [2], "model_type": "virtual"})
    )
    write_nodes(folder / "cells.h5", "cells", np.full(cells, 1))
    write_nodes(folder / "drive.h5", "drive", np.full(drive, 2))
    write_types(folder / "edge_types.csv", pd.DataFrame([{**SYNAPSE, **(synapse or {})}]))
    for source, count, rows in (("drive", drive, edges), ("cells", cells, recurrent)):
        table = pd.DataFrame(rows, columns=["source_node_id", "target_node_id", "nsyns"], dtype=int)
        table = table.sort_values("target_node_id", kind="stable").assign(edge_type_id=0)
        write_edges(folder / f"{source}_edges.h5", source, "cells", (count, cells), table)
    config = {
        "run": {"tstop": 10.0, "dt": 0.1},
        "conditions": {"celsius": 34.0, "v_init": -80.0},
        "components": {"synaptic_models_dir": ".", "biophysical_neuron_models_dir": ".",
                       "morphologies_dir": "."},
        "networks": {
            "nodes": [{"nodes_file": f"{n}.h5", "node_types_file": f"{n}_types.csv"}
                      for n in ("cells", "drive")],
            "edges": [{"edges_file": f"{n}_edges.h5", "edge_types_file": "edge_types.csv"}
                      for n in ("drive", "cells")],
        },
        "output": {"output_dir": "output"},
    }  # fmt: skip
    for name, values in sections.items():
        config[name] = {**config.get(name, {}), **values}
    path = folder / "simulation.json"
    path.write_text(json.dumps(config))
    return path


def clamp(amp=0.3, node_ids=(0,), delay=1.0, duration=100.0) -> dict:
    """A current step, as an entry of ``inputs``."""
    cells = {"population": "cells", "node_id": list(node_ids)}
    return {"input_type": "current_clamp", "module": "IClamp", "node_set": cells,
            "amp": amp, "delay": delay, "duration": duration}  # fmt: skip


def poisson(rate=400.0, seed=1) -> dict:
    """Trains of the virtual nodes, as an entry of ``inputs``."""
    return {"input_type": "spikes", "module": "poisson", "node_set": "drive",
            "firing_rate": rate, "seed": seed}  # fmt: skip


def report(variable, sections="soma", cells="cells", **more) -> dict:
    """A membrane report, as an entry of ``reports``."""
    return {"module": "membrane_report", "cells": cells, "variable_name": variable,
            "sections": sections, **more}  # fmt: skip


def potentials(folder: Path, cells="cells", **more) -> dict:
    """Potentials at three contacts, as an entry of ``reports``; their table is written here."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{k} {20.0 * k} {60.0 - 50.0 * k} 15.0\n" for k in range(3))
    (folder / "contacts.csv").write_text("channel x_pos y_pos z_pos\n" + rows)
    return {"module": "extracellular", "cells": cells, "variable_name": "v",
            "electrode_positions": "contacts.csv", "electrode_channels": "all", **more}  # fmt: skip


def field(folder: Path, amp=0.02, frequency=150.0, **more) -> dict:
    """A sine of two electrodes outside, as an entry of ``inputs``; their table is written here."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "electrodes.csv").write_text("pos_x pos_y pos_z\n900 30 20\n-40 1200 90\n")
    return {"input_type": "lfp", "module": "xstim", "node_set": "all",
            "positions_file": "electrodes.csv",
            "waveform": {"shape": "sin", "del": 3.0, "dur": 30.0, "amp": amp, "freq": frequency},
            **more}  # fmt: skip
