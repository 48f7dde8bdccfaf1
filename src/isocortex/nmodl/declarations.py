"""What a mod file declares: its name, ions, numbers, states and blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from isocortex.mechanisms.density import IONS
from isocortex.nmodl.source import Node, Source, kind_of, name_of

#: Values of the constants of physics that UNITS may name, in SI units (CODATA 2018), as in NEURON.
PHYSICS = {
    ("faraday", "coulomb"): 96485.33212331001, ("faraday", "kilocoulomb"): 96.48533212331001,
    ("k-mole", "joule/degC"): 8.31446261815324, ("k", "joule/degC"): 1.380649e-23,
    ("e", "coulomb"): 1.602176634e-19, ("pi", "1"): 3.141592653589793,
    ("avogadro", "1"): 6.02214076e23,
}  # fmt: skip
#: Concentrations that stay as NEURON begins with them, mM.
CONCENTRATIONS = {"cao": 2.0}
#: What NEURON gives an ion of another name, mM: here nothing writes one, as no mechanism can.
STILL = 1.0
#: Those from which NEURON has the reversal potential wherever a mechanism reads them; here cells
#: say what it is.
MAKE_REVERSAL = ("nai", "nao", "ki", "ko")
#: Declarations that have no part in what is computed.
IGNORED = {"UnitBlock", "BlockComment", "LineComment", "IndependentBlock", "UnitState", "Model"}
#: Blocks, by what is kept of them.
BLOCKS = {
    "DerivativeBlock": "solved", "KineticBlock": "solved", "LinearBlock": "solved",
    "ProcedureBlock": "procedures", "FunctionBlock": "functions",
}  # fmt: skip


class Ion(NamedTuple):
    """A USEION statement."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass
class Declared:
    """What a mod file declares.

    Attributes
    ----------
    kind : SUFFIX or POINT_PROCESS.
    numbers : PARAMETER, CONSTANT and the constants of UNITS; None where the file gives no value.
    units : of numbers, as written.
    parameters, assigned, states : where each is declared.
    still : concentrations of ions of other names, which are numbers as nothing writes them.
    """

    source: Source
    name: str = ""
    kind: str = ""
    title: str = ""
    ions: list[Ion] = field(default_factory=list)
    nonspecific: list[str] = field(default_factory=list)
    ranges: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    numbers: dict[str, float | None] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Node] = field(default_factory=dict)
    assigned: dict[str, Node] = field(default_factory=dict)
    states: dict[str, Node] = field(default_factory=dict)
    solved: dict[str, Node] = field(default_factory=dict)
    procedures: dict[str, Node] = field(default_factory=dict)
    functions: dict[str, Node] = field(default_factory=dict)
    initial: Node | None = None
    breakpoint: Node | None = None
    received: Node | None = None
    still: set[str] = field(default_factory=set)

    @property
    def read(self) -> set[str]:
        """What it reads of ions."""
        return {name for ion in self.ions for name in ion.reads}

    @property
    def shared(self) -> set[str]:
        """Variables of which there is but one for all synapses."""
        return self.globals | (set(self.parameters) - self.ranges)

    @property
    def written(self) -> dict[str, str]:
        """What it writes of ions, and of which."""
        return {name: ion.name for ion in self.ions for name in ion.writes}


