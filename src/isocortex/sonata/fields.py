"""Stimulation from outside cells: BMTK's modules ``xstim`` and ``comsol``."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cells.extracellular import rotation
from isocortex.circuit import FieldInput, Input
from isocortex.circuit.fields import (
    ChangingMap,
    Electrodes,
    Map,
    Potentials,
    Samples,
    Sinusoid,
    StationaryMaps,
    Step,
    Waveform,
)
from isocortex.errors import InputError
from isocortex.sonata.input_entry import Entry
from isocortex.sonata.tables import Table, read_table
from isocortex.text import read_json, read_text

logger = logging.getLogger(__name__)

#: um; BMTK stops where a point of an electrode is nearer to the middle of a compartment.
CLOSEST = 10.0
#: A medium's resistivity (ohm cm), where nothing is said.
RESISTANCE = 300.0
#: Shapes of waveforms, and what they have beside an amplitude, a delay and a duration.
SHAPES = {"dc": (), "sin": ("freq", "phase", "offset")}
#: Keys that both modules have.
SHARED = ("cells", "set_nrn_mechanisms")
#: Units of a map's potentials, mV, and of its places, um.
POTENTIALS = {"V": 1e3, "mV": 1.0}
LENGTHS = {"m": 1e6, "cm": 1e4, "mm": 1e3, "nm": 1e-3}
COLUMN = re.compile(r"\((?P<unit>[^)]*)\)(?:\s*@.*\bt=(?P<time>[-+.\deE]+))?")


def xstim(entry: Entry) -> list[Input]:
    """Electrodes that inject the same current into a medium without end."""
    entry.only("positions_file", "mesh_files_dir", "resistance", "waveform", *SHARED)
    path = entry.path("positions_file")
    table = read_table(path)
    position = _columns(table, "pos_{}")
    if not len(table):
        raise InputError("has no electrode", file=path, fix="Give a line for each.")
    turned = "rotation_x" in table.columns
    angles = _columns(table, "rotation_{}") if turned else np.zeros_like(position)
    resistance = entry.number("resistance", RESISTANCE)
    if not resistance > 0:
        raise entry.fail("resistance", f"must be above 0 ohm cm, found {resistance:g}")
    points, strength = [], []
    for k, mesh in enumerate(_meshes(entry, table)):
        mesh = mesh @ rotation(*angles[k]).T
        points.append(mesh - mesh.mean(axis=0) + position[k])
        # ohm cm times mA over um is 1e4 mV
        strength.append(np.full(len(mesh), 1e4 * resistance / (4.0 * np.pi * len(mesh))))
    electrodes = Electrodes(
        np.concatenate(points), np.concatenate(strength), _waveform(entry), CLOSEST
    )
    return [_field(entry, electrodes)]


def _columns(table: Table, name: str) -> FloatArray:
    """float64[n, 3]."""
    return np.column_stack([table.numbers(table.find(name.format(axis))) for axis in "xyz"])


def _meshes(entry: Entry, table: Table) -> list[FloatArray]:
    """Of every electrode the points it consists of, float64[points, 3], um."""
    if "electrode_mesh_file" not in table.columns:
        return [np.zeros((1, 3))] * len(table)
    folder = table.path.parent
    if entry.values.get("mesh_files_dir") is not None:
        folder = entry.path("mesh_files_dir")
    read: dict[str, FloatArray] = {}
    for name in table.columns["electrode_mesh_file"]:
        if name not in read:
            mesh = read_table(folder / name)
            if not len(mesh):
                raise InputError("has no point", file=mesh.path, fix="Give a line for each.")
            read[name] = _columns(mesh, "{}_pos")
    return [read[name] for name in table.columns["electrode_mesh_file"]]


def _waveform(entry: Entry) -> Waveform:
    """A course from a description, or from a file of samples or with a description."""
    given, values, file = "waveform", entry.values.get("waveform"), entry.file
    if isinstance(values, str):
        path = entry.file.parent / values
        if path.suffix == ".csv":
            return _samples(path)
        if path.suffix != ".json":
            raise entry.fail(given, f"{values!r} is no .csv or .json file", "Name one.")
        values, file = read_json(path), path
    if not isinstance(values, dict):
        raise entry.fail(given, "must describe a waveform or name its file", "Add it.")
    inner = replace(entry, name=f"{entry.name}.{given}", values=values, file=file)
    shape = str(values.get("shape")).lower()
    if shape not in SHAPES:
        raise inner.fail(
            "shape", f"unknown shape {values.get('shape')!r}",
            "There are dc, a step, and sin; any other is a table, a .csv file.",
        )  # fmt: skip
    known = ("shape", "amp", "del", "dur", *SHAPES[shape])
    for key in values:
        if key not in known:
            raise inner.fail(key, "unknown key", f"Known: {', '.join(known)}.")
    amp, delay, duration = (inner.number(key) for key in ("amp", "del", "dur"))
    if shape == "dc":
        return Step(amp, delay, duration)
    return Sinusoid(
        amp, inner.number("freq"), inner.number("phase", np.pi), inner.number("offset", 0.0),
        delay, duration,
    )  # fmt: skip


def _samples(path: Path) -> Samples:
    """A table with the columns ``time``, ms, and ``amplitude``."""
    table = read_table(path)
    times, values = (table.numbers(table.find(name)) for name in ("time", "amplitude"))
    if not len(times):
        raise InputError("has no samples", file=path, fix="Write lines of time and amplitude.")
    if (np.diff(times) < 0).any():
        raise InputError(
            "needs times in ascending order", file=path, field="time", fix="Sort its lines."
        )
    return Samples(times, values)


def comsol(entry: Entry) -> list[Input]:
    """Potentials from COMSOL, stationary ones with waveforms or one that changes."""
    entry.only(
        "comsol_files", "comsol_file", "waveforms", "waveform", "amplitudes", "amplitude",
        "ip_method", *SHARED,
    )  # fmt: skip
    files, waves = (_paths(entry, f"{key}s", key) for key in ("comsol_file", "waveform"))
    if not files:
        raise entry.fail("comsol_files", "must name a file, or be a list of them", "Add it.")
    scale = _amplitudes(entry)
    maps = [_read_map(path) for path in files]
    if not waves:
        if len(maps) > 1 or len(scale) > 1:
            raise entry.fail(
                "waveforms", "several files, or amplitudes, need waveforms",
                "Give each its waveform, or one file whose potentials change.",
            )  # fmt: skip
        ((one, times),) = maps
        if times is None:
            raise InputError(
                "has one potential for all times", file=files[0],
                fix=f"Give inputs.{entry.name}.waveforms, or export a time-dependent study.",
            )  # fmt: skip
        return [_field(entry, ChangingMap(one, times, scale[0]))]
    scale = scale * len(maps) if len(scale) == 1 else scale
    if not len(maps) == len(waves) == len(scale):
        raise entry.fail(
            "waveforms", f"there are {len(maps)} files, {len(waves)} waveforms and {len(scale)} "
            "amplitudes", "Give equally many; one amplitude does for all.",
        )  # fmt: skip
    for path, (_, times) in zip(files, maps, strict=True):
        if times is not None:
            raise InputError(
                "its potentials change with time, and there is a waveform", file=path,
                fix=f"Remove inputs.{entry.name}.waveforms, or export a stationary study.",
            )  # fmt: skip
    potentials = StationaryMaps(
        tuple(one for one, _ in maps),
        tuple(_samples(path) for path in waves),
        tuple(scale),
        _is_linear(entry),
    )
    return [_field(entry, potentials)]


def _paths(entry: Entry, *keys: str) -> list[Path]:
    """Files under the first of these keys that there is."""
    key = next((key for key in keys if entry.values.get(key) is not None), keys[0])
    value = entry.values.get(key) or []
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise entry.fail(key, "must name a file, or be a list of them", "Mend it.")
    return [entry.file.parent / name for name in names]


def _amplitudes(entry: Entry) -> list[float]:
    key = next((key for key in ("amplitudes", "amplitude") if key in entry.values), None)
    return [1.0] if key is None else entry.numbers(key).tolist()


def _is_linear(entry: Entry) -> bool:
    """Whether potentials are interpolated; before 1.2 BMTK had a key, and took the nearest."""
    method = entry.values.get("ip_method", "NN" if "comsol_file" in entry.values else "L")
    if method not in ("NN", "L"):
        raise entry.fail("ip_method", f"unknown method {method!r}", "Use NN (nearest) or L.")
    return method == "L"


def _read_map(path: Path) -> tuple[Map, FloatArray | None]:
    """A text export of COMSOL, and the times of its columns (ms) if it is time-dependent."""
    text = read_text(path)
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("%")]
    body = [line for line in lines if not line.startswith("%")]
    if not head:
        raise InputError(
            "has no header in lines that begin with %", file=path, fix="Export it again as text."
        )
    unit = next((line for line in head if line.startswith("% Length unit:")), "").split(":")[-1]
    if unit.strip() in LENGTHS:
        raise InputError(
            f"its places are in {unit.strip()}", file=path, field="Length unit",
            fix="Export them in \N{MICRO SIGN}m.",
        )  # fmt: skip
    if not any(line.strip() for line in body):
        raise InputError("has a header and no places", file=path, fix="Export it again.")
    names = re.split(r"\s{3,}", head[-1].strip())[3:]
    columns = [COLUMN.search(name) for name in names]
    try:
        numbers = np.loadtxt(body, ndmin=2)
    except ValueError as error:
        raise InputError(f"not a table of numbers ({error})", file=path, fix="Mend it.") from error
    if not len(numbers) or numbers.shape[1] != 3 + len(columns) or None in columns:
        raise InputError(
            f"has {numbers.shape[1]} columns, and its header names x, y, z and {len(columns)} "
            "potentials", file=path, field=f"line {len(head)}",
            fix="Export it with its header, and x, y and z first.",
        )  # fmt: skip
    told = [(c["unit"], c["time"]) for c in columns if c is not None]
    for unit, _ in told:
        if unit not in POTENTIALS:
            raise InputError(
                f"its potentials are in {unit!r}", file=path, field=f"line {len(head)}",
                fix="Export them in V or mV.",
            )  # fmt: skip
    potential = numbers[:, 3:] * [POTENTIALS[unit] for unit, _ in told]
    one = Map(numbers[:, :3], potential)
    if not np.isfinite(one.place).all():
        raise InputError("has places that are no numbers", file=path, fix="Remove these lines.")
    if len(told) == 1:
        return one, None
    try:
        times = 1e3 * np.array([float(time) for _, time in told])
    except (TypeError, ValueError):
        times = np.zeros(len(told))
    if (np.diff(times) <= 0).any():
        raise InputError(
            "its columns have no ascending times, such as V (mV) @ t=0.005", file=path,
            field=f"line {len(head)}", fix="Export a time-dependent study.",
        )  # fmt: skip
    if not np.isfinite(potential).all():
        raise InputError("has potentials that are no numbers", file=path, fix="Remove such lines.")
    return one, times


def _field(entry: Entry, potentials: Potentials) -> FieldInput:
    """A potential outside all cells, or those that are chosen."""
    inserted = entry.values.get("set_nrn_mechanisms", True)
    if not isinstance(inserted, bool):
        raise entry.fail("set_nrn_mechanisms", f"must be true or false, found {inserted!r}")
    everybody = entry.circuit.select("all", f"inputs.{entry.name}.cells")
    if entry.values.get("cells") is not None:
        return FieldInput(tuple(entry.selected("cells")), potentials, entry.name)
    chosen = dict(entry.selected())
    for population, rows in everybody:
        left = np.setdiff1d(rows, chosen.get(population, rows[:0]))
        if (~entry.circuit.nodes[population].virtual[left]).any():
            logger.warning(
                "%s: inputs.%s.node_set is not read, here as in BMTK: all biophysical cells are in "
                "the field; cells would choose some", entry.file, entry.name,
            )  # fmt: skip
            break
    return FieldInput(tuple(everybody), potentials, entry.name)
