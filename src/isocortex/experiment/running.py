"""Jobs in the order that their needs allow, side by side, with how far it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isocortex.cortex.cost import BASE_BYTES, COMPARTMENT_BYTES, NEURON_BYTES, SYNAPSE_BYTES
from isocortex.cortex.recipe import Recipe
from isocortex.errors import IsocortexError, disk_errors
from isocortex.experiment.jobs import Job
from isocortex.experiment.workers import Answer, Cluster, Here, Processes
from isocortex.network.build import STORED_UP_TO
from isocortex.network.memory import available_memory
from isocortex.report.output import held
from isocortex.text import in_words

#: s between two looks at what is going on.
LOOK = 0.2
#: Neurons of the whole cortex, and compartments of one of them, about.
NEURONS, COMPARTMENTS = 9e6, 152
#: Share of the free memory that runs side by side may take.
SPARED = 0.8

#: Told of simulated time, ms: what is done of all, and what there is; and what is being run.
Progress = Callable[[float, float, str], None]


class Tally:
    """How far jobs are, told to whoever looks on.

    Parameters
    ----------
    progress : told now and then; announce : called with a line for every job that ends.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        progress: Progress | None,
        announce: Callable[[str], None] | None,
    ) -> None:
        self.progress = progress or (lambda done, total, what: None)
        self.announce = announce or (lambda line: None)
        self.total = sum(job.duration for job in jobs)
        self.left = len(jobs)
        self.reached: dict[str, float] = {}  # by folder, ms
        self.found = 0.0  # ms of jobs that had been done before
        self.begun = time.monotonic()
        self.owner = threading.get_ident()

    def watch(self, job: Job, done: float) -> None:
        """A job has simulated so much, ms; from any thread."""
        self.reached[job.folder] = min(done, job.duration)
        if threading.get_ident() == self.owner:
            self.tell(job.name)

    def tell(self, what: str) -> None:
        """Say how far it is."""
        self.progress(min(sum(self.reached.values()), self.total), self.total, what)

    def ended(self, job: Job, seconds: float) -> None:
        """A job is whole; 0 s if it was so before."""
        self.reached[job.folder] = job.duration
        self.left -= 1
        if seconds == 0.0:
            self.found += job.duration
            line = f"{job.name}: done before"
        else:
            line = f"{job.name}: {in_words(seconds)}"
        simulated = sum(self.reached.values()) - self.found
        passed = time.monotonic() - self.begun
        if self.left and simulated > 0:
            left = passed * (self.total - simulated - self.found) / simulated
            line += f"; about {in_words(left)} to go"
        self.announce(line + ".")
        self.tell(job.name)


def perform_all(
    jobs: Sequence[Job],
    *,
    processes: int,
    client: Any = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
    check: Callable[[Job], None] = lambda job: None,
) -> None:
    """Do jobs, each after the one that it needs.

    Parameters
    ----------
    processes : that do them side by side on this machine; 1 for this process alone.
    client : who does them in their place, see :class:`isocortex.experiment.workers.Cluster`.
    check : called with every job that has ended; may refuse to go on.
    """
    tally = Tally(jobs, progress, announce)
    workers: Cluster | Here | Processes
    if client is not None:
        workers = Cluster(client)
    else:
        workers = Here(tally.watch) if processes == 1 else Processes(processes, tally.watch)
    waiting, finished = list(jobs), set[str]()
    running: list[tuple[Job, Answer]] = []
    try:
        while waiting or running:
            for job in [each for each in waiting if each.needs in finished | {None}]:
                waiting.remove(job)
                with told_of(job.name):
                    running.append((job, workers.submit(job)))
                if processes == 1 and client is None:
                    break  # what it makes possible may come before what else can be done
            ended = [pair for pair in running if pair[1].done()]
            for job, answer in ended:
                running.remove((job, answer))
                with told_of(job.name):
                    tally.ended(job, answer.result())
                check(job)
                finished.add(job.folder)
            if running and not ended:
                tally.tell(", ".join(job.name for job, _ in running[:processes]))
                time.sleep(LOOK)
    finally:
        workers.close()


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Say of an error which job it ended."""
    try:
        yield
    except IsocortexError as error:
        raise type(error)(
            f"{name}: {error.message}", file=error.file, field=error.field, fix=error.fix
        ) from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a folder for oneself: two that write there at once would destroy each other's work.

    Raises
    ------
    ConfigError : another process has it.
    """
    with disk_errors(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    with held(folder, "is being worked on by another process"):
        yield


def processes_for(recipe: Recipe, precision: str, jobs: int, cores: int) -> int:
    """How many of a study's runs this machine holds side by side: each on one core, if it can."""
    neurons = NEURONS * recipe.scale
    synapses = recipe.expected_synapses
    each = BASE_BYTES + neurons * (COMPARTMENTS * COMPARTMENT_BYTES[precision] + NEURON_BYTES)
    each += SYNAPSE_BYTES * synapses if synapses <= STORED_UP_TO else 0.0
    return max(1, min(jobs, cores, int(SPARED * available_memory() / each)))
