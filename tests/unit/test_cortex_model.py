"""Connections of a cortex model: their numbers, places and independence of who asks."""

import h5py
import numpy as np
import pytest

from isocortex.cells.library import load_cell
from isocortex.cells.place import candidates
from isocortex.cortex.build import build_cortex
from isocortex.cortex.counts import CLASSES, class_of, group_of
from isocortex.cortex.expected import long_synapses
from isocortex.cortex.homeostasis import strength_by_area
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.cortex.thinning import SPREAD, STRENGTHENING, Thinning, excitation_among, normal
from isocortex.errors import ConfigError
from isocortex.network.drawn.place import Synapses
from isocortex.network.drawn.tables import TRIED_TOGETHER

ALPHA = 1e-3  # of every statistical test; seeds are fixed, so each passes or fails for good


@pytest.fixture(scope="module")
def cortex():
    return CortexModel.make(Recipe(scale=0.0005))


@pytest.fixture(scope="module")
def synapses(cortex):
    return _joined(cortex.synapses(range(len(cortex))))


def _joined(pieces):
    return Synapses(
        *(np.concatenate(x) for x in zip(*(piece[:6] for piece in pieces), strict=True))
    )


@pytest.mark.parametrize(("scale", "tolerance"), [(0.0005, 0.08), (0.004, 0.01)])
def test_total_is_that_of_the_recipe(scale, tolerance):
    """26 billion at scale 1, and this share of them.

    At small scales small areas have too few neurons for their local synapses.
    """
    cortex = CortexModel.make(Recipe(scale=scale))
    made = sum(len(piece.target) for piece in cortex.synapses(range(len(cortex))))
    wanted = cortex.recipe.synapses * scale * cortex.recipe.kept
    assert made == pytest.approx(wanted, rel=tolerance)


def test_any_chunking_gives_the_same(cortex, synapses):
    some = range(1000, 1200)
    of_all = (synapses.source >= some.start) & (synapses.source < some.stop)
    for room in (1 << 12, 1 << 16):
        alone = _joined(cortex.synapses(some, at_least=room))
        for name in Synapses._fields:
            np.testing.assert_array_equal(getattr(alone, name), getattr(synapses, name)[of_all])


def test_columns_divide_the_synapses_of_a_neuron(cortex, synapses):
    for source in (0, 1234, len(cortex) - 1):
        columns = [cortex.targets(source, c) for c in range(len(cortex.layout.columns.table))]
        for c, made in enumerate(columns):
            assert (cortex.neurons.column[made.target] == c).all()
        mine = synapses.source == source
        apart = np.concatenate([np.column_stack(made) for made in columns])
        whole = np.column_stack([x[mine] for x in synapses])
        np.testing.assert_array_equal(apart[np.lexsort(apart.T)], whole[np.lexsort(whole.T)])


def test_only_neurons_are_read():
    """Trials are made eight at a time: what is beyond the last neuron decides nothing."""
    cortex = CortexModel.make(Recipe(scale=0.00005, seed=3))
    neurons, n = cortex.axons.neurons, len(cortex)
    assert (cortex.axons.rules.probability == 0.0).any()
    made = _joined(cortex.synapses(range(n)))
    places = [place.copy() for place in (neurons.x, neurons.y, neurons.z)]
    for place, source in zip(places, neurons.normal[-1], strict=True):
        assert len(place) == n + TRIED_TOGETHER
        place[n:] = place[n - 1] + source  # as near to the last neuron as can be
    others = neurons._replace(x=places[0], y=places[1], z=places[2])
    cortex.__dict__["axons"] = cortex.axons._replace(neurons=others)
    again = _joined(cortex.synapses(range(n)))
    for name in Synapses._fields:
        np.testing.assert_array_equal(getattr(again, name), getattr(made, name))


def test_synapses_sit_where_their_rule_allows(cortex, synapses):
    pairs = synapses.rule.astype(np.int64) * len(cortex.models) + cortex.model[synapses.target]
    for pair in np.unique(pairs):
        rule, model = divmod(int(pair), len(cortex.models))
        rule = cortex.rules[rule]
        allowed, _ = candidates(load_cell(cortex.models[model]), rule.sections, rule.distance_range)
        assert np.isin(synapses.node[pairs == pair], allowed).all()


