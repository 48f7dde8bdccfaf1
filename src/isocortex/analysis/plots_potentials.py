"""Potentials: along a probe with sources, sinks and spectra by depth, and at electrodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from isocortex.analysis.potentials import current_source_density, spectra_by_contact
from isocortex.analysis.style import RC, colours, new_figure, subplots
from isocortex.arrays import FloatArray
from isocortex.printable import printable

#: Hz, of the spectra.
HIGHEST = 150.0
#: Share of the values that the colours span: single spikes beside a contact do not rule them.
SHOWN = 99.5


@rc_context(RC)
def laminar(time: ArrayLike, depth: ArrayLike, potential: ArrayLike, *, title: str = "") -> Figure:
    """Potential and current source density over time, and spectra, each by depth.

    Parameters
    ----------
    time : float[samples], ms, evenly spaced.
    depth : float[contacts], um below the first.
    potential : float[samples, contacts], mV.
    """
    t, z, values = (np.asarray(x, np.float64) for x in (time, depth, potential))
    figure = new_figure(10.0, 4.6)
    field, sources, spectrum = subplots(figure, 1, 3, sharey=True, width_ratios=[3, 3, 1.6])
    uV = 1e3 * (values - values.mean(axis=0))
    _image(field, t, z, uV, "potential (µV)")
    _lines(field, t, z, uV)
    density = current_source_density(values, z)
    _image(sources, t, z[1:-1], density, "sources (µA/mm³), sinks blue")
    segment = min(500.0, (t[-1] - t[0]) / 2)
    frequency, power = spectra_by_contact(values, float(t[1] - t[0]), segment)
    # of a very short recording the lowest ones that it has
    shown = (frequency > 0) & (frequency <= max(HIGHEST, 3.0 * frequency[1]))
    image = spectrum.pcolormesh(
        frequency[shown], z, np.maximum(1e6 * power[shown].T, 1e-12), shading="nearest",
        cmap="viridis", norm=LogNorm(),
    )  # fmt: skip
    figure.colorbar(image, ax=spectrum, label="µV²/Hz", location="top", shrink=0.9)
    spectrum.set(xlabel="frequency (Hz)", xscale="log")
    field.set(ylabel="depth (µm)", ylim=(z[-1] + 25.0, z[0] - 25.0))
    figure.suptitle(printable(title), x=0.01, ha="left", fontsize=10)
    return figure


@rc_context(RC)
def electrodes(
    time: ArrayLike, potential: ArrayLike, names: Sequence[str], *, title: str = ""
) -> Figure:
    """Potential at electrodes over time, one under the other on one scale, and their spectra.

    Parameters
    ----------
    time : float[samples], ms, evenly spaced.
    potential : float[samples, electrodes], mV.
    """
    t, values = np.asarray(time, np.float64), np.asarray(potential, np.float64)
    figure = new_figure(10.0, max(2.6, 0.7 + 0.42 * len(names)))
    traces, spectrum = subplots(figure, 1, 2, width_ratios=[3, 1.3])
    uV = 1e3 * (values - values.mean(axis=0))
    gap = 2.0 * float(np.percentile(np.abs(uV), SHOWN)) or 1.0
    frequency, power = spectra_by_contact(values, float(t[1] - t[0]), min(500.0, np.ptp(t) / 2))
    shown = (frequency > 0) & (frequency <= max(HIGHEST, 3.0 * frequency[1]))
    for k, shade in enumerate(colours(names).values()):
        traces.plot(t, uV[:, k] - k * gap, color=shade, linewidth=0.6)
        spectrum.loglog(frequency[shown], 1e6 * power[shown, k], color=shade, linewidth=0.9)
    traces.set_yticks(-gap * np.arange(len(names)), [printable(name) for name in names])
    traces.set(xlabel="time (ms)", xlim=(t[0], t[-1]), ylim=(-gap * (len(names) - 0.4), 0.6 * gap))
    traces.set_title(f"rows are {gap:.2g} µV apart", loc="right", fontsize=8)
    spectrum.set(xlabel="frequency (Hz)", ylabel="µV²/Hz")
    figure.suptitle(printable(title), x=0.01, ha="left", fontsize=10)
    return figure


def _image(axes: Axes, t: FloatArray, z: FloatArray, values: FloatArray, label: str) -> None:
    """Values over time and depth, red and blue about zero."""
    most = float(np.percentile(np.abs(values), SHOWN)) or 1.0
    every = max(len(t) // 2000, 1)
    image = axes.pcolormesh(
        t[::every], z, values[::every].T, shading="nearest", cmap="RdBu_r", vmin=-most, vmax=most,
        rasterized=True,
    )  # fmt: skip
    axes.set_xlabel("time (ms)")
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, label=label, location="top", shrink=0.9)


def _lines(axes: Axes, t: FloatArray, z: FloatArray, values: FloatArray) -> None:
    """The same as thin lines, each about its depth."""
    most = float(np.percentile(np.abs(values), SHOWN)) or 1.0
    gap = float(np.diff(z).mean())
    for depth, line in zip(z, values.T, strict=True):
        axes.plot(t, depth - np.clip(line / most, -2.0, 2.0) * gap, color="black", linewidth=0.4)
