"""How the two terms of conductances are kept, step by step: what kernels read of all kinetics.

In double and single precision both terms are written at every step. Half precision has eleven
bits: a term that fell by less than half the last of them in a step would never fall, and one that
falls by a few of them falls too fast or too slowly. So a half is left alone for a *period*, in
which it falls to between a half and a quarter, and stands for itself times the power of its decay
by then; an event adds its jump divided by that power. It is rounded at events and once a period,
and is zero in the end: half of the smallest number there is becomes zero.

Periods are powers of two of steps, counted from the beginning of the simulation, so that nothing
follows from where a run was cut into pieces.
"""

from __future__ import annotations

import math

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
#: Of a difference of halves, the rounding of each (2^-11) is this often that of an event's peak.
MOST_SCALE = 10.0

A_NUMBERS = [cable.RISE, cable.POWER_A, cable.JUMP_A]
B_NUMBERS = [cable.DECAY, cable.POWER_B, cable.JUMP_B]


class KineticsTables:
    """The tables of all kinetics, for whichever steps they are.

    Parameters
    ----------
    dtype : of the numbers that are computed with.

    Raises
    ------
    ConfigError : kinetics that half precision cannot hold, where the settings ask for it.
    """

    def __init__(self, kinetics: list[Kinetics], settings: Settings, dtype: np.dtype) -> None:
        self.kinetics, self.dt, self.dtype = kinetics, settings.dt, dtype
        self.in_half = in_half(settings.precision)
        # Crank-Nicolson wants the conductance in the middle of the step: let it jump there
        ahead = 0.5 * settings.dt if settings.second_order else 0.0
        self.jumps = [k.jumps(ahead) for k in kinetics]
        self.block = _blocks(kinetics, dtype)
        if self.in_half:
            for k in kinetics:
                _require_in_half(k)

    def over(self, first: int, n_steps: int) -> KineticsTable:
        """Of some steps from ``first`` on, and of the one after them."""
        steps = first + np.arange(n_steps + 1 if self.in_half else 1)
        number = np.zeros((len(steps), len(self.kinetics), cable.KINETICS))
        for k, (kinetics, jumps) in enumerate(zip(self.kinetics, self.jumps, strict=True)):
            number[:, k, cable.REVERSAL] = kinetics.reversal
            if self.in_half:
                # without a rise A is 0, whatever becomes of it
                rise, decay = kinetics.tau_rise or kinetics.tau_decay, kinetics.tau_decay
                number[:, k, A_NUMBERS] = _halves(self.dt / rise, jumps[0], steps)
                number[:, k, B_NUMBERS] = _halves(self.dt / decay, jumps[1], steps)
            else:
                factors = kinetics.factors(self.dt)
                number[:, k, A_NUMBERS] = factors[0], 1.0, jumps[0]
                number[:, k, B_NUMBERS] = factors[1], 1.0, jumps[1]
        stride = number[0].size if self.in_half else 0
        return KineticsTable(number.ravel().astype(self.dtype), stride, first, self.block)

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


def _halves(rate: float, jump: float, steps: IntArray) -> FloatArray:
    """float64[steps, 3], factor, power and jump of a term that decays by exp(-rate) in a step."""
    period = _period(rate)
    phase = steps % period
    power = UNIT * exp(-rate * phase)
    factor = np.where(phase == period - 1, exp(-rate * period), cable.NOT_NOW)
    return np.column_stack([factor, power, jump / power])


def _period(rate: float) -> int:
    """Steps in which a term falls to a half or less, a power of two."""
    return 1 << max(math.ceil(math.log2(math.log(2.0) / rate)), 0)


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
