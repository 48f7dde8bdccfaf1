"""Connections drawn at spikes on a GPU, and the events they make.

The host tells of spikes, and in which order they count; the GPU draws the connections of each,
keeps them in flight by delay, as a thread does (:mod:`isocortex.engine.loop`), and every window
makes the events of those that are due. What a connection is, and what its events are, the CPU's own
functions say, compiled for the GPU without combining products and sums (``draw.py.txt``): the same
to the last bit. Events of a block are put in the order in which the CPU makes them: by step, spike
(its time, then its source), delay and the order in which the connections were drawn.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.engine.assembly import Kernel, assemblies
from isocortex.engine.deal import Share
from isocortex.engine.interface import FloatArray, IntArray
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.parts import Drawn, Events, Inbox, Trains
from isocortex.engine.spreading import events_asked
from isocortex.network.clock import Clock
from isocortex.network.drawn.pool import AXONS
from isocortex.network.drawn.tables import CONNECTION, Connections
from isocortex.network.poisson import PoissonSources
from isocortex.targets.gpu import Machine

#: The kernels.
TEXT = Path(__file__).parent / "draw.py.txt"
KERNELS = ("draw", "set_out", "take", "gather", "place")
#: Layers, and areas and sides, that they have room for.
LAYERS, PATCHES = 8, 128
#: Spikes that are drawn at once.
AT_ONCE = 1 << 14
#: Room for the connections of a spike, before any has been seen.
ROOM = 1 << 10


class Heard(NamedTuple):
    """Spikes whose connections are drawn now.

    Source and time (ms); events due before ``earliest`` (ms) have acted. Connections of spike i are
    drawn into ``room[i]:room[i + 1]``; their ``number``, which may be more than that; where they
    ``begin`` in flight, and the ``latest`` of their delays, -1 for none.
    """

    source: Any
    time: Any
    earliest: Any
    room: Any
    number: Any
    begin: Any
    latest: Any


class Underway(NamedTuple):
    """Spikes with events to come, in no order.

    Source and time (ms); where their connections ``begin`` and ``end`` in flight; those that are
    due in this window, ``cursor:stop``; and when the next event after these is ``due`` (ms).
    """

    source: Any
    time: Any
    begin: Any
    end: Any
    cursor: Any
    stop: Any
    due: Any


class Due(NamedTuple):
    """What is due in a window.

    The ``order`` of spikes under way; how many ``connections`` and ``events`` there are of each
    block; where those of a block are, ``first:last``, and the ``turn`` of each: from the top its
    step in the window, its spike, which one it is of that spike's, and its number of synapses.
    ``middle`` and ``dt`` are the clock's (ms), ``origin`` is the step that events count from.
    """

    order: Any
    connections: Any
    events: Any
    first: Any
    last: Any
    turn: Any
    middle: Any
    dt: float
    origin: Any


def drawable(shares: list[Share]) -> bool:
    """Whether it is asked for, and all synapses are drawn at spikes, as a cortex has them."""
    return events_asked() and all(
        share.drawn is not None
        and share.drawn.pool is not None
        and len(share.drawn.axons.places.number) <= LAYERS
        and len(share.drawn.axons.places.patch_first) <= PATCHES + 1
        and len(share.part.wiring.target) == 0
        for share in shares
    )


class Stretches:
    """Parts of an array that are in use, and until when (ms)."""

    def __init__(self) -> None:
        self._taken: list[tuple[int, int, float]] = []

    def find(self, n: int) -> int:
        """Where ``n`` elements are free."""
        at = 0
        for begin, end, _ in sorted(self._taken):
            if begin - at >= n:
                break
            at = max(at, end)
        return at

    def take(self, begin: int, n: int, until: float) -> None:
        self._taken.append((begin, begin + n, until))

    def forget(self, now: float) -> None:
        """Give back those that are in use no longer."""
        self._taken = [each for each in self._taken if each[2] > now]


class Drawing:
    """What draws connections on a GPU, in place of the threads.

    These have nothing more to do with drawn synapses.

    Attributes
    ----------
    share : as of a thread that owns no blocks: the random spikes of shared axons; and what is under
        way, when a state is taken.
    n_more : events made.
    """

    def __init__(
        self, where: Machine, shares: list[Share], laid: Arrangement, poisson: PoissonSources,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._machine, self._clock, self.n_more = where, clock, 0
        part, drawn = shares[0].part, _of_all(shares)
        assert drawn.pool is not None
        n_axons = (len(drawn.pool.patch_first) - 1) * AXONS
        self._neurons = range(drawn.first_source, drawn.first_source + len(drawn.model))
        self._axons = range(drawn.first_axon, drawn.first_axon + n_axons)
        chosen, none = np.unique(np.concatenate([s.chosen for s in shares])), np.zeros(0, np.int64)
        mine = np.isin(np.arange(len(poisson)), chosen)
        self.share = Share(part._replace(blocks=none), None, chosen, poisson.only(mine).begin())
        for share in shares:
            share.drawn, share.chosen = None, none
            share.poisson = poisson.only(np.zeros(len(poisson), bool)).begin()
        self._drawn, self._shift = _there(where, drawn), part.wiring.shift
        self._late: FloatArray = part.wiring.delays[drawn.delay]
        self._late_there = where.put(self._late)
        self._rooms = [ROOM, ROOM]  # of a neuron's connections, and of an axon's
        self._heard, self._made = self._room_to_hear(1024), self._room_for(1024)
        self._flight, self._underway = self._room_for(1024), self._room_under_way(1024)
        n_blocks, room = len(laid.blocks), where.room
        self._none_due = np.zeros(n_blocks, np.int32)
        self._due = Due(
            room(1024, np.int32), where.put(self._none_due), where.put(self._none_due),
            room(n_blocks, np.int64), room(n_blocks, np.int64), room(1024, np.int64),
            room(1, np.float64), clock.dt, room(1, np.int64),
        )  # fmt: skip
        self._trains, self._next = Trains(none, np.zeros(0)), 0
        self._launches: dict[str, tuple[tuple[Any, ...], Any]] = {}
        self._forget_all()

    def _forget_all(self) -> None:
        """Nothing is under way; what is, stands in these by time, then source."""
        self._in_flight, self._slots, self._now = Stretches(), Stretches(), -np.inf
        self._n, n = 0, self._underway.time.shape[0]
        self._time, self._source, self._until = np.empty(n), np.empty(n, np.int64), np.empty(n)
        self._slot = np.empty(n, np.int32)

    def _room_to_hear(self, n: int) -> Heard:
        room = self._machine.room
        return Heard(
            room(n, np.int64), room(n, np.float64), room(n, np.float64), room(n + 1, np.int64),
            room(n, np.int32), room(n, np.int64), room(n, np.int32),
        )  # fmt: skip

    def _room_under_way(self, n: int) -> Underway:
        room = self._machine.room
        return Underway(
            room(n, np.int64), room(n, np.float64), room(n, np.int64), room(n, np.int64),
            room(n, np.int64), room(n, np.int64), room(n, np.float64),
        )  # fmt: skip

    def _room_for(self, n: int) -> Connections:
        """Arrays of their own: threads that are side by side ask for one field of many."""
        fields = CONNECTION.fields
        assert fields is not None
        return Connections(
            *(self._machine.room(n, fields[name][0]) for name in Connections._fields)
        )

    def _grown(self, arrays: Any, n: int) -> Any:
        """Arrays of the same type with room for ``n``, which begin with the same."""
        found = []
        for array in arrays:
            more = self._machine.room(n, array.dtype)
            self._machine.copy(more, array)
            self._machine.free(array)
            found.append(more)
        return type(arrays)(*found)

    def _free(self, arrays: tuple[Any, ...]) -> None:
        for array in arrays:
            self._machine.free(array)

    def _launch(self, name: str, n: int, first: int = 0, last: int = 0) -> None:
        """Start a kernel on so many blocks of threads; it is compiled if need be."""
        under_way = (self._due, self._flight, self._underway)
        late = self._late_there
        arguments: tuple[Any, ...] = (*under_way, late, self._drawn.address, self._shift)
        if name == "draw":
            arguments = (self._heard, self._made, self._drawn)
        elif name == "set_out":
            arguments = (self._heard, self._made, self._flight, self._underway, late)
        elif name == "place":
            arguments = (*under_way, self._drawn, self._events, self._shift)
        bound, launch = self._launches.get(name, ((), None))
        if len(bound) != len(arguments) or not all(map(operator.is_, bound, arguments)):
            kernel, file = Kernel(TEXT.read_text(), name=name, combined=False), None
            if not self._machine.simulated:
                known = self._machine.capability
                (file,) = assemblies([kernel], arguments, known, processes=1)
            launch = self._machine.bind(kernel, file, arguments)
            self._launches[name] = arguments, launch
        if n:  # a GPU starts nothing of no blocks
            launch(n, first, last)

    def begin(self, origin: int, trains: Trains, events: Events) -> None:
        """Before some steps, which events count from ``origin`` on; ``trains`` are from outside."""
        mine = _within(trains.source, self._axons) | _within(trains.source, self._neurons)
        self._trains, self._next = Trains(trains.source[mine], trains.time[mine]), 0
        self._machine.free(self._due.middle)
        self._due = self._due._replace(middle=self._machine.put(self._clock.middle))
        self._machine.write(self._due.origin, np.array([origin]))
        self._events = events
        for name in KERNELS:
            self._launch(name, 0)

    def hear(
        self, source: IntArray, time: FloatArray, earliest: FloatArray | float = -np.inf
    ) -> None:
        """Spikes set out; their events due before ``earliest`` (ms) have acted."""
        earliest = np.broadcast_to(earliest, len(source))
        mine = np.flatnonzero(_within(source, self._axons) | _within(source, self._neurons))
        for k in range(0, len(mine), AT_ONCE):
            some = mine[k : k + AT_ONCE]
            self._hear(source[some], time[some], earliest[some])

    def _hear(self, source: IntArray, time: FloatArray, earliest: FloatArray) -> None:
        n, write = len(source), self._machine.write
        if n > self._heard.source.shape[0]:
            self._free(self._heard)
            self._heard = self._room_to_hear(2 * n)
        for array, values in zip(self._heard, (source, time, earliest), strict=False):
            write(array, values)
        number = self._draw(_within(source, self._axons).astype(np.int64))
        total = int(number.sum())
        at, slot = self._place_for(total, n)
        write(self._heard.begin, at + np.cumsum(number) - number)
        self._launch("set_out", n, slot)
        latest = self._machine.read(self._heard.latest, 0, n)
        until = np.where(latest < 0, -np.inf, time + self._late[latest])
        self._in_flight.take(at, total, until.max())
        self._slots.take(slot, n, until.max())
        self._line_up(time, source, until, slot + np.arange(n, dtype=np.int32))

    def _draw(self, kind: IntArray) -> IntArray:
        """How many connections each spike has, which are drawn; ``kind`` is 1 of axons, else 0."""
        while True:
            room = np.array(self._rooms)[kind]
            begin = np.append(0, np.cumsum(room))
            if begin[-1] > self._made.target.shape[0]:
                self._free(self._made)
                self._made = self._room_for(int(begin[-1]))
            self._machine.write(self._heard.room, begin)
            self._launch("draw", len(kind))
            number = self._machine.read(self._heard.number, 0, len(kind)).astype(np.int64)
            if (number <= room).all():
                return number
            for k in range(2):  # and they come out the same again
                most = int(number[kind == k].max(initial=0))
                self._rooms[k] = max(self._rooms[k], most * 5 // 4)

    def _place_for(self, n_connections: int, n_spikes: int) -> tuple[int, int]:
        """Where so many connections and spikes are free, which there is made room for."""
        for attempt in range(2):
            at, slot = self._in_flight.find(n_connections), self._slots.find(n_spikes)
            flight, under_way = self._flight.target.shape[0], self._underway.time.shape[0]
            short = at + n_connections > flight, slot + n_spikes > under_way
            if attempt == 0 and any(short):
                self._forget()
        if short[0]:
            self._flight = self._grown(self._flight, max(2 * flight, at + n_connections))
        if short[1]:
            self._underway = self._grown(self._underway, max(2 * under_way, slot + n_spikes))
        return at, slot

    def _forget(self) -> None:
        """Spikes whose events have all been made."""
        left = self._until[: self._n] > self._now
        for array in (self._time, self._source, self._until, self._slot):
            kept = array[: self._n][left]
            array[: len(kept)] = kept
        self._n = int(np.count_nonzero(left))
        self._in_flight.forget(self._now)
        self._slots.forget(self._now)

    def _line_up(
        self, time: FloatArray, source: IntArray, until: FloatArray, slot: NDArray[np.int32]
    ) -> None:
        """Spikes take their places; those that were heard before are before equal ones."""
        begin = int(np.searchsorted(self._time[: self._n], time.min()))
        new, end = (time, source, until, slot), self._n + len(time)
        mine: tuple[np.ndarray, ...] = (self._time, self._source, self._until, self._slot)
        if end > len(self._time):
            mine = tuple(np.concatenate([array, np.empty_like(array, shape=end)]) for array in mine)
            self._time, self._source, self._until, self._slot = mine
        tail = [np.concatenate([a[begin : self._n], b]) for a, b in zip(mine, new, strict=True)]
        order = np.lexsort((tail[1], tail[0]))
        for array, values in zip(mine, tail, strict=True):
            array[begin:end] = values[order]
        self._n = end

    def make(self, first: int, last: int, make_room: Callable[[int], Events]) -> None:
        """The events of the steps ``first:last``."""
        until, begin = float(self._clock.middle[last - 1]), self._next
        self._next = int(np.searchsorted(self._trains.time, until, side="right"))
        arrived = slice(begin, self._next)
        self.hear(self._trains.source[arrived], self._trains.time[arrived])
        read, write = self._machine.read, self._machine.write
        if self._n > self._due.order.shape[0]:
            self._machine.free(self._due.order)
            self._due = self._due._replace(order=self._machine.room(2 * self._n, np.int32))
        write(self._due.order, self._slot[: self._n])
        self._launch("take", self._n, first, last)
        ends = np.cumsum(read(self._due.connections), dtype=np.int64)
        event_ends = np.cumsum(read(self._due.events), dtype=np.int64)
        write(self._due.events, self._none_due)
        n_due, total = int(ends[-1]), int(event_ends[-1])
        if n_due > self._due.turn.shape[0]:
            self._machine.free(self._due.turn)
            self._due = self._due._replace(turn=self._machine.room(n_due * 5 // 4, np.int64))
        self._events = make_room(total)
        for there, end in ((self._due, ends), (self._events, event_ends)):
            write(there.first, np.append(0, end)[:-1])
            write(there.last, end)
        self._launch("gather", self._n, first, last)
        self._machine.wait()
        self._launch("place", len(ends), first, last)
        self._machine.wait()
        self._now, self.n_more = until, self.n_more + total

    def tell(self) -> None:
        """Put what is under way into the inbox of the ``share``."""
        slot = self._slot[: self._n]
        due = self._machine.read(self._underway.due)[slot]
        left = np.flatnonzero(due < np.inf)
        none = np.zeros(len(left), np.int64)
        inbox = Inbox(self._source[left], none, none, self._time[left], due[left])
        self.share.part = self.share.part._replace(inbox=inbox, n_inbox=len(left))

    def restore(self, source: IntArray, time: FloatArray, due: FloatArray) -> None:
        """Put spikes on their way again whose next events are due then (ms)."""
        self._forget_all()
        self.hear(source, time, due)


def _within(source: IntArray, which: range) -> NDArray[np.bool_]:
    return (source >= which.start) & (source < which.stop)


def _of_all(shares: list[Share]) -> Drawn:
    """What the synapses of all parts follow from, as kernels take it."""
    first, last = shares[0].drawn, shares[-1].drawn
    assert first is not None and last is not None
    factors = [
        each and each._replace(pace=None, paces=(), law=None, laws=None)
        for each in (first.factors, first.pool_factors)
    ]
    return first._replace(end=last.end, factors=factors[0], pool_factors=factors[1])


def _there(where: Machine, value: Any) -> Any:
    """The same there, numbers as the CPU's functions have them."""
    if isinstance(value, np.ndarray):
        return where.put(np.ascontiguousarray(value))
    if isinstance(value, tuple):
        parts = [_there(where, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else ()
    if value is None or isinstance(value, (np.uint64, np.floating)):
        return value
    return np.float64(value) if isinstance(value, float) else int(value)
