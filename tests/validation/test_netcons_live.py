"""`netcon_report` beside BioNet, run now: every sample of every synapse, and the file around them.

Sums over synapses (`g_exc`, `i_exc`, `g_inh`, `i_inh`), which BMTK lacks, are those of its own.
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
from bionet_case import bionet_case
from neuron_cell import compile_channels

import isocortex as ic
from circuit import MODELS
from isocortex.sonata.write import write_edges, write_nodes, write_types

pytest.importorskip("neuron")
pytest.importorskip("bmtk")

#: BMTK records connections only where the one population of cells is the first.
NODES = {"cortex": 5, "lgn": 3, "unheard": 2, "background": 4}
CELLS = ("cortex",)
TYPES = [  # template, tau1, tau2, erev, weight
    ("exp2syn", 1.0, 3.0, 0.0, 0.004),
    ("exp2syn", 2.7, 15.0, -70.0, 0.002),
    ("expsyn", 2.0, None, 0.0, 0.003),
    ("exp2syn", 2.9999, 3.0, -10.0, 0.001),  # NEURON moves the first constant
]
EDGES = [  # source, target, (source node, target node, type, section, position) of each
    ("background", "cortex", [(3, 0, 0, 0, 0.5), (1, 0, 2, 1, 0.3), (1, 2, 1, 0, 0.5)]),
    ("cortex", "cortex", [(2, 0, 1, 5, 0.85), (2, 0, 3, 4, 0.1), (0, 1, 0, 0, 0.5),
                          (0, 2, 2, 3, 0.6), (4, 0, 0, 3, 0.2), (4, 2, 1, 1, 0.9)]),
    ("unheard", "cortex", [(0, 0, 0, 0, 0.5), (1, 1, 2, 2, 0.5)]),
    ("lgn", "cortex", [(0, 0, 0, 2, 0.5), (2, 0, 0, 2, 0.5), (2, 1, 0, 1, 0.4), (1, 4, 0, 0, 0.5),
                       (1, 4, 0, 6, 0.7)]),
]  # fmt: skip
INPUTS = {"late": "lgn", "later": "background"}  # not in the order of the edge files
REPORTS = {
    **{name: {"variable_name": name} for name in ("i", "g", "A", "B", "tau1", "tau2", "e")},
    "some": {"variable_name": "g", "cells": {"population": "cortex", "node_id": [4, 0]},
             "start_time": 10.0, "end_time": 40.0, "dt": 0.5},
    "every_g": {"variable_name": "g", "syn_type": None},
    "every_i": {"variable_name": "i", "syn_type": None},
    "one_g": {"variable_name": ["g"], "syn_type": "ExpSyn"},
    "one_tau": {"variable_name": "tau", "syn_type": "ExpSyn"},
    "one_i": {"variable_name": "i", "syn_type": "ExpSyn"},
}  # fmt: skip
#: Reports that only Isocortex makes: the sums of what the others hold.
SUMS = ("g_exc", "g_inh", "i_exc", "i_inh", "g_syn", "i_syn")
TSTOP = 60.0


def _write(folder):
    """The circuit of the tables above, with explicit places; returns its configuration."""
    (folder / "synapses").mkdir()
    models = [MODELS[0], MODELS[3]]
    for name, n in NODES.items():
        if name in CELLS:
            types = pd.DataFrame({
                "node_type_id": range(len(models)), "model_type": "biophysical",
                "model_template": "ctdb:Biophys1.hoc", "model_processing": "aibs_perisomatic",
                "dynamics_params": [fit for fit, _, _ in models],
                "morphology": [morphology for _, morphology, _ in models],
            })  # fmt: skip
        else:
            types = pd.DataFrame({"node_type_id": [0], "model_type": "virtual"})
        write_types(folder / f"{name}_types.csv", types)
        write_nodes(folder / f"{name}.h5", name, np.arange(n) % len(types))
    for k, (_, tau1, tau2, erev, _) in enumerate(TYPES):
        values = {"tau1": tau1, "tau2": tau2, "erev": erev}
        (folder / "synapses" / f"{k}.json").write_text(json.dumps(values))
    write_types(folder / "edge_types.csv", pd.DataFrame({
        "edge_type_id": range(len(TYPES)), "model_template": [t[0] for t in TYPES],
        "dynamics_params": [f"{k}.json" for k in range(len(TYPES))],
        "syn_weight": [t[4] for t in TYPES], "delay": [1.35, 1.3, 0.95, 2.0],
    }))  # fmt: skip
    columns = ["source_node_id", "target_node_id", "edge_type_id", "afferent_section_id",
               "afferent_section_pos"]  # fmt: skip
    for source, target, rows in EDGES:
        table = pd.DataFrame(rows, columns=columns)
        counts = (NODES[source], NODES[target])
        write_edges(folder / f"{source}_{target}.h5", source, target, counts, table)
    random = np.random.default_rng(5)
    for name in INPUTS.values():
        ids = np.repeat(np.arange(NODES[name]), 6)
        with h5py.File(folder / f"{name}_spikes.h5", "w") as file:
            file[f"spikes/{name}/node_ids"] = ids.astype(np.uint64)
            file[f"spikes/{name}/timestamps"] = np.sort(random.uniform(0, TSTOP, len(ids)))
            file[f"spikes/{name}/timestamps"].attrs["units"] = "ms"
    compile_channels(folder / "mechanisms")
    edges = [f"{source}_{target}" for source, target, _ in EDGES]
    config = bionet_case(folder, TSTOP, NODES, edges) | {
        "node_sets": {"biophysical": {"model_type": "biophysical"}},
        "inputs": {
            **{name: {"input_type": "spikes", "module": "sonata", "node_set": population,
                      "input_file": f"$BASE/{population}_spikes.h5"}
               for name, population in INPUTS.items()},
            **{f"clamp_{name}": {"input_type": "current_clamp", "module": "IClamp", "amp": 0.35,
                                 "delay": 5.0, "duration": 40.0, "node_set": {"population": name}}
               for name in CELLS},
        },
        "output": {"output_dir": "$BASE/bionet", "spikes_file": "spikes.h5", "log_file": "log.txt",
                   "overwrite_output_dir": True},
        "reports": {name: {"module": "netcon_report", **values}
                    for name, values in REPORTS.items()},
    }  # fmt: skip
    path = folder / "simulation.json"
    path.write_text(json.dumps(config))
    return path


def _with_sums(config):
    """The configuration with reports of sums beside the others, in a file of its own."""
    content = json.loads(config.read_text())
    every = {"module": "membrane_report", "cells": "biophysical"}
    for name in SUMS:
        content["reports"][name] = {**every, "variable_name": name, "sections": "all"}
        content["reports"][f"{name}_of_cells"] = {
            **every, "variable_name": name, "sections": "soma", "type": "summation"
        }  # fmt: skip
    path = config.with_name("with_sums.json")
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Where BioNet and Isocortex left the reports of one circuit."""
    folder = tmp_path_factory.mktemp("netcons")
    config = _write(folder)
    script = Path(__file__).parents[2] / "benchmarks" / "run_bionet.py"
    subprocess.run([sys.executable, script, config, folder / "facts.json"], check=True)
    result = ic.run(_with_sums(config), output_dir=folder / "ours")
    with h5py.File(folder / "bionet" / "spikes.h5") as file:
        for name in CELLS:
            group, ours = file[f"spikes/{name}"], result.spikes.query("population == @name")
            times = np.round(group["timestamps"][:], 6)
            expected = sorted(zip(group["node_ids"][:], times, strict=True))
            found = sorted(zip(ours["node_ids"], ours["timestamps"], strict=True))
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
            assert len(expected) > 2
    return folder / "bionet", folder / "ours"


