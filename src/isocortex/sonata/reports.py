"""The ``reports`` of a simulation configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from isocortex.cells.head import CONDUCTIVITIES, Head
from isocortex.circuit import Circuit, Contacts, ReportSpec
from isocortex.errors import ConfigError, located
from isocortex.sonata.contacts import read_contacts, read_names
from isocortex.sonata.schema import Finite, Positive, Section, Time, validated


class Recorded(Section):
    """What reports of all kinds tell; times in ms."""

    module: str = "membrane_report"
    start_time: Time = 0.0
    end_time: Time | None = None
    dt: Positive | None = None
    file_name: str | None = None
    enabled: bool = True


class Report(Recorded):
    """A report of what cells have. Absent keys mean what they mean to BMTK.

    ``syn_type`` is of a ``netcon_report``, which records single connections. ``type`` is a word of
    the SONATA extension: a ``summation`` over sections ``soma`` is one over the whole cell.
    """

    type: Literal["compartment", "summation"] = "compartment"
    variable_name: str | list[str]
    cells: Any = "biophysical"
    sections: str | list[str | int] = "all"
    syn_type: str | None = "Exp2Syn"
    # how BMTK buffers
    buffer: bool | None = None
    buffer_size: int | None = None


class Spheres(Section):
    """A head of four spheres: brain, fluid, skull and scalp, um and S/m."""

    centre: list[Finite]
    radii: list[Finite]
    conductivities: list[Finite] = list(CONDUCTIVITIES)

    @property
    def head(self) -> Head:
        """Raises ConfigError where there can be no such head."""
        return Head(np.array(self.centre), tuple(self.radii), tuple(self.conductivities))


class Potentials(Recorded):
    """A report of potentials outside the cells. Absent keys mean what they mean to BMTK.

    A ``head`` is not BMTK's: of electrodes on the brain, in the skull or on the scalp.
    ``electrode_channels`` and ``variable_name`` change nothing, there as here: all contacts are
    recorded.
    """

    electrode_positions: str
    cells: Any = None
    cell_bounds: tuple[int, int] | list[int] | None = None
    minimum_distance: Any = None
    contributions_dir: str | None = None
    electrode_channels: Any = None
    variable_name: Any = None
    head: dict[str, Any] | None = None

    @property
    def closest(self) -> float | None:
        """um, None for the radius of each compartment.

        Raises
        ------
        ConfigError : it is no distance.
        """
        asked = self.minimum_distance
        if asked == "auto" and self.head is None:
            return None
        if asked is None:
            return 0.0
        if isinstance(asked, int | float) and 0.0 <= asked < float("inf"):
            return float(asked)
        fix = 'Give um, or "auto" for the radius.' if self.head is None else "Give um."
        raise ConfigError(f"no distance: {asked!r}", fix=fix)


class Dipoles(Recorded):
    """A report of current dipole moments: one for each value of the attribute ``by``."""

    cells: Any = None
    by: str = ""


#: SONATA's short names.
ALIASES = {"start": "start_time", "end": "end_time", "tstart": "start_time", "tstop": "end_time"}
SUPPORTED = ("membrane_report", "multimeter_report", "multimeter", "compartment_report")
CONNECTIONS = "netcon_report"
POTENTIALS = ("extracellular", "ecp")
DIPOLES = "current_dipole"
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
        elif module in POTENTIALS:
            specs.append(_potentials(name, values, file, circuit))
        elif module == DIPOLES:
            specs.append(_dipoles(name, values, file, circuit))
        elif skip_unsupported:
            skipped.append(f"{name} ({module})")
        else:
            raise ConfigError(
                f"report module {module!r} is not supported yet", file=file,
                field=f"{field}.module",
                fix="Use membrane_report, netcon_report or extracellular, remove the report, or "
                "run with --skip-unsupported-reports.",
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
    renamed = _renamed(values)
    # of vext BMTK takes the innermost of NEURON's layers, and here there is one
    innermost = renamed.get("variable_name") == "vext" and renamed.get("transform")
    if not renamed.get("transform", True) or innermost == "first_element":
        del renamed["transform"]
    report = validated(Report, renamed, file, field)
    _require_order(report, file, field)
    summed = report.type == "summation"
    if summed and "sections" not in report.model_fields_set:
        report.sections = "soma"
    if summed and (report.module == CONNECTIONS or report.sections != "soma"):
        raise ConfigError(
            "a summation is one over whole cells, written as of the soma", file=file,
            field=f"{field}.type", fix="Use it in a membrane_report with sections soma, or leave "
            "it out: every compartment then has the sum over its synapses.",
        )  # fmt: skip
    for key in ("variable_name", "sections"):
        if getattr(report, key) == []:
            raise ConfigError(
                "names nothing to record", file=file, field=f"{field}.{key}",
                fix="Name something, or remove the report.",
            )  # fmt: skip
    variables = report.variable_name
    variables = [variables] if isinstance(variables, str) else variables
    # BMTK takes names of sections in capitals too
    sections: str | tuple[str | int, ...]
    if isinstance(report.sections, str):
        sections = report.sections.lower()
    else:
        sections = tuple(s.lower() if isinstance(s, str) else s for s in report.sections)
    path = _path(report.file_name or name, file, field)
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


def _potentials(name: str, values: dict[str, Any], file: Path, circuit: Circuit) -> ReportSpec:
    """A report of potentials outside the cells, as BMTK's ``extracellular``."""
    field = f"reports.{name}"
    report = validated(Potentials, _renamed(values), file, field)
    _require_order(report, file, field)
    cells = report.cells
    if report.cell_bounds is not None:
        first, last = report.cell_bounds
        cells = list(range(first, last + 1))
    with located(file, f"{field}.minimum_distance"):
        closest = report.closest
    head = None
    if report.head is not None:
        spheres = validated(Spheres, report.head, file, f"{field}.head")
        with located(file, f"{field}.head"):
            head = spheres.head
    table = file.parent / report.electrode_positions
    return ReportSpec(
        name=name,
        variable="ecp",
        cells=circuit.select(cells, f"{field}.cells"),
        start=report.start_time,
        end=report.end_time,
        dt=report.dt,
        file_name=str(_path(report.file_name or name, file, field)),
        contacts=Contacts(
            read_contacts(table),
            closest,
            report.contributions_dir or None,
            head,
            read_names(table),
        ),  # fmt: skip
    )


