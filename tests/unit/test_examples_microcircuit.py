"""The demo circuit: the files are SONATA, the numbers are the tables', and a seed fixes them."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest

from isocortex.errors import ConfigError
from isocortex.examples import write_microcircuit
from isocortex.examples.billeh2020 import PROBABILITY, WEIGHT
from isocortex.examples.microcircuit import CLASS_OF_CELL, DRIVE, POPULATIONS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_microcircuit(tmp_path_factory.mktemp("demo"), cells=300, seed=1).parent


def read_types(folder, name):
    return pd.read_csv(folder / "network" / f"{name}_types.csv", sep=" ")


@pytest.fixture(scope="module")
def nodes(folder):
    with h5py.File(folder / "network" / "cortex_nodes.h5") as root:
        group = root["nodes/cortex"]
        table = pd.DataFrame({"node_type_id": group["node_type_id"][:], "y": group["0/y"][:]})
    return table.merge(read_types(folder, "cortex_node"), on="node_type_id", how="left")


@pytest.fixture(scope="module")
def edges(folder):
    with h5py.File(folder / "network" / "cortex_cortex_edges.h5") as root:
        group = root["edges/cortex_to_cortex"]
        names = ("source_node_id", "target_node_id", "edge_type_id")
        table = pd.DataFrame({name: group[name][:] for name in names})
        return table.assign(nsyns=group["0/nsyns"][:])


def test_four_fifths_of_the_cells_are_excitatory(nodes):
    assert len(nodes) == 300
    assert np.count_nonzero(nodes["ei"] == "e") == 240
    assert set(nodes["pop_name"]) == set(POPULATIONS.index)
    assert nodes["model_template"].nunique() >= 10


def test_every_table_speaks_of_the_same_cells_and_populations():
    assert POPULATIONS["share"].sum() == pytest.approx(1.0)
    assert list(WEIGHT.columns) == list(DRIVE)
    assert set(DRIVE) == set(CLASS_OF_CELL)
    assert list(PROBABILITY.index) == list(PROBABILITY.columns) == list(WEIGHT.index)
    assert list(PROBABILITY.index) == list(POPULATIONS.index)


def test_the_cells_are_in_the_library():
    library = pytest.importorskip("isocortex.cells.library")
    assert set(CLASS_OF_CELL) <= set(library.library_cells().index)


def test_no_cell_connects_to_itself_and_every_edge_has_synapses(edges):
    assert not (edges["source_node_id"] == edges["target_node_id"]).any()
    assert edges["nsyns"].between(3, 8).all()
    assert edges["target_node_id"].is_monotonic_increasing
    assert not edges.duplicated(["source_node_id", "target_node_id"]).any()


def test_edge_types_agree_with_the_ends_of_their_edges(folder, nodes, edges):
    types = read_types(folder, "cortex_cortex_edge")
    edges = edges.merge(types, on="edge_type_id", how="left")
    source = nodes["pop_name"].to_numpy()[edges["source_node_id"]]
    target = nodes["model_template"].to_numpy()[edges["target_node_id"]]
    assert (edges["source_query"] == [f"pop_name=='{name}'" for name in source]).all()
    assert (edges["target_query"] == [f"model_template=='{name}'" for name in target]).all()
    assert (edges["syn_weight"] > 0.0).all()


def test_connection_probability_is_the_measured_one(nodes, edges):
    """Mean over pairs in one disc: less than the tables' value, which is from the centre."""
    source = nodes["pop_name"].to_numpy()[edges["source_node_id"]]
    target = nodes["pop_name"].to_numpy()[edges["target_node_id"]]
    count = nodes["pop_name"].value_counts()
    for pair in (("e4", "e4"), ("e4", "i4Pvalb"), ("i23Pvalb", "e23")):
        found = np.count_nonzero((source == pair[0]) & (target == pair[1]))
        fraction = found / (count[pair[0]] * count[pair[1]])
        assert 0.5 * PROBABILITY.loc[pair] < fraction < 1.1 * PROBABILITY.loc[pair]


def test_both_indices_lead_to_each_edge_exactly_once(folder, edges):
    with h5py.File(folder / "network" / "cortex_cortex_edges.h5") as root:
        for name, end in (("source_to_target", "source"), ("target_to_source", "target")):
            index = root[f"edges/cortex_to_cortex/indices/{name}"]
            ranges = index["range_to_edge_id"][:].astype(int)
            seen = np.zeros(len(edges), dtype=int)
            for node, (first, last) in enumerate(index["node_id_to_range"][:].astype(int)):
                for start, stop in ranges[first:last]:
                    assert (edges[f"{end}_node_id"][start:stop] == node).all()
                    seen[start:stop] += 1
            assert (seen == 1).all()


def test_layers_lie_at_their_depths(nodes):
    assert nodes.loc[nodes["layer"] == "L2/3", "y"].between(-310, -100).all()
    assert nodes.loc[nodes["layer"] == "L5", "y"].between(-640, -430).all()


def test_every_file_that_the_configuration_names_exists(folder):
    circuit = json.loads((folder / "circuit_config.json").read_text())
    for table in (*circuit["networks"]["nodes"], *circuit["networks"]["edges"]):
        for file in table.values():
            assert (folder / file.replace("$NETWORK_DIR", "network")).is_file()
    for name in ("cortex_cortex_edge", "background_cortex_edge"):
        for file in read_types(folder, name)["dynamics_params"].unique():
            assert "erev" in json.loads((folder / "synaptic_models" / file).read_text())


def test_one_seed_gives_one_circuit(tmp_path, folder):
    def content(seed, name):
        where = write_microcircuit(tmp_path / name, cells=300, seed=seed).parent
        with h5py.File(where / "network" / "cortex_cortex_edges.h5") as root:
            return root["edges/cortex_to_cortex/source_node_id"][:]

    assert np.array_equal(content(1, "a"), content(1, "b"))
    assert not np.array_equal(content(1, "a"), content(2, "c"))


@pytest.mark.parametrize("cells", [12, 13, 57])
def test_any_size_from_one_cell_per_population(tmp_path, cells):
    folder = write_microcircuit(tmp_path, cells=cells).parent
    with h5py.File(folder / "network" / "cortex_nodes.h5") as root:
        assert len(root["nodes/cortex/node_id"]) == cells


def test_fewer_cells_than_populations_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="12 or more"):
        write_microcircuit(tmp_path, cells=11)
