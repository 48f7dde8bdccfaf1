"""A run that stopped anywhere goes on as if it had not; a branch begins where a state was taken."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import isocortex, one_line
from library_circuit import clamp, poisson, report, write_library_circuit

import isocortex as ic
from isocortex.errors import ConfigError, InputError, SimulationError

EDGES = [(0, 0, 40), (1, 1, 40)]
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
    return write_library_circuit(
        folder, edges=EDGES, recurrent=[(0, 1, 20), (1, 0, 20)],
        **{"inputs": {"drive": poisson(), "clamp": clamp(0.5)}, "run": {"tstop": 40.0, "dt": 0.1},
           "reports": REPORTS, **sections},
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


def contents(folder):
    """Every number that a run wrote, by file and name."""
    found = {}
    for path in sorted(Path(folder).glob("*.h5")):
        if path.name.startswith(("checkpoint", "state_")):
            continue
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item, path=path: found.update({(path.name, name): item[()]})
                if isinstance(item, h5py.Dataset) else None
            )  # fmt: skip
    return found


def same(folder, other):
    ours, theirs = contents(folder), contents(other)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, err_msg=str(name))


def stop_at(moment):
    """Progress that stops a run, as Ctrl-C does."""

    def progress(t, tstop, spikes):
        if t >= moment:
            raise KeyboardInterrupt

    return progress


class Killed(BaseException):
    """What nobody expects."""


def break_off(monkeypatch, config, output, moment, **options):
    """Stop without a checkpoint at the stop: as if the power had gone."""

    def progress(t, tstop, spikes):
        if t >= moment:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("isocortex.session.loop.FIRST_PIECE", 20)
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
