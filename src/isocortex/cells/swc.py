"""Read an SWC reconstruction and import it into sections by NEURON's rules.

The rules are those of NEURON's importer (Import3d_SWC_read, NEURON 9): a section is an unbranched
run of points of one type; a branch repeats its parent's point as its first point; a branch of a
single-point soma keeps only its own points and is wired to the soma's middle; a single-point
section becomes a cylinder with length = diameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isocortex.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Section:
    """An unbranched piece of neurite.

    Attributes
    ----------
    type : SWC type code (1 soma, 2 axon, 3 dendrite, 4 apical dendrite).
    parent : index of the parent section in the list it belongs to, -1 for the root.
    parent_x : where on the parent it begins, 0..1.
    points : float64[n, 4], x, y, z and diameter, um.
    """

    type: int
    parent: int
    parent_x: float
    points: FloatArray

    @property
    def arc(self) -> FloatArray:
        """float64[n], path length from the first point, um."""
        steps = np.sqrt((np.diff(self.points[:, :3], axis=0) ** 2).sum(axis=1))
        return np.concatenate([[0.0], np.cumsum(steps)])


@dataclass(frozen=True)
class Reconstruction:
    """The points of an SWC file in order of id; ``parent`` are row indices, -1 at the root."""

    type: NDArray[np.int64]
    xyzd: FloatArray
    parent: NDArray[np.int64]


def read_swc(path: str | PathLike[str]) -> Reconstruction:
    """Read the points of an SWC file.

    Raises
    ------
    InputError : with the line at fault.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read the morphology ({error.strerror})", file=path) from error
    rows, lines = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", 1)[0].split()
        if not content:
            continue
        try:
            rows.append([float(word) for word in content[:7]])
            if len(content) < 7:
                raise ValueError
        except ValueError:
            raise InputError(
                f"not a point: {line.strip()!r}", file=path, field=f"line {number}",
                fix="A point is: id type x y z radius parent.",
            ) from None  # fmt: skip
        lines.append(number)
    if not rows:
        raise InputError("no points", file=path, fix="Give a complete SWC reconstruction.")
    table, at = np.array(rows), np.array(lines)
    order = np.argsort(table[:, 0], kind="stable")
    table, at = table[order], at[order]
    ids = table[:, 0].astype(np.int64)
    parents = table[:, 6].astype(np.int64)

    def stop(bad: NDArray[np.bool_], message: str, fix: str) -> None:
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise InputError(
                message.format(id=ids[i], parent=parents[i]), file=path,
                field=f"line {at[i]}", fix=fix,
            )  # fmt: skip

    stop(~np.isfinite(table).all(axis=1), "point {id} is not finite", "Mend it.")
    stop(np.r_[False, ids[1:] == ids[:-1]], "point {id} appears twice", "Number each point once.")
    where = np.minimum(np.searchsorted(ids, parents), len(ids) - 1)
    is_root = parents < 0
    stop(~is_root & (ids[where] != parents), "point {id} has the missing parent {parent}",
         "Point to an existing id or -1.")  # fmt: skip
    stop(~is_root & (parents >= ids), "point {id} comes before its parent {parent}",
         "Number points so that parents come first; a cycle cannot be imported.")  # fmt: skip
    stop(np.cumsum(is_root) > 1, "point {id} starts a second tree",
         "Keep one tree, rooted at the soma.")  # fmt: skip
    stop(~np.isin(table[:, 1], (1, 2, 3, 4)), "point {id} has an unknown type",
         "Use 1 soma, 2 axon, 3 dendrite, 4 apical dendrite.")  # fmt: skip
    stop(table[:, 5] <= 0, "point {id} has no radius", "Give a positive radius in um.")
    if table[0, 1] != 1:
        raise InputError(
            "the root is not a soma point", file=path, field=f"line {at[0]}",
            fix="Root the tree at a point of type 1.",
        )  # fmt: skip
    # NEURON reads single precision
    xyzd = table[:, 2:6].astype(np.float32).astype(np.float64) * [1.0, 1.0, 1.0, 2.0]
    return Reconstruction(table[:, 1].astype(np.int64), xyzd, np.where(is_root, -1, where))


