"""Runs from end to end, and what is promised of their results, by Python and by command line."""

import json
import os
import re
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from command_line import isocortex, one_line
from library_circuit import CELL, clamp, poisson, report, write_library_circuit

import isocortex as ic
from isocortex.circuit import PoissonInput
from isocortex.engine.interface import ProbeTable
from isocortex.errors import ConfigError, SimulationError
from isocortex.network.build import build_network
from isocortex.report.output import prepare_output
from isocortex.report.quantity import quantity
from isocortex.simulate import make_engine, make_settings
from isocortex.sonata.write import write_types

EDGES = [(0, 0, 40), (1, 1, 40)]
DRIVEN = {"edges": EDGES, "inputs": {"drive": poisson(), "clamp": clamp(0.5)}}


@pytest.fixture
def driven(tmp_path):
    """Two cells that spike and their reports, 10 ms."""
    reports = {"v": report("v"), "whole": report("v", "all")}
    return write_library_circuit(tmp_path / "c", **DRIVEN, reports=reports)


def change(config, **sections):
    content = json.loads(config.read_text())
    for name, values in sections.items():
        content[name] = {**content.get(name, {}), **values}
    config.write_text(json.dumps(content))
    return config


def data(folder, name):
    with h5py.File(Path(folder) / f"{name}.h5") as file:
        return file["report/cells/data"][:]


# --- as the documentation shows it ------------------------------------------------------------


def test_results_are_tables_and_labelled_arrays(driven):
    result = ic.run(driven, threads=1)
    spikes = result.spikes
    assert list(spikes) == ["timestamps", "node_ids", "population"]
    assert len(spikes) == result.run_summary.n_spikes > 0
    assert spikes["timestamps"].is_monotonic_increasing
    assert sorted(result.reports) == ["v", "whole"]
    v = result.report("v")
    assert v.dims == ("time", "element")
    assert v["node_id"].values.tolist() == [0, 1]
    np.testing.assert_allclose(v["time"].values, 0.1 * np.arange(1, 101))
    np.testing.assert_array_equal(result.voltage(1), v.values[:, 1])
    rates = result.rates()
    assert rates["spikes"].sum() == len(spikes)
    np.testing.assert_allclose(rates["rate_hz"], rates["spikes"] / 0.01)
    again = ic.Result(driven)
    assert again.run_summary == result.run_summary
    pd.testing.assert_frame_equal(again.spikes, spikes)
    assert "2 cells" in again.summary


def test_the_summary_counts_what_happened(tmp_path):
    """Every spike of the drive makes one event per synapse, 1 ms later."""
    config = write_library_circuit(tmp_path, edges=[(0, 0, 5), (1, 1, 7)], inputs={"d": poisson()})
    source, time = build_network(ic.load_simulation(config)).poisson.begin().until(10.0)
    n = [np.count_nonzero((source == 2 + i) & (time + 1.0 < 9.9)) for i in (0, 1)]
    done = ic.run(config).run_summary
    assert (done.n_cells, done.n_virtual, done.n_synapses, done.n_steps) == (2, 2, 12, 100)
    assert done.n_compartments == 2 * ic.cell(CELL).n_compartments
    assert min(n) > 0
    assert done.n_events == 5 * n[0] + 7 * n[1]


def test_a_run_tells_how_far_it_is(driven):
    seen, lines = [], []
    ic.run(driven, progress=lambda *now: seen.append(now), announce=lines.append)
    times = [t for t, _, _ in seen]
    assert times == sorted(times)
    assert seen[-1][0] == pytest.approx(10.0)
    assert {tstop for _, tstop, _ in seen} == {10.0}
    assert lines[0].startswith("2 biophysical cells of 1 models, 2 virtual nodes")


def test_a_result_says_where_it_comes_from(driven):
    result = ic.run(driven, threads=1, precision="single")
    facts = json.loads((result.directory / "provenance.json").read_text())
    assert facts["run"]["config_file"] == str(driven.resolve())
    assert facts["run"]["precision"] == "single"
    assert facts["run"]["populations"] == {"cells": [[0, 2]]}
    with h5py.File(result.directory / "spikes.h5") as file:
        assert file.attrs["simulator"] == facts["simulator"]


