"""Runs: what takes the place of synapses where a GPU makes the events."""

import numpy as np

from isocortex.engine.parts import Wiring
from isocortex.engine.spreading import in_runs


def test_runs_are_the_synapses_of_one_source_and_delay_and_points_have_their_own():
    first = np.array([0, 5, 5, 9])  # of three sources, of which one has no synapses
    target = np.array([40, 7, 8, 100, 9, 8, 8, 101, 102], np.int32)
    delay = np.array([1, 1, 2, 2, 2, 2, 2, 2, 3], np.uint8)
    weight = np.linspace(0.1, 0.9, 9, dtype=np.float32)
    wiring = Wiring(first, target, weight, delay, np.arange(4.0), 3, 100, None)
    runs, begin = in_runs(wiring)
    np.testing.assert_array_equal(begin, [0, 2, 3, 4, 5, 7, 8, 9])
    np.testing.assert_array_equal(runs.first, [0, 4, 4, 7])
    np.testing.assert_array_equal(runs.delay, delay[begin[:-1]])
    assert runs.first_point == 7
    np.testing.assert_array_equal(runs.target, [0, 1, 7, 3, 4, 8, 9])
    onto_points = runs.target >= runs.first_point
    np.testing.assert_array_equal(runs.weight[onto_points], weight[[3, 7, 8]])
    assert (runs.weight[~onto_points] == 1).all()
    assert runs.target.dtype == target.dtype
    assert (runs.target[~onto_points] >> runs.shift == 0).all()


def test_a_part_without_synapses_has_no_runs():
    none = np.zeros(0, np.int32)
    wiring = Wiring(np.zeros(3, int), none, np.zeros(0), none, np.zeros(0), 3, 100, None)
    runs, begin = in_runs(wiring)
    np.testing.assert_array_equal(runs.first, [0, 0, 0])
    np.testing.assert_array_equal(begin, [0])
    assert len(runs.target) == 0
