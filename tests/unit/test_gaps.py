"""Gap junctions: what they are on paper, in both engines, in files, states, threads and ranks."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from launch import launch
from library_circuit import (
    ORIGIN,
    SYNAPSE,
    clamp,
    poisson,
    potentials,
    report,
    write_library_circuit,
)
from neurons import random_tree, tree
from written import require_equal

import isocortex as ic
from isocortex.circuit.changes import Lesion
from isocortex.circuit.force import with_changes
from isocortex.circuit.signals import Pulses
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.engine.reference import ReferenceEngine
from isocortex.errors import ConfigError, InputError, IsocortexError
from isocortex.network.build import build_network
from isocortex.network.gaps import GapJunctions
from isocortex.network.network import CurrentSource, bare_network
from isocortex.session.statefile import read_state
from isocortex.sonata.config import load_simulation
from isocortex.sonata.write import write_edges, write_types


def _coupled(models, cell_model, junctions, amp):
    """Cells with gap junctions (cell, node, cell, node, uS) and a current into the first."""
    network = bare_network(models, cell_model, [CurrentSource(0, 0, Pulses([amp], [0.0], [1e9]))])
    rows = np.array(junctions, float)
    gaps = GapJunctions(rows[:, [0, 2]].astype(int), rows[:, [1, 3]].astype(int), rows[:, 4])
    return replace(network, gaps=gaps)


def _voltages(engine, n_steps):
    network = engine.network
    engine.record(ProbeTable.of([
        (c, node, Variable("v")) for c, m in enumerate(network.cell_model)
        for node in range(network.models[m].n_nodes)
    ]))  # fmt: skip
    return engine.advance(n_steps).samples


@pytest.mark.parametrize("engine", [CpuEngine, ReferenceEngine])
@pytest.mark.parametrize("second_order", [False, True])
def test_coupling_coefficient(engine, second_order):
    """Two compartments at rest: V2 / V1 = g / (G + g), and V1 = I (G + g) / (G (G + 2 g))."""
    g_pas, area, g, amp = 1e-4, 1000.0, 2e-4, 0.01
    model = tree([-1], area, 0.0, g_pas=g_pas, e_pas=-70.0)
    network = _coupled([model], [0, 0], [(0, 0, 1, 0, g)], amp)
    assert network.window(0.1) == 1
    settings = Settings(dt=0.1, v_init=-70.0, second_order=second_order)
    v1, v2 = _voltages(engine(network, settings), 4000)[-1] + 70.0
    G = 1e-2 * g_pas * area  # uS
    assert v2 / v1 == pytest.approx(g / (G + g), rel=1e-6)
    assert v1 == pytest.approx(amp * (G + g) / (G * (G + 2 * g)), rel=1e-6)


def test_one_step_on_paper():
    """Implicit in the own voltage, with the other's as the step began."""
    c, g, dt = 1e-2, 3e-3, 0.1  # nF of 1000 um2, uS, ms
    model = tree([-1], 1000.0, 0.0, g_pas=0.0)
    network = _coupled([model], [0, 0], [(0, 0, 1, 0, g)], 0.05)
    v = _voltages(CpuEngine(network, Settings(dt=dt, v_init=-70.0)), 2)
    first = np.array([-70.0 + 0.05 / (c / dt + g), -70.0])
    np.testing.assert_allclose(v[0], first, rtol=1e-12)
    second = first + (np.array([0.05, 0.0]) + g * (first[::-1] - first)) / (c / dt + g)
    np.testing.assert_allclose(v[1], second, rtol=1e-12)


JUNCTIONS = [(0, 0, 1, 3, 2e-3), (1, 5, 2, 0, 1e-3), (2, 0, 0, 2, 3e-3), (3, 1, 0, 0, 1e-3),
             (3, 1, 2, 4, 5e-4), (0, 0, 1, 3, 1e-3)]  # fmt: skip


@pytest.mark.parametrize("second_order", [False, True])
def test_trees_are_those_of_the_reference(second_order):
    models = [random_tree(seed) for seed in range(2)]
    network = _coupled(models, [0, 1, 0, 1], JUNCTIONS, 0.3)
    settings = Settings(dt=0.025, v_init=-75.0, threshold=-20.0, second_order=second_order)
    alone = _voltages(CpuEngine(replace(network, gaps=GapJunctions()), settings), 800)
    expected = _voltages(ReferenceEngine(network, settings), 800)
    found = _voltages(CpuEngine(network, settings), 800)
    assert np.abs(found - alone).max() > 1.0
    np.testing.assert_allclose(found, expected, atol=2e-6, rtol=1e-7)


