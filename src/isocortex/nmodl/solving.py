"""Equations of states: as gates, and as linear systems solved by elimination, line by line."""

from __future__ import annotations

import ast

from isocortex.nmodl import formulas as f
from isocortex.nmodl.code import Code, linear_in
from isocortex.nmodl.formulas import Formula
from isocortex.nmodl.program import Program
from isocortex.nmodl.source import Node, kind_of, name_of


def gate_of(
    program: Program, state: str, derivative: Formula, node: Node
) -> tuple[Formula, Formula]:
    """Steady state and time constant of a state whose derivative is linear in it."""
    try:
        free, of = f.linear(derivative, [state])
    except f.NotLinear:
        program.source.refuse(node, f"{state}' is not linear in {state}")
    if state not in of:
        program.source.refuse(node, f"{state}' does not depend on {state}", "Use METHOD euler.")
    rate = f.negative(of[state])
    tau = f.inverted(rate)
    if tau is not None:
        if f.joins(free, ast.Div) and f.text(free.right) == f.text(tau):
            return free.left, tau
        return f.multiply(free, tau), tau
    return f.divide(free, rate), f.divide(f.ONE, rate)


class Reactions:
    """The statements of a KINETIC block: reactions as derivatives, and what is conserved."""

    def __init__(self, program: Program) -> None:
        self.program, self.source = program, program.source
        self.derivative: dict[str, Formula] = {}
        self.volume: dict[str, Formula] = {}
        self.conserved: list[Node] = []

    def run(self, block: Node) -> None:
        """Carry the block out; the program has the derivatives afterwards."""
        for statement in block.statements:
            kind = kind_of(statement)
            self.program._at = statement
            if kind == "ReactionStatement":
                self._reaction(statement)
            elif kind == "Conserve":
                self.conserved.append(statement)
            elif kind == "Compartment":
                if statement.index_name is not None:
                    self.source.refuse(statement, "COMPARTMENT of an array cannot be translated")
                volume = self.program.formula(statement.volume)
                self.volume |= {name_of(each): volume for each in statement.species}
            else:
                self.program._statement(statement)
        for state, change in self.derivative.items():
            rate = f.divide(change, self.volume.get(state, f.ONE))
            self.program.derivatives.append((state, rate, block))
        self.program.conserved = [self._conserved(each) for each in self.conserved]

    def _conserved(self, statement: Node) -> tuple[dict[str, Formula], Formula]:
        total = self.program.formula(statement.expr)
        states = list(self.program.module.declared.states)
        free, of = f.linear(self.program.formula(statement.react), states)
        for state in of:
            of[state] = f.multiply(of[state], self.volume.get(state, f.ONE))
        return of, f.subtract(total, free)

    def _reaction(self, statement: Node) -> None:
        states, program = self.program.module.declared.states, self.program
        left = self._sides(statement, statement.reaction1)
        op = str(statement.op)
        if op == "<<":
            flux = program.formula(statement.expression1)
            self._gain(left[0][1], flux)
            return
        right = self._sides(statement, statement.reaction2) if statement.reaction2 else []
        fluxes = []
        for side, rate in ((left, statement.expression1), (right, statement.expression2)):
            if sum(name in states for _, name in side) > 1 or any(n != 1 for n, _ in side):
                self.source.refuse(statement, "reactions of two states are not linear")
            amounts = [program.value(name) for _, name in side]
            fluxes.append(f.ZERO if rate is None else f.product([program.formula(rate), *amounts]))
        flux = f.subtract(*fluxes)
        for sign, side in ((f.negative, left), (lambda each: each, right)):
            for _, name in side:
                if name in states:
                    self._gain(name, sign(flux))

    def _gain(self, state: str, flux: Formula) -> None:
        self.derivative[state] = f.add(self.derivative.get(state, f.ZERO), flux)

    def _sides(self, statement: Node, side: Node) -> list[tuple[int, str]]:
        kind = kind_of(side)
        if kind == "BinaryExpression" and str(side.op) == "+":
            return [*self._sides(statement, side.lhs), *self._sides(statement, side.rhs)]
        if kind == "ReactVarName":
            times = 1 if side.value is None else int(side.value.eval())
            return [(times, name_of(side.name))]
        if kind in ("WrappedExpression", "ParenExpression"):
            return self._sides(statement, side.expression)
        if kind in ("VarName", "Name") and kind_of(getattr(side, "name", side)) != "IndexedName":
            return [(1, name_of(side))]
        self.source.refuse(statement, "this reaction cannot be translated")


