"""Draw the connections of one neuron: compiled, and a pure function of (seed, source, what).

Nothing here depends on order, threads or processes: whether two neurons are connected is told by a
number that is named by the seed and the two, how many axons reach a column from far away by one
named by the source and the column. So whoever asks for whichever targets gets the same, and pays
for these alone.

Trials are made for many neurons at once, without a branch, and thousands of them cost less than the
few connections they find: both kinds of trials are loops that a compiler makes SIMD code of.

What is true of one neuron, column or connection is a function of its own. The loops here are those
of a CPU; a GPU has its own around the same functions (:mod:`isocortex.engine.drawing`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from isocortex.compiling import compiled, leaf
from isocortex.network.drawn import tables
from isocortex.network.drawn.place import HALF, LOW_HALF, number, of_connection, of_source
from isocortex.network.drawn.tables import (
    DELAY_STEP,
    TRIED_TOGETHER,
    longer,
    no_connections,
    with_room,
)
from isocortex.streams import exp, inlined, mix, uniform

#: Neurons further away than this many widths of a rule do not connect: 1 in 8,000 would.
FARTHEST = 3.0
#: ``decay`` is for numbers up to this.
DECAY_ENDS = np.float32(16.0)
FARTHEST_SQUARED = np.float32(FARTHEST * FARTHEST)
#: exp(-s) for s from 0 to 1 by powers of s, within 2e-8 (its Chebyshev interpolant).
_P0, _P1, _P2, _P3, _P4, _P5, _P6 = map(
    np.float32,
    (0.9999999842, -0.9999984538, 0.4999750912, -0.1665151670, 0.0412233177, -0.0076543251,
     0.0008490079),
)  # fmt: skip
#: Neurons and trials are multiplied by these (fractions of 2^32 that are spread evenly).
SPREAD, TRIAL = 0x9E3779B9, np.uint64(0xD1B54A32D192ED03)
#: So many neurons at the most are asked whom they reach, to tell who receives how much.
MOST_ASKED = 2000
#: What a 24-bit number is divided by to lie below 1.
UNIT = np.float32(2.0**-24)
#: A byte each, these are looked at together as well.
WORD = TRIED_TOGETHER


@inlined
def decay(q):
    """exp(-q) in single precision for q from 0 to ``DECAY_ENDS``, within 2 in a million."""
    s = q * np.float32(1.0 / 16.0)
    s2 = s * s
    # in pairs (Estrin): shorter chains of results that wait for each other
    low = (_P0 + s * _P1) + s2 * (_P2 + s * _P3)
    high = (_P4 + s * _P5) + s2 * _P6
    p = low + (s2 * s2) * high
    p = p * p
    p = p * p
    p = p * p
    return p * p


@intrinsic
def _scattered(typingctx, i, low, high):
    """See ``scattered``; all in 32 bits, where Numba's own arithmetic takes 64."""

    def codegen(context, builder, sig, args):
        def times(x, factor):
            return builder.mul(x, ir.Constant(x.type, factor))

        def folded(x, bits):
            return builder.xor(x, builder.lshr(x, ir.Constant(x.type, bits)))

        i, low, high = args
        x = builder.add(times(i, SPREAD), low)
        x = builder.xor(times(folded(x, 16), 0x85EBCA6B), high)
        return folded(times(folded(x, 13), 0xC2B2AE35), 16)

    return types.uint32(types.uint32, types.uint32, types.uint32), codegen


@inlined
def scattered(i, key):
    """32 bits as good as random for each i, 64 bits apart from those of another key.

    The finaliser of MurmurHash3 (Appleby 2011), with one half of the key added and one mixed in.
    """
    return _scattered(np.uint32(i), np.uint32(key), np.uint32(key >> HALF))  # type: ignore[call-arg]


@inlined
def in_unit(x):
    """32 random bits as a number in [0, 1), in single precision."""
    return np.float32(np.int32(x >> np.uint32(8))) * UNIT


@inlined
def _rounded(delay):
    """To the nearest multiple of ``DELAY_STEP``, counted in these."""
    return np.uint8(min(max(np.rint(delay / DELAY_STEP), 1.0), 255.0))


