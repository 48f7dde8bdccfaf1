"""Synaptic kinetics: which conductance an event of weight w (uS) leaves behind.

A conductance is the difference of two decaying exponentials, g = B - A, and both jump by
``weight * scale`` at an event. The equations are linear, so all synapses of the same kinetics on
one compartment share one pair (A, B). Where magnesium blocks the channels, what conducts is g times
the share that is open at the compartment's voltage; the pair is shared all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from isocortex.elementary import exp, log
from isocortex.mechanisms.release import Release

#: Synapses whose current reverses above this excite, mV: it is where cells begin to spike.
EXCITES_ABOVE = -40.0


class Pace(NamedTuple):
    """Factors on the numbers of synapses that say how their conductance goes on after a spike.

    Attributes
    ----------
    decay, rise : on time constants of the conductance.
    use, recovery, facilitation : see :meth:`Release.paced`.
    """

    decay: float = 1.0
    rise: float = 1.0
    use: float = 1.0
    recovery: float = 1.0
    facilitation: float = 1.0

    def touches(self, kinetics: Kinetics) -> bool:
        """Whether these synapses have any of the numbers that it changes."""
        release = kinetics.release
        return (
            self.decay != 1.0
            or (self.rise != 1.0 and kinetics.tau_rise > 0.0)
            or (release is not None and (self.use != 1.0 or self.recovery != 1.0))
            or (release is not None and self.facilitation != 1.0 and release.a_f > 0.0)
        )

    def __str__(self) -> str:
        """Its factors that are not 1."""
        told = zip(self._fields, self, strict=True)
        return ", ".join(f"{name} {factor:g}" for name, factor in told if factor != 1.0)


@dataclass(frozen=True)
class Magnesium:
    """Block of NMDA receptors by magnesium outside (Jahr & Stevens 1990).

    Attributes
    ----------
    ratio : mg / scale, magnesium by the concentration that blocks half of them at 0 mV.
    slope : /mV.
    """

    ratio: float
    slope: float

    def open(self, v: Any) -> Any:
        """The share that is open at a voltage, mV."""
        return opened(self.ratio, self.slope, v)


def opened(ratio: Any, slope: Any, v: Any) -> Any:
    """The share of channels that magnesium leaves open, see :class:`Magnesium`."""
    return 1.0 / (1.0 + ratio * exp(-slope * v))


@dataclass(frozen=True)
class Kinetics:
    """One kind of conductance synapse.

    Attributes
    ----------
    tau_rise, tau_decay : ms. ``tau_rise`` of 0 is a jump (NEURON's ExpSyn): A stays 0.
    reversal : mV.
    """

    tau_rise: float
    tau_decay: float
    reversal: float
    #: How much of its weight a synapse releases: all of it.
    release: ClassVar[Release | None] = None
    #: What keeps its channels closed: nothing.
    block: ClassVar[Magnesium | None] = None

    @property
    def conductance(self) -> Kinetics:
        """What an event of a given weight leaves behind, whatever was released."""
        if self.block is None:
            return Kinetics(self.tau_rise, self.tau_decay, self.reversal)
        return Blocked(self.tau_rise, self.tau_decay, self.reversal, self.block)

    def paced(self, pace: Pace) -> Kinetics:
        """The same at another pace.

        Raises
        ------
        ValueError : it would not rise faster than it decays, or cannot release so.
        """
        if not pace.touches(self):
            return self
        rise, decay = self.tau_rise * pace.rise, self.tau_decay * pace.decay
        if rise >= decay:
            raise ValueError(
                f"they must rise faster than they decay, not in {rise:g} and {decay:g} ms"
            )
        changed = replace(self, tau_rise=rise, tau_decay=decay)
        if rise > 0.0:
            times = exp2syn(rise, decay, self.reversal)
            changed = replace(changed, tau_rise=times.tau_rise, tau_decay=times.tau_decay)
        if self.release is None:
            return changed
        release = self.release.paced(pace.decay, *pace[2:])
        return replace(changed, release=release)  # type: ignore[call-arg]

    @property
    def scale(self) -> float:
        """Jump of A and B per unit weight, such that one event peaks at its weight."""
        if self.tau_rise == 0.0:
            return 1.0
        t_peak = (
            self.tau_rise
            * self.tau_decay
            / (self.tau_decay - self.tau_rise)
            * log(self.tau_decay / self.tau_rise)
        )
        return float(1.0 / (exp(-t_peak / self.tau_decay) - exp(-t_peak / self.tau_rise)))

    @property
    def excites(self) -> bool:
        return self.reversal > EXCITES_ABOVE

    @property
    def integral(self) -> float:
        """Integral of the conductance that one event of unit weight leaves behind, ms."""
        return self.scale * (self.tau_decay - self.tau_rise)

    def jumps(self, ahead: float) -> tuple[float, float]:
        """Jumps of A and B per unit weight, as they are ``ahead`` ms after the event."""
        rise, decay = self.factors(ahead)
        return (self.scale * rise if self.tau_rise > 0 else 0.0), self.scale * decay

    def factors(self, dt: float) -> tuple[float, float]:
        """Factors by which A and B decay in one step of ``dt`` ms."""
        rise = float(exp(-dt / self.tau_rise)) if self.tau_rise > 0 else 0.0
        return rise, float(exp(-dt / self.tau_decay))


@dataclass(frozen=True)
class Blocked(Kinetics):
    """The same of channels that magnesium blocks."""

    block: Magnesium  # type: ignore[misc]


@dataclass(frozen=True)
class Receptor(Kinetics):
    """A conductance of synapses that NEURON knows by a name, with all that is particular to them.

    Attributes
    ----------
    release : what share of their weight they release; None for all of it.
    name : of the synapses.
    part : of a synapse with several conductances the name of this one.
    """

    block: Magnesium | None = None  # type: ignore[misc]
    release: Release | None = None  # type: ignore[misc]
    name: str = ""
    part: str = ""


def receptor(kinetics: Kinetics, release: Release | None, name: str, part: str = "") -> Receptor:
    """A conductance of synapses of this name."""
    return Receptor(
        kinetics.tau_rise, kinetics.tau_decay, kinetics.reversal, block=kinetics.block,
        release=release, name=name, part=part,
    )  # fmt: skip


def nmda(tau1: float, tau2: float, erev: float, ratio: float, slope: float) -> Kinetics:
    """Two exponentials behind a block by magnesium; see :class:`Magnesium` for the last two."""
    plain = exp2syn(tau1, tau2, erev)
    if ratio == 0.0:
        return plain
    return Blocked(plain.tau_rise, plain.tau_decay, erev, Magnesium(ratio, slope))


def exp2syn(tau1: float, tau2: float, erev: float) -> Kinetics:
    """Two-exponential synapse, NEURON's Exp2Syn.

    NEURON lowers tau1 to 0.9999 tau2 where it is not smaller (0.9999 is its own threshold), and
    raises it to 1e-9 tau2 where it is nearer to zero.
    """
    if tau1 / tau2 > 0.9999:
        tau1 = 0.9999 * tau2
    if tau1 / tau2 < 1e-9:
        tau1 = tau2 * 1e-9
    return Kinetics(tau1, tau2, erev)


def exp1syn(tau: float, erev: float) -> Kinetics:
    """One-exponential synapse, NEURON's ExpSyn."""
    return Kinetics(0.0, tau, erev)
