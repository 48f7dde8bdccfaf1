"""Changes of a cell's membrane: from a compiled cell to a compiled cell, one table at a time."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cells.compiled import CompiledCell, IntArray, MechanismTable
from isocortex.errors import ConfigError, located
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.density import IONS

#: SWC type codes by the names that sections have in changes.
SECTIONS = {"soma": 1, "axon": 2, "basal": 3, "apical": 4}
#: What is no channel: by NEURON's name the arrays of a cell that its parameters are.
PLAIN = {
    "pas": {"g": "g_pas", "e": "e_pas"},
    "na_ion": {"ena": "ena"},
    "k_ion": {"ek": "ek"},
    "capacitance": {"cm": "cm"},
}
#: Parameters that are never below 0.
NOT_NEGATIVE = ("g", "gbar", "cm")
#: Attributes of sections that have no mechanism in their name.
ATTRIBUTES = {"ena": "na_ion", "ek": "k_ion", "cm": "capacitance"}
OPERATIONS: dict[str, Any] = {
    "=": lambda old, value: np.full_like(old, value), "*=": operator.mul, "/=": operator.truediv,
    "+=": operator.add, "-=": operator.sub,
}  # fmt: skip
ASSIGNMENT = re.compile(r"\s*%s\.(\w+)\s*([-+*/]?=)\s*([-+.\deE]+)\s*")


@dataclass(frozen=True)
class Assignment:
    """A new value of a parameter: ``=``, or ``*=``, ``/=``, ``+=``, ``-=`` on the one it has."""

    mechanism: str
    parameter: str
    operation: str
    value: float

    def __post_init__(self) -> None:
        """Refuse values and factors that no cell can have.

        Raises
        ------
        ConfigError : of what must not be negative.
        """
        least = "above 0" if self.parameter == "cm" else "0 or more"
        wrong = self.value < 0 or (self.parameter == "cm" and self.value == 0)
        if wrong and self.parameter in NOT_NEGATIVE and self.operation in ("=", "*=", "/="):
            what = "a value" if self.operation == "=" else "a factor"
            raise ConfigError(
                f"{what} of {self.parameter} of {self.mechanism} must be {least}, found "
                f"{self.value:g}", field=self.parameter, fix="Choose another one.",
            )  # fmt: skip

    def of(self, old: FloatArray) -> FloatArray:
        """The new values.

        Raises
        ------
        ConfigError : one that cannot be.
        """
        new = OPERATIONS[self.operation](old, np.float64(self.value))
        if self.parameter in NOT_NEGATIVE and (new < 0).any():
            raise ConfigError(
                f"{self.parameter} of {self.mechanism} cannot be negative: {self.operation} "
                f"{self.value:g} makes {old[np.argmin(new)]:g} {new.min():g}",
                field=self.parameter, fix="Choose another value.",
            )  # fmt: skip
        return new


@dataclass(frozen=True)
class MembraneChange:
    """What is assigned where.

    Attributes
    ----------
    section : name of a kind of section, None for all.
    together : only in compartments that have everything that is assigned.
    """

    assignments: tuple[Assignment, ...]
    section: str | None = None
    together: bool = False

    def __post_init__(self) -> None:
        if self.section is not None and self.section not in SECTIONS:
            raise ConfigError(
                f"unknown section {self.section!r}", field="section",
                fix="Use soma, axon, basal or apical, or leave it out for all.",
            )  # fmt: skip

    def check(self) -> None:
        """Refuse mechanisms and parameters that no cell can have.

        Raises
        ------
        ConfigError : with the names that there are.
        """
        for each in self.assignments:
            _known(each)

    def of(self, cell: CompiledCell) -> tuple[CompiledCell, dict[str, int]]:
        """The changed cell, and how many compartments were touched by mechanism.

        It is the same object where there were none.
        """
        places = [(a, name, self._nodes(cell, a, name)) for a in self.assignments
                  for name in _mechanisms(a, cell)]  # fmt: skip
        if self.together:
            there = [
                np.unique(np.concatenate([nodes for each, _, nodes in places if each is a]
                                         or [np.zeros(0, np.int32)]))
                for a in self.assignments
            ]  # fmt: skip
            common = set.intersection(*(set(nodes.tolist()) for nodes in there))
            places = [(a, name, nodes[np.isin(nodes, list(common))]) for a, name, nodes in places]
        touched: dict[str, int] = {}
        for assignment, name, nodes in places:
            if len(nodes):
                cell = _assigned(cell, assignment, name, nodes)
                touched[name] = max(touched.get(name, 0), len(nodes))
        return cell, touched

    def _nodes(self, cell: CompiledCell, assignment: Assignment, name: str) -> IntArray:
        """The compartments with a mechanism in the sections that were asked for."""
        if name in PLAIN:
            there = cell.area > 0
            reversal = assignment.parameter
            if name.endswith("_ion"):  # only where a channel is driven by it
                carriers = [
                    m
                    for m in cell.mechanisms
                    if any(c.reversal == reversal for c in DENSITY[m].currents)
                ]
                carried = np.zeros(cell.n_nodes, bool)
                for mechanism in carriers:
                    carried[cell.mechanisms[mechanism].nodes] = True
                there = there & carried
            nodes = np.flatnonzero(there).astype(np.int32)
        else:
            nodes = cell.mechanisms[name].nodes
        if self.section is None:
            return nodes
        return nodes[cell.section_type[nodes] == SECTIONS[self.section]]


def parse(text: str) -> MembraneChange:
    """What ``section_configure`` of the SONATA extension asks for.

    Raises
    ------
    ConfigError : anything but assignments of numbers to attributes of ``%s``.
    """
    assignments = []
    for part in filter(str.strip, text.split(";")):
        found = ASSIGNMENT.fullmatch(part)
        try:
            value = float(found[3]) if found else None
        except ValueError:
            value = None
        if found is None or value is None or (found[2] == "/=" and value == 0.0):
            raise ConfigError(
                f"not an assignment: {part.strip()!r}", field="section_configure",
                fix='Write "%s.gbar_NaTs = 0; %s.e_pas *= 0.9".',
            )  # fmt: skip
        parameter, _, mechanism = found[1].partition("_")
        if found[1] in ATTRIBUTES:
            parameter, mechanism = found[1], ATTRIBUTES[found[1]]
        with located(None, "section_configure"):
            assignments.append(Assignment(mechanism, parameter, found[2], value))
    if not assignments:
        raise ConfigError(
            "holds no assignment", field="section_configure", fix='Write "%s.gbar_NaTs = 0".'
        )
    change = MembraneChange(tuple(assignments), together=True)
    return change


def _known(assignment: Assignment) -> None:
    name, parameter = assignment.mechanism, assignment.parameter
    if name in PLAIN:
        there = list(PLAIN[name])
    elif name in IONS:
        there = sorted({p for m in DENSITY.values() if name in m.ions() for p in m.parameters})
    elif name in DENSITY:
        there = list(DENSITY[name].parameters)
    else:
        raise ConfigError(
            f"unknown mechanism {name!r}", field="mechanisms",
            fix=f"Use {', '.join([*PLAIN, *IONS, *DENSITY])}.",
        )  # fmt: skip
    if parameter not in there:
        raise ConfigError(
            f"{name} has no parameter {parameter!r}", field="mechanisms",
            fix=f"It has {', '.join(there)}.",
        )  # fmt: skip


def _mechanisms(assignment: Assignment, cell: CompiledCell) -> list[str]:
    """The mechanisms of a cell that an assignment is about."""
    name = assignment.mechanism
    if name in PLAIN:
        return [name]
    if name not in IONS:
        return [name] if name in cell.mechanisms else []
    return [
        m for m in cell.mechanisms
        if name in DENSITY[m].ions() and assignment.parameter in DENSITY[m].parameters
    ]  # fmt: skip


def _assigned(
    cell: CompiledCell, assignment: Assignment, name: str, nodes: IntArray
) -> CompiledCell:
    """The cell with new values of one parameter in some compartments."""
    if name in PLAIN:
        column = PLAIN[name][assignment.parameter]
        values = getattr(cell, column).copy()
        values[nodes] = assignment.of(values[nodes])
        if column == "cm" and (values[nodes] <= 0).any():
            raise ConfigError("cm must be more than 0", field="cm", fix="Choose another value.")
        changed: dict[str, Any] = {column: values}
        return replace(cell, **changed)
    table = cell.mechanisms[name]
    default = DENSITY[name].parameters[assignment.parameter].default
    old = table.parameters.get(assignment.parameter)
    values = np.full(len(table.nodes), default) if old is None else old.copy()
    mine = np.isin(table.nodes, nodes)
    values[mine] = assignment.of(values[mine])
    fresh = MechanismTable(table.nodes, {**table.parameters, assignment.parameter: values})
    return replace(cell, mechanisms={**cell.mechanisms, name: fresh})
