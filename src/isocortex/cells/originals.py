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

from isocortex.cells.compiled import SECTION_TYPES
from isocortex.cells.library import description_of
from isocortex.mechanisms import DENSITY

#: um; SWC files of the Allen Institute have four decimals.
STEP = 1e-4
#: Points of all cells: type, how many points back the parent is (further than the first point:
#: none), and the differences of coordinates and radius from the point before, in ``STEP``.
POINT_ARRAYS = {
    "type": np.int8, "back": np.int32,
    "x": np.int32, "y": np.int32, "z": np.int32, "r": np.int32,
}  # fmt: skip
#: NEURON's reversal potentials, mV, where a fit says nothing of them.
UNTOLD = {"ena": 50.0, "ek": -77.0}
NAMES = {str(code): name for name, code in SECTION_TYPES.items()}

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
    cell, arrays = description_of(cell_id), _points()
    begin, end = _told()[cell_id]["points"]
    own = {name: arrays[name][begin:end] for name in POINT_ARRAYS}
    places = [np.cumsum(own[axis].astype(np.int64)) * STEP for axis in "xyzr"]
    ids = np.arange(1, end - begin + 1)
    parents = np.maximum(ids - own["back"], 0)
    rows = zip(ids, own["type"], *places, np.where(parents > 0, parents, -1), strict=True)
    header = HEADER.format(
        cell_id=cell_id, citation=cell["citation"], axon=AXONS["allactive" in cell["processing"]]
    )
    return header + "".join(
        f"{i} {kind} {x:.4f} {y:.4f} {z:.4f} {r:.4f} {parent}\n"
        for i, kind, x, y, z, r, parent in rows
    )


def fit_of(cell_id: str) -> dict[str, Any]:
    """The parameters of an embedded cell, as the contents of a fit file.

    Raises
    ------
    ModelError : there is no such cell.
    """
    cell, told = description_of(cell_id), _told()[cell_id]
    values, ra = cell["values"], told["ra"]
    soma = str(SECTION_TYPES["soma"])
    passive = {
        "ra": ra[soma],
        "cm": [{"section": NAMES[kind], "cm": cm} for kind, cm in values["cm"].items()],
        "e_pas": values["e_pas"][soma],
    }
    reversals = [
        {"section": NAMES[kind], "ena": ena, "ek": values["ek"][kind]}
        for kind, ena in values["ena"].items()
        if {"ena": ena, "ek": values["ek"][kind]} != UNTOLD
    ]
    genome = [
        _entry(kind, name, value)
        for name, by_kind, usual in (
            ("Ra", ra, ra[soma]), ("e_pas", values["e_pas"], values["e_pas"][soma]),
            ("g_pas", values["g_pas"], None),
        )
        for kind, value in by_kind.items() if kind in values["cm"] and value != usual
    ]  # fmt: skip
    for mechanism, entry in cell["mechanisms"].items():
        parameters = entry["parameters"] or _any_default(mechanism, entry["types"])
        genome += [
            _entry(kind, f"{parameter}_{mechanism}", value, mechanism)
            for parameter, by_kind in parameters.items()
            for kind, value in by_kind.items()
        ]
    conditions = {"celsius": told["celsius"], "v_init": told["v_init"], "erev": reversals}
    return {"passive": [passive], "conditions": [conditions], "genome": genome}


def _entry(kind: str, name: str, value: float, mechanism: str = "") -> dict[str, Any]:
    return {"section": NAMES[kind], "name": name, "value": value, "mechanism": mechanism}


def _any_default(mechanism: str, kinds: list[int]) -> dict[str, dict[str, float]]:
    """A parameter to name a mechanism by that has none but its defaults."""
    name, parameter = next(iter(DENSITY[mechanism].parameters.items()))
    return {name: {str(kind): parameter.default for kind in kinds}}


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
