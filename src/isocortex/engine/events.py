"""Spikes on their way, and the synaptic events of a window that they make."""

from __future__ import annotations

import numpy as np

from isocortex.compiling import compiled
from isocortex.engine.parts import NO_ROOM, Events, Inbox, Runs, Wiring
from isocortex.network.drawn import draw
from isocortex.network.points import receive
from isocortex.targets.simd import row_length


@compiled
def longer(array, n):
    """A copy with room for ``n`` elements and as many again."""
    copy = np.empty(2 * n, array.dtype)
    for k in range(len(array)):
        copy[k] = array[k]
    return copy


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


@compiled
def put(inbox, n, source, time, begin, end, wiring):
    """Insert a spike and its synapses ``begin:end``; returns inbox and length.

    Nearly all come in their order: a spike from outside precedes some that were found in the window
    before, and one of a point neuron some of the same window.
    """
    if begin == end:
        return inbox, n
    if n == len(inbox.cursor):
        inbox = Inbox(
            longer(inbox.source, n + 1),
            longer(inbox.cursor, n + 1),
            longer(inbox.end, n + 1),
            longer(inbox.time, n + 1),
            longer(inbox.due, n + 1),
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
    inbox.time[k], inbox.due[k] = time, time + wiring.delays[wiring.delay[begin]]
    return inbox, n + 1


@compiled
def factor_of(factors, neuron, target):
    """Factor on the weights of a connection; where there are none, the compiler leaves it out."""
    if factors is None:
        return 1.0
    return factors.factor[factors.source[neuron], factors.target[target]]


@compiled
def draw_synapses(neuron, drawn, room, wiring, n):
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
            wiring.first, longer(wiring.target, end), longer(wiring.weight, end),
            longer(wiring.delay, end), wiring.delays, wiring.shift, wiring.first_point,
        )  # fmt: skip
    for c in range(n_connections):
        target, rule, state = room.target[c], room.rule[c], room.key[c]
        model = neurons.model[target]
        row = drawn.row[model, drawn.kind[rule]]
        weight = drawn.weight[rule, model] * draw.strength(state, rule, drawn.axons.rules)
        weight *= factor_of(drawn.factors, neuron, target)
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
def forget(inbox, n_inbox, wiring, stored, end):
    """Close the gaps that drawn synapses leave which have acted, if they are most of all.

    Returns where the drawn synapses end.
    """
    needed, last = 0, stored
    in_order = True
    for i in range(n_inbox):
        if inbox.cursor[i] >= stored:
            needed += inbox.end[i] - inbox.cursor[i]
            in_order &= inbox.cursor[i] >= last
            last = inbox.end[i]
    if 2 * needed > end - stored or not in_order:  # else some would be written over: rarely
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
def take_due(inbox, n, wiring, times, first, last):
    """Runs of synapses whose events are due in this window.

    Returns the number of spikes still on their way, and the :class:`Runs`.
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
                step, begin, end = longer(step, k), longer(begin, k), longer(end, k)
                time = longer(time, k)
            step[k] = step_of(due, times.middle, times.dt, first, last)
            begin[k], time[k] = c, due
            delay = wiring.delay[c]
            while c < stop and wiring.delay[c] == delay:
                c += 1
            end[k] = c
            k += 1
            due = np.inf if c == stop else inbox.time[i] + wiring.delays[wiring.delay[c]]
        if due < np.inf:
            inbox.source[kept], inbox.cursor[kept], inbox.end[kept] = inbox.source[i], c, stop
            inbox.time[kept], inbox.due[kept] = inbox.time[i], due
            kept += 1
    return kept, Runs(k, step, begin, end, time)


@compiled
def sort_events(blocks, wiring, runs, first, last, origin, events):
    """Events on blocks, by block, then step; returns them and the number of all events."""
    for b in blocks:
        events.last[b] = 0
    n = n_points = 0
    for k in range(runs.n):
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
    if n > len(events.step):
        events = Events(
            events.first, events.last, np.empty(2 * n, np.int32), np.empty(2 * n, np.int32),
            np.empty(2 * n, events.weight.dtype),
        )  # fmt: skip
    mask = (1 << wiring.shift) - 1
    for now in range(first, last):
        for k in range(runs.n):
            if runs.step[k] != now:
                continue
            for c in range(runs.begin[k], runs.end[k]):
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
def drive_points(wiring, runs, state, first_source, found, turn, at, room):
    """Point neurons receive their events in order of time; returns where the next spike goes."""
    n = 0
    for k in range(runs.n):
        for c in range(runs.begin[k], runs.end[k]):
            n += wiring.target[c] >= wiring.first_point
    synapse, number, time = np.empty(n, np.int64), np.arange(n), np.empty(n)
    n = 0
    for k in range(runs.n):
        for c in range(runs.begin[k], runs.end[k]):
            if wiring.target[c] >= wiring.first_point:
                synapse[n], time[n] = c, runs.due[k]
                n += 1
    sort(time, number, n)
    for k in range(n):
        c = synapse[number[k]]
        point = wiring.target[c] - wiring.first_point
        if receive(state, point, time[k], wiring.weight[c]):
            if at < room:
                found.source[turn, at], found.time[turn, at] = first_source + point, time[k]
            at += 1
    return at


@compiled
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
