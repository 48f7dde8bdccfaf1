"""A laminar probe: where it stands, and that a cortex is built with it."""

import json

import numpy as np
import pytest

import isocortex as ic
from isocortex.analysis.potentials import depths
from isocortex.cortex.probe import laminar_probe
from isocortex.errors import ConfigError
from isocortex.sonata.contacts import read_contacts


@pytest.fixture(scope="module")
def cortex():
    return ic.CortexModel.make(ic.Recipe(scale=0.0005))


@pytest.mark.parametrize(
    ("area", "side"), [("VISp", "right"), ("MOs", "left"), ("SSp-bfd", "left")]
)
def test_a_probe_goes_from_the_pia_to_the_white_matter_of_its_area(cortex, area, side):
    contacts = laminar_probe(cortex, area, side)
    depth = depths(contacts)
    np.testing.assert_allclose(np.diff(depth), 50.0)
    assert 600.0 < depth[-1] < 1800.0
    n = cortex.neurons
    of_side = cortex.right if side == "right" else ~cortex.right
    mine = of_side & (n.area == cortex.atlas.areas.index.get_loc(area))
    away = np.linalg.norm(n.position[mine][:, None] - contacts, axis=2)
    assert np.median(away.min(axis=0)[3:-3]) < 250.0  # neurons of the area are beside it
    # the deeper the contact, the deeper the neurons next to it
    beside = n.depth_um[mine][away.argmin(axis=0)]
    assert np.corrcoef(beside, depth)[0, 1] > 0.8


def test_a_cortex_is_built_with_a_probe(cortex, tmp_path):
    config = json.loads(ic.build_cortex(tmp_path, cortex, probe="VISp").read_text())
    report = config["reports"]["lfp_VISp"]
    assert report["module"] == "extracellular"
    assert report["minimum_distance"] == pytest.approx(12.0 * 2000 ** (1 / 3), abs=0.1)
    written = read_contacts(tmp_path / "probe_VISp.csv")
    np.testing.assert_allclose(written, laminar_probe(cortex, "VISp"), atol=0.01)
    (spec,) = [
        spec for spec in ic.load_simulation(tmp_path / "simulation_config.json").reports
        if spec.contacts is not None
    ]  # fmt: skip
    ((population, rows),) = spec.cells
    assert population == "cortex"
    assert len(rows) == np.count_nonzero(
        cortex.right & (cortex.neurons.area == cortex.atlas.areas.index.get_loc("VISp"))
    )


@pytest.mark.parametrize(("area", "side"), [("V1", "right"), ("VISp", "both")])
def test_there_must_be_such_a_place(cortex, tmp_path, area, side):
    with pytest.raises(ConfigError, match="unknown"):
        laminar_probe(cortex, area, side)
    with pytest.raises(ConfigError, match="unknown area"):
        ic.build_cortex(tmp_path / "none", cortex, probe="V1")
    assert not (tmp_path / "none").exists()
