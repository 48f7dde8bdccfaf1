"""Ranks of an MPI launch: what they write is what one process writes, to the last bit."""

import json
import os
import queue
import signal
import subprocess
import threading
import time

import h5py
import numpy as np
import pandas as pd
import pytest
from command_line import isocortex
from launch import LIMIT, command, environment, launch, python, require_same_in_parts
from library_circuit import (
    ORIGIN,
    clamp,
    field,
    poisson,
    potentials,
    report,
    write_library_circuit,
)
from written import require_equal

import isocortex as ic
from isocortex.cli import simulate, terminal
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine.exchange import SPIKE
from isocortex.session import ranks as ranks_module
from isocortex.session.launcher import launched
from isocortex.session.ranks import MpiRanks, ranks_of_launch
from isocortex.sonata.contacts import write_contacts
from isocortex.sonata.write import write_edges, write_nodes, write_types

NSYNS = [(0, 0, 3), (1, 1, 5), (0, 2, 9), (1, 4, 1), (0, 3, 40), (1, 0, 30)]
RECURRENT = [(0, 4, 9), (4, 0, 9), (3, 1, 17), (2, 3, 12), (1, 2, 3), (3, 4, 20)]
POINTS = 3
HEAD = {"centre": [0.0, -4500.0, 0.0], "radii": [5000.0, 5100.0, 5400.0, 5900.0]}


@pytest.fixture(scope="module")
def circuit(tmp_path_factory):
    """Cells and point neurons that drive each other, driven by trains and electrodes."""
    folder = tmp_path_factory.mktemp("circuit")
    write_contacts(folder / "eeg.csv", np.array([[0.0, 900.0, 0.0], [3000.0, -800.0, 500.0]]))
    noise = {"module": "ornstein_uhlenbeck", "node_set": "cells", "delay": 2.0, "duration": 20.0,
             "tau": 3.0}  # fmt: skip
    config = write_library_circuit(
        folder, cells=5, drive=2, edges=NSYNS, recurrent=RECURRENT, place=ORIGIN,
        run={"tstop": 30.0}, output={"log_file": "log.txt", "spikes_file_csv": "spikes.csv"},
        inputs={"drive": poisson(), "step": clamp(1.0, (1, 3)),
                "field": field(folder, cells={"population": "cells", "node_id": [0, 1, 2, 3]}),
                "noise": {"input_type": "current_clamp", "mean": 0.1, "sigma": 0.1, **noise},
                "open": {"input_type": "conductance", "mean": 1e-3, "sigma": 5e-4, **noise,
                         "node_set": {"population": "cells", "node_id": [4]}}},
        reports={"soma": report("v"), "all": report("v", "all", dt=0.5),
                 "g": report("g_exc", "all"), "cai": report("cai", "all", start=5.0, end=20.0),
                 "sum": report("i_exc", type="summation"), "field": potentials(folder),
                 "some": potentials(folder, contributions_dir="by_cell", dt=0.2),
                 "eeg": potentials(folder, electrode_positions="eeg.csv", head=HEAD),
                 "moment": {"module": "current_dipole", "by": "node_type_id", "dt": 0.5},
                 "one": {"module": "netcon_report", "variable_name": "i", "dt": 0.1}},
    )  # fmt: skip
    node = {"node_type_id": [3], "model_type": "point_neuron", "model_template": "nrn:IntFire1",
            "dynamics_params": "intfire.json"}  # fmt: skip
    write_types(folder / "points_types.csv", pd.DataFrame(node))
    write_nodes(folder / "points.h5", "points", np.full(POINTS, 3))
    (folder / "intfire.json").write_text('{"tau": 0.02, "refrac": 0.003}')
    (folder / "sign.json").write_text('{"sign": 1}')
    rule = {"edge_type_id": 0, "syn_weight": 0.6, "delay": 1.5, "dynamics_params": "sign.json"}
    write_types(folder / "onto_points.csv", pd.DataFrame([rule]))
    more = [("drive", "points", (2, POINTS), "onto_points.csv", [(0, 0, 1), (1, 2, 1)]),
            ("cells", "points", (5, POINTS), "onto_points.csv", [(1, 1, 2), (3, 2, 1)]),
            ("points", "cells", (POINTS, 5), "edge_types.csv", [(0, 0, 4), (2, 4, 9)])]  # fmt: skip
    content = json.loads(config.read_text())
    content["components"]["point_neuron_models_dir"] = "."
    content["networks"]["nodes"].append(
        {"nodes_file": "points.h5", "node_types_file": "points_types.csv"}
    )
    for source, target, sizes, types, rows in more:
        table = pd.DataFrame(rows, columns=["source_node_id", "target_node_id", "nsyns"])
        file = f"{source}_{target}.h5"
        write_edges(folder / file, source, target, sizes, table.assign(edge_type_id=0))
        content["networks"]["edges"].append({"edges_file": file, "edge_types_file": types})
    config.write_text(json.dumps(content))
    ic.run(config, output_dir=folder / "alone", threads=1)
    return config


