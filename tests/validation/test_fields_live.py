"""Stimulation from outside cells beside BMTK's modules ``xstim`` and ``comsol``, run now.

The same spikes, and the same voltages of every compartment. Needs NEURON and BMTK in the same
environment (`make test-oracle`).
"""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from bionet_case import bionet_case, two_models
from fields_case import write_map, write_mesh
from neuron_cell import compile_channels

import isocortex as ic
from isocortex.sonata.write import write_edges, write_nodes, write_types

pytest.importorskip("neuron")
pytest.importorskip("bmtk")

BIONET = Path(__file__).parents[1] / "run_bionet_fields.py"
CELLS, TSTOP = 5, 60.0
#: source, target, type, number of synapses onto the soma
SYNAPSES = [(0, 1, 0, 3), (1, 0, 0, 1), (2, 1, 1, 1), (3, 4, 0, 2), (4, 0, 1, 1), (0, 2, 0, 1)]
#: mV, mA/cm2; of a membrane's current NEURON knows no more, a small part of one among neighbours.
TOLERANCES = {"e_extracellular": 1e-6, "i_membrane": 2e-5}
CLAMP = {"input_type": "current_clamp", "module": "IClamp", "node_set": "cortex", "amp": 0.15,
         "delay": 5.0, "duration": 50.0}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five turned cells of two models, wired, and files of potentials and electrodes."""
    folder = tmp_path_factory.mktemp("fields")
    rng = np.random.default_rng(5)
    write_types(folder / "cortex_types.csv", two_models())
    places = {axis: rng.uniform(-60.0, 60.0, CELLS) for axis in "xyz"}
    angles = {f"rotation_angle_{axis}axis": rng.uniform(-3.0, 3.0, CELLS) for axis in "xyz"}
    write_nodes(folder / "cortex.h5", "cortex", np.arange(CELLS) % 2, places | angles)
    (folder / "synapses").mkdir()
    for name, tau2, erev in (("e", 3.0, 0.0), ("i", 15.0, -70.0)):
        values = {"tau1": 1.0, "tau2": tau2, "erev": erev}
        (folder / "synapses" / f"{name}.json").write_text(json.dumps(values))
    write_types(folder / "edge_types.csv", pd.DataFrame({
        "edge_type_id": range(2), "model_template": "exp2syn",
        "dynamics_params": ["e.json", "i.json"], "syn_weight": [0.006, 0.003],
        "delay": [1.35, 2.0], "target_sections": ["['somatic']"] * 2,
        "distance_range": ["[-1.0, 100.0]"] * 2,
    }))  # fmt: skip
    table = pd.DataFrame(
        SYNAPSES, columns=["source_node_id", "target_node_id", "edge_type_id", "nsyns"]
    )
    write_edges(folder / "somatic.h5", "cortex", "cortex", (CELLS, CELLS), table)
    compile_channels(folder / "mechanisms")
    write_mesh(folder / "mesh.csv", 25)
    (folder / "electrodes.csv").write_text(
        "ip electrode_mesh_file pos_x pos_y pos_z rotation_x rotation_y rotation_z\n"
        "0 mesh.csv 200.0 10.0 -40.0 0.3 -1.2 2.0\n1 mesh.csv -30.0 250.0 0.0 0.0 0.0 0.0\n"
    )
    (folder / "point.csv").write_text(
        "pos_x pos_y pos_z rotation_x rotation_y rotation_z\n-150.0 90.0 310.0 0.0 0.0 0.0\n"
    )
    (folder / "wave.csv").write_text(
        "time amplitude\n0.0 0.0\n3.0 1.0\n4.05 -0.5\n12.0 0.7\n20.0 0.0\n"
    )
    (folder / "other.csv").write_text("time amplitude\n0.0 0.5\n1.0 -1.0\n20.0 0.5\n")
    write_map(folder / "one.txt", rng, unit="mV")
    write_map(folder / "two.txt", rng, unit="V")
    write_map(folder / "timed.txt", rng, unit="mV", times=1e-3 * np.array([0, 0.35, 2, 2.5, 7, 9]))
    return folder


def configure(folder, name, fields, tstop=TSTOP):
    config = bionet_case(folder, tstop, ["cortex"], ["somatic"])
    config["networks"]["edges"][0]["edge_types_file"] = "$BASE/edge_types.csv"
    config |= {
        "node_sets": {"cortex": {"population": "cortex"}},
        "inputs": {"clamp": CLAMP, **fields},
        "output": {"output_dir": f"$BASE/{name}", "spikes_file": "spikes.h5",
                   "log_file": "log.txt", "overwrite_output_dir": True},
        "reports": {
            name: {"module": "membrane_report", "variable_name": name, "sections": "all",
                   "cells": "cortex"} for name in ("v", *(TOLERANCES if fields else ()))
        },
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    return path


def read(folder, name="v"):
    """Sorted (node, time) of spikes, and values of all compartments with their places."""
    with h5py.File(folder / "spikes.h5") as file:
        ids, times = (file[f"spikes/cortex/{k}"][:] for k in ("node_ids", "timestamps"))
    with h5py.File(folder / f"{name}.h5") as file:
        data = file["report/cortex/data"][:]
        mapping = file["report/cortex/mapping"]
        count = np.diff(mapping["index_pointer"][:].astype(int))
        where = np.column_stack([
            np.repeat(mapping["node_ids"][:], count), mapping["element_ids"][:],
            mapping["element_pos"][:],
        ])  # fmt: skip
    order = np.lexsort(where.T[::-1])
    return sorted(zip(ids.tolist(), times.round(6), strict=True)), data[:, order], where[order]


def run_bionet(config):
    command = [sys.executable, BIONET, config, config.with_suffix(".facts")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


FIELDS = {
    "sin": {"module": "xstim", "positions_file": "$BASE/electrodes.csv", "resistance": 250.0,
            "waveform": {"shape": "sin", "del": 10.0, "amp": 0.02, "dur": 35.0, "freq": 120.0}},
    "pulse": {"module": "xstim", "positions_file": "$BASE/point.csv",
              "waveform": {"shape": "dc", "del": 20.0, "amp": -0.05, "dur": 15.05}},
    "samples": {"module": "xstim", "positions_file": "$BASE/electrodes.csv",
                "mesh_files_dir": "$BASE", "waveform": "$BASE/wave.csv"},
    "stationary": {"module": "comsol", "comsol_files": "$BASE/one.txt",
                   "waveforms": "$BASE/wave.csv", "amplitudes": 10},
    "two_maps": {"module": "comsol", "comsol_files": ["$BASE/one.txt", "$BASE/two.txt"],
                 "waveforms": ["$BASE/wave.csv", "$BASE/other.csv"], "amplitudes": [6, -0.01]},
    "changing": {"module": "comsol", "comsol_files": "$BASE/timed.txt", "amplitudes": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def without(folder):
    """Voltages without a field."""
    config = configure(folder, "without", {})
    ic.run(config, threads=1)
    return read(config.with_suffix(""))[1]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_acts_as_in_bionet(folder, without, name):
    entry = {"input_type": "lfp", "node_set": "cortex"} | FIELDS[name]
    config = configure(folder, name, {"field": entry})
    run_bionet(config)
    ic.run(config, output_dir=config.with_suffix(".ours"), threads=1)
    expected, theirs, places = read(config.with_suffix(""))
    found, ours, ours_places = read(config.with_suffix(".ours"))
    np.testing.assert_allclose(ours_places, places)
    assert len(expected) >= 5
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-4)
    assert np.abs(ours - without).max() > 1.0  # the field does something
    for report, tolerance in TOLERANCES.items():
        theirs, ours = (read(config.with_suffix(suffix), report)[1] for suffix in ("", ".ours"))
        assert np.ptp(theirs) > 100.0 * tolerance
        scale = max(np.abs(theirs).max(), 1.0)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=scale * tolerance, err_msg=report)
