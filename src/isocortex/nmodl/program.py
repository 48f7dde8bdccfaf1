"""The statements of a mod file carried out on formulas: what is assigned to what, line by line.

Procedures are written out where they are called, functions stay functions. Every assignment makes a
name of its own, so that what a result needs is found by going back from it; IF becomes ``where``,
since all compartments are computed at once.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from isocortex.nmodl import formulas as f
from isocortex.nmodl.code import CALLED, Q10, Code, Lines, free, needed
from isocortex.nmodl.declarations import CONCENTRATIONS, Declared
from isocortex.nmodl.formulas import Formula
from isocortex.nmodl.source import Node, kind_of, name_of

#: Statements that change nothing: tables are left out, since what they hold is computed.
SKIPPED = {
    "TableStatement", "ConductanceHint", "UnitState", "LineComment", "BlockComment",
    "ProtectStatement", "MutexLock", "MutexUnlock",
}  # fmt: skip
COMPARISONS: dict[str, type[ast.cmpop]] = {
    "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE, "==": ast.Eq, "!=": ast.NotEq,
}  # fmt: skip
ARITHMETIC = {"+": f.add, "-": f.subtract, "*": f.multiply, "/": f.divide}
#: What the membrane gives, whether or not it is declared.
SURROUNDINGS = ("v", "celsius", "dt")
#: What NEURON gives besides, and mechanisms here are not told.
UNTOLD = ("t", "diam", "area")
LARGEST_POWER = 8


@dataclass(frozen=True)
class Helper:
    """A FUNCTION as a function of the Python file.

    Attributes
    ----------
    arguments : its own, then the names that it uses besides.
    """

    arguments: tuple[str, ...]
    besides: tuple[str, ...]
    code: Code


@dataclass
class Module:
    """What all programs of a mod file share.

    Attributes
    ----------
    temperature : factor and reference of q10; None where rates do not go by the temperature.
    fixed : numbers of the file that no cell can change.
    parameters : those that cells may set.
    assigned : names that statements assign to.
    """

    declared: Declared
    temperature: tuple[float, float] | None = None
    helpers: dict[str, Helper] = field(default_factory=dict)
    count: int = 0
    within: list[str] = field(default_factory=list)  # procedures and functions in hand

    def __post_init__(self) -> None:
        declared = self.declared
        blocks = [declared.initial, declared.breakpoint, declared.received]
        blocks += declared.solved.values()
        blocks += declared.procedures.values()
        self.assigned: set[str] = set().union(
            *(assigned_in(declared, b.statement_block) for b in blocks if b is not None)
        )
        outside = {*SURROUNDINGS, *declared.read, *declared.written}
        numbers = {
            name: value or 0.0 for name, value in declared.numbers.items()
            if name not in outside | self.assigned
        }  # fmt: skip
        self.fixed = {n: v for n, v in numbers.items() if n not in declared.ranges}
        self.parameters = {n: v for n, v in numbers.items() if n in declared.ranges}

    @property
    def own(self) -> list[str]:
        """Names that the Python file gives to numbers and functions."""
        return [*self.fixed, *self.helpers]

    @property
    def ordered(self) -> dict[str, float]:
        """Parameters in the order of the file."""
        order = [*self.declared.numbers, *self.declared.assigned]
        return {n: self.parameters[n] for n in sorted(self.parameters, key=order.index)}

    def is_q10(self, base: Formula, exponent: Formula, fixed: dict[str, float]) -> bool:
        """Whether a power is the temperature factor: base ** ((celsius - reference) / 10)."""
        try:
            free, of = f.linear(exponent, ["celsius"])
        except f.NotLinear:
            return False
        factor = f.value_of(base, fixed)
        rate, offset = (f.value_of(x, fixed) for x in (of.get("celsius", f.ZERO), free))
        if factor is None or rate is None or offset is None or abs(rate - 0.1) > 1e-12:
            return False
        found = (factor, round(-10.0 * offset, 9))
        if self.temperature is None:
            self.temperature = found
        return self.temperature == found


class Expressions:
    """Expressions as formulas, with what every name stands for so far.

    Parameters
    ----------
    known : formulas of names that were assigned before, in other blocks.

    Attributes
    ----------
    lines : what is assigned, each to a name of its own.
    now : the formula of every name of the mod file, a name of ``lines`` or one of the outside.
    derivatives : of states, in order: name, what its derivative is, and the statement.
    conserved : sums of states, each by the factors of states in it, and what it is.
    """

    def __init__(self, module: Module, known: dict[str, Formula] | None = None) -> None:
        self.module, self.source = module, module.declared.source
        self.now: dict[str, Formula] = dict(known or {})
        self.lines: Lines = []
        self.derivatives: list[tuple[str, Formula, Node]] = []
        self.conserved: list[tuple[dict[str, Formula], Formula]] = []
        self.inlined: set[str] = set()  # names of lines that a branch made
        self._depth = 0
        self._at: Node = None
        self._locals: list[dict[str, str]] = [{}]

    def refuse(self, node: Node | None, what: str, fix: str = "") -> NoReturn:
        """Say that a part of the statement in hand cannot be translated."""
        self.source.refuse(node or self._at, what, fix, within=self._at)

    def line(self, variable: str, formula: Formula) -> ast.Name:
        """A name of its own for a formula, that begins with the variable's."""
        line = f"{variable}__{self._number()}"
        self.lines.append((line, formula))
        if self._depth:
            self.inlined.add(line)
        return f.name(line)

    def named(self, variable: str, formula: Formula) -> Formula:
        """The formula by a name of its own, if it is not one already, or a number."""
        plain = isinstance(formula, (ast.Name, ast.Constant))
        return formula if plain else self.line(variable, formula)

    @property
    def fixed(self) -> dict[str, float]:
        """Numbers of the file, by the names that formulas have for them."""
        return self.module.fixed

    def _number(self) -> int:
        self.module.count += 1
        return self.module.count

    def _key(self, variable: str) -> str:
        for scope in reversed(self._locals):
            if variable in scope:
                return scope[variable]
            if "" in scope:  # the end of a procedure's own
                break
        return variable

    def _enter(self, name: str, node: Node) -> None:
        if name in self.module.within:
            self.refuse(node, f"{name}() calls itself")
        self.module.within.append(name)

    def code(self, results: list[Formula]) -> Code:
        """A function that returns these."""
        return Code(needed(self.lines, results), results, frozenset(self.inlined))

    def formula(self, node: Node) -> Formula:
        """An expression as a formula."""
        kind = kind_of(node)
        if kind in ("WrappedExpression", "ParenExpression"):
            return self.formula(node.expression)
        if kind in ("Double", "Float", "Integer"):
            return f.number(float(node.eval()))
        if kind == "DoubleUnit":
            return f.number(float(node.value.eval()))
        if kind == "VarName":
            if kind_of(node.name) != "Name" or node.at is not None:
                self.refuse(node, f"{self.source.written(node)} cannot be translated")
            return self.value(name_of(node), node)
        if kind in ("Name", "ReactVarName"):
            return self.value(name_of(node), node)
        if kind == "UnaryExpression" and str(node.op) == "-":
            return f.negative(self.formula(node.expression))
        if kind == "FunctionCall":
            return self._call(node)
        if kind == "BinaryExpression" and str(node.op) in ARITHMETIC:
            return ARITHMETIC[str(node.op)](self.formula(node.lhs), self.formula(node.rhs))
        if kind == "BinaryExpression" and str(node.op) == "^":
            return self._power(self.formula(node.lhs), self.formula(node.rhs))
        self.refuse(node, f"{self.source.written(node)} cannot be translated")

    def _condition(self, node: Node) -> Formula:
        kind, op = kind_of(node), str(getattr(node, "op", ""))
        if kind in ("WrappedExpression", "ParenExpression"):
            return self._condition(node.expression)
        if kind == "UnaryExpression" and op == "!":
            return ast.UnaryOp(ast.Not(), self._condition(node.expression))
        if op in ("&&", "||"):
            both = [self._condition(node.lhs), self._condition(node.rhs)]
            return ast.BoolOp(ast.And() if op == "&&" else ast.Or(), both)
        if op in COMPARISONS:
            left, right = self.formula(node.lhs), self.formula(node.rhs)
            return ast.Compare(left, [COMPARISONS[op]()], [right])
        return ast.Compare(self.formula(node), [ast.NotEq()], [f.ZERO])

    def value(self, variable: str, node: Node | None = None) -> Formula:
        """What a variable is now."""
        key = self._key(variable)
        if key in self.now:
            return self.now[key]
        module, declared = self.module, self.module.declared
        if variable == Q10:
            return f.name(Q10)
        if variable in UNTOLD and variable not in module.assigned:
            self.refuse(node, f"mechanisms are not told {variable}")
        if variable in CONCENTRATIONS and variable in declared.read:
            return f.number(CONCENTRATIONS[variable])
        outside = variable in (*SURROUNDINGS, *declared.read, *declared.states)
        numbers = (*module.fixed, *module.parameters)
        if outside or (variable in numbers and variable not in module.assigned):
            return f.name(variable)
        return self.unknown(variable, node)

    def unknown(self, variable: str, node: Node | None) -> Formula:
        """What a variable is that nothing was assigned to so far."""
        declared = self.module.declared
        if variable in declared.ranges and variable in {*declared.numbers, *declared.assigned}:
            begin = declared.numbers.get(variable) or 0.0  # cells may set it
            self.module.parameters[variable] = begin
            return f.name(variable)
        if variable in declared.numbers:  # one that is assigned to somewhere
            return f.number(declared.numbers[variable] or 0.0)
        if variable in declared.assigned or key_is_local(self._key(variable)):
            return f.ZERO
        self.refuse(node, f"{variable} is not known here")

    def _power(self, base: Formula, exponent: Formula) -> Formula:
        given = "celsius" in self.now  # as an argument
        if not given and self.module.is_q10(base, exponent, self.fixed):
            return f.name(Q10)
        both = [f.value_of(x, self.fixed) for x in (base, exponent)]
        n = both[1]
        if n is not None and both[0] is not None:
            try:
                return f.number(math.pow(both[0], n))
            except (ArithmeticError, ValueError):
                self.refuse(None, f"{both[0]:g}^{n:g} is no number")
        if n is not None and n == int(n) and 1 <= abs(n) <= LARGEST_POWER:
            if abs(n) > 1 and not isinstance(base, ast.Name):
                base = self.line("x", base)
            result = f.product([base] * int(abs(n)))
            return result if n > 0 else f.divide(f.ONE, result)
        if n == 0.0:
            return f.ONE
        if n is not None and n == int(n):  # of a negative base too, which has no logarithm
            half = self.line("x", self._power(base, f.number(float(int(n / 2)))))
            rest = f.number(n - 2.0 * int(n / 2))
            return f.product([half, half, self._power(base, rest)])
        return f.call("exp", f.multiply(exponent, f.call("log", base)))

    def _call(self, node: Node) -> Formula:
        name = name_of(node.name)
        arguments = [self.formula(argument) for argument in node.arguments]
        if name in self.module.declared.functions:
            helper = self._helper(name, node)
            besides = [self._of_file(each, node) for each in helper.besides]
            return f.call(name, *arguments, *besides)
        if name in ("exp", "log") and len(arguments) == 1:
            return f.call(name, *arguments)
        if name in ("fabs", "abs"):
            return f.call("absolute", *arguments)
        if name == "pow":
            return self._power(*arguments)
        if name == "sqrt":
            return self._power(arguments[0], f.number(0.5))
        if name == "log10":
            return f.divide(f.call("log", *arguments), f.number(2.302585092994046))
        if name == "tanh":  # 1 - 2 / (exp(2 x) + 1)
            grown = f.call("exp", f.multiply(f.number(2.0), arguments[0]))
            return f.subtract(f.ONE, f.divide(f.number(2.0), f.add(grown, f.ONE)))
        if name in ("cosh", "sinh"):
            up, down = f.call("exp", arguments[0]), f.call("exp", f.negative(arguments[0]))
            both = f.add(up, down) if name == "cosh" else f.subtract(up, down)
            return f.multiply(f.number(0.5), both)
        self.refuse(node, f"the function {name}() is not known here")

    def _of_file(self, variable: str, node: Node) -> Formula:
        """What a variable of the file is, whatever has its name where a FUNCTION is called."""
        here, self._locals = self._locals, [{}]
        found = self.value(variable, node)
        self._locals = here
        return found

    def _helper(self, name: str, node: Node) -> Helper:
        """A FUNCTION of the file, translated once."""
        module = self.module
        if name in module.helpers:
            return module.helpers[name]
        if name in CALLED:
            self.refuse(node, f"a FUNCTION {name} has the name of one that is here", "Rename it.")
        self._enter(name, node)
        block = module.declared.functions[name]
        arguments = [name_of(each.name) for each in block.parameters]
        inner = Function(module, name, arguments)
        inner.run(block.statement_block)
        result = inner.now.get(name)
        if result is None:
            self.refuse(node, f"{name}() returns nothing")
        code = inner.code([result])
        besides = free(code, module.fixed) - set(arguments)
        module.helpers[name] = Helper(tuple(arguments), tuple(sorted(besides)), code)
        module.within.pop()
        return module.helpers[name]