@pytest.mark.parametrize(("ranks", "threads"), [(1, 2), (2, 1), (3, 1), (4, 1), (2, 2)])
def test_spikes_and_reports_are_those_of_one_process(circuit, tmp_path, ranks, threads):
    status, printed, error = launch(
        ranks, "run", circuit, "--threads", threads, "--output-dir", tmp_path
    )
    assert (status, error) == (0, "")
    alone = circuit.parent / "alone"
    require_equal(tmp_path, alone)
    assert (tmp_path / "spikes.csv").read_bytes() == (alone / "spikes.csv").read_bytes()
    spikes = ic.Result(tmp_path).spikes
    assert spikes["population"].value_counts().min() > 2  # of cells and of points
    assert printed.count("Simulated 30 ms") == printed.count("Reading") == 1
    facts = json.loads((tmp_path / "provenance.json").read_text())
    expected = json.loads((alone / "provenance.json").read_text())
    assert facts["run"]["ranks"] == ranks
    assert facts["run"]["populations"] == expected["run"]["populations"]
    for name in ("n_cells", "n_points", "n_synapses", "n_events", "n_spikes", "n_compartments"):
        assert facts["summary"][name] == expected["summary"][name], name
    log = (tmp_path / "log.txt").read_text()
    assert log.count("\n") == (alone / "log.txt").read_text().count("\n")


TWICE = """
import sys, isocortex
for way in (True, False):
    isocortex.run(
        sys.argv[1], tstop=60.0, threads=1, store_synapses=way, output_dir=f"{sys.argv[2]}/{way}"
    )
"""


@pytest.fixture(scope="module")
def cortex(tmp_path_factory):
    """A cortex of 900 neurons, run by one process."""
    folder = tmp_path_factory.mktemp("cortex")
    config = build_cortex(folder, CortexModel.make(Recipe(scale=0.0001, seed=3)))
    ic.run(config, tstop=60.0, threads=1, store_synapses=False, output_dir=folder / "alone")
    return config


@pytest.mark.parametrize("ranks", [2, 3])
def test_a_cortex_is_the_same_drawn_and_stored(cortex, tmp_path, ranks):
    assert python(ranks, TWICE, cortex, tmp_path) == (0, "", "")
    for way in ("True", "False"):
        require_equal(tmp_path / way, cortex.parent / "alone")
    assert len(ic.Result(tmp_path / "False").spikes) > 50


def test_more_ranks_than_cells(tmp_path):
    config = write_library_circuit(
        tmp_path, cells=1, edges=[(0, 0, 30)], inputs={"drive": poisson()},
        reports={"v": report("v")},
    )  # fmt: skip
    ic.run(config, output_dir=tmp_path / "alone", save_at=5)
    run = ("run", config, "--threads", 1, "--save-at", 5, "--output-dir")
    status, _, error = launch(3, *run, tmp_path / "many")
    assert (status, error) == (0, "")
    require_equal(tmp_path / "many", tmp_path / "alone")
    state = tmp_path / "many" / "state_5ms.h5"
    require_same_state(state, tmp_path / "alone" / "state_5ms.h5")
    assert launch(2, *run, tmp_path / "branch", "--from", state)[::2] == (0, "")


# --- states -----------------------------------------------------------------------------------


