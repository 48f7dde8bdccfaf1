"""A point process as a synapse of ours: conductances that jump at events and decay.

An event adds to a state its weight times a share, which follows from what a connection *holds*:
arguments of NET_RECEIVE, variables that it assigns to, and states that no current is made of. Those
go on by what NET_RECEIVE says at events, and states from step to step.

A variable that events add to, and that a state decays to a multiple of, is a conductance too, of
one that does not decay; what is left of the state decays to 0.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from isocortex.mechanisms.point import MOST_HELD, Synapse
from isocortex.nmodl import formulas as f
from isocortex.nmodl.code import LASTING, Code, Lines, free, linear_in, needed, unfolded
from isocortex.nmodl.declarations import Declared
from isocortex.nmodl.formulas import Formula
from isocortex.nmodl.program import Module, assigned_in
from isocortex.nmodl.receive import WEIGHT, Events, Receive, events_of, gain
from isocortex.nmodl.solving import gate_of
from isocortex.nmodl.source import kind_of, name_of
from isocortex.nmodl.translate import (
    NEXT,
    Currents,
    Initial,
    Step,
    advanced,
    check_words,
    in_order,
    solves_of,
    steps,
)


@dataclass
class PointProcess:
    """A mod file of a synapse, translated.

    Attributes
    ----------
    code : returns its conductances.
    held : what its connections hold; where there is none, it is not plastic.
    begin, spike, step, later, again, reports, g_is_state : see
        :class:`isocortex.mechanisms.point.Synapse`.
    """

    module: Module
    code: Code
    held: list[str] = field(default_factory=list)
    begin: Code | None = None
    spike: Code | None = None
    step: Code | None = None
    later: Code | None = None
    again: Code | None = None
    reports: Sequence[str] = ("g", "i")
    g_is_state: bool = False
    notes: Sequence[str] = ()

    @property
    def declared(self) -> Declared:
        return self.module.declared

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        n = len(self.code.results)
        names = ", ".join(self.module.ordered)
        plastic = f"connections hold {', '.join(self.held)}; " if self.held else ""
        plastic += "spikes act again; " if self.again is not None else ""
        several = "s" * (n != 1)
        return f"{self.declared.name}: {n} conductance{several}; {plastic}parameters {names}"


def synapse(declared: Declared) -> PointProcess:
    """Translate a point process.

    Raises
    ------
    ModelError : with the line of what synapses here do not have.
    """
    source, module = declared.source, Module(declared)
    (neuron,) = source.blocks("NeuronBlock")
    if declared.received is None or declared.breakpoint is None:
        source.refuse(neuron, "a point process without NET_RECEIVE and BREAKPOINT is no synapse")
    if declared.ions or len(declared.nonspecific) == 0:
        source.refuse(neuron, "a synapse has NONSPECIFIC_CURRENTs alone")
    weight, *arguments = [name_of(each.name) for each in declared.received.parameters]
    changed = assigned_in(declared, declared.received.statement_block)
    if weight in changed:
        source.refuse(declared.received, f"an event changes {weight}, its weight")
    initial = Initial(module)
    block = declared.breakpoint
    events_change = changed - set(declared.states)
    step, held = steps(initial, events_change - set(arguments))
    for solve in solves_of(declared):
        solved = declared.solved.get(name_of(solve.block_name))
        method = solve.method and name_of(solve.method)
        if solved is None or kind_of(solved) != "DerivativeBlock" or method != "cnexp":
            source.refuse(solve, "only METHOD cnexp can be translated in a synapse")
        for program in (step, held):
            program.advance(solved)
    currents = Currents(held)
    currents.run(block.statement_block)
    for name in step.driven:
        if name in declared.shared:
            source.refuse(declared.received, f"an event changes {name}, which all synapses share")
    made_of = _Currents(declared, step, currents)
    conducting = {name for of in made_of.parts.values() for _, parts in of for name in parts}
    events = events_of(step, currents, (weight, arguments), events_change, conducting)
    found, shares = _Conductances(made_of, events).all()
    lines = list(dict([*step.lines, *currents.lines, *events.lines]).items())
    inlined = frozenset(currents.inlined | events.inlined)
    made = PointProcess(
        module, Code(needed(lines, found), found, inlined), reports=made_of.reports,
        g_is_state="g" in declared.states,
    )  # fmt: skip
    used = free(made.code, module.fixed) - set(module.parameters) - {"v", LASTING}
    if used:
        source.refuse(block, f"synapses cannot depend on {', '.join(sorted(used))}")
    if events.again is not None or not all(f.is_one(each) for share in shares for each in share):
        _Plastic(made, step, currents, events).make(shares)
    check_words(declared, Synapse, (*module.parameters, *made.held))
    return made


class _Plastic:
    """What connections hold, and how it goes on."""

    def __init__(self, made: PointProcess, step: Step, currents: Currents, events: Events) -> None:
        self.made, self.begin, self.events = made, events.begin, events
        self.read = list(dict.fromkeys(name for each in events.all for name in each.followed))
        self.source, self.states = step.source, list(step.module.declared.states)
        #: lines of a step, and what is held at its end
        self.after = advanced(step, "cnexp")
        lines = dict([*currents.lines, *step.lines])
        lines |= {state + NEXT: formula for state, formula in self.after.items()}
        self.lines = in_order(list(lines.items()))
        self.stepped: dict[str, Formula] = {s: f.name(s + NEXT) for s in self.after}
        self.stepped |= {name: currents.now[name] for name in self.read}
        self.followed: Lines = currents.lines

    def make(self, shares: list[tuple[Formula, ...]]) -> None:
        """Find what is needed, and write it down."""
        made, events = self.made, self.events
        of_each = [list(each) for each in zip(*shares, strict=True)]
        made.held = held = self._needed(of_each)
        if len(held) > MOST_HELD:
            self._refuse(f"connections hold {len(held)} numbers, more than {MOST_HELD}")
        self._check_own(held)
        acts = []
        for program, own in zip(events.all, of_each, strict=True):
            left = [_left(program, name) for name in held]
            tuples = [ast.Tuple(each, ast.Load()) for each in (own, left)]
            acts.append(self._code(program.lines, tuples, {"t", *held}))
        made.spike, made.later = acts[0], events.later
        made.again = acts[1] if len(acts) > 1 else None
        if not held and made.again is None:
            self._refuse("what an event adds follows from the time alone")
        if set(held) & set(self.stepped):
            new = [self.stepped.get(name, f.name(name)) for name in held]
            made.step = self._code(self.lines, new, {"dt", *held})
        given = self._given(held)
        made.begin = self._code(*self._first(held), set())
        made.held = [given.get(name, name) for name in held]
        made.spike = made.spike.renamed(given)
        made.step = made.step and made.step.renamed(given)
        made.again = made.again and made.again.renamed(given)

    def _given(self, held: list[str]) -> dict[str, str]:
        """What cells may set and INITIAL does not: parameters, and names for them from then on."""
        declared = self.made.declared
        there = {*declared.numbers, *declared.assigned, *declared.states}.union(
            *(each.now for each in self.events.all)
        )
        given = {}
        for name in held:
            if name in declared.ranges and name not in {*self.begin.now, *self.stepped}:
                self.made.module.parameters[name] = declared.numbers.get(name) or 0.0
                self.begin.now[name] = f.name(name)
                given[name] = f"{name}_now"
        for name in there & set(given.values()):
            self._refuse(f"{name} has a meaning of its own here")
        return given

    def _check_own(self, held: list[str]) -> None:
        """Events alone may change what is held, and of their own synapse alone."""
        declared = self.made.declared
        received, block = declared.received, declared.breakpoint
        assert received is not None and block is not None
        arguments = {name_of(each.name) for each in received.parameters}
        shared, followed = declared.shared, set(self.read)
        written = self.events.spike.own | assigned_in(declared, block.statement_block)
        for name in held:
            if name in shared - arguments - followed:
                self._refuse(f"an event changes {name}, which all synapses share")
            if name in written - arguments - followed:
                self._refuse(f"both an event and BREAKPOINT change {name}")

    def _needed(self, of_each: list[list[Formula]]) -> list[str]:
        """All that shares of spikes, and of what they send, follow from, and that follows from."""
        programs = self.events.all
        may = {*self.states, *self.stepped}.union(*(each.now for each in programs)) - {"t"}
        held: list[str] = []
        pending = [
            (program.lines, share) for program, shares in zip(programs, of_each, strict=True)
            for share in shares
        ]  # fmt: skip
        while pending:
            lines, formula = pending.pop(0)
            code = Code(needed(lines, [formula]), [formula])
            for name in sorted(free(code, self.made.module.fixed) & may - {*held, "t"}):
                if name in self.made.module.parameters:
                    continue
                held.append(name)
                pending += [(program.lines, _left(program, name)) for program in programs]
                if name in self.stepped:
                    pending.append((self.lines, self.stepped[name]))
        return held

    def _first(self, held: list[str]) -> tuple[Lines, list[Formula]]:
        """What is held before the first event; variables of BREAKPOINT follow from states."""
        by = {state: self.begin.of(state) for state in self.states}
        lines = [*self.begin.lines, *((name, f.replaced(e, by)) for name, e in self.followed)]
        first = [
            f.replaced(self.stepped[name], by) if name in self.read
            else self.begin.of(name)
            for name in held
        ]  # fmt: skip
        return list(dict(lines).items()), first

    def _code(self, lines: Lines, results: Sequence[Formula], may: set[str]) -> Code:
        code = Code(needed(lines, list(results)), list(results), self.made.code.inlined)
        used = free(code, self.made.module.fixed) - {*self.made.module.parameters, *may}
        if used:
            names = (each.removesuffix(NEXT) for each in sorted(used))
            told = ("its weight" if each == WEIGHT else each for each in names)
            self._refuse(f"what connections hold cannot depend on {', '.join(told)}")
        return code

    def _refuse(self, what: str) -> None:
        self.source.refuse(self.made.declared.received, what)


def _left(program: Receive, name: str) -> Formula:
    """What an event leaves of something that is held."""
    return program.now.get(name, f.name(name))


class _Currents:
    """Currents as sums of what conducts: states, and variables that events add to.

    Attributes
    ----------
    parts : by each current, sums of these that are driven by (v - e), by what e is.
    """

    def __init__(self, declared: Declared, step: Step, currents: Currents) -> None:
        self.declared, self.source = declared, declared.source
        self.step, self.currents = step, currents
        self.conducting = [*declared.states, *step.driven]
        for name in declared.nonspecific:
            if name not in currents.now:
                self.source.refuse(declared.breakpoint, f"{name} is not assigned in BREAKPOINT")
        self.parts = {name: self._parts(name) for name in declared.nonspecific}

    def _parts(self, name: str) -> list[tuple[Formula, dict[str, Formula]]]:
        lines, block = self.currents.lines, self.declared.breakpoint
        found: list[tuple[Formula, dict[str, Formula]]] = []
        for summand in _summands(lines, self.currents.now[name]):
            linear = linear_in(lines, summand, self.conducting)
            if linear is None:
                self.source.refuse(block, f"{name} is not linear in its states")
            rest, of = linear
            if not f.is_zero(rest) or not of:
                self.source.refuse(block, f"{name} has a part without a state")
            driven = {each: self._driven(name, factor) for each, factor in of.items()}
            reversal, *others = dict.fromkeys(reversal for reversal, _ in driven.values())
            if others:
                self.source.refuse(
                    block, f"{name} is a difference of what {reversal} and {others[0]} drive"
                )
            parts = {each: conductance for each, (_, conductance) in driven.items()}
            found.append((f.name(reversal), parts))
        return found

    @property
    def reports(self) -> list[str]:
        """Of ``g`` and ``i`` those that are all of the synapse, or that the file does not have."""
        declared = self.declared
        has = {*declared.states, *declared.numbers, *declared.assigned}
        current, *others = declared.nonspecific
        whole = {
            "g": not others and self._is_conductance("g", current),
            "i": not others and current == "i",
        }
        return [name for name, is_whole in whole.items() if is_whole or name not in has]

    def _is_conductance(self, name: str, current: str) -> bool:
        """Whether a variable is what a current is driven through."""
        formula = self.currents.now.get(name, f.name(name))
        linear = linear_in(self.currents.lines, formula, self.conducting)
        if linear is None:
            return False
        rest, of = linear
        parts: dict[str, Formula] = {}
        for _, some in self.parts[current]:
            for each, conductance in some.items():
                parts[each] = f.add(parts.get(each, f.ZERO), conductance)
        return f.is_zero(rest) and _texts(of) == _texts(parts)

    def _driven(self, current: str, factor: Formula) -> tuple[str, Formula]:
        """The name of the reversal potential and the conductance of a factor with (v - e) in it."""
        module = self.currents.module
        for name in [*module.parameters, *module.fixed]:
            for sign in (factor, f.negative(factor)):
                rest = f.without_factor(sign, f"v - {name}")
                if rest is not None:
                    return name, rest if sign is factor else f.negative(rest)
        self.source.refuse(self.declared.breakpoint, f"{current} is no conductance times (v - e)")

    def decay(self, state: str) -> tuple[Formula, dict[str, Formula]]:
        """The time constant with which a state decays, and to how much of what events add to."""
        step = self.step
        for name, derivative, node in step.derivatives:
            if name == state:
                inf, tau = gate_of(step, state, unfolded(step.lines, derivative, state), node)
                rest, of = linear_in(step.lines, inf, step.driven) or (f.ONE, {})
                if not f.is_zero(rest):
                    self.source.refuse(node, f"{state} does not decay to 0")
                used = free(step.code([tau, *of.values()]), ())
                if "v" in used:
                    self.source.refuse(node, f"the time constant of {state} follows the voltage")
                return tau, of
        self.source.refuse(self.declared.states[state], f"{state} has no equation")


def _texts(formulas: dict[str, Formula]) -> dict[str, str]:
    return {name: f.text(each) for name, each in formulas.items()}


class _Part(NamedTuple):
    """A conductance that decays: its time constant, jump at an event, and share of each event."""

    tau: Formula
    jump: Formula
    share: tuple[Formula, ...]


class _Conductances:
    """What conducts with what an event of weight 1 does to it, in pairs of equal jumps."""

    def __init__(self, made_of: _Currents, events: Events) -> None:
        self.made_of, self.events = made_of, events
        self.declared, self.source, self.step = made_of.declared, made_of.source, made_of.step
        self.driven = self.step.driven

    def all(self) -> tuple[list[Formula], list[tuple[Formula, ...]]]:
        """The conductances, and shares of its weight that an event has in them."""
        found: list[Formula] = []
        shares: dict[str, tuple[Formula, ...]] = {}
        for of in self.made_of.parts.values():
            for reversal, parts in of:
                for numbers, share in self._of(reversal, parts):
                    text = " ".join(map(f.text, share))
                    shares.setdefault(text, share)
                    which = list(shares).index(text)
                    told = [f.number(float(which))] if which else []
                    found.append(f.call("Exponentials", *numbers, *told))
        return found, list(shares.values())

    def _of(
        self, reversal: Formula, conductances: dict[str, Formula]
    ) -> list[tuple[list[Formula], tuple[Formula, ...]]]:
        """Numbers and shares of some states: one that is taken off goes with one that is not."""
        parts: list[_Part] = []
        lasting: dict[str, Formula] = {}
        for each in [*conductances, *self.driven]:
            if f.value_of(self.events.begin.of(each), self.step.module.fixed) != 0.0:
                declared = self.declared
                node = {**declared.parameters, **declared.states, **declared.assigned}[each]
                self.source.refuse(node, f"{each} does not begin at 0")
        for each, conductance in conductances.items():
            if each in self.driven:
                lasting[each] = f.add(lasting.get(each, f.ZERO), conductance)
                continue
            tau, targets = self.made_of.decay(each)
            factor, share = self._jumps(each)
            for drive, times in targets.items():
                more = f.multiply(conductance, times)
                lasting[drive] = f.add(lasting.get(drive, f.ZERO), more)
                taken = self._jumps(drive)[1]
                share = tuple(_less(a, times, b) for a, b in zip(share, taken, strict=True))
            parts.append(_Part(tau, f.multiply(factor, conductance), share))
        parts += [_Part(f.name(LASTING), each, self._jumps(drive)[1])
                  for drive, each in lasting.items()]  # fmt: skip
        return [
            ([rise, part.tau, reversal, part.jump], part.share) for rise, part in _paired(parts)
        ]

    def _jumps(self, name: str) -> tuple[Formula, tuple[Formula, ...]]:
        """What an event of weight 1 adds: a factor that is always the same, and each event's."""
        added = tuple(self._jump(program, name) for program in self.events.all)
        if self.events.of_one:
            return f.ONE, added
        factor, share = self._split(added[0])
        return factor, (share,)

    def _jump(self, program: Receive, name: str) -> Formula:
        """What an event of weight 1 adds to a state or a variable."""
        new = program.now.get(name, f.name(name))
        if self.events.of_one:
            more = gain(program.lines, new, name)
            if more is not None:
                return more
        rest, of = linear_in(program.lines, new, [WEIGHT, name]) or (f.ONE, {})
        if not f.is_zero(rest) or name not in of or not f.is_one(of[name]):
            self.source.refuse(
                self.declared.received, f"an event does more to {name} than add to it"
            )
        return of.get(WEIGHT, f.ZERO)

    def _split(self, jump: Formula) -> tuple[Formula, Formula]:
        """The factors of a jump that are always the same, and those that connections differ in."""
        spike = self.events.spike
        used = free(spike.code([jump]), spike.module.fixed)
        if used <= {*spike.module.parameters}:
            return jump, f.ONE
        if f.joins(jump, ast.Mult):
            left, right = self._split(jump.left), self._split(jump.right)
            return f.multiply(left[0], right[0]), f.multiply(left[1], right[1])
        if f.joins(jump, ast.Div):
            left, right = self._split(jump.left), self._split(jump.right)
            return f.divide(left[0], right[0]), f.divide(left[1], right[1])
        return f.ONE, jump


