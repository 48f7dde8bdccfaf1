"""NET_RECEIVE: what a spike does, and what an event does that it sends itself by ``net_send``.

Every spike must send the same one: after a time that no spike changes, with a flag that is a number
or counts the spikes. So what happens then is the spike once more, some time later.

Where such events undo what spikes did, connections hold amounts that go by their weight. If these
are all proportional to it, they are held for a weight of 1.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from isocortex.nmodl import formulas as f
from isocortex.nmodl.code import Code, Lines, free, linear_in, needed, unfolded
from isocortex.nmodl.formulas import Formula
from isocortex.nmodl.program import Program, assigned_in
from isocortex.nmodl.source import Node, kind_of, name_of
from isocortex.nmodl.translate import BEFORE, NEXT, Currents, Initial, Step

#: The weight of an event, among names of mod files.
WEIGHT = "weight__"
#: How many spikes of a connection wait to act again: what is held where flags count them.
WAITING = "spikes_waiting"
FALSE = ast.Compare(f.ONE, [ast.Eq()], [f.ZERO])


class Begin(Program):
    """INITIAL of NET_RECEIVE: what a connection begins with.

    Parameters
    ----------
    changed : variables that events assign to.
    """

    def __init__(
        self, initial: Initial, weight: str, arguments: Iterable[str], of_weight: Formula,
        changed: set[str],
    ) -> None:  # fmt: skip
        super().__init__(initial.module, dict(initial.now))
        self.lines, self.inlined = list(initial.lines), set(initial.inlined)
        self.now |= dict.fromkeys([*arguments, "t", WAITING], f.ZERO)
        self.now[weight] = of_weight
        declared = initial.module.declared
        received: Node = declared.received
        for statement in received.statement_block.statements:
            block = _initial_block(statement)
            if block is None:
                continue
            self.run(block)
            others = assigned_in(declared, block) - {*arguments, *changed, *declared.states}
            for name in sorted(others):
                self.refuse(
                    None, f"{name} is assigned as a connection begins, and by no event",
                    "Assign it in the INITIAL of the file.",
                )  # fmt: skip

    def of(self, variable: str) -> Formula:
        """What it is then."""
        number = self.module.declared.numbers.get(variable) or 0.0
        return self.now.get(variable, f.number(number))


class Sent(NamedTuple):
    """A call of ``net_send``: after which time (ms), with which flag, and the statement."""

    later: Formula
    flag: Formula
    statement: Node


class Receive(Step):
    """NET_RECEIVE carried out for events of one kind.

    Parameters
    ----------
    known : what names stand for.
    flag : of the events; None where they are sent with what ``counter`` was then.
    counter : what counts spikes.

    Attributes
    ----------
    followed : variables that it reads as BREAKPOINT has left them.
    sent : the events that it sends.
    """

    def __init__(
        self, step: Step, begin: Begin, known: Mapping[str, Formula], flag: Formula | None,
        counter: str = "",
    ) -> None:  # fmt: skip
        super().__init__(step.initial, step.breakpoint)
        self.own = step.own  # as they were before states advanced: these it may not read
        self.lines, self.inlined = list(begin.lines), set(begin.inlined)
        self.now |= known
        self.flag, self.counter = flag, counter
        if flag is not None:
            self.now["flag"] = flag
        if counter:
            change = f.add if flag is not None else f.subtract
            self.now[WAITING] = change(f.name(WAITING), f.ONE)
        self.followed: list[str] = []
        self.sent: list[Sent] = []
        received: Node = step.module.declared.received
        self.run(received.statement_block)

    def unknown(self, variable: str, node: Node | None) -> Formula:
        if variable == "flag":
            self.refuse(node, "a flag that counts spikes can only be compared with their number")
        if variable not in self.breakpoint or variable in self.own:
            return super().unknown(variable, node)
        if variable not in self.followed:
            self.followed.append(variable)
        return f.name(variable)

    def _statement(self, statement: Node) -> None:
        if _initial_block(statement) is None:
            super()._statement(statement)

    def _procedure(self, statement: Node, call: Node) -> None:
        name = name_of(call.name)
        if name == "state_discontinuity":
            state, value = call.arguments
            self.assign(name_of(state), self.formula(value))
        elif name == "net_send":
            if self._depth:
                self.refuse(statement, "an event that not every spike sends cannot be translated")
            later, flag = map(self.formula, call.arguments)
            self.sent.append(Sent(later, flag, statement))
        else:
            super()._procedure(statement, call)

    def _condition(self, node: Node) -> Formula:
        """As of any; whether the flag is the number of spikes follows from how many wait."""
        is_flag = [_is_flag(getattr(node, side, None)) for side in ("lhs", "rhs")]
        if not self.counter or str(getattr(node, "op", "")) != "==" or sum(is_flag) != 1:
            return super()._condition(node)
        other = self.formula(node.rhs if is_flag[0] else node.lhs)
        number = f.text(self.now[self.counter])
        counted = f.text(other) == number
        if self.flag is not None:  # 0, and a spike has been counted
            return FALSE if counted and number != self.counter else super()._condition(node)
        if f.is_zero(other):
            return FALSE
        if not counted or number != self.counter:
            self.refuse(node, "a flag that counts spikes is compared with something else")
        return ast.Compare(f.name(WAITING), [ast.LtE()], [f.ONE])

    def counts(self, flag: Formula) -> str:
        """The variable that counts spikes and is what a flag stands for; "" for none."""
        for name, value in self.now.items():
            if "@" not in name and f.text(value) == f.text(flag):
                more = gain(self.lines, value, name)
                if more is not None and f.is_one(more):
                    return name
        return ""


@dataclass(frozen=True)
class Events:
    """What NET_RECEIVE does.

    Attributes
    ----------
    begin : what a connection begins with.
    spike, again : at a spike, and at the event that it sends.
    later : after which time that is, ms.
    of_one : all that is held, and what events add, is that of a weight of 1.
    """

    begin: Begin
    spike: Receive
    again: Receive | None = None
    later: Code | None = None
    of_one: bool = False

    @property
    def all(self) -> list[Receive]:
        """Both, or one."""
        return [self.spike, *([] if self.again is None else [self.again])]

    @property
    def lines(self) -> Lines:
        """Those of all."""
        return list(dict(line for each in (self.begin, *self.all) for line in each.lines).items())

    @property
    def inlined(self) -> frozenset[str]:
        """Of the lines."""
        return frozenset().union(*(each.inlined for each in (self.begin, *self.all)))


def events_of(
    step: Step, currents: Currents, names: tuple[str, list[str]], changed: set[str],
    conducting: set[str],
) -> Events:  # fmt: skip
    """Carry NET_RECEIVE out.

    Parameters
    ----------
    names : of the weight and of further arguments.
    changed : variables that events assign to.
    conducting : what currents are made of.
    """
    made = _events(step, names, changed, f.name(WEIGHT))
    if made.again is None and not step.driven:
        return made
    _check_proportional(made, step, currents, conducting.union(step.driven))
    return _events(step, names, changed, f.ONE)


def _events(
    step: Step, names: tuple[str, list[str]], changed: set[str], of_weight: Formula
) -> Events:
    weight, arguments = names
    begin = Begin(step.initial, weight, arguments, of_weight, changed)
    known: dict[str, Formula] = {name: f.name(name) for name in sorted(changed)}
    known |= {name: begin.of(name) for name in arguments if name not in changed}
    known |= {weight: of_weight, "t": f.name("t")}
    spike, of_one = Receive(step, begin, known, f.ZERO), f.is_one(of_weight)
    if not spike.sent:
        return Events(begin, spike, of_one=of_one)
    sent, *more = spike.sent
    if more:
        step.source.refuse(more[0].statement, "a second event of a spike cannot be translated")
    counter, fixed = spike.counts(sent.flag), step.module.fixed
    if counter:
        declared = step.module.declared
        if WAITING in {*declared.numbers, *declared.assigned, *declared.states, *arguments}:
            spike.refuse(declared.received, f"{WAITING} has a meaning of its own here")
        first = f.value_of(begin.of(counter), fixed)
        if counter in declared.shared or first is None or first < 0.0:
            step.source.refuse(sent.statement, f"{counter} must count the spikes of a synapse")
        spike = Receive(step, begin, known, f.ZERO, counter)
        (sent,) = spike.sent
    elif not f.value_of(sent.flag, fixed):
        step.source.refuse(
            sent.statement, "its flag must be a number other than 0, or count spikes"
        )
    later = Code(needed(spike.lines, [sent.later]), [sent.later], frozenset(spike.inlined))
    used = free(later, fixed) - set(step.module.parameters)
    if used:
        names_used = ", ".join(sorted(name.split("__")[0] for name in used))
        step.source.refuse(sent.statement, f"when an event is sent cannot depend on {names_used}")
    again = Receive(step, begin, known, None if counter else sent.flag, counter)
    if counter and f.text(again.now[counter]) != counter:
        step.source.refuse(sent.statement, f"{counter} must count spikes alone")
    if again.sent:
        step.source.refuse(again.sent[0].statement, "an event of an event cannot be translated")
    return Events(begin, spike, again, later, of_one)


def gain(lines: Lines, new: Formula, state: str) -> Formula | None:
    """What is added to a state, in branches or not; None where it is not just added to."""
    formula = unfolded(lines, new, state)
    if f.is_where(formula):
        condition, *sides = formula.args
        first, second = (gain(lines, side, state) for side in sides)
        if first is None or second is None or state in f.names_in(condition):
            return None
        same = f.text(first) == f.text(second)
        return first if same else f.call("where", condition, first, second)
    rest, of = linear_in(lines, formula, [state]) or (f.ZERO, {})
    return rest if f.is_one(of.get(state, f.ZERO)) else None


#: A formula that is no power of the weight.
MIXED = "mixed"
#: The power of the weight that a formula is proportional to; None for 0, which is to any.
Power = int | None | str


def _check_proportional(
    events: Events, step: Step, currents: Currents, conducting: set[str]
) -> None:
    """Refuse events that do not do ten times as much with ten times the weight."""
    states = events.spike.module.declared.states
    stepped = {s: each for s, each, _ in step.derivatives if s not in conducting}
    followed = {n: currents.now[n] for program in events.all for n in program.followed}
    begun = {n: each for n, each in events.begin.now.items() if n not in conducting}
    given = [(program.lines, program.now) for program in events.all]
    given += [(step.lines, stepped), (currents.lines, followed), (events.begin.lines, begun)]
    names = {n for _, formulas in given[:-1] for n in formulas if "@" not in n} - {"t", "flag"}
    power: dict[str, Power] = {n: 1 if n in conducting else None for n in {*names, *conducting}}
    power |= {WEIGHT: 1}
    before = None
    while before != power:
        before = dict(power)
        for lines, formulas in given:
            also = {s + when: power[s] for s in states if s in power for when in (NEXT, BEFORE)}
            known = _Powers(dict(lines), power | also)
            for name in names & set(formulas):
                power[name] = _joined(power[name], known.of(formulas[name]))
    for name in sorted(conducting):
        if power[name] != 1:
            events.spike.refuse(
                events.spike.module.declared.received,
                f"what events do to {name} is not proportional to their weight",
            )


def _joined(a: Power, b: Power) -> Power:
    if a is None or b is None:
        return b if a is None else a
    return a if a == b else MIXED


class _Powers:
    """Powers of the weight that formulas go by; negative weights are taken along."""

    def __init__(self, lines: dict[str, Formula], of_names: Mapping[str, Power]) -> None:
        self.lines, self.of_names = lines, dict(of_names)

    def of(self, formula: Formula) -> Power:
        if isinstance(formula, ast.Constant):
            return None if f.is_zero(formula) else 0
        if isinstance(formula, ast.Name):
            if formula.id in self.lines and formula.id not in self.of_names:
                self.of_names[formula.id] = self.of(self.lines[formula.id])
            return self.of_names.get(formula.id, 0)
        if isinstance(formula, ast.UnaryOp):
            return self.of(formula.operand)
        if isinstance(formula, ast.BinOp):
            left, right = self.of(formula.left), self.of(formula.right)
            if f.joins(formula, ast.Add, ast.Sub):
                return _joined(left, right)
            if isinstance(left, int) and isinstance(right, int):
                return left + right if f.joins(formula, ast.Mult) else left - right
            return None if left is None or right is None else MIXED
        if f.is_where(formula):
            condition, a, b = formula.args
            assert isinstance(condition, ast.Compare)
            sides = [condition.left, *condition.comparators]
            free_of_it = all(self.of(side) in (0, None) for side in sides)
            return _joined(self.of(a), self.of(b)) if free_of_it else MIXED
        assert isinstance(formula, ast.Call)
        return 0 if all(self.of(each) in (0, None) for each in formula.args) else MIXED


def _is_flag(node: Node | None) -> bool:
    while node is not None and kind_of(node) in ("WrappedExpression", "ParenExpression"):
        node = node.expression
    return node is not None and kind_of(node) in ("VarName", "Name") and name_of(node) == "flag"


def _initial_block(statement: Node) -> Node | None:
    """The statements of an INITIAL in NET_RECEIVE."""
    inner: Node = getattr(statement, "expression", None)
    is_initial = inner is not None and kind_of(inner) == "InitialBlock"
    return inner.statement_block if is_initial else None