def test_rules_and_targets_agree(cortex, synapses):
    """A synapse is of a rule whose target group is that of its target's class."""
    wanted = np.array([rule.target for rule in cortex.rules])[synapses.rule]
    groups = np.array([cortex.wiring.groups.get(class_of(g), "") for g in range(54)])
    np.testing.assert_array_equal(groups[cortex.group[synapses.target]], wanted)


def test_inhibitory_neurons_stay_in_their_area(cortex, synapses):
    inhibitory = cortex.neurons.cell_class[synapses.source] >= CLASSES.index("Pvalb")
    source, target = synapses.source[inhibitory], synapses.target[inhibitory]
    side = cortex.neurons.column >= cortex.layout.columns.n_side
    assert (cortex.neurons.area[source] == cortex.neurons.area[target]).all()
    assert (side[source] == side[target]).all()


def test_nobody_connects_to_itself(synapses):
    assert (synapses.source != synapses.target).all()


def test_local_probability_falls_as_the_rule_says():
    """Pairs of L2/3 cells at scale 0.02 within one area, by distance, against the Gaussian."""
    cortex = CortexModel.make(Recipe(scale=0.004, in_degree=0.0008))
    neurons = cortex.neurons
    area = list(cortex.atlas.areas.index).index("SSp-bfd")
    right = neurons.column >= cortex.layout.columns.n_side
    mine = np.flatnonzero((neurons.area == area) & right)
    group = cortex.group[mine]
    pyramid = mine[group == 1 * len(CLASSES)]  # L2/3 IT
    basket = mine[group == 1 * len(CLASSES) + CLASSES.index("Pvalb")]
    made = _joined(cortex.synapses(range(int(pyramid[0]), int(pyramid[-1]) + 1)))
    linked = set(zip(made.source.tolist(), made.target.tolist(), strict=True))
    rule = cortex.wiring.rule(("2/3", "IT"), ("2/3", "Pvalb"))
    away = neurons.position[basket][None] - neurons.position[pyramid][:, None]
    up = np.einsum("ijk,ik->ij", away, neurons.normal[pyramid])
    distance = np.sqrt(np.maximum((away**2).sum(axis=2) - up**2, 0.0))
    expected = rule.probability_at(
        distance
    )  # the share of connections is the scale: none is widened
    found = np.array([[(s, t) in linked for t in basket.tolist()] for s in pyramid.tolist()])
    for low, high in ((0, 60), (60, 120), (120, 200), (200, 400)):
        here = (distance >= low) & (distance < high)
        mean, variance = expected[here].sum(), (expected * (1 - expected))[here].sum()
        assert abs(found[here].sum() - mean) < 3.3 * np.sqrt(variance) + 1  # alpha 1e-3


def test_areas_connect_as_in_the_connectome(cortex, synapses):
    """Synapses between the 86 areas correlate with the connectome's expectation above 0.99."""
    n = len(cortex.atlas.areas)
    side = (cortex.neurons.column >= cortex.layout.columns.n_side).astype(int)
    place = side * n + cortex.neurons.area
    found = np.zeros((2 * n, 2 * n))
    np.add.at(found, (place[synapses.source], place[synapses.target]), 1)
    long = long_synapses(cortex).sum(axis=0)  # (source, ipsi then contra target)
    expected = np.block([[long[:, :n], long[:, n:]], [long[:, n:], long[:, :n]]])
    between = ~np.eye(2 * n, dtype=bool)
    assert np.corrcoef(found[between], expected[between])[0, 1] > 0.99


def test_hemispheres_are_alike(cortex, synapses):
    right = cortex.neurons.column[synapses.source] >= cortex.layout.columns.n_side
    ratio = np.count_nonzero(right) / len(right)
    assert abs(ratio - 0.5) < 0.01


