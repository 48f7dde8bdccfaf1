"""Compiled cells equal NEURON's, as recorded in the golden results."""

import json

import numpy as np
import pytest
from golden import MODELS, compile_model
from morphology import assert_same_coupling

from isocortex.cells.library import library_cells, load_cell


@pytest.fixture(scope="module", params=MODELS)
def model(request, shared):
    folder = shared / "golden" / request.param
    about = json.loads((folder / "struct.json").read_text())
    return about, np.load(folder / "struct.npz"), compile_model(shared, request.param)


def test_sections_and_compartments(model):
    about, golden, cell = model
    nodes = cell.compartments
    assert len(nodes) == cell.n_compartments == about["n_seg"]
    np.testing.assert_array_equal(cell.section[nodes], golden["bmtk_sec_id"])
    np.testing.assert_array_equal(cell.section_type[nodes], golden["bmtk_type"])
    np.testing.assert_allclose(cell.x[nodes], golden["seg_x"], rtol=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("area", "seg_area"), ("diameter", "seg_diam"), ("cm", "seg_cm"),
        ("g_pas", "seg_g_pas"), ("e_pas", "seg_e_pas"),
        ("distance_start", "bmtk_dist0"), ("distance_end", "bmtk_dist1"),
    ],
)  # fmt: skip
def test_values_of_every_compartment(model, ours, theirs):
    _, golden, cell = model
    values = getattr(cell, ours)[cell.compartments]
    np.testing.assert_allclose(values, golden[theirs], rtol=1e-9, atol=1e-9)


def test_couplings(model):
    _, golden, cell = model
    assert_same_coupling(cell, golden["node_parent"], golden["node_ri"], golden["seg_node"])


@pytest.mark.parametrize("folder", MODELS)
def test_embedded_cells(shared, folder):
    """The library's copy of a golden model, where it has one."""
    cell_id = folder.split("_")[1]
    if cell_id not in library_cells().index:
        pytest.skip(f"{cell_id} is not embedded")
    cell, golden = load_cell(cell_id), np.load(shared / "golden" / folder / "struct.npz")
    np.testing.assert_allclose(cell.area[cell.compartments], golden["seg_area"], rtol=1e-6)
    assert_same_coupling(cell, golden["node_parent"], golden["node_ri"], golden["seg_node"])
