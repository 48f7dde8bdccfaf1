"""A point process as a synapse of ours: conductances that jump at events and decay."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from isocortex.mechanisms.point import Synapse
from isocortex.nmodl import formulas as f
from isocortex.nmodl.code import Code, Lines, free, needed, unfolded
from isocortex.nmodl.declarations import Declared
from isocortex.nmodl.formulas import Formula
from isocortex.nmodl.program import Module, assigned_in
from isocortex.nmodl.solving import gate_of
from isocortex.nmodl.source import kind_of, name_of
from isocortex.nmodl.translate import Currents, Initial, Step, check_words, solves_of, steps

#: The weight of an event, among names of mod files.
WEIGHT = "weight__"


@dataclass
class PointProcess:
    """A mod file of a synapse, translated: ``code`` returns its conductances."""

    module: Module
    code: Code
    notes: Sequence[str] = ()

    @property
    def declared(self) -> Declared:
        return self.module.declared

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        n = len(self.code.results)
        names = ", ".join(self.module.ordered)
        return f"{self.declared.name}: {n} conductance{'s' * (n != 1)}; parameters {names}"


class _Receive(Step):
    """NET_RECEIVE."""

    def __init__(self, step: Step, weight: str) -> None:
        super().__init__(step.initial, step.breakpoint | step.own)
        self.now[weight] = f.name(WEIGHT)


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
    arguments = [name_of(each.name) for each in declared.received.parameters]
    if len(arguments) != 1:
        source.refuse(
            declared.received, "NET_RECEIVE with more than a weight cannot be translated",
            "Plastic synapses are templates (docs/running.md).",
        )  # fmt: skip
    if declared.ions or len(declared.nonspecific) == 0:
        source.refuse(neuron, "a synapse has NONSPECIFIC_CURRENTs alone")
    initial = Initial(module)
    for state, node in declared.states.items():
        if f.value_of(initial.now[state], module.fixed) != 0.0:
            source.refuse(node, f"{state} does not begin at 0")
    block = declared.breakpoint
    step, held = steps(initial)
    for solve in solves_of(declared):
        solved = declared.solved.get(name_of(solve.block_name))
        method = solve.method and name_of(solve.method)
        if solved is None or kind_of(solved) != "DerivativeBlock" or method != "cnexp":
            source.refuse(solve, "only METHOD cnexp can be translated in a synapse")
        for program in (step, held):
            program.advance(solved)
    currents = Currents(held)
    currents.run(block.statement_block)
    received = _Receive(step, arguments[0])
    received.run(declared.received.statement_block)
    changed = assigned_in(declared, declared.received.statement_block) - set(declared.states)
    for name in sorted(changed):
        source.refuse(declared.received, f"an event changes {name}, which is no state")
    lines = list(dict([*step.lines, *currents.lines, *received.lines]).items())
    found = _conductances(declared, step, currents, received)
    inlined = frozenset(currents.inlined | received.inlined)
    code = Code(needed(lines, found), found, inlined)
    used = free(code, module.fixed) - set(module.parameters) - {"v"}
    if used:
        source.refuse(block, f"synapses cannot depend on {', '.join(sorted(used))}")
    check_words(declared, Synapse, module.parameters)
    return PointProcess(module, code)


def _conductances(
    declared: Declared, step: Step, currents: Currents, received: _Receive
) -> list[Formula]:
    """Each current's states with what an event of weight 1 does to it, in pairs of equal jumps."""
    found: list[Formula] = []
    for name in declared.nonspecific:
        if name not in currents.now:
            declared.source.refuse(declared.breakpoint, f"{name} is not assigned in BREAKPOINT")
        for reversal, parts in _parts(declared, currents, name):
            terms = []
            for state, conductance in parts.items():
                tau = _decay(step, state)
                jump = f.multiply(_jump(declared, received, state), conductance)
                terms.append((tau, jump))
            found.append(_pair(declared, name, reversal, terms))
    return found


