"""Who connects to whom in a cortex model: matrix, degrees and delays."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from isocortex.analysis.style import COLOURS, RC, new_figure, plain_powers, subplots
from isocortex.arrays import FloatArray
from isocortex.cortex.census import Census


@rc_context(RC)
def census_figure(census: Census, areas: pd.DataFrame) -> Figure:
    """Synapses between areas, beside the connectome; synapses per neuron; delays.

    Parameters
    ----------
    areas : ``Atlas.areas``; their modules group rows and columns.
    """
    figure = new_figure(11.0, 9.0)
    panels = subplots(figure, 2, 2, height_ratios=[1.25, 1.0], width_ratios=[1.25, 1.0])
    _matrix(panels[0, 0], census.sampled, areas)
    _against_connectome(panels[0, 1], census)
    _degrees(panels[1, 0], census.degrees)
    _delays(panels[1, 1], census.delays)
    return figure


def _matrix(axes: Axes, sampled: FloatArray, areas: pd.DataFrame) -> None:
    """Source areas down, target areas across, left hemisphere first, by module."""
    n = len(areas)
    order = np.argsort(pd.Categorical(areas["module"], areas["module"].unique()), kind="stable")
    both = np.concatenate([order, order + n])
    shown = np.ma.masked_less_equal(sampled[np.ix_(both, both)], 0.0)
    image = axes.imshow(shown, norm=LogNorm(max(shown.max() * 1e-5, 1.0)), cmap="viridis",
                        interpolation="nearest")  # fmt: skip
    bar = axes.figure.colorbar(image, ax=axes, label="synapses", shrink=0.8, pad=0.02)
    plain_powers(bar.ax.yaxis)
    names = areas["module"].to_numpy()[order]
    first = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    middle = (first + np.r_[first[1:], n]) / 2 - 0.5
    ticks = np.concatenate([middle, middle + n])
    labels = [*names[first], *names[first]]
    axes.set_yticks(ticks, labels, fontsize=6)
    axes.set_xticks(ticks, labels, fontsize=6, rotation=60, ha="right", rotation_mode="anchor")
    for edge in np.concatenate([first, first + n])[1:]:
        width = 1.2 if edge == n else 0.4
        axes.axhline(edge - 0.5, color="white", linewidth=width)
        axes.axvline(edge - 0.5, color="white", linewidth=width)
    axes.tick_params(length=0)
    axes.set(ylabel="from: left, then right", xlabel="to: left, then right")
    axes.set_title("Synapses between the 86 areas")


def _against_connectome(axes: Axes, census: Census) -> None:
    n = len(census.sampled) // 2
    ipsi = np.kron(np.eye(2), np.ones((n, n))) > 0
    shown = (census.connectome > 0) & (census.sampled > 0)
    for name, side, colour in (("same side", ipsi, 0), ("across", ~ipsi, 1)):
        mine = shown & side
        axes.plot(census.connectome[mine], census.sampled[mine], ".", ms=2, color=COLOURS[colour],
                  label=name, rasterized=True)  # fmt: skip
    ends = [census.sampled[shown].min(), census.sampled[shown].max()]
    axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="connectome, scaled (synapses)",
             ylabel="model (synapses)")  # fmt: skip
    plain_powers(axes.xaxis, axes.yaxis)
    axes.legend(markerscale=4)
    axes.set_title(f"Pairs of areas, correlation {census.correlation:.4f}")


def _degrees(axes: Axes, degrees: pd.DataFrame) -> None:
    place = np.arange(len(degrees))
    for name, colour in (("receives", 0), ("makes", 1)):
        axes.plot(place, degrees[name], "o", ms=4, color=COLOURS[colour], label=f"{name} (counted)")
        axes.plot(place, degrees[f"{name}_expected"], "_", ms=9, mew=1.2, color=COLOURS[colour],
                  label=f"{name} (expected)")  # fmt: skip
    labels = [f"{row['layer']} {row['class']}" for row in degrees.to_dict("records")]
    axes.set_xticks(place, labels, rotation=90, fontsize=7)
    axes.set_ylim(0, 1.3 * degrees[["makes", "receives"]].max(axis=None))  # room for the legend
    axes.set_ylabel("synapses per neuron")
    axes.legend(ncols=2, loc="upper center")
    axes.set_title("Synapses of a neuron, by layer and class")


def _delays(axes: Axes, delays: pd.DataFrame) -> None:
    step = delays["delay"].iloc[1] - delays["delay"].iloc[0] if len(delays) > 1 else 0.1
    edges = np.append(delays["delay"] - step / 2, delays["delay"].iloc[-1] + step / 2)
    for name, label, colour in (
        ("local", "within areas", 2), ("long_range", "between areas", 3)
    ):  # fmt: skip
        axes.stairs(100.0 * delays[name], edges, fill=True, alpha=0.6, color=COLOURS[colour],
                    label=label)  # fmt: skip
    axes.set(xlabel=f"delay (ms), in steps of {step:g}", ylabel="synapses (%)", xlim=(0, None))
    axes.legend()
    axes.set_title("Delays")
