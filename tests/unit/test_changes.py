"""Changes to a circuit: each is the same edit made by hand, to the last bit and to one step."""

import json
import signal
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from command_line import isocortex as command
from command_line import one_line
from library_circuit import ORIGIN, clamp, field, poisson, report, write_library_circuit
from written import require_equal

import isocortex as ic
from isocortex.cells.change import parse
from isocortex.circuit.changes import UNCOUNTED, SectionChange
from isocortex.circuit.force import in_force, rebuilt_at, with_changes
from isocortex.cortex.build import build_cortex
from isocortex.cortex.circuit import simulation_of
from isocortex.errors import ConfigError
from isocortex.experiment import changes as ex
from isocortex.html_report import report_page
from isocortex.mechanisms.synapses import Pace
from isocortex.network.build import build_network, check_changes
from isocortex.network.factors import factors_of, place_of
from isocortex.report import origin
from isocortex.report.netcons import Connected
from isocortex.sonata.changes import read_changes
from isocortex.sonata.write import write_nodes, write_types

CELLS = {"population": "cells"}
ONE = {"population": "cells", "node_id": [0]}
REPORTS = {
    "soma": report("v"),
    "sodium": report("ina"),
    "received": report("i_syn", "all"),
    "single": {"module": "netcon_report", "cells": ONE, "variable_name": "i"},
}


def write(folder, *changes, reports=None, **more):
    """Two cells that spike and drive each other, 40 ms."""
    path = write_library_circuit(
        folder, edges=[(0, 0, 40), (1, 1, 40)], recurrent=[(0, 1, 20), (1, 0, 20)],
        **{"inputs": {"drive": poisson(), "clamp": clamp(0.4, (0, 1))},
           "run": {"tstop": 40.0, "dt": 0.1}, "reports": reports or {"soma": report("v")},
           **more},
    )  # fmt: skip
    return with_sections(path, **ex.section(changes)) if changes else path


def with_sections(path, name=None, **sections):
    """The same simulation with other sections, which is written beside it."""
    content = json.loads(path.read_text()) | sections
    if name:
        content["output"] = {"output_dir": name}
    path = path.parent / f"{name or 'simulation'}.json"
    path.write_text(json.dumps(content))
    return path


def simulated(config, **options):
    """Spikes of a run in memory, and voltages of all compartments at its end."""
    with ic.open_session(config, **{"threads": 1, **options}) as session:
        session.advance()
        n = session.network.n_cells
        voltages = [session.run.engine.voltage(cell) for cell in range(n)]
        return session.spikes, np.concatenate(voltages)


def require_same(one, other):
    pd.testing.assert_frame_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


# --- plain data -------------------------------------------------------------------------------

EVERY = [
    ex.synapses(source=CELLS, target="all", weight=0.5, removed=0.25, start=3, stop=4, name="s"),
    ex.synapses(target=CELLS, decay=2.0, delay=3.0),
    ex.synapses(rise=2.0, use=0.5, recovery=1.5, facilitation=0.0625),
    ex.other_model(CELLS, "477127614"),
    ex.other_model(CELLS, node_type=7),
    ex.shot_noise(
        CELLS, 100.0, 0.002, 1e-6, rise_time=0.2, decay_time=3.0, reversal=-20.0, start=1
    ),
    ex.shot_noise(ONE, 100.0, 0.05),
    ex.conductance(CELLS, 0.01, 0.003, tau=2.7, reversal=-75.0, start=3, name="noise"),
    ex.clamp(ONE, -70.0, resistance=5.0, stop=9),
    ex.temperature(38.5, start=2),
    ex.synapses(weight=1.0),
    ex.channel({"ei": "e"}, "NaTs NaV", "soma", gbar=0.8, to={"x": 1.0}, start=2000),
    ex.channel("cells", "pas", e=1.1),
    ex.lesion(None, start=1),
    ex.lose([1, 2], 0.5),
    ex.current("cells", 0.1, start=5, stop=6),
    ex.background("drive", 0.0),
]


