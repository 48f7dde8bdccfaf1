"""The synapses onto chosen neurons, for whoever looks at these neurons and not at the network."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.circuit import Cells, Simulation
from isocortex.circuit.projection import VIRTUAL_NODE
from isocortex.errors import ConfigError
from isocortex.network.cells import compile_cell_of

#: Synapses of a recipe that are drawn to find those onto a neuron: about half a minute's work.
DRAWN_AT_MOST = 1e8
#: Types of the columns below: of the target, then as :class:`SynapsesOnto` has them.
KINDS = (np.int64, np.int16, np.int64, np.int64, np.float64, np.float64)


class SynapsesOnto(NamedTuple):
    """Synapses onto one cell, one row each.

    Attributes
    ----------
    population : names of the sources' populations.
    source_population : int16[m], index into ``population``.
    source : int64[m], row in the table of its population.
    node : int64[m], of the cell's model.
    delay : float64[m], ms.
    reversal : float64[m], mV.
    """

    population: tuple[str, ...]
    source_population: NDArray[np.int16]
    source: IntArray
    node: IntArray
    delay: NDArray[np.float64]
    reversal: NDArray[np.float64]


def synapses_onto(
    simulation: Simulation, population: str, node_ids: list[int]
) -> dict[int, SynapsesOnto]:
    """The synapses onto some biophysical cells of one population, where the simulation has them.

    Raises
    ------
    ConfigError : they would have to be searched among more than ``DRAWN_AT_MOST`` drawn ones.
    """
    circuit = simulation.circuit
    nodes, names = circuit.nodes[population], tuple(circuit.nodes)
    rows = {int(node): row for row, node in enumerate(nodes.node_ids)}
    wanted = np.array([rows[node] for node in node_ids], np.int64)
    model = np.full(len(nodes.node_ids), VIRTUAL_NODE)
    model[wanted] = np.arange(len(wanted))
    cells = Cells([compile_cell_of(simulation, population, node) for node in node_ids], model)
    parts: list[tuple[NDArray[Any], ...]] = [tuple(np.zeros(0, kind) for kind in KINDS)]
    for projection in circuit.projections:
        if projection.target != population:
            continue
        if projection.tables() is not None and projection.expected > DRAWN_AT_MOST:
            raise ConfigError(
                f"the inputs of a neuron are among {projection.expected:.3g} synapses that would "
                "have to be drawn", file=simulation.config_file, field=projection.name,
                fix="Look at them in a model of smaller scale.",
            )  # fmt: skip
        reversal = np.array([kinetics.reversal for kinetics in projection.kinds(cells)])
        delays = projection.delays()
        for made in projection.onto(wanted, cells, simulation.seed):
            of = np.full(len(made.target), names.index(projection.source), np.int16)
            place = (made.source, made.node, delays[made.delay], reversal[made.kind])
            parts.append((made.target, of, *place))
    target, *columns = map(np.concatenate, zip(*parts, strict=True))
    return {
        node: SynapsesOnto(names, *(column[target == row] for column in columns))
        for node, row in zip(node_ids, wanted.tolist(), strict=True)
    }
