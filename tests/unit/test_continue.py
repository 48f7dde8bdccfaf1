"""A run that stopped anywhere goes on as if it had not; a branch begins where a state was taken."""

import io
import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from command_line import isocortex, one_line
from library_circuit import (
    CELL,
    ORIGIN,
    SYNAPSE,
    clamp,
    poisson,
    potentials,
    report,
    write_library_circuit,
)
from library_circuit import field as outside
from written import contents, require_equal

import isocortex as ic
from isocortex.engine.state import Snapshot
from isocortex.errors import ConfigError, InputError, SimulationError
from isocortex.hashes import sha256
from isocortex.html_report import report_page
from isocortex.html_report.subject import subject_of
from isocortex.report.output import held
from isocortex.session.engines import make_settings
from isocortex.session.progress import Line
from isocortex.session.ranks import Ranks
from isocortex.session.session import prepare
from isocortex.session.setup import Options, build
from isocortex.session.start import Start, carried
from isocortex.session.statefile import read_state
from isocortex.sonata.write import write_edges, write_nodes, write_types

EDGES = [(0, 0, 40), (1, 1, 40)]
CELLS = {"population": "cells"}
ONE = {"population": "cells", "node_id": [1]}
REPORTS = {
    "soma": report("v", "soma", dt=0.5),
    "whole": report("v", "all", ONE),
    "late": report("O_NaV", "soma", start_time=13.0, end_time=31.0, dt=0.3),
    "sums": report("g_syn", "soma", type="summation"),
    "single": {"module": "netcon_report", "cells": ONE, "variable_name": "i"},
    "open": {"module": "netcon_report", "cells": ONE, "variable_name": "B"},
}  # fmt: skip


