"""Embedded cells as files: what is compiled from them is the embedded cell, bit by bit."""

import json

import numpy as np
import pandas as pd
import pytest
from command_line import isocortex, one_line
from library_circuit import CELL, clamp, poisson, report, write_library_circuit

import isocortex as ic
from isocortex.cells.library import DIVISIONS, NODE_ARRAYS, SECTION_VALUES, library_cells
from isocortex.errors import ConfigError, ModelError
from isocortex.export import write_cells

ALL_ACTIVE = "491766131"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    write_cells(library_cells().index, folder)
    return folder


@pytest.mark.parametrize("cell_id", library_cells().index)
def test_a_cell_compiled_from_its_files_is_the_embedded_one(folder, cell_id):
    processing = library_cells()["processing"][cell_id]
    for dL in DIVISIONS:
        fit, swc = folder / f"{cell_id}_fit.json", folder / f"{cell_id}.swc"
        made = ic.compile_allen(fit, swc, processing, dL=dL)
        embedded = ic.cell(cell_id, dL)
        for name in (*NODE_ARRAYS, *SECTION_VALUES):
            kind = NODE_ARRAYS.get(name, np.float64)  # of drawing, single precision is kept
            np.testing.assert_array_equal(
                getattr(made, name).astype(kind), getattr(embedded, name), err_msg=name
            )
        assert made.soma == embedded.soma
        assert list(made.mechanisms) == list(embedded.mechanisms)
        for name, table in embedded.mechanisms.items():
            np.testing.assert_array_equal(made.mechanisms[name].nodes, table.nodes)
            for parameter, values in table.parameters.items():
                np.testing.assert_array_equal(made.mechanisms[name].parameters[parameter], values)


@pytest.mark.parametrize("cell_id", [CELL, ALL_ACTIVE])
def test_a_circuit_of_the_files_has_the_voltages_of_the_embedded_cells(folder, tmp_path, cell_id):
    types = pd.read_csv(folder / "node_types.csv", sep=" ", dtype=str).set_index("node_type_id")
    results = []
    for name, node in (
        ("embedded", {"model_template": [f"isocortex:{cell_id}"]}),
        ("files", {key: [types[key][cell_id]] for key in
                   ("model_template", "morphology", "dynamics_params", "model_processing")}),
    ):  # fmt: skip
        config = write_library_circuit(
            tmp_path / name, edges=[(0, 0, 40), (1, 1, 10)], recurrent=[(0, 1, 5)], place=node,
            inputs={"drive": poisson(), "clamp": clamp()},
            reports={"v": report("v", "all"), "calcium": report("cai")},
            components={"biophysical_neuron_models_dir": str(folder),
                        "morphologies_dir": str(folder)},
        )  # fmt: skip
        results.append(ic.run(config, tstop=30.0, output_dir=tmp_path / name / "o", progress=None))
    embedded, files = results
    assert len(embedded.spikes) and embedded.spikes.equals(files.spikes)
    for name in ("v", "calcium"):
        assert np.array_equal(embedded.report(name).values, files.report(name).values)


def test_the_node_types_name_the_files(folder):
    types = pd.read_csv(folder / "node_types.csv", sep=" ", dtype=str)
    assert types["node_type_id"].tolist() == library_cells().index.tolist()
    for name in (*types["morphology"], *types["dynamics_params"]):
        assert (folder / name).is_file()
    assert set(types["model_processing"]) == {"aibs_perisomatic", "aibs_allactive"}
    assert (folder / "NOTICE.md").read_text().startswith("# Embedded cell models")


def test_a_reconstruction_says_whose_it_is_and_what_is_left_out(folder):
    for cell_id, words in ((CELL, "cut after its first point"), (ALL_ACTIVE, "is that of the")):
        head = (folder / f"{cell_id}.swc").read_text().splitlines()[:4]
        assert all(line.startswith("#") for line in head)
        assert "Allen Institute" in head[0] and "doi:10.1038" in head[1] and words in head[2]


def test_the_command_writes_the_files_of_one_cell(tmp_path):
    status, printed, error = isocortex("cells", "export", CELL, "-o", tmp_path / "one")
    assert (status, error) == (0, "")
    assert printed.startswith("Written: 1 cell in ")
    names = {file.name for file in (tmp_path / "one").iterdir()}
    assert names == {f"{CELL}.swc", f"{CELL}_fit.json", "node_types.csv", "NOTICE.md"}
    fit = json.loads((tmp_path / "one" / f"{CELL}_fit.json").read_text())
    assert set(fit) == {"passive", "conditions", "genome"}


def test_a_cell_that_is_not_there_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ModelError, match="no embedded cell '1'"):
        write_cells([CELL, 1], tmp_path / "none")
    assert not (tmp_path / "none").exists()
    one_line(isocortex("cells", "export", "1", "-o", tmp_path / "none"), "cells list")


def test_cells_are_added_to_those_that_are_there(tmp_path):
    write_cells(CELL, tmp_path)
    once = (tmp_path / "node_types.csv").read_text()
    write_cells([ALL_ACTIVE], tmp_path)
    types = pd.read_csv(tmp_path / "node_types.csv", sep=" ", dtype=str)
    assert types["node_type_id"].tolist() == [CELL, ALL_ACTIVE]
    write_cells(int(CELL), tmp_path)
    assert (tmp_path / "node_types.csv").read_text().startswith(once)
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize(
    ("name", "text"),
    [("node_types.csv", "node_type_id pop_name\n1 Exc\n"), ("NOTICE.md", "mine\n"),
     (f"{CELL}_fit.json", "{}")],
)  # fmt: skip
def test_files_of_other_contents_are_replaced_only_when_asked(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    one_line(isocortex("cells", "export", CELL, "-o", tmp_path), f"({name}). Choose another folder")
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == text
    assert isocortex("cells", "export", CELL, "-o", tmp_path, "--overwrite")[0] == 0
    assert (tmp_path / name).read_text() != text
    write_cells(CELL, tmp_path)  # the same again is no other


def test_an_edited_node_type_is_not_replaced(tmp_path):
    write_cells(CELL, tmp_path)
    types = tmp_path / "node_types.csv"
    types.write_text(types.read_text().replace("aibs_perisomatic", "mine"))
    with pytest.raises(ConfigError, match="node_types.csv"):
        write_cells(CELL, tmp_path)


def test_all_stands_alone(tmp_path):
    one_line(isocortex("cells", "export", "all", CELL, "-o", tmp_path), "stands for every cell")
