"""Node sets by distance from points: which nodes, on files and recipes, and what is refused."""

import json

import h5py
import numpy as np
import pytest
from library_circuit import clamp, poisson, report, write_library_circuit
from scipy.spatial.distance import cdist
from sonata_small import write_circuit

import isocortex as ic
from isocortex import experiment as ex
from isocortex.circuit.force import in_force, with_changes
from isocortex.circuit.near import CUBE, Scattered, read_near
from isocortex.cortex.build import build_cortex
from isocortex.errors import ConfigError
from isocortex.experiment.files import change_of
from isocortex.network.build import build_network
from isocortex.sonata.config import load_circuit

AREA = {"population": "cortex", "area": "VISp"}
PLAQUES = ex.scattered(300.0, seed=2, what="plaques")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four cells at (i, 10 i, 100 i) um, i their node id, listed from the last to the first."""
    folder = tmp_path_factory.mktemp("small")
    write_circuit(folder)
    with h5py.File(folder / "nodes.h5", "a") as file:
        for group in ("0", "1"):
            x = file[f"nodes/cells/{group}/x"][:]
            file[f"nodes/cells/{group}/y"], file[f"nodes/cells/{group}/z"] = 10.0 * x, 100.0 * x
    return folder


def ids(circuit, node_set):
    return {n: circuit.nodes[n].node_ids[r].tolist() for n, r in circuit.select(node_set, "x")}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    cortex = ic.CortexModel.make(ic.Recipe(scale=0.0003, seed=3))
    return ic.load_simulation(build_cortex(tmp_path_factory.mktemp("r"), cortex, tstop=60.0))


def places(simulation, rows):
    columns = simulation.circuit.nodes["cortex"].columns
    return np.stack([columns[axis][rows] for axis in "xyz"], axis=1)


# --- which nodes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node_set", "expected"),
    [
        (ex.near([[0, 0, 0]], 1.0), [0]),
        (ex.near([[0, 0, 0], [3, 30, 300]], 0), [3, 0]),
        (ex.near([[1, 10, 100.0]], 101.0), [2, 1, 0]),
        (ex.near([[1, 10, 100.0]], beyond=1.0), [3, 2, 0]),
        (ex.near([[0, 0, 0]], 202.0, beyond=100.0), [2, 1]),
        (ex.near([[0, 0, 0]], 500.0, ei="e"), [3, 2]),
        (ex.near(np.zeros((1, 3)), 500.0, population="cells", node_id=[1]), [1]),
    ],
)
def test_nodes_are_those_within_a_distance_of_any_point(folder, node_set, expected):
    circuit = load_circuit(folder / "simulation.json")
    assert ids(circuit, json.loads(json.dumps(node_set))) == {"cells": expected}
    circuit.node_sets["close"] = node_set
    assert ids(circuit, ["close"]) == {"cells": sorted(expected, reverse=True)}


def test_near_and_beyond_are_all_nodes_and_share_none(recipe):
    ((name, everybody),) = recipe.circuit.select(AREA, "x")
    points = places(recipe, everybody[:5]) + 3.0
    away = cdist(places(recipe, everybody), points).min(axis=1)
    limits = [(0.0, 200.0), (200.0, 500.0), (500.0, np.inf)]
    shells = [ex.near(points, um, beyond=beyond, **AREA) for beyond, um in limits]
    found = [recipe.circuit.select(shell, "x")[0][1] for shell in shells]
    for rows, (beyond, um) in zip(found, limits, strict=True):
        np.testing.assert_array_equal(rows, everybody[(away > beyond) & (away <= um)])
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), everybody)


def test_nodes_without_a_place_are_neither_near_nor_far(folder):
    with h5py.File(folder / "nodes.h5", "a") as file:
        file["nodes/cells/1/z"][0] = np.nan
    circuit = load_circuit(folder / "simulation.json")
    found = [ids(circuit, ex.near([[0, 0, 0]], **at)) for at in ({"um": 1e4}, {"beyond": 1e-3})]
    assert found == [{"cells": [3, 2, 0]}, {"cells": [3, 2]}]


# --- scattered points -------------------------------------------------------------------------


def test_scattered_points_are_those_of_a_poisson_process():
    low, high = np.zeros(3), np.full(3, 20 * CUBE - 1)
    points = Scattered(500.0, 1, "plaques").within(low, high)
    n = 500.0 * 8.0
    assert abs(len(points) - n) < 4 * np.sqrt(n)
    assert points.min() >= 0.0 and points.max() < 20 * CUBE
    np.testing.assert_allclose(points.mean(axis=0), 1000.0, atol=40.0)
    cells = np.histogramdd(points, bins=8, range=3 * [(0.0, 2000.0)])[0]
    assert cells.var() == pytest.approx(cells.mean(), rel=0.25)


def test_scattered_points_follow_from_seed_and_purpose_alone():
    whole = Scattered(500.0, 1, "plaques").within(np.full(3, -450.0), np.full(3, 450.0))
    part = Scattered(500.0, 1, "plaques").within(np.array([10.0, -90.0, 0.0]), np.full(3, 90.0))
    inside = ((whole >= [0.0, -100.0, 0.0]) & (whole < 100.0)).all(axis=1)
    assert len(part) and sorted(part.tolist()) == sorted(whole[inside].tolist())
    for other in (Scattered(500.0, 2, "plaques"), Scattered(500.0, 1, "vessels")):
        points = other.within(np.full(3, -450.0), np.full(3, 450.0))
        assert not {*map(tuple, points)} & {*map(tuple, whole)}


def test_a_larger_density_has_all_points_of_a_smaller_one():
    found = [
        {*map(tuple, Scattered(density).within(np.zeros(3), np.full(3, 1000.0)))}
        for density in (1.0, 300.0, 3e4)
    ]
    assert found[0] < found[1] < found[2] and len(found[1]) > 200


def test_nodes_near_scattered_points_are_as_many_as_there_should_be(recipe):
    ((_, rows),) = recipe.circuit.select("cortex", "x")
    density, um = 3000.0, 40.0
    near = ex.near(ex.scattered(density, what="plaques"), um, population="cortex")
    share = len(recipe.circuit.select(near, "x")[0][1]) / len(rows)
    expected = 1.0 - np.exp(-density * 4.0 / 3.0 * np.pi * (1e-3 * um) ** 3)
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected / len(rows)))


# --- changes ----------------------------------------------------------------------------------


def test_a_change_near_points_is_that_change_of_these_nodes(recipe):
    """Two changes: more synapses are lost near plaques than elsewhere."""
    excitatory = {"population": "cortex", "ei": "e"}
    layer = [ex.near(PLAQUES, 100.0, **excitatory), ex.near(PLAQUES, beyond=100.0, **excitatory)]
    lost = [ex.synapses(source=excitatory, target=each, removed=share)
            for each, share in zip(layer, (0.5, 0.25), strict=True)]  # fmt: skip
    by_ids = [
        ex.synapses(source=excitatory, target={"population": "cortex", "node_id": rows.tolist()},
                    removed=change.removed)
        for change, ((_, rows),) in zip(
            lost, (recipe.circuit.select(each, "x") for each in layer), strict=True)
    ]  # fmt: skip
    networks = [build_network(with_changes(recipe, each), True) for each in (lost, by_ids)]
    weights = [network.connections.weight for network in networks]
    np.testing.assert_array_equal(*weights)
    assert all(each.synapses > 100 for each in networks[0].touched)
    assert sum(each.synapses for each in networks[0].touched) == np.count_nonzero(weights[0] == 0)


@pytest.mark.parametrize(
    "change",
    [
        ex.lose(ex.near(PLAQUES, 100.0, **AREA), 1.0),
        ex.current(ex.near(PLAQUES, 100.0, **AREA), 0.1),
        ex.channel(ex.near(PLAQUES, 100.0, **AREA), "NaTs NaTa NaV", gbar=0.5),
    ],
)
def test_every_change_takes_it(recipe, change):
    (effect,) = in_force(with_changes(recipe, [change])).effects
    expected = recipe.circuit.select(change.node_set, "x")
    ((name, rows),) = effect.nodes
    assert name == "cortex" and 0 < len(rows)
    np.testing.assert_array_equal(rows, expected[0][1])


def test_shells_have_all_nodes_once(recipe):
    """A gradient: each value up to its distance, whatever order they are given in."""
    points = ex.scattered(300, seed=3, what="plaques")
    shells = ex.shells(points, {np.inf: 0.1, 40.0: 0.5, 90.0: 0.3}, ei="e")
    assert [value for _, value in shells] == [0.5, 0.3, 0.1]
    inner, middle, rest = (ids(recipe.circuit, nodes)["cortex"] for nodes, _ in shells)
    both = ids(recipe.circuit, ex.near(points, 90.0, ei="e"))["cortex"]
    assert inner and middle and sorted([*inner, *middle]) == sorted(both)
    everybody = ids(recipe.circuit, {"population": "cortex", "ei": "e"})["cortex"]
    assert sorted([*both, *rest]) == sorted(everybody)


def test_it_is_plain_data_in_a_study_and_in_a_file_of_ones_own():
    told = {"lose": {"node_set": {"area": "VISp", "near": {"points": PLAQUES, "um": 20}},
                     "share": 0.5}}  # fmt: skip
    assert change_of(told) == ex.lose(ex.near(PLAQUES, 20, area="VISp"), 0.5)
    study = ex.Study(arms={"control": [], "lost": [change_of(told)]}, scale=0.0001)
    assert ex.Study.read(json.loads(json.dumps(study.as_json()))).as_json() == study.as_json()


def test_it_runs_from_a_configuration(tmp_path):
    path = write_library_circuit(
        tmp_path, inputs={"drive": poisson(), "clamp": clamp(0.4, (0, 1))},
        edges=[(0, 0, 40), (1, 1, 40)], run={"tstop": 40.0, "dt": 0.1},
        reports={"soma": report("v")}, place={"x": [1.0], "y": [0.0], "z": [0.0]},
    )  # fmt: skip
    content = json.loads(path.read_text())
    lesion = ex.lesion(ex.near([[1.0, 0.0, 0.0]], 5.0, population="cells"))
    path.write_text(json.dumps(content | ex.section([lesion])))
    now = in_force(ic.load_simulation(path))
    assert [(name, rows.tolist()) for name, rows in now.effects[0].nodes] == [("cells", [0, 1])]


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"points": [[0, 0, 0]]}, r"near.um: is missing, and so is beyond"),
        ({"um": 3}, r"near.points: is missing"),
        ({"points": [[0, 0]], "um": 3}, r"near.points: must be a list of \[x, y, z\]"),
        ({"points": [], "um": 3}, r"near.points: must be a list"),
        ({"points": "here", "um": 3}, r"near.points: must be a list"),
        ({"points": [[0, 0, float("nan")]], "um": 3}, r"near.points: must be finite"),
        ({"points": [[0, 0, 0]], "um": -1}, r"near.um: must be a number, 0 or more"),
        ({"points": [[0, 0, 0]], "um": "1"}, r"near.um: must be a number"),
        ({"points": [[0, 0, 0]], "um": 3, "beyond": 3}, r"near.beyond: must be less than um"),
        ({"points": [[0, 0, 0]], "within": 3}, r"near.within: is unknown; there are points, um"),
        ({"points": {"density": 3}, "um": 3}, r"near.points.density: is unknown"),
        ({"points": {}, "um": 3}, r"near.points.density_mm3: must be a number"),
        ({"points": {"density_mm3": 0}, "um": 3}, r"density_mm3: must be above 0 and up to"),
        ({"points": {"density_mm3": 1, "seed": 1.5}, "um": 3}, r"seed: must be a whole number"),
        ({"points": {"density_mm3": 1, "what": 1}, "um": 3}, r"what: must be a text"),
        ({"points": [[0, 0, 7]], "um": 1}, r"near: no node lies within 1 um of the points"),
        ({"points": [[0, 0, 7]], "beyond": 1e6}, r"near: no node lies beyond 1e\+06 um from"),
        ({"points": {"density_mm3": 1e5}, "um": 1e5}, r"density_mm3: 100000 points per mm3 are"),
    ],
)
def test_what_is_no_distance_from_points_is_refused_by_name(folder, told, message):
    circuit = load_circuit(folder / "simulation.json")
    with pytest.raises(ConfigError, match=r"inputs.i.node_set." + ".*" + message) as caught:
        circuit.select({"near": told}, "inputs.i.node_set")
    assert caught.value.fix and caught.value.file == circuit.config_file


def test_nodes_that_have_no_places_are_refused(folder):
    circuit = load_circuit(folder / "simulation.json")
    with pytest.raises(ConfigError, match="nodes of drive have no x, y and z"):
        circuit.select(ex.near([[0, 0, 0]], 1e6, population="drive"), "here")


def test_python_refuses_at_once():
    with pytest.raises(ConfigError, match="near.points"):
        ex.near([1, 2, 3], 20)
    with pytest.raises(ConfigError, match="near.um"):
        ex.near([[1, 2, 3]])
    assert read_near({"points": [[1, 2, 3]], "beyond": 5}, None, "near").um == np.inf
