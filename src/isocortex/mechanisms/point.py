"""Synapses of one's own: which conductances an event leaves behind, by numbers of edges.

Where they are plastic, every connection *holds* some numbers from spike to spike, and what an event
leaves behind is a share of its weight that follows from them. A spike may act once more some time
later, as where transmitter is there for a while and then gone.
"""

from __future__ import annotations

import hashlib
import inspect
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from isocortex.errors import ModelError
from isocortex.mechanisms.density import Parameter
from isocortex.mechanisms.release import ANY, Release
from isocortex.mechanisms.synapses import Blocked, Kinetics, Magnesium, exp1syn, receptor

#: mV: where no channel is blocked; where the block is measured; where it is checked.
OPEN, MEASURED, CHECKED = 1000.0, (0.0, 40.0), np.linspace(-120.0, 60.0, 19)


#: Numbers that a connection holds at most.
MOST_HELD = 6
#: ms, of what does not decay by itself.
FOREVER = float("inf")


@dataclass(frozen=True)
class Held:
    """A number that a connection holds from spike to spike."""


def held() -> Any:
    """Declare one."""
    return Held()


class Exponentials(NamedTuple):
    """A conductance that jumps up and decays, or the difference of two.

    Attributes
    ----------
    rise, decay : time constants, ms; ``rise`` of 0 for one exponential.
    reversal : mV.
    jump : of each exponential at an event of weight 1, uS.
    share : which of those that ``spike`` returns the weight counts by.
    """

    rise: float
    decay: float
    reversal: float
    jump: float
    share: float = 0


class Synapse:
    """Base of synapses; ``conductances`` returns a tuple of :class:`Exponentials`.

    Its arguments are parameters of the class, and ``v`` where magnesium blocks a conductance: the
    jump is then what conducts at that voltage.

    Where a class declares what is :func:`held`, ``begin`` returns these numbers as they are before
    the first spike, and ``spike`` what share of its weight each conductance jumps by, and the
    numbers as they are after the spike: two tuples. It may ask for them, for parameters, and for
    the time of the spike, ``t`` (ms). A ``step`` returns the numbers as they are a step later; it
    may ask for ``dt`` (ms).

    Where every spike is to act once more, ``later`` returns after which time (ms), of parameters
    alone, and ``again`` is what ``spike`` is, of what happens then; its ``t`` is the time of that.
    """

    parameters: ClassVar[dict[str, Parameter]] = {}
    held: ClassVar[tuple[str, ...]] = ()
    #: Which of its conductance and current single synapses are recorded by, and whether NEURON has
    #: the conductance as a state: as a step ends, not as it was computed with.
    reports: ClassVar[tuple[str, ...]] = ("g", "i")
    g_is_state: ClassVar[bool] = False
    conductances: ClassVar[Callable[..., Any]]
    begin: ClassVar[Callable[..., Any]]
    spike: ClassVar[Callable[..., Any]]
    step: ClassVar[Callable[..., Any]]
    later: ClassVar[Callable[..., Any]]
    again: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls) -> None:
        body = dict(vars(cls))
        cls.parameters = {k: p for k, p in body.items() if isinstance(p, Parameter)}
        cls.held = tuple(k for k, h in body.items() if isinstance(h, Held))
        if len(cls.held) > MOST_HELD:
            raise TypeError(f"{cls.__name__} holds more than {MOST_HELD} numbers")
        may: dict[str, tuple[str, ...]] = {"conductances": ("v",)}
        if cls.held or "again" in body:
            may |= {"begin": (), "spike": ("t", *cls.held)}
            if "step" in body:
                may["step"] = ("dt", *cls.held)
            if "again" in body:
                may |= {"later": (), "again": ("t", *cls.held)}
        elif "spike" in body:
            raise TypeError(f"{cls.__name__} has a function spike, and holds nothing")
        for name, known in may.items():
            function = body.get(name)
            if not inspect.isfunction(function):
                raise TypeError(f"{cls.__name__} has no function {name}")
            unknown = [a for a in inspect.signature(function).parameters
                       if a not in known and a not in cls.parameters]  # fmt: skip
            if unknown:
                raise TypeError(f"{cls.__name__}.{name} asks for {unknown[0]!r}")
            setattr(cls, name, staticmethod(function))

    @classmethod
    def in_steps(cls) -> bool:
        """Whether what connections hold goes on from step to step."""
        return hasattr(cls, "step")

    @classmethod
    def acts_again(cls) -> bool:
        """Whether every spike acts once more."""
        return hasattr(cls, "again")

    @classmethod
    def called(cls, function: str, numbers: dict[str, float]) -> Any:
        """What a function returns for numbers by the names of its arguments."""
        asked = inspect.signature(getattr(cls, function)).parameters
        with np.errstate(all="ignore"):  # of where both sides are computed, 1 / 0 among them
            return getattr(cls, function)(*(np.float64(numbers[name]) for name in asked))

    @classmethod
    def at(cls, v: float, numbers: dict[str, float]) -> tuple[Exponentials, ...]:
        """Its conductances with these parameters, at a voltage, mV."""
        found = cls.called("conductances", numbers | {"v": v})
        return tuple(Exponentials(*(float(x) for x in each)) for each in found)

    @classmethod
    def made(cls, numbers: dict[str, float]) -> list[tuple[Kinetics, float]]:
        """Kinetics of its conductances, and by what the weight of an event is multiplied.

        Raises
        ------
        ValueError : there are no such kinetics.
        """
        made = [cls._one(k, numbers) for k in range(len(cls.at(OPEN, numbers)))]
        if not hasattr(cls, "spike"):
            return made
        values = tuple(numbers[name] for name in cls.parameters)
        releases = [OwnRelease.of(cls, int(each.share), values) for each in cls.at(OPEN, numbers)]
        for each in releases:
            if cls.acts_again() and not 0.0 < each.later < FOREVER:
                raise ValueError(f"its spikes must act again later, not in {each.later:g} ms")
        return [
            (receptor(kinetics, release, cls.__name__), factor)
            for release, (kinetics, factor) in zip(releases, made, strict=True)
        ]

    @classmethod
    def _one(cls, k: int, numbers: dict[str, float]) -> tuple[Kinetics, float]:
        rise, decay, reversal, jump, _ = cls.at(OPEN, numbers)[k]
        if not (decay > 0.0 and 0.0 <= rise < decay):
            raise ValueError(f"it must decay slower than it rises, found {rise:g} and {decay:g} ms")
        kinetics = exp1syn(decay, reversal) if rise == 0.0 else Kinetics(rise, decay, reversal)
        factor = jump / kinetics.scale
        if jump == 0.0:
            return kinetics, factor
        zero, other = (cls.at(v, numbers)[k].jump / jump for v in MEASURED)
        if zero == 1.0:
            return kinetics, factor
        ratio = 1.0 / zero - 1.0
        slope = -np.log((1.0 / other - 1.0) / ratio) / (MEASURED[1] - MEASURED[0])
        block = Magnesium(ratio, float(slope))
        shares = [cls.at(v, numbers)[k].jump / jump for v in CHECKED]
        if not np.allclose(shares, [block.open(v) for v in CHECKED], rtol=1e-9, atol=0.0):
            raise ValueError("its block by the voltage is not 1 / (1 + a exp(-b v))")
        return Blocked(kinetics.tau_rise, kinetics.tau_decay, reversal, block), factor


