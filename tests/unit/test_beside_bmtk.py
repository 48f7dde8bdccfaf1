"""The comparison of examples with BMTK: what counts as the same spike, and as BMTK's draw."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from beside_bmtk import differences, earlier, same, shared, spikes_of, watch


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


@pytest.mark.parametrize("reports", [None, {}, {"v": {"cells": "all"}}])
def test_what_reports_nothing_reports_voltages(tmp_path, reports):
    """Also where the simulation is a file of its own."""
    (tmp_path / "config.json").write_text('{"simulation": "$BASE/sim.json"}')
    content = {"run": {}} | ({} if reports is None else {"reports": reports})
    (tmp_path / "sim.json").write_text(json.dumps(content))
    watch(tmp_path / "config.json")
    found = json.loads((tmp_path / "sim.json").read_text())
    assert list(found["reports"]) == ["v" if reports else "soma_voltage"]
    assert "reports" not in json.loads((tmp_path / "config.json").read_text())


def write_report(folder, cells, voltages):
    folder.mkdir()
    with h5py.File(folder / "v.h5", "w") as file:
        file["report/cortex/data"] = np.array(voltages, float)
        mapping = file.create_group("report/cortex/mapping")
        mapping["node_ids"] = cells
        mapping["index_pointer"] = np.arange(len(cells) + 1)
        mapping["element_ids"], mapping["element_pos"] = np.zeros((2, len(cells)))


def test_reports_are_compared_in_the_cells_that_both_have(tmp_path):
    write_report(tmp_path / "theirs", [3, 1, 2], [[-60.0, -70.0, 10.0], [-61.0, -71.0, 20.0]])
    write_report(tmp_path / "ours", [1, 3], [[-70.0, -60.0], [-71.0, -61.5]])
    assert dict(differences(tmp_path / "theirs", tmp_path / "ours")) == {"v": [0.5, 71.0, 2, 3]}
    # none that BMTK does not have
    assert dict(differences(tmp_path / "ours", tmp_path / "theirs"))["v"][0] == np.inf


def test_spikes_of_a_last_half_step_are_left_out(tmp_path):
    with h5py.File(tmp_path / "spikes.h5", "w") as file:
        file["spikes/cortex/timestamps"] = [2.0, 1.0, 49.96]
        file["spikes/cortex/node_ids"] = [4, 4, 5]
    ((node, times),) = spikes_of(tmp_path, 49.95).items()
    assert node == ("cortex", 4) and times.tolist() == [1.0, 2.0]
