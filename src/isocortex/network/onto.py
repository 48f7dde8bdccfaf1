"""The synapses onto chosen neurons, for whoever looks at these neurons and not at the network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.circuit import Simulation
from isocortex.errors import ConfigError
from isocortex.network.build import compile_cell_of, cortex_of, kinetics_of, place_synapses
from isocortex.network.drawn.draw import DELAY_STEP

IntArray = NDArray[np.int64]

#: Synapses of a recipe that are drawn to find those onto a neuron: about half a minute's work.
DRAWN_AT_MOST = 1e8


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
    nodes = circuit.nodes[population]
    rows = dict(zip(node_ids, _rows(nodes.node_ids, node_ids), strict=True))
    names = tuple(circuit.nodes)
    parts: dict[int, list[pd.DataFrame]] = {node: [] for node in node_ids}
    for edges in circuit.edges:
        if edges.target != population:
            continue
        for node_id, row in rows.items():
            onto = edges.target_index == row
            cell = compile_cell_of(simulation, population, node_id)
            for r, rule in enumerate(edges.rules):
                at = np.flatnonzero(onto & (edges.rule == r))
                if len(at) == 0:
                    continue
                only_cell = np.zeros(len(onto), np.int64)
                edge, node = place_synapses(
                    edges, rule, at, only_cell, [cell], only_cell[:1], simulation.seed
                )
                parts[node_id].append(
                    pd.DataFrame(
                        {
                            "population": names.index(edges.source),
                            "source": edges.source_index[edge],
                            "node": node,
                            "delay": edges.delay[edge],
                            "reversal": kinetics_of(rule, edges).reversal,
                        }
                    )
                )
    if circuit.recipe is not None and population == "cortex":
        _draw(simulation, rows, names.index("cortex"), parts)
    return {node: _table(names, found) for node, found in parts.items()}


def _rows(there: IntArray, wanted: list[int]) -> list[int]:
    row = {int(node): k for k, node in enumerate(there)}
    return [row[node] for node in wanted]


def _draw(
    simulation: Simulation, rows: dict[int, int], population: int, parts: dict[int, list]
) -> None:
    """Draw every synapse of the recipe and keep those onto ``rows``."""
    cortex = cortex_of(simulation.circuit, len(simulation.circuit.nodes["cortex"].node_ids))
    if cortex.expected_synapses > DRAWN_AT_MOST:
        raise ConfigError(
            f"the inputs of a neuron are among {cortex.expected_synapses:.3g} synapses that would "
            "have to be drawn", file=simulation.config_file, field="cortex",
            fix="Look at them in a model of smaller scale.",
        )  # fmt: skip
    reversal = np.array([rule.kinetics.reversal for rule in cortex.rules])
    node_of = {row: node for node, row in rows.items()}
    for made in cortex.synapses(range(len(cortex))):
        keep = np.flatnonzero(np.isin(made.target, list(node_of)))
        table = pd.DataFrame(
            {
                "population": population,
                "source": made.source[keep],
                "node": made.node[keep],
                "delay": made.delay[keep] * DELAY_STEP,
                "reversal": reversal[made.rule[keep]],
            }
        )
        for row, own in table.groupby(made.target[keep]):
            parts[node_of[int(row)]].append(own)


def _table(names: tuple[str, ...], parts: list[pd.DataFrame]) -> SynapsesOnto:
    columns = ("population", "source", "node", "delay", "reversal")
    types = (np.int16, np.int64, np.int64, np.float64, np.float64)
    arrays = [
        np.concatenate([np.zeros(0, kind), *(part[name].to_numpy(kind) for part in parts)])
        for name, kind in zip(columns, types, strict=True)
    ]
    return SynapsesOnto(names, *arrays)
