"""The GPU engine: blocks of cells advanced by a GPU, everything between them by the CPU engine.

Layout, kinetics, recording and states are the CPU engine's, and so is the clockwork: threads hear
of spikes and sort the events of a window by block (:mod:`isocortex.engine.loop`), but leave the
blocks to this thread, which meets them twice a window: it hands the events to the GPU, or has them
made there, starts its kernels, and brings back the spikes. States stay on the GPU; they come to the
host's arrays when somebody asks for them.

A kernel is of a channel family, as on the CPU, and takes every mechanism and circuit
(``window_cuda.py.txt``); or, if that is asked for, it is straight-line code of one model
(:mod:`isocortex.engine.straight`), which takes blocks on which nothing acts but synapses. Both have
the same arguments.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.engine import snapshot
from isocortex.engine.assembly import Kernel, assemblies
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.drawing import Drawing, drawable
from isocortex.engine.exchange import Exchange
from isocortex.engine.family import family_source
from isocortex.engine.handing import Handing, with_room
from isocortex.engine.interface import FloatArray, IntArray, Piece, ProbeTable, Settings
from isocortex.engine.layout.arrangement import Arrangement, arrange
from isocortex.engine.meeting import dismiss, dismissed, meet
from isocortex.engine.parts import Electrodes, Shared
from isocortex.engine.sampling import Probes, Recording, recording_of
from isocortex.engine.spreading import ASKED, Spreading, events_asked, spreadable
from isocortex.engine.state import State
from isocortex.engine.straight.choice import asked, straight_kernels
from isocortex.errors import ConfigError
from isocortex.network.network import Network
from isocortex.targets.gpu import LANES, Machine, machine

logger = logging.getLogger(__name__)


class Spikes(NamedTuple):
    """What a window leaves, as kernels write it.

    ``number`` is of spikes, and not 0 at 1 if a voltage is no longer a number; of each spike the
    ``place`` (lanes are counted through all blocks), the ``step`` at whose end it was found and how
    ``early`` before that, in steps; the voltage of every ``soma``, mV, by place.
    """

    number: Any
    place: Any
    step: Any
    early: Any
    soma: Any


class CudaEngine(CpuEngine):
    """See :class:`isocortex.engine.interface.Engine`.

    Attributes
    ----------
    spent : s, what this thread has waited for: the threads' work on spikes and events, events on
        their way to the GPU or made there, kernels and the spikes on their way back, and the GPU
        that draws connections.

    Raises
    ------
    ConfigError : there is no GPU, or it is asked for what it does not do yet.
    """

    on_device = True

    def __init__(
        self, network: Network, settings: Settings, exchange: Exchange | None = None
    ) -> None:
        require_possible(settings, 1 if exchange is None else exchange.size)
        self._machine: Machine = machine()
        self._there = _Resident(self._machine)
        self.spent = {"threads": 0.0, "events": 0.0, "kernels": 0.0, "drawing": 0.0}
        self._on_host = True  # the states in the host's arrays are those of now
        self._processes = settings.threads  # that compile
        others = max(settings.threads - 1, 1)  # this thread speaks to the GPU
        super().__init__(network, replace(settings, threads=others), exchange)

    def _arrange(self, network: Network, dtype: np.dtype) -> Arrangement:
        return arrange(network, self.settings, LANES, dtype, alike=asked())

    def _kernels(self) -> IntArray:
        """None of the threads'; room for what the GPU works with."""
        n_blocks, real = len(self.laid.blocks), self.laid.dtype
        self._outbox = np.zeros(len(self.shares), np.int64)
        room, found = self._machine.room, self.shared.found
        n = int(np.diff(found.begin)[-1])
        self._spikes = Spikes(
            self._machine.put(np.zeros(2, np.int32)), room(n, np.int32), room(n, np.int32),
            room(n, real), room(n_blocks * LANES, real),
        )  # fmt: skip
        self._work = room(1, real), room(1, real)
        self._handing = Handing(self._machine, self.shares, self.laid, self._outbox)
        self._straight = straight_kernels(
            self.network, self.laid, self.settings, self.shared.kinetics, self.window,
            self._machine.shared,
        )  # fmt: skip
        self._spreading = self._drawing = None
        if drawable(self.shares):
            self._drawing = Drawing(
                self._machine, self.shares, self.laid, self.network.poisson, self.clock
            )
        elif spreadable(self.shares):
            self._spreading = Spreading(self._machine, self.shares, self.laid)
            self._spreading.bind(self._handing.events, self._processes)
        elif events_asked():
            logger.warning(
                "%s=1 is of no effect: a GPU does not make the events of this network "
                "(docs/gpu.md), threads do", ASKED,
            )  # fmt: skip
        self._groups: list[tuple[Kernel, IntArray]] = []
        self._files: Sequence[Path | None] = []
        self._arguments: tuple[Any, ...] = ()
        return self.shared.kernel

    def _recording_of(self, probes: ProbeTable, network: Network) -> Recording:
        return recording_of(probes, self.laid, network, self.settings.second_order, LANES)

    def _advance(self, n_steps: int) -> tuple[Piece, int]:
        piece, n_events = super()._advance(n_steps)
        makes = self._drawing or self._spreading
        if makes is not None:
            n_events, makes.n_more = n_events + makes.n_more, 0
        return piece, n_events

    def _begin(self, shared: Shared, electrodes: Electrodes, probes: Probes) -> None:
        self._machine.use()
        if self._on_host:
            super()._begin(shared, electrodes, probes)
        if electrodes.gaps is not None:  # told anew
            told = electrodes.gaps._replace(voltage=electrodes.gaps.voltage.copy())
            electrodes = electrodes._replace(gaps=told)
        self._last, self._done = self.step + electrodes.amplitude.shape[1], 0
        straight = np.isin(self.laid.blocks.model, list(self._straight)) & ~_acted_on(electrodes)
        if not straight.all():  # which straight kernels do without
            n_v = int(self.laid.arrays.first_v[-1])
            self._work = with_room(self._machine, self._work, n_v)
        self._bound = (
            self._spikes, self._there.of(electrodes, "electrodes"),
            self._there.of(probes, "probes"),
            self._there.of(shared.layout, "layout"), self._there.of(shared.states, "states"),
            self._there.of(shared.kinetics, "kinetics"), self._work, shared.numerics,
        )  # fmt: skip
        self._group(straight)
        self._bind()
        if self._drawing is not None:
            trains = self._drawing.share.trains(*self._given(electrodes.amplitude.shape[1]))
            self._drawing.begin(self.step, trains, self._handing.events)

    def _group(self, straight: NDArray[np.bool_]) -> None:
        """Which kernel advances which blocks: a straight one, or the general one of a family."""
        model = self.laid.blocks.model
        groups = []
        of_family: dict[str, list[int]] = {}
        for m in np.unique(model[~straight]).tolist():
            target = "cuda double" if self.settings.precision == "double" else "cuda single"
            source = family_source(self.laid.tables.family[m], self.settings.second_order, target)
            of_family.setdefault(source, []).append(m)
        for source, models in of_family.items():
            groups.append((Kernel(source), np.flatnonzero(np.isin(model, models) & ~straight)))
        for m in np.unique(model[straight]).tolist():
            groups.append((self._straight[m], np.flatnonzero((model == m) & straight)))
        if _equal(groups, self._groups):
            return
        self._groups = groups
        self._files = [None] * len(self._groups)
        if not self._machine.simulated:
            chosen = self._there.of(self._groups[0][1], "chosen0") if self._groups else None
            arguments = (chosen, self._handing.events, *self._bound)
            self._files = assemblies(
                [kernel for kernel, _ in self._groups], arguments, self._machine.capability,
                self._processes,
            )  # fmt: skip

    def _bind(self) -> None:
        """Give kernels their arguments, unless they have these: there may be many kernels."""
        chosen = tuple(self._there.of(b, f"chosen{k}") for k, (_, b) in enumerate(self._groups))
        arguments = (tuple(self._files), chosen, self._handing.events, *self._bound)
        if not _same(arguments, self._arguments):
            self._arguments, groups = arguments, zip(self._groups, *arguments[:2], strict=True)
            self._launches = [
                (self._machine.bind(kernel, file, (mine, *arguments[2:])), len(blocks))
                for (kernel, blocks), file, mine in groups
            ]

    def _meanwhile(self, n_windows: int) -> None:
        """Advance the blocks for the threads, which wait for it at every window's end."""
        try:
            self._advance_blocks()
        except BaseException:
            dismiss(self.shared.meeting)
            raise

    def _advance_blocks(self) -> None:
        meeting, found = self.shared.meeting, self.shared.found
        n_parts, turn = len(found.begin) - 1, 0
        me = n_parts - 1
        for first in range(self.step, self._last, self.window):
            last = min(first + self.window, self._last)
            clock = _Stopwatch(self.spent)
            meet(meeting, me, n_parts)
            clock.lap("threads")
            if dismissed(meeting):  # a thread has failed: what it raised is reported
                return
            self._make_events(first, last)
            clock.lap("events")
            self._machine.write(self._spikes.number, np.zeros(2, np.int32))
            self._on_host = False
            for launch, n_blocks in self._launches:
                launch(n_blocks, first - self.step, last - self.step)
            lost = self._find_spikes(turn)
            clock.lap("kernels")
            if self._drawing is not None:
                here = slice(found.begin[-2], found.begin[-2] + found.counts[turn, -1])
                self._drawing.hear(found.source[turn, here], found.time[turn, here])
                clock.lap("drawing")
            self._done = last - self.step
            full = (found.counts[turn] > np.diff(found.begin)).any()
            meet(meeting, me, n_parts)
            if lost or full:
                return
            turn = 1 - turn

    def _make_events(self, first: int, last: int) -> None:
        """Those of these steps, onto all blocks."""
        before = self._handing.events
        if self._drawing is not None:
            self._drawing.make(first, last, self._handing.make_room)
        elif self._spreading is not None:
            there = self._handing.make_room(self._spreading.make_room(self._handing.sorted()))
            self._spreading.bind(there, self._processes)
            self._spreading.make(there)
        else:
            self._handing.hand_over()
        if self._handing.events is not before:
            self._bind()

    def _find_spikes(self, turn: int) -> bool:
        """Write down the spikes of a window; whether a voltage is no longer a number."""
        found, spikes, read = self.shared.found, self._spikes, self._machine.read
        n, lost = self._machine.read(spikes.number).tolist()
        begin = found.begin[-2]
        if n:
            cell = self.laid.blocks.cell_at[read(spikes.place, 0, n)]
            early = read(spikes.early, 0, n).astype(np.float64)
            seen = self.clock.seen[self.step + read(spikes.step, 0, n)]
            found.source[turn, begin : begin + n] = self.network.first_cell + cell
            found.time[turn, begin : begin + n] = seen - early * self.clock.dt
        found.counts[turn, -1], found.lost[turn, -1] = n, bool(lost)
        return bool(lost)

    def _end(self, probes: Probes) -> None:
        there = self._bound
        probes.samples[:] = self._machine.read(there[2].samples).reshape(probes.samples.shape)
        if self._gaps is not None:
            told = self._machine.read(there[1].gaps.voltage).reshape(self._gaps.voltage.shape)
            self._gaps.voltage[0] = told[self._done & 1]  # the next piece counts from 0

    def _fetch(self) -> None:
        """Bring the states to the host's arrays."""
        if not self._on_host:
            self._machine.use()
            for here, there in zip(self.states, self._bound[4], strict=True):
                here.reshape(-1)[:] = self._machine.read(there)

    def standing(self) -> snapshot.Standing:
        self._fetch()
        return super().standing()

    def _held(self) -> snapshot.Held:
        held = super()._held()
        if self._drawing is not None:
            self._machine.use()
            self._drawing.tell()
            held = held._replace(shares=[*held.shares, self._drawing.share])
        return held

    def restore(self, state: State) -> None:
        super().restore(state)
        if self._drawing is not None:
            self._drawing.restore(state.source, state.time, state.due)
        self._there.forget("states")
        self._on_host = True

    def soma_voltage(self) -> FloatArray:
        if self._on_host:
            return super().soma_voltage()
        self._machine.use()
        blocks = self.laid.blocks
        place = blocks.cell_block.astype(np.int64) * LANES + blocks.cell_lane
        return self._machine.read(self._spikes.soma)[place].astype(np.float64)

    def voltage(self, cell: int) -> FloatArray:
        if self._on_host:
            return super().voltage(cell)
        self._machine.use()
        b, first = self.laid.blocks.cell_block[cell], self.laid.arrays.first_v
        block = self._machine.read(self._bound[4].V, int(first[b]), int(first[b + 1]))
        return block.reshape(-1, LANES)[:, self.laid.blocks.cell_lane[cell]].astype(np.float64)


