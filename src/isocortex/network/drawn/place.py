"""The synapses of a connection: how many, how strong, and on which compartments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.compiling import compiled, leaf
from isocortex.streams import GOLDEN, exp, inlined, mix

#: Tells the numbers that make a connection's strength from those that place its synapses.
OF_STRENGTH = np.uint64(0x5354_5245_4E47_5448)
HALF = np.uint64(32)
LOW_HALF = np.uint64(0xFFFF_FFFF)
NODE = np.uint64(0xFFFF)


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
def of_source(key, source):
    """What the streams of a source's connections start from."""
    return mix(key + GOLDEN * np.uint64(source + 1))


@inlined
def of_connection(of_source, key):
    """Start of the stream of one connection."""
    return mix(of_source + GOLDEN * (np.uint64(key) + np.uint64(1)))


@inlined
def number(state, rules, rule):
    """Synapses of a connection, one or more."""
    u = (mix(state) >> np.uint64(11)) * 2.0**-53
    n = 1
    while u >= rules.number[rule, n]:
        n += 1
    return n


@inlined
def strength(state, rule, patch, rules):
    """Factor on the weight of a connection onto a neuron of a patch: lognormal."""
    quantile = mix(state ^ OF_STRENGTH) & np.uint64(len(rules.normal) - 1)
    level = rules.level[patch, rule]
    return np.float32(exp(rules.spread[rule] * rules.normal[quantile] + level))


def first_node(slot: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The nodes that slots of alias tables are of; every node has one of its own."""
    return ((slot >> np.uint64(16)) & NODE).astype(np.int64)


@inlined
def node_at(u, table, sites):
    """The compartment of a (rule, model) that 32 random bits choose."""
    wide = u * np.uint64(sites.size[table])
    slot = sites.slot[sites.first[table] + np.int64(wide >> HALF)]
    kept = (wide & LOW_HALF) < (slot >> HALF)
    return np.int64((slot >> np.uint64(16) if kept else slot) & NODE)


@inlined
def two_sites(state):
    """The stream after, and random bits for two synapses."""
    state = state + GOLDEN
    bits = mix(state)
    return state, bits >> HALF, bits & LOW_HALF


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
    _fill(made, n, source_of, connections, axons, n_models)
    return made


@leaf
def _fill(made, n, source_of, connections, axons, n_models):
    """Put the synapses of the first ``n`` connections where there is room for them."""
    at = 0
    for c in range(n):
        target, rule = connections.target[c], connections.rule[c]
        state = of_connection(of_source(axons.keys[2], source_of[c]), connections.key[c])
        table = rule * n_models + axons.neurons.model[target]
        patch = axons.places.patch[axons.neurons.column[target]]
        factor = strength(state, rule, patch, axons.rules)
        bits, later = np.uint64(0), np.uint64(0)
        for k in range(connections.synapses[c]):
            if k & 1:
                bits = later
            else:
                state, bits, later = two_sites(state)
            made.source[at], made.target[at] = source_of[c], target
            made.node[at], made.rule[at] = node_at(bits, table, axons.sites), rule
            made.strength[at], made.delay[at] = factor, connections.delay[c]
            at += 1
