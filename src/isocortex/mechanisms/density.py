"""What an ion channel is: parameters, gates, a conductance. Channels are subclasses, one a file.

The names of a function's arguments are its wiring. They may be the mechanism's own states and
parameters, or

===========  =====================================================================
``v``        membrane potential, mV
``q10``      the mechanism's temperature factor, from its ``temperature``
``celsius``  temperature, degC
``dt``       time step, ms
``cai``      internal calcium concentration, mM
``ica``      total calcium current density, mA/cm2
``ena``      (``ek``, ``eca``) reversal potential, mV
===========  =====================================================================

Functions are plain scalar Python on :mod:`isocortex.mechanisms.maths`, so one definition serves
reading, plotting, the NumPy reference engine and the compiled SIMD kernels.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

from isocortex.elementary import exp, log

#: Ions that there are.
IONS = ("na", "k", "ca")
#: Names every mechanism function may ask for, besides its own states and parameters.
SURROUNDINGS = ("v", "q10", "celsius", "dt", "cai", "ica", "ena", "ek", "eca")


@cache
def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Argument names in order; layouts ask for them ten thousand times."""
    return tuple(inspect.signature(function).parameters)


@dataclass(frozen=True)
class Parameter:
    """A number that may differ between compartments."""

    default: float
    unit: str


@dataclass(frozen=True)
class Temperature:
    """Rates were measured at ``reference`` degC and scale by ``factor`` per 10 degrees."""

    factor: float
    reference: float

    def at(self, celsius: float) -> float:
        return float(exp(log(self.factor) * (celsius - self.reference) / 10.0))


@dataclass(frozen=True)
class State:
    """A dimensionless state variable. A gate's rates are given by ``<name>_rates``."""

    is_gate: bool


def parameter(default: float, unit: str) -> Any:
    """Declare a parameter."""
    return Parameter(default, unit)


def gate() -> Any:
    """Declare a gate x' = (inf - x) / tau, advanced exactly over a step at fixed voltage.

    Its ``<name>_rates`` function returns (inf, tau in ms).
    """
    return State(is_gate=True)


@dataclass(frozen=True)
class Current:
    """A current through the membrane, mA/cm2, negative inwards.

    It is (v - reversal) times its conductance, S/cm2, or what its ``whole`` says where it has no
    reversal potential.

    Attributes
    ----------
    name : NEURON's, as ``ina``.
    ion : "na", "k" or "ca"; None for a nonspecific current.
    reversal : name of the potential that it is driven by, "" where there is none.
    conductance, slope, whole : names of the mechanism's functions, "" where there are none.
    """

    name: str
    ion: str | None
    reversal: str
    conductance: str = ""
    slope: str = ""
    whole: str = ""


def current(ion: str | None = None, *, reversal: str = "") -> Any:
    """Declare one of several currents, or one that is no conductance times (v - reversal).

    ``<name>_conductance`` returns its conductance, driven by the ion's reversal potential or the
    one named; or ``<name>_current`` returns the current itself.
    """
    return Current("", ion, reversal or f"e{ion}")


def kinetic_state() -> Any:
    """Declare a state that the mechanism's own ``advance`` and ``steady_state`` handle."""
    return State(is_gate=False)


