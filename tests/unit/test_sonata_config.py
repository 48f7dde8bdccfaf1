"""Configurations: manifest, one file or several, every key accounted for."""

import json

import pytest
from library_circuit import write_library_circuit
from sonata_small import configuration, write_circuit, write_config

from isocortex.errors import ConfigError, IsocortexError
from isocortex.sonata.config import load_circuit, load_nodes, load_simulation


@pytest.fixture
def folder(tmp_path):
    write_circuit(tmp_path)
    return tmp_path


def load(folder, **changes):
    """Load the small simulation with values at dotted keys changed; ``...`` deletes."""
    config = configuration()
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        at = config
        for key in parents:
            at = at.setdefault(key, {})
        if value is ...:
            del at[last]
        else:
            at[last] = value
    return load_simulation(write_config(folder, config))


def test_everything_arrives(folder):
    simulation = load(folder)
    assert (simulation.dt, simulation.tstop, simulation.dL) == (0.1, 100.0, 20.0)
    assert (simulation.celsius, simulation.v_init, simulation.spike_threshold) == (34, -80, -15)
    assert simulation.output_dir.resolve() == (folder / "out").resolve()
    assert (simulation.spikes_file, simulation.log_file) == ("spikes.h5", "log.txt")
    assert [len(p.node_ids) for p in simulation.circuit.nodes.values()] == [4, 3]
    assert [len(e.delay) for e in simulation.circuit.edges] == [4, 2]


def test_bionets_values_where_the_file_is_silent(folder):
    simulation = load(folder, run={"tstop": 5}, conditions={"celsius": None}, output={},
                      reports={"v": {"variable_name": "v"}})  # fmt: skip
    assert (simulation.dt, simulation.dL, simulation.spike_threshold) == (0.1, 20.0, -15.0)
    assert (simulation.celsius, simulation.v_init) == (34.0, -80.0)
    (report,) = simulation.reports
    assert report.sections == "all"
    assert [name for name, _ in report.cells] == ["cells"]


def test_arguments_override_the_file(folder, tmp_path):
    path = write_config(folder, configuration())
    simulation = load_simulation(path, dt=0.05, tstop=7, output_dir=tmp_path / "elsewhere")
    assert (simulation.dt, simulation.tstop) == (0.05, 7.0)
    assert simulation.output_dir == tmp_path / "elsewhere"
    with pytest.raises(ConfigError, match="dt"):
        load_simulation(path, dt=-1.0)


def test_output_files_may_repeat_the_output_folder(folder):
    simulation = load(folder, **{"output.spikes_file": "$OUT/s.h5", "output.log_file": "$OUT/l"})
    assert (simulation.spikes_file, simulation.log_file) == ("s.h5", "l")


def test_circuit_and_simulation_in_two_files(folder):
    config = configuration()
    circuit = {key: config.pop(key) for key in ("networks", "components")}
    circuit["manifest"] = {"$BASE": "${configdir}"}
    write_config(folder, circuit, "circuit.json")
    config["network"] = "$BASE/circuit.json"
    path = write_config(folder, config)
    assert list(load_simulation(path).circuit.nodes) == ["cells", "drive"]
    assert list(load_circuit(folder / "circuit.json").nodes) == ["cells", "drive"]
    both = {"network": "circuit.json", "simulation": "simulation.json"}
    assert list(load_simulation(write_config(folder, both, "c.json")).inputs)


def test_the_named_file_wins(folder):
    write_config(folder, {"run": {"tstop": 3.0}}, "other.json")
    assert load(folder, simulation="other.json").tstop == 3.0


