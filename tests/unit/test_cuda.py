"""The GPU's kernels, without a GPU: in numba-cuda's simulator, and compiled for one elsewhere."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from on_gpu import DT, N_CELLS, kernel_arguments, kernel_of, small_network

from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from registers import assembled

pytest.importorskip("numba_cuda", reason="needs the extra [cuda]")

N_STEPS = 18


@pytest.fixture(scope="module")
def network():
    return small_network(N_STEPS)


@pytest.fixture(scope="module", params=["simulator", "device"])
def left(request, tmp_path_factory):
    """What the kernel leaves after 18 steps; the simulator is chosen when Numba is imported."""
    if request.param == "device" and not is_there():
        pytest.skip("needs a GPU")
    path = tmp_path_factory.mktemp("cuda") / "left.npz"
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; from on_gpu import *; advance({str(path)!r})"
    )
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": str(int(request.param == "simulator"))}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    return np.load(path)


def is_there() -> bool:
    """Whether there is a GPU that Numba can use."""
    from numba import cuda

    return cuda.is_available()


def test_voltages_are_those_of_the_cpu_within_rounding(network, left):
    engine = CpuEngine(network, Settings(dt=DT, precision="single"))
    cells, times, _ = engine.advance(N_STEPS)
    voltage = np.array([engine.voltage(cell) for cell in range(N_CELLS)])
    assert np.ptp(voltage) > 20.0  # mV: channels and synapses have been at work
    np.testing.assert_allclose(left["voltage"], voltage, rtol=0, atol=1e-4)
    expected = np.full(N_CELLS, -1)
    expected[cells] = np.rint(times / DT)
    assert len(cells)
    np.testing.assert_array_equal(left["spike_step"], expected)


def test_numba_cuda_finds_what_newer_versions_of_numpy_have_removed():
    program = "import numpy; vars(numpy).pop('row_stack', None); import isocortex.targets.cuda"
    program += "; import numba.cuda.np.arrayobj"
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_ENABLE_CUDASIM": "0"}
    subprocess.run([sys.executable, "-c", program], env=path, check=True)


@pytest.fixture(scope="module")
def ptx(network):
    from isocortex.targets import cuda

    return cuda.ptx(kernel_of(network), kernel_arguments(network, N_STEPS))


def test_a_kernel_is_compiled_for_a_gpu_that_is_not_here(ptx):
    assert ".target sm_90" in ptx
    assert re.search(r"\.entry \w*advance_blocks", ptx)


def test_nothing_is_computed_in_double_precision(ptx):
    assert re.search(r"\.f32\b", ptx)
    assert not re.search(r"\.f64\b", ptx)


def test_registers_suffice(ptx):
    registers, spilled = assembled(ptx)
    assert registers <= 168  # three blocks of four warps on a multiprocessor
    assert spilled == 0