class Program(Expressions):
    """Statements carried out one after the other."""

    def run(self, block: Node) -> None:
        """Carry out the statements of a block."""
        self._locals.append({})
        for statement in block.statements:
            self._statement(statement)
        self._locals.pop()

    def _statement(self, statement: Node) -> None:
        self._at = statement
        kind = kind_of(statement)
        if is_solve(statement):
            self.solve(statement.expression)
        elif kind == "ExpressionStatement":
            self._expression_statement(statement)
        elif kind == "LocalListStatement":
            for each in statement.variables:
                self._local(name_of(each.name))
        elif kind == "IfStatement":
            self._if(statement)
        elif kind == "Verbatim" and str(statement.statement.eval()).strip() == "return 0;":
            return
        elif kind not in SKIPPED:
            word = self.source.written(statement).split(maxsplit=1)[0]
            self.refuse(statement, f"{word} cannot be translated")

    def solve(self, statement: Node) -> None:
        """What SOLVE does here: nothing, since its block is translated by itself."""

    def _expression_statement(self, statement: Node) -> None:
        expression = statement.expression
        kind = kind_of(expression)
        if kind == "DiffEqExpression":
            equation = expression.expression
            state = name_of(equation.lhs).rstrip("'")
            if self._depth:
                self.refuse(statement, "equations in a branch cannot be translated")
            if equation.lhs.name.order.eval() != 1:
                self.refuse(statement, "second derivatives cannot be translated")
            self.derivatives.append((state, self.formula(equation.rhs), statement))
            self.derived(state, self.derivatives[-1][1], statement)
        elif is_assignment(expression):
            if kind_of(expression.lhs.name) != "Name":
                self.refuse(statement, f"{self.source.written(expression.lhs)} is an array")
            self.assign(name_of(expression.lhs), self.formula(expression.rhs))
        elif kind in ("WrappedExpression", "FunctionCall"):
            call = expression.expression if kind == "WrappedExpression" else expression
            self._procedure(statement, call)
        else:
            self.refuse(statement, f"{self.source.written(statement)} cannot be translated")

    def derived(self, state: str, derivative: Formula, statement: Node) -> None:
        """What becomes of a state once its derivative is known."""

    def assign(self, variable: str, formula: Formula) -> None:
        """The variable is this formula from here on."""
        self.now[self._key(variable)] = self.named(variable, formula)

    def _local(self, variable: str) -> None:
        self._locals[-1][variable] = f"{variable}@{self._number()}"

    def _procedure(self, statement: Node, call: Node) -> None:
        """Write a procedure out, with arguments as its locals."""
        name = name_of(call.name)
        declared = self.module.declared
        block = declared.procedures.get(name)
        if block is None and name == "printf":
            return
        if name in declared.functions:  # of which nothing is left but what it returns
            self._helper(name, statement)
            return
        if name in ("net_send", "net_event", "net_move"):
            self.refuse(statement, "events that a synapse sends cannot be translated")
        if block is None:
            self.refuse(statement, f"{name}() is not a procedure of the file")
        self._enter(name, statement)
        arguments = [self.formula(argument) for argument in call.arguments]
        self._locals.append({"": ""})
        for parameter, argument in zip(block.parameters, arguments, strict=False):
            of = name_of(parameter.name)
            self._local(of)
            self.assign(of, argument)
        self.run(block.statement_block)
        self._locals.pop()
        self.module.within.pop()

    def _if(self, statement: Node) -> None:
        branches = [(statement.condition, statement.statement_block)]
        branches += [(each.condition, each.statement_block) for each in statement.elseifs]
        self._branches(branches, statement.elses and statement.elses.statement_block)

    def _branches(self, branches: list[tuple[Node, Node]], otherwise: Node | None) -> None:
        if not branches:
            if otherwise is not None:
                self.run(otherwise)
            return
        (condition, block), *others = branches
        holds = self._condition(condition)
        known = f.value_of(holds, self.fixed)
        if known is not None:  # by a number that no cell can change
            return self.run(block) if known else self._branches(others, otherwise)
        before = dict(self.now)
        self._depth += 1
        self.run(block)
        chosen, self.now = self.now, dict(before)
        self._branches(others, otherwise)
        other = self.now
        self._depth -= 1
        self.now = before
        for key in dict.fromkeys([*chosen, *other]):
            a, b = (side[key] if key in side else self._or_none(key) for side in (chosen, other))
            if a is None or b is None or a is b:
                self.now[key] = a or b  # type: ignore[assignment]
                continue
            self.now[key] = self.line(key.split("@")[0], f.where(holds, a, b))

    def _or_none(self, key: str) -> Formula | None:
        """What a name was before a branch that assigns to it; locals are nothing."""
        return None if key_is_local(key) else self.value(key)


