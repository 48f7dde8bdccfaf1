"""Blocks that others take over: each is taken once, with the events of the part that offered it."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from isocortex.engine.meeting import dismiss, meeting_place
from isocortex.engine.parts import Events, event_of
from isocortex.engine.stealing import events_of, next_block, next_part, offer, offers_of

SINGLE = np.dtype(np.float32)


def events(begin, n_blocks=5):
    """One event more on every block, counted from ``begin``."""
    ends = np.cumsum(np.arange(n_blocks + 1))
    due = np.zeros(ends[-1], event_of(SINGLE))
    number = begin + np.arange(ends[-1])
    due["step"], due["element"], due["weight"] = number, number + 100, number / 8
    ranges = np.array([ends[:-1], ends[1:]])
    return Events(ranges[0], ranges[1], due["step"], due["element"], due["weight"])


@numba.njit(nogil=True)
def wait_for_part(offers, me, window, meeting):
    return next_part(offers, me, window, meeting)


@numba.njit
def sums(offers, part, like):
    """Of the fields of the events that a part has offered, weighted by their places."""
    due = events_of(offers, part, like.weight)
    total = np.zeros(3)
    for b in range(len(due.first)):
        for k in range(due.first[b], due.last[b]):
            total += (b + 1) * np.array([due.step[k], due.element[k], due.weight[k]])
    return total


def test_events_are_those_of_the_part_that_offered_them():
    offers, mine, others = offers_of([np.arange(2), np.arange(2, 5)]), events(0), events(1000)
    offer(offers, 0, 1, mine)
    offer(offers, 1, 1, others)
    block = np.repeat(np.arange(1, 6), np.diff(np.append(others.first, others.last[-1])))
    expected = [(block * field).sum() for field in (others.step, others.element, others.weight)]
    np.testing.assert_array_equal(sums(offers, 1, mine), expected)


def test_blocks_are_taken_once_however_many_take_them():
    parts = [np.arange(0, 4000), np.arange(4000, 4001), np.arange(4001, 4001)]
    offers, meeting, due = offers_of(parts), meeting_place(3), events(0)
    for window in (1, 2):
        for part in range(3):
            offer(offers, part, window, due)

        def take_all(me, window=window):
            taken, part = [], me
            while part >= 0:
                b = next_block(offers, part)
                if b < 0:
                    part = wait_for_part(offers, me, window, meeting)
                else:
                    taken.append(b)
            return taken

        with ThreadPoolExecutor(3) as threads:
            taken = [b for blocks in threads.map(take_all, range(3)) for b in blocks]
        assert sorted(taken) == list(range(4001))


def test_a_part_that_is_late_is_waited_for_and_one_that_fails_is_not():
    offers, meeting, due = offers_of([np.arange(1), np.arange(1, 2)]), meeting_place(2), events(0)
    offer(offers, 0, 1, due)
    assert next_block(offers, 0) == 0
    with ThreadPoolExecutor(1) as other:
        found = other.submit(wait_for_part, offers, 0, 1, meeting)
        assert not found.done()
        offer(offers, 1, 1, due)
        assert found.result(timeout=60) == 1
    dismiss(meeting)
    assert wait_for_part(offers, 0, 2, meeting) == -1
