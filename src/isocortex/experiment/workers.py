"""Who does the jobs of a study: this process, several beside it, or a cluster's.

All are asked alike, as executors of ``concurrent.futures`` and clients of ``dask.distributed`` are:
``submit`` gives a future. Processes of our own are started by their module and not by a fork or
spawn of the caller's, so that a study may be run from any script or notebook.
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from inspect import signature
from typing import Any, Protocol

from isocortex import errors
from isocortex.experiment.jobs import Job, plain

#: s that a process is given to stop.
PATIENCE = 10.0

#: Told which job has simulated how much, ms.
Watch = Callable[[Job, float], None]


class Answer(Protocol):
    """What is known of a job that was submitted."""

    def done(self) -> bool:
        """Whether it has ended."""

    def result(self) -> Any:
        """Seconds that it took; raises what it raised."""


class Here:
    """Jobs are done by this process, each before the next is asked for."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def submit(self, job: Job) -> Answer:
        """Do it now."""
        answer: Future[float] = Future()
        answer.set_result(job.perform(lambda done: self.watch(job, done)))
        return answer

    def close(self) -> None:
        """Nothing is left behind."""


class Processes:
    """Several processes on this machine, each of which does one job after the other."""

    def __init__(self, number: int, watch: Watch) -> None:
        self.watch = watch
        self.free: queue.SimpleQueue[subprocess.Popen[str] | None] = queue.SimpleQueue()
        self.started: list[subprocess.Popen[str]] = []
        self.closing = False
        for _ in range(number):
            self.free.put(None)
        self.pool = ThreadPoolExecutor(number, thread_name_prefix="study")

    def submit(self, job: Job) -> Answer:
        """Give it to the next process that is free; each is started when it is needed."""
        return self.pool.submit(self._have_done, job)

    def _have_done(self, job: Job) -> float:
        process = self.free.get() or self._start()
        ended = True
        try:
            assert process.stdin is not None and process.stdout is not None  # they are pipes
            process.stdin.write(json.dumps(plain(job)) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                told = json.loads(line)
                if "at" in told:
                    self.watch(job, told["at"])
                    continue
                ended = False
                if "error" in told:
                    raise _error(told)
                return float(told["seconds"])
        finally:
            self.free.put(None if ended else process)
        raise errors.SimulationError(
            f"the process that ran it ended with status {process.wait()}", field=job.name,
            fix="See what it wrote above; if memory was short, take fewer processes.",
        )  # fmt: skip

    def _start(self) -> subprocess.Popen[str]:
        if self.closing:
            raise KeyboardInterrupt
        process = subprocess.Popen(
            [sys.executable, "-m", "isocortex.experiment.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,  # Ctrl-C is for us, who then tell each of them, once
        )  # fmt: skip
        self.started.append(process)
        return process

    def close(self) -> None:
        """Stop what still runs: it writes what it has, and can go on from there."""
        self.closing = True
        self.pool.shutdown(wait=False, cancel_futures=True)
        idle = list[subprocess.Popen[str] | None]()
        with suppress(queue.Empty):
            while True:
                idle.append(self.free.get_nowait())
        for process in self.started:
            if process in idle and process.stdin is not None:
                process.stdin.close()  # it has nothing to do, and ends
            elif process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self.started:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.pool.shutdown(wait=True)  # nobody reads any more
        for process in self.started:
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # nobody is there to take what was left
                    pipe.close()  # type: ignore[union-attr]


class Cluster:
    """Jobs are sent to whoever the caller has, with a file system that all share.

    Parameters
    ----------
    client : of dask.distributed, or an executor: it has ``submit(function, argument)``.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.answers: list[Any] = []
        # what a job gives lies in its folder: dask must not answer with what it gave before
        takes = signature(client.submit).parameters
        self.more: dict[str, Any] = {"pure": False} if "pure" in takes else {}

    def submit(self, job: Job) -> Answer:
        """Send it."""
        from isocortex.experiment.jobs import perform

        answer: Answer = self.client.submit(perform, plain(job), **self.more)
        self.answers.append(answer)
        return answer

    def close(self) -> None:
        """Take back what nobody has begun; the cluster is the caller's."""
        for answer in self.answers:
            if not answer.done():
                answer.cancel()


def _error(told: dict[str, Any]) -> Exception:
    """The error of another process as one here."""
    kind = getattr(errors, told["kind"], None)
    if isinstance(kind, type) and issubclass(kind, errors.IsocortexError):
        return kind(told["error"], file=told["file"], field=told["field"], fix=told["fix"])
    return RuntimeError(f"{told['kind']}: {told['error']}")


class Stdout:
    """Lines of JSON for the process that asked; whatever else is printed goes to its error."""

    def __init__(self) -> None:
        self.stream, sys.stdout = sys.stdout, sys.stderr
        self.lock = threading.Lock()

    def say(self, **told: Any) -> None:
        """One line."""
        with self.lock:
            print(json.dumps(told), file=self.stream, flush=True)
