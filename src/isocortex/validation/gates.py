"""The gates: what must hold of a cortex that lives by its own connections, and by what figures.

Criteria are those of measured cortex as far as there is a measurement; the others say what the word
means (a seizure, a focus). A gate that fails stands in the table with its figure and with what the
model would need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isocortex.cortex.drive import TOLERANCE
from isocortex.validation.neurons import JUDGED_CLASS

HOLDS, FAILS, UNMEASURED = "holds", "fails", "not measured"
#: Of a gate: so does what was measured, and some of it was not.
PART = "holds in part"
#: Seeds without which nothing is said of their spread.
ENOUGH_SEEDS = 3


@dataclass(frozen=True)
class Source:
    """A publication: how it is cited, and where it is."""

    text: str
    url: str = ""


SIEGLE = Source("Siegle et al. 2021", "https://doi.org/10.1038/s41586-020-03171-x")
HARRIS = Source("Harris et al. 2019", "https://doi.org/10.1038/s41586-019-1716-z")
HAIDER = Source("Haider et al. 2013", "https://doi.org/10.1038/nature11665")
ECKER = Source("Ecker et al. 2014", "https://doi.org/10.1016/j.neuron.2014.02.006")
DENMAN = Source("Denman & Contreras 2014")
OKUN = Source("Okun et al. 2015", "https://doi.org/10.1038/nature14273")
CAMPAGNOLA = Source("Campagnola et al. 2022", "https://doi.org/10.1126/science.abj5861")
SANZENI = Source("Sanzeni et al. 2020", "https://pmc.ncbi.nlm.nih.gov/articles/PMC7324160/")
ROSSI = Source("Rossi et al. 2017", "https://doi.org/10.1038/s41467-017-00159-6")
TREVELYAN = Source("Trevelyan et al. 2007")


@dataclass(frozen=True)
class Criterion:
    """A number, and between which values it must lie; told only, where there are none.

    Attributes
    ----------
    quantity : name of the measured value.
    what : the number in words.
    low, high : the ends belong to what is allowed.
    unit : "%" is for shares that are measured from 0 to 1.
    """

    quantity: str
    what: str
    low: float = -np.inf
    high: float = np.inf
    unit: str = ""

    @property
    def judged(self) -> bool:
        return bool(np.isfinite(self.low) or np.isfinite(self.high))

    @property
    def target(self) -> str:
        """In words; empty if it is told only."""
        scale = 100.0 if self.unit == "%" else 1.0
        low, high = (f"{scale * end:.3g}" for end in (self.low, self.high))
        unit = f" {self.unit}" if self.unit else ""
        if np.isfinite(self.low) and np.isfinite(self.high):
            return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"
        if np.isfinite(self.low):
            return f"at least {low}{unit}"
        return f"at most {high}{unit}" if np.isfinite(self.high) else ""

    def verdict(self, values: Sequence[float]) -> str:
        """Of what several seeds gave: their mean is judged; empty if it is told only."""
        known = [value for value in values if not np.isnan(value)]
        if not self.judged:
            return ""
        if not known:
            return UNMEASURED
        with np.errstate(invalid="ignore"):
            return HOLDS if self.low <= float(np.mean(known)) <= self.high else FAILS


@dataclass(frozen=True)
class Gate:
    """One thing that must hold.

    Attributes
    ----------
    name : for ``--gates`` and files.
    title : what people call it.
    what : the claim.
    needs : mechanisms that cortex has for it, to look for where it fails.
    """

    name: str
    title: str
    what: str
    criteria: tuple[Criterion, ...]
    sources: tuple[Source, ...] = ()
    needs: str = ""

    def verdict(self, criteria: Sequence[str]) -> str:
        """Of the verdicts of its criteria: all must hold, and have been measured."""
        judged = {verdict for verdict in criteria if verdict}
        if FAILS in judged:
            return FAILS
        return PART if len(judged) > 1 else (judged or {UNMEASURED}).pop()


def _focus(area: str) -> tuple[Criterion, ...]:
    name = f"focus.{area}"
    return (
        Criterion(f"{name}.first", f"areas that join {area} after it", low=0.8, unit="%"),
        Criterion(f"{name}.nearer",
                  f"probability that neighbours and partner of {area} join before other areas",
                  low=0.6),
        Criterion(f"{name}.ratio", f"rate of {area} over rest"),
        Criterion(f"{name}.reached", f"areas that join {area}", unit="%"),
        Criterion(f"{name}.partner_ms", f"latency of the partner of {area}", unit="ms"),
        Criterion(f"{name}.speed", f"speed of the spread from {area}", unit="mm/s"),
    )  # fmt: skip


def _light(region: str) -> tuple[Criterion, ...]:
    return (
        Criterion(f"light.{region}.Pvalb",
                  f"change of the Pvalb rate in {region}, at two doses at least, standard errors",
                  high=-2.0),
        Criterion(f"light.{region}.E",
                  f"change of the E rate in {region} at the strongest dose, standard errors",
                  high=-2.0),
    )  # fmt: skip


GATES = (
    Gate(
        "rates", "Rates",
        f"Every class of {JUDGED_CLASS} or more neurons fires at {TOLERANCE[0]:g} to "
        f"{TOLERANCE[1]:g} times its target.",
        (
            Criterion("rates.out", "classes out of range", high=0),
            Criterion("rates.E", "rate of excitatory cells", unit="Hz"),
            Criterion("rates.I", "rate of inhibitory cells", unit="Hz"),
        ),
        (SIEGLE,),
        "a background calibrated for this recipe (isocortex build calibrate)",
    ),
    Gate(
        "recurrence", "Recurrence carries",
        "The cortex drives itself: most of the excitation of its cells comes from its own.",
        (
            Criterion("recurrence.share", "excitatory charge of E cells that is recurrent",
                      low=0.5, unit="%"),
            Criterion("recurrence.cut_E", "E rate with recurrence cut, over rest",
                      high=2.0 / 3.0),
            Criterion("recurrence.cut_I", "I rate with recurrence cut, over rest"),
        ),
        (),
        "stronger recurrent excitation, held by inhibition, and a weaker background",
    ),
    Gate(
        "synapses", "Synapses are synapses",
        "The background is made of many small synapses, and their place does not decide who fires.",
        (
            Criterion("synapses.E", "largest background synapse on E cells", high=1.0, unit="nS"),
            Criterion("synapses.I", "largest background synapse on I cells", high=2.0, unit="nS"),
            Criterion("synapses.place", "variance of log rate that their place explains",
                      high=0.15, unit="%"),
        ),
        (CAMPAGNOLA,),
        "more and weaker background synapses per cell",
    ),
    Gate(
        "irregular", "Irregular",
        "Cells fire irregularly, at unequal rates, and few are silent.",
        (
            Criterion("irregular.cv", "median CV of the intervals of E cells", 0.7, 1.3),
            Criterion("irregular.cv2", "median CV2 of the intervals of E cells"),
            Criterion("irregular.cv_inhibitory", "median CV of the intervals of I cells"),
            Criterion("irregular.spread", "standard deviation of log10 rate of E cells", 0.3, 0.7),
            Criterion("irregular.silent", "E cells silent in 5 s", high=0.3, unit="%"),
        ),
        (),
        "fluctuating input: balance of excitation and inhibition, a distribution of weights",
    ),
    Gate(
        "correlated", "Correlated",
        "Cells of an area, areas, and most of all the two sides of an area go together.",
        (
            Criterion("correlated.pairs", "pair correlation within areas, 50 ms", 0.01, 0.2),
            Criterion("correlated.fano", "Fano factor of areas' counts, 50 ms", low=1.5),
            Criterion("correlated.areas", "correlation of areas' rates"),
            Criterion("correlated.areas_p", "probability of that by chance", high=0.05),
            Criterion("correlated.homotopic", "correlation of an area with its partner"),
            Criterion("correlated.homotopic_above", "that, above the other pairs of areas",
                      low=0.0),
        ),
        (DENMAN, ECKER, OKUN),
        "a slow background shared within areas; recurrent and callosal excitation",
    ),
    Gate(
        "balance", "Balance",
        "Inhibition holds excitation: its current at -60 mV is half of excitation's or more.",
        (
            Criterion("balance.ratio", "inhibitory over excitatory current of E cells at -60 mV",
                      low=0.5),
        ),
        (HAIDER,),
        "stronger inhibition onto excitatory cells, with the excitation that it balances",
    ),
    Gate(
        "seizure", "Seizure",
        "Without GABA-A the cortex seizes; the more is blocked, the more; a fifth is borne.",
        (
            Criterion("seizure.ratio", "E rate without GABA-A, over rest", low=5.0),
            Criterion("seizure.areas", "areas that discharge then", low=0.5, unit="%"),
            Criterion("seizure.synchrony", "pair correlation within areas then"),
            Criterion("seizure.half", "E rate with half blocked, over that with all", high=0.999),
            Criterion("seizure.fall", "largest fall from one dose to the next", high=0.05,
                      unit="%"),
            Criterion("seizure.mild", "areas that discharge with up to 20 % blocked", high=0.1,
                      unit="%"),
        ),
        (),
        "recurrent excitation strong enough to run away without inhibition",
    ),
    Gate(
        "focus", "Focus",
        "Without GABA-A in one area it discharges first, then its neighbours and its partner.",
        (*_focus("VISp"), *_focus("MOs")),
        (ROSSI, TREVELYAN),
        "excitation between areas strong enough to recruit them; inhibition that can be overrun",
    ),
    Gate(
        "stabilised", "Inhibition-stabilised",
        "Light on Pvalb cells lowers their own rate, and that of the excitatory cells.",
        (*_light("VISp"), *_light("SSp"), *_light("MOp")),
        (SANZENI,),
        "recurrent excitation that is unstable without inhibition",
    ),
    Gate(
        "lesion", "Lesion",
        "Where the output of V1 is cut, the areas that it projects to most notice.",
        (
            Criterion("lesion.beyond", "of its five strongest targets, beyond 3 standard errors",
                      low=3),
            Criterion("lesion.change", "mean change of their rates", unit="%"),
            Criterion("lesion.error", "mean standard error of that", unit="%"),
        ),
        (),
        "excitation between areas that is a larger part of a target's input",
    ),
    Gate(
        "evoked", "Evoked",
        "A pulse into layer 4 of V1 reaches higher visual areas in the order of the hierarchy, "
        "and the cortex returns to rest.",
        (
            Criterion("pulse.order", "rank correlation of latency and hierarchy", low=0.51),
            Criterion("pulse.return", "rate before the next pulse, over rest", 0.67, 1.5),
            Criterion("pulse.respond", "higher areas that respond", unit="%"),
            Criterion("pulse.source", "response of V1, standard deviations"),
        ),
        (SIEGLE, HARRIS),
        "feedforward connections that carry a volley from area to area",
    ),
    Gate(
        "spectrum", "Spectrum",
        "No single narrow peak holds more than half of the power below 100 Hz.",
        (
            Criterion("spectrum.share", "share of the strongest peak, whole cortex", high=0.5,
                      unit="%"),
            Criterion("spectrum.area_share", "the same, the highest of all areas", high=0.5,
                      unit="%"),
            Criterion("spectrum.wide", "the same within 2.5 Hz, whole cortex", unit="%"),
            Criterion("spectrum.frequency", "frequency of the strongest peak", unit="Hz"),
            Criterion("spectrum.excess", "its share of what is above Poisson cells", unit="%"),
        ),
        (),
        "less regular recurrent loops: a spread of delays, time constants and weights",
    ),
    Gate(
        "robust", "Robust",
        f"All of this at every one of {ENOUGH_SEEDS} seeds or more; of other scales and in-degrees "
        "their own tables tell.",
        (
            Criterion("robust.seeds", "seeds"),
            Criterion("robust.fails", "gates that fail at any of them", high=0),
        ),
        (),
        "see the gates that fail",
    ),
)  # fmt: skip
NAMES = tuple(gate.name for gate in GATES)
#: Judged over seeds, not in each.
OVER_SEEDS = ("lesion", "robust")
