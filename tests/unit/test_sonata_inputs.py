"""Spike trains, electrodes and reports of a simulation configuration."""

import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
from sonata_small import configuration, write_circuit, write_config

from isocortex.circuit import CurrentInput, SpikeInput
from isocortex.errors import IsocortexError
from isocortex.network.inputs import poisson_sources
from isocortex.network.poisson import PoissonSources
from isocortex.sonata.config import load_simulation


@pytest.fixture
def folder(tmp_path):
    write_circuit(tmp_path)
    return tmp_path


def read(folder, **entry):
    """The inputs that one entry gives."""
    config = configuration() | {"inputs": {"it": entry}}
    return load_simulation(write_config(folder, config)).inputs


def spikes(folder, module="sonata", node_set="drive", input_file="trains", **more):
    return read(
        folder, input_type="spikes", module=module, node_set=node_set, input_file=input_file, **more
    )


def by_node(train: SpikeInput) -> dict[int, list[float]]:
    assert (np.diff(train.times) >= 0).all()
    return {int(n): train.times[train.rows == n].tolist() for n in np.unique(train.rows)}


EXPECTED = {0: [3.0], 1: [6.0, 9.0]}


def test_present_layout(folder):
    (train,) = spikes(folder, input_file="spikes.h5")
    assert train.population == "drive"
    assert by_node(train) == EXPECTED


@pytest.mark.parametrize("module", ["h5", "hdf5", "SONATA"])
@pytest.mark.parametrize("ids", ["gids", "node_ids"])
def test_old_layout(folder, module, ids):
    with h5py.File(folder / "trains", "w") as file:
        file[f"spikes/{ids}"] = np.array([1, 0, 1, 77])
        file["spikes/timestamps"] = np.array([9.0, 3.0, 6.0, 1.0])
    assert by_node(spikes(folder, module)[0]) == EXPECTED


def test_seconds(folder):
    with h5py.File(folder / "spikes.h5", "r+") as file:
        file["spikes/drive/timestamps"].attrs["units"] = "s"
    assert by_node(spikes(folder, input_file="spikes.h5")[0]) == {0: [3000.0], 1: [6000.0, 9000.0]}


def test_units_may_stand_at_the_population(folder):
    with h5py.File(folder / "spikes.h5", "r+") as file:
        del file["spikes/drive/timestamps"].attrs["units"]
        file["spikes/drive"].attrs["units"] = "s"
    assert by_node(spikes(folder, input_file="spikes.h5")[0]) == {0: [3000.0], 1: [6000.0, 9000.0]}
    with h5py.File(folder / "spikes.h5", "r+") as file:
        file["spikes/drive"].attrs["units"] = "minutes"
    with pytest.raises(IsocortexError, match="unknown units 'minutes'"):
        spikes(folder, input_file="spikes.h5")


@pytest.mark.parametrize(
    "text",
    [
        "timestamps population node_ids\n9 drive 1\n3 drive 0\n6 drive 1\n4 other 1\n",
        "node_ids,timestamps\n1,9\n0,3\n1,6\n",
        "timestamps population node_ids\n9 <sonata:none> 1\n3 drive 0\n6 drive 1\n",
        "gid spike-times\n0 3.0\n1 9.0,6.0\n2 \n",
        "timestamps   population  node_ids\n9 drive 1\n3 drive 0\n6 drive 1\n",
        "  timestamps node_ids\n 9 1\n  3   0\n6 1\n",
        " timestamps  node_ids \n        9        1\n        3        0\n        6        1\n",
        " timestamps, node_ids\n 9, 1\n 3, 0\n 6, 1\n",
        ",timestamps,node_ids\n0,9,1\n1,3,0\n2,6,1\n",  # as pandas writes the numbers of rows
    ],
)
def test_tables(folder, text):
    (folder / "trains").write_text(text)
    assert by_node(spikes(folder, "csv")[0]) == EXPECTED


