"""Results as NWB files and Neo blocks: every number is that of the results."""

import json
import sys
from unittest.mock import patch

import h5py
import numpy as np
import pytest
from command_line import isocortex, one_line
from library_circuit import clamp, poisson, potentials, report, write_library_circuit

import isocortex as ic
from isocortex.errors import ConfigError, InputError
from isocortex.export import neo_block, write_nwb
from isocortex.export.to_neo import _quantity

CELLS = {"population": "cells"}
END = 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("c")


@pytest.fixture(scope="module")
def result(folder):
    """Three cells, one of which is silent."""
    place = {"x": [0.0], "y": [0.0], "z": [0.0], "layer": ["L2/3"], "location": ["VISp"]}
    config = write_library_circuit(
        folder, cells=3, edges=[(0, 0, 40)], run={"tstop": END, "dt": 0.1}, place=place,
        inputs={"drive": poisson(), "clamp": clamp(0.4, (1,), duration=15.0)},
        reports={
            "v": report("v", "all", CELLS),
            "calcium": report("cai", "soma", CELLS, dt=0.5, start_time=5.0, end_time=15.0),
            "current": report("ina", "soma", CELLS),
            "gate": report("O_NaV", "soma", CELLS),
            "field": potentials(folder, CELLS),
            "far": potentials(folder, CELLS, minimum_distance=100.0, dt=0.2),
            "moment": {"module": "current_dipole", "cells": CELLS, "dt": 0.2},
        },
    )  # fmt: skip
    return ic.run(config, output_dir=folder / "output", progress=None)


@pytest.fixture(scope="module")
def path(result, tmp_path_factory):
    pytest.importorskip("pynwb")
    return write_nwb(result, tmp_path_factory.mktemp("nwb") / "run.nwb")


@pytest.fixture
def file(path):
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(path, "r") as disk:
        yield disk.read()


@pytest.fixture(scope="module")
def segment(result):
    pytest.importorskip("neo")
    (segment,) = neo_block(result).segments
    return segment


def spikes_of(result, node):
    mine = result.spikes[result.spikes["node_ids"] == node]
    return np.sort(mine["timestamps"].to_numpy())


def samples(result, name):
    """A report as it lies in its file, and its first sample and interval, ms."""
    if name in result.reports:
        data = result.report(name)
    elif name in result.potentials:
        data = result.potential(name)
    else:
        data = result.dipole(name)
    values = data.values.reshape(len(data), -1)
    return values, float(data["time"][0]), float(data["time"][1] - data["time"][0])


POTENTIALS = ("field", "far")
EVERY = ("v", "calcium", "current", "gate", "moment", *POTENTIALS)


def series_of(file, name):
    if name in POTENTIALS:
        return file.processing["ecephys"]["LFP"][name]
    return file.acquisition[name]


def test_a_result_is_worth_exporting(result):
    assert [len(spikes_of(result, node)) > 0 for node in range(3)] == [True, True, False]
    assert {*result.reports, *result.potentials, *result.dipoles} == set(EVERY)


def test_pynwb_finds_the_file_valid(path):
    import pynwb

    assert pynwb.validate(path=path) == []


def test_the_file_follows_the_practices_of_archives(path):
    """But for what a simulation does not have, and what this one has fewer of than usual."""
    inspector = pytest.importorskip("nwbinspector")
    assert {message.check_function_name for message in inspector.inspect_nwbfile(path)} == {
        "check_subject_exists", "check_experimenter_exists", "check_institution",
        "check_experiment_description",
        "check_keywords",  # which Neo could not read
        "check_column_binary_capability",  # of two cells: their ids are 0 and 1
        "check_data_orientation",  # more compartments than samples
    }  # fmt: skip


def test_units_are_all_cells_with_their_spikes_to_the_bit(result, file):
    units = file.units
    assert units["node_id"][:].tolist() == [0, 1, 2]
    assert set(units["population"][:]) == {"cells"}
    for node in range(3):
        assert np.array_equal(units.get_unit_spike_times(node), spikes_of(result, node) / 1000.0)
        assert units.get_unit_obs_intervals(node).tolist() == [[0.0, END / 1000.0]]
    assert units.resolution == 0.1 / 1000.0