def test_a_stopped_run_tells_how_far_it_came_and_how_long_it_took(driven):
    def stop(t, tstop, spikes):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ic.run(change(driven, run={"tstop": 500.0}), progress=stop)
    result = ic.Result(driven)
    done = result.run_summary
    assert result.provenance["run"]["reached"] == result.duration == done.tstop
    assert done.tstop == pytest.approx(0.1 * done.n_steps)
    assert 0 < done.n_steps < 5000
    assert done.n_spikes == len(result.spikes)


def test_the_stages_of_a_run_are_its_time(driven):
    looks = []

    def look(t, tstop, spikes):
        looks.append(t)
        time.sleep(0.1)

    begun = time.perf_counter()
    done = ic.run(driven, progress=look).run_summary
    elapsed = time.perf_counter() - begun
    assert 0 < sum(done.stages.values()) <= elapsed
    assert min(done.stages.values()) >= 0
    assert done.stages["writing spikes and reports"] >= 0.1 * len(looks) > 0
    before = sum(list(done.stages.values())[:3])
    assert done.setup_seconds == pytest.approx(before)
    assert done.stages["compiling or loading kernels"] == done.compile_seconds


def test_a_folder_written_before_summaries_were_kept_is_read(driven):
    result = ic.run(driven)
    file = result.directory / "provenance.json"
    facts = json.loads(file.read_text())
    assert facts["config_text"] == driven.read_text()
    del facts["summary"]["stages"]
    for old in (facts, {k: v for k, v in facts.items() if k != "summary"}):
        file.write_text(json.dumps(old))
        assert ic.Result(driven).run_summary is None


def test_a_cell_and_a_current_step():
    response = ic.step(ic.cell(CELL), [0.0, 0.5], delay=5.0, duration=40.0, tstop=50.0, dt=0.1)
    assert response.v.shape == response.cai.shape == (2, 500)
    assert len(response.spikes[0]) == 0 < len(response.spikes[1])
    assert response.rates[1] == len(response.spikes[1]) / 0.04


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("engine", "slow"),
        ("device", "tpu"),
        ("precision", "half"),
        ("integrator", "euler"),
        ("threads", 0),
    ],
)
def test_an_unknown_choice_is_refused_before_anything_is_written(driven, option, value):
    with pytest.raises(ConfigError, match=str(value)):
        ic.run(driven, **{option: value})
    assert not (driven.parent / "output").exists()


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_written(driven, monkeypatch):
    monkeypatch.setenv("LIBCUDA", "libcuda-that-is-not-there.so")
    with pytest.raises(ConfigError, match="device: there is no NVIDIA driver"):
        ic.run(driven, device="cuda")
    assert not (driven.parent / "output").exists()


def test_options_also_override_a_loaded_simulation(driven, tmp_path):
    result = ic.run(ic.load_simulation(driven), tstop=5.0, output_dir=tmp_path / "mine")
    assert result.directory == tmp_path / "mine"
    assert result.run_summary.n_steps == 50


# --- output -----------------------------------------------------------------------------------


def test_output_goes_where_the_configuration_or_the_option_says(driven, tmp_path, monkeypatch):
    """Paths in a configuration start at its folder, those of the command line where it is run."""
    monkeypatch.chdir(tmp_path)
    assert isocortex("run", driven, "--tstop", 1)[0] == 0
    assert (driven.parent / "output" / "spikes.h5").exists()
    assert isocortex("run", driven, "--tstop", 1, "--output-dir", "mine")[0] == 0
    assert (tmp_path / "mine" / "spikes.h5").exists()


def test_csv_log_and_order_of_spikes(driven):
    names = {"spikes_file_csv": "s.csv", "log_file": "log.txt", "spikes_sort_order": "id"}
    result = ic.run(change(driven, output=names, run={"tstop": 20.0}))
    table = pd.read_csv(result.directory / "s.csv", sep=" ")
    assert list(table) == ["timestamps", "population", "node_ids"]
    assert table["node_ids"].is_monotonic_increasing
    assert table["timestamps"].tolist() == result.spikes["timestamps"].tolist()
    assert "n_cells=2" in (result.directory / "log.txt").read_text()


