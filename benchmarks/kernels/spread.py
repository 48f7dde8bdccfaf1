"""Events on the GPU: from stored connections of cells that spiked to bins of (window, block).

A connection is a word: the target cell, which rule it is of, its delay in steps, its number of
synapses. An event is a word: row (14 bits), lane (5), step in the window (4), rule (9). Where a
connection's synapses sit is drawn as they act. A warp spreads one spike.
"""

from __future__ import annotations

from numba import cuda

RULE, DELAY, NUMBER = 32, 41, 50
MASK = 0xFFFFFFFF


@cuda.jit(device=True, inline="always")
def mixed(x):
    """A hash of 32 bits."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & MASK
    x = ((x ^ (x >> 15)) * 0x045D9F3B) & MASK
    return x ^ (x >> 16)


def connect(connections, per_cell, cells, near, local, rules):
    """Write connections of all cells: ``local`` of each to within ``near`` cells, others anywhere.

    Delays are 9 to 40 steps, synapses 5 to a connection.
    """
    at = cuda.grid(1)
    if at >= connections.size:
        return
    source, h = at // per_cell, mixed(at & MASK)
    g = mixed(h ^ 0x9E3779B9)
    target = h % cells
    if at % per_cell < local:
        target = (source + h % near) % cells
    delay = 9 + g % 32
    connections[at] = target | (g % rules) << RULE | delay << DELAY | 5 << NUMBER


def spread(spikes, connections, per_cell, site, sites, step, slot, ring, room, blocks, count, bins):
    """Events of spikes in a ``step`` of the window whose bins are ``slot`` of the ring.

    ``ring`` and ``sites`` are powers of two. Leaves how many events every bin has been given, and
    the first ``room`` of them.
    """
    lane = cuda.threadIdx.x
    spike = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    if spike >= spikes.size:
        return
    first = spikes[spike] * per_cell
    for c in range(lane, per_cell, 32):
        word = connections[first + c]
        target, rule = word & MASK, (word >> RULE) & 511
        due, number = step + ((word >> DELAY) & 511), word >> NUMBER
        ahead = (due * 7282) >> 16  # due // 9, as long as due is below 30,000
        bin_ = ((slot + ahead) & (ring - 1)) * blocks + (target >> 5)
        at = cuda.atomic.add(count, bin_, number)
        kept = (target & 31) << 14 | (due - 9 * ahead) << 19 | rule << 23
        h = mixed((target ^ (first + c)) & MASK)
        if at + number <= room:
            for k in range(number):
                h = mixed((h + k) & MASK)
                bins[bin_ * room + at + k] = kept | site[rule * sites + (h & (sites - 1))]
