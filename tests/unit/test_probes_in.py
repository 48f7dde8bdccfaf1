"""Trains of virtual nodes from the units of recordings with probes."""

import numpy as np
import pytest
from allen_nwb import write_units
from sonata_small import configuration, write_circuit, write_config

from isocortex.circuit import Circuit, NodePopulation
from isocortex.errors import IsocortexError
from isocortex.sonata.config import load_simulation
from isocortex.sonata.input_entry import Entry
from isocortex.sonata.probes import _sampled

TRAINS = {950: [1.0, 1.05, 1.2, 3.0], 951: [1.01, 2.5], 960: [], 970: [1.1, 1.1005]}
UNITS = {"peak_channel_id": [7, 8, 8, 9], "snr": [1.0, 2.0, np.nan, 4.0],
         "quality": ["good", "bad", "good", "good"]}  # fmt: skip
ELECTRODES = {"id": [9, 8, 7], "location": ["LGd", "VISp", "LGd"], "depth": [30, 20, 10]}
GRATINGS = {"start_time": [1.0, 2.0, 2.9], "stop_time": [1.1, 2.6, 3.1],
            "orientation": [0.0, 90.0, 0.0], "block": ["a", "b", "a"],
            "stimulus_index": [5, 6, 7], "stimulus_name": ["x", "y", "x"]}  # fmt: skip
OPEN = {"start_time": [np.nan, 1.0, 1.1], "stop_time": [1.05, np.nan, 1.2]}
MAP = "node_ids unit_ids\n0 950\n1 951\n2 970\n"


@pytest.fixture
def folder(tmp_path):
    write_circuit(tmp_path)
    write_units(
        tmp_path / "a.nwb", TRAINS, UNITS, dict(ELECTRODES), gratings_presentations=GRATINGS,
        open=OPEN,
    )  # fmt: skip
    write_units(tmp_path / "b.nwb", {1: [5.0]}, {"snr": [9.0]}, gratings=GRATINGS)
    (tmp_path / "map.csv").write_text(MAP)
    return tmp_path


def trains(folder, seed=0, **entry):
    """Times (ms) by node."""
    probe = {"input_type": "spikes", "module": "ecephys_probe", "input_file": "a.nwb",
             "node_set": "drive", "mapping": "units_map", "units": "map.csv"} | entry  # fmt: skip
    inputs = {"it": {k: v for k, v in probe.items() if v is not ...}}
    config = configuration() | {"inputs": inputs}
    config["run"]["random_seed"] = seed
    (found,) = load_simulation(write_config(folder, config)).inputs
    assert found.population == "drive" and (np.diff(found.times) >= 0).all()
    return {n: found.times[found.rows == n].round(6).tolist() for n in range(3)}


def sampled(folder, seed=0, **entry):
    return trains(folder, seed, **{"mapping": "sample", "units": {}} | entry)


def test_units_by_a_table(folder):
    assert trains(folder) == {0: [1000.0, 1050.0, 1200.0, 3000.0], 1: [1010.0, 2500.0],
                              2: [1100.0, 1100.5]}  # fmt: skip


def test_an_interval_is_moved_to_the_start(folder):
    assert trains(folder, interval=[1000.0, 1100.0]) == {0: [0.0, 50.0], 1: [10.0], 2: [100.0]}
    moved = trains(folder, interval=[1000.0, 1100.0], interval_offset=20.0)
    assert moved == {0: [20.0, 70.0], 1: [30.0], 2: [120.0]}


def test_intervals_of_units(folder):
    (folder / "map.csv").write_text(
        "node_ids unit_ids start_times stop_times\n0 950 1000 1100\n1 951 2000 3000\n2 970 0 1\n"
    )
    assert trains(folder, interval=[0.0, 9.0]) == {0: [0.0, 50.0], 1: [500.0], 2: []}


def test_two_nodes_may_have_other_intervals_of_one_unit(folder):
    (folder / "map.csv").write_text(
        "node_ids unit_ids start_times stop_times\n0 950 1000 1100\n1 951 0 9000\n2 950 1100 3000\n"
    )
    assert trains(folder) == {0: [0.0, 50.0], 1: [1010.0, 2500.0], 2: [100.0, 1900.0]}


