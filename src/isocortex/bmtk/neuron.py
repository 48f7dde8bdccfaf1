"""What scripts ask of ``neuron.h`` besides cells: which of several processes this one is.

>>> from isocortex.bmtk.neuron import h
>>> h.ParallelContext().nhost()
1.0
"""

from __future__ import annotations

from typing import Any

from isocortex.bmtk.simulator.bionet.absent import AbsentError
from isocortex.session.ranks import ranks_of_launch

__all__ = ["h"]


class ParallelContext:
    """The processes that were launched together; numbers are floating-point, as NEURON's are."""

    def __init__(self) -> None:
        self._ranks = ranks_of_launch()

    def id(self) -> float:
        return float(self._ranks.rank)

    def nhost(self) -> float:
        return float(self._ranks.size)

    def barrier(self) -> float:
        """Processes wait for each other where a simulation needs it."""
        return 0.0

    def done(self) -> None:
        """A process ends where its script does."""

    def gid_clear(self) -> None:
        """Cells are a simulation's own."""


class _Interpreter:
    """``h``: it loads nothing, for there is nothing to be loaded, and has no cells."""

    ParallelContext = ParallelContext
    #: NEURON's default method, and the package's.
    secondorder = 0

    def load_file(self, *_: Any) -> float:
        return 1.0

    nrn_load_dll = load_file

    def __getattr__(self, name: str) -> Any:
        raise AbsentError("there is no NEURON", field=f"h.{name}", fix=INSTEAD)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "secondorder" or value != 0:
            raise AbsentError("there is no NEURON", field=f"h.{name}", fix=INSTEAD)


INSTEAD = (
    "Temperature, step and duration are said in the configuration, the method by the option "
    "integrator of BioSimulator.from_config; sim.session has voltages and spikes."
)
h = _Interpreter()
