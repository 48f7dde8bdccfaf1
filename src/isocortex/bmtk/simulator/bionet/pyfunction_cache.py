"""Functions of a script, by the name that the files of a circuit call them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from isocortex.circuit import Simulation
from isocortex.circuit.columns import coded
from isocortex.errors import ModelError

Function = Callable[..., Any]
Functions = dict[str, Function]


@dataclass(frozen=True)
class PyModules:
    """What was registered, by name.

    Functions for weights are asked for every edge, those for spikes for every virtual node, and
    those that make cells ready for every node (:mod:`.processing`). The others make objects of
    NEURON, of which there are none here: a circuit that calls one is refused.
    """

    synaptic_weights: Functions = field(default_factory=dict)
    synapse_models: Functions = field(default_factory=dict)
    cell_models: Functions = field(default_factory=dict)
    cell_processors: Functions = field(default_factory=dict)
    spikes_generators: Functions = field(default_factory=dict)

    def clear(self) -> None:
        for functions in vars(self).values():
            functions.clear()

    def require_applicable(self, simulation: Simulation) -> None:
        """Refuse a circuit that calls a function for objects of NEURON.

        Raises
        ------
        ModelError : it names the function, and what there is in its place.
        """
        for nodes in simulation.circuit.nodes.values():
            column = "model_template"
            values = coded(nodes.columns[column])[1] if column in nodes.columns else []
            called = {str(value) for value in values}
            called |= {name.split(":")[0] for name in called}
            _refuse(called & self.cell_models.keys(), column,
                    "Use ctdb:Biophys1.hoc or a NeuroML template.", nodes.file)  # fmt: skip
        for edges in simulation.circuit.edges:
            called = {str(rule.model_template) for rule in edges.rules}
            _refuse(called & self.synapse_models.keys(), "model_template",
                    "Use the package's exp2syn or expsyn under their own names.",
                    f"edges {edges.name}")  # fmt: skip


def _refuse(called: set[str], column: str, instead: str, where: Any) -> None:
    if called:
        raise ModelError(
            f"{sorted(called)[0]!r} is a Python function for objects of NEURON, and there are none",
            file=where, field=column, fix=instead,
        )  # fmt: skip


py_modules = PyModules()


def _registering(functions: Functions) -> Callable[..., Any]:
    """A decorator, used as ``@it`` or as ``@it(name="...")``, that registers a function."""

    def decorator(
        function: Function | str | None = None,
        *,
        name: str | None = None,
        directive: str | None = None,
        **_: Any,
    ) -> Any:
        if callable(function):
            functions[function.__name__] = function
            return function

        def register(inner: Function) -> Function:
            functions[directive or name or function or inner.__name__] = inner
            return inner

        return register

    return decorator


def _adding(functions: Functions) -> Callable[..., None]:
    """A call that registers a function, under its own name or another one."""

    def add(
        func: Function, name: str | None = None, model_type: str = "*", overwrite: bool = True,
        directive: str | None = None,
    ) -> None:  # fmt: skip
        name = directive or name or func.__name__
        if overwrite or name not in functions:
            functions[name] = func

    return add


synaptic_weight = _registering(py_modules.synaptic_weights)
synapse_model = _registering(py_modules.synapse_models)
cell_model = _registering(py_modules.cell_models)
model_processing = _registering(py_modules.cell_processors)
spikes_generator = _registering(py_modules.spikes_generators)
add_weight_function = _adding(py_modules.synaptic_weights)
add_synapse_model = _adding(py_modules.synapse_models)
add_cell_model = _adding(py_modules.cell_models)
add_cell_processor = _adding(py_modules.cell_processors)
