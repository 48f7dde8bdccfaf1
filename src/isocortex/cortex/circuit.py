"""A cortex model as a circuit: its neurons, their background, and the projection it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.circuit import (
    Circuit,
    Column,
    Fluctuation,
    NodePopulation,
    PoissonInput,
    Simulation,
    Text,
)
from isocortex.cortex.background import BACKGROUND, FLUCTUATION, RATE, BackgroundProjection
from isocortex.cortex.counts import EXCITATORY, HEMISPHERES
from isocortex.cortex.drive import Drive
from isocortex.cortex.model import CortexModel
from isocortex.cortex.node_sets import node_sets
from isocortex.cortex.projection import LIBRARY_PREFIX, POPULATION, CortexProjection
from isocortex.network.drawn.pool import AXONS
from isocortex.random import keys


def simulation_of(cortex: CortexModel, drive: Drive | None = None, *, tstop: float) -> Simulation:
    """What :func:`isocortex.cortex.build.build_cortex` writes, without files or reports.

    Parameters
    ----------
    drive : the background, default the model's.
    tstop : ms.
    """
    circuit = circuit_of(cortex, drive)
    axons = np.arange(len(circuit.nodes[BACKGROUND].node_ids))
    key = f"{cortex.recipe.seed}:{BACKGROUND}"
    course = Fluctuation.shared(
        **FLUCTUATION, population=circuit.nodes[BACKGROUND], rows=axons, key=key
    )
    poisson = PoissonInput(
        BACKGROUND, axons, np.full(len(axons), RATE), 0.0, tstop,
        keys(f"{key}:{BACKGROUND}", axons), course,
    )  # fmt: skip
    return Simulation(
        circuit=circuit, config_file=NOWHERE, dt=0.1, tstop=tstop, dL=cortex.recipe.dL,
        spike_threshold=-15.0, celsius=34.0, v_init=-80.0, inputs=[poisson], reports=[],
        output_dir=NOWHERE,
        spikes_file="spikes.h5", spikes_file_csv=None, spikes_sort_order="by_time", log_file=None,
        overwrite_output_dir=False, seed=cortex.recipe.seed,
    )  # fmt: skip


#: In place of files, for what was never read from any.
NOWHERE = Path("(made in memory)")


def circuit_of(cortex: CortexModel, drive: Drive | None = None) -> Circuit:
    """The circuit in memory: neurons and background axons, and what both project."""
    types, type_id = node_types(cortex)
    columns: dict[str, Column] = {"node_type_id": type_id}
    for name in types.columns[1:]:
        columns[name] = Text.named(type_id, types[name])
    columns |= _columns(attributes(cortex))
    neurons = NodePopulation(POPULATION, np.arange(len(cortex)), columns, NOWHERE)
    places = axon_attributes(cortex)
    n = len(places["area"])
    virtual = {"model_type": Text(np.zeros(n, np.int32), ("virtual",)), **_columns(places)}
    axons = NodePopulation(BACKGROUND, np.arange(n), virtual, NOWHERE)
    return Circuit(
        nodes={POPULATION: neurons, BACKGROUND: axons},
        projections=[
            CortexProjection.of(cortex, neurons),
            BackgroundProjection(lambda: cortex, POPULATION, drive),
        ],
        components={}, node_sets=node_sets(cortex), config_file=NOWHERE,
    )  # fmt: skip


def _columns(attributes: dict[str, NDArray[Any]]) -> dict[str, Column]:
    return {
        name: Text.of(values) if values.dtype.kind == "S" else values
        for name, values in attributes.items()
    }


# --- nodes ------------------------------------------------------------------------------------


def node_types(cortex: CortexModel) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """One type per (layer, class, cell model) that occurs, and the type of every neuron."""
    kinds, type_id = cortex.kinds
    rows = []
    for number, (layer, name, model) in enumerate(kinds):
        excitatory = name in EXCITATORY
        rows.append(
            {
                "node_type_id": number,
                "pop_name": f"{'e' if excitatory else 'i'}{layer.replace('/', '')}{name}",
                "layer": f"L{layer}",
                "cell_class": name,
                "ei": "e" if excitatory else "i",
                "model_type": "biophysical",
                "model_template": f"{LIBRARY_PREFIX}{model}",
            }
        )
    return pd.DataFrame(rows), type_id


def attributes(cortex: CortexModel) -> dict[str, NDArray[Any]]:
    """Of every neuron: place (um, CCFv3), depth, direction of the pia, area and side."""
    n = cortex.neurons
    area = np.array([name.encode() for name in cortex.atlas.areas.index])
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
        "hemisphere": np.array([side.encode() for side in HEMISPHERES])[cortex.right.astype(int)],
    }


def axon_attributes(cortex: CortexModel) -> dict[str, NDArray[Any]]:
    """Of every axon of the background: area and side that it projects to."""
    area = np.array([name.encode() for name in cortex.atlas.areas.index])
    side = np.array([name.encode() for name in HEMISPHERES])
    return {
        "area": np.tile(np.repeat(area, AXONS), len(side)),
        "hemisphere": np.repeat(side, AXONS * len(area)),
    }
