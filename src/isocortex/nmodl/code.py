"""Code to be: lines and results as formulas, and the text that they become."""

from __future__ import annotations

import ast
import keyword
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from isocortex.nmodl import formulas as f
from isocortex.nmodl.formulas import Formula

WIDTH = 100
#: Words of our files, which names of a mod file must not take.
WORDS = {
    "absolute", "exp", "log", "where", "solved", "equations", "range", "q10",
    "Density", "Temperature", "current", "gate", "kinetic_state", "parameter", "Synapse",
    "Exponentials", "held", "FOREVER",
}  # fmt: skip
#: Functions of :mod:`isocortex.mechanisms` that formulas call.
CALLED = ("absolute", "exp", "log", "where", "Exponentials")
#: The temperature factor, and the time constant of what does not decay, among names of mod files.
Q10, LASTING = "q10__", "forever__"

Lines = list[tuple[str, Formula]]


class Code(NamedTuple):
    """The inside of a function: lines, and what it returns.

    ``inlined`` are names of lines that are written into the one place where they are used.
    """

    lines: Lines
    results: list[Formula]
    inlined: frozenset[str] = frozenset()

    @property
    def formulas(self) -> list[Formula]:
        """Of the lines, then of the results."""
        return [*(formula for _, formula in self.lines), *self.results]

    def renamed(self, by: Mapping[str, str]) -> Code:
        """The same with other names in the place of some, of lines too."""
        formulas = {old: f.name(new) for old, new in by.items()}
        lines = [(by.get(name, name), f.replaced(each, formulas)) for name, each in self.lines]
        return Code(lines, [f.replaced(each, formulas) for each in self.results], self.inlined)


def needed(lines: Lines, results: list[Formula]) -> Lines:
    """The lines that some results need, in order."""
    wanted = {name for result in results for name in f.names_in(result)}
    kept = []
    for name, formula in reversed(lines):
        if name in wanted:
            kept.append((name, formula))
            wanted |= set(f.names_in(formula))
    return kept[::-1]


def unfolded(lines: Lines, derivative: Formula, state: str) -> Formula:
    """A derivative with the lines that the state is hidden in written out."""
    of = dict(lines)
    while True:
        hidden = [n for n in f.names_in(derivative) if n in of and state in _all_names(of, n)]
        if not hidden:
            return derivative
        derivative = f.replaced(derivative, {n: of[n] for n in hidden})


def linear_in(
    lines: Lines, formula: Formula, names: list[str]
) -> tuple[Formula, dict[str, Formula]] | None:
    """As :func:`isocortex.nmodl.formulas.linear`, where names may be hidden in lines; or None."""
    for each in names:
        formula = unfolded(lines, formula, each)
    try:
        return f.linear(formula, names)
    except f.NotLinear:
        return None


def _all_names(of: dict[str, Formula], name: str) -> set[str]:
    found = set(f.names_in(of[name]))
    for each in list(found):
        if each in of:
            found |= _all_names(of, each)
    return found


def free(code: Code, fixed: Collection[str]) -> set[str]:
    """Names that a function must be given."""
    made = {name for name, _ in code.lines}
    used = {n for each in code.formulas for n in f.names_in(each)}
    return used - made - set(fixed)


def plain(name: str) -> str:
    """A name of a mod file as one of a Python file."""
    if name in (Q10, LASTING):
        return {Q10: "q10", LASTING: "FOREVER"}[name]
    return f"{name}_" if keyword.iskeyword(name) or name in WORDS else name


def body_text(
    code: Code, own: Collection[str], states: Sequence[str] = (), *, as_tuple: bool = False
) -> str:
    """The lines of a function, under names that read as those of the mod file.

    Parameters
    ----------
    own : names that the file itself gives to numbers and functions.
    states : of the mechanism.
    as_tuple : it returns a tuple, even of one.
    """
    lines, results = _inlined(code)
    while len(results) == 1 and lines and f.text(results[0]) == lines[-1][0]:
        results = [lines.pop()[1]]
    given = [*free(Code(lines, results), ()), *own]
    by: dict[str, Formula] = {name: f.name(plain(name)) for name in given}
    taken = {"v", *WORDS, *states, *(plain(name) for name in given)}
    written = []
    for name, formula in lines:
        chosen = base = plain(name.split("__")[0])
        if base in states:
            chosen = base = f"{base}_new"
        k = 2
        while chosen in taken:
            chosen, k = f"{base}_{k}", k + 1
        taken.add(chosen)
        written.append(_laid_out(f"{chosen} = ", _renamed(formula, by)))
        by[name] = f.name(chosen)
    shown = [_renamed(each, by) for each in results]
    if len(shown) == 1 and not as_tuple:
        return "\n".join([*written, _laid_out("return ", shown[0])])
    returned = ", ".join(map(f.text, shown))
    if as_tuple:
        returned = f"({returned}{',' * (len(shown) == 1)})"
    if len(returned) > WIDTH - 16:
        parts = "".join(_laid_out("", each, 4) + ",\n" for each in shown)
        returned = f"(\n{textwrap.indent(parts, '    ')})"
    return "\n".join([*written, f"return {returned}"])