def _equal(some: list[tuple[Kernel, IntArray]], others: list[tuple[Kernel, IntArray]]) -> bool:
    """Whether these are the same kernels, each for the same blocks."""
    return len(some) == len(others) and all(
        one[0] == other[0] and np.array_equal(one[1], other[1])
        for one, other in zip(some, others, strict=True)
    )


def _same(one: Any, other: Any) -> bool:
    """Whether two trees are of the same arrays and of equal numbers."""
    if one is other or not (isinstance(one, tuple) and isinstance(other, tuple)):
        return one is other or (np.isscalar(one) and np.isscalar(other) and one == other)
    return len(one) == len(other) and all(map(_same, one, other))


def _acted_on(electrodes: Electrodes) -> NDArray[np.bool_]:
    """bool[blocks], where electrodes, fields or gap junctions act."""
    special = (np.diff(electrodes.ptr) > 0) | (np.diff(electrodes.fields.first) > 0)
    if electrodes.gaps is not None:
        special |= np.diff(electrodes.gaps.first) > 0
    return special


def require_possible(settings: Settings, ranks: int) -> None:
    """Refuse what the GPU engine does not do.

    Raises
    ------
    ConfigError : names the option.
    """
    if ranks > 1:
        raise ConfigError(
            f"the GPU engine runs in one process, not in {ranks}", field="device",
            fix="Start one process, or ask for device cpu.",
        )  # fmt: skip