@pytest.mark.parametrize("materialize", [False, True])
def test_built_circuits_give_the_same_network(tmp_path, materialize):
    """Synapses drawn from the recipe and read from the edge file are equal, one by one."""
    import isocortex
    from isocortex.network.build import build_network

    config = build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.00005, seed=3)), tstop=10.0,
                          materialize=materialize)  # fmt: skip
    network = build_network(isocortex.load_simulation(config))
    cortex = CortexModel.make(Recipe(scale=0.00005, seed=3))
    made = _joined(cortex.synapses(range(len(cortex))))
    connections, slots = network.connections, network.slots
    source = np.repeat(np.arange(len(connections.first) - 1), np.diff(connections.first))
    mine = source < len(cortex)
    target = connections.target[mine]
    got = np.column_stack([
        source[mine], slots.cell[target], slots.node[target],
        np.rint(connections.delays[connections.delay[mine]] * 10),
    ])  # fmt: skip
    weight = cortex.weight[made.rule, cortex.model[made.target]] * made.strength
    wanted = np.column_stack([made.source, made.target, made.node, made.delay])
    got_weight = connections.weight[mine]
    order, other = np.lexsort(got.T), np.lexsort(wanted.T)
    np.testing.assert_array_equal(got[order], wanted[other])
    np.testing.assert_allclose(np.sort(got_weight), np.sort(weight))


def test_nodes_tell_area_layer_and_class(tmp_path):
    config = build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.00005)), tstop=10.0)
    with h5py.File(config.parent / "network" / "cortex_nodes.h5") as file:
        group = file["nodes/cortex/0"]
        assert {"x", "y", "z", "depth", "area", "hemisphere", "column"} <= set(group)
        assert len(set(group["hemisphere"].asstr()[()])) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("scale", 0.0), ("scale", 2.0), ("in_degree", -1.0), ("map_width", 0.0), ("inhibition", -0.1),
     ("excitation", float("nan")), ("dL", 30.0), ("dL", "40"), ("dL", True)],
)  # fmt: skip
def test_impossible_recipes(field, value):
    with pytest.raises(ConfigError, match=field):
        Recipe(**{field: value})


@pytest.mark.parametrize(("blocked", "source"), [("inhibition", "i"), ("excitation", "e")])
def test_a_factor_of_0_is_a_full_block(blocked, source):
    """Of all that these make, and of nothing else."""
    cortex, whole = (
        CortexModel.make(Recipe(scale=0.0005, **factors)) for factors in ({blocked: 0.0}, {})
    )
    for rule, weight, before in zip(cortex.rules, cortex.weight, whole.weight, strict=True):
        if rule.source[0] == source:
            assert not weight.any()
        else:
            np.testing.assert_array_equal(weight, before)


def test_fewer_synapses_than_the_local_wiring():
    with pytest.raises(ConfigError, match="fewer than the local wiring"):
        long_synapses(CortexModel.make(Recipe(scale=0.0005, synapses=1e9)))


@pytest.mark.parametrize("cell_class", [("2/3", "IT"), ("5", "Pvalb")])
def test_fewer_stronger_synapses_keep_the_mean_and_the_variance_of_the_input(cell_class):
    """Sums over the connections onto a neuron of their weight, and of its square."""
    sums = {}
    for kept in (0.1, 0.3, 1.0):
        cortex = CortexModel.make(Recipe(scale=0.001, in_degree=kept))
        made = _joined(cortex.synapses(range(len(cortex))))
        mine = cortex.group[made.target] == group_of(cell_class)
        weight = cortex.weight[made.rule, cortex.model[made.target]] * made.strength.astype(float)
        pair = (made.source * len(cortex) + made.target)[mine]
        _, connection = np.unique(pair, return_inverse=True)
        each = np.bincount(connection, weight[mine])
        n = (cortex.group == group_of(cell_class)).sum()
        # excitation among excitatory neurons goes by scale and in-degree, see thinning
        by = excitation_among(cortex.recipe.scale, kept) if cell_class[1] == "IT" else 1.0
        excites = np.bincount(connection, cortex.excitatory[made.source[mine]]) > 0
        each[excites] /= by
        sums[kept] = np.array([mine.sum() / kept, each.sum(), (each**2).sum()]) / n
    for kept in (0.1, 0.3):
        number, mean, variance = sums[kept] / sums[1.0]
        assert number == pytest.approx(1.0, rel=0.02)
        assert mean == pytest.approx(1.0, rel=0.02)
        # pairs that connect several times, of too few neurons, count as one here
        assert variance == pytest.approx(1.0, rel=0.12)


