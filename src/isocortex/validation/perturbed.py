"""Measures of a cortex that is disinhibited, lit, cut or pushed: pure functions of spikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from isocortex.analysis.correlations import pair_correlations
from isocortex.analysis.counts import group_counts
from isocortex.analysis.events import baseline, bursts
from isocortex.analysis.evoked import evoked_responses, triggered_responses
from isocortex.analysis.spread import spread_speed
from isocortex.arrays import FloatArray, IntArray
from isocortex.cortex.counts import HEMISPHERES
from isocortex.validation.measured import Measured, mean
from isocortex.validation.neurons import Neurons, Spikes, on
from isocortex.validation.resting import BIN, hertz, ratio

EVENT_BIN = 10.0  # ms
#: An area discharges if it bursts at this rate, or for this share of the time, and fires at this
#: multiple of its rate at rest: cortex at rest bursts too.
RHYTHMIC, SUSTAINED, RAISED = 2.0, 0.5, 3.0  # Hz, 1, 1
#: A dose of GABA-A blocker up to which there must be no seizure.
HARMLESS = 0.2
#: Areas that count as the neighbours of one: the nearest of its side on the flattened cortex.
NEIGHBOURS = 5
#: Of the largest discharge of a focus, what another burst must hold to be one.
LARGE = 0.2
#: ms before and after a discharge of a focus begins in which other areas may join; that of the
#: other side takes up to 200 ms.
BEFORE, AFTER = 100.0, 300.0
#: ms, of the pieces that tell how much a rate varies.
PIECE = 100.0


def discharging(spikes: Spikes, rest: Spikes, neurons: Neurons) -> pd.Series:
    """Whether each judged area discharges, rhythmically or all the time, against its rest."""
    areas = neurons.judged_areas
    if not areas:
        return pd.Series(dtype=bool)
    counts, level = spikes.counts(areas, EVENT_BIN), baseline(rest.counts(areas, EVENT_BIN))
    found = bursts(counts, EVENT_BIN, level).groupby("group")
    number = found.size().reindex(counts.index, fill_value=0)
    filled = found["duration_ms"].sum().reindex(counts.index, fill_value=0.0) / spikes.duration
    often = number >= np.maximum(RHYTHMIC * 1e-3 * spikes.duration, 2.0)
    raised = counts.mean(axis=1) >= RAISED * level["mean"]
    return (often | (filled >= SUSTAINED)) & raised


def dose_curve(doses: Mapping[float, Spikes], rest: Spikes, neurons: Neurons) -> Measured:
    """What blocking GABA-A everywhere does, dose by dose.

    Parameters
    ----------
    doses : share of GABA-A blocked, 0 to 1 -> spikes; rates are told against ``rest``.
    """
    found, rows = Measured(), []
    ids = neurons.by_sign["E"]
    for dose, spikes in sorted(doses.items()):
        seizing = discharging(spikes, rest, neurons)
        pairs = pair_correlations(
            spikes.times, spikes.ids, neurons.judged_areas, spikes.duration, BIN, n_shuffles=0
        )
        rows.append((dose, hertz(spikes, ids), ratio(spikes, rest, ids),
                     mean(seizing), mean(pairs["correlation"])))  # fmt: skip
    columns = ["dose", "E_hz", "E_ratio", "areas_discharging", "pair_correlation"]
    table = pd.DataFrame(rows, columns=columns).set_index("dose")
    found.tables["seizure"] = table
    if 1.0 in table.index:
        full = table.loc[1.0]
        found.put("seizure.ratio", full["E_ratio"], f"{full['E_hz']:.3g} Hz")
        found.put("seizure.areas", full["areas_discharging"],
                  f"of {len(neurons.judged_areas)} areas")  # fmt: skip
        found.put("seizure.synchrony", full["pair_correlation"])
    if {0.5, 1.0} <= set(table.index):
        found.put("seizure.half", table.at[0.5, "E_ratio"] / table.at[1.0, "E_ratio"])
    if len(table) > 2:
        steps = table["E_hz"].to_numpy()
        falls = (steps[:-1] - steps[1:]) / np.maximum(steps[:-1], 1e-9)
        found.put("seizure.fall", max(float(falls.max()), 0.0))
    mild = table[(table.index > 0) & (table.index <= HARMLESS + 1e-9)]
    if len(mild):
        found.put("seizure.mild", float(mild["areas_discharging"].max()))
    return found


def focus(
    spikes: Spikes,
    rest: Spikes,
    neurons: Neurons,
    area: str,
    side: str,
    *,
    since: float = 0.0,
) -> Measured:
    """Where activity goes from an area without inhibition: order, latency, speed.

    Around the moments at which discharges of the area begin; an area joins if it fires more then
    than chance makes it at rest. One that never joins comes last. Where none joins, none joins
    after the focus either: of nothing no share is all.

    Parameters
    ----------
    since : ms, when the area lost its inhibition: discharges that begin earlier do not count. Give
        ``BEFORE`` of what was before it, or a first discharge at once has no window and is lost.
    """
    found, here, name = Measured(), on(area, side), f"focus.{area}"
    areas = neurons.by_area
    if here not in areas:
        return found
    still, counts = rest.counts(areas, EVENT_BIN), spikes.counts(areas, EVENT_BIN)
    late = Spikes.between(spikes.times, spikes.ids, since, spikes.duration)
    found.put(f"{name}.ratio", ratio(late, rest, areas[here]))
    onsets = discharges(counts.loc[[here]], still.loc[[here]])
    onsets = onsets[onsets > since - EVENT_BIN]  # the bin in which it began counts
    table = triggered_responses(
        counts, still, onsets, before=BEFORE, after=AFTER, bin_width=EVENT_BIN
    )
    if np.isnan(table.at[here, "latency_ms"]):
        found.put(f"{name}.first", 0.0, "no discharge there")
        found.put(f"{name}.nearer", 0.5, "no discharge there")
        return found
    table["latency_ms"] -= table.at[here, "latency_ms"]
    others = table.drop(here)
    joined = others["latency_ms"].dropna()
    n = f"of {len(joined)} areas that join {len(onsets)} discharges"
    found.put(f"{name}.first", mean(joined > 0) if len(joined) else 0.0,
              n if len(joined) else f"no area joins {len(onsets)} discharges")  # fmt: skip
    near = _near(neurons, area, side)
    after = others["latency_ms"].fillna(np.inf)
    found.put(f"{name}.nearer", sooner(after[near].to_numpy(), after.drop(near).to_numpy()),
              f"{joined.index.isin(near).sum()} of {len(near)} join")  # fmt: skip
    partner = on(area, HEMISPHERES[1 - HEMISPHERES.index(side)])
    if partner in joined.index:
        found.put(f"{name}.partner_ms", joined[partner])
    found.put(f"{name}.reached", len(joined) / len(others), f"of {len(others)} areas")
    reached = table["latency_ms"].dropna()
    reached = reached[reached.index.str.endswith(f" {side}")]
    speed = spread_speed(reached, neurons.centroids, [here])
    if np.isfinite(speed.speed):
        found.put(f"{name}.speed", speed.speed, f"r2 {speed.r2:.2f}, {speed.n} areas of its side")
    found.tables[name] = table.sort_values(["latency_ms", "z"])
    return found


def discharges(counts: pd.DataFrame, rest: pd.DataFrame) -> FloatArray:
    """When bursts of a group begin that are raised and as large as any it had at rest, ms."""
    level = baseline(rest)
    found, before = bursts(counts, EVENT_BIN, level), bursts(rest, EVENT_BIN, level)
    per_bin = found["spikes"] * EVENT_BIN / found["duration_ms"]
    raised = per_bin >= RAISED * level["mean"].iloc[0]
    least = max(before["spikes"].max() if len(before) else 0, LARGE * found["spikes"].max())
    larger = found["spikes"] >= least
    onsets: FloatArray = found["onset_ms"][raised & larger].to_numpy(float)
    return onsets


def sooner(first: FloatArray, second: FloatArray) -> float:
    """Probability that one of the first comes before one of the second; ties count half."""
    if not len(first) or not len(second):
        return float("nan")
    a, b = first[:, None], second[None, :]
    return float(np.mean((a < b) + 0.5 * (a == b)))


def _near(neurons: Neurons, area: str, side: str) -> list[str]:
    """The nearest areas of the same side, and the partner on the other."""
    places = neurons.centroids
    places = places.loc[[k for k in places.index if k.endswith(f" {side}")]]
    away = np.linalg.norm(places - places.loc[on(area, side)], axis=1)
    order = places.index[np.argsort(away, kind="stable")][1 : NEIGHBOURS + 1]
    partner = on(area, HEMISPHERES[1 - HEMISPHERES.index(side)])
    return [*order, *([partner] if partner in neurons.by_area else [])]


def light(
    doses: Mapping[float, Spikes],
    dark: Spikes,
    neurons: Neurons,
    regions: Mapping[str, tuple[str, ...]],
) -> Measured:
    """What light on Pvalb cells does to them and to the excitatory cells around them.

    Parameters
    ----------
    doses : share of the cells' rheobase -> spikes under light.
    regions : name -> areas that are lit.
    """
    found, rows = Measured(), []
    for region, areas in regions.items():
        there = neurons.where(area=areas)
        cells = {
            "Pvalb": neurons.ids[there & neurons.where(cell_class="Pvalb")],
            "E": neurons.ids[there & neurons.excitatory],
        }
        if not all(map(len, cells.values())):
            continue
        lit = {
            kind: [(dose, ratio(s, dark, ids), change(s, dark, ids)) for dose, s in doses.items()]
            for kind, ids in cells.items()
        }
        for kind, several in lit.items():
            rows += [(region, kind, *each) for each in several]
        z = sorted(each[2] for each in lit["Pvalb"])
        lowest = min(each[1] for each in lit["Pvalb"])
        if len(z) > 1:  # a range of doses: two at least
            found.put(f"light.{region}.Pvalb", z[1], f"rate down to {100 * lowest:.0f} %")
        strongest = max(lit["E"])
        found.put(f"light.{region}.E", strongest[2], f"rate {100 * strongest[1]:.0f} %")
    columns = ["region", "cells", "dose", "ratio", "standard_errors"]
    found.tables["light"] = pd.DataFrame(rows, columns=columns).set_index("region")
    return found


def change(spikes: Spikes, rest: Spikes, ids: IntArray) -> float:
    """Change of a mean rate, in standard errors from the counts of pieces of 100 ms."""
    first, second = (_piece_rates(each, ids) for each in (rest, spikes))
    if min(len(first), len(second)) < 2:
        return float("nan")
    error = first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)
    difference = float(second.mean() - first.mean())
    return difference / float(np.sqrt(error)) if error > 0 else float("nan")


def _piece_rates(spikes: Spikes, ids: IntArray) -> FloatArray:
    counts = group_counts(spikes.times, spikes.ids, {"": ids}, spikes.duration, PIECE)
    found: FloatArray = counts.to_numpy(float)[0]
    return found


def lesion(spikes: Spikes, rest: Spikes, neurons: Neurons, targets: Sequence[str]) -> Measured:
    """Change of the rate of the lesioned area's targets, both sides, as a share of that at rest."""
    found = Measured()
    for area in targets:
        ids = neurons.ids[neurons.where(area=(area,))]
        found.put(f"lesion.{area}", ratio(spikes, rest, ids) - 1.0)
    return found