def _parts(
    declared: Declared, currents: Currents, name: str
) -> list[tuple[Formula, dict[str, Formula]]]:
    """Sums of states that are driven by (v - e), by what e is."""
    states = list(declared.states)
    found: list[tuple[Formula, dict[str, Formula]]] = []
    for summand in _summands(currents.lines, currents.now[name]):
        for state in states:
            summand = unfolded(currents.lines, summand, state)
        try:
            rest, of = f.linear(summand, states)
        except f.NotLinear:
            declared.source.refuse(declared.breakpoint, f"{name} is not linear in its states")
        if not f.is_zero(rest) or not of:
            declared.source.refuse(declared.breakpoint, f"{name} has a part without a state")
        driven = {state: _driven(declared, currents, name, factor) for state, factor in of.items()}
        reversal, *others = dict.fromkeys(reversal for reversal, _ in driven.values())
        if others:
            declared.source.refuse(
                declared.breakpoint,
                f"{name} is a difference of what {reversal} and {others[0]} drive",
            )
        parts = {state: conductance for state, (_, conductance) in driven.items()}
        found.append((f.name(reversal), parts))
    return found


def _summands(lines: Lines, formula: Formula) -> list[Formula]:
    """The terms of a sum of currents, each written out as far as it is one."""
    of = dict(lines)
    if isinstance(formula, ast.Name) and formula.id in of:
        return _summands(lines, of[formula.id])
    if f.joins(formula, ast.Add):
        return [*_summands(lines, formula.left), *_summands(lines, formula.right)]
    return [formula]


def _driven(
    declared: Declared, currents: Currents, current: str, factor: Formula
) -> tuple[str, Formula]:
    """The name of the reversal potential and the conductance of a factor with (v - e) in it."""
    module = currents.module
    for name in [*module.parameters, *module.fixed]:
        for sign in (factor, f.negative(factor)):
            rest = f.without_factor(sign, f"v - {name}")
            if rest is not None:
                return name, rest if sign is factor else f.negative(rest)
    declared.source.refuse(declared.breakpoint, f"{current} is no conductance times (v - e)")


def _decay(step: Step, state: str) -> Formula:
    """The time constant with which a state goes to 0."""
    source = step.source
    for name, derivative, node in step.derivatives:
        if name == state:
            inf, tau = gate_of(step, state, unfolded(step.lines, derivative, state), node)
            if not f.is_zero(inf):
                source.refuse(node, f"{state} does not decay to 0")
            if "v" in free(step.code([tau]), ()):
                source.refuse(node, f"the time constant of {state} follows the voltage")
            return tau
    source.refuse(step.module.declared.states[state], f"{state} has no equation")


def _jump(declared: Declared, received: _Receive, state: str) -> Formula:
    """What an event of weight 1 adds to a state."""
    new = received.now.get(state, f.name(state))
    for name in (WEIGHT, state):
        new = unfolded(received.lines, new, name)
    try:
        rest, of = f.linear(new, [state, WEIGHT])
    except f.NotLinear:
        rest, of = f.ONE, {}
    if not f.is_zero(rest) or state not in of or not f.is_one(of[state]):
        declared.source.refuse(declared.received, f"an event does more to {state} than add to it")
    return of.get(WEIGHT, f.ZERO)


def _pair(
    declared: Declared, name: str, reversal: Formula, terms: list[tuple[Formula, Formula]]
) -> Formula:
    """One exponential, or one less another that jumps as far: an ``Exponentials``."""
    if len(terms) == 1:
        return f.call("Exponentials", f.ZERO, terms[0][0], reversal, terms[0][1])
    if len(terms) == 2:
        for (rise, down), (decay, up) in (terms, terms[::-1]):
            if f.text(f.negative(down)) == f.text(up) and not f.text(up).startswith("-"):
                return f.call("Exponentials", rise, decay, reversal, up)
    declared.source.refuse(
        declared.breakpoint, f"{name} is neither one exponential nor the difference of two"
    )
