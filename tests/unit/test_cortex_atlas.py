import gzip
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from isocortex.cortex.atlas import LAYERS, PROJECTION_CLASSES, load_atlas
from isocortex.cortex.laminar import profile_weights, target_layers
from isocortex.cortex.volume import MIDPLANE_UM, decode_field, encode_field, read_nrrd
from isocortex.errors import InputError, ModelError

ORIGINALS = Path(__file__).parents[3] / "shared/data/atlas"
originals = pytest.mark.skipif(not ORIGINALS.is_dir(), reason="the original data are not here")


@pytest.fixture(scope="module")
def atlas():
    return load_atlas()


@pytest.fixture(scope="module")
def places(atlas):
    """Every seventh voxel: row of the table, centre, place."""
    voxels, row = atlas.volume.voxels()
    centres = atlas.volume.centre(voxels[::7])
    return row[::7], centres, atlas.volume.at(centres)


# --- tables -----------------------------------------------------------------------------------


def test_embedded_tables_are_complete_and_small(atlas):
    assert len(atlas.areas) == 43 and len(atlas.area_layer) == 240
    assert set(atlas.area_layer["layer"]) == set(LAYERS)
    assert atlas.area_layer.groupby("area").size().between(5, 6).all()
    assert atlas.areas["colour"].str.fullmatch("#[0-9A-F]{6}").all()
    assert atlas.areas["hierarchy"].isna().sum() == 6
    assert (atlas.density >= 0).all() and np.isfinite(atlas.density).all()
    assert not atlas.density[atlas.row_layer == 0, 0].any()  # layer 1 is all inhibitory
    assert (np.diff(atlas.row_area) >= 0).all()
    folder = Path(__file__).parents[2] / "src/isocortex/cortex/data"
    sizes = [folder / name for name in ("areas.csv", "area_layer.csv", "connectome.npz")]
    sizes += [folder / name for name in ("laminar.json", "voxels.npz", "columns.npz")]
    assert sum(file.stat().st_size for file in sizes) < 4.0e6


def test_volumes_of_the_tables_are_those_of_the_labels(atlas):
    voxels = np.bincount(atlas.volume.labels.ravel(), minlength=241)[1:]
    volumes = voxels * atlas.volume.voxel_mm3
    np.testing.assert_allclose(volumes, atlas.area_layer["volume_mm3"], atol=1e-5)
    by_area = np.bincount(atlas.row_area, volumes)
    np.testing.assert_allclose(by_area, atlas.areas["volume_mm3"], rtol=1e-5)
    assert 2 * volumes.sum() == pytest.approx(123.34, abs=0.01)


def test_provenance_names_every_table(atlas):
    rows = {row["table"]: row for row in atlas.provenance()}
    assert set(rows) == {
        "areas.csv", "area_layer.csv", "connectome.npz", "laminar.json", "voxels.npz",
        "wiring_*.csv", "cells.npz", "rates.csv", "drive*.csv",
    }  # fmt: skip
    assert all({"table", "what", "source", "licence", "citation"} == set(r) for r in rows.values())
    assert all(value for row in rows.values() for value in row.values())


# --- places -----------------------------------------------------------------------------------


def test_depth_is_ordered_by_layer_and_goes_from_pia_to_white_matter(atlas, places):
    row, _, place = places
    layer = atlas.row_layer[row]
    medians = [np.median(place.depth[layer == n]) for n in range(len(LAYERS))]
    assert (np.diff(medians) > 0).all() and medians[0] < 0.08 and medians[-1] > 0.95
    assert (place.depth >= 0).all() and (place.depth <= 1).all()
    for area in range(len(atlas.areas)):
        here = atlas.row_area[row] == area
        medians = [
            np.median(place.depth[here & (layer == n)])
            for n in range(len(LAYERS))
            if (here & (layer == n)).sum() > 50
        ]
        assert (np.diff(medians) > 0).all(), atlas.areas.index[area]


