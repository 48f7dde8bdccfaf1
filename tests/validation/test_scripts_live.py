"""One script through BMTK and through the package: the same edges, spikes and traces.

Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from bmtk_script import FIELD, SCRIPT

pytest.importorskip("neuron")
bmtk = pytest.importorskip("bmtk")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """What the script leaves behind, by where it imports from."""
    found = {}
    for name in ("bmtk", "isocortex.bmtk"):
        folder = found[name] = tmp_path_factory.mktemp(name)
        (folder / "script.py").write_text(SCRIPT.format(bmtk=name))
        subprocess.run([sys.executable, "script.py"], cwd=folder, check=True)
    return found["bmtk"], found["isocortex.bmtk"]


def _rows(path: Path) -> list[tuple]:
    """Every edge with all that its file says of it, sorted."""
    rows = []
    with h5py.File(path) as file:
        (edges,) = file["edges"].values()
        group, place = edges["edge_group_id"][:], edges["edge_group_index"][:]
        ends = [edges[name][:] for name in ("source_node_id", "target_node_id", "edge_type_id")]
        for k in range(len(group)):
            own = edges[str(group[k])]
            told = tuple((name, own[name][place[k]].item()) for name in sorted(own))
            rows.append((*(int(end[k]) for end in ends), told))
    return sorted(rows)


@pytest.mark.parametrize("name", ["cortex_cortex", "thalamus_cortex"])
def test_edges_are_those_of_bmtk(folders, name):
    theirs, ours = (_rows(folder / "network" / f"{name}_edges.h5") for folder in folders)
    assert len(theirs) > 50
    assert ours == theirs


@pytest.mark.parametrize("name", ["cortex", "thalamus"])
def test_nodes_are_those_of_bmtk(folders, name):
    contents = []
    for folder in folders:
        with h5py.File(folder / "network" / f"{name}_nodes.h5") as file:
            found = {}
            file.visititems(
                lambda key, item, found=found: found.update({key: item[()]})
                if isinstance(item, h5py.Dataset) else None
            )  # fmt: skip
            contents.append(found)
    theirs, ours = contents
    assert theirs.keys() == ours.keys()
    for key, values in theirs.items():
        np.testing.assert_array_equal(ours[key], values)


def test_spikes_hooks_and_input_are_those_of_bmtk(folders):
    theirs, ours = (json.loads((folder / "facts.json").read_text()) for folder in folders)
    assert ours["nedges"] == theirs["nedges"]
    assert ours["calls"] == theirs["calls"]
    assert sorted(ours["told"]) == sorted(theirs["told"]) and len(theirs["told"]) > 10
    assert len(theirs["spikes"]) > 20
    np.testing.assert_allclose(ours["spikes"], theirs["spikes"], rtol=0, atol=1e-6)
    trains = []
    for folder in folders:
        with h5py.File(folder / "inputs" / "thalamus.h5") as file:
            group = file["spikes/thalamus"]
            ids, times = group["node_ids"][:], group["timestamps"][:]
            trains.append((ids[np.lexsort((times, ids))], np.sort(times)))
    np.testing.assert_array_equal(trains[1][0], trains[0][0])
    np.testing.assert_allclose(trains[1][1], trains[0][1], rtol=0, atol=1e-9)


def test_a_trace_is_that_of_bmtk(folders):
    traces = []
    for folder in folders:
        with h5py.File(folder / "output" / "v_report.h5") as file:
            report = file["report/cortex"]
            column = list(report["mapping/node_ids"][:]).index(7)
            traces.append(report["data"][:, column])
    assert len(traces[0]) == len(traces[1])
    assert np.ptp(traces[0]) > 5.0
    np.testing.assert_allclose(traces[1], traces[0], rtol=0, atol=0.01)


def test_bmtk_runs_what_was_written_here(folders, tmp_path):
    """BMTK's simulator on the package's files of the network and configuration: the same spikes."""
    theirs, ours = folders
    folder = shutil.copytree(ours, tmp_path / "copy", ignore=shutil.ignore_patterns("output"))
    compiled = next((theirs / "components" / "mechanisms").glob("*/libnrnmech*")).parent
    shutil.copytree(compiled, folder / "components" / "mechanisms" / compiled.name)
    whole = SCRIPT.format(bmtk="bmtk")
    imports = whole[: whole.index("np.random.seed")]
    simulates = whole[whole.index("def tuned") :].replace(", thalamus.nedges", "")
    script = imports + simulates.replace("cortex.nedges", "0")
    (folder / "run.py").write_text(script)
    subprocess.run([sys.executable, "run.py"], cwd=folder, check=True)
    again, expected = (json.loads((f / "facts.json").read_text()) for f in (folder, ours))
    np.testing.assert_allclose(again["spikes"], expected["spikes"], rtol=0, atol=1e-6)


def test_what_scripts_of_other_repositories_do(tmp_path):
    facts = []
    for name in ("bmtk", "isocortex.bmtk"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "script.py").write_text(FIELD.format(bmtk=name))
        subprocess.run([sys.executable, "script.py"], cwd=folder, check=True)
        facts.append(json.loads((folder / "facts.json").read_text()))
    theirs, ours = facts
    assert len(theirs["spikes"]) >= 4
    np.testing.assert_allclose(ours["spikes"], theirs["spikes"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours["v"], theirs["v"], rtol=0, atol=0.01)


PLACES = """
import json, sys
import numpy as np
from {bmtk}.builder.bionet.swc_reader import SWCReader, get_swc
folder, name = sys.argv[1:]
found = []
for dl in (None, 20.0):
    swc = SWCReader(f"{{folder}}/{{name}}")
    if dl:
        swc.set_segment_dl(dl)
    swc.fix_axon()
    for sections, span in ((["soma", "dend"], [0.0, 80.0]), (["apic", "axon"], [10.0, 1e20])):
        segments, probability = swc.find_sections(sections, span)
        found.append([swc.seg_props.sec_id[segments].tolist(),
                      swc.seg_props.x[segments].tolist(), probability.tolist()])
cell = {{"node_id": 3, "morphology": name, "model_processing": "aibs_perisomatic", "x": 100.0,
        "y": -20.0, "z": 5.0, "rotation_angle_yaxis": 1.0, "rotation_angle_zaxis": 0.5}}
placed = get_swc(cell, folder)
places = [placed.get_coords(section, 0.5).tolist() for section in (1, 5, 20)]
points = [list(map(float, placed.get_swc_id(section, 0.5))) for section in (1, 5, 20)]
drawn = placed.choose_sections(["dend"], [0.0, 100.0], n_sections=4)
print("\\n" + json.dumps([found, places, points, [len(each) for each in drawn]]))
"""


def test_places_for_synapses_are_those_of_bmtk(tmp_path):
    package = Path(bmtk.__file__).parent / "utils" / "scripts" / "bionet"
    answers = []
    for name in ("bmtk", "isocortex.bmtk"):
        command = [sys.executable, "-c", PLACES.format(bmtk=name), package / "morphologies",
                   "Scnn1a_473845048_m.swc"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        answers.append(json.loads(done.stdout.splitlines()[-1]))
    (theirs, their_places, their_points, sizes), (ours, places, points, our_sizes) = answers
    assert our_sizes == sizes
    for there, here in zip(theirs, ours, strict=True):
        assert here[0] == there[0]
        np.testing.assert_allclose(here[1], there[1])
        np.testing.assert_allclose(here[2], there[2], atol=1e-6)
    np.testing.assert_allclose(places, their_places, atol=0.1)
    assert points == their_points
