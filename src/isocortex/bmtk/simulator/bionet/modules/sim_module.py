"""The class that modules of scripts are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isocortex.bmtk.simulator.bionet.biosimulator import BioSimulator


class SimulatorMod:
    """What is called during a simulation; ``sim.session`` can be looked into and record."""

    def initialize(self, sim: BioSimulator) -> None:
        """Before the first step."""

    def step(self, sim: BioSimulator, tstep: int) -> None:
        """After every step, counted from 0; a simulation with such a module stops after each."""

    def block(self, sim: BioSimulator, block_interval: tuple[int, int]) -> None:
        """After every ``nsteps_block`` steps, and after the last: from which step to which."""

    def finalize(self, sim: BioSimulator) -> None:
        """When the simulation is over."""
