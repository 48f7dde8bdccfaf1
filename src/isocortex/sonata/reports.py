"""The ``reports`` of a simulation configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from isocortex.circuit import Circuit, ReportSpec
from isocortex.errors import ConfigError
from isocortex.sonata.schema import Positive, Section, Time, validated


class Report(Section):
    """One report; times in ms. Absent keys mean what they mean to BMTK.

    ``syn_type`` is of a ``netcon_report``, which records single connections. ``type`` is a word of
    the SONATA extension: a ``summation`` over sections ``soma`` is one over the whole cell.
    """

    module: str = "membrane_report"
    type: Literal["compartment", "summation"] = "compartment"
    variable_name: str | list[str]
    cells: Any = "biophysical"
    sections: str | list[str | int] = "all"
    start_time: Time = 0.0
    end_time: Time | None = None
    dt: Positive | None = None
    file_name: str | None = None
    enabled: bool = True
    syn_type: str | None = "Exp2Syn"
    # how BMTK buffers
    buffer: bool | None = None
    buffer_size: int | None = None


#: SONATA's short names.
ALIASES = {"start": "start_time", "end": "end_time", "tstart": "start_time", "tstop": "end_time"}
SUPPORTED = ("membrane_report", "multimeter_report", "multimeter", "compartment_report")
CONNECTIONS = "netcon_report"
SUFFIXES = (".h5", ".hdf", ".hdf5")


def read_reports(
    reports: dict[str, Any], file: Path, circuit: Circuit, *, skip_unsupported: bool
) -> tuple[list[ReportSpec], list[str]]:
    """Report specifications, and the names of those left out because their kind is unknown."""
    specs: list[ReportSpec] = []
    skipped: list[str] = []
    for name, values in reports.items():
        field = f"reports.{name}"
        if not isinstance(values, dict):
            raise ConfigError("must be a JSON object", file=file, field=field, fix="Give {...}.")
        if values.get("enabled") is False:
            continue
        module = values.get("module", "membrane_report")
        if module in (*SUPPORTED, CONNECTIONS):
            specs += _specifications(name, values, file, circuit)
        elif skip_unsupported:
            skipped.append(f"{name} ({module})")
        else:
            raise ConfigError(
                f"report module {module!r} is not supported yet", file=file,
                field=f"{field}.module",
                fix="Use membrane_report, remove the report, or run with "
                "--skip-unsupported-reports.",
            )  # fmt: skip
    writers: dict[str | None, str] = {}
    for spec in specs:
        if spec.file_name in writers:
            raise ConfigError(
                f"{writers[spec.file_name]} and {spec.name} both write {spec.file_name}",
                file=file, field="reports", fix="Give each a file_name of its own.",
            )  # fmt: skip
        writers[spec.file_name] = spec.name
    return specs, skipped


def _specifications(
    name: str, values: dict[str, Any], file: Path, circuit: Circuit
) -> list[ReportSpec]:
    """One specification for every variable of a report, each with a file of its own."""
    field = f"reports.{name}"
    renamed = {ALIASES.get(k, k): v for k, v in values.items()}
    end = renamed.get("end_time")
    if isinstance(end, int | float) and end < 0:  # BMTK's way to say "to the end"
        renamed["end_time"] = None
    if not renamed.get("transform", True):
        del renamed["transform"]
    report = validated(Report, renamed, file, field)
    if report.end_time is not None and report.end_time <= report.start_time:
        raise ConfigError(
            f"the report ends at {report.end_time:g} ms and starts at {report.start_time:g}",
            file=file, field=f"{field}.end_time", fix="Let it end later.",
        )  # fmt: skip
    summed = report.type == "summation"
    if summed and "sections" not in report.model_fields_set:
        report.sections = "soma"
    if summed and (report.module == CONNECTIONS or report.sections != "soma"):
        raise ConfigError(
            "a summation is one over whole cells, written as of the soma", file=file,
            field=f"{field}.type", fix="Use it in a membrane_report with sections soma, or leave "
            "it out: every compartment then has the sum over its synapses.",
        )  # fmt: skip
    variables = report.variable_name
    variables = [variables] if isinstance(variables, str) else variables
    # BMTK takes names of sections in capitals too
    sections: str | tuple[str | int, ...]
    if isinstance(report.sections, str):
        sections = report.sections.lower()
    else:
        sections = tuple(s.lower() if isinstance(s, str) else s for s in report.sections)
    path = Path(report.file_name or name)
    if not path.name:
        raise ConfigError("not a file name", file=file, field=f"{field}.file_name", fix="Mend it.")
    if path.suffix not in SUFFIXES:
        path = path.with_name(f"{path.name}.h5")
    several = len(variables) > 1
    return [
        ReportSpec(
            name=f"{name}_{variable}" if several else name,
            variable=variable,
            cells=circuit.select(report.cells, f"{field}.cells"),
            sections=sections,
            start=report.start_time,
            end=report.end_time,
            dt=report.dt,
            file_name=str(path.with_stem(f"{path.stem}_{variable}") if several else path),
            connections=(report.syn_type or "") if report.module == CONNECTIONS else None,
            summed=summed,
        )
        for variable in variables
    ]
