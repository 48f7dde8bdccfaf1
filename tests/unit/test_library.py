import numpy as np
import pytest

from isocortex.cells.compiled import CompiledCell
from isocortex.cells.library import library_cells, load_cell
from isocortex.errors import ModelError
from isocortex.mechanisms import DENSITY


@pytest.mark.parametrize("cell_id", library_cells().index)
def test_every_cell_loads_and_is_sound(cell_id):
    cell, row = load_cell(cell_id), library_cells().loc[cell_id]
    assert isinstance(cell, CompiledCell) and cell.name == cell_id
    assert (cell.n_compartments, cell.n_nodes) == (row["n_compartments"], row["n_nodes"])
    assert cell.area.sum() == pytest.approx(row["area_um2"], abs=0.1)
    assert cell.parent[0] == -1 and (cell.parent[1:] < np.arange(1, cell.n_nodes)).all()
    assert (cell.g_axial[1:] > 0).all() and (cell.cm[cell.area > 0] > 0).all()
    assert set(cell.mechanisms) <= set(DENSITY)
    for name, table in cell.mechanisms.items():
        assert (cell.area[table.nodes] > 0).all()
        assert set(table.parameters) <= set(DENSITY[name].parameters)
    assert cell.section_type[cell.soma] == 1 and cell.x[cell.soma] == 0.5


def test_library_covers_every_layer_both_signs_and_all_channel_families():
    table = library_cells()
    kinds = set(zip(table["layer"], table["ei"], strict=True))
    assert kinds == {("1", "i")} | {(layer, ei) for layer in ("2/3", "4", "5", "6a") for ei in "ei"}
    assert set(table["channels"]) == {"perisomatic, NaTs", "perisomatic, NaV", "all-active"}
    assert all(isinstance(cell_id, str) for cell_id in table.index)


def test_loading_is_shared_and_read_only():
    cell = load_cell("472363762")
    assert cell is load_cell("472363762")
    with pytest.raises(ValueError, match="read-only"):
        cell.area[0] = 1.0


def test_unknown_cell_names_close_ones():
    with pytest.raises(ModelError, match=r"'47236376'\. Did you mean 472363762"):
        load_cell("47236376")
    with pytest.raises(ModelError, match="isocortex cells list"):
        load_cell("pyramidal")