@pytest.mark.parametrize("change", EVERY)
def test_an_entry_of_a_configuration_is_the_change(change, tmp_path):
    told = json.loads(json.dumps(ex.section([change])))
    assert read_changes((told["isocortex"], tmp_path), None, tmp_path) == [change]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([], r"\[0\]: must be a JSON object"),
        ({}, r"\[0\].type: is missing. Use one of synapses, channels"),
        ({"type": "synapse"}, r"\[0\].type: unknown type 'synapse'"),
        ({"type": "synapses", "wieght": 1}, r"\[0\].wieght: unknown key. Did you mean 'weight'"),
        ({"type": "synapses", "place": ""}, r"\[0\].place: unknown key"),
        ({"type": "synapses", "weight": -1}, r"\[0\].weight: must be 0 or more, found -1"),
        ({"type": "synapses", "weight": "1"}, r"\[0\].weight: must be a number, found '1'"),
        ({"type": "synapses", "removed": 1.5}, r"\[0\].removed: must be a share from 0 to 1"),
        ({"type": "synapses", "start": -1}, r"\[0\].start: must be 0 ms or more"),
        ({"type": "synapses", "start": 5, "stop": 5}, r"\[0\].stop: must be later than start"),
        ({"type": "synapses", "weight": 2, "source": "cellls"},
         r"\[0\].source: unknown node set 'cellls'"),
        ({"type": "synapses", "weight": 2, "target": "drive"},
         r"\[0\]: no edges lead from cells, drive to dr"),
        ({"type": "channels", "mechanisms": ["NaV"]}, r"\[0\].times: must be given, or to"),
        ({"type": "channels", "times": {"gbar": 1}}, r"\[0\].mechanisms: must be one or more"),
        ({"type": "channels", "mechanisms": "NaV", "times": {"gbar": True}},
         r"\[0\].times: must be numbers by parameter"),
        ({"type": "channels", "mechanisms": "NaV", "times": {"gbar": 1}, "section": "leg"},
         r"\[0\].section: unknown section 'leg'. Use soma, axon"),
        ({"type": "channels", "mechanisms": "NaV", "times": {"g": 1}, "to": {"g": 1}},
         r"\[0\].to: must be of other parameters than times"),
        ({"type": "synapses"}, r"\[0\]: changes nothing of the synapses. Give one .* weight, dec"),
        ({"type": "synapses", "source": "cells", "start": 3}, r"\[0\]: changes nothing"),
        ({"type": "synapses", "weight": None}, r"\[0\]: changes nothing"),
        ({"type": "current", "node_set": "cells"}, r"\[0\].amp: is missing"),
        ({"type": "rate", "node_set": "drive"}, r"\[0\].factor: is missing"),
        ({"type": "temperature"}, r"\[0\].celsius: is missing"),
        ({"type": "voltage"}, r"\[0\].voltage: is missing"),
        ({"type": "synapses", "delay": 2, "start": 1}, r"\[0\].delay: delays cannot change on"),
        ({"type": "synapses", "delay": 2, "stop": 1}, r"\[0\].delay: delays cannot change on"),
        ({"type": "channels", "mechanisms": "NaV", "times": {"gbar": -1}},
         r"\[0\].times.gbar: a factor of gbar of NaV must be 0 or more, found -1"),
        ({"type": "channels", "mechanisms": "NaV", "to": {"gbar": -0.5}},
         r"\[0\].to.gbar: a value of gbar of NaV must be 0 or more, found -0.5"),
        ({"type": "channels", "mechanisms": "capacitance", "to": {"cm": 0}},
         r"\[0\].to.cm: a value of cm of capacitance must be above 0, found 0"),
        ({"type": "channels", "mechanisms": "NaV", "times": {"gbar": 1}, "section": "dend"},
         r"\[0\].section: unknown section 'dend'. Use soma, axon, basal or apical"),
        ({"type": "configure_all_sections", "section_configure": "%s.gbar_NaV *= -2"},
         r"\[0\].section_configure.gbar: a factor of gbar of NaV must be 0 or more, found -2"),
        ({"type": "lesion", "node_set": {"populatoin": "cells"}},
         r"\[0\].node_set: no node has the attribute 'populatoin'. Did you mean 'population'\? "
         r"There are population, node_id, near, "),
        ({"type": "synapses", "delay": 0}, r"\[0\].delay: must be above 0"),
        ({"type": "temperature", "celsius": 200}, r"\[0\].celsius: must be from -50 to 100 degC"),
        ({"type": "conductance", "sigma": 0}, r"\[0\].sigma: must be above 0, uS"),
        ({"type": "voltage", "voltage": -70, "resistance": 0},
         r"\[0\].resistance: must be above 0, MOhm"),
        ({"type": "synapses", "rise": 0}, r"\[0\].rise: must be above 0"),
        ({"type": "synapses", "use": -1}, r"\[0\].use: must be 0 or more"),
        ({"type": "synapses", "recovery": 0}, r"\[0\].recovery: must be above 0"),
        ({"type": "shot_noise"}, r"\[0\].rate: must be above 0, Hz, found 0.0"),
        ({"type": "shot_noise", "rate": 5e5, "amp_mean": 1}, r"\[0\].rate: must be 400000 Hz or"),
        ({"type": "shot_noise", "rate": 5, "amp_mean": 1, "decay_time": 0.1},
         r"\[0\].decay_time: must be longer than rise_time"),
        ({"type": "shot_noise", "rate": 5, "amp_mean": 1, "amp_var": -1}, r"\[0\].amp_var: must"),
        ({"type": "shot_noise", "rate": 5, "amp_mean": 1, "reversal": "0"},
         r"\[0\].reversal: must be a number, found '0'"),
        ({"type": "model", "model": 477127614}, r"\[0\].model: must be a text"),
        ({"type": "model", "node_type": 1.5}, r"\[0\].node_type: must be a whole number"),
        ({"type": "model"}, r"\[0\].model: must be given, or node_type in its place"),
        ({"type": "model", "model": "477127614", "start": 5}, r"\[0\].start: must be left out: a"),
        ({"type": "model", "model": "47712761"}, r"\[0\].model: there is no embedded cell '47"),
        ({"type": "model", "node_type": 7, "node_set": "cells"},
         r"\[0\].node_type: cells has no node type 7. It has 1."),
        ({"type": "lesion", "share": 0}, r"\[0\].share: must be a share above 0"),
        ({"type": "lesion", "share": 1e-9}, r"\[0\].node_set: lesion is about no node"),
        ({"type": "configure_all_sections", "section_configure": "%s.L"},
         r"\[0\].section_configure: not an assignment: '%s.L'"),
        ({"type": "configure_all_sections"}, r"\[0\].section_configure: holds no assignment"),
    ],
)  # fmt: skip
def test_mistakes_name_the_entry_the_key_and_the_fix(tmp_path, entry, message):
    path = with_sections(write(tmp_path), isocortex={"changes": [entry]})
    with pytest.raises(ConfigError, match=r"isocortex.changes" + message) as caught:
        ic.load_simulation(path)
    assert caught.value.file == path
    assert caught.value.fix


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (ex.channel(CELLS, "NaX", gbar=0.5), "unknown mechanism 'NaX'. Use pas, na_ion"),
        (ex.channel(CELLS, "NaV", conductance=0.5), "NaV has no parameter 'conductance'. It has "),
        (ex.channel(CELLS, "Ca_LVA", "axon", gbar=0.5, name="drug"),
         "drug is about no channel of any cell: none of its cells has Ca_LVA in axon. Ca_LVA is in "
         "soma."),
        (ex.channel(CELLS, "NaTs NaV", "apical", gbar=0.5),
         "none of its cells has NaTs or NaV in apical. NaV is in soma."),
        (ex.channel(CELLS, "NaTs", gbar=0.5), "none of its cells has NaTs. They have .*NaV"),
        (ex.channel("drive", "NaV", gbar=0.5),
         "node_set: channels is about no channel of any cell: no node of its set is a bio"),
        (SectionChange(node_set=CELLS, section_configure="%s.gbar_NaV = 0; %s.gbar_NaTs = 0"),
         "none of its cells has NaV and NaTs in the same places. NaV is in soma."),
        (SectionChange(node_set=CELLS, section_configure="%s.gbar_NaV -= 50; %s.gbar_NaTs = 0"),
         "none of its cells has NaV and NaTs in the same places. NaV is in soma."),
        (SectionChange(node_set=CELLS, section_configure="%s.gbar_NaV -= 50"),
         "gbar of NaV cannot be negative: -= 50 makes "),
        (ex.synapses(source=ONE, target=ONE, weight=0.5, name="own"), "own is about no synapse"),
        (ex.synapses(source="drive", removed=1e-9), "synapses is about no synapse"),
        (ex.synapses(use=0.5), r"about no synapse that has what it changes \(use 0.5\)"),
        (ex.shot_noise("drive", 5.0, 0.5), "shot_noise is about no cell or random train"),
        (ex.background("cells", 0.5), "rate is about no cell or random train"),
        (ex.current("drive", 0.5), "current is about no cell or random train"),
        (ex.clamp("drive", -70), "voltage is about no cell or random train"),
    ],
)  # fmt: skip
def test_a_change_that_is_about_nothing_is_an_error_even_if_it_begins_later(
    tmp_path, change, message
):
    path = write(tmp_path, ex.lesion([0]), replace(change, start=30.0))
    simulation = ic.load_simulation(path)
    refused = pytest.raises(ConfigError, match=r"isocortex.changes\[1\].*" + message)
    with refused:
        build_network(simulation)
    if not message.endswith("about no synapse"):  # which takes synapses
        with refused:
            check_changes(simulation)


def test_what_can_be_is_not_refused_before_synapses_are_made(tmp_path):
    """Nor what begins later, or after the end."""
    later = [ex.synapses(removed=0.5, start=30.0), ex.synapses(weight=0.5, start=90.0)]
    check_changes(ic.load_simulation(write(tmp_path, ex.lesion([0]), *later, *LATE)))


# --- the same edit by hand ----------------------------------------------------------------------


