"""The clockwork of the compiled engine: windows of steps, and the exchange of spikes between them.

A *part* is what one thread owns: some blocks, some point neurons, and every synapse onto them. A
*window* is as long as the shortest delay of a source that reacts to others: within it, parts are
independent. Every thread runs ``run_windows`` on its own part; the threads meet once per window,
when the spikes found in it become known to all.

Nothing is queued but spikes. A part's synapses are sorted by source, then by delay, and a spike on
its way keeps a cursor into those of its source: each window takes the synapses whose delay has
run out, and sorts their events by block and step. What a synapse receives, and in which order,
does not depend on the number of parts.

Synapses of a cortex model need not be stored. Then a part draws those onto its own neurons when it
hears of a spike, puts them behind the stored ones, and forgets them when the last has acted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from isocortex.network.drawn import draw
from isocortex.network.points import receive
from isocortex.targets.simd import row_length

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


class Drawn(NamedTuple):
    """What the synapses that are not stored follow from, for one part.

    Those of one cell model onto one compartment have the same row in all blocks.
    """

    axons: draw.Axons
    neuron: Ints  # of each source, -1 if it is not of the cortex model
    begin: int  # neurons of this part
    end: int
    address: np.ndarray  # of each neuron: first element of its lane, as in ``Wiring.target``
    row: NDArray[np.int32]  # (models, kinetics, nodes), elements from there on
    kind: Ints  # kinetics of each rule
    weight: np.ndarray  # (rules, models), uS
    delay: np.ndarray  # of each multiple of ``draw.DELAY_STEP``, as in ``Wiring.delay``
    stored: int  # synapses that are stored


class Inbox(NamedTuple):
    """Spikes with events still to come.

    The next synapse, the end of those of the spike (both positions in the wiring), when it
    happened, and when the next event is due (ms).
    """

    cursor: Ints
    end: Ints
    time: Floats
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
def _put(inbox, n, time, begin, end, wiring):
    """Append a spike and its synapses ``begin:end``; returns inbox and length."""
    if begin == end:
        return inbox, n
    if n == len(inbox.cursor):
        inbox = Inbox(
            _longer(inbox.cursor, n + 1),
            _longer(inbox.end, n + 1),
            _longer(inbox.time, n + 1),
            _longer(inbox.due, n + 1),
        )
    inbox.cursor[n], inbox.end[n], inbox.time[n] = begin, end, time
    inbox.due[n] = time + wiring.delays[wiring.delay[begin]]
    return inbox, n + 1


@compiled
def _draw(neuron, drawn, room, wiring, n):
    """Put the synapses of a neuron onto this part from position ``n`` of the wiring on, by delay.

    Returns the room for connections, the wiring and where the synapses end.
    """
    neurons, sites = drawn.axons.neurons, drawn.axons.sites
    room, n_connections = draw.draw_onto(neuron, drawn.begin, drawn.end, drawn.axons, room, 0)
    place = np.zeros(len(drawn.delay) + 1, np.int64)
    for c in range(n_connections):
        place[room.delay[c] + 1] += room.synapses[c]
    place[0] = n
    for d in range(len(drawn.delay)):
        place[d + 1] += place[d]
    end = place[-1]
    if end > len(wiring.target):
        wiring = Wiring(
            wiring.first, _longer(wiring.target, end), _longer(wiring.weight, end),
            _longer(wiring.delay, end), wiring.delays, wiring.shift, wiring.first_point,
        )  # fmt: skip
    for c in range(n_connections):
        target, rule, state = room.target[c], room.rule[c], room.key[c]
        model = neurons.model[target]
        row, weight = drawn.row[model, drawn.kind[rule]], drawn.weight[rule, model]
        table, delay = rule * drawn.weight.shape[1] + model, room.delay[c]
        at = place[delay]
        for _ in range(room.synapses[c]):
            state, node = draw.site(state, table, sites)
            wiring.target[at] = drawn.address[target] + row[node]
            wiring.weight[at], wiring.delay[at] = weight, drawn.delay[delay]
            at += 1
        place[delay] = at
    return room, wiring, end


@compiled
def _forget(inbox, n_inbox, wiring, stored, end):
    """Close the gaps that drawn synapses leave which have acted, if they are most of all.

    Returns where the drawn synapses end.
    """
    needed = 0
    for i in range(n_inbox):
        if inbox.cursor[i] >= stored:
            needed += inbox.end[i] - inbox.cursor[i]
    if 2 * needed > end - stored:
        return end
    at = stored
    for i in range(n_inbox):
        begin, size = inbox.cursor[i], inbox.end[i] - inbox.cursor[i]
        if begin >= stored:
            for k in range(size):
                wiring.target[at + k] = wiring.target[begin + k]
                wiring.weight[at + k] = wiring.weight[begin + k]
                wiring.delay[at + k] = wiring.delay[begin + k]
            inbox.cursor[i], inbox.end[i] = at, at + size
            at += size
    return at


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
        c, stop, due = inbox.cursor[i], inbox.end[i], inbox.due[i]
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
            inbox.cursor[kept], inbox.end[kept] = c, stop
            inbox.time[kept], inbox.due[kept] = inbox.time[i], due
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
    me, meeting, first_step, last_step, window, times, kernel, blocks, wiring, drawn, end_of_drawn,
    inbox, n_inbox, trains, points, found, events, work, electrodes, probes, layout,
    states, kinetics, numerics, n_cells, log_source, log_time,
):  # fmt: skip
    """Advance part ``me`` from ``first_step`` to ``last_step``, in step with the other parts.

    ``kernel`` holds the address of every block's ``advance_block``; ``drawn`` is None where all
    synapses are stored; ``trains`` are the spikes from outside until ``last_step``. Returns the
    wiring and where drawn synapses end in it, the inbox and its length, the number of events
    received, the step reached (earlier if a voltage is no longer a number), and (from part 0)
    number, sources and times of all spikes.
    """
    n_parts, lanes = len(found.begin) - 1, row_length(states.V)
    n_log = n_events = turn = next_train = 0
    reached = first_step
    if drawn is not None:
        room = draw.no_connections(1024)
    for first in range(first_step, last_step, window):
        last = min(first + window, last_step)
        while next_train < len(trains.time) and trains.time[next_train] <= times.middle[last - 1]:
            source, time = trains.source[next_train], trains.time[next_train]
            begin, end = wiring.first[source], wiring.first[source + 1]
            inbox, n_inbox = _put(inbox, n_inbox, time, begin, end, wiring)
            next_train += 1
        n_inbox, n_runs, step, begins, ends, due = _take_due(
            inbox, n_inbox, wiring, times, first, last
        )
        events, n = _sort_events(
            blocks, wiring, n_runs, step, begins, ends, first, last, first_step, events
        )
        n_events += n
        at, last_at = found.begin[me], found.begin[me + 1]
        at = _drive_points(
            wiring, n_runs, begins, ends, due, points, n_cells, found, turn, at, last_at
        )
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
                    if at < last_at:
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
        sources, spikes = np.empty(n, np.int64), np.empty(n)
        n = 0
        for part in range(n_parts):
            for k in range(found.begin[part], found.begin[part] + found.counts[turn, part]):
                sources[n], spikes[n] = found.source[turn, k], found.time[turn, k]
                n += 1
        _sort(spikes, sources, n)
        if me == 0 and n_log + n > len(log_time):
            log_source, log_time = _longer(log_source, n_log + n), _longer(log_time, n_log + n)
        if drawn is not None:
            end_of_drawn = _forget(inbox, n_inbox, wiring, drawn.stored, end_of_drawn)
        for k in range(n):
            begin, end = wiring.first[sources[k]], wiring.first[sources[k] + 1]
            inbox, n_inbox = _put(inbox, n_inbox, spikes[k], begin, end, wiring)
            if drawn is not None and drawn.neuron[sources[k]] >= 0:
                begin, neuron = end_of_drawn, drawn.neuron[sources[k]]
                room, wiring, end_of_drawn = _draw(neuron, drawn, room, wiring, begin)
                inbox, n_inbox = _put(inbox, n_inbox, spikes[k], begin, end_of_drawn, wiring)
            if me == 0:
                log_source[n_log], log_time[n_log] = sources[k], spikes[k]
                n_log += 1
        reached = last
        if found.lost[turn].any():
            break
        turn = 1 - turn
    return (
        wiring, end_of_drawn, inbox, n_inbox, n_events, reached, n_log, log_source, log_time,
    )  # fmt: skip
