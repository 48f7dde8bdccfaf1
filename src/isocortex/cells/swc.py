"""Read an SWC reconstruction and import it into sections by NEURON's rules.

The rules are those of NEURON's importer (Import3d_SWC_read, NEURON 9): a section is an unbranched
run of points of one type; a branch repeats its parent's point as its first point; a branch of a
single-point soma keeps only its own points and is wired to the soma's middle; a single-point
section becomes a cylinder with length = diameter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.errors import InputError

SOMA = 1
COLUMNS = "id type x y z radius parent"
LARGEST = 1e9  # id
EXTENT = 1e6  # um, of coordinates and radii
THINNEST = 1e-6  # um, radius
#: Powers of ten, and what gives numbers from each on eight digits before the point. Written out:
#: the last bit of a power function is another one on other machines.
POWERS = np.array([float(f"1e{k}") for k in range(-30, 10)])
SCALES = np.array([float(f"1e{7 - k}") for k in range(-30, 10)])


@dataclass(frozen=True)
class Section:
    """An unbranched piece of neurite.

    Attributes
    ----------
    type : SWC type code (1 soma, 2 axon, 3 dendrite, 4 apical dendrite).
    parent : index of the parent section in the list it belongs to, -1 for the root and for pieces
        that hang on nothing.
    parent_x : where on the parent it begins, 0..1.
    points : float64[n, 4], x, y, z and diameter, um.
    arc : float64[n], path length from the first point, um.
    """

    type: int
    parent: int
    parent_x: float
    points: FloatArray
    arc: FloatArray = field(repr=False)

    @property
    def length(self) -> float:
        """Path length of the section, um."""
        return float(self.arc[-1])


@dataclass(frozen=True)
class Reconstruction:
    """The points of an SWC file in order of id.

    Attributes (n points)
    ----------
    type : int64[n].
    xyzd : float64[n, 4], x, y, z and diameter, um, rounded to single precision as in NEURON.
    parent : int64[n], row of the parent; -1 for the root and for the roots of loose pieces.
    file : it was read from.
    """

    type: NDArray[np.int64]
    xyzd: FloatArray
    parent: NDArray[np.int64]
    file: Path | None = None


def path_lengths(points: FloatArray) -> FloatArray:
    """float64[n], path length from the first of ``points`` (float64[n, 3 or 4]), um.

    NEURON subtracts coordinates in single precision and adds lengths in double.
    """
    steps = np.diff(points[:, :3].astype(np.float32), axis=0).astype(np.float64)
    squares = steps * steps
    lengths = np.sqrt(squares[:, 0] + squares[:, 1] + squares[:, 2])
    return np.concatenate([[0.0], np.cumsum(lengths)])


def read_swc(path: str | PathLike[str]) -> Reconstruction:
    """Read the points of an SWC file.

    Parameters
    ----------
    path : text; one point a line, ``id type x y z radius parent``, ``#`` begins a comment.
        Ids need not be consecutive. Pieces that hang on nothing (parent -1) are allowed after the
        soma; Allen reconstructions have loose pieces of axon.

    Raises
    ------
    InputError : with the line at fault.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read the morphology ({error.strerror})", file=path) from error
    lines = text.splitlines()
    if not any(line.split("#", 1)[0].strip() for line in lines):
        raise InputError("no points", file=path, fix="Give a complete SWC reconstruction.")
    try:
        table = np.loadtxt(lines, comments="#", usecols=range(7), ndmin=2)
    except ValueError:
        table = np.empty((0, 7))
    if not table.size or not (np.abs(table) < LARGEST).all():
        raise _bad_line(lines, path)
    order = np.argsort(table[:, 0], kind="stable")
    table = table[order]
    ids = table[:, 0].astype(np.int64)
    parents = table[:, 6].astype(np.int64)
    where = np.minimum(np.searchsorted(ids, parents), len(ids) - 1)
    is_root = parents < 0
    for bad, message, fix in (
        (table[:, 0] != ids, "the id is not a whole number", "Number the points 1, 2, 3."),
        (table[:, 6] != parents, "the parent of point {id} is not a whole number",
         "Point to an existing id or -1."),
        (np.r_[False, ids[1:] == ids[:-1]], "point {id} appears twice", "Number each point once."),
        (~is_root & (ids[where] != parents), "point {id} has the missing parent {parent}",
         "Point to an existing id or -1."),
        (~is_root & (parents >= ids), "point {id} does not come after its parent {parent}",
         "Number points so that parents come first; a cycle cannot be imported."),
        (~np.isin(table[:, 1], (1, 2, 3, 4)), "point {id} has an unknown type",
         "Use 1 soma, 2 axon, 3 dendrite, 4 apical dendrite."),
        (np.abs(table[:, 2:6]).max(axis=1) > EXTENT, "point {id} lies further away than a metre",
         "Give coordinates and radii in um."),
        (table[:, 5] < THINNEST, "point {id} has no radius", "Give a positive radius in um."),
        (is_root & (table[:, 1] == SOMA) & (np.arange(len(ids)) > 0),
         "point {id} starts a second soma", "Keep one soma, connected by parent ids."),
    ):  # fmt: skip
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise InputError(
                message.format(id=ids[i], parent=parents[i]), file=path,
                field=f"line {_line_numbers(lines)[order[i]]}", fix=fix,
            )  # fmt: skip
    if table[0, 1] != SOMA:
        has = "the root is not a soma point" if (table[:, 1] == SOMA).any() else "no soma"
        raise InputError(
            has, file=path, field=f"line {_line_numbers(lines)[order[0]]}",
            fix="Root the tree at a point of type 1.",
        )  # fmt: skip
    xyzd = table[:, 2:6].astype(np.float32).astype(np.float64) * [1.0, 1.0, 1.0, 2.0]
    return Reconstruction(table[:, 1].astype(np.int64), xyzd, np.where(is_root, -1, where), path)


