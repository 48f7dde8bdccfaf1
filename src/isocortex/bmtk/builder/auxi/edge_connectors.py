"""Connection rules that scripts take from BMTK; they draw the same numbers in the same order."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from isocortex.bmtk.builder.nodes import Node


def distance_connector(
    source: Node,
    target: Node,
    d_weight_min: float,
    d_weight_max: float,
    d_max: float,
    nsyn_min: int,
    nsyn_max: int,
) -> int | None:
    """Connect with a probability that falls linearly with distance.

    From ``d_weight_max`` at 0 to ``d_weight_min`` at ``d_max`` (um), 0 beyond; ``nsyn_min`` to
    ``nsyn_max`` synapses. No node is connected with one of its own number.
    """
    if source.node_id == target.node_id:
        return None
    apart = np.linalg.norm(np.array(source["positions"]) - np.array(target["positions"]))
    if apart > d_max:
        return None
    share = apart / d_max
    probability = d_weight_max * (1.0 - share) + d_weight_min * share
    if probability <= 0 or random.random() > probability:
        return None
    return random.randint(nsyn_min, nsyn_max)


def connect_random(
    source: Node, target: Node, nsyn_min: int = 0, nsyn_max: int = 10, distribution: Any = None
) -> int:
    """``nsyn_min`` to ``nsyn_max`` - 1 synapses, each number as likely."""
    return int(np.random.randint(nsyn_min, nsyn_max))
