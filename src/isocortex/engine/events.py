"""Spikes on their way, and the synaptic events of a window that they make."""

from __future__ import annotations

import numpy as np
from numba.extending import overload
from numba.np.numpy_support import as_dtype

from isocortex.compiling import compiled, leaf
from isocortex.engine.parts import NO_ROOM, Events, Inbox, Runs, event_of
from isocortex.network.drawn import tables
from isocortex.network.drawn.draw import draw_onto
from isocortex.network.drawn.place import (
    node_at,
    of_connection,
    of_source,
    strength,
    two_sites,
)
from isocortex.network.drawn.pool import AXONS, draw_from_pool, place_from_pool
from isocortex.network.points import receive
from isocortex.network.terminals import comes_last, end_of, released, share_of
from isocortex.streams import stream
from isocortex.targets.memory import ask_for
from isocortex.targets.simd import row_length

#: Runs of connections whose memory is asked for before they are reached, and twice as early. A run,
#: the connections of a spike with one delay, is short: to look ahead within it is of no use.
AHEAD = 4


@compiled
def sort(time, number, n):
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


@leaf
def delay_of(c, wiring, flight, drawn):
    """Delay (ms) of a synapse, or of a connection in flight."""
    stored = len(wiring.target)
    if drawn is not None and c >= stored:
        return wiring.delays[drawn.delay[flight.delay[c - stored]]]
    return wiring.delays[wiring.delay[c]]


@compiled
def put(inbox, n, source, time, begin, end, due):
    """Insert a spike and its synapses ``begin:end``; returns inbox and length.

    Nearly all come in their order: a spike from outside precedes some that were found in the window
    before, and one of a point neuron some of the same window.
    """
    if n == len(inbox.cursor):
        inbox = Inbox(
            tables.longer(inbox.source, 2 * (n + 1)),
            tables.longer(inbox.cursor, 2 * (n + 1)),
            tables.longer(inbox.end, 2 * (n + 1)),
            tables.longer(inbox.time, 2 * (n + 1)),
            tables.longer(inbox.due, 2 * (n + 1)),
        )
    k = n
    while k > 0 and (
        inbox.time[k - 1] > time or (inbox.time[k - 1] == time and inbox.source[k - 1] > source)
    ):
        inbox.source[k], inbox.cursor[k] = inbox.source[k - 1], inbox.cursor[k - 1]
        inbox.end[k], inbox.time[k] = inbox.end[k - 1], inbox.time[k - 1]
        inbox.due[k] = inbox.due[k - 1]
        k -= 1
    inbox.source[k], inbox.cursor[k], inbox.end[k] = source, begin, end
    inbox.time[k], inbox.due[k] = time, due
    return inbox, n + 1


@compiled
def hear(spike, inbox, flight, wiring, drawn, room, earliest):
    """A spike, source and time (ms), sets out: its synapses on this part go into inbox and flight.

    Inbox and flight come with how much of them is used, and so are returned, with the room. Events
    due before ``earliest`` (ms) have acted.
    """
    (source, time), (inbox, n_inbox), (flight, n_flight) = spike, inbox, flight
    begin, end = wiring.first[source], wiring.first[source + 1]
    while begin < end and time + wiring.delays[wiring.delay[begin]] < earliest:
        begin += 1
    if begin < end:
        due = time + wiring.delays[wiring.delay[begin]]
        inbox, n_inbox = put(inbox, n_inbox, source, time, begin, end, due)
    if drawn is None:
        return (inbox, n_inbox), (flight, n_flight), room
    room, n = draw_connections(source, drawn, room)
    if n == 0:
        return (inbox, n_inbox), (flight, n_flight), room
    stored, begin = len(wiring.target), n_flight
    flight, n_flight = by_delay(room, n, flight, n_flight)
    while begin < n_flight and time + delay_of(stored + begin, wiring, flight, drawn) < earliest:
        begin += 1
    if begin < n_flight:
        due = time + delay_of(stored + begin, wiring, flight, drawn)
        inbox, n_inbox = put(inbox, n_inbox, source, time, stored + begin, stored + n_flight, due)
    return (inbox, n_inbox), (flight, n_flight), room


