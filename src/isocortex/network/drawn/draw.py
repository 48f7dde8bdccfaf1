"""Draw the connections of one neuron: compiled, and a pure function of (seed, source, what).

Nothing here depends on order, threads or processes: every draw takes its random numbers from a
stream named by the seed, the source neuron and what is drawn (a target column of the local wiring,
an area of the long-range projections), so whoever asks for whichever part gets the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.compiling import compiled
from isocortex.streams import exp, inlined, log, log1p, mix, stream, uniform

#: Delays are multiples of this, ms, so that few are different; none is longer than 25.5 ms.
DELAY_STEP = 0.1
#: Neurons further away than this many widths of a rule do not connect: 1 in 10 million would.
FARTHEST = 4.0
#: Tells the numbers that make a connection's strength from those that place its synapses.
OF_STRENGTH = np.uint64(0x5354_5245_4E47_5448)


class Neurons(NamedTuple):
    """What drawing needs to know of every neuron."""

    position: NDArray[np.float32]  # (n, 3), um
    normal: NDArray[np.float32]  # (n, 3), unit, towards the pia
    column: NDArray[np.int32]
    group: NDArray[np.int16]  # layer * number of classes + class
    model: NDArray[np.int16]


class Places(NamedTuple):
    """Columns. Those of one area and side are consecutive; ids run by column, then group."""

    first: NDArray[np.int64]  # (columns * groups + 1), first id of each group of each column
    patch: NDArray[np.int32]  # area and side of each column: side * areas + area
    patch_first: NDArray[np.int64]  # (patches + 1), first column
    centre: NDArray[np.float32]  # (columns, 3), um
    reach: NDArray[np.float32]  # um, of the neuron furthest from the centre, along the surface
    number: NDArray[np.int32]  # (layers, columns), of neurons


class Rules(NamedTuple):
    """Local wiring and synapses by rule; see :class:`isocortex.cortex.wiring.ConnectionRule`."""

    of: NDArray[np.int16]  # (groups, groups), -1 if they do not connect
    probability: NDArray[np.float64]  # (patches, rules), of one trial, at distance 0
    trials: NDArray[np.int64]  # (patches, rules), more than one where neurons are too few
    sigma: NDArray[np.float64]  # um
    widest: float  # um
    number: NDArray[np.float64]  # (rules, most + 1), distribution of synapses of a connection
    far: NDArray[np.float64]  # (rules), share of the drawn long-range connections that have any
    spread: NDArray[np.float64]  # (rules), sigma of the logarithm of a connection's strength
    level: NDArray[np.float64]  # (rules), its mean, such that the mean strength is 1
    normal: NDArray[np.float64]  # quantiles of the normal distribution, a power of two of them
    delay: NDArray[np.float64]  # ms
    velocity: float  # um/ms, of local axons


class Projections(NamedTuple):
    """Long-range axons: of a source group in an area to areas of both sides."""

    kind: NDArray[np.int16]  # (groups), projection class of a source group, -1 if it has none
    connections: NDArray[np.float64]  # (kinds, areas, 2 * areas), mean per source; ipsi first
    layers: NDArray[np.float64]  # (kinds, areas, areas, layers), shares, adding up to 1
    rule: NDArray[np.int16]  # (groups), whose synapses a target group receives, -1 for none
    near: NDArray[np.float32]  # (columns, columns) of one side: how near on the map of the area
    delay: float  # ms
    velocity: float  # um/ms


class Sites(NamedTuple):
    """Alias tables of all (rule, model), see :class:`isocortex.cortex.sites.Sites`."""

    first: NDArray[np.int64]  # (rules * models + 1)
    node: NDArray[np.int32]
    keep: NDArray[np.float64]
    other: NDArray[np.int32]


class Axons(NamedTuple):
    """All that the connections of every neuron follow from."""

    keys: NDArray[np.uint64]  # of the streams of local and of long-range connections
    neurons: Neurons
    places: Places
    rules: Rules
    projections: Projections
    sites: Sites


class Tables(NamedTuple):
    """What a projection's synapses can be drawn from, and what they are.

    ``kind`` (int64[rules]) is an index into the projection's kinetics, ``weight``
    (float32[rules, models]) in uS.
    """

    axons: Axons
    kind: NDArray[np.int64]
    weight: NDArray[np.float32]


class Connections(NamedTuple):
    """Room for what is drawn; a connection is one source, one target and a few synapses."""

    target: NDArray[np.int64]
    rule: NDArray[np.int16]
    synapses: NDArray[np.int16]
    delay: NDArray[np.uint8]  # in steps of ``DELAY_STEP``
    key: NDArray[np.uint64]  # start of the stream that places the synapses


@compiled
def no_connections(room: int) -> Connections:
    """Room for connections; ``draw_onto`` makes more if need be."""
    return Connections(
        np.empty(room, np.int64), np.empty(room, np.int16), np.empty(room, np.int16),
        np.empty(room, np.uint8), np.empty(room, np.uint64),
    )  # fmt: skip


class Synapses(NamedTuple):
    """One row per synapse."""

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    node: NDArray[np.int32]
    rule: NDArray[np.int16]
    strength: NDArray[np.float32]  # of their connection: a factor on the weight of the rule
    delay: NDArray[np.uint8]  # in steps of ``DELAY_STEP``

    def chosen(self, keep: NDArray[np.bool_]) -> Synapses:
        """Some of them, in their order."""
        return Synapses._make(column[keep] for column in self)


@inlined
def _number(u, rules, rule):
    """Synapses of a connection, one or more."""
    number = 1
    while u >= rules.number[rule, number]:
        number += 1
    return number


@inlined
def strength(key, rule, rules):
    """Factor on the weight of a connection: lognormal, of mean 1, and a function of its key."""
    quantile = np.int64(mix(key ^ OF_STRENGTH) % np.uint64(len(rules.normal)))
    return np.float32(exp(rules.spread[rule] * rules.normal[quantile] + rules.level[rule]))


@inlined
def _rounded(delay):
    """To the nearest multiple of ``DELAY_STEP``, counted in these."""
    return np.uint8(min(max(np.rint(delay / DELAY_STEP), 1.0), 255.0))


@compiled
def _poisson(state, mean):
    """A Poisson number by inversion, in parts of a mean of at most 50."""
    n = 0
    while mean > 0.0:
        part = min(mean, 50.0)
        mean -= part
        state, u = uniform(state)
        p = exp(-part)
        below, k = p, 0
        while u > below and k < 1000:
            k += 1
            p *= part / k
            below += p
        n += k
    return state, n


@compiled
def draw_local(source, column, begin, end, axons, out, n):
    """Append connections of ``source`` onto one column of its own area; returns their number.

    Only those onto neurons ``begin:end`` are kept.

    Candidates of a group are gone through in geometric leaps at the largest probability the column
    allows, and kept in proportion to that at their distance: the result is one independent trial
    (or ``trials``) for every neuron. Returns -1 if ``out`` is too small.
    """
    neurons, places, rules = axons.neurons, axons.places, axons.rules
    n_groups = len(rules.of)
    group, patch = neurons.group[source], places.patch[column]
    nearest = _along(places.centre, column, neurons, source) - places.reach[column]
    nearest = max(nearest, 0.0)
    if nearest > FARTHEST * rules.widest:
        return n
    state = stream(axons.keys[0], source, column)
    for other in range(n_groups):
        first = places.first[column * n_groups + other]
        last = places.first[column * n_groups + other + 1]
        rule = rules.of[group, other]
        if first == last or rule < 0:
            continue
        peak, sigma = rules.probability[patch, rule], rules.sigma[rule]
        if peak == 0.0 or nearest > FARTHEST * sigma:
            continue
        most = peak * exp(-((nearest / sigma) ** 2))
        leap = log1p(-min(most, 1.0 - 1e-12))
        target, trials_left = first - 1, rules.trials[patch, rule]
        while True:
            state, u = uniform(state)
            target += 1 + np.int64(log(1.0 - u) / leap)
            while target >= last and trials_left > 0:
                target -= last - first
                trials_left -= 1
            if trials_left == 0:
                break
            distance = _along(neurons.position, target, neurons, source)
            state, u = uniform(state)
            if target == source or u * most >= peak * exp(-((distance / sigma) ** 2)):
                continue
            state, u = uniform(state)
            if target < begin or target >= end:
                continue
            if n == len(out.target):
                return -1
            some = _number(u, rules, rule)
            out.target[n], out.rule[n], out.synapses[n] = target, rule, some
            out.key[n] = mix(state)
            out.delay[n] = _rounded(rules.delay[rule] + distance / rules.velocity)
            n += 1
    return n


@inlined
def _along(points, i, neurons, source):
    """Distance along the surface from ``source`` to a point: without what goes along its normal."""
    x = points[i, 0] - neurons.position[source, 0]
    y = points[i, 1] - neurons.position[source, 1]
    z = points[i, 2] - neurons.position[source, 2]
    normal = neurons.normal
    up = x * normal[source, 0] + y * normal[source, 1] + z * normal[source, 2]
    return np.sqrt(max(x * x + y * y + z * z - up * up, 0.0))


@compiled
def draw_long(source, patch, begin, end, axons, out, n):
    """Append connections of ``source`` onto one area of one side; returns their number.

    Only those onto neurons ``begin:end`` are kept. How many are drawn is a Poisson number. Each
    chooses a layer, in it a column whose place on the map of the area is near that of the source,
    and there a neuron. Returns -1 if ``out`` is too small.
    """
    neurons, places, rules = axons.neurons, axons.places, axons.rules
    projections = axons.projections
    n_areas = projections.connections.shape[1]
    kind = projections.kind[neurons.group[source]]
    if kind < 0:
        return n
    home = places.patch[neurons.column[source]]
    side, area = patch // n_areas, patch % n_areas
    across = np.int64(side != home // n_areas)
    mean = projections.connections[kind, home % n_areas, across * n_areas + area]
    state = stream(axons.keys[1], source, patch)
    state, wanted = _poisson(state, mean)
    if wanted == 0:
        return n
    first, last = places.patch_first[patch], places.patch_first[patch + 1]
    layers = projections.layers[kind, home % n_areas, area]
    n_groups = len(rules.of)
    n_classes = n_groups // len(layers)
    n_side = len(projections.near)
    near = projections.near[neurons.column[source] % n_side]
    shift = side * n_side
    for _ in range(wanted):
        state, u = uniform(state)
        layer = 0
        while layer < len(layers) - 1 and u >= layers[layer]:
            u -= layers[layer]
            layer += 1
        number = places.number[layer]
        total = 0.0
        for c in range(first, last):
            total += near[c - shift] * number[c]
        state, u = uniform(state)
        state, u2 = uniform(state)
        state, u3 = uniform(state)
        if total == 0.0:
            continue
        u *= total
        column = first
        for c in range(first, last):
            if number[c] > 0:
                column = c
            u -= near[c - shift] * number[c]
            if u < 0.0:
                break
        low = places.first[column * n_groups + layer * n_classes]
        target = low + min(np.int64(u2 * number[column]), np.int64(number[column]) - 1)
        rule = projections.rule[neurons.group[target]]
        if target == source or rule < 0 or target < begin or target >= end:
            continue
        if u3 >= rules.far[rule]:
            continue
        if n == len(out.target):
            return -1
        some = _number(u3 / rules.far[rule], rules, rule)
        square = 0.0
        for axis in range(3):
            square += (neurons.position[target, axis] - neurons.position[source, axis]) ** 2
        distance = np.sqrt(square)
        out.target[n], out.rule[n], out.synapses[n] = target, rule, some
        out.key[n] = mix(state)
        out.delay[n] = _rounded(projections.delay + distance / projections.velocity)
        n += 1
    return n


@compiled
def _longer(array):
    """A copy with twice the room."""
    copy = np.empty(2 * len(array), array.dtype)
    copy[: len(array)] = array
    return copy


@compiled
def _with_room(out):
    return Connections(
        _longer(out.target), _longer(out.rule), _longer(out.synapses), _longer(out.delay),
        _longer(out.key),
    )  # fmt: skip


@compiled
def draw_onto(source, begin, end, axons, out, n):
    """Append all connections of ``source`` onto neurons ``begin:end``; returns room and number.

    Where a column or area has too little room it is drawn again: it comes out the same.
    """
    places = axons.places
    first, last = axons.neurons.column[begin], axons.neurons.column[end - 1] + 1
    home = places.patch[axons.neurons.column[source]]
    for column in range(
        max(first, places.patch_first[home]), min(last, places.patch_first[home + 1])
    ):
        more = draw_local(source, column, begin, end, axons, out, n)
        while more < 0:
            out = _with_room(out)
            more = draw_local(source, column, begin, end, axons, out, n)
        n = more
    for patch in range(places.patch[first], places.patch[last - 1] + 1):
        more = draw_long(source, patch, begin, end, axons, out, n)
        while more < 0:
            out = _with_room(out)
            more = draw_long(source, patch, begin, end, axons, out, n)
        n = more
    return out, n


@compiled
def draw_sources(first, last, begin, end, axons, out, at_least):
    """Connections of the sources from ``first`` on, until there are ``at_least`` of them.

    Only those onto neurons ``begin:end``. Returns the next source, room, the source of each
    connection, and their number.
    """
    n, source = 0, first
    source_of = np.empty(len(out.target), np.int64)
    while source < last and n < at_least:
        out, more = draw_onto(source, begin, end, axons, out, n)
        while len(source_of) < len(out.target):
            source_of = _longer(source_of)
        source_of[n:more] = source
        source, n = source + 1, more
    return source, out, source_of, n


@inlined
def node_at(u, table, sites):
    """The compartment of a (rule, model) that a uniform number chooses."""
    first = sites.first[table]
    size = sites.first[table + 1] - first
    u *= size
    slot = min(np.int64(u), size - 1)
    if u - slot >= sites.keep[first + slot]:
        slot = np.int64(sites.other[first + slot])
    return sites.node[first + slot]


@compiled
def nodes_at(u, table, sites):
    """``node_at`` for every uniform number and its table."""
    found = np.empty(len(u), np.int32)
    for k in range(len(u)):
        found[k] = node_at(u[k], table[k], sites)
    return found


@inlined
def site(state, table, sites):
    """A compartment of a (rule, model); returns the stream after it, too."""
    state, u = uniform(state)
    return state, node_at(u, table, sites)


@compiled
def place_synapses(n, source_of, connections, axons, n_models):
    """The synapses of the first ``n`` connections, each on a compartment of its own choice."""
    total = 0
    for c in range(n):
        total += connections.synapses[c]
    made = Synapses(
        np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.int32),
        np.empty(total, np.int16), np.empty(total, np.float32), np.empty(total, np.uint8),
    )  # fmt: skip
    at = 0
    for c in range(n):
        target, rule, state = connections.target[c], connections.rule[c], connections.key[c]
        table = rule * n_models + axons.neurons.model[target]
        factor = strength(state, rule, axons.rules)
        for _ in range(connections.synapses[c]):
            state, node = site(state, table, axons.sites)
            made.source[at], made.target[at] = source_of[c], target
            made.node[at], made.rule[at], made.strength[at] = node, rule, factor
            made.delay[at] = connections.delay[c]
            at += 1
    return made
