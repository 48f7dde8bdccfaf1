"""A file put back by its skeleton is what it was, whatever was done to it since."""

import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from isocortex.errors import InputError
from isocortex.report import MembraneReport
from isocortex.report.skeleton import Skeleton, put_back, skeleton_of

ELEMENTS, ROWS = 300, 4000


def values(n, first=0):
    return (first + np.arange(n))[:, None] + np.arange(ELEMENTS) / 1000


def make(path, population="v1", mode="w", n_samples=ROWS):
    return MembraneReport(
        path, population, "v", "mV", node_ids=[0], index_pointer=[0, ELEMENTS],
        element_ids=range(ELEMENTS), element_pos=[0.5] * ELEMENTS, start=0.0,
        stop=0.1 * ROWS, dt=0.1, n_samples=n_samples, mode=mode,
    )  # fmt: skip


def rows_of(path, population="v1"):
    with h5py.File(path) as file:
        group = file["report"][population]
        return group["data"][:], group["mapping/time"][:]


def test_a_file_that_grew_on_is_put_back_again_and_again(tmp_path):
    path = tmp_path / "v.h5"
    with make(path) as report, make(path, "v2", "a") as other:
        report.append(values(1300))
        other.append(values(700))
        report.flush()
        other.flush()
        kept = skeleton_of(path)
        before = [rows_of(path, name) for name in ("v1", "v2")]
        report.append(values(2500, 1300))
        other.append(values(2500, 700))
    assert len(kept.content) < 100_000  # rows are not in it
    for _ in range(2):
        assert len(rows_of(path)[0]) > 1300
        put_back(path, kept)
        for name, expected in zip(("v1", "v2"), before, strict=True):
            for ours, theirs in zip(rows_of(path, name), expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
        with make(path, mode="r+") as report:
            report.append(values(ROWS - 1300, 1300))
        np.testing.assert_array_equal(rows_of(path)[0], values(ROWS).astype("f4"))
        assert rows_of(path)[1][1] == 0.1 * ROWS


def test_a_file_with_torn_tables_is_put_back(tmp_path):
    """As a process leaves it that was killed while HDF5 wrote them."""
    path = tmp_path / "v.h5"
    with make(path) as report:
        report.append(values(1300))
        report.flush()
        kept = skeleton_of(path)
        report.append(values(1000, 1300))
    torn = bytearray(path.read_bytes())
    for begin, end in zip(kept.begin, kept.end, strict=True):
        torn[begin:end] = os.urandom(end - begin)
    path.write_bytes(torn)
    with pytest.raises(OSError, match="signature"):
        h5py.File(path)
    put_back(path, kept)
    np.testing.assert_array_equal(rows_of(path)[0], values(1300).astype("f4"))


KILLED = """
import os, sys
import numpy as np
from test_report_skeleton import make, values
from isocortex.report.skeleton import skeleton_of
from pathlib import Path
path = Path(sys.argv[1])
report = make(path, n_samples=10**6)
report.append(values(1300))
report.flush()
np.savez(sys.argv[2], **skeleton_of(path)._asdict())
print("kept", flush=True)
for n in range(1300, 10**6, 10):
    report.append(values(10, n))
    report.flush()
"""


def test_a_file_whose_writer_was_killed_at_any_moment_is_put_back(tmp_path):
    path, kept = tmp_path / "v.h5", tmp_path / "kept.npz"
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, path, kept], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])},
    )  # fmt: skip
    assert writer.stdout.readline() == "kept\n"
    while path.stat().st_size < 3_000_000:
        assert writer.poll() is None
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    put_back(path, Skeleton(**np.load(kept)))
    data, time = rows_of(path)
    np.testing.assert_array_equal(data, values(1300).astype("f4"))
    assert time[1] == pytest.approx(130.0)


def test_rows_that_are_lost_are_told(tmp_path):
    path = tmp_path / "v.h5"
    with make(path) as report:
        report.append(values(1300))
        report.flush()
        kept = skeleton_of(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="has 1,000 bytes"):
        put_back(path, kept)
    path.unlink()
    with pytest.raises(InputError, match="is gone"):
        put_back(path, kept)
