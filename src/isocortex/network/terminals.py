"""Axon terminals: what plastic synapses have left to release, one for all that have the same.

What a synapse releases follows from when its source spikes and from its delay, since NEURON
counts in steps and a delay decides in which one a spike acts. So synapses of one source, delay and
:class:`Release` share one *terminal*, which is looked up once when a spike acts on all of them.
It is advanced from spike to spike, whatever time is between: where NEURON goes step by step, the
product or sum of all its steps has a closed form.

A spike that acts again some time later is one of a synapse with a longer delay, which shares the
terminal of the first.

A synapse that releases at random has a terminal of its own, for all of its conductances. Its random
numbers are those of a stream that its key and the seed begin, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.compiling import compiled, leaf
from isocortex.mechanisms.release import (
    A_D,
    A_F,
    A_FDR,
    A_I,
    IN_STEPS,
    LAG,
    NUMBERS,
    P_FIRST,
    PBTILDE,
    SITES,
    TAU_ACTIVE,
    TAU_D,
    TAU_F,
    TAU_FDR,
    TAU_I,
    TAU_R0,
    Release,
    as_used,
)
from isocortex.network.programs import BEGIN, Programs, programs_of, released_by
from isocortex.random import name_of
from isocortex.streams import GOLDEN, exp, log, stream, uniform

#: What evolves of a terminal: see :class:`Release`; then what the last spike counted by, and when
#: that was, in steps.
N, P, TAU_R, D, PB, SENT, LAST = range(7)
#: In place of what the last spike counted by: how many random numbers have been drawn.
DRAWN = SENT
#: Columns of a table of terminals before these: source, delay (ms), number of the release, key.
KEYS = 4
COLUMNS = KEYS + 7
#: By how much of itself tau_r grows in a step where steps are taken one by one.
STEEP = 0.01
#: Bytes of a terminal, and of every synapse of a network that has some, while it is laid out.
TERMINAL, OF_SYNAPSE = 88, 8


class Terminals(NamedTuple):
    """Terminals of some synapses that are sorted by source, then delay, then release, then key.

    Attributes (m synapses, t terminals)
    ----------
    of : int32[m], terminal of every synapse, and t more where a spike acts again; -1 where all of
        its weight is released.
    source : int64[t].
    delay : float64[t], ms.
    release : int64[t], row of ``numbers``.
    key : int64[t], of synapses that release at random, 0 of others.
    numbers : float64[releases, 15], of each :class:`Release`.
    programs : of those of users' own synapses.
    state : float64[t, 7], what evolves.
    dt : ms.
    seed : of random numbers.
    by_time : whether spikes must act in the order of time, as where some act again.
    """

    of: NDArray[np.int32]
    source: IntArray
    delay: FloatArray
    release: IntArray
    key: IntArray
    numbers: FloatArray
    programs: Programs
    state: FloatArray
    dt: float
    seed: np.uint64
    by_time: bool


def terminals_of(
    source: NDArray[np.integer],
    delay: FloatArray,
    release: NDArray[np.integer],
    releases: Sequence[Release],
    dt: float,
    key: IntArray | None = None,
    seed: int = 0,
) -> Terminals:
    """Terminals before the first spike, of synapses in their order.

    Parameters
    ----------
    source, delay, release, key : of every synapse; ms; one of ``releases`` counted from 1, or 0, or
        more than there are where a spike acts again (:func:`acting_again`); see :class:`Terminals`.
    """
    key = np.zeros(len(source), np.int64) if key is None else key
    first = np.zeros(len(source), bool)
    first[:1] = True
    for values in (source, delay, release, key):
        first[1:] |= values[1:] != values[:-1]
    again = release > len(releases)
    first &= (release > 0) & ~again
    of = np.where(release > 0, np.cumsum(first) - 1, -1).astype(np.int32)
    at = np.flatnonzero(first)
    if again.any():
        later = np.array([each.later for each in releases])[release[at] - 1]
        first_acts = (source[at], delay[at] + later, release[at], key[at])
        acts = (source[again], delay[again], release[again] - len(releases), key[again])
        names = (zip(*(x.tolist() for x in each), strict=True) for each in (first_acts, acts))
        number = {name: t for t, name in enumerate(next(names))}
        of[again] = [len(at) + number[name] for name in next(names)]
    made = Terminals(
        of, source[at].astype(np.int64), delay[at], release[at].astype(np.int64) - 1, key[at],
        numbers_of(releases), programs_of(releases), np.empty((len(at), COLUMNS - KEYS)), dt,
        name_of(f"release {seed}"), any(each.later for each in releases),
    )  # fmt: skip
    rest(made)
    return made


def acting_again(
    release: NDArray[np.unsignedinteger], delay: FloatArray, releases: Sequence[Release]
) -> tuple[IntArray, FloatArray]:
    """Which of some synapses have spikes that act again, and after which delay, ms.

    They are to be there twice, the second time with ``len(releases)`` more as their release.
    """
    later = np.array([0.0, *(each.later for each in releases)])[release]
    (some,) = np.nonzero(later)
    return some, delay[some] + later[some]


def numbers_of(releases: Sequence[Release]) -> FloatArray:
    """float64[releases, 15], what each consists of."""
    return np.array([each.numbers for each in releases], float).reshape(-1, NUMBERS)


def rest(terminals: Terminals) -> None:
    """Put all of them to where they begin."""
    numbers, state = terminals.numbers[terminals.release], terminals.state
    state[:, N], state[:, D] = 1.0, numbers[:, TAU_ACTIVE] == 0.0
    state[:, P] = numbers[:, P_FIRST]
    state[:, SENT] = np.where(numbers[:, SITES] > 0.0, 0.0, numbers[:, P_FIRST])
    state[:, TAU_R], state[:, PB] = numbers[:, TAU_R0], numbers[:, PBTILDE]
    state[:, LAST] = 0.0
    own = terminals.programs.address[terminals.release] != 0
    begin = terminals.programs.numbers[terminals.release[own], BEGIN : BEGIN + LAST]
    state[own, :LAST] = begin


def no_terminals() -> FloatArray:
    """A table of none."""
    return np.zeros((0, COLUMNS))


def used(terminals: Terminals) -> IntArray:
    """Sources of those that differ from what they begin with."""
    fresh = terminals._replace(state=np.empty_like(terminals.state))
    rest(fresh)
    return np.unique(terminals.source[(terminals.state != fresh.state).any(axis=1)])


def table_of(terminals: Terminals, sources: IntArray) -> FloatArray:
    """float64[n, COLUMNS], all terminals of some sources.

    Those that a spike has not reached yet are among them: what is not in a table has another delay
    than was there.
    """
    at = np.flatnonzero(np.isin(terminals.source, sources))
    keys = (terminals.source[at], terminals.delay[at], terminals.release[at], terminals.key[at])
    return np.column_stack([*keys, terminals.state[at]])


def distinct(table: FloatArray) -> FloatArray:
    """Terminals that several parts have are the same: one of each, by what names it."""
    return table[np.unique(table[:, :KEYS], axis=0, return_index=True)[1]]


def put_to(terminals: Terminals, table: FloatArray) -> None:
    """Give terminals what a table says of them; sources of which it says nothing begin.

    Where a delay is another than in the table, as it may be in a branch, the terminal of the same
    source, release and key with the next longer delay stands for it, or with the longest there is.
    """
    rest(terminals)
    if not len(table) or not len(terminals.source):
        return
    delays = np.unique(np.concatenate([table[:, 1], terminals.delay]))
    here = np.column_stack([terminals.source, terminals.release, terminals.key])
    names = np.concatenate([table[:, [0, 2, 3]], here])
    kept, wanted = np.split(np.unique(names, axis=0, return_inverse=True)[1].ravel(), [len(table)])
    at_kept = kept * len(delays) + np.searchsorted(delays, table[:, 1])
    at_wanted = wanted * len(delays) + np.searchsorted(delays, terminals.delay)
    order = np.argsort(at_kept)
    after = np.searchsorted(at_kept[order], at_wanted)
    for place in (after - 1, after):  # the one that is not shorter last: it counts
        inside = order[np.clip(place, 0, len(order) - 1)]
        known = np.flatnonzero((kept[inside] == wanted) & (place >= 0) & (place < len(order)))
        terminals.state[known] = table[inside[known], KEYS:]


def paced(
    state: FloatArray, before: FloatArray, now: FloatArray, step: int, dt: float
) -> FloatArray:
    """float64[t, 7], what terminals stand at where changes make their releases others.

    What they have left stays, and how far their probabilities and times of recovery are from those
    of rest: above it on the way to 1, below it in proportion. As in NEURON, the time since the last
    spike counts by the numbers of now, but where these act from step to step.

    Parameters
    ----------
    state : float64[t, 7], as it is.
    before, now : float64[t, 15], numbers of the releases.
    step : from which on they are others; ``dt`` in ms.
    """
    moved = state.copy()
    some = np.flatnonzero((before != now).any(axis=1))
    state, before, now = state[some], before[some], now[some]
    _catch_up(state, before, float(step), dt)
    moved[some] = state
    moved[some, TAU_R] = state[:, TAU_R] * (now[:, TAU_R0] / before[:, TAU_R0])
    used = before[:, PBTILDE] != now[:, PBTILDE]
    some, state, then, rest_now = some[used], state[used], before[used, PBTILDE], now[used, PBTILDE]
    ratio = np.divide(rest_now, then, out=np.zeros(len(some)), where=then > 0.0)
    raised = as_used(state[:, P], then, rest_now)
    moved[some, P] = np.where(state[:, P] < then, state[:, P] * ratio, raised)
    moved[some, PB] = np.where(then > 0.0, state[:, PB] * ratio, rest_now)
    return moved


@compiled
def _catch_up(states: FloatArray, numbers: FloatArray, step: float, dt: float) -> None:
    """Let time pass until a step for all that go from step to step."""
    for t in range(len(states)):
        state, lag = states[t], numbers[t, LAG]
        if numbers[t, IN_STEPS] != 0.0 and step - state[LAST] >= lag:
            advance(state, numbers[t], step - state[LAST] - lag, dt)
            state[SENT] = state[N] * state[P] * state[D]
            advance(state, numbers[t], lag, dt)
            state[LAST] = step


@leaf
def end_of(terminals: Terminals | None, begin: int, end: int) -> int:
    """Where the first of some synapses that follow each other is that has another terminal."""
    if terminals is None:
        return end
    if begin >= len(terminals.of):  # drawn
        return end
    at, mine = begin, terminals.of[begin]
    while at < end and terminals.of[at] == mine:
        at += 1
    return at


@leaf
def comes_last(terminals: Terminals, synapse: int, delay: float) -> bool:
    """Whether a spike acts again after a later one that first acts at the same time.

    NEURON delivers events of one time in the order in which they were sent: that of a spike as it
    leaves its source, the second one as the first acts. ``delay`` is that of the synapse, ms.
    """
    if synapse >= len(terminals.of):  # drawn
        return False
    t = terminals.of[synapse] - len(terminals.release)
    return t >= 0 and delay < 2.0 * terminals.delay[t]


@leaf
def share_of(terminals: Terminals | None, share: float) -> float:
    """The share itself; 1 where nothing is plastic, by which the compiler need not multiply."""
    if terminals is None:
        return 1.0
    return share


@leaf
def released(terminals: Terminals | None, synapse: int, step: int, due: float) -> float:
    """Share of its weight that a synapse releases at a spike, which all that share it do.

    Parameters
    ----------
    step : in which the spike acts.
    due : when it was to act, ms.
    """
    if terminals is None:
        return 1.0
    if synapse >= len(terminals.of) or terminals.of[synapse] < 0:  # drawn, or not plastic
        return 1.0
    t, again = terminals.of[synapse], 0
    if t >= len(terminals.release):
        t, again = t - len(terminals.release), 1
    numbers, state = terminals.numbers[terminals.release[t]], terminals.state[t]
    programs = terminals.programs
    address = programs.address[terminals.release[t]]
    if address != 0:
        passed = int(step - state[LAST]) if numbers[IN_STEPS] else 0
        state[LAST] = step
        return released_by(
            address, state, programs.numbers[terminals.release[t]], due, passed, terminals.dt,
            again,
        )  # fmt: skip
    if numbers[SITES] > 0.0:
        return at_random(state, numbers, due / terminals.dt, terminals.dt,
                         stream(terminals.seed, terminals.key[t], 0))  # fmt: skip
    if numbers[TAU_ACTIVE] > 0.0:
        return of_three_states(state, numbers, due / terminals.dt, terminals.dt)
    now = step * 1.0 if numbers[IN_STEPS] else due / terminals.dt
    steps, lag = now - state[LAST], numbers[LAG]
    if steps >= lag:
        advance(state, numbers, steps - lag, terminals.dt)
        state[SENT] = state[N] * state[P] * state[D]
        advance(state, numbers, lag, terminals.dt)
    share: float = state[SENT]
    state[LAST] = now
    state[N] -= state[N] * state[P]
    state[P] += numbers[A_F] * (1.0 - state[P])
    state[TAU_R] -= numbers[A_FDR] * state[TAU_R]
    state[D] -= numbers[A_D] * state[P] * state[N] * state[D]
    state[PB] -= numbers[A_I] * state[PB]
    return share


@leaf
def at_random(
    state: FloatArray, numbers: FloatArray, now: float, dt: float, numbers_drawn: np.uint64
) -> float:
    """Share of all sites that release at a spike: those that have been empty are asked first.

    Parameters
    ----------
    now : when the spike acts, in steps.
    numbers_drawn : the stream of random numbers, as it begins.
    """
    sites, span = int(numbers[SITES]), max(now - state[LAST], 0.0) * dt
    empty = exp(-span / numbers[TAU_R0])
    p = numbers[PBTILDE] + (state[P] - numbers[PBTILDE]) * exp(-span / numbers[TAU_F])
    full = int(state[N] * sites + 0.5)
    drawn = numbers_drawn + GOLDEN * np.uint64(state[DRAWN])
    draws = sites - full
    for _ in range(sites - full):
        drawn, u = uniform(drawn)
        full += u > empty
    draws += full
    gone = 0
    for _ in range(full):
        drawn, u = uniform(drawn)
        gone += u < p
    state[DRAWN] += draws
    state[N] = (full - gone) / sites
    state[P] = p + numbers[A_F] * (1.0 - p)
    state[LAST] = now
    return gone / sites


@leaf
def of_three_states(state: FloatArray, numbers: FloatArray, now: float, dt: float) -> float:
    """Share that becomes active at a spike; ``now`` is when it acts, in steps."""
    span = max(now - state[LAST], 0.0) * dt
    active, back = exp(-span / numbers[TAU_ACTIVE]), exp(-span / numbers[TAU_R0])
    inactive = (1.0 - state[N] - state[D]) * back
    inactive += state[D] * (active - back) / (numbers[TAU_ACTIVE] / numbers[TAU_R0] - 1.0)
    p = numbers[PBTILDE] + (state[P] - numbers[PBTILDE]) * exp(-span / numbers[TAU_F])
    ready = 1.0 - state[D] * active - inactive
    share = ready * p
    state[N], state[D] = ready - share, state[D] * active + share
    state[P] = p + numbers[A_F] * (1.0 - p)
    state[LAST] = now
    return share


@leaf
def advance(state: FloatArray, numbers: FloatArray, steps: float, dt: float) -> None:
    """Let time pass without a spike: what NEURON's method (``cnexp``) makes of so many steps.

    n' and p' hold the variable that they depend on for every step. Of p that makes a geometric
    series.
    """
    if steps <= 0.0:
        return
    span = steps * dt
    _recover(state, numbers, steps, dt)
    if state[D] != 1.0:
        state[D] = 1.0 - (1.0 - state[D]) * exp(-span / numbers[TAU_D])
    pbtilde = numbers[PBTILDE]
    below = pbtilde - state[PB]
    if state[P] == pbtilde and below == 0.0:
        return
    fades = exp(-span / numbers[TAU_F])
    follows = 0.0
    if below != 0.0:
        faded, of_p = exp(-span / numbers[TAU_I]), exp(-dt / numbers[TAU_F])
        of_pb = exp(-dt / numbers[TAU_I])
        apart = of_pb - of_p
        series = (faded - fades) / apart if abs(apart) > 1e-9 else steps * fades / of_p
        follows = (1.0 - of_p) * below * series
        state[PB] = pbtilde - below * faded
    state[P] = pbtilde + (state[P] - pbtilde) * fades - follows


@leaf
def _recover(state: FloatArray, numbers: FloatArray, steps: float, dt: float) -> None:
    """n and tau_r after so many steps.

    1 - n shrinks by the product of exp(-dt / tau_r) of all steps. The exponents are added up by the
    formula of Euler and Maclaurin: the integral, half of what the ends differ by, a twelfth of
    their slopes. Where spikes have made tau_r short, and it doubles within a few steps, these come
    first, one by one.
    """
    tau_r0, tau_r, tau_FDR = numbers[TAU_R0], state[TAU_R], numbers[TAU_FDR]
    exponent = 0.0
    while steps >= 1.0 and dt * (tau_r0 - tau_r) > STEEP * tau_FDR * tau_r:
        exponent += dt / tau_r
        tau_r = tau_r0 - (tau_r0 - tau_r) * exp(-dt / tau_FDR)
        steps -= 1.0
    span = steps * dt
    exponent += span / tau_r0
    if tau_r != tau_r0:
        later = tau_r0 - (tau_r0 - tau_r) * exp(-span / tau_FDR)
        exponent += tau_FDR / tau_r0 * log(later / tau_r) + 0.5 * dt * (1.0 / tau_r - 1.0 / later)
        slopes = (tau_r0 - tau_r) / (tau_r * tau_r) - (tau_r0 - later) / (later * later)
        exponent += dt * dt / 12.0 * slopes / tau_FDR
        tau_r = later
    state[TAU_R] = tau_r
    state[N] = 1.0 - (1.0 - state[N]) * exp(-exponent)
