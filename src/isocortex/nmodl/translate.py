"""From a mod file to what our mechanisms are made of: gates, conductances, a start."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from isocortex.mechanisms.density import SURROUNDINGS, Density
from isocortex.nmodl import formulas as f
from isocortex.nmodl.code import Q10, Code, Lines, body_text, free, needed, plain, unfolded
from isocortex.nmodl.declarations import Declared
from isocortex.nmodl.formulas import Formula
from isocortex.nmodl.program import Module, Program, assigned_in, is_solve, statements_in
from isocortex.nmodl.solving import Reactions, gate_of, implicit_step, linear_system
from isocortex.nmodl.source import Node, kind_of, name_of

#: What our files call their functions.
FUNCTIONS = (
    "conductance", "conductance_slope", "advance", "steady_state", "conductances", "begin", "spike",
    "step", "later", "again",
)  # fmt: skip
#: The voltage that was held while states advanced, where a current is computed with what they left.
HELD = "v__held"
UNHELD = {HELD: "v"}
#: How a state was before they advanced.
BEFORE = "__before"
#: A state once its own equation has been solved in this step.
NEXT = "__next"
#: mM, calcium inside before any mechanism says what it is.
CAI = 5e-5
#: mV, by which NEURON moves the voltage to have the slope of a current.
MOVED = 0.001


@dataclass
class Current:
    """A current through the membrane.

    Attributes
    ----------
    reversal : name of the reversal potential; "" where ``code`` is of the whole current, mA/cm2,
        not of a conductance, S/cm2.
    slope : of the conductance, where it depends on the voltage.
    """

    name: str
    ion: str | None
    reversal: str
    code: Code
    slope: Code | None = None


@dataclass
class Mechanism:
    """A mod file, translated.

    Attributes
    ----------
    rates : of every gate, its steady state and time constant.
    advance : of states that are no gates.
    start : of all states, where gates do not begin in their steady states.
    start_solves : ``start`` has what the states are to make 0.
    notes : what differs from NEURON.
    """

    module: Module
    states: list[str]
    currents: list[Current] = field(default_factory=list)
    rates: dict[str, Code] = field(default_factory=dict)
    advance: Code | None = None
    implicit: bool = False
    start: Code | None = None
    start_solves: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def declared(self) -> Declared:
        return self.module.declared

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        parts = [f"{each.name} ({each.ion or 'nonspecific'})" for each in self.currents]
        if "cai" in self.states:
            parts.append("a pool of calcium")
        if self.states:
            kind = "gates" if self.rates else "states"
            parts.append(f"{kind} {', '.join(self.states)}")
        if self.module.parameters:
            parts.append(f"parameters {', '.join(self.module.ordered)}")
        return f"{self.declared.name}: {'; '.join(parts)}"


def density(declared: Declared) -> Mechanism:
    """Translate a density mechanism.

    Raises
    ------
    ModelError : with the line of what cannot be translated.
    """
    return _Translator(declared).mechanism()


def check_words(declared: Declared, base: type, names: Iterable[str]) -> None:
    """Refuse names that would take the place of what a base of ours has.

    Raises
    ------
    ModelError : with the line of the first.
    """
    places = {**declared.assigned, **declared.parameters, **declared.states}
    for name in names:
        taken = hasattr(base, name) or name in FUNCTIONS
        if taken or (name in declared.states and plain(name) != name):
            declared.source.refuse(
                places.get(name, declared.received),  # one of its arguments
                f"{name} has a meaning of its own in a Python file",
                "Give it another name, in fit files too.",
            )  # fmt: skip


def solves_of(declared: Declared) -> list[Node]:
    """The SOLVE statements of BREAKPOINT.

    Raises
    ------
    ModelError : there is one inside a branch.
    """
    block = declared.breakpoint.statement_block  # type: ignore[union-attr]
    for each in statements_in(declared, block):
        if is_solve(each) and each not in block.statements:
            declared.source.refuse(each, "SOLVE in a branch cannot be translated")
    return [each.expression for each in block.statements if is_solve(each)]


class Initial(Program):
    """INITIAL carried out, its systems of equations kept."""

    def __init__(self, module: Module) -> None:
        super().__init__(module, dict.fromkeys(module.declared.states, f.ZERO))
        for state in module.declared.states:
            begin = f"{state}0"
            if begin in (*module.fixed, *module.parameters):
                self.now[state] = f.name(begin)
        if "cai" in module.declared.written:
            self.now["cai"] = f.number(CAI)
        self.solved: Node | None = None  # its SOLVE statement
        self.before: dict[str, Formula] = {}  # what all is where equations are solved
        if module.declared.initial is not None:
            self.run(module.declared.initial.statement_block)

    def solve(self, statement: Node) -> None:
        if self.solved is not None:
            self.refuse(statement, "INITIAL with two SOLVEs cannot be translated")
        self.solved = statement
        self.before = dict(self.now)
        self.now |= {state: f.name(state) for state in self.module.declared.states}

    def assign(self, variable: str, formula: Formula) -> None:
        if self.solved is not None and self._key(variable) in self.module.declared.states:
            self.refuse(None, f"{variable} is assigned after it was solved for")
        super().assign(variable, formula)


class Step(Program):
    """What advances the states: values from INITIAL are there if they are the same at all times.

    Parameters
    ----------
    breakpoint : variables that BREAKPOINT assigns to, or events do.
    driven : of those that only events assign to, whether anything reads them here: told.
    """

    def __init__(
        self, initial: Initial, breakpoint: set[str], driven: dict[str, bool] | None = None
    ) -> None:
        super().__init__(initial.module)
        self.lines = list(initial.lines)
        self.inlined = set(initial.inlined)
        self.initial, self.breakpoint = initial, breakpoint
        self.drives: dict[str, bool] = {} if driven is None else driven
        self.own: set[str] = set()
        self.sequential = True

    def advance(self, block: Node) -> None:
        """Carry out a block that is solved."""
        declared, inside = self.module.declared, block.statement_block
        self.own |= assigned_in(declared, inside) - set(declared.states)
        if kind_of(block) == "KineticBlock":
            Reactions(self).run(inside)
        else:
            self.run(inside)

    def derived(self, state: str, derivative: Formula, statement: Node) -> None:
        if self.sequential:
            self.now[state] = f.name(state + NEXT)

    def unknown(self, variable: str, node: Node | None) -> Formula:
        if variable in self.drives:
            self.drives[variable] = True
            return f.name(variable)
        if variable in self.own | self.breakpoint:
            self.refuse(
                node, f"{variable} is read here as it was left a step before",
                "Assign it before it is read.",
            )  # fmt: skip
        return self.always(variable, node)

    @property
    def driven(self) -> list[str]:
        """Variables that events assign to and that equations or currents read."""
        return [name for name, is_read in self.drives.items() if is_read]

    def always(self, variable: str, node: Node | None) -> Formula:
        """What INITIAL made of a variable, which must be the same at any time."""
        if variable not in self.initial.now:
            return super().unknown(variable, node)
        value, module = self.initial.now[variable], self.module
        used = free(self.initial.code([value]), module.fixed)
        if not used <= {*module.parameters, "celsius", "dt", Q10}:
            self.refuse(
                node, f"{variable} is read here as INITIAL left it, at the first voltage",
                "Assign it before it is read.",
            )  # fmt: skip
        return value


class Held(Step):
    """The same, by the names of how things were when states last advanced."""

    def value(self, variable: str, node: Node | None = None) -> Formula:
        if self._key(variable) not in self.now:
            if variable == "v":
                return f.name(HELD)
            if variable in self.module.declared.states:
                return f.name(variable + BEFORE)
        return super().value(variable, node)


class Currents(Step):
    """BREAKPOINT but for its SOLVE."""

    def __init__(self, held: Held) -> None:
        super().__init__(held.initial, held.breakpoint, held.drives)
        self.lines = list(held.lines)
        self.inlined = set(held.inlined)
        self.held = held

    def unknown(self, variable: str, node: Node | None) -> Formula:
        if variable in self.held.now:
            return self.held.now[variable]
        return super().unknown(variable, node)


def steps(initial: Initial, changed: Collection[str] = ()) -> tuple[Step, Held]:
    """Both programs for what is solved.

    Parameters
    ----------
    changed : variables that events assign to.

    Raises
    ------
    ModelError : BREAKPOINT assigns to a state.
    """
    declared = initial.module.declared
    block: Node = declared.breakpoint
    assigned = assigned_in(declared, block.statement_block)
    for state in sorted(set(declared.states) & assigned):
        declared.source.refuse(block, f"the state {state} is assigned in BREAKPOINT")
    also = [each.statement_block for each in declared.solved.values()]
    elsewhere = assigned.union(*(assigned_in(declared, each) for each in also))
    drives = dict.fromkeys(sorted(set(changed) - elsewhere), False)
    assigned |= set(changed)
    return Step(initial, assigned, drives), Held(initial, assigned, drives)


def advanced(step: Step, method: str) -> dict[str, Formula]:
    """What the equations of states make of each, as the last has left the others."""
    after: dict[str, Formula] = {}
    for state, derivative, node in step.derivatives:
        derivative = unfolded(step.lines, derivative, state)
        if method == "euler" or state not in f.names_in(derivative):  # cnexp does it then too
            rise = f.multiply(f.name("dt"), derivative)
            after[state] = f.add(f.name(state), rise)
            continue
        inf, tau = gate_of(step, state, derivative, node)
        decay = f.call("exp", f.divide(f.negative(f.name("dt")), tau))
        target = step.named("target", inf)
        away = f.subtract(f.name(state), target)
        after[state] = f.add(target, f.multiply(away, decay))
    return after


class _Translator:
    def __init__(self, declared: Declared) -> None:
        self.declared, self.source = declared, declared.source
        self.module = Module(declared)
        self.made = Mechanism(self.module, list(declared.states))
        if declared.breakpoint is None:
            declared.source.refuse(next(declared.source.blocks("NeuronBlock")), "no BREAKPOINT")
        self.breakpoint: Node = declared.breakpoint
        self.solves = solves_of(declared)

    def mechanism(self) -> Mechanism:
        declared = self.declared
        initial = Initial(self.module)
        step, held = steps(initial)
        method = self._method()
        for program in (step, held):
            program.sequential = method == "cnexp"
            for solve in self.solves:
                program.advance(self._solved(solve))
        self._solve(step, initial, method)
        make_pool(self.made, step)
        currents = Currents(held)
        currents.run(self.breakpoint.statement_block)
        self._currents(currents)
        for name in self.module.parameters:
            if plain(name) in SURROUNDINGS:
                node = declared.parameters.get(name) or declared.assigned[name]
                self.source.refuse(
                    node, f"{name} is a parameter here, and a potential or concentration elsewhere",
                    "Give it another name, in fit files too.",
                )  # fmt: skip
        check_words(declared, Density, (*self.module.parameters, *declared.states))
        self._notes()
        return self.made

    # --- states -----------------------------------------------------------------------------

    def _method(self) -> str:
        """How the states are advanced."""
        methods = set()
        for solve in self.solves:
            block = self._solved(solve)
            given = name_of(solve.method) if solve.method is not None else ""
            kind = kind_of(block)
            if kind == "ProcedureBlock":
                given = "procedure"
            elif not given:  # NEURON compiles some of these, and does not advance the states
                self.source.refuse(solve, "SOLVE without METHOD cannot be translated", "Name one.")
            known = ("cnexp", "euler", "derivimplicit", "sparse", "procedure")
            if given not in known or (kind == "KineticBlock") > (given == "sparse"):
                self.source.refuse(solve, f"METHOD {given} cannot be translated")
            methods.add({"derivimplicit": "sparse"}.get(given, given))
        if len(methods) > 1:
            self.source.refuse(self.solves[1], "two methods in one mechanism cannot be translated")
        return methods.pop() if methods else ""

    def _solved(self, solve: Node) -> Node:
        name = name_of(solve.block_name)
        block = self.declared.solved.get(name) or self.declared.procedures.get(name)
        if block is None or kind_of(block) == "LinearBlock":
            self.source.refuse(solve, f"{name} cannot be solved here")
        return block

    def _solve(self, step: Step, initial: Initial, method: str) -> None:
        states, made = self.made.states, self.made
        if not states:
            return
        made.start = start = self._start(initial)
        if method == "procedure":
            new = [step.now.get(state, f.name(state)) for state in states]
            made.advance = step.code(new)
        elif method == "sparse":
            for state in set(states) & set(step.now):
                self.source.refuse(self.solves[0], f"{state} is assigned where it is solved for")
            made.implicit = True
            made.advance = implicit_step(step, states, "dt")
        elif method == "cnexp" and self._gates(step):
            for state, derivative, node in step.derivatives:
                inf, tau = gate_of(step, state, derivative, node)
                made.rates[state] = step.code([inf, tau])
            if self._begin_steady(start):
                made.start = None
        elif method:
            made.advance = self._one_by_one(step, method)
        else:
            self.source.refuse(self.breakpoint, "there are states, and no SOLVE")

    def _gates(self, step: Step) -> bool:
        """Whether every state goes its own way, as gates do."""
        own = {name for name, _, _ in step.derivatives}
        if own != set(self.made.states) or "cai" in own or alias(self.made, step):
            return False
        marks = {*own, *(state + NEXT for state in own)}
        for state, derivative, _ in step.derivatives:
            code = step.code([derivative])
            if state not in free(code, ()) or free(code, ()) & (marks - {state}):
                return False
            if {n for _, each in code.lines for n in f.names_in(each)} & marks:
                return False  # hidden in a line: gate_of looks at the derivative itself
        return True

    def _one_by_one(self, step: Step, method: str) -> Code:
        """States that are advanced one after the other, each as the last has left the others."""
        after = advanced(step, method)
        new = [f.name(s + NEXT) if s in after else step.now.get(s, f.name(s))
               for s in self.made.states]  # fmt: skip
        ordered = in_order([*step.lines, *((s + NEXT, each) for s, each in after.items())])
        return Code(needed(ordered, new), new, frozenset(step.inlined))

    def _start(self, initial: Initial) -> Code:
        """States at the first voltage."""
        solve = initial.solved
        if solve is None:
            return initial.code([initial.now[state] for state in self.made.states])
        name = name_of(solve.block_name)
        block = self.declared.solved.get(name)
        if block is not None and kind_of(block) == "LinearBlock":
            self.made.start_solves = True
            return linear_system(initial, block, self.made.states)
        if block is not None and solve.steadystate is not None:
            known = {k: v for k, v in initial.before.items() if k not in self.made.states}
            program = Program(self.module, known)
            program.lines = list(initial.lines)
            Reactions(program).run(block.statement_block)
            return implicit_step(program, self.made.states, "1e9", initial.before)
        self.source.refuse(solve, f"{name} cannot be solved here")

    def _begin_steady(self, start: Code) -> bool:
        for state, result in zip(self.made.states, start.results, strict=True):
            rates = self.made.rates[state]
            begin = Code(needed(start.lines, [result]), [result], start.inlined)
            steady = Code(needed(rates.lines, rates.results[:1]), rates.results[:1], rates.inlined)
            if body_text(begin, self.module.own) != body_text(steady, self.module.own):
                return False
        return True

    # --- currents ---------------------------------------------------------------------------

    def _currents(self, program: Currents) -> None:
        written = {name: ion for name, ion in self.declared.written.items() if name[0] == "i"}
        names = [*written, *self.declared.nonspecific]
        for name in names:
            formula = program.now.get(name)
            if formula is None:
                self.source.refuse(self.breakpoint, f"{name} is not assigned in BREAKPOINT")
            self.made.currents.append(self._current(program, name, written.get(name), formula))
        if not names and "cai" not in self.made.states:
            self.source.refuse(self.breakpoint, "there is neither a current nor a pool of calcium")

    def _current(self, program: Currents, name: str, ion: str | None, formula: Formula) -> Current:
        of = dict(program.lines)
        whole = formula
        while isinstance(whole, ast.Name) and whole.id in of:
            whole = of[whole.id]
        conductance, reversal = self._driven(whole, of)
        if conductance is None:
            self._check_held(program, [whole])
            code = program.code([whole])
            if HELD in free(code, ()):
                self.made.notes.append(
                    f"the slope of {name} is that of all that follows the voltage; NEURON holds "
                    "what was computed with the states"
                )
            return Current(name, ion, "", code.renamed(UNHELD))
        self._check_held(program, [conductance])
        code = program.code([conductance])
        return Current(name, ion, reversal, code.renamed(UNHELD), _slope(code))

    def _driven(self, whole: Formula, of: dict[str, Formula]) -> tuple[Formula | None, str]:
        """The conductance of a current g (v - e), and the name of e."""
        known = [*self.declared.read, *self.module.parameters, *self.module.fixed]
        for reversal in known:
            factor = f"v - {reversal}"
            drives = [line for line, each in of.items() if f.text(each) == factor]
            for written in (factor, *drives):
                conductance = f.without_factor(whole, written)
                if conductance is not None:
                    if reversal in self.module.fixed:  # a cell's own, as all reversal potentials
                        self.module.parameters[reversal] = self.module.fixed.pop(reversal)
                    return conductance, reversal
        return None, ""

    def _check_held(self, program: Currents, results: list[Formula]) -> None:
        used = free(program.code(results), ())
        for state in self.made.states:
            if state + BEFORE in used:
                self.source.refuse(
                    self.breakpoint, f"a current takes {state} as it was a step before",
                    "Assign what BREAKPOINT uses in BREAKPOINT.",
                )  # fmt: skip

    def _notes(self) -> None:
        if "TABLE" in self.source.text and "FUNCTION_TABLE" not in self.source.text:
            self.made.notes.append(
                "TABLEs are computed, not interpolated (in NEURON: usetable_"
                f"{self.declared.name} = 0)"
            )


def alias(made: Mechanism, step: Program) -> str | None:
    """The state that cai is a copy of."""
    copied = step.now.get("cai")
    if "cai" not in made.declared.written or not isinstance(copied, ast.Name):
        return None
    state = copied.id.removesuffix(NEXT)
    return state if state in made.states and state != "cai" else None


def make_pool(made: Mechanism, step: Program) -> None:
    """Have what a mechanism writes as cai be its state; refuse what else it does to ions."""
    declared, source = made.declared, made.declared.source
    statements = next(source.blocks("NeuronBlock")).statement_block.statements
    useions = [each for each in statements if kind_of(each) == "Useion"]

    def of(name: str) -> Node:
        return next(each for each in useions if name in source.written(each))

    for name in [name for name in declared.written if name[0] != "i"]:
        if name != "cai":
            source.refuse(of(name), f"{name} is the same at all times here")
        if any(other[0] == "i" for other in declared.written):
            source.refuse(of(name), "a mechanism has currents or a concentration")
        state = alias(made, step)
        if state is None and "cai" not in made.states:
            state = _copied_in_breakpoint(made) if "cai" not in step.now else None
            if state is None:
                source.refuse(of(name), "cai must be a state, or a copy of one")
        if state is not None:
            _rename(made, state, "cai")
    for name in declared.read:
        if name[0] == "i" and (name != "ica" or "cai" not in made.states):
            source.refuse(of(name), f"only a pool of calcium can read {name}")


def _copied_in_breakpoint(made: Mechanism) -> str | None:
    source = made.declared.source
    block: Node = made.declared.breakpoint
    written = {source.written(each).replace(" ", "") for each in block.statement_block.statements}
    return next((state for state in made.states if f"cai={state}" in written), None)


def _rename(made: Mechanism, old: str, new: str) -> None:
    by = {old: new, old + NEXT: new + NEXT}
    made.states = [by.get(state, state) for state in made.states]
    made.advance = made.advance and made.advance.renamed(by)
    made.start = made.start and made.start.renamed(by)


def in_order(lines: Lines) -> Lines:
    """Lines so that each comes after those it uses: what a state becomes may be used at once."""
    made = {name for name, _ in lines}
    ordered: Lines = []
    done: set[str] = set()
    waiting = list(lines)
    while waiting:
        ready = [(n, e) for n, e in waiting if not (set(f.names_in(e)) & made) - done]
        assert ready, "lines that need each other"
        ordered += ready
        done |= {n for n, _ in ready}
        waiting = [each for each in waiting if each[0] not in done]
    return ordered


def _slope(code: Code) -> Code | None:
    """NEURON's difference quotient of a conductance that depends on the voltage."""
    moving = {"v"}
    for name, each in code.lines:
        if set(f.names_in(each)) & moving:
            moving.add(name)
    (g,) = code.results
    if not set(f.names_in(g)) & moving:
        held = HELD in free(code, ())
        return Code([], [f.multiply(f.number(0.0), f.name("v"))]) if held else None
    by: dict[str, Formula] = {"v": f.name("v__moved")}
    by |= {name: f.name(f"{name}__moved") for name in moving - {"v"}}
    lines: Lines = [*code.lines, ("v__moved", f.add(f.name("v"), f.number(MOVED)))]
    lines += [(f"{name}__moved", f.replaced(e, by)) for name, e in code.lines if name in moving]
    rise = f.subtract(f.replaced(g, by), g)
    inlined = code.inlined | {f"{name}__moved" for name in code.inlined}
    slope = Code(lines, [f.divide(rise, f.number(MOVED))], frozenset(inlined))
    return slope.renamed(UNHELD)