def states(path):
    """Every array of a state, but for what a run has done until then."""
    found = {}
    with h5py.File(path) as file:
        for room in ("state", "circuit"):
            file[room].visititems(
                lambda name, item: (
                    found.update({item.name: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            )
        about = json.loads(file["about"][()].tobytes())
    assert len(found) > 15
    return found, {name: about[name] for name in ("of", "shape", "inputs", "step")}


def require_same_state(path, other):
    (ours, said), (theirs, told) = states(path), states(other)
    assert said == told
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype, name
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


@pytest.fixture(scope="module")
def saved(circuit):
    """The same run, with states of it, by one process."""
    out = circuit.parent / "saved"
    ic.run(circuit, output_dir=out, threads=2, save_at=15, checkpoint_every=10)
    return out


@pytest.mark.parametrize("ranks", [2, 3])
def test_a_state_of_several_ranks_is_that_of_one(circuit, saved, tmp_path, ranks):
    """To the last bit; a branch goes on from either on any number of them."""
    out = tmp_path / "out"
    save = ("--save-at", 15, "--checkpoint-every", 10, "--threads", 1)
    status, printed, error = launch(ranks, "run", circuit, *save, "--output-dir", out)
    assert (status, error) == (0, "")
    assert printed.count("State at") == 1
    for name in ("state_15ms.h5", "checkpoint.h5"):
        require_same_state(out / name, saved / name)
    require_equal(out, circuit.parent / "alone")
    branch = json.loads(circuit.read_text())
    branch["reports"].pop("sum")
    config = circuit.with_name(f"branch{ranks}.json")
    config.write_text(json.dumps(branch))
    theirs = ic.run(config, start_from=out / "state_15ms.h5", output_dir=tmp_path / "theirs")
    status, _, error = launch(
        ranks, "run", config, "--from", saved / "state_15ms.h5", "--output-dir", tmp_path / "ours"
    )
    assert (status, error) == (0, "")
    require_equal(tmp_path / "ours", tmp_path / "theirs")
    assert len(theirs.spikes) > 1


@pytest.mark.parametrize("ranks", [2, 3])
def test_changes_on_the_way_are_those_of_one_process(circuit, tmp_path, ranks):
    """Networks are built anew on all ranks; states of then go on where they are of one process."""
    content = json.loads(circuit.read_text())
    cells = {"population": "cells"}
    changes = [
        {"type": "synapses", "source": cells, "target": cells, "decay": 2.0, "start": 8},
        {"type": "synapses", "source": "drive", "weight": 0.5, "start": 15, "stop": 21.3},
        {"type": "channels", "node_set": {**cells, "node_id": [1, 4]}, "mechanisms": ["NaV"],
         "times": {"gbar": 0.7}, "start": 12},
        {"type": "lesion", "node_set": {**cells, "node_id": [0]}, "start": 24},
    ]  # fmt: skip
    config = circuit.with_name(f"changes{ranks}.json")
    config.write_text(json.dumps(content | {"isocortex": {"changes": changes}}))
    alone, whole, parts = (tmp_path / name for name in ("alone", "whole", "parts"))
    ic.run(config, output_dir=alone, threads=1, save_at=15)
    run = ("run", config, "--threads", 1, "--save-at", 15, "--output-dir")
    assert launch(ranks, *run, whole)[::2] == (0, "")
    require_same_state(whole / "state_15ms.h5", alone / "state_15ms.h5")
    assert launch(ranks, *run, parts, "--tstop", 20, "--checkpoint-every", 9)[::2] == (0, "")
    assert launch(5 - ranks, "continue", parts, "--tstop", 30)[::2] == (0, "")
    require_equal(whole, alone)
    require_equal(parts, alone)
    told = [json.loads((where / "provenance.json").read_text()) for where in (parts, alone)]
    assert told[0]["run"]["changes"] == told[1]["run"]["changes"]
    assert not ic.Result(alone).spikes.equals(ic.Result(circuit.parent / "alone").spikes)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 3), (3, 2)])
def test_a_run_goes_on_on_other_ranks(circuit, tmp_path, before, after):
    require_same_in_parts(circuit, tmp_path, (before, after), 30)
    kept = json.loads((tmp_path / "provenance.json").read_text())
    expected = json.loads((circuit.parent / "alone" / "provenance.json").read_text())
    assert kept["summary"]["n_events"] == expected["summary"]["n_events"]
    assert kept["run"]["continued"]