@pytest.mark.parametrize("report", REPORTS)
def test_values_are_those_of_bionet(folders, report):
    with (
        h5py.File(folders[0] / f"{report}.h5") as expected,
        h5py.File(folders[1] / f"{report}.h5") as found,
    ):
        assert sorted(found["report"]) == sorted(expected["report"])
        for population in expected["report"]:
            theirs, ours = (f[f"report/{population}/data"][:] for f in (expected, found))
            assert ours.shape == theirs.shape
            scale = np.abs(theirs).max(axis=0)
            if report == "every_g":
                assert (scale > 0).all()  # every synapse was heard
            # float32 keeps 24 bits: half a unit of the last, twice for what comes before; a current
            # that vanishes at the reversal is as exact as the voltage, not as itself
            np.testing.assert_allclose(ours, theirs, rtol=2.0**-23, atol=1e-9 * scale.max())


@pytest.mark.parametrize("report", REPORTS)
def test_mapping_is_that_of_bionet(folders, report):
    with (
        h5py.File(folders[0] / f"{report}.h5") as expected,
        h5py.File(folders[1] / f"{report}.h5") as found,
    ):
        assert found.attrs["magic"] == expected.attrs["magic"]
        for population, theirs in expected["report"].items():
            ours = found[f"report/{population}"]
            for name, values in theirs["mapping"].items():
                np.testing.assert_allclose(
                    ours[f"mapping/{name}"][:], values[:], rtol=0, atol=1e-12, err_msg=name
                )
                assert ours[f"mapping/{name}"].dtype.kind == values.dtype.kind
            assert set(theirs["data"].attrs) <= set(ours["data"].attrs)
            assert ours["data"].attrs["variable"] == theirs["data"].attrs["variable"]


