"""The cable equation of one block for one step: set up, add synapses, eliminate, substitute.

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
        jump = events.weight[event] * kinetics.scale[kind]
        A[at] += jump * kinetics.has_rise[kind]
        B[at] += jump
        event += 1
    return event


@jit
def assemble(V, v0, D, R, A, B, n, n0, row, last, lanes, layout, kinetics):
    """Diagonal and right-hand side: the passive cable and the synapses.

    The constants and C/dt v, then for every synaptic row of the node its conductance g = B - A at
    the present states, which decay over the step. Rows are sorted by node.
    """
    for i in range(n):
        v = load(V, v0 + i * lanes)
        d = broadcast(layout.diagonal[n0 + i], v)
        r = v * layout.capacitance[n0 + i] + layout.leak[n0 + i]
        while row < last and layout.row_node[row] == i:
            kind, at = layout.row_kind[row], row * lanes
            a, b = load(A, at), load(B, at)
            g = b - a
            d = d + g
            r = r + g * kinetics.reversal[kind]
            store(A, at, a * kinetics.rise[kind] + TINY)
            store(B, at, b * kinetics.decay[kind] + TINY)
            row += 1
        store(D, i * lanes, d)
        store(R, i * lanes, r)


@jit
def solve(V, v0, D, R, n, n0, lanes, parent, coupling, extrapolate):
    """Gaussian elimination from the tips to the root, then substitution back (Hines 1984).

    Along an unbranched run the parent is the next node: its row stays in registers.
    """
    d, r = load(D, (n - 1) * lanes), load(R, (n - 1) * lanes)
    for k in range(1, n):
        i = n - k
        up = parent[n0 + i]
        a = coupling[n0 + i]
        inverse = 1.0 / d
        f = inverse * a
        q = r * inverse
        store(D, i * lanes, f)
        store(R, i * lanes, q)
        d = load(D, up * lanes) - f * a
        r = load(R, up * lanes) + q * a
        if up != i - 1:
            store(D, up * lanes, d)
            store(R, up * lanes, r)
            d, r = load(D, (i - 1) * lanes), load(R, (i - 1) * lanes)
    x = r / d
    store(R, 0, x)
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
