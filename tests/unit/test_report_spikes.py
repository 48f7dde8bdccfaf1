import errno
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from isocortex.errors import ConfigError, SimulationError
from isocortex.report import SpikeWriter, spikes


def read(path, population):
    with h5py.File(path) as file:
        group = file["spikes"][population]
        sorting = {0: "none", 1: "by_id", 2: "by_time"}[int(group.attrs["sorting"])]
        return group["node_ids"][:].tolist(), group["timestamps"][:].tolist(), sorting


def fill(writer):
    writer.append("v1", [3, 1], [5.0, 5.0])
    writer.append("lgn", 0, 2.5)
    writer.append("v1", [3, 2], [1.5, 9.25])


@pytest.mark.parametrize(
    ("sort", "ids", "times"),
    [
        ("by_time", [3, 1, 3, 2], [1.5, 5.0, 5.0, 9.25]),
        ("time", [3, 1, 3, 2], [1.5, 5.0, 5.0, 9.25]),
        ("by_id", [1, 2, 3, 3], [5.0, 9.25, 1.5, 5.0]),
        (None, [3, 1, 3, 2], [5.0, 5.0, 1.5, 9.25]),
    ],
)
def test_round_trip_in_every_order(tmp_path, sort, ids, times):
    with SpikeWriter(tmp_path / "spikes.h5", ["v1", "lgn", "silent"], sort) as writer:
        fill(writer)
    expected = {"time": "by_time", None: "none"}.get(sort, sort)
    assert read(tmp_path / "spikes.h5", "v1") == (ids, times, expected)
    assert read(tmp_path / "spikes.h5", "lgn") == ([0], [2.5], expected)
    assert read(tmp_path / "spikes.h5", "silent") == ([], [], expected)


def test_layout_is_sonata(tmp_path):
    facts = {"simulator": "Isocortex", "seed": 7, "machine": {"cores": 2}}
    with SpikeWriter(tmp_path / "spikes.h5", ["v1"], provenance=facts) as writer:
        writer.append("v1", [0], [1.0])
    with h5py.File(tmp_path / "spikes.h5") as file:
        assert file.attrs["magic"] == 0x0A7A
        assert file.attrs["version"].tolist() == [0, 1]
        assert file.attrs["seed"] == 7
        assert file.attrs["machine"] == '{"cores": 2}'
        group = file["spikes/v1"]
        assert group["timestamps"].attrs["units"] == "ms"
        assert group["timestamps"].dtype == np.float64
        assert group["node_ids"].dtype == np.uint64
        assert h5py.check_enum_dtype(group.attrs.get_id("sorting").dtype) == {
            "none": 0,
            "by_id": 1,
            "by_time": 2,
        }


def test_csv_is_bmtks(tmp_path):
    with SpikeWriter(tmp_path / "s.h5", ["v1", "lgn"], "by_time", tmp_path / "s.csv") as writer:
        fill(writer)
    assert (tmp_path / "s.csv").read_bytes() == (
        b"timestamps population node_ids\n1.5 v1 3\n2.5 lgn 0\n5.0 v1 1\n5.0 v1 3\n9.25 v1 2\n"
    )
    with SpikeWriter(tmp_path / "e.h5", ["v1"], None, tmp_path / "e.csv"):
        pass
    assert (tmp_path / "e.csv").read_text() == "timestamps population node_ids\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.csv", "e.h5", "s.csv", "s.h5"]


def test_unknown_order_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="spikes_sort_order"):
        SpikeWriter(tmp_path / "s.h5", ["v1"], "by_colour")


KILLED = """
import sys, time
from isocortex.report import SpikeWriter, spikes
writer = SpikeWriter(sys.argv[1], ["v1"], "by_time")
writer.append("v1", range(50000), [float(t) for t in range(50000)])
writer.flush()
writer.append("v1", [7], [99.0])
print("flushed", flush=True)
time.sleep(60)
"""


def test_killed_run_leaves_a_readable_file(tmp_path):
    path = tmp_path / "spikes.h5"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "flushed\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    ids, times, sorting = read(path, "v1")
    assert ids == list(range(50000))
    assert times[-1] == 49999.0
    assert sorting == "none"


def test_appends_reach_the_disk_without_being_asked(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(spikes, "time", SimpleNamespace(monotonic=lambda: clock.now))
    writer = SpikeWriter(tmp_path / "s.h5", ["v1"], flush_interval=0.01)
    writer.append("v1", [1], [1.0])
    writer.reach(1.5)
    clock.now = 0.02
    writer.append("v1", [2], [2.0])
    writer.reach(2.5)
    assert read(tmp_path / "s.h5", "v1")[0] == [1, 2]
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["spikes"].attrs["reached"] == 2.5
    writer.close()


def test_full_disk_names_the_file_and_keeps_what_was_flushed(tmp_path, monkeypatch):
    path = tmp_path / "spikes.h5"
    writer = SpikeWriter(path, ["v1"])
    writer.append("v1", [1, 2], [1.0, 2.0])
    writer.flush()
    writer.append("v1", [3], [3.0])
    write = h5py.Dataset.__setitem__

    def full(dataset, *arguments):
        if dataset.name.endswith("node_ids"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(dataset, *arguments)

    monkeypatch.setattr(h5py.Dataset, "__setitem__", full)
    with pytest.raises(SimulationError, match=r"spikes\.h5.*No space left"):
        writer.flush()
    monkeypatch.undo()
    writer.close()
    assert read(path, "v1") == ([1, 2], [1.0, 2.0], "none")


def test_disk_full_while_sorting_keeps_the_unsorted_file(tmp_path, monkeypatch):
    path = tmp_path / "spikes.h5"
    writer = SpikeWriter(path, ["v1"])
    writer.append("v1", [1, 2], [2.0, 1.0])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SpikeWriter, "_write_final", full)
    with pytest.raises(SimulationError, match="unsorted"):
        writer.close()
    assert read(path, "v1") == ([1, 2], [2.0, 1.0], "none")
    assert [p.name for p in tmp_path.iterdir()] == ["spikes.h5"]


def test_unwritable_folder(tmp_path):
    with pytest.raises(SimulationError, match="absent"):
        SpikeWriter(tmp_path / "absent" / "spikes.h5", ["v1"])