def _columns(file):
    """Values of a report of ours or BioNet's, and node, section and position of every column."""
    with h5py.File(file) as report:
        group = report["report/cortex"]
        mapping = group["mapping"]
        node = np.repeat(mapping["node_ids"][:], np.diff(mapping["index_pointer"][:].astype(int)))
        place = node.astype(int), mapping["element_ids"][:].astype(int), mapping["element_pos"][:]
        return group["data"][:].astype(float), np.stack(place, 1)


def _summed(values, places, excites, shape):
    """BioNet's single synapses of one sign, added up at our compartments."""
    total = np.zeros((len(values), len(shape)))
    for k in np.flatnonzero(excites):
        node, section, x = places[k]
        here = np.flatnonzero((shape[:, 0] == node) & (shape[:, 1] == section))
        total[:, here[np.argmin(np.abs(shape[here, 2] - x))]] += values[:, k]
    return total


@pytest.mark.parametrize("sign", ["exc", "inh"])
def test_sums_are_those_of_bionets_synapses(folders, sign):
    """At every compartment and over every cell. NEURON keeps no `g` of a step for ExpSyn."""
    theirs, ours = folders
    (two, places), (one, jumping) = (_columns(theirs / f"{name}.h5") for name in ("i", "one_i"))
    reversal = _columns(theirs / "e.h5")[0][0]
    found, shape = _columns(ours / f"i_{sign}.h5")
    chosen = (reversal > -40.0) == (sign == "exc")
    expected = _summed(two, places, chosen, shape)
    if sign == "exc":  # so are all ExpSyn here
        expected += _summed(one, jumping, np.ones(len(jumping), bool), shape)
    scale = np.abs(expected).max()
    assert expected.min() < 0 and (sign == "exc" or expected.max() > 0)
    np.testing.assert_allclose(found, expected, rtol=2.0**-23, atol=1e-9 * scale)
    g, _ = _columns(ours / f"g_{sign}.h5")
    expected = _summed(_columns(theirs / "g.h5")[0], places, chosen, shape)
    without = _summed(one, jumping, np.ones(len(jumping), bool), shape).any(axis=0) == 0
    assert expected[:, without].any()
    np.testing.assert_allclose(
        g[:, without], expected[:, without], rtol=2.0**-23, atol=1e-9 * expected.max()
    )


@pytest.mark.parametrize("variable", SUMS)
def test_a_summation_is_the_sum_over_the_compartments_of_each_cell(folders, variable):
    each, shape = _columns(folders[1] / f"{variable}.h5")
    found, cells = _columns(folders[1] / f"{variable}_of_cells.h5")
    assert cells.tolist() == [[node, 0.0, 0.5] for node in range(NODES["cortex"])]
    expected = np.stack([each[:, shape[:, 0] == node].sum(axis=1) for node in cells[:, 0]], 1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("quantity", ["g", "i"])
def test_all_synapses_are_the_excitatory_and_the_inhibitory(folders, quantity):
    exc, inh, syn = (_columns(folders[1] / f"{quantity}_{k}.h5")[0] for k in ("exc", "inh", "syn"))
    np.testing.assert_allclose(syn, exc + inh, rtol=0, atol=2.0**-23 * np.abs(exc).max())


def test_bmtk_opens_the_report(folders):
    from bmtk.utils.reports.compartment import CompartmentReport

    theirs, ours = (CompartmentReport.load(str(f / "every_i.h5")) for f in folders)
    assert sorted(ours.populations) == sorted(theirs.populations) == ["cortex"]
    for node in (0, 1, 2, 4):
        np.testing.assert_array_equal(
            ours.element_ids(node, "cortex"), theirs.element_ids(node, "cortex")
        )
    columns = ours["cortex"].custom_columns()
    for name, values in theirs["cortex"].custom_columns().items():
        np.testing.assert_array_equal(columns[name], values)
    virtual = columns["src_ids"] < 0
    assert set(columns["src_populations"][virtual].astype(str)) == {"lgn", "background"}
    assert columns["src_node_ids"][virtual].max() == 3
