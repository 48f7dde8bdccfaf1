"""Neulite's SWC files: rows are numbered from 0, depth first, and the axon is a stub of two rows.

Every row is a point and, to Neulite, a compartment. Places on the cells here are lengths along
sections: what lies at a row lies where the point is on its section.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.axon import AXON, STUB_LENGTH, replace_axon
from isocortex.cells.swc import SOMA, Reconstruction, Section, import_sections, read_swc
from isocortex.errors import InputError

PERISOMATIC = "aibs_perisomatic"
STUB_RADIUS = 0.5  # um
DECIMALS = 3  # um; points nearer to each other than this are one place


@dataclass(frozen=True)
class Places:
    """Where the rows of a file are on the cell.

    Attributes (n rows)
    ----------
    section : int64[n], -1 of an axon that is replaced.
    x : float64[n], 0..1 along it.
    """

    section: IntArray
    x: FloatArray

    def nearest(self, section: IntArray, x: FloatArray) -> IntArray:
        """The row that is nearest to each place, int64[k]; -1 in a section without rows."""
        order = np.lexsort((self.x, self.section))
        rows = np.full(len(section), -1)
        for each in np.unique(section):
            mine = order[self.section[order] == each]
            at = np.flatnonzero(section == each)
            if len(mine):
                known = self.x[mine]
                after = np.minimum(np.searchsorted(known, x[at]), len(mine) - 1)
                before = np.maximum(after - 1, 0)
                nearer = np.abs(known[after] - x[at]) < np.abs(known[before] - x[at])
                rows[at] = mine[np.where(nearer, after, before)]
        return rows


def read_processed(path: Path, n_rows: int) -> tuple[Reconstruction, IntArray]:
    """A file of Neulite's as a reconstruction without axon, and its row of each row of the file.

    Parameters
    ----------
    n_rows : that the population says it has.

    Returns
    -------
    int64[n_rows], -1 and -2 for the first and the second row of the stub.
    """
    swc = read_swc(path)
    if len(swc.type) != n_rows:
        raise InputError(
            f"has {len(swc.type)} rows, and n_comp says {n_rows}", file=path,
            fix="Take both from one folder of Neulite.",
        )  # fmt: skip
    axon = np.flatnonzero(swc.type == AXON)
    if len(axon) != 2 or swc.parent[axon[1]] != axon[0]:
        raise InputError(
            f"has {len(axon)} rows of axon: Neulite's models have a stub of two", file=path,
            fix="Only perisomatic models are read.",
        )  # fmt: skip
    if np.isin(swc.parent, axon)[np.setdiff1d(np.arange(n_rows), axon)].any():
        raise InputError("a dendrite grows from the axon's stub", file=path, fix="Mend it.")
    kept = np.flatnonzero(swc.type != AXON)
    row = np.empty(n_rows, np.int64)
    row[kept], row[axon] = np.arange(len(kept)), (-1, -2)
    parent = np.where(swc.parent[kept] < 0, -1, row[swc.parent[kept]])
    return Reconstruction(swc.type[kept], swc.xyzd[kept], parent, path), row


def places_of(swc: Reconstruction) -> tuple[Places, list[Section]]:
    """Where the points of a reconstruction are on the perisomatic cell, and the cell's sections."""
    sections = replace_axon(import_sections(swc), PERISOMATIC)
    found: dict[tuple[int, ...], tuple[int, float]] = {}
    # a section may begin with its parent's last point, which is the parent's: later ones go first
    for inner in (False, True):
        for s, section in enumerate(sections):
            for k in range(1 if inner else 0, len(section.points) if inner else 1):
                key = _key(section.type, section.points[k])
                found[key] = (s, section.arc[k] / section.length)
    places = Places(np.full(len(swc.type), -1), np.zeros(len(swc.type)))
    for i, (kind, point, parent) in enumerate(zip(swc.type, swc.xyzd, swc.parent, strict=True)):
        if kind == AXON:  # replaced
            continue
        # a point that NEURON leaves out is where its parent is; the soma's, in its middle
        left_out = (0, 0.5) if parent < 0 else (places.section[parent], places.x[parent])
        places.section[i], places.x[i] = found.get(_key(kind, point), left_out)
    return places, sections


def _key(kind: int, point: FloatArray) -> tuple[int, ...]:
    steps = np.rint(point[:3] * 10**DECIMALS).astype(np.int64)
    return int(kind), *steps.tolist()


def processed(swc: Reconstruction) -> tuple[Reconstruction, IntArray]:
    """A reconstruction as Neulite's files have it, and which row of it each row is.

    Returns
    -------
    int64[rows], -1 and -2 for the two rows of the stub, which hang on the soma's last point.
    """
    n = len(swc.type)
    stub = (n, n + 1)
    holds = int(np.flatnonzero(swc.type == SOMA)[-1])
    away = swc.xyzd[holds] * [1.0, 1.0, 1.0, 0.0] + [0.0, 0.0, 0.0, 2.0 * STUB_RADIUS]
    points = np.vstack(
        [swc.xyzd, *(away + [0.0, 0.0, k * STUB_LENGTH, 0.0] for k in (1, 2))]
    )  # fmt: skip
    parent = np.concatenate([swc.parent, [holds, stub[0]]])
    kinds = np.concatenate([swc.type, [AXON, AXON]])
    children: list[list[int]] = [[] for _ in kinds]
    for i in range(n - 1, -1, -1):
        if parent[i] >= 0:
            children[parent[i]].append(i)
    children[holds].append(stub[0])  # the last is the first to be visited
    children[stub[0]].append(stub[1])
    order: list[int] = []
    waiting = [i for i in range(n - 1, -1, -1) if parent[i] < 0]
    while waiting:
        i = waiting.pop()
        if kinds[i] == AXON and i < n:
            continue  # with all that grows from it
        order.append(i)
        waiting += children[i]
    number = np.full(len(kinds) + 1, -1)  # the last is that of no parent
    number[order] = np.arange(len(order))
    made = Reconstruction(kinds[order], points[order], number[parent[order]])
    return made, np.array([stub[0] - 1 - i if i >= n else i for i in order])


def swc_text(swc: Reconstruction, first: int) -> str:
    """Lines of an SWC file whose rows are numbered from ``first``: 0 is Neulite's way."""
    lines = ["#id type x y z r parent"]
    radius = 0.5 * swc.xyzd[:, 3]
    for i, (kind, point, r, parent) in enumerate(
        zip(swc.type, swc.xyzd, radius, swc.parent, strict=True)
    ):
        numbers = " ".join(str(np.float32(value)) for value in (*point[:3], r))
        lines.append(f"{i + first} {kind} {numbers} {parent + first if parent >= 0 else -1}")
    return "\n".join(lines) + "\n"