@compiled
def draw_connections(source, drawn, room):
    """Draw those of a source onto this part; returns the room with them, and their number."""
    out, trials = room
    neuron, axon, n = source - drawn.first_source, source - drawn.first_axon, 0
    if 0 <= neuron < len(drawn.axons.neurons.group):
        out, trials, n = draw_onto(neuron, drawn.begin, drawn.end, drawn.axons, out, 0, trials)
    elif drawn.pool is not None:
        if 0 <= axon < (len(drawn.pool.patch_first) - 1) * AXONS:
            n = draw_from_pool(axon, drawn.begin, drawn.end, drawn.pool, out, 0, trials)
            while n < 0:
                out = tables.with_room(out, 2 * len(out.target))
                n = draw_from_pool(axon, drawn.begin, drawn.end, drawn.pool, out, 0, trials)
    return (out, trials), n


@compiled
def by_delay(room, n, flight, end):
    """Append ``n`` connections to those in flight, by delay; returns these and their number."""
    made, _ = room
    if end + n > len(flight.target):
        flight = tables.with_room(flight, (end + n) * 5 // 4 + 1024)
    _append_by_delay(made, n, flight, end, np.zeros(257, np.int64))
    return flight, end + n


@leaf
def _append_by_delay(made, n, flight, end, place):
    """A sort by counting; ``place`` is of every delay and one more, zeros to begin with."""
    for c in range(n):
        place[made.delay[c] + 1] += 1
    place[0] = end
    for d in range(256):
        place[d + 1] += place[d]
    for c in range(n):
        at = place[made.delay[c]]
        place[made.delay[c]] = at + 1
        _copy(made, c, flight, at)


@leaf
def _copy(made, c, to, at):
    """Put one connection where another was."""
    to.target[at], to.rule[at], to.key[at] = made.target[c], made.rule[c], made.key[c]
    to.synapses[at], to.delay[at] = made.synapses[c], made.delay[c]


@compiled
def forget(inbox, n_inbox, stored, flight, end):
    """Close the gaps that connections leave which have acted, if they are most of all.

    Returns how many are left.
    """
    needed = 0
    for i in range(n_inbox):
        if inbox.cursor[i] >= stored:
            needed += inbox.end[i] - inbox.cursor[i]
    if 2 * needed > end:
        return end
    return _close_gaps(np.argsort(inbox.cursor[:n_inbox]), inbox, stored, flight)


@leaf
def _close_gaps(order, inbox, stored, flight):
    """Move what is left in flight together, in the order of their spikes' cursors."""
    at = 0
    for i in order:
        begin, size = inbox.cursor[i] - stored, inbox.end[i] - inbox.cursor[i]
        if begin >= 0:
            for k in range(size):
                _copy(flight, begin + k, flight, at + k)
            inbox.cursor[i], inbox.end[i] = stored + at, stored + at + size
            at += size
    return at


@leaf
def step_of(time, middle, dt, first, last):
    """First step in ``first:last`` whose middle is not before ``time``: where an event acts."""
    step = min(max(int(time / dt), first), last - 1)
    while step < last - 1 and middle[step] < time:
        step += 1
    while step > first and middle[step - 1] >= time:
        step -= 1
    return step


@compiled
def take_due(inbox, n, wiring, flight, drawn, times, first, last):
    """Runs of synapses whose events are due in this window.

    Returns the number of spikes still on their way, and the :class:`Runs`.
    """
    room, window = max(n, 1), (times, first, last)
    runs = Runs(
        0, np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64),
        np.empty(room, np.int64), np.empty(room), np.empty(room),
    )  # fmt: skip
    i = kept = k = 0
    while True:
        i, kept, k = _take(inbox, (i, kept, n), wiring, flight, drawn, window, runs, k)
        if i == n:
            _release(wiring.terminals, wiring, flight, drawn, runs, k)
            return kept, Runs(k, runs.source, runs.step, runs.begin, runs.end, runs.due, runs.share)
        room = 2 * k
        runs = Runs(
            0, tables.longer(runs.source, room), tables.longer(runs.step, room),
            tables.longer(runs.begin, room), tables.longer(runs.end, room),
            tables.longer(runs.due, room), tables.longer(runs.share, room),
        )  # fmt: skip


