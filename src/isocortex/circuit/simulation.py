"""A simulation: a circuit, what drives it, what is recorded, and how it is integrated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from isocortex.arrays import IntArray
from isocortex.circuit.changes import Change
from isocortex.circuit.circuit import Circuit
from isocortex.circuit.contacts import Contacts
from isocortex.circuit.force import Effect
from isocortex.circuit.inputs import Input
from isocortex.circuit.overrides import ConnectionOverride


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """A report the configuration asks for; ``start``, ``end``, ``dt`` in ms.

    ``summed`` adds up what all compartments of a cell have; the report holds one value per cell.
    ``connections`` is None for quantities of compartments. Of a report of single connections it is
    NEURON's name of their synapses, or "" for any. ``contacts`` is where a report of potentials
    outside the cells records them, ``dipoles_by`` the attribute whose values are the groups of a
    report of dipole moments ("" has one group).
    """

    name: str
    variable: str
    cells: list[tuple[str, IntArray]]
    sections: str | tuple[str | int, ...] = "soma"
    start: float = 0.0
    end: float | None = None
    dt: float | None = None
    file_name: str | None = None
    connections: str | None = None
    summed: bool = False
    contacts: Contacts | None = None
    dipoles_by: str | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulation configuration, complete and checked.

    ``skipped`` names reports left out, ``files_read`` every file the configuration names as input;
    of ``overrides`` that are about the same synapse the last holds. ``changes`` are what is asked
    for; ``effects`` what they come to, where they are in force (see
    :func:`isocortex.circuit.force.in_force`), else None.
    """

    circuit: Circuit
    config_file: Path
    dt: float
    tstop: float
    dL: float
    spike_threshold: float
    celsius: float
    v_init: float
    inputs: list[Input]
    reports: list[ReportSpec]
    output_dir: Path
    spikes_file: str
    spikes_file_csv: str | None
    spikes_sort_order: str | None
    log_file: str | None
    overwrite_output_dir: bool
    seed: int
    skipped: list[str] = field(default_factory=list)
    files_read: frozenset[Path] = frozenset()
    overrides: list[ConnectionOverride] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    effects: list[Effect] | None = None
