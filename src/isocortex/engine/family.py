"""Generate the kernel of a channel family: all cells whose compartments carry the same sets.

A *region* is a set of compartments with the same mechanisms. Models that have the same list of
regions (for instance all Allen perisomatic models of one channel set) share one kernel, however
their trees differ. The generated file only names each region's channels one after the other; what
a channel does is its own Python functions, compiled as they stand. Files live in the cache folder,
named by a hash of everything that went into them, and Numba keeps the machine code beside them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
from numba.core.errors import NumbaError

from isocortex.compiling import cache_folder, fingerprint
from isocortex.engine.interface import CAO, REST_CAI
from isocortex.errors import ModelError
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.density import EXTRAPOLATION, STAGE, Current

#: The mechanisms of each region, in DENSITY order.
Family = tuple[tuple[str, ...], ...]

#: What each target does in a window of steps, around the cable and the channels that all share.
WINDOWS = {
    "simd": "window.py.txt", "cuda single": "window_cuda.py.txt",
    "cuda double": "window_cuda.py.txt",
}  # fmt: skip
#: A GPU's words in each of its precisions, as its window names them.
WORDS = {"cuda single": "single as bound, jit", "cuda double": "double as bound, jit_double as jit"}


def region_states(region: tuple[str, ...], second_order: bool) -> list[tuple[str, str]]:
    """(mechanism, state) of every state row a compartment of this region has, in order.

    Regions with a pool of calcium also keep the step's calcium current, as its state "ica", and for
    the second order its conductance, "gca", to take the current to the middle of the step.
    """
    rows = [(name, state) for name in region for state in DENSITY[name].states]
    pool = DENSITY.pool(region)
    if pool is not None:
        rows.append((pool, "ica"))
        if second_order:
            rows.append((pool, "gca"))
    return rows


def region_parameters(region: tuple[str, ...]) -> list[tuple[str, str]]:
    """(mechanism, parameter) of every number a compartment of this region has, in order.

    After the mechanisms' own come their temperature factors and what the region itself needs:
    the compartment's area (as uS per S/cm2), reversal potentials, and the temperature if asked for.
    """
    rows = [(name, p) for name in region for p in DENSITY[name].parameters]
    rows += [(name, "q10") for name in region]
    rows += [("", "area"), ("", "ena"), ("", "ek")]
    if any("celsius" in DENSITY[n].arguments(f) for n in region for f in DENSITY[n].functions):
        rows.append(("", "celsius"))
    return rows


def _call(name: str, function: str, dt: str = "dt", v: str = "v") -> str:
    """The call of a mechanism's function with its arguments wired to the kernel's variables."""
    mechanism = DENSITY[name]

    def wire(argument: str) -> str:
        if argument in mechanism.states:
            return _state_variable(name, argument)
        if argument in mechanism.parameters or argument == "q10":
            return f"{name}_{argument}"
        return {"dt": dt, "v": v}.get(argument, argument)

    arguments = ", ".join(wire(a) for a in mechanism.arguments(function))
    return f"{name}_{function}({arguments})"


def _state_variable(name: str, state: str) -> str:
    """Calcium is shared by the region's channels; all other states are a mechanism's own."""
    return state if DENSITY[name].is_pool() else f"{name}_{state}"


def _load_lines(
    region: tuple[str, ...],
    functions: list[tuple[str, str]],
    also: set[str],
    second_order: bool,
) -> list[str]:
    """Load the states and parameters that these functions of the region's mechanisms use.

    ``also`` names values without an owner (calcium, area, reversal potentials) needed besides.
    """
    wanted = {(name, a) for name, f in functions for a in DENSITY[name].arguments(f)}
    shared = {a for _, a in wanted} | also
    if "eca" in shared and DENSITY.pool(region) is not None:
        shared.add("cai")
    lines = []
    for k, (name, state) in enumerate(region_states(region, second_order)):
        if (name, state) in wanted or (DENSITY[name].is_pool() and state in shared):
            lines.append(f"{_state_variable(name, state)} = load(S, s + {k} * lanes)")
    for k, (name, parameter) in enumerate(region_parameters(region)):
        if (name, parameter) in wanted:
            lines.append(f"{name}_{parameter} = element(P, p + {k})")
        elif parameter in shared and (name == "" or parameter in _reversals(name)):
            lines.append(f"{_reversal_variable(name, parameter)} = element(P, p + {k})")
    if "cai" in shared and DENSITY.pool(region) is None:
        lines.append("cai = broadcast(REST_CAI, v)")
    if "eca" in shared:
        lines.append(_eca_line(region))
    return lines


def _eca_line(region: tuple[str, ...]) -> str:
    """The reversal potential of calcium, which is given where no mechanism reads concentrations."""
    if DENSITY.pool(region) is not None:
        return "eca = nernst * log(CAO / cai)"
    if DENSITY.makes_eca(region):
        return f"eca = broadcast(nernst * {math.log(CAO / REST_CAI)!r}, v)"
    return "eca = broadcast(REST_ECA, v)"


def _reversals(name: str) -> list[str]:
    """Names of the reversal potentials of a mechanism's currents."""
    return [current.reversal for current in DENSITY[name].currents if current.reversal]


