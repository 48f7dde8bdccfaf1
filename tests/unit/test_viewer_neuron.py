"""Branches, recordings and synaptic events of one neuron are those of the simulation."""

import numpy as np
import pytest
from viewer_run import driven_cells

from isocortex.cells.compiled import SECTION_TYPES
from isocortex.cells.library import library_cells, load_cell
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel, Recipe
from isocortex.network.build import build_network
from isocortex.network.onto import synapses_onto
from isocortex.sonata.config import load_simulation
from isocortex.viewer.neuron import ABSENT, branches, upright
from isocortex.viewer.pack import unpack
from isocortex.viewer.session import Session


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return driven_cells(tmp_path_factory.mktemp("cells"))


@pytest.fixture(scope="module")
def session(result):
    return Session(result)


def place(session, node):
    return int(session.scene.index_of("cells", np.array([node]))[0])


def test_a_branch_tapers_from_one_compartment_to_the_next():
    cell = load_cell("472363762")
    drawn = branches(cell)
    start, end = drawn["ends"].T
    place = {node: k for k, node in enumerate(cell.compartments)}
    of = cell.section_type
    for node, k in place.items():
        up = cell.parent[node]
        if up in place and of[up] != 1 and np.count_nonzero(cell.parent == up) == 1:
            joint = (cell.diameter[node] + cell.diameter[up]) / 4
            assert start[k] == pytest.approx(joint) and end[place[up]] == pytest.approx(joint)
    assert start[drawn["kind"] == 1] == pytest.approx(drawn["radius"][drawn["kind"] == 1])
    assert (start > 0).all() and np.mean(start != end) > 0.5


def test_apical_dendrites_point_up_and_lengths_stay():
    for name in library_cells().index:
        cell = load_cell(name)
        start, end = upright(cell)
        apical = cell.section_type == SECTION_TYPES["apic"]
        if apical.any():
            x, y, _ = np.average(end[apical], axis=0, weights=cell.length[apical] + 1e-9)
            assert y > 0 and abs(x) < 1e-6 * max(y, 1.0)
        before = np.linalg.norm(cell.end - cell.start, axis=1)
        assert np.allclose(np.linalg.norm(end - start, axis=1), before, atol=1e-9)


def test_branches_are_the_compartments_in_the_order_of_reports():
    cell = load_cell("485836906")
    drawn = branches(cell)
    assert len(drawn["radius"]) == cell.n_compartments
    assert np.allclose(2 * drawn["radius"], cell.diameter[cell.compartments], rtol=1e-6)
    assert np.array_equal(drawn["kind"], cell.section_type[cell.compartments])


def codes(differences):
    """What the page makes of differences from sample to sample."""
    return np.cumsum(differences, axis=0, dtype=np.uint16)


def test_colours_are_the_recorded_voltages(session, result):
    head, arrays = unpack(session.get(f"neuron/{place(session, 1)}"))
    (v,) = [k for k, r in enumerate(head["reports"]) if r["variable"] == "v"]
    report = head["reports"][v]
    truth = result.report("v").values
    step = (report["high"] - report["low"]) / report["levels"]
    shown = report["low"] + codes(arrays[f"colour{v}"]) * step
    assert report["whole"] and shown.shape == truth.shape and 0.015 < step <= 0.02  # mV
    assert np.abs(shown - truth).max() <= 0.51 * step
    times = report["first"] + report["dt"] * np.arange(len(truth))
    assert np.allclose(times, result.report("v")["time"].values)
    soma = result.voltage(1, "cells").values
    assert np.array_equal(arrays[f"trace{v}"], soma)


def test_compartments_without_calcium_have_no_colour(session, result):
    head, arrays = unpack(session.get(f"neuron/{place(session, 1)}"))
    (ca,) = [k for k, r in enumerate(head["reports"]) if r["variable"] == "cai"]
    absent = np.isnan(result.report("cai").values)
    shown = codes(arrays[f"colour{ca}"])
    assert np.array_equal(shown == ABSENT, absent) and absent.any()
    report = head["reports"][ca]
    step = (report["high"] - report["low"]) / report["levels"]
    truth = result.report("cai").values
    assert report["levels"] == ABSENT - 1  # its logarithm is shown: as fine as 16 bits are
    assert np.nanmax(np.abs(report["low"] + shown * step - truth)[~absent]) <= 0.51 * step


