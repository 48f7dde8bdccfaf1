"""The builder that scripts of BMTK use: nodes, rules, properties and files."""

import functools

import h5py
import numpy as np
import pandas as pd
import pytest
from swc_cases import CASES

from isocortex.bmtk import NetworkBuilder
from isocortex.bmtk.builder.auxi.edge_connectors import connect_random, distance_connector
from isocortex.bmtk.builder.auxi.node_params import (
    positions_columinar,
    positions_cuboid,
    positions_ellipsoid,
    positions_rect_prism,
    xiter_random,
)
from isocortex.bmtk.builder.bionet.swc_reader import SWCReader, get_swc
from isocortex.bmtk.builder.networks import NetworkBuilder as FromNetworks
from isocortex.circuit.gaps import apart
from isocortex.errors import ConfigError, InputError
from isocortex.sonata.edges import read_edges
from isocortex.sonata.nodes import read_nodes


def _net():
    net = NetworkBuilder("v1")
    net.add_nodes(N=3, ei="e", x=[1.0, 2.0, 3.0], tuning_angle=np.array([0.0, 45.0, 90.0]))
    net.add_nodes(N=2, ei="i", x=range(4, 6), label=["first", "second"])
    return net


def _triples(net):
    return sorted((edge.source_node_id, edge.target_node_id, edge["nsyns"]) for edge in net.edges())


def test_nodes_have_their_own_properties_and_those_of_their_type():
    net = _net()
    assert FromNetworks is NetworkBuilder
    assert [node.node_id for node in net.nodes()] == [0, 1, 2, 3, 4]
    assert [node["x"] for node in net.nodes(ei="i")] == [4, 5]
    first = next(iter(net.nodes()))
    assert (first["ei"], first["node_type_id"], first.get("label", "none")) == ("e", 100, "none")
    assert "tuning_angle" in first and "label" not in first
    assert len(net.nodes(x=lambda x: x > 2)) == 3
    assert len(net.nodes(ei=["e", "i"], label="second")) == 1
    assert net.nnodes == 5 and net.nodes_built


def test_ids_that_were_chosen_are_not_given_again():
    net = NetworkBuilder("v1")
    net.add_nodes(N=2, node_type_id=101)
    net.add_nodes(N=2, node_id=[1, 7])
    net.add_nodes(N=1)
    assert [node.node_id for node in net.nodes()] == [0, 2, 1, 7, 3]
    assert [node.node_type_id for node in net.nodes()] == [101, 101, 100, 100, 102]
    with pytest.raises(ConfigError, match="node_id 7 exists already"):
        net.add_nodes(N=1, node_id=[7])
    with pytest.raises(ConfigError, match="node_type_id 101 exists already"):
        net.add_nodes(node_type_id=101)
    with pytest.raises(ConfigError, match="add_nodes y: has 2 values for 3 nodes"):
        net.add_nodes(N=3, y=[1.0, 2.0])


EE = {"source": {"ei": "e"}, "target": {"ei": "i"}}


@pytest.mark.parametrize(
    ("rule", "iterator", "expected"),
    [
        (2, "one_to_one", [2, 2, 2, 2, 2, 2]),
        (2.0, "all_to_one", [2, 2, 2, 2, 2, 2]),
        ([0, 1, 2, 3, 4, 5], "one_to_one", [0, 1, 2, 3, 4, 5]),
        ([3, 1], "one_to_all", [3, 1, 3, 1, 3, 1]),
        (np.array([3, 1, 0]), "all_to_one", [3, 3, 1, 1, 0, 0]),
        (lambda s, t: s["x"] if t["label"] == "first" else None, "one_to_one", [1, 0, 2, 0, 3, 0]),
        (lambda s, ts: [s["x"]] * len(ts), "one_to_all", [1, 1, 2, 2, 3, 3]),
        (lambda ss, t: np.array([s["x"] for s in ss]), "all_to_one", [1, 1, 2, 2, 3, 3]),
        (lambda *_: True, "one_to_one", [1] * 6),
    ],
)
def test_rules_say_how_many_synapses(rule, iterator, expected):
    net = _net()
    net.add_edges(**EE, connection_rule=rule, iterator=iterator)
    net.build()
    pairs = [(s, t) for s in (0, 1, 2) for t in (3, 4)]
    wanted = [(*pair, n) for pair, n in zip(pairs, expected, strict=True) if n]
    assert _triples(net) == wanted
    assert net.nedges == sum(expected)


