"""A validation from circuit to table: what is run, kept, found again and told."""

import json
import shutil
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from command_line import isocortex, one_line

import isocortex as ic
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.errors import ConfigError, InputError
from isocortex.validation import measure, rheobase, run, runs
from isocortex.validation.conditions import FULL, SHORT, Condition, Plan, conditions
from isocortex.validation.gates import FAILS, NAMES, UNMEASURED
from isocortex.validation.neurons import Neurons

RECIPE = Recipe(scale=0.0001, seed=2)
TINY = Plan(settle=10.0, rest=40.0, cut=10.0, doses=(1.0,), dose=10.0,
            gates=("rates", "recurrence", "synapses", "balance", "seizure"))  # fmt: skip


@pytest.fixture(scope="module")
def circuit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("circuit")
    build_cortex(folder, CortexModel.make(RECIPE), tstop=50.0)
    return folder


@pytest.fixture(scope="module")
def done(circuit, tmp_path_factory):
    """A validation, its folder and what was said."""
    folder, said = tmp_path_factory.mktemp("done"), []
    found = ic.validate(circuit, plan=TINY, output=folder, threads=1, announce=said.append)
    return found, folder, said


# --- what is run ------------------------------------------------------------------------------


def test_the_full_plan_runs_what_the_gates_need():
    names = [each.name for each in conditions(FULL, NAMES)]
    assert names[0] == "rest"
    assert len(set(names)) == len(names) == 1 + 1 + 5 + 2 + 3 + 2 + 1
    assert [each.name for each in conditions(FULL, ["rates"])] == ["rest"]
    uncut, cut = conditions(FULL, ["lesion"])[1:]
    assert (uncut.name, cut.name) == ("uncut", "lesion_VISp") and not uncut.changes
    assert uncut.duration == cut.duration > conditions(FULL, ["lesion"])[0].duration
    short = replace(FULL, lesion=FULL.rest)  # rest is long enough
    assert [each.name for each in conditions(short, ["lesion"])] == ["rest", "lesion_VISp"]
    assert [each.name for each in conditions(SHORT, SHORT.gates)] == [
        "rest", "no_recurrence", "gaba_block_100",
    ]  # fmt: skip


def test_conditions_change_the_synapses_they_name(circuit):
    network = runs.Network.of(CortexModel.make(RECIPE))
    made = {each.name: network.simulation(each) for each in conditions(FULL, NAMES)}
    nodes = made["rest"].circuit.nodes["cortex"].table
    area, sign = nodes["area"].astype(str), nodes["ei"].astype(str)

    def rows(sets):
        assert [name for name, _ in sets] == ["cortex"]
        return np.sort(sets[0][1])

    assert made["rest"].overrides == []
    half = made["gaba_block_050"].overrides[0]
    assert half.weight == 0.5
    assert np.array_equal(rows(half.source), np.flatnonzero(sign == "i"))
    assert len(rows(half.target)) == len(nodes)
    focus = made["focus_VISp"].overrides[0]
    there = (area == "VISp") & (nodes["hemisphere"].astype(str) == "right")
    assert focus.weight == 0.0
    assert np.array_equal(rows(focus.target), np.flatnonzero(there))
    cut, kept = made["lesion_VISp"].overrides
    assert np.array_equal(rows(cut.source), np.flatnonzero(area == "VISp"))
    assert (cut.weight, kept.weight) == (0.0, 1.0)
    assert np.array_equal(rows(kept.target), np.flatnonzero(area == "VISp"))
    pulses = made["pulse_VISp"].inputs[len(made["rest"].inputs) :]
    into = np.concatenate([each.rows for each in pulses])
    layer = nodes["layer"].astype(str)
    assert np.array_equal(np.sort(into), np.flatnonzero(there & (layer == "L4") & (sign == "e")))
    assert (pulses[0].signal.delay[0], len(pulses[0].signal.delay)) == (600.0, 10)


def test_light_is_a_share_of_each_cells_rheobase():
    network = runs.Network.of(CortexModel.make(RECIPE))
    lit = next(each for each in conditions(FULL, ["stabilised"]) if each.name == "light_20")
    with patch.object(runs, "rheobase", lambda name, dL: float(name[-2:])):
        made = network.simulation(lit)
    nodes = made.circuit.nodes["cortex"].table
    currents = [each for each in made.inputs if isinstance(each, ic.circuit.CurrentInput)]
    rows = np.concatenate([each.rows for each in currents])
    assert set(nodes["cell_class"].iloc[rows].astype(str)) == {"Pvalb"}
    assert {"VISp", "MOp"} < set(nodes["area"].iloc[rows].astype(str))
    for each in currents:
        model = set(nodes["model_template"].iloc[each.rows].astype(str))
        assert len(model) == 1
        assert each.signal.amp[0] == pytest.approx(0.2 * float(model.pop()[-2:]))


