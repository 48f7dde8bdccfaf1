"""What a mechanism must be before it is compiled, said in its own terms, not a compiler's."""

from __future__ import annotations

import builtins
import dis
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from isocortex.errors import ModelError
from isocortex.mechanisms import maths
from isocortex.mechanisms.density import IONS, SURROUNDINGS, Density

OPERATORS = tuple("+-*/")
MATHS = "exp, log, absolute, where, exprelr of isocortex.mechanisms.maths"
#: Instructions of Python that vectors have no meaning for, and what they come from.
OTHERS = {
    "LOAD_ATTR": "an attribute", "LOAD_METHOD": "a method", "BINARY_SUBSCR": "an index",
    "BINARY_SLICE": "a slice", "STORE_SUBSCR": "an index", "BUILD_LIST": "a list",
    "BUILD_MAP": "a dictionary", "BUILD_SET": "a set", "MAKE_FUNCTION": "a function inside",
    "IMPORT_NAME": "an import", "BUILD_STRING": "a text", "FORMAT_VALUE": "a text",
    "RAISE_VARARGS": "an exception", "YIELD_VALUE": "a generator", "STORE_GLOBAL": "a global",
}  # fmt: skip
#: Values a mechanism's functions are tried with, in two compartments.
TRIED = {
    "v": (-65.3, -20.1), "q10": (1.7, 1.7), "celsius": (34.0, 34.0), "dt": (0.1, 0.1),
    "cai": (1e-4, 2e-4),
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
        if name != "steady_state" and isinstance(function, FunctionType):  # that is never compiled
            _check_text(name, function)
        _try(mechanism, name)


def _check_names(mechanism: type[Density]) -> None:
    for name in (*mechanism.parameters, *mechanism.states):
        if name in SURROUNDINGS and not (name == "cai" and mechanism.is_pool()):
            raise ModelError(
                f"{name!r} has a meaning of its own", field=name, fix="Choose another name."
            )
    known = ("ena", "ek", "eca", *mechanism.parameters)
    for current in mechanism.currents:
        place = f"{current.name}." if mechanism.names_currents() else ""
        if current.ion not in (None, *IONS):
            raise ModelError(
                f"unknown ion {current.ion!r}", field=f"{place}ion",
                fix='Use "na", "k" or "ca", or leave it out and name a reversal.',
            )  # fmt: skip
        if current.reversal not in known and not current.whole:
            raise ModelError(
                f"the current has no reversal potential, {current.reversal!r} is none",
                field=f"{place}reversal",
                fix=f"Set ion, or reversal to one of {', '.join(known)}.",
            )  # fmt: skip


def _check_functions(mechanism: type[Density]) -> None:
    gates = [name for name, state in mechanism.states.items() if state.is_gate]
    kinetic = [name for name in mechanism.states if name not in gates]
    if gates and kinetic:
        raise ModelError(
            "gates and kinetic states do not go together", field=kinetic[0],
            fix="Make it a gate, or advance the gates too.",
        )  # fmt: skip
    needed = [f"{gate}_rates" for gate in gates]
    needed += ["advance", "steady_state"] if kinetic else []
    if not mechanism.currents and not mechanism.is_pool():
        needed.append("conductance")
    slopes = []
    for current in mechanism.currents:
        prefix = f"{current.name}_" if mechanism.names_currents() else ""
        function = current.whole or f"{prefix}conductance"
        needed.append(function)
        slopes.append(f"{prefix}conductance_slope")
        asks_v = mechanism.has(function) and "v" in mechanism.arguments(function)
        if asks_v and not current.whole and not current.slope:
            raise ModelError(
                f"is missing, while {function} depends on v", field=slopes[-1],
                fix=f"Return ({function} at v + 0.001 less that at v) / 0.001.",
            )  # fmt: skip
    missing = [name for name in needed if not mechanism.has(name)]
    if missing:
        raise ModelError("is missing", field=missing[0], fix="Define the function.")
    may = (*needed, *slopes, "steady_state")  # where gates do not begin steady
    unknown = [f for f in mechanism.functions if f not in may]
    if unknown:
        raise ModelError(
            "nothing calls this function", field=unknown[0],
            fix=f"The functions are {', '.join(needed)}; move others out of the class.",
        )  # fmt: skip


def _check_text(name: str, function: FunctionType, callers: tuple[FunctionType, ...] = ()) -> None:
    """Refuse what the vectors of a compiled kernel do not have.

    Parameters
    ----------
    name : function of the mechanism, which calls ``function`` through ``callers``.
    """
    if function.__closure__:
        raise ModelError(
            f"{function.__name__!r} uses variables of the function it was made in", field=name,
            fix="Write it by itself, with numbers of the file.",
        )  # fmt: skip
    for instruction in dis.get_instructions(function):
        line = instruction.positions.lineno if instruction.positions else None
        where = f" (line {line})" if line else ""
        if instruction.opname == "BINARY_OP":
            operator = instruction.argrepr.removesuffix("=")
            if operator not in OPERATORS:
                raise ModelError(
                    f"{operator!r} cannot be compiled{where}", field=name,
                    fix="Write powers as products, or as exp(y * log(x)).",
                )  # fmt: skip
        elif instruction.opname in OTHERS:
            raise ModelError(
                f"{OTHERS[instruction.opname]} cannot be compiled{where}", field=name,
                fix=f"There are {', '.join(OPERATORS)}, numbers and {MATHS}.",
            )  # fmt: skip
        elif instruction.opname == "LOAD_GLOBAL":
            used = instruction.argval
            value = function.__globals__.get(used, getattr(builtins, used, range))
            what = _not_compiled(value, function)
            if what is not None:
                raise ModelError(
                    f"{used!r} cannot be compiled{where}: it is {what}", field=name,
                    fix=f"There are numbers, functions of the same file and {MATHS}.",
                )  # fmt: skip
            if _is_own(value, function):
                if value in (function, *callers):
                    raise ModelError(
                        f"{used!r} calls itself{where}", field=name, fix="Write it out."
                    )
                _check_text(name, value, (*callers, function))


def _is_own(value: Any, function: FunctionType) -> bool:
    """Whether it is a function of the same file."""
    return isinstance(value, FunctionType) and value.__module__ == function.__module__


def _not_compiled(value: Any, function: FunctionType) -> str | None:
    """What a global of a function is if kernels have no such thing; names not found are ``_try``'s.

    ``range`` is there for loops over numbers.
    """
    if isinstance(value, (int, float, np.number)) or value is range or _is_own(value, function):
        return None
    if isinstance(value, FunctionType) and getattr(maths, value.__name__, None) is value:
        return None
    if isinstance(value, ModuleType):
        return "a module"
    if callable(value):
        return f"of {getattr(value, '__module__', None) or 'numpy'}"
    return f"no number but of type {type(value).__name__}"


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