def test_parameters_of_channels_are_those_of_a_cell_made_by_hand(tmp_path):
    plain = ic.load_simulation(write(tmp_path))
    (model,) = build_network(plain).models
    half = with_changes(plain, [ex.channel(CELLS, "NaV Kv3_1", gbar=0.5)])
    (changed,) = build_network(half).models
    for name, table in model.mechanisms.items():
        factor = 0.5 if name in ("NaV", "Kv3_1") else 1.0
        np.testing.assert_array_equal(
            changed.mechanisms[name].parameters["gbar"] if "gbar" in table.parameters else 0.0,
            factor * table.parameters.get("gbar", 0.0),
        )
    leak = ex.channel(CELLS, "pas", "basal", g=2.0, to={"e": -90.0})
    (changed,) = build_network(with_changes(plain, [leak])).models
    basal = (model.section_type == 3) & (model.area > 0)
    np.testing.assert_array_equal(changed.g_pas, np.where(basal, 2 * model.g_pas, model.g_pas))
    np.testing.assert_array_equal(changed.e_pas, np.where(basal, -90.0, model.e_pas))
    ions = [ex.channel(CELLS, "na_ion", to={"ena": 40.0}), ex.channel(CELLS, "k_ion", ek=0.9)]
    (changed,) = build_network(with_changes(plain, ions)).models
    assert changed.ena[model.soma] == 40.0
    assert changed.ek[model.soma] == 0.9 * model.ek[model.soma]
    assert {name: table.nodes.tolist() for name, table in changed.mechanisms.items()} == {
        name: table.nodes.tolist() for name, table in model.mechanisms.items()
    }


def test_only_the_chosen_cells_are_changed_and_others_run_as_before(tmp_path):
    """Cells that do not hear of each other: the one is as it was, to the last bit."""
    path = write(tmp_path)
    plain = ic.load_simulation(path)
    apart = with_changes(plain, [ex.synapses(source="cells", weight=0.0)])
    one = with_changes(apart, [ex.channel(ONE, "NaV", gbar=0.5)])
    network = build_network(one)
    assert len(network.models) == 2
    assert [network.models[m].name for m in network.cell_model] == [network.models[0].name] * 2
    both = with_changes(apart, [ex.channel(CELLS, "NaV", gbar=0.5)])
    (spikes, v), (control, v0), (all_, v1) = map(simulated, (one, apart, both))
    n = len(v) // 2
    np.testing.assert_array_equal(v[:n], v1[:n])
    np.testing.assert_array_equal(v[n:], v0[n:])
    of = {k: [t[t.node_ids == k].timestamps.tolist() for t in (spikes, control, all_)]
          for k in (0, 1)}  # fmt: skip
    assert of[0][0] == of[0][2] != of[0][1]
    assert of[1][0] == of[1][1]


def test_factors_of_several_changes_multiply_over_overrides(tmp_path):
    path = with_sections(
        write(tmp_path, ex.synapses(source="drive", weight=0.5), ex.synapses(weight=0.3)),
        connection_overrides=[
            {"name": "o", "source": "drive", "target": "cells", "weight": 3.0},
            {"name": "later", "source": "drive", "target": "cells", "weight": 9.0, "delay": 20.0},
        ],
    )
    simulation = ic.load_simulation(path)
    drive, local = simulation.circuit.projections
    assert rebuilt_at(simulation) == [200]
    for time, expected in ((0.0, 3.0), (19.9, 3.0), (20.0, 9.0)):
        overrides = in_force(simulation, time).overrides
        one = np.zeros(1, np.int64)
        assert factors_of(overrides, drive, (2, 2)).of(one, one) == expected * 0.5 * 0.3
        assert factors_of(overrides, local, (2, 2)).of(one, one) == 0.3


def test_a_factor_of_one_that_was_given_is_no_mistake():
    """A dose curve may have it; nothing at all is no dose."""
    for told in ({"weight": 1.0}, {"removed": 0.0}, {"decay": 1}):
        assert ex.synapses(**told).as_json() == {"type": "synapses", **told}
    with pytest.raises(ConfigError, match="changes nothing of the synapses"):
        ex.synapses(source="cells", target="cells")


def test_shares_are_nested_and_as_large_as_asked():
    source, target = (x.ravel() for x in np.mgrid[:300, :300])
    place = place_of(np.uint64(1), source, target)
    for share in (0.01, 0.3, 0.9):
        assert np.mean(place < share) == pytest.approx(share, abs=0.004)
    rows = place.reshape(300, 300) < 0.5
    assert abs(rows.mean(axis=0) - 0.5).max() < 0.13 > abs(rows.mean(axis=1) - 0.5).max()


def without(simulation, gone):
    """A circuit of edges, from which some were taken: ``gone(projection)``, bool[edges]."""
    cut = []
    for p in simulation.circuit.projections:
        kept = ~gone(p)
        columns = {name: getattr(p, name)[kept] for name in (
            "source_index", "target_index", "rule", "weight", "delay", "nsyns", "section_id",
            "section_pos", "weight_is_final",
        )}  # fmt: skip
        cut.append(replace(p, **columns))
    return replace(simulation, circuit=replace(simulation.circuit, projections=cut))


@pytest.fixture(scope="module")
def cortex():
    return ic.CortexModel.make(ic.Recipe(scale=0.0001, seed=3))


@pytest.fixture(scope="module")
def recipe(cortex, tmp_path_factory):
    return ic.load_simulation(build_cortex(tmp_path_factory.mktemp("r"), cortex, tstop=60.0))


@pytest.fixture(scope="module")
def files(cortex, tmp_path_factory):
    folder = tmp_path_factory.mktemp("f")
    return ic.load_simulation(build_cortex(folder, cortex, tstop=60.0, materialize=True))


EXCITATORY, INHIBITORY, AREA = (
    {"population": "cortex", **query} for query in ({"ei": "e"}, {"ei": "i"}, {"area": "MOp"})
)


def test_removed_connections_are_edges_that_were_taken_out(recipe, files):
    """Drawn or stored; a larger share has all of a smaller one."""
    some = [
        ex.synapses(source=EXCITATORY, target=EXCITATORY, removed=0.4),
        ex.synapses(source=INHIBITORY, removed=0.2),
    ]
    weight = {}
    for share in (0.2, 0.4):
        lost = with_changes(
            recipe, [ex.synapses(source=EXCITATORY, target=EXCITATORY, removed=share)]
        )
        network = build_network(lost, True)
        assert network.touched[0].synapses == np.count_nonzero(network.connections.weight == 0.0)
        weight[share] = network.connections.weight
    assert np.all(weight[0.4][weight[0.2] == 0.0] == 0.0)
    assert np.count_nonzero(weight[0.4] == 0.0) > 1.8 * np.count_nonzero(weight[0.2] == 0.0)

    now = in_force(with_changes(files, some)).overrides

    def gone(p):
        sizes = [len(files.circuit.nodes[n].node_ids) for n in (p.source, p.target)]
        factors = factors_of(now, p, tuple(sizes))
        none = np.zeros(len(p.weight), bool)
        return none if factors is None else factors.of(p.source_index, p.target_index) == 0.0

    expected = simulated(without(files, gone))
    assert len(expected[0]) > 50
    require_same(simulated(with_changes(recipe, some)), expected)
    require_same(simulated(with_changes(files, some)), expected)
    require_same(simulated(with_changes(recipe, some), store_synapses=False), expected)


def test_which_connections_are_removed_is_told_by_their_nodes(files):
    everywhere = in_force(with_changes(files, [ex.synapses(removed=0.3)])).overrides
    for p in files.circuit.projections:
        sizes = [len(files.circuit.nodes[n].node_ids) for n in (p.source, p.target)]
        told = ex.is_removed(0.3, p.source_index, p.target_index,
                             source_population=p.source, target_population=p.target)  # fmt: skip
        factors = factors_of(everywhere, p, tuple(sizes))
        np.testing.assert_array_equal(told, factors.of(p.source_index, p.target_index) == 0.0)
    many = ex.is_removed(0.3, 0, np.arange(9))
    assert [bool(ex.is_removed(0.3, 0, k)) for k in range(9)] == many.tolist()
    with pytest.raises(ConfigError, match="removed: must be a share from 0 to 1, found 30"):
        ex.is_removed(30, 0, 1)


