"""A translated mod file as a Python file that reads as those of the package."""

from __future__ import annotations

import ast
import keyword
import re
import textwrap
from collections.abc import Sequence

from isocortex.nmodl import formulas as f
from isocortex.nmodl.formulas import Formula
from isocortex.nmodl.program import Q10, Module
from isocortex.nmodl.translate import Code, Current, Mechanism

WIDTH = 100
#: Words of our files, which names of a mod file must not take.
WORDS = {
    "exp", "log", "where", "absolute", "solved", "equations", "Density", "Temperature", "current", "gate",
    "kinetic_state", "parameter", "range",
}  # fmt: skip
#: What functions may ask for besides states and parameters.
AROUND = ("v", "celsius", "dt", "cai", "ica", "ena", "ek", "eca")
#: Units of mod files under the names that ours have.
UNITS = {"mho/cm2": "S/cm2", "siemens/cm2": "S/cm2", "micron": "um", "milli/liter": "mM"}


def python_file(made: Mechanism) -> str:
    """The text of the file."""
    writer = _Writer(made)
    return writer.file()


class _Writer:
    def __init__(self, made: Mechanism) -> None:
        self.made, self.module, self.declared = made, made.module, made.declared

    def file(self) -> str:
        body = self._class()
        helpers = [self._helper(name) for name in self._helpers(body)]
        text = "\n\n\n".join([*helpers, body])
        constants = self._constants(text)
        head = f'"""{self._about()}"""\n\n{self._imports(text)}\n'
        return head + (f"\n{constants}\n" if constants else "") + f"\n\n{text}\n"

    # --- head -------------------------------------------------------------------------------

    def _about(self) -> str:
        declared = self.declared
        lines = [f"{declared.name}: translated from {declared.source.path.name} (NMODL)."]
        told = [each[0].upper() + each[1:] + "." for each in self.made.notes]
        if told:
            lines += ["", *textwrap.wrap(" ".join(told), WIDTH)]
        return "\n".join(lines) + ("\n" if len(lines) > 1 else "")

    def _imports(self, text: str) -> str:
        def used(*words: str) -> str:
            return ", ".join(w for w in words if re.search(rf"\b{w}\(|\({w}\)", text))

        names = used("Density", "Temperature", "current", "gate", "kinetic_state", "parameter")
        lines = [f"from isocortex.mechanisms.density import {names}"]
        if used("solved"):
            lines.append("from isocortex.mechanisms.linear import solved")
        maths = used("absolute", "exp", "log", "where")
        if maths:
            lines.append(f"from isocortex.mechanisms.maths import {maths}")
        return "\n".join(lines)

    def _constants(self, text: str) -> str:
        fixed = self.module.fixed
        used = [name for name in fixed if re.search(rf"\b{re.escape(_plain(name))}\b", text)]
        lines = []
        for name in used:
            unit = self._unit(name)
            comment = f"  # {unit}" if unit != "1" else ""
            lines.append(f"{_plain(name)} = {fixed[name]!r}{comment}")
        return "\n".join(lines)

    def _helpers(self, text: str) -> list[str]:
        """Functions of the file that are used, each after those that it calls."""
        found: list[str] = []

        def visit(name: str) -> None:
            helper = self.module.helpers[name]
            for each in [*(e for _, e in helper.lines), helper.result]:
                for called in f.functions_in(each):
                    if called in self.module.helpers and called != name:
                        visit(called)
            if name not in found:
                found.append(name)

        for name in self.module.helpers:
            if re.search(rf"\b{name}\(", text):
                visit(name)
        return found

    def _helper(self, name: str) -> str:
        helper = self.module.helpers[name]
        arguments = [*helper.arguments, *helper.besides]
        shown = ", ".join(_plain(each) for each in arguments)
        body = body_text(Code(helper.lines, [helper.result], helper.inlined), self.module, tuple(arguments))
        return f"def {_plain(name)}({shown}):\n" + textwrap.indent(body, "    ")

    # --- class ------------------------------------------------------------------------------

    def _class(self) -> str:
        functions = "\n\n".join(self._functions())
        declared = self.declared
        title = declared.title.rstrip(".").replace('"', "'").replace("\\", "/")
        lines = [f"class {declared.name}(Density):"]
        lines.append(f'    """{title or declared.name + ", of NMODL"}."""')
        lines += ["", *("    " + line for line in self._declared(functions))]
        return "\n".join(lines) + "\n\n" + textwrap.indent(functions, "    ")

    def _declared(self, functions: str) -> list[str]:
        made, lines = self.made, []
        one = self._only(made.currents)
        if one is not None and one.ion is not None:
            lines.append(f'ion = "{one.ion}"')
        if one is not None and one.reversal != f"e{one.ion}":
            lines.append(f'reversal = "{one.reversal}"')
        if made.implicit:
            lines.append("implicit_euler = True")
        if self.module.temperature and re.search(r"\bq10\b", functions):
            factor, reference = self.module.temperature
            lines.append(f"temperature = Temperature({factor!r}, {reference!r})")
        if one is None:
            for each in made.currents:
                said = [f'"{each.ion}"'] if each.ion else []
                if each.reversal and each.reversal != f"e{each.ion}":
                    said.append(f'reversal="{each.reversal}"')
                lines.append(f"{each.name} = current({', '.join(said)})")
        for name, value in self.module.parameters.items():
            lines.append(f'{_plain(name)} = parameter({value!r}, "{self._unit(name)}")')
        if made.states:
            kind = "gate()" if made.rates else "kinetic_state()"
            for k in range(0, len(made.states), 3):
                some = made.states[k : k + 3]
                lines.append(f"{', '.join(some)} = {', '.join([kind] * len(some))}")
        return lines

    def _only(self, currents: list[Current]) -> Current | None:
        """The current of a mechanism that has one alone, and that by the name we give it."""
        if len(currents) != 1 or not currents[0].reversal:
            return None
        one = currents[0]
        return one if one.name == f"i{one.reversal.removeprefix('e')}" else None

    def _functions(self) -> list[str]:
        made = self.made
        found = [self._function(f"{state}_rates", code) for state, code in made.rates.items()]
        one = self._only(made.currents)
        for each in made.currents:
            prefix = "" if one is not None else f"{each.name}_"
            if not each.reversal:
                found.append(self._function(f"{prefix}current", each.code, "mA/cm2"))
                continue
            found.append(self._function(f"{prefix}conductance", each.code, "S/cm2"))
            if each.slope is not None:
                name = f"{prefix}conductance_slope"
                found.append(self._function(name, each.slope, "S/cm2/mV, as NEURON has it"))
        if made.start is not None:
            found.append(self._start(made.start))
        if made.advance is not None:
            found.append(self._function("advance", made.advance, tuple_=True))
        return found

    def _start(self, start: Code) -> str:
        """States at the first voltage; given by equations, they are solved with NumPy."""
        if not self.made.start_solves:
            return self._function("steady_state", start, tuple_=True)
        text = self._function("steady_state", start, tuple_=True, without=self.made.states)
        head, _, equations = text.rpartition("    return ")
        inside = textwrap.indent(f"return {equations}", "    ").lstrip()
        states = textwrap.fill(", ".join(self.made.states), WIDTH - 12)
        if len(states) > WIDTH - 30:
            states = f"\n{textwrap.indent(states, ' ' * 8)}\n    "
        return (
            f"{head}\n    def equations({states}):\n        {inside}\n\n"
            f"    return solved(equations, {len(self.made.states)})"
        )

    def _function(
        self, name: str, code: Code, comment: str = "", *, tuple_: bool = False,
        without: Sequence[str] = (),
    ) -> str:  # fmt: skip
        body = body_text(code, self.module, tuple(self.made.states), tuple_)
        free = _free(code, self.module) - set(without)
        order = [*AROUND[:1], *self.made.states, *AROUND[1:], *self.module.parameters, Q10]
        arguments = [_plain(each) for each in dict.fromkeys(order) if each in free]
        head = f"def {name}({', '.join(arguments)}):"
        if len(head) > WIDTH - 4:
            inner = textwrap.fill(", ".join(arguments), WIDTH - 12)
            head = f"def {name}(\n{textwrap.indent(inner, '        ')}\n):"
        elif comment:
            head += f"  # {comment}"
        return head + "\n" + textwrap.indent(body, "    ")

    def _unit(self, name: str) -> str:
        declared = self.declared
        unit = declared.units.get(name)
        if unit is None and name in declared.assigned:
            given = declared.assigned[name].unit
            unit = given and given.get_node_name()
        return UNITS.get(unit or "1", unit or "1")