@pytest.mark.parametrize("way", ["--store-synapses", "--draw-synapses"])
def test_a_cortex_goes_on_on_other_ranks(cortex, tmp_path, way):
    run = ("run", cortex, way, "--tstop", 60, "--threads", 1)
    alone, out = tmp_path / "alone", tmp_path / "out"
    assert launch(1, *run, "--save-at", 40, "--output-dir", alone)[::2] == (0, "")
    status, _, error = launch(2, *run, "--save-at", 40, "--output-dir", out)
    assert (status, error) == (0, "")
    require_same_state(out / "state_40ms.h5", alone / "state_40ms.h5")
    branches = [tmp_path / f"of_{ranks}" for ranks in (2, 3)]
    for branch, ranks in zip(branches, (2, 3), strict=True):
        start = ("--from", (out if ranks == 3 else alone) / "state_40ms.h5")
        assert launch(ranks, *run, *start, "--output-dir", branch)[::2] == (0, "")
    require_equal(*branches)
    times = ic.Result(branches[0]).spikes
    late = ic.Result(cortex.parent / "alone").spikes
    late = late[late["timestamps"] > ic.Result(branches[0]).begin]
    np.testing.assert_array_equal(times["timestamps"], late["timestamps"])
    assert len(times) > 10


def test_a_state_that_cannot_be_written_ends_all_ranks(circuit, tmp_path):
    """The others wait for the first to take what they have."""
    code = """
import errno, sys
from isocortex.session import statefile
def full(file, size):
    raise OSError(errno.ENOSPC, "No space left on device")
statefile.reserve = full
from isocortex.cli import main
sys.argv = ["isocortex", "run", *sys.argv[1:]]
main()
"""
    status, _, error = python(
        3, code, circuit, "--threads", 1, "--save-at", 10, "--output-dir", tmp_path
    )
    assert status == 1
    one_line(error, "state_10ms.h5", "No space left")
    assert len(ic.Result(tmp_path).spikes)


# --- what goes wrong --------------------------------------------------------------------------


def one_line(error, *words):
    assert error.count("\n") == 1, error
    assert error.startswith("Error: "), error
    for word in words:
        assert word in error


def test_what_every_rank_finds_is_said_once(circuit, tmp_path):
    status, _, error = launch(2, "run", circuit, "--dt", "0.07", "--output-dir", tmp_path)
    assert status == 1
    one_line(error, "dt")


def test_a_change_about_nothing_is_refused_and_one_about_another_ranks_synapses_is_not(
    circuit, tmp_path
):
    """A rank alone knows of its own synapses, and none had asked for those of all."""
    for target, n in ((2, 0), (4, 1)):
        path = circuit.with_name(f"changed{target}.json")
        change = {"type": "synapses", "weight": 2.0,
                  "source": {"population": "drive", "node_id": [1]},
                  "target": {"population": "cells", "node_id": [target]}}  # fmt: skip
        content = json.loads(circuit.read_text()) | {"isocortex": {"changes": [change]}}
        path.write_text(json.dumps(content))
        out = tmp_path / str(target)
        status, _, error = launch(2, "run", path, "--threads", 1, "--output-dir", out)
        assert status == (n == 0), error
        if n:
            facts = json.loads((out / "provenance.json").read_text())
            assert facts["run"]["changes"][0]["touched"] == {"synapses": n}
        else:
            one_line(error, path.name, "isocortex.changes[0]", "is about no synapse")
            assert not list(out.glob("*.h5"))


def test_a_voltage_lost_on_the_last_rank_ends_all(circuit, tmp_path):
    content = json.loads(circuit.read_text())
    content["inputs"] = {"step": clamp(1e30, (4,), delay=10.0)}
    config = circuit.with_name("lost.json")
    config.write_text(json.dumps(content))
    status, _, error = launch(2, "run", config, "--threads", 1, "--output-dir", tmp_path)
    assert status == 1
    one_line(error, "cells 4", "not finite")
    with h5py.File(tmp_path / "soma.h5") as file:
        assert file["report/cells/data"].shape[0] > 90


