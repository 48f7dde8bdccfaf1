"""Connections that a GPU draws, without a GPU: simulated, and compiled for one elsewhere."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from on_drawn import N_WINDOWS, by_threads, case, cells

from device import compiled_elsewhere
from isocortex.engine.drawing import KERNELS, Stretches, drawable
from isocortex.engine.spreading import ASKED
from registers import assembled


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """What the simulator leaves of a function of ``on_drawn``."""
    pytest.importorskip("numba_cuda", reason="needs the extra [cuda]")

    def run(name: str):
        path = str(tmp_path_factory.mktemp("drawn") / "left.npz")
        program = f"import sys; sys.path[:0] = {sys.path!r}; import on_drawn; "
        program += f"on_drawn.{name}({path!r})"
        environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONWARNINGS": "ignore"}
        subprocess.run([sys.executable, "-c", program], env=environment, check=True)
        return np.load(path)

    return run


@pytest.fixture(scope="module")
def left(simulated):
    """The events of windows."""
    return simulated("simulate_events")


def test_events_are_those_of_the_cpu_in_its_order(left):
    """Of steps, elements and weights to the last bit, one state on the way or none."""
    expected = by_threads(case())
    n_events = [len(window[2]) for window in expected]
    assert sum(n_events) > 500 and np.count_nonzero(n_events) > 3
    assert left["0 n"] == left["2 n"] == sum(n_events)
    for w, window in enumerate(expected):
        for k, array in enumerate(window):
            np.testing.assert_array_equal(left[f"0 {w} {k}"], array, f"window {w}")


def test_two_parts_and_a_state_on_the_way_make_the_same_events(left):
    """Blocks are others: what each cell receives is compared as a set."""
    for w in range(N_WINDOWS):
        one, other = (
            np.sort(np.stack([left[f"{again} {w} {k}"] for k in (2, 4)]), axis=1)
            for again in (0, 2)
        )  # fmt: skip
        np.testing.assert_array_equal(one, other)


def test_an_engine_that_draws_on_the_gpu_does_what_one_does_whose_threads_draw(simulated):
    left = simulated("simulate_engines")
    found, expected = (
        {key[2:]: left[key] for key in left.files if key.startswith(asked)} for asked in "10"
    )
    assert len(found["source"]) > 0
    assert found["events"] > found["half way"] > 0
    assert found["way"].shape[1] > 0
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, key)
    np.testing.assert_array_equal(found["soma again"], found["soma"])


@pytest.fixture(scope="module")
def compiled():
    """Assembly of each kernel."""
    pytest.importorskip("numba_cuda", reason="needs the extra [cuda]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ASKED, "1")
        files = compiled_elsewhere(*cells())
    texts = [file.read_text() for file in files]
    return {
        name: text for name in KERNELS for text in texts if re.search(rf"entry \w*\d{name}B", text)
    }


def test_no_product_and_sum_are_combined_in_what_draws(compiled):
    """Or numbers near a threshold would fall on its other side, and networks be others."""
    assert compiled.keys() == set(KERNELS)
    for text in compiled.values():
        assert not re.search(r"\bfma\.|\bmad\.rn\.f|\.approx|\.ftz", text)
        assert not re.search(r"\b(mul|add|sub)\.f(32|64)", text)  # which the assembler may combine
    assert "sqrt.rn.f32" in compiled["draw"] and "div.rn.f64" in compiled["draw"]


def test_registers_suffice(compiled):
    for name, text in compiled.items():
        registers, spilled = assembled(text)
        assert registers <= (128 if name == "draw" else 64), name
        assert spilled == 0, name


def test_it_has_to_be_asked_for(monkeypatch):
    shares = case().shares
    monkeypatch.setenv(ASKED, "0")
    assert not drawable(shares)
    monkeypatch.setenv(ASKED, "1")
    assert drawable(shares)


def test_stretches_are_free_again_when_their_time_is_over():
    room = Stretches()
    for until in (1.0, 5.0, 3.0):
        room.take(room.find(10), 10, until)
    assert room.find(1) == 30
    room.forget(3.0)
    assert room.find(10) == 0
    assert room.find(11) == 20
