"""Isocortex: the mouse cortex, and SONATA circuits of Allen neurons with NEURON's results.

>>> import isocortex as ic
>>> result = ic.run("simulation_config.json")  # doctest: +SKIP
>>> result.spikes, result.report("membrane_potential")  # doctest: +SKIP
>>> ic.step(ic.cell("485836906"), amp=0.2).spikes  # doctest: +SKIP
"""

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isocortex.cells.allen import compile_allen
    from isocortex.cells.compiled import CompiledCell
    from isocortex.cells.library import library_cells
    from isocortex.cells.library import load_cell as cell
    from isocortex.clamp import StepResponse, step
    from isocortex.cortex.build import build_cortex
    from isocortex.cortex.model import CortexModel
    from isocortex.cortex.recipe import Recipe
    from isocortex.errors import IsocortexError
    from isocortex.report.results import Result
    from isocortex.session.session import Session, open_session
    from isocortex.simulate import continue_run, run
    from isocortex.sonata.config import load_circuit, load_simulation
    from isocortex.validation.run import validate
    from isocortex.viewer import view

__version__ = "0.1.0"

__all__ = [
    "CompiledCell",
    "CortexModel",
    "IsocortexError",
    "Recipe",
    "Result",
    "Session",
    "StepResponse",
    "build_cortex",
    "cell",
    "compile_allen",
    "continue_run",
    "library_cells",
    "load_circuit",
    "load_simulation",
    "open_session",
    "run",
    "step",
    "validate",
    "view",
]

#: Where each name comes from. Modules are imported when a name of theirs is asked for: all of them
#: together, with Numba and pandas, take longer than most commands need.
_MODULES = {
    "CompiledCell": "cells.compiled",
    "CortexModel": "cortex.model",
    "IsocortexError": "errors",
    "Recipe": "cortex.recipe",
    "Result": "report.results",
    "Session": "session.session",
    "StepResponse": "clamp",
    "build_cortex": "cortex.build",
    "cell": "cells.library",
    "compile_allen": "cells.allen",
    "continue_run": "simulate",
    "library_cells": "cells.library",
    "load_circuit": "sonata.config",
    "load_simulation": "sonata.config",
    "open_session": "session.session",
    "run": "simulate",
    "step": "clamp",
    "validate": "validation.run",
    "view": "viewer",
}
_OTHER_NAMES = {"cell": "load_cell"}  # inside their modules


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    collects = gc.isenabled()
    gc.disable()  # modules stay: looking for garbage among them takes a fifth of their import
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    finally:
        if collects:
            gc.enable()
    value = globals()[name] = getattr(module, _OTHER_NAMES.get(name, name))
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
