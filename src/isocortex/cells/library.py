"""The Allen models inside the package: compiled once by ``tools/make_cell_library.py``.

``data/cells.npz`` holds, for every dL of ``DIVISIONS``, the node arrays of all cells end to end,
and as JSON where each cell begins and, once for all dL, what is constant over a kind of section
(passive properties, reversal potentials, channel densities). Where the models come from and how to
cite them: ``data/NOTICE.md``.
"""

from __future__ import annotations

import difflib
import io
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocortex.cells.compiled import CompiledCell, MechanismTable
from isocortex.errors import ModelError
from isocortex.mechanisms import DENSITY

if TYPE_CHECKING:
    import pandas as pd

#: dL (um) that every cell is divided for: a section of length L has 1 + 2 int(L / (2 dL))
#: compartments. The first is the usual one.
DIVISIONS = (20.0, 40.0)
#: Arrays over nodes and how they are stored; drawing coordinates need no more than float32.
NODE_ARRAYS = {
    "parent": np.int32, "section": np.int32, "section_type": np.int8,
    "area": np.float64, "g_axial": np.float64, "x": np.float64,
    "diameter": np.float64, "length": np.float64,
    "distance_start": np.float64, "distance_end": np.float64,
    "start": np.float32, "end": np.float32,
}  # fmt: skip
#: Constant over a kind of section; those marked True are 0 at nodes without membrane.
SECTION_VALUES = {"cm": True, "g_pas": True, "e_pas": True, "ena": False, "ek": False}
#: Columns of ``library_cells``, in order.
COLUMNS = (
    "ei", "cre", "layer", "location", "n_compartments", "n_nodes", "area_um2", "channels",
    "processing", "citation",
)  # fmt: skip


def load_cell(cell_id: str | int, dL: float = DIVISIONS[0]) -> CompiledCell:
    """One embedded cell; the same object at every call.

    Parameters
    ----------
    dL : um, one of ``DIVISIONS``: how finely it is divided.

    Raises
    ------
    ModelError : no such cell, or none at this dL.
    """
    return _load(str(cell_id), check_division(dL))


def check_division(dL: float) -> float:
    """Refuse a ``dL`` (um) for which no embedded cell is divided.

    Raises
    ------
    ModelError : with those that there are.
    """
    if dL not in DIVISIONS:
        known = " or ".join(f"{each:g}" for each in DIVISIONS)
        raise ModelError(
            f"embedded cells are divided for dL {known} um, not {dL:g}", field="dL",
            fix=f"Use {known}, or the cells' SWC and fit files.",
        )  # fmt: skip
    return float(dL)


def library_cells(dL: float = DIVISIONS[0]) -> pd.DataFrame:
    """Table of the embedded cells.

    Parameters
    ----------
    dL : um, one of ``DIVISIONS``: for which compartments are counted.

    Returns
    -------
    One row per cell, the index ``id`` (str): ``ei`` (e or i), ``cre`` line, ``layer``,
    ``location``, ``n_compartments``, ``n_nodes``, ``area_um2``, ``channels`` (family of the
    model's channels), ``processing`` (of the axon), ``citation``.
    """
    import pandas as pd  # for whoever looks: cells are loaded without

    key = f"{check_division(dL):g}"
    cells = {name: cell | cell["divided"][key] for name, cell in _descriptions().items()}
    table = pd.DataFrame.from_dict(cells, orient="index")
    return table[list(COLUMNS)].rename_axis("id")


def description_of(cell_id: str) -> dict[str, Any]:
    """What is known of an embedded cell but its nodes.

    Raises
    ------
    ModelError : there is no such cell.
    """
    cells = _descriptions()
    if cell_id not in cells:
        close = difflib.get_close_matches(cell_id, cells, n=2, cutoff=0.7)
        raise ModelError(
            f"there is no embedded cell {cell_id!r}",
            fix=f"Did you mean {' or '.join(close)}?" if close else "See `isocortex cells list`.",
        )
    return cells[cell_id]


@cache
def _load(cell_id: str, dL: float) -> CompiledCell:
    cell, arrays = description_of(cell_id), _nodes(dL)
    DENSITY.use(cell["mechanisms"])
    divided = cell["divided"][f"{dL:g}"]
    begin, end = divided["nodes"]
    own = {name: arrays[name][begin:end] for name in NODE_ARRAYS}
    return unpack(cell_id, own, cell, divided["soma"])


def unpack(
    name: str, arrays: dict[str, NDArray[Any]], cell: dict[str, Any], soma: int
) -> CompiledCell:
    """Spread the values of each kind of section over the nodes.

    Parameters
    ----------
    arrays : the cell's part of ``NODE_ARRAYS``.
    cell : ``values`` and ``mechanisms``, each parameter -> value by SWC type.
    soma : its node.
    """
    kind, real = arrays["section_type"], arrays["area"] > 0
    parts: dict[str, Any] = {
        key: array.astype(np.float64) if array.dtype == np.float32 else array
        for key, array in arrays.items()
    }
    for key, membrane_only in SECTION_VALUES.items():
        values = _by_type(cell["values"][key], kind)
        parts[key] = np.where(real, values, 0.0) if membrane_only else values
    mechanisms = {}
    for mechanism, entry in cell["mechanisms"].items():
        nodes = np.flatnonzero(real & np.isin(kind, entry["types"])).astype(np.int32)
        mechanisms[mechanism] = MechanismTable(
            nodes, {p: _by_type(v, kind[nodes]) for p, v in entry["parameters"].items()}
        )
    for array in parts.values():
        array.setflags(write=False)  # shared by everyone who loads the cell
    return CompiledCell(name=name, mechanisms=mechanisms, soma=soma, **parts)


def _by_type(values: dict[str, float], kind: NDArray[np.int8]) -> NDArray[np.float64]:
    table = np.zeros(5)
    for swc_type, value in values.items():
        table[int(swc_type)] = value
    return table[kind]


def member(name: str, dL: float) -> str:
    """Name in the file of an array over the nodes of all cells, as they are divided for ``dL``."""
    return f"dL{dL:g}/{name}"


@cache
def _descriptions() -> dict[str, dict[str, Any]]:
    """What is known of every cell, by id."""
    with np.load(_stored()) as stored:
        return json.loads(stored["description"].tobytes())


@cache
def _nodes(dL: float) -> dict[str, NDArray[Any]]:
    """Arrays over the nodes of all cells."""
    with np.load(_stored()) as stored:
        return {name: stored[member(name, dL)] for name in NODE_ARRAYS}


def _stored() -> io.BytesIO:
    return io.BytesIO((files("isocortex") / "data" / "cells.npz").read_bytes())
