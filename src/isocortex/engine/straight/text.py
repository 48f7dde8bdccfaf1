"""The straight kernel of a model: its tree written out, node after node.

A block's 32 cells are its lanes, and its tree is shared out to the warps of a block of threads
(:class:`isocortex.engine.straight.plan.Plan`): every warp has the voltages of its branches in
registers. Synaptic rows, channels, the core's voltages and what branches hand to the core are in
shared memory for a window of steps. Rows are not written in a step: in step k of a window they
stand for themselves times the k-th power of their decay, and an event adds its jump divided by that
power. The thread that does so is one for each row and lane, so events add up in their order.

Voltages are solved in place: going up, v becomes v + q - f v_parent, with q = r / d and f = a / d
of :mod:`isocortex.engine.cable`; going down, f times the parent's new voltage is added.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from isocortex.engine import cable
from isocortex.engine.straight.plan import Plan
from isocortex.engine.straight.solving import down, up

#: Warps of a block, and steps that a window may have.
WARPS, LONGEST = 4, 45
#: A term of a conductance may not decay to less than this in a window: events divide by it.
LEAST_POWER = 1e-30

#: Of a warp's function.
ARGUMENTS = (
    "first, last, V, A, B, S, core, HA, HB, SD, SR, HS, due, events, spikes, above, probes,"
    " watched, layout, kinetics, b, lane, thread, v0, r0, s0, kinds, numerics"
)
PLACE = "P, numbers, begin, begin + 1, region_node, 32, dt, nernst"
CURRENTS = f"currents_0(core, 0, D, R, HS, 0, {PLACE})"
ADVANCE = f"advance_0(core, 0, D, R, HS, 0, {PLACE})"


class Rows(NamedTuple):
    """Synaptic rows of a model in their order: node, and kinetics as ``number`` has them."""

    node: np.ndarray
    kind: np.ndarray
    number: np.ndarray

    def numbers(self, kind: int) -> np.ndarray:
        """Of one kinetics, as cable.py names them."""
        return self.number[kind * cable.KINETICS : (kind + 1) * cable.KINETICS]


def text(plan: Plan, coefficient: np.ndarray, rows: Rows, states: int) -> str:
    """Source of a model's kernel, channels left out.

    Parameters
    ----------
    coefficient : float32[n, 4]: diagonal, leak, leakage and coupling by place.
    states : of the channels of a cell; there may be none.
    """
    code = _Code(plan, coefficient, rows, states)
    factors, warps, calls = [], "", []
    for k, kind in enumerate(code.kinds):
        factors += [f"{'el' if k else ''}if which == {kind}:", f"    pa, pb = powers[{k}]"]
    for warp in range(plan.warps):
        warps += f"@jit\ndef warp_{warp}({ARGUMENTS}):\n{_lines(code.of_warp(warp), 4)}\n\n"
        calls += [f"{'el' if warp else ''}if warp == {warp}:", f"    warp_{warp}({ARGUMENTS})"]
    sizes = {
        "threads": 32 * plan.warps, "longest": LONGEST + 1, "core": 32 * plan.n_core,
        "rows": 32 * len(rows.node), "states": 32 * states, "handed": 32 * len(plan.slot),
    }  # fmt: skip
    source = (Path(__file__).parent / "window.py.txt").read_text()
    for name, size in sizes.items():
        source = source.replace(f"{{{name}}}", str(size))
    return (
        source.replace("        # {factors}\n", _lines(factors, 8))
        .replace("# {warps}\n", warps.rstrip() + "\n")
        .replace("    # {calls}\n", _lines(calls, 4))
    )


def shared_bytes(plan: Plan, n_rows: int, states: int) -> int:
    """Shared memory of a block, but for what is the same for all."""
    return 128 * (plan.n_core + 2 * n_rows + 2 * len(plan.slot) + states)


def _lines(code: list[str], indent: int) -> str:
    return "".join(f"{' ' * indent}{line}\n" for line in code)


class _Code:
    """Lines of the warps."""

    def __init__(self, plan: Plan, coefficient: np.ndarray, rows: Rows, states: int) -> None:
        self.plan, self.coefficient, self.rows, self.states = plan, coefficient, rows, states
        self.kinds = sorted({int(kind) for kind in rows.kind})
        self.at: list[list[tuple[int, int]]] = [[] for _ in range(plan.n)]
        for row, (node, kind) in enumerate(zip(rows.node, rows.kind, strict=True)):
            self.at[plan.new[node]].append((row, int(kind)))

    def _number(self, kind: int, which: int) -> str:
        return repr(float(self.rows.numbers(kind)[which]))

    def decay(self) -> list[str]:
        """From the powers of one step to those of the next."""
        return [
            f"pa{k}, pb{k} = pa{k} * {self._number(k, cable.RISE)}, "
            f"pb{k} * {self._number(k, cable.DECAY)}"
            for k in self.kinds
        ]

    def deliver(self) -> list[str]:
        """The events of a step; each is for one thread to apply."""
        apply = []
        for n, k in enumerate(self.kinds):
            a, b = (self._number(k, which) for which in (cable.JUMP_A, cable.JUMP_B))
            apply += [
                f"{'el' if n else ''}if which == {k}:",
                f"    add(HA, at, w * ({a} / pa{k}), step)",
                f"    add(HB, at, w * ({b} / pb{k}), step)",
            ]
        return [
            "for e in range(due[step - first], due[step - first + 1]):",
            "    at = element(events.element, e)",
            "    if (at & (THREADS - 1)) == thread:",
            "        which = element(layout.row_kind, kinds + (at >> 5))",
            "        w = element(events.weight, e)",
            *(f"        {line}" for line in apply),
        ]

    def of_warp(self, warp: int) -> list[str]:
        """What a warp does with its branches; warp 0 also with the core and the channels."""
        plan, first, group = self.plan, warp == 0, warp + 1
        core, mine = sorted(plan.nodes(0)), plan.nodes(group)
        branches = np.flatnonzero(plan.owner == group)
        parents = sorted({int(plan.table[r][2]) for r in branches} & set(core))
        held = mine + (core if first else [])
        of_core = [f"o{p} = " + (f"x{p}" if first else f"load(core, {32 * p})") for p in parents]
        powers = "".join(f"(pa{k}, pb{k}), " for k in self.kinds)
        publish = f"publish({32 * warp}, HA, HB, HS, A, B, S, r0, s0, layout, kinds, ({powers}))"
        sampled = "sample(probes, b, {}, step, V, S, (A, B, layout.row_kind, kinds - r0 // 32, "
        sampled += "kinetics, 32))"
        voltages = [f"store(V, v0 + {32 * int(plan.order[i])}, x{i})" for i in held]
        step = [*self.deliver(), "cuda.syncthreads()"]
        step += _watched([publish, "cuda.syncthreads()", *[sampled.format(0)] * first])
        if first:
            step += ["store(D, 0, 0.0)", "store(R, 0, 0.0)", *[CURRENTS] * bool(self.states)]
        coupling = self.coefficient[:, 3]
        step += [*of_core, *up(plan, group, coupling, self._membrane), "cuda.syncthreads()"]
        if first:
            step += [*up(plan, 0, coupling, self._membrane), *down(plan, 0)]
            step += [f"store(core, {32 * i}, x{i})" for i in core]
        step += ["cuda.syncthreads()", *of_core, *down(plan, group), *self.decay()]
        if first:
            step += [*[ADVANCE] * bool(self.states), *SPIKES]
        step += _watched(
            [
                "cuda.syncthreads()", *voltages, publish, "cuda.syncthreads()",
                *[sampled.format(1)] * first,
            ]
        )  # fmt: skip
        before = ["dt, threshold, extrapolate, nernst = numerics"]
        before += [f"pa{k}, pb{k} = 1.0, 1.0" for k in self.kinds]
        before += [f"x{i} = load(V, v0 + {32 * int(plan.order[i])})" for i in held]
        if first:
            before += [f"store(core, {32 * i}, x{i})" for i in core]
            at = 32 * plan.slot[plan.n_runs]
            before += [f"D, R = SD[{at} :], SR[{at} :]", *BEFORE]
        after = [*voltages, *AFTER * first, "cuda.syncthreads()", publish]
        return [*before, "for step in range(first, last):", *(f"    {s}" for s in step), *after]

    def _membrane(self, i: int) -> list[str]:
        """Current and diagonal of a place."""
        diagonal, leak, leakage, _ = (repr(float(x)) for x in self.coefficient[i])
        code, conducts, drives = [], [], []
        for n, (row, k) in enumerate(self.at[i]):
            code.append(f"g{n} = load(HB, {32 * row}) * pb{k} - load(HA, {32 * row}) * pa{k}")
            conducts.append(f"g{n}")
            drives.append(f" + g{n} * ({self._number(k, cable.REVERSAL)} - x{i})")
        total = f" + ({' + '.join(conducts)})" if conducts else ""
        code += [f"u = {leak} - {leakage} * x{i}{''.join(drives)}", f"d = {diagonal}{total}"]
        return code


def _watched(lines: list[str]) -> list[str]:
    """Where something of the block is recorded."""
    return ["if watched:", *(f"    {line}" for line in lines)]


#: Of warp 0: before the steps of a window, at the end of each, and after them.
BEFORE = [
    "m = element(layout.model, b)",
    "P, region_node = layout.P, layout.region_node",
    "numbers, begin = layout.region_parameter[m, 0], layout.region_ptr[m, 0]",
    "here = element(layout.cell_at, b * 32 + lane) >= 0",
    "was = above[b, lane]",
]
SPIKES = [
    "now = x0 > threshold",
    "if now and here and not was:",
    "    k = cuda.atomic.add(spikes.number, 0, 1)",
    "    spikes.place[k] = b * 32 + lane",
    "    spikes.step[k] = step + 1",
    "    spikes.early[k] = 0.0",
    "was = now",
]
AFTER = [
    "above[b, lane] = was",
    "spikes.soma[b * 32 + lane] = x0",
    "if here and not x0 - x0 == 0.0:  # infinite or no number",
    "    spikes.number[1] = 1",
]
