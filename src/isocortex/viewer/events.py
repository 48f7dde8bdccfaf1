"""Synaptic events at one neuron: when a presynaptic spike arrives, and where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isocortex.cells.compiled import CompiledCell
from isocortex.circuit import PoissonInput, Simulation, SpikeInput
from isocortex.circuit.force import in_force
from isocortex.mechanisms.synapses import EXCITES_ABOVE
from isocortex.network.inputs import poisson_sources
from isocortex.network.onto import SynapsesOnto
from isocortex.viewer.feed import Chunk
from isocortex.viewer.pack import pack
from isocortex.viewer.scene import Scene


def events_block(
    simulation: Simulation,
    scene: Scene,
    spikes: Chunk,
    cell: CompiledCell,
    onto: SynapsesOnto,
    tstop: float,
) -> bytes:
    """The synapses of a neuron and their events, for the browser.

    Arrays: per synapse ``compartment`` (SONATA order), ``source`` (in drawing order, 0xFFFFFFFF
    for neurons that are not shown, such as virtual ones), ``row`` (of the source in its
    population), ``excites``, ``delay`` (ms); per event
    ``time`` (ms, ascending) and ``synapse``.
    """
    place = np.full(cell.n_nodes, 0, np.int64)
    place[cell.compartments] = np.arange(cell.n_compartments)
    without = np.setdiff1d(np.arange(cell.n_nodes), cell.compartments)
    place[without] = place[np.maximum(cell.parent[without], 0)]

    shown = np.full(len(onto.source), -1, np.int64)
    time: list[NDArray[np.float64]] = [np.zeros(0)]
    synapse: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    key: NDArray[np.int64]
    when: NDArray[np.floating]
    for number, name in enumerate(onto.population):
        mine = np.flatnonzero(onto.source_population == number)
        if len(mine) == 0:
            continue
        ids = simulation.circuit.nodes[name].node_ids[onto.source[mine]]
        shown[mine] = scene.index_of(name, ids)
        if name in scene.populations:
            key, when, wanted = spikes.neuron.astype(np.int64), spikes.time, shown[mine]
        else:
            wanted = onto.source[mine]
            key, when = _input_spikes(simulation, name, wanted, tstop)
        t, s = _arrivals(key, when.astype(np.float64), wanted, onto.delay[mine])
        time.append(t)
        synapse.append(mine[s])
    times, synapses = np.concatenate(time), np.concatenate(synapse)
    inside = times <= tstop
    times, synapses = times[inside], synapses[inside]
    order = np.argsort(times, kind="stable")
    return pack(
        {"synapses": len(onto.source), "populations": list(onto.population)},
        {
            "compartment": place[onto.node].astype(np.uint16),
            "source": np.where(shown < 0, 0xFFFFFFFF, shown).astype(np.uint32),
            "row": onto.source.astype(np.uint32),
            "population": onto.source_population.astype(np.uint8),
            "excites": (onto.reversal > EXCITES_ABOVE).astype(np.uint8),
            "delay": onto.delay.astype(np.float32),
            "time": times[order].astype(np.float32),
            "synapse": synapses[order].astype(np.uint32),
        },
    )


def _input_spikes(
    simulation: Simulation, population: str, wanted: NDArray[np.int64], tstop: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows and times (ms) of the spikes that the configuration gives to some of a population."""
    rows, times = [np.zeros(0, np.int64)], [np.zeros(0)]
    for made in in_force(simulation).inputs:
        if not isinstance(made, SpikeInput | PoissonInput) or made.population != population:
            continue
        if isinstance(made, SpikeInput):
            rows.append(made.rows)
            times.append(made.times)
        else:
            sources = poisson_sources(made, made.rows).only(np.isin(made.rows, wanted))
            row, time = sources.begin().until(tstop)
            rows.append(row)
            times.append(time)
    return np.concatenate(rows), np.concatenate(times)


def _arrivals(
    key: NDArray[np.int64],
    when: NDArray[np.float64],
    wanted: NDArray[np.int64],
    delay: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Time and number of the synapse of every event.

    Parameters
    ----------
    key, when : source and time of every spike.
    wanted, delay : source and delay of every synapse.
    """
    keep = np.isin(key, wanted)
    key, when = key[keep], when[keep]
    order = np.argsort(key, kind="stable")
    key, when = key[order], when[order]
    first, last = np.searchsorted(key, wanted), np.searchsorted(key, wanted, side="right")
    count = last - first
    synapse = np.repeat(np.arange(len(wanted)), count)
    start = np.repeat(first - np.cumsum(count) + count, count)
    return when[start + np.arange(len(synapse))] + delay[synapse], synapse
