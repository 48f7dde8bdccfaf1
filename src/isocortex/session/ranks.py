"""The processes that run one simulation together: as a rule one alone, or those of an MPI launch.

Every rank calls the methods in the same order. What fails on one rank is raised on all, at the next
point where they speak to each other, so that each can close its files and none waits for another
that is gone.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.engine.exchange import SPIKE, Alone
from isocortex.errors import ConfigError, IsocortexError
from isocortex.printable import printable
from isocortex.session.launcher import launched, usable_cores

T = TypeVar("T")

#: Spikes of a rank that go with the first message of a window; more take a second one.
ROOM = 32
#: s that a launcher has to pass on the last line of a rank, before it ends them all.
TO_BE_READ = 1.0


class Ranks(Alone):
    """One process alone.

    Attributes
    ----------
    rank, size : which this is, and of how many.
    here : how many of them are on this machine.
    threads : what each has cores for.
    heard : what another rank failed with, as it was told last.
    """

    here = 1
    heard: BaseException | None = None

    def __init__(self) -> None:
        self.threads = usable_cores()

    def all(self, value: T, error: BaseException | None = None) -> list[T]:
        """The values of all ranks, in their order.

        Raises
        ------
        BaseException : ``error``, or what the first rank says that has one.
        """
        if error is not None:
            raise error
        return [value]

    def share(self, value: T) -> T:
        """The value of the first rank."""
        return self.all(value)[0]

    def sum(self, number: int) -> int:
        return sum(self.all(number))

    @contextmanager
    def in_turn(self, pieces: Iterator[T]) -> Iterator[Iterator[T]]:
        """The pieces of all ranks, in the order of ranks, to the first; to others none.

        At most two are held at a time: a rank makes its next one when the first rank asks for it.
        """
        yield pieces

    @contextmanager
    def together(self) -> Iterator[None]:
        """Go on only if all have come to the end of this; what one raises all do."""
        raised: BaseException | None = None
        try:
            yield
        except BaseException as error:
            raised = error
        heard, self.heard = self.heard, None
        if raised is not None and raised is heard:  # who told it was here, and has gone on
            raise raised
        try:
            self.all(None, raised)
        finally:
            self.heard = None


class MpiRanks(Ranks):
    """The processes of an MPI launch.

    Parameters
    ----------
    comm : an mpi4py communicator of all of them.

    Attributes
    ----------
    passed_on : what another rank failed with, which this one alone was told.
    """

    passed_on: BaseException | None = None

    def __init__(self, comm: Any) -> None:
        self.comm, self.rank, self.size = comm, comm.rank, comm.size
        self._make_room(ROOM)
        own = os.sched_getaffinity(0)
        machines = self.all((platform.node(), own))
        mine = [others for node, others in machines if node == platform.node()]
        self.here = len(mine)
        sharing = sum(not own.isdisjoint(others) for others in mine)
        self.threads = max(len(own) // sharing, 1)

    def all(self, value: T, error: BaseException | None = None) -> list[T]:
        told = self.comm.allgather((value, None if error is None else self._tellable(error)))
        if error is not None:
            raise error
        for _, failure in told:
            if failure is not None:
                self.heard = failure
                raise failure
        return [value for value, _ in told]

    @contextmanager
    def in_turn(self, pieces: Iterator[T]) -> Iterator[Iterator[T]]:
        if self.rank:
            self._give(pieces)
            yield iter(())
            return
        waiting = list(range(1, self.size))
        try:
            yield self._taken(pieces, waiting)
        finally:  # whoever still waits is let go
            for rank in waiting:
                self.comm.send(False, rank)

    def _taken(self, pieces: Iterator[T], waiting: list[int]) -> Iterator[T]:
        yield from pieces
        while waiting:
            self.comm.send(True, waiting[0])
            piece, failure = self.comm.recv(source=waiting[0])
            if failure is not None or piece is None:
                waiting.pop(0)
            if failure is not None:
                self.passed_on = failure
                raise failure
            if piece is not None:
                yield piece

    def _give(self, pieces: Iterator[T]) -> None:
        """Send one piece after the other as long as they are asked for."""
        failure = None
        while failure is None and self.comm.recv(source=0):
            try:
                piece = next(pieces, None)
            except BaseException as error:
                failure, piece = error, None
            self.comm.send((piece, None if failure is None else self._tellable(failure)), 0)
            if piece is None:
                break
        if failure is not None:
            raise failure

    def _tellable(self, error: BaseException) -> BaseException:
        """An error that other ranks can raise; exceptions of other kinds may not be sent."""
        if isinstance(error, IsocortexError | KeyboardInterrupt) or error is self.passed_on:
            return error
        return RuntimeError(f"{type(error).__name__} on rank {self.rank}: {error}")

    def _make_room(self, room: int) -> None:
        """Messages of so many spikes; all ranks make the same."""
        kind = np.dtype([("n", "<i8"), ("word", "<i8"), ("spikes", SPIKE, (room,))])
        self._room, self._sent, self._received = room, np.zeros(1, kind), np.zeros(self.size, kind)

    def spikes(self, spikes: NDArray[np.void], word: int) -> tuple[NDArray[np.void], int]:
        sent, received, room = self._sent, self._received, self._room
        sent["n"], sent["word"] = len(spikes), word
        sent["spikes"][0, : len(spikes)] = spikes[:room]
        self.comm.Allgather(sent.view(np.uint8), received.view(np.uint8))
        counts = received["n"].tolist()
        parts = [received["spikes"][r, :n] for r, n in enumerate(counts) if r != self.rank]
        if max(counts) > room:
            more = [max(n - room, 0) for n in counts]
            rest, ends = np.empty(sum(more), SPIKE), np.cumsum(more)
            sizes = [n * SPIKE.itemsize for n in more]
            self.comm.Allgatherv(spikes[room:].view(np.uint8), [rest.view(np.uint8), sizes])
            parts += [rest[: ends[self.rank] - more[self.rank]], rest[ends[self.rank] :]]
            self._make_room(2 ** int(max(counts) - 1).bit_length())
        return np.concatenate(parts), int(np.bitwise_or.reduce(received["word"]))

    def gather(self, samples: FloatArray) -> list[FloatArray] | None:
        sizes = self.comm.gather(samples.size)
        if sizes is None:
            self.comm.Gatherv(samples, None)
            return None
        whole = np.empty(sum(sizes))
        self.comm.Gatherv(samples, [whole, sizes])
        return np.split(whole, np.cumsum(sizes)[:-1])

    def abort(self, error: BaseException) -> NoReturn:
        kind = "" if isinstance(error, IsocortexError) else f"{type(error).__name__}: "
        line = printable(f"Error on rank {self.rank}: {kind}{error}")
        print(line, file=sys.stderr, flush=True)
        time.sleep(TO_BE_READ)
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
        self.comm.Abort(status)
        os._exit(status)  # MPICH may return while its launcher is busy: what follows is not to run


def ranks_of_launch() -> Ranks:
    """Those that a launcher of MPI has started, or this process alone.

    MPI is loaded only if there are several.

    Raises
    ------
    ConfigError : there are, but MPI is not installed, or it is not the launcher's.
    """
    _, size = launched()
    if size == 1:
        return Ranks()
    try:
        import mpi4py

        mpi4py.rc.thread_level = "serialized"
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # no mpi4py, or no MPI for it to load
        raise ConfigError(
            f"{size} processes were launched to run one simulation, but mpi4py cannot be loaded "
            f"({error})", fix="Install isocortex[mpi], or start one process: it uses all cores.",
        ) from error  # fmt: skip
    if MPI.COMM_WORLD.size != size:
        name = " ".join(MPI.Get_library_version().splitlines()[0].split(",")[0].split())
        raise ConfigError(
            f"{size} processes were launched, but the MPI that mpi4py has loaded ({name}) knows of "
            f"{MPI.COMM_WORLD.size}",
            fix="Launch with the mpirun of this MPI, or srun --mpi=pmi2 or pmix.",
        )  # fmt: skip
    return MpiRanks(MPI.COMM_WORLD)
