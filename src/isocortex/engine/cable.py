"""The cable equation of one block for one step: set up, eliminate, substitute.

The implicit step solves, for every node i with parent p and children c (uS, nA, mV),

    (C_i/dt + g_i + sum of couplings) v_i' - a_i v_p' - sum_c a_c v_c' = C_i/dt v_i + sum g e + I_i

with C in nF, as Hines (1984) does for a tree numbered so that parents come first. A value of the
arrays is a row of lanes: the same node of all cells of the block. Backward Euler takes v' as the
next voltage; Crank-Nicolson solves for half a step (C/dt doubled) and extrapolates 2 v' - v.
"""

from __future__ import annotations

from numba import njit

from isocortex.simd import broadcast, load, store

# Added to a synapse's state at every step, uS: silent synapses would decay to subnormal numbers,
# which the processor handles a hundred times slower. A millionth of a rounding error of any result.
TINY = 1e-30

jit = njit(error_model="numpy", forceinline=True)


@jit
def deliver(A, B, row0, lanes, event, last, step, events, layout, kinetics):
    """Synaptic events due in this step make their conductances jump; returns the next event."""
    while event < last and events.step[event] == step:
        at = row0 * lanes + events.element[event]
        kind = layout.row_kind[at // lanes]
        A[at] += events.weight[event] * kinetics.jump_a[kind]
        B[at] += events.weight[event] * kinetics.jump_b[kind]
        event += 1
    return event


@jit
def clear(D, R, first, last, lanes, layout):
    """Set the nodes that gather contributions from elsewhere to zero."""
    for k in range(first, last):
        at = layout.gathering_node[k] * lanes
        zero = broadcast(0.0, load(D, at))
        store(D, at, zero)
        store(R, at, zero)


@jit
def eliminate(V, v0, D, R, A, B, n, n0, row0, row, lanes, layout, kinetics):
    """Set up each node's equation and eliminate it, from the tips to the root (Hines 1984).

    The constants and C/dt v, then for every synaptic row of the node its conductance g = B - A at
    the present states, which decay over the step; ``row`` is the end of the block's rows, which
    are sorted by node. A node whose parent is the next one passes its part on in registers; parts
    from other branches, channels and electrodes wait in D and R. Leaves f = a / d in D and
    q = r / d in R, for :func:`substitute`.
    """
    carried_d = broadcast(0.0, load(V, v0))
    carried_r = carried_d
    for k in range(n):
        i = n - 1 - k
        at = i * lanes
        v = load(V, v0 + at)
        d = carried_d + layout.diagonal[n0 + i]
        r = carried_r + v * layout.capacitance[n0 + i] + layout.leak[n0 + i]
        if layout.gathers[n0 + i]:
            d = d + load(D, at)
            r = r + load(R, at)
        while row > row0 and layout.row_node[row - 1] == i:
            row -= 1
            kind, here = layout.row_kind[row], row * lanes
            a, b = load(A, here), load(B, here)
            g = b - a
            d = d + g
            r = r + g * kinetics.reversal[kind]
            store(A, here, a * kinetics.rise[kind] + TINY)
            store(B, here, b * kinetics.decay[kind] + TINY)
        inverse = 1.0 / d
        q = r * inverse
        store(R, at, q)
        up, coupling = layout.parent[n0 + i], layout.coupling[n0 + i]
        f = inverse * coupling
        store(D, at, f)
        carried_d = f * -coupling
        carried_r = q * coupling
        if up != i - 1 and i > 0:
            store(D, up * lanes, load(D, up * lanes) + carried_d)
            store(R, up * lanes, load(R, up * lanes) + carried_r)
            carried_d = broadcast(0.0, v)
            carried_r = carried_d


@jit
def substitute(V, v0, D, R, n, n0, lanes, parent, extrapolate):
    """The new voltages, from the root to the tips."""
    x = load(R, 0)
    if extrapolate == 1.0:
        store(V, v0, x)
        for i in range(1, n):
            up = parent[n0 + i]
            if up != i - 1:
                x = load(V, v0 + up * lanes)
            x = load(R, i * lanes) + load(D, i * lanes) * x
            store(V, v0 + i * lanes, x)
        return
    v = load(V, v0)
    store(V, v0, v + (x - v) * extrapolate)
    for i in range(1, n):
        at = i * lanes
        up = parent[n0 + i]
        if up != i - 1:
            x = load(R, up * lanes)
        x = load(R, at) + load(D, at) * x
        store(R, at, x)
        v = load(V, v0 + at)
        store(V, v0 + at, v + (x - v) * extrapolate)


@jit
def early(V, at, R, middle, numerics):
    """How long before the end of the step the soma crossed the threshold, in steps.

    0 with backward Euler, as NEURON counts; of Crank-Nicolson the voltage in the middle of the
    step, which R holds, gives that of its beginning, and between the two goes a straight line.
    """
    if numerics.extrapolate == 1.0:
        return 0.0
    half = V[at] - R[middle]
    return min(max((V[at] - numerics.threshold) / (2.0 * half), 0.0), 1.0) if half > 0.0 else 0.0