def _free(code: Code, module: Module) -> set[str]:
    """Names that a function must be given."""
    made = {name for name, _ in code.lines}
    used = {n for each in [*(e for _, e in code.lines), *code.results] for n in f.names_in(each)}
    return used - made - set(module.fixed)


def _plain(name: str) -> str:
    """A name of a mod file as one of a Python file."""
    if name == Q10:
        return "q10"
    if keyword.iskeyword(name) or name in WORDS or name == "q10":
        return f"{name}_"
    return name


def body_text(
    code: Code, module: Module, reserved: tuple[str, ...] = (), tuple_: bool = False
) -> str:
    """The lines of a function, under names that read as those of the mod file."""
    lines, results = _inlined(code)
    while len(results) == 1 and lines and f.text(results[0]) == lines[-1][0]:
        results = [lines.pop()[1]]
    free = _free(Code(lines, results), module)
    taken = {_plain(n) for n in (*free, *module.fixed, *module.helpers, *reserved)} | WORDS
    taken |= {"q10", "v"}
    by: dict[str, Formula] = {n: f.name(_plain(n)) for n in (*free, *module.fixed)}
    written = []
    for name, each in lines:
        plain = base = _plain(name.split("__")[0])
        if base in module.declared.states:
            plain = base = f"{base}_new"
        k = 2
        while plain in taken:
            plain, k = f"{base}_{k}", k + 1
        taken.add(plain)
        written.append(_laid_out(f"{plain} = ", _call_names(f.replaced(each, by))))
        by[name] = f.name(plain)
    shown = [_call_names(f.replaced(each, by)) for each in results]
    if len(shown) == 1 and not tuple_:
        return "\n".join([*written, _laid_out("return ", shown[0])])
    returned = ", ".join(map(f.text, shown))
    if tuple_:
        returned = f"({returned}{',' * (len(shown) == 1)})"
    if len(returned) > WIDTH - 16:
        parts = "".join(_laid_out("", each, 4) + ",\n" for each in shown)
        returned = f"(\n{textwrap.indent(parts, '    ')})"
    return "\n".join([*written, f"return {returned}"])


