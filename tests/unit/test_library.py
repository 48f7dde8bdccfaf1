import numpy as np
import pytest

from isocortex.cells.compiled import CompiledCell
from isocortex.cells.library import DIVISIONS, library_cells, load_cell
from isocortex.errors import ModelError
from isocortex.mechanisms import DENSITY


@pytest.mark.parametrize("dL", DIVISIONS)
@pytest.mark.parametrize("cell_id", library_cells().index)
def test_every_cell_loads_and_is_sound(cell_id, dL):
    cell, row = load_cell(cell_id, dL), library_cells(dL).loc[cell_id]
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


@pytest.mark.parametrize("cell_id", library_cells().index)
def test_a_cell_is_the_same_however_it_is_divided(cell_id):
    """Membrane, tree of sections, channels and their parameters; BMTK's number of compartments."""
    fine, coarse = (load_cell(cell_id, dL) for dL in DIVISIONS)
    assert coarse.area.sum() == pytest.approx(fine.area.sum(), rel=1e-9)
    for name in ("cm", "g_pas"):
        total = [(getattr(cell, name) * cell.area).sum() for cell in (fine, coarse)]
        assert total[0] == pytest.approx(total[1], rel=1e-9)
    for dL, cell in zip(DIVISIONS, (fine, coarse), strict=True):
        length = np.bincount(cell.section, cell.length)
        count = np.bincount(cell.section, cell.area > 0, len(length))
        near = np.abs(length / (2 * dL) - np.rint(length / (2 * dL))) < 1e-9  # where int may go up
        expected = 1 + 2 * np.floor(length / (2 * dL))
        np.testing.assert_array_equal(count[~near], expected[~near])
    assert list(fine.mechanisms) == list(coarse.mechanisms)
    for name, table in fine.mechanisms.items():
        other = coarse.mechanisms[name]
        kinds = [set(cell.section_type[t.nodes]) for cell, t in ((fine, table), (coarse, other))]
        assert kinds[0] == kinds[1]
        for parameter, values in table.parameters.items():
            assert set(values) == set(other.parameters[parameter])


def test_loading_is_shared_and_read_only():
    cell = load_cell("472363762")
    assert cell is load_cell("472363762") is load_cell(472363762, 20)
    assert cell is not load_cell("472363762", 40.0)
    with pytest.raises(ValueError, match="read-only"):
        cell.area[0] = 1.0


def test_unknown_cell_names_close_ones():
    with pytest.raises(ModelError, match=r"'47236376'\. Did you mean 472363762"):
        load_cell("47236376")
    with pytest.raises(ModelError, match="isocortex cells list"):
        load_cell("pyramidal")


@pytest.mark.parametrize("dL", [30.0, 0.0, float("nan")])
def test_a_division_that_is_not_there_names_those_that_are(dL):
    for ask in (lambda: load_cell("472363762", dL), lambda: library_cells(dL)):
        with pytest.raises(ModelError, match=r"^dL: .* divided for dL 20 or 40 um, not .* Use 20"):
            ask()
