"""What a state is a state of: it means nothing to another network, nor at another time step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from isocortex.compiling import compiled
from isocortex.engine.exchange import Alone, Exchange
from isocortex.engine.interface import Settings
from isocortex.errors import ConfigError
from isocortex.hashes import sha256
from isocortex.network.network import Network
from isocortex.streams import stream


def identity(
    network: Network, settings: Settings, exchange: Exchange | None = None
) -> dict[str, str]:
    """Everything that a state must agree in with who goes on from it, in words.

    Threads, ranks, precision and initial voltage may differ, and so may inputs, as they end at
    another time where the simulation does; synapses that are stored count as those that are drawn.
    """
    exchange = exchange or Alone()
    cells, poisson = network.circuit_model, network.poisson
    points = [
        np.concatenate(told)
        for told in zip(*exchange.all((network.points.tau, network.points.refractory)), strict=True)
    ]
    return {
        "time step": f"{settings.dt:g} ms",
        "integrator": "crank-nicolson" if settings.second_order else "backward-euler",
        "temperature": f"{settings.celsius:g} degC",
        "cells": f"{len(cells):,} ({_hash((cells, network.models))})",
        "point neurons": f"{len(points[0]):,} ({_hash(points)})",
        "Poisson sources": f"{len(poisson.source):,} ({_hash(poisson.source)})",
        "synapses": _synapses(network, exchange),
    }


def require_same(state: Mapping[str, str], here: Mapping[str, str]) -> None:
    """Refuse a state of another network or time step.

    Raises
    ------
    ConfigError : with what differs first.
    """
    for what, value in here.items():
        if state.get(what) != value:
            raise ConfigError(
                f"the state is of another simulation, with other {what}: {state.get(what)}, "
                f"here {value}", fix="Restore it where circuit and settings are the same.",
            )  # fmt: skip


def _synapses(network: Network, exchange: Exchange) -> str:
    """Number and hash of the synapses; of drawn ones what they follow from, stored or not."""
    drawn, n_sources = network.drawn, len(network.connections.first) - 1
    if drawn is None:
        number = f"{exchange.sum(network.n_synapses):,}"
        return f"{number} ({_told(network, exchange, [range(n_sources)])})"
    # beside them those of virtual nodes
    factors = [f for f in (drawn.factors, drawn.pool_factors) if f is not None]
    others = [range(network.n_reacting, n_sources)]
    if drawn.pool is not None:
        axons = drawn.axons_of_pool
        others = [range(network.n_reacting, axons.start), range(axons.stop, n_sources)]
    made = (drawn.axons, drawn.pool, drawn.kind, drawn.weight, *factors)
    return f"about {drawn.expected:.3g} ({_told(network, exchange, others, *made)})"


class _Stored(NamedTuple):
    """The stored synapses of a rank, their delays in ms, and what they end on."""

    first: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    delay: np.ndarray
    delays: np.ndarray
    cell: np.ndarray
    node: np.ndarray
    kind: np.ndarray
    first_cell: int
    first_point: int
    release: np.ndarray | None
    key: np.ndarray | None


def _told(network: Network, exchange: Exchange, sources: list[range], *made: Any) -> str:
    """A hash of what synapses follow from, and of the stored ones of some sources on all ranks."""
    wiring, slots = network.connections, network.slots
    stored = _Stored(
        wiring.first, wiring.target, wiring.weight, wiring.delay, wiring.delays,
        slots.cell, slots.node, slots.kind, network.first_cell, network.first_point,
        wiring.release, wiring.key,
    )  # fmt: skip
    if network.releases:
        made = (*made, network.releases)
    if wiring.key is not None:
        made = (*made, wiring.seed)
    if len(network.gaps):
        made = (*made, network.gaps)
    here = sum(int(_sum(stored, some.start, some.stop)) for some in sources)
    return _hash((network.kinetics, made, exchange.sum(here) % 2**64))


@compiled
def _sum(stored, begin, end):
    """Sum of a hash of each synapse of the sources ``begin:end``, whoever stores it."""
    total, n_slots = np.uint64(0), len(stored.cell)
    for source in range(begin, end):
        for c in range(stored.first[source], stored.first[source + 1]):
            t = np.int64(stored.target[c])
            onto, place = stored.first_point + t - n_slots, np.int64(-1)
            if t < n_slots:
                onto = stored.first_cell + np.int64(stored.cell[t])
                place = (np.int64(stored.node[t]) << 16) + np.int64(stored.kind[t])
            place += _release(stored.release, c) + _key(stored.key, c)
            delay = np.float64(stored.delays[stored.delay[c]]).view(np.int64)
            weight = np.float64(stored.weight[c]).view(np.int64)
            total += stream(stream(np.uint64(source), onto, place), delay, weight)
    return total


@compiled
def _release(release, c):
    """How a synapse releases, beside its place; left out where nothing is plastic."""
    if release is None:
        return np.int64(0)
    return np.int64(release[c]) << 48


@compiled
def _key(key, c):
    """What names a synapse that releases at random; left out where none does."""
    if key is None:
        return np.int64(0)
    return key[c]


def _hash(value: Any) -> str:
    return sha256(value)[:12]
