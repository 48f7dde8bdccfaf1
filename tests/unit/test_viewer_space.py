"""What stands around the neurons of a cortex: outline, labels, strata, names."""

import numpy as np
import pytest
from viewer_run import cortex_session, driven_cells

from isocortex.cortex.atlas import LAYERS, load_atlas
from isocortex.viewer.pack import unpack
from isocortex.viewer.session import Session
from isocortex.viewer.space import anchors, outline


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return cortex_session(tmp_path_factory.mktemp("space"))


@pytest.fixture(scope="module")
def surface():
    return outline(load_atlas().volume)


def test_the_outline_is_closed_and_faces_outward(surface):
    corner, normal, triangle = surface
    edges = np.concatenate([triangle[:, [0, 1]], triangle[:, [1, 2]], triangle[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)  # each is passed once in each direction
    assert len(np.unique(np.sort(edges, axis=1), axis=0)) == len(edges) // 2
    a, b, c = (corner[triangle[:, k]] for k in range(3))
    assert np.sum(np.cross(b, c) * a) / 6 * 1e-9 == pytest.approx(61.65, rel=0.1)  # mm3, one side
    assert np.linalg.norm(normal, axis=1) == pytest.approx(1.0, abs=1e-6)


def test_the_outline_lies_where_the_cortex_ends(surface):
    corner, normal, _ = surface
    volume = load_atlas().volume
    labelled = [np.isfinite(volume.at((corner + way * normal).astype(np.float32)).depth)
                for way in (-200.0, 300.0)]  # fmt: skip
    assert labelled[0].mean() > 0.98 and labelled[1].mean() < 0.1


def test_labels_are_those_of_the_atlas_at_the_neurons(session):
    head, arrays = unpack(session.get("space"))
    low, step = np.array(head["labels"]["low"]), head["labels"]["step"]
    place = session.scene.position.copy()
    place[:, 2] = 5700.0 + np.abs(place[:, 2] - 5700.0)
    at = np.floor((place - low) / step).astype(int)
    rows = arrays["label"][tuple(np.clip(at, 0, np.array(arrays["label"].shape) - 1).T)]
    inside = rows > 0
    area = np.array([row[0] for row in head["rows"]])[rows[inside] - 1]
    assert inside.mean() > 0.95
    assert np.mean(area == session.scene.column_of("area")[inside]) > 0.93


def test_strata_count_layers_from_the_pia(session):
    _, arrays = unpack(session.get("strata/0"))
    layer = [f"L{name}" for name in LAYERS]
    number = np.array([layer.index(name) for name in session.scene.column_of("layer")])
    assert (arrays["stratum"] // 42 == number).all()


def test_every_area_has_a_name_on_the_surface_of_its_own(session):
    atlas = load_atlas()
    names = anchors(atlas)
    assert [name["area"] for name in names] == list(atlas.areas.index)
    place = np.array([name["place"] for name in names])
    normal = np.array([name["normal"] for name in names])
    depth = atlas.volume.at((place - 60.0 * normal).astype(np.float32)).depth_um
    assert np.nanmax(depth) < 150.0
    reach = {name["area"]: name["reach"] for name in names}
    assert reach["MOs"] > reach["VISp"] > reach["VISli"] > 150.0  # um
    total = sum((2e-3 * value) ** 2 for value in reach.values())
    assert 60.0 < total < 110.0  # mm2, one side


def test_a_circuit_outside_the_atlas_has_no_space(tmp_path):
    head, arrays = unpack(Session(driven_cells(tmp_path)).get("space"))
    assert head["rows"] == [] and arrays == {}