@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_threads_change_nothing_and_precision_little(precision):
    models = [random_tree(seed) for seed in range(2)]
    network = _coupled(models, [0, 1, 0, 1], JUNCTIONS, 0.1)
    settings = Settings(dt=0.05, v_init=-75.0, precision=precision)
    one, two, three = (
        _voltages(CpuEngine(network, replace(settings, threads=n)), 400) for n in (1, 2, 3)
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)
    exact = _voltages(CpuEngine(network, replace(settings, precision="double")), 400)
    np.testing.assert_allclose(one, exact, atol=0.05)


# --- files ------------------------------------------------------------------------------------

SOMA = {"target_sections": "['somatic']", "distance_range": "[0.0, 100.0]"}
DENDRITES = {"target_sections": "['basal']", "distance_range": "[0.0, 150.0]"}


def with_gaps(config, rows, ends=("cells", "cells"), counts=(3, 3), **edge_type):
    """Add gap junctions (source, target) to a circuit, in files of their own."""
    folder = config.parent
    kind = {"edge_type_id": 7, "is_gap_junction": True, "syn_weight": 2e-3, **SOMA, **edge_type}
    write_types(folder / "gap_types.csv", pd.DataFrame([kind]))
    table = pd.DataFrame(rows, columns=["source_node_id", "target_node_id"], dtype=int)
    table = table.assign(edge_type_id=7, nsyns=1).sort_values("target_node_id", kind="stable")
    write_edges(folder / "gaps.h5", *ends, counts, table, name="gaps")
    content = json.loads(config.read_text())
    content["networks"]["edges"].append(
        {"edges_file": "gaps.h5", "edge_types_file": "gap_types.csv"}
    )
    content["networks"]["gap_juncs"] = [{"gap_juncs_file": "cells_gap_juncs.h5"}]
    config.write_text(json.dumps(content))
    return config


def write(folder, **sections):
    """Three cells, the first of them driven."""
    return write_library_circuit(
        folder, cells=3, drive=2, edges=[(0, 0, 40), (1, 1, 20)], recurrent=[(0, 2, 20)],
        place=ORIGIN,
        **{"inputs": {"drive": poisson(), "clamp": clamp(0.4)},
           "run": {"tstop": 40.0, "dt": 0.1},
           "reports": {"soma": report("v"), "all": report("v", "all", dt=0.5),
                       "im": report("i_membrane", "all", dt=1.0),
                       "out": potentials(folder)}, **sections},
    )  # fmt: skip


@pytest.fixture(scope="module")
def coupled(tmp_path_factory):
    """A chain of gap junctions on dendrites, and its run."""
    folder = tmp_path_factory.mktemp("coupled")
    config = with_gaps(write(folder), [(0, 1), (1, 2), (0, 2)], **DENDRITES)
    return config, ic.run(config, output_dir=folder / "whole", threads=1)


def test_edges_are_read_and_placed(coupled):
    config, _ = coupled
    simulation = load_simulation(config)
    (gaps,) = simulation.circuit.gaps
    assert gaps.name == "gaps" and all(p.name != "gaps" for p in simulation.circuit.projections)
    network = build_network(simulation)
    assert len(network.gaps) == 3 and network.n_synapses == 80
    np.testing.assert_array_equal(network.gaps.cell, [[0, 1], [1, 2], [0, 2]])
    model = network.models[0]
    nodes = network.gaps.node.ravel()
    assert (model.section_type[nodes] == 3).all() and len(set(nodes.tolist())) > 2
    for node in nodes:  # in the middle of its section
        assert model.node_at(int(model.section[node]), 0.5) == node
    other = build_network(replace(simulation, seed=simulation.seed + 1))
    assert (other.gaps.node != network.gaps.node).any()


def test_a_voltage_spreads_through_them(coupled, tmp_path):
    _, whole = coupled
    alone = ic.run(write(tmp_path), output_dir=tmp_path / "alone", threads=1)
    there, here = whole.report("soma"), alone.report("soma")
    assert np.abs(np.asarray(there) - np.asarray(here)).max() > 0.05


def test_what_conducts_nothing_changes_nothing(tmp_path):
    """To the last bit, though spikes are exchanged at every step."""
    without = ic.run(write(tmp_path / "a"), output_dir=tmp_path / "a" / "out", threads=1)
    config = with_gaps(write(tmp_path / "b"), [(0, 1), (1, 2)], syn_weight=0.0)
    with_some = ic.run(config, output_dir=tmp_path / "b" / "out", threads=2)
    require_equal(with_some.directory, without.directory)
    assert len(without.spikes) > 0


