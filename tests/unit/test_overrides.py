"""Connection overrides: what is read and refused, and that weights, runs and reports have them."""

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from command_line import isocortex as command
from hypothesis import given
from hypothesis import strategies as st
from library_circuit import clamp, poisson, report, write_library_circuit
from sonata_small import configuration, write_circuit, write_config

import isocortex as ic
from isocortex.circuit import ConnectionOverride
from isocortex.cortex.build import build_cortex
from isocortex.cortex.counts import CLASSES, N_EXCITATORY
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.errors import ConfigError
from isocortex.html_report import report_page
from isocortex.network.build import build_network
from isocortex.network.factors import Factors, factors_of
from isocortex.report.netcons import Connected
from isocortex.sonata.config import load_simulation

HALF = {"name": "half", "source": "drive", "target": "excitatory", "weight": 0.5}
INHIBITORY = {"population": "cortex", "ei": "i"}
EXCITATORY = {"population": "cortex", "ei": "e"}


# --- reading ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    write_circuit(tmp_path)
    return tmp_path


def load(folder, overrides):
    config = {**configuration(), "connection_overrides": overrides}
    return load_simulation(write_config(folder, config))


def chosen(ends):
    return [(name, rows.tolist()) for name, rows in ends]


def test_overrides_arrive_in_their_order(folder):
    some = {"name": "some", "source": {"population": "drive", "node_id": [2]}, "target": "cells",
            "weight": 2, "delay": 0.0, "spont_minis": 0, "comment": "why"}  # fmt: skip
    half, other = load(folder, [HALF, some]).overrides
    assert (half.name, half.weight, other.name, other.weight) == ("half", 0.5, "some", 2.0)
    assert chosen(half.source) == [("drive", [0, 1, 2])]
    assert chosen(half.target) == [("cells", [0, 1])]  # nodes 3 and 2
    assert chosen(other.source) == [("drive", [2])]
    assert chosen(other.target) == [("cells", [0, 1, 2, 3])]


@pytest.mark.parametrize("nothing", [None, []])
def test_no_overrides_at_all(folder, nothing):
    assert load(folder, nothing).overrides == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": ...}, r"\[0\].weight: field required. Add it"),
        ({"name": ...}, r"\[0\].name: field required"),
        ({"source": ...}, r"\[0\].source: field required"),
        ({"target": ...}, r"\[0\].target: field required"),
        ({"weight": -0.5}, r"\[0\].weight: input should be greater than or equal to 0"),
        ({"weight": float("nan")}, r"\[0\].weight: input should be (a finite number|greater)"),
        ({"weight": float("inf")}, r"\[0\].weight: input should be a finite number"),
        ({"weight": "0.5"}, r"\[0\].weight: .*Without the quotes: 0.5"),
        ({"weight": True}, r"\[0\].weight"),
        ({"wieght": 0.5}, r"\[0\].wieght: unknown key. Did you mean 'weight'"),
        ({"source": "drvie"}, r"\[0\].source: unknown node set 'drvie'. Did you mean 'drive'"),
        ({"target": {"ei": "x"}}, r"\[0\].target: no node has .*There are ei: 'e', 'i'"),
        ({"source": "excitatory", "target": "drive"},
         r"\[0\]: no edges lead from cells to drive. .* edges from drive to cells, cells to cells"),
        ({"source": "point_neuron"}, r"\[0\]: no edges lead from any node to cells"),
        ({"delay": -1.0}, r"\[0\].delay: input should be greater than or equal to 0"),
        ({"spont_minis": 0.1}, r"\[0\].spont_minis: not supported: .*`weight` and .*Remove it"),
        ({"synapse_configure": "%s.Use = 0"}, r"\[0\].synapse_configure: not supported"),
        ({"modoverride": "GluSynapse"}, r"\[0\].modoverride: not supported"),
        ({"synapse_delay_override": 0.0}, r"\[0\].synapse_delay_override: .*greater than 0"),
        ({"neuromodulation_dtc": 1.0}, r"\[0\].neuromodulation_dtc: not supported"),
        ({"neuromodulation_strength": 1.0}, r"\[0\].neuromodulation_strength: not supported"),
    ],
)  # fmt: skip
def test_mistakes_name_the_entry_the_key_and_the_fix(folder, change, message):
    entry = {k: v for k, v in {**HALF, **change}.items() if v is not ...}
    with pytest.raises(ConfigError, match=r"connection_overrides" + message) as caught:
        load(folder, [entry])
    assert caught.value.file == folder / "simulation.json"
    assert caught.value.fix


