import numpy as np
import pandas as pd
import pytest

from isocortex.cortex.atlas import LAYERS, load_atlas
from isocortex.cortex.columns import NEURONS_PER_COLUMN, _embedded, divide, make_columns
from isocortex.cortex.counts import CLASSES, expected_neurons
from isocortex.cortex.positions import Neurons, make_layout, place_neurons
from isocortex.cortex.volume import MIDPLANE_UM
from isocortex.errors import ConfigError


@pytest.fixture(scope="module")
def atlas():
    return load_atlas()


@pytest.fixture(scope="module")
def columns(atlas):
    return make_columns(atlas)


@pytest.fixture(scope="module")
def layout(atlas):
    return make_layout(atlas, scale=0.02)


@pytest.fixture(scope="module")
def neurons(layout):
    return place_neurons(layout, seed=3)


# --- columns ----------------------------------------------------------------------------------


def test_columns_cover_every_voxel_once_and_stay_in_their_area(atlas, columns):
    voxels, row = atlas.volume.voxels()
    shape = atlas.volume.labels.shape
    mine, all_ = (np.ravel_multi_index(tuple(v.T), shape) for v in (columns.voxels, voxels))
    order = np.argsort(mine)
    np.testing.assert_array_equal(mine[order], all_)
    np.testing.assert_array_equal(columns.row[order], row)
    column = np.repeat(np.arange(columns.n_side), columns.voxel_counts().sum(axis=1))
    area = atlas.areas.index.get_indexer(columns.table["area"][columns.n_side :])
    assert (area[column] == atlas.row_area[columns.row]).all()
    assert columns.offset[-1] == len(voxels)
    layers = np.repeat(np.tile(range(len(LAYERS)), columns.n_side), np.diff(columns.offset))
    assert (layers == atlas.row_layer[columns.row]).all()


def test_the_embedded_division_is_that_of_the_embedded_atlas(atlas):
    """So tools/make_columns.py was run after the tables changed."""
    made, embedded = divide(atlas), _embedded()
    np.testing.assert_array_equal(made.column, embedded.column)
    np.testing.assert_array_equal(made.area, embedded.area)
    pd.testing.assert_frame_equal(made.places, embedded.places, rtol=1e-9)


def test_columns_are_balanced_and_compact(atlas, columns):
    table = columns.table
    assert 3500 < len(columns) < 3700
    assert table["neurons"].sum() == pytest.approx(2 * expected_neurons(atlas)[0].sum())
    assert table["neurons"].between(0.9 * NEURONS_PER_COLUMN, 1.1 * NEURONS_PER_COLUMN).all()
    in_area = table.groupby(["hemisphere", "area"])["neurons"]
    assert (table["neurons"] / in_area.transform("mean") - 1).abs().max() < 0.02
    assert table["radius"].median() < 125 and table["radius"].max() < 260
    assert (table["radius"] > 200).mean() < 0.01


def test_columns_reach_from_pia_to_white_matter(atlas, columns):
    depth = atlas.volume.at(atlas.volume.centre(columns.voxels)).depth
    begin = columns.offset[:: len(LAYERS)]
    low, high = (f.reduceat(depth, begin[:-1]) for f in (np.minimum, np.maximum))
    assert low.max() < 0.1 and (high > 0.85).mean() > 0.99
    assert (columns.voxel_counts()[:, [0, 1, 3]] > 0).all()  # layers 1, 2/3 and 5


def test_columns_are_mirror_images(columns):
    left, right = columns.table[: columns.n_side], columns.table[columns.n_side :]
    assert (left["hemisphere"] == "left").all() and (right["hemisphere"] == "right").all()
    right = right.reset_index(drop=True)
    np.testing.assert_allclose(left["z"] + right["z"], 2 * MIDPLANE_UM)
    np.testing.assert_allclose(left["flat_x"], -right["flat_x"])
    for name in ("area", "x", "y", "flat_y", "radius", "neurons"):
        assert (left[name] == right[name]).all()


# --- layout -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0005, 0.02, 1.0])
def test_layout_keeps_the_counts_and_shares_them_evenly(atlas, columns, scale):
    layout = make_layout(atlas, scale)
    assert len(layout) == layout.counts.total
    one_side = layout.group[: columns.n_side].astype(int)
    np.testing.assert_array_equal(one_side, layout.group[columns.n_side :])
    area = atlas.areas.index.get_indexer(columns.table["area"][columns.n_side :])
    by_area = np.zeros((len(atlas.areas), len(LAYERS), len(CLASSES)), int)
    np.add.at(by_area, area, one_side)
    found = by_area[atlas.row_area, atlas.row_layer]
    np.testing.assert_array_equal(found, layout.counts.counts)
    assert by_area.sum() == found.sum()
    share = columns.voxel_counts() / np.maximum(_sum_by(area, columns.voxel_counts())[area], 1)
    expected = share[:, :, None] * by_area[area]
    assert np.abs(one_side - expected).max() < 1.0