def test_times_of_spikes_in_ms_come_back_by_rounding(result, file):
    """Steps are short decimals in ms, which seconds times a thousand miss by the last bit."""
    for node in range(2):
        ms = np.round(1000.0 * file.units.get_unit_spike_times(node), 9)
        assert np.array_equal(ms, spikes_of(result, node))


def test_units_have_the_attributes_of_their_nodes(file):
    assert set(file.units["layer"][:]) == {"L2/3"}
    assert set(file.units["location"][:]) == {"VISp"}
    assert set(file.units["x"][:]) == {0.0}
    assert set(file.units["model_type"][:]) == {"biophysical"}


@pytest.mark.parametrize("name", EVERY)
def test_reports_are_there_sample_for_sample(result, file, name):
    values, start, dt = samples(result, name)
    series = series_of(file, name)
    found = series.data[:].reshape(len(values), -1)
    assert found.dtype == values.dtype
    assert np.array_equal(found, values)
    assert series.starting_time == pytest.approx(start / 1000.0, rel=1e-12)
    assert series.rate == pytest.approx(1000.0 / dt, rel=1e-9)


def test_units_of_measurement(file):
    told = {name: (series_of(file, name).unit, series_of(file, name).conversion) for name in EVERY}
    assert told == {
        "v": ("volts", 1e-3), "calcium": ("molar", 1e-3), "current": ("mA/cm2", 1.0),
        "gate": ("1", 1.0), "moment": ("nA um", 1.0),
        "field": ("volts", 1e-3), "far": ("volts", 1e-3),
    }  # fmt: skip


def test_columns_of_recordings_are_told(result, file):
    table, data = file.processing["misc"]["v"], result.report("v")
    for name in ("node_id", "element_id", "element_pos"):
        assert np.array_equal(table[name][:], data[name].values)
    assert table["unit"].data[:].tolist() == data["node_id"].values.tolist()
    assert table["unit"].table is file.units
    assert file.processing["misc"]["moment"]["axis"][:].tolist() == ["x", "y", "z"]


def test_contacts_are_electrodes(result, file):
    for name in ("field", "far"):
        table = series_of(file, name).electrodes[:]
        potential = result.potential(name)
        for axis in "xyz":
            assert np.array_equal(table[axis], potential[axis].values)
        assert table["channel"].tolist() == potential["channel"].values.tolist()
        assert set(table["group_name"]) == {name}


def test_the_session_tells_what_was_run(result, file):
    assert file.session_start_time.isoformat() == result.run_summary.started
    told = json.loads(file.notes)
    where = result.provenance["run"]["config_file"]
    assert where.endswith(f"/{told['run']['config_file']}")
    told["run"]["config_file"] = where
    assert told == result.provenance
    assert "3 of cells, 0 to 20 ms, dt 0.1 ms, seed " in file.session_description
    assert ["Isocortex", ic.__version__] in file.was_generated_by[:].tolist()


def test_reports_are_written_in_pieces(result, file, tmp_path):
    with patch("isocortex.export.to_nwb.AT_ONCE", 1e-5):  # 10 kB
        again = write_nwb(result, tmp_path / "pieces.nwb")
    with h5py.File(again) as pieces:
        assert np.array_equal(pieces["acquisition/v/data"][:], file.acquisition["v"].data[:])


def test_neo_reads_the_file(result, path):
    """All but potentials; units of areas and of moments it does not know and leaves out."""
    neo = pytest.importorskip("neo")
    with patch("neo.io.nwbio.logger"):
        (block,) = neo.io.NWBIO(str(path), mode="r").read_all_blocks()
    (segment,) = block.segments
    for node, train in enumerate(segment.spiketrains):
        assert np.array_equal(train.magnitude, spikes_of(result, node) / 1000.0)
    signals = {signal.name: signal for signal in segment.analogsignals}
    assert set(signals) == set(EVERY) - set(POTENTIALS)
    for name in signals:
        values, _, _ = samples(result, name)
        assert np.array_equal(signals[name].magnitude.reshape(len(values), -1), values)
    assert str(signals["v"].units.dimensionality) == "mV"
    assert str(signals["calcium"].units.dimensionality) == "mM"