def test_rules_are_asked_by_source_or_by_target_as_in_bmtk():
    asked = []

    def pairs(source, target, mark):
        asked.append((mark, source.node_id, target.node_id))
        return 1

    net = _net()
    net.add_edges(**EE, connection_rule=pairs, connection_params={"mark": "a"})
    net.add_edges(**EE, connection_rule=functools.partial(pairs, mark="b"))
    net.build()
    order = [(s, t) for s in (0, 1, 2) for t in (3, 4)]
    assert asked == [(mark, *pair) for mark in "ab" for pair in order]
    net.build()
    assert len(asked) == 24 and net.nedges == 12  # asked again, not doubled


@pytest.mark.parametrize(
    ("rule", "iterator", "message"),
    [
        (lambda ss, t: [1], "all_to_one", "3 numbers of synapses are needed, .*array \\(1,\\)"),
        ([1, 2], "one_to_one", "6 numbers"),
        (lambda s, t: -1, "one_to_one", "below 0"),
        (lambda s, t: float("nan"), "one_to_one", "below 0, or none"),
        (lambda s, t: "5", "one_to_one", "rule of edge type 100: gave '5', which is no number"),
        (lambda ss, t: [1, None, "x"], "all_to_one", "gave 'x', which is no number of synapses"),
        (1, "each_to_each", "no iterator 'each_to_each'.*one_to_all"),
    ],
)
def test_impossible_rules_are_refused(rule, iterator, message):
    net = _net()
    with pytest.raises(ConfigError, match=message):
        net.add_edges(**EE, connection_rule=rule, iterator=iterator)
        net.build()


