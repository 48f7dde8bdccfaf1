"""How far apart pairs of places are."""

from __future__ import annotations

import numpy as np

from isocortex.compiling import compiled


@compiled
def distance_histogram(place, normal, layer, weight, each, step, counts):
    """Add to ``counts`` (layers, layers, bins) the pairs of places by layers and distance.

    The distance is that along the surface, as for connections; bins are ``step`` um wide and the
    last takes all that is further. Every ``each`` places in a row stand for one volume, each for
    its ``weight``; as no place is paired with itself, pairs within a volume count for more.
    """
    last = counts.shape[2] - 1
    within = each / (each - 1.0)
    for i in range(len(place)):
        for j in range(len(place)):
            if i == j:
                continue
            x = place[j, 0] - place[i, 0]
            y = place[j, 1] - place[i, 1]
            z = place[j, 2] - place[i, 2]
            up = x * normal[i, 0] + y * normal[i, 1] + z * normal[i, 2]
            distance = np.sqrt(max(x * x + y * y + z * z - up * up, 0.0))
            k = min(np.int64(distance / step), last)
            more = within if i // each == j // each else 1.0
            counts[layer[i], layer[j], k] += weight[i] * weight[j] * more
