"""Isocortex: the mouse cortex, and SONATA circuits of Allen neurons with NEURON's results.

>>> import isocortex as ic
>>> result = ic.run("simulation_config.json")  # doctest: +SKIP
>>> result.spikes, result.report("membrane_potential")  # doctest: +SKIP
>>> ic.step(ic.cell("485836906"), amp=0.2).spikes  # doctest: +SKIP
"""

from importlib.metadata import version

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
from isocortex.simulate import run
from isocortex.sonata.config import load_circuit, load_simulation
from isocortex.viewer import view

__version__ = version("isocortex")

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
    "library_cells",
    "load_circuit",
    "load_simulation",
    "open_session",
    "run",
    "step",
    "view",
]