def test_currents_through_the_membranes_of_a_cell_add_up_to_what_is_injected(coupled):
    """What flows through a gap counts as through the membrane, as in NEURON."""
    config, whole = coupled
    model = build_network(load_simulation(config)).models[0]
    with h5py.File(whole.directory / "im.h5") as file:
        report_of = file["report/cells"]
        currents, pointer = report_of["data"][:], report_of["mapping/index_pointer"][:]
    area = 1e-2 * model.area[model.compartments]  # nA per mA/cm2
    for c, amp in enumerate((0.4, 0.0, 0.0)):
        total = currents[5:, pointer[c] : pointer[c + 1]] @ area
        np.testing.assert_allclose(total, amp, atol=1e-5)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_are_equal(coupled, tmp_path, threads):
    config, whole = coupled
    require_equal(ic.run(config, output_dir=tmp_path, threads=threads).directory, whole.directory)


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_are_equal(coupled, tmp_path, ranks):
    config, whole = coupled
    status, printed, error = launch(ranks, "run", config, "--threads", 1, "--output-dir", tmp_path)
    assert (status, error) == (0, "")
    assert "3 gap junctions" in printed
    require_equal(tmp_path, whole.directory)


@pytest.mark.parametrize("tstop", [17.0, 17.3])  # the latter within what a report's row is of
def test_a_run_that_stopped_goes_on_to_the_last_bit(coupled, tmp_path, tstop):
    config, whole = coupled
    ic.run(config, output_dir=tmp_path, tstop=tstop, checkpoint_every=5.0, threads=2, save_at=10.0)
    ic.continue_run(tmp_path, tstop=40.0, threads=1)
    require_equal(tmp_path, whole.directory)


def test_a_checkpoint_that_lacks_a_row_is_refused(coupled, tmp_path, monkeypatch):
    """As earlier versions wrote them after the first row that a run's end leaves out."""
    config, _ = coupled
    with monkeypatch.context() as patch:
        patch.setattr("isocortex.session.session.schedules_of", lambda *_: [])
        ic.run(config, output_dir=tmp_path, tstop=17.3, checkpoint_every=5.0, threads=1)
    spikes = (tmp_path / "spikes.h5").read_bytes()
    with pytest.raises(ConfigError, match=r"reports.all: has 34 rows until 17.2 ms, and 35 are"):
        ic.continue_run(tmp_path, tstop=40.0, threads=1)
    assert (tmp_path / "spikes.h5").read_bytes() == spikes


def test_a_state_goes_on_in_another_session_of_the_same_gap_junctions(coupled, tmp_path):
    config, _ = coupled
    with ic.open_session(config, threads=1) as first:
        first.advance(12.0)
        state = first.state()
        first.advance(10.0)
        with ic.open_session(config, threads=2) as second:
            second.restore(state)
            second.advance(10.0)
            assert [second.voltage(k) for k in range(3)] == [first.voltage(k) for k in range(3)]
    with ic.open_session(write(tmp_path)) as other, pytest.raises(ConfigError, match="synapses"):
        other.restore(state)


def test_a_lesion_cuts_them(coupled):
    simulation = load_simulation(coupled[0])
    late = with_changes(simulation, [Lesion(node_set={"population": "cells", "node_id": [0]},
                                            start=20.0)])  # fmt: skip
    network = build_network(late)
    assert len(network.gaps) == 3 and network.touched[0].gaps == 2
    assert "2 gap junctions" in str(network.touched[0])
    early = with_changes(simulation, [Lesion(node_set={"population": "cells", "node_id": [0]})])
    np.testing.assert_array_equal(build_network(early).gaps.cell, [[1, 2]])


def test_states_are_saved_where_windows_of_the_network_of_then_end(coupled, tmp_path):
    """A lesion that cuts the last gap junctions makes a window of 1 step one of 10."""
    late = with_changes(load_simulation(coupled[0]), [
        Lesion(node_set={"population": "cells", "node_id": [0, 1]}, start=20.3)
    ])  # fmt: skip
    whole = ic.run(late, output_dir=tmp_path / "whole", threads=1)
    moments = [15.3, 20.3, 25.3]
    part = tmp_path / "part"
    ic.run(late, output_dir=part, tstop=30.5, save_at=moments, checkpoint_every=4.7, threads=1)
    times = [read_state(part / f"state_{moment}ms.h5").time for moment in moments]
    assert times == [15.3, 21.0, 25.0]
    assert read_state(part / "checkpoint.h5").time == 30.0
    ic.continue_run(part, tstop=40.0, threads=1, config=late)
    require_equal(part, whole.directory)
    branch = ic.run(late, output_dir=tmp_path / "branch", start_from=part / "state_20.3ms.h5",
                    threads=1)  # fmt: skip
    assert branch.spikes.equals(
        whole.spikes[whole.spikes["timestamps"] > 21.0].reset_index(drop=True)
    )


