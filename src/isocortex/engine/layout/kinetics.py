"""How the two terms of conductances are kept, step by step: what kernels read of all kinetics.

Terms decay by the same factor at every step, so they need not be written at every step, and a step
is bound by bytes. A term is left alone for a *period*, in which it falls to between a half and a
quarter, and stands for itself times the power of its decay by then; an event adds its jump divided
by that power.

Half precision could not do otherwise. It has eleven bits: a term that fell by less than half the
last of them in a step would never fall, and one that falls by a few of them falls too fast or too
slowly. So its periods may be long, where those of other precisions end soon enough for a small
table. A half is rounded at events and once a period, and is zero in the end: half of the smallest
number there is becomes zero.

Periods are powers of two of steps, counted from the beginning of the simulation, so that nothing
follows from where a run was cut into pieces.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.elementary import exp
from isocortex.engine import cable
from isocortex.engine.interface import Settings
from isocortex.engine.layout.arrays import KineticsTable
from isocortex.engine.precision import in_half
from isocortex.errors import ConfigError
from isocortex.mechanisms.synapses import Kinetics

#: What a half of 1 stands for, uS: they end at 65504 (64 uS) and lose bits below 2^-14 (6e-8 uS).
UNIT = 2.0**-10
#: Steps of the longest period of double and single precision.
LONGEST = 32
#: Of a difference of halves, the rounding of each (2^-11) is this often that of an event's peak.
MOST_SCALE = 10.0

A_NUMBERS = [cable.RISE, cable.POWER_A, cable.JUMP_A]
B_NUMBERS = [cable.DECAY, cable.POWER_B, cable.JUMP_B]


class _Term(NamedTuple):
    """It decays by exp(-rate) in a step, jumps at events of unit weight, is written once a period.

    Attributes
    ----------
    period : in steps.
    """

    rate: float
    jump: float
    period: int

    def numbers(self, steps: IntArray, unit: float) -> FloatArray:
        """float64[steps, 3], factor, power and jump in steps; a 1 in memory is one ``unit``."""
        phase = steps % self.period
        power = unit * exp(-self.rate * phase)
        decay = exp(-self.rate * self.period)
        factor = np.where(phase == self.period - 1, decay, cable.NOT_NOW)
        return np.column_stack([factor, power, self.jump / power])


class KineticsTables:
    """The tables of all kinetics, for whichever steps they are.

    Parameters
    ----------
    dtype : of the numbers that are computed with.
    on_device : whether a GPU reads them. Of its double and single precision a period is one step:
        straight kernels count powers from where a window begins.

    Raises
    ------
    ConfigError : kinetics that half precision cannot hold, where the settings ask for it.
    """

    def __init__(
        self, kinetics: list[Kinetics], settings: Settings, dtype: np.dtype, on_device: bool
    ) -> None:
        self.kinetics, self.dtype = kinetics, dtype
        self.in_half = in_half(settings.precision)
        if self.in_half:
            for k in kinetics:
                _require_in_half(k)
        self.unit = UNIT if self.in_half else 1.0
        most = None if self.in_half else 1 if on_device else LONGEST
        # Crank-Nicolson wants the conductance in the middle of the step: let it jump there
        ahead = 0.5 * settings.dt if settings.second_order else 0.0
        self.terms = [_terms(k, settings.dt, ahead, most) for k in kinetics]
        self.cycle = max((term.period for terms in self.terms for term in terms), default=1)
        self.block = _blocks(kinetics, dtype)

    def over(self, first: int, n_steps: int) -> KineticsTable:
        """Of some steps from ``first`` on, and of the one after them."""
        steps = first + np.arange(min(n_steps + 1, self.cycle))
        number = np.zeros((len(steps), len(self.kinetics), cable.KINETICS))
        for k, (kinetics, (a, b)) in enumerate(zip(self.kinetics, self.terms, strict=True)):
            number[:, k, cable.REVERSAL] = kinetics.reversal
            number[:, k, A_NUMBERS] = a.numbers(steps, self.unit)
            number[:, k, B_NUMBERS] = b.numbers(steps, self.unit)
        repeat = self.cycle - 1 if len(steps) == self.cycle else -1
        return KineticsTable(
            number.ravel().astype(self.dtype), number[0].size, repeat, np.array([first]), self.block
        )

    def powers(self, step: int) -> FloatArray:
        """float64[kinetics, 2], what A and B in memory are to be multiplied by after some steps."""
        number = self.over(step, 0).number.reshape(-1, cable.KINETICS)
        return number[:, [cable.POWER_A, cable.POWER_B]].astype(np.float64)


def _blocks(kinetics: list[Kinetics], dtype: np.dtype) -> np.ndarray | None:
    """What kernels read of what blocks channels; None where nothing does."""
    if all(k.block is None for k in kinetics):
        return None
    numbers = np.zeros((len(kinetics), cable.BLOCK))
    for k, each in enumerate(kinetics):
        if each.block is not None:
            ratio, slope = each.block.ratio, each.block.slope
            moved = exp(-slope * cable.MOVE)
            numbers[k] = ratio, slope, moved, (1.0 - moved) / cable.MOVE
    return numbers.ravel().astype(dtype)


def _terms(kinetics: Kinetics, dt: float, ahead: float, most: int | None) -> tuple[_Term, _Term]:
    """A, which without a rise is 0, whatever becomes of it, and B."""
    rates = [dt / tau for tau in (kinetics.tau_rise or kinetics.tau_decay, kinetics.tau_decay)]
    a, b = (
        _Term(rate, jump, _period(rate, most))
        for rate, jump in zip(rates, kinetics.jumps(ahead), strict=True)
    )
    return a, b


def _period(rate: float, most: int | None) -> int:
    """Steps in which a term falls to a half or less, a power of two; no more than ``most``."""
    least = math.log(2.0) / rate if rate > 0.0 else math.inf
    if most is not None:
        least = min(least, most)
    return 1 << max(math.ceil(math.log2(least)), 0)


def _require_in_half(kinetics: Kinetics) -> None:
    """Refuse kinetics whose terms differ too little to be rounded each.

    Raises
    ------
    ConfigError : names them.
    """
    if math.isinf(kinetics.tau_decay):
        raise ConfigError(
            "mixed precision cannot hold conductances that only later events take off again: what "
            "is lost in rounding would last",
            field="precision", fix="Use single or double precision.",
        )  # fmt: skip
    if kinetics.scale > MOST_SCALE:
        raise ConfigError(
            f"mixed precision cannot hold kinetics with tau1 {kinetics.tau_rise:g} ms and tau2 "
            f"{kinetics.tau_decay:g} ms: their conductance is a small difference of large numbers",
            field="precision", fix="Use single or double precision.",
        )  # fmt: skip
