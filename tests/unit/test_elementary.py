"""exp and log of our own: within an ulp of the true ones, and the same bits everywhere."""

import hashlib
import math

import numpy as np
import pytest
from numba import njit

from isocortex import elementary, streams

#: Without a random number or function of NumPy's, so that the inputs are the same everywhere.
SPREAD = (np.arange(1, 20001) * 0.6180339887498949) % 1.0


@njit
def _compiled(x, exp_, log_, log1p_):
    for i in range(len(x)):
        exp_[i], log_[i] = streams.exp(-50.0 * x[i]), streams.log(x[i])
        log1p_[i] = streams.log1p(-x[i])


@pytest.mark.parametrize(
    ("ours", "true", "x"),
    [
        (elementary.exp, math.exp, 100.0 * SPREAD - 80.0),
        (elementary.log, math.log, SPREAD),
        (elementary.log, math.log, 1.0 / SPREAD**8),
        (elementary.log, math.log, 1.0 + 0.01 * (SPREAD - 0.5)),
    ],
)
def test_within_an_ulp(ours, true, x):
    expected = np.array([true(value) for value in x])
    assert (np.abs(ours(x) - expected) <= np.spacing(np.abs(expected))).all()


def test_one_number_an_array_and_compiled_code_get_the_same():
    x, results = SPREAD[:500], np.empty((3, 500))
    _compiled(x, *results)
    np.testing.assert_array_equal(results[0], elementary.exp(-50.0 * x))
    np.testing.assert_array_equal(results[1], elementary.log(x))
    assert results[0].tolist() == [elementary.exp(-50.0 * value) for value in x.tolist()]
    assert results[1].tolist() == [elementary.log(value) for value in x.tolist()]
    np.testing.assert_allclose(results[2], np.log1p(-x), rtol=1e-15)


def test_ends_of_the_range():
    assert elementary.exp(0.0) == 1.0 and elementary.log(1.0) == 0.0
    assert elementary.exp(-709.0) == elementary.exp(-np.inf) == 0.0
    assert 0.0 < elementary.exp(-707.0) < 1e-307 and np.isfinite(elementary.exp(1e9))
    assert elementary.log(2.0**-53) == pytest.approx(-53 * math.log(2.0), rel=1e-15)


def test_the_bits_are_those_of_every_other_machine():
    values = np.concatenate([elementary.exp(-50.0 * SPREAD), elementary.log(SPREAD)])
    assert hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()[:16] == "d9aeddd4f81e9214"