def test_nwb(folder):
    with h5py.File(folder / "trains", "w") as file:
        for trial in (0, 1):
            file[f"processing/trial_{trial}/spike_train/0/data"] = np.array([3.0])
            file[f"processing/trial_{trial}/spike_train/1/data"] = np.array([9.0, 6.0])
    assert by_node(spikes(folder, "nwb", trial="trial_1")[0]) == EXPECTED
    with pytest.raises(IsocortexError, match="has 2 trials.*trial_0, trial_1"):
        spikes(folder, "nwb")


@pytest.mark.parametrize("name", ["{}", "{:04d}"])
def test_trains_of_nwb_are_named_by_numbers(folder, name):
    with h5py.File(folder / "trains", "w") as file:
        trains = file.create_group("processing/trial_0/spike_train")
        trains[f"{name.format(0)}/data"] = np.array([3.0])
        trains[f"{name.format(1)}/data"] = np.array([9.0, 6.0])
        trains["description"] = "invented"
    assert by_node(spikes(folder, "nwb")[0]) == EXPECTED


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("node_1", "the name of train 'node_1' is no node id"),
        ("-1", "'-1' is no node id"),
        ("1.0", "'1.0' is no node id"),
        ("²", "'²' is no node id"),
        ("9" * 19, "'9999999999999999999' is no node id"),
        ("9" * 5000, "is no node id"),
        ("00", "the name of train '00' is the second of its node"),
    ],
)
def test_names_of_trains_that_are_no_ids(folder, name, message):
    with h5py.File(folder / "trains", "w") as file:
        trains = file.create_group("processing/trial_0/spike_train")
        trains["0/data"] = np.array([3.0])
        trains[f"{name}/data"] = np.array([9.0, 6.0])
    with pytest.raises(IsocortexError, match=message) as caught:
        spikes(folder, "nwb")
    assert caught.value.file == folder / "trains" and caught.value.fix


def test_spikes_of_populations_that_do_not_exist_are_named(folder, caplog):
    text = "timestamps population node_ids\n9 drive 1\n3 drive 0\n6 drive 1\n4 lgn 1\n5 cells 0\n"
    (folder / "trains").write_text(text)
    assert by_node(spikes(folder, "csv")[0]) == EXPECTED
    assert "1 spikes are of populations that the circuit does not have" in caplog.text
    assert "left out: lgn" in caplog.text and "cells" not in caplog.text
    caplog.clear()
    with h5py.File(folder / "spikes.h5", "r+") as file:
        for name, count in (("lgn", 2), ("cells", 1), ("empty", 0)):
            file[f"spikes/{name}/node_ids"] = np.zeros(count, np.uint64)
            file[f"spikes/{name}/timestamps"] = np.ones(count)
    assert by_node(spikes(folder, input_file="spikes.h5")[0]) == EXPECTED
    assert "2 spikes are of populations that the circuit does not have" in caplog.text
    assert "left out: lgn" in caplog.text and "cells" not in caplog.text


@pytest.mark.parametrize("kind", ["sonata", "csv"])
def test_spikes_of_a_population_of_another_name(folder, caplog, kind):
    """BMTK asks a file for node ids alone, and scripts name populations as they like."""
    if kind == "csv":
        (folder / "trains").write_text(
            "timestamps population node_ids\n9 VIRT 1\n3 VIRT 0\n6 VIRT 1\n"
        )
    else:
        with h5py.File(folder / "trains", "w") as file:
            file.create_group("spikes/EMPTY")
            file["spikes/VIRT/node_ids"], file["spikes/VIRT/timestamps"] = [1, 0, 1], [9.0, 3, 6]
    (train,) = spikes(folder, kind)
    assert by_node(train) == EXPECTED
    assert "has no spikes of drive: those of VIRT are taken, by node id, as in BMTK" in caplog.text


