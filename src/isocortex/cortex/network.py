"""A cortex model as a network an engine can run, with all synapses in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isocortex.cells.library import load_cell
from isocortex.cortex.draw import Synapses
from isocortex.cortex.model import CortexModel
from isocortex.network.network import Connections, Network, PointNeurons, Slots, SpikeTrains

#: Delays are rounded to this, ms, and kept as a byte.
DELAY_STEP, LONGEST_DELAY = 0.1, 25.5


def cortex_network(cortex: CortexModel, room: int = 1 << 20) -> Network:
    """Every neuron and synapse of the model; no input yet."""
    used, cell_model = np.unique(cortex.model, return_inverse=True)
    models = [load_cell(cortex.models[m]) for m in used]
    kinetics = list(dict.fromkeys(rule.kinetics for rule in cortex.rules))
    kind_of_rule = np.array([kinetics.index(rule.kinetics) for rule in cortex.rules])
    most_nodes, n = max(m.n_nodes for m in models), len(cortex)
    parts = [
        _compact(made, cortex, kind_of_rule, most_nodes)
        for made in cortex.synapses(range(n), room)
    ]
    source, key, weight, delay = (np.concatenate(x) for x in zip(*parts, strict=True))
    del parts
    used_keys, target = np.unique(key, return_inverse=True)
    rest, kind = np.divmod(used_keys, len(kinetics))
    cell, node = np.divmod(rest, most_nodes)
    slots = Slots(cell.astype(np.int32), node.astype(np.int32), kind.astype(np.int32))
    order = np.lexsort((delay, source))
    first = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))])
    connections = Connections(
        first, target[order].astype(np.int32), weight[order], delay[order],
        np.arange(256) * DELAY_STEP,
    )  # fmt: skip
    none = np.zeros(0)
    return Network(
        models=models,
        cell_model=cell_model.astype(np.int64),
        kinetics=kinetics,
        slots=slots,
        connections=connections,
        points=PointNeurons(none, none),
        n_virtual=0,
        trains=SpikeTrains(np.zeros(0, np.int64), none),
        populations=["cortex"],
        source_population=np.zeros(n, np.int64),
        source_node_id=np.arange(n),
    )


def _compact(
    made: Synapses, cortex: CortexModel, kind_of_rule: NDArray[np.int64], most_nodes: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]]:
    """Source, key of the slot, weight and index of the delay."""
    kinds = int(kind_of_rule.max()) + 1
    key = (made.target * most_nodes + made.node) * kinds + kind_of_rule[made.rule]
    weight = cortex.weight[made.rule, cortex.model[made.target]]
    delay = np.rint(np.minimum(made.delay, LONGEST_DELAY) / DELAY_STEP)
    return made.source.astype(np.int32), key, weight, np.maximum(delay, 1).astype(np.uint8)
