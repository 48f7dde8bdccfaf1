"""Calibration of the background: it counts right, changes what it says, and gets nearer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import isocortex, one_line

import isocortex as ic
from isocortex.calibrate import AREA_STEP, FLOOR, _Areas, calibrate, margin, write_drive
from isocortex.cortex.background import BACKGROUND, RATE
from isocortex.cortex.build import build_cortex
from isocortex.cortex.circuit import simulation_of
from isocortex.cortex.counts import CLASSES, N_EXCITATORY
from isocortex.cortex.drive import FEWEST, STRONGEST, Drive, load_drive, target_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.open_loop import SAMPLE, OpenLoop, sample_of
from isocortex.cortex.recipe import Recipe
from isocortex.errors import ConfigError, InputError, SimulationError
from isocortex.network.build import build_network
from isocortex.network.drawn.pool import AXONS

RECIPE = Recipe(scale=0.0001, seed=2)
TIMES = {"tstop": 200.0, "settle": 50.0}


@pytest.fixture(scope="module")
def once():
    """What the embedded background gives, in closed loop."""
    return calibrate(RECIPE, rounds=(0, 1), **TIMES)


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
    assert t["neurons"].sum() == 900 and once.closed
    assert once.error == pytest.approx((away * t["neurons"]).sum() / 900)


# --- open loop ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cortex():
    return CortexModel.make(RECIPE)


def test_a_sample_has_some_of_every_kind(cortex):
    rows, of = sample_of(cortex, 5), cortex.kinds[1]
    assert (np.diff(rows) > 0).all()
    there = np.bincount(of)
    np.testing.assert_array_equal(np.bincount(of[rows]), np.minimum(there, 5))


def test_in_open_loop_neurons_keep_their_synapses_and_inputs_fire_at_their_targets(cortex):
    """The synapses of the whole network onto the sample, one by one; and the rates of sources."""
    rows = sample_of(cortex, 2)
    loop = OpenLoop(cortex, rows)
    network = build_network(loop.simulation(cortex.drive, 5000.0, seed=1))
    whole = build_network(simulation_of(cortex, tstop=10.0), True)

    def table(network, cells):
        c, slots = network.connections, network.slots
        source = np.repeat(np.arange(len(c.first) - 1), np.diff(c.first))
        names = np.array(network.populations)[network.source_population[source]]
        mine = cells[slots.cell[c.target]]
        frame = pd.DataFrame({
            "from": names, "source": network.source_node_id[source], "target": mine,
            "node": slots.node[c.target], "weight": c.weight, "delay": c.delays[c.delay],
        })  # fmt: skip
        return frame.sort_values(list(frame.columns), ignore_index=True)

    wanted = table(whole, np.arange(len(cortex)))
    wanted = wanted[wanted["target"].isin(rows)].reset_index(drop=True)
    pd.testing.assert_frame_equal(table(network, rows), wanted)
    assert (
        network.n_cells == len(rows)
        and list(loop.simulation(cortex.drive, 1.0, 1).circuit.nodes)[0] == SAMPLE
    )
    kinds, of = cortex.kinds
    target = np.array([target_of(layer, name) for layer, name, _ in kinds])[of]
    source, _ = network.poisson.begin().until(5000.0)
    count = np.bincount(source - len(rows), minlength=len(cortex) + 86 * AXONS) / 5.0
    assert count[: len(cortex)].mean() == pytest.approx(target.mean(), rel=0.03)
    fast = target > 5.0
    assert count[: len(cortex)][fast].mean() == pytest.approx(target[fast].mean(), rel=0.03)
    assert count[len(cortex) :].mean() == pytest.approx(RATE, rel=0.01)


def test_too_weak_a_background_is_strengthened():
    rounds = []
    calibrate(
        RECIPE, _scaled(0.1), rounds=(6, 0), tstop=400.0, settle=150.0,
        progress=lambda _, done: rounds.append(done),
    )  # fmt: skip
    errors = [r.error for r in rounds]
    assert errors[-1] < 0.8 * errors[0] and not any(r.closed for r in rounds)
    rate = [np.average(r.table["Hz"], weights=r.table["neurons"]) for r in rounds]
    assert rate[-1] > 1.2 * rate[0]


def test_no_synapse_of_a_background_is_too_strong():
    """However much a neuron needs it comes by many synapses."""
    done = calibrate(RECIPE, _scaled(3.0), rounds=(2, 0), **TIMES)
    for drive in (load_drive().inputs.values(), done.table[["synapses", "nS"]].to_numpy()):
        assert all(n >= FEWEST for n, _ in drive)
    for (_, name, _), (_, weight) in load_drive().inputs.items():
        assert weight <= STRONGEST[name not in CLASSES[:N_EXCITATORY]]
    excitatory = done.table["class"].isin(CLASSES[:N_EXCITATORY])
    assert (done.table["nS"] <= np.where(excitatory, *STRONGEST)).all()
    assert done.table["synapses"].max() > 40


def test_the_background_of_an_area_is_shared(cortex):
    """Neurons draw from the axons of their own area and side, each as often as its drive says."""
    circuit = simulation_of(cortex, tstop=1.0).circuit
    background = next(p for p in circuit.projections if p.source == BACKGROUND)
    pieces = [(m.source, m.target, m.weight) for m in background.onto(None, None, 1)]
    source, target, weight = (np.concatenate(x) for x in zip(*pieces, strict=True))
    kinds, areas = cortex.kinds, cortex.atlas.areas.index[cortex.neurons.area]
    each = [cortex.drive.of(*kinds[0][k], area) for k, area in zip(kinds[1], areas, strict=True)]
    number, nS = np.array(each).T
    np.testing.assert_array_equal(np.bincount(target, minlength=len(cortex)), number)
    np.testing.assert_array_equal(source // AXONS, cortex.patch[target])
    assert len(source) == background.expected
    np.testing.assert_allclose(weight, 1e-3 * nS[target], rtol=1e-6)
    onto = next(background.onto(np.array([7, 300]), None, 1))
    some = onto.source, onto.target, onto.weight
    for one, other in zip(some, (source, target, weight), strict=True):
        np.testing.assert_array_equal(one, other[np.isin(target, [7, 300])])
    area = circuit.nodes[BACKGROUND].table["area"]
    assert (
        area[source].astype(str).to_numpy()
        == circuit.nodes["cortex"].table["area"][target].astype(str).to_numpy()
    ).all()


def test_how_far_it_is_from_running_away(monkeypatch):
    """Of a tenth of the excitation, times 1.5 and 10: gains are no longer asked once it is away."""
    monkeypatch.setattr("isocortex.calibrate.GAINS", (1.5, 10.0, 20.0))
    weak = replace(RECIPE, excitation=0.1, inhibition=0.5)
    gains, rates = zip(*margin(weak, load_drive(), **TIMES), strict=True)
    assert gains == (1.0, 1.5, 10.0)
    assert rates[2] > 3.0 * rates[0] > 0.0 and rates[1] <= 3.0 * rates[0]


# --- tables -------------------------------------------------------------------------------------


def test_the_table_written_is_the_table_read(once, tmp_path):
    start = _scaled(0.5)
    write_drive(once, start, tmp_path / "drive.csv")
    read = load_drive(tmp_path / "drive.csv")
    found = dict.fromkeys(
        once.table[["layer", "class", "model"]].itertuples(index=False, name=None)
    )
    assert set(read.inputs) == set(start.inputs)
    for kind, given in read.inputs.items():
        source = load_drive() if kind in found else start
        assert given == pytest.approx(source.inputs[kind], abs=6e-7)
    with pytest.raises(SimulationError, match="cannot write the table"):
        write_drive(once, start, tmp_path / "missing" / "drive.csv")


@pytest.mark.parametrize(
    "wrong", [{"rounds": (0, 0)}, {"rounds": (-1, 2)}, {"settle": 200.0}, {"settle": -1.0}]
)
def test_impossible_calibrations(wrong):
    with pytest.raises(ConfigError, match="cannot calibrate"):
        calibrate(RECIPE, **({"rounds": (0, 1), **TIMES} | wrong))


def _scaled(factor):
    drive = load_drive()
    inputs = {kind: (n, factor * weight) for kind, (n, weight) in drive.inputs.items()}
    return Drive(inputs, drive.file)


def test_the_command_calibrates_the_circuit_it_is_given(tmp_path):
    recipe = Recipe(scale=0.0001, seed=5, inhibition=0.9)
    build_cortex(tmp_path / "c", CortexModel.make(recipe), tstop=10.0)
    table = tmp_path / "new" / "drive.csv"
    status, printed, error = isocortex(
        "build", "calibrate", tmp_path / "c", "-o", table, "--rounds", 0, "--closed", 1,
        "--tstop", 400, "--no-gains",
    )  # fmt: skip
    assert (status, error) == (0, ""), error
    mine = calibrate(recipe, rounds=(0, 1), tstop=400.0, threads=1)
    mean = np.average(mine.table["Hz"], weights=mine.table["neurons"])
    assert f"Round 1, closed loop: {mean:.2f} Hz" in printed
    assert set(load_drive(table).inputs) == set(load_drive().inputs)
    with_it = CortexModel.make(Recipe(scale=0.0001, drive=str(table)))
    assert with_it.drive.inputs == load_drive(table).inputs


def test_a_circuit_without_a_recipe_cannot_be_calibrated(tmp_path):
    build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.00005)), tstop=1.0, materialize=True)
    one_line(
        isocortex("build", "calibrate", tmp_path, "-o", tmp_path / "drive.csv"),
        "holds no recipe", "without --materialize",
    )  # fmt: skip


def test_models_that_the_table_lacks_have_what_is_in_the_middle_of_their_class():
    inputs = {
        ("4", "IT", "a"): (20, 0.1), ("4", "IT", "b"): (20, 0.3), ("4", "IT", "c"): (90, 1.0),
        ("5", "Sst", "c"): (30, 2.0),
    }  # fmt: skip
    drive = Drive(inputs, Path("drive.csv"))
    assert drive.of("4", "IT", "a") == (20, 0.1)
    assert drive.of("4", "IT", "new") == (20, 0.3)
    assert drive.of("6a", "Sst", "new") == (30, 2.0)
    with pytest.raises(InputError, match="no row for class Vip"):
        drive.of("4", "Vip", "new")


@pytest.mark.parametrize(
    ("row", "message"),
    [("5,IT,1,2.5,0.1", "is no number of synapses"), ("5,IT,1,20,-0.1", "is no conductance"),
     ("5,IT,1,-3,0.1", "is no number of synapses")],
)  # fmt: skip
def test_impossible_tables_of_the_background(tmp_path, row, message):
    file = tmp_path / "drive.csv"
    file.write_text(f"layer,class,model,synapses,nS\n4,IT,1,20,0.1\n{row}\n")
    with pytest.raises(InputError, match=f"line 3.*{message}") as error:
        load_drive(file)
    assert error.value.file == file and error.value.fix == "Use 0 or more."


def test_between_two_scales_the_background_lies_between(tmp_path):
    """Its logarithm follows that of the scale, beyond the table it stays."""
    file = tmp_path / "drive.csv"
    file.write_text(
        "layer,class,model,scale,synapses,nS\n"
        "2/3,IT,1,0.001,40,0.8\n2/3,IT,1,0.1,20,0.4\n5,Pvalb,2,0.001,30,1.5\n"
    )
    kind = ("2/3", "IT", "1")
    for scale, given in (
        (0.0001, (40, 0.8)),
        (0.001, (40, 0.8)),
        (0.1, (20, 0.4)),
        (1.0, (20, 0.4)),
    ):
        assert load_drive(file, scale).inputs[kind] == pytest.approx(given)
    assert load_drive(file, 0.01).inputs[kind] == pytest.approx((20, 0.8))  # 16 nS
    amount = 32.0 ** (1 - np.log10(2.5) / 2) * 8.0 ** (np.log10(2.5) / 2)
    number, weight = load_drive(file, 0.0025).inputs[kind]
    assert number == np.ceil(amount) and number * weight == pytest.approx(amount, rel=1e-5)
    assert load_drive(file, 0.05).inputs["5", "Pvalb", "2"] == (30, 1.5)


def test_between_two_in_degrees_the_background_lies_between(tmp_path):
    """At each of them between scales; where one has a single scale, that."""
    file = tmp_path / "drive.csv"
    file.write_text(
        "layer,class,model,scale,in_degree,synapses,nS\n2/3,IT,1,0.001,0.1,40,0.8\n"
        "2/3,IT,1,0.1,0.1,20,0.4\n2/3,IT,1,0.005,1,40,0.2\n"
    )
    kind = ("2/3", "IT", "1")
    for scale, share, given in (
        (0.01, 0.1, (20, 0.8)), (0.01, 0.01, (20, 0.8)), (0.01, 1.0, (40, 0.2)),
        (1.0, 1.0, (40, 0.2)), (1.0, 0.1, (20, 0.4)), (1.0, 0.5, (20, 0.4)),
    ):  # fmt: skip
        assert load_drive(file, scale, share).inputs[kind] == pytest.approx(given)
    amount = np.sqrt(16.0 * 8.0)
    number, weight = load_drive(file, 0.01, np.sqrt(0.1)).inputs[kind]
    assert number == 20 and number * weight == pytest.approx(amount, rel=1e-5)
    file.write_text("layer,class,model,in_degree,synapses,nS\n2/3,IT,1,1.5,40,0.8\n")
    said = "line 2, column in_degree: '1.5' is no share of the synapses. Use a number above 0, up"
    with pytest.raises(InputError, match=said):
        load_drive(file)


def test_the_background_of_a_recipe_is_that_of_its_scale_and_in_degree():
    inputs = CortexModel.make(Recipe(scale=0.0015, in_degree=0.02)).drive.inputs
    assert inputs == load_drive(None, 0.0015).inputs
    of_all = CortexModel.make(Recipe(scale=0.005, in_degree=1.0)).drive.inputs
    assert of_all == load_drive(None, 0.005, 1.0).inputs != load_drive(None, 0.005).inputs
    assert inputs != load_drive(None, 0.001).inputs and inputs != load_drive(None, 0.002).inputs


def test_in_closed_loop_inhibitory_neurons_learn_more_slowly():
    """Of two rounds, what every kind of neuron is given."""
    rounds = []
    calibrate(RECIPE, _scaled(1.2), rounds=(0, 2), progress=lambda _, r: rounds.append(r), **TIMES)
    first, second = (r.table for r in rounds)
    grown = (second["synapses"] * second["nS"] / (first["synapses"] * first["nS"])).to_numpy()
    away = np.log((first["target"] + 0.3) / (first["Hz"] + 0.3)).clip(-1.5, 1.5).to_numpy()
    step = np.where(first["class"].isin(CLASSES[:N_EXCITATORY]), 0.15, 0.15 * 0.3)
    sure = np.minimum(1.0, first["neurons"].to_numpy() / 5)
    amount = first["synapses"] * first["nS"]  # the most is bounded, of the least digits are lost
    counted = (first["neurons"] > 0) & (amount > 1.0) & (amount < 100.0)
    assert counted.sum() > 20 and np.ptp(away[counted]) > 0.5
    np.testing.assert_allclose(grown[counted], np.exp(step * sure * away)[counted], rtol=1e-3)


def test_areas_that_fire_too_little_get_more_of_the_background(cortex, tmp_path):
    """Of rates that are wrong on purpose; inhibitory neurons have no shares."""
    names = list(cortex.atlas.areas.index)
    much = np.argsort(np.bincount(cortex.neurons.area, minlength=len(names)))[::-1]
    low, high, right = (names[k] for k in much[:3])
    target = np.where(cortex.excitatory, 2.0, 5.0)
    rate = target.copy()
    rate[(cortex.neurons.area == names.index(low)) & cortex.excitatory] = 0.5
    rate[(cortex.neurons.area == names.index(high)) & cortex.excitatory] = 6.0
    rate[~cortex.excitatory] = 0.0
    areas = _Areas(cortex, {low: 0.2})
    areas.correct(rate, target)
    share = areas.shares
    step = ((2.0 + FLOOR) / (np.array([0.5, 6.0]) + FLOOR)) ** AREA_STEP
    found = [share[low] / 0.2 / share[right], share[high] / share[right]]
    np.testing.assert_allclose(found, step, rtol=2e-3)
    mean = np.average([share[name] for name in names], weights=areas.neurons)
    assert mean == pytest.approx(1.0, abs=1e-3)


def test_shares_of_areas_are_written_and_read(cortex, tmp_path):
    drive = load_drive(None, RECIPE.scale)
    start = Drive(drive.inputs, drive.file, {"VISp": 0.2})
    done = calibrate(RECIPE, start, rounds=(0, 1), **TIMES)
    write_drive(done, start, tmp_path / "mine.csv")
    assert load_drive(tmp_path / "mine.csv").areas == pytest.approx(done.areas)
    for kind in (("2/3", "IT"), ("2/3", "Pvalb")):
        model = next(m for (layer, name, m) in drive.inputs if (layer, name) == kind)
        n, nS = start.of(*kind, model)
        number, weight = start.of(*kind, model, "VISp")
        share = 0.2 if kind[1] == "IT" else 1.0
        assert number * weight == pytest.approx(share * n * nS, rel=1e-4)


def test_shares_of_areas_that_are_none(tmp_path):
    (tmp_path / "d.csv").write_text("layer,class,model,synapses,nS\n2/3,IT,1,20,0.4\n")
    (tmp_path / "d_areas.csv").write_text("area,share\nVISp,-1\n")
    with pytest.raises(InputError, match=r"d_areas.csv.*line 2, column share: '-1' is no share"):
        load_drive(tmp_path / "d.csv")
