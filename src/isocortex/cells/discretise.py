"""Cut sections into compartments, and the tree of compartments into Hines order.

Areas and resistances are integrals over the 3-D points' frusta, as NEURON computes them: between
two points of diameters d1, d2 at distance h, the area is pi/2 (d1 + d2) sqrt(h^2 + (d1 - d2)^2/4)
and the axial resistance 4 Ra h / (pi d1 d2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isocortex.arrays import IntArray
from isocortex.cells.swc import FloatArray, Section
from isocortex.errors import ModelError

UNREACHABLE = 1e20  # um, NEURON's distance to what hangs on nothing
#: Compartments of a cell beyond one a section. The largest neurons have as many at 0.1 um, where
#: nothing changes any more; a thousand times as many would take all memory.
MOST = 200_000


@dataclass(frozen=True)
class Compartments:
    """Geometry of all compartments, in order of sections and position (SONATA order).

    Attributes (n compartments)
    ----------
    section : int64[n].
    x : float64[n], middle, 0..1.
    area : float64[n], um2.
    diameter, length : float64[n], um.
    left, right : float64[n], um-1: integral of 4 / (pi d^2) over the two halves.
    start, halfway, end : float64[n, 3], um, along the branch.
    distance : float64[n], path from the soma's start to the middle, um.
    """

    section: IntArray
    x: FloatArray
    area: FloatArray
    diameter: FloatArray
    length: FloatArray
    left: FloatArray
    right: FloatArray
    start: FloatArray
    halfway: FloatArray
    end: FloatArray
    distance: FloatArray


def compartment_counts(sections: list[Section], dL: float) -> IntArray:
    """int64[n_sections]: 1 + 2 int(L / (2 dL)), BMTK's rule; ``dL`` in um.

    Raises
    ------
    ModelError : ``dL`` is no length, or makes more than ``MOST`` compartments.
    """
    if not 0.0 < dL < np.inf:
        raise ModelError(f"must be more than 0 um, found {dL:g}", fix="20 um is usual.")
    length = np.array([s.length for s in sections])
    with np.errstate(over="ignore"):
        counts = 1.0 + 2.0 * np.floor(length / (2.0 * dL))
    if counts.sum() > len(sections) + MOST:
        raise ModelError(
            f"{dL:g} um would cut this cell into {counts.sum():.3g} compartments",
            fix=f"Use {np.ceil(100.0 * length.sum() / MOST) / 100.0:g} um or more; 20 um is usual.",
        )  # fmt: skip
    return counts.astype(np.int64)


def discretise(sections: list[Section], dL: float) -> Compartments:
    """Integrate the geometry of every compartment."""
    counts = compartment_counts(sections, dL)
    origin = np.zeros(len(sections))  # path distance of each section's start
    origin[[i > 0 and s.parent < 0 for i, s in enumerate(sections)]] = UNREACHABLE
    done: set[int] = set()

    def place(i: int) -> None:
        parent = sections[i].parent
        if i not in done and parent >= 0:
            place(parent)
            origin[i] = origin[parent] + sections[i].parent_x * sections[parent].length
        done.add(i)

    columns: list[list[FloatArray]] = [[] for _ in range(10)]
    for i, (section, n) in enumerate(zip(sections, counts, strict=True)):
        place(i)
        for column, values in zip(columns, _integrate(section, int(n), origin[i]), strict=True):
            column.append(values)
    section_of = np.repeat(np.arange(len(sections)), counts)
    return Compartments(section_of, *(np.concatenate(c) for c in columns))


def _integrate(section: Section, n: int, origin: float) -> tuple[FloatArray, ...]:
    """Columns of ``Compartments`` after ``section``, for one section of ``n`` compartments."""
    arc, d = section.arc, section.points[:, 3]
    length = section.length / n
    middles = np.arange(n) * length + length / 2.0
    bounds = np.column_stack([middles, middles + length / 2.0]).ravel()  # ends of the halves
    # points come before bounds at the same place, as NEURON takes them: a jump of diameter
    # (two points in one place) belongs to the half that ends there
    t = np.concatenate([arc, bounds])
    y = np.concatenate([d, _diameter_at(bounds, arc, d)])
    order = np.argsort(t, kind="stable")
    t, y, is_bound = t[order], y[order], order >= len(arc)
    half = np.cumsum(is_bound)[:-1]  # the half that each piece between points lies in
    inside = half < 2 * n
    h, y1, y2, half = np.diff(t)[inside], y[:-1][inside], y[1:][inside], half[inside]

    def total(piece: FloatArray) -> FloatArray:
        return np.bincount(half, piece, 2 * n).astype(np.float64)

    area = total(0.5 * np.pi * (y1 + y2) * np.sqrt(h * h + 0.25 * (y1 - y2) ** 2))
    resistance = total(4.0 / np.pi * h / (y1 * y2))
    diameter = total(0.5 * (y1 + y2) * h)
    x = (np.arange(n) + 0.5) / n
    cuts = np.linspace(0.0, section.length, n + 1)
    ends, halfway = (
        np.column_stack([np.interp(places, arc, section.points[:, k]) for k in range(3)])
        for places in (cuts, x * section.length)
    )
    return (
        x,
        area[0::2] + area[1::2],
        (diameter[0::2] + diameter[1::2]) / length,
        np.full(n, length),
        resistance[0::2],
        resistance[1::2],
        ends[:-1],
        halfway,
        ends[1:],
        origin + x * section.length,
    )


def _diameter_at(bounds: FloatArray, arc: FloatArray, d: FloatArray) -> FloatArray:
    """Diameter by linear interpolation; after the jump where two points are in one place."""
    left = np.clip(np.searchsorted(arc, bounds, side="right") - 1, 0, len(arc) - 2)
    gap = arc[left + 1] - arc[left]
    fraction = np.where(gap < 1e-10, 1.0, (bounds - arc[left]) / np.maximum(gap, 1e-10))
    return (1.0 - fraction) * d[left] + fraction * d[left + 1]


@dataclass(frozen=True)
class Tree:
    """Nodes in Hines order.

    Attributes (n nodes)
    ----------
    compartment : int64[n], index into ``Compartments``, -1 at zero-area branch points.
    section, x : of the node; a branch point is the end (x = 1) of its section, or the
        start (x = 0) of the root section.
    parent : int64[n], -1 at the root.
    coupling : float64[n], uS to the parent; 0 for a piece that hangs on nothing, whose parent is
        the root.
    """

    compartment: IntArray
    section: IntArray
    x: FloatArray
    parent: IntArray
    coupling: FloatArray


def build_tree(
    sections: list[Section], compartments: Compartments, ra: FloatArray, soma: int
) -> Tree:
    """Connect the compartments, remove the nodes without membrane that can go, order the rest.

    Parameters
    ----------
    ra : float64[n_sections], ohm cm.
    soma : compartment that becomes the root.
    """
    n = len(compartments.section)
    first = np.searchsorted(compartments.section, np.arange(len(sections) + 1))
    end_of = n + np.arange(len(sections))  # zero-area node at each section's end
    root_start = n + len(sections)  # and at the root section's start
    links: list[dict[int, float]] = [{} for _ in range(root_start + 1)]  # MOhm

    def link(a: int, b: int, resistance: float) -> None:
        links[a][b] = links[b][a] = resistance

    def attachment(i: int) -> int:
        """Node at which section i begins."""
        parent, x = sections[i].parent, sections[i].parent_x
        if parent < 0:
            return root_start
        if x >= 1.0:
            return int(end_of[parent])
        if x <= 0.0:
            return attachment(parent)
        count = int(first[parent + 1] - first[parent])
        return int(first[parent]) + min(int(x * count), count - 1)

    unit = 1e-2 * ra[compartments.section]  # ohm cm / um -> MOhm
    left, right = compartments.left * unit, compartments.right * unit
    for i in range(len(sections)):
        a, b = int(first[i]), int(first[i + 1])
        if i == 0 or sections[i].parent >= 0:
            link(attachment(i), a, float(left[a]))
        for k in range(a + 1, b):
            link(k - 1, k, float(right[k - 1] + left[k]))
        link(b - 1, int(end_of[i]), float(right[b - 1]))
    for node in range(root_start, n - 1, -1):
        _remove_if_possible(node, links, n)

    order, parents = _depth_first(links, soma)
    for i in range(1, len(sections)):
        if sections[i].parent < 0:
            piece, above = _depth_first(links, int(first[i]))
            parents += [0, *(p + len(order) for p in above[1:])]
            order += piece
    nodes, parent = np.array(order), np.array(parents, np.int64)
    coupling = [0.0]
    for i, p in enumerate(parents[1:], start=1):
        resistance = links[order[i]].get(order[p])
        coupling.append(0.0 if resistance is None else 1.0 / resistance)
    is_compartment = nodes < n
    at = np.where(is_compartment, nodes, 0)
    is_root_start = nodes == root_start
    section = np.where(is_compartment, compartments.section[at], nodes - n)
    section = np.where(is_root_start, 0, section)
    return Tree(
        compartment=np.where(is_compartment, nodes, -1),
        section=section,
        x=np.where(is_compartment, compartments.x[at], np.where(is_root_start, 0.0, 1.0)),
        parent=parent,
        coupling=np.array(coupling),
    )


def _depth_first(links: list[dict[int, float]], root: int) -> tuple[list[int], list[int]]:
    """Nodes that hang together with ``root``, and the place in that list of each one's parent."""
    order, parents = [root], [-1]
    stack = [(root, iter(sorted(links[root], reverse=True)))]
    number = {root: 0}
    while stack:
        node, rest = stack[-1]
        for neighbour in rest:
            if neighbour not in number:
                number[neighbour] = len(order)
                parents.append(number[node])
                order.append(neighbour)
                stack.append((neighbour, iter(sorted(links[neighbour], reverse=True))))
                break
        else:
            stack.pop()
    return order, parents


def _remove_if_possible(node: int, links: list[dict[int, float]], n: int) -> None:
    """A node without membrane goes if it is a leaf (no current) or has two links (in series)."""
    neighbours = list(links[node].items())
    if len(neighbours) > 2:
        return
    for other, _ in neighbours:
        del links[other][node]
    links[node].clear()
    if len(neighbours) == 2:
        (a, ra), (b, rb) = neighbours
        links[a][b] = links[b][a] = ra + rb
    elif neighbours and neighbours[0][0] >= n:
        _remove_if_possible(neighbours[0][0], links, n)
