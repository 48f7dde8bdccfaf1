"""What a mechanism must be before it is compiled, said in its own terms, not a compiler's."""

from __future__ import annotations

import builtins
import dis
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from isocortex.errors import ModelError
from isocortex.mechanisms.density import SURROUNDINGS, Density

IONS = (None, "na", "k", "ca")
OPERATORS = tuple("+-*/")
MATHS = "exp, log, absolute, where, exprelr of isocortex.mechanisms.maths"
#: Values a mechanism's functions are tried with, in two compartments.
TRIED = {
    "v": (-65.3, -20.1), "q10": (1.7, 1.7), "dt": (0.1, 0.1), "cai": (1e-4, 2e-4),
    "ica": (-1e-4, 0.0), "ena": (53.0, 53.0), "ek": (-107.0, -107.0), "eca": (130.0, 130.0),
}  # fmt: skip


def check(mechanism: type[Density]) -> None:
    """Refuse a mechanism that the engines could not run.

    Raises
    ------
    ModelError : the field is the function, state or attribute at fault.
    """
    _check_names(mechanism)
    _check_functions(mechanism)
    for name, function in mechanism.functions.items():
        if name != "steady_state":  # called in NumPy, never compiled
            _check_text(name, function)
        _try(mechanism, name)


def _check_names(mechanism: type[Density]) -> None:
    for name in (*mechanism.parameters, *mechanism.states):
        if name in SURROUNDINGS:
            raise ModelError(
                f"{name!r} has a meaning of its own", field=name, fix="Choose another name."
            )
    if mechanism.ion not in IONS:
        raise ModelError(
            f"unknown ion {mechanism.ion!r}", field="ion",
            fix='Use "na", "k" or "ca", or leave it out and name a reversal.',
        )  # fmt: skip
    known = ("ena", "ek", "eca", *mechanism.parameters)
    if mechanism.reversal not in known:
        raise ModelError(
            f"the current has no reversal potential, {mechanism.reversal!r} is none",
            field="reversal", fix=f"Set ion, or reversal to one of {', '.join(known)}.",
        )  # fmt: skip


def _check_functions(mechanism: type[Density]) -> None:
    gates = [name for name, state in mechanism.states.items() if state.is_gate]
    kinetic = [name for name in mechanism.states if name not in gates]
    if gates and kinetic:
        raise ModelError(
            "gates and kinetic states do not go together", field=kinetic[0],
            fix="Make it a gate, or advance the gates too.",
        )  # fmt: skip
    needed = ["conductance", *(f"{gate}_rates" for gate in gates)]
    needed += ["advance", "steady_state"] if kinetic else []
    missing = [name for name in needed if not mechanism.has(name)]
    if missing:
        raise ModelError("is missing", field=missing[0], fix="Define the function.")
    asks_v = "v" in mechanism.arguments("conductance")
    if asks_v and not mechanism.has("conductance_slope"):
        raise ModelError(
            "is missing, while conductance depends on v", field="conductance_slope",
            fix="Return (conductance at v + 0.001 less that at v) / 0.001.",
        )  # fmt: skip
    unknown = [f for f in mechanism.functions if f not in (*needed, "conductance_slope")]
    if unknown:
        raise ModelError(
            "nothing calls this function", field=unknown[0],
            fix=f"The functions are {', '.join(needed)}; move others out of the class.",
        )  # fmt: skip


def _check_text(name: str, function: Callable[..., Any]) -> None:
    """Refuse what the vectors of a compiled kernel do not have."""
    names = function.__globals__
    for instruction in dis.get_instructions(function):
        if instruction.opname == "BINARY_OP":
            operator = instruction.argrepr.removesuffix("=")
            if operator not in OPERATORS:
                raise ModelError(
                    f"{operator!r} cannot be compiled", field=name,
                    fix="Write powers as products, or as exp(y * log(x)).",
                )  # fmt: skip
        elif instruction.opname == "LOAD_GLOBAL":
            used = instruction.argval
            value = names.get(used)
            if isinstance(value, FunctionType) and value.__module__ == function.__module__:
                _check_text(name, value)
            elif isinstance(value, ModuleType) or (
                used not in names and hasattr(builtins, used) and used != "range"
            ):
                raise ModelError(
                    f"{used!r} cannot be compiled", field=name, fix=f"There are {MATHS}."
                )


def _try(mechanism: type[Density], name: str) -> None:
    """Call the function as the reference engine does, on two compartments."""
    values = {key: np.array(value) for key, value in TRIED.items()}
    values |= {state: np.array([0.2, 0.4]) for state in mechanism.states}
    values |= {p: np.full(2, float(q.default)) for p, q in mechanism.parameters.items()}
    try:
        with np.errstate(all="ignore"):
            result = getattr(mechanism, name)(*(values[a] for a in mechanism.arguments(name)))
    except Exception as error:
        branches = "truth value" in str(error)
        raise ModelError(
            f"cannot be called ({type(error).__name__}: {error})", field=name,
            fix="Write where(condition, a, b) in place of if, and, or." if branches else "Mend it.",
        ) from error  # fmt: skip
    parts, numbers = 1, "a number"
    if name.endswith("_rates"):
        parts, numbers = 2, "steady state and time constant (ms)"
    elif name in ("advance", "steady_state"):
        parts, numbers = len(mechanism.states), f"all of {', '.join(mechanism.states)}, as a tuple"
    got = result if isinstance(result, tuple) else (result,)
    one_by_one = name in ("advance", "steady_state") and not isinstance(result, tuple)
    if len(got) != parts or one_by_one:
        raise ModelError(f"returns {len(got)} value(s)", field=name, fix=f"Return {numbers}.")
    if not all(np.isfinite(part).all() for part in got):
        raise ModelError(
            f"is not finite at v = {TRIED['v'][0]} and {TRIED['v'][1]} mV and the parameters' "
            "defaults", field=name, fix="Mend the formula or the defaults.",
        )  # fmt: skip
