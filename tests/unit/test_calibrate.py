"""Calibration of the background: it counts right, changes what it says, and gets nearer."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import isocortex, one_line

import isocortex as ic
from isocortex.calibrate import calibrate, write_drive
from isocortex.cortex.build import build_cortex
from isocortex.cortex.drive import Drive, load_drive, target_of
from isocortex.cortex.model import CortexModel, Recipe
from isocortex.errors import ConfigError, InputError, SimulationError

RECIPE = Recipe(scale=0.0001, seed=2)
TIMES = {"tstop": 200.0, "settle": 50.0}


@pytest.fixture(scope="module")
def once():
    return calibrate(RECIPE, rounds=1, **TIMES)


def test_rates_are_those_of_a_run(once, tmp_path):
    config = build_cortex(tmp_path, CortexModel.make(RECIPE), tstop=TIMES["tstop"])
    result = ic.run(config, precision="single", threads=1)
    nodes = ic.load_simulation(config).circuit.nodes["cortex"].table
    late = result.spikes[result.spikes["timestamps"] >= TIMES["settle"]]
    spikes = np.bincount(late["node_ids"], minlength=len(nodes))
    counted = (
        pd.DataFrame({"layer": nodes["layer"].str[1:], "class": nodes["cell_class"], "n": spikes})
        .groupby(["layer", "class"])["n"]
        .mean()
    )
    seconds = 1e-3 * (TIMES["tstop"] - TIMES["settle"])
    assert spikes.sum() > 300
    for row in once.by_class().to_dict("records"):
        assert row["Hz"] == pytest.approx(counted[row["layer"], row["class"]] / seconds)
        assert row["target"] == target_of(row["layer"], row["class"])


def test_the_error_is_the_mean_distance_from_the_targets(once):
    t = once.table
    away = np.abs(np.log((t["target"] + 0.3) / (t["Hz"] + 0.3)))
    assert t["neurons"].sum() == 900
    assert once.error == pytest.approx((away * t["neurons"]).sum() / 900)


def test_weights_change_in_the_network_as_in_the_table():
    """A second round has the rates of a first one that starts from its weights."""
    rounds = []
    weak = _scaled(0.5)
    calibrate(RECIPE, weak, rounds=2, progress=lambda _, done, best: rounds.append(done), **TIMES)
    first, second = (r.table for r in rounds)
    assert (second["nS"] != first["nS"]).mean() > 0.9
    kinds = second[["layer", "class", "model"]].itertuples(index=False, name=None)
    started = Drive(dict(zip(kinds, second["nS"], strict=True)), weak.file)
    again = calibrate(RECIPE, started, rounds=1, **TIMES).table
    spikes = [(t["Hz"] * t["neurons"]).to_numpy() for t in (second, again)]
    assert spikes[0].sum() == pytest.approx(spikes[1].sum(), rel=0.02)
    assert np.corrcoef(*spikes)[0, 1] > 0.99


def test_too_weak_a_background_is_strengthened():
    rounds = []
    best = calibrate(
        RECIPE, _scaled(0.6), rounds=5, progress=lambda _, done, best: rounds.append(done), **TIMES
    )
    errors = [r.error for r in rounds]
    assert best.error == min(errors) < 0.8 * errors[0]
    rate = [np.average(r.table["Hz"], weights=r.table["neurons"]) for r in rounds]
    assert rate[-1] > 1.5 * rate[0]


def test_the_table_written_is_the_table_read(once, tmp_path):
    start = _scaled(0.5)
    write_drive(once, start, tmp_path / "drive.csv")
    read = load_drive(tmp_path / "drive.csv")
    found = dict.fromkeys(
        once.table[["layer", "class", "model"]].itertuples(index=False, name=None)
    )
    assert set(read.weight) == set(start.weight)
    for kind, weight in read.weight.items():
        source = load_drive() if kind in found else start
        assert weight == pytest.approx(source.weight[kind], abs=6e-5)
    with pytest.raises(SimulationError, match="cannot write the table"):
        write_drive(once, start, tmp_path / "missing" / "drive.csv")


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"settle": 200.0}, {"settle": -1.0}])
def test_impossible_calibrations(wrong):
    with pytest.raises(ConfigError, match="cannot calibrate"):
        calibrate(RECIPE, **({"rounds": 1, **TIMES} | wrong))


def _scaled(factor):
    drive = load_drive()
    return Drive({kind: factor * weight for kind, weight in drive.weight.items()}, drive.file)


def test_the_command_calibrates_the_circuit_it_is_given(tmp_path):
    recipe = Recipe(scale=0.0001, seed=5, inhibition=1.0)
    build_cortex(tmp_path / "c", CortexModel.make(recipe), tstop=10.0)
    table = tmp_path / "new" / "drive.csv"
    status, printed, error = isocortex(
        "build", "calibrate", tmp_path / "c", "-o", table, "--rounds", 1, "--tstop", 600
    )  # fmt: skip
    assert (status, error) == (0, ""), error
    mine = calibrate(recipe, rounds=1, tstop=600.0, threads=1)
    mean = np.average(mine.table["Hz"], weights=mine.table["neurons"])
    assert f"Round 1: {mean:.2f} Hz" in printed
    assert set(load_drive(table).weight) == set(load_drive().weight)


def test_a_circuit_without_a_recipe_cannot_be_calibrated(tmp_path):
    build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.00005)), tstop=1.0, materialize=True)
    one_line(
        isocortex("build", "calibrate", tmp_path, "-o", tmp_path / "drive.csv"),
        "holds no recipe", "without --materialize",
    )  # fmt: skip


def test_models_that_the_table_lacks_begin_with_the_median_of_their_class():
    weight = {("4", "IT", "a"): 1.0, ("4", "IT", "b"): 3.0, ("5", "Sst", "c"): 7.0}
    drive = Drive(weight, Path("drive.csv"))
    assert drive.of("4", "IT", "b") == 3.0
    assert drive.of("4", "IT", "new") == 2.0
    assert drive.of("6a", "Sst", "new") == 7.0
    with pytest.raises(InputError, match="no row for class Vip"):
        drive.of("4", "Vip", "new")
