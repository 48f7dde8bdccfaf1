"""What threads work on: their own parts, what they share, and what acts in some steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.engine.gaps import Gaps
from isocortex.engine.layout.arrays import Floats, Ints, KineticsTable, Layout, Numerics, States
from isocortex.engine.sampling import Probes
from isocortex.network.drawn import tables
from isocortex.network.drawn.pool import Pool
from isocortex.network.factors import Factors
from isocortex.network.points import PointState
from isocortex.network.terminals import Terminals

NO_ROOM = -1  # instead of a number of events: more spikes than anything with a memory could send


class Fields(NamedTuple):
    """What potentials outside drive into cells: patterns of currents times courses.

    Of block b the ``n`` patterns follow each other in ``pattern[first[b]:first[b + 1]]``, each a
    row of lanes (nA per unit of the course) for every gathering node of its model; there are none
    where no cell of it is in a field. ``course`` is ``[step, n]``, flat, since ``origin``.
    """

    n: int
    first: Ints
    pattern: np.ndarray
    course: np.ndarray


class Electrodes(NamedTuple):
    """Sorted by block: element of the block's V, and nA and uS in every step since ``origin``.

    What is injected is the amplitude less the conductance times the voltage; and what ``fields``
    drive, and what flows through ``gaps``.
    """

    ptr: Ints
    element: Ints
    amplitude: np.ndarray
    conductance: np.ndarray
    fields: Fields
    gaps: Gaps | None


class Events(NamedTuple):
    """Events of one window, by block, then step; those of block b are ``first[b]:last[b]``.

    ``step`` counts from the origin of the samples, ``element`` from the block's first row. With
    ``weight`` they are fields of one array: an event that is written asks for one line of memory.
    """

    first: Ints
    last: Ints
    step: NDArray[np.int32]
    element: NDArray[np.int32]
    weight: np.ndarray


def event_of(weight: np.dtype) -> np.dtype:
    """What an event is, whose weight is of this type."""
    return np.dtype([("step", np.int32), ("element", np.int32), ("weight", weight)], align=True)


class Work(NamedTuple):
    """What a thread needs to advance one block: diagonal, right-hand side, spikes found."""

    D: np.ndarray
    R: np.ndarray
    spike_lane: Ints
    spike_step: Ints  # the end of the step in which it was found
    spike_early: Floats  # how long before that the threshold was crossed, in steps


class Wiring(NamedTuple):
    """Synapses onto one part, sorted by source, then delay.

    ``target`` is ``block << shift | element``, or ``first_point`` + index of a point neuron.
    ``delay`` is an index into ``delays`` (ms). ``terminals`` is None, which the compiler knows,
    where no synapse of the network is plastic.
    """

    first: Ints
    target: np.ndarray
    weight: np.ndarray
    delay: np.ndarray
    delays: Floats
    shift: int
    first_point: int
    terminals: Terminals | None


class Drawn(NamedTuple):
    """What the synapses that are not stored follow from, for one part.

    Those of one cell model onto one compartment have the same row in all blocks.
    """

    axons: tables.Axons
    pool: Pool | None  # of shared axons; None is known to the compiler, as below
    first_source: int  # what the first neuron of the cortex model is
    first_axon: int  # and the first shared axon
    begin: int  # neurons of this part
    end: int
    #: Of each neuron: first element of its lane, as in ``Wiring.target``, its model and its patch.
    #: Fields of one array, since neurons are asked for in no order.
    address: np.ndarray
    model: NDArray[np.int16]
    patch: NDArray[np.int16]
    row: NDArray[np.int32]  # (models, kinetics, nodes), elements from there on
    kind: Ints  # kinetics of each rule
    weight: np.ndarray  # (rules, models), uS
    delay: np.ndarray  # of each multiple of ``DELAY_STEP``, as in ``Wiring.delay``
    factors: Factors | None  # on weights
    pool_factors: Factors | None  # on those of shared axons


class Inbox(NamedTuple):
    """Spikes with events still to come, by time, then source.

    The source, the next synapse and the end of those of the spike, when it happened, and when the
    next event is due (ms). Synapses are positions in the wiring, and from its end on positions in
    flight: connections that were drawn, whose synapses are placed when they act.
    """

    source: Ints
    cursor: Ints
    end: Ints
    time: Floats
    due: Floats


class Times(NamedTuple):
    """Times of steps (ms), see :class:`isocortex.network.clock.Clock`."""

    seen: Floats
    middle: Floats
    dt: float


class Trains(NamedTuple):
    """Spikes of virtual nodes, sorted by time (ms)."""

    source: Ints
    time: Floats


class Found(NamedTuple):
    """Spikes found in a window, by part; odd and even windows take turns.

    [2, n_parts] counts, [2, room] sources and times (ms); part p writes from ``begin[p]`` on.
    What is found elsewhere counts as found by one more part, the last: by other ranks, or by all
    cells where a GPU advances them.
    ``lost`` (bool[2, n_parts]) says that a voltage is no longer a number.
    """

    begin: Ints
    counts: Ints
    source: Ints
    time: Floats
    lost: np.ndarray


class Runs(NamedTuple):
    """Synapses whose events are due in a window: the first ``n`` runs of one spike and delay.

    The source, the step in which they act, begin and end as in :class:`Inbox`, when they are due
    (ms), and which share of their weights they release.
    """

    n: int
    source: Ints
    step: Ints
    begin: Ints
    end: Ints
    due: Floats
    share: Floats


class Part(NamedTuple):
    """What one thread owns, and how far it is; see ``drawn`` of :func:`run_windows` for the rest.

    ``flight`` has ``n_flight`` drawn connections on their way, ``n_inbox`` spikes are in the inbox.
    """

    blocks: Ints
    wiring: Wiring
    flight: tables.Connections
    n_flight: int
    inbox: Inbox
    n_inbox: int
    events: Events
    work: Work


class Offers(NamedTuple):
    """Blocks that wait to be advanced: of part p ``block[first[p]:first[p + 1]]``.

    ``line`` has one cache line of each part, in which it speaks to the others
    (:mod:`isocortex.engine.stealing`).
    """

    first: Ints
    block: Ints
    line: Ints


class Shared(NamedTuple):
    """What all threads read, and where they meet.

    ``kernel`` holds the address of every block's ``advance_block``; ``first_cell`` and
    ``first_point`` are the sources that the first cell and the first point neuron are. Spikes may
    be found ``elsewhere`` too: by the cells of other ranks, or by this rank's, on a GPU.
    """

    meeting: Ints
    offers: Offers
    found: Found
    kernel: Ints
    points: PointState
    layout: Layout
    states: States
    kinetics: KineticsTable
    numerics: Numerics
    window: int
    first_cell: int
    first_point: int
    elsewhere: bool


class Steps(NamedTuple):
    """Steps ``first:last``, and what acts or is recorded in them.

    ``trains`` are the spikes from outside until their end; ``electrodes`` and ``probes`` count
    steps from ``first``.
    """

    first: int
    last: int
    times: Times
    trains: Trains
    electrodes: Electrodes
    probes: Probes


class Reached(NamedTuple):
    """How far a part came.

    The number of events received, or NO_ROOM; the step (earlier than asked for if a voltage is no
    longer a number); and, from part 0, number, sources and times of all spikes.
    """

    n_events: int
    step: int
    n_spikes: int
    source: Ints
    time: Floats
