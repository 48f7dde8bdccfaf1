"""D: straight-line code of one model; voltages and factors in registers, numbers in the code.

Only synaptic rows, channels, the core's voltages and what branches hand to the core are in shared
memory. Some blocks may go *together*, in step: an instruction that has arrived serves them all.
"""

from __future__ import annotations

import numpy as np

from isocortex.engine.straight.plan import Plan
from isocortex.engine.straight.solving import down, up
from kernels.text import ADVANCE, CURRENTS, DELIVER, HEAD, lines

WINDOW = """

@single
def window(first, last, event_ptr, event_at, event_weight, jump, power, region_node, P, n_states,
           Vg, Eg, Sg, spike_step, dt, threshold, nernst, e1, e2):
{place}
    E = V[{core} :]
    SD = E[{rows} :]
    SR = SD[{handed} :]
    S = SR[{handed} :]
    lane = cuda.threadIdx.x
    thread, threads = 32 * warp + lane, {threads}
    for k in range(thread, {values}, threads):
{load}
    for k in range(thread, n_states * 32, threads):
        put(S, k, element(Sg, b * n_states * 32 + k))
{arrived}
    cuda.syncthreads()
{warps}
    cuda.syncthreads()
    pa1, pb1, pa2, pb2 = load4(power, 4 * (last - first))
    for k in range(thread, {values}, threads):
        a1, b1, a2, b2 = load4(E, 4 * k)
        {store}(Eg, 4 * (b * {values} + k), a1 * pa1 + TINY, b1 * pb1 + TINY, a2 * pa2 + TINY,
              b2 * pb2 + TINY)
    for k in range(thread, n_states * 32, threads):
        put(Sg, b * n_states * 32 + k, element(S, k))
"""

WARP = "first, last, V, E, SD, SR, S, events, jump, power, P, region_node, Vg, spike_step, b, lane"
WARP += ", thread, threads, numerics"


def text(
    plan: Plan, coefficient, *, half: bool = False, channels: bool = True, together: int = 1,
    states: int = 0, copied: bool = False,
) -> str:  # fmt: skip
    """Source for one model.

    Parameters
    ----------
    coefficient : float32[n, 4]: diagonal, leak, leakage and coupling by place.
    half : rows are halves in memory.
    channels : False leaves them out, to know what they cost.
    together : blocks of 32 cells that are one block of threads; their warps with the same branches
        have numbers that are equal modulo the warps of one.
    states : of the channels of a cell.
    copied : rows get to shared memory without passing through registers, all at once.
    """
    source = HEAD.format(name="D") + DELIVER
    calls = []
    for warp in range(plan.warps):
        source += f"\n\n@jit\ndef warp_{warp}({WARP}):\n"
        source += lines(_warp(plan, warp, coefficient, channels), 4)
        arguments = WARP.replace("events", "(event_ptr, event_at, event_weight)")
        arguments = arguments.replace("numerics", "(dt, threshold, nernst, e1, e2)")
        calls += [f"{'el' if warp else ''}if warp == {warp}:", f"    warp_{warp}({arguments})"]
    place = ["V = cuda.shared.array(0, float32)", "b, warp = cuda.blockIdx.x, cuda.threadIdx.y"]
    if together > 1:
        place = [
            f"member, warp = cuda.threadIdx.y // {plan.warps}, cuda.threadIdx.y % {plan.warps}",
            f"V = cuda.shared.array(0, float32)[{shared_bytes(plan, states) // 4} * member :]",
            f"b = cuda.blockIdx.x * {together} + member",
        ]
    at = f"4 * (b * {32 * plan.n_rows} + k)"
    load = [f"copy4(E, 4 * k, Eg, {at})"] if copied else [
        f"a1, b1, a2, b2 = {'load4h' if half else 'load4'}(Eg, {at})",
        "store4(E, 4 * k, a1, b1, a2, b2)",
    ]  # fmt: skip
    return source + WINDOW.format(
        place=lines(place, 4).rstrip(),
        core=32 * plan.n_core, rows=128 * plan.n_rows, handed=32 * len(plan.slot),
        threads=32 * plan.warps, values=32 * plan.n_rows, warps=lines(calls, 4).rstrip(),
        load=lines(load, 8).rstrip(), arrived="    arrived()" if copied else "",
        store="store4h" if half else "store4",
    )  # fmt: skip


def shared_bytes(plan: Plan, n_states: int) -> int:
    """Shared memory of a block."""
    return 128 * (plan.n_core + 4 * plan.n_rows + 2 * len(plan.slot) + n_states)


def _warp(plan: Plan, warp: int, coefficient, channels: bool) -> list[str]:
    """What a warp does with its branches; warp 0 also with the core and the channels."""
    first, group = warp == 0, warp + 1
    core, mine = sorted(plan.nodes(0)), plan.nodes(group)
    runs = np.flatnonzero(plan.owner == group)
    parents = sorted({int(plan.table[r][2]) for r in runs} & set(core))
    held = mine + (core if first else [])
    coupling = coefficient[:, 3]

    def membrane(i: int) -> list[str]:
        return _membrane(i, coefficient[i], plan.row[i])

    of_core = [f"o{p} = " + (f"x{p}" if first else f"load(V, {32 * p})") for p in parents]
    step = [
        "k0 = step - first",
        "deliver(E, b, k0, last - first, thread, threads, events, jump)",
        "cuda.syncthreads()",
        "pa1, pb1, pa2, pb2 = load4(power, 4 * k0)",
    ]
    if first:
        step += ["store(D, 0, 0.0)", "store(R, 0, 0.0)", *([CURRENTS] if channels else [])]
    step += [*of_core, *up(plan, group, coupling, membrane), "cuda.syncthreads()"]
    if first:
        step += [
            *up(plan, 0, coupling, membrane),
            *down(plan, 0),
            *(f"store(V, {32 * i}, x{i})" for i in core),
        ]
    step += ["cuda.syncthreads()", *of_core, *down(plan, group)]
    if first:
        step += [ADVANCE] if channels else []
        step += ["is_above = x0 > threshold", "if is_above and not above:", "    found = step + 1"]
        step += ["above = is_above"]
    place = f"(b * {plan.n} + {{}}) * 32"
    before = ["dt, threshold, nernst, e1, e2 = numerics"]
    before += [f"x{i} = load(Vg, {place.format(i)})" for i in held]
    if first:
        before += [f"store(V, {32 * i}, x{i})" for i in core]
        before += ["above = x0 > threshold", "found = -1"]
        at = 32 * plan.slot[plan.n_runs]
        before += [f"D, R = SD[{at} :], SR[{at} :]"]
    after = [f"store(Vg, {place.format(i)}, x{i})" for i in held]
    after += ["store(spike_step, b * 32, found)"] if first else []
    return [*before, "for step in range(first, last):", *(f"    {s}" for s in step), *after]


def _membrane(i: int, numbers, row: int) -> list[str]:
    """Current and diagonal of a place."""
    diagonal, leak, leakage, _ = (float(x) for x in numbers)
    if row < 0:
        return [f"u, d = 0.0, {diagonal!r}"]
    return [
        f"a1, b1, a2, b2 = load4(E, {128 * row} + 4 * lane)",
        "g1, g2 = b1 * pb1 - a1 * pa1, b2 * pb2 - a2 * pa2",
        f"u = {leak!r} - {leakage!r} * x{i} + g1 * (e1 - x{i}) + g2 * (e2 - x{i})",
        f"d = {diagonal!r} + (g1 + g2)",
    ]