def test_excitation_among_excitatory_neurons_goes_by_scale_and_in_degree():
    most, at_0005 = excitation_among(1.0, 0.1), excitation_among(0.0005, 0.1)
    assert most == excitation_among(0.005, 0.1) == pytest.approx(1.01, abs=1e-3)
    assert excitation_among(0.002, 0.1) == pytest.approx(most * 2.5**-0.1212, abs=2e-4)
    assert at_0005 == pytest.approx(most * 10.0**-0.1212, abs=2e-4)
    assert excitation_among(0.0002, 0.1) == excitation_among(0.0001, 0.1) < at_0005
    assert excitation_among(1.0, 0.01) == most
    assert excitation_among(1.0, 1.0) == pytest.approx(most * 10.0**STRENGTHENING, abs=2e-4)
    small, large, all_kept = (
        CortexModel.make(Recipe(scale=scale, in_degree=kept))
        for scale, kept in ((0.001, 0.1), (0.005, 0.1), (0.005, 1.0))
    )
    among = excitation_among(0.001, 0.1) / excitation_among(0.005, 0.1)
    of_all = 0.1 * excitation_among(0.005, 1.0) / excitation_among(0.005, 0.1)
    rules = zip(large.rules, large.weight, small.weight, all_kept.weight, strict=True)
    for rule, there, here, each in rules:
        excites = rule.source[0] == rule.target[0] == "e"
        np.testing.assert_allclose(here, (among if excites else 1.0) * there, rtol=1e-6)
        np.testing.assert_allclose(each, (of_all if excites else 0.1) * there, rtol=1e-6)


@pytest.mark.parametrize("kept", [0.02, 0.1, 0.5, 1.0])
def test_thinning_is_what_chance_leaves(kept):
    """Number and second moment against drawing synapses one by one; the strength's mean is 1."""
    rng = np.random.default_rng(3)
    whole = rng.integers(3, 8, 400_000)
    left = rng.binomial(whole, kept)
    found = Thinning.of((3, 7), kept)
    assert found.connections == pytest.approx((left > 0).mean(), rel=0.02)
    share = np.bincount(left[left > 0], minlength=8) / (left > 0).sum()
    np.testing.assert_allclose(np.diff(found.number), share[1:8], atol=0.003)
    strength = np.exp(found.spread * normal() + found.level)
    assert strength.mean() == pytest.approx(1.0, abs=1e-12)
    second = (left.astype(float) ** 2).mean() / kept**2 * np.exp(found.spread**2)
    wanted = (whole.astype(float) ** 2).mean() * np.exp(SPREAD**2)
    if found.spread > 0.0:  # else chance alone makes more than the lognormal would
        assert second == pytest.approx(wanted, rel=0.02)
    else:
        assert second > wanted


def test_strengths_are_lognormal(cortex):
    """At in-degree 1, of single connections, as drawn."""
    whole = CortexModel.make(Recipe(scale=0.0005, in_degree=1.0))
    made = _joined(whole.synapses(range(200)))
    strength = made.strength / strength_by_area(whole)[whole.neurons.area[made.target], made.rule]
    logs = np.log(np.unique(made.strength[made.source == 17]).astype(float))
    every = np.log(strength)
    assert every.std() == pytest.approx(1.0, rel=0.02)
    assert np.exp(every).mean() == pytest.approx(1.0, rel=0.03)
    assert len(logs) > 300
    pair = made.source * len(whole) + made.target
    order = np.argsort(pair, kind="stable")
    same = pair[order][1:] == pair[order][:-1]
    alike = made.strength[order][1:] == made.strength[order][:-1]
    assert alike[same].mean() > 0.8  # those of one connection; some pairs connect several times
