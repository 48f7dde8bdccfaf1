"""The cable equation of one block for one step: set up, eliminate, substitute.

The implicit step solves for the change x of every node i with parent p and children c (uS, nA, mV),

    (C_i/dt + g_i + sum of couplings) x_i - a_i x_p - sum_c a_c x_c
        = sum g (e - v_i) + I_i + a_i (v_p - v_i) + sum_c a_c (v_c - v_i)

with C in nF, as Hines (1984) does for a tree numbered so that parents come first. Solving for the
change, as NEURON does, keeps single precision accurate: what is rounded is a small number. A value
of the arrays is a row of lanes: the same node of all cells of the block. Backward Euler takes
v + x as the next voltage; Crank-Nicolson solves for half a step (C/dt doubled) and takes v + 2 x.
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

    The constants and the leak, then for every synaptic row of the node its conductance g = B - A
    at the present states, which decay over the step; ``row`` is the end of the block's rows, which
    are sorted by node. A node whose parent is the next one passes its part on in registers; parts
    from other branches, channels and electrodes wait in D and R. Leaves f = a / d in D and
    q = r / d in R, for :func:`substitute`.
    """
    above = load(V, v0 + (n - 1) * lanes)
    carried_d = broadcast(0.0, above)
    carried_r = carried_d
    for k in range(n):
        i = n - 1 - k
        at = i * lanes
        v = above
        d = carried_d + layout.diagonal[n0 + i]
        r = carried_r + (layout.leak[n0 + i] - v * layout.leakage[n0 + i])
        if layout.gathers[n0 + i]:
            d = d + load(D, at)
            r = r + load(R, at)
        while row > row0 and layout.row_node[row - 1] == i:
            row -= 1
            kind, here = layout.row_kind[row], row * lanes
            a, b = load(A, here), load(B, here)
            g = b - a
            d = d + g
            r = r + g * (kinetics.reversal[kind] - v)
            store(A, here, a * kinetics.rise[kind] + TINY)
            store(B, here, b * kinetics.decay[kind] + TINY)
        up, coupling = layout.parent[n0 + i], layout.coupling[n0 + i]
        inverse = 1.0 / d
        f = inverse * coupling
        store(D, at, f)
        carried_d = f * -coupling
        if i == 0:
            store(R, at, r * inverse)
            return
        above = load(V, v0 + (i - 1) * lanes)
        v_up = load(V, v0 + up * lanes)
        axial = (v_up - v) * coupling
        q = (r + axial) * inverse
        store(R, at, q)
        carried_r = q * coupling - axial
        if up != i - 1:
            store(D, up * lanes, load(D, up * lanes) + carried_d)
            store(R, up * lanes, load(R, up * lanes) + carried_r)
            carried_d = broadcast(0.0, v)
            carried_r = carried_d


@jit
def substitute(V, v0, D, R, n, n0, lanes, layout, extrapolate):
    """The new voltages, from the root to the tips.

    Leaves in R the change of nodes with several branches, and for Crank-Nicolson the voltage in
    the middle of the step of all.
    """
    x = load(R, 0)
    v = load(V, v0)
    if extrapolate == 1.0:
        store(V, v0, v + x)
        for i in range(1, n):
            at = i * lanes
            up = layout.parent[n0 + i]
            if up != i - 1:
                x = load(R, up * lanes)
            x = load(R, at) + load(D, at) * x
            if layout.gathers[n0 + i]:
                store(R, at, x)
            store(V, v0 + at, load(V, v0 + at) + x)
        return
    store(R, 0, v + x)
    store(V, v0, v + x * extrapolate)
    for i in range(1, n):
        at = i * lanes
        up = layout.parent[n0 + i]
        if up != i - 1:  # its voltage has been extrapolated by now: v + 2 x - (v + x)
            x = load(V, v0 + up * lanes) - load(R, up * lanes)
        x = load(R, at) + load(D, at) * x
        v = load(V, v0 + at)
        store(R, at, v + x)
        store(V, v0 + at, v + x * extrapolate)


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
