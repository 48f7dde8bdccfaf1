"""The kernels that compete for the GPU, in numba-cuda's simulator against the CPU's engine."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="needs the extra [cuda]")

N_WINDOWS = 3


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """What all kernels leave; the simulator is chosen when Numba is imported."""
    folder = tmp_path_factory.mktemp("kernels")
    program = f"import sys; sys.path[:0] = {sys.path!r}; from kernels.simulate import *; "
    program += f"everything({str(folder)!r}, {N_WINDOWS})"
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    return np.load(folder / "left.npz")


@pytest.mark.parametrize("name", ["C-4w", "D-5wb", "D-4wb-x3-copied"])
def test_a_kernel_leaves_the_voltages_of_the_cpu(left, name):
    expected = left["expected"]
    assert np.ptp(expected) > 3.0  # mV
    np.testing.assert_allclose(left[name], expected, rtol=0, atol=1e-4)


def test_rows_in_half_precision_differ_little(left):
    np.testing.assert_allclose(left["D-4w-half"], left["expected"], rtol=0, atol=0.05)
    assert not np.array_equal(left["D-4w-half"], left["D-5wb"])


def test_every_synapse_of_a_spike_gets_into_a_bin(left):
    count, bins, room = left["count"], left["bins"], int(left["room"])
    per_cell, spikes, blocks = left["per_cell"], left["spikes"], int(left["blocks"])
    words = left["connections"].reshape(-1, per_cell)[spikes].ravel()
    due = 4 + (words >> 41 & 511)
    slot = (left["slot"] + due // 9) % left["ring"]
    expected = np.zeros(count.size, int)
    np.add.at(expected, slot * blocks + (words & 0xFFFFFFFF) // 32, words >> 50)
    np.testing.assert_array_equal(count, expected)
    filled = np.concatenate([bins[k * room : k * room + n] for k, n in enumerate(count)])
    target, rule = words & 0xFFFFFFFF, words >> 32 & 511
    made = np.column_stack([target % 32, due % 9, rule]).repeat(words >> 50, axis=0)
    found = np.column_stack([filled >> 14 & 31, filled >> 19 & 15, filled >> 23])
    np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(made, axis=0))
    assert np.isin(filled & 16383, left["site"]).all()
