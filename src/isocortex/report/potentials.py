"""Reports that follow from membrane currents: potentials outside cells, dipole moments."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.extracellular import transfer_resistances
from isocortex.cells.head import Head
from isocortex.circuit import Contacts, ReportSpec, Simulation
from isocortex.circuit.columns import value_at
from isocortex.errors import ConfigError
from isocortex.network.network import Network
from isocortex.network.sources import number_sources
from isocortex.report.current_sums import Chosen, CurrentSums, Through, bodies_of, chosen_of
from isocortex.report.record import Sampling
from isocortex.report.samples_file import SamplesFile


class PotentialRecorder:
    """The potential at some contacts of all chosen cells, written while the run goes on.

    Attributes
    ----------
    probes : what an engine is to sample for it.
    """

    def __init__(
        self,
        spec: ReportSpec,
        contacts: Contacts,
        network: Network,
        simulation: Simulation,
        sampling: Sampling,
    ) -> None:
        self.contacts, self._when = contacts, (spec, sampling)
        self.renew(network, simulation)
        self._gids = _gids(simulation, self.sums.cells)

    def renew(self, network: Network, simulation: Simulation) -> None:
        """Go on with the same cells in a network with other electrodes or parameters."""
        spec, sampling = self._when
        head = self.contacts.head
        self.sums = CurrentSums(
            spec, network, simulation, sampling,
            weigh=self._transfer if head is None else None,
            through=None if head is None else self._in_the_head(head, simulation),
            apart=self.contacts.contributions is not None, places=True,
        )  # fmt: skip
        self.probes = self.sums.probes

    def _transfer(
        self, chosen: Chosen, model: CompiledCell, start: FloatArray, end: FloatArray
    ) -> FloatArray:
        closest = self.contacts.closest
        near = 0.5 * model.diameter if closest is None else closest
        found = transfer_resistances(start, end, self.contacts.position, near)
        found = np.where(model.area > 0.0, found, 0.0)
        bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(bad):
            raise ConfigError(
                f"contact {bad[0]} lies in a branch of node {chosen.nodes.node_ids[chosen.row]} of "
                f"{chosen.nodes.name}, where the potential is infinite",
                field="minimum_distance", fix='Set it to "auto".',
            )  # fmt: skip
        return found.T

    def _in_the_head(self, head: Head, simulation: Simulation) -> Through:
        """What dipoles make at the contacts."""
        everybody = chosen_of(self._when[0], simulation, number_sources(simulation.circuit))
        bodies = bodies_of(everybody, simulation.seed, places=True)
        places = np.array([bodies[cell.nodes.name].position[cell.row] for cell in everybody])
        number = {cell.cell: k for k, cell in enumerate(everybody)}

        def through(cells: list[Chosen], turn: FloatArray) -> FloatArray:
            some = np.array([number[chosen.cell] for chosen in cells], np.int64)
            contacts = self.contacts
            lead = head.lead_field(places, contacts.position, contacts.closest or 0.0, some)
            return np.einsum("nij,cni->njc", turn, lead)

        return through

    def beside(self, path: Path) -> list[Path]:
        """The files of single cells that go with the report's file."""
        if self.contacts.contributions is None:
            return []
        folder = path.parent / self.contacts.contributions
        return [folder / f"{gid}.h5" for gid in self._gids]

    def open(self, path: Path, mode: str, provenance: dict[str, Any]) -> None:
        """Create the files; nothing is written before every report has been checked."""
        n = len(self.contacts.position)
        self.report = SamplesFile(
            path, "ecp", n, "mV", times=self.sums.schedule.times, mode=mode,
            more={"channel_id": np.arange(n)}, provenance=provenance,
        )  # fmt: skip
        # BMTK's files do not tell
        told = self.report.group["channel_id"].attrs
        told["position"] = self.contacts.position
        if self.contacts.names:
            told["name"] = self.contacts.names
        if self.contacts.head is not None:
            told["head"] = [*self.contacts.head.centre, *self.contacts.head.radii]
        self._of_cells = [
            SamplesFile(single, "ecp", n, "mV", times=None, mode=mode, provenance=provenance)
            for single in self.beside(path)
        ]

    def take(self, first_step: int, samples: FloatArray) -> None:
        """Write the rows that are due from a piece's samples of this recorder's columns."""
        values, n = self.sums.due(first_step, samples), len(self.contacts.position)
        for k, single in enumerate(self._of_cells):
            single.append(values[:, k * n : (k + 1) * n])
        total = np.zeros((len(values), n))
        for begin in range(0, values.shape[1], n):  # in the order of cells
            total += values[:, begin : begin + n]
        self.report.append(total)

    def flush(self) -> None:
        for file in (self.report, *self._of_cells):
            file.flush()

    def close(self) -> None:
        for file in (self.report, *self._of_cells):
            file.close()


class DipoleRecorder:
    """Current dipole moments, nA um, of groups of cells, written while the run goes on.

    A cell's moment is counted from the middle of its soma, which matters only where an electrode
    injects current.

    Parameters
    ----------
    by : the attribute whose values are the groups; "" has one group.
    """

    def __init__(
        self,
        spec: ReportSpec,
        by: str,
        network: Network,
        simulation: Simulation,
        sampling: Sampling,
    ) -> None:
        self.by, self._when = by, (spec, sampling)
        self.renew(network, simulation)

    def renew(self, network: Network, simulation: Simulation) -> None:
        """Go on with the same cells in a network with other electrodes or parameters."""
        spec, sampling = self._when
        self.sums = CurrentSums(
            spec, network, simulation, sampling, through=_as_turned, group=self._group
        )
        self.probes = self.sums.probes

    def _group(self, chosen: Chosen) -> Hashable:
        if not self.by:
            return "all"
        columns = chosen.nodes.columns
        if self.by not in columns:
            raise ConfigError(
                f"nodes of {chosen.nodes.name} have no {self.by!r}", field="by",
                fix=f"They have {', '.join(columns)}.",
            )  # fmt: skip
        return str(value_at(columns[self.by], chosen.row))

    def open(self, path: Path, mode: str, provenance: dict[str, Any]) -> None:
        """Create the file; nothing is written before every report has been checked."""
        groups = np.array([str(name) for name in self.sums.groups], object)
        self.report = SamplesFile(
            path, "dipole", 3 * len(groups), "nA um", times=self.sums.schedule.times, mode=mode,
            more={"group": groups}, provenance=provenance,
        )  # fmt: skip

    def take(self, first_step: int, samples: FloatArray) -> None:
        """Write the rows that are due from a piece's samples of this recorder's columns."""
        self.report.append(self.sums.due(first_step, samples))

    def flush(self) -> None:
        self.report.flush()

    def close(self) -> None:
        self.report.close()


def _as_turned(cells: list[Chosen], turn: FloatArray) -> FloatArray:
    """Moments along x, y and z."""
    return turn.transpose(0, 2, 1)


def _gids(simulation: Simulation, cells: list[Chosen]) -> list[int]:
    """The numbers that BMTK gives nodes: populations follow each other, then come node ids."""
    populations = simulation.circuit.nodes
    sizes = np.cumsum([0, *(len(p.node_ids) for p in populations.values())])
    offset = dict(zip(populations, sizes.tolist(), strict=False))
    return [offset[cell.nodes.name] + int(cell.nodes.node_ids[cell.row]) for cell in cells]