def _line_numbers(lines: list[str]) -> list[int]:
    """Line number of every point."""
    return [k for k, line in enumerate(lines, start=1) if line.split("#", 1)[0].strip()]


def _bad_line(lines: list[str], path: Path) -> InputError:
    """The error for the first line that is not a point."""
    number = 0
    for number in _line_numbers(lines):
        words = lines[number - 1].split("#", 1)[0].split()
        try:
            if len(words) < 7 or not all(abs(float(word)) < LARGEST for word in words[:7]):
                break
        except ValueError:
            break
    return InputError(
        f"not a point: {lines[number - 1].strip()!r}", file=path, field=f"line {number}",
        fix=f"A point is: {COLUMNS}.",
    )  # fmt: skip


@dataclass(frozen=True)
class _Draft:
    """A section in the order of the file; ``parent`` counts in that order."""

    type: int
    parent: int
    parent_x: float
    points: FloatArray


def import_sections(swc: Reconstruction) -> list[Section]:
    """Sections in NEURON's order: by type, and within a type as they appear in the file.

    A loose piece is wired to the middle of the soma, which is what NEURON makes of it.

    Raises
    ------
    InputError : a section without length.
    """
    children, soma_children, at_start = _count_children(swc)
    sphere = _is_three_point_sphere(swc, children)
    parent = swc.parent.copy()
    if sphere:
        parent[2] = 1  # keep the three points in one section
    for i in np.flatnonzero(swc.type[:-1] == SOMA):
        run_on = swc.type[i + 1] == SOMA and parent[i + 1] == i
        if run_on and (i == 0 or soma_children[i] <= 1):
            children[i] = 1.0
    starts = np.r_[True, children[:-1] != 1.0]
    section_of = np.cumsum(starts) - 1
    first = np.r_[np.flatnonzero(starts), len(parent)]

    drafts: list[_Draft | None] = []
    size: list[int] = []  # points of each section, with its parent's point
    removed: dict[int, tuple[int, float]] = {}  # and what their children attach to instead
    for s in range(len(first) - 1):
        begin, end = int(first[s]), int(first[s + 1])
        points, kind = swc.xyzd[begin:end], int(swc.type[begin])
        if s == 0:
            points = points[:1] if sphere else points
            drafts.append(_Draft(kind, -1, 0.0, points))
            size.append(len(points))
            continue
        p = int(parent[begin])
        psec = int(section_of[p]) if p >= 0 else 0
        size.append(end - begin + 1)
        parent_is_soma = swc.type[first[psec]] == 1
        x, by_wire = _attach(
            p, psec, size[psec], int(first[psec]),
            parent_is_soma=parent_is_soma, is_soma=kind == 1, many=end - begin > 1,
            soma_branches=p >= 0 and soma_children[p] > 1,
        )  # fmt: skip
        if at_start[begin]:
            x = 0.0
        if not by_wire:
            head = swc.xyzd[max(p, 0)].copy()
            if parent_is_soma and kind != 1:
                head[3] = points[0, 3]
            points = np.vstack([head, points])
        same = len(points) == 2 and np.array_equal(points[0, :3], points[1, :3])
        if len(points) < 2 or same:
            removed[s] = (psec, x)
            drafts.append(None)
        else:
            drafts.append(_Draft(kind, psec, x, points))
    sections = _in_order(drafts, removed)
    for number, section in enumerate(sections):
        if not section.length > 0:
            x, y, z = section.points[0, :3]
            raise InputError(
                f"all points of section {number} lie at {x:g}, {y:g}, {z:g}", file=swc.file,
                fix="Keep one of them.",
            )  # fmt: skip
    return sections