def test_a_lesion_is_a_circuit_without_the_edges_of_these_cells(recipe, files):
    lost = ex.lose(AREA, 0.5)
    now = in_force(with_changes(files, [lost]))
    ((_, rows),) = now.effects[0].nodes
    ((_, everybody),) = files.circuit.select(AREA, "here")
    assert 0.3 < len(rows) / len(everybody) < 0.7

    def gone(p):
        ends = ((p.source, p.source_index), (p.target, p.target_index))
        return np.any([np.isin(index, rows) & (name == "cortex") for name, index in ends], axis=0)

    expected = simulated(without(files, gone))
    require_same(simulated(with_changes(recipe, [lost])), expected)
    all_ = in_force(with_changes(files, [ex.lesion(AREA)])).effects[0].nodes[0][1]
    np.testing.assert_array_equal(all_, everybody)
    assert np.isin(rows, all_).all()


def test_a_current_is_an_electrode(tmp_path):
    drive = {"drive": poisson()}
    ours = write(tmp_path / "a", ex.current(ONE, 0.4, start=5, stop=25), inputs=drive)
    theirs = write(tmp_path / "b", inputs={**drive, "clamp": clamp(0.4, (0,), 5.0, 20.0)})
    ours, theirs = simulated(ours), simulated(theirs)
    require_same(ours, theirs)
    assert len(ours[0])


def test_changes_are_not_added_to_those_in_force(recipe):
    """They had no effect, and nothing said so."""
    now = in_force(with_changes(recipe, [ex.lesion(AREA)]))
    with pytest.raises(ConfigError, match="in force already"):
        with_changes(now, [ex.synapses(weight=0.0)])


def test_rates_change_from_a_time_to_a_time_and_trains_are_as_before(recipe, tmp_path):
    more = with_changes(recipe, [ex.background("background", 3.0, start=20.5, stop=30)])
    first, then, last = in_force(more).inputs
    (plain,) = recipe.inputs
    assert [(i.start, i.stop) for i in (first, then, last)] == [(0, 20.5), (20.5, 30), (30, 60)]
    np.testing.assert_array_equal(then.rate, 3.0 * plain.rate)
    np.testing.assert_array_equal(last.rate, plain.rate)
    np.testing.assert_array_equal(first.key, plain.key)
    assert not np.isin(np.concatenate([then.key, last.key]), plain.key).any()
    assert rebuilt_at(more) == []
    (ours, _), (theirs, _) = simulated(more), simulated(recipe)
    early = [t[t.timestamps < 20.5].reset_index(drop=True) for t in (ours, theirs)]
    pd.testing.assert_frame_equal(*early)
    assert len(ours) > 1.2 * len(theirs)
    for nothing in (ex.background("background", 1.0),
                    ex.background("background", 1.0, start=20, stop=30)):  # fmt: skip
        unchanged = in_force(with_changes(recipe, [nothing]))
        assert unchanged.inputs == [plain] and unchanged.effects[0].inputs == len(plain.rows)


def test_a_rate_that_changes_after_the_end_is_no_error(tmp_path):
    """As all changes: a study of pulses had been refused where its runs were cut short."""
    late = write(tmp_path / "a", ex.background("drive", 2.0, start=50))
    assert build_network(ic.load_simulation(late)).touched[0].inputs == 2
    require_same(simulated(late), simulated(write(tmp_path / "b")))


def test_random_numbers_of_a_changed_rate_are_those_of_its_time_however_it_is_written(recipe):
    made = [in_force(with_changes(recipe, [ex.background("background", 2.0, start=a, stop=b)]))
            for a, b in ((20, 30), (20.0, np.float64(30)))]  # fmt: skip
    for one, other in zip(*(each.inputs for each in made), strict=True):
        np.testing.assert_array_equal(one.key, other.key)


def test_inputs_that_change_until_the_end_go_on_beyond_it(tmp_path):
    """The end was part of them: a run was not continued for longer."""
    changes = [ex.current(ONE, 0.2, start=10), ex.background("drive", 2.0, start=20)]
    simulation = ic.load_simulation(write(tmp_path, *changes), tstop=60)
    options = {"config": simulation, "threads": 1, "progress": None}
    whole = ic.run(output_dir=tmp_path / "whole", **options)
    out = tmp_path / "out"
    part = ic.run(tstop=40, output_dir=out, checkpoint_every=20, **options)
    assert part.duration == 40.0
    result = ic.continue_run(out, tstop=60, **options)
    require_equal(result.directory, whole.directory)


def test_slower_decay_is_that_of_a_parameter_file_that_was_edited(tmp_path):
    """Of all synapses, and of those of one origin alone."""
    path = write(tmp_path / "a")
    (tmp_path / "a" / "exc.json").write_text('{"tau1": 0.1, "tau2": 3.4, "erev": 0.0}')
    ours = simulated(write(tmp_path / "b", ex.synapses(decay=2.0)))
    require_same(ours, simulated(path))
    drive = ic.load_simulation(write(tmp_path / "c", ex.synapses(source="drive", decay=3.0)))
    network = build_network(drive)
    assert [k.tau_decay for k in network.kinetics] == [pytest.approx(5.1), 1.7]
    assert {(n, k.tau_decay) for n, k in network.unchanged} == {(0, 1.7), (1, 1.7)}
    c, slots = network.connections, network.slots
    source = np.repeat(np.arange(len(c.first) - 1), np.diff(c.first))
    np.testing.assert_array_equal(slots.kind[c.target] == 0, source >= 2)
    single = Connected(in_force(drive), network, "cells", np.arange(2))
    assert [k.tau_decay > 2 for k in single.kinetics] == (single.source >= 2).tolist()


def test_slower_rise_is_that_of_a_parameter_file_that_was_edited(tmp_path):
    path = write(tmp_path / "a")
    (tmp_path / "a" / "exc.json").write_text('{"tau1": 0.2, "tau2": 3.4, "erev": 0.0}')
    ours = simulated(write(tmp_path / "b", ex.synapses(rise=2.0), ex.synapses(decay=2.0)))
    require_same(ours, simulated(path))
    late = write(tmp_path / "c", ex.synapses(source="drive", rise=3.0, start=20))
    assert not simulated(late)[0].equals(simulated(write(tmp_path / "d"))[0])
    with pytest.raises(ConfigError, match=r"\(rise 20\): they must rise faster than they decay"):
        build_network(ic.load_simulation(write(tmp_path / "e", ex.synapses(rise=20.0))))


# --- other models -------------------------------------------------------------------------------

OTHER = "472363762"


def with_types(folder, *kinds, **more):
    """Two cells of these types, in a file by hand; the third type has no node."""
    path = write(folder, **more)
    template = [f"isocortex:{name}" for name in ("485836906", OTHER, OTHER)]
    types = {"node_type_id": [1, 3, 4], "model_type": "biophysical", "model_template": template,
             "pop_name": ["a", "a", "b"]}  # fmt: skip
    write_types(folder / "cells_types.csv", pd.DataFrame(types))
    write_nodes(folder / "cells.h5", "cells", np.array(kinds))
    return path