BROKEN = """
import os, sys
import isocortex.{module} as module
def broken(*arguments, **options):
    raise MemoryError("no room")
if os.environ["PMI_RANK"] == "1":
    {change}
from isocortex.cli import main
sys.argv = ["isocortex", "run", *sys.argv[1:]]
main()
"""
#: While the network is built, in a thread in the middle of a window, between two windows.
PLACES = {
    "building": ("session.setup", "module.build_network = broken"),
    "stepping": ("engine.cpu", "module.run_windows = broken"),
    "passing": ("engine.cpu", "module.pass_spikes_on = broken"),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_one_rank_meets_ends_all(circuit, tmp_path, place):
    module, change = PLACES[place]
    code = BROKEN.format(module=module, change=change)
    status, _, error = python(3, code, circuit, "--threads", 1, "--output-dir", tmp_path)
    assert status != 0
    lines = [line for line in error.splitlines() if "no room" in line]
    assert len(lines) == 1, error
    assert lines[0].startswith("Error") and "rank 1" in lines[0] and "MemoryError" in lines[0]


def test_processes_that_were_asked_for_different_runs(circuit, tmp_path):
    code = """
import os, sys, isocortex
isocortex.run(sys.argv[1], tstop=1.0 + int(os.environ["PMI_RANK"]), output_dir=sys.argv[2])
"""
    status, _, error = python(2, code, circuit, tmp_path)
    assert status != 0
    assert "were asked for several" in error


def test_a_launch_without_mpi4py_says_so_once(circuit, tmp_path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('No module named mpi4py')\n")
    status, _, error = launch(
        3, "run", circuit, "--output-dir", tmp_path / "out", before=(tmp_path,)
    )
    assert status == 1
    one_line(error, "3 processes", "mpi4py", "isocortex[mpi]")


@pytest.fixture
def endless(tmp_path):
    """A run of two ranks that goes on, once its files are there; the process and the folder."""
    config = write_library_circuit(
        tmp_path, edges=NSYNS[:2], run={"tstop": 1e6},
        inputs={"step": clamp(0.3, (0, 1), duration=1e6)},
        reports={"v": report("v", dt=1.0)},
    )  # fmt: skip
    with subprocess.Popen(
        command(2, "run", config, "--threads", 1, "--checkpoint-every", "1e5"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    ) as process:  # fmt: skip
        while process.poll() is None and not _has_spikes(tmp_path / "output" / "spikes.h5"):
            time.sleep(0.1)
        yield process, tmp_path / "output"
        process.kill()


def _has_spikes(path):
    try:
        with h5py.File(path, locking=False) as file:
            return len(file["spikes/cells/timestamps"]) > 0
    except (OSError, KeyError):  # not there yet, or being written
        return False


def test_ctrl_c_stops_all_ranks_after_the_same_window(endless):
    process, folder = endless
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=LIMIT)
    assert process.returncode != 0
    assert error.count("Stopped at") == 1, error
    result = ic.Result(folder)
    assert len(result.spikes) and result.report("v").shape[0]
    reached = json.loads((folder / "provenance.json").read_text())["run"]["reached"]
    assert result.spikes["timestamps"].max() <= reached


def test_sigterm_stops_all_ranks_and_keeps_their_state(endless):
    """One of them is enough: a launcher need not tell all."""
    process, folder = endless
    (last,) = ranks_of(process, 1)
    os.kill(last, signal.SIGTERM)
    printed, error = process.communicate(timeout=LIMIT)
    assert process.returncode != 0
    assert error.count("Ended by SIGTERM at") == 1, error
    assert f"isocortex continue {folder}" in printed
    reached = json.loads((folder / "provenance.json").read_text())["run"]["reached"]
    status, _, error = launch(3, "continue", folder, "--tstop", reached + 5.0)
    assert (status, error) == (0, "")
    config = folder.parent / "simulation.json"
    ic.run(config, tstop=reached + 5.0, output_dir=folder.parent / "whole")
    require_equal(folder, folder.parent / "whole")


def test_a_killed_rank_ends_all_and_leaves_readable_files(endless):
    process, folder = endless
    os.kill(ranks_of(process, 1)[0], signal.SIGKILL)
    process.communicate(timeout=LIMIT)
    assert process.returncode != 0
    assert len(ic.Result(folder).spikes)


def ranks_of(process, rank):
    """The processes of a rank."""
    wanted = f"PMI_RANK={rank}\0".encode()
    return [pid for pid in _descendants(process.pid) if wanted in _environment(pid)]


def _descendants(pid):
    found = []
    for child in open(f"/proc/{pid}/task/{pid}/children").read().split():
        found += [int(child), *_descendants(int(child))]
    return found


def _environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read()


# --- without MPI ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1)),
        ({"PMI_RANK": "3", "PMI_SIZE": "4"}, (3, 4)),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}, (0, 2)),
        ({"PMIX_RANK": "7", "SLURM_STEP_NUM_TASKS": "8"}, (7, 8)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "16"}, (0, 1)),  # a batch script, not srun
        ({"PMI_RANK": "0"}, (0, 1)),
    ],
)
def test_launchers_are_known_by_what_they_leave(environment, expected):
    assert launched(environment) == expected