@pytest.mark.parametrize("kind", ["sonata", "csv"])
@pytest.mark.parametrize("there", [["cells"], ["VIRT", "late"]])
def test_spikes_of_others_are_not_guessed(folder, kind, there):
    """Those of another population of the circuit, or of one of several, are a mistake."""
    if kind == "csv":
        lines = [f"{time} {name} 1" for time, name in enumerate(there)]
        (folder / "trains").write_text("\n".join(["timestamps population node_ids", *lines]))
    else:
        with h5py.File(folder / "trains", "w") as file:
            for name in there:
                file[f"spikes/{name}/node_ids"], file[f"spikes/{name}/timestamps"] = [1], [9.0]
    with pytest.raises(IsocortexError, match=f"has no spikes of drive. It has {', '.join(there)}"):
        spikes(folder, kind)


def test_nodes_outside_the_node_set_are_left_out(folder):
    node_set = {"population": "drive", "node_id": [1, 2]}
    (train,) = spikes(folder, input_file="spikes.h5", node_set=node_set)
    assert by_node(train) == {1: [6.0, 9.0]}


def test_a_file_without_spikes(folder):
    with h5py.File(folder / "trains", "w") as file:
        file.create_group("spikes")
    assert spikes(folder) == []


@pytest.mark.parametrize(
    ("dataset", "values", "message"),
    [
        ("spikes/drive/node_ids", [1, 0], "2 entries where 3"),
        ("spikes/drive/node_ids", [1.5, 0, 1], "row 0 is 1.5"),
        ("spikes/drive/node_ids", [1, 0, -1], "spike 2 is of node -1"),
        ("spikes/drive/timestamps", [1.0, np.nan, 2.0], "row 1 is nan"),
        ("spikes/drive/timestamps", [1.0, -2.0, 2.0], "spike 1 is at -2 ms"),
        ("spikes/drive/timestamps", None, "dataset is missing"),
        ("spikes/drive", None, "has no spikes of drive. It has no spikes at all"),
        ("spikes", None, "/spikes: group is missing"),
    ],
)
def test_mistakes_in_spike_files(folder, dataset, values, message):
    with h5py.File(folder / "spikes.h5", "r+") as file:
        file.create_group("spikes/other")
        del file[dataset]
        if values is not None:
            file[dataset] = values
    with pytest.raises(IsocortexError, match=message):
        spikes(folder, input_file="spikes.h5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (
            "timestamps node_ids\nsoon 1\n",
            "line 2, column timestamps: 'soon' is not a finite",
        ),
        ("when who\n1 1\n", "no column 'timestamps'.*it has when, who"),
        ("  timestamps node_ids  node_ids\n1 1 1\n", "no distinct names"),
        (" population timestamps node_ids\n drive 1\n", "line 2: '1': has 2 entries where .* 3"),
        ("timestamps node_ids\n9 0_1\n", "line 2, column node_ids: '0_1' is not a whole number"),
        ("timestamps node_ids\n9_0 1\n", "line 2, column timestamps: '9_0' is not a finite"),
        (",timestamps,,node_ids\n1,1,1,1\n", "no distinct names"),
        ("timestamps,node_ids\n,1\n", "line 2, column timestamps: '' is not"),
    ],
)
def test_mistakes_in_tables(folder, text, message):
    (folder / "trains").write_text(text)
    with pytest.raises(IsocortexError, match=message):
        spikes(folder, "csv")


# --- Poisson ----------------------------------------------------------------------------------


def poisson(folder, node_set="drive", **more):
    entry = {"firing_rate": 50.0, "seed": 3, "t_stop": 1e5} | more
    config = configuration() | {
        "inputs": {
            "it": {"input_type": "spikes", "module": "poisson", "node_set": node_set} | entry
        }
    }
    made = load_simulation(write_config(folder, config), tstop=1e5).inputs[0]
    sources = poisson_sources(made, made.rows)
    rows, times = sources.begin().until(1e5)
    return SpikeInput(made.population, rows, times)


def test_poisson_trains_have_their_rate_and_no_memory(folder):
    train = poisson(folder)
    counts = np.bincount(train.rows, minlength=3)
    assert (np.abs(counts - 5000) < 5 * np.sqrt(5000)).all()
    intervals = np.diff(train.times[train.rows == 0])
    np.testing.assert_allclose(intervals.std() / intervals.mean(), 1.0, atol=0.05)
    assert abs(np.corrcoef(intervals[1:], intervals[:-1])[0, 1]) < 0.05