def test_another_model_is_another_type_of_a_node_by_hand(tmp_path):
    """Of a cell or of all, from the library or from the table of types; places are by rule."""
    for kinds, node_set in (((3, 1), ONE), ((3, 3), CELLS)):
        expected = simulated(with_types(tmp_path / f"{kinds}", *kinds))
        everybody = None if node_set is CELLS else node_set  # virtual nodes are left out
        for k, other in enumerate((ex.other_model(node_set, OTHER),
                                   ex.other_model(everybody, node_type=4))):  # fmt: skip
            path = with_types(tmp_path / f"{kinds}{k}", 1, 1)
            simulation = ic.load_simulation(with_sections(path, **ex.section([other])))
            require_same(simulated(simulation), expected)
            network = build_network(simulation)
            assert str(network.touched[0]) == f"Change model: {kinds.count(3)} cells."
            now = in_force(simulation).circuit.nodes["cells"].table
            assert now.model_template.eq(f"isocortex:{OTHER}").tolist() == [k == 3 for k in kinds]
            assert now.pop_name.tolist() == ["a", "a"]  # what it is called stays


def test_a_model_that_the_cells_have_is_none(tmp_path):
    for node_set in (CELLS, "drive"):
        path = write(tmp_path, ex.other_model(node_set, "485836906"))
        with pytest.raises(ConfigError, match=r"\[0\]: model is about no biophysical cell t"):
            build_network(ic.load_simulation(path))


def with_places(folder, **more):
    """The same circuit, where edges from outside have places of their own."""
    path = write(folder, **more)
    with h5py.File(folder / "drive_edges.h5", "r+") as file:
        group = file["edges/drive_to_cells/0"]
        group["afferent_section_id"], group["afferent_section_pos"] = [0, 0], [0.5, 0.5]
    return path


def test_synapses_with_places_stay_on_their_branches(tmp_path):
    path = with_sections(with_places(tmp_path), **ex.section([ex.other_model(ONE, OTHER)]))
    with pytest.raises(ConfigError, match=r"\[0\].node_set: 1 edges of drive_to_cells have places"):
        ic.load_simulation(path)


def test_parameters_of_the_same_reconstruction_leave_places_as_they_are(tmp_path):
    path = with_places(tmp_path)
    types = {"node_type_id": [1, 3, 4], "model_type": "biophysical",
             "model_template": "ctdb:Biophys1.hoc", "morphology": ["a.swc", "a.swc", "b.swc"],
             "dynamics_params": ["1.json", "2.json", "2.json"]}  # fmt: skip
    write_types(tmp_path / "cells_types.csv", pd.DataFrame(types))
    same, other = (ex.section([ex.other_model(ONE, node_type=k)]) for k in (3, 4))
    now = in_force(ic.load_simulation(with_sections(path, **same))).circuit.nodes["cells"].table
    assert now.dynamics_params.tolist() == ["2.json", "1.json"]
    with pytest.raises(ConfigError, match="have places on the branches"):
        ic.load_simulation(with_sections(path, **other))


def test_results_of_cells_with_another_model_are_of_the_circuit_at_hand(tmp_path):
    """Its nodes are those of the files."""
    result = ic.run(write(tmp_path, ex.other_model(ONE, OTHER)), threads=1, progress=None)
    (change,) = origin.simulation_of(result).changes
    assert change == ex.other_model(ONE, OTHER)
    assert result.provenance["run"]["changes"][0]["touched"] == {"cells": 1}


def test_neurons_of_a_recipe_have_the_synapses_that_it_has_for_a_model(cortex, recipe):
    """Drawn and stored, as in a cortex whose neurons were given another model by hand."""
    group = cortex.wiring.shares["5", "IT"]
    old, new = group[0][0], group[1][0]
    rows = np.flatnonzero((cortex.model == cortex.models.index(old)) & (cortex.neurons.layer == 3))
    other = with_changes(
        recipe, [ex.other_model({"population": "cortex", "node_id": rows.tolist()}, new)]
    )
    network = build_network(other, True)
    assert network.touched[0].cells == len(rows) > 3
    by_hand = replace(cortex)
    model = cortex.model.copy()
    model[rows] = cortex.models.index(new)
    by_hand.__dict__["model"] = model
    expected = build_network(simulation_of(by_hand, tstop=60.0), True)
    for name in ("first", "target", "weight", "delay"):
        np.testing.assert_array_equal(
            getattr(network.connections, name), getattr(expected.connections, name)
        )
    for name in ("cell", "node", "kind"):
        np.testing.assert_array_equal(getattr(network.slots, name), getattr(expected.slots, name))
    assert [network.models[m].name for m in network.cell_model] == [
        expected.models[m].name for m in expected.cell_model
    ]
    require_same(simulated(other), simulated(other, store_synapses=False, threads=2))
    stranger = with_changes(recipe, [ex.other_model(INHIBITORY, new)])
    with pytest.raises(ConfigError, match="no places and weights of synapses for the cell model"):
        build_network(stranger)


def test_later_synapses_are_those_of_edges_that_were_edited(tmp_path):
    """Of all, and of those of one origin alone; the window is as long as the shortest of now."""
    late = write(tmp_path / "a", synapse={"delay": 2.5})
    require_same(simulated(write(tmp_path / "b", ex.synapses(delay=2.5))), simulated(late))
    override = {"name": "late", "source": "all", "target": "cells", "weight": 1.0,
                "synapse_delay_override": 2.5}  # fmt: skip
    held = with_sections(write(tmp_path / "c"), connection_overrides=[override])
    require_same(simulated(held), simulated(late))
    assert not simulated(late)[0].equals(simulated(write(tmp_path / "d"))[0])
    some = write(tmp_path / "e", ex.synapses(source="drive", delay=3.0),
                 ex.synapses(target=ONE, delay=0.5))  # fmt: skip
    simulation = ic.load_simulation(some)
    network = build_network(simulation)
    single = Connected(in_force(simulation), network, "cells", np.arange(2))
    of_drive, onto_one = single.source >= 2, single.cell == 0
    expected = np.where(of_drive, 3.0, 1.0) * np.where(onto_one, 0.5, 1.0)
    np.testing.assert_allclose(single.delay, expected)
    assert network.shortest == 0.5  # of 0.5 and 1.0 between cells


def test_delays_of_a_recipe_change_where_synapses_are_stored(recipe, files):
    slow = [ex.synapses(source=INHIBITORY, target=AREA, delay=2.0)]
    one, other = (build_network(with_changes(each, slow), True) for each in (recipe, files))
    c, d = one.connections, other.connections
    np.testing.assert_array_equal(c.delays[c.delay], d.delays[d.delay])
    plain = build_network(recipe, True).connections
    assert c.delays[c.delay].sum() > plain.delays[plain.delay].sum()
    with pytest.raises(ConfigError, match="drawn at each spike, with the delays of their rule"):
        build_network(with_changes(recipe, slow), False)


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        (ex.conductance(ONE, 0.004, 0.002, tau=5.0, reversal=-20.0, start=5, stop=25, name="held"),
         {"input_type": "conductance", "module": "ornstein_uhlenbeck", "mean": 0.004,
          "sigma": 0.002, "tau": 5.0, "reversal": -20.0}),
        (ex.clamp(ONE, -60.0, resistance=2.0, start=5, stop=25, name="held"),
         {"input_type": "voltage_clamp", "module": "SEClamp", "voltage": -60.0,
          "series_resistance": 2.0}),
        (ex.shot_noise(ONE, 800.0, 0.004, 4e-6, rise_time=0.3, decay_time=5.0, reversal=-20.0,
                       start=5, stop=25, name="held"),
         {"input_type": "conductance", "module": "shot_noise", "rate": 800.0, "amp_mean": 0.004,
          "amp_var": 4e-6, "rise_time": 0.3, "decay_time": 5.0, "reversal": -20.0}),
        (ex.shot_noise(ONE, 800.0, 0.05, start=5, stop=25, name="held"),
         {"input_type": "current_clamp", "module": "shot_noise", "rate": 800.0, "amp_mean": 0.05,
          "amp_var": 0.0, "rise_time": 0.4, "decay_time": 4.0}),
    ],
)  # fmt: skip
def test_conductances_and_clamps_are_inputs(tmp_path, change, entry):
    drive = {"drive": poisson()}
    held = {**entry, "node_set": ONE, "delay": 5.0, "duration": 20.0}
    ours = simulated(write(tmp_path / "a", change, inputs=drive))
    theirs = simulated(write(tmp_path / "b", inputs={**drive, "held": held}))
    require_same(ours, theirs)
    assert (ours[1] != simulated(write(tmp_path / "c", inputs=drive))[1]).any()


