"""What arms are compared by: numbers of groups of neurons, from the spikes of one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from isocortex.analysis.correlations import fano_factors, pair_correlations, rate_correlations
from isocortex.analysis.counts import Groups, by_group
from isocortex.analysis.events import baseline, bursts
from isocortex.analysis.irregularity import irregularity
from isocortex.analysis.spectra import segment_length, spectra_by_group
from isocortex.cortex.counts import HEMISPHERES
from isocortex.errors import ConfigError
from isocortex.validation.neurons import Neurons, Spikes

#: ms, of counts that are correlated, and of those in which bursts are looked for.
BIN, EVENT_BIN = 50.0, 10.0
#: Hz, from, to before.
BANDS = {
    "delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0),
    "gamma": (30.0, 80.0),
}  # fmt: skip
#: What groups are made of -> the attribute of neurons.
ATTRIBUTES = {
    "area": "area", "side": "side", "hemisphere": "side", "layer": "layer", "class": "cell_class",
    "cell_class": "cell_class", "sign": "sign", "ei": "sign",
}  # fmt: skip
ALL = "all"
#: Cells fire much if they do more than this share of their group does in the control.
MUCH = 0.9


@dataclass(frozen=True)
class Look:
    """One run, and what it is looked at with.

    Attributes
    ----------
    spikes, rest : of the run, and of the control of the same seed in the same time.
    groups : name -> node ids.
    """

    spikes: Spikes
    rest: Spikes
    groups: Groups


@dataclass(frozen=True)
class Measure:
    """A number of every group.

    Attributes
    ----------
    what, unit : for people.
    of : gives it, by group; NaN where it is not defined.
    against_rest : it is told against the rest of the same neurons.
    """

    what: str
    unit: str
    of: Callable[[Look], pd.Series]
    against_rest: bool = False


def _rate(look: Look) -> pd.Series:
    means = [rates.mean() for rates in look.spikes.rates(look.groups)]
    return pd.Series(means, by_group(look.groups))


def _hyperactive(look: Look) -> pd.Series:
    before, now = look.rest.rates(look.groups), look.spikes.rates(look.groups)
    shares = [
        np.mean(mine > np.quantile(rest, MUCH)) for rest, mine in zip(before, now, strict=True)
    ]
    return pd.Series(shares, by_group(look.groups), dtype=float)


def _irregularity(look: Look, column: str) -> pd.Series:
    spikes = look.spikes
    return irregularity(spikes.times, spikes.ids, look.groups, spikes.duration)[column]


def _correlation(look: Look) -> pd.Series:
    spikes = look.spikes
    found = pair_correlations(
        spikes.times, spikes.ids, look.groups, spikes.duration, BIN, n_shuffles=0
    )
    return found["correlation"]


def _synchrony(look: Look) -> pd.Series:
    return fano_factors(look.spikes.counts(look.groups, BIN))


def _homotopic(look: Look) -> pd.Series:
    """Correlation with the rate of the same area of the other side; of groups by area and side."""
    matrix = rate_correlations(look.spikes.counts(look.groups, BIN))
    left, right = HEMISPHERES
    found = {}
    for name in look.groups:
        area, _, side = str(name).rpartition(" ")
        partner = f"{area} {left if side == right else right}"
        both = side in HEMISPHERES and partner in matrix.columns
        found[name] = matrix.at[name, partner] if both else np.nan
    return pd.Series(found, by_group(look.groups))


def _bursts(look: Look, share: bool) -> pd.Series:
    if look.rest.duration < EVENT_BIN:
        return pd.Series(np.nan, by_group(look.groups))
    level = baseline(look.rest.counts(look.groups, EVENT_BIN))
    counts = look.spikes.counts(look.groups, EVENT_BIN)
    found = bursts(counts, EVENT_BIN, level).groupby("group")
    seconds = 1e-3 * look.spikes.duration
    if share:
        return found["duration_ms"].sum().reindex(counts.index, fill_value=0.0) / (1e3 * seconds)
    return found.size().reindex(counts.index, fill_value=0) / seconds


def _power(look: Look, band: tuple[float, float]) -> pd.Series:
    spikes = look.spikes
    length = segment_length(spikes.duration)
    if length is None or 2000.0 / length >= band[1]:
        return pd.Series(np.nan, by_group(look.groups))
    decibels = {}
    for name, found in spectra_by_group(
        spikes.times, spikes.ids, look.groups, spikes.duration
    ).items():
        inside = (found.frequency >= band[0]) & (found.frequency < band[1])
        power = found.relative[inside].mean() if inside.any() else np.nan
        decibels[name] = 10.0 * np.log10(power) if power > 0 else np.nan
    return pd.Series(decibels, by_group(look.groups))


MEASURES: dict[str, Measure] = {
    "rate": Measure("mean firing rate", "Hz", _rate),
    "silent": Measure(
        "share of cells without a spike", "", partial(_irregularity, column="silent")
    ),
    "hyperactive": Measure(
        f"share of cells that fire more than {MUCH:.0%} of the group do in the control", "",
        _hyperactive, against_rest=True,
    ),
    "cv": Measure(
        "median coefficient of variation of intervals", "", partial(_irregularity, column="cv")
    ),
    "correlation": Measure(
        f"mean correlation of the counts of pairs in {BIN:g} ms", "", _correlation
    ),
    "synchrony": Measure(
        f"Fano factor of the group's count in {BIN:g} ms, 1 for independent Poisson cells", "",
        _synchrony,
    ),
    "homotopic": Measure(
        f"correlation of the group's count in {BIN:g} ms with that of the other side's", "",
        _homotopic,
    ),
    "bursts": Measure(
        "bursts above the control's baseline", "per s", partial(_bursts, share=False),
        against_rest=True,
    ),
    "bursting": Measure(
        "share of the time in bursts above the control's baseline", "",
        partial(_bursts, share=True), against_rest=True,
    ),
    **{
        name: Measure(
            f"power of the group's rate, {low:g} to {high:g} Hz, over that of as many independent "
            "Poisson cells", "dB", partial(_power, band=(low, high)),
        )
        for name, (low, high) in BANDS.items()
    },
}  # fmt: skip


def measure_named(name: str) -> Measure:
    """One of ``MEASURES``.

    Raises
    ------
    ConfigError : there is none of this name.
    """
    if name not in MEASURES:
        raise ConfigError(
            f"there is no measure {name!r}",
            field="measure",
            fix=f"There are {', '.join(MEASURES)}.",
        )
    return MEASURES[name]


def attributes_of(by: str | Sequence[str]) -> list[str]:
    """Attributes of neurons that groups are made of; none for ``all``.

    Raises
    ------
    ConfigError : there is no such attribute.
    """
    words = by.split() if isinstance(by, str) else list(by)
    if words == [ALL]:
        return []
    for word in words or [""]:
        if word not in ATTRIBUTES:
            raise ConfigError(
                f"neurons have no {word!r}", field="by",
                fix=f"There are {ALL}, {', '.join(ATTRIBUTES)}.",
            )  # fmt: skip
    return [ATTRIBUTES[word] for word in words]


def groups_of(neurons: Neurons, by: str | Sequence[str]) -> Groups:
    """Node ids of the groups that attributes make.

    Parameters
    ----------
    by : ``all``, or one or more of ``ATTRIBUTES``, as ``area``, ``area side`` or ``layer class``.

    Raises
    ------
    ConfigError : there is no such attribute.
    """
    attributes = attributes_of(by)
    if not attributes:
        return {ALL: neurons.ids}
    columns = []
    for name in attributes:
        if name == "sign":
            columns.append(np.where(neurons.excitatory, "E", "I"))
        else:
            columns.append(getattr(neurons, name))
    names = columns[0]
    for column in columns[1:]:
        names = np.char.add(np.char.add(names, " "), column)
    return neurons.grouped(names)