def _call_names(formula: Formula) -> Formula:
    for node in ast.walk(formula):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id not in ("exp", "log", "where", "absolute"):
                node.func.id = _plain(node.func.id)
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
    if indent + len(head) + len(text) <= WIDTH - 8:
        return head + text
    if isinstance(formula, ast.Call):
        name, arguments = f.text(formula.func), formula.args
        inner = "".join(_laid_out("", each, indent + 4) + ",\n" for each in arguments)
        return f"{head}{name}(\n{textwrap.indent(inner, '    ')})"
    terms = [_laid_out(sign, each, indent + 4) for sign, each in _terms(formula)]
    return f"{head}(\n{textwrap.indent(chr(10).join(terms), '    ')}\n)"


def _terms(formula: Formula) -> list[tuple[str, Formula]]:
    """The terms of a sum, or the factors of a product, with what stands before each."""
    signs: dict[type, str] = {ast.Add: "+ ", ast.Sub: "- ", ast.Mult: "* ", ast.Div: "/ "}
    if not isinstance(formula, ast.BinOp):
        return [("", formula)]
    alike = (ast.Add, ast.Sub) if isinstance(formula.op, (ast.Add, ast.Sub)) else (
        ast.Mult, ast.Div)  # fmt: skip
    right: list[tuple[str, Formula]] = [(signs[type(formula.op)], formula.right)]
    left = formula.left
    if isinstance(left, ast.BinOp) and isinstance(left.op, alike):
        return [*_terms(left), *right]
    return [("", left), *right]
