"""When a run writes its state to files, and who writes them."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.circuit import Simulation
from isocortex.errors import ConfigError
from isocortex.report.output import CHECKPOINT
from isocortex.report.record import Schedule
from isocortex.session.loop import Run, Watching
from isocortex.session.outputs import Account, Writers
from isocortex.session.setup import Options
from isocortex.session.statefile import Meaning, write_state

logger = logging.getLogger(__name__)
SAVING = "saving states"


@dataclass(frozen=True)
class Plan:
    """When a run writes its state.

    Attributes
    ----------
    every : ms between checkpoints, of simulated time; None for none.
    minutes : the same of wall-clock, minutes.
    at : ms, when a state is kept in a file of its own.
    """

    every: float | None = None
    minutes: float | None = None
    at: tuple[float, ...] = ()

    @classmethod
    def of(cls, every: float | str | None, at: float | Sequence[float] | None) -> Plan | None:
        """The plan that was asked for, None if nothing was.

        Parameters
        ----------
        every : ms of simulated time, or a text such as ``100``, ``100ms`` or ``10min``, which is
            wall-clock.
        at : ms, one or several.

        Raises
        ------
        ConfigError : no positive duration.
        """
        times = (at,) if isinstance(at, int | float) else tuple(at or ())
        for moment in times:
            if not (np.isfinite(moment) and moment > 0.0):
                raise ConfigError(f"no state can be saved at {moment:g} ms", field="save_at",
                                  fix="Give a time after the beginning, ms.")  # fmt: skip
        if every is None:
            return cls(at=times) if times else None
        found = re.fullmatch(r"\s*([\d.eE+]+)\s*(ms|min)?\s*", str(every))
        try:
            number = float(found[1]) if found else 0.0
        except ValueError:
            number = 0.0
        if found is None or not (np.isfinite(number) and number > 0.0):
            raise ConfigError(
                f"{every!r} is no time between checkpoints", field="checkpoint_every",
                fix="Give ms of simulated time, as 100, or minutes of waiting, as 10min.",
            )  # fmt: skip
        if found[2] == "min":
            return cls(minutes=number, at=times)
        return cls(every=number, at=times)

    def check(self, end: float) -> None:
        """Refuse states of times after the run's end, ms."""
        late = [moment for moment in self.at if moment > end + 1e-6]
        if late:
            raise ConfigError(
                f"no state can be saved at {late[0]:g} ms, the run ends at {end:g} ms",
                field="save_at", fix="Give a later --tstop.",
            )  # fmt: skip

    @property
    def checkpoints(self) -> bool:
        """Whether the newest state is kept, so that the run can be continued."""
        return self.every is not None or self.minutes is not None

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the files of states."""
        return tuple(map(state_name, self.at))


def about_run(
    options: Options, plan: Plan, simulation: Simulation, account: Account
) -> dict[str, Any]:
    """What a state tells of the run that it is of, plain data."""
    return {
        "options": asdict(options), "plan": asdict(plan), "facts": account.facts["run"],
        "config_text": account.more["config_text"], "dt": simulation.dt,
        "tstop": simulation.tstop, "begin": account.begin,
    }  # fmt: skip


def state_name(moment: float) -> str:
    """Name of the file of a state that was asked for at a time, ms."""
    return f"state_{moment:.10g}ms.h5"


class Checkpoints(Watching):
    """Writes the state where the plan says, at ends of windows: there nothing is half exchanged.

    The last checkpoint of a run that ends is at the last end of a window before the end, so that it
    can be continued as if it had been asked for more; or earlier, where a report that goes on has
    no row only because the run ends. Of several ranks the first writes what all of them hold.

    Parameters
    ----------
    about : what a state is of, see :mod:`isocortex.session.statefile`.
    schedules : of the run's reports.
    writers : of the run's files; None on other ranks, which have none.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        about: Mapping[str, Any],
        schedules: Sequence[Schedule],
        writers: Writers | None,
        say: Callable[[str], None],
    ) -> None:
        self.plan, self.folder, self.about = plan, folder, about
        self.writers, self.say = writers, say
        #: the last step before which a checkpoint has all rows of a run that goes on
        self.latest = min((s.left_out for s in schedules if s.left_out is not None), default=None)

    def start(self, run: Run) -> None:
        self.written, self.when = run.step, time.monotonic()
        self._look_ahead(run, self.plan.at)
        past = [moment for moment, step in self.states.items() if step < run.step]
        for moment in past:  # of a run that goes on
            del self.states[moment]

    def changed(self, run: Run, simulation: Simulation) -> None:
        """Windows of the network of now may end elsewhere."""
        self._look_ahead(run, self.states)
        window = run.engine.window
        next_end = -(-run.step // window) * window
        for moment, step in self.states.items():
            if step < next_end:
                self.states[moment] = next_end
        run.pause_at([*self.states.values()])
        if self.states and next_end >= run.n_steps:
            logger.warning("No window ends between %g ms, where the network changes, and the end: "
                           "no state is saved there", run.time)  # fmt: skip

    def _look_ahead(self, run: Run, moments: Iterable[float]) -> None:
        """Find the ends of windows at which states of some moments and checkpoints are written."""
        window, dt = run.engine.window, run.settings.dt
        last = (run.n_steps - 1) // window * window

        def window_end(moment: float) -> int:
            return min(max(int((moment / dt + 1e-6) // window), 1) * window, last)

        self.states = {moment: window_end(moment) for moment in moments}
        self.checkpoints: set[int] = set()
        if self.plan.every is not None:
            n = int(run.n_steps * dt / self.plan.every)
            self.checkpoints = {window_end((k + 1) * self.plan.every) for k in range(n)}
        if self.plan.checkpoints:
            latest = last if self.latest is None else min(last, self.latest // window * window)
            self.checkpoints.add(latest)
        run.pause_at([*self.states.values(), *self.checkpoints])

    def before(self, run: Run, n_steps: int) -> None:
        """Write what is due as the next piece begins: the last one has been looked at by now."""
        if run.step % run.engine.window:
            return
        for moment in [moment for moment, step in self.states.items() if step == run.step]:
            path = self.folder / state_name(moment)
            self._write(run, path, checkpoint=False)
            del self.states[moment]
            self.say(f"State at {run.time:g} ms: {path}")
        waited = self._waited(run)
        if self._goes_on(run) and (run.step in self.checkpoints or waited):
            self._checkpoint(run)

    def finish(self, run: Run, complete: bool) -> None:
        at_end_of_window = run.step % run.engine.window == 0
        if run.stopped and self.plan.checkpoints:
            if self._goes_on(run) and at_end_of_window:
                self._checkpoint(run)
            if (self.folder / CHECKPOINT).exists():
                self.say(f"It can go on: isocortex continue {self.folder}")

    def _goes_on(self, run: Run) -> bool:
        """Whether a checkpoint would be newer than the last, and a run that goes on whole."""
        return run.step > self.written and (self.latest is None or run.step <= self.latest)

    def _waited(self, run: Run) -> bool:
        minutes = self.plan.minutes
        if minutes is None:
            return False
        # each rank has a clock of its own
        return run.ranks.share(time.monotonic() - self.when >= 60.0 * minutes)

    def _checkpoint(self, run: Run) -> None:
        self._write(run, self.folder / CHECKPOINT, checkpoint=True)
        self.written, self.when = run.step, time.monotonic()

    def _write(self, run: Run, path: Path, *, checkpoint: bool) -> None:
        """Write the state of all ranks; to a checkpoint belongs what the files hold."""
        state = run.engine.standing()
        cells = range(run.network.circuit_cells)
        with run.ranks.in_turn(state.pieces(cells)) as pieces:
            if self.writers is not None:
                more = {**(self.writers.kept() if checkpoint else {}), **self.writers.connections()}
                about = {**self.about, "account": self.writers.account.kept(run)}
                write_state(path, state, Meaning.of(run.network), about, more, pieces)
        run.clock.lap(SAVING)
        logger.info("State at %g ms: %s", run.time, path.name)
