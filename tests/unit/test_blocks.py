"""Cells whose synapses are drawn are dealt out to parts in ranges of equal work, none empty."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists

from isocortex.engine.layout import blocks
from isocortex.engine.layout.blocks import deal_cells, parts_of_cells, ranges_of_parts


@given(
    received=lists(integers(0, 50), max_size=40),
    before=integers(0, 3),
    others=integers(0, 5),
    threads=integers(1, 50),
)
def test_parts_are_ranges_of_neurons_of_equal_work(received, before, others, threads):
    """Neurons of other ranks are ``before`` those of this one, cells of other models after them."""
    own, n = len(received), len(received) + others
    receives = np.array(received) / max(np.mean(received or [1]), 1e-300)
    cell = np.concatenate([np.full(before, -1), np.arange(own), np.full(2, -1)])
    drawn = SimpleNamespace(stored=False, cell=cell, axons=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            blocks, "share_of_events",
            lambda axons, begin, end: receives[begin - before : end - before],
        )  # fmt: skip
        part = parts_of_cells(n, drawn, threads)
    n_parts = max(min(threads, own), 1)
    assert part.max(initial=0) < n_parts
    if not own:
        return
    assert (np.diff(part[:own]) >= 0).all()
    assert np.unique(part[:own]).tolist() == list(range(n_parts))
    begin = ranges_of_parts(deal_cells(np.zeros(n, np.int64), 1, 4, part), n_parts, drawn)
    np.testing.assert_array_equal(np.diff(begin), np.bincount(part[:own], minlength=n_parts))
    assert begin[0] == before and begin[-1] == before + own
    work = 1.0 + receives
    most = np.bincount(part[:own], work).max()
    assert most <= work.sum() / n_parts + 2 * work.max()