def test_random_conductances_are_the_same_on_threads_and_when_the_network_is_built_anew(tmp_path):
    """Each cell has its own noise, and each input: two of one name are refused."""
    noise = ex.conductance(CELLS, 0.004, 0.002, reversal=-20.0, start=5)
    one = simulated(write(tmp_path / "a", noise))
    again = write(tmp_path / "b", noise, ex.synapses(weight=1.0, start=15))
    require_same(one, simulated(again, threads=2))
    inhibition = ex.conductance(ONE, 0.004, 0.002, reversal=-75.0)
    with pytest.raises(ConfigError, match=r"\[1\].name: 'conductance' is also .* same noise"):
        simulated(write(tmp_path / "c", noise, inhibition))
    named = replace(inhibition, name="inhibition")
    simulated(write(tmp_path / "d", noise, named))


@pytest.mark.parametrize("change", [ex.conductance(ONE, 0.01, 0.005), ex.clamp(ONE, -60.0)])
def test_where_a_field_is_imposed_they_are_refused_as_the_inputs_are(tmp_path, change):
    late = replace(change, start=10.0, stop=20.0)
    path = write(tmp_path, late, place=ORIGIN, inputs={"field": field(tmp_path)})
    with pytest.raises(ConfigError, match=r"changes\[0\]: inputs.field imposes a potential"):
        simulated(path)


def test_a_temperature_is_that_of_the_conditions(tmp_path):
    """From the beginning; and that of the beginning comes back where a change ends."""
    warm = {"celsius": 38.0, "v_init": -80.0}
    ours = simulated(write(tmp_path / "a", ex.temperature(38.0)))
    require_same(ours, simulated(write(tmp_path / "b", conditions=warm)))
    once = simulated(write(tmp_path / "c", ex.temperature(38.0, start=10, stop=20)))
    back = [ex.temperature(38.0, start=10), ex.temperature(34.0, start=20)]
    require_same(once, simulated(write(tmp_path / "d", *back)))
    assert not once[0].equals(ours[0])
    network = build_network(ic.load_simulation(write(tmp_path / "e", ex.temperature(38, start=9))))
    told = network.touched[0].channels
    assert told["NaV"] == 2 and "Ih" not in told  # whose rates are the same at any


def test_of_what_is_drawn_a_rule_has_one_decay(recipe):
    some = with_changes(recipe, [ex.synapses(source=INHIBITORY, decay=2.0)])
    stored, drawn = (build_network(some, store) for store in (True, False))
    np.testing.assert_array_equal(stored.drawn.kind, drawn.drawn.kind)
    for k, tables in zip(drawn.drawn.kind, recipe.circuit.projections[0].tables().kind,
                         strict=True):  # fmt: skip
        before = recipe.circuit.projections[0].kinds(None)[tables]
        factor = 1.0 if before.excites else 2.0
        assert drawn.kinetics[k] == before.paced(Pace(decay=factor))
    partly = with_changes(recipe, [ex.synapses(source=AREA, decay=2.0)])
    assert len(build_network(partly, True).kinetics) > len(build_network(recipe, True).kinetics)
    with pytest.raises(ConfigError, match="some of the synapses that a rule draws"):
        build_network(partly, False)
    alone = with_changes(recipe, [ex.synapses(source="background", decay=2.0)])
    with pytest.raises(ConfigError, match="the background alone"):
        build_network(alone, False)


# --- from a time on -----------------------------------------------------------------------------

