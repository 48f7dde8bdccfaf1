"""Partition of a network: every part holds the synapses onto its own targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.compiling import compiled
from isocortex.network.network import Connections


@compiled
def _part(first, target, weight, delay, address, owner, part):
    """The synapses of one part, see :func:`split`."""
    n = 0
    for c in range(len(target)):
        n += owner[target[c]] == part
    part_first, part_address = np.empty_like(first), np.empty(n, address.dtype)
    part_weight, part_delay = np.empty(n, weight.dtype), np.empty(n, delay.dtype)
    n = 0
    for source in range(len(first) - 1):
        part_first[source] = n
        for c in range(first[source], first[source + 1]):
            if owner[target[c]] == part:
                part_address[n] = address[target[c]]
                part_weight[n], part_delay[n] = weight[c], delay[c]
                n += 1
    part_first[len(first) - 1] = n
    return part_first, part_address, part_weight, part_delay


def split(
    c: Connections,
    address: NDArray[np.integer],
    owner: NDArray[np.integer],
    n_parts: int,
) -> list[tuple[Any, ...]]:
    """Divide synapses among the owners of their targets.

    Parameters
    ----------
    address : int[n_targets], what to write for each target.
    owner : int[n_targets], the part of each target.

    Returns
    -------
    For every part: first (int64[n_sources + 1]), address, weight, delay index, release and key of
    its synapses, in their order.
    """
    if not len(c.target):  # nothing to divide
        return [(c.first, address[:0], c.weight, c.delay, c.release, c.key)] * n_parts
    parts = []
    for part in range(n_parts):
        made = _part(c.first, c.target, c.weight, c.delay, address, owner, part)
        both = (None if x is None else x[owner[c.target] == part] for x in (c.release, c.key))
        parts.append((*made, *both))
    return parts
