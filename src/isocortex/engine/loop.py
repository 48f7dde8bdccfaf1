"""The clockwork of the compiled engine: windows of steps, and the exchange of spikes between them.

A *part* is what one thread owns: some blocks, some point neurons, and every synapse onto them. A
*window* is as long as the shortest delay of a source that reacts to others: within it, parts are
independent. Every thread runs ``run_windows`` on its own part; the threads meet once per window,
when the spikes found in it become known to all.

Nothing is queued but spikes. A part's synapses are sorted by source, then by delay, and a spike on
its way keeps a cursor into those of its source: each window takes the synapses whose delay has
run out, and sorts their events by block and step. What a synapse receives, and in which order,
does not depend on the number of parts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from isocortex.network.points import receive
from isocortex.simd import row_length

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

compiled = njit(error_model="numpy", nogil=True, cache=True)


class Layout(NamedTuple):
    """Where everything is: models' coefficients, and each block's pieces of the state arrays.

    Rows are counted in units of ``lanes`` elements, all other offsets in elements.
    """

    model: Ints  # of each block
    first_v: Ints
    first_s: Ints
    first_row: Ints
    cell_at: Ints  # cell in each lane of each block, or -1
    first_node: Ints  # of each model
    soma: Ints
    node: Ints  # word of each node of each block, see cable.py
    coefficient: np.ndarray  # numbers of each node of each model
    first_gathering: Ints
    gathering_node: Ints
    region_ptr: Ints
    region_node: Ints
    region_state: Ints
    region_parameter: Ints
    P: np.ndarray
    row_kind: NDArray[np.int32]


class States(NamedTuple):
    """What evolves: voltage, channel states, the synapses' two terms, soma above threshold."""

    V: np.ndarray
    S: np.ndarray
    A: np.ndarray
    B: np.ndarray
    above: np.ndarray


class KineticsTable(NamedTuple):
    """Per kinetics: the numbers named in cable.py, jumps of A and B per unit weight."""

    factors: np.ndarray
    jump_a: np.ndarray
    jump_b: np.ndarray


class Numerics(NamedTuple):
    """Step (ms), threshold (mV), v' to next v, RT/zF of calcium (mV)."""

    dt: float
    threshold: float
    extrapolate: float
    nernst: float


class Electrodes(NamedTuple):
    """Sorted by block: element of the block's V, and nA in every step since ``origin``."""

    ptr: Ints
    element: Ints
    amplitude: np.ndarray


class Probes(NamedTuple):
    """Sorted by block: which array, which element, which column of the samples."""

    ptr: Ints
    source: Ints
    element: Ints
    column: Ints
    samples: Floats


class Events(NamedTuple):
    """Events of one window, by block, then step; those of block b are ``first[b]:last[b]``.

    ``step`` counts from the origin of the samples, ``element`` from the block's first row.
    """

    first: Ints
    last: Ints
    step: NDArray[np.int32]
    element: NDArray[np.int32]
    weight: np.ndarray


class Work(NamedTuple):
    """What a thread needs to advance one block: diagonal, right-hand side, spikes found."""

    D: np.ndarray
    R: np.ndarray
    spike_lane: Ints
    spike_step: Ints  # the end of the step in which it was found
    spike_early: Floats  # how long before that the threshold was crossed, in steps


class Wiring(NamedTuple):
    """Synapses onto one part, sorted by source, then delay.

    ``target`` is ``block << shift | element``, or ``first_point`` + index of a point neuron.
    ``delay`` is an index into ``delays`` (ms).
    """

    first: Ints
    target: np.ndarray
    weight: np.ndarray
    delay: np.ndarray
    delays: Floats
    shift: int
    first_point: int


class Inbox(NamedTuple):
    """Spikes with events still to come: the next synapse, and when its event is due (ms)."""

    source: Ints
    time: Floats
    cursor: Ints
    due: Floats


class Times(NamedTuple):
    """Times of steps (ms), see :class:`isocortex.network.clock.Clock`."""

    start: Floats
    middle: Floats
    dt: float