def _paired(parts: list[_Part]) -> list[tuple[Formula, _Part]]:
    """Conductances, each with the time constant of what is taken off from it, or 0.

    What is taken off from none that jumps as far is one of its own, that jumps down.
    """
    added = [part for part in parts if not f.text(part.jump).startswith("-")]
    rises: list[Formula] = [f.ZERO] * len(added)
    alone = []
    for part in parts:
        if part in added:
            continue
        same = [f.text(each) for each in (f.negative(part.jump), *part.share)]
        pairs = [k for k, other in enumerate(added) if rises[k] is f.ZERO
                 and [f.text(each) for each in (other.jump, *other.share)] == same]  # fmt: skip
        if pairs:
            rises[pairs[0]] = part.tau
        else:
            alone.append((f.ZERO, part))
    return [*zip(rises, added, strict=True), *alone]


def _less(a: Formula, times: Formula, b: Formula) -> Formula:
    """a - times b; where both are of the same branches, branch by branch."""
    if f.is_where(a) and f.is_where(b) and f.text(a.args[0]) == f.text(b.args[0]):
        sides = zip(a.args[1:], b.args[1:], strict=True)
        return f.call("where", a.args[0], *(_less(x, times, y) for x, y in sides))
    return f.subtract(a, f.multiply(times, b))


def _summands(lines: Lines, formula: Formula) -> list[Formula]:
    """The terms of a sum of currents, each written out as far as it is one."""
    of = dict(lines)
    if isinstance(formula, ast.Name) and formula.id in of:
        return _summands(lines, of[formula.id])
    if f.joins(formula, ast.Add):
        return [*_summands(lines, formula.left), *_summands(lines, formula.right)]
    return [formula]