def test_unsupported_reports_are_left_out_on_request_and_named(driven):
    change(driven, reports={"lfp": {"module": "weight_recorder"}})
    one_line(isocortex("run", driven), "reports.lfp.module", "weight_recorder")
    status, printed, error = isocortex("run", driven, "--skip-unsupported-reports")
    assert (status, error) == (0, "")
    assert "Skipped: report lfp (weight_recorder)" in printed
    assert not (driven.parent / "output" / "lfp.h5").exists()
    assert "Not supported: report lfp (weight_recorder)" in isocortex("info", driven)[1]


def test_a_wrong_report_leaves_earlier_results(driven):
    before = len(ic.run(driven).spikes)
    one_line(isocortex("run", change(driven, reports={"v": report("m_Foo")})), "m_Foo")
    assert len(ic.Result(driven).spikes) == before > 0


def test_output_never_replaces_what_the_run_reads(driven):
    change(driven, output={"output_dir": ".", "spikes_file": "cells.h5"})
    one_line(isocortex("run", driven), "cells.h5")
    with h5py.File(driven.parent / "cells.h5") as file:
        assert "nodes" in file


def test_a_device_in_place_of_an_output_file_is_not_deleted(tmp_path):
    """Such as /dev/null for a log nobody wants."""
    os.mkfifo(tmp_path / "pipe")
    try:
        prepare_output(tmp_path / "output", True, [tmp_path / "pipe"])
    except ConfigError:
        pass
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_is_cut_short_holds_the_beginning_of_the_whole(driven, tmp_path, error):
    change(driven, run={"tstop": 60.0})
    whole = ic.run(driven, output_dir=tmp_path / "whole")
    reached = []

    def stop(t, tstop, spikes):
        reached[:] = [t, spikes]
        if t > 15.0:
            raise error

    with pytest.raises(error):
        ic.run(driven, output_dir=tmp_path / "cut", progress=stop)
    t, n_spikes = reached
    assert t < 60.0
    cut = ic.Result(tmp_path / "cut")
    assert len(cut.spikes) == n_spikes > 0
    pd.testing.assert_frame_equal(cut.spikes, whole.spikes[:n_spikes])
    rows = round(t / 0.1)
    np.testing.assert_array_equal(data(cut.directory, "v"), data(whole.directory, "v")[:rows])
    assert cut.report("v")["time"].values[-1] == pytest.approx(t)


# --- reports ----------------------------------------------------------------------------------

QUANTITIES = ("v", "cai", "m_Kv3_1", "z_SK", "O_NaV", "g_Kv3_1", "ihcn_Ih", "ina", "ik", "ica")
SYNAPTIC = ("v", "g_syn", "i_syn", "g_exc", "i_exc")


def recorded(network, simulation, engine, variables, node, n_steps=100):
    """variable -> float64[n_steps] at one compartment of cell 0."""
    motor = make_engine(
        network,
        make_settings(simulation, threads=1, precision="double", integrator="backward-euler"),
        engine,
    )
    model, wanted = network.models[0], [quantity(v, network.kinetics) for v in variables]
    probes = [q.probes_at(model, node) for q in wanted]
    motor.record(ProbeTable.of([(0, node, p) for several in probes for p in several]))
    samples, values, k = motor.advance(n_steps)[2], {}, 0
    for name, q, several in zip(variables, wanted, probes, strict=True):
        part = samples[:, k : k + len(several)]
        values[name] = q.evaluate(model, node, part, simulation.celsius)
        k += len(several)
    return values


