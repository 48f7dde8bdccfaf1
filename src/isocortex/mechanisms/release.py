"""Short-term plasticity: which share of its weight a synapse gives at each spike of its source.

One form holds all that there are here. Of the transmitter a terminal has a fraction n left, which
is released with probability p and finds a fraction D of receptors; a spike counts n p D times its
weight. Between spikes (Hennig 2013, doi:10.3389/fncom.2013.00045)

    n' = (1 - n) / tau_r,   tau_r' = (tau_r0 - tau_r) / tau_FDR,   D' = (1 - D) / tau_D,
    p' = (pb - p) / tau_f,  pb' = (pbtilde - pb) / tau_i

and at a spike, one after the other,

    n -= n p,   p += a_f (1 - p),   tau_r -= a_FDR tau_r,   D -= a_D p n D,   pb -= a_i pb.

BMTK's ``stp1syn`` to ``stp4syn`` leave parts of it out. So does the model of Tsodyks and Markram:
its u, which decays to 0 and is raised by Use (1 - u) before it is used, is p - Use over 1 - Use.

Where vesicles have three states (Tsodyks, Uziel & Markram 2000, J. Neurosci. 20:RC50), what is
released stays active for a time, is inactive after it, and only then ready again; D is what is
active.

Release at random (Fuhrmann et al. 2002, doi:10.1152/jn.00258.2001, with several sites) has that as
its mean: of some *sites*, each that is occupied releases its vesicle with probability p at a spike,
and each that is empty has been filled again since the last spike with the probability that n says.

All of this follows from when the source spikes. :mod:`isocortex.network.terminals` computes it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

#: What is not there recovers in any time.
ANY = 1.0


@dataclass(frozen=True, kw_only=True)
class Release:
    """How synapses release; times in ms, the rest are fractions.

    Attributes
    ----------
    p : at first; later it relaxes to ``pbtilde``.
    lag : steps between what a spike counts by and when it does: BMTK's ``stp2syn`` and ``stp5syn``
        take the product of n, p and D from the step before.
    in_steps : NEURON advances the variables from step to step; else they follow from the times of
        spikes, which need not be those of steps.
    sites : how many release at random; 0 where what is released is their mean.
    tau_active : time in which what is released becomes inactive, ms; 0 where it recovers at once.
    """

    tau_r0: float
    p: float
    pbtilde: float
    a_FDR: float = 0.0
    tau_FDR: float = ANY
    a_D: float = 0.0
    tau_D: float = ANY
    a_i: float = 0.0
    tau_i: float = ANY
    a_f: float = 0.0
    tau_f: float = ANY
    lag: float = 0.0
    in_steps: float = 1.0
    sites: float = 0.0
    tau_active: float = 0.0

    #: Time after which a spike acts once more, ms: it does not.
    later: ClassVar[float] = 0.0

    @property
    def numbers(self) -> tuple[float, ...]:
        """All of them, in order."""
        return tuple(getattr(self, each.name) for each in fields(Release))

    def paced(self, active: float, use: float, recovery: float, facilitation: float) -> Release:
        """The same at another pace, see :class:`isocortex.mechanisms.synapses.Pace`.

        ``use`` is a factor on what a spike releases after a long pause, and, where synapses
        facilitate as Tsodyks and Markram have it, on how much; ``recovery`` and ``facilitation``
        are factors on the times in which depression and facilitation fade. What is released stays
        active as long as the conductance lasts (``active``).

        Raises
        ------
        ValueError : a fraction above 1, or times that cannot be.
        """
        used = self.pbtilde * use
        raises = self.a_f > 0.0 and not self.in_steps  # by as much as is used
        return replace(
            self, pbtilde=used, p=self.p if use == 1.0 else as_used(self.p, self.pbtilde, used),
            a_f=used if raises else self.a_f, tau_r0=self.tau_r0 * recovery,
            tau_f=self.tau_f * facilitation if self.a_f > 0.0 else self.tau_f,
            tau_active=self.tau_active * active,
        )  # fmt: skip

    def __post_init__(self) -> None:
        for item in fields(Release):
            value = getattr(self, item.name)
            if item.name.startswith("tau_") and item.name != "tau_active" and not value > 0.0:
                raise ValueError(f"{item.name} must be positive, found {value:g}")
            if item.name == "sites":
                if value < 0.0 or value != int(value):
                    raise ValueError(f"the number of sites must be whole, found {value:g}")
            elif item.name == "tau_active":
                if value < 0.0 or value == self.tau_r0:
                    raise ValueError(
                        f"tau_active must be positive and not be tau_r0, found {value:g}"
                    )
            elif not item.name.startswith("tau_") and not 0.0 <= value <= 1.0:
                raise ValueError(f"{item.name} must be between 0 and 1, found {value:g}")
        if self.a_FDR == 1.0:
            raise ValueError("a_FDR must be less than 1: recovery would take no time")


def as_used(p: Any, before: Any, now: Any) -> Any:
    """What a probability of release becomes where that of rest, ``before``, becomes another.

    How far it is on the way from there to 1 stays.
    """
    raised = (p - before) / (1.0 - before + (before == 1.0))
    return now + raised * (1.0 - now)


#: The parts of :class:`Release`, in the order of its numbers.
(
    TAU_R0, P_FIRST, PBTILDE, A_FDR, TAU_FDR, A_D, TAU_D, A_I, TAU_I, A_F, TAU_F, LAG, IN_STEPS,
    SITES, TAU_ACTIVE,
) = range(NUMBERS := len(fields(Release)))  # fmt: skip


def depressing(tau_r: float, p0: float) -> Release:
    """Vesicles that are used up and replaced: BMTK's stp1syn.

    And its stp4syn, whose second variable changes nothing.
    """
    return Release(tau_r0=tau_r, p=p0, pbtilde=p0)


def recovering_faster(tau_r0: float, p0: float, tau_FDR: float, a_FDR: float) -> Release:
    """Recovery that spikes make faster: BMTK's stp2syn."""
    return Release(tau_r0=tau_r0, p=p0, pbtilde=p0, tau_FDR=tau_FDR, a_FDR=a_FDR, lag=1.0)