class _Stopwatch:
    """Adds the time since it was made, or since the last lap, to a sum."""

    def __init__(self, spent: dict[str, float]) -> None:
        self._spent, self._since = spent, time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._spent[name] += now - self._since
        self._since = now


class _Resident:
    """Trees of arrays on a machine, copied there where the host has others than before."""

    def __init__(self, where: Machine) -> None:
        self._machine = where
        self._known: dict[str, tuple[np.ndarray | None, Any]] = {}

    def of(self, value: Any, name: str) -> Any:
        """The same named tuple, its arrays on the machine."""
        if isinstance(value, np.ndarray):
            return self._array(value, name)
        if isinstance(value, tuple):
            names = (f"{name}.{field}" for field in value._fields)  # type: ignore[attr-defined]
            return type(value)(*map(self.of, value, names))
        return value

    def _array(self, array: np.ndarray, name: str) -> Any:
        known, there = self._known.get(name, (None, None))
        if known is array:
            return there
        if there is not None and there.shape == array.shape and there.dtype == array.dtype:
            self._machine.write(there, array)
        else:
            if there is not None:
                self._machine.free(there)
            there = self._machine.put(array)
        self._known[name] = array, there
        return there

    def forget(self, name: str) -> None:
        """The host has changed the arrays of this tree in place."""
        for each, (_, there) in self._known.items():
            if each.startswith(f"{name}."):
                self._known[each] = None, there
