"""Other models for some cells of a circuit: what a change makes of its nodes and projections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.cells.library import description_of
from isocortex.circuit.changes import ModelChange
from isocortex.circuit.circuit import Circuit
from isocortex.circuit.columns import Column, Text, coded, overridden, take, value_at
from isocortex.circuit.nodes import LIBRARY_PREFIX, MODEL_COLUMNS, NodePopulation
from isocortex.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from isocortex.circuit.force import Chosen


def with_models(circuit: Circuit, change: ModelChange, chosen: Chosen) -> tuple[Circuit, Chosen]:
    """The circuit with another model of some nodes, and the nodes of which it is another.

    Connections, weights and delays stay. A synapse that has no place of its own finds one on the
    new model, by the same rule and the same random number.

    Raises
    ------
    ConfigError : there is no such model or type, or synapses have places on branches
        that the new model has not.
    """
    nodes, changed = dict(circuit.nodes), []
    projections = list(circuit.projections)
    for name, rows in chosen:
        before = nodes[name]
        rows = rows[before.biophysical[rows]]
        if not len(rows):
            continue
        model = _model_of(change, before)
        other = {k: _differs(before.columns.get(k), rows, model.get(k)) for k in MODEL_COLUMNS}
        mine = np.any(list(other.values()), axis=0)
        if not mine.any():
            continue
        nodes[name] = now = _replaced(before, rows[mine], model)
        changed.append((name, rows[mine]))
        # branches are those that there were where reconstruction and axon are
        own_branches = model.get("morphology") is None
        elsewhere = rows[mine & (other["morphology"] | other["model_processing"] | own_branches)]
        if len(elsewhere):
            _require_no_gaps(circuit, name, elsewhere)
            projections = [
                p.with_models(now, elsewhere) if p.target == name else p for p in projections
            ]
    return replace(circuit, nodes=nodes, projections=projections), changed


def _model_of(change: ModelChange, nodes: NodePopulation) -> Mapping[str, Any]:
    """What the change says of ``MODEL_COLUMNS``; what is not there is none."""
    if change.model is not None:
        cell = change.model.removeprefix(LIBRARY_PREFIX)
        try:
            description_of(cell)
        except ModelError as error:
            raise ConfigError(error.message, field="model", fix=error.fix) from error
        return {"model_template": f"{LIBRARY_PREFIX}{cell}"}
    known = np.asarray(nodes.types.get("node_type_id", ()), np.int64)
    at = np.flatnonzero(known == change.node_type)
    if not len(at):
        raise ConfigError(
            f"{nodes.name} has no node type {change.node_type}", field="node_type",
            fix=f"It has {', '.join(map(str, known.tolist()))}." if len(known)
            else "Name a model of the library.",
        )  # fmt: skip
    found = {k: value_at(column, int(at[0])) for k, column in nodes.types.items()}
    if found.get("model_type") != "biophysical":
        raise ConfigError(
            f"node type {change.node_type} of {nodes.name} is {found.get('model_type')!r}",
            field="node_type", fix="Choose one that is biophysical.",
        )  # fmt: skip
    return found


def _replaced(nodes: NodePopulation, rows: IntArray, model: Mapping[str, Any]) -> NodePopulation:
    """Nodes with another model in some rows."""
    n, columns = len(nodes.node_ids), dict(nodes.columns)
    for name in MODEL_COLUMNS:
        value = model.get(name)
        if name not in columns and value is None:
            continue
        new = Text.named(np.zeros(len(rows), np.int64), [value])
        old = columns.get(name, Text(np.full(n, -1, np.int32), ()))
        columns[name] = overridden(old, rows, new, n)
    return replace(nodes, columns=columns)


def _differs(column: Column | None, rows: IntArray, value: Any) -> NDArray[np.bool_]:
    """bool[rows], where a column has another value."""
    if column is None:
        return np.full(len(rows), value is not None)
    codes, values = coded(take(column, rows))
    return np.array([*(each != value for each in values), value is not None], bool)[codes]


def _require_no_gaps(circuit: Circuit, population: str, rows: IntArray) -> None:
    """Refuse other branches where gap junctions are.

    Raises
    ------
    ConfigError : some of the nodes have one.
    """
    for gaps in circuit.gaps:
        for name, index in ((gaps.source, gaps.source_index), (gaps.target, gaps.target_index)):
            if name == population and np.isin(index, rows).any():
                raise ConfigError(
                    f"some of these cells have gap junctions ({gaps.name}), which sit on their "
                    "branches", field="node_set", fix="Choose cells without any.",
                )  # fmt: skip
