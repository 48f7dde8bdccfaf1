"""Neulite's tables: populations, connections, parameters of channels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.errors import InputError
from isocortex.text import read_text

#: Columns as the first lines of the files name them.
POPULATION = ("#n_cell", "n_comp", "name", "swc_file", "ion_file")
CONNECTION = ("#pre nid", "post nid", "post cid", "weight", "tau_decay", "tau_rise", "erev",
              "delay", "e/i")  # fmt: skip
#: What they are called here; of connections numbers but for the last.
CONNECTION_COLUMNS = ("pre", "post", "row", "weight", "tau_decay", "tau_rise", "erev", "delay",
                      "ei")  # fmt: skip
CHANNELS = (
    "NaV", "NaTs", "NaTa", "Nap", "Kv2like", "Kv3_1", "K_P", "K_T", "Kd", "Im", "Im_v2", "Ih",
    "SK", "Ca_HVA", "Ca_LVA",
)  # fmt: skip
#: uF/cm2, ohm cm, S/cm2, mV; of CaDynamics; of each channel S/cm2.
PARAMETERS = ("Cm", "Ra", "leak", "e_pas", "gamma", "decay", *CHANNELS)
#: Parameters by SWC type: 1 soma, 2 axon, 3 basal and 4 apical dendrite.
Ions = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class Model:
    """A line of a population file: cells that are alike.

    Attributes
    ----------
    n_cells : how many; their ids follow on those of the line before.
    n_rows : of the SWC file.
    """

    n_cells: int
    n_rows: int
    name: str
    swc: Path
    ions: Path


def read_population(path: Path) -> list[Model]:
    """The models of a network, whose cells are numbered in this order from 0."""
    models = []
    for number, entries in _lines(path, POPULATION):
        cells, rows, name, swc, ions = entries
        if not (cells.isdecimal() and rows.isdecimal()):
            raise InputError(
                f"n_cell {cells!r} and n_comp {rows!r} must be whole numbers", file=path,
                field=f"line {number}", fix="Write the file again.",
            )  # fmt: skip
        paths = (path.parent / file for file in (swc, ions))
        models.append(Model(int(cells), int(rows), name, *paths))
    if not models:
        raise InputError("has no line of a model", file=path, fix="Write the file again.")
    return models


def write_population(path: Path, models: list[tuple[int, int, str, str, str]]) -> None:
    """One line for each (cells, rows, name, SWC file, ion file)."""
    lines = [",".join(POPULATION), *(",".join(map(str, model)) for model in models)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_connections(path: Path) -> pd.DataFrame:
    """Synapses, a row each: ``CONNECTION_COLUMNS``; uS, ms, mV."""
    header = next(_lines(path, CONNECTION, body=False), None)
    assert header is not None
    kinds = [np.int64] * 3 + [np.float64] * 5 + ["U8"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # there may be no connection
            rows = np.loadtxt(
                path, [*zip(CONNECTION_COLUMNS, kinds, strict=True)], delimiter=",",
                skiprows=header[0], ndmin=1, encoding="utf-8",
            )  # fmt: skip
    except ValueError as error:
        raise InputError(
            f"is no table of numbers ({error})", file=path, fix="Write the file again."
        ) from error
    table = pd.DataFrame({name: rows[name] for name in CONNECTION_COLUMNS})
    table["ei"] = np.char.strip(rows["ei"])
    numbers = table[list(CONNECTION_COLUMNS[3:8])].to_numpy()
    bad = np.flatnonzero(
        ~np.isfinite(numbers).all(axis=1) | (table[["tau_decay", "tau_rise"]] <= 0).any(axis=1)
        | (table["delay"] < 0) | ~table["ei"].isin(("e", "i"))
    )  # fmt: skip
    if len(bad):
        raise InputError(
            "a number is missing, a time constant or delay is out of range, or e/i is neither",
            file=path, field=f"line {header[0] + 1 + bad[0]}", fix="Mend it.",
        )  # fmt: skip
    return table


def write_connections(path: Path, table: pd.DataFrame) -> None:
    """As :func:`read_connections` reads them."""
    table[list(CONNECTION_COLUMNS)].to_csv(path, header=list(CONNECTION), index=False)


def read_ions(path: Path) -> Ions:
    """The parameters of every kind of section."""
    found: dict[int, dict[str, float]] = {}
    for number, entries in _lines(path, PARAMETERS, more=1):
        try:
            kind, values = int(entries[0]), [float(entry or 0.0) for entry in entries[1:]]
        except ValueError:
            kind, values = 0, []
        if kind not in (1, 2, 3, 4) or kind in found or not np.isfinite(values).all():
            raise InputError(
                f"{entries[0]!r} is no section of its own (1 soma, 2 axon, 3 basal, 4 apical), or "
                "a value is no number", file=path, field=f"line {number}", fix="Mend it.",
            )  # fmt: skip
        found[kind] = dict(zip(PARAMETERS, values, strict=True))
    return found


def ions_text(ions: Ions) -> str:
    """As :func:`read_ions` reads them; numbers with all their digits."""
    lines = [",".join(PARAMETERS)]
    for kind, values in sorted(ions.items()):
        lines.append(",".join([str(kind), *(repr(float(values[name])) for name in PARAMETERS)]))
    return "\n".join(lines) + "\n"


def _lines(
    path: Path, columns: tuple[str, ...], *, more: int = 0, body: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Number and entries of each line after the first, which must name these columns.

    Parameters
    ----------
    more : entries that lines have beyond those named.
    body : without it, number and entries of the first line alone.
    """
    if not path.is_file():
        raise InputError("file does not exist", file=path, fix="Give the whole folder of Neulite.")
    named = False
    for number, line in enumerate(_text_lines(path, body), start=1):
        entries = [entry.strip() for entry in line.split(",")]
        if not line.strip():
            continue
        if not named:
            if entries != list(columns):
                raise InputError(
                    f"the first line is {line!r}", file=path, field=f"line {number}",
                    fix=f"Neulite's is {','.join(columns)}.",
                )  # fmt: skip
            named = True
            if not body:
                yield number, entries
                return
        elif len(entries) != len(columns) + more:
            raise InputError(
                f"has {len(entries)} entries where there are {len(columns) + more}", file=path,
                field=f"line {number}", fix="Write the file again.",
            )  # fmt: skip
        else:
            yield number, entries
    if not named:
        raise InputError("is empty", file=path, fix=f"Its first line is {','.join(columns)}.")


def _text_lines(path: Path, whole: bool) -> Iterator[str]:
    """Lines of a file, which is read whole only where all of them are asked for."""
    if whole:
        yield from read_text(path).splitlines()
        return
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for line in file:
                yield line.rstrip("\n")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from error