def test_a_block_has_every_spike_in_ms_to_the_bit(result, segment):
    assert len(segment.spiketrains) == 3
    for node, train in enumerate(segment.spiketrains):
        assert str(train.units.dimensionality) == "ms"
        assert np.array_equal(train.magnitude, spikes_of(result, node))
        assert train.annotations["node_id"] == node
        assert train.annotations["population"] == "cells"
        assert train.annotations["layer"] == "L2/3"
        assert (float(train.t_start), float(train.t_stop)) == (0.0, END)


def test_a_block_has_every_sample_to_the_bit(result, segment):
    signals = {signal.name: signal for signal in segment.analogsignals}
    for name in EVERY:
        values, start, dt = samples(result, name)
        assert np.array_equal(signals[name].magnitude, values)
        assert float(signals[name].t_start) == start
        assert float(signals[name].sampling_period) == pytest.approx(dt, rel=1e-9)
    units = {name: signal.dimensionality.string for name, signal in signals.items()}
    assert (units["v"], units["calcium"], units["current"]) == ("mV", "mM", "mA/cm**2")
    assert units["gate"] == "dimensionless"
    assert signals["gate"].annotations["units_told"] == result.report("gate").attrs["units"]
    nodes = signals["v"].array_annotations["node_id"]
    assert np.array_equal(nodes, result.report("v")["node_id"].values)


@pytest.mark.parametrize("units", ["", "1", "none", "NONE", "n/a", "leagues of", "not (one", "2 3"])
def test_units_that_neo_does_not_have_are_none(units):
    pytest.importorskip("neo")
    assert _quantity(units) == "dimensionless"


def test_a_block_is_of_the_session(result):
    pytest.importorskip("neo")
    block = neo_block(result)
    assert block.rec_datetime.isoformat() == result.run_summary.started
    assert block.annotations["seed"] == result.provenance["seed"]
    assert block.annotations["simulator"] == "Isocortex"


def test_cells_are_no_loop(tmp_path):
    """A loop over a million of them would take minutes."""
    pynwb, n = pytest.importorskip("pynwb"), 10_000
    rng = np.random.default_rng(1)
    ids = rng.integers(0, n, 2 * n)
    with h5py.File(tmp_path / "spikes.h5", "w") as spikes:
        spikes["spikes/cells/node_ids"] = ids.astype(np.uint64)
        spikes["spikes/cells/timestamps"] = np.round(rng.uniform(0.0, 100.0, 2 * n), 1)
    (tmp_path / "provenance.json").write_text(
        json.dumps({"simulator": "Isocortex 0", "run": {"populations": {"cells": [[0, n]]}}})
    )
    result = ic.Result(tmp_path)
    looked = AssertionError("cells are added one by one")
    with (
        patch("pynwb.misc.Units.add_unit", side_effect=looked),
        patch("hdmf.common.DynamicTable.add_row", side_effect=looked),
    ):
        path = write_nwb(result, tmp_path / "many.nwb")
    with pynwb.NWBHDF5IO(path, "r") as disk:
        units = disk.read().units
        assert len(units) == n
        for node in (0, 1, n - 1):
            assert np.array_equal(
                units.get_unit_spike_times(node), spikes_of(result, node) / 1000.0
            )


