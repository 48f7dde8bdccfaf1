"""A result knows of which circuit it is: labels of another are refused."""

import json

import numpy as np
import pandas as pd
import pytest
from command_line import isocortex as command
from command_line import one_line

from isocortex.circuit import NodePopulation, Text
from isocortex.errors import InputError
from isocortex.html_report.subject import subject_of
from isocortex.report import Result, SpikeWriter, provenance, write_provenance
from isocortex.report.origin import nodes_of
from isocortex.sonata.config import load_nodes
from isocortex.sonata.write import write_nodes, write_types
from isocortex.viewer.session import open_session


def write(folder, classes, told=True, spiking=(0, 1)):
    """Nodes of these classes and the output of a finished run of them; the configuration."""
    types = {"node_type_id": np.arange(len(classes)), "model_type": "point_neuron"}
    write_types(folder / "types.csv", pd.DataFrame({**types, "cell_class": classes}))
    write_nodes(folder / "nodes.h5", "v1", np.arange(len(classes)))
    config = folder / "simulation.json"
    nodes = [{"nodes_file": "nodes.h5", "node_types_file": "types.csv"}]
    config.write_text(json.dumps({"run": {"tstop": 10.0}, "networks": {"nodes": nodes}}))
    run = {"tstop": 10.0, "config_file": str(config), "populations": {"v1": [[0, len(classes)]]}}
    if told:
        run["nodes"] = {"v1": load_nodes(config)["v1"].digests()}
    facts = provenance({}, run=run)
    (folder / "output").mkdir(exist_ok=True)
    with SpikeWriter(folder / "output" / "spikes.h5", ["v1"], provenance=facts) as writer:
        writer.append("v1", list(spiking), [1.0 + k for k in range(len(spiking))])
    write_provenance(folder / "output", facts)
    return config


def relabel(folder, classes):
    types = {"node_type_id": np.arange(len(classes)), "model_type": "point_neuron"}
    write_types(folder / "types.csv", pd.DataFrame({**types, "cell_class": classes}))


def test_relabelled_nodes_are_refused_everywhere(tmp_path):
    config = write(tmp_path, ["a", "b", "c"])
    result = Result(tmp_path / "output")
    assert list(nodes_of(result)["v1"].table["cell_class"]) == ["a", "b", "c"]
    relabel(tmp_path, ["a", "c", "b"])
    with pytest.raises(InputError, match="another cell_class"):
        nodes_of(result)
    with pytest.raises(InputError, match="another cell_class"):
        open_session(tmp_path / "output")
    assert "another cell_class" in subject_of(result).missing
    with pytest.raises(InputError, match="another cell_class"):
        subject_of(result, config)
    one_line(command("rates", tmp_path / "output", "--by", "class"), "another cell_class")


def test_results_of_earlier_versions_are_compared_by_their_ids(tmp_path):
    write(tmp_path, ["a", "b", "c"], told=False)
    relabel(tmp_path, ["a", "c", "b"])
    assert nodes_of(Result(tmp_path / "output"))


def test_spikes_of_another_circuit_are_refused(tmp_path):
    for name, classes, spiking in (("one", "abc", (0, 1)), ("other", "xyz", (0, 2))):
        (tmp_path / name).mkdir()
        write(tmp_path / name, list(classes), spiking=spiking)
    spikes = (tmp_path / "other" / "output" / "spikes.h5").read_bytes()
    (tmp_path / "one" / "output" / "spikes.h5").write_bytes(spikes)
    with pytest.raises(InputError, match=r"spikes\.h5.*another cell_class"):
        nodes_of(Result(tmp_path / "one" / "output"))


def test_virtual_nodes_beside_those_that_spike_are_no_other_circuit(tmp_path):
    """A population of both was refused by its own results: only those that spike were told."""
    config = write(tmp_path, ["a", "b", "c"])
    types = pd.read_csv(tmp_path / "types.csv", sep=" ")
    types["model_type"] = ["biophysical", "virtual", "biophysical"]
    write_types(tmp_path / "types.csv", types)
    facts = json.loads((tmp_path / "output" / "provenance.json").read_text())
    facts["run"] |= {"populations": {"v1": [[0, 1], [2, 3]]}}
    facts["run"]["nodes"] = {"v1": load_nodes(config)["v1"].digests()}
    write_provenance(tmp_path / "output", facts)
    with SpikeWriter(tmp_path / "output" / "spikes.h5", ["v1"], provenance=facts) as writer:
        writer.append("v1", [2], [1.0])
    assert nodes_of(Result(tmp_path / "output"))
    types["model_type"] = ["biophysical", "biophysical", "virtual"]
    write_types(tmp_path / "types.csv", types)
    with pytest.raises(InputError, match="2 nodes of v1 that can spike.* another"):
        nodes_of(Result(tmp_path / "output"))


def test_spikes_alone_of_nodes_that_a_circuit_lacks_are_refused(tmp_path):
    config = write(tmp_path, ["a", "b", "c"])
    for name, nodes, words in (("v1", [1, 7], "node 7 of v1"), ("v2", [1], "'v2'")):
        folder = tmp_path / name
        folder.mkdir()
        with SpikeWriter(folder / "spikes.h5", [name]) as writer:
            writer.append(name, nodes, [1.0] * len(nodes))
        with pytest.raises(InputError, match=words):
            nodes_of(Result(folder), config)


def test_a_hash_is_of_values_and_not_of_how_they_are_held(tmp_path):
    ids, codes = np.arange(4), np.array([2, -1, 1, 2], np.int32)
    held = [Text.of(["b", None, "a", "b"]), Text(codes, ("c", "a", "b"))]
    hashes = [NodePopulation("p", ids, {"x": column}, tmp_path).digest() for column in held]
    assert hashes[0] == hashes[1]
    other = {"x": Text.of(["b", None, "a", "a"])}
    assert NodePopulation("p", ids, other, tmp_path).digest() != hashes[0]


@pytest.mark.parametrize(
    ("manifest", "output"),
    [({"$BASE": ".", "${OUTPUT_DIR}": "${BASE}/output"}, {"output_dir": "${OUTPUT_DIR}"}),
     ({"$OUT": "out", "$OUTPUT_DIR": "$BASE/output", "$BASE": "${configdir}"},
      {"output_dir": "$OUTPUT_DIR"}), ({}, {}), ({}, None)],
)  # fmt: skip
def test_a_configuration_names_its_results_as_it_does_for_a_run(tmp_path, manifest, output):
    config = write(tmp_path, ["a", "b"])
    content = json.loads(config.read_text())
    content |= {"manifest": manifest} | ({} if output is None else {"output": output})
    config.write_text(json.dumps(content))
    assert len(Result(config).spikes) == 2
