"""The ``reports`` of a simulation configuration."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isocortex.errors import ConfigError
from isocortex.sonata.circuit import Circuit, ReportSpec

Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Report(BaseModel):
    """One membrane report; times in ms."""

    model_config = ConfigDict(extra="forbid")

    module: str = "membrane_report"
    variable_name: str | list[str]
    cells: Any = "all"
    sections: str | list[str | int] = "soma"
    start_time: Time = 0.0
    end_time: Time | None = None
    dt: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    file_name: str | None = None
    enabled: bool = True
    # how BMTK buffers
    buffer: bool | None = None
    buffer_size: int | None = None


#: The specification's short names.
ALIASES = {"start": "start_time", "end": "end_time", "tstart": "start_time", "tstop": "end_time"}
SUPPORTED = ("membrane_report", "multimeter_report", "compartment", "compartment_report")


def read_reports(
    reports: dict[str, Any], file: Path, circuit: Circuit, *, skip_unsupported: bool
) -> tuple[list[ReportSpec], list[str]]:
    """Report specifications, and the names of those left out because their kind is unknown."""
    specs: list[ReportSpec] = []
    skipped: list[str] = []
    for name, values in reports.items():
        field = f"reports.{name}"
        if not isinstance(values, dict):
            raise ConfigError("must be a JSON object", file=file, field=field)
        module = values.get("module", "membrane_report")
        if module not in SUPPORTED:
            if skip_unsupported:
                skipped.append(f"{name} ({module})")
                continue
            raise ConfigError(
                f"report module {module!r} is not supported", file=file, field=f"{field}.module",
                fix="Use membrane_report, remove the report, or run with "
                "--skip-unsupported-reports.",
            )  # fmt: skip
        report = _validated(values, file, field)
        if not report.enabled:
            continue
        sections = report.sections
        variables = report.variable_name
        variables = [variables] if isinstance(variables, str) else variables
        for variable in variables:
            label = name if len(variables) == 1 else f"{name}_{variable}"
            file_name = report.file_name or f"{label}.h5"
            if len(variables) > 1 and report.file_name:
                stem = report.file_name.removesuffix(".h5")
                file_name = f"{stem}_{variable}.h5"
            specs.append(
                ReportSpec(
                    name=label,
                    variable=variable,
                    cells=circuit.select(report.cells, f"{field}.cells"),
                    sections=sections if isinstance(sections, str) else tuple(sections),
                    start=report.start_time,
                    end=report.end_time,
                    dt=report.dt,
                    file_name=file_name if file_name.endswith(".h5") else f"{file_name}.h5",
                )
            )
    return specs, skipped


def _validated(values: dict[str, Any], file: Path, field: str) -> Report:
    renamed = {ALIASES.get(k, k): v for k, v in values.items() if k != "_comment"}
    if renamed.get("end_time") is not None and isinstance(renamed["end_time"], int | float):
        if renamed["end_time"] < 0:  # BMTK's way to say "to the end"
            renamed["end_time"] = None
    try:
        return Report(**renamed)
    except (ValidationError, TypeError) as error:
        if not isinstance(error, ValidationError):
            raise ConfigError(str(error), file=file, field=field) from error
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        known = list(Report.model_fields)
        close = difflib.get_close_matches(key, known, 1)
        fix = f"Did you mean {close[0]!r}?" if close and close[0] != key else "Mend the value."
        message = "not supported" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise ConfigError(message, file=file, field=f"{field}.{key}", fix=fix) from error
