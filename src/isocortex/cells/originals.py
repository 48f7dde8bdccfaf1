"""Reconstructions and fits of the embedded cells, as files that other simulators read.

``data/reconstructions.npz`` is made by ``tools/make_cell_library.py``. It holds the points of all
cells end to end, in steps of a tenth of a nanometre and as differences between neighbours, and as
JSON what their compartments do not tell of the fits. Axons that the models replace are cut after
their first point.
"""

from __future__ import annotations

import io
import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.fit_file import fit_file
from isocortex.cells.library import description_of
from isocortex.cells.swc import Reconstruction

#: um; SWC files of the Allen Institute have four decimals.
STEP = 1e-4
#: Points of all cells: type, how many points back the parent is (further than the first point:
#: none), and the differences of coordinates and radius from the point before, in ``STEP``.
POINT_ARRAYS = {
    "type": np.int8, "back": np.int32,
    "x": np.int32, "y": np.int32, "z": np.int32, "r": np.int32,
}  # fmt: skip

HEADER = """\
# Reconstruction of the Allen Cell Types model {cell_id}, (c) Allen Institute for Brain Science
# {citation}
# {axon}
# id type x y z radius parent, um
"""
AXONS = {
    True: "The axon is that of the reconstruction: aibs_allactive takes its diameters.",
    False: "The axon, which aibs_perisomatic replaces, is cut after its first point.",
}


def swc_of(cell_id: str) -> str:
    """The reconstruction of an embedded cell, as the text of an SWC file.

    Raises
    ------
    ModelError : there is no such cell.
    """
    cell = description_of(cell_id)
    kind, parent, places = _points_of(cell_id)
    ids, parents = np.arange(1, len(kind) + 1), np.where(parent < 0, -1, parent + 1)
    rows = zip(ids, kind, *places, parents, strict=True)
    header = HEADER.format(
        cell_id=cell_id, citation=cell["citation"], axon=AXONS["allactive" in cell["processing"]]
    )
    return header + "".join(
        f"{i} {kind} {x:.4f} {y:.4f} {z:.4f} {r:.4f} {parent}\n"
        for i, kind, x, y, z, r, parent in rows
    )


def reconstruction_of(cell_id: str) -> Reconstruction:
    """The same as points, as they would be read from the file."""
    kind, parent, places = _points_of(cell_id)
    xyzd = np.column_stack(places).astype(np.float32).astype(np.float64) * [1.0, 1.0, 1.0, 2.0]
    return Reconstruction(kind, xyzd, parent)


def _points_of(cell_id: str) -> tuple[IntArray, IntArray, list[FloatArray]]:
    """Type, parent (-1 of the root and of loose pieces), and x, y, z and radius (um) of points."""
    description_of(cell_id)
    begin, end = _told()[cell_id]["points"]
    own = {name: array[begin:end] for name, array in _points().items()}
    places = [(np.cumsum(own[axis].astype(np.int64)) * STEP).astype(np.float64) for axis in "xyzr"]
    parent = np.maximum(np.arange(end - begin) - own["back"], -1)
    return own["type"].astype(np.int64), parent, places


def resistances_of(cell_id: str) -> dict[int, float]:
    """Axial resistance by SWC type, ohm cm."""
    description_of(cell_id)
    return {int(kind): value for kind, value in _told()[cell_id]["ra"].items()}


def fit_of(cell_id: str) -> dict[str, Any]:
    """The parameters of an embedded cell, as the contents of a fit file.

    Raises
    ------
    ModelError : there is no such cell.
    """
    cell, told = description_of(cell_id), _told()[cell_id]
    mechanisms = {
        name: (entry["types"], entry["parameters"]) for name, entry in cell["mechanisms"].items()
    }
    return fit_file(
        cell["values"], mechanisms, told["ra"], celsius=told["celsius"], v_init=told["v_init"]
    )


@cache
def _told() -> dict[str, dict[str, Any]]:
    with np.load(_stored()) as stored:
        return json.loads(stored["description"].tobytes())


@cache
def _points() -> dict[str, np.ndarray]:
    with np.load(_stored()) as stored:
        return {name: stored[name] for name in POINT_ARRAYS}


def _stored() -> io.BytesIO:
    return io.BytesIO((files("isocortex") / "data" / "reconstructions.npz").read_bytes())