def declarations(source: Source) -> Declared:
    """Read the declarations of a mod file.

    Raises
    ------
    ModelError : with the line of what there is no place for.
    """
    found = Declared(source, title=_title(source.text))
    for block in source.blocks():
        kind = kind_of(block)
        if kind == "NeuronBlock":
            for statement in block.statement_block.statements:
                _neuron(found, statement)
        elif kind == "ParamBlock":
            _parameters(found, block)
        elif kind == "ConstantBlock":
            for each in block.statements:
                constant = each.constant
                found.numbers[name_of(constant.name)] = float(constant.value.eval())
        elif kind == "AssignedBlock":
            for each in block.definitions:
                found.assigned[name_of(each.name)] = each
        elif kind == "StateBlock":
            for each in block.definitions:
                if each.length is not None:
                    source.refuse(each, f"{source.written(each)} is an array")
                found.states[name_of(each.name)] = each
        elif kind in BLOCKS:
            getattr(found, BLOCKS[kind])[name_of(block.name)] = block
        elif kind == "InitialBlock":
            found.initial = block
        elif kind == "BreakpointBlock":
            found.breakpoint = block
        elif kind == "NetReceiveBlock":
            found.received = block
        elif kind == "LocalListStatement":
            found.assigned |= {name_of(each.name): each for each in block.variables}
        elif kind not in IGNORED and kind != "Verbatim":
            # functions of VERBATIM can only be called, and are refused there
            source.refuse(block, f"{_first_word(source, block)} cannot be translated")
    found.numbers |= dict.fromkeys(sorted(found.still), STILL)
    for block in source.blocks("UnitBlock"):
        for each in block.definitions:
            if kind_of(each) == "FactorDef":
                found.numbers[name_of(each.name)] = _factor(source, each)
    return found


def _neuron(found: Declared, statement: Node) -> None:
    kind, source = kind_of(statement), found.source
    if kind == "Suffix":
        found.kind, found.name = name_of(statement.type), name_of(statement.name)
    elif kind == "Useion":
        ion = Ion(
            name_of(statement.name),
            tuple(name_of(each.name) for each in statement.readlist),
            tuple(name_of(each.name) for each in statement.writelist),
        )
        still = {f"{ion.name}i", f"{ion.name}o"}
        if ion.name not in IONS and not ion.writes and still.issuperset(ion.reads):
            found.still |= set(ion.reads)
            return
        if ion.name not in IONS:
            source.refuse(statement, f"there is no ion {ion.name!r}, but {', '.join(IONS)}")
        for name in ion.reads:
            if name in MAKE_REVERSAL:
                source.refuse(
                    statement, f"NEURON computes e{ion.name} from {name} where this is inserted, "
                    "and here cells give it", "Make the concentration a PARAMETER.",
                )  # fmt: skip
        found.ions.append(ion)
    elif kind == "Nonspecific":
        found.nonspecific += [name_of(each.name) for each in statement.currents]
    elif kind == "Range":
        found.ranges |= {name_of(each.name) for each in statement.variables}
    elif kind == "Global":
        found.globals |= {name_of(each.name) for each in statement.variables}
    elif kind not in ("ThreadSafe", *IGNORED, "BbcorePointer", "RandomVarList"):
        source.refuse(statement, f"{_first_word(source, statement)} cannot be translated")


def _parameters(found: Declared, block: Node) -> None:
    for each in block.statements:
        if kind_of(each) in IGNORED:
            continue
        name = name_of(each.name)
        found.parameters[name] = each
        found.numbers[name] = None if each.value is None else float(each.value.eval())
        if each.unit is not None:
            found.units[name] = name_of(each.unit)


def _factor(source: Source, definition: Node) -> float:
    """The value of a constant that UNITS defines."""
    if definition.value is not None:
        return float(definition.value.eval())
    of, unit = (re.sub(r"s$", "", name_of(u)) for u in (definition.unit1, definition.unit2))
    unit = {"coul": "coulomb", "kilocoul": "kilocoulomb", "joule/K": "joule/degC"}.get(unit, unit)
    if (of, unit) not in PHYSICS:
        source.refuse(
            definition, f"the unit {name_of(definition.unit1)!r} is not known here",
            "Give the number: write it as a PARAMETER.",
        )  # fmt: skip
    return PHYSICS[of, unit]


def _first_word(source: Source, node: Node) -> str:
    return source.written(node).split(maxsplit=1)[0].strip("{")


def _title(text: str) -> str:
    """The first line that says something: a TITLE, or a comment."""
    for line in text.splitlines():
        words = re.sub(r"^\s*(TITLE|COMMENT)?[\s:?*=-]*", "", line).strip(" :\t*")
        if words and re.match(r"\s*(TITLE\b|[:?])", line):
            words = re.sub(r"^(Comment|Reference)\s*:\s*", "", words, flags=re.I)
            return re.sub(r"\s+", " ", words)
        if re.match(r"\s*NEURON\b", line):
            return ""
    return ""
