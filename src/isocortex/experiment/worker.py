"""A process that does jobs of a study: one line of JSON each in, what became of it out."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time

from isocortex.errors import IsocortexError
from isocortex.experiment.jobs import Job
from isocortex.experiment.workers import Stdout

#: s between two words on how far a job is.
OFTEN = 0.5


def main() -> None:
    """Do jobs until who asked for them is gone; it may have been killed."""
    # by it we are told to stop; a shell starts what runs in the background with it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = Stdout()
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            jobs.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    try:
        while True:
            _perform(Job(**json.loads(jobs.get())), out)
    except KeyboardInterrupt:
        os._exit(130)


def _perform(job: Job, out: Stdout) -> None:
    last = time.monotonic()

    def told(done: float) -> None:
        nonlocal last
        if time.monotonic() - last >= OFTEN:
            last = time.monotonic()
            out.say(at=done)

    try:
        out.say(seconds=job.perform(told))
    except IsocortexError as error:
        out.say(kind=type(error).__name__, error=error.message, fix=error.fix, field=error.field,
                file=None if error.file is None else str(error.file))  # fmt: skip
    except Exception as error:
        out.say(kind=type(error).__name__, error=str(error), fix=None, field=None, file=None)


if __name__ == "__main__":
    main()
