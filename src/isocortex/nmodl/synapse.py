"""A point process as a synapse of ours: conductances that jump at events and decay.

An event adds to a state its weight times a share, which follows from what a connection *holds*:
arguments of NET_RECEIVE, variables that it assigns to, and states that no current is made of. Those
go on by what NET_RECEIVE says at events, and states from step to step.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isocortex.mechanisms.point import MOST_HELD, Synapse
from isocortex.nmodl import formulas as f
from isocortex.nmodl.code import Code, Lines, free, needed, unfolded
from isocortex.nmodl.declarations import Declared
from isocortex.nmodl.formulas import Formula
from isocortex.nmodl.program import Module, Program, assigned_in
from isocortex.nmodl.solving import gate_of
from isocortex.nmodl.source import Node, kind_of, name_of
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

#: The weight of an event, among names of mod files.
WEIGHT = "weight__"


@dataclass
class PointProcess:
    """A mod file of a synapse, translated.

    Attributes
    ----------
    code : returns its conductances.
    held : what its connections hold; where there is none, it is not plastic.
    begin, spike, step : see :class:`isocortex.mechanisms.point.Synapse`.
    """

    module: Module
    code: Code
    held: list[str] = field(default_factory=list)
    begin: Code | None = None
    spike: Code | None = None
    step: Code | None = None
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
        several = "s" * (n != 1)
        return f"{self.declared.name}: {n} conductance{several}; {plastic}parameters {names}"


class _Begin(Program):
    """INITIAL of NET_RECEIVE: what a connection begins with."""

    def __init__(self, initial: Initial, weight: str, arguments: Iterable[str]) -> None:
        super().__init__(initial.module, dict(initial.now))
        self.lines, self.inlined = list(initial.lines), set(initial.inlined)
        self.now |= dict.fromkeys([*arguments, "t"], f.ZERO)
        self.now[weight] = f.name(WEIGHT)
        received: Node = initial.module.declared.received
        for statement in received.statement_block.statements:
            block = _initial_block(statement)
            if block is not None:
                self.run(block)

    def of(self, variable: str) -> Formula:
        """What it is then."""
        number = self.module.declared.numbers.get(variable) or 0.0
        return self.now.get(variable, f.number(number))


class _Receive(Step):
    """NET_RECEIVE.

    Attributes
    ----------
    followed : variables that it reads as BREAKPOINT has left them.
    """

    def __init__(self, step: Step, begin: _Begin, known: Mapping[str, Formula]) -> None:
        super().__init__(step.initial, step.breakpoint)
        self.own = step.own  # as they were before states advanced: these it may not read
        self.lines, self.inlined = list(begin.lines), set(begin.inlined)
        self.now |= known
        self.followed: list[str] = []
        received: Node = step.module.declared.received
        self.run(received.statement_block)

    def unknown(self, variable: str, node: Node | None) -> Formula:
        if variable not in self.breakpoint or variable in self.own:
            return super().unknown(variable, node)
        if variable not in self.followed:
            self.followed.append(variable)
        return f.name(variable)

    def _statement(self, statement: Node) -> None:
        if _initial_block(statement) is None:
            super()._statement(statement)

    def _procedure(self, statement: Node, call: Node) -> None:
        if name_of(call.name) != "state_discontinuity":
            return super()._procedure(statement, call)
        state, value = call.arguments
        self.assign(name_of(state), self.formula(value))


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
    begin = _Begin(initial, weight, arguments)
    block = declared.breakpoint
    step, held = steps(initial, changed - set(declared.states))
    for solve in solves_of(declared):
        solved = declared.solved.get(name_of(solve.block_name))
        method = solve.method and name_of(solve.method)
        if solved is None or kind_of(solved) != "DerivativeBlock" or method != "cnexp":
            source.refuse(solve, "only METHOD cnexp can be translated in a synapse")
        for program in (step, held):
            program.advance(solved)
    currents = Currents(held)
    currents.run(block.statement_block)
    known: dict[str, Formula] = {name: f.name(name) for name in changed - set(declared.states)}
    known |= {name: begin.of(name) for name in arguments if name not in changed}
    known |= {weight: f.name(WEIGHT), "t": f.name("t"), "flag": f.ZERO}
    received = _Receive(step, begin, known)
    found, shares = _Conductances(declared, step, currents, received).all()
    lines = list(dict([*begin.lines, *step.lines, *currents.lines, *received.lines]).items())
    inlined = frozenset(begin.inlined | currents.inlined | received.inlined)
    made = PointProcess(module, Code(needed(lines, found), found, inlined))
    used = free(made.code, module.fixed) - set(module.parameters) - {"v"}
    if used:
        source.refuse(block, f"synapses cannot depend on {', '.join(sorted(used))}")
    if not all(f.is_one(share) for share in shares):
        _Plastic(made, begin, step, currents, received).make(shares)
    check_words(declared, Synapse, (*module.parameters, *made.held))
    return made


class _Plastic:
    """What connections hold, and how it goes on."""

    def __init__(
        self, made: PointProcess, begin: _Begin, step: Step, currents: Currents, received: _Receive
    ) -> None:
        self.made, self.begin, self.received = made, begin, received
        self.source, self.states = step.source, list(step.module.declared.states)
        #: lines of a step, and what is held at its end
        self.after = advanced(step, "cnexp")
        lines = dict([*currents.lines, *step.lines])
        lines |= {state + NEXT: formula for state, formula in self.after.items()}
        self.lines = in_order(list(lines.items()))
        self.stepped: dict[str, Formula] = {s: f.name(s + NEXT) for s in self.after}
        self.stepped |= {name: currents.now[name] for name in received.followed}
        self.followed: Lines = currents.lines

    def make(self, shares: list[Formula]) -> None:
        """Find what is needed, and write it down."""
        made = self.made
        made.held = held = self._needed(shares)
        if len(held) > MOST_HELD:
            self._refuse(f"connections hold {len(held)} numbers, more than {MOST_HELD}")
        self._check_own(held)
        tuples = [ast.Tuple(shares, ast.Load()), ast.Tuple(list(map(self._left, held)), ast.Load())]
        made.spike = self._code(self.received.lines, tuples, {"t", *held})
        if not held:
            self._refuse("what an event adds follows from the time alone")
        if set(held) & set(self.stepped):
            new = [self.stepped.get(name, f.name(name)) for name in held]
            made.step = self._code(self.lines, new, {"dt", *held})
        given = self._given(held)
        made.begin = self._code(*self._first(held), set())
        made.held = [given.get(name, name) for name in held]
        made.spike = made.spike.renamed(given)
        made.step = made.step and made.step.renamed(given)

    def _given(self, held: list[str]) -> dict[str, str]:
        """What cells may set and INITIAL does not: parameters, and names for them from then on."""
        declared = self.made.declared
        there = {*declared.numbers, *declared.assigned, *declared.states, *self.received.now}
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
        shared = declared.globals | (set(declared.parameters) - declared.ranges)
        followed = set(self.received.followed)
        written = self.received.own | assigned_in(declared, block.statement_block)
        for name in held:
            if name in shared - arguments - followed:
                self._refuse(f"an event changes {name}, which all synapses share")
            if name in written - arguments - followed:
                self._refuse(f"both an event and BREAKPOINT change {name}")

    def _needed(self, shares: list[Formula]) -> list[str]:
        """All that shares follow from, and what that follows from."""
        may = {*self.received.now, *self.states, *self.stepped} - {"t"}
        held: list[str] = []
        pending = [(self.received.lines, share) for share in shares]
        while pending:
            lines, formula = pending.pop(0)
            code = Code(needed(lines, [formula]), [formula])
            for name in sorted(free(code, self.made.module.fixed) & may - {*held, "t"}):
                if name in self.made.module.parameters:
                    continue
                held.append(name)
                pending.append((self.received.lines, self._left(name)))
                if name in self.stepped:
                    pending.append((self.lines, self.stepped[name]))
        return held

    def _left(self, name: str) -> Formula:
        """What an event leaves."""
        return self.received.now.get(name, f.name(name))

    def _first(self, held: list[str]) -> tuple[Lines, list[Formula]]:
        """What is held before the first event; variables of BREAKPOINT follow from states."""
        by = {state: self.begin.of(state) for state in self.states}
        lines = [*self.begin.lines, *((name, f.replaced(e, by)) for name, e in self.followed)]
        first = [
            f.replaced(self.stepped[name], by) if name in self.received.followed
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


class _Conductances:
    """Each current's states with what an event of weight 1 does to it, in pairs of equal jumps."""

    def __init__(
        self, declared: Declared, step: Step, currents: Currents, received: _Receive
    ) -> None:
        self.declared, self.source = declared, declared.source
        self.step, self.currents, self.received = step, currents, received

    def all(self) -> tuple[list[Formula], list[Formula]]:
        """The conductances, and shares of its weight that an event has in them."""
        found: list[Formula] = []
        shares: dict[str, Formula] = {}
        for name in self.declared.nonspecific:
            if name not in self.currents.now:
                self.source.refuse(
                    self.declared.breakpoint, f"{name} is not assigned in BREAKPOINT"
                )
            for reversal, parts in self._parts(name):
                for numbers, share in self._of(name, reversal, parts):
                    shares.setdefault(f.text(share), share)
                    which = list(shares).index(f.text(share))
                    told = [f.number(float(which))] if which else []
                    found.append(f.call("Exponentials", *numbers, *told))
        return found, list(shares.values())

    def _of(
        self, name: str, reversal: Formula, parts: dict[str, Formula]
    ) -> list[tuple[list[Formula], Formula]]:
        """Numbers and shares of some states: one that is taken off goes with one that is not."""
        added, taken = [], []
        for state, conductance in parts.items():
            begins = self.step.initial.now[state]
            if f.value_of(begins, self.step.module.fixed) != 0.0:
                self.source.refuse(self.declared.states[state], f"{state} does not begin at 0")
            factor, share = self._split(self._jump(state))
            tau, jump = self._decay(state), f.multiply(factor, conductance)
            if f.text(jump).startswith("-"):
                taken.append((tau, f.negative(jump), share))
            else:
                added.append((tau, jump, share))
        rises: list[Formula] = [f.ZERO] * len(added)
        for rise, *same in taken:
            pairs = [k for k, (_, *other) in enumerate(added) if rises[k] is f.ZERO
                     and [f.text(a) for a in other] == [f.text(b) for b in same]]  # fmt: skip
            if not pairs:
                self.source.refuse(
                    self.declared.breakpoint,
                    f"{name} is neither one exponential nor the difference of two",
                )
            rises[pairs[0]] = rise
        return [
            ([rise, decay, reversal, jump], share)
            for rise, (decay, jump, share) in zip(rises, added, strict=True)
        ]

    def _parts(self, name: str) -> list[tuple[Formula, dict[str, Formula]]]:
        """Sums of states that are driven by (v - e), by what e is."""
        lines, block = self.currents.lines, self.declared.breakpoint
        states = list(self.declared.states)
        found: list[tuple[Formula, dict[str, Formula]]] = []
        for summand in _summands(lines, self.currents.now[name]):
            for state in states:
                summand = unfolded(lines, summand, state)
            try:
                rest, of = f.linear(summand, states)
            except f.NotLinear:
                self.source.refuse(block, f"{name} is not linear in its states")
            if not f.is_zero(rest) or not of:
                self.source.refuse(block, f"{name} has a part without a state")
            driven = {state: self._driven(name, factor) for state, factor in of.items()}
            reversal, *others = dict.fromkeys(reversal for reversal, _ in driven.values())
            if others:
                self.source.refuse(
                    block, f"{name} is a difference of what {reversal} and {others[0]} drive"
                )
            parts = {state: conductance for state, (_, conductance) in driven.items()}
            found.append((f.name(reversal), parts))
        return found

    def _driven(self, current: str, factor: Formula) -> tuple[str, Formula]:
        """The name of the reversal potential and the conductance of a factor with (v - e) in it."""
        module = self.currents.module
        for name in [*module.parameters, *module.fixed]:
            for sign in (factor, f.negative(factor)):
                rest = f.without_factor(sign, f"v - {name}")
                if rest is not None:
                    return name, rest if sign is factor else f.negative(rest)
        self.source.refuse(self.declared.breakpoint, f"{current} is no conductance times (v - e)")

    def _decay(self, state: str) -> Formula:
        """The time constant with which a state goes to 0."""
        step = self.step
        for name, derivative, node in step.derivatives:
            if name == state:
                inf, tau = gate_of(step, state, unfolded(step.lines, derivative, state), node)
                if not f.is_zero(inf):
                    self.source.refuse(node, f"{state} does not decay to 0")
                if "v" in free(step.code([tau]), ()):
                    self.source.refuse(node, f"the time constant of {state} follows the voltage")
                return tau
        self.source.refuse(self.declared.states[state], f"{state} has no equation")

    def _jump(self, state: str) -> Formula:
        """What an event of weight 1 adds to a state."""
        received = self.received
        new = received.now.get(state, f.name(state))
        for name in (WEIGHT, state):
            new = unfolded(received.lines, new, name)
        try:
            rest, of = f.linear(new, [state, WEIGHT])
        except f.NotLinear:
            rest, of = f.ONE, {}
        if not f.is_zero(rest) or state not in of or not f.is_one(of[state]):
            self.source.refuse(
                self.declared.received, f"an event does more to {state} than add to it"
            )
        return of.get(WEIGHT, f.ZERO)

    def _split(self, jump: Formula) -> tuple[Formula, Formula]:
        """The factors of a jump that are always the same, and those that connections differ in."""
        module = self.received.module
        used = free(self.received.code([jump]), module.fixed)
        if used <= {*module.parameters}:
            return jump, f.ONE
        if f.joins(jump, ast.Mult):
            left, right = self._split(jump.left), self._split(jump.right)
            return f.multiply(left[0], right[0]), f.multiply(left[1], right[1])
        if f.joins(jump, ast.Div):
            left, right = self._split(jump.left), self._split(jump.right)
            return f.divide(left[0], right[0]), f.divide(left[1], right[1])
        return f.ONE, jump


def _initial_block(statement: Node) -> Node | None:
    """The statements of an INITIAL in NET_RECEIVE."""
    inner: Node = getattr(statement, "expression", None)
    is_initial = inner is not None and kind_of(inner) == "InitialBlock"
    return inner.statement_block if is_initial else None


def _summands(lines: Lines, formula: Formula) -> list[Formula]:
    """The terms of a sum of currents, each written out as far as it is one."""
    of = dict(lines)
    if isinstance(formula, ast.Name) and formula.id in of:
        return _summands(lines, of[formula.id])
    if f.joins(formula, ast.Add):
        return [*_summands(lines, formula.left), *_summands(lines, formula.right)]
    return [formula]