@pytest.mark.parametrize(("section", "message"), [({}, "a list"), (["half"], r"\[0\]: must be")])
def test_the_section_is_a_list_of_objects(folder, section, message):
    with pytest.raises(ConfigError, match=f"connection_overrides.*{message}"):
        load(folder, section)


def test_who_draws_cells_alone_needs_no_overrides(folder):
    path = write_config(folder, {**configuration(), "connection_overrides": [HALF]})
    assert load_simulation(path, cells_only=True).overrides == []


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_factors_made_in_python_are_checked_too(weight):
    with pytest.raises(ConfigError, match="lesion must be 0 or more and finite"):
        ConnectionOverride("lesion", [], [], weight)


# --- factors ----------------------------------------------------------------------------------


def between(source, target, weight):
    rows = (np.array(x, np.int64) for x in (source, target))
    ends = ([(name, r)] for name, r in zip(("drive", "cells"), rows, strict=True))
    return ConnectionOverride("o", *ends, weight)


def test_of_several_overrides_the_last_holds_and_they_do_not_multiply(folder):
    projection = load(folder, []).circuit.projections[0]
    overrides = [between([0, 1, 2], [0, 1, 2], 0.5), between([1], [1, 3], 0.2),
                 between([0, 1], [2], 1.0)]  # fmt: skip
    factors = factors_of(overrides, projection, (3, 4))
    source, target = (x.ravel() for x in np.mgrid[:3, :4])
    expected = [[0.5, 0.5, 1.0, 1.0], [0.5, 0.2, 1.0, 0.2], [0.5, 0.5, 0.5, 1.0]]
    np.testing.assert_array_equal(factors.of(source, target).reshape(3, 4), expected)