@inlined
def _along(point, at, up):
    """Distance along the surface between two points, where ``up`` is its normal."""
    x, y, z = point[0] - at[0], point[1] - at[1], point[2] - at[2]
    over = x * up[0] + y * up[1] + z * up[2]
    return np.sqrt(max(x * x + y * y + z * z - over * over, np.float32(0.0)))


@leaf
def nearest_in(column, at, up, places):
    """No neuron of the column is nearer than this along the surface at ``at``, um."""
    centre, normal = places.centre, places.normal
    point = (centre[column, 0], centre[column, 1], centre[column, 2])
    cosine = normal[column, 0] * up[0] + normal[column, 1] * up[1] + normal[column, 2] * up[2]
    sine = np.sqrt(max(1.0 - cosine * cosine, 0.0))
    reach = places.across[column] + places.along[column] * sine
    return max(_along(point, at, up) - reach, 0.0)


@inlined
def is_connected(neuron, point, place, rule, key):
    """Whether one trial connects a neuron, which is at a point.

    It does so at the distance d from ``place``, a point and the direction of the pia, with the
    probability peak exp(-width d^2), the two numbers of the ``rule``.
    """
    (at, up), (peak, width) = place, rule
    dx, dy, dz = point[0] - at[0], point[1] - at[1], point[2] - at[2]
    over = dx * up[0] + dy * up[1] + dz * up[2]
    q = (dx * dx + dy * dy + dz * dz - over * over) * width
    u = in_unit(scattered(neuron, key))
    return (u < peak * decay(q)) & (q < FARTHEST_SQUARED)


@leaf
def _try_neurons(neurons, first, words, place, rule, key, found):
    """Whether each neuron from ``first`` on is connected; there are ``words`` x 8 of them."""
    n = words * WORD
    x, y, z = (neurons.x[first : first + n], neurons.y[first : first + n],
               neurons.z[first : first + n])  # fmt: skip
    for k in range(n):
        found[k] = is_connected(first + k, (x[k], y[k], z[k]), place, rule, key)


@inlined
def next_rule(rules, group, other):
    """The rule for neurons of the group ``other``, and the first group after it with another."""
    rule = rules.of[group, other]
    other += 1
    while other < len(rules.of) and rules.of[group, other] == rule:
        other += 1
    return rule, other


@inlined
def chance_of(rule, patch, nearest, rules):
    """Peak and width of the probability of a rule's connections; 0 and 0 for none.

    ``nearest`` is the distance that no neuron is nearer than.
    """
    peak, sigma, width = rules.probability[patch, rule], rules.sigma[rule], np.float32(0.0)
    if nearest > FARTHEST * sigma:
        peak = np.float32(0.0)
    else:
        width = np.float32(1.0) / (sigma * sigma)
    return peak, width


@inlined
def local_connection(target, rule, tried, place, synapses, axons):
    """Key, number of synapses and delay of the connection that a trial has found.

    ``tried`` is the key of the trial, ``synapses`` the stream of those of the source.
    """
    neurons, rules = axons.neurons, axons.rules
    key, point = scattered(target, tried), (neurons.x[target], neurons.y[target], neurons.z[target])
    n = number(of_connection(synapses, key), rules, rule)
    return key, n, _rounded(rules.delay[rule] + _along(point, place[0], place[1]) / rules.velocity)


