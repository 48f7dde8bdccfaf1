"""The whole cortex has 26 billion synapses, where the connectome has them; a small one rests."""

import numpy as np
import pytest

import isocortex
from isocortex.analysis import population_rate
from isocortex.cortex.build import build_cortex
from isocortex.cortex.census import take_census
from isocortex.cortex.drive import TOLERANCE, target_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe


@pytest.fixture(scope="module")
def whole():
    return CortexModel.make(Recipe(scale=1.0))


def test_whole_cortex_has_as_many_synapses_as_published_and_where_the_connectome_has_them(whole):
    census = take_census(whole, sources_per_area=200)
    assert len(whole) == 9_000_000
    assert census.total == pytest.approx(26e9, rel=0.01)
    assert census.error < 0.005 * 26e9
    assert census.correlation > 0.99
    there = census.expected > 0
    assert np.corrcoef(census.expected[there], census.sampled[there])[0, 1] > 0.99
    common = census.degrees[census.degrees["neurons"] > 200_000]
    assert len(common) >= 9
    for way in ("makes", "receives"):
        np.testing.assert_allclose(common[way], common[f"{way}_expected"], rtol=0.06)
    mean = {
        name: np.average(census.delays["delay"], weights=census.delays[name])
        for name in ("local", "long_range")
    }
    assert 1.0 < mean["local"] < mean["long_range"] < 6.0  # ms


def test_a_small_cortex_rests_at_measured_rates_and_fires_apart(tmp_path):
    """Means of all classes with a hundred neurons are within a factor of two of awake mice."""
    cortex = CortexModel.make(Recipe(scale=0.002))
    config = build_cortex(tmp_path, cortex, tstop=1200.0)
    result = isocortex.run(config, precision="single", threads=2)
    settled, seconds = 400.0, 0.8
    late = result.spikes[result.spikes["timestamps"] >= settled]
    spikes = np.bincount(late["node_ids"], minlength=len(cortex))
    nodes = isocortex.load_simulation(config).circuit.nodes["cortex"].table
    checked = 0
    for (layer, name), members in nodes.groupby(
        ["layer", "cell_class"], observed=True
    ).indices.items():
        if len(members) >= 200:
            rate, target = spikes[members].mean() / seconds, target_of(layer[1:], name)
            assert TOLERANCE[0] * target <= rate <= TOLERANCE[1] * target, (layer, name, rate)
            checked += 1
    assert checked >= 14
    _, rate = population_rate(late["timestamps"] - settled, len(cortex), 1000 * seconds, 10.0)
    assert rate.std() < 0.6 * rate.mean()  # neither bursts
    assert rate.min() > 0.2 * rate.mean()  # nor silences