@leaf
def _take(inbox, spikes, wiring, flight, drawn, window, runs, k):
    """Append the runs of some spikes to ``k`` that are there, until there is no more room.

    ``spikes`` are the first of them, how many before it are still on their way, and the last.
    Returns the first two and the number of runs after that: what is left of a spike stands in the
    inbox.
    """
    (begin, kept, n), (times, first, last) = spikes, window
    until = times.middle[last - 1]
    for i in range(begin, n):
        c, stop, due = inbox.cursor[i], inbox.end[i], inbox.due[i]
        while due <= until:
            if k == len(runs.step):
                inbox.cursor[i], inbox.due[i] = c, due
                return i, kept, k
            runs.source[k], runs.begin[k], runs.due[k] = inbox.source[i], c, due
            runs.step[k] = step_of(due, times.middle, times.dt, first, last)
            while c < stop and due == inbox.time[i] + delay_of(c, wiring, flight, drawn):
                c += 1
            runs.end[k] = c = end_of(wiring.terminals, runs.begin[k], c)
            k += 1
            due = np.inf if c == stop else inbox.time[i] + delay_of(c, wiring, flight, drawn)
        if due < np.inf:
            inbox.source[kept], inbox.cursor[kept], inbox.end[kept] = inbox.source[i], c, stop
            inbox.time[kept], inbox.due[kept] = inbox.time[i], due
            kept += 1
    return n, kept, k


@compiled
def _release(terminals, wiring, flight, drawn, runs, n):
    """What the synapses of ``n`` runs release; where it matters, in the order of time."""
    if terminals is None:
        return
    number = np.arange(n)
    if terminals.by_time:
        for k in range(n):
            begin = runs.begin[k]
            if comes_last(terminals, begin, delay_of(begin, wiring, flight, drawn)):
                number[k] += n
        sort(runs.due[:n].copy(), number, n)
    for place in range(n):
        k = number[place] % n
        runs.share[k] = released(terminals, runs.begin[k], runs.step[k], runs.due[k])


