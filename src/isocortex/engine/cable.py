"""The cable equation of one block for one step: set up, eliminate, substitute.

The implicit step solves for the change x of every node i with parent p and children c (uS, nA, mV),

    (C_i/dt + g_i + sum of couplings) x_i - a_i x_p - sum_c a_c x_c
        = sum g (e - v_i) + I_i + a_i (v_p - v_i) + sum_c a_c (v_c - v_i)

with C in nF, as Hines (1984) does for a tree numbered so that parents come first. Solving for the
change, as NEURON does, keeps single precision accurate: what is rounded is a small number. A value
of the arrays is a row of lanes: the same node of all cells of the block. Backward Euler takes
v + x as the next voltage; Crank-Nicolson solves for half a step (C/dt doubled) and takes v + 2 x.

Of x = q + f x_p, with q = r / d and f = a / d of an eliminated node, a voltage takes two steps in
place: from the tips to the root it becomes v + q - f v_p, and back f (v_p + x_p) is added.

The functions are plain Python in the words of :mod:`isocortex.targets.words`: a family's generated
kernel has them compiled by its target.

A node is *steady* in a block if neither it nor any node beyond it has channels, synapses or a
conductance of an electrode there.
Its diagonal never changes, so its factors are numbers of the model, eliminated once (``invert``):
it costs no division and moves four numbers in place of six.

What the functions are told of a *block*: the first element of its V; number of nodes of its model,
and the first of them among all models'; its first word; its first row and the end of its rows; what
to add to a row for its kinetics in ``row_kind``, which blocks may share; lanes.
"""

from __future__ import annotations

from isocortex.mechanisms.maths import exp
from isocortex.targets.words import (
    add,
    broadcast,
    element,
    load,
    owns,
    scaled,
    store,
    store_due,
)

# Added to a synapse's state when it is written, uS: silent synapses would decay to subnormal
# numbers, which the processor handles a hundred times slower. A millionth of a rounding error of
# any result; nothing to halves, whose subnormal numbers cost no time.
TINY = 1e-30
# A conductance with less, uS, is silent: it is what this adds up to, if anything.
SILENT = 1e-24

# What a node of a block is, in one word: three flags, its number of synaptic rows and its parent.
STEADY = 1  # neither it nor any node beyond has what changes its conductance
GATHERS = 2  # its equation gets parts from channels, electrodes or other branches
BRANCHES = 4  # its parent is not the node before it
ROW_SHIFT, PARENT_SHIFT = 3, 32
ROWS = (1 << PARENT_SHIFT) - (1 << ROW_SHIFT)

# Numbers of a model's node, uS: the diagonal without channels and synapses, g e and g of the leak,
# the coupling a to the parent; 1 / d and a / d as they are where a node is steady.
DIAGONAL, LEAK, LEAKAGE, COUPLING, INVERSE, FACTOR, COEFFICIENTS = range(7)

# Numbers of one kinetics in one step: of A, then of B, the factor it decays by when it is written,
# or NOT_NOW if that is not in this step, what it stands for until then, and its jump at an event of
# unit weight; reversal potential (mV).
RISE, POWER_A, JUMP_A, DECAY, POWER_B, JUMP_B, REVERSAL = range(7)
KINETICS = 8
NOT_NOW = -1.0

# Numbers of what blocks the channels of one kinetics: ratio and slope (/mV) of its Magnesium; and
# exp(-slope h), with the h by which NEURON moves the voltage to have the slope of a current, and by
# how much per mV that is less than 1.
RATIO, SLOPE, MOVED, FALL, BLOCK = range(5)
# mV
MOVE = 0.001


