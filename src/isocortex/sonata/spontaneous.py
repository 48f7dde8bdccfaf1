"""Synapses that act at given times, without a spike: BMTK's ``syn_activity``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.circuit import Circuit, EdgePopulation, Input, NodePopulation, Projection, SpikeInput
from isocortex.circuit.stand_ins import sent_by, stand_ins, with_stand_ins
from isocortex.errors import ConfigError
from isocortex.sonata.input_entry import Entry

#: Module and input_type.
SYN_ACTIVITY = "syn_activity"
#: Whose synapses act: those from the first onto the second.
FILTERS = ("precell_filter", "postcell_filter")


def spontaneous(entry: Entry, circuit: Circuit) -> tuple[list[Input], Circuit]:
    """Synapses between simulated cells act at the given times, or never.

    As in BMTK, spikes of simulated cells reach no other: the synapses of the chosen cells get
    their events from stand-ins, and those of the others none. Virtual nodes act as ever.
    """
    entry.only(*FILTERS, "timestamps")
    if entry.values.get("input_type") != SYN_ACTIVITY:
        raise entry.fail(
            "input_type", f"must be {SYN_ACTIVITY}: BMTK reads over one of another", "Mend it."
        )
    entry.not_by_node_set("precell_filter and postcell_filter say")
    times = np.sort(entry.numbers("timestamps"))
    if (times < 0).any():
        raise entry.fail("timestamps", "must not be negative", "Times are ms from the start.")
    before, after = (_chosen(entry, key) for key in FILTERS)
    inputs: list[Input] = []
    nodes: dict[str, NodePopulation] = {}
    projections: list[Projection] = []
    for projection in circuit.projections:
        if circuit.nodes[projection.source].virtual.all():
            projections.append(projection)
            continue
        if not isinstance(projection, EdgePopulation):
            raise ConfigError(
                f"the synapses of {projection.name} follow from a recipe", file=entry.file,
                field=f"inputs.{entry.name}", fix="Write them to files (--materialize).",
            )  # fmt: skip
        projections.append(_from_virtual(projection, circuit))
        source, name = projection.source, f"{projection.source}:{entry.name}"
        rows = np.flatnonzero(before[source] & ~circuit.nodes[source].virtual)
        acting = sent_by(projection, rows, after[projection.target], name)
        if len(acting.weight) == 0:
            continue
        projections.append(acting)
        if name not in nodes:
            nodes[name] = stand_ins(circuit.nodes[source], rows, name)
            who = np.tile(np.arange(len(rows)), len(times))
            inputs.append(SpikeInput(name, who, np.repeat(times, len(rows))))
    if not nodes:
        raise entry.fail(
            FILTERS[0], "no edge leads from such cells onto such", "Choose other filters."
        )
    return inputs, with_stand_ins(circuit, list(nodes.values()), projections)


def _chosen(entry: Entry, key: str) -> dict[str, NDArray[np.bool_]]:
    """bool[n] per population, the nodes that pass a filter."""
    query: Any = entry.values.get(key, {})
    if not isinstance(query, dict):
        raise entry.fail(key, f"must be an object of attributes, found {query!r}", "Give {...}.")
    found: dict[str, IntArray] = dict(entry.circuit.select(query, f"inputs.{entry.name}.{key}"))
    chosen = {}
    for name, population in entry.circuit.nodes.items():
        chosen[name] = np.zeros(len(population.node_ids), bool)
        chosen[name][found.get(name, [])] = True
    return chosen


def _from_virtual(edges: EdgePopulation, circuit: Circuit) -> EdgePopulation:
    """Those edges that virtual nodes send."""
    return edges.some(np.flatnonzero(circuit.nodes[edges.source].virtual[edges.source_index]))