def _reversal_variable(name: str, reversal: str) -> str:
    """A reversal potential that is the mechanism's own parameter carries its name."""
    own = name != "" and reversal in DENSITY[name].parameters
    return f"{name}_{reversal}" if own else reversal


def _current_lines(region: tuple[str, ...], second_order: bool) -> list[str]:
    """Sum conductance and inward current of all channels; store the calcium current."""
    channels = [name for name in region if DENSITY[name].currents]
    shell = DENSITY.pool(region) is not None
    reversals = {e for name in channels for e in _reversals(name)}
    functions = [(name, f) for name in channels for c in DENSITY[name].currents
                 for f in (c.conductance, c.slope, c.whole) if f]  # fmt: skip
    lines = _load_lines(region, functions, {"area", *reversals}, second_order)
    lines += ["g_total = v * 0.0", "inward = g_total"]
    if shell:
        lines += ["ica = v * 0.0", "gca = ica"]
    for name in channels:
        for current in DENSITY[name].currents:
            lines += _one_current(name, current, of_pool=shell and current.ion == "ca")
    for row, (name, state) in enumerate(region_states(region, second_order)):
        if state in ("ica", "gca") and DENSITY[name].is_pool():
            lines.append(f"store(S, s + {row} * lanes, {state})")
    return [
        *lines,
        "store(D, i * lanes, load(D, i * lanes) + g_total * area)",
        "store(R, i * lanes, load(R, i * lanes) + inward * area)",
    ]


def _one_current(name: str, current: Current, *, of_pool: bool) -> list[str]:
    """Add one current of a channel, and its slope: (I(v + 0.001) - I(v)) / 0.001, as in NEURON."""
    if current.whole:
        moved = _call(name, current.whole, v="(v + 0.001)")
        lines = [
            f"through = {_call(name, current.whole)}", f"g = ({moved} - through) / 0.001",
            "g_total = g_total + g", "inward = inward - through",
        ]  # fmt: skip
        return [*lines, "ica = ica + through", "gca = gca + g"] if of_pool else lines
    e = _reversal_variable(name, current.reversal)
    lines = [f"g = {_call(name, current.conductance)}"]
    if current.slope:  # of I = g (v - e)
        slope = _call(name, current.slope)
        lines.append(f"g_total = g_total + g + (v + 0.001 - {e}) * {slope}")
    else:
        lines.append("g_total = g_total + g")
    lines.append(f"inward = inward - g * (v - {e})")
    return [*lines, f"ica = ica + g * (v - {e})", "gca = gca + g"] if of_pool else lines


def _advance_lines(region: tuple[str, ...], second_order: bool) -> list[str]:
    """Advance every state a full step at the new voltage; calcium first, then what reads it."""
    functions: list[tuple[str, str]] = []
    for name in region:
        if DENSITY[name].has("advance"):
            functions.append((name, "advance"))
        functions += [(name, f"{g}_rates") for g, s in DENSITY[name].states.items() if s.is_gate]
    wanted = {"gca"} if second_order and DENSITY.pool(region) is not None else set()
    lines = _load_lines(region, functions, wanted, second_order)
    if wanted:  # R holds the voltage in the middle of the step
        lines.append("ica = ica + gca * (v - load(R, i * lanes))")
    rows = region_states(region, second_order)
    for name, function in functions:
        if function == "advance":
            updated = [(s, _state_variable(name, s)) for s in DENSITY[name].states]
            lines += _kinetic_lines(name, [v for _, v in updated], second_order)
        else:
            state = function.removesuffix("_rates")
            lines.append(f"inf, tau = {_call(name, function)}")
            lines.append(f"x = load(S, s + {rows.index((name, state))} * lanes)")
            lines.append("x = x + (inf - x) * (1.0 - exp(-dt / broadcast(tau, v)))")
            updated = [(state, "x")]
        for state, variable in updated:
            lines.append(f"store(S, s + {rows.index((name, state))} * lanes, {variable})")
    return lines


