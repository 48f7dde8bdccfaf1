"""The course of a run whose network changes on the way: built anew at some steps, and taken over.

Engines know nothing of changes. Where one begins or ends, the state is taken as for a branch, the
network is built as it is from there on, and the state is put back: a change after the onset is to
the last bit what a branch from a state of that time is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from isocortex.arrays import IntArray
from isocortex.circuit import Simulation
from isocortex.circuit.force import in_force, rebuilt_at
from isocortex.engine.identity import identity, require_same
from isocortex.engine.interface import Settings, Snapshot
from isocortex.engine.state import State
from isocortex.network.network import Network
from isocortex.session.engines import make_engine
from isocortex.session.loop import Run
from isocortex.session.ranks import Ranks
from isocortex.session.setup import Options, build
from isocortex.session.start import carried, shape_of
from isocortex.session.statefile import Meaning, Saved

logger = logging.getLogger(__name__)
CHANGING = "building changed networks"


@dataclass(frozen=True)
class Between:
    """What is known of an engine that has been let go."""

    step: int
    window: int
    n_events: int
    compile_seconds: float


class Course:
    """When the network of a simulation is another, and which.

    Parameters
    ----------
    simulation : with its changes, none of them in force, and its synapses.
    say : called with one line where the network is built anew.

    Attributes
    ----------
    steps : ascending, before which the network is built anew.
    """

    def __init__(
        self,
        simulation: Simulation,
        options: Options,
        settings: Settings,
        ranks: Ranks,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.simulation, self.options, self.settings = simulation, options, settings
        self.ranks, self.say = ranks, say
        self.steps: IntArray = np.array(rebuilt_at(simulation), np.int64)

    def part(self, step: int) -> int:
        """How many times the network was built anew by then; it is the same in between."""
        return int(np.searchsorted(self.steps, step, side="right"))

    def at(self, step: int) -> Simulation:
        """The simulation as it is in the step that begins then."""
        return in_force(self.simulation, step * self.settings.dt)

    def settings_of(self, now: Simulation) -> Settings:
        """The settings of then: its temperature may be another."""
        return replace(self.settings, celsius=now.celsius)

    def take_over(self, run: Run) -> None:
        """Go on with the network of now from the state that the one before had."""
        run.clock.lap(CHANGING)
        before, step = held(run.network, run.engine.state(), self.settings), run.step
        gone = _let_go(run)  # before the next is built: so its memory can be used
        now, network = self._built(step)
        settings = self.settings_of(now)
        self._install(run, network, settings, gone)
        run.engine.restore(carried(before, network, settings, self.ranks))
        run.clock.lap(CHANGING)
        run.changed(now)

    def put_to(self, run: Run, state: State) -> None:
        """The network of another time, at rest: a state of then is about to be given to it.

        Raises
        ------
        ConfigError : the state is not of this network; nothing has changed then.
        """
        now, network = self._built(state.step)
        settings = self.settings_of(now)
        require_same(state.of, identity(network, settings, self.ranks))
        self._install(run, network, settings, _let_go(run))
        run.changed(now)

    def _built(self, step: int) -> tuple[Simulation, Network]:
        """Simulation and network of a step."""
        self.say(f"At {step * self.settings.dt:g} ms the network changes: it is built anew.")
        logger.info("At %g ms the network changes.", step * self.settings.dt)
        now = self.at(step)
        return now, build(now, self.options, self.ranks)

    def _install(self, run: Run, network: Network, settings: Settings, gone: Between) -> None:
        """Give a run a network, in an engine that counts on."""
        engine = make_engine(network, settings, self.options.engine, self.ranks)
        engine.n_events = gone.n_events
        engine.compile_seconds += gone.compile_seconds
        run.engine, run.network, run.settings = engine, network.without_wiring(), settings


def _let_go(run: Run) -> Between:
    """Let a run be without an engine; who finishes after a mistake asks for what is kept."""
    old = run.engine
    gone = Between(old.step, old.window, old.n_events, old.compile_seconds)
    run.engine = gone  # type: ignore[assignment]
    return gone


def held(network: Network, state: Snapshot, settings: Settings) -> Saved:
    """A state in memory, as one that was read."""
    about = {"shape": shape_of(network), "dt": settings.dt}
    return Saved(Path(), about, state, partial(Meaning.of, network), {})