def test_a_poisson_train_depends_on_seed_and_node_alone(folder):
    whole = poisson(folder)
    alone = poisson(folder, node_set={"population": "drive", "node_id": 1})
    np.testing.assert_array_equal(whole.times[whole.rows == 1], alone.times)
    shorter = poisson(folder, t_stop=1000.0)
    np.testing.assert_array_equal(whole.times[whole.times < 1000.0], shorter.times)
    assert not np.array_equal(poisson(folder, seed=4).times, whole.times)


def test_a_seed_may_be_written_as_a_decimal_and_be_large(folder):
    np.testing.assert_array_equal(poisson(folder, seed=3.0).times, poisson(folder, seed=3).times)
    first, second = poisson(folder, seed=10**17), poisson(folder, seed=10**17 + 1)
    assert not np.array_equal(first.times, second.times)


def test_poisson_trains_do_not_depend_on_the_pieces_they_are_drawn_in(folder):
    sources = PoissonSources.steady(
        np.array([7, 3, 5]), np.array([2.0, 10.0, np.inf]), np.array([0.0, 50.0, 0.0]),
        np.array([1e3, 80.0, 1e3]), np.array([1, 2, 3], np.uint64),
    )  # fmt: skip
    source, time = sources.begin().until(1e3)
    assert (np.diff(time) >= 0).all() and set(source) == {3, 7}
    mine = time[source == 3]
    assert mine.min() >= 50.0 and mine.max() < 80.0
    assert (time[source == 7] < 1e3).all()
    pieces = sources.begin()
    parts = [pieces.until(end) for end in (0.1, 0.1, 33.0, time[40], 900.0, 2e3)]
    np.testing.assert_array_equal(np.concatenate([t for _, t in parts]), time)
    np.testing.assert_array_equal(np.concatenate([s for s, _ in parts]), source)
    assert parts[3][1][-1] == time[40]  # up to and with the end
    alone = sources.only(np.array([False, True, False])).begin().until(1e3)
    np.testing.assert_array_equal(alone[1], mine)
    assert sources.expected(1e3) == 500.0 + 3.0


COURSE = {"sigma": 0.4, "tau": 20.0}


def fluctuating(n=400, tau=20.0, sigma=0.4, shared=True):
    """Trains of 100 Hz for 20 s whose rates go up and down."""
    course = np.full(n, 9, np.uint64) if shared else np.arange(n, dtype=np.uint64)
    steady = PoissonSources.steady(
        np.arange(n), np.full(n, 10.0), np.zeros(n), np.full(n, 2e4), np.arange(n).astype(np.uint64)
    )
    return replace(steady, sigma=np.full(n, sigma), tau=np.full(n, tau), course=course)


def test_rates_fluctuate_as_an_ornstein_uhlenbeck_process():
    """Of many trains that share a course, each count in 4 ms tells the rate then."""
    _, time = fluctuating().begin().until(2e4)
    rate = np.histogram(time, np.arange(0.0, 2e4 + 1.0, 4.0))[0] / (400 * 4e-3)
    assert rate.mean() == pytest.approx(100.0, rel=0.03)
    noise = 100.0 / (400 * 4e-3)  # variance that Poisson trains add
    around = rate - rate.mean()
    assert around.var() - noise == pytest.approx((0.4 * 100.0) ** 2, rel=0.15)
    for lag in (1, 3, 5):
        shared = (around[:-lag] * around[lag:]).mean()
        assert shared == pytest.approx(1600.0 * np.exp(-4.0 * lag / 20.0), rel=0.2)


def test_trains_of_one_course_fluctuate_together_and_others_do_not():
    def fano(shared):
        _, time = fluctuating(tau=50.0, shared=shared).begin().until(2e4)
        count = np.histogram(time, np.arange(0.0, 2e4 + 1.0, 50.0))[0]
        return count.var() / count.mean()

    assert fano(True) > 100.0
    assert fano(False) < 1.8