@dataclass(frozen=True, kw_only=True)
class OwnRelease(Release):
    """How synapses of a user's file release.

    Attributes
    ----------
    module, synapse : where it is defined, and its name.
    part : which share it is of those that a spike releases.
    values : of all of its parameters.
    """

    module: str
    synapse: str
    part: int
    values: tuple[float, ...]

    @classmethod
    def of(cls, synapse: type[Synapse], part: int, values: tuple[float, ...]) -> OwnRelease:
        """One of those of a synapse."""
        told = repr((synapse.__module__, synapse.__name__, part, values))
        (digest,) = struct.unpack("<Q", hashlib.sha256(told.encode()).digest()[:8])
        return cls(
            tau_r0=ANY, p=1.0, pbtilde=1.0, in_steps=float(synapse.in_steps()),
            tau_i=1.0 + digest / 2.0**64,  # of no meaning, but files of states know it by that
            module=synapse.__module__, synapse=synapse.__name__, part=part, values=values,
        )  # fmt: skip

    @property
    def made_by(self) -> type[Synapse]:
        """The synapse."""
        found: type[Synapse] = getattr(sys.modules[self.module], self.synapse)
        return found

    @property
    def given(self) -> dict[str, float]:
        """Its parameters by name."""
        return dict(zip(self.made_by.parameters, self.values, strict=True))

    @property
    def begin(self) -> tuple[float, ...]:
        """What connections hold before the first spike."""
        return tuple(float(x) for x in self.made_by.called("begin", self.given))

    @property
    def later(self) -> float:  # type: ignore[override]
        """Time after which a spike acts again, ms; 0 where it does not."""
        made_by = self.made_by
        return float(made_by.called("later", self.given)) if made_by.acts_again() else 0.0

    def paced(self, active: float, use: float, recovery: float, facilitation: float) -> Release:
        """The same: which of its numbers these would change is not known.

        Raises
        ------
        ValueError : another factor than 1 on one of them, or on the decay of what acts again.
        """
        if active != 1.0 and self.later:
            raise ValueError("spikes that act again follow from its time constants as they are")
        if (use, recovery, facilitation) != (1.0, 1.0, 1.0):
            raise ValueError("what of a mod file's synapse is use or recovery is not known")
        return self


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
