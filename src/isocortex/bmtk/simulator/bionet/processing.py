"""Functions of a script that make cells ready: what each asks for, as the package has it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from isocortex.bmtk.simulator.bionet.default_setters import cell_models
from isocortex.cells.axon import HARMLESS, PROCESSINGS
from isocortex.circuit import NodePopulation, Simulation, Text
from isocortex.circuit.columns import coded
from isocortex.errors import IsocortexError, ModelError
from isocortex.sonata.told import Ends
from isocortex.text import read_json

Processor = Callable[..., Any]
COLUMN = "model_processing"
INSTEAD = (
    "Use aibs_perisomatic or aibs_allactive, or a function that calls only those of "
    "default_setters.cell_models; change channels by `conditions.modifications` or "
    "`isocortex.changes`."
)


def processed(simulation: Simulation, registered: Mapping[str, Processor]) -> Simulation:
    """The simulation with what functions of a script ask for in place of their names.

    Each is asked for every node that names it, and may replace the axon, or leave it, and set the
    parameters of the node's file.

    Raises
    ------
    ModelError : a function that asks for more.
    """
    if not registered:
        return simulation
    nodes = {
        name: _population(simulation, population, registered)
        for name, population in simulation.circuit.nodes.items()
    }
    return replace(simulation, circuit=replace(simulation.circuit, nodes=nodes))


def _population(
    simulation: Simulation, nodes: NodePopulation, registered: Mapping[str, Processor]
) -> NodePopulation:
    column = nodes.columns.get(COLUMN)
    if column is None:
        return nodes
    codes, values = coded(column)
    chains = [[part.strip() for part in str(value).split(",")] for value in values]
    ours = [bool(set(chain) & registered.keys()) for chain in chains]
    if not any(ours):
        return nodes

    @cache
    def parameters(file: str) -> Any:
        return read_json(simulation.circuit.find("biophysical_neuron_models_dir", file))

    every = Ends(nodes, np.arange(len(codes)))
    asked: list[str | None] = []
    for row, code in enumerate(codes.tolist()):
        if code < 0 or not ours[code]:
            asked.append(None if code < 0 else str(values[code]))
            continue
        cell = every.told(row)
        if str(cell.get("model_template")).split(":")[0] != "ctdb":
            raise _refused(nodes, chains[code], registered, "only ctdb:Biophys1.hoc has them here")
        file = cell.get("dynamics_params")
        known = None if file is None else parameters(file)
        asked.append(_asked(nodes, chains[code], registered, cell, known))
    return replace(nodes, columns={**nodes.columns, COLUMN: Text.of(asked)})


def _asked(
    nodes: NodePopulation,
    chain: list[str],
    registered: Mapping[str, Processor],
    cell: Any,
    parameters: Any,
) -> str | None:
    """The ``model_processing`` that functions come to one by one; None keeps the axon."""
    body, before = cell_models.Body(), copy.deepcopy(parameters)
    for name in chain:
        if name in HARMLESS and name not in registered:
            continue
        function = registered.get(name) or (
            getattr(cell_models, name) if name in PROCESSINGS else None
        )
        if function is None:
            raise _refused(nodes, chain, registered, f"there is no {name!r}")
        try:
            function(body, cell, parameters)
            if body.absent:
                raise body.absent
        except Exception as error:
            why = repr(error)
            if isinstance(error, IsocortexError):
                why = str(IsocortexError(error.message, field=error.field))
            raise _refused(nodes, chain, registered, why) from error
    if body.parameters is None or body.parameters is not parameters or parameters != before:
        why = "it does not set the parameters of the file, or not after it replaces the axon"
        raise _refused(nodes, chain, registered, why)
    return body.processing


def _refused(
    nodes: NodePopulation, chain: list[str], registered: Mapping[str, Processor], why: str
) -> ModelError:
    name = next(part for part in chain if part in registered)
    return ModelError(
        f"{name!r} is a Python function for objects of NEURON, and there are none: {why}",
        file=nodes.file, field=COLUMN, fix=INSTEAD,
    )  # fmt: skip
