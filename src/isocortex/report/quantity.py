"""What can be recorded: voltage, calcium, channel states, conductances, currents, synapses.

Names are NEURON's, as BMTK's ``variable_name`` uses them:

=====================  =========  ============================================================
``v``                  mV         membrane potential
``cai``                mM         internal calcium
``<state>_<channel>``  1          a state, e.g. ``m_NaTs``, ``z_SK``, ``O_NaV``
``g_<channel>``        S/cm2      a channel's conductance
``i<ion>_<channel>``   mA/cm2     a channel's current, e.g. ``ina_NaTs``, ``ihcn_Ih``
``ina``, ``ik``        mA/cm2     total current of an ion (also ``ica``)
``g_exc``, ``i_exc``   uS, nA     total conductance and current of a compartment's excitatory
                                  synapses: those that reverse above ``EXCITES_ABOVE``
``g_inh``, ``i_inh``   uS, nA     the same of all others
``g_syn``, ``i_syn``   uS, nA     the same of both
=====================  =========  ============================================================

As in NEURON, currents and conductances are those the step was computed with: at the voltage before
it. Currents are negative inwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cells.compiled import CompiledCell
from isocortex.engine.interface import CAO, REST_CAI, REST_ECA, Variable, nernst_factor
from isocortex.errors import ConfigError
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.density import Current
from isocortex.mechanisms.synapses import Kinetics

#: What sums over synapses are named after, and whether the synapses in them excite.
SYNAPSES = {"exc": (True,), "inh": (False,), "syn": (True, False)}


@dataclass(frozen=True)
class Quantity:
    """A named quantity: which channels it sums, or which single variable it is.

    Attributes
    ----------
    currents : (channel, current) of those that it sums, or whose conductance it is.
    adds_up : it is one of a whole compartment, not of its area, so that cells have a sum of it.
    """

    name: str
    units: str
    variable: Variable | None = None
    currents: tuple[tuple[str, Current], ...] = ()
    is_current: bool = False

    @property
    def adds_up(self) -> bool:
        return self.variable is not None and self.variable.mechanism == "synapse"

    def currents_at(self, model: CompiledCell, node: int) -> list[tuple[str, Current]]:
        """Those of the quantity's currents that this compartment has."""
        return [(c, current) for c, current in self.currents if _has(model, c, node)]

    def probes_at(self, model: CompiledCell, node: int) -> list[Variable]:
        """Engine variables needed at one compartment; empty if the quantity is not there."""
        if self.variable is not None:
            owner = self.variable.mechanism
            there = owner in ("", "synapse") or _has(model, owner, node)
            if self.name == "cai":
                there = _has_pool(model, node)
            return [self.variable] if there else []
        probes: dict[tuple[str, str], Variable] = {}
        calcium = False
        for channel, current in self.currents_at(model, node):
            mechanism = DENSITY[channel]
            used = {*mechanism.arguments(current.whole or current.conductance), current.reversal}
            calcium = calcium or bool(used & {"cai", "eca"})
            probes |= {(s, channel): Variable(s, channel, at_start=True)
                       for s in mechanism.states if s in used}  # fmt: skip
            probes["v", ""] = Variable("v", at_start=True)
        if calcium and _has_pool(model, node):
            probes["cai", ""] = Variable("cai", at_start=True)
        return list(probes.values())

    def evaluate(
        self, model: CompiledCell, node: int, values: FloatArray, celsius: float
    ) -> FloatArray:
        """float64[samples] from the samples of ``probes_at``, float64[samples, n_probes]."""
        if self.variable is not None:
            return values[:, 0]
        names = [(p.mechanism, p.name) for p in self.probes_at(model, node)]
        known = {name: values[:, k] for k, name in enumerate(names)}
        v = known["", "v"]
        total = np.zeros(len(values))
        for channel, current in self.currents_at(model, node):
            mechanism = DENSITY[channel]
            value = partial(_value, model, channel, node, known, celsius)
            function = current.whole or current.conductance
            with np.errstate(all="ignore"):  # of where both sides are computed
                i = getattr(mechanism, function)(*map(value, mechanism.arguments(function)))
            if self.is_current and not current.whole:
                i = i * (v - value(current.reversal))
            total += i
        return total


