"""Reading and checking the tables ``wiring_*.csv``, which `tools/make_wiring.py` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isocortex.cells.library import library_cells
from isocortex.cells.place import SECTION_NAMES
from isocortex.errors import InputError
from isocortex.mechanisms.synapses import Kinetics, exp2syn

#: One row with its fields converted.
Record = dict[str, Any]

#: Columns that name something; all others are numbers.
TEXT = frozenset(
    ("layer", "class", "population", "group", "model", "v1_population")
    + ("source", "target", "sections", "kinetics", "origin", "name", "like")
)


def read_classes(folder: Path) -> dict[tuple[str, str], str]:
    """Group of every class."""
    table = _Table(folder, "classes", ("layer", "class", "group"), key=("layer", "class"))
    return {(row["layer"], row["class"]): row["group"] for _, row in table.rows()}


def read_models(
    folder: Path, classes: list[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, float]]:
    """Models of every class and their counts in V1 (NaN: not known)."""
    columns = ("layer", "class", "model", "v1_count")
    table = _Table(folder, "models", columns, key=("layer", "class", "model"))
    embedded = set(library_cells().index)
    counts: dict[tuple[str, str], dict[str, float]] = {c: {} for c in classes}
    for line, row in table.rows():
        if (row["layer"], row["class"]) not in counts:
            raise table.error(
                line, "class", "wiring_classes.csv has no such class in this layer", "Add it there."
            )
        if row["model"] not in embedded:
            fix = "See `isocortex cells list`."
            raise table.error(line, "model", f"{row['model']!r} is not an embedded cell", fix)
        table.need(line, row, "v1_count", not row["v1_count"] < 0, "0 or more, or nothing")
        counts[row["layer"], row["class"]][row["model"]] = row["v1_count"]
    for cell_class, models in counts.items():
        if not models:
            raise InputError(
                f"class {cell_class!r} has no model", file=table.file, fix="Add at least one row."
            )
    return counts


def read_kinetics(folder: Path) -> dict[str, Kinetics]:
    """Two-exponential synapses by name."""
    table = _Table(folder, "kinetics", ("name", "tau1_ms", "tau2_ms", "erev_mV"), key=("name",))
    kinetics = {}
    for line, row in table.rows():
        rising = 0 < row["tau1_ms"] < row["tau2_ms"]
        table.need(line, row, "tau1_ms", rising, "above 0 and below tau2_ms")
        table.need(line, row, "erev_mV", bool(np.isfinite(row["erev_mV"])), "a voltage")
        kinetics[row["name"]] = exp2syn(row["tau1_ms"], row["tau2_ms"], row["erev_mV"])
    return kinetics


def read_connections(
    folder: Path, kinetics: dict[str, Kinetics], groups: list[str]
) -> dict[tuple[str, str], Record]:
    """One row for every pair of groups, also those that never connect."""
    columns = (
        "source", "target", "probability", "radius_um", "sigma_um", "synapses_low",
        "synapses_high", "delay_ms", "sections", "distance_low_um", "distance_high_um",
        "kinetics", "direction_factor", "position_factor",
    )  # fmt: skip
    table = _Table(folder, "connections", columns, key=("source", "target"))
    rules: dict[tuple[str, str], Record] = {}
    for line, row in table.rows():
        p = row["probability"]
        table.need(line, row, "probability", 0 <= p <= 1, "from 0 to 1")
        rules[row["source"], row["target"]] = record = {"probability": p}
        if p == 0:
            continue
        for column in ("sigma_um", "radius_um", "direction_factor", "position_factor"):
            table.need(line, row, column, 0 < row[column] < np.inf, "positive")
        low, high = row["synapses_low"], row["synapses_high"]
        whole = 1 <= low <= high < np.inf and low == int(low) and high == int(high)
        table.need(line, row, "synapses_low", whole, "whole, 1 or more, at most synapses_high")
        record |= {
            "sigma": row["sigma_um"], "radius": row["radius_um"], "synapses": (int(low), int(high)),
            "weight_factor": row["direction_factor"] * row["position_factor"],
            **_synapse(table, line, row, kinetics),
        }  # fmt: skip
    for source in groups:
        for target in groups:
            if (source, target) not in rules:
                raise InputError(
                    f"there is no row from {source} to {target}",
                    file=table.file,
                    fix="Add it, with probability 0 if the two never connect.",
                )
    return rules


def read_weights(folder: Path) -> tuple[dict[tuple[str, str, str], float], Path]:
    """Largest weight (uS) by source group, target group and model; and the file."""
    table = _Table(folder, "weights", ("group", "model"), key=("group", "model"))
    sources = [c for c in table.frame.columns if c not in TEXT]
    weights = {}
    for line, row in table.rows():
        for source in sources:
            if np.isnan(row[source]):
                continue
            table.need(line, row, source, 0 <= row[source] < np.inf, "0 or more")
            weights[source, row["group"], row["model"]] = 1e-3 * row[source]  # nS -> uS
    return weights, table.file


def read_strengths(
    folder: Path, kinetics: dict[str, Kinetics], rules: dict[tuple[str, str], Record]
) -> dict[tuple[str, str], Record]:
    """Fields of a ``Strength`` by kind of source (e or an inhibitory class's letter) and target."""
    columns = ("source", "target", "like", "factor", "kinetics")
    table = _Table(folder, "strengths", columns, key=("source", "target"))
    strengths = {}
    for line, row in table.rows():
        like, name = (row["like"], row["target"]), row["kinetics"]
        connects = rules.get(like, {"probability": 0.0})["probability"] > 0
        table.need(line, row, "like", connects, "a group that connects to the target")
        table.need(line, row, "factor", 0 <= row["factor"] < np.inf, "0 or more")
        known = name == "" or name in kinetics
        table.need(line, row, "kinetics", known, f"nothing, or one of {', '.join(kinetics)}")
        strengths[row["source"], row["target"]] = {
            "like": row["like"], "factor": row["factor"], "kinetics": kinetics.get(name),
        }  # fmt: skip
    return strengths


def _synapse(table: _Table, line: int, row: Record, kinetics: dict[str, Kinetics]) -> Record:
    """Where the synapses of a connection are, and their kinetics."""
    table.need(line, row, "delay_ms", 0 < row["delay_ms"] < np.inf, "positive")
    low, high = row["distance_low_um"], row["distance_high_um"]
    table.need(line, row, "distance_low_um", 0 <= low < high, "0 or more, below distance_high_um")
    sections = tuple(row["sections"].split())
    known = bool(sections) and set(sections) <= set(SECTION_NAMES)
    table.need(line, row, "sections", known, f"some of {', '.join(sorted(SECTION_NAMES))}")
    name = row["kinetics"]
    table.need(line, row, "kinetics", name in kinetics, f"one of {', '.join(kinetics)}")
    return {
        "delay": row["delay_ms"], "sections": sections, "distance_range": (low, high),
        "kinetics": kinetics[name],
    }  # fmt: skip


class _Table:
    """One file: its columns checked, its numbers converted, errors with their place."""

    def __init__(
        self, folder: Path, name: str, columns: tuple[str, ...], key: tuple[str, ...]
    ) -> None:
        self.file = folder / f"wiring_{name}.csv"
        try:
            frame = pd.read_csv(self.file, dtype=str, keep_default_na=False)
        except FileNotFoundError:
            raise InputError(
                "there is no such table", file=self.file,
                fix="A folder of tables has all six: copy those of the package and change them.",
            ) from None  # fmt: skip
        except (OSError, ValueError) as error:
            raise InputError(f"cannot be read: {error}", file=self.file) from error
        absent = [column for column in columns if column not in frame.columns]
        if absent:
            raise InputError(
                "there is no such column", file=self.file, field=absent[0],
                fix=f"The columns are {', '.join(columns)}.",
            )  # fmt: skip
        for column in frame.columns.difference(list(TEXT)):
            numbers = pd.to_numeric(frame[column].replace("", "nan"), errors="coerce")
            bad = np.flatnonzero(numbers.isna() & ~frame[column].isin(["", "nan"]))
            if len(bad):
                wrong = f"{frame[column].iloc[bad[0]]!r} is not a number"
                raise self.error(int(bad[0]), column, wrong, "Write a number.")
            frame[column] = numbers.astype(float)
        twice = np.flatnonzero(frame.duplicated(list(key)))
        if len(twice):
            raise self.error(int(twice[0]), key[-1], "the row repeats another", "Remove one.")
        self.frame = frame

    def rows(self) -> list[tuple[int, Record]]:
        """Number from 0 and fields of every row."""
        return list(enumerate(self.frame.to_dict("records")))

    def error(self, row: int, column: str, message: str, fix: str) -> InputError:
        """An error in a row; in the file the header is line 1."""
        return InputError(message, file=self.file, field=f"line {row + 2}, {column}", fix=fix)

    def need(self, line: int, row: Record, column: str, good: bool, what: str) -> None:
        """Stop unless ``good``."""
        if not good:
            raise self.error(line, column, f"is {row[column]!r}", f"It must be {what}.")
