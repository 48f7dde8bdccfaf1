"""Population events: bursts and seizure-like discharges, and the order in which groups join.

Everything is read off the counts of groups in bins (``analysis.counts.group_counts``), so times
are told to a bin. A group *bursts* while its count lies above its own baseline by several robust
standard deviations. Bursts of a group that follow each other are one *discharge*; a discharge that
lasts, and carries several times the resting rate all along, is *seizure-like*. An event is either
what such discharges of some groups have in common in time, with every burst meanwhile, or a
*burst* of one group or several one upon the other.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

BURST, SEIZURE_LIKE = "burst", "seizure-like"
#: Median absolute deviation -> standard deviation, of a normal distribution.
NORMAL = 1.4826
#: Bursts of a group -> what they span together.
SPAN = {"group": "first", "onset_ms": "min", "end_ms": "max", "peak": "max"}
#: Columns of the table of groups that took part in an event.
COLUMNS = ["onset_ms", "end_ms", "latency_ms", "order", "bursts", "mean_hz", "peak_hz", "ratio",
           "lasting"]  # fmt: skip


@dataclass(frozen=True)
class Criteria:
    """What counts as an event.

    Attributes
    ----------
    deviations : above the baseline's median that a burst must be. Five, for three bins of 10 ms in
        a row, chance hardly meets: one burst in 8 * 10^5 s of independent Poisson groups with
        0.05 to 50 spikes per bin.
    min_duration : ms, of a burst. Shorter ones are single volleys.
    gap : ms, shorter pauses do not end a burst.
    join : ms, bursts of a group at most so far apart are one discharge, and discharges of groups
        one seizure-like event. Clonic discharges come at 1 Hz or faster; interictal ones are rarer.
    spread : ms, bursts of groups at most so far apart are one event: the time that a pulse takes
        from an area to the next and there to a burst.
    seizure_duration : ms, of a seizure-like discharge. Clinical EEG asks for 10 s (Hirsch et al.
        2021, doi:10.1097/WNP.0000000000000806); the default is for runs of some seconds.
    seizure_factor : times its mean baseline rate that a group must fire over the whole of such a
        discharge, pauses included. It keeps apart a seizure and bursts that happen to follow
        each other.
    seizure_share : share of all cells that groups with such a discharge must hold. None: a focal
        seizure is one.
    """

    deviations: float = 5.0
    min_duration: float = 30.0
    gap: float = 20.0
    join: float = 1000.0
    spread: float = 100.0
    seizure_duration: float = 2000.0
    seizure_factor: float = 5.0
    seizure_share: float = 0.0


def baseline(counts: pd.DataFrame, window: tuple[float, float] | None = None) -> pd.DataFrame:
    """Resting level of each group's count.

    Parameters
    ----------
    counts : int[groups, bins], from :func:`isocortex.analysis.counts.group_counts`. An untreated
        run serves best: events that fill half of the bins hide in their own baseline.
    window : ms, bins that start from the first to before the second; all by default.

    Returns
    -------
    By group, in spikes per bin: ``mean``, ``median``, ``scale``, the standard deviation from the
    median absolute deviation, at least that of a Poisson count and at least 1.
    """
    if window is not None:
        starts = counts.columns.to_numpy(float)
        counts = counts.loc[:, (starts >= window[0] - 1e-9) & (starts < window[1] - 1e-9)]
    if counts.shape[1] == 0:
        raise ValueError("a baseline needs at least one bin")
    rows = counts.to_numpy(float)
    median = np.median(rows, axis=1)
    deviation = NORMAL * np.median(np.abs(rows - median[:, None]), axis=1)
    scale = np.maximum(deviation, np.sqrt(np.maximum(median, 1.0)))
    columns = {"mean": rows.mean(axis=1), "median": median, "scale": scale}
    return pd.DataFrame(columns, counts.index)


def bursts(
    counts: pd.DataFrame, bin_width: float, level: pd.DataFrame, criteria: Criteria | None = None
) -> pd.DataFrame:
    """Stretches in which a group's count lies above its baseline.

    Parameters
    ----------
    counts : int[groups, bins].
    bin_width : ms.
    level : from :func:`baseline`, with the same groups.

    Returns
    -------
    A row per burst, by group and onset: ``group``, ``onset_ms`` and ``end_ms``, start of the first
    bin and end of the last one above, ``duration_ms``, ``spikes``, ``peak``, spikes per bin.
    """
    criteria = criteria or Criteria()
    threshold = (level["median"] + criteria.deviations * level["scale"]).loc[counts.index]
    rows = counts.to_numpy()
    found = []
    for k, name in enumerate(counts.index):
        for first, last in _runs(rows[k] > threshold.iloc[k], criteria.gap / bin_width):
            duration = (last - first) * bin_width
            if duration >= criteria.min_duration - 1e-9:
                inside = rows[k, first:last]
                found.append((name, first * bin_width, last * bin_width, duration,
                              int(inside.sum()), int(inside.max())))  # fmt: skip
    names = ["group", "onset_ms", "end_ms", "duration_ms", "spikes", "peak"]
    return pd.DataFrame(found, columns=names)


@dataclass(frozen=True)
class PopulationEvent:
    """A burst or a seizure-like event.

    Attributes
    ----------
    kind : ``BURST`` or ``SEIZURE_LIKE``.
    onset, end : ms, of the first and the last group.
    recruitment : a row per group that took part, by onset: ``onset_ms``, ``end_ms``,
        ``latency_ms`` after the first, ``order``, 1 for the first, equal for equal onsets,
        ``bursts``, ``mean_hz`` and ``peak_hz`` per cell from its onset to its end, ``ratio`` of its
        rate to its mean baseline, ``lasting``: it meets the criteria of a seizure-like discharge.
    share_of_groups, share_of_cells : that took part, 0 to 1.
    """

    kind: str
    onset: float
    end: float
    recruitment: pd.DataFrame
    share_of_groups: float
    share_of_cells: float

    @property
    def duration(self) -> float:
        """ms."""
        return self.end - self.onset

    @property
    def origin(self) -> tuple[Hashable, ...]:
        """The group where it began; several if they began in the same bin."""
        return tuple(self.recruitment.index[self.recruitment["order"] == 1])


def population_events(
    counts: pd.DataFrame,
    cells: ArrayLike,
    bin_width: float,
    level: pd.DataFrame,
    criteria: Criteria | None = None,
) -> list[PopulationEvent]:
    """Bursts and seizure-like events of a population, in the order of time.

    Parameters
    ----------
    counts : int[groups, bins].
    cells : int[groups], number of cells, silent ones included.
    bin_width : ms. 5 to 20; an onset is told to a bin, and a count per bin of less than one hides
        bursts below five spikes per bin.
    level : from :func:`baseline`, best of an untreated run.
    """
    criteria = criteria or Criteria()
    found = bursts(counts, bin_width, level, criteria)
    size = pd.Series(np.asarray(cells, dtype=float), counts.index)
    rates = _Rates(counts, size, bin_width, level)
    lasting = _lasting(found, rates, criteria)
    free, events = np.ones(len(found), dtype=bool), []
    for discharges in _clusters(lasting, criteria.join):
        names = discharges["group"].unique()
        if size.loc[names].sum() < criteria.seizure_share * size.sum():
            continue
        begin, end = discharges["onset_ms"].min(), discharges["end_ms"].max()
        meanwhile = free & ((found["end_ms"] > begin) & (found["onset_ms"] < end)).to_numpy()
        free &= ~meanwhile
        events.append(_event(SEIZURE_LIKE, found[meanwhile], rates, set(names)))
    events += [
        _event(BURST, each, rates, set()) for each in _clusters(found[free], criteria.spread)
    ]
    return sorted(events, key=lambda event: event.onset)


def event_table(events: Sequence[PopulationEvent]) -> pd.DataFrame:
    """Events to be read by people, a row each: kind, times (ms), origin, how much took part."""
    names = ["kind", "onset_ms", "duration_ms", "origin", "groups", "share_of_groups",
             "share_of_cells"]  # fmt: skip
    rows = [
        (each.kind, each.onset, each.duration, ", ".join(map(str, each.origin)),
         len(each.recruitment), each.share_of_groups, each.share_of_cells)
        for each in events
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def _runs(above: np.ndarray, gap: float) -> list[tuple[int, int]]:
    """First bin and the one after the last of stretches whose pauses are shorter than ``gap``."""
    edges = np.diff(np.concatenate([[0], above.astype(np.int8), [0]]))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    apart = np.flatnonzero(first[1:] - last[:-1] >= max(gap, 1.0) - 1e-9)
    if not len(first):
        return []
    first = first[np.concatenate([[0], apart + 1])]
    last = last[np.concatenate([apart, [len(last) - 1]])]
    return list(zip(first.tolist(), last.tolist(), strict=True))


@dataclass(frozen=True)
class _Rates:
    """Counts, with what is needed to tell a group's rate between two times."""

    counts: pd.DataFrame
    size: pd.Series
    bin_width: float
    level: pd.DataFrame

    def add_to(self, spans: pd.DataFrame) -> pd.DataFrame:
        """``spans`` (``group``, ``onset_ms``, ``end_ms``, ``peak``) with rates in Hz per cell."""
        row = self.counts.index.get_indexer(spans["group"])
        first = np.rint(spans["onset_ms"].to_numpy(float) / self.bin_width).astype(np.int64)
        last = np.rint(spans["end_ms"].to_numpy(float) / self.bin_width).astype(np.int64)
        counts = self.counts.to_numpy()
        per_bin = np.array(
            [counts[k, a:b].mean() for k, a, b in zip(row, first, last, strict=True)], dtype=float
        )
        hz = 1000.0 / (self.bin_width * self.size.to_numpy(float)[row])
        rest = self.level["mean"].loc[self.counts.index].to_numpy(float)[row]
        ratio = np.divide(per_bin, rest, np.full(len(rest), np.inf), where=rest > 0)
        return spans.assign(mean_hz=per_bin * hz, peak_hz=spans["peak"] * hz, ratio=ratio)