def _has(model: CompiledCell, mechanism: str, node: int) -> bool:
    return mechanism in model.mechanisms and node in model.mechanisms[mechanism].nodes


def _makes_eca(model: CompiledCell, node: int) -> bool:
    return any(_has(model, name, node) for name in model.mechanisms if DENSITY[name].makes_eca())


def _has_pool(model: CompiledCell, node: int) -> bool:
    return any(_has(model, name, node) for name in model.mechanisms if DENSITY[name].is_pool())


def _parameter(model: CompiledCell, channel: str, name: str, node: int) -> float:
    table = model.mechanisms[channel]
    if name not in table.parameters:
        return DENSITY[channel].parameters[name].default
    return float(table.parameters[name][np.searchsorted(table.nodes, node)])


def _value(
    model: CompiledCell,
    channel: str,
    node: int,
    known: dict[tuple[str, str], FloatArray],
    celsius: float,
    name: str,
) -> FloatArray | float:
    """What an argument of a channel's functions is there; ``known`` are samples of probes."""
    mechanism = DENSITY[channel]
    if name in mechanism.states:
        return known[channel, name]
    if name in mechanism.parameters:
        return _parameter(model, channel, name, node)
    if name == "q10":
        return mechanism.temperature.at(celsius)
    calcium = known.get(("", "cai"))
    if name == "v":
        return known["", "v"]
    if name == "celsius":
        return celsius
    if name == "cai":
        return REST_CAI if calcium is None else calcium
    if name == "eca":
        if not _makes_eca(model, node):
            return REST_ECA
        return nernst_factor(celsius) * np.log(CAO / (REST_CAI if calcium is None else calcium))
    return float(getattr(model, name)[node])


def quantity(name: str, kinetics: list[Kinetics]) -> Quantity:
    """Look a name up.

    Raises
    ------
    ConfigError : the name is not a quantity; it lists the forms there are.
    """
    fixed = {
        "v": Quantity("v", "mV", Variable("v")),
        "cai": Quantity("cai", "mM", Variable("cai")),
        "ica": _ion_current("ca"),
        "ina": _ion_current("na"),
        "ik": _ion_current("k"),
    }
    if name in fixed:
        return fixed[name]
    what, _, channel = name.partition("_")
    if what in ("g", "i") and channel in SYNAPSES:
        kinds = tuple(k for k, one in enumerate(kinetics) if one.excites in SYNAPSES[channel])
        units = "uS" if what == "g" else "nA"
        return Quantity(name, units, Variable(what, "synapse", kinds, at_start=True))
    mechanism = DENSITY.get(channel)
    if mechanism is not None:
        currents = {current.name: (channel, current) for current in mechanism.currents}
        conducts = len(currents) == 1 and not mechanism.currents[0].whole
        if what in mechanism.states and what != "cai":
            return Quantity(name, "1", Variable(what, channel))
        if what == "g" and conducts:
            return Quantity(name, "S/cm2", currents=tuple(currents.values()))
        if what in currents:
            return Quantity(name, "mA/cm2", currents=(currents[what],), is_current=True)
        names = [*mechanism.states, *(["g"] if conducts else []), *currents]
        raise ConfigError(
            f"{name!r} cannot be recorded", field="variable_name",
            fix=f"Of {channel} there are {', '.join(f'{n}_{channel}' for n in names)}.",
        )  # fmt: skip
    raise ConfigError(
        f"{name!r} cannot be recorded",
        field="variable_name",
        fix=f"Use v, cai, ina, ik, ica, {', '.join(f'g_{of}, i_{of}' for of in SYNAPSES)}, or "
        f"<state>_<channel>, g_<channel>, i<ion>_<channel> with a channel of {', '.join(DENSITY)}.",
    )


def _ion_current(ion: str) -> Quantity:
    currents = tuple(
        (name, current) for name, mechanism in DENSITY.items()
        for current in mechanism.currents if current.ion == ion
    )  # fmt: skip
    return Quantity(f"i{ion}", "mA/cm2", currents=currents, is_current=True)
