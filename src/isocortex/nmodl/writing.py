"""A translated mod file as a Python file that reads as those of the package."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from isocortex.mechanisms.density import SURROUNDINGS
from isocortex.nmodl import formulas as f
from isocortex.nmodl.code import Q10, WIDTH, Code, body_text, free, plain
from isocortex.nmodl.synapse import PointProcess
from isocortex.nmodl.translate import Current, Mechanism

#: Units of mod files under the names that ours have.
UNITS = {"mho/cm2": "S/cm2", "siemens/cm2": "S/cm2", "micron": "um", "milli/liter": "mM"}


def python_file(made: Mechanism | PointProcess) -> str:
    """The text of the file."""
    return (_Density(made) if isinstance(made, Mechanism) else _Synapse(made)).file()


def _harmless(text: str) -> str:
    """Words of a mod file for a text of a Python file, which they must not end."""
    return " ".join(text.replace('"', "'").replace("\\", "/").split())


def _head(name: str, arguments: Sequence[str]) -> str:
    """The first lines of a function of a class."""
    head = f"def {name}({', '.join(arguments)}):"
    if len(head) <= WIDTH - 4:
        return head
    inner = textwrap.fill(", ".join(arguments), WIDTH - 12)
    return f"def {name}(\n{textwrap.indent(inner, '        ')}\n):"


class _Writer:
    """What files of mechanisms and of synapses have in common."""

    def __init__(self, made: Mechanism | PointProcess) -> None:
        self.notes, self.module, self.declared = made.notes, made.module, made.declared

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
        file = _harmless(declared.source.path.name)
        lines = [f"{declared.name}: translated from {file} (NMODL)."]
        told = [each[0].upper() + each[1:] + "." for each in self.notes]
        if told:
            lines += ["", *textwrap.wrap(" ".join(told), WIDTH)]
        return "\n".join(lines) + ("\n" if len(lines) > 1 else "")

    def _imports(self, text: str) -> str:
        def used(*words: str) -> str:
            return ", ".join(w for w in words if re.search(rf"\b{w}\(|\({w}\)", text))

        names = used("Density", "Temperature", "current", "gate", "kinetic_state", "parameter")
        lines = [f"from isocortex.mechanisms.density import {names}"] if names else []
        if used("solved"):
            lines.append("from isocortex.mechanisms.linear import solved")
        maths = used("absolute", "exp", "log", "where")
        if maths:
            lines.append(f"from isocortex.mechanisms.maths import {maths}")
        if used("Synapse"):
            also = ", held" * bool(used("held"))
            lasting = "FOREVER, " * ("FOREVER" in text)
            names = f"{lasting}Exponentials, Synapse{also}"
            lines.append(f"from isocortex.mechanisms.point import {names}")
        return "\n".join(lines)

    def _constants(self, text: str) -> str:
        fixed = self.module.fixed
        used = [name for name in fixed if re.search(rf"\b{re.escape(plain(name))}\b", text)]
        lines = []
        for name in used:
            unit = self._unit(name)
            comment = f"  # {unit}" if unit != "1" else ""
            lines.append(f"{plain(name)} = {fixed[name]!r}{comment}")
        return "\n".join(lines)

    def _helpers(self, text: str) -> list[str]:
        """Functions of the file that are used, each after those that it calls."""
        found: list[str] = []

        def visit(name: str) -> None:
            helper = self.module.helpers[name]
            for each in helper.code.formulas:
                for called in f.functions_in(each):
                    if called in self.module.helpers and called != name:
                        visit(called)
            if name not in found:
                found.append(name)

        for name in self.module.helpers:
            if re.search(rf"\b{plain(name)}\(", text):
                visit(name)
        return found

    def _helper(self, name: str) -> str:
        helper = self.module.helpers[name]
        arguments = [*helper.arguments, *helper.besides]
        shown = ", ".join(plain(each) for each in arguments)
        body = body_text(helper.code, self.module.own)
        return f"def {plain(name)}({shown}):\n" + textwrap.indent(body, "    ")

    def _unit(self, name: str) -> str:
        declared = self.declared
        unit = declared.units.get(name)
        if unit is None and name in declared.assigned:
            given = declared.assigned[name].unit
            unit = given and given.get_node_name()
        return _harmless(UNITS.get(unit or "1", unit or "1"))

    def _parameters(self) -> list[str]:
        return [f'{plain(name)} = parameter({value!r}, "{self._unit(name)}")'
                for name, value in self.module.ordered.items()]  # fmt: skip

    def _whole(self, base: str, declared: list[str], functions: str) -> str:
        """The class, with what it declares before its functions."""
        name = self.declared.name
        title = _harmless(self.declared.title.rstrip("."))
        lines = [f"class {name}({base}):", f'    """{title or name + ", of NMODL"}."""', ""]
        lines += ["    " + line for line in declared]
        return "\n".join(lines) + "\n\n" + textwrap.indent(functions, "    ")

    def _class(self) -> str:
        raise NotImplementedError


class _Density(_Writer):
    def __init__(self, made: Mechanism) -> None:
        super().__init__(made)
        self.made = made

    def _class(self) -> str:
        functions = "\n\n".join(self._functions())
        return self._whole("Density", self._declared(functions), functions)

    def _declared(self, functions: str) -> list[str]:
        made, lines = self.made, []
        one = self._only(made.currents)
        if one is not None and one.ion is not None:
            lines.append(f'ion = "{one.ion}"')
        if one is not None and one.reversal != f"e{one.ion}":
            lines.append(f'reversal = "{one.reversal}"')
        if made.implicit:
            lines.append("implicit_euler = True")
        if self.declared.read & {"cai", "cao"} and not re.search(r"\bcai\b", functions):
            lines.append("reads_calcium = True")
        if self.module.temperature and re.search(r"\bq10\b", functions):
            factor, reference = self.module.temperature
            lines.append(f"temperature = Temperature({factor!r}, {reference!r})")
        if one is None:
            for each in made.currents:
                said = [f'"{each.ion}"'] if each.ion else []
                if each.reversal and each.reversal != f"e{each.ion}":
                    said.append(f'reversal="{each.reversal}"')
                lines.append(f"{each.name} = current({', '.join(said)})")
        lines += self._parameters()
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
            found.append(self._function("advance", made.advance, as_tuple=True))
        return found

    def _start(self, start: Code) -> str:
        """States at the first voltage; given by equations, they are solved with NumPy."""
        if not self.made.start_solves:
            return self._function("steady_state", start, as_tuple=True)
        text = self._function("steady_state", start, as_tuple=True, without=self.made.states)
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
        self, name: str, code: Code, comment: str = "", *, as_tuple: bool = False,
        without: Sequence[str] = (),
    ) -> str:  # fmt: skip
        body = body_text(code, self.module.own, self.made.states, as_tuple=as_tuple)
        given = free(code, self.module.fixed) - set(without)
        around = [each for each in SURROUNDINGS if each not in ("v", "q10")]
        order = ["v", *self.made.states, *around, *self.module.ordered, Q10]
        arguments = [plain(each) for each in dict.fromkeys(order) if each in given]
        head = _head(name, arguments)
        if comment and "\n" not in head:
            head += f"  # {comment}"
        return head + "\n" + textwrap.indent(body, "    ")


class _Synapse(_Writer):
    def __init__(self, made: PointProcess) -> None:
        super().__init__(made)
        self.made = made

    def _class(self) -> str:
        made = self.made
        codes = {
            "conductances": made.code, "begin": made.begin, "step": made.step, "spike": made.spike,
            "later": made.later, "again": made.again,
        }  # fmt: skip
        functions = [self._function(name, code) for name, code in codes.items() if code is not None]
        declared = self._parameters()
        if made.held:
            names = map(plain, made.held)
            declared.append(f"{', '.join(names)} = {', '.join(['held()'] * len(made.held))}")
        if tuple(made.reports) != ("g", "i"):
            declared.append(f"reports = {tuple(made.reports)!r}")
        if made.g_is_state:
            declared.append("g_is_state = True")
        return self._whole("Synapse", declared, "\n\n".join(functions))

    def _function(self, name: str, code: Code) -> str:
        given = free(code, self.module.fixed)
        order = ("v", "t", "dt", *self.made.held, *self.module.ordered)
        arguments = [plain(each) for each in order if each in given]
        as_tuple = name in ("conductances", "begin", "step")
        body = body_text(code, self.module.own, self.made.held, as_tuple=as_tuple)
        return _head(name, arguments) + "\n" + textwrap.indent(body, "    ")
