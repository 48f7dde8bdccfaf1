"""The clockwork of the compiled engine: windows of steps, and the exchange of spikes between them.

A *part* is what one thread owns: some blocks, some point neurons, and every synapse onto them;
threads that are done with theirs advance blocks of others (:mod:`isocortex.engine.stealing`). A
*window* is as long as the shortest delay of a source that reacts to others: within it, parts are
independent. Every thread runs ``run_windows`` on its own part; the threads meet once per window,
when the spikes found in it become known to all. Where several ranks share the circuit, or a GPU
advances the blocks, one more thread meets them, which brings the spikes that were found there
(:mod:`isocortex.engine.elsewhere`, :mod:`isocortex.engine.cuda`).

Nothing is queued but spikes. A part's synapses are sorted by source, then by delay, and a spike on
its way keeps a cursor into those of its source: each window takes the synapses whose delay has
run out, and sorts their events by block and step. Spikes on their way are kept by time, then
source, and so what a synapse receives, and in which order, follows from the spikes alone: not from
the number of parts, nor from where windows begin.

Synapses of a cortex model need not be stored. Then a part draws the connections onto its own
neurons when it hears of a spike, keeps these *in flight*, by delay, places the synapses of a
connection when they act, and forgets it.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from isocortex.compiling import compiled
from isocortex.engine.events import (
    drive_points,
    forget,
    gathered,
    hear,
    is_lost,
    number_found,
    sort_events,
    take_due,
)
from isocortex.engine.meeting import LINE, meet, peek, take
from isocortex.engine.parts import NO_ROOM, Reached
from isocortex.engine.stealing import events_of, next_block, next_part, offer
from isocortex.network.drawn import tables
from isocortex.network.drawn.draw import room_to_try
from isocortex.targets.simd import row_length


@intrinsic
def _advance_block(typingctx, address, arguments):
    """Call the kernel at an address with the arguments of ``advance_block``."""

    def codegen(context, builder, sig, args):
        kinds = [context.get_value_type(kind) for kind in arguments.types]
        kernel = ir.FunctionType(ir.IntType(64), kinds).as_pointer()
        values = cgutils.unpack_tuple(builder, args[1])
        return builder.call(builder.inttoptr(args[0], kernel), values)

    return types.int64(types.int64, arguments), codegen


@compiled
def run_windows(me, part, drawn, outbox, shared, steps):
    """Advance part ``me`` through some steps, together with the other parts.

    ``drawn`` is None where all synapses are stored (the compiler leaves out what is for others
    only where this is an argument of its own). So is ``outbox`` where this thread advances its
    blocks; else it leaves the address of their events there, for who does. Returns what has
    changed of the part (connections in flight, the inbox, the lengths of both, and room for
    events), and :class:`Reached`.
    """
    blocks, wiring, flight, n_flight, inbox, n_inbox, events, work = part
    (
        meeting, offers, found, kernel, points, layout, states, kinetics, numerics, window,
        first_cell, first_point, elsewhere,
    ) = shared  # fmt: skip
    first_step, last_step, times, trains, electrodes, probes = steps
    log_source, log_time = np.empty(0, np.int64), np.empty(0)
    n_parts, lanes = len(found.begin) - 1, row_length(states.V)
    n_log = n_events = turn = next_train = 0
    reached = first_step
    room = room_to_draw(drawn)
    for first in range(first_step, last_step, window):
        last = min(first + window, last_step)
        while next_train < len(trains.time) and trains.time[next_train] <= times.middle[last - 1]:
            source, time = trains.source[next_train], trains.time[next_train]
            (inbox, n_inbox), (flight, n_flight), room = hear(
                (source, time), (inbox, n_inbox), (flight, n_flight), wiring, drawn, room, -np.inf
            )
            next_train += 1
        n_inbox, runs = take_due(inbox, n_inbox, wiring, flight, drawn, times, first, last)
        steps_of = (first, last, first_step)
        events, n = sort_events(blocks, wiring, flight, drawn, runs, steps_of, events)
        n_events += n
        at, last_at = found.begin[me], found.begin[me + 1]
        at = drive_points(wiring, runs, points, first_point, found, turn, at, last_at)
        found.counts[turn, me], found.lost[turn, me] = at - found.begin[me], False
        if outbox is None:
            this = meeting[me * LINE] + 1
            offer(offers, me, this, events)
            part_of, due = me, events
            while part_of >= 0:
                b = next_block(offers, part_of)
                if b < 0:  # none is left of this part: on with others'
                    part_of = next_part(offers, me, this, meeting)
                    if part_of >= 0:
                        due = events_of(offers, part_of, events.weight)
                    continue
                n_spikes = _advance_block(
                    kernel[b],
                    (b, first - first_step, last - first_step, due, electrodes, probes, layout,
                     states, kinetics, work, numerics),
                )  # fmt: skip
                for k in range(n_spikes):
                    cell = layout.cell_at[b * lanes + work.spike_lane[k]]
                    if cell >= 0:
                        at = found.begin[part_of] + take(found.counts, turn * n_parts + part_of)
                        if at < found.begin[part_of + 1]:
                            found.source[turn, at] = first_cell + cell
                            found.time[turn, at] = (
                                times.seen[first_step + work.spike_step[k]]
                                - work.spike_early[k] * times.dt
                            )
                found.lost[turn, me] |= is_lost(b, layout, states)
        else:
            outbox[me] = events.step.ctypes.data  # of the first of three fields
        meet(meeting, me, n_parts)
        if elsewhere:
            meet(meeting, me, n_parts)  # until the last part has heard of what was found there
        if peek(meeting, n_parts * LINE):  # all were let go, and some still advance blocks of this
            break

        n = number_found(found, turn)
        if n == NO_ROOM:
            n_events = NO_ROOM
            break
        sources, spikes = gathered(found, turn, n)
        if me == 0 and n_log + n > len(log_time):
            more = 2 * (n_log + n)
            log_source, log_time = tables.longer(log_source, more), tables.longer(log_time, more)
        if drawn is not None:
            n_flight = forget(inbox, n_inbox, len(wiring.target), flight, n_flight)
        for k in range(n):
            source, time = sources[k], spikes[k]
            (inbox, n_inbox), (flight, n_flight), room = hear(
                (source, time), (inbox, n_inbox), (flight, n_flight), wiring, drawn, room, -np.inf
            )
            if me == 0:
                log_source[n_log], log_time[n_log] = source, time
                n_log += 1
        reached = last
        if found.lost[turn].any():
            break
        turn = 1 - turn
    return (
        flight, n_flight, inbox, n_inbox, events,
        Reached(n_events, reached, n_log, log_source, log_time),
    )  # fmt: skip


@compiled
def room_to_draw(drawn):
    """Room for the connections of one source, and for the trials that find them."""
    if drawn is None:
        return None
    synapses = 0 if drawn.pool is None else drawn.pool.inverse.shape[1]
    return tables.no_connections(1024), room_to_try(drawn.axons, synapses)


@compiled
def hear_again(part, drawn, source, time, due):
    """Put spikes on their way again whose next events are due then (ms).

    Returns what has changed of the part: connections in flight, the inbox, and their lengths.
    """
    flight, n_flight, inbox, n_inbox = part.flight, 0, part.inbox, 0
    room = room_to_draw(drawn)
    for k in range(len(source)):
        spike = (source[k], time[k])
        (inbox, n_inbox), (flight, n_flight), room = hear(
            spike, (inbox, n_inbox), (flight, n_flight), part.wiring, drawn, room, due[k]
        )
    return flight, n_flight, inbox, n_inbox