def test_cortex_is_as_thick_as_it_is_in_the_mouse(atlas, places):
    row, _, place = places
    for area, low, high in (("VISp", 750, 1050), ("SSp-bfd", 1000, 1350), ("RSPd", 700, 1200)):
        here = (atlas.row_area[row] == atlas.areas.index.get_loc(area)) & (place.depth > 0.5)
        assert low < np.median(place.depth_um[here] / place.depth[here]) < high


def test_normals_are_unit_vectors_up_the_gradient_of_depth(atlas, places):
    _, centres, place = places
    np.testing.assert_allclose(np.linalg.norm(place.normal, axis=1), 1.0, atol=1e-5)
    middle = (place.depth > 0.3) & (place.depth < 0.7)
    step = 50.0 * place.normal[middle]
    up, down = (atlas.volume.at(centres[middle] + s).depth_um for s in (step, -step))
    assert np.nanpercentile(np.abs(down - up - 100.0), 90) < 15.0


def test_left_is_the_mirror_image_of_right(atlas, places):
    _, centres, right = places
    mirrored = centres * (1, 1, -1) + (0, 0, 2 * MIDPLANE_UM)
    left = atlas.volume.at(mirrored)
    np.testing.assert_allclose(left.depth, right.depth, atol=1e-4)
    np.testing.assert_allclose(left.normal, right.normal * (1, 1, -1), atol=1e-3)
    np.testing.assert_allclose(left.flat, right.flat * (-1, 1), atol=0.1)
    assert (right.flat[:, 0] > 0).all()


def test_flat_coordinate_changes_little_along_the_path_to_mid_depth(atlas, places):
    _, centres, place = places
    middle = atlas.volume.at(atlas.volume.middle(centres))
    assert np.nanmedian(np.abs(middle.depth - 0.5)) < 0.01
    moved = np.linalg.norm(middle.flat - place.flat, axis=1)
    assert np.nanpercentile(moved, 95) < 60.0


def test_outside_there_is_nothing(atlas):
    far = np.array([[100.0, 100.0, 100.0], [13100.0, 7900.0, 11300.0], [-50.0, 2000.0, 6000.0]])
    assert np.isnan(atlas.volume.at(far).depth).all()


def test_fields_survive_quantisation():
    values = np.random.default_rng(1).normal(0.0, 200.0, (1000, 2))
    np.testing.assert_allclose(decode_field(encode_field(values, "flat"), "flat"), values, atol=2.6)


# --- laminar targets --------------------------------------------------------------------------


def test_target_layers_are_shares_that_follow_class_and_hierarchy(atlas):
    for projection in PROJECTION_CLASSES[1:]:
        for pathway in ((), ("VISp", "VISl"), ("ACAd", "MOs")):
            assert profile_weights(atlas, projection, *pathway).sum() == pytest.approx(1.0)
            assert target_layers(atlas, projection, *pathway).sum() == pytest.approx(1.0)
    no_layer_4 = target_layers(atlas, "23", "VISp", "ACAd")
    assert no_layer_4[LAYERS.index("4")] == 0.0
    up, down = (
        target_layers(atlas, "23", "VISp", "VISl"),
        target_layers(atlas, "23", "VISl", "VISp"),
    )
    assert up[2] > down[2] and up[0] < down[0]  # feedforward to layer 4, feedback to layer 1
    with pytest.raises(ModelError, match="5et.*Choose from"):
        target_layers(atlas, "5et")


# --- files of one's own -----------------------------------------------------------------------


@pytest.fixture
def table(atlas):
    return atlas.area_layer.copy()