def _count_children(swc: Reconstruction) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.bool_]]:
    """What ends a section at each point.

    Returns
    -------
    children : 1 where a section runs on: one child, the next point, of the same type.
    soma_children : children that are soma points, of soma points.
    at_start : the point begins a branch of the first point of a dendrite that is wired to the
        soma; it attaches to that dendrite's start.
    """
    parent, kind = swc.parent.tolist(), swc.type.tolist()
    n = len(parent)
    children, at_start, soma_children = [0.0] * n, [False] * n, [0] * n
    for i in range(1, n):
        p = parent[i]
        if p < 0:
            continue
        children[p] += 1
        if p != i - 1:
            children[p] += 0.01
            if p > 1 and kind[p] != SOMA and kind[max(parent[p], 0)] == SOMA:
                at_start[i] = True
                children[p] = 1
        if kind[p] != kind[i]:
            children[p] += 0.01
        elif kind[i] == SOMA:
            soma_children[p] += 1
    return np.array(children), np.array(soma_children), np.array(at_start)


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


def _in_order(drafts: list[_Draft | None], removed: dict[int, tuple[int, float]]) -> list[Section]:
    """Hand on the children of removed sections, and sort by type."""
    kept = [(draft.type, s) for s, draft in enumerate(drafts) if draft is not None]
    number = {s: k for k, (_, s) in enumerate(sorted(kept))}
    sections = []
    for s in number:
        draft = drafts[s]
        assert draft is not None
        psec, x = draft.parent, draft.parent_x
        while psec in removed:
            psec, x = removed[psec]
        points = draft.points if len(draft.points) > 1 else _sphere(draft.points[0])
        points = _as_stored(points)
        sections.append(Section(draft.type, number.get(psec, -1), x, points, path_lengths(points)))
    return sections


def _sphere(point: FloatArray) -> FloatArray:
    """A single-point section: three points along x, as long as it is wide."""
    points = np.repeat(point[None], 3, axis=0)
    points[:, 0] += np.array([-0.5, 0.0, 0.5]) * point[3]
    return points


def _as_stored(points: FloatArray) -> FloatArray:
    """Round as NEURON's import does: to eight decimal digits, then to single precision."""
    magnitude = np.searchsorted(POWERS, np.maximum(np.abs(points), 1e-30), side="right") - 1
    scale = SCALES[magnitude]
    return (np.rint(points * scale) / scale).astype(np.float32).astype(np.float64)