def test_fluctuating_trains_do_not_depend_on_the_pieces_they_are_drawn_in():
    sources = fluctuating(30)
    sources.stop[3], sources.sigma[5] = 900.0, 0.0
    source, time = sources.begin().until(1e4)
    pieces = sources.begin()
    ends = [0.1, 0.1, 33.0, time[40], 2047.9, 2048.0, 2048.1, 6000.0, 1e4]
    parts = [pieces.until(end) for end in ends]
    np.testing.assert_array_equal(np.concatenate([t for _, t in parts]), time)
    np.testing.assert_array_equal(np.concatenate([s for s, _ in parts]), source)
    later = sources.begin()  # as one that a state is given to
    state = sources.begin()
    state.until(5000.0)
    later.stream[:], later.next[:] = state.stream, state.next
    np.testing.assert_array_equal(later.until(1e4)[1], time[time > 5000.0])
    steady = sources.only(sources.sigma == 0.0).begin().until(1e4)[1]
    np.testing.assert_array_equal(steady, time[source == 5])


def course(folder, seed=3, node_set="drive", **more):
    """How the drive's trains fluctuate."""
    entry = {"input_type": "spikes", "module": "poisson", "firing_rate": 50.0}
    entry |= {"node_set": node_set, "seed": seed}
    (made,) = read(folder, **entry, fluctuation=COURSE | more)
    return made.fluctuation


def test_a_configuration_says_who_fluctuates_together(folder):
    own = course(folder)
    assert own.sigma == 0.4 and own.tau == 20.0 and len(np.unique(own.key)) == 3
    assert len(np.unique(course(folder, shared_by="rate").key)) == 3
    one = course(folder, shared_by=["model_type"])
    assert len(np.unique(one.key)) == 1
    assert not (course(folder, shared_by=["model_type"], seed=77).key == one.key).any()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (0.5, "fluctuation"),
        ({"sigma": 0.5}, "fluctuation"),
        (COURSE | {"shared": "area"}, "fluctuation"),
        (COURSE | {"sigma": -1.0}, "fluctuation.sigma"),
        (COURSE | {"tau": "long"}, "fluctuation.tau"),
        (COURSE | {"shared_by": "nothing"}, "fluctuation.shared_by"),
        (COURSE | {"shared_by": 3}, "fluctuation.shared_by"),
        (COURSE | {"shared_by": {}}, "fluctuation.shared_by"),
        (COURSE | {"shared_by": [["rate"]]}, "fluctuation.shared_by"),
    ],
)
def test_mistakes_in_a_fluctuation_are_named(folder, given, named):
    with pytest.raises(IsocortexError, match=re.escape(f"inputs.it.{named}")):
        poisson(folder, fluctuation=given)


def attribute(folder, **values):
    """Give the nodes of the drive more attributes."""
    with h5py.File(folder / "drive.h5", "r+") as file:
        for name, each in values.items():
            file[f"nodes/drive/0/{name}"] = each


def test_who_fluctuates_together_has_all_values_in_common(folder):
    attribute(folder, left=["a|b", "a", "a"], right=["c", "b|c", "b|c"])
    key = course(folder, shared_by=["left", "right"]).key
    assert key[0] != key[1] == key[2]


def test_who_fluctuates_together_has_one_value_of_each_attribute(folder):
    attribute(folder, side=[1.0, np.nan, 2.0], two=np.ones((3, 2)))
    with pytest.raises(IsocortexError, match="node 1 of 'drive' has no value of 'side'"):
        course(folder, shared_by="side")
    some = {"population": "drive", "node_id": [0, 2]}
    assert len(np.unique(course(folder, shared_by="side", node_set=some).key)) == 2
    with pytest.raises(IsocortexError, match="no attribute 'two'. It has .*two_x, two_y"):
        course(folder, shared_by="two")