def test_own_densities_replace_the_embedded(atlas, table, tmp_path):
    table["pvalb_mm3"] = 2 * table["pvalb_mm3"]
    table.sample(frac=1.0, random_state=1).to_csv(tmp_path / "mine.csv", index=False)
    mine = load_atlas(area_layer=tmp_path / "mine.csv")
    np.testing.assert_allclose(mine.density[:, 1], 2 * atlas.density[:, 1])
    np.testing.assert_allclose(mine.density[:, 2:], atlas.density[:, 2:])
    row = next(r for r in mine.provenance() if r["table"] == "area_layer.csv")
    assert row["source"].endswith("mine.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="sst_mm3"), "sst_mm3: column is missing"),
        (lambda t: t[t["area"] != "VISp"], "area: no row for area VISp"),
        (lambda t: t[(t["area"] != "VISp") | (t["layer"] != "4")], "no row for area VISp, layer 4"),
        (lambda t: pd.concat([t, t[:1]]), "two rows for area FRP, layer 1"),
        (lambda t: t.replace({"area": {"VISp": "V1"}}), "no row for area VISp"),
        (lambda t: t.assign(vip_mm3=-1.0), "vip_mm3: -1.0 in area FRP, layer 1 is not a density"),
        (lambda t: t.assign(vip_mm3=np.nan), "vip_mm3: nan in area FRP"),
        (lambda t: t.assign(pvalb_mm3="many"), "pvalb_mm3: many in area FRP"),
    ],
)
def test_bad_densities_are_named(table, tmp_path, change, message):
    file = tmp_path / "bad.csv"
    change(table).to_csv(file, index=False)
    with pytest.raises(InputError, match=message) as error:
        load_atlas(area_layer=file)
    assert error.value.file == file and error.value.fix


def test_missing_files_are_named(tmp_path):
    for name in ("annotation", "area_layer", "connectome"):
        with pytest.raises(InputError, match="nowhere"):
            load_atlas(**{name: tmp_path / "nowhere"})


@pytest.fixture
def matrices(atlas):
    c = atlas.connectome
    return {
        "areas": np.array(atlas.areas.index, str), "classes": np.array(c.classes),
        "density": c.density.copy(), "normalized_density": c.normalized_density.copy(),
        "distance_um": c.distance_um.copy(),
    }  # fmt: skip


def test_own_connectome_replaces_the_embedded(atlas, matrices, tmp_path):
    matrices["density"] *= 2
    np.savez(tmp_path / "mine.npz", **matrices)
    mine = load_atlas(connectome=tmp_path / "mine.npz").connectome
    np.testing.assert_allclose(
        mine.matrix("23", "contra"), 2 * atlas.connectome.matrix("23", "contra")
    )


def _swapped(m):
    m["areas"][[0, 1]] = m["areas"][[1, 0]]


def _at(name, value):
    def change(m):
        m[name][(1,) * m[name].ndim] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_swapped, "areas: entry 0 is 'MOp', not 'FRP'"),
        (
            lambda m: m.update(density=m["density"][:, :, :42]),
            r"density: has shape .*42, 43\), not",
        ),
        (lambda m: m.pop("distance_um"), "distance_um: array is missing"),
        (_at("density", np.nan), r"density: nan for MOp to MOp at \(1, 1, 1, 1\)"),
        (_at("density", -1.0), "density: -1.0 for MOp to MOp"),
        (_at("distance_um", np.inf), "distance_um: inf for MOp"),
    ],
)
def test_bad_connectomes_are_named(matrices, tmp_path, change, message):
    change(matrices)
    np.savez(tmp_path / "bad.npz", **matrices)
    with pytest.raises(InputError, match=message) as error:
        load_atlas(connectome=tmp_path / "bad.npz")
    assert error.value.fix


def write_nrrd(file, volume, encoding="gzip", spacing=25, **changes):
    head = {
        "type": "unsigned int", "dimension": 3, "sizes": " ".join(map(str, volume.shape)),
        "space directions": f"({spacing},0,0) (0,{spacing},0) (0,0,{spacing})", "endian": "little",
        "encoding": encoding,
    } | changes  # fmt: skip
    body = volume.astype("<u4").tobytes(order="F")
    lines = "\n".join(f"{key}: {value}" for key, value in head.items())
    content = gzip.compress(body, 1) if encoding == "gzip" else body
    file.write_bytes(b"NRRD0004\n# a comment\n" + lines.encode() + b"\n\n" + content)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd_is_read(tmp_path, encoding):
    volume = np.arange(24, dtype=np.uint32).reshape(2, 3, 4)
    write_nrrd(tmp_path / "a.nrrd", volume, encoding)
    found, spacing = read_nrrd(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(found, volume)
    assert spacing == 25.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "float"}, "type: 'float' is not a type of label"),
        ({"encoding": "bzip2"}, "encoding: 'bzip2' is not"),
        ({"sizes": "2 3 5"}, "has 96 bytes of data"),
        ({"sizes": "two"}, "sizes: sizes and space directions"),
        ({"space directions": "(25,0,0) (0,10,0) (0,0,25)"}, "no volume of cubic voxels"),
        ({}, "are not the space of the CCFv3"),
    ],
)
def test_bad_annotations_are_named(tmp_path, changes, message):
    file = tmp_path / "bad.nrrd"
    encoding = changes.pop("encoding", "raw")
    write_nrrd(file, np.zeros((2, 3, 4)), encoding, **changes)
    with pytest.raises(InputError, match=message) as error:
        load_atlas(annotation=file)
    assert error.value.file == file and "CCFv3" in error.value.fix