def deliver(A, B, block, waiting, step, events, layout, kinetics):
    """Synaptic events due in this step make their conductances jump; returns the next event.

    ``waiting``: the next of the block's events, and the end of them.
    """
    _, _, _, _, row0, _, kinds, lanes = block
    event, last = waiting
    now = (step & kinetics.repeat) * kinetics.stride
    while event < last and element(events.step, event) == step:
        at = row0 * lanes + element(events.element, event)
        if owns(at, lanes):
            kind = now + element(layout.row_kind, at // lanes + kinds) * KINETICS
            weight, counted = element(events.weight, event), element(kinetics.origin, 0) + step
            add(A, at, weight * element(kinetics.number, kind + JUMP_A), counted)
            add(B, at, weight * element(kinetics.number, kind + JUMP_B), counted)
        event += 1
    return event


def clear(D, R, first, last, lanes, layout):
    """Set the nodes that gather contributions from elsewhere to zero."""
    for k in range(first, last):
        at = element(layout.gathering_node, k) * lanes
        zero = broadcast(0.0, load(D, at))
        store(D, at, zero)
        store(R, at, zero)


def inject(V, v0, D, R, b, step, electrodes, lanes):
    """Add what electrodes do to the nodes of block ``b``."""
    for k in range(element(electrodes.ptr, b), element(electrodes.ptr, b + 1)):
        at, g = element(electrodes.element, k), electrodes.conductance[k, step]
        if owns(at, lanes):
            add(D, at, g, step)
            add(R, at, electrodes.amplitude[k, step] - g * element(V, v0 + at), step)


def impose(R, b, step, m, fields, lanes, layout):
    """Add the currents that potentials outside drive into the nodes of block ``b`` of model ``m``.

    Potentials that are known from time to time have a pattern for each, two of which act at once.
    """
    begin, end = element(layout.first_gathering, m), element(layout.first_gathering, m + 1)
    here, last = element(fields.first, b), element(fields.first, b + 1)
    now = step * fields.n
    while here < last:
        course = element(fields.course, now)
        if course != 0.0:
            for k in range(begin, end):
                at = element(layout.gathering_node, k) * lanes
                part = load(fields.pattern, here + (k - begin) * lanes)
                store(R, at, load(R, at) + part * course)
        here += (end - begin) * lanes
        now += 1


def invert(D, inverses, n, lanes, layout):
    """1 / d of every node of a model without channels and synapses, eliminated as by ``eliminate``.

    Operation by operation the same: a node must come out the same to the last bit whether it is
    steady or not, which depends on what other cells of its block have. ``D`` comes in as zeros.
    """
    carried_d = broadcast(0.0, load(D, 0))
    for k in range(n):
        i = n - 1 - k
        at, number = i * lanes, i * COEFFICIENTS
        word = element(layout.node, i)
        coupling = element(layout.coefficient, number + COUPLING)
        d = carried_d + element(layout.coefficient, number + DIAGONAL)
        if word & GATHERS:
            d = d + load(D, at)
        inverse = 1.0 / d
        store(inverses, at, inverse)
        carried_d = inverse * -(coupling * coupling)
        if word & BRANCHES:
            up = (word >> PARENT_SHIFT) * lanes
            store(D, up, load(D, up) + carried_d)
            carried_d = broadcast(0.0, d)


def eliminate(V, equations, solution, terms, block, layout, kinetics, step):
    """Set up each node's equation and eliminate it, from the tips to the root (Hines 1984).

    The constants and the leak, then for every synaptic row of the node its conductance g = B - A
    at the present states, which decay over the step; rows are sorted by node. A node whose parent
    is the next one passes its part on in registers; parts from other branches, channels and
    electrodes wait in D and R, the ``equations``. Leaves f = a / d in D, but of steady nodes, and
    v + q - f v_p with q = r / d in the ``solution``, for :func:`substitute`: an array and the first
    element in it, those of V, or R where V is needed again.
    """
    D, R = equations
    X, x0 = solution
    v0, n, n0, b0, _, row, kinds, lanes = block
    A, B = terms
    now = (step & kinetics.repeat) * kinetics.stride
    v_next = load(V, v0 + (n - 1) * lanes)
    carried_d = broadcast(0.0, v_next)
    carried_r = carried_d
    for k in range(n):
        i = n - 1 - k
        at, number = i * lanes, (n0 + i) * COEFFICIENTS
        word = element(layout.node, b0 + i)
        v = v_next
        r = element(layout.coefficient, number + LEAK)
        r = r - v * element(layout.coefficient, number + LEAKAGE)
        coupling = element(layout.coefficient, number + COUPLING)
        if word & GATHERS:
            r = r + load(R, at)
        if word & STEADY:
            inverse = broadcast(element(layout.coefficient, number + INVERSE), v)
            f = broadcast(element(layout.coefficient, number + FACTOR), v)
            carried_d = inverse * -(coupling * coupling)
        else:
            d = carried_d + element(layout.coefficient, number + DIAGONAL)
            if word & GATHERS:
                d = d + load(D, at)
            for _ in range((word & ROWS) >> ROW_SHIFT):
                row -= 1
                which, here = element(layout.row_kind, row + kinds), row * lanes
                kind = now + which * KINETICS
                b = load(B, here)
                g = scaled(B, b, element(kinetics.number, kind + POWER_B))
                decay = element(kinetics.number, kind + DECAY)
                store_due(B, here, b * decay + TINY, decay != NOT_NOW)
                a = load(A, here)
                g = g - scaled(A, a, element(kinetics.number, kind + POWER_A))
                rise = element(kinetics.number, kind + RISE)
                store_due(A, here, a * rise + TINY, rise != NOT_NOW)
                driving = element(kinetics.number, kind + REVERSAL) - v
                d, r = _conduct(d, r, g, driving, v, which, kinetics.block)
            inverse = 1.0 / d
            f = inverse * coupling
            store(D, at, f)
            carried_d = inverse * -(coupling * coupling)
        if i == 0:
            store(X, x0, v + (carried_r + r) * inverse)
            return
        v_next = load(V, v0 + (i - 1) * lanes)
        up = (word >> PARENT_SHIFT) * lanes
        v_up = load(V, v0 + up)
        axial = (v_up - v) * coupling
        r = r + axial
        store(X, x0 + at, (carried_r + r) * inverse + (v - v_up * f))
        # what has been carried along enters last: one operation of delay from node to node
        carried_r = carried_r * f + (r * f - axial)
        if word & BRANCHES:
            store(D, up, load(D, up) + carried_d)
            store(R, up, load(R, up) + carried_r)
            carried_d = broadcast(0.0, v)
            carried_r = carried_d


def _conduct(d, r, g, driving, v, which, block):
    """Add a synaptic row to a node's equation; ``block`` is None where nothing is blocked.

    Of blocked channels the slope of the current at v is that between v and v + h, as in NEURON,
    without the difference of nearly equal numbers.
    """
    if block is None:
        return d + g, r + g * driving
    k = which * BLOCK
    ratio = element(block, k + RATIO)
    if ratio == 0.0:
        return d + g, r + g * driving
    blocking = exp(v * -element(block, k + SLOPE)) * ratio
    opened = 1.0 / (blocking + 1.0)
    moved = 1.0 / (blocking * element(block, k + MOVED) + 1.0)
    steeper = driving * blocking * opened * element(block, k + FALL)
    return d + g * moved * (1.0 - steeper), r + g * opened * driving


def substitute(V, D, solution, block, layout, extrapolate):
    """The new voltages, from the root to the tips.

    In the ``solution`` of :func:`eliminate`: V itself, or R, where Crank-Nicolson leaves the
    voltage in the middle of the step.
    """
    X, x0 = solution
    v0, n, n0, b0, _, _, _, lanes = block
    new = load(X, x0)
    if extrapolate != 1.0:
        _extrapolate(V, v0, new, extrapolate)
    for i in range(1, n):
        at = i * lanes
        word = element(layout.node, b0 + i)
        if word & BRANCHES:
            new = load(X, x0 + (word >> PARENT_SHIFT) * lanes)
        if word & STEADY:
            factor = element(layout.coefficient, (n0 + i) * COEFFICIENTS + FACTOR)
            new = load(X, x0 + at) + new * factor
        else:
            new = load(X, x0 + at) + load(D, at) * new
        store(X, x0 + at, new)
        if extrapolate != 1.0:
            _extrapolate(V, v0 + at, new, extrapolate)


def _extrapolate(V, at, middle, extrapolate):
    """From a step's beginning over its middle to its end."""
    v = load(V, at)
    store(V, at, v + (middle - v) * extrapolate)


def early(V, at, R, middle, numerics):
    """How long before the end of the step the soma crossed the threshold, in steps.

    0 with backward Euler, as NEURON counts; of Crank-Nicolson the voltage in the middle of the
    step, which R holds, gives that of its beginning, and between the two goes a straight line.
    """
    if numerics.extrapolate == 1.0:
        return 0.0
    half = V[at] - R[middle]
    return min(max((V[at] - numerics.threshold) / (2.0 * half), 0.0), 1.0) if half > 0.0 else 0.0
