"""Cells that act on each other and virtual ones that burst, for BioNet and Isocortex."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from bionet_case import bionet_case, two_models
from neuron_cell import nrnivmodl

from isocortex.sonata.write import write_edges, write_nodes, write_types

TSTOP = 300.0
#: How synapses are made: with the numbers of their edges' type.
MAKER = """
def maker(name):
    def synapse(params, x, section):
        made = getattr(h, name)(x, sec=section)
        for key, value in params.items():
            setattr(made, "e" if key == "erev" else key, value)
        return made
    return synapse
"""
CHILD = """
import json, sys
from bmtk.simulator import bionet
from bmtk.simulator.bionet.pyfunction_cache import add_synapse_model
from neuron import h
{maker}
for name in sys.argv[2:]:
    add_synapse_model(maker(name), name, overwrite=True)
config = bionet.Config.from_json(sys.argv[1], validate=True)
config.build_env()
network = bionet.BioNetwork.from_config(config)
bionet.BioSimulator.from_config(config, network=network).run()
bionet.nrn.quit_execution()
"""


def run_bionet(folder, config, names, maker=MAKER):
    """Run a configuration with synapses of these names, which BMTK has no functions for."""
    script = CHILD.format(maker=maker)
    subprocess.run([sys.executable, "-c", script, config, *names], cwd=folder, check=True)


def compile_mods(folder, texts):
    """BMTK's channels and mod files of these names, where NEURON finds them."""
    import bmtk

    (folder / "modfiles").mkdir(parents=True)
    channels = Path(bmtk.__file__).parent / "utils" / "scripts" / "bionet" / "mechanisms"
    files = {file.name: file.read_text() for file in (channels / "modfiles").glob("*.mod")}
    for name, text in (files | {f"{name}.mod": text for name, text in texts.items()}).items():
        (folder / "modfiles" / name).write_text(text)
    nrnivmodl(folder)


def write_edge_types(folder, values):
    """By name template, parameters and weight: each with two delays. Returns how many there are."""
    (folder / "synapses").mkdir()
    rows = []
    for name, (template, numbers, weight) in values.items():
        (folder / "synapses" / f"{name}.json").write_text(json.dumps(numbers))
        rows += [(template, f"{name}.json", weight, delay) for delay in (1.3, 2.75)]
    table = pd.DataFrame(rows, columns=["model_template", "dynamics_params", "syn_weight", "delay"])
    table.insert(0, "edge_type_id", range(len(table)))
    write_types(folder / "edge_types.csv", table)
    return len(table)


def write_cells(folder, cells, drive):
    """Two models of cells in turn, and virtual nodes."""
    write_types(folder / "cortex_types.csv", two_models())
    virtual = pd.DataFrame({"node_type_id": [0], "model_type": "virtual"})
    write_types(folder / "drive_types.csv", virtual)
    write_nodes(folder / "cortex.h5", "cortex", np.arange(cells) % 2)
    write_nodes(folder / "drive.h5", "drive", np.zeros(drive, int))


def write_all_edges(folder, cells, drive, n_types, several, random):
    """Of every type so many connections among cells and from virtual nodes, by population."""
    columns = ["source_node_id", "target_node_id", "edge_type_id", "afferent_section_id",
               "afferent_section_pos"]  # fmt: skip
    for source, n in (("cortex", cells), ("drive", drive)):
        rows = [(int(random.integers(n)), int(random.integers(cells)), kind,
                 int(random.integers(6)), float(random.choice([0.3, 0.5, 0.9])))
                for kind in range(n_types) for _ in range(several[source])]  # fmt: skip
        table = pd.DataFrame(rows, columns=columns)
        write_edges(folder / f"{source}_cortex.h5", source, "cortex", (n, cells), table)


def write_bursts(folder, drive, random):
    """Bursts with pauses between them, anywhere within steps, some spikes in the same one."""
    trains = []
    for _ in range(drive):
        begin = np.arange(5.0, TSTOP, 45.0) + random.uniform(0.0, 20.0, 7)
        within = np.cumsum(random.choice([0.03, 0.1, 1.3, 4.0, 9.7], (7, 6)), axis=1)
        trains.append(np.sort((begin[:, None] + within).ravel()))
    order = np.argsort(np.concatenate(trains), kind="stable")
    nodes = np.repeat(np.arange(drive, dtype=np.uint64), [len(t) for t in trains])
    with h5py.File(folder / "spikes.h5", "w") as file:
        file["spikes/drive/node_ids"] = nodes[order]
        file["spikes/drive/timestamps"] = np.concatenate(trains)[order]
        file["spikes/drive/timestamps"].attrs["units"] = "ms"


def write_configuration(folder, amp, single):
    """With a current of ``amp`` (nA), and reports of voltages and, by name, of single synapses."""
    config = bionet_case(folder, TSTOP, ["cortex", "drive"], ["cortex_cortex", "drive_cortex"]) | {
        "node_sets": {"biophysical": {"model_type": "biophysical"}},
        "inputs": {
            "s": {"input_type": "spikes", "module": "sonata", "node_set": "drive",
                  "input_file": "$BASE/spikes.h5"},
            "i": {"input_type": "current_clamp", "module": "IClamp", "amp": amp, "delay": 5.0,
                  "duration": 290.0, "node_set": {"population": "cortex"}},
        },
        "output": {"output_dir": "$BASE/bionet", "spikes_file": "spikes.h5", "log_file": "log.txt",
                   "overwrite_output_dir": True},
        "reports": {
            "v": {"module": "membrane_report", "variable_name": "v", "cells": "biophysical",
                  "sections": "soma"},
            **{report: {"module": "netcon_report", "variable_name": variable, "syn_type": template}
               for report, (template, variable) in single.items()},
        },
    }  # fmt: skip
    path = folder / "simulation.json"
    path.write_text(json.dumps(config))
    return path


def require_same_spikes(bionet, ours, more_than):
    """Every spike is at its step, and there are more than so many."""
    with h5py.File(bionet / "spikes.h5") as file:
        group = file["spikes/cortex"]
        expected = sorted(zip(group["node_ids"][:], group["timestamps"][:], strict=True))
    found = sorted(zip(ours.spikes["node_ids"], ours.spikes["timestamps"], strict=True))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert len(expected) > more_than


def both(bionet, ours, report):
    """BioNet's values of a report, and ours."""
    with (
        h5py.File(bionet / f"{report}.h5") as theirs,
        h5py.File(ours.directory / f"{report}.h5") as file,
    ):
        return tuple(f["report/cortex/data"][:] for f in (theirs, file))