def test_a_pulse_makes_every_cell_of_layer_4_fire_once():
    names, _ = CortexModel.make(RECIPE).wiring.models("4", "IT")
    for name in names:
        made = ic.step(ic.cell(name), FULL.pulse_nA, delay=50.0, duration=FULL.pulse_ms,
                       tstop=80.0, dt=0.1, precision="single")  # fmt: skip
        assert len(made.spikes[0]) == 1, name


def test_the_rheobase_is_where_firing_begins():
    cell = ic.cell("485836906")
    found = rheobase.rheobase("485836906", 20.0)
    steps = ic.step(cell, [0.93 * found, found], delay=100.0, duration=500.0, tstop=601.0, dt=0.1,
                    precision="single")  # fmt: skip
    assert steps.rates[0] == 0 < steps.rates[1]


# --- what is found ----------------------------------------------------------------------------


def test_a_validation_tells_every_gate(done):
    found, folder, said = done
    assert list(found.verdicts()) == list(NAMES)
    assert found.seeds == (2,)
    measured = {g.gate.name for g in found.gates if any(line.known for line in g.lines)}
    assert set(TINY.gates) <= measured
    assert found.facts["neurons"] == 900
    assert len(said) == 3
    assert "to go" in said[0] and "to go" not in said[-1]
    spikes = ic.Result(folder / "seed-2" / "gaba_block_100").spikes
    assert len(spikes)
    assert list(found.activity) == ["rest", "no_recurrence", "gaba_block_100"]
    rates = found.activity["rest"]
    areas = CortexModel.make(RECIPE).atlas.areas.index[:2]
    assert list(rates.index[:2]) == [f"{area} left" for area in areas]
    assert list(rates.columns) == [0.0, 10.0, 20.0, 30.0]  # ms, after those that are not judged
    nodes = Neurons.of(
        runs.Network.of(CortexModel.make(RECIPE))
        .simulation(Condition("rest", 10.0, 0.0))
        .circuit.nodes["cortex"]
    )
    size = np.array([len(nodes.by_area[name]) for name in rates.index])
    times = ic.Result(folder / "seed-2" / "rest").spikes.query("population == 'cortex'").timestamps
    assert (rates.sum(axis=1) * size * 0.01).sum() == pytest.approx((times >= 10.0).sum())


def test_the_background_is_measured_from_the_circuit(done):
    """Against the table of the drive: every synapse of a kind has its weight."""
    cortex = CortexModel.make(RECIPE)
    simulation = runs.Network.of(cortex).simulation(Condition("rest", 10.0, 0.0))
    made = measure.background_of(simulation)
    kinds, of = cortex.kinds
    areas = cortex.atlas.areas.index
    number, weight = np.array([cortex.drive.of(*kind, area) for kind in kinds for area in areas]).T
    of = of * len(areas) + cortex.neurons.area
    assert len(made.nS) == number[of].sum()
    assert np.array_equal(np.bincount(made.id, minlength=len(cortex)), number[of])
    assert np.allclose(made.nS, weight[of[made.id]], rtol=1e-6)
    assert (made.distance >= 0).all() and made.distance.std() > 0
    assert found_value(done[0], "synapses.E") <= made.nS.max()


def found_value(found, quantity):
    """The value of a quantity."""
    return next(line.value for g in found.gates for line in g.lines
                if line.criterion.quantity == quantity)  # fmt: skip


def test_finished_runs_are_found_again(done, circuit):
    found, folder, _ = done
    said, seen = [], []
    with patch.object(runs, "run", side_effect=AssertionError("nothing is to be run")):
        again = ic.validate(circuit, plan=TINY, output=folder, announce=said.append,
                            progress=lambda *told: seen.append(told))  # fmt: skip
    assert all("found finished" in line for line in said)
    assert seen[-1][0] == seen[-1][1] == 50 + 20 + 20
    assert again.to_dict() == found.to_dict()


def test_a_stopped_validation_goes_on_where_it_was(circuit, tmp_path, done):
    def stop(done_ms, total, what):
        if "gaba" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ic.validate(circuit, plan=TINY, output=tmp_path, threads=1, progress=stop)
    assert (tmp_path / "seed-2" / "no_recurrence" / runs.MARK).is_file()
    assert not (tmp_path / "seed-2" / "gaba_block_100" / runs.MARK).exists()
    said = []
    found = ic.validate(circuit, plan=TINY, output=tmp_path, threads=1, announce=said.append)
    assert [("found finished" in line) for line in said] == [True, True, False]
    assert found.to_dict() == done[0].to_dict()


def test_runs_of_another_plan_are_not_taken(circuit, tmp_path):
    plan = replace(TINY, gates=("rates",))
    ic.validate(circuit, plan=plan, output=tmp_path, threads=1)
    said = []
    ic.validate(circuit, plan=replace(plan, rest=30.0), output=tmp_path, threads=1,
                announce=said.append)  # fmt: skip
    assert "found" not in said[0]