@pytest.mark.parametrize(("place", "variables"), [("soma", QUANTITIES), ("dendrite", SYNAPTIC)])
def test_recorded_quantities_equal_those_of_the_reference_engine(driven, place, variables):
    simulation = ic.load_simulation(driven)
    network = build_network(simulation)
    nodes = network.slots.node[network.slots.cell == 0]
    node = network.models[0].soma if place == "soma" else int(nodes[len(nodes) // 2])
    fast, slow = (
        recorded(network, simulation, engine, variables, node) for engine in ("fast", "reference")
    )
    for name in variables:
        assert np.ptp(slow[name]) > 0, name
        scale = np.abs(slow[name]).max()
        np.testing.assert_allclose(fast[name], slow[name], atol=1e-9 * scale, err_msg=name)


def test_currents_are_those_the_step_was_computed_with(driven):
    """Conductance by the gates, and driving force by the voltage, at the end of the step before."""
    simulation = ic.load_simulation(driven)
    network = build_network(simulation)
    cell = network.models[0]
    names = ("v", "m_Kv3_1", "g_Kv3_1", "ik_Kv3_1")
    values = recorded(network, simulation, "fast", names, cell.soma)
    gbar = cell.mechanisms["Kv3_1"].parameters["gbar"][0]
    g, current = values["g_Kv3_1"][1:], values["ik_Kv3_1"][1:]
    np.testing.assert_allclose(g, gbar * values["m_Kv3_1"][:-1], rtol=1e-12)
    np.testing.assert_allclose(current, g * (values["v"][:-1] - cell.ek[cell.soma]), rtol=1e-12)


def test_sample_k_is_the_value_at_the_end_of_step_k(driven):
    """With the whole trajectory of the engine at hand, beginning at v_init at t = 0."""
    simulation = ic.load_simulation(driven)
    network = build_network(simulation)
    stepped = recorded(network, simulation, "fast", ("v",), network.models[0].soma)["v"]
    written = data(ic.run(driven).directory, "v")[:, 0]
    np.testing.assert_array_equal(written, stepped.astype(np.float32))
    assert written[0] != -80.0
    assert abs(written[0] + 80.0) < 1.0


def test_sections_of_a_report(driven):
    cell = ic.cell(CELL)
    change(driven, run={"tstop": 1.0}, reports={"some": report("v", ["soma", "apic"], cells=[1])})
    result = ic.run(driven)
    every, soma, some = (result.report(name) for name in ("whole", "v", "some"))
    one = every[:, every["node_id"].values == 0]
    assert one.sizes["element"] == cell.n_compartments
    assert one["element_id"].values.tolist() == cell.section[cell.compartments].tolist()
    np.testing.assert_allclose(one["element_pos"], cell.x[cell.compartments])
    at = int(np.flatnonzero(cell.compartments == cell.soma)[0])
    np.testing.assert_array_equal(one.values[:, at], soma.values[:, 0])
    kinds = cell.section_type[cell.compartments]
    assert set(some["node_id"].values) == {1}
    assert some.sizes["element"] == np.count_nonzero((kinds == 1) | (kinds == 4))


def test_a_compartment_without_the_quantity_is_not_a_number(driven):
    """Calcium has a shell in the soma of this cell and nowhere else."""
    change(driven, run={"tstop": 1.0}, reports={"cai": report("cai", "all", cells=[0])})
    values = data(ic.run(driven).directory, "cai")
    cell = ic.cell(CELL)
    shell = np.isin(cell.compartments, cell.mechanisms["CaDynamics"].nodes)
    assert np.isfinite(values[:, shell]).all()
    assert np.isnan(values[:, ~shell]).all()


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_a_summation_is_over_the_whole_cell(driven, engine):
    """As the SONATA extension says it; its sections are the soma if none are given."""
    sums = {name: report(name, type="summation") for name in ("g_exc", "i_exc", "g_inh")}
    del sums["i_exc"]["sections"]
    parts = {f"{name}_parts": report(name, "all", type="compartment") for name in sums}
    change(driven, run={"tstop": 4.0}, reports={**sums, **parts, "v": {"enabled": False}})
    result = ic.run(driven, engine=engine)
    parts = {name: result.report(f"{name}_parts") for name in sums}
    for name, sign in (("g_exc", 1), ("i_exc", -1), ("g_inh", 0)):
        found, each = result.report(name), parts[name]
        assert found["node_id"].values.tolist() == [0, 1]
        assert found["element_id"].values.tolist() == [0, 0]
        assert found.attrs["units"] == ("nA" if name[0] == "i" else "uS")
        expected = each.groupby("node_id").sum().values
        np.testing.assert_allclose(found.values, expected, rtol=1e-6)
        assert np.sign(np.abs(found.values).max() * np.sign(found.values.sum())) == sign
        assert (each.values != 0).any(axis=0).sum() >= 2 * abs(sign)
    voltage = result.report("whole").values.astype(float)  # excitation here reverses at 0 mV
    np.testing.assert_allclose(
        parts["i_exc"][1:], parts["g_exc"].values[1:] * voltage[:-1], rtol=1e-6, atol=1e-12
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"variable_name": "v"}, ["variable_name", "a cell has no sum of it", "i_inh"]),
        ({"variable_name": ["g_exc", "ina_NaV"]}, ["'ina_NaV' (mA/cm2)", "g_syn"]),
        ({"sections": "all"}, ["sum.type", "sections soma"]),
        ({"sections": ["soma", "apic"]}, ["sum.type", "sections soma"]),
        ({"module": "netcon_report", "variable_name": "g"}, ["sum.type", "membrane_report"]),
        ({"type": "lfp"}, ["sum.type", "'compartment' or 'summation'"]),
        ({"type": "compartment", "variable_name": "g_ex"}, ["g_ex", "g_exc, i_exc, g_inh"]),
    ],
)
def test_a_sum_that_there_is_not_is_refused(driven, changed, words):
    summed = report("g_exc", "soma", type="summation")
    one_line(isocortex("run", change(driven, reports={"sum": {**summed, **changed}})), *words)


