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
    EdgePopulation,
    NodePopulation,
    PoissonInput,
    Simulation,
    SynapseRule,
    Text,
)
from isocortex.cortex.counts import CLASSES, HEMISPHERES, N_EXCITATORY, group_of
from isocortex.cortex.drive import RATE, SYNAPSES, Drive
from isocortex.cortex.model import CortexModel
from isocortex.cortex.projection import LIBRARY_PREFIX, POPULATION, CortexProjection
from isocortex.mechanisms.synapses import Kinetics
from isocortex.random import keys

#: The population of virtual nodes that stands for all input from outside the cortex.
BACKGROUND = "background"
#: ms, from a background spike to its synapses.
BACKGROUND_DELAY = 1.0


def simulation_of(cortex: CortexModel, drive: Drive, *, tstop: float) -> Simulation:
    """What :func:`isocortex.cortex.build.build_cortex` writes, without files or reports.

    Parameters
    ----------
    drive : the background.
    tstop : ms.
    """
    circuit, n = circuit_of(cortex, drive), len(cortex)
    key = f"{cortex.recipe.seed}:{BACKGROUND}:{BACKGROUND}"
    poisson = PoissonInput(
        BACKGROUND, np.arange(n), np.full(n, RATE), 0.0, tstop, keys(key, np.arange(n))
    )
    return Simulation(
        circuit=circuit, config_file=NOWHERE, dt=0.1, tstop=tstop, dL=20.0, spike_threshold=-15.0,
        celsius=34.0, v_init=-80.0, inputs=[poisson], reports=[], output_dir=NOWHERE,
        spikes_file="spikes.h5", spikes_file_csv=None, spikes_sort_order="by_time", log_file=None,
        overwrite_output_dir=False, seed=cortex.recipe.seed,
    )  # fmt: skip


#: In place of files, for what was never read from any.
NOWHERE = Path("(made in memory)")


def circuit_of(cortex: CortexModel, drive: Drive) -> Circuit:
    """The circuit in memory: two populations, the background's edges, the cortex's projection."""
    types, type_id = node_types(cortex)
    columns: dict[str, Column] = {"node_type_id": type_id}
    for name in types.columns[1:]:
        columns[name] = Text.named(type_id, types[name])
    for name, values in attributes(cortex).items():
        columns[name] = Text.of(values) if values.dtype.kind == "S" else values
    neurons = NodePopulation(POPULATION, np.arange(len(cortex)), columns, NOWHERE)
    virtual = {"model_type": Text(np.zeros(len(cortex), np.int32), ("virtual",))}
    sources = NodePopulation(BACKGROUND, np.arange(len(cortex)), virtual, NOWHERE)
    projection = CortexProjection.of(cortex, neurons)
    return Circuit(
        nodes={POPULATION: neurons, BACKGROUND: sources},
        projections=[_background(cortex, drive), projection],
        components={}, node_sets={}, config_file=NOWHERE,
    )  # fmt: skip


# --- nodes ------------------------------------------------------------------------------------


def node_types(cortex: CortexModel) -> tuple[pd.DataFrame, NDArray[np.int64]]:
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
                "model_template": f"{LIBRARY_PREFIX}{model}",
            }
        )
    return pd.DataFrame(rows), type_id


def attributes(cortex: CortexModel) -> dict[str, NDArray[Any]]:
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


def background_types(cortex: CortexModel, drive: Drive) -> pd.DataFrame:
    """One type of edge per (layer, class, cell model): weight, delay and places of synapses.

    The background ends where axons from far away do, on synapses like theirs.
    """
    names = kinetics_names(cortex)
    rows = []
    for number, (layer, name, model) in enumerate(cortex.kinds[0]):
        rule = cortex.rules[cortex.far_rule[group_of((layer, name))]]
        rows.append(
            {
                "edge_type_id": number,
                "syn_weight": round(drive.of(layer, name, model) * 1e-3, 9),
                "delay": BACKGROUND_DELAY,
                "model_template": "exp2syn",
                "dynamics_params": f"{names[rule.kinetics]}.json",
                "target_sections": rule.sections,
                "distance_range": tuple(min(end, 1e20) for end in rule.distance_range),
            }
        )
    return pd.DataFrame(rows)


def dynamics_of(kinetics: Kinetics) -> dict[str, Any]:
    """What a file of ``dynamics_params`` holds for these kinetics."""
    return {"level_of_detail": "exp2syn", "tau1": kinetics.tau_rise,
            "tau2": kinetics.tau_decay, "erev": kinetics.reversal}  # fmt: skip


def _background(cortex: CortexModel, drive: Drive) -> EdgePopulation:
    types, n = background_types(cortex, drive), len(cortex)
    dynamics = {f"{name}.json": dynamics_of(k) for k, name in kinetics_names(cortex).items()}
    rules = [
        SynapseRule(row["model_template"], dynamics[row["dynamics_params"]],
                    row["dynamics_params"], row["target_sections"], row["distance_range"])
        for row in types.to_dict("records")
    ]  # fmt: skip
    rule = cortex.kinds[1].astype(np.int32)
    return EdgePopulation(
        name=f"{BACKGROUND}_to_{POPULATION}", source=BACKGROUND, target=POPULATION,
        source_index=np.arange(n), target_index=np.arange(n), rule=rule, rules=rules,
        weight=types["syn_weight"].to_numpy()[rule], delay=np.full(n, BACKGROUND_DELAY),
        nsyns=np.full(n, SYNAPSES, np.int32), section_id=np.full(n, -1, np.int32),
        section_pos=np.full(n, np.nan), weight_is_final=np.zeros(n, bool),
    )  # fmt: skip


def kinetics_names(cortex: CortexModel) -> dict[Kinetics, str]:
    """A name for each distinct kinetics of the rules."""
    distinct = dict.fromkeys(rule.kinetics for rule in cortex.rules)
    return {
        k: f"{'AMPA' if k.reversal > -40.0 else 'GABA'}_{k.tau_rise:g}_{k.tau_decay:g}"
        for k in distinct
    }