def test_results_of_several_populations_and_another_simulator(tmp_path, caplog):
    """Without circuit and provenance cells have ids and populations only, and that is said."""
    pynwb = pytest.importorskip("pynwb")
    with h5py.File(tmp_path / "spikes.h5", "w") as spikes:
        for name, ids in (("b", [7, 3, 7]), ("a", [3])):
            spikes[f"spikes/{name}/node_ids"] = np.array(ids, np.uint64)
            spikes[f"spikes/{name}/timestamps"] = np.arange(len(ids), 0.0, -1.0)
    path = write_nwb(ic.Result(tmp_path), tmp_path / "other.nwb")
    assert "Cells go without attributes" in caplog.text
    with pynwb.NWBHDF5IO(path, "r") as disk:
        units = disk.read().units
        told = list(zip(units["population"][:], units["node_id"][:].tolist(), strict=True))
        assert told == [("a", 3), ("b", 3), ("b", 7)]
        trains = [units.get_unit_spike_times(k).tolist() for k in range(3)]
        assert trains == [[0.001], [0.002], [0.001, 0.003]]
        assert [units.get_unit_obs_intervals(k).tolist() for k in range(3)] == [[[0.0, 0.003]]] * 3
    assert pynwb.validate(path=path) == []


def test_an_attribute_that_nwb_has_a_word_for_gets_another_name(tmp_path, folder, result):
    pynwb = pytest.importorskip("pynwb")
    place = {
        "electrodes": [3], "name": ["one"], "two words": ["a/b"], "id": [4], "node_id": [5],
        "population": ["p"], "a/b": [6], "a_b": [7], "spike_times_index": [8],
        "node_electrodes": [9], "a_index": [10], "a": [11],
    }  # fmt: skip
    config = write_library_circuit(tmp_path, cells=3, place=place)
    run = ic.run(config, output_dir=tmp_path / "output", tstop=1.0, progress=None)
    path = write_nwb(run, tmp_path / "words.nwb")
    with pynwb.NWBHDF5IO(path, "r") as disk:
        units = disk.read().units
        told = {"node_electrodes": 3, "node_id": 0, "node_node_id": 4, "a_b": 6, "node_a_b": 7,
                "node_spike_times_index": 8, "node_node_electrodes": 9, "a_index": 10,
                "a": 11}  # fmt: skip
        assert {name: units[name][0] for name in told} == told
        assert set(units["node_name"][:]) == {"one"}
    assert pynwb.validate(path=path) == []


def test_an_attribute_that_neo_has_a_word_for_gets_another_name(tmp_path):
    pytest.importorskip("neo")
    config = write_library_circuit(tmp_path, place={"units": ["a"], "t_stop": [3.0]})
    run = ic.run(config, output_dir=tmp_path / "output", tstop=1.0, progress=None)
    train = neo_block(run).segments[0].spiketrains[0]
    assert (train.annotations["node_units"], train.annotations["node_t_stop"]) == ("a", 3.0)


def test_another_circuit_than_the_results_is_refused(result, tmp_path):
    pytest.importorskip("pynwb")
    config = write_library_circuit(tmp_path, cells=2)
    with pytest.raises(InputError, match="another was built"):
        write_nwb(result, tmp_path / "x.nwb", config)
    assert not (tmp_path / "x.nwb").exists()


def test_the_command_writes_the_file(result, tmp_path):
    pytest.importorskip("pynwb")
    path = tmp_path / "more" / "run.nwb"
    status, printed, error = isocortex("export", result.directory, "--nwb", path)
    assert (status, printed, error) == (0, f"Written: {path}\n", "")
    assert [file.name for file in path.parent.iterdir()] == ["run.nwb"]
    one_line(isocortex("export", result.directory, "--nwb", tmp_path / "a"), "Call it a.nwb")


@pytest.mark.parametrize(
    ("package", "call"),
    [("pynwb", lambda result, path: write_nwb(result, path)),
     ("neo", lambda result, path: neo_block(result))],
)  # fmt: skip
def test_what_is_not_installed_is_named(result, tmp_path, package, call):
    extra = {"pynwb": "nwb"}.get(package, package)
    with patch.dict(sys.modules, {package: None}):
        with pytest.raises(ConfigError, match=rf"pip install 'isocortex\[{extra}\]'"):
            call(result, tmp_path / "x.nwb")
