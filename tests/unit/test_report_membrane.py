import errno
import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from isocortex.errors import SimulationError
from isocortex.report import MembraneReport

CELLS = {
    "node_ids": [2, 5],
    "index_pointer": [0, 1, 3],
    "element_ids": [0, 0, 4],
    "element_pos": [0.5, 0.5, 0.25],
}


def make(path, population="v1", n_samples=2500, dt=0.1, **options):
    times = {"start": 0.0, "stop": n_samples * dt, "dt": dt, "n_samples": n_samples}
    return MembraneReport(path, population, "v", "mV", **CELLS, **times, **options)


def values(n_samples):
    return np.arange(n_samples * 3, dtype=float).reshape(n_samples, 3) / 8


def blocks(data, size):
    return (data[begin : begin + size] for begin in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 7, 1000, 2500])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_round_trip(tmp_path, size, dtype):
    data = values(2500)
    with make(tmp_path / "v.h5", dtype=dtype, provenance={"seed": 3}) as report:
        for block in blocks(data, size):
            report.append(block)
    with h5py.File(tmp_path / "v.h5") as file:
        assert file.attrs["magic"] == 0x0A7A
        assert file.attrs["seed"] == 3
        group = file["report/v1"]
        assert group["data"].dtype == dtype
        np.testing.assert_array_equal(group["data"][:], data.astype(dtype))
        assert group["data"].attrs["variable"] == group["data"].attrs["variable_name"] == "v"
        assert group["data"].attrs["units"] == "mV"
        assert group["mapping/time"][:].tolist() == [0.0, 250.0, 0.1]
        for name, expected in CELLS.items():
            assert group["mapping"][name][:].tolist() == expected


def test_two_populations_interleaved_in_one_file(tmp_path):
    data = values(2500)
    with make(tmp_path / "v.h5") as first, make(tmp_path / "v.h5", "lgn", mode="a") as second:
        for block in blocks(data, 300):
            first.append(block)
            second.append(-block)
    with h5py.File(tmp_path / "v.h5") as file:
        np.testing.assert_array_equal(file["report/v1/data"][:], data.astype("f4"))
        np.testing.assert_array_equal(file["report/lgn/data"][:], -data.astype("f4"))


def test_the_same_population_twice_is_refused(tmp_path):
    with make(tmp_path / "v.h5"):
        pass
    with pytest.raises(SimulationError, match="already holds"):
        make(tmp_path / "v.h5", mode="a")


@pytest.mark.parametrize("dt", [0.1, 0.025, 1 / 3])
@pytest.mark.parametrize("rows", [0, 1, 3, 1001])
def test_interrupted_report_is_trimmed(tmp_path, rows, dt):
    with pytest.raises(KeyboardInterrupt), make(tmp_path / "v.h5", dt=dt) as report:
        report.append(values(rows))
        raise KeyboardInterrupt
    with h5py.File(tmp_path / "v.h5") as file:
        assert file["report/v1/data"].shape == (rows, 3)
        start, stop, step = file["report/v1/mapping/time"][:]
        assert int((stop - start) / step) == rows  # how BMTK counts them
        assert stop == pytest.approx(rows * dt)


KILLED = """
import sys, time
import numpy as np
from isocortex.report import MembraneReport
report = MembraneReport(sys.argv[1], "v1", "v", "mV", node_ids=[0], index_pointer=[0, 3],
                        element_ids=[0, 1, 1], element_pos=[0.5, 0.3, 0.7], start=0.0, stop=500.0,
                        dt=0.1, n_samples=5000)
report.append(np.ones((1500, 3)))
print("flushed", flush=True)
time.sleep(60)
"""


def test_killed_run_leaves_a_readable_file(tmp_path):
    path = tmp_path / "v.h5"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "flushed\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["report/v1/data"][:], np.ones((1000, 3)))
        assert file["report/v1/mapping/time"][1] == pytest.approx(100.0)


def test_full_disk_names_the_file_and_keeps_what_was_flushed(tmp_path, monkeypatch):
    path, data = tmp_path / "v.h5", values(2500)
    report = make(path)
    report.append(data[:1200])
    write = h5py.Dataset.__setitem__

    def full(dataset, *arguments):
        if dataset.name.endswith("data"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(dataset, *arguments)

    monkeypatch.setattr(h5py.Dataset, "__setitem__", full)
    with pytest.raises(SimulationError, match=r"v\.h5.*No space left"):
        report.append(data[1200:])
    report.close()
    monkeypatch.undo()
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["report/v1/data"][:], data[:1000].astype("f4"))
        assert file["report/v1/mapping/time"][1] == pytest.approx(100.0)


LIMITED = """
import resource, signal, sys
import numpy as np
from isocortex.errors import SimulationError
from isocortex.report import MembraneReport
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
elements = 256
report = MembraneReport(sys.argv[1], "v1", "v", "mV", node_ids=[0],
                        index_pointer=[0, elements], element_ids=range(elements),
                        element_pos=[0.5] * elements, start=0.0, stop=1000.0, dt=0.1,
                        n_samples=10000)
try:
    for k in range(100):
        report.append(np.full((100, elements), float(k)))
except SimulationError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file size limit")
def test_a_write_that_really_fails_keeps_what_was_flushed(tmp_path):
    path = tmp_path / "v.h5"
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 3, run.stderr
    assert str(path) in run.stdout
    with h5py.File(path) as file:
        data = file["report/v1/data"][:]
    assert len(data) == 2000
    np.testing.assert_array_equal(data[:, 0], np.repeat(np.arange(20.0), 100))


def test_space_is_checked_before_writing(tmp_path, monkeypatch):
    report = make(tmp_path / "v.h5")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(SimulationError, match="No space left"):
        report.append(values(2500))


def test_wrong_blocks_are_programming_errors(tmp_path):
    with make(tmp_path / "v.h5", n_samples=4) as report:
        with pytest.raises(ValueError, match="shape"):
            report.append(np.zeros((2, 2)))
        with pytest.raises(ValueError, match="more than 4"):
            report.append(values(5))
