"""The straight kernel of a model: its tree written out, node after node.

A block's 32 cells are its lanes, and its tree is shared out to the warps of a block of threads
(:class:`isocortex.engine.straight.plan.Plan`): every warp has the voltages of its branches in
registers. Synaptic rows, channels, the core's voltages and what branches hand to the core are in
shared memory for a window of steps; both terms of a row are side by side. Rows are not written in a
step: in step k of a window they stand for themselves times the k-th power of their decay, and an
event adds its jump divided by that power. Of halves the powers are those of
:mod:`isocortex.engine.layout.kinetics`, and so are the steps in which they are written. The thread
that does so is one for each row and lane, so events add up in their order.

Voltages are solved in place: going up, v becomes v + q - f v_parent, with q = r / d and f = a / d
of :mod:`isocortex.engine.cable`; going down, f times the parent's new voltage is added.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from isocortex.engine import cable
from isocortex.engine.straight.plan import Plan
from isocortex.engine.straight.solving import down, up

#: Warps of a block, and steps that a window may have: an odd number, since rows lie behind a word
#: for each of them and one for the end, and two single numbers are read at multiples of their size.
WARPS, LONGEST = 4, 45
#: A term of a conductance may not decay to less than this in a window: events divide by it.
LEAST_POWER = 1e-30

#: Where the numbers of all kinetics in a step begin.
NOW = "({} & kinetics.repeat) * kinetics.stride"

#: Of the channels' functions; they are at the soma, the first place of the core.
ARGUMENTS = "core, 0, D, R, HS, 0, P, numbers, begin, begin + 1, region_node, 32, dt, nernst"


class Rows(NamedTuple):
    """Synaptic rows of a model in their order: node, and kinetics as ``number`` has them."""

    node: np.ndarray
    kind: np.ndarray
    number: np.ndarray

    def numbers(self, kind: int) -> np.ndarray:
        """Of one kinetics, as cable.py names them."""
        return self.number[kind * cable.KINETICS : (kind + 1) * cable.KINETICS]


def text(plan: Plan, coefficient: np.ndarray, rows: Rows, states: int, halves: bool) -> str:
    """Source of a model's kernel, channels left out.

    Parameters
    ----------
    coefficient : float32[n, 4]: diagonal, leak, leakage and coupling by place.
    states : of the channels of a cell; there may be none.
    halves : whether synaptic rows are.
    """
    code = _Halves(plan, coefficient, rows) if halves else _Code(plan, coefficient, rows)
    lines = {
        "jumps": code.jumps(), "factors": code.factors(), "lines": code.lines(),
        "halves": code.functions(), "renew": code.renew(),
        "take": code.each_warp("x = take_{}(own)"), "advance": code.advance(states),
        "leave": code.each_warp("leave_{}(x, own)"),
        "gating": [f"advance_0({ARGUMENTS})"] * bool(states),
    }  # fmt: skip
    words = {
        "threads": 32 * plan.warps, "longest": LONGEST + 1, "core": 32 * plan.n_core,
        "rows": 32 * len(rows.node), "states": 32 * states, "handed": 32 * len(plan.slot),
        "channels": 32 * plan.slot[plan.n_runs], "powers": code.first(), "next": code.next(),
        "term": code.term, "after": 32 * (2 - halves) * len(rows.node),
    }  # fmt: skip
    source = (Path(__file__).parent / "window.py.txt").read_text()
    for name, word in words.items():
        source = source.replace(f"{{{name}}}", str(word))
    for name, part in lines.items():
        source = _filled(source, name, part)
    return source


def _filled(source: str, name: str, lines: list[str]) -> str:
    """A text with lines in place of every comment ``# {name}``, as far in as that is."""

    def at(place: re.Match[str]) -> str:
        return "\n".join(f"{place[1]}{line}".rstrip() for line in lines)

    return re.sub(rf"(?m)^( *)# {{{name}}}$", at, source)


def shared_bytes(plan: Plan, n_rows: int, states: int, halves: bool) -> int:
    """Shared memory of a block, but for what is the same for all; of halves a row takes a word."""
    return 128 * (plan.n_core + (2 - halves) * n_rows + 2 * len(plan.slot) + states)


