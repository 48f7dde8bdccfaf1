"""Functions of our own: within an ulp of the true ones, and the same bits everywhere."""

import hashlib
import math
import re

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


def test_circle():
    turns = np.concatenate([SPREAD, np.arange(-16, 17) / 8.0])
    cosine, sine = elementary.circle(turns)
    angle = [math.remainder(t, 1.0) * 2.0 * math.pi for t in turns]
    np.testing.assert_allclose(cosine, [math.cos(a) for a in angle], rtol=0, atol=4e-16)
    np.testing.assert_allclose(sine, [math.sin(a) for a in angle], rtol=0, atol=4e-16)
    assert elementary.circle(0.25) == (0.0, 1.0) and elementary.circle(0.5) == (-1.0, 0.0)
    values = np.concatenate(elementary.circle(SPREAD))
    assert hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()[:16] == "14eaf63c3ca88436"


def test_the_bits_are_those_of_every_other_machine():
    values = np.concatenate([elementary.exp(-50.0 * SPREAD), elementary.log(SPREAD)])
    assert hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()[:16] == "d9aeddd4f81e9214"


def test_what_decides_takes_no_function_of_the_machine(request):
    """Those of NumPy may differ in the last bit: they are for pictures and engines alone."""
    source = request.config.rootpath / "src" / "isocortex"
    shown = (
        "analysis",
        "validation",
        "html_report",
        "viewer",
        "cli",
        "report",
        "engine",
        "mechanisms",
        "experiment",
    )
    seen = (
        "cells/extracellular.py",
        "cells/head.py",  # weights of reports
        # what a script draws and writes into files, with BMTK's bits
        "bmtk/builder/auxi/node_params.py",
        "bmtk/utils/io/spike_trains.py",
        "bmtk/utils/reports/spike_trains/generators.py",
    )
    functions = re.compile(r"np\.(exp|log|sin|cos|tan|arc|sinh|cosh|power|hypot|cbrt)\w*\(")
    found = [
        str(path.relative_to(source)) for path in source.rglob("*.py")
        if path.relative_to(source).parts[0] not in shown and functions.search(path.read_text())
    ]  # fmt: skip
    assert [name for name in found if name not in seen] == []
