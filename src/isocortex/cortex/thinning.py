"""Fewer synapses per neuron, each as much stronger: what a model of in-degree below 1 keeps.

A neuron that keeps the share k of its synapses loses each with probability 1 - k, and the others
weigh 1 / k as much: the mean of its input stays. A connection of which no synapse is left is none;
so of connections of 3 to 7 synapses at k = 0.1 two in five are left, most with one synapse.

Weights of connections are lognormal with ``SPREAD`` as the standard deviation of their logarithm
where all synapses are kept. What is left of a connection varies by chance already, so the lognormal
is narrower then, such that the second moment of a connection's weight, and with it the variance of
the input, stays too as far as it can: at k = 0.1 chance makes up for all but 2 % of it.

>>> from isocortex.cortex.thinning import Thinning
>>> half = Thinning.of((3, 7), 0.1)
>>> f"{half.connections:.3f} of the connections, {half.spread:.2f}"
'0.403 of the connections, 0.14'
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from statistics import NormalDist

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.elementary import exp, log

#: Standard deviation of the logarithm of the weights of connections where all synapses are kept:
#: about 1 in mouse cortex (Campagnola et al. 2022, doi:10.1126/science.abj5861).
SPREAD = 1.0
#: Equally likely strengths that the lognormal is made of.
QUANTILES = 1024


#: Scale at which excitation among excitatory neurons is what the tables say, the power of the scale
#: by which it is weaker below, and scales beyond which it stays.
AS_TOLD, WEAKENING, SMALLEST, LARGE = 0.004608, 0.1212, 0.0002, 0.005
#: Share of the synapses below which it stays as well, and the power of it by which it is stronger.
FEW, STRENGTHENING = 0.1, 0.0334


def excitation_among(scale: float, kept: float) -> float:
    """Factor on excitation among excitatory neurons in a model of this scale and in-degree.

    The fewer neurons there are, the more the rate of all of them fluctuates by chance, whatever the
    number of synapses on each; all follow, and the more a synapse among them does. A synapse that
    is a tenth as strong, ten times as many of them, drives its neuron less by chance. Found at
    0.001, 0.002 and 0.005 with a tenth of the synapses and at 0.005 with all of them, such that
    recurrence carries as much there; no data.
    """
    beyond = min(max(scale, SMALLEST), LARGE) / AS_TOLD
    powers = np.array([WEAKENING, STRENGTHENING])
    return round(float(exp((powers * log(np.array([beyond, max(kept, FEW) / FEW]))).sum())), 4)


@dataclass(frozen=True)
class Thinning:
    """What is left of a rule's connections.

    Attributes
    ----------
    connections : share of the connections that have a synapse left.
    number : float64[most + 1], how likely at most that many synapses are, where one is left.
    spread : standard deviation of the logarithm of a connection's strength.
    level : mean of that logarithm, such that the strength is 1 on average over ``normal()``.
    """

    connections: float
    number: FloatArray
    spread: float
    level: float

    @classmethod
    def of(cls, synapses: tuple[int, int], kept: float) -> Thinning:
        """Of connections that have ``synapses``, fewest to most, all numbers equally likely."""
        fewest, most = synapses
        each = range(fewest, most + 1)
        likely = np.zeros(most + 1)
        for n in range(most + 1):
            ways = sum(comb(of, n) * kept**n * (1.0 - kept) ** (of - n) for of in each if n <= of)
            likely[n] = ways / len(each)
        left = 1.0 - likely[0]
        likely[0] = 0.0
        number = np.cumsum(likely) / left
        number[number > 1.0 - 1e-12] = 1.0
        whole = sum(n * n for n in each) / len(each)
        found = float((np.arange(most + 1.0) ** 2 * likely).sum()) / kept**2
        spread = float(np.sqrt(max(SPREAD**2 - log(found / whole), 0.0)))
        level = -float(log(np.mean(exp(spread * normal()))))
        return cls(left, number, spread, level)


def normal() -> FloatArray:
    """float64[QUANTILES]: the normal distribution's quantiles in the middle of equal parts.

    Rounded, so that they are the same where the last bit of a logarithm is another.
    """
    inverse = NormalDist().inv_cdf
    return np.round([inverse((i + 0.5) / QUANTILES) for i in range(QUANTILES)], 9)
