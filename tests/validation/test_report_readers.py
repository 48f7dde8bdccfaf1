"""What BMTK and libsonata read from our files is what was written."""

import numpy as np
import pytest

from isocortex.report import MembraneReport, SpikeWriter

IDS = np.array([4, 0, 4, 2, 2])
TIMES = np.array([7.1, 3.0, 0.5, 3.0, 0.4])
ORDERS = ["by_time", "by_id", None]


@pytest.fixture(params=ORDERS)
def spikes(request, tmp_path):
    path, csv = tmp_path / "spikes.h5", tmp_path / "spikes.csv"
    with SpikeWriter(path, ["v1", "lgn", "silent"], request.param, csv) as writer:
        writer.append("v1", IDS, TIMES)
        writer.append("lgn", [1], [2.0])
    order = {"by_time": [4, 2, 1, 3, 0], "by_id": [1, 4, 3, 2, 0], None: [0, 1, 2, 3, 4]}
    return path, csv, request.param or "none", order[request.param]


@pytest.fixture
def report(tmp_path):
    """Two populations; the second interrupted after 1100 of 3000 samples."""
    path, data = tmp_path / "v.h5", np.random.default_rng(1).normal(-70, 5, (3000, 4))
    cells = {
        "node_ids": [3, 8], "index_pointer": [0, 3, 4], "element_ids": [0, 1, 1, 0],
        "element_pos": [0.5, 0.25, 0.75, 0.5], "start": 0.0, "stop": 300.0, "dt": 0.1,
        "n_samples": 3000,
    }  # fmt: skip
    with (
        MembraneReport(path, "v1", "v", "mV", **cells) as whole,
        MembraneReport(path, "lgn", "v", "mV", **cells, mode="a") as part,
    ):
        for begin in range(0, 3000, 50):
            whole.append(data[begin : begin + 50])
        part.append(data[:1100])
    return path, data.astype(np.float32)


def test_libsonata_reads_spikes(spikes):
    libsonata = pytest.importorskip("libsonata")
    path, _, sorting, order = spikes
    reader = libsonata.SpikeReader(str(path))
    assert sorted(reader.get_population_names()) == ["lgn", "silent", "v1"]
    assert reader["v1"].sorting == sorting
    assert reader["v1"].get() == list(zip(IDS[order], TIMES[order], strict=True))
    assert reader["v1"].get(node_ids=[2], tstart=1.0) == [(2, 3.0)]
    assert reader["silent"].get() == []


def test_bmtk_reads_spikes(spikes):
    SpikeTrains = pytest.importorskip("bmtk.utils.reports.spike_trains").SpikeTrains
    path, csv, _, order = spikes
    trains = SpikeTrains.load(str(path))
    assert sorted(trains.populations) == ["lgn", "silent", "v1"]
    assert trains.units() == "ms"
    assert sorted(trains.get_times(4, population="v1")) == [0.5, 7.1]
    table = trains.to_dataframe(populations="v1")
    assert table["timestamps"].tolist() == TIMES[order].tolist()
    assert table["node_ids"].tolist() == IDS[order].tolist()
    assert trains.to_dataframe(populations="silent").empty
    from_csv = SpikeTrains.load(str(csv))
    assert sorted(from_csv.get_times(4, population="v1")) == [0.5, 7.1]


def test_libsonata_reads_the_report(report):
    libsonata = pytest.importorskip("libsonata")
    path, data = report
    reader = libsonata.ElementReportReader(str(path))
    assert sorted(reader.get_population_names()) == ["lgn", "v1"]
    whole = reader["v1"]
    assert whole.times == (0.0, 300.0, 0.1)
    assert (whole.time_units, whole.data_units, whole.sorted) == ("ms", "mV", True)
    assert whole.get_node_ids() == [3, 8]
    frame = whole.get()
    np.testing.assert_array_equal(frame.data[:3000], data)
    assert np.asarray(frame.ids).tolist() == [[3, 0], [3, 1], [3, 1], [8, 0]]
    np.testing.assert_array_equal(whole.get(node_ids=[8]).data[:3000], data[:, 3:])
    np.testing.assert_array_equal(reader["lgn"].get().data[:1100], data[:1100])


def test_bmtk_reads_the_report(report):
    compartment = pytest.importorskip("bmtk.utils.reports.compartment")
    path, data = report
    reader = compartment.CompartmentReport.load(str(path))
    assert sorted(reader.populations) == ["lgn", "v1"]
    assert (reader.variable("v1"), reader.units("v1")) == ("v", "mV")
    assert (reader.tstart("v1"), reader.tstop("v1"), reader.dt("v1")) == (0.0, 300.0, 0.1)
    np.testing.assert_array_equal(reader.data(population="v1"), data)
    np.testing.assert_array_equal(reader.data(node_id=3, population="v1"), data[:, :3])
    assert reader.element_ids(node_id=3, population="v1").tolist() == [0, 1, 1]
    assert reader["lgn"].n_steps() == 1100
    np.testing.assert_array_equal(reader.data(population="lgn"), data[:1100])
