"""Pictures of all reports of cells at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from isocortex.bmtk.analyzer.compartment import plot_traces
from isocortex.bmtk.analyzer.source import Source, StrPath
from isocortex.report.lazy import open_report


def plot_report(
    config_file: StrPath | None = None,
    report_file: StrPath | None = None,
    report_name: str | None = None,
    variables: str | Iterable[str] | None = None,
    node_ids: Iterable[int] | None = None,
) -> list[Figure]:
    """A figure of each report: a line for every node, or for some.

    Parameters
    ----------
    report_file, report_name, variables : of which alone, by file, name or what was recorded.
    """
    if report_file is not None:
        nodes = open_report(Path(report_file))["node_id"].values if node_ids is None else node_ids
        return [plot_traces(report_path=report_file, node_ids=nodes)]
    source = Source(config_file)
    result = source.result
    wanted = [variables] if isinstance(variables, str) else variables
    figures = []
    for name in result.reports if report_name is None else [source.report(report_name)]:
        for population in result.report_populations(name):
            report = result.report(name, population)
            if wanted is not None and report.attrs.get("variable") not in list(wanted):
                continue
            nodes = report["node_id"].values if node_ids is None else node_ids
            figures.append(plot_traces(config_file, name, population, node_ids=nodes))
    return figures
