"""What scripts ask of NEURON's process: there is none to be set up, reset or ended."""

from __future__ import annotations

from typing import Any

from isocortex.bmtk.simulator.bionet.pyfunction_cache import (
    add_cell_model,
    add_cell_processor,
    add_synapse_model,
    add_weight_function,
    cell_model,
    model_processing,
    py_modules,
    synapse_model,
    synaptic_weight,
)

__all__ = [
    "add_cell_model",
    "add_cell_processor",
    "add_synapse_model",
    "add_weight_function",
    "cell_model",
    "load_neuron_modules",
    "model_processing",
    "py_modules",
    "quit_execution",
    "reset",
    "synapse_model",
    "synaptic_weight",
]


def load_neuron_modules(*_: Any, **__: Any) -> None:
    """Nothing is to be loaded."""


def reset() -> None:
    """Every simulation begins anew by itself."""


def quit_execution() -> None:
    """The script ends where it ends."""