def test_several_seeds_are_several_networks(circuit, tmp_path):
    plan = replace(TINY, gates=("rates",))
    found = ic.validate(circuit, plan=plan, seeds=2, output=tmp_path, threads=1)
    assert found.seeds == (2, 3)
    line = found.gates[0].lines[1]
    assert len(set(line.values)) == 2
    assert line.spread == pytest.approx(np.std(line.values, ddof=1))
    assert "±" in line.measured


# --- what is refused --------------------------------------------------------------------------


def test_a_circuit_that_its_recipe_no_longer_makes_is_refused(circuit, tmp_path):
    shutil.copytree(circuit, tmp_path / "old")
    config = tmp_path / "old" / "circuit_config.json"
    values = json.loads(config.read_text())
    values["cortex"]["made"]["kinetics and weights"] = "0"
    config.write_text(json.dumps(values))
    with pytest.raises(InputError, match="Build the circuit again"):
        ic.validate(tmp_path / "old", plan=TINY)


def test_mistakes_are_one_line(circuit, tmp_path):
    one_line(isocortex("validate", circuit, "--gates", "rate"), "'rate'", "rates, recurrence")
    one_line(isocortex("validate", tmp_path), tmp_path)
    (tmp_path / "circuit_config.json").write_text('{"networks": {}}')
    one_line(isocortex("validate", tmp_path), "no recipe")
    with pytest.raises(ConfigError, match="0 seeds"):
        ic.validate(circuit, seeds=0)


# --- the command line and results -------------------------------------------------------------


def test_the_command_prints_the_table_and_writes_page_and_json(circuit, done):
    _, folder, _ = done
    with patch.object(run, "SHORT", TINY):
        status, printed, _ = isocortex("validate", circuit, "--short", "-o", folder, "--threads", 1)
        assert status == 0
    verdicts = done[0].verdicts()
    assert f"Synapses are synapses: {verdicts['synapses']}" in printed
    assert "largest background synapse on E cells" in printed
    fails = FAILS in verdicts.values()
    assert ("would need" in printed) == fails
    assert json.loads((folder / "gates.json").read_text())["seeds"] == [2]
    page = (folder / "gates.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Rate of every area over time: rest, GABA-A blocked by 100 %" in page


def test_ctrl_c_says_where_the_work_is_kept(circuit, tmp_path):
    with (
        patch.object(run, "SHORT", TINY),
        patch.object(runs, "run", side_effect=KeyboardInterrupt),
    ):
        status, _, error = isocortex("validate", circuit, "--short", "-o", tmp_path)
    assert status == 130
    assert str(tmp_path) in error


def test_results_tell_the_gates_that_follow_from_them(circuit, tmp_path):
    result = ic.run(circuit / "simulation_config.json", precision="single", threads=1,
                    output_dir=tmp_path / "output")  # fmt: skip
    found = ic.validate(tmp_path / "output")
    assert found.seeds == ()
    verdicts = found.verdicts()
    for name in ("seizure", "focus", "stabilised", "lesion", "evoked", "robust"):
        assert verdicts[name] == UNMEASURED
    expected = len(result.spikes) / 900 / 0.05
    table = found.tables["rates"]
    assert np.average(table["Hz"], weights=table["neurons"]) == pytest.approx(expected)
    assert 0 <= found_value(found, "recurrence.share") < 1
    status, printed, error = isocortex("validate", tmp_path / "output", "-o", tmp_path / "gates")
    assert status == 0 and "Seizure: not measured" in printed
    assert not error


def test_results_that_are_not_at_rest_are_told(circuit, tmp_path):
    values = json.loads((circuit / "simulation_config.json").read_text())
    values["connection_overrides"] = [
        {"name": "half", "source": {"ei": "i"}, "target": "cortex", "weight": 0.5}
    ]
    config = circuit / "half.json"
    config.write_text(json.dumps(values))
    ic.run(config, precision="single", threads=1, tstop=20.0, output_dir=tmp_path / "output")
    status, _, error = isocortex("validate", tmp_path / "output", "-o", tmp_path / "gates")
    assert status == 0
    assert "not of a cortex at rest" in error


def test_results_of_a_run_without_configuration_are_validated_with_one(circuit, tmp_path):
    """The advice was an option that the command did not have."""
    simulation = ic.load_simulation(circuit / "simulation_config.json", tstop=20.0)
    made = replace(simulation, config_file=circuit / "(made in memory)")
    ic.run(made, precision="single", threads=1, output_dir=tmp_path / "output", progress=None)
    asked = ("validate", tmp_path / "output", "-o", tmp_path / "gates", "--gates", "rates")
    one_line(isocortex(*asked), "does not say which configuration", "Give --config")
    config = circuit / "simulation_config.json"
    status, printed, error = isocortex(*asked, "--config", config)
    assert status == 0 and "Rates: " in printed, error
    one_line(isocortex("validate", circuit, "--config", config), "is a circuit already")
    both = ("compare", tmp_path / "output", tmp_path / "output")
    one_line(isocortex(*both), "Give --config")
    status, printed, error = isocortex(*both, "--config", config)
    assert (status, error) == (0, "") and "All spikes are the same" in printed