def test_every_nth_step_is_counted_from_the_start_of_the_report(driven):
    """7 steps divide neither the start nor the chunks in which a run comes."""
    reports = {"late": report("v", start_time=0.5, end_time=38.1, dt=0.7)}
    result = ic.run(change(driven, reports=reports, run={"tstop": 40.0}))
    late, every = data(result.directory, "late"), data(result.directory, "v")
    np.testing.assert_array_equal(late, every[5 : 5 + 53 * 7 : 7])
    np.testing.assert_allclose(result.report("late")["time"], 0.6 + 0.7 * np.arange(53))


@pytest.mark.parametrize("dt", [0.25, 0.01])
def test_a_report_step_that_is_no_multiple_is_refused(driven, dt):
    one_line(isocortex("run", change(driven, reports={"v": report("v", dt=dt)})), "reports", "dt")


def test_a_report_of_virtual_cells_is_refused(driven):
    one_line(isocortex("run", change(driven, reports={"v": report("v", cells="drive")})), "v")


# --- circuits of one kind of cell -------------------------------------------------------------


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_a_circuit_of_point_neurons_alone(tmp_path, engine):
    """Two events of 0.6 within 1 ms make an IntFire1 cell with tau 20 ms spike, one does not."""
    rule = {"syn_weight": 0.6, "dynamics_params": "sign.json"}
    config = write_library_circuit(tmp_path, edges=[(0, 0, 1), (1, 1, 1)], synapse=rule)
    node = {"node_type_id": [1], "model_type": "point_neuron", "model_template": "nrn:IntFire1",
            "dynamics_params": "intfire.json"}  # fmt: skip
    write_types(tmp_path / "cells_types.csv", pd.DataFrame(node))
    (tmp_path / "intfire.json").write_text('{"tau": 0.02, "refrac": 0.003}')
    (tmp_path / "sign.json").write_text('{"sign": 1}')
    trains = {"timestamps": [2.0, 3.0, 5.0], "population": "drive", "node_ids": [0, 0, 1]}
    pd.DataFrame(trains).to_csv(tmp_path / "trains.csv", sep=" ", index=False)
    spikes = {"input_type": "spikes", "module": "csv", "input_file": "trains.csv",
              "node_set": "drive"}  # fmt: skip
    change(config, components={"point_neuron_models_dir": "."}, inputs={"trains": spikes})
    status, _, error = isocortex("run", config, "--engine", engine)
    assert (status, error) == (0, "")
    found = ic.Result(config).spikes
    assert list(zip(found["timestamps"], found["node_ids"], strict=True)) == [(4.0, 0)]


