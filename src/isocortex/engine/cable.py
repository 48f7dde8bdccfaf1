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

jit = njit(error_model="numpy", forceinline=True)


@jit
def set_up(V, v0, D, R, n, n0, lanes, diagonal, leak, capacitance):
    """Diagonal and right-hand side of the passive cable: constants and C/dt v."""
    for i in range(n):
        v = load(V, v0 + i * lanes)
        store(D, i * lanes, broadcast(diagonal[n0 + i], v))
        store(R, i * lanes, v * capacitance[n0 + i] + leak[n0 + i])


@jit
def add_synapses(D, R, A, B, first, last, lanes, row_node, row_kind, rise, decay, reversal):
    """Synaptic conductances g = B - A at the present states, which then decay over the step."""
    for row in range(first, last):
        i = row_node[row] * lanes
        kind = row_kind[row]
        at = row * lanes
        a, b = load(A, at), load(B, at)
        g = b - a
        store(A, at, a * rise[kind])
        store(B, at, b * decay[kind])
        store(D, i, load(D, i) + g)
        store(R, i, load(R, i) + g * reversal[kind])


@jit
def solve(V, v0, D, R, n, n0, lanes, parent, coupling, extrapolate):
    """Gaussian elimination from the tips to the root, then substitution back (Hines 1984)."""
    for k in range(1, n):
        i = n - k
        at = i * lanes
        up = parent[n0 + i] * lanes
        a = coupling[n0 + i]
        inverse = 1.0 / load(D, at)
        f = inverse * a
        q = load(R, at) * inverse
        store(D, up, load(D, up) - f * a)
        store(R, up, load(R, up) + q * a)
        store(D, at, f)
        store(R, at, q)
    for i in range(n):
        at = i * lanes
        x = load(R, at)
        if i == 0:
            x = x / load(D, at)
        else:
            x = x + load(D, at) * load(R, parent[n0 + i] * lanes)
        store(R, at, x)
        v = load(V, v0 + at)
        store(V, v0 + at, v + (x - v) * extrapolate)
