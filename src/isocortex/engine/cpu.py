"""The CPU engine: blocks of cells advanced together by SIMD kernels, on all cores.

Cells of one model fill the lanes of a *block*; every state array is ``[block][node][lane]``,
flattened, so that one node of all lanes is one SIMD value. A thread advances a block through a
whole window while its state stays in cache. Nothing a lane computes depends on its neighbours,
on the block it is in or on the thread that advances it.

Rows: a block has ``n_nodes`` voltage rows, its regions' channel state rows, and one row (A, B) for
every (node, kinetics) at which any of its cells has a synapse.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numba
import numpy as np

from isocortex.engine import snapshot
from isocortex.engine.deal import deal_out
from isocortex.engine.elsewhere import pass_spikes_on
from isocortex.engine.exchange import Alone, Exchange
from isocortex.engine.family import family_kernel
from isocortex.engine.gaps import Told, gaps_of
from isocortex.engine.identity import identity
from isocortex.engine.interface import (
    FloatArray,
    IntArray,
    Piece,
    ProbeTable,
    Settings,
)
from isocortex.engine.layout.arrangement import (
    Arrangement,
    allocate,
    arrange,
    field_patterns,
    numerics_of,
    rest,
    soma_elements,
    voltages,
)
from isocortex.engine.layout.arrays import States
from isocortex.engine.layout.kinetics import KineticsTables
from isocortex.engine.loop import run_windows
from isocortex.engine.meeting import dismiss, dismissed, meeting_place
from isocortex.engine.parts import NO_ROOM, Electrodes, Fields, Reached, Shared, Steps, Times
from isocortex.engine.precision import require_precision
from isocortex.engine.sampling import Probes, Recording, recording_of
from isocortex.engine.state import Snapshot, State
from isocortex.engine.stealing import offers_of
from isocortex.errors import SimulationError
from isocortex.network.clock import Clock
from isocortex.network.network import Network
from isocortex.network.points import at_rest
from isocortex.targets.simd import lanes

NOTHING = ProbeTable.of([])


class CpuEngine:
    """See :class:`isocortex.engine.interface.Engine`.

    Attributes
    ----------
    on_device : something else than the threads advances the blocks.
    """

    on_device = False

    def __init__(
        self, network: Network, settings: Settings, exchange: Exchange | None = None
    ) -> None:
        self.exchange = exchange or Alone()
        if self.exchange.size != network.here.plan.ranks:
            raise ValueError(f"a part of {network.here.plan.ranks} cannot run on its own")
        dtype = require_precision(settings.precision).real
        self.settings, self.window = settings, network.window(settings.dt)
        self.clock, self.step, self.n_events = Clock(settings.dt), 0, 0
        laid = self.laid = self._arrange(network, dtype)
        self.shares, found = deal_out(network, laid, settings, self.window, self.on_device)
        states = allocate(laid)
        # not even part 0 runs on the main thread: Ctrl-C would raise inside machine code
        self._threads = [ThreadPoolExecutor(1) for _ in self.shares]
        for thread, share in zip(self._threads, self.shares, strict=True):
            thread.submit(rest, laid, states, share.part.blocks, settings.v_init).result()
        self._field_patterns = field_patterns(network, laid)
        self._gaps = gaps_of(network, laid)
        self._told = None if self._gaps is None else Told(self._gaps, self.exchange)
        self._outbox: IntArray | None = None
        self._identity = identity(network, settings, self.exchange)
        self.network = network.without_wiring()
        self.recording = self._recording_of(NOTHING, network)
        self.kinetics = KineticsTables(network.kinetics, settings, dtype, self.on_device)
        self.shared = Shared(
            meeting=meeting_place(len(found.begin) - 1),
            offers=offers_of([share.part.blocks for share in self.shares]),
            found=found,
            kernel=np.zeros(len(laid.blocks), np.int64),
            points=at_rest(network.points),
            layout=laid.arrays,
            states=states,
            kinetics=self.kinetics.over(0, 0),
            numerics=numerics_of(settings, dtype),
            window=self.window,
            first_cell=network.first_cell,
            first_point=network.first_point,
            elsewhere=self.exchange.size > 1 or self.on_device,
        )
        started = time.perf_counter()
        self.shared = self.shared._replace(kernel=self._kernels())
        self.advance(0)
        self.compile_seconds = time.perf_counter() - started

    def _arrange(self, network: Network, dtype: np.dtype) -> Arrangement:
        """Where every number goes."""
        return arrange(network, self.settings, lanes(dtype), dtype)

    def _kernels(self) -> IntArray:
        """Address of every block's kernel, compiled or loaded from the cache."""
        shared, part = self.shared, self.shares[0].part
        arguments = (
            0, 0, 0, part.events, self._electrodes(0), self.recording.room(0, 0), shared.layout,
            shared.states, shared.kinetics, part.work, shared.numerics,
        )  # fmt: skip
        kinds = tuple(numba.typeof(argument) for argument in arguments)
        families, second_order = self.laid.tables.family, self.settings.second_order
        address = {family: family_kernel(family, second_order, kinds) for family in set(families)}
        return np.array([address[families[m]] for m in self.laid.blocks.model], np.int64)

    def _electrodes(self, n_steps: int) -> Electrodes:
        """Currents of the next steps."""
        sources, blocks = self.network.currents, self.laid.blocks
        cells = np.array([source.cell for source in sources], np.int64)
        nodes = np.array([source.node for source in sources], np.int64)
        middle = self.clock.middle[self.step : self.step + n_steps]
        current = np.empty((len(sources), n_steps), self.laid.dtype)
        conductance = np.empty_like(current)
        for k, source in enumerate(sources):
            current[k], conductance[k] = source.injects(middle)
        of_cell = blocks.cell_block[cells]
        order = np.argsort(of_cell, kind="stable")
        return Electrodes(
            np.searchsorted(of_cell[order], np.arange(len(blocks) + 1)),
            (nodes * blocks.lanes + blocks.cell_lane[cells])[order],
            current[order],
            conductance[order],
            self._fields(n_steps),
            self._gaps,
        )

    def _fields(self, n_steps: int) -> Fields:
        """What fields drive in the next steps."""
        steps = np.arange(self.step, self.step + n_steps)
        courses = self.network.fields.courses(steps, self.clock.dt)
        course = np.ascontiguousarray(courses.T, self.laid.dtype).ravel()
        return Fields(len(courses), *self._field_patterns, course)

    def record(self, probes: ProbeTable) -> None:
        self.recording = self._recording_of(probes, self.network)

    def _recording_of(self, probes: ProbeTable, network: Network) -> Recording:
        return recording_of(probes, self.laid, network, self.settings.second_order)

    def advance(self, n_steps: int) -> Piece:
        try:
            piece, n_events = self._advance(n_steps)
        except SimulationError:  # all ranks know, and raise it too
            raise
        except BaseException as error:
            self.exchange.abort(error)
        self.n_events += self.exchange.sum(n_events)
        return piece

    def _advance(self, n_steps: int) -> tuple[Piece, int]:
        """The piece, and the number of events that this rank received."""
        if dismissed(self.shared.meeting):  # parts are not where the others are any more
            raise SimulationError(
                "the steps before these were given up half way", fix="Start again, or from a state."
            )
        self.clock.extend(self.step + n_steps)
        shared = self.shared._replace(kinetics=self.kinetics.over(self.step, n_steps))
        times = Times(self.clock.seen, self.clock.middle, self.clock.dt)
        electrodes, probes = self._electrodes(n_steps), self.recording.room(self.step, n_steps)
        self._begin(shared, electrodes, probes)
        given = self._given(n_steps)

        def work(p: int):
            share = self.shares[p]
            try:
                trains = share.trains(*given)
                steps = Steps(self.step, self.step + n_steps, times, trains, electrodes, probes)
                return run_windows(p, share.part, share.drawn, self._outbox, shared, steps)
            except BaseException:
                dismiss(self.shared.meeting)
                raise

        results = self._on_all_threads(work, -(-n_steps // self.window))
        for share, (flight, n_flight, inbox, n_inbox, events, reached) in zip(
            self.shares, results, strict=True
        ):
            if reached.n_events == NO_ROOM:
                raise SimulationError(
                    "a point neuron spikes more often than every time step",
                    fix="Give it a refractory period of at least dt.",
                )
            share.part = share.part._replace(
                flight=flight, n_flight=n_flight, inbox=inbox, n_inbox=n_inbox, events=events
            )
        self._end(probes)
        first: Reached = results[0][-1]
        done, self.step = first.step - self.step, first.step
        spikes = slice(first.n_spikes)
        samples = self.recording.collected(probes, done, self.exchange)
        piece = Piece(first.source[spikes], first.time[spikes], samples)
        return piece, sum(result[-1].n_events for result in results)

    def _given(self, n_steps: int) -> tuple[IntArray, FloatArray, float]:
        """Given spikes from outside in the next steps, and until when (ms) these are."""
        given, last = self.network.trains, self._heard_until(self.step + n_steps)
        sent = slice(
            *np.searchsorted(given.time, [self._heard_until(self.step), last], side="right")
        )
        return given.source[sent], given.time[sent], last

    def _heard_until(self, step: int) -> float:
        """Up to when (ms) spikes from outside are heard of in the steps before ``step``."""
        return float(self.clock.middle[step - 1]) if step else -np.inf

    def _on_all_threads(self, work, n_windows: int) -> list:
        """What ``work`` returns for every part, each on its own thread."""
        running: list[Future] = []
        try:
            for p in range(len(self.shares)):
                running.append(self._threads[p].submit(work, p))
            if self.shared.elsewhere:
                self._meanwhile(n_windows)
            wait(running)
        except BaseException:  # Ctrl-C: these steps are finished first
            if len(running) < len(self.shares):
                dismiss(self.shared.meeting)  # nobody waits for a part that will not come
            wait(running)
            raise
        return [part.result() for part in running]

    def _begin(self, shared: Shared, electrodes: Electrodes, probes: Probes) -> None:
        """Before some steps."""
        if self._told is not None:
            self._told.begin(self.states.V)

    def _end(self, probes: Probes) -> None:
        """After them."""

    def _meanwhile(self, n_windows: int) -> None:
        """Speak to other ranks for the threads, which wait for it at every window's end."""
        try:
            pass_spikes_on(self.shared, n_windows, self.exchange, self._told)
        except BaseException as error:
            self.exchange.abort(error)

    def _held(self) -> snapshot.Held:
        return snapshot.Held(
            self.network, self.laid, self.shared, self.shares, self.kinetics,
            self.settings.second_order, self._identity, self.exchange,
        )  # fmt: skip

    def standing(self) -> snapshot.Standing:
        return snapshot.take(self._held(), self.step)

    def state(self) -> Snapshot:
        return self.standing().snapshot()

    def restore(self, state: State) -> None:
        snapshot.put_back(self._held(), state)
        self.step = state.step
        self.clock.extend(self.step)

    @property
    def states(self) -> States:
        return self.shared.states

    @property
    def lost(self) -> bool:
        return bool(self.shared.found.lost.any())

    def soma_voltage(self) -> FloatArray:
        at = soma_elements(self.laid, self.network.cell_model)
        return self.states.V[at].astype(np.float64)

    def voltage(self, cell: int) -> FloatArray:
        return voltages(self.laid, self.states, cell)