class Density:
    """Base of all distributed mechanisms; collects what the class body declares."""

    ion: ClassVar[str | None] = None  #: "na", "k", "ca", or None for a nonspecific current
    #: all its currents; of a mechanism with a ``conductance`` it is that one
    currents: ClassVar[tuple[Current, ...]] = ()
    reversal: ClassVar[str] = ""  #: name of the reversal potential the current is driven by
    temperature: ClassVar[Temperature] = Temperature(1.0, 0.0)
    #: ``advance`` is an implicit Euler step; two make a step of second order (STAGE below)
    implicit_euler: ClassVar[bool] = False
    #: its mod file reads a concentration of calcium, in a formula or not
    reads_calcium: ClassVar[bool] = False
    parameters: ClassVar[dict[str, Parameter]] = {}
    states: ClassVar[dict[str, State]] = {}
    functions: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init_subclass__(cls) -> None:
        body = dict(vars(cls))
        cls.parameters = {k: p for k, p in body.items() if isinstance(p, Parameter)}
        cls.states = {k: s for k, s in body.items() if isinstance(s, State)}
        cls.functions = {k: f for k, f in body.items() if inspect.isfunction(f)}
        for name, function in cls.functions.items():
            setattr(cls, name, staticmethod(function))
        if cls.ion is not None and not cls.reversal:
            cls.reversal = f"e{cls.ion}"
        cls.currents = tuple(
            _with_functions(replace(c, name=k), f"{k}_", cls.functions)
            for k, c in body.items() if isinstance(c, Current)
        ) or _only_current(cls)  # fmt: skip
        known = {*SURROUNDINGS, *cls.parameters, *cls.states}
        for name in cls.functions:
            unknown = [a for a in cls.arguments(name) if a not in known]
            if unknown:
                raise TypeError(
                    f"{cls.__name__}.{name} asks for {unknown[0]!r}; "
                    f"known names are {', '.join(sorted(known))}"
                )

    @classmethod
    def arguments(cls, function: str) -> list[str]:
        """The argument names of one of the mechanism's functions, in order."""
        return list(_arguments(cls.functions[function]))

    @classmethod
    def has(cls, function: str) -> bool:
        """Whether the mechanism defines this function."""
        return function in cls.functions

    @classmethod
    def names_currents(cls) -> bool:
        """Whether it declares its currents, and functions have their names."""
        return any(isinstance(value, Current) for value in vars(cls).values())

    @classmethod
    def ions(cls) -> set[str]:
        """The ions that carry its currents."""
        return {current.ion for current in cls.currents if current.ion is not None}

    @classmethod
    def makes_eca(cls) -> bool:
        """Whether eca follows from concentrations of calcium where it is inserted, as in NEURON."""
        asked = {a for function in cls.functions for a in cls.arguments(function)}
        return cls.reads_calcium or cls.is_pool() or "cai" in asked

    @classmethod
    def goes_by_temperature(cls) -> bool:
        """Whether its rates do."""
        asked = {a for function in cls.functions for a in cls.arguments(function)}
        return "celsius" in asked or cls.temperature.factor != 1.0

    @classmethod
    def is_pool(cls) -> bool:
        """Whether it is what calcium inside follows from."""
        return "cai" in cls.states


def _with_functions(
    current: Current, prefix: str, functions: dict[str, Callable[..., Any]]
) -> Current:
    """A current with the names of those of its functions that there are."""
    named = {
        "conductance": f"{prefix}conductance", "slope": f"{prefix}conductance_slope",
        "whole": f"{prefix}current",
    }  # fmt: skip
    found: dict[str, Any] = {key: name for key, name in named.items() if name in functions}
    return replace(current, **found, **({"reversal": ""} if "whole" in found else {}))


def _only_current(mechanism: type[Density]) -> tuple[Current, ...]:
    """The current of a mechanism that names its ion or reversal potential itself."""
    if not mechanism.has("conductance"):
        return ()
    name = f"i{mechanism.reversal.removeprefix('e')}"  # NEURON's: of eh, ih
    only = Current(name, mechanism.ion, mechanism.reversal)
    return (_with_functions(only, "", mechanism.functions),)


#: Of the two-stage method of second order that damps fast rates (Alexander 1977, doi:10.1137/
#: 0714068): both stages are implicit Euler steps of length STAGE dt, the second one from
#: x + EXTRAPOLATION (x1 - x), where x1 is the first one's result.
STAGE = 1.0 - math.sqrt(0.5)
EXTRAPOLATION = 1.0 + math.sqrt(2.0)
