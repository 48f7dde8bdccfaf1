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
from isocortex.network.terminals import OF_SYNAPSE, TERMINAL
from isocortex.targets.simd import lanes

#: Python with what a run imports, and compiled code, bytes; ``benchmarks/memory.py``.
BASE = 0.25e9
#: Of one synapse: target, weight and delay.
WIRED = 10
#: Of every kinetics on every node of a cell, whether there is a synapse, and its number; or, where
#: synapses are few, of each while these are sorted.
PLACE, SLOT = 5, 32
#: Of a row of a pattern: its key, kinetics and node.
ROW = 16
#: Of a cell: its block, lane and model; of a neuron whose synapses are drawn, besides: place,
#: direction, kind, and rank among those that axons are shared by.
CELL, NEURON = 20, 60
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
    driven: int = 0,
    terminals: float = 0.0,
    drawn: bool = False,
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
    driven : numbers that say what fields drive into cells.
    terminals : of plastic synapses.
    drawn : whether synapses are drawn at spikes: then blocks of a model share tables.
    """
    real, term = PRECISIONS[precision]
    width = lanes(real)
    states = rows = tables = 0.0
    for model, count, sites in zip(models, counts, allowed, strict=True):
        in_lanes = -(-int(count) // width) * width
        regions = regions_of(model)
        n_states = sum(
            len(r.nodes) * len(region_states(r.mechanisms, second_order)) for r in regions
        )
        n_numbers = sum(len(r.nodes) * len(region_parameters(r.mechanisms)) for r in regions)
        states += real.itemsize * in_lanes * (model.n_nodes + n_states)
        rows += 2 * term.itemsize * in_lanes * np.count_nonzero(sites)
        tables += real.itemsize * (model.n_nodes * COEFFICIENTS + n_numbers)
        patterns = 1 if drawn else in_lanes // width
        tables += patterns * (8 * model.n_nodes + ROW * np.count_nonzero(sites))
    wiring = synapse_bytes * synapses + SOURCE * sources + SPIKE * spikes
    if terminals:
        wiring += OF_SYNAPSE * synapses + TERMINAL * terminals
    most_nodes = max((model.n_nodes for model in models), default=1)
    cells = float(np.sum(counts))
    tables += (CELL + NEURON * drawn) * cells + (8 + real.itemsize) * driven
    places = min(PLACE * cells * most_nodes * kinetics, SLOT * synapses)
    building = SORTED * synapses + 2 * SOURCE * sources + places
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
        driven=sum(current.size for current in network.fields.current),
        terminals=0.0 if wiring.release is None else float(np.count_nonzero(wiring.release)),
        drawn=network.drawn is not None,
        second_order=second_order,
    )