@leaf
def draw_local(source, column, begin, end, axons, out, n, trials):
    """Append connections of ``source`` onto one column of its own area; returns their number.

    Only those onto neurons ``begin:end`` are kept. Every neuron of the column is tried once, or
    ``trials`` times. Returns -1 if ``out`` is too small.
    """
    neurons, places, rules = axons.neurons, axons.places, axons.rules
    n_groups = len(rules.of)
    group, patch = neurons.group[source], places.patch[column]
    at = (neurons.x[source], neurons.y[source], neurons.z[source])
    up = (neurons.normal[source, 0], neurons.normal[source, 1], neurons.normal[source, 2])
    nearest = nearest_in(column, at, up, places)
    if nearest > FARTHEST * rules.widest:
        return n
    key, synapses = of_source(axons.keys[0], source), of_source(axons.keys[2], source)
    found, seen = trials.found, trials.seen
    ids, other = places.first[column * n_groups : (column + 1) * n_groups + 1], 0
    while other < n_groups:
        low = ids[other]
        rule, other = next_rule(rules, group, other)
        first, last = max(low, begin), min(ids[other], end)
        if first >= last or rule < 0:
            continue
        peak, width = chance_of(rule, patch, nearest, rules)
        if peak == 0.0:
            continue
        words = (last - first + WORD - 1) // WORD
        for again in range(rules.trials[patch, rule]):
            tried = key + np.uint64(again) * TRIAL
            _try_neurons(neurons, first, words, (at, up), (peak, width), tried, found)
            for word in range(words):
                if seen[word] == 0:
                    continue
                if n + WORD > len(out.target):
                    return -1
                for k in range(word * WORD, min((word + 1) * WORD, last - first)):
                    target = first + k
                    if found[k] == 0 or target == source:
                        continue
                    out.target[n], out.rule[n] = target, rule
                    out.key[n], out.synapses[n], out.delay[n] = local_connection(
                        target, rule, tried, (at, up), synapses, axons
                    )
                    n += 1
    return n


