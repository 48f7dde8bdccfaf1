"""Reports of what NEURON's mechanism ``extracellular`` knows: potentials outside, membrane current.

=====================  =========  ============================================================
``e_extracellular``    mV         potential that is imposed outside, in the step that follows
``vext``               mV         the same, in the step that ends
``i_membrane``         mA/cm2     current through the membrane as the step ends, positive outwards
=====================  =========  ============================================================

Fields are known without the engine. The membrane's current is what flows into a compartment along
the branches or from an electrode: a weighted sum of voltages, and what fields drive.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.extracellular import of_voltages
from isocortex.circuit import ReportSpec, Simulation
from isocortex.engine.interface import ProbeTable, Variable
from isocortex.errors import ConfigError
from isocortex.network.clock import Clock
from isocortex.network.fields import Fields
from isocortex.network.network import CurrentSource, Network
from isocortex.network.outside import FieldMaker
from isocortex.network.sources import number_sources
from isocortex.report.current_sums import injected_into
from isocortex.report.quantity import Quantity
from isocortex.report.record import Recorder, Sampling

#: Names and units, and how many steps ahead of the one that ends a field is taken.
OUTSIDE = {"e_extracellular": ("mV", 1), "vext": ("mV", 0), "i_membrane": ("mA/cm2", 0)}


class OutsideRecorder(Recorder):
    """One of these quantities of the chosen cells of one population; see :class:`Recorder`."""

    def __init__(
        self,
        spec: ReportSpec,
        population: str,
        cells: NDArray[np.int64],
        network: Network,
        simulation: Simulation,
        sampling: Sampling,
    ) -> None:
        if spec.summed:
            raise ConfigError(
                f"{spec.variable} is of a place: a cell has no sum of it", field="type",
                fix="Leave it out.",
            )  # fmt: skip
        self._simulation, self.clock = simulation, Clock(sampling.dt)
        super().__init__(spec, population, cells, network, sampling)

    def renew(self, network: Network, simulation: Simulation) -> None:
        """Go on with the same cells in a network with other electrodes or parameters."""
        self._simulation = simulation
        super().renew(network, simulation)

    def _look_up(self, network: Network) -> list[int]:
        """Fields and currents at the elements; the number of elements of each cell."""
        name, simulation = self.spec.variable, self._simulation
        units, self._ahead = OUTSIDE[name]
        self.quantity, self.pieces = Quantity(name, units), []
        counts = self._find_elements(network)
        sources = number_sources(simulation.circuit)
        maker = FieldMaker(simulation, sources)
        self._fields = Fields(maker.potentials)
        self._of_fields = np.zeros((self._fields.n_terms, sum(counts)))
        self._electrodes: list[tuple[CurrentSource, int, float]] = []
        if name != "i_membrane":
            if not maker.inputs:
                raise ConfigError(
                    f"there is no potential outside: no input is xstim or comsol, and {name} "
                    "cannot be recorded", field="variable_name", fix="Remove the report.",
                )  # fmt: skip
            for model, cell, columns, nodes in self._cells(counts):
                self._of_fields[:, columns] = maker.potential(cell, model)[nodes].T
            self.probes = ProbeTable.of([])
            return counts
        injected = injected_into(simulation, network, sources, set(self.cells.tolist()))
        rows: list[tuple[IntArray, IntArray, IntArray, FloatArray]] = []
        for model, cell, columns, nodes in self._cells(counts):
            per_area = 100.0 / model.area[nodes]  # mA/cm2 per nA
            current = maker.current(cell, model)
            if current is not None:
                self._of_fields[:, columns] = current[nodes].T * per_area
            column = {int(node): columns.start + k for k, node in enumerate(nodes)}
            for source in injected.get(cell, ()):
                if source.node in column:
                    per_nA = 100.0 / float(model.area[source.node])
                    self._electrodes.append((source, column[source.node], per_nA))
            node, of, weight = _flows(model, nodes)
            rows.append((np.full(len(node), cell), node, columns.start + of, weight * per_area[of]))
        cells, node, column_of, weight = (
            np.concatenate(column) for column in zip(*rows, strict=True)
        )
        voltage = self.schedule.when((Variable("v"),))
        self.probes = ProbeTable(
            voltage, cells, node, np.zeros(len(cells), np.int64), weight, column_of, sum(counts)
        )
        return counts

    def _cells(self, counts: list[int]) -> list[tuple[CompiledCell, int, slice, IntArray]]:
        """Model, number, columns and nodes of every cell."""
        first = np.cumsum([0, *counts]).tolist()
        nodes = np.array([node for _, _, node in self.elements], np.int64)
        return [
            (model, int(cell), slice(begin, end), nodes[begin:end])
            for model, cell, begin, end in zip(
                self.models, self.cells, first, first[1:], strict=False
            )
        ]

    def take(self, first_step: int, samples: FloatArray) -> None:
        """Write the rows that are due from a piece's samples of this recorder's columns."""
        rows = np.flatnonzero(self.schedule.due(first_step, len(samples)))
        if not len(rows):
            return
        step = first_step + rows
        values = self._fields.courses(step + self._ahead, self.clock.dt).T @ self._of_fields
        if len(self.probes):
            values += samples[rows]
        self.clock.extend(first_step + len(samples))
        for source, column, per_nA in self._electrodes:
            values[:, column] += per_nA * source.amplitude(self.clock.middle[step])
        self.report.append(values)


def _flows(model: CompiledCell, nodes: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """What flows into some nodes as a sum of voltages: node, which of them it is for, nA per mV."""
    wanted = np.zeros((model.n_nodes, len(nodes)))
    wanted[nodes, np.arange(len(nodes))] = 1.0
    weights = of_voltages(model, wanted)
    node, of = np.nonzero(weights)
    return node, of, weights[node, of]
