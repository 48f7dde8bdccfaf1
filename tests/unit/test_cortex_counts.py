import numpy as np
import pytest

from isocortex.cortex.atlas import DENSITIES, LAYERS, load_atlas
from isocortex.cortex.counts import (
    CLASSES,
    N_EXCITATORY,
    SHARES,
    expected_neurons,
    largest_remainder,
    neuron_counts,
    round_within,
)
from isocortex.errors import ConfigError

SCALES = [1.0, 0.1, 0.0123, 0.001, 0.0005]


@pytest.fixture(scope="module")
def atlas():
    return load_atlas()


def test_expected_neurons_are_density_times_volume(atlas):
    neurons, factor = expected_neurons(atlas, "rodarie")
    volume = atlas.area_layer["volume_mm3"].to_numpy()
    for n, name in enumerate(DENSITIES):
        own = neurons[:, N_EXCITATORY + n - 1] if n else neurons[:, :N_EXCITATORY].sum(axis=1)
        np.testing.assert_allclose(own, atlas.area_layer[f"{name}_mm3"] * volume)
    assert factor == 1.0 and 2 * neurons.sum() == pytest.approx(8.4506e6, rel=1e-4)


def test_published_is_nine_million_by_one_factor(atlas):
    published, factor = expected_neurons(atlas)
    np.testing.assert_allclose(published, factor * expected_neurons(atlas, "rodarie")[0])
    assert 2 * published.sum() == pytest.approx(9.0e6)
    assert factor == pytest.approx(1.065, abs=1e-3)
    assert neuron_counts(atlas).total == 9_000_000
    assert neuron_counts(atlas, density="rodarie").total == pytest.approx(8.4506e6, rel=1e-4)


def test_shares_are_of_the_whole_and_of_known_classes():
    for layer in LAYERS:
        assert sum(SHARES[layer].values()) == pytest.approx(1.0)
        assert set(SHARES[layer]) <= set(CLASSES[:N_EXCITATORY])


@pytest.mark.parametrize("density", ["published", "rodarie"])
@pytest.mark.parametrize("scale", SCALES)
def test_all_totals_hold_at_every_scale(atlas, scale, density):
    counts = neuron_counts(atlas, scale, density).counts
    away = counts - scale * expected_neurons(atlas, density)[0]
    by_layer = np.stack([away[atlas.row_layer == n].sum(axis=0) for n in range(len(LAYERS))])
    assert counts.min() >= 0
    assert abs(away.sum()) <= 0.5
    assert np.abs(away.sum(axis=0)).max() < 1  # classes
    assert np.abs(by_layer.sum(axis=1)).max() < 1  # layers
    assert np.abs(np.bincount(atlas.row_area, away.sum(axis=1))).max() < 1  # areas
    assert np.abs(by_layer).max() < 2 and np.abs(away.sum(axis=1)).max() < 2
    assert np.abs(away).max() < 2
    assert not counts[scale * expected_neurons(atlas, density)[0] == 0].any()


def test_table_has_equal_hemispheres(atlas):
    counts = neuron_counts(atlas, 0.01)
    table = counts.table(atlas)
    assert table["neurons"].sum() == counts.total == 90_000
    sides = [part.drop(columns="hemisphere") for _, part in table.groupby("hemisphere")]
    assert sides[0].reset_index(drop=True).equals(sides[1].reset_index(drop=True))
    wide = table[:2160].pivot_table(index=["area", "layer"], columns="class", values="neurons")
    assert (
        wide.loc[("VISp", "4"), "IT"]
        == counts.counts[
            (atlas.area_layer["area"] == "VISp") & (atlas.area_layer["layer"] == "4"), 0
        ].item()
    )


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_impossible_scales_are_refused(atlas, scale):
    with pytest.raises(ConfigError, match="scale"):
        neuron_counts(atlas, scale)


def test_unknown_densities_are_refused(atlas):
    with pytest.raises(ConfigError, match="ero.*Choose published or rodarie"):
        neuron_counts(atlas, density="ero")


def test_largest_remainder_keeps_the_total():
    assert largest_remainder(np.array([1.0, 1.0, 1.0]), 4).tolist() == [2, 1, 1]
    assert largest_remainder(np.array([0.2, 0.5, 0.3]), 10).tolist() == [2, 5, 3]
    assert largest_remainder(np.array([0.6, 0.0, 0.4]), 0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", range(20))
def test_rounded_tables_have_the_sums_asked_for(seed):
    rng = np.random.default_rng(seed)
    expected = rng.exponential(2.0, (rng.integers(2, 30), rng.integers(2, 9)))
    rows, columns = (largest_remainder(expected.sum(axis=a), int(expected.sum())) for a in (1, 0))
    rounded = round_within(expected, rows, columns)
    assert rounded.sum(axis=1).tolist() == rows.tolist()
    assert rounded.sum(axis=0).tolist() == columns.tolist()
    assert np.abs(rounded - expected).max() < 2
