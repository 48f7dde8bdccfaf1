"""Circuits and files as the field writes them; expected spikes are BMTK 1.2's with NEURON 9.0.2."""

import json
import shutil

import h5py
import numpy as np
import pytest
from library_circuit import write_library_circuit

import isocortex as ic
from isocortex.errors import ConfigError, InputError, IsocortexError, ModelError
from isocortex.network.build import build_network
from isocortex.sonata.config import load_circuit, load_simulation

SPIKES = 47


#: mV of the second cell of 09_dendonaxon at some steps: soma, loose dendrite, dendrite, stub.
LOOSE = {
    0: [-80.19418, -80.000887, -80.188327, -80.221036, -80.246135],
    100: [-83.031159, -80.08882, -83.031198, -83.054865, -83.078433],
    500: [-73.982286, -80.425583, -73.982322, -74.110098, -74.237165],
    999: [-83.633653, -80.81401, -83.633716, -83.650524, -83.667296],
}


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


def test_a_harmless_processing_beside_the_one_that_counts(case, base):
    assert run(case("31_procs")) == base


def test_two_processings_of_the_axon(case):
    folder = case("31_procs")
    types = (folder / "node_types.csv").read_text()
    (folder / "node_types.csv").write_text(types.replace("extracellular", "aibs_allactive"))
    with pytest.raises(IsocortexError, match="replaces the axon twice"):
        run(folder)


def test_section_names_in_capitals(case, base):
    folder = case("10_section_caps")
    assert run(folder) == base
    with h5py.File(folder / "results/r.h5") as file:
        assert file["report/cortex/data"].shape == (3000, 1)


def test_a_dendrite_that_grew_from_the_axon_is_left_alone(case):
    folder = case("09_dendonaxon")
    assert run(folder) == []
    with h5py.File(folder / "results/v.h5") as file:
        values = file["report/cortex/data"][()]
    assert values.shape == (1000, 390)
    for step, expected in LOOSE.items():
        np.testing.assert_allclose(values[step, 264:269], expected, atol=2e-4)


def test_a_range_of_distances_places_an_electrode(case):
    """BMTK draws the place as well: the same cells fire, about as often."""
    folder = case("24_range")
    (clamp,) = load_simulation(folder / "config.json").inputs
    assert (clamp.section_types, clamp.distance_range) == (("dend",), (50.0, 100.0))
    spikes = run(folder)
    assert {node for node, _ in spikes} == {0, 1}
    assert run(folder) == spikes


def test_spikes_of_a_waveform_at_quarter_steps(case):
    expected = {  # of BMTK
        0: [20.6, 33.2, 48.8, 64.3, 101.4], 1: [25.7, 48.9], 2: [22.1, 32.8, 49.1, 65.0],
    }  # fmt: skip
    found: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for node, time in run(case("01_quarter")):
        found[node].append(round(float(time), 4))
    assert found == expected


def test_exp1syn_by_the_name_that_bmtk_gives_its_time_constant(case):
    folder = case("14_exp1_tau_1")
    spikes = run(folder)
    (folder / "synapses/s.json").write_text('{"erev": 0.0, "tau": 2.0}')
    assert len(spikes) > 0
    assert run(folder) == spikes


def test_a_dL_that_takes_all_memory_names_the_configuration(case):
    folder = case()
    config = json.loads((folder / "config.json").read_text())
    config["run"]["dL"] = 1e-6
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(IsocortexError, match=r"run.dL: 1e-06 um would cut .* Use .* um or more"):
        run(folder)


def test_a_genome_entry_without_mechanism(case):
    folder = case()
    path = folder / "fits/472363762_fit.json"
    fit = json.loads(path.read_text())
    del fit["genome"][0]["mechanism"]
    path.write_text(json.dumps(fit))
    with pytest.raises(
        IsocortexError, match=r"472363762_fit.json: genome\[0\].mechanism: is missing"
    ):
        run(folder)


