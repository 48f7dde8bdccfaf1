"""What drawing needs: neurons, columns, rules, axons and sites; and room for what is drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.compiling import compiled

#: Delays are multiples of this, ms, so that few are different; none is longer than 25.5 ms.
DELAY_STEP = 0.1
#: Neurons or columns that are tried together.
TRIED_TOGETHER = 8


class Neurons(NamedTuple):
    """What drawing needs to know of every neuron.

    Coordinates are there for some more than there are neurons: trials are made eight at a time.
    """

    x: NDArray[np.float32]  # (n + ``TRIED_TOGETHER``), um
    y: NDArray[np.float32]
    z: NDArray[np.float32]
    normal: NDArray[np.float32]  # (n, 3), unit, towards the pia
    column: NDArray[np.int16]
    group: NDArray[np.int16]  # layer * number of classes + class
    model: NDArray[np.int16]


class Places(NamedTuple):
    """Columns. Those of one area and side are consecutive; ids run by column, then group."""

    first: NDArray[np.int64]  # (columns * groups + 1), first id of each group of each column
    patch: NDArray[np.int32]  # area and side of each column: side * areas + area
    patch_first: NDArray[np.int64]  # (patches + 1), first column
    centre: NDArray[np.float32]  # (columns, 3), um
    normal: NDArray[np.float32]  # (columns, 3), unit, the mean of its neurons'
    across: NDArray[np.float32]  # um, of the neuron furthest from the line through the centre
    along: NDArray[np.float32]  # um, and of the one furthest along that line
    layer_first: NDArray[np.int64]  # (columns, layers + 1), first id of each layer
    number: NDArray[np.float32]  # (layers, columns), of neurons


class Rules(NamedTuple):
    """Local wiring and synapses by rule; see :class:`isocortex.cortex.wiring.ConnectionRule`."""

    of: NDArray[np.int16]  # (groups, groups), -1 if they do not connect
    probability: NDArray[np.float32]  # (patches, rules), of one trial, at distance 0
    trials: NDArray[np.int64]  # (patches, rules), more than one where neurons are too few
    sigma: NDArray[np.float32]  # um
    widest: float  # um
    number: NDArray[np.float64]  # (rules, most + 1), distribution of synapses of a connection
    far: NDArray[np.float64]  # (rules), share of the drawn long-range connections that have any
    spread: NDArray[np.float64]  # (rules), sigma of the logarithm of a connection's strength
    level: NDArray[np.float64]  # (patches, rules), its mean: sets the mean strength
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
    total: NDArray[np.float32]  # (columns of one side, layers, areas), sums of near x neurons
    delay: float  # ms
    velocity: float  # um/ms


class Sites(NamedTuple):
    """Alias tables of all (rule, model), see :class:`isocortex.cortex.sites.Sites`.

    Rules with the same places share one. A slot is one number: from the top 32 bits what is kept
    of it, 16 of its node, and 16 of the node that the rest goes to.
    """

    first: NDArray[np.int32]  # (rules * models)
    size: NDArray[np.int32]  # (rules * models), 0 if there is none
    slot: NDArray[np.uint64]


class Axons(NamedTuple):
    """All that the connections of every neuron follow from."""

    keys: NDArray[np.uint64]  # of local connections, of long-range ones, and of their synapses
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
    """Room for what is drawn; a connection is one source, one target and a few synapses.

    Fields of one array, ``CONNECTION``: who looks at a few of them asks for few lines of memory.
    """

    target: NDArray[np.int32]
    rule: NDArray[np.int16]
    synapses: NDArray[np.uint8]
    delay: NDArray[np.uint8]  # in steps of ``DELAY_STEP``
    key: NDArray[np.uint32]  # tells it from others of its source


#: What a connection is.
CONNECTION = np.dtype(
    [("target", "i4"), ("rule", "i2"), ("synapses", "u1"), ("delay", "u1"), ("key", "u4")],
    align=True,
)


@compiled
def no_connections(room: int) -> Connections:
    """Room for connections; for two at least, as fields of less are arrays by their type."""
    all_ = np.empty(max(room, 2), CONNECTION)
    return Connections(all_["target"], all_["rule"], all_["synapses"], all_["delay"], all_["key"])


@compiled
def longer(array, room):
    """A copy with room for as many elements."""
    copy = np.empty(room, array.dtype)
    copy[: len(array)] = array
    return copy


@compiled
def with_room(out, room):
    """The same connections, and room for as many."""
    more, n = no_connections(room), len(out.target)
    more.target[:n], more.rule[:n], more.key[:n] = out.target, out.rule, out.key
    more.synapses[:n], more.delay[:n] = out.synapses, out.delay
    return more
