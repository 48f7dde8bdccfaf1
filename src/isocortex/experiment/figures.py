"""Pictures of a study: areas over time, differences, spectra, recruitment, one cell in all arms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from isocortex.analysis import areas
from isocortex.analysis.areas import rates_over_time
from isocortex.analysis.potentials import spectra_by_contact
from isocortex.analysis.spectra import band_means, population_spectrum, segment_length
from isocortex.analysis.style import COLOURS, RC, colours, new_figure, subplots
from isocortex.arrays import FloatArray
from isocortex.cortex.counts import HEMISPHERES
from isocortex.errors import ConfigError
from isocortex.experiment.measures import MEASURES
from isocortex.experiment.results import StudyResult
from isocortex.experiment.statistics import paired
from isocortex.experiment.study import EEG
from isocortex.pictures import SETTLING
from isocortex.validation.neurons import Neurons

if TYPE_CHECKING:
    from xarray import DataArray

#: Inches of a row of a forest plot, and at the least of a figure of it.
ROW, LEAST = 0.16, 2.5
REPORT, CALCIUM = "membrane_potential", "calcium"
SHORTEST = 200.0  # ms, of a spectrum
HIGHEST = 150.0  # Hz


def areas_over_time(result: StudyResult, seed: int) -> Figure:
    """The rate of every area of both sides over time, an arm under the other, on one scale.

    A dotted line is drawn where an arm begins to be compared.
    """
    groups, end = result.neurons(seed).in_order, result.study.tstop
    runs, marks = {}, {}
    for arm in result.arms:
        spikes = result.run(arm, seed).spikes(0.0, end)
        runs[arm] = rates_over_time(spikes.times, spikes.ids, groups, end)
        if arm != result.study.control:
            marks[arm] = result.study.differs_from(arm, result.study.control)
    return areas.areas_over_time(runs, marks)


@rc_context(RC)
def forest(table: pd.DataFrame, groups: Sequence[str] | None = None) -> Figure:
    """Paired differences with their intervals, a row per group, a colour per arm.

    An arrow is where an interval goes on beyond the axis.

    Parameters
    ----------
    table : from :meth:`StudyResult.compare`.
    groups : which, from top to bottom, default all.

    Raises
    ------
    ConfigError : there is no such group.
    """
    arms, known = list(table.index.unique("arm")), list(table.index.unique(1))
    names = known if groups is None else list(groups)
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no group {name!r}", field="groups",
                              fix=f"There are {', '.join(map(str, known))}.")  # fmt: skip
    shade = colours(arms)
    figure = new_figure(7.0, max(LEAST, 0.8 + ROW * len(names) * (0.6 + 0.4 * len(arms))))
    axes = subplots(figure)
    low, high = _span(table.loc[table.index.isin(names, level=1)])
    axes.set_xlim(low, high)
    for k, arm in enumerate(arms):
        rows = table.loc[arm].reindex(names)
        y = np.arange(len(names)) + (k - (len(arms) - 1) / 2) * 0.8 / len(arms)
        mean = rows["difference"].to_numpy(float)
        sides = np.abs(rows[["low", "high"]].to_numpy(float).T - mean)
        sure = (rows["p_holm"] < 0.05).to_numpy()
        axes.errorbar(mean, y, xerr=sides, fmt="none", ecolor=shade[arm], elinewidth=1.0)
        axes.plot(mean[~sure], y[~sure], "o", ms=4, mfc="white", color=shade[arm])
        axes.plot(mean[sure], y[sure], "o", ms=4, color=shade[arm])
        for edge, beyond, arrow in (
            (low, rows["low"] < low, "<"), (high, rows["high"] > high, ">")
        ):  # fmt: skip
            line, = axes.plot(np.full(beyond.sum(), edge), y[beyond], arrow, ms=5,
                              color=shade[arm], clip_on=False)  # fmt: skip
            line.set_in_layout(False)  # one without points would lie at the figure's corner
        axes.plot([], [], "o-", ms=4, color=shade[arm], label=arm)
    axes.plot([], [], "o", ms=4, color="0.4", label="p < 0.05 (Holm)")
    axes.plot([], [], "o", ms=4, mfc="white", color="0.4", label="not")
    axes.axvline(0.0, color="0.4", linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.4, -0.6)
    unit = table.attrs.get("unit", "")
    control = table.attrs.get("control", "control")
    axes.set_xlabel(f"{table.attrs.get('measure', '')} minus {control}" + (unit and f" ({unit})"))
    figure.legend(loc="outside upper right", ncols=min(len(arms) + 2, 5))
    return figure


def _span(table: pd.DataFrame) -> tuple[float, float]:
    """What the axis shows: 0, all means, and all intervals unless few are wider than most."""
    table = table.replace([np.inf, -np.inf], np.nan)
    means = np.append(table["difference"].dropna(), 0.0)
    ends = {end: (table["low"].quantile(end), table["high"].quantile(1 - end)) for end in (0, 0.05)}
    whole, most = (
        (np.fmin(means.min(), low), np.fmax(means.max(), high)) for low, high in ends.values()
    )
    low, high = whole if whole[1] - whole[0] <= 1.5 * (most[1] - most[0]) else most
    edge = 0.04 * (high - low) or 1.0
    return float(low - edge), float(high + edge)


@rc_context(RC)
def spectra(result: StudyResult) -> Figure | None:
    """Spectrum of the rate of all excitatory cells in every arm, with the interval over seeds.

    None where the time is too short.
    """
    start = max(result.study.differs_from(arm, result.study.control) for arm in result.arms)
    end = result.study.tstop
    if segment_length(end - start) is None:
        return None
    figure = new_figure(7.0, 3.4)
    axes = subplots(figure)
    for arm, shade in colours(result.arms).items():
        rows, frequency = [], np.zeros(0)
        for seed in result.seeds:
            spikes = result.run(str(arm), seed).spikes(start, end)
            neurons = result.neurons(seed)
            ids = neurons.by_sign["E"]
            times = spikes.times[np.isin(spikes.ids, ids)]
            found = population_spectrum(times, len(ids), end - start)
            frequency, power = band_means(found.frequency, found.relative)
            rows.append(10.0 * np.log10(np.maximum(power, 1e-3)))
        judged = [paired(column) for column in np.transpose(rows)]
        axes.plot(frequency, [each.mean for each in judged], color=shade, label=arm)
        low, high = ([getattr(each, end) for each in judged] for end in ("low", "high"))
        axes.fill_between(frequency, low, high, color=shade, alpha=0.2, linewidth=0)
    axes.axhline(0.0, color="0.4", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    ticks = [2, 5, 10, 20, 50, 100, 200]
    axes.set_xticks(ticks, [str(each) for each in ticks])
    axes.minorticks_off()
    axes.set(xlabel="frequency (Hz)", ylabel="power over that of Poisson cells (dB)",
             xlim=(0.9 * frequency[0], 200.0))  # fmt: skip
    axes.legend()
    return figure


@rc_context(RC)
def eeg(result: StudyResult, seed: int) -> Figure | None:
    """Potential at the skull in every arm, and its spectrum over seeds; None without a report.

    Arms lie under each other on one scale, each with its electrodes.
    """
    found = {arm: _potential(result, arm, seed) for arm in result.arms}
    settled = min(SETTLING, result.study.tstop / 3)
    traces = {
        arm: 1e3 * (data - data.sel(time=slice(settled, None)).median("time"))
        for arm, data in found.items() if data is not None
    }  # fmt: skip
    if len(traces) < len(found):
        return None
    start = max(result.study.differs_from(arm, result.study.control) for arm in result.arms)
    shade = colours(result.arms)
    figure = new_figure(10.0, 0.9 + 1.25 * len(traces))
    grid = figure.add_gridspec(len(traces), 2, width_ratios=[3, 1.4])
    panels = [figure.add_subplot(grid[k, 0]) for k in range(len(traces))]
    most = max(
        float(np.percentile(np.abs(data.sel(time=slice(settled, None))), 99.5))
        for data in traces.values()
    ) or 1.0  # fmt: skip
    for axes, (arm, data) in zip(panels, traces.items(), strict=True):
        for k, values in enumerate(data.values.T):
            axes.plot(data["time"], values / (2 * most) - k, color=shade[arm], linewidth=0.5)
        names = [str(name).replace("_", " ") for name in data["name"].values]
        axes.set_yticks(-np.arange(len(names)), names, fontsize=6)
        axes.set(xlim=(0.0, result.study.tstop), ylim=(0.4 - len(names), 0.6), title=arm)
        axes.tick_params(labelbottom=axes is panels[-1])
    panels[-1].set_xlabel(f"time (ms); rows are {2 * most:.2g} µV apart")
    _eeg_spectra(result, figure.add_subplot(grid[:, 1]), start, shade)
    return figure


def _eeg_spectra(
    result: StudyResult, axes: Axes, start: float, shade: Mapping[Hashable, str]
) -> None:
    """Of every arm the mean over electrodes, and its interval over seeds."""
    length = result.study.tstop - start
    if length < SHORTEST:
        axes.set_axis_off()
        return
    for arm, colour in shade.items():
        rows, frequency = [], np.zeros(0)
        for seed in result.seeds:
            data = _potential(result, str(arm), seed)
            if data is None:
                continue
            late = 1e3 * data.sel(time=slice(start, None))  # µV
            step = float(late["time"][1] - late["time"][0])
            frequency, power = spectra_by_contact(late.values, step, length / 2)
            rows.append(10.0 * np.log10(np.maximum(power.mean(axis=1), 1e-30)))
        judged = [paired(column) for column in np.transpose(rows)]
        mean, low, high = (
            np.array([getattr(each, name) for each in judged]) for name in ("mean", "low", "high")
        )
        shown = (frequency > 0) & (frequency <= HIGHEST)
        axes.plot(frequency[shown], mean[shown], color=colour, linewidth=1.0, label=str(arm))
        axes.fill_between(frequency[shown], low[shown], high[shown], color=colour, alpha=0.2,
                          linewidth=0)  # fmt: skip
    axes.set(xscale="log", xlabel="frequency (Hz)", ylabel="power (dB re 1 µV²/Hz)")
    axes.set_xticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.legend(fontsize=6)


def _potential(result: StudyResult, arm: str, seed: int) -> DataArray | None:
    """Potential at the skull of a run, with what it has in common with others, mV."""
    from xarray import concat

    parts = result.run(arm, seed).parts
    if any(EEG not in each.potentials for each in parts):
        return None
    return concat([each.potential(EEG) for each in parts], "time")


@rc_context(RC)
def recruitment_map(neurons: Neurons, latency: pd.Series, area: str) -> Figure:
    """Both flattened sides, each area in the colour of the time at which it joins.

    Parameters
    ----------
    latency : ms after the area, by ``VISp right`` and the like; NaN for those that do not join.
    """
    figure = new_figure(8.0, 4.2)
    panels = subplots(figure, 1, 2, sharey=True)
    known = latency[np.isfinite(latency)]
    scale = Normalize(min(0.0, known.min()), max(known.max(), 1.0)) if len(known) else Normalize()
    drawn = None
    for axes, side in zip(panels, HEMISPHERES, strict=True):
        for name in (each for each in neurons.by_area if each.endswith(f" {side}")):
            rows = np.flatnonzero(np.isin(neurons.ids, neurons.by_area[name]))
            x, y = neurons.flat[rows].T / 1000.0
            value = latency.get(name, np.nan)
            if np.isfinite(value):
                drawn = axes.scatter(x, y, s=5, c=np.full(len(x), value), norm=scale,
                                     cmap="viridis_r", linewidths=0)  # fmt: skip
            else:
                axes.scatter(x, y, s=3, c="0.88", linewidths=0)
            axes.annotate(name.split(" ")[0], (x.mean(), y.mean()), fontsize=5, ha="center")
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_title(side)
    if drawn is not None:
        figure.colorbar(drawn, ax=list(panels), label=f"joins after {area} (ms)", shrink=0.7)
    return figure


@rc_context(RC)
def one_cell(result: StudyResult, seed: int) -> Figure | None:
    """Voltage and calcium at the soma of one recorded cell in every arm; None without reports."""
    if any(REPORT not in result.run(arm, seed).result.reports for arm in result.arms):
        return None
    cells = result.neurons(seed)
    recorded = result.run(result.arms[0], seed).result.report(REPORT)["node_id"].values
    rows = np.searchsorted(cells.ids, recorded)
    element = int(np.argmax(cells.excitatory[rows]))  # the first excitatory one, if there is any
    row, n = rows[element], len(result.arms)
    figure = new_figure(8.0, 0.9 + 1.1 * n)
    panels = subplots(
        figure, n + 1, 1, sharex=True, squeeze=False, height_ratios=[*n * [1.0], 0.8]
    )[:, 0]  # fmt: skip
    for axes, (arm, shade) in zip(panels, colours(result.arms).items(), strict=False):
        for name, of in ((REPORT, axes), (CALCIUM, panels[-1])):
            for data in _reports(result, str(arm), seed, name):
                values = data.isel(element=element)
                scale = 1e6 if name == CALCIUM else 1.0  # mM -> nM
                of.plot(data["time"], scale * values.values, color=shade, linewidth=0.6)
        axes.set_title(f"{arm}: {cells.area[row]}, {cells.layer[row]} {cells.cell_class[row]}")
        axes.set_ylabel("v (mV)")
        axes.sharey(panels[0])
    panels[-1].set(xlabel="time (ms)", xlim=(0.0, result.study.tstop), ylabel="Ca (nM)")
    return figure


def _reports(result: StudyResult, arm: str, seed: int, name: str) -> list[DataArray]:
    """A report of a run, after what the run has in common with others."""
    parts = result.run(arm, seed).parts
    return [each.report(name) for each in parts if name in each.reports]


@rc_context(RC)
def doses(result: StudyResult, measure: str = "rate") -> Figure:
    """A measure of excitatory and of inhibitory cells in every arm: a point per seed, and means.

    Each arm has the time in which it differs from the control, which has that of the first arm.
    """
    figure = new_figure(7.0, 2.8)
    panels = subplots(figure, 1, 2)
    arms = [arm for arm in result.arms if arm == result.arms[0] or result.differ(arm)]
    start = result.study.differs_from(arms[1], arms[0]) if len(arms) > 1 else None
    tables = [
        result.table(measure, "sign", arm=arm, start=start if arm == arms[0] else None)
        for arm in arms
    ]
    at = np.arange(len(arms))
    for axes, sign, what in zip(panels, "EI", ("excitatory", "inhibitory"), strict=True):
        values = np.array([table.loc[sign].to_numpy(float) for table in tables])
        axes.plot(at, values, color="0.8", linewidth=0.7, marker=".", markersize=4)
        judged = [paired(each) for each in values]
        means = np.array([each.mean for each in judged])
        sides = np.array([[each.mean - each.low, each.high - each.mean] for each in judged]).T
        axes.errorbar(at, means, yerr=sides, color=COLOURS[0], fmt="o-", markersize=4,
                      elinewidth=1.0)  # fmt: skip
        _room(axes, values)
        axes.set_xticks(at, arms, rotation=30, ha="right", fontsize=7)
        axes.set_title(f"{what} cells")
    unit = MEASURES[measure].unit
    panels[0].set_ylabel(measure + (f" ({unit})" if unit else ""))
    return figure


def _room(axes: Axes, values: FloatArray) -> None:
    """The axis fits what was measured: intervals of two seeds would leave nothing to be seen."""
    top = float(np.nanmax(values, initial=0.0))
    axes.set_ylim(0.0, 1.25 * top if top > 0 else 1.0)


def mean_latency(tables: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Latency of every area over seeds: mean, standard deviation, and in how many it joined."""
    every = pd.DataFrame({seed: table["latency_ms"] for seed, table in tables.items()})
    return pd.DataFrame(
        {
            "latency_ms": every.mean(axis=1),
            "sd": every.std(axis=1),
            "seeds": every.notna().sum(axis=1),
        }
    ).sort_values(["seeds", "latency_ms"], ascending=[False, True])