def test_the_middle_of_a_section_is_where_they_are_as_in_bmtk(tmp_path, caplog):
    config = with_gaps(write(tmp_path), [(0, 1)], target_sections=None, distance_range=None,
                       afferent_section_id=4, afferent_section_pos=0.95)  # fmt: skip
    network = build_network(load_simulation(config))
    model = network.models[0]
    np.testing.assert_array_equal(network.gaps.node, model.node_at(4, 0.5))
    assert ("in the middle of their section" in caplog.text) == (
        model.node_at(4, 0.95) != model.node_at(4, 0.5)
    )


def test_synapses_of_a_file_keep_their_places_beside_gap_junctions(tmp_path):
    """Edges of one population: some synapses, some gap junctions."""
    config = write(tmp_path)
    before = build_network(load_simulation(config))
    names = ["source_node_id", "target_node_id", "edge_type_id", "nsyns"]
    table = pd.DataFrame([(0, 1, 7, 1), (0, 2, 0, 20)], columns=names)
    gap = {"edge_type_id": 7, "is_gap_junction": True, "syn_weight": 1e-3, **SOMA}
    chemical = {**SYNAPSE, "is_gap_junction": False}
    write_types(tmp_path / "edge_types.csv", pd.DataFrame([chemical, gap]))
    write_edges(tmp_path / "cells_edges.h5", "cells", "cells", (3, 3), table)
    after = build_network(load_simulation(config))
    assert len(after.gaps) == 1 and after.n_synapses == before.n_synapses


@pytest.mark.parametrize(
    ("rows", "edge_type", "message"),
    [
        ([(1, 1)], {}, "edge 0 is a gap junction and leads from a cell to itself"),
        ([(0, 1)], {"syn_weight": -1e-3}, "a gap junction and has a conductance .* below 0"),
        ([(0, 1)], {"is_gap_junction": "maybe"}, "is_gap_junction is 'maybe'"),
        ([(0, 1)], {"syn_weight": None}, "edge 0 has no syn_weight"),
        ([(0, 1)], {"target_sections": None}, "neither a section nor target_sections"),
        ([(0, 1)], {"target_sections": "['apical']", "distance_range": "[1e6, 2e6]"},
         "need a place, and model .* has no apical"),
        ([(0, 1)], {"afferent_section_id": 9999, "afferent_section_pos": 0.5},
         "targets section 9999"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path, rows, edge_type, message):
    config = with_gaps(write(tmp_path), rows, **edge_type)
    with pytest.raises(IsocortexError, match=message) as caught:
        build_network(load_simulation(config))
    assert caught.value.fix and (caught.value.file or caught.value.field)


def test_both_ends_are_biophysical(tmp_path):
    config = with_gaps(write(tmp_path), [(0, 1)], ends=("drive", "cells"), counts=(2, 3))
    with pytest.raises(InputError, match=r"gaps.h5.*edges/gaps.*'drive' that is not biophysical"):
        load_simulation(config)


EXPLICIT = {"target_sections": None, "distance_range": None, "afferent_section_id": 4,
            "afferent_section_pos": 0.5}  # fmt: skip


@pytest.mark.parametrize("place", [SOMA, EXPLICIT])
def test_one_edge_is_one_gap_junction(tmp_path, place):
    config = with_gaps(write(tmp_path), [(0, 1), (1, 2)], **place)
    with h5py.File(tmp_path / "gaps.h5", "r+") as file:
        file["edges/gaps/0/nsyns"][:] = [0, 1]
    assert len(build_network(load_simulation(config)).gaps) == 1
    with h5py.File(tmp_path / "gaps.h5", "r+") as file:
        file["edges/gaps/0/nsyns"][:] = [0, 0]
    assert load_simulation(config).circuit.gaps == ()
    with h5py.File(tmp_path / "gaps.h5", "r+") as file:
        file["edges/gaps/0/nsyns"][:] = [1, 2]
    with pytest.raises(InputError, match="edge 1 is a gap junction and has an nsyns above 1"):
        load_simulation(config)


def test_a_replay_has_none(coupled, tmp_path):
    config, whole = coupled
    content = json.loads(config.read_text())
    content["inputs"]["again"] = {
        "input_type": "replay_spikes", "module": "replay",
        "spikes_file": str(whole.directory / "spikes.h5"),
        "edges": {"edges_file": "gaps.h5", "edge_types_file": "gap_types.csv"},
    }  # fmt: skip
    other = config.with_name("replay.json")
    other.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="has gap junctions, over which no spikes are sent"):
        load_simulation(other)
