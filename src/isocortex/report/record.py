"""Recorders: from a report of the configuration to probes in the engine and a SONATA file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell
from isocortex.circuit import ReportSpec, Simulation
from isocortex.engine.interface import ProbeTable, Variable
from isocortex.errors import ConfigError
from isocortex.network.network import Network
from isocortex.report.membrane import MembraneReport
from isocortex.report.quantity import SYNAPSES, quantity


def section_nodes(model: CompiledCell, sections: str | tuple[str | int, ...]) -> NDArray[np.int32]:
    """Compartments a report's ``sections`` selects, in SONATA order.

    ``soma`` is the single compartment soma(0.5), as in BMTK; ``all`` every compartment; otherwise
    section types or section ids.
    """
    if sections == "soma":
        return np.array([model.soma], np.int32)
    nodes = model.compartments
    if sections == "all":
        return nodes
    wanted = (sections,) if isinstance(sections, str | int) else tuple(sections)
    chosen = np.zeros(len(nodes), bool)
    for section in wanted:
        if isinstance(section, str):
            name = {"somatic": "soma", "basal": "dend", "apical": "apic", "axonal": "axon"}.get(
                section, section
            )
            if name not in SECTION_TYPES:
                raise ConfigError(
                    f"unknown section {section!r}", field="sections",
                    fix=f"Use all, {', '.join(SECTION_TYPES)} or section ids.",
                )  # fmt: skip
            chosen |= model.section_type[nodes] == SECTION_TYPES[name]
        else:
            chosen |= model.section[nodes] == section
    return nodes[chosen]


@dataclass(frozen=True)
class Sampling:
    """The run's time step, end and begin (ms), and temperature (degC)."""

    dt: float
    tstop: float
    celsius: float
    begin: float = 0.0