def pulse(
    spikes: Spikes,
    rest: Spikes,
    neurons: Neurons,
    pulses: Sequence[float],
    order: Mapping[str, float],
    *,
    source: str,
    side: str,
) -> Measured:
    """Latencies of higher areas after a pulse, and the return to rest before the next.

    Parameters
    ----------
    pulses : ms, when they begin.
    order : area -> place in the hierarchy, without the source.
    """
    found = Measured()
    every = (source, *order)
    groups = {area: neurons.by_area.get(on(area, side), np.zeros(0, np.int64)) for area in every}
    table = evoked_responses(spikes.times, spikes.ids, groups, pulses)
    known = table.loc[list(order), "latency_ms"].dropna()
    n = f"{len(known)} of {len(order)} higher areas respond"
    table = table.join(pd.Series(order, name="hierarchy"))
    found.tables["pulse"] = table
    found.put("pulse.source", table.at[source, "z"], f"{table.at[source, 'spikes']:.0f} spikes")
    found.put("pulse.respond", len(known) / len(order))
    found.put("pulse.order", rank_correlation(known, pd.Series(order)[known.index]), n)
    gap = float(np.diff(pulses).min()) if len(pulses) > 1 else spikes.duration - pulses[0]
    late = [Spikes.between(spikes.times, spikes.ids, at + gap - PIECE, at + gap) for at in pulses]
    hz = mean([hertz(each, neurons.ids) for each in late])
    found.put("pulse.return", hz / hertz(rest, neurons.ids) if len(rest.times) else np.nan,
              f"{gap - PIECE:.0f} to {gap:.0f} ms after")  # fmt: skip
    return found


def rank_correlation(a: pd.Series, b: pd.Series) -> float:
    """Spearman's; 0 for fewer than three pairs or equal values, which show no order."""
    if len(a) < 3 or a.nunique() < 2 or b.nunique() < 2:
        return 0.0
    return float(a.rank().corr(b.rank()))
