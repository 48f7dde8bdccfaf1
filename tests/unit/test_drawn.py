"""What connections and synapses are drawn with: trials, distances, and axons that areas share."""

from types import SimpleNamespace

import numpy as np
import pytest

from isocortex.compiling import compiled
from isocortex.cortex.background import BackgroundProjection
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.network.connect import allowed_sites
from isocortex.network.drawn import draw
from isocortex.network.drawn.pool import AXONS, draw_from_pool, make_pool
from isocortex.network.drawn.tables import no_connections


@pytest.fixture(scope="module")
def cortex():
    return CortexModel.make(Recipe(scale=0.001, seed=2))


@compiled
def _decays(q):
    return np.array([draw.decay(x) for x in q])


@compiled
def _numbers(first, n, key):
    return np.array([np.float64(draw.in_unit(draw.scattered(first + k, key))) for k in range(n)])


def test_decay_is_an_exponential():
    q = np.linspace(0.0, 16.0, 10001).astype(np.float32)
    np.testing.assert_allclose(_decays(q), np.exp(-q.astype(float)), rtol=4e-6)


@pytest.mark.parametrize("seed", range(20))
def test_trials_are_uniform_and_independent_of_their_neighbours(seed):
    """For any keys, as sources have them, and for two that have one half in common."""
    n, rng = 20_000, np.random.default_rng(seed)
    first, (key, another) = rng.integers(2**31), rng.integers(2**64, size=2, dtype=np.uint64)
    half = (key & np.uint64(0xFFFF_FFFF)) | (another & np.uint64(0xFFFF_FFFF_0000_0000))
    u, others = _numbers(first, n, key), [_numbers(first, n, k) for k in (another, half)]
    assert abs(u.mean() - 0.5) < 5.0 / np.sqrt(12 * n)
    counts = np.bincount((u * 64).astype(int), minlength=64)
    assert ((counts - n / 64) ** 2).sum() / (n / 64) < 63 + 6 * np.sqrt(2 * 63)
    for a, b in ((u[1:], u[:-1]), (u[8:], u[:-8]), *((u, other) for other in others)):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5.0 / np.sqrt(n)


def test_no_neuron_is_nearer_than_its_column_may_be(cortex):
    """Else neurons that should be tried would be left out."""
    axons, n = cortex.axons, cortex.neurons
    places = axons.places
    for source in range(0, len(cortex), 997):
        at = tuple(n.position[source])
        up = tuple(n.normal[source])
        away = n.position - n.position[source]
        over = away @ n.normal[source]
        along = np.sqrt(np.maximum((away.astype(float) ** 2).sum(axis=1) - over**2, 0.0))
        least = np.full(len(places.patch), np.inf)
        np.minimum.at(least, n.column, along)
        here = np.flatnonzero(places.patch == places.patch[n.column[source]])
        nearest = np.array([draw.nearest_in(column, at, up, places) for column in here])
        assert (nearest <= least[here] + 0.1).all()
        assert (nearest > 0.0).any()


@pytest.fixture(scope="module")
def pool():
    """1,500 neurons in 3 patches of 2 kinds, with 7 and 30 synapses each."""
    rng = np.random.default_rng(1)
    kind, patch = rng.integers(0, 2, 1500), np.sort(rng.integers(0, 3, 1500))
    one = np.ones(2, np.int64)
    return make_pool(
        np.uint64(5), patch, 3, kind, number=np.array([7, 30]), rule=one, model=one,
        weight=np.array([1.0, 2.0], np.float32), delay=10,
    ), patch, kind  # fmt: skip


def _drawn(pool, begin, end):
    """(axon, target) of all connections onto a range of neurons."""
    pairs, room = [], no_connections(1 << 14)
    found, none = np.zeros(32, np.uint8), np.zeros(0, np.float32)
    trials = draw.Trials(
        found, found.view(np.uint64), none, none, np.zeros(0, np.int64), np.zeros(0, np.uint64)
    )
    for axon in range(3 * AXONS):
        n = draw_from_pool(axon, begin, end, pool, room, 0, trials)
        pairs += [(axon, int(target)) for target in room.target[:n]]
    return np.array(pairs)


def test_every_neuron_has_its_number_of_synapses_of_its_area(pool):
    tables, patch, kind = pool
    pairs = _drawn(tables, 0, 1500)
    np.testing.assert_array_equal(
        np.bincount(pairs[:, 1], minlength=1500), [7, 30] @ np.eye(2)[kind].T
    )
    np.testing.assert_array_equal(pairs[:, 0] // AXONS, patch[pairs[:, 1]])
    # axons are equally likely, and two neurons have as many in common as chance makes
    used = np.bincount(pairs[:, 0], minlength=3 * AXONS).reshape(3, -1)
    for row in used:
        assert ((row - row.mean()) ** 2).sum() / row.mean() < 400 + 6 * np.sqrt(800)


def test_parts_draw_what_the_whole_draws(pool):
    tables, _, _ = pool
    whole = set(map(tuple, _drawn(tables, 0, 1500).tolist()))
    parts = [set(map(tuple, _drawn(tables, a, b).tolist())) for a, b in ((0, 401), (401, 1500))]
    assert parts[0] | parts[1] == whole
    assert not parts[0] & parts[1]


def test_background_is_the_same_stored_and_drawn(cortex):
    projection = BackgroundProjection(lambda: cortex, "cortex")
    stored = set()
    for made in projection.onto(np.arange(200, 900), None, 0):
        stored |= set(zip(made.source.tolist(), made.target.tolist(), strict=True))
    room, drawn = no_connections(1 << 12), set()
    trials = draw.room_to_try(cortex.axons, projection.pool.inverse.shape[1])
    for axon in range(len(projection.pool.patch_first[:-1]) * AXONS):
        n = draw_from_pool(axon, 200, 900, projection.pool, room, 0, trials)
        drawn |= {(axon, int(target)) for target in room.target[:n]}
    assert drawn == stored
    assert len(drawn) > 10_000


def test_a_model_that_no_cell_has_may_be_larger_than_all_others():
    sites = SimpleNamespace(
        first=np.array([0, 1]), size=np.array([1, 2]),
        slot=np.array([2, 1, 9], np.uint64) << np.uint64(16),
    )  # fmt: skip
    tables = SimpleNamespace(weight=np.zeros((1, 2)), axons=SimpleNamespace(sites=sites))
    found = allowed_sites(tables, np.array([0]), 1, most_nodes=4)
    assert [np.flatnonzero(each).tolist() for each in found] == [[2], [1]]
