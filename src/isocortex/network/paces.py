"""Kinetics and release that changes make others, of synapses that are stored and of drawn ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.errors import ConfigError
from isocortex.mechanisms.synapses import Kinetics, Pace
from isocortex.network.drawn.pool import Pool
from isocortex.network.drawn.tables import Axons, Tables
from isocortex.network.factors import Factors

#: What is drawn at each spike has the kinetics of its rule.
FIX = "Let the change be about all synapses of these classes, or let synapses be stored."


def with_paces(
    kinds: Sequence[Kinetics], factors: Factors | None
) -> list[tuple[Kinetics, Kinetics]]:
    """Every kinetics at every pace that changes make of it, and without them.

    They are in the order in which :meth:`Factors.changed` counts.

    Raises
    ------
    ConfigError : there are no synapses of such a pace.
    """
    paces = (Pace(),) if factors is None else factors.paces
    return [(paced(kind, pace), kind) for kind in kinds for pace in paces]


def paced(kinetics: Kinetics, pace: Pace) -> Kinetics:
    """Kinetics at another pace.

    Raises
    ------
    ConfigError : there are none.
    """
    try:
        return kinetics.paced(pace)
    except ValueError as error:
        raise ConfigError(
            f"no synapses can be so ({pace}): {error}", fix="Choose other factors."
        ) from error


def rule_kinds(
    tables: Tables, factors: Factors | None, pool: tuple[Pool, Factors | None] | None, stored: bool
) -> IntArray:
    """int64[rules], the number among :func:`with_paces` that the synapses of each rule have.

    Parameters
    ----------
    pool : of shared axons, whose synapses have the kinetics of rules too.
    stored : nothing is drawn at spikes, and any of a rule's numbers will do.

    Raises
    ------
    ConfigError : some of what is drawn by one rule is changed and some not.
    """
    paces = (Pace(),) if factors is None else factors.paces
    of_rule = np.full(len(tables.kind), paces.index(Pace()) if Pace() in paces else 0)
    if factors is not None and factors.pace is not None:
        for rule, found in enumerate(_paces_of_rules(factors, factors.pace, tables.axons)):
            if len(found) > 1 and not stored:
                raise ConfigError(
                    "a change of kinetics is about some of the synapses that a rule draws", fix=FIX
                )
            if found:
                of_rule[rule] = min(found)
    if pool is not None and not stored:
        _require_alike(pool, [paces[k] for k in of_rule])
    return tables.kind * len(paces) + of_rule


def _require_alike(pool: tuple[Pool, Factors | None], of_rule: list[Pace]) -> None:
    """Refuse to draw synapses of shared axons at another pace than those of their rule."""
    shared, factors = pool
    own = (Pace(),) if factors is None else factors.paces
    if len(own) > 1 or any(of_rule[rule] != own[0] for rule in np.unique(shared.rule)):
        raise ConfigError(
            "a change of kinetics is about connections or the background alone, which are drawn "
            "with the same kinetics", field="isocortex.changes", fix=FIX,
        )  # fmt: skip


def _paces_of_rules(factors: Factors, number: IntArray, axons: Axons) -> list[set[int]]:
    """Which of the paces (``number`` of groups) the connections of each rule have."""
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
