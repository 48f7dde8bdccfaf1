"""What a state is a state of: it means nothing to another network, nor at another time step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isocortex.engine.interface import Settings
from isocortex.errors import ConfigError
from isocortex.hashes import sha256
from isocortex.network.network import Network


def identity(network: Network, settings: Settings) -> dict[str, str]:
    """Everything that a state must agree in with who goes on from it, in words.

    Threads, precision and initial voltage may differ, and so may inputs, as they end at another
    time where the simulation does; synapses that are stored count as those that are drawn.
    """
    cells, points, poisson = network.cell_model, network.points, network.poisson
    return {
        "time step": f"{settings.dt:g} ms",
        "integrator": "crank-nicolson" if settings.second_order else "backward-euler",
        "temperature": f"{settings.celsius:g} degC",
        "cells": f"{len(cells):,} ({_hash((cells, network.models))})",
        "point neurons": f"{len(points):,} ({_hash((points.tau, points.refractory))})",
        "Poisson sources": f"{len(poisson.source):,} ({_hash(poisson.source)})",
        "synapses": _synapses(network),
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


def _synapses(network: Network) -> str:
    """Number and hash of the synapses; of drawn ones what they follow from, stored or not."""
    wiring, slots, drawn = network.connections, network.slots, network.drawn
    if drawn is None:
        return _told(f"{network.n_synapses:,}", network, [slice(0, None)], slots, wiring.target)
    # beside them those of virtual nodes; slots are numbered as synapses are stored
    factors = [f for f in (drawn.factors, drawn.pool_factors) if f is not None]
    others = [slice(network.n_reacting, None)]
    if drawn.pool is not None:
        axons = drawn.axons_of_pool
        others = [slice(network.n_reacting, axons.start), slice(axons.stop, None)]
    made = (drawn.axons, drawn.pool, drawn.kind, drawn.weight, *factors)
    return _told(f"about {drawn.expected:.3g}", network, others, *made)


def _told(number: str, network: Network, sources: list[slice], *made: Any) -> str:
    """The number, and a hash of what synapses follow from and of the stored ones of some sources.

    A slice that begins after its end has none.
    """
    wiring, stored = network.connections, []
    for some in sources:
        first = wiring.first[slice(some.start, None if some.stop is None else some.stop + 1)]
        here = slice(int(first[0]), int(first[-1])) if len(first) else slice(0, 0)
        stored.append((np.diff(first), wiring.weight[here], wiring.delay[here]))
    return f"{number} ({_hash((network.kinetics, made, stored, wiring.delays))})"


def _hash(value: Any) -> str:
    return sha256(value)[:12]