def test_nodes_outside_the_node_set_are_silent(folder):
    """BMTK gives trains to all nodes of the population."""
    found = trains(folder, node_set={"population": "drive", "node_id": [2, 1]})
    assert found == {0: [], 1: [1010.0, 2500.0], 2: [1100.0, 1100.5]}


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ({"interval_name": "gratings", "interval_index": 1}, {0: [], 1: [500.0], 2: []}),
        ({"interval_name": "gratings_presentations", "orientation": 90, "block": "b"},
         {0: [], 1: [500.0], 2: []}),
        ({"interval_name": "gratings", "orientation": 0.0, "interval_index": -1},
         {0: [100.0], 1: [], 2: []}),
        ({"stimulus_name": "gratings", "stimulus_index": 0},
         {0: [0.0, 50.0], 1: [10.0], 2: [100.0]}),
        ({"interval_name": "gratings", "block": ["a"]},
         {0: [0.0, 50.0, 200.0, 2000.0], 1: [10.0, 1500.0], 2: [100.0, 100.5]}),
        ({"interval_name": "gratings", "stimulus_index": 7, "interval_index": 0},
         {0: [100.0], 1: [], 2: []}),
        ({"interval_name": "gratings", "stimulus_name": "x", "interval_index": 1},
         {0: [100.0], 1: [], 2: []}),
        ({"interval_name": "open", "interval_index": "all"},
         {0: [0.0, 50.0, 200.0], 1: [10.0], 2: [100.0, 100.5]}),
    ],
)  # fmt: skip
def test_intervals_of_a_stimulus(folder, interval, expected):
    assert trains(folder, interval=interval) == expected


def test_an_interval_holds_for_every_file(folder):
    (folder / "map.csv").write_text("node_ids unit_ids\n0 950\n1 1\n2 970\n")
    files = ["a.nwb", "b.nwb"]
    one = trains(folder, input_file=files, interval=[1000.0, 5500.0])
    assert one[1] == [4000.0] and one[0][:2] == [0.0, 50.0]
    each = trains(folder, input_file=files, interval=[[1000.0, 1100.0], [4500.0, 5500.0]])
    assert each == {0: [0.0, 50.0], 1: [500.0], 2: [100.0]}


@pytest.mark.parametrize(
    ("units", "of"),
    [
        ({"location": "LGd"}, {950, 970}),
        ({"location": ["LGd", "VISp"], "quality": "good"}, {950, 960, 970}),
        ({"snr": {"operation": ">", "value": 1.5}}, {951, 970}),
        ({"x": {"column": "snr", "operation": "<=", "value": 2}}, {950, 951}),
        ({"quality": {"operation": "!=", "value": "good"}}, {951}),
        ({"depth": 20, "snr": 2.0}, {951}),
        ({"channel_id": [8, 9]}, {951, 960, 970}),
        ({}, set(TRAINS)),
    ],
)
def test_units_are_chosen_by_columns(folder, units, of):
    seen = set()
    for seed in range(3):
        found = sampled(folder, seed, units=units, missing_ids="ignore")
        lists = {tuple(np.multiply(train, 1e3).round(6)): unit for unit, train in TRAINS.items()}
        mine = [lists[tuple(train)] for train in found.values()]
        filled = [unit for unit in mine if TRAINS[unit]]
        assert len(filled) == len(set(filled)) and set(filled) <= of
        seen |= set(mine)
    if len(of) <= 3:  # as many as there are nodes: each is dealt, every time
        assert seen - {960} == of - {960}


@pytest.mark.parametrize("again", [False, True])
def test_every_unit_is_as_likely_for_every_node(tmp_path, again):
    """Numbers of draws within five standard deviations of what chance makes of them."""
    nodes = NodePopulation("drive", np.arange(3), {}, tmp_path)
    counts = np.zeros((3, 4))
    for seed in range(400):
        entry = Entry("it", {}, tmp_path, None, 1.0, seed)
        (dealt,) = _sampled(entry, [(nodes, np.arange(3))], np.arange(4), again=again)
        assert again or len(set(dealt)) == 3
        counts[np.arange(3), dealt] += 1
    assert (np.abs(counts - 100.0) < 5 * np.sqrt(75.0)).all()


def test_what_a_node_gets_does_not_depend_on_its_place_in_the_file(tmp_path):
    ids = np.array([7, 3, 12, 5])
    entry = Entry(
        "it", {"missing_ids": "ignore"}, tmp_path, Circuit({}, [], {}, {}, tmp_path), 1.0, 0
    )
    found = []
    for order in (np.arange(4), np.array([2, 0, 3, 1])):
        nodes = NodePopulation("drive", ids[order], {}, tmp_path)
        (dealt,) = _sampled(entry, [(nodes, np.arange(4))], np.arange(20, 23), again=False)
        found.append(dict(zip(ids[order].tolist(), dealt.tolist(), strict=True)))
    assert found[0] == found[1] and sorted(found[0].values()) == [-1, 20, 21, 22]