def implicit_step(
    program: Program, states: list[str], dt: str, begin: dict[str, Formula] | None = None
) -> Code:
    """One step of implicit Euler of a linear system, (1 - dt Q) x' = x, as lines of code.

    What is conserved takes the place of the equation of its last state, as in NEURON.

    Parameters
    ----------
    dt : name or number of the length of the step, ms.
    begin : the states before it; None for their names.
    """
    length = f.name(dt) if dt.isidentifier() else f.number(float(dt))
    system: dict[str, dict[str, Formula]] = {}
    sums: dict[str, Formula] = {}
    derivative = {state: (formula, node) for state, formula, node in program.derivatives}
    for state in states:
        old = f.name(state) if begin is None else begin[state]
        row: dict[str, Formula] = {state: f.ONE}
        if state in derivative:
            formula, node = derivative[state]
            linear = linear_in(program.lines, formula, states)
            if linear is None:
                program.source.refuse(node, f"{state}' is not linear in the states")
            free, of = linear
            for each, rate in of.items():
                row[each] = f.subtract(row.get(each, f.ZERO), f.multiply(length, rate))
            old = f.add(old, f.multiply(length, free))
        system[state], sums[state] = row, old
    for of, total in program.conserved:
        last = max(of, key=states.index)
        system[last], sums[last] = of, total
    return eliminated(program, states, system, sums)


def linear_system(program: Program, block: Node, states: list[str]) -> Code:
    """What is to be 0 by the equations of a LINEAR block, as formulas of the states."""
    zeros: list[Formula] = []
    for statement in block.statement_block.statements:
        equation = getattr(statement, "expression", statement)
        if kind_of(equation) != "LinEquation":
            program._statement(statement)
            continue
        sides = [_of_states(program, each, states) for each in (equation.lhs, equation.rhs)]
        zeros.append(f.subtract(*sides))
        try:
            f.linear(zeros[-1], states)
        except f.NotLinear:
            program.source.refuse(statement, "this equation is not linear in the states")
    if len(zeros) != len(states):
        program.source.refuse(block, f"{len(zeros)} equations for {len(states)} states")
    return program.code(zeros)


def _of_states(program: Program, node: Node, states: list[str]) -> Formula:
    """A formula of the states themselves, whatever was assigned to them."""
    kept = {state: program.now.pop(state, None) for state in states}
    formula = program.formula(node)
    program.now |= {state: value for state, value in kept.items() if value is not None}
    return formula


def eliminated(
    program: Program, states: list[str], system: dict[str, dict[str, Formula]],
    sums: dict[str, Formula],
) -> Code:  # fmt: skip
    """Solve a linear system by elimination without pivots, sparsest rows first.

    The lines name the factors, pivots and sums that it comes to.

    Parameters
    ----------
    system : of the row of every state, its factors of states that are not 0; used up.
    sums : what these come to.
    """
    dense = {s for s in states if len(system[s]) == len(states) > 2}
    inverse: dict[str, Formula] = {}  # of pivots, in the order in which they are taken
    left = list(states)
    while left:
        open_ = [s for s in left if s not in dense] or left
        pivot = min(open_, key=lambda s: (_fill(system, s, left), states.index(s)))
        left.remove(pivot)
        row = system[pivot]
        inverse[pivot] = program.named(f"w_{pivot}", f.divide(f.ONE, row[pivot]))
        for each in left:
            if pivot not in system[each]:
                continue
            factor = program.named("f", f.multiply(system[each].pop(pivot), inverse[pivot]))
            for column in [c for c in row if c in left]:
                taken = f.multiply(factor, row[column])
                new = f.subtract(system[each].get(column, f.ZERO), taken)
                system[each][column] = program.named(f"{each}_{column}", new)
            if not f.is_zero(sums[pivot]):
                new = f.subtract(sums[each], f.multiply(factor, sums[pivot]))
                sums[each] = program.named(f"r_{each}", new)
    solved: dict[str, Formula] = {}
    for pivot in reversed(inverse):
        row, total = system[pivot], sums[pivot]
        for column in [c for c in states if c in row and c in solved]:
            total = f.subtract(total, f.multiply(row[column], solved[column]))
        solved[pivot] = program.named(f"{pivot}__next", f.multiply(total, inverse[pivot]))
    return program.code([solved[state] for state in states])


def _fill(system: dict[str, dict[str, Formula]], pivot: str, left: list[str]) -> int:
    """How many numbers elimination of a state would work on."""
    columns = sum(c in left and c != pivot for c in system[pivot])
    return columns * sum(pivot in system[s] for s in left if s != pivot)
