"""Synapses of one's own: which conductances an event leaves behind, by numbers of edges."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from isocortex.errors import ModelError
from isocortex.mechanisms.density import Parameter
from isocortex.mechanisms.synapses import Blocked, Kinetics, Magnesium, exp1syn

#: mV: where no channel is blocked; where the block is measured; where it is checked.
OPEN, MEASURED, CHECKED = 1000.0, (0.0, 40.0), np.linspace(-120.0, 60.0, 19)


class Exponentials(NamedTuple):
    """A conductance that jumps up and decays, or the difference of two.

    Attributes
    ----------
    rise, decay : time constants, ms; ``rise`` of 0 for one exponential.
    reversal : mV.
    jump : of each exponential at an event of weight 1, uS.
    """

    rise: float
    decay: float
    reversal: float
    jump: float


class Synapse:
    """Base of synapses; ``conductances`` returns a tuple of :class:`Exponentials`.

    Its arguments are parameters of the class, and ``v`` where magnesium blocks a conductance: the
    jump is then what conducts at that voltage.
    """

    parameters: ClassVar[dict[str, Parameter]] = {}
    conductances: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls) -> None:
        body = dict(vars(cls))
        cls.parameters = {k: p for k, p in body.items() if isinstance(p, Parameter)}
        function = body.get("conductances")
        if not inspect.isfunction(function):
            raise TypeError(f"{cls.__name__} has no function conductances")
        unknown = [a for a in inspect.signature(function).parameters
                   if a != "v" and a not in cls.parameters]  # fmt: skip
        if unknown:
            raise TypeError(f"{cls.__name__}.conductances asks for {unknown[0]!r}")
        cls.conductances = staticmethod(function)

    @classmethod
    def at(cls, v: float, numbers: dict[str, float]) -> tuple[Exponentials, ...]:
        """Its conductances with these parameters, at a voltage, mV."""
        names = inspect.signature(cls.conductances).parameters
        with np.errstate(all="ignore"):  # of where both sides are computed
            found = cls.conductances(*(v if name == "v" else numbers[name] for name in names))
        return tuple(Exponentials(*(float(x) for x in each)) for each in found)

    @classmethod
    def made(cls, numbers: dict[str, float]) -> list[tuple[Kinetics, float]]:
        """Kinetics of its conductances, and by what the weight of an event is multiplied.

        Raises
        ------
        ValueError : there are no such kinetics.
        """
        return [cls._one(k, numbers) for k in range(len(cls.at(OPEN, numbers)))]

    @classmethod
    def _one(cls, k: int, numbers: dict[str, float]) -> tuple[Kinetics, float]:
        rise, decay, reversal, jump = cls.at(OPEN, numbers)[k]
        if not (decay > 0.0 and 0.0 <= rise < decay):
            raise ValueError(f"it must decay slower than it rises, found {rise:g} and {decay:g} ms")
        kinetics = exp1syn(decay, reversal) if rise == 0.0 else Kinetics(rise, decay, reversal)
        factor = jump / kinetics.scale
        zero, other = (cls.at(v, numbers)[k].jump / jump for v in MEASURED)
        if zero == 1.0 or jump == 0.0:
            return kinetics, factor
        ratio = 1.0 / zero - 1.0
        slope = -np.log((1.0 / other - 1.0) / ratio) / (MEASURED[1] - MEASURED[0])
        block = Magnesium(ratio, float(slope))
        shares = [cls.at(v, numbers)[k].jump / jump for v in CHECKED]
        if not np.allclose(shares, [block.open(v) for v in CHECKED], rtol=1e-9, atol=0.0):
            raise ValueError("its block by the voltage is not 1 / (1 + a exp(-b v))")
        return Blocked(kinetics.tau_rise, kinetics.tau_decay, reversal, block), factor


class Synapses(dict[str, type[Synapse]]):
    """Synapses by name; a name is one synapse in a session."""

    def add(self, synapse: type[Synapse]) -> None:
        """Make a synapse known.

        Raises
        ------
        ModelError : another one has its name.
        """
        there = self.setdefault(synapse.__name__, synapse)
        if there.__module__ != synapse.__module__:
            raise ModelError(
                f"a synapse {synapse.__name__!r} of other content has been loaded in this session",
                fix="Rename it, or start Python anew.",
            )


#: Those of users' own files.
SYNAPSES = Synapses()