@compiled
def sort_events(blocks, wiring, flight, drawn, runs, steps, events):
    """Events on blocks, by block, then step; returns them and the number of all events.

    ``steps`` are the first and last of the window, and the one that steps are counted from.
    """
    n, n_points = _count(blocks, wiring, flight, drawn, runs, events)
    if n > len(events.step):
        due = _room_for_events(n + n // 8 + 1024, events.weight)
        events = Events(events.first, events.last, due["step"], due["element"], due["weight"])
    order, at = np.empty(runs.n, np.int64), np.zeros(steps[1] - steps[0] + 1, np.int64)
    _by_step(runs, steps[0], order, at)
    _place_all(wiring, flight, drawn, (runs, order), steps[2], events)
    return events, n + n_points


def _room_for_events(room, weight):
    """One array of events whose weights are as these."""
    return np.empty(room, event_of(weight.dtype))


@overload(_room_for_events)
def _compiled_room_for_events(room, weight):
    kind = event_of(as_dtype(weight.dtype))
    return lambda room, weight: np.empty(room, kind)


@leaf
def _count(blocks, wiring, flight, drawn, runs, events):
    """Where the events of each block will begin; returns the number of all, and of points'."""
    stored = len(wiring.target)
    for b in blocks:
        events.last[b] = 0
    n = n_points = 0
    for k in range(runs.n):
        if drawn is not None:
            _ask_for_connections(runs, min(k + 2 * AHEAD, runs.n - 1), stored, flight)
            _ask_for_neurons(runs, min(k + AHEAD, runs.n - 1), stored, flight, drawn)
            if runs.begin[k] >= stored:
                for c in range(runs.begin[k] - stored, runs.end[k] - stored):
                    block = drawn.address[flight.target[c]] >> wiring.shift
                    events.last[block] += flight.synapses[c]
                continue
        for c in range(runs.begin[k], runs.end[k]):
            target = wiring.target[c]
            if target < wiring.first_point:
                events.last[target >> wiring.shift] += 1
            else:
                n_points += 1
    for b in blocks:
        count = events.last[b]
        events.first[b] = events.last[b] = n
        n += count
    return n, n_points


@leaf
def _ask_for_connections(runs, k, stored, flight):
    """Ask for where a run begins and ends."""
    if runs.begin[k] >= stored:
        ask_for(flight.target, runs.begin[k] - stored)
        ask_for(flight.target, runs.end[k] - 1 - stored)


@leaf
def _ask_for_neurons(runs, k, stored, flight, drawn):
    """Ask for where the targets of a run are: all over memory, and far away in it."""
    for c in range(max(runs.begin[k], stored) - stored, runs.end[k] - stored):
        ask_for(drawn.address, flight.target[c])


@leaf
def _ask_for_room(runs, k, stored, flight, drawn, shift, events):
    """Ask for where the events of a run will go."""
    for c in range(max(runs.begin[k], stored) - stored, runs.end[k] - stored):
        ask_for(events.step, events.last[drawn.address[flight.target[c]] >> shift])


@leaf
def _by_step(runs, first, order, at):
    """The ``order`` of runs by step; ``at`` is of every step and one more, zeros to begin with."""
    for k in range(runs.n):
        at[runs.step[k] - first + 1] += 1
    for step in range(len(at) - 1):
        at[step + 1] += at[step]
    for k in range(runs.n):
        step = runs.step[k] - first
        order[at[step]] = k
        at[step] += 1


@leaf
def _place_all(wiring, flight, drawn, ordered, origin, events):
    """Put every event where it belongs, and tell where those of each block end."""
    (runs, order), stored, mask = ordered, len(wiring.target), (1 << wiring.shift) - 1
    for i in range(runs.n):
        k, step = order[i], runs.step[order[i]] - origin
        if drawn is not None:
            last = order[min(i + 3 * AHEAD, runs.n - 1)]
            later, soon = order[min(i + 2 * AHEAD, runs.n - 1)], order[min(i + AHEAD, runs.n - 1)]
            _ask_for_connections(runs, last, stored, flight)
            _ask_for_neurons(runs, later, stored, flight, drawn)
            _ask_for_room(runs, soon, stored, flight, drawn, wiring.shift, events)
            if runs.begin[k] >= stored:
                run = (runs.source[k], runs.begin[k] - stored, runs.end[k] - stored)
                place(run, flight, drawn, wiring.shift, step, events)
                continue
        share = share_of(wiring.terminals, runs.share[k])
        for c in range(runs.begin[k], runs.end[k]):
            target = wiring.target[c]
            if target < wiring.first_point:
                block = target >> wiring.shift
                at = events.last[block]
                events.last[block] = at + 1
                events.step[at], events.element[at] = step, target & mask
                events.weight[at] = wiring.weight[c] * share


@leaf
def factor_of(factors, neuron, target):
    """Factor on the weights of a connection; where there are none, the compiler leaves it out."""
    if factors is None:
        return 1.0
    groups = (factors.source[neuron], factors.target[target])
    return factors.factor[groups] * kept(factors.removed, groups, factors.key, neuron, target)


@leaf
def kept(removed, groups, key, neuron, target):
    """1, or 0 for a connection that is among the share removed; left out where there is none."""
    if removed is None:
        return 1.0
    place = (stream(key, neuron, target) >> np.uint64(11)) * 2.0**-53
    return 0.0 if place < removed[groups] else 1.0


@leaf
def place(run, flight, drawn, shift, step, events):
    """The synapses of a run of connections in flight, as events of their blocks."""
    source, begin, end = run
    neuron = source - drawn.first_source
    if not 0 <= neuron < len(drawn.axons.neurons.group):
        if drawn.pool is not None:
            axon = source - drawn.first_axon
            for c in range(begin, end):
                block = drawn.address[flight.target[c]] >> shift
                at = events.last[block]
                place_from_axon(axon, c, flight, drawn, shift, (step, at), events)
                events.last[block] = at + 1
        return
    key = of_source(drawn.axons.keys[2], neuron)
    for c in range(begin, end):
        block = drawn.address[flight.target[c]] >> shift
        at = events.last[block]
        place_from_neuron(neuron, key, c, flight, drawn, shift, (step, at), events)
        events.last[block] = at + flight.synapses[c]


@leaf
def place_from_neuron(neuron, key, c, flight, drawn, shift, when, events):
    """The synapses of a neuron's connection as events; ``key`` is of all its connections.

    ``when`` are their step and where the first of them goes.
    """
    (step, at), target, rule = when, flight.target[c], flight.rule[c]
    axons, n_models = drawn.axons, drawn.weight.shape[1]
    model, address, patch = drawn.model[target], drawn.address[target], drawn.patch[target]
    state = of_connection(key, flight.key[c])
    weight = drawn.weight[rule, model] * strength(state, rule, patch, axons.rules)
    weight *= factor_of(drawn.factors, neuron, target)
    row, table = drawn.row[model, drawn.kind[rule]], rule * n_models + model
    lane, bits, later = address & ((1 << shift) - 1), np.uint64(0), np.uint64(0)
    for k in range(flight.synapses[c]):
        if k & 1:
            bits = later
        else:
            state, bits, later = two_sites(state)
        events.step[at + k], events.weight[at + k] = step, weight
        events.element[at + k] = lane + row[node_at(bits, table, axons.sites)]


@leaf
def place_from_axon(axon, c, flight, drawn, shift, when, events):
    """The one synapse of a shared axon's connection as an event."""
    (step, at), target, kind, pool = when, flight.target[c], flight.rule[c], drawn.pool
    row = drawn.row[pool.model[kind], drawn.kind[pool.rule[kind]]]
    sites, n_models = drawn.axons.sites, drawn.weight.shape[1]
    node = place_from_pool(axon, flight.key[c], kind, pool, sites, n_models)
    events.step[at] = step
    events.element[at] = (drawn.address[target] & ((1 << shift) - 1)) + row[node]
    events.weight[at] = pool.weight[kind] * factor_of(drawn.pool_factors, axon, target)


@leaf
def _onto_points(wiring, runs, synapse, time):
    """Stored synapses onto point neurons and when their events are due, as far as there is room.

    Returns how many there are.
    """
    n, stored = 0, len(wiring.target)
    for k in range(runs.n):
        for c in range(runs.begin[k], min(runs.end[k], stored)):
            if wiring.target[c] >= wiring.first_point:
                if n < len(synapse):
                    synapse[n], time[n] = c, runs.due[k]
                n += 1
    return n


@compiled
def drive_points(wiring, runs, state, first_source, found, turn, at, room):
    """Point neurons receive their events in order of time; returns where the next spike goes."""
    n = _onto_points(wiring, runs, np.empty(0, np.int64), np.empty(0))
    synapse, number, time = np.empty(n, np.int64), np.arange(n), np.empty(n)
    _onto_points(wiring, runs, synapse, time)
    sort(time, number, n)
    for k in range(n):
        c = synapse[number[k]]
        point = wiring.target[c] - wiring.first_point
        if receive(state, point, time[k], wiring.weight[c]):
            if at < room:
                found.source[turn, at], found.time[turn, at] = first_source + point, time[k]
            at += 1
    return at


@leaf
def is_lost(b, layout, states):
    """Whether a soma of this block has a voltage that is no number."""
    lanes = row_length(states.V)
    soma = layout.first_v[b] + layout.soma[layout.model[b]] * lanes
    for lane in range(lanes):
        if not np.isfinite(states.V[soma + lane]):
            if layout.cell_at[b * lanes + lane] >= 0:
                return True
    return False


@compiled
def number_found(found, turn):
    """Number of spikes found by all parts, or NO_ROOM."""
    n = 0
    for part in range(len(found.begin) - 1):
        if found.counts[turn, part] > found.begin[part + 1] - found.begin[part]:
            return NO_ROOM
        n += found.counts[turn, part]
    return n


@compiled
def gathered(found, turn, n):
    """Sources and times (ms) of the ``n`` spikes that all parts found, by time, then source."""
    source, time = np.empty(n, np.int64), np.empty(n)
    n = 0
    for part in range(len(found.begin) - 1):
        for k in range(found.begin[part], found.begin[part] + found.counts[turn, part]):
            source[n], time[n] = found.source[turn, k], found.time[turn, k]
            n += 1
    sort(time, source, n)
    return source, time