def import_sections(swc: Reconstruction) -> list[Section]:
    """Sections in NEURON's order: by type, and within a type as they appear in the file."""
    children, soma_children, at_start = _count_children(swc)
    sphere = _is_three_point_sphere(swc, children)
    parent = swc.parent.copy()
    if sphere:
        parent[2] = 1  # keep the three points in one section
    for i in range(len(parent) - 1):
        run_on = swc.type[i] == 1 and swc.type[i + 1] == 1 and parent[i + 1] == i
        if run_on and (i == 0 or soma_children[i] <= 1):
            children[i] = 1.0
    starts = np.r_[True, children[:-1] != 1.0]
    section_of = np.cumsum(starts) - 1
    first = np.r_[np.flatnonzero(starts), len(parent)]

    drafts: list[Section | None] = []
    size: list[int] = []  # points of each section, with its parent's point
    removed: dict[int, tuple[int, float]] = {}  # and what their children attach to instead
    for s in range(len(first) - 1):
        begin, end = int(first[s]), int(first[s + 1])
        points, kind = swc.xyzd[begin:end], int(swc.type[begin])
        if s == 0:
            points = points[:1] if sphere else points
            drafts.append(Section(kind, -1, 0.0, points))
            size.append(len(points))
            continue
        p = int(parent[begin])
        psec = int(section_of[p])
        size.append(end - begin + 1)
        parent_is_soma = swc.type[first[psec]] == 1
        x, by_wire = _attach(
            p, psec, size[psec], int(first[psec]),
            parent_is_soma=parent_is_soma, is_soma=kind == 1, many=end - begin > 1,
            soma_branches=soma_children[p] > 1,
        )  # fmt: skip
        if at_start[begin]:
            x = 0.0
        if not by_wire:
            head = swc.xyzd[p].copy()
            if parent_is_soma and kind != 1:
                head[3] = points[0, 3]
            points = np.vstack([head, points])
        same = len(points) == 2 and np.array_equal(points[0, :3], points[1, :3])
        if len(points) < 2 or same:
            removed[s] = (psec, x)
            drafts.append(None)
        else:
            drafts.append(Section(kind, psec, x, points))
    return _in_order(drafts, removed)


def _count_children(swc: Reconstruction) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.bool_]]:
    """What ends a section at each point.

    Returns
    -------
    children : 1 where a section runs on: one child, the next point, of the same type.
    soma_children : children that are soma points, of soma points.
    at_start : the point begins a branch of the first point of a dendrite that is wired to the
        soma; it attaches to that dendrite's start.
    """
    parent, n = swc.parent, len(swc.parent)
    children, at_start = np.zeros(n), np.zeros(n, bool)
    soma_children = np.zeros(n, np.int64)
    for i in range(1, n):
        p = parent[i]
        children[p] += 1
        if p != i - 1:
            children[p] += 0.01
            if p > 1 and swc.type[p] != 1 and swc.type[parent[p]] == 1:
                at_start[i] = True
                children[p] = 1
        if swc.type[p] != swc.type[i]:
            children[p] += 0.01
        elif swc.type[i] == 1:
            soma_children[p] += 1
    return children, soma_children, at_start


def _is_three_point_sphere(swc: Reconstruction, children: FloatArray) -> bool:
    """NeuroMorpho.Org's soma: a middle point and two ends without branches, as long as wide."""
    if np.count_nonzero(swc.type == 1) != 3 or len(swc.parent) < 3:
        return False
    if not (swc.parent[1] == swc.parent[2] == 0 and children[1] == children[2] == 0):
        return False
    d = swc.xyzd[:3, 3]
    length = np.linalg.norm(swc.xyzd[1:3, :3] - swc.xyzd[0, :3], axis=1).sum()
    return bool(d[1] == d[0] == d[2] and abs(length / d[0] - 1.0) < 0.01)


def _attach(
    p: int,
    psec: int,
    psize: int,
    pfirst: int,
    *,
    parent_is_soma: bool,
    is_soma: bool,
    many: bool,
    soma_branches: bool,
) -> tuple[float, bool]:
    """Where on its parent a section begins, and whether a wire joins it.

    A wire means that the parent's point is not part of the section. ``many`` tells that the
    section has more than one point of its own.
    """
    if psec == 0:
        if parent_is_soma and not is_soma and psize == 1:
            return 0.5, many
        if p == pfirst:
            return 0.0, not is_soma and soma_branches
    if parent_is_soma:
        last = pfirst + psize - (1 if pfirst == 0 else 2)
        if p < last:
            return 0.5, not is_soma and many
        return 1.0, many and soma_branches and not is_soma
    return 1.0, False


def _in_order(
    drafts: list[Section | None], removed: dict[int, tuple[int, float]]
) -> list[Section]:
    """Drop sections of one point, hand their children on, and sort by type."""
    kept = [s for s, section in enumerate(drafts) if section is not None]
    kept.sort(key=lambda s: drafts[s].type)  # type: ignore[union-attr]
    number = {s: k for k, s in enumerate(kept)}
    sections = []
    for s in kept:
        draft = drafts[s]
        assert draft is not None
        psec, x = draft.parent, draft.parent_x
        while psec in removed:
            psec, x = removed[psec]
        points = draft.points if len(draft.points) > 1 else _sphere(draft.points[0])
        sections.append(Section(draft.type, number.get(psec, -1), x, _as_stored(points)))
    return sections


def _sphere(point: FloatArray) -> FloatArray:
    """A single-point section: three points along x, as long as it is wide."""
    points = np.repeat(point[None], 3, axis=0)
    points[:, 0] += np.array([-0.5, 0.0, 0.5]) * point[3]
    return points


def _as_stored(points: FloatArray) -> FloatArray:
    """NEURON keeps 3-D points in single precision."""
    return points.astype(np.float32).astype(np.float64)