def desensitising(
    tau_r0: float, p0: float, tau_FDR: float, a_FDR: float, tau_D: float, a_D: float
) -> Release:
    """Receptors that a spike desensitises, besides: BMTK's stp3syn."""
    plain = recovering_faster(tau_r0, p0, tau_FDR, a_FDR)
    return replace(plain, tau_D=tau_D, a_D=a_D, lag=0.0)


def hennig(
    *, tau_r0: float, pbtilde: float, tau_FDR: float, a_FDR: float, tau_D: float, a_D: float,
    tau_i: float, a_i: float, tau_f: float, a_f: float,
) -> Release:  # fmt: skip
    """All of it: BMTK's stp5syn, whose p is 1 when a simulation begins."""
    return Release(
        tau_r0=tau_r0, p=1.0, pbtilde=pbtilde, tau_FDR=tau_FDR, a_FDR=a_FDR, tau_D=tau_D, a_D=a_D,
        tau_i=tau_i, a_i=a_i, tau_f=tau_f, a_f=a_f, lag=1.0,
    )  # fmt: skip


def tsodyks_markram(use: float, dep: float, fac: float, u0: float = 0.0) -> Release:
    """Depression and facilitation (Tsodyks & Markram 1997), as in the synapses of the BBP.

    Parameters
    ----------
    use : fraction that a spike releases after a long pause.
    dep, fac : times in which depression and facilitation fade, ms; 0 is no facilitation.
    u0 : facilitation when a simulation begins.
    """
    plain = Release(tau_r0=dep, p=use, pbtilde=use, in_steps=0.0)
    if fac == 0.0:
        return plain
    return replace(plain, p=use + u0 * (1.0 - use), a_f=use, tau_f=fac)


def of_three_states(tau: float, U: float, tau_rec: float, tau_facil: float, u0: float) -> Release:
    """The same with a third state: NEURON's tmgsyn, whose conductance is what is active."""
    return replace(tsodyks_markram(U, tau_rec, tau_facil, u0), tau_active=tau)


def at_random(use: float, dep: float, fac: float, u0: float, sites: float) -> Release:
    """The same of single sites, as in the stochastic synapses of the BBP."""
    if sites < 1.0:
        raise ValueError(f"there must be one site or more, found {sites:g}")
    return replace(tsodyks_markram(use, dep, fac, u0), sites=sites)