@inlined
def towards(source, patch, axons):
    """The axons of ``source`` to an area and side, and the first column of that side.

    They are: kind, column within its side, area, area that they go to, and mean number.
    """
    neurons, places, projections = axons.neurons, axons.places, axons.projections
    n_areas, n_side = projections.connections.shape[1], len(projections.near)
    kind, here = projections.kind[neurons.group[source]], neurons.column[source]
    home, side, area = places.patch[here], patch // n_areas, patch % n_areas
    across = np.int64(side != home // n_areas)
    connections = projections.connections[kind, home % n_areas, across * n_areas + area]
    return (kind, here % n_side, home % n_areas, area, connections), side * n_side


@inlined
def by_neuron(layer, going, projections):
    """Connections expected by neuron of a layer, in a column at the source's place on the map."""
    kind, here, home, area, connections = going
    total, expected = projections.total[here, layer, area], np.float32(0.0)
    if total > 0.0:
        expected = np.float32(connections * projections.layers[kind, home, area, layer] / total)
    return expected


@leaf
def _expect(source, patch, begin, end, axons, each, mean):
    """How many long-range connections of ``source`` are expected in columns of one area.

    Of the columns ``begin:end``, which are of that area and side. Puts into ``each`` how many are
    expected ``by_neuron`` of each layer.
    """
    places, projections, n = axons.places, axons.projections, end - begin
    going, side = towards(source, patch, axons)
    near = projections.near[going[1], begin - side : end - side]
    for k in range(n):
        mean[k] = np.float32(0.0)
    for layer in range(len(each)):
        each[layer] = by_neuron(layer, going, projections)
        number = places.number[layer, begin:end]
        for k in range(n):
            mean[k] += each[layer] * number[k]
    for k in range(n):
        mean[k] *= near[k]


@inlined
def is_reached(column, mean, key):
    """Whether there are long-range connections in a column."""
    return in_unit(scattered(column, key)) >= decay(min(mean, DECAY_ENDS))


@leaf
def _try_columns(first, words, mean, key, found):
    """Whether there are long-range connections in each of ``words`` x 8 columns."""
    for k in range(words * WORD):
        found[k] = is_reached(first + k, mean[k], key)


@leaf
def _poisson(u, mean):
    """The Poisson number that a uniform one stands for."""
    n, p = 0, exp(-mean)
    below = p
    while u >= below and n < 1000:
        n += 1
        p *= mean / n
        below += p
    return n


@leaf
def draw_long(source, patches, begin, end, axons, out, n, trials):
    """Append connections of ``source`` onto some areas and sides; returns their number.

    Only those onto neurons ``begin:end`` are kept. How many reach a column is a Poisson number,
    in proportion to its neurons and to how near it is on the map of the area to the source.
    Returns -1 if ``out`` or ``trials`` is too small.
    """
    neurons, places = axons.neurons, axons.places
    if axons.projections.kind[neurons.group[source]] < 0:
        return n
    first_column, last_column = np.int64(neurons.column[begin]), np.int64(neurons.column[end - 1])
    found, seen, mean, each, target, state = trials
    key, ends = of_source(axons.keys[1], source), 0
    for patch in range(patches[0], patches[1]):
        first = max(first_column, places.patch_first[patch])
        last = min(last_column + 1, places.patch_first[patch + 1])
        if first >= last:
            continue
        _expect(source, patch, first, last, axons, each, mean)
        words = (last - first + WORD - 1) // WORD
        _try_columns(first, words, mean, key, found)
        for word in range(words):
            if seen[word] == 0:
                continue
            for k in range(word * WORD, min((word + 1) * WORD, last - first)):
                if found[k] == 0:
                    continue
                stream, wanted = how_many(key, first + k, np.float64(mean[k]))
                if ends + wanted > len(target):
                    return -1
                for _ in range(wanted):
                    stream, target[ends] = somebody(stream, first + k, each, places)
                    state[ends] = stream
                    ends += begin <= target[ends] < end and target[ends] != source
    return _reach(source, target, state, ends, axons, out, n)


@inlined
def how_many(key, column, mean):
    """Start of the stream of one column, and the Poisson number of connections onto it."""
    state, wanted = of_connection(key, column), 0
    u = np.float64(in_unit(scattered(column, key)))
    while mean > 50.0:  # in parts, each of which one number can stand for
        state, more = uniform(state)
        wanted += _poisson(more, 50.0)
        mean -= 50.0
    return state, wanted + _poisson(u, mean)


@leaf
def somebody(state, column, each, places):
    """The stream, and a neuron of a column, of a layer in proportion to ``each``; -1 for none."""
    n_layers, whole, first = len(each), 0.0, places.layer_first[column]
    for layer in range(n_layers):
        whole += each[layer] * np.float32(first[layer + 1] - first[layer])
    state, u = uniform(state)
    u *= whole
    layer = 0
    own = np.float64(each[0] * np.float32(first[1] - first[0]))
    while u >= own and layer < n_layers - 1:
        u -= own
        layer += 1
        own = np.float64(each[layer] * np.float32(first[layer + 1] - first[layer]))
    state, place = uniform(state)
    size = first[layer + 1] - first[layer]
    return state, first[layer] + min(np.int64(place * size), size - 1) if size else -1


@inlined
def is_left(state, rule, rules):
    """Whether a long-range connection is not thinned out, and the stream after that.

    ``state`` is the stream after its target was drawn; those that no rule is for are not there.
    """
    stream, u = uniform(state)
    return rule >= 0 and u < rules.far[rule], stream


@inlined
def far_key(stream):
    """Key of a long-range connection, of the stream that ``is_left`` leaves."""
    return np.uint32(mix(stream) & LOW_HALF)


@inlined
def far_delay(target, at, axons):
    """Delay of a long-range connection from the point ``at``."""
    neurons, projections = axons.neurons, axons.projections
    dx, dy, dz = neurons.x[target] - at[0], neurons.y[target] - at[1], neurons.z[target] - at[2]
    distance = np.sqrt(dx * dx + dy * dy + dz * dz)
    return _rounded(projections.delay + distance / projections.velocity)


@leaf
def _reach(source, target, state, n_ends, axons, out, n):
    """Append long-range connections onto ``n_ends`` neurons, but for those that are thinned out.

    One thing after the other for all of them: what is far away in memory is asked for at once.
    Returns their number, or -1 if ``out`` is too small.
    """
    neurons, rules, projections = axons.neurons, axons.rules, axons.projections
    if n + n_ends > len(out.target):
        return -1
    begin = n
    for k in range(n_ends):
        out.rule[begin + k] = projections.rule[neurons.group[target[k]]]
    for k in range(n_ends):
        rule = out.rule[begin + k]
        left, stream = is_left(state[k], rule, rules)
        if left:
            out.target[n], out.rule[n], out.key[n] = target[k], rule, far_key(stream)
            n += 1
    at = (neurons.x[source], neurons.y[source], neurons.z[source])
    for c in range(begin, n):
        out.delay[c] = far_delay(out.target[c], at, axons)
    synapses = of_source(axons.keys[2], source)
    for c in range(begin, n):
        out.synapses[c] = number(of_connection(synapses, out.key[c]), rules, out.rule[c])
    return n


class Trials(NamedTuple):
    """Room for the outcomes of trials, and for those that long-range connections end on.

    Of a rule's neurons in a column or of an area's columns: whether there is a connection, by byte
    and eight at once; of columns and layers, how many are expected; target and stream of each
    connection.
    """

    found: NDArray[np.uint8]
    seen: NDArray[np.uint64]
    mean: NDArray[np.float32]
    each: NDArray[np.float32]
    target: NDArray[np.int64]
    state: NDArray[np.uint64]


@compiled
def room_to_try(axons, at_least):
    """Room for the trials of one source, and for some at least."""
    places, layers = axons.places, axons.places.layer_first
    columns = np.diff(places.patch_first).max()
    # neurons of a column, or columns
    most = max((layers[:, -1] - layers[:, 0]).max(), columns, at_least)
    found = np.zeros(most + WORD + (-most) % WORD, np.uint8)
    return Trials(
        found, found.view(np.uint64), np.zeros(columns + WORD, np.float32),
        np.zeros(len(places.number), np.float32), np.zeros(1 << 12, np.int64),
        np.zeros(1 << 12, np.uint64),
    )  # fmt: skip


@leaf
def _draw(source, begin, end, axons, out, n, trials):
    """Append all connections of ``source`` onto neurons ``begin:end``; returns their number.

    Returns -1 if there is not enough room.
    """
    places = axons.places
    first, last = axons.neurons.column[begin], axons.neurons.column[end - 1]
    home = places.patch[axons.neurons.column[source]]
    for column in range(
        max(first, places.patch_first[home]), min(last + 1, places.patch_first[home + 1])
    ):
        n = draw_local(source, column, begin, end, axons, out, n, trials)
        if n < 0:
            return -1
    patches = (places.patch[first], places.patch[last] + 1)
    return draw_long(source, patches, begin, end, axons, out, n, trials)


@compiled
def draw_onto(source, begin, end, axons, out, n, trials):
    """Append all connections of ``source`` onto neurons ``begin:end``.

    ``trials`` is of ``room_to_try``. Returns ``out`` and ``trials``, longer where need be, and the
    number of connections.
    """
    while True:
        more = _draw(source, begin, end, axons, out, n, trials)
        if more >= 0:
            return out, trials, more
        out = with_room(out, 2 * len(out.target))  # and it comes out the same again
        found, seen, mean, each, target, state = trials
        room = 2 * len(target)
        trials = Trials(found, seen, mean, each, longer(target, room), longer(state, room))


@compiled
def draw_sources(first, last, begin, end, axons, out, at_least):
    """Connections of the sources from ``first`` on, until there are ``at_least`` of them.

    Only those onto neurons ``begin:end``. Returns the next source, room, the source of each
    connection, and their number.
    """
    n, source = 0, first
    source_of, trials = np.empty(len(out.target), np.int64), room_to_try(axons, 0)
    while source < last and n < at_least:
        out, trials, more = draw_onto(source, begin, end, axons, out, n, trials)
        if len(source_of) < len(out.target):
            source_of = longer(source_of, len(out.target))
        source_of[n:more] = source
        source, n = source + 1, more
    return source, out, source_of, n


def share_of_events(axons: tables.Axons, begin: int, end: int) -> NDArray[np.float64]:
    """How much each of the neurons ``begin:end`` receives, 1 on average: from a sample.

    Areas differ in the synapses onto their neurons by a factor of two.
    """
    number = _received(axons, begin, end, -(-len(axons.neurons.group) // MOST_ASKED))
    return number / max(number.mean(), 1e-300)


@compiled
def _received(axons, begin, end, every):
    """Synapses onto each of the neurons ``begin:end`` from one neuron in ``every``."""
    number = np.zeros(end - begin, np.int64)
    out, trials = no_connections(1024), room_to_try(axons, 0)
    for source in range(0, len(axons.neurons.group), every):
        out, trials, n = draw_onto(source, begin, end, axons, out, 0, trials)
        for c in range(n):
            number[out.target[c] - begin] += out.synapses[c]
    return number
