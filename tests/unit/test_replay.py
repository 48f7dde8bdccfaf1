"""Spikes of an earlier run on the edges of a file."""

import json

import h5py
import numpy as np
import pytest
from library_circuit import clamp, write_library_circuit
from sonata_small import configuration, write_circuit, write_config

import isocortex as ic
from isocortex.errors import IsocortexError
from isocortex.sonata.config import load_simulation

FILES = {"edges_file": "local.h5", "edge_types_file": "local_types.csv"}


@pytest.fixture
def folder(tmp_path):
    write_circuit(tmp_path)
    with h5py.File(tmp_path / "before.h5", "w") as file:
        file["spikes/cells/node_ids"] = np.array([3, 1, 3], np.uint64)
        file["spikes/cells/timestamps"] = np.array([9.0, 3.0, 6.0])
    return tmp_path


def read(folder, **entry):
    """The simulation with a replay of the edges among cells, and without them in the network."""
    config = configuration()
    config["networks"]["edges"].pop()
    replay = {"input_type": "replay_spikes", "module": "replay", "spikes_file": "before.h5",
              "edges": FILES} | entry  # fmt: skip
    inputs = {"again": {k: v for k, v in replay.items() if v is not ...}}
    return load_simulation(write_config(folder, config | {"inputs": inputs, "reports": {}}))


def test_stand_ins_send_the_spikes(folder):
    simulation = read(folder)
    stand_ins = simulation.circuit.nodes["cells:again"]
    assert stand_ins.virtual.all() and stand_ins.node_ids.tolist() == [3, 2, 1, 0]
    assert stand_ins.table["ei"].tolist() == ["e", "e", "i", "i"]
    (spikes,) = simulation.inputs
    assert spikes.population == "cells:again"
    assert stand_ins.node_ids[spikes.rows].tolist() == [1, 3, 3]
    assert spikes.times.tolist() == [3.0, 6.0, 9.0]
    driven, replayed = simulation.circuit.edges
    assert driven.source == "drive" and replayed.source == "cells:again"
    assert stand_ins.node_ids[replayed.source_index].tolist() == [3, 1]
    cells = simulation.circuit.nodes["cells"]
    assert cells.node_ids[replayed.target_index].tolist() == [1, 0]
    assert (replayed.weight < 1.0).all()  # the tuning of both cells counts


@pytest.mark.parametrize(
    ("entry", "sources", "targets", "spikes"),
    [
        ({"source_node_set": {"ei": "i", "population": "cells"}}, [1], [0], [3.0]),
        ({"target_node_set": {"node_id": 1, "population": "cells"}}, [3], [1], [3.0, 6.0, 9.0]),
        ({"source_node_set": "cells", "target_node_set": "cells"}, [3, 1], [1, 0], [3, 6, 9]),
    ],
)
def test_node_sets_choose_edges(folder, entry, sources, targets, spikes):
    simulation = read(folder, **entry)
    replayed = simulation.circuit.edges[-1]
    stand_ins, cells = (simulation.circuit.nodes[n] for n in ("cells:again", "cells"))
    assert stand_ins.node_ids[replayed.source_index].tolist() == sources
    assert cells.node_ids[replayed.target_index].tolist() == targets
    assert simulation.inputs[0].times.tolist() == spikes


def test_ids_are_those_of_a_population(folder):
    """Both populations have nodes 2; BMTK would count on from the first, and choose none here."""
    with h5py.File(folder / "before.h5", "a") as file:
        file["spikes/drive/node_ids"] = np.array([1, 2, 2, 0], np.uint64)
        file["spikes/drive/timestamps"] = np.array([1.0, 8.0, 4.0, 2.0])
    files = {"edges_file": "edges.h5", "edge_types_file": "edge_types.csv"}
    simulation = read(
        folder, edges=files, source_node_set={"population": "drive", "node_id": [2]},
        target_node_set={"population": "cells", "node_id": [3, 0]},
    )  # fmt: skip
    nodes, replayed = simulation.circuit.nodes, simulation.circuit.edges[-1]
    assert nodes["drive:again"].node_ids[replayed.source_index].tolist() == [2]
    assert nodes["cells"].node_ids[replayed.target_index].tolist() == [3]
    (spikes,) = simulation.inputs
    assert nodes["drive:again"].node_ids[spikes.rows].tolist() == [2, 2]
    assert spikes.times.tolist() == [4.0, 8.0]


def test_spikes_of_a_table(folder):
    (folder / "before.csv").write_text("timestamps population node_ids\n5 cells 1\n")
    assert read(folder, spikes_file="before.csv").inputs[0].times.tolist() == [5.0]


def test_a_node_set_is_not_read(folder, caplog):
    assert len(read(folder, node_set="drive").circuit.edges) == 2
    assert "node_set is not read, here as in BMTK" in caplog.text


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"edges": ...}, "inputs.again.edges: must hold edges_file"),
        ({"edges": {"edges_file": 1}}, "inputs.again.edges: must hold"),
        ({"edges": FILES | {"edge_types": ""}}, "edges.edge_types: unknown key"),
        ({"edges": FILES | {"edges_file": "none.h5"}}, "none.h5: file does not exist"),
        ({"spikes_file": ...}, "inputs.again.spikes_file: must be the path"),
        ({"spikes_file": "spikes.h5"}, "has no spikes of cells.*It has drive"),
        ({"source_nodes": "all"}, "Did you mean 'source_node_set'"),
        ({"source_node_set": "nobody"}, "inputs.again.source_node_set: unknown node set"),
        ({"source_node_set": "drive"}, "has no edge from the chosen sources"),
    ],
)
def test_mistakes(folder, entry, message):
    with pytest.raises(IsocortexError, match=message):
        read(folder, **entry)


def test_replayed_synapses_sit_where_they_sat(tmp_path):
    """Places that were drawn for the edges of the network are those of the same edges replayed."""
    recurrent = [(0, 1, 4), (0, 2, 3), (1, 2, 6), (2, 1, 5)]
    report = {"v": {"module": "membrane_report", "variable_name": "v", "cells": "all"}}
    path = write_library_circuit(
        tmp_path, cells=3, recurrent=recurrent, synapse={"syn_weight": 4e-3}, reports=report,
        inputs={"clamp": clamp(0.5)}, run={"tstop": 25.0},
    )  # fmt: skip
    result = ic.run(path, output_dir=tmp_path / "before")
    assert (result.spikes["node_ids"] == 0).any()
    config = json.loads(path.read_text())
    config["networks"]["edges"].pop()
    config["inputs"] = {
        "again": {
            "input_type": "replay_spikes", "module": "replay", "spikes_file": "before/spikes.h5",
            "target_node_set": {"population": "cells", "node_id": [2]},
            "edges": {"edges_file": "cells_edges.h5", "edge_types_file": "edge_types.csv"},
        }
    }  # fmt: skip
    again = tmp_path / "again.json"
    again.write_text(json.dumps(config))
    replayed = ic.run(again, output_dir=tmp_path / "again")
    before, after = (
        np.asarray(v)[:, v.coords["node_id"].values == 2]
        for v in (r.report("v") for r in (result, replayed))
    )
    assert np.ptp(after) > 0.5
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-5)
