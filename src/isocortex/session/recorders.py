"""The recorders of a simulation's reports."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isocortex.circuit import Simulation
from isocortex.errors import ConfigError, located
from isocortex.network.network import Network
from isocortex.report.netcons import ConnectionRecorder
from isocortex.report.outside import OUTSIDE, OutsideRecorder
from isocortex.report.potentials import DipoleRecorder, PotentialRecorder
from isocortex.report.record import Recorder, Sampling, Schedule

AnyRecorder = Recorder | ConnectionRecorder | PotentialRecorder | DipoleRecorder


def schedules_of(simulation: Simulation, begin: float = 0.0) -> list[Schedule]:
    """When every report has rows; ``begin`` (ms) is that of the results."""
    sampling = Sampling(simulation.dt, simulation.tstop, simulation.celsius, begin)
    found = []
    for spec in simulation.reports:
        with located(simulation.config_file, f"reports.{spec.name}"):
            found.append(Schedule(spec, sampling))
    return found


def recorders_of(
    simulation: Simulation, network: Network, begin: float = 0.0
) -> dict[str, list[AnyRecorder]]:
    """The recorders of every report, one per population, of potentials and dipoles one for all.

    ``begin`` (ms) is that of the results.
    """
    sampling = Sampling(simulation.dt, simulation.tstop, simulation.celsius, begin)
    recorders: dict[str, list[AnyRecorder]] = {}
    for spec in simulation.reports:
        mine: list[AnyRecorder] = []
        recorders[spec.name] = mine
        with located(simulation.config_file, f"reports.{spec.name}"):
            if spec.contacts is not None:
                mine.append(PotentialRecorder(spec, spec.contacts, network, simulation, sampling))
                continue
            if spec.dipoles_by is not None:
                mine.append(DipoleRecorder(spec, spec.dipoles_by, network, simulation, sampling))
                continue
            for population, rows in spec.cells:
                ids = simulation.circuit.nodes[population].node_ids[rows]
                chosen = cells_among(network, population, ids)
                if len(chosen) and spec.connections is None and spec.variable in OUTSIDE:
                    mine.append(
                        OutsideRecorder(spec, population, chosen, network, simulation, sampling)
                    )
                elif len(chosen) and spec.connections is None:
                    mine.append(Recorder(spec, population, chosen, network, sampling))
                elif len(chosen):
                    found = ConnectionRecorder(
                        spec, population, chosen, network, simulation, sampling
                    )
                    mine += [found] if found.n_conductances else []
            if not mine and spec.connections is None:
                raise ConfigError(
                    "no biophysical cell is chosen", field="cells", fix="Choose one or more."
                )
            if not mine:
                raise ConfigError(
                    f"no connection onto the chosen cells has a synapse of type "
                    f"{spec.connections or 'Exp2Syn or ExpSyn'}", field="syn_type",
                    fix="Choose other cells, Exp2Syn, ExpSyn, a plastic synapse's name, or null.",
                )  # fmt: skip
    return recorders


def cells_among(network: Network, population: str, ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """The biophysical cells among some nodes of a population, in order of node id."""
    index = network.populations.index(population)
    mine = np.flatnonzero(network.source_population[: network.circuit_cells] == index)
    chosen = mine[np.isin(network.source_node_id[mine], ids)]
    return chosen[np.argsort(network.source_node_id[chosen])]
