"""Pictures of potentials outside cells."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from isocortex.analysis.plots_potentials import electrodes
from isocortex.bmtk.analyzer.source import Source, StrPath, shown
from isocortex.report.lazy import open_potential


def plot_ecp(
    config_file: StrPath | None = None,
    report_name: str | None = None,
    ecp_path: StrPath | None = None,
    title: str | None = None,
    show: bool = True,
) -> Figure:
    """The potential of each channel over time, one under the other, and their spectra.

    Parameters
    ----------
    config_file and report_name, or ecp_path : what to look at; without a name the first report.
    """
    if ecp_path is not None:
        potential = open_potential(Path(ecp_path))
    else:
        source = Source(config_file)
        named = None if report_name is None else source.report(report_name)
        potential = source.result.potential(named)
    names = [str(channel) for channel in potential["channel"].values]
    figure = electrodes(potential["time"].values, potential.values, names, title=title or "")
    return shown(figure, show, None)