LATE = [
    ex.channel(CELLS, "NaV", gbar=0.7, start=20),
    ex.synapses(source="drive", target="cells", weight=2.0, start=20),
    ex.channel(ONE, "pas", e=0.97, start=26.3, stop=31),
    ex.synapses(source="cells", decay=1.5, start=20, stop=35),
    ex.temperature(37.0, start=28, stop=33),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write(tmp_path_factory.mktemp("c"), reports=REPORTS)


@pytest.fixture(scope="module")
def control(config):
    return ic.run(with_sections(config, "control"), save_at=20, threads=1, progress=None)


@pytest.fixture(scope="module")
def changed(config):
    path = with_sections(config, "changed", **ex.section(LATE))
    return ic.run(path, threads=2, progress=None)


def test_a_change_after_the_onset_is_a_branch_from_then(config, control, changed):
    """All reports too: of currents and of single synapses, whose parameters are new ones."""
    path = with_sections(config, "branch", **ex.section(LATE))
    state = control.directory / "state_20ms.h5"
    branch = ic.run(path, start_from=state, threads=1, progress=None)
    assert branch.begin == 20.0
    late = changed.spikes[changed.spikes.timestamps > 20.0]
    assert late.timestamps.tolist() == branch.spikes.timestamps.tolist()
    assert len(late) and late.timestamps.tolist() != [
        t for t in control.spikes.timestamps if t > 20.0
    ]
    for name in REPORTS:
        ours, theirs, before = (r.report(name) for r in (branch, changed, control))
        theirs = theirs.values[-len(ours) :]
        np.testing.assert_array_equal(ours.values, theirs)
        assert (theirs != before.values[-len(ours) :]).any()
        assert len(ours) == 200
    touched = [each["touched"] for each in changed.provenance["run"]["changes"]]
    assert touched == [
        {"cells": 2, "channels": {"NaV": 2}}, {"synapses": 80},
        {"cells": 1, "channels": {"pas": 123}}, {"synapses": 40},
        {"channels": touched[-1]["channels"]},
    ]  # fmt: skip


def test_delays_do_not_change_on_the_way(tmp_path):
    """Of the spikes under way some would be lost, others come twice."""
    options = {"threads": 1, "progress": None}
    for times in ({"start": 20}, {"stop": 30}):
        with pytest.raises(ConfigError, match=r"delay: delays cannot change on the way"):
            ex.synapses(delay=2.5, **times)
    late = {"name": "o", "source": "drive", "target": "cells", "weight": 1.0, "delay": 20.0,
            "synapse_delay_override": 2.5}  # fmt: skip
    path = with_sections(write(tmp_path / "override"), connection_overrides=[late])
    with pytest.raises(ConfigError, match=r"overrides\[0\].synapse_delay_override: delays cannot"):
        ic.run(path, **options)


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_a_decay_that_ends_is_a_branch_without_it(tmp_path, precision):
    """The state of a file says what its kinetics would be without changes."""
    slow = {"source": "drive", "decay": 3.0}
    ended = write(tmp_path / "a", ex.synapses(**slow, stop=20))
    always = write(tmp_path / "b", ex.synapses(**slow))
    options = {"threads": 1, "progress": None, "precision": precision}
    whole = ic.run(ended, **options).spikes
    state = ic.run(always, save_at=20, **options).directory / "state_20ms.h5"
    branch = ic.run(write(tmp_path / "c"), start_from=state, **options).spikes
    late = whole[whole.timestamps > 20.0].reset_index(drop=True)
    pd.testing.assert_frame_equal(late, branch)
    assert len(late)


def test_a_decay_that_changes_again_does_not_depend_on_the_order_of_edges(tmp_path):
    """What was open went on as the first of all kinetics that it could have been."""
    ramp = [ex.synapses(source="cells", decay=10.0, stop=20),
            ex.synapses(source="cells", decay=5.0, start=20)]  # fmt: skip
    config = write(tmp_path, *ramp)
    reverse = json.loads(config.read_text())
    reverse["networks"]["edges"].reverse()
    other = config.with_name("reverse.json")
    other.write_text(json.dumps(reverse))
    (one, v), (two, w) = (simulated(path) for path in (config, other))
    pd.testing.assert_frame_equal(one, two)
    np.testing.assert_allclose(v, w, rtol=1e-9)
    with ic.open_session(config, threads=1) as session:
        session.advance(20.0)
        kinds = [k.tau_decay for k in session.network.kinetics]
        state = session.state()
        there = {round(kinds[k], 6) for k in np.unique(state.kind)}
    assert there == {1.7, 8.5}


def test_cells_without_synapses_change_on_the_way(tmp_path):
    path = write_library_circuit(tmp_path, inputs={"clamp": clamp(0.4, (0, 1))},
                                 run={"tstop": 60.0})  # fmt: skip
    content = json.loads(path.read_text())
    content["networks"] = {"nodes": content["networks"]["nodes"][:1]}
    path.write_text(json.dumps(content))
    block = ex.channel({"population": "cells", "node_id": [1]}, "NaTs NaV", gbar=0.0, start=30)
    spikes, _ = simulated(with_sections(path, **ex.section([block])))
    late = spikes[spikes.timestamps > 30.0].node_ids
    assert set(spikes.node_ids) == {0, 1} and set(late) == {0}


def open_at(session):
    """Of every compartment the sums of the two terms of all its synapses, uS."""
    state = session.state()
    cell, node, kind = state.synapse.T
    at, place = np.unique(np.stack([cell, node]), axis=1, return_inverse=True)
    sums = np.zeros((at.shape[1], 2))
    np.add.at(sums, place.ravel(), state.terms * state.unit[kind])
    return at, sums, len(np.unique(kind))


@pytest.mark.parametrize(("precision", "error"), [("double", 1e-15), ("mixed", 2e-3)])
def test_synapses_that_become_alike_are_one_with_all_that_was_open(tmp_path, precision, error):
    config = write(tmp_path, ex.synapses(source="drive", decay=3.0, stop=20))
    at = []
    for changes in (False, True):
        with ic.open_session(config, threads=1, precision=precision) as session:
            session.advance(19.9)
            if not changes:
                session.run.course = None  # the state of then, before the network is another
            session.advance(0.1)
            at.append(open_at(session))
    (before, open_before, n_before), (after, open_after, n_after) = at
    assert (n_before, n_after) == (2, 1)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_allclose(open_before, open_after, rtol=error)


def test_what_reports_are_made_of_is_that_of_a_run_changed_from_the_start(tmp_path):
    """A change after 0.1 ms: currents and weights in reports are those of then."""
    some = [ex.channel(CELLS, "NaV", gbar=0.5), ex.synapses(source="drive", weight=0.5)]
    late = [replace(each, start=0.1) for each in some]
    a, b = (
        ic.run(write(tmp_path / name, *changes, reports=REPORTS), threads=1, progress=None)
        for name, changes in (("a", some), ("b", late))
    )
    # a state at rest differs by nothing but the first step: it fades
    for name in REPORTS:
        x, y = a.report(name).values[50:150], b.report(name).values[50:150]
        np.testing.assert_allclose(x, y, rtol=0.05, atol=0.02 * np.abs(x).max())


@pytest.mark.parametrize("at", [20.0, 20.3])
def test_a_change_begins_and_ends_to_one_step(tmp_path, at):
    """At the end of a window or within one; what it does is seen as its first step ends."""
    traces = []
    leak = ex.channel(CELLS, "pas", e=0.9, start=at)
    for changes in ([], [leak], [replace(leak, stop=at + 5.1)]):
        with ic.open_session(write(tmp_path / str(len(traces)), *changes), threads=1) as session:
            trace = session.record("v", [0])
            session.advance()
            traces.append(trace.data.values[:, 0])
    plain, on, off = traces
    first = round(at / 0.1)
    assert np.flatnonzero(plain != on)[0] == first
    assert np.flatnonzero(on != off)[0] == first + 51


def test_a_change_that_changes_nothing_leaves_no_seam(tmp_path, control):
    nothing = [
        ex.synapses(weight=1.0, start=20, stop=30),
        ex.channel(CELLS, "NaV", gbar=1.0, start=25),
    ]
    path = write(tmp_path, *nothing, reports=REPORTS)
    result = ic.run(path, threads=2, progress=None)
    np.testing.assert_array_equal(result.spikes.timestamps, control.spikes.timestamps)
    for name in REPORTS:
        np.testing.assert_array_equal(result.report(name).values, control.report(name).values)
    assert result.run_summary.n_events == control.run_summary.n_events


@pytest.mark.parametrize("moment", [13.0, 24.0, 35.0])
def test_a_run_that_changes_on_its_way_goes_on_without_a_seam(
    config, changed, tmp_path, monkeypatch, moment
):
    """Stopped before, between and after changes."""

    def stop(t, tstop, spikes):
        if t >= moment:
            signal.raise_signal(signal.SIGINT)

    path = with_sections(config, "again", **ex.section(LATE))
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("isocortex.session.loop.LOOK_EVERY", 0.0)
        with pytest.raises(KeyboardInterrupt):
            ic.run(path, output_dir=out, progress=stop, threads=1, checkpoint_every=10)
    result = ic.continue_run(out, threads=2, progress=None)
    require_equal(result.directory, changed.directory)
    assert result.run_summary.n_events == changed.run_summary.n_events


def test_changes_made_in_python_are_not_lost_when_a_run_goes_on(config, control, tmp_path):
    """They are in no configuration: the run had gone on without them."""

    def stop(t, tstop, spikes):
        signal.raise_signal(signal.SIGINT)

    out = tmp_path / "out"
    block = ex.synapses(source="drive", weight=0.0, start=20, name="block")
    simulation = with_changes(ic.load_simulation(config), [block])
    options = {"threads": 1, "progress": None}
    whole = ic.run(simulation, output_dir=tmp_path / "whole", **options)
    assert len(whole.spikes) != len(control.spikes)
    with pytest.raises(KeyboardInterrupt):
        ic.run(simulation, output_dir=out, checkpoint_every=10, **{**options, "progress": stop})
    one_line(command("continue", out), config, "other changes", "none here, block there")
    result = ic.continue_run(out, config=simulation, **options)
    require_equal(result.directory, whole.directory)
    assert origin.simulation_of(result).changes == [block]
    more = with_changes(simulation, [replace(block, start=30)])
    with pytest.raises(ConfigError, match="block, block here, block there"):
        ic.continue_run(out, config=more, **options)


def test_a_session_can_go_back_and_forth_over_changes(tmp_path):
    path = write(tmp_path, *LATE)
    with ic.open_session(path, threads=1) as session:
        states = []
        for duration in (15.0, 5.0, 10.0, 5.0):
            session.advance(duration)
            states.append(session.state())
        session.advance()
        spikes, v = session.spikes, session.run.engine.soma_voltage()
        for k in (0, 3, 1, 2):
            session.restore(states[k])
            session.advance()
            pd.testing.assert_frame_equal(session.spikes, spikes)
            np.testing.assert_array_equal(session.run.engine.soma_voltage(), v)


def test_a_state_that_is_refused_changes_nothing(tmp_path):
    """The network of its time had been put in place before the state was looked at."""
    with ic.open_session(write(tmp_path, *LATE), threads=1) as session:
        session.advance(15.0)
        early, network = session.state(), session.network
        session.advance(10.0)
        late, changed = session.state(), session.network
        assert changed is not network
        other = replace(early, of={**early.of, "cells": "2 (others)"})
        with pytest.raises(ConfigError, match="with other cells"):
            session.restore(other)
        assert session.time == 25.0 and session.network is changed
        session.advance()
        spikes, v = session.spikes, session.run.engine.soma_voltage()
        session.restore(late)
        session.advance()
        pd.testing.assert_frame_equal(session.spikes, spikes)
        np.testing.assert_array_equal(session.run.engine.soma_voltage(), v)


def test_drawn_synapses_change_as_stored_ones_do(recipe):
    """Any number of threads; some cells of a model are changed, others not."""
    some = [
        ex.synapses(source=INHIBITORY, target=EXCITATORY, weight=0.3, removed=0.5, start=20),
        ex.synapses(source="background", removed=0.3, start=25.3, stop=40),
        ex.channel(AREA, "na", gbar=0.7, start=20),
        ex.lose(AREA, 0.3, start=30),
    ]
    both = [
        simulated(with_changes(recipe, some), store_synapses=store, threads=threads)
        for store, threads in ((True, 1), (False, 2))
    ]
    require_same(*both)
    assert len(both[0][0]) > 50
    assert len(both[0][0]) != len(simulated(recipe)[0])


def test_steps_of_a_ramp_are_changes_one_after_the_other(tmp_path):
    steps = [ex.synapses(source="drive", weight=w, start=10 + k, stop=11 + k)
             for k, w in enumerate((0.75, 0.5, 0.25))]  # fmt: skip
    simulation = ic.load_simulation(write(tmp_path, *steps))
    assert rebuilt_at(simulation) == [100, 110, 120, 130]
    weights = [[o.weight for o in in_force(simulation, t).overrides] for t in (9, 10, 11, 12, 13)]
    assert weights == [[], [0.75], [0.5], [0.25], []]


# --- SONATA's words -----------------------------------------------------------------------------


def test_modifications_are_those_of_the_extension(tmp_path):
    path = write(tmp_path)
    conditions = json.loads(path.read_text())["conditions"]

    def network(modifications, folder="simulation"):
        told = {**conditions, "modifications": modifications}
        return build_network(ic.load_simulation(with_sections(path, conditions=told)))

    (plain,) = network(None).models
    blocked = network([{"name": "ttx", "type": "TTX", "node_set": "cells"}])
    (model,) = blocked.models
    sodium = [name for name in plain.mechanisms if name.startswith("Na")]
    assert sodium and blocked.touched[0].cells == 2
    for name in plain.mechanisms:
        if "gbar" in plain.mechanisms[name].parameters:
            expected = 0.0 if name in sodium else plain.mechanisms[name].parameters["gbar"]
            np.testing.assert_array_equal(model.mechanisms[name].parameters["gbar"], expected)
    entry = {"type": "configure_all_sections", "node_set": "cells",
             "section_configure": "%s.gbar_NaV = 0; %s.e_pas *= 0.5"}  # fmt: skip
    (model,) = network({"old style": entry}).models
    nodes = plain.mechanisms["NaV"].nodes
    there = np.isin(np.arange(plain.n_nodes), nodes)
    np.testing.assert_array_equal(model.mechanisms["NaV"].parameters["gbar"], 0.0)
    np.testing.assert_array_equal(model.e_pas, np.where(there, 0.5, 1.0) * plain.e_pas)
    for wrong, message in (
        ([{"type": "TTX"}], r"\[0\].node_set: field required"),
        ([{"type": "XTT", "node_set": "cells"}], r"\[0\].type: modification 'XTT' is not supp"),
        ([{**entry, "section_configure": None}], r"\[0\].section_configure: is missing"),
        ([{**entry, "section_configure": "%s.gbar_Xa = 1"}], r"\[0\].mechanisms: unknown mech"),
        ("TTX", ": must be a list"),
    ):
        with pytest.raises(ConfigError, match=r"conditions.modifications" + message):
            network(wrong)


def test_attributes_of_sections_are_names_of_neuron():
    found = [(a.mechanism, a.parameter, a.operation, a.value) for a in parse(
        "%s.gbar_Ca_HVA = 1e-5;%s.ena -= 3; %s.g_pas /= 2; %s.cm += .5;"
    ).assignments]  # fmt: skip
    assert found == [("Ca_HVA", "gbar", "=", 1e-5), ("na_ion", "ena", "-=", 3.0),
                     ("pas", "g", "/=", 2.0), ("capacitance", "cm", "+=", 0.5)]  # fmt: skip


def test_a_delayed_override_is_a_change_from_then_on(tmp_path):
    override = {"name": "o", "source": "drive", "target": "cells", "weight": 0.2, "delay": 20.0}
    one = with_sections(write(tmp_path / "a"), connection_overrides=[override])
    other = write(tmp_path / "b", ex.synapses(source="drive", target="cells", weight=0.2, start=20))
    require_same(simulated(one), simulated(other))
    assert not simulated(one)[0].equals(simulated(write(tmp_path / "c"))[0])


# --- what people are told -----------------------------------------------------------------------


def test_drawn_synapses_are_said_not_to_be_counted(recipe):
    """Nothing had been said after the colon."""
    some = [ex.synapses(source=INHIBITORY, weight=0.5, name="block"), ex.lesion(AREA)]
    network = build_network(with_changes(recipe, some), store_synapses=False)
    block, lesion = map(str, network.touched)
    assert block == f"Change block (synapses): {UNCOUNTED}."
    assert lesion.endswith(f" cells, {UNCOUNTED}.")
    network = build_network(with_changes(recipe, some), store_synapses=True)
    assert not any(UNCOUNTED in str(each) for each in network.touched)


def test_counts_are_told_by_info_run_and_report(tmp_path):
    path = write(
        tmp_path,
        ex.channel(ONE, "NaV", gbar=0.5, name="half"),
        ex.lesion({**CELLS, "node_id": [1]}, start=30),
    )
    status, printed, _ = command("info", path)
    assert status == 0
    assert "Change half (channels): 1 cells, 1 compartments with NaV. From the beginning" in printed
    assert "Change lesion: 1 cells, 80 synapses. From 30 ms on." in printed
    lines = []
    result = ic.run(path, announce=lines.append, progress=None)
    assert "Change lesion: 1 cells, 80 synapses." in lines
    assert "Changes to the circuit" in report_page(result)