def test_the_module_alone_counts(folder):
    assert trains(folder, input_type="nwb") == trains(folder)


def test_a_seed_of_its_own(folder):
    assert sampled(folder, 1, random_seed=2) == sampled(folder, 2) != sampled(folder, 1)


def test_units_that_run_out(folder, caplog):
    few = {"units": {"location": "LGd"}}
    with pytest.raises(IsocortexError, match=r"1 nodes have no unit: \d. Or set missing_ids"):
        sampled(folder, **few)
    found = sampled(folder, missing_ids="warn", **few)
    (without,) = [node for node, train in found.items() if not train]
    assert f"1 nodes have no unit: {without}" in caplog.text
    with pytest.raises(IsocortexError, match="no unit passes"):
        sampled(folder, mapping="sample_with_replacement", units={"location": "LGd", "snr": 9.0})


def test_nodes_without_a_unit(folder, caplog):
    (folder / "map.csv").write_text("node_ids unit_ids\n0 950\n1 951\n")
    with pytest.raises(IsocortexError, match="1 nodes have no unit: 2"):
        trains(folder)
    assert trains(folder, missing_ids="ignore")[2] == [] and "no unit" not in caplog.text
    assert trains(folder, missing_ids="warn")[2] == [] and "no unit: 2" in caplog.text


def test_an_interval_that_ends_before_it_begins_has_no_spikes(folder, caplog):
    """As in BMTK, one of whose examples has such an interval beside those of its units."""
    assert trains(folder, interval=[1100.0, 50.0]) == {0: [], 1: [], 2: []}
    assert "interval: an interval is from 1100 to 50 ms: no spike is in it" in caplog.text
    (folder / "map.csv").write_text(
        "node_ids unit_ids start_times stop_times\n0 950 1000 1100\n1 951 2000 3000\n2 970 0 1\n"
    )
    assert trains(folder, interval=[9.0, 0.0]) == {0: [0.0, 50.0], 1: [500.0], 2: []}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"mapping": ...}, "inputs.it.mapping: unknown mapping 'none'.*sample_with_replacement"),
        ({"input_file": ...}, "input_file: must be the path of an NWB file"),
        ({"input_file": "spikes.h5"}, "/units: group is missing"),
        ({"input_file": ["a.nwb", "a.nwb"]}, "unit 950 of .*a.nwb is there twice"),
        ({"units": ...}, "inputs.it.units: must be the path"),
        ({"interval": [1]}, r"inputs.it.interval: must be \[from, to\] in ms"),
        ({"interval": [[1, 2], [3, 4]]}, "holds 2 intervals for 1 files"),
        ({"interval": {"orientation": 0}}, "has no interval_name"),
        ({"interval": {"interval_name": "movie"}}, "no intervals 'movie'. It has gratings_pres"),
        ({"interval": {"interval_name": "gratings", "interval_index": 3}}, "is not one of 3"),
        ({"interval": {"interval_name": "gratings", "orientation": 5}}, "is of that kind"),
        ({"interval": {"interval_name": "open", "interval_index": 1}}, "from 1000 to nan ms"),
        ({"interval": {"interval_name": "gratings", "stimulus_index": 0}}, "is of that kind"),
        ({"interval": {"interval_name": "gratings", "orientation": "5"}}, "without quotes"),
        ({"simulation_offset": 5.0}, "Use interval_offset"),
        ({"node_set": "cells"}, "has no virtual nodes"),
        ({"dandi_repo": "dandi:1"}, "inputs.it.dandi_repo: unknown key"),
        ({"missing_ids": "panic", "node_set": "drive"}, "unknown choice 'panic'"),
    ],
)
def test_mistakes(folder, entry, message):
    with pytest.raises(IsocortexError, match=message):
        trains(folder, **entry)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"place": "LGd"}, "units.place: there is no column 'place'. There are channel_id, depth"),
        ({"snr": {"operation": "~", "value": 1}}, "units.snr: unknown operation '~'"),
        ({"snr": {"operation": "<"}}, "units.snr: needs operation and value"),
        ({"snr": "1"}, "holds numbers, and '1' is asked"),
        ({"location": 1}, "holds texts, and 1 is asked"),
        ({"snr": None}, "cannot compare with None"),
        ("map.csv", "units: must be filters by column"),
    ],
)
def test_mistakes_in_filters(folder, units, message):
    with pytest.raises(IsocortexError, match=message):
        sampled(folder, units=units)


def test_a_table_that_names_no_unit_of_the_files(folder):
    (folder / "map.csv").write_text("node_ids unit_ids\n0 1\n")
    with pytest.raises(IsocortexError, match="units: no file has unit 1"):
        trains(folder)