def test_an_mpi_that_is_not_the_launchers_is_refused(circuit, tmp_path):
    """As where srun speaks PMIx and mpi4py has loaded MPICH: each process believes to be alone."""
    launch_of_two = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
    alone = command(1, "run", circuit, "--output-dir", tmp_path)[3:]
    done = subprocess.run(
        alone, capture_output=True, text=True, timeout=LIMIT, env={**environment(), **launch_of_two}
    )
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()  # mpi4py warns too
    one_line(f"{last}\n", "2 processes were launched", "knows of 1")


def test_pictures_are_drawn_by_the_first_rank(monkeypatch):
    drawn = []
    monkeypatch.setattr("isocortex.pictures.save_all", lambda result: drawn.append(result) or [])
    for rank in (1, 0):
        monkeypatch.setattr("isocortex.cli.simulate.launched", lambda rank=rank: (rank, 2))
        simulate._draw_all(f"results seen by {rank}")
    assert drawn == ["results seen by 0"]


def test_progress_is_lines_where_a_launcher_has_no_terminal(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "launched", lambda: (0, 2))
    monkeypatch.setattr(terminal.Lines, "EVERY", 0.0)
    with terminal.progress_bar() as bar:
        task = bar.add_task("Simulating", total=None, spikes=0)
        bar.update(task, completed=0.0, total=100.0, spikes=0)
        bar.update(task, completed=25.0, total=100.0, spikes=3)
    error = capsys.readouterr().err
    assert error.startswith("Simulating: 25%, ") and error.count("\n") == 1


def test_mpi_is_not_loaded_for_one_process(monkeypatch):
    monkeypatch.setattr(ranks_module, "launched", lambda: (0, 1))
    monkeypatch.setitem(__import__("sys").modules, "mpi4py", None)
    assert ranks_of_launch().size == 1


def test_a_cell_without_synapses_has_no_conductance(tmp_path):
    """It shares a block with one that has, and on another rank would not."""
    config = write_library_circuit(
        tmp_path, edges=[(0, 0, 9)], inputs={"drive": poisson()},
        reports={"g": report("g_syn", "all")},
    )  # fmt: skip
    found = ic.run(config).report("g")
    assert found.sel(element=found["node_id"] == 0).values.any()
    assert not found.sel(element=found["node_id"] == 1).values.any()


def test_the_reference_engine_runs_alone(circuit, tmp_path):
    status, _, error = launch(2, "run", circuit, "--engine", "reference", "--output-dir", tmp_path)
    assert status == 1
    one_line(error, "reference", "one process")


class Board:
    """What some threads, in place of processes, lay down for each other."""

    def __init__(self, size):
        self.size, self.laid, self.barrier = size, [None] * size, threading.Barrier(size)
        self.posts = {(a, b): queue.Queue() for a in range(size) for b in range(size)}

    def swap(self, rank, value):
        self.laid[rank] = value
        self.barrier.wait()
        all_ = list(self.laid)
        self.barrier.wait()
        return all_


class Comm:
    """The part of an mpi4py communicator that ranks use, among threads."""

    def __init__(self, board, rank):
        self.board, self.rank, self.size = board, rank, board.size

    def allgather(self, value):
        return self.board.swap(self.rank, value)

    def send(self, value, to):
        self.board.posts[self.rank, to].put(value)

    def recv(self, source):
        return self.board.posts[source, self.rank].get(timeout=60)

    def gather(self, value):
        found = self.board.swap(self.rank, value)
        return found if self.rank == 0 else None

    def Allgather(self, sent, received):  # noqa: N802
        received.reshape(self.size, -1)[:] = self.board.swap(self.rank, sent.copy().ravel())

    def Allgatherv(self, sent, received):  # noqa: N802
        received[0][:] = np.concatenate(self.board.swap(self.rank, sent.copy()))

    def Gatherv(self, sent, received):  # noqa: N802
        found = self.board.swap(self.rank, sent.copy().ravel())
        if received is not None:
            received[0][:] = np.concatenate(found)