def _renamed(formula: Formula, by: Mapping[str, Formula]) -> Formula:
    """The formula with the names of the Python file, of functions too."""
    formula = f.replaced(formula, by)
    for node in ast.walk(formula):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id not in CALLED:
                node.func.id = plain(node.func.id)
    return formula


def _inlined(code: Code) -> tuple[list[tuple[str, Formula]], list[Formula]]:
    """Write lines that a branch made into the one place where each is used."""
    lines, results = list(code.lines), list(code.results)
    while True:
        uses: dict[str, int] = {}
        for each in [*(e for _, e in lines), *results]:
            for node in ast.walk(each):
                if isinstance(node, ast.Name):
                    uses[node.id] = uses.get(node.id, 0) + 1
        once = next((k for k, (n, _) in enumerate(lines)
                     if n in code.inlined and uses.get(n) == 1), None)  # fmt: skip
        if once is None:
            return lines, results
        name, formula = lines.pop(once)
        by = {name: formula}
        lines = [(n, f.replaced(each, by)) for n, each in lines]
        results = [f.replaced(each, by) for each in results]


def _laid_out(head: str, formula: Formula, indent: int = 0) -> str:
    """A formula behind some text, in as many lines as it takes."""
    text = f.text(formula)
    fits = indent + len(head) + len(text) <= WIDTH - 8
    return head + (text if fits else _broken(formula, indent))


def _broken(formula: Formula, indent: int) -> str:
    """A formula in several lines, in brackets."""
    if isinstance(formula, ast.Tuple):
        inner = "".join(_laid_out("", each, indent + 4) + ",\n" for each in formula.elts)
        text = f"(\n{textwrap.indent(inner, '    ')})"
    elif isinstance(formula, ast.Call):
        inner = "".join(_laid_out("", each, indent + 4) + ",\n" for each in formula.args)
        text = f"{f.text(formula.func)}(\n{textwrap.indent(inner, '    ')})"
    elif isinstance(formula, ast.BinOp):
        operators, operands = _operands(formula)
        parts = [_operand(o, each, indent + 4) for o, each in zip(operators, operands, strict=True)]
        text = f"(\n{textwrap.indent(chr(10).join(parts), '    ')}\n)"
    else:
        text = f.text(formula)
    assert f.text(ast.parse(text, mode="eval").body) == f.text(formula), text
    return text


def _operands(formula: ast.BinOp) -> tuple[list[ast.operator | None], list[Formula]]:
    """The terms of a sum or the factors of a product, and the operator before each."""
    sums = (ast.Add, ast.Sub)
    operators: list[ast.operator | None] = [formula.op]
    operands = [formula.right]
    left = formula.left
    while isinstance(left, ast.BinOp) and isinstance(left.op, sums) == isinstance(formula.op, sums):
        operators.insert(0, left.op)
        operands.insert(0, left.right)
        left = left.left
    return [None, *operators], [left, *operands]


def _operand(operator: ast.operator | None, operand: Formula, indent: int) -> str:
    """One of them behind its operator; a sum in brackets, and a product behind a stroke."""
    signs: dict[type, str] = {ast.Add: "+ ", ast.Sub: "- ", ast.Mult: "* ", ast.Div: "/ "}
    sign = "" if operator is None else signs[type(operator)]
    text = f.text(operand)
    plain = f.joins(operand, ast.Mult, ast.Div) and not isinstance(operator, (ast.Mult, ast.Div))
    fits = len(text) + indent + 4 <= WIDTH - 8
    if isinstance(operand, ast.BinOp) and fits and not plain:
        return f"{sign}({text})"
    return sign + (text if fits else _broken(operand, indent))
