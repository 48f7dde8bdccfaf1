"""One neuron: its branches, what was recorded in each compartment, and its synapses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.cells.compiled import SECTION_TYPES, CompiledCell
from isocortex.report.results import Result
from isocortex.viewer.pack import pack

#: Of variables whose reports do not tell; BMTK's do not.
UNITS = {"v": "mV", "cai": "mM"}
#: Code of a compartment that does not have the variable, such as calcium in a passive axon.
ABSENT = 0xFFFF
#: Steps in which a variable is sent, in its report's unit: finer than one sees. Others go from the
#: least to the largest value in 65534.
STEPS = {"v": 0.02}
#: Rows of a recording that are shown; longer ones are thinned evenly.
MOST_ROWS = 4000


def upright(cell: CompiledCell) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """float64[n_nodes, 3] start and end of every node, um, from the soma, apical dendrite above.

    Reconstructions lie in the plane of their slice at any angle; the mean of the apical dendrite
    is turned towards +y. Cells without one stay as they are.
    """
    origin = (cell.start[cell.soma] + cell.end[cell.soma]) / 2
    start, end = cell.start - origin, cell.end - origin
    apical = cell.section_type == SECTION_TYPES["apic"]
    if apical.any():
        x, y = np.average(end[apical][:, :2], axis=0, weights=cell.length[apical] + 1e-9)
        norm = float(np.hypot(x, y))
        if norm > 0:
            turn = np.array([[y, -x, 0.0], [x, y, 0.0], [0.0, 0.0, norm]]) / norm
            start, end = start @ turn.T, end @ turn.T
    return start, end


def branches(cell: CompiledCell) -> dict[str, NDArray[Any]]:
    """Compartments to draw, in SONATA order.

    Returns
    -------
    start, end : float32[k, 3], um from the soma.
    radius : float32[k], um.
    ends : float32[k, 2], um, radius at the start and at the end; where an unbranched stretch goes
        on from one compartment to the next, halfway between theirs.
    kind : uint8[k], SWC code of the section.
    distance : float32[k], um of path from the soma.
    """
    nodes = cell.compartments
    start, end = upright(cell)
    return {
        "start": start[nodes].astype(np.float32),
        "end": end[nodes].astype(np.float32),
        "radius": (cell.diameter[nodes] / 2).astype(np.float32),
        "ends": _ends(cell)[nodes].astype(np.float32),
        "kind": cell.section_type[nodes].astype(np.uint8),
        "distance": ((cell.distance_start + cell.distance_end)[nodes] / 2).astype(np.float32),
    }


def _ends(cell: CompiledCell) -> NDArray[np.float64]:
    """float64[n_nodes, 2], um, radius of every node at its start and at its end."""
    radius = cell.diameter / 2
    ends = np.stack([radius, radius], axis=1)
    body = cell.area > 0
    up = np.where(cell.parent >= 0, cell.parent, 0)
    up = np.where(body[up], up, np.where(cell.parent[up] >= 0, cell.parent[up], 0))
    below = np.flatnonzero(body & (cell.parent >= 0))
    onward = np.bincount(up[below], minlength=cell.n_nodes) == 1
    soma = cell.section_type == SECTION_TYPES["soma"]
    on = below[onward[up[below]] & body[up[below]] & ~soma[up[below]]]
    ends[on, 0] = ends[up[on], 1] = (radius[on] + radius[up[on]]) / 2
    return ends


def recorded_cells(result: Result) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """(population, node) of cells with reports of several compartments, and of one alone."""
    whole: set[tuple[str, int]] = set()
    some: set[tuple[str, int]] = set()
    for name in result.reports:
        for population in result.report_populations(name):
            data = result.report(name, population)
            ids, counts = np.unique(data["node_id"].values, return_counts=True)
            whole |= {(population, int(node)) for node in ids[counts > 1]}
            some |= {(population, int(node)) for node in ids[counts == 1]}
    return whole, some - whole


def recordings(result: Result, population: str, node: int, n_compartments: int) -> dict[str, Any]:
    """Every report that holds this cell.

    Returns
    -------
    Name -> ``variable``, ``units``, ``first`` and ``dt`` (ms), ``low`` and ``high`` of the values,
    ``whole`` (all compartments are there) and ``values``, float32[samples, elements].
    """
    found: dict[str, Any] = {}
    for name in result.reports:
        if population not in result.report_populations(name):
            continue
        data = result.report(name, population)
        mine = np.flatnonzero(data["node_id"].values == node)
        times = data["time"].values
        if len(mine) == 0 or len(times) == 0:
            continue
        every = -(-len(times) // MOST_ROWS)
        # a cell's elements lie side by side: one slice of the file
        values = data[::every, int(mine[0]) : int(mine[-1]) + 1].values[:, mine - mine[0]]
        whole = len(mine) == n_compartments
        soma = np.flatnonzero(data["element_id"].values[mine] == 0)
        variable = str(data.attrs["variable"])
        there = np.isfinite(values)
        if not there.any():
            continue
        found[name] = {
            "variable": variable,
            "units": str(data.attrs["units"]) or UNITS.get(variable, ""),
            "first": float(times[0]),
            "dt": float(times[1] - times[0]) * every if len(times) > 1 else 1.0,
            "low": float(values[there].min()),
            "high": float(values[there].max()),
            "whole": whole,
            "soma": int(soma[0]) if len(soma) else 0,
            "values": values.astype(np.float32),
        }
    return found


def neuron_block(head: dict[str, Any], cell: CompiledCell | None, found: dict[str, Any]) -> bytes:
    """A neuron for the browser: whole recordings in 16 bits, the soma's exactly.

    ``colour<k>`` is uint16[samples, elements]: codes of compartments less those of the sample
    before, which packs to a third. Code 0 is ``low`` of the report, its ``levels`` is ``high``.
    """
    arrays: dict[str, NDArray[Any]] = {} if cell is None else branches(cell)
    reports = []
    for number, (name, report) in enumerate(found.items()):
        values, span = report["values"], max(report["high"] - report["low"], 1e-12)
        arrays[f"trace{number}"] = np.nan_to_num(values[:, report["soma"]])
        facts = {k: v for k, v in report.items() if k != "values"}
        if report["whole"]:
            step = STEPS.get(report["variable"], 0.0)
            levels = min(math.ceil(span / step), ABSENT - 1) if step else ABSENT - 1
            scaled = np.round(levels * (values - report["low"]) / span)
            codes = np.nan_to_num(scaled, nan=ABSENT).astype(np.uint16)
            arrays[f"colour{number}"] = np.diff(codes, axis=0, prepend=np.uint16(0))
            facts["levels"] = levels
        reports.append({"name": name, **facts})
    return pack({**head, "reports": reports, "model": cell.name if cell else None}, arrays)