class _Code:
    """Lines of a model's kernel.

    What warps hold of their branches are tuples, all as long as the one with most nodes needs.
    """

    term = "float32"

    def __init__(self, plan: Plan, coefficient: np.ndarray, rows: Rows) -> None:
        self.plan, self.coefficient, self.rows = plan, coefficient, rows
        self.kinds = sorted({int(kind) for kind in rows.kind})
        self.at: list[list[tuple[int, int]]] = [[] for _ in range(plan.n)]
        for row, (node, kind) in enumerate(zip(rows.node, rows.kind, strict=True)):
            self.at[plan.new[node]].append((row, int(kind)))
        self.length = max(len(plan.nodes(1 + warp)) for warp in range(plan.warps))

    def _number(self, kind: int, which: int) -> str:
        return repr(float(self.rows.numbers(kind)[which]))

    def each_warp(self, *lines: str, first: Sequence[str] = (), core: str = "") -> list[str]:
        """What every warp does with its own branches: lines with its number in them.

        Parameters
        ----------
        first : what warp 0 does before.
        core : what it does where a line of the others is empty.
        """
        code = []
        for warp in range(self.plan.warps):
            code.append(f"{'el' if warp else ''}if warp == {warp}:")
            own = [*first, *(line or core for line in lines)] if warp == 0 else lines
            code += [f"    {line.format(warp)}" for line in own if line]
        return code

    def advance(self, states: int) -> list[str]:
        """A step. Were ``f`` the same for all warps at a barrier, it would take more registers."""
        return self.each_warp(
            "x, f = up_{}(x, core, H, SD, SR, powers)", "cuda.syncthreads()", "",
            "cuda.syncthreads()", "x = down_{}(x, f, core)",
            first=["store(D, 0, 0.0)", "store(R, 0, 0.0)"]
            + [f"currents_0({ARGUMENTS})"] * bool(states),
            core="solve(core, H, SD, SR, powers)",
        )  # fmt: skip

    def first(self) -> str:
        """Powers of the decays in a window's first step."""
        return _tuple(["1.0"] * 2 * len(self.kinds))

    def next(self) -> str:
        """The same in the step after this one."""
        return "decayed(powers)"

    def functions(self) -> list[str]:
        """Those that only some rows need."""
        return []

    def renew(self) -> list[str]:
        """As a step ends."""
        return []

    def _powers(self) -> str:
        return _tuple([f"p{x}{k}" for k in self.kinds for x in "ab"])

    def factors(self) -> list[str]:
        """The powers of a row's kind."""
        return [
            line for n, k in enumerate(self.kinds)
            for line in (
                f"{'el' if n else ''}if which == {k}:",
                f"    pa, pb = powers[{2 * n}], powers[{2 * n + 1}]",
            )
        ]  # fmt: skip

    def jumps(self) -> list[str]:
        """An event of weight ``w`` onto a row of a kind."""
        lines = []
        for n, k in enumerate(self.kinds):
            a, b = (self._number(k, which) for which in (cable.JUMP_A, cable.JUMP_B))
            lines += [
                f"{'el' if n else ''}if which == {k}:",
                f"    add(H, 2 * at, w * ({a} / powers[{2 * n}]), step)",
                f"    add(H, 2 * at + 1, w * ({b} / powers[{2 * n + 1}]), step)",
            ]
        return lines

    def lines(self) -> list[str]:
        """Functions without a branch."""
        lines = self._decayed() + self._of_core()
        for warp in range(self.plan.warps):
            lines += self._of_warp(warp)
        return lines[:-2]

    def _decayed(self) -> list[str]:
        """From the powers of a step to those of the next."""
        decays = _tuple([
            f"p{x}{k} * {self._number(k, which)}"
            for k in self.kinds for x, which in (("a", cable.RISE), ("b", cable.DECAY))
        ])  # fmt: skip
        return _function("decayed", "powers", [f"{self._powers()} = powers", f"return {decays}"])

    def _voltage(self, i: int) -> str:
        """Where a place's voltage is in memory."""
        return f"own, {32 * int(self.plan.order[i])}"

    def _of_core(self) -> list[str]:
        """Its voltages from memory and back, and its equations, up and down."""
        nodes, at = self.plan.nodes(0), self._voltage
        own = [f"x{i} = load(core, {32 * i})" for i in nodes]
        return [
            *_function(
                "take_core", "own, core",
                [f"store(core, {32 * i}, load({at(i)}))" for i in nodes],
            ),
            *_function(
                "solve", "core, H, SD, SR, powers",
                [f"{self._powers()} = powers", *own]
                + up(self.plan, 0, self.coefficient[:, 3], self._membrane) + down(self.plan, 0)
                + [f"store(core, {32 * i}, x{i})" for i in nodes],
            ),
            *_function(
                "leave_core", "own, core",
                [f"store({at(i)}, load(core, {32 * i}))" for i in nodes],
            ),
        ]  # fmt: skip

    def _of_warp(self, warp: int) -> list[str]:
        """The same of a warp's branches; what the core has is ``o``."""
        plan, group, at = self.plan, warp + 1, self._voltage
        nodes = plan.nodes(group)
        branches = np.flatnonzero(plan.owner == group)
        parents = sorted({int(plan.table[r][2]) for r in branches} & set(plan.nodes(0)))
        x = self._padded([f"x{i}" for i in nodes], "n{}")
        f = self._padded([f"f{i}" for i in nodes], "0.0")
        given = [f"{x} = x", *(f"o{i} = load(core, {32 * i})" for i in parents)]
        return [
            *_function(
                f"take_{warp}", "own",
                [f"return {self._padded([f'load({at(i)})' for i in nodes], '0.0')}"],
            ),
            *_function(
                f"up_{warp}", "x, core, H, SD, SR, powers",
                [*given, f"{self._powers()} = powers"]
                + up(plan, group, self.coefficient[:, 3], self._membrane)
                + [f"return {x}, {f}"],
            ),
            *_function(
                f"down_{warp}", "x, f, core",
                [*given, f"{f.replace('0.0', '_')} = f", *down(plan, group), f"return {x}"],
            ),
            *_function(
                f"leave_{warp}", "x, own",
                [f"{x} = x", *(f"store({at(i)}, x{i})" for i in nodes)],
            ),
        ]  # fmt: skip

    def _padded(self, parts: list[str], other: str) -> str:
        """A tuple as long as that of all warps; others of them are told from each other."""
        return _tuple(parts + [other.format(k) for k in range(len(parts), self.length)])

    def _membrane(self, i: int) -> list[str]:
        """Current and diagonal of a place."""
        diagonal, leak, leakage, _ = (repr(float(x)) for x in self.coefficient[i])
        code, conducts, drives = [], [], []
        for n, (row, k) in enumerate(self.at[i]):
            code.append(f"a{n}, b{n} = load_pair(H, {64 * row})")
            code.append(f"g{n} = b{n} * pb{k} - a{n} * pa{k}")
            conducts.append(f"g{n}")
            drives.append(f" + g{n} * ({self._number(k, cable.REVERSAL)} - x{i})")
        total = f" + ({' + '.join(conducts)})" if conducts else ""
        code += [f"u = {leak} - {leakage} * x{i}{''.join(drives)}", f"d = {diagonal}{total}"]
        return code