def test_what_comes_to_the_same_is_the_same(folder):
    projection = load(folder, []).circuit.projections[0]
    whole = factors_of([between([0, 1], [0, 3], 0.5)], projection, (3, 4))
    parts = [between([0], [0], 0.5), between([2], [1], 1.0), between([0], [3], 0.5),
             between([1], [3, 0], 0.1), between([1], [0, 3], 0.5)]  # fmt: skip
    for one, other in zip(whole, factors_of(parts, projection, (3, 4)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.factor.tolist() == [[0.5, 1.0], [1.0, 1.0]]


@given(st.lists(st.tuples(*(st.lists(st.integers(0, 3), max_size=4),) * 2,
                          st.sampled_from([0.0, 0.5, 1.0])), max_size=6))  # fmt: skip
def test_factors_follow_from_what_each_pair_has_in_the_end(overrides):
    """Whatever is overridden in between, and however nodes are put together."""
    expected = np.ones((4, 4))
    for source, target, weight in overrides:
        expected[np.ix_(source, target)] = weight
    sender, receiver = (x.ravel() for x in np.mgrid[:4, :4])
    pairs = [((s,), (r,), expected[s, r]) for r in range(4) for s in range(4)]
    projection = SimpleNamespace(source="drive", target="cells")
    whole, single = (
        factors_of([between(*each) for each in made], projection, (4, 4))
        for made in (overrides, pairs)
    )
    if whole is None:
        assert single is None and (expected == 1.0).all()
        return
    np.testing.assert_array_equal(whole.of(sender, receiver).reshape(4, 4), expected)
    for one, other in zip(whole, single, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_changes_nothing_is_no_factor(folder):
    drive, local = load(folder, []).circuit.projections
    assert factors_of([between([0], [0], 0.0)], local, (4, 4)) is None
    assert factors_of([between([], [0], 0.0)], drive, (3, 4)) is None
    assert factors_of([between([0], [0], 0.0), between([0], [0], 1.0)], drive, (3, 4)) is None


# --- networks and runs of files -----------------------------------------------------------------

EDGES, RECURRENT = [(0, 0, 40), (1, 1, 40)], [(0, 1, 20), (1, 0, 20), (1, 1, 3)]


def write(folder, *, edges=EDGES, recurrent=RECURRENT, overrides=(), **more):
    path = write_library_circuit(
        folder, edges=edges, recurrent=recurrent, run={"tstop": 40.0, "dt": 0.1},
        inputs={"drive": poisson(), "clamp": clamp(0.5)}, reports={"soma": report("v")}, **more,
    )  # fmt: skip
    config = json.loads(path.read_text())
    config["connection_overrides"] = list(overrides)
    path.write_text(json.dumps(config))
    return path


def override(source, target, weight):
    named = [x if isinstance(x, str) else {"population": "cells", "node_id": x}
             for x in (source, target)]  # fmt: skip
    return {"name": "o", "source": named[0], "target": named[1], "weight": weight}


def weights(network):
    """Weights by (source, cell), as often as there are synapses."""
    c, slots = network.connections, network.slots
    source = np.repeat(np.arange(len(c.first) - 1), np.diff(c.first))
    ends = zip(source.tolist(), slots.cell[c.target].tolist(), c.weight.tolist(), strict=True)
    return Counter(ends)


def test_synapses_of_cells_and_of_virtual_nodes_have_their_factors(tmp_path):
    overrides = [override("drive", [1], 0.3), override([1], [0, 1], 0.0), override([1], [1], 3)]
    network = build_network(load_simulation(write(tmp_path, overrides=overrides)))
    w = 1e-3  # cells are the sources 0 and 1, virtual nodes 2 and 3
    assert weights(network) == {(0, 1, w): 20, (1, 0, 0.0): 20, (1, 1, w * 3): 3, (2, 0, w): 40,
                                (3, 1, w * 0.3): 40}  # fmt: skip


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_product_is_in_double_whatever_type_the_file_has(tmp_path, kind):
    """As if the weights in the file had been multiplied, to the last bit."""

    def with_weights(folder, factor, overrides):
        path = write(folder, overrides=overrides)
        with h5py.File(folder / "drive_edges.h5", "r+") as file:
            group = next(iter(file["edges"].values()))["0"]
            given = np.array([1.25e-3, 3.7e-3]).astype(kind)
            group["syn_weight"] = given if factor is None else given.astype(float) * factor
        return build_network(load_simulation(path)).connections

    one = with_weights(tmp_path / "a", None, [override("drive", "cells", 0.3)])
    other = with_weights(tmp_path / "b", 0.3, [])
    np.testing.assert_array_equal(one.weight, other.weight)
    np.testing.assert_array_equal(one.target, other.target)
    assert len(set(one.weight.tolist())) == 3


def ran(path, **options):
    """Spikes and voltages of a run."""
    result = ic.run(path, overwrite=True, **options)
    return result.spikes, result.report("soma").values


def assert_same(one, other):
    pd.testing.assert_frame_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_factor_zero_is_a_circuit_without_these_edges(tmp_path, threads):
    whole = ran(write(tmp_path / "whole"))
    cut = write(tmp_path / "cut", overrides=[override("cells", "cells", 0.0)])
    without = ran(write(tmp_path / "without", recurrent=[(0, 0, 0)]))
    assert_same(ran(cut, threads=threads), without)
    assert len(without[0]) > 2 and not np.array_equal(whole[1], without[1])


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_factor_a_half_is_a_circuit_of_half_the_weight(tmp_path, engine):
    half = write(tmp_path / "half", overrides=[override("all", "all", 0.5)])
    light = write(tmp_path / "light", synapse={"syn_weight": 0.5e-3})
    one = ran(half, engine=engine, tstop=20.0)
    assert_same(one, ran(light, engine=engine, tstop=20.0))
    assert len(one[0]) < len(ran(write(tmp_path / "whole"), engine=engine, tstop=20.0)[0])


def test_a_report_of_single_synapses_has_the_weights_in_force(tmp_path):
    single = {"module": "netcon_report", "cells": "cells", "variable_name": "g", "dt": 0.1}

    def recorded(folder, **what):
        path = write(folder, **what)
        config = json.loads(path.read_text())
        config["reports"]["single"] = single
        path.write_text(json.dumps(config))
        return ic.run(path).report("single").values

    half = recorded(tmp_path / "a", overrides=[override("all", "all", 0.5)])
    light = recorded(tmp_path / "b", synapse={"syn_weight": 0.5e-3})
    assert half.max() > 0
    np.testing.assert_array_equal(half, light)


def test_results_say_what_was_overridden(tmp_path):
    """Also where no file does, as for a simulation changed in Python."""
    simulation = load_simulation(write(tmp_path))
    lesion = ConnectionOverride.between(
        simulation.circuit, {"population": "cells", "node_id": [1]}, "all", 0.25, name="<lesion>"
    )
    result = ic.run(replace(simulation, overrides=[lesion]), tstop=1.0)
    (told,) = result.provenance["run"]["connection_overrides"]
    assert (told["name"], told["weight"]) == ("<lesion>", 0.25)
    assert told["source"]["cells"]["nodes"] == 1
    assert {name: at["nodes"] for name, at in told["target"].items()} == {"cells": 2, "drive": 2}
    page = report_page(result)
    assert "&lt;lesion&gt;" in page and "1 of cells" in page and "2 of cells, 2 of drive" in page
    assert "0.25" in page
    same = replace(lesion, source=[("cells", np.array([0]))])
    other = ic.run(replace(simulation, overrides=[same]), tstop=1.0, output_dir=tmp_path / "b")
    hashes = [r.provenance["run"]["connection_overrides"][0]["source"] for r in (result, other)]
    assert hashes[0] != hashes[1]


def test_info_tells_overrides(tmp_path):
    path = write(tmp_path, overrides=[override("drive", "cells", 0.5)])
    status, said, _ = command("info", str(path))
    assert status == 0
    assert "connection_overrides o: weights times 0.5" in said


def test_a_state_of_a_run_without_the_overrides_is_refused(tmp_path):
    simulation = load_simulation(write(tmp_path, overrides=[override("drive", [0], 0.5)]))
    with ic.open_session(replace(simulation, overrides=[])) as session:
        session.advance(1.0)
        state = session.state()
    with ic.open_session(simulation) as session, pytest.raises(ConfigError, match="synapses"):
        session.restore(state)
    one = [replace(simulation.overrides[0], weight=1.0)]
    with ic.open_session(replace(simulation, overrides=one)) as session:
        session.restore(state)


# --- the cortex -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cortex():
    return CortexModel.make(Recipe(scale=0.0001, seed=3))


@pytest.fixture(scope="module")
def simulation(cortex, tmp_path_factory):
    return load_simulation(build_cortex(tmp_path_factory.mktemp("cortex"), cortex, tstop=100.0))


@pytest.fixture(scope="module")
def materialised(cortex, tmp_path_factory):
    folder = tmp_path_factory.mktemp("edges")
    return load_simulation(build_cortex(folder, cortex, tstop=100.0, materialize=True))


def changed(simulation, *what):
    overrides = [ConnectionOverride.between(simulation.circuit, *each) for each in what]
    return replace(simulation, overrides=overrides)


def test_a_node_set_selects_inhibitory_cells(simulation):
    circuit = simulation.circuit
    kinds = circuit.nodes["cortex"].table
    ((name, rows),) = circuit.select(INHIBITORY, "here")
    assert name == "cortex"
    assert set(kinds["cell_class"].iloc[rows]) == set(CLASSES[N_EXCITATORY:])
    ((_, others),) = circuit.select(EXCITATORY, "here")
    assert len(rows) + len(others) == len(kinds)
    ((_, right),) = circuit.select({"population": "cortex", "hemisphere": "right"}, "here")
    assert 2 * len(right) == len(kinds)


def test_a_recipe_and_its_edges_have_the_same_weights(simulation, materialised):
    """A block of inhibition, of factors that no single precision holds."""
    what = [(INHIBITORY, EXCITATORY, 0.3), ("background", {"population": "cortex"}, 0.7)]
    plain = build_network(simulation)
    drawn = build_network(changed(simulation, *what))
    edges = build_network(changed(materialised, *what))
    assert drawn.drawn.stored
    np.testing.assert_array_equal(drawn.connections.target, plain.connections.target)
    source = np.repeat(
        np.arange(len(plain.connections.first) - 1), np.diff(plain.connections.first)
    )
    e = simulation.circuit.select(EXCITATORY, "here")[0][1]
    cell = plain.slots.cell[plain.connections.target]
    factor = np.where(np.isin(source, e) | ~np.isin(cell, e), 1.0, 0.3)
    factor[source >= plain.n_reacting] = 0.7
    np.testing.assert_array_equal(drawn.connections.weight, plain.connections.weight * factor)

    def synapses(network):
        c, slots = network.connections, network.slots
        source = np.repeat(np.arange(len(c.first) - 1), np.diff(c.first))
        columns = (source, slots.cell[c.target], slots.node[c.target], c.delays[c.delay], c.weight)
        return np.stack([column[np.lexsort(columns[::-1])] for column in columns])

    np.testing.assert_array_equal(synapses(drawn), synapses(edges))


def test_ranks_together_hold_the_overridden_weights(simulation):
    lesion = changed(simulation, ({"population": "cortex", "area": "VISp"}, "cortex", 0.0))
    parts = [build_network(lesion, ranks=3, rank=rank).connections.weight for rank in range(3)]
    whole = build_network(lesion).connections.weight
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.sort(whole))
    assert np.count_nonzero(whole == 0.0) > 100


def test_a_lesion_runs_as_a_cortex_whose_area_sends_nothing(simulation, materialised):
    """Beside it, a cortex of edges from which these were taken out."""
    area = {"population": "cortex", "area": "MOp"}
    rows = simulation.circuit.select(area, "here")[0][1]
    cut = []
    for p in materialised.circuit.projections:
        sent = ~np.isin(p.source_index, rows) | (p.source != "cortex")
        columns = {name: getattr(p, name)[sent] for name in (
            "source_index", "target_index", "rule", "weight", "delay", "nsyns", "section_id",
            "section_pos", "weight_is_final",
        )}  # fmt: skip
        cut.append(replace(p, **columns))
    without = replace(materialised, circuit=replace(materialised.circuit, projections=cut))
    with ic.open_session(without) as session:
        session.advance()
        expected = session.spikes
    with ic.open_session(changed(simulation, (area, "cortex", 0.0))) as session:
        session.advance()
        pd.testing.assert_frame_equal(session.spikes, expected)
    assert len(expected) > 20


@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_drawn_at_each_spike_they_do_what_stored_ones_do(simulation, precision):
    """Factors that no single precision holds."""
    block = changed(
        simulation,
        (INHIBITORY, EXCITATORY, 0.3),
        ({"area": "MOp"}, "cortex", 0.0),
        ("L5", "L5", 1.7),
    )
    end = []
    for each, threads, store in ((block, 1, True), (block, 2, False), (simulation, 1, True)):
        with ic.open_session(
            each, threads=threads, store_synapses=store, precision=precision
        ) as session:
            session.advance(50.0)
            state = session.state()
            session.advance()
            end.append((session.spikes, session.run.engine.soma_voltage(), state))
    (stored, v, state), (drawn, w, _), (other, _, _) = end
    pd.testing.assert_frame_equal(stored, drawn)
    np.testing.assert_array_equal(v, w)
    assert len(stored) > 100 and not stored.equals(other)
    with ic.open_session(block, store_synapses=False, precision=precision) as session:
        session.restore(state)
        session.advance()
        np.testing.assert_array_equal(session.run.engine.soma_voltage(), v)


def test_single_synapses_of_a_recipe_have_the_weights_in_force(simulation):
    block = changed(simulation, (INHIBITORY, EXCITATORY, 0.3), ("background", "cortex", 0.7))
    network, cells = build_network(block, store_synapses=True), np.arange(20)
    single = Connected(block, network, "cortex", cells)
    stored = weights(network)
    counted = Counter(zip(*(x.tolist() for x in (single.source, single.cell, single.weight)),
                          strict=True))  # fmt: skip
    assert counted == Counter({key: n for key, n in stored.items() if key[1] < 20})
    assert counted != weights(build_network(simulation, store_synapses=True))


def test_a_state_of_a_recipe_with_other_overrides_is_refused(simulation):
    """Weights of drawn synapses were known by what they are drawn from, stored or not."""
    with ic.open_session(simulation) as session:
        state = session.state()
    half = changed(simulation, (INHIBITORY, "cortex", 0.5))
    with ic.open_session(half) as session:
        with pytest.raises(ConfigError, match="synapses"):
            session.restore(state)
        state = session.state()
    with ic.open_session(half) as session:
        session.restore(state)
    third = changed(simulation, (INHIBITORY, "cortex", 0.3))
    with ic.open_session(third) as session, pytest.raises(ConfigError, match="synapses"):
        session.restore(state)


@pytest.mark.parametrize(
    ("factors", "exact"), [((0.0, 1.0, 0.25, 2.0), True), ((0.5, 0.3), False), ((3.0,), False)]
)
def test_which_factors_leave_single_precision_weights_single(factors, exact):
    """Drawn weights are kept in single precision only if every product of any of them is one."""
    none = np.zeros(0, np.uint8)
    assert Factors(none, none, np.array([factors])).exact == exact
    weight = np.random.default_rng(1).random(1000).astype(np.float32)
    products = np.multiply.outer(np.array(factors), weight)
    assert (products.astype(np.float32) == products).all() == exact
