"""What a network takes in memory, told before any of it is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.engine.cable import COEFFICIENTS
from isocortex.engine.family import region_parameters, region_states
from isocortex.engine.layout.models import regions_of
from isocortex.engine.precision import PRECISIONS
from isocortex.network.memory import SORTED
from isocortex.network.network import Network
from isocortex.targets.simd import lanes

#: Python with what a run imports, and compiled code, bytes; ``benchmarks/memory.py``.
BASE = 0.25e9
#: Of one synapse: target, weight and delay.
WIRED = 10
#: Of every kinetics on every node of a cell, whether there is a synapse, and its number.
PLACE = 5
#: Of a source: where its synapses begin, in the network and in every part.
SOURCE = 8
#: Of a given spike: source and time.
SPIKE = 16


class Sizes(NamedTuple):
    """Bytes of an engine and its network.

    ``states`` (voltages, channels), ``rows`` (synaptic), ``tables`` (of models), ``wiring``
    (synapses, given spikes), ``building`` (the network, before there is an engine).
    """

    states: float
    rows: float
    tables: float
    wiring: float
    building: float

    @property
    def peak(self) -> float:
        """Most that is held at a time, building and laying out, with Python itself."""
        return BASE + max(self.building, self.running + self.wiring)

    @property
    def running(self) -> float:
        """What the engine holds on to, without Python itself."""
        return self.states + self.rows + self.tables + self.wiring


def sizes(
    models: Sequence[CompiledCell],
    counts: IntArray,
    allowed: NDArray[np.bool_] | Sequence[NDArray[np.bool_]],
    *,
    precision: str,
    synapses: float = 0.0,
    synapse_bytes: int = WIRED,
    sources: int = 0,
    spikes: int = 0,
    kinetics: int = 0,
    second_order: bool = False,
) -> Sizes:
    """Bytes of so many cells of these models, in full blocks.

    Parameters
    ----------
    counts : int64[models], cells of each.
    allowed : of each model, bool[kinetics, nodes], where a cell of it may have synapses.
    precision : one of ``PRECISIONS``.
    synapses, synapse_bytes : how many are stored, and the bytes of one.
    sources, spikes : of spikes, and spikes given.
    kinetics : kinds of synapses.
    """
    real, term = PRECISIONS[precision]
    width = lanes(real)
    states = rows = tables = 0.0
    for model, count, sites in zip(models, counts, allowed, strict=True):
        cells = -(-int(count) // width) * width
        regions = regions_of(model)
        n_states = sum(
            len(r.nodes) * len(region_states(r.mechanisms, second_order)) for r in regions
        )
        n_numbers = sum(len(r.nodes) * len(region_parameters(r.mechanisms)) for r in regions)
        states += real.itemsize * cells * (model.n_nodes + n_states)
        rows += 2 * term.itemsize * cells * np.count_nonzero(sites)
        tables += real.itemsize * (model.n_nodes * COEFFICIENTS + n_numbers)
        tables += 8 * (cells // width) * model.n_nodes  # their words
    wiring = synapse_bytes * synapses + SOURCE * sources + SPIKE * spikes
    most_nodes = max((model.n_nodes for model in models), default=1)
    places = float(np.sum(counts)) * most_nodes * kinetics
    building = SORTED * synapses + 2 * SOURCE * sources + PLACE * places
    return Sizes(states, rows, tables, wiring, building)


def sizes_of(network: Network, precision: str, second_order: bool = False) -> Sizes:
    """Of a network at hand."""
    models, slots = network.models, network.slots
    most_nodes = max((m.n_nodes for m in models), default=1)
    used = np.zeros((len(models), max(len(network.kinetics), 1), most_nodes), bool)
    used[network.cell_model[slots.cell], slots.kind, slots.node] = True
    if network.drawn is not None:
        for of_axons, model in network.models_of_drawn():
            used[model] |= network.drawn.allowed[of_axons]
    wiring = network.connections
    return sizes(
        models,
        np.bincount(network.cell_model, minlength=len(models)),
        used,
        precision=precision,
        synapses=len(wiring.target),
        synapse_bytes=sum(x.itemsize for x in (wiring.target, wiring.weight, wiring.delay)),
        sources=len(wiring.first),
        spikes=len(network.trains.time),
        kinetics=len(network.kinetics),
        second_order=second_order,
    )