@pytest.mark.parametrize(
    ("name", "dataset", "values", "message"),
    [
        ("edges.h5", "edges/thal_to_cortex/0/nsyns", np.full(12, np.nan),
         "nsyns: edge 0 is not finite"),
        ("edges.h5", "edges/thal_to_cortex/source_node_id", np.full(12, 2**63, np.uint64),
         "source_node_id: row 0 is 9223372036854775808. Use numbers below"),
        ("edges.h5", "edges/thal_to_cortex/source_node_id", np.full(12, 2**63 - 1),
         "refers to node 9223372036854775807"),
        ("edges.h5", "edges/thal_to_cortex/edge_group_index", np.full(12, 2**63 - 1),
         "edge_group_index 9223372036854775807 is outside the 12"),
    ],
)  # fmt: skip
def test_numbers_that_no_file_means(case, name, dataset, values, message):
    folder = case()
    with h5py.File(folder / name, "r+") as file:
        attributes = {}
        if dataset in file:
            attributes = dict(file[dataset].attrs)
            del file[dataset]
        if "nsyns" in dataset:
            del file["edges/thal_to_cortex/0/afferent_section_id"]
            del file["edges/thal_to_cortex/0/afferent_section_pos"]
        file[dataset] = values
        file[dataset].attrs.update(attributes)
    with pytest.raises(IsocortexError, match=message):
        load_circuit(folder / "config.json")


@pytest.mark.parametrize("count", [2**31, 2**31 - 1])
def test_more_synapses_than_fit_are_refused(case, count):
    folder = case("04_swc_only")
    with h5py.File(folder / "edges.h5", "r+") as file:
        group = file["edges/thal_to_cortex/0"]
        del group["afferent_swc_id"], group["afferent_swc_pos"], group["nsyns"]
        group["nsyns"] = np.full(12, count)
    with pytest.raises(IsocortexError, match="nsyns|synapses"):
        run(folder)


def test_what_bmtks_environment_builder_writes(case, base, caplog):
    """A configuration in three files, with a folder for everything it finds, run as it is."""
    folder = case()
    config = json.loads((folder / "config.json").read_text())
    names = ("filter_models", "__pycache__", "mechanisms", "point_neuron_models", "hoc_templates",
             "stimuli", "templates")  # fmt: skip
    circuit = {
        "manifest": {"$BASE_DIR": "${configdir}", "$COMPONENTS_DIR": "$BASE_DIR"},
        "networks": {**config["networks"], "gap_juncs": []},
        "components": {
            "morphologies_dir": "$COMPONENTS_DIR/morphologies",
            "synaptic_models_dir": "$COMPONENTS_DIR/synapses",
            "biophysical_neuron_models_dir": "$COMPONENTS_DIR/fits",
            **{f"{name}_dir": f"$COMPONENTS_DIR/{name}" for name in names},
        },
    }
    clamp = {
        "input_type": "current_clamp", "module": "IClamp", "node_set": "bio", "gids": "all",
        "amp": 0.0, "delay": 10.0, "duration": 5.0,
    }  # fmt: skip
    simulation = {
        "manifest": {"$OUTPUT_DIR": "$BASE_DIR/output", "$BASE_DIR": "${configdir}"},
        **{key: config[key] for key in ("run", "conditions", "target_simulator", "node_sets")},
        "inputs": {**config["inputs"], "current_clamp": clamp},
        "reports": {},
        "output": {"log_file": "log.txt", "output_dir": "$OUTPUT_DIR", "spikes_file": "spikes.h5"},
    }
    for name, content in (
        ("circuit_config.json", circuit), ("simulation_config.json", simulation),
        ("config.json", {"network": "$D/circuit_config.json",
                         "simulation": "$D/simulation_config.json",
                         "manifest": {"$D": "${configdir}"}}),
    ):  # fmt: skip
        (folder / name).write_text(json.dumps(content))
    assert run(folder) == base
    assert "gids" not in caplog.text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, f"edge types/{name}: is not read.*dynamics_params")
          for name in ("tau2", "erev", "v_rev", "reversal_potential", "threshold")),
        *((name, f"{name} is read by no synapse of model_template 'exp2syn'.*dynamics_params")
          for name in ("conductance", "u_syn")),
    ],
)  # fmt: skip
def test_parameters_among_edge_types(case, name, said):
    folder = case()
    types = (folder / "edges_types.csv").read_text()
    lines = [f"{line} {end}" for line, end in zip(types.splitlines(), (name, "5.0"), strict=True)]
    (folder / "edges_types.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=said):
        load_circuit(folder / "config.json")


def test_parameters_among_node_attributes_are_named(case, caplog):
    folder = case()
    with h5py.File(folder / "nodes.h5", "r+") as file:
        file["nodes/cortex/0/threshold_current"] = np.ones(3)
    load_circuit(folder / "config.json")
    assert "threshold_current can be asked for by queries but changes no cell" in caplog.text


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("distance_ranges", "distance_range"), ("Weight_Function", "weight_function"),
        ("nsyn", "nsyns"), ("sec_ids", "sec_id"), ("afferent_section_ids", "afferent_section_id"),
    ],
)  # fmt: skip
def test_names_that_mean_what_is_read_are_not_dropped(case, name, meant):
    """A column of types whose name is off by a letter was ignored; of nsyns, one was taken."""
    folder = case()
    types = (folder / "edges_types.csv").read_text().splitlines()
    (folder / "edges_types.csv").write_text(f"{types[0]} {name}\n{types[1]} 5\n")
    with h5py.File(folder / "edges.h5", "r+") as file:
        group = file["edges/thal_to_cortex/0"]
        if meant in group:
            del group[meant]
    with pytest.raises(InputError, match=f"edge types/{name}: is not read.*Did you mean {meant}"):
        load_circuit(folder / "config.json")