def test_damaged_and_foreign_annotations_are_refused(tmp_path):
    file = tmp_path / "bad.nrrd"
    write_nrrd(file, np.zeros((2, 3, 4)))
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(InputError, match="data are damaged"):
        read_nrrd(file)
    file.write_bytes(b"PNG")
    with pytest.raises(InputError, match="is not an NRRD file"):
        read_nrrd(file)


def test_annotation_without_an_area_is_refused(atlas, tmp_path):
    volume = np.zeros((132, 80, 114), np.uint32)
    write_nrrd(tmp_path / "empty.nrrd", volume, spacing=100)
    with pytest.raises(InputError, match=f"structure {atlas.area_layer['id'][0]} has no voxel"):
        load_atlas(annotation=tmp_path / "empty.nrrd")


# --- against the originals --------------------------------------------------------------------


@originals
def test_original_annotation_gives_the_embedded_labels(atlas):
    whole = load_atlas(annotation=ORIGINALS / "annotation_25_ccf2017.nrrd")
    np.testing.assert_array_equal(whole.volume.labels, atlas.volume.labels)
    np.testing.assert_array_equal(whole.volume.origin, atlas.volume.origin)
    np.testing.assert_allclose(
        whole.area_layer["volume_mm3"], atlas.area_layer["volume_mm3"], atol=1e-5
    )


@originals
def test_densities_are_those_of_the_original_table(atlas):
    original = pd.read_csv(ORIGINALS / "area_layer.csv").set_index(["area", "layer"])
    original = original.loc[pd.MultiIndex.from_frame(atlas.area_layer[["area", "layer"]])]
    total = 2 * (atlas.density.sum(axis=1) * atlas.area_layer["volume_mm3"]).sum()
    assert total == pytest.approx(
        2 * (original["neuron_mm3"] * original["vol_mm3_hemi"]).sum(), rel=1e-5
    )
    np.testing.assert_allclose(atlas.density.sum(axis=1), original["neuron_mm3"], atol=1.0)
    np.testing.assert_allclose(atlas.density[:, 1:].sum(axis=1), original["gad67_mm3"], atol=1.0)


@originals
def test_allen_streamlines_run_down_the_depth_at_one_flat_coordinate(atlas):
    with h5py.File(ORIGINALS / "dorsal_flatmap_paths_100.h5") as file:
        lookup, paths = file["view lookup"][:], file["paths"][:]
    rows, columns = np.nonzero(lookup >= 0)
    pixel = 100.0 * np.stack([columns + 0.5 - lookup.shape[1] / 2, rows + 0.5], axis=1)
    correlation, apart = [], []
    for n in range(0, len(rows), 80):
        path = paths[lookup[rows[n], columns[n]]]
        index = np.stack(np.unravel_index(path[path > 0], (132, 80, 114)), axis=1)
        place = atlas.volume.at(100.0 * (index + 0.5))
        inside = np.isfinite(place.depth)
        if inside.sum() > 5:
            depth = place.depth[inside]
            correlation.append(abs(np.corrcoef(depth, np.arange(len(depth)))[0, 1]))
            apart.append(np.linalg.norm(np.median(place.flat[inside], axis=0) - pixel[n]))
    assert np.median(correlation) > 0.97
    assert np.median(apart) < 100.0