class Trains(NamedTuple):
    """Spikes of virtual nodes, sorted by time (ms)."""

    source: Ints
    time: Floats


class Found(NamedTuple):
    """Spikes found in a window, by part; odd and even windows take turns.

    [2, n_parts] counts, [2, room] sources and times (ms); part p writes from ``begin[p]`` on.
    ``lost`` (bool[2, n_parts]) says that a voltage is no longer a number.
    """

    begin: Ints
    counts: Ints
    source: Ints
    time: Floats
    lost: np.ndarray


# --- threads ----------------------------------------------------------------------------------

LINE = 8  # int64 in a cache line
NO_ROOM = -1  # instead of a number of events: more spikes than anything with a memory could send


def _pointer(context, builder, sig, args):
    array = context.make_array(sig.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


@intrinsic
def _publish(typingctx, array, index, value):
    """Store so that whoever sees the value sees all that was written before it."""

    def codegen(context, builder, sig, args):
        builder.store_atomic(args[2], _pointer(context, builder, sig, args), "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), codegen


@intrinsic
def _peek(typingctx, array, index):
    """Load what another thread has published."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(_pointer(context, builder, sig, args), "acquire", 8)

    return types.int64(array, types.int64), codegen


_sched_yield = types.ExternalFunction("sched_yield", types.int32())


def meeting_place(n_parts: int) -> Ints:
    """Shared memory of ``_meet``: one counter per part, and a flag that lets all go."""
    return np.zeros((n_parts + 1) * LINE, np.int64)


def dismiss(meeting: Ints) -> None:
    """Let everybody go who waits, or will."""
    meeting[-LINE] = 1


@compiled
def _meet(meeting, me, n_parts):
    """Wait until every part has come here as often as this one."""
    turn = meeting[me * LINE] + 1
    _publish(meeting, me * LINE, turn)
    for other in range(n_parts):
        tries = 0
        while _peek(meeting, other * LINE) < turn:
            if _peek(meeting, n_parts * LINE):
                return
            tries += 1
            if tries > 1000:
                _sched_yield()


@intrinsic
def _advance_block(typingctx, address, arguments):
    """Call the kernel at an address with the arguments of ``advance_block``."""

    def codegen(context, builder, sig, args):
        kinds = [context.get_value_type(kind) for kind in arguments.types]
        kernel = ir.FunctionType(ir.IntType(64), kinds).as_pointer()
        values = cgutils.unpack_tuple(builder, args[1])
        return builder.call(builder.inttoptr(args[0], kernel), values)

    return types.int64(types.int64, arguments), codegen


# --- spikes and events ------------------------------------------------------------------------


@compiled
def _longer(array, n):
    """A copy with room for ``n`` elements and as many again."""
    copy = np.empty(2 * n, array.dtype)
    for k in range(len(array)):
        copy[k] = array[k]
    return copy


@compiled
def _sort(time, number, n):
    """Sort the first ``n`` pairs by time, then number, in place (merge sort, from the bottom)."""
    time_to, number_to = np.empty(n), np.empty(n, np.int64)
    width = 1
    while width < n:
        for begin in range(0, n, 2 * width):
            i, j = begin, min(begin + width, n)
            i_end, j_end = j, min(begin + 2 * width, n)
            for k in range(begin, j_end):
                right = i == i_end
                if not right and j < j_end:
                    right = time[j] < time[i] or (time[j] == time[i] and number[j] < number[i])
                if right:
                    time_to[k], number_to[k] = time[j], number[j]
                    j += 1
                else:
                    time_to[k], number_to[k] = time[i], number[i]
                    i += 1
        for k in range(n):
            time[k], number[k] = time_to[k], number_to[k]
        width *= 2


@compiled
def _put(inbox, n, source, time, wiring):
    """Append a spike, unless no synapse of this part listens; returns inbox and length."""
    begin = wiring.first[source]
    if begin == wiring.first[source + 1]:
        return inbox, n
    if n == len(inbox.source):
        inbox = Inbox(
            _longer(inbox.source, n + 1),
            _longer(inbox.time, n + 1),
            _longer(inbox.cursor, n + 1),
            _longer(inbox.due, n + 1),
        )
    inbox.source[n], inbox.time[n], inbox.cursor[n] = source, time, begin
    inbox.due[n] = time + wiring.delays[wiring.delay[begin]]
    return inbox, n + 1


@compiled
def step_of(time, middle, dt, first, last):
    """First step in ``first:last`` whose middle is not before ``time``: where an event acts."""
    step = min(max(int(time / dt), first), last - 1)
    while step < last - 1 and middle[step] < time:
        step += 1
    while step > first and middle[step - 1] >= time:
        step -= 1
    return step


@compiled
def _take_due(inbox, n, wiring, times, first, last):
    """Runs of synapses whose events are due in this window.

    Returns the number of spikes still on their way, the number of runs, and their steps, begins,
    ends and due times.
    """
    until = times.middle[last - 1]
    room = max(n, 1)
    step, begin, end = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    time = np.empty(room)
    k = kept = 0
    for i in range(n):
        c, stop, due = inbox.cursor[i], wiring.first[inbox.source[i] + 1], inbox.due[i]
        while due <= until:
            if k == len(step):
                step, begin, end = _longer(step, k), _longer(begin, k), _longer(end, k)
                time = _longer(time, k)
            step[k] = step_of(due, times.middle, times.dt, first, last)
            begin[k], time[k] = c, due
            delay = wiring.delay[c]
            while c < stop and wiring.delay[c] == delay:
                c += 1
            end[k] = c
            k += 1
            due = np.inf if c == stop else inbox.time[i] + wiring.delays[wiring.delay[c]]
        if due < np.inf:
            inbox.source[kept], inbox.time[kept] = inbox.source[i], inbox.time[i]
            inbox.cursor[kept], inbox.due[kept] = c, due
            kept += 1
    return kept, k, step, begin, end, time


@compiled
def _sort_events(blocks, wiring, n_runs, step, begin, end, first, last, origin, events):
    """Events on blocks, by block, then step; returns them and the number of all events."""
    for b in blocks:
        events.last[b] = 0
    n = n_points = 0
    for k in range(n_runs):
        for c in range(begin[k], end[k]):
            target = wiring.target[c]
            if target < wiring.first_point:
                events.last[target >> wiring.shift] += 1
            else:
                n_points += 1
    for b in blocks:
        count = events.last[b]
        events.first[b] = events.last[b] = n
        n += count
    if n > len(events.step):
        events = Events(
            events.first, events.last, np.empty(2 * n, np.int32), np.empty(2 * n, np.int32),
            np.empty(2 * n, events.weight.dtype),
        )  # fmt: skip
    mask = (1 << wiring.shift) - 1
    for now in range(first, last):
        for k in range(n_runs):
            if step[k] != now:
                continue
            for c in range(begin[k], end[k]):
                target = wiring.target[c]
                if target < wiring.first_point:
                    block = target >> wiring.shift
                    at = events.last[block]
                    events.last[block] = at + 1
                    events.step[at] = now - origin
                    events.element[at] = target & mask
                    events.weight[at] = wiring.weight[c]
    return events, n + n_points


@compiled
def _drive_points(wiring, n_runs, begin, end, due, state, first_source, found, turn, at, room):
    """Point neurons receive their events in order of time; returns where the next spike goes."""
    n = 0
    for k in range(n_runs):
        for c in range(begin[k], end[k]):
            n += wiring.target[c] >= wiring.first_point
    synapse, number, time = np.empty(n, np.int64), np.arange(n), np.empty(n)
    n = 0
    for k in range(n_runs):
        for c in range(begin[k], end[k]):
            if wiring.target[c] >= wiring.first_point:
                synapse[n], time[n] = c, due[k]
                n += 1
    _sort(time, number, n)
    for k in range(n):
        c = synapse[number[k]]
        point = wiring.target[c] - wiring.first_point
        if receive(state, point, time[k], wiring.weight[c]):
            if at < room:
                found.source[turn, at], found.time[turn, at] = first_source + point, time[k]
            at += 1
    return at


@compiled
def _is_lost(b, layout, states):
    """Whether a soma of this block has a voltage that is no number."""
    lanes = row_length(states.V)
    soma = layout.first_v[b] + layout.soma[layout.model[b]] * lanes
    for lane in range(lanes):
        if not np.isfinite(states.V[soma + lane]):
            if layout.cell_at[b * lanes + lane] >= 0:
                return True
    return False


@compiled
def _number(found, turn):
    """Number of spikes found by all parts, or NO_ROOM."""
    n = 0
    for part in range(len(found.begin) - 1):
        if found.counts[turn, part] > found.begin[part + 1] - found.begin[part]:
            return NO_ROOM
        n += found.counts[turn, part]
    return n


# --- the loop ---------------------------------------------------------------------------------


@compiled
def run_windows(
    me, meeting, first_step, last_step, window, times, kernel, blocks, wiring, inbox, n_inbox,
    trains, next_train, points, found, events, work, electrodes, probes, layout, states, kinetics,
    numerics, n_cells, log_source, log_time,
):  # fmt: skip
    """Advance part ``me`` from ``first_step`` to ``last_step``, in step with the other parts.

    ``kernel`` holds the address of every block's ``advance_block``. Returns the inbox and its
    length, the next spike of ``trains``, the number of events received, the step reached (earlier
    if a voltage is no longer a number), and (from part 0) number, sources and times of all spikes.
    """
    n_parts, lanes = len(found.begin) - 1, row_length(states.V)
    n_log = n_events = turn = 0
    reached = first_step
    for first in range(first_step, last_step, window):
        last = min(first + window, last_step)
        while next_train < len(trains.time) and trains.time[next_train] <= times.middle[last - 1]:
            source, time = trains.source[next_train], trains.time[next_train]
            inbox, n_inbox = _put(inbox, n_inbox, source, time, wiring)
            next_train += 1
        n_inbox, n_runs, step, begin, end, due = _take_due(
            inbox, n_inbox, wiring, times, first, last
        )
        events, n = _sort_events(
            blocks, wiring, n_runs, step, begin, end, first, last, first_step, events
        )
        n_events += n
        at, room = found.begin[me], found.begin[me + 1]
        at = _drive_points(wiring, n_runs, begin, end, due, points, n_cells, found, turn, at, room)
        found.lost[turn, me] = False
        for b in blocks:
            n_spikes = _advance_block(
                kernel[b],
                (b, first - first_step, last - first_step, events, electrodes, probes, layout,
                 states, kinetics, work, numerics),
            )  # fmt: skip
            for k in range(n_spikes):
                cell = layout.cell_at[b * lanes + work.spike_lane[k]]
                if cell >= 0:
                    if at < room:
                        found.source[turn, at] = cell
                        found.time[turn, at] = (
                            times.start[first_step + work.spike_step[k]]
                            - work.spike_early[k] * times.dt
                        )
                    at += 1
            found.lost[turn, me] |= _is_lost(b, layout, states)
        found.counts[turn, me] = at - found.begin[me]
        _meet(meeting, me, n_parts)

        n = _number(found, turn)
        if n == NO_ROOM:
            n_events = NO_ROOM
            break
        source, time = np.empty(n, np.int64), np.empty(n)
        n = 0
        for part in range(n_parts):
            for k in range(found.begin[part], found.begin[part] + found.counts[turn, part]):
                source[n], time[n] = found.source[turn, k], found.time[turn, k]
                n += 1
        _sort(time, source, n)
        if me == 0 and n_log + n > len(log_time):
            log_source, log_time = _longer(log_source, n_log + n), _longer(log_time, n_log + n)
        for k in range(n):
            inbox, n_inbox = _put(inbox, n_inbox, source[k], time[k], wiring)
            if me == 0:
                log_source[n_log], log_time[n_log] = source[k], time[k]
                n_log += 1
        reached = last
        if found.lost[turn].any():
            break
        turn = 1 - turn
    return inbox, n_inbox, next_train, n_events, reached, n_log, log_source, log_time
