"""Kinetics that changes make slower or faster, of synapses that are stored and of drawn ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.errors import ConfigError
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.drawn.pool import Pool
from isocortex.network.drawn.tables import Axons, Tables
from isocortex.network.factors import Factors

#: What is drawn at each spike has the kinetics of its rule.
FIX = "Let the change be about all synapses of these classes, or let synapses be stored."


def with_decays(
    kinds: Sequence[Kinetics], factors: Factors | None
) -> list[tuple[Kinetics, Kinetics]]:
    """Every kinetics with every decay that changes make of it, and without them.

    They are in the order in which :meth:`Factors.changed` counts.
    """
    decays = [1.0] if factors is None else factors.decays.tolist()
    return [(kind.slower(factor), kind) for kind in kinds for factor in decays]


def rule_kinds(
    tables: Tables, factors: Factors | None, pool: tuple[Pool, Factors | None] | None, stored: bool
) -> IntArray:
    """int64[rules], the number among :func:`with_decays` that the synapses of each rule have.

    Parameters
    ----------
    pool : of shared axons, whose synapses have the kinetics of rules too.
    stored : nothing is drawn at spikes, and any of a rule's numbers will do.

    Raises
    ------
    ConfigError : some of what is drawn by one rule is changed and some not.
    """
    decays = np.ones(1) if factors is None else factors.decays
    plain = int(np.searchsorted(decays, 1.0)) if 1.0 in decays else 0
    of_rule = np.full(len(tables.kind), plain)
    if factors is not None and factors.decay is not None:
        for rule, found in enumerate(_decays_of_rules(factors, tables.axons)):
            if len(found) > 1 and not stored:
                raise ConfigError(
                    "a change of decay is about some of the synapses that a rule draws",
                    field="isocortex.changes", fix=FIX,
                )  # fmt: skip
            if found:
                of_rule[rule] = min(found)
    if pool is not None and not stored:
        _require_alike(pool, decays[of_rule])
    return tables.kind * len(decays) + of_rule


def _require_alike(pool: tuple[Pool, Factors | None], of_rule: FloatArray) -> None:
    """Refuse to draw synapses of shared axons that decay otherwise than those of their rule."""
    shared, factors = pool
    own = np.ones(1) if factors is None else factors.decays
    if len(own) > 1 or (of_rule[np.unique(shared.rule)] != own[0]).any():
        raise ConfigError(
            "a change of decay is about connections or the background alone, which are drawn with "
            "the same kinetics", field="isocortex.changes", fix=FIX,
        )  # fmt: skip


def _decays_of_rules(factors: Factors, axons: Axons) -> list[set[int]]:
    """Which of the decays the connections of each rule have."""
    assert factors.decay is not None
    number = np.searchsorted(factors.decays, factors.decay)
    group, rules, far = axons.neurons.group, axons.rules.of, axons.projections
    n = len(rules)
    sent = [np.unique(factors.source[group == g]) for g in range(n)]
    received = [np.unique(factors.target[group == g]) for g in range(n)]
    found: list[set[int]] = [set() for _ in range(len(axons.rules.sigma))]

    def add(rule: int, source: int, target: int) -> None:
        if rule >= 0:
            found[rule] |= set(_among(number, sent[source], received[target]))

    for source in range(n):
        for target in range(n):
            add(int(rules[source, target]), source, target)
            if far.kind[source] >= 0:
                add(int(far.rule[target]), source, target)
    return found


def _among(
    number: IntArray, rows: NDArray[np.unsignedinteger], columns: NDArray[np.unsignedinteger]
) -> list[int]:
    return np.unique(number[np.ix_(rows, columns)]).tolist()
