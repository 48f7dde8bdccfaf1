"""Write a cortex model as a SONATA circuit, ready for ``isocortex run``.

Nodes are always written. Edges are written with ``materialize``; otherwise the circuit's
configuration holds the recipe, and whoever loads it draws the same synapses again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.cells.library import load_cell
from isocortex.cortex.atlas import LAYERS
from isocortex.cortex.counts import CLASSES, HEMISPHERES, N_EXCITATORY
from isocortex.cortex.drive import Drive, load_drive
from isocortex.cortex.model import CortexModel, Recipe, class_of
from isocortex.examples.sonata_files import write_edges, write_nodes, write_types
from isocortex.report.hdf5 import disk_errors

Progress = Callable[[str], None]


def build_cortex(
    folder: str | Path,
    recipe: Recipe,
    *,
    tstop: float = 1000.0,
    materialize: bool = False,
    progress: Progress = lambda what: None,
) -> Path:
    """Write circuit, background and configuration; returns the path of simulation_config.json.

    Parameters
    ----------
    folder : made if need be.
    tstop : ms, of the simulation that the configuration describes.
    materialize : write every synapse to an edge file.
    progress : told what is being done.
    """
    folder = Path(folder)
    network = folder / "network"
    with disk_errors(folder, "make the folder"):
        network.mkdir(parents=True, exist_ok=True)
        (folder / "synaptic_models").mkdir(exist_ok=True)
    progress("placing neurons")
    cortex = CortexModel.make(recipe)
    types, type_id = _node_types(cortex)
    write_types(network / "cortex_node_types.csv", types)
    write_nodes(network / "cortex_nodes.h5", "cortex", type_id, _attributes(cortex))
    progress("writing the background")
    _write_background(network, cortex, load_drive())
    models = _synaptic_models(cortex)
    for name, kinetics in models.items():
        content = {"level_of_detail": "exp2syn", "tau1": kinetics.tau_rise,
                   "tau2": kinetics.tau_decay, "erev": kinetics.reversal}  # fmt: skip
        _write_json(folder / "synaptic_models" / f"{name}.json", content)
    if materialize:
        progress("drawing synapses")
        _write_synapses(network, cortex)
    _write_json(folder / "circuit_config.json", _circuit_config(recipe, materialize))
    _write_json(folder / "node_sets.json", _node_sets(cortex))
    config = folder / "simulation_config.json"
    _write_json(config, _simulation_config(recipe, tstop))
    return config