def test_properties_make_one_row_a_synapse():
    net = _net()
    cm = net.add_edges(**EE, connection_rule=lambda s, t: int(s["x"]) % 3, syn_weight=1.0)
    cm.add_properties(
        ["section", "place"], rule=lambda s, t, base: (s.node_id + base, t["x"] / 10.0),
        rule_params={"base": 100}, dtypes=[int, float],
    )  # fmt: skip
    cm.add_properties("weight", values=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    cm.add_properties("kind", rule=7, dtypes=np.uint8)
    net.build()
    rows = [
        (e.source_node_id, e.target_node_id, e["section"], e["place"], e["weight"], e["kind"])
        for e in net.edges()
    ]
    assert rows == [
        (0, 3, 100, 0.4, 0.1, 7), (0, 4, 100, 0.5, 0.2, 7),
        (1, 3, 101, 0.4, 0.3, 7), (1, 3, 101, 0.4, 0.4, 7),
        (1, 4, 101, 0.5, 0.5, 7), (1, 4, 101, 0.5, 0.6, 7),
    ]  # fmt: skip
    assert net.nedges == 6
    with pytest.raises(ConfigError, match="either a rule or values"):
        cm.add_properties("both", rule=1, values=[1])
    cm.add_properties("few", values=[1, 2])
    with pytest.raises(ConfigError, match="add_properties few: 2 values for 6 synapses"):
        net.build()


def test_properties_may_be_texts(tmp_path):
    net = _net()
    cm = net.add_edges(**EE, connection_rule=1, syn_weight=1.0)
    cm.add_properties(["label", "n"], rule=lambda s, t: ("é", 5), dtypes=[str, int])
    net.build()
    net.save_edges(output_dir=tmp_path)
    with h5py.File(tmp_path / "v1_v1_edges.h5") as file:
        assert file["edges/v1_to_v1/0/label"][:].tolist() == ["é".encode()] * 6
    cm.add_properties("odd", values=[{}] * 6, dtypes=object)
    net.build()
    with pytest.raises(ConfigError, match="odd: holds no numbers or texts: {}. Give each synapse"):
        net.save_edges(output_dir=tmp_path)
    cm.add_properties("size", rule=lambda s, t: "large")
    with pytest.raises(ConfigError, match="add_properties size: .*float: 'large'.*or give dtypes"):
        net.build()


def test_several_builders_may_make_one_network(tmp_path):
    first, second = NetworkBuilder("v1"), NetworkBuilder("v1")
    first.add_nodes(N=2)
    second.add_nodes(N=2, node_id=[5, 9])
    first.add_edges(target=second.nodes(), delay=1.0)
    first.build()
    first.save_edges(output_dir=tmp_path)
    with h5py.File(tmp_path / "v1_v1_edges.h5") as file:
        index = file["edges/v1_to_v1/indices/target_to_source/node_id_to_range"]
        assert len(index) == 10 and index[9].tolist() == [1, 2]


def test_edges_can_be_looked_up():
    net = _net()
    net.add_edges(**EE, connection_rule=1, edge_type_id=7, delay=1.0)
    net.add_edges(source={"ei": "i"}, connection_rule=2, delay=2.0)
    other = NetworkBuilder("lgn")
    other.add_nodes(N=2)
    other.add_edges(target=net.nodes(ei="e"), connection_rule=1)
    assert len(net.edges()) == 6 + 10
    assert len(net.edges(delay=2.0)) == 10
    assert len(net.edges(target_nodes=3, source_nodes=[0, 3])) == 2
    assert len(net.edges(target_nodes=net.nodes(ei="i"), source_nodes={"ei": "i"})) == 4
    assert {e.edge_type_id for e in net.edges(target_nodes={"ei": "i"}, delay=1.0)} == {7}
    assert len(other.edges(target_network="v1")) == 6 and not other.edges(source_network="v1")
    with pytest.raises(ConfigError, match="edge_type_id 7 exists already"):
        net.add_edges(edge_type_id=7)


def _write(tmp_path):
    """Two groups of nodes, edges with and without properties."""
    net = _net()
    common = {"model_template": "exp2syn", "dynamics_params": None, "delay": 2.0}
    net.add_edges(
        **EE, connection_rule=lambda s, t: s["x"], syn_weight=1e-4,
        target_sections=["basal", "apical"], distance_range=[0.0, 1e20], **common,
    )  # fmt: skip
    cm = net.add_edges(source={"ei": "i"}, target={"ei": "e"}, connection_rule=2, **common)
    cm.add_properties("syn_weight", rule=lambda s, t: s["x"] + 10 * t["x"])
    cm.add_properties(["afferent_section_id", "afferent_section_pos"], rule=(5, 0.5),
                      dtypes=[int, float])  # fmt: skip
    net.build()
    net.save(output_dir=tmp_path / "network", compression="gzip")
    return net, tmp_path / "network"


def test_files_are_read_back(tmp_path):
    net, folder = _write(tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == [
        "v1_node_types.csv", "v1_nodes.h5", "v1_v1_edge_types.csv", "v1_v1_edges.h5",
    ]  # fmt: skip
    (nodes,) = read_nodes(folder / "v1_nodes.h5", folder / "v1_node_types.csv")
    table = nodes.table
    assert table["x"].tolist() == [1, 2, 3, 4, 5]
    assert table["ei"].tolist() == list("eeeii")
    assert table["label"].tolist()[3:] == ["first", "second"]
    np.testing.assert_array_equal(table["tuning_angle"], [0.0, 45.0, 90.0, np.nan, np.nan])
    (edges,) = read_edges(
        folder / "v1_v1_edges.h5", folder / "v1_v1_edge_types.csv", {"v1": nodes}, None
    )
    rows = sorted(zip(edges.source_index, edges.target_index, edges.nsyns, edges.weight,
                      edges.section_id, strict=True))  # fmt: skip
    counted = [(s, t, s + 1, 1e-4, -1) for s in (0, 1, 2) for t in (3, 4)]
    placed = [(s, t, 1, s + 1 + 10.0 * (t + 1), 5) for s in (3, 4) for t in (0, 1, 2)]
    assert rows == sorted([*counted, *placed, *placed])
    assert edges.rules[0].target_sections == ("basal", "apical")
    types = pd.read_csv(folder / "v1_v1_edge_types.csv", sep=" ")
    assert types["source_query"].tolist() == ["ei=='e'", "ei=='i'"]
    assert types["distance_range"].tolist()[0] == "[0.0, 1e+20]"
    with h5py.File(folder / "v1_v1_edges.h5") as file:
        group = file["edges/v1_to_v1"]
        assert sorted(group["0"]) == ["nsyns"] and len(group["1/syn_weight"]) == 12
        assert (np.diff(group["target_node_id"][:].astype(int)) >= 0).all()
        first, last = group["indices/target_to_source/node_id_to_range"][3]
        (span,) = group["indices/target_to_source/range_to_edge_id"][first:last]
        assert (group["target_node_id"][span[0] : span[1]] == 3).all()


def test_nodes_of_a_file_are_taken_up(tmp_path):
    net, folder = _write(tmp_path)
    again = NetworkBuilder("v1")
    again.import_nodes(folder / "v1_nodes.h5", folder / "v1_node_types.csv")
    before, after = list(net.nodes()), list(again.nodes())
    assert [dict(node) for node in after] == [dict(node) for node in before]
    again.add_edges(source={"ei": "e"}, target={"label": "second"}, delay=1.0)
    again.build()
    again.save_edges(output_dir=tmp_path / "more", name="chosen")
    with h5py.File(tmp_path / "more" / "v1_v1_edges.h5") as file:
        assert file["edges/chosen/source_node_id"][:].tolist() == [0, 1, 2]
    with pytest.raises(ConfigError, match="population: has the populations v1"):
        NetworkBuilder("x").import_nodes(
            folder / "v1_nodes.h5", folder / "v1_node_types.csv", population="lgn"
        )


def test_a_place_that_is_one_attribute_is_one_again(tmp_path):
    net = NetworkBuilder("v1")
    net.add_nodes(N=2, positions=np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    net.save_nodes("nodes.h5", "types.csv", output_dir=tmp_path)
    again = NetworkBuilder("v1")
    again.import_nodes(tmp_path / "nodes.h5", tmp_path / "types.csv")
    np.testing.assert_array_equal([node["positions"] for node in again.nodes()],
                                  [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])  # fmt: skip


def test_what_a_node_says_of_itself_goes_before_its_type(tmp_path):
    net = NetworkBuilder("v1")
    net.add_nodes(N=2, tuning=[1, 2])
    net.add_nodes(N=1, tuning=[3], positions=np.array([[1.0, 2.0, 3.0]]))
    net.save_nodes("nodes.h5", "types.csv", output_dir=tmp_path)
    (tmp_path / "types.csv").write_text("node_type_id tuning ei\n100 50 e\n101 3 i\n")
    again = NetworkBuilder("v1")
    again.import_nodes(tmp_path / "nodes.h5", tmp_path / "types.csv")
    nodes = list(again.nodes())
    assert [(node["tuning"], node["ei"]) for node in nodes] == [(1, "e"), (2, "e"), (3, "i")]
    assert sorted(nodes[2].params) == ["node_id", "positions"]
    assert nodes[0].node_type_properties == {"node_type_id": 100, "tuning": 50, "ei": "e"}


def test_what_cannot_be_saved_is_refused(tmp_path, caplog):
    net = _net()
    net.save_edges(output_dir=tmp_path)
    assert "has no edges to save" in caplog.text
    net.add_edges(**EE, connection_rule=0)
    net.save_edges(output_dir=tmp_path)
    assert "made no edge" in caplog.text and not list(tmp_path.glob("*.h5"))
    net.save_nodes(output_dir=tmp_path)
    with pytest.raises(ConfigError, match="v1_nodes.h5: exists already"):
        net.save_nodes(output_dir=tmp_path, force_overwrite=False)
    with pytest.raises(ConfigError, match="no argument 'compress'"):
        net.save_nodes(output_dir=tmp_path, compress="gzip")
    other = NetworkBuilder("other")
    other.add_nodes(N=1)
    with pytest.raises(ConfigError, match="gap junctions lead from other to v1"):
        net.add_gap_junctions(source=other.nodes())
    with pytest.raises(ConfigError, match="resistance is 0 MOhm.*or a conductance"):
        net.add_gap_junctions(resistance=0)
    with pytest.raises(ConfigError, match="is_gap_junction is 'perhaps'"):
        net.add_edges(is_gap_junction="perhaps")
    net.add_edges(**EE, connection_rule=0, is_gap_junction=False)
    with pytest.raises(ConfigError, match="node_type_id: is one number for all"):
        net.add_nodes(N=2, node_type_id=[1, 2])
    net.add_nodes(N=1, odd=[{"a": 1}])
    with pytest.raises(ConfigError, match="add_nodes odd: holds no numbers or texts"):
        net.save_nodes(output_dir=tmp_path)


def test_gap_junctions_are_edges_and_numbers_of_their_halves(tmp_path):
    net = NetworkBuilder("v1", gj_id_start=4)
    net.add_nodes(N=3, model_type="biophysical")
    pairs = lambda source, target: int(source.node_id < target.node_id)  # noqa: E731
    net.add_gap_junctions(connection_rule=pairs, resistance=500.0)
    net.add_gap_junctions(source={"node_id": 2}, target={"node_id": 0}, conductance=1e-3,
                          target_sections=["basal"], distance_range=[10.0, 50.0])  # fmt: skip
    net.add_edges(connection_rule=pairs, is_gap_junction="False", syn_weight=1.0, delay=1.0)
    net.save(output_dir=tmp_path)
    with h5py.File(tmp_path / "v1_gap_juncs.h5") as file:
        ids = {name: file[name][:].tolist() for name in file}
    assert ids == {"source_ids": [0, 0, 1, 2], "target_ids": [1, 2, 2, 0],
                   "src_gap_ids": [4, 6, 8, 10], "trg_gap_ids": [5, 7, 9, 11]}  # fmt: skip
    nodes = read_nodes(tmp_path / "v1_nodes.h5", tmp_path / "v1_node_types.csv")
    (edges,) = read_edges(
        tmp_path / "v1_v1_edges.h5", tmp_path / "v1_v1_edge_types.csv", {"v1": nodes[0]}, None
    )
    (synapses,), (gaps,) = apart([edges])
    assert sorted(gaps.weight) == [1e-3, 2e-3, 2e-3, 2e-3] and len(synapses.weight) == 3
    assert gaps.rules[0].target_sections == ("somatic",)
    assert gaps.rules[1].distance_range == (10.0, 50.0)


def test_places_and_rules_of_bmtk():
    np.random.seed(1)  # noqa: NPY002, as scripts do
    places = positions_columinar(N=500, center=[10.0, 50.0, 0.0], height=20.0, min_radius=5.0,
                                 max_radius=8.0)  # fmt: skip
    radius = np.hypot(places[:, 0] - 10.0, places[:, 2])
    assert places.shape == (500, 3) and radius.min() >= 5.0 and radius.max() <= 8.0
    assert np.ptp(places[:, 1]) <= 20.0
    assert np.abs(positions_rect_prism(N=100, center=[0, 0, 0], height=2.0)[:, 1]).max() <= 1.0
    ball = positions_ellipsoid(50, [0, 0, 0], height=2.0, x_length=2.0, z_length=2.0)
    assert len(ball) == 50 and (np.linalg.norm(ball, axis=1) < 1.0).all()
    grid = positions_cuboid(N=8, xside_length=20.0, yside_length=20.0, height=20.0)
    assert len(np.unique(grid, axis=0)) == 8
    turned = xiter_random(N=4, min_x=1.0, max_x=2.0)
    assert ((turned >= 1.0) & (turned < 2.0)).all()
    net = NetworkBuilder("v1")
    net.add_nodes(N=3, positions=[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    near, beside, far = net.nodes()
    sure = {"d_weight_min": 1.0, "d_weight_max": 1.0, "d_max": 5.0, "nsyn_min": 2, "nsyn_max": 2}
    assert distance_connector(near, beside, **sure) == 2
    assert distance_connector(near, near, **sure) is None
    assert distance_connector(near, far, **sure) is None
    assert connect_random(near, far, 3, 4) == 3


def test_places_on_branches(tmp_path):
    swc, _ = CASES["single-point soma; branch of a dendrite's first point"]
    (tmp_path / "cell.swc").write_text(swc)
    reader = SWCReader(tmp_path / "cell.swc", rng_seed=1)
    sections, probability = reader.find_sections(["dend"], [0.0, 1e20])
    assert sections.tolist() == [1, 2, 3]
    np.testing.assert_allclose(probability, np.array([3.0, 10.0, 20.0]) / 33.0)
    drawn, places = reader.choose_sections(["apical"], [0.0, 1e20], n_sections=20)
    assert set(drawn) <= {4, 5, 6} and (places == 0.5).all()
    assert reader.get_swc_id(3, 0.5) == (4, 0.0)
    with pytest.raises(InputError, match="has no axon within"):
        reader.find_sections(["axon"], [0.0, 10.0])
    with pytest.raises(ConfigError, match="unknown section type 'spine'"):
        reader.find_sections(["spine"], [0.0, 10.0])
    net = NetworkBuilder("v1")
    net.add_nodes(morphology="cell", x=[100.0], model_processing="aibs_perisomatic")
    (node,) = net.nodes()
    cell = get_swc(node, tmp_path, use_cache=True)
    assert cell.n_sections == 9 and get_swc(node, tmp_path, use_cache=True) is cell
    np.testing.assert_allclose(cell.get_coords(0, 0.5), [100.0, 0.0, 0.0], atol=1e-6)


def test_an_array_of_one_number_is_a_number(tmp_path):
    net = _net()
    cm = net.add_edges(**EE, connection_rule=1, syn_weight=1.0)
    cm.add_properties(
        ["sec_id", "sec_x"], rule=lambda s, t: (np.array([2]), np.array([0.5])), dtypes=[int, float]
    )
    net.build()
    net.save_edges(output_dir=tmp_path)
    with h5py.File(tmp_path / "v1_v1_edges.h5") as file:
        group = file["edges/v1_to_v1/0"]
        assert group["sec_id"].shape == group["sec_x"].shape == (6,)
