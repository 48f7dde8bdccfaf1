"""The equations of a tree written out, node after node: up to the root, and down again.

A voltage is ``x`` and the place of its node, of which a warp knows those of its own nodes; those of
the core that its branches begin at are ``o``. See :mod:`isocortex.engine.straight.text` for the
arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isocortex.engine.straight.plan import Plan


def up(
    plan: Plan, group: int, coupling: np.ndarray, membrane: Callable[[int], list[str]]
) -> list[str]:
    """From the tips to the root, of the core (0) or of a warp's (1 + warp) nodes.

    Parameters
    ----------
    coupling : float[n], of each place to its parent.
    membrane : lines that leave current and diagonal of a place in ``u`` and ``d``.
    """
    nodes, core, code = set(plan.nodes(group)), set(plan.nodes(0)), []
    for r in np.flatnonzero(plan.owner == group)[::-1]:
        begin, end, parent, first = plan.table[r]
        kids = plan.joins[first : plan.table[r + 1][3]]
        for of in "DR" if len(kids) else "":
            parts = (_part(plan, k, of, group) for k in kids)
            code.append(f"c{of.lower()} = " + " + ".join(parts))
        for i in range(end - 1, begin - 1, -1):
            above = i - 1 if i > begin else parent
            carried = bool(len(kids)) or i < end - 1
            code += [*membrane(i), *_solved(i, _voltage(above, nodes), float(coupling[i]), carried)]
        if r == 0:
            continue
        if group != 0 and parent in core:
            at = 32 * plan.slot[r]
            code += [f"store(SD, {at}, cd)", f"store(SR, {at}, cr)"]
        else:
            code += [f"cd_{r} = cd", f"cr_{r} = cr"]
    return code


def down(plan: Plan, group: int) -> list[str]:
    """From the root to the tips: the new voltages."""
    nodes, code = set(plan.nodes(group)), []
    for r in np.flatnonzero(plan.owner == group):
        begin, end, parent, _ = plan.table[r]
        for i in range(max(begin, 1), end):
            above = _voltage(i - 1 if i > begin else parent, nodes)
            code.append(f"x{i} = x{i} + f{i} * {above}")
    return code


def _voltage(place: int, nodes: set[int]) -> str:
    return f"x{place}" if place in nodes else f"o{place}"


def _part(plan: Plan, run: int, of: str, group: int) -> str:
    """What a run hands to the node that it begins at."""
    if run == plan.n_runs or plan.owner[run] != group:
        return f"load(S{of}, {32 * plan.slot[run]})"
    return f"c{of.lower()}_{run}"


def _solved(i: int, above: str, coupling: float, carried: bool) -> list[str]:
    return [
        "inverse = 1.0 / (d + cd)" if carried else "inverse = 1.0 / d",
        f"f{i} = inverse * {coupling!r}",
        f"axial = ({above} - x{i}) * {coupling!r}",
        "u = u + axial",
        f"x{i} = x{i} + {'(cr + u)' if carried else 'u'} * inverse - f{i} * {above}",
        f"cd = -({coupling!r} * f{i})",
        f"cr = cr * f{i} + (u * f{i} - axial)" if carried else f"cr = u * f{i} - axial",
    ]