class Function(Program):
    """The inside of a FUNCTION, whose own names are its arguments and what it returns."""

    def __init__(self, module: Module, name: str, arguments: list[str]) -> None:
        super().__init__(module, {argument: f.name(argument) for argument in arguments})
        self.own = {name, *arguments}

    @property
    def fixed(self) -> dict[str, float]:
        return {n: v for n, v in self.module.fixed.items() if n not in self.own}

    def assign(self, variable: str, formula: Formula) -> None:
        """Only what is its own."""
        key = self._key(variable)
        if "@" not in key and key not in self.own:
            block = self.module.declared.functions[next(iter(self.own))]
            self.refuse(block, f"a FUNCTION changes {variable}")
        super().assign(variable, formula)

    def _of_file(self, variable: str, node: Node) -> Formula:
        if variable in self.own:
            self.refuse(node, f"a FUNCTION reads {variable}, which here is an argument")
        return super()._of_file(variable, node)

    def unknown(self, variable: str, node: Node | None) -> Formula:
        """Something that is assigned elsewhere: one more argument."""
        if variable in self.own:
            return f.ZERO
        if variable in self.module.declared.assigned:
            return f.name(variable)
        return super().unknown(variable, node)


def statements_in(declared: Declared, block: Node) -> Iterator[Node]:
    """Statements of a block, of its branches and of the procedures that it calls."""
    pending, seen = [block], set()
    while pending:
        for statement in pending.pop().statements:
            yield statement
            if kind_of(statement) == "IfStatement":
                pending += [each.statement_block for each in (statement, *statement.elseifs)]
                if statement.elses is not None:
                    pending.append(statement.elses.statement_block)
            procedure = called_by(declared, statement)
            if procedure is not None and name_of(procedure.name) not in seen:
                seen.add(name_of(procedure.name))
                pending.append(procedure.statement_block)


