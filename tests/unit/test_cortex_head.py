"""A head about a cortex, and that a cortex is built with electrodes on it."""

import json

import numpy as np
import pytest

import isocortex as ic
from isocortex.cortex.head import MOUSE, electrodes_over, pia_over
from isocortex.errors import ConfigError
from isocortex.sonata.contacts import read_contacts, read_names


@pytest.fixture(scope="module")
def cortex():
    return ic.CortexModel.make(ic.Recipe(scale=0.0005))


def test_the_brain_is_the_sphere_that_the_pia_fits_best(cortex):
    pia = pia_over(cortex)
    design = np.column_stack([2.0 * pia, np.ones(len(pia))])
    *centre, rest = np.linalg.lstsq(design, (pia**2).sum(axis=1), rcond=None)[0]
    np.testing.assert_allclose(MOUSE.centre, centre, atol=10.0)
    assert MOUSE.radii[0] == pytest.approx(np.sqrt(rest + np.dot(centre, centre)), abs=10.0)
    away = np.linalg.norm(pia - MOUSE.centre, axis=1) - MOUSE.radii[0]
    assert away.std() < 0.1 * MOUSE.radii[0]


def test_electrodes_lie_on_the_skull_over_their_area(cortex):
    names, places = electrodes_over(cortex, ["VISp", "MOs"])
    assert names == ["VISp_left", "VISp_right", "MOs_left", "MOs_right"]
    np.testing.assert_allclose(np.linalg.norm(places - MOUSE.centre, axis=1), MOUSE.radii[2])
    assert (places[:, 1] < MOUSE.centre[1]).all()  # above
    assert places[0, 0] > places[2, 0]  # x of the atlas goes to the back
    np.testing.assert_allclose(places[0, 2] + places[1, 2], 2 * 5700.0, atol=150.0)
    n = cortex.neurons
    nearest = n.area[np.linalg.norm(n.position - places[1], axis=1).argsort()[:20]]
    assert (nearest == cortex.atlas.areas.index.get_loc("VISp")).mean() > 0.5


def test_a_cortex_is_built_with_electrodes(cortex, tmp_path):
    path = ic.build_cortex(tmp_path, cortex, eeg=["VISp"])
    report = json.loads(path.read_text())["reports"]["eeg"]
    assert report["module"] == "extracellular" and report["head"]["radii"][0] > 0
    assert read_names(tmp_path / "eeg.csv") == ("VISp_left", "VISp_right")
    np.testing.assert_allclose(
        read_contacts(tmp_path / "eeg.csv"), electrodes_over(cortex, ["VISp"])[1], atol=0.01
    )
    (spec,) = [s for s in ic.load_simulation(path).reports if s.contacts is not None]
    assert spec.contacts.names == ("VISp_left", "VISp_right")
    assert spec.contacts.head.centre == pytest.approx(MOUSE.centre)


def test_electrodes_are_over_areas_that_there_are(cortex, tmp_path):
    with pytest.raises(ConfigError, match=r"eeg: unknown area 'V1'"):
        ic.build_cortex(tmp_path / "none", cortex, eeg=["V1"])
    assert not (tmp_path / "none").exists()
