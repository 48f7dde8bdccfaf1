"""The comparison of examples with BMTK: what counts as the same spike, and as BMTK's draw."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from beside_bmtk import earlier, same, shared


def trains(**times):
    return {("cortex", int(node[1:])): np.array(of, float) for node, of in times.items()}


@pytest.mark.parametrize(
    ("there", "here", "counts"),
    [
        (trains(n0=[1.0, 2.0], n1=[5.0]), trains(n0=[1.0, 2.0], n1=[5.0]), (3, 3, 3, 0)),
        (trains(n0=[1.0, 2.0]), trains(n0=[1.1, 1.9]), (2, 2, 0, 2)),
        (trains(n0=[1.0, 2.0]), trains(n0=[1.2, 2.0]), (2, 2, 1, 0)),
        (trains(n0=[1.0]), trains(n1=[1.0]), (1, 1, 0, 0)),
        (trains(n0=[1.0, 2.0, 3.0]), trains(n0=[2.0]), (3, 1, 1, 0)),
        ({}, {}, (0, 0, 0, 0)),
    ],
)
def test_spikes_of_both(there, here, counts):
    assert shared(there, here, 0.1) == counts


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"bmtk": "fails"}, False),
        ({"spikes": [2, 2, 1, 1], "reports": {}}, True),
        ({"spikes": [2, 3, 2, 0], "reports": {}}, False),
        ({"spikes": [0, 0, 0, 0], "reports": {}}, False),
        ({"spikes": [0, 0, 0, 0], "reports": {"v": [1e-3, 80.0]}}, True),
        ({"spikes": [0, 0, 0, 0], "reports": {"v": [1.0, 80.0]}}, False),
    ],
)
def test_what_is_the_same(found, expected):
    assert same(found) is expected


def test_stored_spikes_come_earlier_in_a_copy(tmp_path):
    (tmp_path / "one" / "inputs").mkdir(parents=True)
    (tmp_path / "one" / "config.json").write_text("{}")
    with h5py.File(tmp_path / "one" / "inputs" / "spikes.h5", "w") as file:
        file["spikes/drive/timestamps"] = [40.0, 130.0, 100.0]
        file["spikes/drive/timestamps"].attrs["units"] = "ms"
        file["spikes/drive/node_ids"] = [1, 2, 3]
    config = earlier(tmp_path / "one" / "config.json", 100.0)
    assert config == tmp_path / "one.earlier" / "config.json"
    with h5py.File(config.parent / "inputs" / "spikes.h5") as file:
        assert file["spikes/drive/timestamps"][:].tolist() == [30.0, 0.0]
        assert file["spikes/drive/node_ids"][:].tolist() == [2, 3]
        assert file["spikes/drive/timestamps"].attrs["units"] == "ms"