class _Halves(_Code):
    """The same where rows are halves: their powers are read, and they are written as these say."""

    term = "float16"

    def first(self) -> str:
        return f"held(kinetics.number, {NOW.format('first')})"

    def next(self) -> str:
        return f"held(kinetics.number, {NOW.format('(step + 1)')})"

    def functions(self) -> list[str]:
        held = _tuple([self._now(k, x) for k in self.kinds for x in (cable.POWER_A, cable.POWER_B)])
        writes = [self._now(k, x) for k in self.kinds for x in (cable.RISE, cable.DECAY)]
        some = " or ".join(f"{factor} != {cable.NOT_NOW}" for factor in writes) or "False"
        return HALVES.format(held=held, some=some, rows=32 * len(self.rows.node)).splitlines()

    def _now(self, kind: int, which: int) -> str:
        """A number in the step whose numbers begin at ``now``."""
        return f"element(number, now + {kind * cable.KINETICS + which})"

    def renew(self) -> list[str]:
        return [f"renew(32 * warp, H, {NOW.format('step')}, layout, kinds, kinetics.number)"]

    def jumps(self) -> list[str]:
        return [
            f"kind = {NOW.format('step')} + which * {cable.KINETICS}",
            *(
                f"add(H, 2 * at{place}, w * element(kinetics.number, kind + {jump}), "
                "element(kinetics.origin, 0) + step)"
                for place, jump in (("", cable.JUMP_A), (" + 1", cable.JUMP_B))
            ),
        ]

    def factors(self) -> list[str]:
        """In memory they are as here."""
        return []

    def _decayed(self) -> list[str]:
        return []


#: Of halves: what they stand for in a step, and their writing in those steps in which any is due.
HALVES = f"""\
@jit
def held(number, now):
    return {{held}}


@jit
def renew(row, H, now, layout, kinds, number):
    if {{some}}:
        for at in range(row, {{rows}}, THREADS):
            kind = now + element(layout.row_kind, kinds + (at >> 5)) * {cable.KINETICS}
            rise = element(number, kind + {cable.RISE})
            decay = element(number, kind + {cable.DECAY})
            a, b = load_pair(H, 2 * at)
            a = a * rise + TINY if rise != {cable.NOT_NOW} else a
            b = b * decay + TINY if decay != {cable.NOT_NOW} else b
            store_pair(H, 2 * at, a, b)"""


def _tuple(parts: list[str]) -> str:
    return f"({', '.join(parts)},)" if parts else "()"


def _function(name: str, arguments: str, body: list[str]) -> list[str]:
    """A function without a branch, and two empty lines."""
    head = ["@straight_line", f"def {name}({arguments}):"]
    return [*head, *(f"    {line}" for line in body), "", ""]
