"""Potentials outside cells: which weighted sums of voltages they are, and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.extracellular import (
    of_voltages,
    placed,
    rotation,
    towards,
    transfer_resistances,
)
from isocortex.circuit import Contacts, NodePopulation, ReportSpec, Simulation
from isocortex.circuit.columns import numbers
from isocortex.engine.interface import CellSums, ProbeTable
from isocortex.errors import ConfigError
from isocortex.network.clock import Clock
from isocortex.network.inputs import electrodes
from isocortex.network.network import CurrentSource, Network
from isocortex.network.sources import number_sources
from isocortex.random import uniform
from isocortex.report.ecp_file import EcpFile
from isocortex.report.record import Sampling, Schedule

#: Names of a node's place, in the order in which BMTK looks for them.
PLACES = ("positions_{}", "position_{}", "{}")


class Bodies:
    """Where the compartments of a population's cells are.

    A cell is turned by its ``rotation_angle_*axis`` as in BMTK. Where no node has any but all have
    a direction of the pia (``normal_x``, ``_y``, ``_z``), its apical dendrite points there, and it
    is turned about that direction at random, by its node id.
    """

    def __init__(self, nodes: NodePopulation, seed: int) -> None:
        columns, n = nodes.columns, len(nodes.node_ids)

        def axes(names: tuple[str, ...] | list[str]) -> FloatArray:
            found = [numbers(columns[x]) if x in columns else np.zeros(n) for x in names]
            return np.nan_to_num(np.column_stack(found).astype(np.float64))

        place = next((p for p in PLACES if p.format("x") in columns), PLACES[-1])
        self.position = axes([place.format(axis) for axis in "xyz"])
        angles = [f"rotation_angle_{axis}axis" for axis in "xyz"]
        normals = [f"normal_{axis}" for axis in "xyz"]
        self.angles, self.normal = axes(angles), axes(normals)
        self.upright = all(x in columns for x in normals) and not any(x in columns for x in angles)
        key = f"turn about the normal: {nodes.name}"
        self.twist = 2.0 * np.pi * uniform(seed, key, nodes.node_ids)

    def of(self, row: int, model: CompiledCell) -> tuple[FloatArray, FloatArray]:
        """float64[n_nodes, 3] start and end of every node of a cell, um."""
        if self.upright:
            turn = towards(model, self.normal[row], float(self.twist[row]))
        else:
            turn = rotation(*self.angles[row])
        return placed(model, self.position[row], turn)


class PotentialRecorder:
    """The potential at some contacts of all chosen cells, written while the run goes on.

    Attributes
    ----------
    probes : what an engine is to sample for it.
    """

    def __init__(
        self, spec: ReportSpec, network: Network, simulation: Simulation, sampling: Sampling
    ) -> None:
        assert spec.contacts is not None
        self.contacts: Contacts = spec.contacts
        self.schedule = Schedule(spec, sampling)
        self.clock = Clock(sampling.dt)
        sources = number_sources(simulation.circuit)
        cells: list[tuple[int, NodePopulation, int]] = []  # source, population, row
        for population, rows in spec.cells:
            nodes, number = simulation.circuit.nodes[population], sources.number[population]
            there = rows[number[rows] < sources.n_cells]
            cells += [(int(number[row]), nodes, int(row)) for row in there]
        cells.sort(key=lambda cell: cell[0])
        if not cells:
            raise ConfigError(
                "no biophysical cell is chosen", field="cells", fix="Choose one or more."
            )
        self.cell = np.array([cell for cell, _, _ in cells], np.int64)
        self._gids = _gids(simulation, [(nodes.name, row) for _, nodes, row in cells])
        injected = self._injected(simulation, network, sources)
        self._weigh(cells, network, injected, simulation.seed)

    def _injected(
        self, simulation: Simulation, network: Network, sources: Any
    ) -> dict[int, list[CurrentSource]]:
        """The electrodes of the chosen cells, whoever has them, by cell."""
        everybody = range(network.circuit_cells)
        found: dict[int, list[CurrentSource]] = {}
        for source in electrodes(
            simulation, sources, network.models, network.circuit_model, everybody
        ):
            if np.isin(source.cell, self.cell):
                found.setdefault(source.cell, []).append(source)
        return found

    def _weigh(
        self,
        cells: list[tuple[int, NodePopulation, int]],
        network: Network,
        injected: dict[int, list[CurrentSource]],
        seed: int,
    ) -> None:
        """Make the weights of this rank's cells, and of all electrodes."""
        n, here = len(self.contacts.position), network.here.cells
        bodies: dict[str, Bodies] = {}
        weights, first = [np.zeros((0, n))], [0]
        #: a source, the column it adds to, and float64[contacts] per nA
        self._electrodes: list[tuple[CurrentSource, int, FloatArray]] = []
        for k, (cell, nodes, row) in enumerate(cells):
            if cell in here or cell in injected:
                model = network.models[network.circuit_model[cell]]
                if nodes.name not in bodies:
                    bodies[nodes.name] = Bodies(nodes, seed)
                transfer = self._transfer(model, *bodies[nodes.name].of(row, model))
                if not np.isfinite(transfer).all():
                    contact = int(np.flatnonzero(~np.isfinite(transfer).all(axis=1))[0])
                    raise ConfigError(
                        f"contact {contact} lies in a branch of node {nodes.node_ids[row]} of "
                        f"{nodes.name}, where the potential is infinite",
                        field="minimum_distance", fix='Set it to "auto".',
                    )  # fmt: skip
                column = 0 if self.contacts.contributions is None else k * n
                for source in injected.get(cell, ()):
                    self._electrodes.append((source, column, transfer[:, source.node]))
                if cell in here:
                    weights.append(of_voltages(model, transfer.T))
            first.append(first[-1] + (len(weights[-1]) if cell in here else 0))
        self.probes = ProbeTable.of_whole(
            CellSums(
                self.cell, np.array(first), np.concatenate(weights),
                summed=self.contacts.contributions is None,
                first_step=self.schedule.first_step, every=self.schedule.every,
            )
        )  # fmt: skip

    def _transfer(self, model: CompiledCell, start: FloatArray, end: FloatArray) -> FloatArray:
        closest = self.contacts.closest
        near = 0.5 * model.diameter if closest is None else closest
        found = transfer_resistances(start, end, self.contacts.position, near)
        return np.where(model.area > 0.0, found, 0.0)

    def beside(self, path: Path) -> list[Path]:
        """The files of single cells that go with the report's file."""
        if self.contacts.contributions is None:
            return []
        folder = path.parent / self.contacts.contributions
        return [folder / f"{gid}.h5" for gid in self._gids]

    def open(self, path: Path, mode: str, provenance: dict[str, Any]) -> None:
        """Create the files; nothing is written before every report has been checked."""
        contacts, times = self.contacts.position, self.schedule.times
        self.report = EcpFile(path, contacts, times, mode=mode, provenance=provenance)
        self._of_cells = [
            EcpFile(single, contacts, times, of_cell=True, mode=mode, provenance=provenance)
            for single in self.beside(path)
        ]

    def take(self, first_step: int, samples: FloatArray) -> None:
        """Write the rows that are due from a piece's samples of this recorder's columns."""
        due = np.flatnonzero(self.schedule.due(first_step, len(samples)))
        if not len(due):
            return
        values = self.values(first_step + due, samples[due])
        n = len(self.contacts.position)
        for k, single in enumerate(self._of_cells):
            single.append(values[:, k * n : (k + 1) * n])
        self.report.append(in_order(values, n))

    def values(self, steps: IntArray, samples: FloatArray) -> FloatArray:
        """The samples of some steps with what electrodes inject, which leaves the cells there."""
        if not self._electrodes:
            return samples
        self.clock.extend(int(steps[-1]) + 1)
        values, middle = samples.copy(), self.clock.middle[steps]
        for source, column, per_nA in self._electrodes:
            values[:, column : column + len(per_nA)] += np.outer(source.amplitude(middle), per_nA)
        return values

    def flush(self) -> None:
        for file in (self.report, *self._of_cells):
            file.flush()

    def close(self) -> None:
        for file in (self.report, *self._of_cells):
            file.close()


def in_order(values: FloatArray, n: int) -> FloatArray:
    """float64[samples, n]: the sum of every ``n`` columns, one after the other."""
    total = np.zeros((len(values), n))
    for begin in range(0, values.shape[1], n):
        total += values[:, begin : begin + n]
    return total


def _gids(simulation: Simulation, nodes: list[tuple[str, int]]) -> list[int]:
    """The numbers that BMTK gives nodes: populations follow each other, then come node ids."""
    populations = simulation.circuit.nodes
    sizes = np.cumsum([0, *(len(p.node_ids) for p in populations.values())])
    offset = dict(zip(populations, sizes.tolist(), strict=False))
    return [offset[name] + int(populations[name].node_ids[row]) for name, row in nodes]
