"""Weighted sums of the membrane currents of cells, as sums of their voltages."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple, Protocol

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
#: float64[n, 3, w] per nA um of the dipole moments of cells in their own frames, from how they are
#: turned, float64[n, 3, 3].
Through = Callable[[list[Chosen], FloatArray], FloatArray]


class Weights(NamedTuple):
    """Rows of weights of some cells, as :class:`CellSums` has them."""

    first: IntArray
    nodes: IntArray
    weight: FloatArray
    through: FloatArray | None = None


class CurrentSums:
    """Weighted sums of membrane currents of the cells of a report.

    Parameters
    ----------
    weigh : the weights of a cell's currents, the same number of columns for every cell; or
    through : what goes by cells' dipole moments, counted from the middle of their somata. Weights
        on voltages are those of their models then.
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
        weigh: Weigh | None = None,
        through: Through | None = None,
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
        needed = [
            k for k, (cell, _, _) in enumerate(self.cells)
            if cell in network.here.cells or cell in injected or maker.reaches(cell)
        ]  # fmt: skip
        of_currents: _OfCurrents
        if through is not None:
            of_currents = _Moments(self.cells, np.array(needed, np.int64), network, bodies, through)
        else:
            assert weigh is not None
            of_currents = _Single(self.cells, needed or [0], network, bodies, weigh)
        self._take_in(of_currents, needed, network, injected, maker)
        members = [np.arange(len(labels))] if apart else _members(labels, self.groups)
        column = {name: k for k, name in enumerate(self.groups)}
        first = {c.cell: column[x] for c, x in zip(self.cells, labels, strict=True)}
        self._electrodes = [
            (source, first[cell] * row.size, row) for source, cell, row in self._electrodes
        ]
        width = of_currents.width
        self._of_fields = np.zeros((self._fields.n_terms, width * len(self.groups)))
        for cell, driven in self._driven.items():
            begin = first[cell] * width
            self._of_fields[:, begin : begin + width] += driven
        numbers = np.array([chosen.cell for chosen in self.cells], np.int64)
        self.probes = ProbeTable.joined([
            ProbeTable.of_whole(
                CellSums(
                    numbers[part], *of_currents.weights(part), summed=not apart,
                    first_step=self.schedule.first_step, every=self.schedule.every,
                )
            )
            for part in members
        ])  # fmt: skip

    def _take_in(
        self,
        of_currents: _OfCurrents,
        needed: list[int],
        network: Network,
        injected: dict[int, list[CurrentSource]],
        maker: FieldMaker,
    ) -> None:
        """What electrodes inject and fields drive into the cells, whichever rank has them."""
        for k in needed:
            cell = self.cells[k].cell
            current = maker.current(cell, network.models[network.circuit_model[cell]])
            if cell not in injected and current is None:
                continue
            weight = of_currents.of(k)
            for source in injected.get(cell, ()):
                self._electrodes.append((source, cell, weight[source.node]))
            if current is not None:
                self._driven[cell] = current.T @ weight

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


class _OfCurrents(Protocol):
    """Weights on the membrane currents of cells, and what they are as weights on voltages."""

    width: int

    def of(self, k: int) -> FloatArray:
        """float64[n_nodes, w] per nA of membrane current of the k-th cell."""

    def weights(self, part: IntArray) -> Weights:
        """Those on voltages of some cells, none where a cell is another rank's."""


class _Single:
    """Every cell has its own."""

    def __init__(
        self,
        cells: list[Chosen],
        needed: list[int],
        network: Network,
        bodies: dict[str, Bodies],
        weigh: Weigh,
    ) -> None:
        self.cells, self.network, self.bodies, self.weigh = cells, network, bodies, weigh
        self.width = self.of(needed[0]).shape[1]
        self.on_voltages = {
            k: of_voltages(self._model(k), self.of(k))
            for k in needed if cells[k].cell in network.here.cells
        }  # fmt: skip

    def _model(self, k: int) -> CompiledCell:
        return self.network.models[self.network.circuit_model[self.cells[k].cell]]

    def of(self, k: int) -> FloatArray:
        model, (_, nodes, row) = self._model(k), self.cells[k]
        return self.weigh(self.cells[k], model, *self.bodies[nodes.name].of(row, model))

    def weights(self, part: IntArray) -> Weights:
        none = np.zeros((0, self.width))
        mine = [self.on_voltages.get(k, none) for k in part.tolist()]
        nodes = np.array([len(each) for each in mine], np.int64)
        return Weights(np.cumsum(nodes) - nodes, nodes, np.concatenate(mine))


class _Moments:
    """All cells of a model have three, of the dipole moment in its own frame."""

    def __init__(
        self,
        cells: list[Chosen],
        needed: IntArray,
        network: Network,
        bodies: dict[str, Bodies],
        through: Through,
    ) -> None:
        number = np.array([chosen.cell for chosen in cells], np.int64)
        row = np.array([chosen.row for chosen in cells], np.int64)
        names = list(bodies)
        population = np.array([names.index(chosen.nodes.name) for chosen in cells], np.int64)
        self.model, self.models = network.circuit_model[number], network.models
        self.here = (number >= network.here.cells.start) & (number < network.here.cells.stop)
        turn = np.zeros((len(cells), 3, 3))
        for m in np.unique(self.model[needed]).tolist():
            for p, name in enumerate(names):
                mine = needed[(self.model[needed] == m) & (population[needed] == p)]
                if len(mine):
                    turn[mine] = bodies[name].turns(row[mine], network.models[m])
        found = through([cells[k] for k in needed.tolist()], turn[needed])
        self.width = found.shape[-1]
        self.through = np.zeros((len(cells), 3, self.width))
        self.through[needed] = found
        self.n_nodes = np.array([model.n_nodes for model in network.models], np.int64)
        there = np.bincount(self.model[self.here], minlength=len(network.models)) > 0
        rows = np.where(there, self.n_nodes, 0)
        self.first = np.cumsum(rows) - rows
        on_voltages = [
            of_voltages(model, self._from_the_soma(model))
            for model, is_there in zip(network.models, there, strict=True) if is_there
        ]  # fmt: skip
        self.weight = np.concatenate([np.zeros((0, 3)), *on_voltages])

    @staticmethod
    def _from_the_soma(model: CompiledCell) -> FloatArray:
        middle = 0.5 * (model.start + model.end)
        return middle - middle[model.soma]

    def of(self, k: int) -> FloatArray:
        return self._from_the_soma(self.models[self.model[k]]) @ self.through[k]

    def weights(self, part: IntArray) -> Weights:
        model, here = self.model[part], self.here[part]
        nodes = np.where(here, self.n_nodes[model], 0)
        return Weights(self.first[model], nodes, self.weight, self.through[part])


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