def _dipoles(name: str, values: dict[str, Any], file: Path, circuit: Circuit) -> ReportSpec:
    """A report of current dipole moments."""
    field = f"reports.{name}"
    report = validated(Dipoles, _renamed(values), file, field)
    _require_order(report, file, field)
    return ReportSpec(
        name=name,
        variable="dipole",
        cells=circuit.select(report.cells, f"{field}.cells"),
        start=report.start_time,
        end=report.end_time,
        dt=report.dt,
        file_name=str(_path(report.file_name or name, file, field)),
        dipoles_by=report.by,
    )


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    renamed = {ALIASES.get(k, k): v for k, v in values.items()}
    end = renamed.get("end_time")
    if isinstance(end, int | float) and end < 0:  # BMTK's way to say "to the end"
        renamed["end_time"] = None
    return renamed


def _require_order(report: Recorded, file: Path, field: str) -> None:
    if report.end_time is not None and report.end_time <= report.start_time:
        raise ConfigError(
            f"the report ends at {report.end_time:g} ms and starts at {report.start_time:g}",
            file=file, field=f"{field}.end_time", fix="Let it end later.",
        )  # fmt: skip


def _path(name: str, file: Path, field: str) -> Path:
    path = Path(name)
    if not path.name:
        raise ConfigError("not a file name", file=file, field=f"{field}.file_name", fix="Mend it.")
    return path if path.suffix in SUFFIXES else path.with_name(f"{path.name}.h5")
