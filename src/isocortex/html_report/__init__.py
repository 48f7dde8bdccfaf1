"""One HTML page about a finished run: what was run, what the cells did, what to look at twice."""

from __future__ import annotations

from pathlib import Path

from isocortex.html_report import about, activity
from isocortex.html_report.findings import findings, findings_section
from isocortex.html_report.page import whole_page, write_page
from isocortex.html_report.subject import subject_of
from isocortex.report.results import Result

__all__ = ["report_page", "write_report"]


def report_page(result: Result, config: str | Path | None = None) -> str:
    """The page as text; it loads nothing from anywhere.

    Parameters
    ----------
    result : of Isocortex, or of any simulator that writes SONATA spikes or reports.
    config : the configuration, if the result does not name it.
    """
    subject = subject_of(result, config)
    sections = [
        findings_section(findings(subject)),
        about.what_was_run(subject),
        about.network(subject),
        activity.rates(subject),
        activity.rasters(subject),
        activity.rhythms(subject),
        about.time_spent(subject),
        about.configuration(subject),
    ]
    return whole_page(f"Simulation report: {subject.name}", about.lead(subject), sections)


def write_report(
    result: Result, path: str | Path | None = None, config: str | Path | None = None
) -> Path:
    """Write the page; an earlier one is replaced.

    Parameters
    ----------
    path : by default ``report.html`` in the result's folder.
    config : the configuration, if the result does not name it.
    """
    file = result.directory / "report.html" if path is None else Path(path)
    return write_page(report_page(result, config), file)
