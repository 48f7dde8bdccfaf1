"""C: tables drive the kernel, the state of a block lies in shared memory for a window.

Coefficients stay in memory, where all blocks read the same; there are no rows without membrane.

Going up, a node's voltage v is overwritten by t = v + q - f v_parent, q = r / d and f = a / d being
what the elimination leaves; going down, v' = t + f v_parent'.
"""

from __future__ import annotations

from isocortex.engine.straight.plan import Plan
from kernels.text import ADVANCE, CURRENTS, DELIVER, HEAD

KERNEL = """
@jit
def up(V, X, E, SD, SR, cell, first, last, lane, powers, reversal):
    pa1, pb1, pa2, pb2 = powers
    e1, e2 = reversal
    coefficient, row, table, joins = cell
    for r in range(last - 1, first - 1, -1):
        begin, parent = element(table, 4 * r), element(table, 4 * r + 2)
        i = element(table, 4 * r + 1) - 1
        cd, cr = float32(0.0), float32(0.0)
        for k in range(element(table, 4 * r + 3), element(table, 4 * r + 7)):
            at = element(joins, k) * 32
            cd += load(SD, at)
            cr += load(SR, at)
        v = load(V, i * 32)
        while i >= begin:
            before = i - 1
            if i == begin:
                before = parent
            vp = load(V, before * 32)
            diagonal, leak, leakage, coupling = load4(coefficient, 4 * i)
            g1, g2, own = float32(0.0), float32(0.0), element(row, i)
            if own >= 0:
                a1, b1, a2, b2 = load4(E, 4 * (own * 32 + lane))
                g1, g2 = b1 * pb1 - a1 * pa1, b2 * pb2 - a2 * pa2
            u = leak - leakage * v + g1 * (e1 - v) + g2 * (e2 - v)
            inverse = 1.0 / (cd + diagonal + (g1 + g2))
            f = inverse * coupling
            store(X, i * 32, f)
            cd = -(coupling * f)
            axial = (vp - v) * coupling
            q = (cr + (u + axial)) * inverse
            store(V, i * 32, v + q - f * vp)
            cr = cr * f + ((u + axial) * f - axial)
            v = vp
            i -= 1
        store(SD, r * 32, cd)
        store(SR, r * 32, cr)


@jit
def down(V, X, table, first, last):
    for r in range(first, last):
        i, end, parent = element(table, 4 * r), element(table, 4 * r + 1), element(table, 4 * r + 2)
        v = load(V, parent * 32)
        while i < end:
            v = load(V, i * 32) + load(X, i * 32) * v
            store(V, i * 32, v)
            i += 1


@single
def window(first, last, event_ptr, event_at, event_weight, jump, power, table, joins, warp_run,
           coefficient, row, n, n_rows, n_runs, region_node, P, n_states, Vg, Eg, Sg, spike_step,
           dt, threshold, nernst, e1, e2):
    V = cuda.shared.array(0, float32)
    X, E = V[n * 32 :], V[2 * n * 32 :]
    SD = E[n_rows * 128 :]
    SR = SD[(n_runs + 1) * 32 :]
    S = SR[(n_runs + 1) * 32 :]
    D, R = SD[n_runs * 32 :], SR[n_runs * 32 :]
    b, lane, warp = cuda.blockIdx.x, cuda.threadIdx.x, cuda.threadIdx.y
    threads = 32 * cuda.blockDim.y
    thread = 32 * warp + lane
    for k in range(thread, n * 32, threads):
        put(V, k, element(Vg, b * n * 32 + k))
    for k in range(thread, n_rows * 32, threads):
        a1, b1, a2, b2 = LOAD(Eg, 4 * (b * n_rows * 32 + k))
        store4(E, 4 * k, a1, b1, a2, b2)
    for k in range(thread, n_states * 32, threads):
        put(S, k, element(Sg, b * n_states * 32 + k))
    cuda.syncthreads()
    above = load(V, 0) > threshold
    found = -1
    begin, end = element(warp_run, warp + 1), element(warp_run, warp + 2)
    core = element(warp_run, 1)
    cell = coefficient, row, table, joins
    for step in range(first, last):
        k0 = step - first
        deliver(E, b, k0, last - first, thread, threads, (event_ptr, event_at, event_weight), jump)
        cuda.syncthreads()
        powers = load4(power, 4 * k0)
        if warp == 0:
            store(D, 0, 0.0)
            store(R, 0, 0.0)
            # CURRENTS
        up(V, X, E, SD, SR, cell, begin, end, lane, powers, (e1, e2))
        cuda.syncthreads()
        if warp == 0:
            up(V, X, E, SD, SR, cell, 0, core, lane, powers, (e1, e2))
            down(V, X, table, 0, core)
        cuda.syncthreads()
        down(V, X, table, begin, end)
        if warp == 0:
            # ADVANCE
            is_above = load(V, 0) > threshold
            if is_above and not above:
                found = step + 1
            above = is_above
    cuda.syncthreads()
    pa1, pb1, pa2, pb2 = load4(power, 4 * (last - first))
    for k in range(thread, n * 32, threads):
        put(Vg, b * n * 32 + k, element(V, k))
    for k in range(thread, n_rows * 32, threads):
        a1, b1, a2, b2 = load4(E, 4 * k)
        STORE(Eg, 4 * (b * n_rows * 32 + k), a1 * pa1 + TINY, b1 * pb1 + TINY, a2 * pa2 + TINY,
              b2 * pb2 + TINY)
    for k in range(thread, n_states * 32, threads):
        put(Sg, b * n_states * 32 + k, element(S, k))
    if warp == 0:
        store(spike_step, b * 32, found)
"""


def text(half: bool = False, channels: bool = True) -> str:
    """Source for any model of a family.

    Parameters
    ----------
    half : rows are halves in memory.
    channels : False leaves them out, to know what they cost.
    """
    kernel = KERNEL.replace("# CURRENTS", CURRENTS if channels else "pass")
    kernel = kernel.replace("# ADVANCE", ADVANCE if channels else "pass")
    kernel = kernel.replace("LOAD", "load4h" if half else "load4")
    kernel = kernel.replace("STORE", "store4h" if half else "store4")
    return HEAD.format(name="C") + DELIVER + kernel


def shared_bytes(plan: Plan, n_states: int) -> int:
    """Shared memory of a block."""
    return 128 * (2 * plan.n + 4 * plan.n_rows + 2 * (plan.n_runs + 1) + n_states)