# --- the command line -------------------------------------------------------------------------

COMMANDS = ["run", "continue", "info", "demo", "plot", "cells", "plot raster", "plot rates",
            "plot traces",
            "plot morphology", "cells list", "cells run", "cells fi"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    status, printed, error = isocortex(*command.split(), "--help")
    assert (status, error) == (0, "")
    assert f"isocortex {command}" in printed


def test_documented_options_of_run_exist(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
    table = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `--")]
    documented = {option for cell in table for option in re.findall(r"--[a-z-]+", cell)}
    assert len(documented) > 8
    printed = isocortex("run", "--help")[1] + isocortex("--help")[1]
    assert {option for option in documented if option not in printed} == set()
    offered = set(re.findall(r"--[a-z-]+", isocortex("run", "--help")[1])) - {"--help"}
    assert {option for option in offered if not option.startswith("--no-")} <= documented


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["frobnicate"], "frobnicate"),
        (["run"], "config"),
        (["run", "x.json", "--thread", "3"], "--threads"),
        (["run", "x.json", "--precision", "half"], "half"),
        (["run", "x.json", "--dt", "small"], "--dt"),
        (["plot", "traces", "x", "--node", "one"], "--node"),
        (["cells", "run"], "cell_id"),
    ],
)
def test_wrong_usage_is_explained(arguments, word):
    status, printed, error = isocortex(*arguments)
    assert (status, printed) == (2, "")
    assert "Traceback" not in error
    assert word in error.lower()


def test_plots_take_the_configuration_for_its_folder(driven, tmp_path):
    assert isocortex("run", driven)[0] == 0
    picture = tmp_path / "p" / "v.pdf"
    status, printed, error = isocortex(
        "plot", "traces", driven, "--node", 1, "--node", 0, "--output", picture
    )
    assert (status, error) == (0, "")
    assert str(picture) in printed
    assert picture.read_bytes()[:4] == b"%PDF"
    assert isocortex("plot", "raster", driven)[0] == 0
    assert (driven.parent / "output" / "pictures" / "raster.png").exists()


def test_pictures_of_what_is_not_there(tmp_path):
    config = write_library_circuit(tmp_path / "c")
    one_line(isocortex("plot", "raster", config), "output", "Run the simulation first")
    assert isocortex("run", config)[0] == 0
    assert isocortex("plot", "raster", config)[0] == 0  # no spike is no error
    one_line(isocortex("plot", "traces", config), "no report of v")
    one_line(isocortex("plot", "morphology", config), '"sections": "all"')
    one_line(isocortex("plot", "raster", tmp_path / "none"), "none", "does not exist")
    one_line(isocortex("plot", "rates", config, "--config", "no.json"), "no.json")


def test_a_picture_that_cannot_be_written_is_one_line(driven, tmp_path):
    assert isocortex("run", driven, "--tstop", 1)[0] == 0
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.png", tmp_path / "x.png2"):
        one_line(isocortex("plot", "raster", driven, "--output", path), path.name)


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "{tmp}/d", "--cells", 5],
        ["demo", "{tmp}/file/d"],
        ["cells", "run", CELL, "--dt", 0],
        ["cells", "run", CELL, "--tstop", -1],
        ["cells", "run", CELL, "--amp", "nan", "--delay", 0, "--tstop", 1],
        ["cells", "run", "123"],
        ["cells", "fi", CELL, "--points", 1],
    ],
)
def test_impossible_numbers_and_folders_are_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    one_line(isocortex(*(str(a).format(tmp=tmp_path) for a in arguments)))


def test_a_run_shorter_than_a_step_is_refused(driven):
    one_line(isocortex("run", driven, "--dt", 30), "dt")


# --- errors -----------------------------------------------------------------------------------


def test_errors_of_the_cell_parameters_name_the_file(tmp_path):
    config = write_library_circuit(tmp_path)
    (tmp_path / "one.swc").write_text("1 1 0 0 0 8 -1\n2 3 0 8 0 1 1\n3 3 0 90 0 1 2\n")
    fit = {
        "passive": [{"ra": 100.0, "e_pas": -80.0,
                     "cm": [{"section": s, "cm": 1.0} for s in ("soma", "axon", "dend")]}],
        "conditions": [{"celsius": 34.0, "erev": [], "v_init": -80.0}],
        "genome": [{"section": "soma", "name": "gbar_Kv9", "value": 0.1, "mechanism": "Kv9"}],
    }  # fmt: skip
    (tmp_path / "one_fit.json").write_text(json.dumps(fit))
    node = {"node_type_id": [1], "model_type": "biophysical", "model_template": "ctdb:Biophys1.hoc",
            "model_processing": "aibs_perisomatic", "morphology": "one.swc",
            "dynamics_params": "one_fit.json"}  # fmt: skip
    write_types(tmp_path / "cells_types.csv", pd.DataFrame(node))
    one_line(isocortex("run", config), "Kv9", "Kv3_1")
    fit["genome"] = [{"section": "soma", "name": "gbar", "value": 0.1, "mechanism": "Kv3_1"}]
    (tmp_path / "one_fit.json").write_text(json.dumps(fit))
    one_line(isocortex("run", config), "one_fit.json", "genome", "gbar")
    (tmp_path / "one_fit.json").write_text("{}")
    one_line(isocortex("run", config), "one_fit.json", "passive")
    (tmp_path / "one.swc").unlink()
    one_line(isocortex("run", config), "one.swc")


@pytest.mark.parametrize(
    ("synapse", "words"),
    [
        ({"delay": -1.0}, ["drive_edges.h5", "delay -1"]),
        ({"model_template": "pyr2pyr"}, ["pyr2pyr", "exp2syn"]),
        ({"dynamics_params": "no.json"}, ["no.json", "synapse parameters"]),
        ({"syn_weight": None}, ["drive_edges.h5", "no syn_weight"]),
        ({"distance_range": "[9, 1]"}, ["edge_types.csv", "distance_range", "edge type 0"]),
    ],
)
def test_a_wrong_synapse_is_named(tmp_path, synapse, words):
    config = write_library_circuit(tmp_path, edges=EDGES, synapse=synapse)
    one_line(isocortex("run", config), *words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"synapse": {"target_sections": "['tuft']"}}, ["tuft", "drive_to_cells"]),
        ({"reports": {"r": report("m_Foo")}}, ["m_Foo", "reports.r"]),
        ({"reports": {"r": report("v", "tuft")}}, ["tuft", "reports.r"]),
        ({"reports": {"r": report("m_NaTs")}}, ["m_NaTs", "reports.r"]),
        ({"inputs": {"e": {**clamp(), "section_name": "dend", "section_index": 999}}},
         ["dend[999]", "inputs.e"]),
    ],
)  # fmt: skip
def test_an_error_found_late_still_names_its_place(tmp_path, changes, words):
    config = write_library_circuit(tmp_path, edges=EDGES, **changes)
    one_line(isocortex("run", config), *words)


def test_an_unknown_key_at_the_top_is_named(driven):
    content = json.loads(driven.read_text())
    driven.write_text(json.dumps({**content, "reprots": {}}))
    one_line(isocortex("run", driven), driven.name, "reprots", "reports")


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_what_came_before_a_voltage_that_is_no_number_is_kept(driven, tmp_path, engine):
    change(driven, run={"tstop": 30.0}, inputs={"e": clamp(1e12, [1], delay=15.0)})
    options = ("--engine", engine, "--output-dir", tmp_path / engine)
    one_line(isocortex("run", driven, *options), "cells 1", "not finite")
    kept = data(tmp_path / engine, "v")
    plain = data(ic.run(change(driven, inputs={"e": {**clamp(), "enabled": False}})).directory, "v")
    np.testing.assert_allclose(kept[:150], plain[:150], rtol=1e-5)
    assert np.isfinite(kept[:150]).all()


# --- what a review found ----------------------------------------------------------------------


def test_rates_count_the_cells_there_are(tmp_path):
    """Node ids need not begin at 0, and virtual nodes are no silent cells."""
    config = write_library_circuit(tmp_path, edges=[(0, 0, 1)])
    with h5py.File(tmp_path / "cells.h5", "a") as file:
        ids = file["nodes/cells/node_id"]
        ids[...] = ids[...] + 1000
        n = len(ids)
    for name in tmp_path.glob("*edges.h5"):
        with h5py.File(name, "a") as file:
            for population in file["edges"].values():
                target = population["target_node_id"]
                target[...] = target[...] + 1000
    result = ic.run(config)
    assert list(result.nodes) == ["cells"]
    assert result.nodes["cells"].tolist() == list(range(1000, 1000 + n))


def test_files_of_an_earlier_run_are_no_results(driven):
    ic.run(change(driven, reports={"earlier": report("v")}))
    content = json.loads(driven.read_text())
    content["reports"] = {"later": report("v")}
    driven.write_text(json.dumps(content))
    assert ic.run(driven).reports == ["later"]


def test_chunks_of_whole_windows_give_the_same_bits(driven):
    """However long a machine takes between two looks, a run gives the same voltages."""
    simulation = ic.load_simulation(change(driven, run={"tstop": 30.0}), tstop=30.0)
    network = build_network(simulation)
    settings = make_settings(simulation, threads=2, precision="double",
                             integrator="backward-euler")  # fmt: skip
    voltages = []
    for windows in ([9], [3, 6], [1, 4, 2, 2]):
        engine = make_engine(network, settings)
        for n in windows:
            engine.advance(n * engine.window)
        voltages.append(engine.voltage(0))
    np.testing.assert_array_equal(voltages[0], voltages[1])
    np.testing.assert_array_equal(voltages[0], voltages[2])


def test_spike_inputs_drive_virtual_nodes_only(driven):
    inputs = {"noise": {"input_type": "spikes", "module": "poisson", "node_set": "biophysical",
                        "firing_rate": 10.0}}  # fmt: skip
    one_line(isocortex("run", change(driven, inputs=inputs)), "noise", "virtual")


def test_two_poisson_inputs_are_two_trains(driven):
    entry = {"input_type": "spikes", "module": "poisson", "node_set": "drive", "firing_rate": 50.0}
    simulation = ic.load_simulation(change(driven, inputs={"a": entry, "b": entry}))
    *_, a, b = (entry for entry in simulation.inputs if isinstance(entry, PoissonInput))
    assert not np.isin(a.key, b.key).any()


def test_no_more_threads_than_cores(driven):
    said = []
    ic.run(driven, tstop=1.0, threads=64, announce=said.append)
    cores = len(os.sched_getaffinity(0))
    assert any(f"64 threads asked for, but there are {cores} cores" in line for line in said)
    assert ic.Result(driven).provenance["machine"]["threads"] == cores


def test_a_run_that_fails_in_its_last_steps_is_not_complete(driven, monkeypatch):
    def fail(*arguments):
        raise SimulationError("no more")

    monkeypatch.setattr("isocortex.session.loop.check_finite", fail)
    with pytest.raises(SimulationError, match="no more"):
        ic.run(driven, tstop=0.5)
    run = ic.Result(driven).provenance["run"]
    assert run["reached"] == 0.5


def test_an_output_that_cannot_be_is_refused_before_the_network_is_built(driven, monkeypatch):
    result = ic.run(driven, tstop=0.5)
    kept = (result.directory / "spikes.h5").read_bytes()

    def never(*arguments):
        raise AssertionError("built")

    monkeypatch.setattr("isocortex.session.setup.build_network", never)
    with pytest.raises(ConfigError, match="already holds results"):
        ic.run(driven, tstop=0.5, overwrite=False)
    assert (result.directory / "spikes.h5").read_bytes() == kept


def test_folders_in_place_of_files_lead_to_the_right_ones(driven):
    ic.run(driven, tstop=0.5)
    one_line(isocortex("run", driven.parent), "is a folder", "Give")
    one_line(isocortex("rates", driven.parent), "holds no SONATA", driven.parent / "output")
    one_line(isocortex("rates", driven.parent / "nowhere"), "does not exist", "output folder")
