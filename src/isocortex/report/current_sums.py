"""Weighted sums of the membrane currents of cells, as sums of their voltages."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.extracellular import of_voltages
from isocortex.circuit import NodePopulation, ReportSpec, Simulation
from isocortex.circuit.signals import Drawn
from isocortex.engine.interface import CellSums, ProbeTable
from isocortex.errors import ConfigError
from isocortex.network.bodies import Bodies
from isocortex.network.clock import Clock
from isocortex.network.fields import Fields
from isocortex.network.inputs import electrodes
from isocortex.network.network import CurrentSource, Network
from isocortex.network.outside import FieldMaker
from isocortex.network.sources import Sources, number_sources
from isocortex.report.record import Sampling, Schedule


class Chosen(NamedTuple):
    """A cell: the source that it is, and its row in a population."""

    cell: int
    nodes: NodePopulation
    row: int


#: float64[n_nodes, w] per nA of each node's membrane current, from where a cell's nodes are.
Weigh = Callable[[Chosen, CompiledCell, FloatArray, FloatArray], FloatArray]


class CurrentSums:
    """Weighted sums of membrane currents of the cells of a report.

    Parameters
    ----------
    weigh : the weights of a cell's currents, the same number of columns for every cell.
    group : of a cell; each group has its columns. None has one group.
    apart : every cell has its columns.
    places : whether the weights depend on where the cells are.

    Attributes
    ----------
    cells : in order of their number.
    groups : in order of their first cell; the cells, where they are apart.
    probes : what an engine is to sample.
    """

    def __init__(
        self,
        spec: ReportSpec,
        network: Network,
        simulation: Simulation,
        sampling: Sampling,
        *,
        weigh: Weigh,
        group: Callable[[Chosen], Hashable] | None = None,
        apart: bool = False,
        places: bool = False,
    ) -> None:
        self.schedule, self.clock = Schedule(spec, sampling), Clock(sampling.dt)
        sources = number_sources(simulation.circuit)
        self.cells = chosen_of(spec, simulation, sources)
        label = (lambda cell: cell.cell) if apart else group or (lambda cell: None)
        labels = [label(cell) for cell in self.cells]
        self.groups = list(dict.fromkeys(labels))
        self._electrodes: list[tuple[CurrentSource, int, FloatArray]] = []
        injected = injected_into(simulation, network, sources, {cell.cell for cell in self.cells})
        bodies = bodies_of(self.cells, simulation.seed, places)
        maker = FieldMaker(simulation, sources)
        self._fields = Fields(maker.potentials)
        #: of each cell in a field float64[terms, w], what the field drives into it, weighted
        self._driven: dict[int, FloatArray] = {}
        weights = self._weights(network, bodies, weigh, injected, maker)
        members = [np.arange(len(labels))] if apart else _members(labels, self.groups)
        column = {name: k for k, name in enumerate(self.groups)}
        first = {c.cell: column[x] for c, x in zip(self.cells, labels, strict=True)}
        self._electrodes = [
            (source, first[cell] * row.size, row) for source, cell, row in self._electrodes
        ]
        width = weights[0].shape[1]
        self._of_fields = np.zeros((self._fields.n_terms, width * len(self.groups)))
        for cell, driven in self._driven.items():
            begin = first[cell] * width
            self._of_fields[:, begin : begin + width] += driven
        self.probes = ProbeTable.joined([
            ProbeTable.of_whole(self._sums(part, weights, apart)) for part in members
        ])  # fmt: skip

    def _weights(
        self,
        network: Network,
        bodies: dict[str, Bodies],
        weigh: Weigh,
        injected: dict[int, list[CurrentSource]],
        maker: FieldMaker,
    ) -> list[FloatArray]:
        """Of every cell the weights on its voltages, none where it is another rank's."""
        found: list[FloatArray] = []
        here, width = network.here.cells, 0
        for chosen in self.cells:
            cell, nodes, row = chosen
            if cell in here or cell in injected or maker.reaches(cell) or not width:
                model = network.models[network.circuit_model[cell]]
                weight = weigh(chosen, model, *bodies[nodes.name].of(row, model))
                width = weight.shape[1]
                for source in injected.get(cell, ()):
                    self._electrodes.append((source, cell, weight[source.node]))
                current = maker.current(cell, model)
                if current is not None:
                    self._driven[cell] = current.T @ weight
            found.append(of_voltages(model, weight) if cell in here else np.zeros((0, width)))
        return found

    def _sums(self, part: IntArray, weights: list[FloatArray], apart: bool) -> CellSums:
        mine = [weights[k] for k in part]
        return CellSums(
            np.array([self.cells[k].cell for k in part], np.int64),
            np.cumsum([0, *map(len, mine)]), np.concatenate(mine), summed=not apart,
            first_step=self.schedule.first_step, every=self.schedule.every,
        )  # fmt: skip

    def due(self, first_step: int, samples: FloatArray) -> FloatArray:
        """The rows that are due of a piece's samples, with what electrodes inject and fields drive.

        What an electrode injects leaves the cell through the membrane at the same place, and so
        does what a field drives there along the branches.
        """
        rows = np.flatnonzero(self.schedule.due(first_step, len(samples)))
        values = samples[rows]
        if not len(rows):
            return values
        if self._driven:
            values += self._fields.courses(first_step + rows, self.clock.dt).T @ self._of_fields
        self.clock.extend(first_step + len(samples))
        middle = self.clock.middle[first_step + rows]
        for source, column, per_nA in self._electrodes:
            values[:, column : column + len(per_nA)] += np.outer(source.amplitude(middle), per_nA)
        return values