def test_a_name_beside_the_one_it_resembles_is_the_users_own(case):
    folder = case()
    with h5py.File(folder / "edges.h5", "r+") as file:
        group = file["edges/thal_to_cortex/0"]
        group["syn_weights"] = np.arange(len(group["syn_weight"]))
    load_circuit(folder / "config.json")


def test_a_name_in_other_capitals_is_not(case):
    """Edges that seemed to have delays of their own had those of their types."""
    folder = case()
    with h5py.File(folder / "edges.h5", "r+") as file:
        group = file["edges/thal_to_cortex/0"]
        group["Delay"] = np.ones(len(group["syn_weight"]))
    with pytest.raises(InputError, match="0/Delay: is not read.*delay, which is there too"):
        load_circuit(folder / "config.json")


def test_parameters_that_a_synapse_does_not_have_are_named_once(case, caplog):
    folder = case()
    file = folder / "synapses" / "exc.json"
    values = json.loads(file.read_text())
    file.write_text(json.dumps({**values, "gmax": 0.1, "tau": 5.0, "level_of_detail": "exp2syn"}))
    load_circuit(folder / "config.json")
    told = [r.getMessage() for r in caplog.records if "is read by no exp2syn" in r.getMessage()]
    assert len(told) == 1
    assert "gmax, tau" in told[0]


@pytest.mark.parametrize("column", ["dynamics_params", "model_processing"])
def test_embedded_cells_take_no_parameters_beside_their_own(tmp_path, column):
    config = write_library_circuit(tmp_path)
    types = (tmp_path / "cells_types.csv").read_text().splitlines()
    (tmp_path / "cells_types.csv").write_text(f"{types[0]} {column}\n{types[1]} mine\n")
    with pytest.raises(ConfigError, match=f"{column} 'mine'"):
        ic.run(config)


def test_embedded_cells_are_divided_as_the_run_says_or_not_at_all(tmp_path):
    config = write_library_circuit(tmp_path, run={"dL": 40.0})
    (model,) = build_network(ic.load_simulation(config)).models
    assert model is ic.cell(model.name, 40.0)
    config = write_library_circuit(tmp_path, run={"dL": 30.0})
    with pytest.raises(ModelError, match="divided for dL 20 or 40 um, not 30. Use 20") as error:
        ic.run(config)
    assert (error.value.file, error.value.field) == (config, "run.dL")
