"""Spectra of populations, a panel each."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from isocortex.analysis.spectra import RANGE, PopulationSpectrum, band_means
from isocortex.analysis.style import COLOURS, RC, new_figure, plain_powers, subplots
from isocortex.printable import printable

COLUMNS = 4
TICKS = (1, 3, 10, 30, 100)  # Hz


@rc_context(RC)
def spectra(parts: Mapping[str, PopulationSpectrum], whole: PopulationSpectrum) -> Figure:
    """Power relative to independent Poisson cells, that of all cells in grey behind each.

    Thin the spectrum, thick its means over sixths of an octave (of all cells only these). The
    bar in the first panel is where 95 % of the estimates of a flat spectrum lie.

    Parameters
    ----------
    parts : name -> spectrum of a group.
    whole : of all cells together.
    """
    columns = min(len(parts), COLUMNS)
    rows = -(-len(parts) // columns)
    figure = new_figure(1.85 * columns + 0.6, 1.7 * rows + 0.6)
    grid = subplots(figure, rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis in grid[len(parts) :]:
        axis.set_axis_off()
    for k, (axis, (name, part)) in enumerate(zip(grid, parts.items(), strict=False)):
        axis.plot(*band_means(whole.frequency, whole.relative), color="0.7", linewidth=1.2)
        axis.axhline(1.0, color="black", linewidth=0.7, linestyle="--")
        axis.plot(part.frequency, part.relative, color=COLOURS[5], linewidth=0.4)
        axis.plot(*band_means(part.frequency, part.relative), color=COLOURS[0], linewidth=1.3)
        axis.set_title(printable(name), fontsize=8, pad=2)
        axis.set(xscale="log", yscale="log", xlim=(part.frequency[0], RANGE[1]))
        axis.xaxis.set_major_locator(FixedLocator(TICKS))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        plain_powers(axis.yaxis)
        if k + columns >= len(parts):
            axis.tick_params(labelbottom=True)
    low, high = next(iter(parts.values())).interval
    grid[0].plot([150.0, 150.0], [low, high], color=COLOURS[1], linewidth=2.5)
    figure.supxlabel("frequency (Hz)", fontsize=9)
    figure.supylabel("power / independent Poisson", fontsize=9)
    return figure
