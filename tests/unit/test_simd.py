"""The vector type and its functions against NumPy."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from isocortex.mechanisms.maths import exp, exprelr, log, where
from isocortex.targets.simd import lanes, load, store


@njit(error_model="numpy")
def _apply(x, width, out_exp, out_relr, out_log, out_where):
    for i in range(0, len(x), width):
        v = load(x, i)
        store(out_exp, i, exp(v))
        store(out_relr, i, exprelr(v))
        store(out_log, i, log(exp(v)))
        store(out_where, i, where(v < 1.0, v * 2.0, 3.0 - v))


def _run(x):
    outputs = [np.empty_like(x) for _ in range(4)]
    _apply(x, lanes(x.dtype), *outputs)
    return outputs


@pytest.mark.parametrize(
    ("dtype", "exp_error", "relr_error"), [(np.float32, 3e-7, 4e-6), (np.float64, 5e-16, 5e-15)]
)
def test_functions_have_their_stated_errors(dtype, exp_error, relr_error):
    x = np.linspace(-80.0, 80.0, 1 << 16).astype(dtype)
    got_exp, got_relr, got_log, got_where = _run(x)
    exact = x.astype(np.longdouble)
    assert np.max(np.abs(got_exp / np.exp(exact) - 1)) < exp_error
    assert np.max(np.abs(got_relr / (exact / np.expm1(exact)) - 1)) < relr_error
    assert np.max(np.abs(got_log - exact)) < 80 * np.finfo(dtype).eps * 2
    np.testing.assert_array_equal(got_where, np.where(x < 1, 2 * x, 3 - x).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exprelr_is_smooth_through_zero(dtype):
    x = np.linspace(-0.1, 0.1, 4096).astype(dtype)
    exact = x.astype(np.longdouble)
    with np.errstate(invalid="ignore"):
        expected = np.where(x == 0, 1.0, exact / np.expm1(exact))
    assert np.max(np.abs(_run(x)[1] / expected - 1)) < (4e-6 if dtype is np.float32 else 1e-14)


def test_a_nan_stays_in_its_lane():
    x = np.zeros(lanes(np.float64))
    x[3] = np.nan
    for out in _run(x)[:3]:
        assert np.isnan(out[3])
        assert np.isfinite(np.delete(out, 3)).all()


ON_A_MACHINE_WITH_AVX512 = """
import llvmlite.binding as llvm
features = llvm.get_host_cpu_features()
features["avx512f"] = True
llvm.get_host_cpu_features = lambda: features

import numpy as np
import test_simd

test_simd.test_functions_have_their_stated_errors(np.float32, 3e-7, 4e-6)
test_simd.test_functions_have_their_stated_errors(np.float64, 5e-16, 5e-15)
"""


def test_kernels_are_compiled_for_the_processor_that_numba_is_told():
    """Clusters with mixed nodes name the oldest; AVX-512 was asked of the machine at hand."""
    places = [str(Path(__file__).parent), *sys.path]
    environment = {"NUMBA_CPU_NAME": "generic", "PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run(
        [sys.executable, "-c", ON_A_MACHINE_WITH_AVX512],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