def _lasting(found: pd.DataFrame, rates: _Rates, criteria: Criteria) -> pd.DataFrame:
    """Seizure-like discharges: bursts of a group that follow each other, as one row."""
    pause = found["onset_ms"] - found.groupby("group", sort=False)["end_ms"].shift()
    which = (~(pause <= criteria.join)).cumsum()  # the first of a group has no pause before
    table = rates.add_to(found.groupby(which).agg(SPAN))
    long = table["end_ms"] - table["onset_ms"] >= criteria.seizure_duration - 1e-9
    return table[long & (table["ratio"] >= criteria.seizure_factor)]


def _clusters(spans: pd.DataFrame, apart: float) -> list[pd.DataFrame]:
    """Spans of time in groups that overlap or follow each other within ``apart`` ms."""
    spans = spans.sort_values("onset_ms", kind="stable")
    reached = spans["end_ms"].cummax().shift(fill_value=-np.inf)
    return [each for _, each in spans.groupby((spans["onset_ms"] > reached + apart).cumsum())]


def _event(
    kind: str, found: pd.DataFrame, rates: _Rates, lasting: set[Hashable]
) -> PopulationEvent:
    grouped = found.groupby("group", sort=False)
    table = rates.add_to(grouped.agg(SPAN).assign(bursts=grouped.size()))
    table = table.set_index("group").sort_values("onset_ms", kind="stable")
    onset = float(table["onset_ms"].min())
    table["latency_ms"] = table["onset_ms"] - onset
    table["order"] = table["onset_ms"].rank(method="min").astype(np.int64)
    table["lasting"] = [name in lasting for name in table.index]
    return PopulationEvent(
        kind,
        onset,
        float(table["end_ms"].max()),
        table[COLUMNS],
        len(table) / len(rates.size),
        float(rates.size.loc[table.index].sum() / rates.size.sum()),
    )