def test_a_cell_with_nothing_but_a_soma_trace_has_no_colours(session):
    head, arrays = unpack(session.get(f"neuron/{place(session, 0)}"))
    assert [r["name"] for r in head["reports"]] == ["soma"] and not head["reports"][0]["whole"]
    assert session.recorded == [place(session, 1), place(session, 0)]  # the whole one first
    assert "trace0" in arrays and "colour0" not in arrays and "start" in arrays
    head, arrays = unpack(session.get(f"neuron/{place(session, 2)}"))
    assert head["reports"] == [] and "start" in arrays


def test_events_are_as_many_as_the_simulation_delivered(session, result):
    events = 0
    for node in range(3):
        head, arrays = unpack(session.get(f"synapses/{place(session, node)}"))
        assert head["synapses"] == {0: 6, 1: 6, 2: 4}[node]
        assert (np.diff(arrays["time"]) >= 0).all()
        assert (arrays["excites"] == 1).all()
        # rows of sources: also of the virtual ones, which are not shown
        pairs = zip(arrays["population"], arrays["row"], strict=True)
        heard = {(head["populations"][p], int(row)) for p, row in pairs}
        assert heard == {0: {("drive", 0), ("drive", 1), ("cells", 2)},
                         1: {("drive", 2), ("cells", 0)},
                         2: {("drive", 3), ("cells", 1)}}[node]  # fmt: skip
        events += np.count_nonzero(arrays["time"] <= result.duration - 0.05)
    assert abs(events - result.run_summary.n_events) <= 3  # those of the very last step


def test_an_event_is_a_spike_and_its_delay(session, result):
    _, arrays = unpack(session.get(f"synapses/{place(session, 1)}"))
    mine = np.flatnonzero(arrays["source"] == place(session, 0))
    assert len(mine) == 2
    spikes = result.spikes.query("node_ids == 0")["timestamps"].to_numpy()
    times = arrays["time"][np.isin(arrays["synapse"], mine)]
    expected = np.repeat(spikes + 1.0, 2)
    expected = expected[expected <= result.duration]
    assert np.allclose(np.sort(times), np.sort(expected), atol=1e-3)


def test_synapses_lie_where_the_simulation_has_them(result):
    simulation = load_simulation(result.provenance["run"]["config_file"])
    network = build_network(simulation)
    cell = network.models[0]
    onto = synapses_onto(simulation, "cells", [0, 1, 2])
    for node, found in onto.items():
        number = np.flatnonzero(network.source_node_id[: network.n_cells] == node)[0]
        c = network.connections
        mine = network.slots.cell[c.target] == number
        assert np.array_equal(np.sort(network.slots.node[c.target[mine]]), np.sort(found.node))
        assert cell.area[found.node].min() > 0


def test_synapses_of_a_recipe_are_those_that_are_drawn(tmp_path):
    recipe = Recipe(scale=0.0001, seed=3)
    cortex = CortexModel.make(recipe)
    simulation = load_simulation(build_cortex(tmp_path, cortex, tstop=1.0))
    drawn = list(cortex.synapses(range(len(cortex))))
    for node, found in synapses_onto(simulation, "cortex", [5, 700]).items():
        own = found.source_population == found.population.index("cortex")
        sources = np.concatenate([d.source[d.target == node] for d in drawn])
        nodes = np.concatenate([d.node[d.target == node] for d in drawn])
        assert np.array_equal(found.source[own], sources)
        assert np.array_equal(found.node[own], nodes)
        kind = cortex.kinds[0][cortex.kinds[1][node]]
        area = cortex.atlas.areas.index[cortex.neurons.area[node]]
        assert np.count_nonzero(~own) == cortex.drive.of(*kind, area)[0]  # the background's


def test_names_that_do_not_exist_give_nothing(session):
    for name in ("", "neuron/3", "synapses/99", "spikes/1/9", "../scene", "scene/", "neuron/-1"):
        assert session.get(name) is None
