"""The GPU engine: blocks of cells advanced by a GPU, everything between them by the CPU engine.

Layout, kinetics, recording and states are the CPU engine's, and so is the clockwork: threads hear
of spikes and sort the events of a window by block (:mod:`isocortex.engine.loop`), but leave the
blocks to this thread, which meets them twice a window: it hands the events to the GPU, starts its
kernels, and brings back the spikes. States stay on the GPU; they come to the host's arrays when
somebody asks for them.

A kernel (``window_cuda.py.txt``) is of a channel family, as on the CPU, and takes every mechanism
and circuit. What is faster for some models only, straight-line code of one model, would stand
beside it in :meth:`CudaEngine._kernels_of_blocks`: whose blocks they advance is the kernels' own matter.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isocortex.compiling import texts
from isocortex.engine import snapshot
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.exchange import Exchange
from isocortex.engine.family import Family, cache_folder, family_module, family_source
from isocortex.engine.interface import FloatArray, IntArray, ProbeTable, Settings
from isocortex.engine.meeting import dismiss, dismissed, meet
from isocortex.engine.parts import Electrodes, Events, Shared
from isocortex.engine.sampling import Probes
from isocortex.engine.state import State
from isocortex.errors import ConfigError
from isocortex.network.network import Network
from isocortex.targets.gpu import LANES, Array, Launch, Machine, machine

#: What compiles kernels.
INSTALL = "pip install 'isocortex[cuda]'"


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

    Raises
    ------
    ConfigError : there is no GPU, or it is asked for what it does not do yet.
    """

    on_device = True

    def __init__(
        self, network: Network, settings: Settings, exchange: Exchange | None = None
    ) -> None:
        require_possible(settings, exchange)
        self._machine: Machine = machine()
        self._there = _Resident(self._machine)
        self._on_host = True  # the states in the host's arrays are those of now
        others = max(settings.threads - 1, 1)  # this thread speaks to the GPU
        super().__init__(network, replace(settings, threads=others), exchange)

    def _lanes(self, dtype: np.dtype) -> int:
        return LANES

    def _kernels(self) -> IntArray:
        """None of the threads'; room for what the GPU works with."""
        n_blocks, real = len(self.laid.blocks), np.float32
        self._outbox = np.zeros((len(self.shares), 3), np.int64)
        room, found = self._machine.room, self.shared.found
        n = int(np.diff(found.begin)[-1])
        self._spikes = Spikes(
            self._machine.put(np.zeros(2, np.int32)), room(n, np.int32), room(n, np.int32),
            room(n, real), room(n_blocks * LANES, real),
        )  # fmt: skip
        n_v = int(self.laid.arrays.first_v[-1])
        self._work = room(n_v, real), room(n_v, real)
        first = self._machine.put(np.zeros(n_blocks, np.int64))
        last = self._machine.put(np.zeros(n_blocks, np.int64))
        self._events = Events(first, last, *self._room_for_events(1024))
        families = self.laid.tables.family
        self._families = [
            (family, np.flatnonzero([families[m] == family for m in self.laid.blocks.model]))
            for family in dict.fromkeys(families[m] for m in self.laid.blocks.model.tolist())
        ]
        return self.shared.kernel

    def _room_for_events(self, n: int) -> tuple[Any, Any, Any]:
        room = self._machine.room
        return room(n, np.int32), room(n, np.int32), room(n, np.float32)

    def record(self, probes: ProbeTable) -> None:
        super().record(probes)
        self.advance(0)  # kernels that record are others

    def _begin(self, shared: Shared, electrodes: Electrodes, probes: Probes) -> None:
        self._machine.use()
        if self._on_host:
            super()._begin(shared, electrodes, probes)
        if electrodes.gaps is not None:  # told anew
            told = electrodes.gaps._replace(voltage=electrodes.gaps.voltage.copy())
            electrodes = electrodes._replace(gaps=told)
        self._last, self._done = self.step + electrodes.amplitude.shape[1], 0
        records = probes.samples.shape[1] > 0
        self._bound = (
            self._spikes, self._there.of(electrodes, "electrodes"),
            self._there.of(probes, "probes") if records else None,
            self._there.of(shared.layout, "layout"), self._there.of(shared.states, "states"),
            self._there.of(shared.kinetics, "kinetics"), self._work, shared.numerics,
        )  # fmt: skip
        self._bind()

    def _bind(self) -> None:
        """Give kernels their arguments."""
        self._launches = [
            (self._kernels_of_blocks(family, self._there.of(blocks, f"chosen{k}")), len(blocks))
            for k, (family, blocks) in enumerate(self._families)
        ]

    def _kernels_of_blocks(self, family: Family, chosen: Any) -> Launch:
        """What advances the chosen blocks, which are of one family."""
        second_order = self.settings.second_order
        arguments = (chosen, self._events, *self._bound)
        return self._machine.bind(
            lambda: family_module(family, second_order, "cuda").advance_blocks,
            lambda: assembly(family, second_order, arguments, self._machine.capability),
            arguments,
        )

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
            meet(meeting, me, n_parts)
            if dismissed(meeting):  # a thread has failed: what it raised is reported
                return
            self._hand_over_events()
            self._machine.write(self._spikes.number, np.zeros(2, np.int32))
            self._on_host = False
            for launch, n_blocks in self._launches:
                launch(n_blocks, first - self.step, last - self.step)
            lost = self._find_spikes(turn)
            self._done = last - self.step
            full = (found.counts[turn] > np.diff(found.begin)).any()
            meet(meeting, me, n_parts)
            if lost or full:
                return
            turn = 1 - turn

    def _hand_over_events(self) -> None:
        """Those that the threads have sorted for this window."""
        assert self._outbox is not None
        numbers = [int(s.part.events.last[s.part.blocks[-1:]].sum()) for s in self.shares]
        there, total = self._events, sum(numbers)
        if total > there.step.shape[0]:
            for array in (there.step, there.element, there.weight):
                self._machine.free(array)
            there = there._replace(
                **dict(zip(("step", "element", "weight"), self._room_for_events(total * 5 // 4)))
            )
            self._events = there
            self._bind()
        first, last = np.zeros((2, len(self.laid.blocks)), np.int64)
        at = 0
        for share, addresses, n in zip(self.shares, self._outbox.tolist(), numbers, strict=True):
            mine, events = share.part.blocks, share.part.events
            first[mine], last[mine] = events.first[mine] + at, events.last[mine] + at
            if n:
                for array, address in zip(there[2:], addresses, strict=True):
                    self._machine.write(array, _memory(address, n, array.dtype), at)
            at += n
        self._machine.write(there.first, first)
        self._machine.write(there.last, last)

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
        if there[2] is not None:
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

    def restore(self, state: State) -> None:
        super().restore(state)
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


def require_possible(settings: Settings, exchange: Exchange | None) -> None:
    """Refuse what the GPU engine does not do.

    Raises
    ------
    ConfigError : names the option.
    """
    if settings.precision != "single":
        raise ConfigError(
            f"a GPU computes in single precision, not in {settings.precision}", field="precision",
            fix="Ask for single precision (--precision single), or for device cpu.",
        )  # fmt: skip
    if exchange is not None and exchange.size > 1:
        raise ConfigError(
            f"the GPU engine runs in one process, not in {exchange.size}", field="device",
            fix="Start one process, or ask for device cpu.",
        )  # fmt: skip


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


def _memory(address: int, n: int, dtype: np.dtype) -> np.ndarray:
    """An array of which compiled code has told the address."""
    raw = (ctypes.c_char * (n * dtype.itemsize)).from_address(address)
    return np.frombuffer(raw, dtype)


def assembly(
    family: Family, second_order: bool, arguments: tuple[Any, ...], capability: tuple[int, int]
) -> Path:
    """The file of a family's kernel for a GPU of this compute capability, written if need be.

    It follows from the texts alone, whatever wrote it: so it may be brought along from elsewhere.

    Raises
    ------
    ConfigError : it was not written yet, and the extra is not installed that does so.
    """
    source = family_source(family, second_order, "cuda")
    told = f"{texts()}{source}{_kinds(arguments)}{capability}"
    path = cache_folder() / f"kernel_{hashlib.sha256(told.encode()).hexdigest()[:16]}.ptx"
    if not path.exists():
        written = _compile(lambda: family_module(family, second_order, "cuda"), arguments, capability)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(written, encoding="utf-8")
        draft.replace(path)
    return path


def _kinds(value: Any) -> str:
    """What a kernel's arguments are, without what they hold."""
    if isinstance(value, (Array, np.ndarray)):
        return f"{value.dtype}{len(value.shape)}"
    if isinstance(value, tuple):
        return f"({','.join(map(_kinds, value))})"
    return type(value).__name__


def _compile(
    module: Callable[[], Any], arguments: tuple[Any, ...], capability: tuple[int, int]
) -> str:
    if find_spec("numba_cuda") is None:
        raise ConfigError(
            "the GPU's kernels are not compiled yet, and what compiles them is not installed",
            field="device", fix=f"Install it: {INSTALL}.",
        )  # fmt: skip
    from isocortex.targets import cuda

    text = cuda.ptx(module().advance_blocks, (0, 0, *_examples(arguments)), capability)
    return re.sub(r"(?m)^\s*\.common .*NumbaEnv.*\n", "", text)  # of printing, which none does


def _examples(value: Any) -> Any:
    """The arguments of a kernel as the compiler takes them."""
    if isinstance(value, Array):
        return np.empty((1,) * len(value.shape), value.dtype)
    if isinstance(value, tuple):
        parts = map(_examples, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value
