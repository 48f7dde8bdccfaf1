"""Circuits and files as the field writes them; expected spikes are BMTK 1.2's with NEURON 9.0.2."""

import json
import shutil

import h5py
import numpy as np
import pytest

import isocortex as ic
from isocortex.errors import ConfigError, InputError, IsocortexError
from isocortex.sonata.config import load_circuit, load_simulation

SPIKES = 47


@pytest.fixture
def case(shared, tmp_path):
    """A copy of the base circuit with the files of a variant laid over it."""

    def copy(variant: str = ""):
        folder = tmp_path / "w"
        shutil.copytree(shared / "cases/field/base", folder)
        if variant:
            shutil.copytree(shared / "cases/field/variants" / variant, folder, dirs_exist_ok=True)
        return folder

    return copy


def run(folder, name="config.json"):
    """Spikes of a run: sorted (node, time)."""
    spikes = ic.run(folder / name, output_dir=folder / "results").spikes
    return sorted(zip(spikes["node_ids"].tolist(), spikes["timestamps"].round(6), strict=True))


@pytest.fixture(scope="module")
def base(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("field") / "base"
    shutil.copytree(shared / "cases/field/base", folder)
    spikes = run(folder)
    assert len(spikes) == SPIKES
    return spikes


@pytest.mark.parametrize(
    "variant",
    [
        "06_trailing", "06_semicolon", "06_comment", "06_gid", "06_node_id", "06_comma_space",
        "16_attrarray", "30_scalar", "30_unitsnum", "17_comma", "31_bomjson", "31_bomswc",
    ],
)  # fmt: skip
def test_written_otherwise_it_is_the_same_circuit(case, base, variant):
    assert run(case(variant)) == base


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (
            "06_extra",
            r"spikes.csv: line 2: '0': has 3 entries where the first line names 2",
        ),
        ("06_floatid_bad", r"spikes.csv: line 2, column node_ids: '3.6' is not a whole number"),
        ("01_extracol", r"stim.csv: line 2: '0.3': has 3 entries where the first line names 2"),
        ("03_layer", r"node_sets.L: attribute 'layer' is a text, 0 is a number.*'4', '23'"),
        ("15_strnum", r"node_sets.S: attribute 'layer' is a text, 4 is a number. Put it in quotes"),
        ("16_erev", r"edges/thal_to_cortex/0/erev: is not read.*dynamics_params"),
        ("04_swc_only", r"/0/afferent_swc_id: gives places by points of the SWC file alone"),
    ],
)
def test_what_cannot_be_read_is_said(case, variant, message):
    with pytest.raises(IsocortexError, match=message):
        load_simulation(case(variant) / "config.json")


def test_spikes_of_nodes_that_do_not_exist_are_named(case, caplog):
    simulation = load_simulation(case("06_outofrange") / "config.json")
    (train,) = simulation.inputs
    assert len(train.times) < 120
    assert "nodes that thal does not have and are left out: node 4" in caplog.text


def test_enumerated_attributes_are_their_names(case):
    folder = case("03_mtype")
    (clamp,) = load_simulation(folder / "config.json").inputs
    assert clamp.rows.tolist() == [0, 1]
    table = load_circuit(folder / "config.json").nodes["cortex"].table
    assert table["mtype"].tolist() == ["L4_PC", "L4_PC", "L4_BC"]


def test_enumerated_attributes_choose_the_cells_of_a_report(case):
    (report,) = load_simulation(case("03_report") / "config.json").reports
    (chosen,) = report.cells
    assert (chosen[0], chosen[1].tolist()) == ("cortex", [0, 1])


def test_enumerated_morphologies_are_found(case, base):
    folder = case()
    types = (folder / "node_types.csv").read_text()
    names = [line.split(" ")[4] for line in types.splitlines()[1:]]
    for name in names:
        types = types.replace(name, "NULL")
    (folder / "node_types.csv").write_text(types)
    with h5py.File(folder / "nodes.h5", "r+") as file:
        group = file["nodes/cortex/0"]
        group["@library/morphology"] = names[::-1]
        group["morphology"] = np.array([2, 1, 0])
    assert run(folder) == base


def test_an_index_beyond_the_enumeration_is_an_error(case):
    folder = case("03_mtype")
    with h5py.File(folder / "nodes.h5", "r+") as file:
        file["nodes/cortex/0/mtype"][...] = [0, 1, 2]
    with pytest.raises(InputError, match="0/mtype: entry 2 is not an index into the 2 names"):
        load_simulation(folder / "config.json")


def test_a_query_that_no_node_fits_is_an_error(case):
    circuit = load_circuit(case("03_mtype") / "config.json")
    with pytest.raises(ConfigError, match="no node has .*L5_PC.*There are mtype: 'L4_PC', 'L4_BC'"):
        circuit.select({"mtype": "L5_PC"}, "here")


@pytest.mark.parametrize("name", ["sim.json", "all.json", "only_output.json"])
def test_paths_are_relative_to_the_configuration(shared, tmp_path, monkeypatch, name):
    shutil.copytree(shared / "cases/field/base", tmp_path / "sub")
    shutil.copytree(
        shared / "cases/field/variants/29_relative/sub", tmp_path / "sub", dirs_exist_ok=True
    )
    monkeypatch.chdir(tmp_path)
    simulation = load_simulation(f"sub/{name}")
    assert simulation.output_dir == tmp_path / "sub/out_cd"
    monkeypatch.chdir(tmp_path / "sub")
    assert load_simulation(name).output_dir == tmp_path / "sub/out_cd"


def test_results_of_a_relative_configuration(shared, tmp_path, monkeypatch, base):
    shutil.copytree(shared / "cases/field/base", tmp_path / "sub")
    shutil.copytree(
        shared / "cases/field/variants/29_relative/sub", tmp_path / "sub", dirs_exist_ok=True
    )
    monkeypatch.chdir(tmp_path)
    result = ic.run("sub/all.json")
    assert len(result.spikes) == SPIKES
    assert (tmp_path / "sub/out_cd/spikes.h5").is_file()
    assert [p.name for p in tmp_path.iterdir()] == ["sub"]


def test_columns_and_floats_as_matlab_writes_them(case, base):
    folder = case()
    with h5py.File(folder / "spikes.h5", "r+") as file:
        group = file["spikes/thal"]
        for name in ("node_ids", "timestamps"):
            values = group[name][()].astype(float)[None]
            del group[name]
            group[name] = values
    assert run(folder) == base


def test_a_mistake_of_a_reader_is_not_blamed_on_the_file(case, monkeypatch):
    def broken(*_):
        raise TypeError("a mistake of ours")

    monkeypatch.setattr("isocortex.sonata.nodes.attributes", broken)
    with pytest.raises(TypeError, match="a mistake of ours"):
        load_circuit(case() / "config.json")


@pytest.mark.parametrize("name", ["fits/472363762_fit.json", "synapses/exc.json", "node_types.csv"])
def test_a_byte_order_mark_is_no_text(case, name):
    folder = case()
    path = folder / name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["run"]["tstop"] = 1.0
    (folder / "config.json").write_text(json.dumps(config))
    assert run(folder) == []


def test_a_pulse_and_a_waveform_begin_in_the_same_step(case, tmp_path):
    traces = []
    for variant in ("01_pulse275", "01_wave275"):
        folder = case(variant)
        result = ic.run(folder / "config.json", output_dir=folder / "results")
        traces.append(result.report("v").to_numpy())
        shutil.rmtree(folder)
    assert np.array_equal(*traces)
