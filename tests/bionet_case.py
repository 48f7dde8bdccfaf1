"""The configuration of a small network that BioNet and Isocortex run beside each other."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from circuit import MODELS


def two_models() -> pd.DataFrame:
    """Node types of two perisomatic cells that BMTK ships."""
    models = [MODELS[0], MODELS[3]]
    return pd.DataFrame({
        "node_type_id": range(2), "model_type": "biophysical",
        "model_template": "ctdb:Biophys1.hoc", "model_processing": "aibs_perisomatic",
        "dynamics_params": [fit for fit, _, _ in models],
        "morphology": [morphology for _, morphology, _ in models],
    })  # fmt: skip


def bionet_case(
    folder: Path, tstop: float, nodes: Iterable[str], edges: Iterable[str]
) -> dict[str, object]:
    """Sections but for inputs, output and reports.

    Parameters
    ----------
    nodes, edges : names of the files in the folder. Edges share ``edge_types.csv``; synapses are
        in its ``synapses``, channels compiled in its ``mechanisms``.
    """
    import bmtk  # which is not there where its tests are skipped

    package = Path(bmtk.__file__).parent / "utils" / "scripts" / "bionet"
    return {
        "manifest": {"$BASE": str(folder)},
        "target_simulator": "NEURON",
        "run": {"tstop": tstop, "dt": 0.1, "dL": 20.0, "spike_threshold": -15.0,
                "nsteps_block": 250},
        "conditions": {"celsius": 34.0, "v_init": -80.0},
        "components": {
            "morphologies_dir": str(package / "morphologies"),
            "biophysical_neuron_models_dir": str(package / "biophysical_neuron_models"),
            "synaptic_models_dir": "$BASE/synapses", "mechanisms_dir": "$BASE/mechanisms",
        },
        "networks": {
            "nodes": [{"nodes_file": f"$BASE/{n}.h5", "node_types_file": f"$BASE/{n}_types.csv"}
                      for n in nodes],
            "edges": [{"edges_file": f"$BASE/{n}.h5", "edge_types_file": "$BASE/edge_types.csv"}
                      for n in edges],
        },
    }  # fmt: skip