def _members(labels: list[Hashable], groups: list[Hashable]) -> list[IntArray]:
    number = {name: k for k, name in enumerate(groups)}
    of = np.array([number[label] for label in labels])
    return [np.flatnonzero(of == k) for k in range(len(groups))]


def bodies_of(cells: list[Chosen], seed: int, places: bool) -> dict[str, Bodies]:
    """By population, of all cells, so that every rank refuses what one cannot place."""
    rows: dict[str, list[int]] = {}
    nodes = {chosen.nodes.name: chosen.nodes for chosen in cells}
    for chosen in cells:
        rows.setdefault(chosen.nodes.name, []).append(chosen.row)
    return {name: Bodies(nodes[name], seed, np.array(rows[name]), places=places) for name in rows}


def chosen_of(spec: ReportSpec, simulation: Simulation, sources: Sources) -> list[Chosen]:
    """The biophysical cells among a report's nodes, in order."""
    found: list[Chosen] = []
    for population, rows in spec.cells:
        nodes, number = simulation.circuit.nodes[population], sources.number[population]
        there = rows[number[rows] < sources.n_cells]
        found += [Chosen(int(number[row]), nodes, int(row)) for row in there]
    if not found:
        raise ConfigError("no biophysical cell is chosen", field="cells", fix="Choose one or more.")
    return sorted(found, key=lambda chosen: chosen.cell)


def injected_into(
    simulation: Simulation, network: Network, sources: Sources, cells: set[int]
) -> dict[int, list[CurrentSource]]:
    """The electrodes of some cells, whichever rank has them, by cell.

    A random conductance stands for synapses: its current is one of the membrane, as theirs.
    """
    everybody = range(network.circuit_cells)
    found: dict[int, list[CurrentSource]] = {}
    placed_ones = electrodes(simulation, sources, network.models, network.circuit_model, everybody)
    for source in placed_ones:
        if source.cell not in cells or isinstance(source.conductance, Drawn):
            continue
        if source.conductance is not None:
            raise ConfigError(
                f"{network.label(source.cell)} has a voltage clamp: what that injects follows from "
                "the voltage, and is not known here yet",
                field="cells", fix="Choose other cells, or inject a current.",
            )  # fmt: skip
        found.setdefault(source.cell, []).append(source)
    return found
