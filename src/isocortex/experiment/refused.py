"""What is wrong in the arms of a study, told before anything is simulated, where it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from isocortex.circuit.force import require_steady_delays
from isocortex.errors import ConfigError, IsocortexError
from isocortex.experiment.jobs import CIRCUIT, CONFIG, Job
from isocortex.experiment.pieces import written_as
from isocortex.experiment.running import told_of
from isocortex.network.build import check_changes
from isocortex.sonata.config import load_simulation

if TYPE_CHECKING:
    from isocortex.experiment.study import Study


def require_in_time(study: Study) -> None:
    """Refuse arms that begin to differ when the runs have ended.

    Raises
    ------
    ConfigError : with the arm and its change.
    """
    for arm in study.late:
        first = min(study.apart(arm, study.control), key=lambda piece: piece.start)
        raise ConfigError(
            f"begins at {first.start:g} ms, when the runs have ended ({study.tstop:g} ms): arm "
            f"{arm!r} is {study.control!r} again", file=first.file, field=first.place,
            fix=f"Let it begin earlier, or give a tstop above {first.start:g}.",
        )  # fmt: skip


def check_of_arms(study: Study, folder: Path) -> Callable[[Job], None]:
    """What refuses, once there is any circuit, and before anything is run, what is wrong.

    The circuits of other seeds have the same node sets, models and rules.
    """
    seeds = {str((folder / f"seed_{seed}" / CIRCUIT).absolute()): seed for seed in study.seeds}
    checked = False

    def check(job: Job) -> None:
        nonlocal checked
        if checked or job.folder not in seeds:
            return
        for arm in study.arms:
            with told_of(f"{arm}, seed {seeds[job.folder]}"):
                simulation = load_simulation(
                    study.folder_of(folder, seeds[job.folder], arm) / CONFIG
                )
                require_steady_delays(simulation)
                check_changes(simulation)
        checked = True

    return check


@contextmanager
def as_written(study: Study, folder: Path) -> Iterator[None]:
    """Say of what is wrong in a run's configuration where in the study it was written."""
    try:
        yield
    except IsocortexError as error:
        configs = {
            (study.folder_of(folder, seed, arm) / CONFIG).absolute(): arm
            for seed in study.seeds
            for arm in study.arms
        }
        arm = configs.get(Path(error.file or ""))
        found = arm and written_as(study.pieces(arm), error.field or "")
        if not found:
            raise
        raise type(error)(error.message, file=found[0], field=found[1], fix=error.fix) from error