class Schedule:
    """Which steps a report has rows for; sample k is taken as step ``first_step + k * every`` ends.

    Attributes
    ----------
    left_out : the first step that has no row only because the run ends; None where the report ends
        by itself. A run cannot go on from after it: the row would be missing.

    Raises
    ------
    ConfigError : the report's dt is no multiple of the run's.
    """

    def __init__(self, spec: ReportSpec, sampling: Sampling) -> None:
        dt = sampling.dt
        self.every = max(int(round((spec.dt or dt) / dt)), 1)
        if spec.dt is not None and abs(self.every * dt - spec.dt) > 1e-6 * dt:
            raise ConfigError(
                f"{spec.dt:g} ms is no multiple of the time step, {dt:g} ms", field="dt",
                fix="Record every n-th step.",
            )  # fmt: skip
        end = sampling.tstop if spec.end is None else min(spec.end, sampling.tstop)
        self.first_step, start = int(round(spec.start / dt)), spec.start
        missed = -((self.first_step - int(round(sampling.begin / dt))) // self.every)
        if missed > 0:  # rows before the run's begin
            self.first_step += missed * self.every
            start = round(start + missed * self.every * dt, 6)
        self.n_samples = max(int((round(end / dt) - self.first_step) // self.every), 0)
        cut = spec.end is None or round(spec.end / dt) > round(sampling.tstop / dt)
        self.left_out = self.first_step + self.n_samples * self.every if cut else None
        #: What a report's file is told, ms.
        self.times: dict[str, Any] = {
            "start": start, "stop": max(start, end), "dt": self.every * dt, "first": start + dt,
            "n_samples": self.n_samples,
        }  # fmt: skip

    def when(self, variables: Iterable[Variable]) -> tuple[Variable, ...]:
        """The same variables, sampled in the steps that have rows and not in those between."""
        return tuple(replace(v, first=self.first_step, every=self.every) for v in variables)

    def rows_before(self, step: int) -> int:
        """How many rows there are when a step begins."""
        return min(max(-((self.first_step - step) // self.every), 0), self.n_samples)

    def due(self, first_step: int, n_steps: int) -> NDArray[np.bool_]:
        """Which of some steps are sampled."""
        after = np.arange(first_step, first_step + n_steps) - self.first_step
        return (after >= 0) & (after % self.every == 0) & (after // self.every < self.n_samples)


class Recorder:
    """One quantity of the chosen cells of one population, written while the run goes on.

    Parameters
    ----------
    cells : int64[n], indices of the cells in the circuit, in order of node id.

    Attributes
    ----------
    probes : what an engine is to sample for it.
    """

    def __init__(
        self,
        spec: ReportSpec,
        population: str,
        cells: NDArray[np.int64],
        network: Network,
        sampling: Sampling,
    ) -> None:
        self.spec, self.cells = spec, cells
        self.celsius = sampling.celsius
        self.schedule = Schedule(spec, sampling)
        counts = self._look_up(network)
        #: every element is one probe: the samples can be written as they come
        self.is_plain = self.quantity.variable is not None and all(n == 1 for _, n in self.pieces)
        #: what the elements are, as :class:`MembraneReport` takes it
        self.mapping: dict[str, Any] = {
            "node_ids": network.source_node_id[cells],
            "index_pointer": np.concatenate([[0], np.cumsum(counts)]),
            "element_ids": [m.section[n] for _, m, n in self.elements],
            "element_pos": [m.x[n] for _, m, n in self.elements],
        }
        self._what = (population, spec.variable, self.quantity.units)

    def renew(self, network: Network, simulation: Simulation) -> None:
        """Go on with the same cells in a network where their parameters are others."""
        self.celsius = simulation.celsius
        self._look_up(network)

    def _look_up(self, network: Network) -> list[int]:
        """What the quantity is made of in a network; the number of elements of each cell."""
        spec, cells = self.spec, self.cells
        self.quantity = quantity(spec.variable, network.kinetics)
        counts = self._find_elements(network)
        probes: list[tuple[int, int, Variable]] = []
        self.pieces: list[tuple[int, int]] = []
        for cell, model, node in self.elements:
            variables = self.quantity.probes_at(model, node)
            self.pieces.append((len(probes), len(variables)))
            probes += [(cell, node, v) for v in variables]
        self.probes = self._of_cells(cells) if spec.summed else ProbeTable.of(probes)
        self.probes = replace(self.probes, variables=self.schedule.when(self.probes.variables))
        if self.elements and not len(self.probes):
            raise ConfigError(
                f"none of the chosen compartments has {spec.variable!r}",
                fix="Choose other cells or sections.",
            )  # fmt: skip
        return counts

    def _find_elements(self, network: Network) -> list[int]:
        """The compartments that are recorded; the number of those of each cell."""
        self.models = [network.models[network.circuit_model[c]] for c in self.cells]
        nodes = [section_nodes(model, self.spec.sections) for model in self.models]
        self.elements = [
            (int(c), m, int(n))
            for c, m, ns in zip(self.cells, self.models, nodes, strict=True)
            for n in ns
        ]
        return [len(n) for n in nodes]

    def _of_cells(self, cells: IntArray) -> ProbeTable:
        """Of each cell the sum over all its compartments."""
        if self.quantity.variable is None or not self.quantity.adds_up:
            raise ConfigError(
                f"{self.quantity.name!r} ({self.quantity.units}) is of a place: a cell has no sum "
                "of it", field="variable_name",
                fix=f"Use {', '.join(f'g_{of}, i_{of}' for of in SYNAPSES)}, or leave out type.",
            )  # fmt: skip
        counts = [model.n_nodes for model in self.models]
        n = sum(counts)
        return ProbeTable(
            variables=(self.quantity.variable,),
            cell=np.repeat(cells, counts),
            node=np.concatenate([np.arange(count) for count in counts]),
            variable=np.zeros(n, np.int64),
            weight=np.ones(n),
            column=np.repeat(np.arange(len(cells)), counts),
            n_columns=len(cells),
        )

    def open(self, path: Path, mode: str, provenance: dict[str, Any]) -> None:
        """Create the file; nothing is written before every report has been checked."""
        more = {**self.mapping, **self.schedule.times}
        self.report = MembraneReport(path, *self._what, mode=mode, provenance=provenance, **more)

    def take(self, first_step: int, samples: FloatArray) -> None:
        """Write the rows that are due from a piece's samples of this recorder's columns."""
        due = self.schedule.due(first_step, len(samples))
        if due.any():
            self.report.append(self.values(samples[due]))

    def values(self, samples: FloatArray) -> FloatArray:
        """float64[samples, elements] of the quantity from the columns of the probes."""
        if self.is_plain:
            return samples
        return np.column_stack([self._element(e, samples) for e in range(len(self.elements))])

    def _element(self, e: int, values: FloatArray) -> FloatArray:
        (_, model, node), (begin, n) = self.elements[e], self.pieces[e]
        if n == 0:
            return np.full(len(values), np.nan)
        part = values[:, begin : begin + n]
        return self.quantity.evaluate(model, node, part, self.celsius)

    def flush(self) -> None:
        self.report.flush()

    def close(self) -> None:
        self.report.close()