def _kinetic_lines(name: str, states: list[str], second_order: bool) -> list[str]:
    """Advance a mechanism by its own ``advance``, twice where that makes it of second order."""
    targets = "".join(f"{state}, " for state in states)
    if not (second_order and DENSITY[name].implicit_euler):
        return [f"({targets}) = {_call(name, 'advance')}"]
    stages = "".join(f"{state}_1, " for state in states)
    stage = _call(name, "advance", dt=f"{STAGE!r} * dt")
    return [
        f"({stages}) = {stage}",
        *(f"{s} = {s} + {EXTRAPOLATION!r} * ({s}_1 - {s})" for s in states),
        f"({targets}) = {stage}",
    ]


def _region_function(
    kind: str, index: int, region: tuple[str, ...], lines: list[str], second_order: bool
) -> str:
    n_states = len(region_states(region, second_order))
    n_parameters = len(region_parameters(region))
    head = f"""
@jit
def {kind}_{index}(V, v0, D, R, S, s0, P, p0, first, last, region_node, lanes, dt, nernst):
    # {", ".join(region)}
    for j in range(first, last):
        i = element(region_node, j)
        s = s0 + (j - first) * {n_states} * lanes
        p = p0 + (j - first) * {n_parameters}
        v = load(V, v0 + i * lanes)
"""
    return head + "".join(f"        {line}\n" for line in lines)


@cache
def family_source(family: Family, second_order: bool, target: str = "simd") -> str:
    """Python source of the family's kernel for a machine: "simd" (CPU), or a GPU in a precision."""
    template = (Path(__file__).parent / WINDOWS[target]).read_text()
    template = template.replace("{precision}", WORDS.get(target, ""))
    return with_channels(template, family, second_order)


def with_channels(template: str, family: Family, second_order: bool) -> str:
    """A kernel's text with the functions of a family's channels, and calls of them, in it."""
    # in place, but where the voltage that the step began with is needed after its middle's
    template = template.replace("{solution}", "(R, 0)" if second_order else "(V, v0)")
    names = sorted({name for region in family for name in region})
    imports = "\n".join(f"from {DENSITY[n].__module__} import {n}" for n in names)
    functions = "\n".join(
        f"{n}_{f} = jit({n}.{f})"
        for n in names
        for f in DENSITY[n].functions
        if f != "steady_state"
    )
    bodies, currents, advances = [], [], []
    arguments = "V, v0, D, R, S, s0 + region_state[m, {r}] * lanes, P, region_parameter[m, {r}]"
    arguments += ", region_ptr[m, {r}], region_ptr[m, {r} + 1], region_node, lanes, dt, nernst"
    for r, region in enumerate(family):
        for kind, make in (("currents", _current_lines), ("advance", _advance_lines)):
            lines = make(region, second_order)
            bodies.append(_region_function(kind, r, region, lines, second_order))
        currents.append(f"currents_{r}({arguments.format(r=r)})")
        advances.append(f"advance_{r}({arguments.format(r=r)})")
    indent = "\n        "
    return (
        template.replace("# {imports}", imports)
        .replace("# {functions}", functions)
        .replace("# {regions}", "\n".join(bodies))
        .replace("# {currents}", indent.join(currents))
        .replace("# {advances}", indent.join(advances))
    )


@cache
def module_of(source: str) -> ModuleType:
    """A generated module, written to the cache folder if it is not there."""
    name = "family_" + hashlib.sha256((fingerprint() + source).encode()).hexdigest()[:16]
    path = cache_folder() / f"{name}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(source)
        draft.replace(path)
    spec = importlib.util.spec_from_file_location(f"isocortex_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@cache
def family_kernel(
    family: Family, second_order: bool, arguments: tuple[numba.types.Type, ...]
) -> int:
    """Address of the family's ``advance_block`` compiled for these argument types."""
    options: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
    compile_ = numba.cfunc(numba.int64(*arguments), cache=True, **options)
    try:
        kernel = compile_(module_of(family_source(family, second_order)).advance_block)
    except NumbaError as error:
        own = sorted({name for region in family for name in region if DENSITY.is_own(name)})
        if not own:
            raise  # a fault of ours
        raise ModelError(
            f"{', '.join(own)} cannot be compiled ({str(error).splitlines()[-1].strip()})",
            fix="Write the formulas as docs/cells.md says.",
        ) from error
    _kept.append(kernel)
    return kernel.address  # type: ignore[return-value]


#: Compiled kernels; their machine code lives as long as they do.
_kept: list[object] = []
