"""Who sends spikes, numbered: biophysical cells, then point neurons, then virtual nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.circuit import Circuit, NodePopulation
from isocortex.circuit.columns import coded, value_at
from isocortex.errors import InputError, ModelError

BIOPHYSICAL, POINT, VIRTUAL = 0, 1, 2
MODEL_KINDS = {
    "biophysical": BIOPHYSICAL,
    "point_neuron": POINT,
    "point_process": POINT,
    "virtual": VIRTUAL,
}


@dataclass(frozen=True)
class Sources:
    """The numbers of all sources.

    Attributes (populations in the circuit's order)
    ----------
    number : per population, int64[rows], the source that each node is.
    kind : per population, int8[rows], ``BIOPHYSICAL``, ``POINT`` or ``VIRTUAL``.
    population : int64[n], index of the population of each source.
    node_id : int64[n], its id there.
    n_cells, n_points, n_virtual : of each kind; sources are numbered in this order.
    """

    number: dict[str, IntArray]
    kind: dict[str, NDArray[np.int8]]
    population: IntArray
    node_id: IntArray
    n_cells: int
    n_points: int
    n_virtual: int


def number_sources(circuit: Circuit) -> Sources:
    """Number the nodes of a circuit by kind, then in order of populations and rows.

    Raises
    ------
    InputError, ModelError : a node has no model type, or one that does not exist here.
    """
    populations = list(circuit.nodes.values())
    kind = {p.name: _kinds_of(p) for p in populations}
    kinds = np.concatenate([kind[p.name] for p in populations] or [np.zeros(0, np.int8)])
    order = np.argsort(kinds, kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    ends = np.cumsum([len(p.node_ids) for p in populations])
    names = [p.name for p in populations]
    labels = np.repeat(np.arange(len(populations)), [len(p.node_ids) for p in populations])
    ids = np.concatenate([np.zeros(0, np.int64), *(p.node_ids for p in populations)])
    counts = np.bincount(kinds, minlength=3)
    return Sources(
        number=dict(zip(names, np.split(number, ends[:-1]), strict=True)),
        kind=kind,
        population=labels[order],
        node_id=ids[order],
        n_cells=int(counts[BIOPHYSICAL]),
        n_points=int(counts[POINT]),
        n_virtual=int(counts[VIRTUAL]),
    )


def _kinds_of(population: NodePopulation) -> NDArray[np.int8]:
    column = population.columns.get("model_type")
    if column is None:
        raise InputError(
            "no node has a model_type", file=population.file, field=population.name,
            fix=f"Add the column model_type ({', '.join(MODEL_KINDS)}) to the node types.",
        )  # fmt: skip
    codes, values = coded(column)
    number = np.array([*(MODEL_KINDS.get(value, -1) for value in values), -1], np.int8)
    kinds = number[codes]
    unknown = np.flatnonzero(kinds < 0)
    if len(unknown):
        value = value_at(column, int(unknown[0]))
        raise ModelError(
            f"model_type {value!r} is not supported", file=population.file,
            field=f"nodes/{population.name}", fix=f"Use one of {', '.join(MODEL_KINDS)}.",
        )  # fmt: skip
    return kinds