@pytest.mark.parametrize("variable", ["$A", "${A}", "${A}/", "${A}/."])
def test_manifest_variables_nest_in_any_order(folder, variable):
    manifest = {"$C": variable, "A": "$B", "${B}": "${configdir}", "$BASE": "$C", "$OUT": "o"}
    assert len(load(folder, manifest=manifest).circuit.nodes) == 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("manifest", {"$A": "$B", "$B": "$A"}, "defined by itself"),
        ("manifest", {"$BASE": "$NOWHERE"}, "'NOWHERE' is not defined"),
        ("manifest", {"$BASE": 3}, "must map names to strings"),
        ("network", "simulation.json", "names itself"),
        ("network", "missing.json", "missing.json: file does not exist"),
        ("network", 7, "must be the path"),
        ("runs", {}, "unknown key. Did you mean 'run'"),
        ("run.tstop", ..., "run.tstop: field required. Add it"),
        ("run.tstop", True, "run.tstop"),
        ("run.tstop", "long", "run.tstop"),
        ("run.dt", 0, "run.dt: input should be greater than 0"),
        ("run.tstop", 1e300, "run.tstop: tstop .* steps of dt"),
        ("run.random_seed", 2**63, "run.random_seed: input should be less than"),
        ("run.d_t", 0.1, "run.d_t: unknown key. Did you mean 'dt'"),
        ("run.backward", True, "run.backward: not supported yet"),
        ("run.tstart", 5.0, "run.tstart"),
        ("run.integration_method", "1", "run.integration_method"),
        ("run", [], "run: must be a JSON object"),
        ("conditions.celcius", 34, "Did you mean 'celsius'"),
        ("conditions.celsius", 1000, "conditions.celsius"),
        ("output.spikes_file_nwb", "s.nwb", "not supported yet"),
        ("output.spikes_sort_order", "sideways", "output.spikes_sort_order"),
        ("components.morphology_dir", ".", "Did you mean 'morphologies_dir'"),
        ("components.morphologies_dir", 3, "must be the path of a folder"),
        ("components.synaptic_models_dir", ..., "components has no synaptic_models_dir"),
        ("output.output_dir", "a\0b", "output.output_dir: holds a character that is none"),
        ("output.spikes_file", "\ud800", "output.spikes_file: holds a character that is none"),
        ("reports.a\0b", {"variable_name": "v"}, "reports: holds a character that is none"),
        ("networks", {}, "names no nodes"),
        ("networks.gap_juncs", [{"gap_junc_file": "g.h5"}], r"gap_juncs\[0\].gap_junc"),
        ("networks.nodes", {"a": 1}, "must be a list"),
        ("networks.nodes", [{}], r"networks.nodes\[0\].nodes_file: field required"),
        ("networks.nodes", [{"node_file": "x"}], "nodes_file"),
        ("node_sets_file", "missing.json", "missing.json: file does not exist"),
        ("node_sets", [], "must be a JSON object"),
    ],
)
def test_mistakes_name_the_key_and_the_fix(folder, key, value, message):
    with pytest.raises(IsocortexError, match=message) as caught:
        load(folder, **{key: value})
    assert caught.value.file is not None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("_comment", "a note"), ("run._comment", "a note"), ("version", 1.0),
        ("run.overwrite_output_dir", True), ("run.intregation_method", "0"), ("run.tstart", 0),
        ("output.log_level", "DEBUG"), ("output.quiet_simulator", True), ("reports", None),
        ("components.templates_dir", "x"), ("networks.gap_juncs", []), ("inputs", {}),
        ("networks.gap_juncs", [{"gap_juncs_file": "v1_gap_juncs.h5"}]),
        ("components.point_neuron_models_dir", None), ("run.save_state", False),
        ("description", "x" * 300), ("gid_mapping_file", None),
        ("output.spikes_sort_order", "by_id"),
        ("reports.voltage.transform", {}), ("reports.voltage.buffer_size", 10),
    ],
)  # fmt: skip
def test_keys_that_change_nothing_are_accepted(folder, key, value):
    assert load(folder, **{key: value}).tstop == 100.0


def test_disabled_edges_are_not_read(folder):
    edges = [{"edges_file": "missing.h5", "edge_types_file": "missing.csv", "enabled": False}]
    assert load(folder, **{"networks.edges": edges}).circuit.edges == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"), (b"[]", "not a JSON object"), (b"\xff\xfe\x00", "not text"),
        (b'{"run": ' * 5000, "not valid JSON"), (b"1" * 5000, "JSON"),
    ],
)  # fmt: skip
def test_files_that_are_not_json(tmp_path, content, message):
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_circuit(tmp_path / "c.json")
    with pytest.raises(ConfigError, match="is a folder"):
        load_circuit(tmp_path)


def test_node_sets_from_a_file_and_from_the_configuration(folder):
    sets = {"mine": {"population": "drive"}, "first": {"node_id": [2]}}
    (folder / "sets.json").write_text(json.dumps(sets))
    circuit = load(folder, node_sets_file="$BASE/sets.json").circuit
    assert [name for name, _ in circuit.select("mine", "x")] == ["drive"]
    assert circuit.select("first", "x")[0][1].tolist() == [3]  # the configuration's own wins


def test_nodes_alone_are_those_of_the_whole_circuit(tmp_path):
    config = write_library_circuit(tmp_path, cells=3, drive=2)
    whole = load_circuit(config).nodes
    (tmp_path / "drive_edges.h5").unlink()
    nodes = load_nodes(config)
    assert list(nodes) == list(whole) == ["cells", "drive"]
    for name, population in nodes.items():
        assert population.node_ids.tolist() == whole[name].node_ids.tolist()
        assert population.table.equals(whole[name].table)
