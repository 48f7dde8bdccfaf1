"""The Allen models inside the package: compiled once by ``tools/make_cell_library.py``.

``data/cells.npz`` holds the node arrays of all cells end to end, ``offset`` where each begins, and
as JSON what is constant over a kind of section (passive properties, reversal potentials, channel
densities). Where the models come from and how to cite them: ``data/NOTICE.md``.
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

if TYPE_CHECKING:
    import pandas as pd

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


@cache
def load_cell(cell_id: str | int) -> CompiledCell:
    """One embedded cell; the same object at every call.

    Raises
    ------
    ModelError : no such cell.
    """
    arrays, cells = _library()
    cell_id = str(cell_id)
    if cell_id not in cells:
        close = difflib.get_close_matches(cell_id, cells, n=2, cutoff=0.7)
        raise ModelError(
            f"there is no embedded cell {cell_id!r}",
            fix=f"Did you mean {' or '.join(close)}?" if close else "See `isocortex cells list`.",
        )
    cell = cells[cell_id]
    begin, end = cell["nodes"]
    return unpack(cell_id, {name: arrays[name][begin:end] for name in NODE_ARRAYS}, cell)


def library_cells() -> pd.DataFrame:
    """Table of the embedded cells.

    Returns
    -------
    One row per cell, the index ``id`` (str): ``ei`` (e or i), ``cre`` line, ``layer``,
    ``location``, ``n_compartments``, ``n_nodes``, ``area_um2``, ``channels`` (family of the
    model's channels), ``processing`` (of the axon), ``citation``.
    """
    import pandas as pd  # for whoever looks: cells are loaded without

    table = pd.DataFrame.from_dict(_library()[1], orient="index")
    return table[list(COLUMNS)].rename_axis("id")


def unpack(name: str, arrays: dict[str, NDArray[Any]], cell: dict[str, Any]) -> CompiledCell:
    """Spread the values of each kind of section over the nodes.

    Parameters
    ----------
    arrays : the cell's part of ``NODE_ARRAYS``.
    cell : ``values`` and ``mechanisms``, each parameter -> value by SWC type, and ``soma``.
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
    return CompiledCell(name=name, mechanisms=mechanisms, soma=cell["soma"], **parts)


def _by_type(values: dict[str, float], kind: NDArray[np.int8]) -> NDArray[np.float64]:
    table = np.zeros(5)
    for swc_type, value in values.items():
        table[int(swc_type)] = value
    return table[kind]


@cache
def _library() -> tuple[dict[str, NDArray[Any]], dict[str, dict[str, Any]]]:
    """Arrays over the nodes of all cells, and the description of each cell by id."""
    content = (files("isocortex") / "data" / "cells.npz").read_bytes()
    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name] for name in NODE_ARRAYS}
        description = json.loads(stored["description"].tobytes())
    return arrays, description
