"""Inputs of BMTK beside BioNet, run now: the same spikes and voltages.

Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from allen_nwb import write_sweeps
from bionet_case import bionet_case, two_models
from neuron_cell import compile_channels

import isocortex as ic
from isocortex.sonata.write import write_edges, write_nodes, write_types

pytest.importorskip("neuron")
pytest.importorskip("bmtk")

BIONET = Path(__file__).parents[2] / "benchmarks" / "run_bionet.py"
CELLS, DRIVE, TSTOP = 5, 3, 80.0
#: source, target, type, section, position of edges with places
PLACED = [(0, 1, 0, 0, 0.5), (0, 2, 0, 3, 0.6), (2, 0, 1, 5, 0.85), (2, 1, 0, 1, 0.3),
          (3, 0, 0, 0, 0.5), (4, 2, 1, 1, 0.9), (1, 4, 0, 2, 0.5)]  # fmt: skip
#: source, target, type, number of synapses of edges onto somata, where there is one place
SOMATIC = [(0, 1, 2, 3), (1, 0, 2, 1), (2, 1, 3, 2), (3, 4, 2, 2), (4, 0, 3, 1), (0, 2, 2, 1)]
DRIVING = [(0, 0, 0, 0, 0.5), (1, 1, 0, 1, 0.4), (1, 3, 0, 0, 0.5), (2, 4, 0, 2, 0.5)]
EVERY = {"input_type": "current_clamp", "module": "IClamp", "node_set": "cortex",
         "amp": 0.35, "delay": 5.0, "duration": 60.0}  # fmt: skip


def _network(folder):
    """Five cells of two models and three virtual nodes, with edges in three files."""
    types = two_models().assign(ei=["e", "i"])
    write_types(folder / "cortex_types.csv", types)
    write_nodes(folder / "cortex.h5", "cortex", np.arange(CELLS) % 2)
    virtual = pd.DataFrame({"node_type_id": [0], "model_type": "virtual"})
    write_types(folder / "drive_types.csv", virtual)
    write_nodes(folder / "drive.h5", "drive", np.zeros(DRIVE, int))
    (folder / "synapses").mkdir()
    for name, tau2, erev in (("e", 3.0, 0.0), ("i", 15.0, -70.0)):
        values = {"tau1": 1.0, "tau2": tau2, "erev": erev}
        (folder / "synapses" / f"{name}.json").write_text(json.dumps(values))
    write_types(folder / "edge_types.csv", pd.DataFrame({
        "edge_type_id": range(4), "model_template": "exp2syn",
        "dynamics_params": ["e.json", "i.json"] * 2, "syn_weight": [0.006, 0.003, 0.004, 0.002],
        "delay": [1.35, 2.0, 0.95, 1.3], "target_sections": ["['somatic']"] * 4,
        "distance_range": ["[-1.0, 100.0]"] * 4,
    }))  # fmt: skip
    names = ["source_node_id", "target_node_id", "edge_type_id"]
    places = [*names, "afferent_section_id", "afferent_section_pos"]
    counts = (CELLS, CELLS)
    table = pd.DataFrame(PLACED, columns=places)
    write_edges(folder / "placed.h5", "cortex", "cortex", counts, table)
    table = pd.DataFrame(SOMATIC, columns=[*names, "nsyns"])
    write_edges(folder / "somatic.h5", "cortex", "cortex", counts, table)
    table = pd.DataFrame(DRIVING, columns=places)
    write_edges(folder / "driving.h5", "drive", "cortex", (DRIVE, CELLS), table)
    compile_channels(folder / "mechanisms")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    _network(folder)
    return folder


def configure(folder, name, inputs, edges=(), nodes=("cortex", "drive")):
    """A simulation with some inputs and some of the edge files; returns its configuration."""
    config = bionet_case(folder, TSTOP, nodes, edges) | {
        "node_sets": {"cortex": {"population": "cortex"}},
        "inputs": inputs,
        "output": {"output_dir": f"$BASE/{name}", "spikes_file": "spikes.h5",
                   "log_file": "log.txt", "overwrite_output_dir": True},
        "reports": {"v": {"module": "membrane_report", "variable_name": "v", "sections": "soma",
                          "cells": "cortex"}},
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    return path


def both(config):
    """(spikes, voltages) of BioNet and of Isocortex: sorted (node, time), and an array."""
    facts = config.with_suffix(".facts")
    subprocess.run([sys.executable, BIONET, config, facts], check=True, capture_output=True)
    ic.run(config, output_dir=config.with_suffix(".ours"), threads=1)
    found = []
    for folder in (config.with_suffix(""), config.with_suffix(".ours")):
        with h5py.File(folder / "spikes.h5") as file:
            ids, times = (file[f"spikes/cortex/{k}"][:] for k in ("node_ids", "timestamps"))
        with h5py.File(folder / "v.h5") as file:
            order = np.argsort(file["report/cortex/mapping/node_ids"][:])
            voltages = file["report/cortex/data"][:][:, order]
        found.append((sorted(zip(ids.tolist(), times.round(6), strict=True)), voltages))
    return found


def assert_same(config, spikes=1):
    """The same spikes at the same steps, and the same voltages of the somata."""
    (expected, theirs), (found, ours) = both(config)
    assert len(expected) >= spikes
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)


# --- replay -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def before(folder):
    """The run that is replayed."""
    clamp = EVERY | {"node_set": {"population": "cortex", "node_id": [0, 2, 3]}}
    config = configure(folder, "before", {"clamp": clamp}, ["placed", "somatic"], ["cortex"])
    result = ic.run(config)
    assert result.spikes["node_ids"].nunique() > 2
    return folder / "before" / "spikes.h5"


def replayed(before, edges, **more):
    files = {"edges_file": f"$BASE/{edges}.h5", "edge_types_file": "$BASE/edge_types.csv"}
    return {"input_type": "replay_spikes", "module": "replay", "spikes_file": str(before),
            "edges": files, **more}  # fmt: skip


def test_replay_onto_cells_without_connections(folder, before):
    inputs = {"r": replayed(before, "placed"), "s": replayed(before, "somatic")}
    assert_same(configure(folder, "replay", inputs, nodes=["cortex"]))


def test_replay_of_some_edges_into_a_running_network(folder, before):
    some = replayed(
        before, "placed", source_node_set={"population": "cortex", "ei": ["e"]},
        target_node_set={"population": "cortex", "node_id": [1, 0]},
    )  # fmt: skip
    clamp = EVERY | {"node_set": {"population": "cortex", "node_id": [3]}}
    config = configure(folder, "some", {"r": some, "c": clamp}, ["somatic"], ["cortex"])
    assert_same(config)


# --- sweeps -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        {"downsample": 0.1},
        {"input_type": "allen", "sweep_id": "Sweep_3", "sweep_window": [4.0, 30.0]},
        {"delay": 11.03, "downsample": 0.25, "section_name": "dend", "section_index": 1},
    ],
    ids=["downsampled", "window", "delay"],
)
def test_sweeps(folder, request, entry):
    rng = np.random.default_rng(2)
    times = np.arange(0, 60.0, 0.005)  # as the Allen Institute samples, 200 kHz
    noise = np.repeat(rng.normal(0.25, 0.25, len(times) // 80), 80)
    write_sweeps(folder / "cell.nwb", {"Sweep_3": 1e-9 * noise}, 2e5)
    clamp = {"input_type": "nwb", "module": "IClamp", "node_set": "cortex",
             "file": "$BASE/cell.nwb", "sweep_id": 3} | entry  # fmt: skip
    assert_same(configure(folder, request.node.callspec.id, {"c": clamp}, nodes=["cortex"]))


# --- units of recordings ----------------------------------------------------------------------


def write_recording(path, units, channels):
    """A recording with sorted units as pynwb writes it: two electrodes, three gratings."""
    from datetime import UTC, datetime

    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.epoch import TimeIntervals

    file = NWBFile(
        session_description="invented", identifier=path.name,
        session_start_time=datetime(2020, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    group = file.create_electrode_group(
        name="probe", description="invented", location="brain",
        device=file.create_device(name="probe"),
    )  # fmt: skip
    for location in ("VISp", "LGd"):
        file.add_electrode(location=location, group=group)
    file.add_unit_column(name="peak_channel_id", description="invented")
    for (unit, times), channel in zip(units.items(), channels, strict=True):
        file.add_unit(id=unit, spike_times=times, peak_channel_id=channel)
    gratings = TimeIntervals(name="gratings_presentations", description="invented")
    gratings.add_column(name="angle", description="invented")
    for start, stop, angle in ((0.5, 0.6, 0.0), (0.95, 1.0, 90.0), (1.01, 1.08, 90.0)):
        gratings.add_row(start_time=start, stop_time=stop, angle=angle)
    file.add_time_intervals(gratings)
    with NWBHDF5IO(path, "w") as out:
        out.write(file)


@pytest.mark.parametrize(
    "interval",
    [[1000.0, 1060.0], {"interval_name": "gratings", "interval_index": 1, "angle": 90.0}],
    ids=["ms", "stimulus"],
)
def test_units_of_a_recording(folder, request, interval):
    pytest.importorskip("pynwb")  # BMTK reads these files with it
    rng = np.random.default_rng(4)
    units = {900 + k: np.sort(rng.uniform(0.9, 1.2, 60)) for k in range(4)}
    write_recording(folder / "probe.nwb", units, [0, 1, 1, 0])
    (folder / "map.csv").write_text("node_ids unit_ids\n0 903\n1 900\n2 901\n")
    probe = {"input_type": "spikes", "module": "ecephys_probe", "node_set": "drive",
             "input_file": str(folder / "probe.nwb"), "mapping": "units_map",
             "units": str(folder / "map.csv"), "interval": interval,
             "interval_offset": 3.0}  # fmt: skip
    name = f"probe_{request.node.callspec.id}"
    clamp = EVERY | {"amp": 0.15}
    assert_same(configure(folder, name, {"p": probe, "c": clamp}, ["driving"]))


# --- synapses that act by themselves ------------------------------------------------------------


@pytest.mark.parametrize(
    "filters",
    [{"precell_filter": {"ei": "e", "population": "cortex"}},
     {"precell_filter": {"population": "cortex"}, "postcell_filter": {"ei": ["i"]}}],
    ids=["from", "onto"],
)  # fmt: skip
def test_synapses_that_act_by_themselves(folder, request, filters):
    """At given times or never: cells that fire reach no other, virtual nodes act as ever."""
    with h5py.File(folder / "drive_spikes.h5", "w") as file:
        file["spikes/drive/node_ids"] = np.array([0, 1, 2], np.uint64)
        file["spikes/drive/timestamps"] = np.array([15.0, 33.3, 52.0])
        file["spikes/drive/timestamps"].attrs["units"] = "ms"
    activity = {"input_type": "syn_activity", "module": "syn_activity",
                "timestamps": [10.0, 30.05, 60.0], **filters}  # fmt: skip
    drive = {"input_type": "spikes", "module": "sonata", "node_set": {"population": "drive"},
             "input_file": "$BASE/drive_spikes.h5"}  # fmt: skip
    inputs = {"a": activity, "d": drive, "c": EVERY | {"amp": 0.2}}
    config = configure(
        folder, f"spontaneous_{request.node.callspec.id}", inputs, ["somatic", "driving"]
    )
    assert_same(config)
