"""What the browser is given of a circuit is what the files hold."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from library_circuit import write_library_circuit
from viewer_run import cortex_session

import isocortex
from isocortex.circuit import NodePopulation
from isocortex.cortex.atlas import load_atlas
from isocortex.viewer import scene
from isocortex.viewer.pack import pack, unpack
from isocortex.viewer.scene import Quantised, layer_borders, make_scene
from isocortex.viewer.session import Session


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return cortex_session(tmp_path_factory.mktemp("cortex"))


@pytest.fixture(scope="module")
def table(session):
    return session.simulation.circuit.nodes["cortex"].table


def test_a_block_holds_every_array_at_an_aligned_place():
    arrays = {
        "bytes": np.arange(5, dtype=np.uint8),
        "none": np.zeros((0, 3), np.float32),
        "big": np.arange(6, dtype=">u2").reshape(2, 3),
        "real": np.linspace(-1, 1, 7).astype(np.float32),
    }
    block = pack({"title": "µm"}, arrays)
    head, back = unpack(block)
    assert head == {"title": "µm"}
    for name, values in arrays.items():
        assert np.array_equal(back[name], values)
    start = 4 + int(np.frombuffer(block, "<u4", 1)[0])
    assert start % 8 == 0 and len(block) % 8 == 0


def test_types_that_no_browser_has_are_refused():
    with pytest.raises(TypeError, match="int64"):
        pack({}, {"ids": np.arange(3)})


def test_every_neuron_of_the_file_is_there_once(session, table):
    head, arrays = unpack(session.get("scene"))
    ids = arrays["node_id"].astype(int)
    assert head["n"] == len(table)
    assert np.array_equal(np.sort(ids), np.arange(len(table)))
    assert np.array_equal(session.scene.index_of("cortex", ids), np.arange(len(ids)))
    assert session.scene.index_of("cortex", [len(table)])[0] == -1
    assert session.scene.index_of("other", [0])[0] == -1


def test_places_are_those_of_the_file_to_half_a_step(session, table):
    head, arrays = unpack(session.get("scene"))
    low, step = np.array(head["places"]["low"]), head["places"]["step"]
    shown = low + step * arrays["position"].astype(float)
    true = table[["x", "y", "z"]].to_numpy(float)[arrays["node_id"]]
    assert np.abs(shown - true).max() <= 0.5001 * step
    assert step < 0.25  # um: the whole cortex in 16 bits


def test_quantised_points_of_one_place():
    points = Quantised.of(np.full((3, 3), 7.0))
    assert np.array_equal(points.steps, np.zeros((3, 3)))


def test_attributes_are_those_of_the_file(session, table):
    head, arrays = unpack(session.get("scene"))
    assert [f["key"] for f in head["facets"]] == ["area", "layer", "cell_class", "hemisphere"]
    for k, facet in enumerate(head["facets"]):
        names = np.array([value["name"] for value in facet["values"]])
        shown = names[arrays["facets"][:, k]]
        assert np.array_equal(shown, table[facet["key"]].astype(str).to_numpy()[arrays["node_id"]])


def test_layers_run_from_the_pia_and_areas_by_module(session):
    head, _ = unpack(session.get("scene"))
    areas, layers, *_ = head["facets"]
    assert [v["name"] for v in layers["values"]] == ["L1", "L2/3", "L4", "L5", "L6a", "L6b"]
    modules = [v["group"] for v in areas["values"]]
    assert len(set(modules)) == 1 + sum(a != b for a, b in pairwise(modules))
    colours = load_atlas().areas["colour"]
    assert all(v["allen"] == colours[v["name"]] for v in areas["values"])


def test_any_first_part_is_a_fair_sample(session, table):
    ids = session.scene.node_id
    share = (table["layer"] == "L5").to_numpy()
    first = share[ids[: len(ids) // 3]].mean()
    error = np.sqrt(share.mean() * (1 - share.mean()) / (len(ids) // 3))
    assert abs(first - share.mean()) < 4 * error
    assert np.abs(np.corrcoef(np.arange(len(ids)), ids)[0, 1]) < 0.15


def test_order_does_not_change_from_one_look_to_the_next(session):
    again = make_scene({"cortex": session.simulation.circuit.nodes["cortex"]})
    assert np.array_equal(again.node_id, session.scene.node_id)


def test_layers_of_an_area_join_and_deepen(session):
    borders = layer_borders(session.scene)
    assert set(borders) == set(load_atlas().areas.index)
    for layers in borders.values():
        edges = [edge for ends in layers.values() for edge in ends]
        assert edges[0] == 0.0 and edges == sorted(edges)
        assert edges[1:-1:2] == edges[2::2]
    assert 800 < borders["VISp"]["L6b"][1] < 1050  # um, docs/cortex_model.md: median 926


def test_neurons_of_a_slab_lie_in_their_layers(session):
    outside, told = [], 0
    area, layer = (session.scene.column_of(name) for name in ("area", "layer"))
    for number, value in enumerate(session.scene.facets[0].values):
        head, arrays = unpack(session.get(f"slab/{number}"))
        places = head["places"]
        depth = places["low"][2] + places["step"] * arrays["slab"][:, 2].astype(float)
        mine = layer[area == value["name"]]
        ends = np.array([head["borders"][name] for name in mine])
        outside.append(np.maximum(ends[:, 0] - depth, depth - ends[:, 1]))
        told += len(depth)
    outside = np.concatenate(outside)
    assert told == len(session.scene)
    assert np.mean(outside > 0) < 0.2  # borders are medians over an area
    assert np.quantile(outside, 0.98) < 100  # um
    assert session.get(f"slab/{number + 1}") is None


def test_many_neurons_come_in_parts_that_are_all_of_them(session, monkeypatch):
    _, whole = unpack(session.get("scene"))
    _, strata = unpack(session.get("strata/0"))
    monkeypatch.setattr(scene, "FIRST", 100)
    monkeypatch.setattr(scene, "MORE", 300)
    parts = Session(session.result)
    head, first = unpack(parts.get("scene"))
    assert head["parts"] == 4 and head["n"] == 900 and len(first["node_id"]) == 100
    others = [unpack(parts.get(f"somas/{k}"))[1] for k in range(1, 4)]
    assert [len(other["node_id"]) for other in others] == [300, 300, 200]
    for name, values in whole.items():
        assert np.array_equal(np.concatenate([first[name], *(o[name] for o in others)]), values)
    depths = [unpack(parts.get(f"strata/{k}"))[1]["stratum"] for k in range(4)]
    assert np.array_equal(np.concatenate(depths), strata["stratum"])
    assert parts.get("somas/4") is None and parts.get("strata/4") is None


def test_a_circuit_without_places_or_classes_is_shown_as_a_disc(tmp_path):
    config = write_library_circuit(tmp_path, cells=5)
    nodes = isocortex.load_simulation(config, cells_only=True).circuit.nodes
    scene = make_scene({"cells": nodes["cells"]})
    assert scene.frame == "none" and len(scene.facets) == 1
    head, arrays = unpack(scene.block({}))
    assert len(np.unique(arrays["position"], axis=0)) == 5
    assert head["facets"][0]["values"][0]["name"] == "cells"


def test_two_populations_are_told_apart(tmp_path):
    config = write_library_circuit(tmp_path, cells=3, drive=2)
    nodes = isocortex.load_simulation(config, cells_only=True).circuit.nodes
    scene = make_scene(nodes)
    names = [scene.facets[0].values[c]["name"] for c in scene.facets[0].code]
    assert scene.facets[0].key == "population"
    assert names == [scene.populations[p] for p in scene.population]
    assert sorted(scene.index_of("drive", np.arange(2)).tolist()
                  + scene.index_of("cells", np.arange(3)).tolist()) == list(range(5))  # fmt: skip


def test_circuits_of_others_show_what_they_have(shared):
    config = shared / "examples" / "bmtk" / "bio_14cells" / "config.simulation.json"
    nodes = isocortex.load_simulation(config, cells_only=True).circuit.nodes
    scene = make_scene({"v1": nodes["v1"]})
    assert scene.frame == "xyz"
    assert [facet.key for facet in scene.facets][:2] == ["pop_name", "ei"]
    assert layer_borders(scene) == {}


@pytest.mark.parametrize("ids", [[4, 5, 6, 7], [2, 5, 6, 90], [90, 2, 6, 5]])
def test_neurons_are_found_by_id_whether_ids_have_gaps_or_order(ids):
    scene = make_scene({"a": NodePopulation("a", np.array(ids), {}, Path("nodes.h5"))})
    places = scene.index_of("a", np.array([*ids, 0, 3, 8, 91]))
    assert scene.node_id[places[:4]].tolist() == ids
    assert places[4:].tolist() == [-1] * 4
