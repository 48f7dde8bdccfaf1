"""Spike trains that scripts of BMTK make, read and write."""

import h5py
import numpy as np
import pytest

from isocortex.bmtk.utils.reports.spike_trains import (
    GammaSpikeGenerator,
    PoissonSpikeGenerator,
    SpikeTrains,
    pop_na,
    sort_order,
)
from isocortex.errors import ConfigError, InputError
from isocortex.sonata.write import write_nodes


def _trains():
    trains = SpikeTrains(default_population="v1")
    trains.add_spikes([2, 0, 2], [30.0, 10.0, 20.0])
    trains.add_spikes(5, [1.0, 2.0], population="lgn")
    trains.add_spike(0, 5.0)
    return trains


def test_spikes_are_kept_by_population():
    trains = _trains()
    assert trains.populations == ["v1", "lgn"] and len(trains) == 6
    assert trains.n_spikes() == 4 and trains.n_spikes("lgn") == 2
    assert trains.node_ids().tolist() == [0, 2] and trains.node_ids("none").tolist() == []
    assert trains.get_times(2).tolist() == [30.0, 20.0]
    assert trains.get_times(2, time_window=(0.0, 25.0)).tolist() == [20.0]
    assert trains.time_range("v1") == (5.0, 30.0)
    table = trains.to_dataframe(populations="v1", sort_order=sort_order.by_time)
    assert table["timestamps"].tolist() == [5.0, 10.0, 20.0, 30.0]
    assert list(trains.spikes(time_window=(1.0, 6.0), sort_order="by_id")) == [
        (5.0, "v1", 0), (1.0, "lgn", 5), (2.0, "lgn", 5),
    ]  # fmt: skip
    assert "population" not in trains.to_dataframe(with_population_col=False)
    assert len(SpikeTrains().to_dataframe()) == 0


@pytest.mark.parametrize(("write", "name"), [("to_sonata", "s.h5"), ("to_csv", "s.csv")])
def test_files_are_read_back(tmp_path, write, name):
    trains = _trains()
    getattr(trains, write)(tmp_path / "new" / name, sort_order=None)
    assert SpikeTrains.load(tmp_path / "new" / name) == trains
    getattr(trains, write)(tmp_path / "new" / name, sort_order=sort_order.by_id)
    again = SpikeTrains.load(tmp_path / "new" / name)
    assert sorted(again.spikes()) == sorted(trains.spikes())
    again.merge(trains)
    assert len(again) == 12
    with pytest.raises(ConfigError, match="mode 'a' is not supported"):
        getattr(trains, write)(tmp_path / name, mode="a")


def test_trains_are_equal_by_their_spikes():
    trains, same = _trains(), SpikeTrains(units="s")
    same.add_spikes([0, 0, 2, 2], [0.005, 0.01, 0.03, 0.02], "v1")
    assert trains != same and trains.is_equal(same, populations="v1")
    same.add_spikes([5, 5], [0.002, 0.001 + 1e-9], "lgn")
    assert trains == same and trains != "spikes"
    same.add_spike(2, 0.04, "v1")
    assert trains != same and trains.is_equal(same, time_window=(0.0, 35.0))
    assert not trains.is_equal(same, ["lgn", "v1"]) and trains.is_equal(same, ["lgn", "none"])
    assert len(trains.to_dataframe(sort_order=None)) == len(list(trains.spikes(sort_order=None)))
    late, later = SpikeTrains("v1"), SpikeTrains("v1")
    late.add_spikes([1, 2], [5.0, 6.0])
    later.add_spikes([1, 1], [5.0, 6.0])
    assert late != later


def test_files_without_populations_and_of_recordings(tmp_path):
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["spikes/gids"], file["spikes/timestamps"] = [1, 2], [3.0, 4.0]
    old = SpikeTrains.load(tmp_path / "old.h5")
    assert old.populations == [pop_na] and old.get_times(2).tolist() == [4.0]
    (tmp_path / "old.csv").write_text("gid spike-times\n7 1.0,2.5\n")
    assert SpikeTrains.load(tmp_path / "old.csv").get_times(7).tolist() == [1.0, 2.5]
    with pytest.raises(InputError, match="NWB"):
        SpikeTrains.load(tmp_path / "s.nwb")


def test_poisson_trains(tmp_path):
    write_nodes(tmp_path / "nodes.h5", "lgn", np.zeros(200, int))
    trains = PoissonSpikeGenerator(population="lgn", seed=3)
    trains.add(tmp_path / "nodes.h5", firing_rate=20.0, times=(1.0, 6.0), population="lgn")
    assert trains.units() == "ms" and len(trains.node_ids()) == 200
    assert trains.n_spikes() == pytest.approx(20 * 5 * 200, rel=0.03)
    low, high = trains.time_range()
    assert 1000.0 <= low < high <= 6000.0
    again = PoissonSpikeGenerator(population="lgn", seed=3)
    again.add(range(200), 20.0, times=(1.0, 6.0))
    assert list(again.spikes()) == list(trains.spikes())
    seconds = PoissonSpikeGenerator(population="lgn", seed=3, output_units="s")
    seconds.add(range(200), 20.0, times=(1.0, 6.0))
    np.testing.assert_allclose(1000 * seconds.get_times(4), trains.get_times(4))
    seconds.to_sonata(tmp_path / "s.h5")
    np.testing.assert_allclose(SpikeTrains.load(tmp_path / "s.h5").get_times(4),
                               np.sort(trains.get_times(4)))  # fmt: skip


def test_rates_that_change_and_cells_that_rest():
    ramp = PoissonSpikeGenerator(seed=1)
    ramp.add(range(300), firing_rate=[0.0, 40.0], times=[0.0, 2.0])
    times = ramp.to_dataframe()["timestamps"]
    assert len(times) == pytest.approx(300 * 40, rel=0.04)
    assert (times < 1000.0).mean() == pytest.approx(0.25, abs=0.02)
    resting = PoissonSpikeGenerator(seed=1)
    resting.add(range(100), firing_rate=30.0, times=2.0, abs_ref=0.005, tau_ref=0.003)
    assert len(resting) == pytest.approx(100 * 30 * 2, rel=0.05)
    assert min(np.diff(resting.get_times(k)).min() for k in range(100)) > 5.0
    gamma = GammaSpikeGenerator(seed=1)
    gamma.add(range(100), firing_rate=20.0, a=4.0, times=(0.0, 5.0))
    intervals = np.concatenate([np.diff(gamma.get_times(k)) for k in range(100)])
    assert intervals.std() / intervals.mean() == pytest.approx(0.5, abs=0.03)
    quiet = PoissonSpikeGenerator(seed=1)
    quiet.add([1, 2], 0.0)
    assert len(quiet) == 0
    quiet.add([3], 20.0)
    first = np.random.RandomState(1).uniform(size=3)[2]  # noqa: NPY002
    assert quiet.get_times(3)[0] == pytest.approx(-1000 * np.log(1 - first) / 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"firing_rate": -1.0}, "must not be negative"),
        ({"firing_rate": 1.0, "times": (2.0, 1.0)}, "no time"),
        ({"firing_rate": [1.0, 2.0, 3.0]}, "3 rates at 2 times"),
        ({"firing_rate": 900.0, "abs_ref": 0.01}, "no rate above 36"),
    ],
)
def test_impossible_trains_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        PoissonSpikeGenerator().add([0], **arguments)
    with pytest.raises(ConfigError, match="unknown units"):
        SpikeTrains(units="h")
