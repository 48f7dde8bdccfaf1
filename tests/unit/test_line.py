"""Straight-line texts as they are translated for a GPU, run here as they stand, on one lane."""

from dataclasses import replace

import numba
import numpy as np
import pytest
from llvmlite import ir
from numba.extending import intrinsic
from on_gpu import straight_network
from test_straight import SINGLE, straight

from isocortex.engine.family import module_of
from isocortex.engine.precision import PRECISIONS
from isocortex.engine.straight.choice import ASKED

pytest.importorskip("numba_cuda", reason="needs the extra [cuda]")

ROWS = ("core", "H", "SD", "SR", "own")


@pytest.fixture
def translated(monkeypatch):
    """The function that turns a text into one for this machine's processor."""
    from isocortex.targets import line

    monkeypatch.setattr(line, "intrinsic", intrinsic)
    monkeypatch.setattr(line, "lane_of", lambda builder: ir.Constant(ir.IntType(64), 0))
    return line.straight_line


@pytest.fixture
def texts(monkeypatch, translated, precision):
    """The module of a model's kernel, its functions without a branch left as they stand."""
    monkeypatch.setenv(ASKED, "1")
    (kernel,) = straight(straight_network(), replace(SINGLE, precision=precision)).values()
    monkeypatch.setattr("isocortex.targets.line.straight_line", lambda function: function)
    return module_of(kernel.source + "# on one lane\n")


@pytest.mark.parametrize(
    ("precision", "name"),
    [("single", name) for name in (
        "decayed", "take_core", "take_1", "up_0", "up_3", "solve", "down_2", "leave_2"
    )] + [("mixed", "up_0"), ("mixed", "solve")],
)  # fmt: skip
def test_a_translated_text_gives_what_it_gives_as_it_stands(precision, name, texts, translated):
    text = getattr(texts, name)
    names = text.__code__.co_varnames[: text.__code__.co_argcount]
    rng = np.random.default_rng(1)
    n_held, n_powers = len(texts.take_0(np.zeros(9999, np.float32))), 4
    given = {
        **{row: rng.uniform(0.1, 1.0, 9999).astype(np.float32) for row in ROWS},
        "H": rng.uniform(0.1, 1.0, 9999).astype(PRECISIONS[precision].term),
        "x": tuple(np.float32(v) for v in rng.uniform(-80.0, -60.0, n_held)),
        "f": tuple(np.float32(v) for v in rng.uniform(0.0, 1.0, n_held)),
        "powers": tuple(np.float32(v) for v in rng.uniform(0.5, 1.0, n_powers)),
    }
    here = {k: v.copy() if k in ROWS else v for k, v in given.items()}
    expected = text(*(given[k] for k in names))
    program = translated(text)
    space = {"program": program}
    exec(f"def call({', '.join(names)}):\n    return program({', '.join(names)})", space)
    found = numba.njit(space["call"])(*(here[k] for k in names))
    if expected is None:
        assert found is None
    else:
        np.testing.assert_array_equal(np.concatenate(_flat(found)), np.concatenate(_flat(expected)))
    for row in ROWS:
        np.testing.assert_array_equal(here[row], given[row])


def test_what_it_does_not_know_is_refused(translated):
    """It would be missing in the results."""
    program = translated(_longer)

    @numba.njit
    def call(core):
        return program(core)

    with pytest.raises(Exception, match=r"a straight line has no AugAssign: x \+= 1.0"):
        call(np.ones(1, np.float32))


def _longer(core):
    x = load(core, 0)  # noqa: F821
    x += 1.0
    return x


def _flat(value):
    if isinstance(value, tuple):
        return [part for each in value for part in _flat(each)]
    return [np.atleast_1d(np.float32(value))]