def write(folder, **sections):
    """Two cells that spike and drive each other, 40 ms, with every kind of report."""
    field = {"field": potentials(folder, contributions_dir="by_cell"),
             "some": potentials(folder, ONE, dt=0.3, start_time=11.0),
             "moment": {"module": "current_dipole", "cells": "cells"}}  # fmt: skip
    return write_library_circuit(
        folder, edges=EDGES, recurrent=[(0, 1, 20), (1, 0, 20)], place=ORIGIN,
        **{"inputs": {"drive": poisson(), "clamp": clamp(0.4, (0, 1)),
                      "outside": outside(folder)},
           "run": {"tstop": 40.0, "dt": 0.1}, "reports": {**REPORTS, **field}, **sections},
    )  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write(tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """The run without a break."""
    result = ic.run(config, threads=2, output_dir=tmp_path_factory.mktemp("whole"), progress=None)
    assert len(result.spikes) > 4
    return result


def same(folder, other):
    require_equal(folder, other)
    assert len(contents(folder)) > 5


def stop_at(moment):
    """Progress that stops a run, as Ctrl-C does."""

    def progress(t, tstop, spikes):
        if t >= moment:
            signal.raise_signal(signal.SIGINT)

    return progress


class Killed(BaseException):
    """What nobody expects."""


def break_off(monkeypatch, config, output, moment, **options):
    """Stop without a checkpoint at the stop: as if the power had gone."""

    def progress(t, tstop, spikes):
        if t >= moment:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("isocortex.session.loop.LOOK_EVERY", 0.0)  # a window at a time
        with pytest.raises(Killed):
            ic.run(config, output_dir=output, progress=progress, **options)


@pytest.mark.parametrize("threads", [(1, 2), (2, 1)])
def test_a_run_that_broke_off_goes_on_without_a_seam(config, whole, tmp_path, monkeypatch, threads):
    before, after = threads
    out = tmp_path / "out"
    break_off(monkeypatch, config, out, 23.0, threads=before, checkpoint_every=10)
    result = ic.continue_run(out, threads=after, progress=None)
    same(out, whole.directory)
    assert result.duration == 40.0
    assert result.provenance["run"]["continued"] == [pytest.approx(20.0, abs=1.0)]
    assert "reached" not in result.provenance["run"]
    ours, theirs = result.run_summary, whole.run_summary
    assert (ours.n_spikes, ours.n_events, ours.n_steps, ours.tstop) == (
        theirs.n_spikes, theirs.n_events, theirs.n_steps, theirs.tstop
    )  # fmt: skip


def write_mixed(folder):
    """A cell and a point neuron that make each other spike, under random and given spikes."""
    config = write(folder, reports={"soma": report("v", "soma", {**CELLS, "node_id": [0]})})
    types = {"node_type_id": [1, 2], "model_type": ["biophysical", "point_neuron"],
             "model_template": [f"isocortex:{CELL}", "nrn:IntFire1"],
             "dynamics_params": [None, "intfire.json"]}  # fmt: skip
    write_types(folder / "cells_types.csv", pd.DataFrame(types))
    write_nodes(folder / "cells.h5", "cells", np.array([1, 2]))
    point = {**SYNAPSE, "edge_type_id": 1, "syn_weight": 0.4, "dynamics_params": "sign.json"}
    write_types(folder / "edge_types.csv", pd.DataFrame([SYNAPSE, point]))
    for source, rows in (("drive", [(0, 0, 40, 0), (1, 1, 1, 1)]),
                         ("cells", [(1, 0, 20, 0), (0, 1, 1, 1)])):  # fmt: skip
        columns = ["source_node_id", "target_node_id", "nsyns", "edge_type_id"]
        table = pd.DataFrame(rows, columns=columns)
        write_edges(folder / f"{source}_edges.h5", source, "cells", (2, 2), table)
    (folder / "intfire.json").write_text('{"tau": 0.02, "refrac": 0.003}')
    (folder / "sign.json").write_text('{"sign": 1}')
    trains = {"timestamps": np.arange(1.05, 39.0, 2.0), "population": "drive", "node_ids": 1}
    pd.DataFrame(trains).to_csv(folder / "trains.csv", sep=" ", index=False)
    content = json.loads(config.read_text())
    content["components"]["point_neuron_models_dir"] = "."
    content["inputs"] = {
        "drive": poisson(), "clamp": clamp(0.4, (0,)),
        "trains": {"input_type": "spikes", "module": "csv", "input_file": "trains.csv",
                   "node_set": "drive"},
    }  # fmt: skip
    config.write_text(json.dumps(content))
    return config


def test_cells_and_point_neurons_go_on_without_a_seam(tmp_path, monkeypatch):
    config = write_mixed(tmp_path / "c")
    whole = ic.run(config, output_dir=tmp_path / "whole", progress=None)
    assert set(whole.spikes["node_ids"]) == {0, 1}
    out = tmp_path / "out"
    break_off(monkeypatch, config, out, 23.0, checkpoint_every=10, threads=1)
    same(ic.continue_run(out, threads=2, progress=None).directory, whole.directory)


@pytest.mark.parametrize("stored", [True, False])
def test_a_cortex_goes_on_without_a_seam(tmp_path, monkeypatch, stored):
    cortex = ic.CortexModel.make(ic.Recipe(scale=0.0001, seed=3))
    config = ic.build_cortex(tmp_path / "c", cortex, tstop=40.0, materialize=False)
    options = {"store_synapses": stored, "precision": "single"}
    whole = ic.run(config, output_dir=tmp_path / "whole", progress=None, **options)
    assert len(whole.spikes) > 20
    out = tmp_path / "out"
    break_off(monkeypatch, config, out, 33.0, checkpoint_every=15, threads=1, **options)
    same(ic.continue_run(out, threads=2, progress=None).directory, whole.directory)


CHILD = """
import sys
import isocortex as ic
from isocortex.report import membrane, spikes
from isocortex.session import loop
loop.FIRST_PIECE, loop.LOOK_EVERY = 1, 0.0  # a window at a time
membrane.MAX_BUFFER_ROWS = 7  # and its rows written at once
spikes.SpikeWriter.__init__.__kwdefaults__["flush_interval"] = 0.0

def progress(t, tstop, spikes):
    print(t, flush=True)

config, out, threads = sys.argv[1:]
if config:
    ic.run(config, output_dir=out, threads=int(threads), progress=progress, checkpoint_every=2)
else:
    ic.continue_run(out, threads=int(threads), progress=progress)
"""


def kill(config, out, windows, seconds, threads):
    """Start a run, or go on with one, and kill it so long after so many windows."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(config or ""), str(out), str(threads)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(windows):
        child.stdout.readline()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    error = child.communicate()[1]
    assert not error, error


def test_a_run_that_is_killed_again_and_again_goes_on_without_a_seam(config, whole, tmp_path):
    out, dice = tmp_path / "out", random.Random(1)
    kill(config, out, 4 + dice.randrange(5), 0.003 * dice.random(), 1)
    assert (out / "checkpoint.h5").exists()
    for k in range(4):
        kill(None, out, 1 + dice.randrange(6), 0.003 * dice.random(), 1 + k % 2)
        try:
            result = ic.Result(out)
        except InputError as torn:  # in the middle of a write
            assert f"isocortex continue {out}" in str(torn)
            continue
        assert result.unfinished
        assert 0.0 < result.duration < 40.0
        assert result.spikes["timestamps"].max() <= result.duration
    same(ic.continue_run(out, progress=None).directory, whole.directory)


def test_rates_of_a_killed_run_are_over_the_time_that_it_came_to(config, tmp_path):
    """They were over the whole duration, or the last spike's."""
    out = tmp_path / "out"
    kill(config, out, 8, 0.0, 1)
    result = ic.Result(out)
    assert result.unfinished
    assert 5.0 < result.duration < 40.0
    rates = result.rates()
    n = rates["spikes"].to_numpy()
    np.testing.assert_allclose(rates["rate_hz"], 1e3 * n / result.duration)
    status, printed, error = isocortex("rates", out)
    assert status == 0
    assert f"0 to {result.duration:g} ms" in printed
    assert f"isocortex continue {out}" in error


def test_a_torn_file_of_spikes_is_told_and_mended(config, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    break_off(monkeypatch, config, out, 23.0, threads=1, checkpoint_every=10)
    for file in ("spikes.h5", "whole.h5"):
        with (out / file).open("r+b") as raw:
            raw.write(b"torn" * 200)
    one_line(isocortex("rates", out), "spikes.h5", "cannot be read", f"isocortex continue {out}")
    same(ic.continue_run(out, progress=None).directory, whole.directory)


def test_a_stopped_run_loses_nothing_and_goes_on_longer(config, tmp_path, monkeypatch):
    """Ctrl-C leaves a checkpoint of the last step; a later end is that of one longer run."""
    monkeypatch.setattr("isocortex.session.loop.LOOK_EVERY", 0.0)
    out, said = tmp_path / "out", []
    with pytest.raises(KeyboardInterrupt):
        ic.run(config, output_dir=out, checkpoint_every=1000, progress=stop_at(15.0),
               announce=said.append)  # fmt: skip
    stopped = ic.Result(out)
    reached = stopped.provenance["run"]["reached"]
    assert reached >= 15.0
    assert f"isocortex continue {out}" in said[-1]
    ended = ic.continue_run(out, tstop=25.0, progress=None)
    assert ended.provenance["run"]["continued"] == [reached]
    assert ended.duration == 25.0
    longer = ic.continue_run(out, tstop=52.0, progress=None)
    assert longer.provenance["run"]["tstop"] == 52.0
    expected = ic.run(config, output_dir=tmp_path / "longer", tstop=52.0, progress=None)
    same(out, expected.directory)
    with h5py.File(out / "spikes.h5") as file:
        assert json.loads(file.attrs["run"])["tstop"] == 52.0
    with h5py.File(out / "soma.h5") as file:
        assert json.loads(file.attrs["run"])["tstop"] == 52.0
    again = ic.continue_run(out, progress=None)  # which is at its end
    assert again.run_summary.n_steps == 520
    same(out, expected.directory)
    one_line(isocortex("continue", out, "--tstop", "30"), "the run ends at 30 ms", "--tstop")


def test_sigterm_keeps_the_state_as_ctrl_c_does(config, whole, tmp_path):
    """It had ended the process as it stood: what came after the last checkpoint was lost."""
    child = start_run(config, tmp_path / "out", "--checkpoint-every", 1000)
    child.send_signal(signal.SIGTERM)
    printed, error = child.communicate()
    assert child.returncode == 143, error
    reached = ic.Result(tmp_path / "out").provenance["run"]["reached"]
    assert f"isocortex continue {tmp_path / 'out'}" in printed
    assert error == (
        f"Ended by SIGTERM at {reached:g} ms. What was computed until then has been written.\n"
    )
    result = ic.continue_run(tmp_path / "out", tstop=reached + 20.0, progress=None)
    assert result.provenance["run"]["continued"] == [reached]
    expected = ic.run(config, tstop=reached + 20.0, output_dir=tmp_path / "expected", progress=None)
    same(tmp_path / "out", expected.directory)


def start_run(config, out, *options):
    """A run that goes on for long, when it has taken some steps."""
    code = (
        "from isocortex.session import loop; loop.LOOK_EVERY = 0.0\n"
        "from isocortex.cli import main; main()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, "run", str(config), "--output-dir", str(out),
         "--tstop", "1e5", *map(str, options)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while child.poll() is None and not has_rows(out / "soma.h5"):
        time.sleep(0.02)
    return child


def has_rows(report):
    try:
        with h5py.File(report, locking=False) as file:
            return len(file["report/cells/data"]) > 0
    except (OSError, KeyError):  # not there yet, or being written
        return False


def test_minutes_are_those_of_a_clock(config, whole, tmp_path, monkeypatch):
    from isocortex.session import checkpoints

    now = iter(range(0, 10**6, 40))  # s, at every look
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: next(now))
    monkeypatch.setattr("isocortex.session.loop.LOOK_EVERY", 0.0)
    out = tmp_path / "out"
    written = []
    original = checkpoints.write_state
    monkeypatch.setattr(checkpoints, "write_state",
                        lambda path, state, *more: [written.append(state.step),
                                                    original(path, state, *more)])  # fmt: skip
    ic.run(config, output_dir=out, checkpoint_every="1min", progress=None)
    assert len(written) > 3
    same(out, whole.directory)


def changed(config, output, **sections):
    """The same simulation with other sections."""
    content = json.loads(config.read_text())
    content |= sections
    content["output"] = {"output_dir": str(output)}
    path = config.parent / f"{Path(output).name}.json"
    path.write_text(json.dumps(content))
    return path


LESION = [{"name": "lesion", "source": CELLS, "target": CELLS, "weight": 0.0}]


@pytest.fixture(scope="module")
def saved(config, tmp_path_factory):
    """A state of about 20 ms, of a run that goes on to its end."""
    out = tmp_path_factory.mktemp("saved")
    result = ic.run(config, output_dir=out, save_at=20, threads=1, progress=None)
    return result, out / "state_20ms.h5"


def after(table, moment):
    late = table[table["timestamps"] > moment]
    return list(zip(late["timestamps"], late["node_ids"], strict=True))


def test_a_branch_is_what_the_run_would_have_been(config, saved, whole, tmp_path):
    """Unchanged it is the run itself; with a lesion it parts from it."""
    same(saved[0].directory, whole.directory)
    control = ic.run(
        changed(config, tmp_path / "control"), start_from=saved[1], threads=2, progress=None
    )
    begin = control.provenance["run"]["from"]["time"]
    assert 19.0 < begin <= 20.0
    assert control.begin == begin
    expected = after(whole.spikes, begin)
    assert len(expected) > 2
    assert after(control.spikes, 0.0) == expected
    for name in REPORTS:
        ours, theirs = control.report(name), whole.report(name)
        theirs = theirs[theirs["time"] > begin + 1e-6]
        np.testing.assert_allclose(ours["time"], theirs["time"], atol=1e-6)
        np.testing.assert_array_equal(ours.values, theirs.values)
        assert len(ours)
    lesion = ic.run(
        changed(config, tmp_path / "lesion", connection_overrides=LESION), start_from=saved[1],
        progress=None,
    )  # fmt: skip
    assert after(lesion.spikes, 0.0) != expected
    done = lesion.run_summary
    assert done.tstop == pytest.approx(40.0 - begin)
    assert done.n_steps == round((40.0 - begin) / 0.1)
    rates = lesion.rates()
    seconds = 1e-3 * (40.0 - begin)
    np.testing.assert_allclose(rates["rate_hz"], rates["spikes"] / seconds)
    status, printed, _ = isocortex("rates", lesion.directory)
    assert f"{begin:g} to 40 ms" in printed
    page = report_page(lesion)
    assert f"{begin:g} ms of " in page and saved[1].name in page
    assert f"over the whole run, {begin:g} to 40 ms" in page
    subject = subject_of(lesion)
    assert subject.duration == pytest.approx(40.0 - begin)
    np.testing.assert_allclose(subject.cells["rate_hz"], rates["rate_hz"])


def test_a_branch_can_be_stopped_and_continued(config, saved, tmp_path, monkeypatch):
    lesion = changed(config, tmp_path / "lesion", connection_overrides=LESION)
    expected = ic.run(lesion, start_from=saved[1], progress=None)
    out = tmp_path / "broken"
    break_off(monkeypatch, lesion, out, 33.0, start_from=saved[1], checkpoint_every=5)
    result = ic.continue_run(out, progress=None)
    same(out, expected.directory)
    assert result.begin == expected.begin
    assert result.rates().equals(expected.rates())


def test_a_branch_may_have_other_inputs_channels_and_reports(config, saved, tmp_path):
    """Random trains that are the same go on, another begins then."""
    more = {"drive": poisson(), "more": poisson(900.0, seed=5), "clamp": clamp(0.2)}
    path = changed(config, tmp_path / "more", inputs=more, reports={"v": report("v")})
    state = read_state(saved[1])
    with prepare(path, Options(), writes=False, start=Start(state, branches=True)) as session:
        now = session.state()
        assert session.time == state.time
    np.testing.assert_array_equal(now.stream[:2], state.state.stream)
    np.testing.assert_array_equal(now.next[:2], state.state.next)
    assert (now.next[2:] > state.time).all()
    branch = ic.run(path, start_from=saved[1], progress=None)
    assert branch.reports == ["v"]
    assert after(branch.spikes, 0.0) != after(saved[0].spikes, branch.begin)


def test_a_branch_may_have_other_channels(config, saved, tmp_path):
    """Parameters of channels are no part of the state; its mechanisms are."""
    simulation = ic.load_simulation(changed(config, tmp_path / "blocked", reports={}))
    state = read_state(saved[1])
    network = build(simulation, Options())
    settings = make_settings(simulation, threads=1, precision="double", integrator="backward-euler")
    model = network.models[0]
    blocked = {**model.mechanisms, "NaV": replace(
        model.mechanisms["NaV"],
        parameters={k: 0.0 * v for k, v in model.mechanisms["NaV"].parameters.items()},
    )}  # fmt: skip
    other = replace(network, models=[replace(model, mechanisms=blocked)])
    ours, theirs = (
        Snapshot.of_cells(s, range(2))
        for s in (carried(state, other, settings, Ranks()), state.state)
    )
    np.testing.assert_array_equal(ours.voltage, theirs.voltage)
    del blocked["NaV"]
    without = replace(network, models=[replace(model, mechanisms=blocked)])
    with pytest.raises(ConfigError, match="other compartments or mechanisms"):
        carried(state, without, settings, Ranks())


def test_what_a_branch_cannot_carry_is_refused_by_name(config, saved, tmp_path):
    """Nothing is written then."""
    single = {"module": "netcon_report", "cells": {"population": "cells", "node_id": [0]},
              "variable_name": "g"}  # fmt: skip
    cases = [
        ({"dt": 0.05}, {}, "other time step: 0.1 ms, here 0.05 ms"),
        ({"integrator": "crank-nicolson"}, {}, "other integrator"),
        ({}, {"reports": {"fresh": single}}, "reports.fresh: the state does not hold"),
        ({"tstop": 15.0}, {}, "the run ends at 15 ms"),
        ({"output_dir": saved[1].parent}, {}, "whose results a branch would replace"),
    ]  # fmt: skip
    for number, (options, sections, message) in enumerate(cases):
        out = tmp_path / str(number)
        path = changed(config, out, **sections)
        with pytest.raises(ConfigError, match=message):
            ic.run(path, start_from=saved[1], progress=None, **options)
        assert not list(out.glob("*.h5"))
    assert saved[0].spikes is not None


@pytest.mark.parametrize(
    ("what", "circuit"),
    [("other cells: 2 and 0 point neurons", {"cells": 3, "recurrent": [(0, 1, 20), (1, 0, 20)]}),
     ("open conductances without a synapse here", {"recurrent": [], "edges": [(0, 0, 2)]})],
)  # fmt: skip
def test_a_branch_in_another_circuit_is_refused_by_name(saved, tmp_path, what, circuit):
    sections = {
        "edges": EDGES,
        "inputs": {"drive": poisson(), "clamp": clamp(0.4, (0, 1))},
        **circuit,
    }
    other = write_library_circuit(tmp_path / "other", run={"tstop": 40.0, "dt": 0.1}, **sections)
    one_line(isocortex("run", other, "--from", saved[1]), what)


def test_a_run_is_not_continued_in_another_circuit(tmp_path, monkeypatch):
    config = write(tmp_path / "c")
    out = tmp_path / "out"
    break_off(monkeypatch, config, out, 23.0, checkpoint_every=10)
    before = config.read_text()
    config.write_text(before.replace("0.5", "0.4"))
    one_line(isocortex("continue", out), config, "has changed since", "--from")
    config.write_text(before)
    write(tmp_path / "c", synapse={"syn_weight": 2e-3})
    one_line(isocortex("continue", out), "other synapses")
    write(tmp_path / "c")
    moved = config.with_name("moved.json")
    config.rename(moved)
    one_line(isocortex("continue", out), config, "does not exist")
    assert ic.continue_run(out, config=moved, progress=None).duration == 40.0


def test_a_damaged_checkpoint_is_refused_in_one_line(config, tmp_path, monkeypatch):
    out = tmp_path / "out"
    break_off(monkeypatch, config, out, 23.0, checkpoint_every=10)
    checkpoint = out / "checkpoint.h5"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    one_line(isocortex("continue", out), "checkpoint.h5", "no state, or not a whole one")
    checkpoint.unlink()
    one_line(isocortex("continue", out), "there is no checkpoint", "--checkpoint-every")
    one_line(isocortex("continue", tmp_path / "nowhere"), "does not exist")
    checkpoint.write_bytes(whole)
    (out / "whole.h5").unlink()
    one_line(isocortex("continue", out), "whole.h5", "is gone")


def test_a_full_disk_keeps_the_checkpoint_before(config, whole, tmp_path, monkeypatch):
    from isocortex.session import statefile

    out, reserved = tmp_path / "out", []
    reserve = statefile.reserve

    def full(file, size):
        reserved.append(size)
        reserve(file, size if len(reserved) < 3 else 10**18)

    monkeypatch.setattr(statefile, "reserve", full)
    with pytest.raises(SimulationError, match=r"checkpoint\.h5: cannot write the state: No space"):
        ic.run(config, output_dir=out, checkpoint_every=5, progress=None)
    monkeypatch.undo()
    assert not list(out.glob(".*"))
    assert ic.Result(out).provenance["run"]["reached"] == pytest.approx(15.0, abs=1.0)
    result = ic.continue_run(out, progress=None)
    assert result.provenance["run"]["continued"] == [pytest.approx(10.0, abs=1.0)]
    same(out, whole.directory)


def test_a_checkpoint_of_an_earlier_run_is_not_taken_for_this_ones(config, tmp_path):
    out = tmp_path / "out"
    ic.run(config, output_dir=out, tstop=10.0, checkpoint_every=5, progress=None)
    assert (out / "checkpoint.h5").exists()
    ic.run(config, output_dir=out, tstop=10.0, progress=None)
    assert not (out / "checkpoint.h5").exists()


@pytest.mark.parametrize("every", ["soon", "0", "-5", "10h", "nan", "inf"])
def test_times_between_checkpoints_are_checked(config, tmp_path, every):
    one_line(
        isocortex("run", config, "--output-dir", tmp_path, f"--checkpoint-every={every}"),
        "is no time between checkpoints",
    )


def test_a_checkpoint_from_before_rates_fluctuated_goes_on(config, whole, tmp_path):
    out = tmp_path / "out"
    ic.run(config, output_dir=out, tstop=20.0, checkpoint_every=5, threads=1, progress=None)
    with h5py.File(out / "checkpoint.h5", "r+") as file:
        about = json.loads(file["about"][()].tobytes())
        poisson = file["circuit/poisson"]
        then = tuple(poisson[name][()] for name in ("source", "mean", "start", "key"))
        about["inputs"]["Poisson inputs"] = f"{len(then[0])} ({sha256(then)[:12]})"
        for name in ("sigma", "tau", "course"):
            del poisson[name]
        del file["about"]
        file["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    ic.continue_run(out, tstop=40.0, threads=1, progress=None)
    same(out, whole.directory)


def test_fluctuating_rates_go_on_without_a_seam(tmp_path):
    """On any number of threads."""
    drive = poisson() | {"fluctuation": {"sigma": 0.5, "tau": 10.0}}
    inputs = {"drive": drive, "clamp": clamp(0.4, (0, 1)), "outside": outside(tmp_path)}
    config = write(tmp_path, inputs=inputs)
    one, two, parts = (tmp_path / name for name in ("one", "two", "parts"))
    assert len(ic.run(config, output_dir=one, threads=1, progress=None).spikes) > 0
    ic.run(config, output_dir=two, threads=2, progress=None)
    same(two, one)
    ic.run(config, output_dir=parts, tstop=17.0, checkpoint_every=5, threads=2, progress=None)
    ic.continue_run(parts, tstop=40.0, threads=1, progress=None)
    same(parts, one)


def test_the_log_goes_on(tmp_path, monkeypatch):
    config = write(tmp_path / "c", output={"log_file": "log.txt"})
    out = tmp_path / "out"
    break_off(monkeypatch, config, out, 23.0, checkpoint_every=10)
    ic.continue_run(out, progress=None)
    log = (out / "log.txt").read_text()
    assert log.index("State at 10 ms") < log.index("The run goes on at 20 ms") < log.index(
        "State at 30 ms"
    )  # fmt: skip


def test_the_command_line_saves_continues_and_branches(config, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("isocortex.session.loop.LOOK_EVERY", 0.0)
    out, branch = tmp_path / "out", tmp_path / "branch"
    run = ("run", config, "--output-dir", out, "--checkpoint-every", "10ms", "--save-at", 20,
           "--save-at", 30.5)  # fmt: skip
    status, printed, error = isocortex(*run, "--tstop", 33)
    assert (status, error) == (0, "")
    assert f"State at 20 ms: {out / 'state_20ms.h5'}" in printed
    assert f"State at 30 ms: {out / 'state_30.5ms.h5'}" in printed  # the end of a window
    status, printed, error = isocortex("continue", out, "--tstop", 40, "--threads", 1)
    assert (status, error) == (0, "")
    assert "Simulated 40 ms" in printed
    same(out, whole.directory)
    status, printed, error = isocortex(
        "run", config, "--from", out / "state_30.5ms.h5", "--output-dir", branch
    )
    assert (status, error) == (0, "")
    assert "Simulated 10 ms" in printed
    assert after(ic.Result(branch).spikes, 0.0) == after(whole.spikes, 30.0)


@pytest.mark.parametrize("at", ["0", "-3", "nan", "inf"])
def test_times_of_states_are_checked(config, tmp_path, at):
    one_line(
        isocortex("run", config, "--output-dir", tmp_path, f"--save-at={at}"),
        "no state can be saved at",
    )


def test_what_is_to_go_is_told_from_where_the_run_went_on(config, tmp_path, monkeypatch):
    """Not as if it had begun at rest and come so far in no time."""
    out = tmp_path / "out"
    break_off(monkeypatch, config, out, 33.0, checkpoint_every=30, threads=1)
    stream = io.StringIO()
    line = Line(stream, iter(np.arange(0.0, 300.0, 3.0)).__next__)
    start = Start(read_state(out / "checkpoint.h5"), branches=False)
    options = replace(Options(**start.saved.about["options"]), output_dir=out)
    with prepare(config, options, writes=True, more=[line], start=start) as session:
        session.run._piece = 50
        session.run.advance_to(350)
    assert "35 of 40 ms" in stream.getvalue()
    assert "3 s to go" in stream.getvalue()


def test_a_state_after_the_end_is_refused(config, tmp_path):
    one_line(
        isocortex("run", config, "--output-dir", tmp_path, "--save-at", 41),
        "no state can be saved at 41 ms", "40 ms",
    )  # fmt: skip
    assert not list(tmp_path.glob("*.h5"))


def test_a_state_to_branch_from_is_no_checkpoint(saved):
    one_line(isocortex("continue", saved[1]), saved[1], "to branch from", "run --from")


def test_two_runs_do_not_write_into_one_folder(config, whole, tmp_path, monkeypatch):
    """Nor is a run continued beside itself: they would tear its files."""
    out, words = tmp_path / "out", "another run, or a session that was not closed, writes there"
    with ic.open_session(config, output_dir=tmp_path / "held") as session:
        session.advance(10.0)
        one_line(isocortex("run", config, "--output-dir", tmp_path / "held"), words)
    break_off(monkeypatch, config, out, 23.0, checkpoint_every=10)
    with held(out):
        one_line(isocortex("continue", out), out, words)
    same(ic.continue_run(out, progress=None).directory, whole.directory)