def called_by(declared: Declared, statement: Node) -> Node | None:
    """The procedure that a statement calls."""
    call = _call_in(statement)
    return None if call is None else declared.procedures.get(name_of(call.name))


def _call_in(statement: Node) -> Node | None:
    expression = getattr(statement, "expression", None)
    inner = getattr(expression, "expression", expression)
    return inner if inner is not None and kind_of(inner) == "FunctionCall" else None


def assigned_in(declared: Declared, block: Node) -> set[str]:
    """Names that statements of a block assign to, but for those of its own."""
    assigned, local = set(), set()
    for statement in statements_in(declared, block):
        if kind_of(statement) == "LocalListStatement":
            local |= {name_of(each.name) for each in statement.variables}
        procedure = called_by(declared, statement)
        if procedure is not None:
            local |= {name_of(each.name) for each in procedure.parameters}
        expression = getattr(statement, "expression", None)
        if expression is not None and is_assignment(expression):
            assigned.add(name_of(expression.lhs))
        call = _call_in(statement)
        if call is not None and name_of(call.name) == "state_discontinuity":
            assigned.add(name_of(call.arguments[0]))
    return assigned - local


def is_assignment(expression: Node) -> bool:
    """Whether it assigns to a variable."""
    return kind_of(expression) == "BinaryExpression" and str(expression.op) == "="


def is_solve(statement: Node) -> bool:
    """Whether it is a SOLVE statement."""
    expression = getattr(statement, "expression", None)
    return expression is not None and kind_of(expression) == "SolveBlock"


def key_is_local(key: str) -> bool:
    """Whether it is of a LOCAL or of an argument."""
    return "@" in key