def test_poisson_rates_from_a_node_attribute(folder):
    train = poisson(folder, firing_rate="rate")  # 0, 10 and 100 Hz
    counts = np.bincount(train.rows, minlength=3)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[2] / counts[1], 10.0, rtol=0.15)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"firing_rate": -1}, "rates must lie"),
        ({"firing_rate": "speed"}, "has no attribute 'speed'"),
        ({"firing_rate": None}, "firing_rate: must be a number"),
        ({"firing_rate": 1e9}, "rates must lie"),
        ({"t_start": -5}, "t_start"),
        ({"seed": 3.6}, "inputs.it.seed: must be a whole number, found 3.6"),
        ({"seed": True}, "inputs.it.seed: must be a whole number, found True"),
        ({"seed": "3"}, "inputs.it.seed: must be a whole number, found '3'"),
        ({"seed": float("nan")}, "inputs.it.seed: must be a whole number, found nan"),
        ({"rate": 5}, "inputs.it.rate: unknown key"),
    ],
)
def test_mistakes_in_poisson(folder, entry, message):
    with pytest.raises(IsocortexError, match=message):
        poisson(folder, **entry)


# --- electrodes -------------------------------------------------------------------------------


def clamp(folder, **more):
    entry = {"input_type": "current_clamp", "module": "IClamp", "node_set": "cells",
             "amp": 0.1, "delay": 10, "duration": 20.0}  # fmt: skip
    return read(folder, **{k: v for k, v in (entry | more).items() if v is not ...})


def test_a_pulse_and_several(folder):
    (one,) = clamp(folder)
    assert isinstance(one, CurrentInput)
    pulse = one.signal
    assert (pulse.amp.tolist(), pulse.delay.tolist(), pulse.duration.tolist()) == (
        [0.1], [10.0], [20.0])  # fmt: skip
    assert (one.section_name, one.section_index, one.section_pos) == ("soma", 0, 0.5)
    (two,) = clamp(folder, amp=[0.1, -0.2], delay=[1, 2], duration=[3, 4])
    assert two.signal.amp.tolist() == [0.1, -0.2]


def test_an_electrode_elsewhere(folder):
    (dend,) = clamp(folder, section_name="dend", section_index=3, section_dist=0.9)
    assert (dend.section_name, dend.section_index, dend.section_pos) == ("dend", 3, 0.9)


def test_no_electrodes_in_virtual_nodes(folder):
    (everywhere,) = clamp(folder, node_set="all")
    assert everywhere.population == "cells"
    with pytest.raises(IsocortexError, match="no simulated cell"):
        clamp(folder, node_set="drive")


@pytest.mark.parametrize("input_type", ["csv", "file"])
def test_a_waveform(folder, input_type):
    (folder / "wave.csv").write_text("timestamps amps\n5.0 0.1\n6.0 0.2\n7.0 0.3\n")
    no_pulse = {"amp": ..., "delay": ..., "duration": ...}
    (wave,) = clamp(folder, input_type=input_type, file="wave.csv", **no_pulse)
    times, amps = wave.signal.times, wave.signal.amps
    # the last value is held for one more interval
    assert (times.tolist(), amps.tolist()) == ([5.0, 6.0, 7.0, 8.0], [0.1, 0.2, 0.3, 0.0])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"amp": ...}, "inputs.it.amp: must be"),
        ({"amp": "big"}, "inputs.it.amp: must be"),
        ({"amp": [1, [2]]}, "inputs.it.amp: must be"),
        ({"amp": [0.1, 0.2]}, "must have the same length"),
        ({"delay": -1}, "inputs.it.delay: must not be negative"),
        ({"dely": 1}, "Did you mean 'delay'"),
        ({"section_name": "spine"}, "unknown section 'spine'"),
        ({"section_index": [50.0, 10.0]}, r"must be an index or \[from, to\]"),
        ({"section_index": [0, 9], "section_name": ["Dend"]}, "unknown section 'Dend'"),
        ({"section_index": -1}, "must be an index"),
        ({"section_dist": 2}, "must lie in 0..1"),
        ({"input_type": "dandi"}, "not supported yet"),
        ({"module": "magnet"}, "'magnet' is not supported yet"),
        ({"module": ["IClamp"]}, "not supported yet"),
        ({"node_set": "nobody"}, "unknown node set 'nobody'"),
        ({"enabled": "no"}, "must be true or false"),
    ],
)
def test_mistakes_in_electrodes(folder, entry, message):
    with pytest.raises(IsocortexError, match=message):
        clamp(folder, **entry)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timestamps amps\n1 1\n", "two or more"),
        ("timestamps amps\n2 1\n1 1\n", "increasing"),
        ("timestamps amps\n-1 1\n1 1\n", "before t = 0"),
        ("t i\n1 1\n2 2\n", "no column 'timestamps'.*it has t, i. Or set timestamps_column"),
    ],
)
def test_mistakes_in_waveforms(folder, text, message):
    (folder / "wave.csv").write_text(text)
    with pytest.raises(IsocortexError, match=message):
        read(folder, input_type="csv", module="IClamp", node_set="cells", file="wave.csv")


