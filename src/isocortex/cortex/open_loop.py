"""Some neurons of a cortex model in open loop: their inputs fire as the whole is to fire at rest.

Every recurrent synapse receives a Poisson train at the rate that its source is to have, so what a
neuron does depends on its own background alone, not on that of the others. A background with which
every class fires at its target is then a fixed point of the whole network, as far as its inputs are
like Poisson trains. The neurons' synapses are those of the model, to the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import (
    Cells,
    Circuit,
    Fluctuation,
    Input,
    NodePopulation,
    PoissonInput,
    Simulation,
    Synapses,
    Text,
)
from isocortex.circuit.columns import take
from isocortex.cortex.background import BackgroundProjection
from isocortex.cortex.circuit import NOWHERE, simulation_of
from isocortex.cortex.drive import Drive, target_of
from isocortex.cortex.projection import POPULATION
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.drawn.tables import Tables
from isocortex.random import keys, keys_after, uniform

if TYPE_CHECKING:
    from isocortex.circuit import Projection
    from isocortex.cortex.model import CortexModel

#: Population of the neurons that are simulated; the others are virtual nodes.
SAMPLE = "sample"


def sample_of(cortex: CortexModel, each: int) -> IntArray:
    """Up to ``each`` neurons of every (layer, class, cell model), ascending."""
    order = np.argsort(uniform(cortex.recipe.seed, "open loop", np.arange(len(cortex))))
    of = cortex.kinds[1][order]
    by_kind = order[np.argsort(of, kind="stable")]
    of = np.sort(of)
    place = np.arange(len(of)) - np.searchsorted(of, of)
    return np.sort(by_kind[place < each])


class OpenLoop:
    """The open loop of one model, for any background.

    Parameters
    ----------
    cortex : the model.
    rows : neurons that are simulated, ascending.
    """

    def __init__(self, cortex: CortexModel, rows: IntArray) -> None:
        self.cortex, self.rows = cortex, rows
        whole = simulation_of(cortex, tstop=1.0).circuit
        self.neurons, self.axons = whole.nodes.values()
        self.recurrent = _Onto(whole.projections[0], rows)

    def simulation(self, drive: Drive, tstop: float, seed: int) -> Simulation:
        """The neurons with a background; ``seed`` is of all the trains of spikes."""
        cortex = self.cortex
        columns = {
            name: take(self.neurons.columns[name], self.rows)
            for name in ("model_type", "model_template")
        }
        sample = NodePopulation(SAMPLE, np.arange(len(self.rows)), columns, NOWHERE)
        ghosts = NodePopulation(
            POPULATION, self.neurons.node_ids,
            {"model_type": Text(np.zeros(len(cortex), np.int32), ("virtual",))}, NOWHERE,
        )  # fmt: skip
        background = _Onto(BackgroundProjection(lambda: cortex, POPULATION, drive), self.rows)
        nodes = {node.name: node for node in (sample, ghosts, self.axons)}
        circuit = Circuit(nodes, [self.recurrent, background], {}, {}, NOWHERE)
        base = simulation_of(cortex, drive, tstop=tstop)
        trains: list[Input] = [_trains(POPULATION, self.rates, tstop, seed)]
        for given in base.inputs:
            assert isinstance(given, PoissonInput)
            own = _trains(given.population, given.rate, tstop, seed)
            trains.append(replace(own, fluctuation=_another(given.fluctuation, seed)))
        return replace(base, circuit=circuit, inputs=trains)

    @cached_property
    def rates(self) -> FloatArray:
        """What every neuron of the model is to fire, Hz."""
        kinds, of = self.cortex.kinds
        return np.array([target_of(layer, name) for layer, name, _ in kinds])[of]


def _trains(population: str, rate: FloatArray, tstop: float, seed: int) -> PoissonInput:
    rows = np.arange(len(rate))
    return PoissonInput(
        population, rows, rate, 0.0, tstop, keys(f"{seed}:open loop:{population}", rows)
    )


def _another(course: Fluctuation | None, seed: int) -> Fluctuation | None:
    """A course of the same kind, which another seed gives."""
    return course and replace(course, key=keys_after(course.key, np.full(len(course.key), seed)))


class _Onto:
    """The synapses of a projection onto some neurons, which are a population of their own.

    They are drawn once and kept: they are few.
    """

    def __init__(self, whole: Projection, rows: IntArray) -> None:
        self.whole, self.rows = whole, rows
        self.name, self.source, self.target = f"{whole.name} in open loop", whole.source, SAMPLE
        self._made: list[Synapses] | None = None

    @property
    def expected(self) -> float:
        return self.whole.expected * len(self.rows) / max(int(self.rows[-1]) + 1, 1)

    @property
    def dL(self) -> float | None:
        return self.whole.dL

    def kinds(self, cells: Cells) -> tuple[Kinetics, ...]:
        return self.whole.kinds(cells)

    def delays(self) -> FloatArray:
        return self.whole.delays()

    def shortest(self, sources: NDArray[np.bool_]) -> float:
        return self.whole.shortest(sources)

    def with_models(self, nodes: NodePopulation, rows: IntArray) -> Projection:
        raise NotImplementedError  # nothing is changed in an open loop

    def tables(self) -> Tables | None:
        return None

    def onto(self, rows: IntArray | None, cells: Cells, seed: int) -> Iterator[Synapses]:
        assert rows is None  # one rank
        if self._made is None:
            self._made = [
                made._replace(target=np.searchsorted(self.rows, made.target))
                for made in self.whole.onto(self.rows, cells, seed)
            ]
        yield from self._made