def on_threads(size, work):
    """What ``work(ranks)`` returns on each of ``size`` ranks."""
    board, results = Board(size), [None] * size

    def run(rank):
        results[rank] = work(MpiRanks(Comm(board, rank)))

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("counts", [(0, 0, 0), (1, 0, 5), (40, 3, 0), (33, 500, 32)])
def test_every_rank_hears_of_every_spike_of_others(counts):
    def spikes_of(rank, window):
        spikes = np.empty(counts[rank], SPIKE)
        spikes["source"], spikes["time"] = 1000 * rank + np.arange(counts[rank]), window
        return spikes

    def work(ranks):
        heard = [ranks.spikes(spikes_of(ranks.rank, w), 2 * (ranks.rank == 1)) for w in range(3)]
        return [(np.sort(spikes["source"]), spikes["time"], word) for spikes, word in heard]

    for rank, windows in enumerate(on_threads(3, work)):
        expected = np.concatenate(
            [1000 * other + np.arange(counts[other]) for other in range(3) if other != rank]
        )
        for window, (source, times, word) in enumerate(windows):
            np.testing.assert_array_equal(source, expected)
            assert (times == window).all() and word == 2


def test_samples_are_gathered_on_the_first_rank():
    def work(ranks):
        return ranks.gather(np.full((2, ranks.rank), float(ranks.rank)))

    first, *others = on_threads(3, work)
    assert [part.tolist() for part in first] == [[], [1.0] * 2, [2.0] * 4]
    assert others == [None, None]


def test_what_one_raises_all_do():
    def work(ranks):
        try:
            with ranks.together():
                if ranks.rank == 1:
                    raise OSError("full")
        except (OSError, RuntimeError) as error:
            return str(error)

    assert on_threads(3, work) == ["OSError on rank 1: full", "full", "OSError on rank 1: full"]


def test_what_was_heard_inside_is_not_told_again():
    """Who failed has met the others once; they would have waited for it a second time."""

    def work(ranks):
        try:
            with ranks.together():
                with ranks.together():
                    if ranks.rank == 1:
                        raise OSError("full")
                    ranks.sum(3)
        except (OSError, RuntimeError) as error:
            return str(error)

    assert on_threads(3, work) == ["OSError on rank 1: full", "full", "OSError on rank 1: full"]


def pieces_of(rank, failing=None):
    for number in range(3 - rank):
        if (rank, number) == failing:
            raise OSError("lost")
        yield rank, number


def in_turn(ranks, failing=None, taken=None):
    """What a rank is given of pieces of which one cannot be made, or so many are taken."""
    found = []
    try:
        with ranks.together(), ranks.in_turn(pieces_of(ranks.rank, failing)) as pieces:
            for piece in pieces:
                if len(found) == taken:
                    raise OSError("full")
                found.append(piece)
    except (OSError, RuntimeError) as error:
        return found, str(error)
    return found, None


def test_pieces_of_all_ranks_come_to_the_first_in_turn():
    found = on_threads(3, in_turn)
    assert found[0] == ([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)], None)
    assert found[1:] == [([], None)] * 2


@pytest.mark.parametrize("failing", [(0, 1), (1, 0), (1, 1), (2, 0)])
def test_a_piece_that_cannot_be_made_ends_all(failing):
    rank = failing[0]
    for number, (_, error) in enumerate(on_threads(3, lambda ranks: in_turn(ranks, failing))):
        assert error == ("lost" if number == rank else f"OSError on rank {rank}: lost")


@pytest.mark.parametrize("taken", [0, 2, 3, 4, 5])
def test_pieces_that_cannot_be_taken_end_all(taken):
    found = on_threads(3, lambda ranks: in_turn(ranks, taken=taken))
    assert [error for _, error in found] == ["full", *["OSError on rank 0: full"] * 2]
    assert len(found[0][0]) == taken


def test_the_command_line_is_quiet_on_other_ranks(monkeypatch, tmp_path):
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("PMI_SIZE", "1")
    assert isocortex("run", tmp_path / "none.json")[1:] == ("", "")