def test_disabled_inputs_are_not_read(folder):
    assert spikes(folder, input_file="missing.h5", enabled=False) == []


# --- reports ----------------------------------------------------------------------------------


def reports(folder, skip=False, **entries):
    config = configuration() | {"reports": entries}
    path = write_config(folder, config)
    return load_simulation(path, skip_unsupported_reports=skip)


def test_a_report(folder):
    entry = {"module": "membrane_report", "variable_name": "v", "cells": [0], "dt": 0.5,
             "sections": ["soma", "dend"], "start_time": 10, "end_time": 20}  # fmt: skip
    (spec,) = reports(folder, voltage=entry).reports
    assert [(name, rows.tolist()) for name, rows in spec.cells] == [("cells", [3]), ("drive", [0])]
    assert (spec.start, spec.end, spec.dt) == (10.0, 20.0, 0.5)
    assert spec.sections == ("soma", "dend")
    assert spec.file_name == "voltage.h5"


def test_several_variables_are_several_files(folder):
    entry = {"variable_name": ["v", "cai"], "file_name": "both.hdf5", "end_time": -1}
    first, second = reports(folder, both=entry).reports
    assert (first.file_name, second.file_name) == ("both_v.hdf5", "both_cai.hdf5")
    assert (first.variable, second.variable) == ("v", "cai")
    assert first.end is None


V = {"variable_name": "v"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "reports.r.variable_name: field required"),
        (V | {"module": "weight_recorder"}, "'weight_recorder' is not supported yet"),
        (V | {"transform": "square"}, "reports.r.transform: not supported yet"),
        (V | {"section": "soma"}, "Did you mean 'sections'"),
        (V | {"dt": 0}, "reports.r.dt"),
        (V | {"start_time": 9, "end_time": 3}, "ends at 3 ms and starts at 9"),
        ({"variable_name": []}, "reports.r.variable_name: names nothing to record"),
        (V | {"sections": []}, "reports.r.sections: names nothing to record"),
        (V | {"cells": "nobody"}, "reports.r.cells: unknown node set"),
        (V | {"file_name": "/"}, "not a file name"),
        (7, "must be a JSON object"),
    ],
)
def test_mistakes_in_reports(folder, entry, message):
    with pytest.raises(IsocortexError, match=message):
        reports(folder, r=entry)


def test_two_reports_may_not_write_one_file(folder):
    with pytest.raises(IsocortexError, match="a and b both write x.h5"):
        reports(folder, a=V | {"file_name": "x.h5"}, b={"variable_name": "cai", "file_name": "x"})


def test_unsupported_reports_can_be_skipped(folder):
    simulation = reports(folder, skip=True, lfp={"module": "weight_recorder"}, v=V)
    assert simulation.skipped == ["lfp (weight_recorder)"]
    assert [spec.name for spec in simulation.reports] == ["v"]
    assert reports(folder, lfp={"module": "weight_recorder", "enabled": False}).reports == []