def _sum_by(group, values):
    total = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(total, group, values)
    return total


def test_ids_are_contiguous_in_column_layer_and_class(layout, neurons):
    np.testing.assert_array_equal(neurons.id, np.arange(len(layout)))
    key = (neurons.column.astype(int) * 6 + neurons.layer) * 9 + neurons.cell_class
    assert (np.diff(key) >= 0).all()
    side_area = (neurons.column >= layout.columns.n_side) * 43 + neurons.area.astype(int)
    assert (np.diff(side_area) >= 0).all()
    ids = layout.ids(2000, "5", "ET")
    inside = (neurons.column == 2000) & (neurons.layer == 3) & (neurons.cell_class == 1)
    assert np.flatnonzero(inside).tolist() == list(ids)
    assert layout.ids(7).start == layout.ids(6).stop
    assert len(layout.ids(7)) == sum(len(layout.ids(7, layer)) for layer in LAYERS)


# --- positions --------------------------------------------------------------------------------


def row_at(volume, points):
    """Row of the table of areas and layers at points (n, 3) of either side, -1 outside."""
    mirrored = np.array(points, np.float64)
    mirrored[:, 2] = np.abs(mirrored[:, 2] - MIDPLANE_UM)
    index = np.floor(mirrored / volume.voxel_um).astype(np.int64) - volume.origin
    inside = ((index >= 0) & (index < volume.labels.shape)).all(axis=1)
    rows = np.full(len(points), -1)
    rows[inside] = volume.labels[tuple(index[inside].T)].astype(np.int64) - 1
    return rows


def test_no_neuron_is_outside_its_area_layer_and_side(atlas, layout, neurons):
    row = row_at(atlas.volume, neurons.position)
    assert (row >= 0).all()
    assert (atlas.row_area[row] == neurons.area).all()
    assert (atlas.row_layer[row] == neurons.layer).all()
    right = neurons.column >= layout.columns.n_side
    assert ((neurons.position[:, 2] > MIDPLANE_UM) == right).all()


def test_places_of_neurons_are_sound(neurons):
    np.testing.assert_allclose(np.linalg.norm(neurons.normal, axis=1), 1.0, atol=1e-5)
    assert (neurons.depth >= 0).all() and (neurons.depth <= 1).all()
    medians = [np.median(neurons.depth_um[neurons.layer == n]) for n in range(len(LAYERS))]
    assert (np.diff(medians) > 0).all()
    assert neurons.position.dtype == neurons.flat.dtype == np.float32


@pytest.mark.parametrize("order", ["forward", "backward", "shuffled"])
def test_any_part_gives_the_same_neurons(layout, neurons, order, monkeypatch):
    monkeypatch.setattr("isocortex.cortex.positions._CHUNK", 777)
    wanted = np.arange(100, 3500, 17)
    if order == "backward":
        wanted = wanted[::-1]
    if order == "shuffled":
        wanted = np.random.default_rng(0).permutation(wanted)
    part = place_neurons(layout, seed=3, columns=wanted)
    for name in Neurons.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(part, name), getattr(neurons, name)[part.id])
    assert list(dict.fromkeys(part.column.tolist())) == wanted.tolist()


def test_seeds_and_sides_differ(layout, neurons):
    other = place_neurons(layout, seed=4, columns=[5])
    assert not (other.position == neurons.position[: len(other)]).all(axis=1).any()
    n = layout.columns.n_side
    left, right = (place_neurons(layout, seed=3, columns=[c]).position for c in (5, n + 5))
    assert len(left) == len(right)
    assert np.abs(left[:, 2] + right[:, 2] - 2 * MIDPLANE_UM).min() > 1e-3


def test_positions_fill_the_voxels_uniformly(atlas, layout, neurons):
    within = neurons.position / 25.0 % 1.0
    for axis in range(3):
        counts = np.histogram(within[:, axis], bins=10, range=(0, 1))[0]
        assert np.abs(counts / counts.mean() - 1).max() < 0.03
    # Layers of one area hold neurons in proportion to density times volume, wherever in them.
    visp = neurons.area == atlas.areas.index.get_loc("VISp")
    x = neurons.position[visp & (neurons.layer == 3)][:, 0]
    voxels, row = atlas.volume.voxels()
    here = (atlas.row_area[row] == atlas.areas.index.get_loc("VISp")) & (atlas.row_layer[row] == 3)
    expected = atlas.volume.centre(voxels[here])[:, 0]
    edges = np.quantile(expected, np.linspace(0, 1, 6))
    share = np.histogram(x, bins=edges)[0] / len(x)
    np.testing.assert_allclose(share, 0.2, atol=0.02)


def test_no_columns_no_neurons_and_unknown_columns_are_refused(layout):
    assert len(place_neurons(layout, seed=1, columns=[])) == 0
    with pytest.raises(ConfigError, match="there is no column 9999"):
        place_neurons(layout, seed=1, columns=[1, 9999])
