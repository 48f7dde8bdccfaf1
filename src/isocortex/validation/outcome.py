"""The table of gates: what several seeds gave, judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isocortex import __version__
from isocortex.errors import disk_errors
from isocortex.validation.gates import (
    ENOUGH_SEEDS,
    FAILS,
    GATES,
    HOLDS,
    OVER_SEEDS,
    PART,
    UNMEASURED,
    Criterion,
    Gate,
)
from isocortex.validation.measured import Measured

#: Version of what :meth:`Validation.to_dict` gives.
SCHEMA = 1


@dataclass(frozen=True)
class Line:
    """A criterion with what was measured.

    Attributes
    ----------
    values : of every seed; NaN where it was not measured.
    note : of the first seed that has one.
    """

    criterion: Criterion
    values: tuple[float, ...]
    note: str

    @property
    def known(self) -> list[float]:
        return [value for value in self.values if not np.isnan(value)]

    @property
    def value(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.known)) if self.known else float("nan")

    @property
    def spread(self) -> float:
        """Standard deviation over seeds; NaN for fewer than two."""
        known = self.known
        finite = len(known) > 1 and bool(np.isfinite(known).all())
        return float(np.std(known, ddof=1)) if finite else float("nan")

    @property
    def verdict(self) -> str:
        return self.criterion.verdict(self.values)

    @property
    def measured(self) -> str:
        """Value and spread, to be read."""
        if not self.known:
            return "–"
        unit, scale = self.criterion.unit, 100.0 if self.criterion.unit == "%" else 1.0
        text = f"{scale * self.value:.3g}"
        if np.isfinite(self.spread):
            text += f" ± {scale * self.spread:.2g}"
        return f"{text} {unit}" if unit else text


@dataclass(frozen=True)
class GateOutcome:
    """A gate with its lines."""

    gate: Gate
    lines: tuple[Line, ...]

    @property
    def verdict(self) -> str:
        return self.gate.verdict([line.verdict for line in self.lines])


@dataclass(frozen=True)
class Validation:
    """The gates of one circuit or result.

    Attributes
    ----------
    subject : what was validated.
    facts : recipe, durations and the like: what JSON can hold.
    seeds : of the networks; empty for results, whose seed is their circuit's.
    gates : in the order of :data:`isocortex.validation.gates.GATES`.
    tables : by name, of the first seed.
    activity : run -> the rate of every area over time in it, of the first seed.
    """

    subject: str
    facts: Mapping[str, Any]
    seeds: tuple[int, ...]
    gates: tuple[GateOutcome, ...]
    tables: Mapping[str, pd.DataFrame]
    activity: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """A row per criterion: gate, what, measured, target, verdict, note and source."""
        rows = [
            (each.gate.title, line.criterion.what, line.measured, line.criterion.target,
             line.verdict, line.note, ", ".join(source.text for source in each.gate.sources))
            for each in self.gates for line in each.lines
        ]  # fmt: skip
        columns = ["gate", "what", "measured", "target", "verdict", "note", "source"]
        return pd.DataFrame(rows, columns=columns)

    def verdicts(self) -> dict[str, str]:
        """Gate -> verdict."""
        return {each.gate.name: each.verdict for each in self.gates}

    @property
    def summary(self) -> str:
        """One line."""
        found = self.verdicts()
        named = {
            verdict: [name for name, of in found.items() if of == verdict]
            for verdict in (HOLDS, PART, FAILS, UNMEASURED)
        }
        parts = [f"{verdict}: {', '.join(names)}" for verdict, names in named.items() if names]
        return f"Of {len(found)} gates: {'; '.join(parts)}."

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what was not measured is null."""
        return {
            "schema": SCHEMA,
            "isocortex": __version__,
            "subject": self.subject,
            "facts": dict(self.facts),
            "seeds": list(self.seeds),
            "gates": [_gate_dict(each) for each in self.gates],
            "tables": {
                name: json.loads(table.reset_index().to_json(orient="records"))
                for name, table in self.tables.items()
            },
        }

    def write_json(self, file: str | Path) -> Path:
        """Write :meth:`to_dict`; an earlier file is replaced."""
        file = Path(file)
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        with disk_errors(file, "write the table of gates"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n", encoding="utf-8")
        return file


def _gate_dict(outcome: GateOutcome) -> dict[str, Any]:
    gate = outcome.gate
    return {
        "name": gate.name, "title": gate.title, "what": gate.what, "verdict": outcome.verdict,
        "needs": gate.needs,
        "sources": [{"text": each.text, "url": each.url} for each in gate.sources],
        "criteria": [
            {
                "quantity": line.criterion.quantity, "what": line.criterion.what,
                "unit": line.criterion.unit, "low": _number(line.criterion.low),
                "high": _number(line.criterion.high), "value": _number(line.value),
                "spread": _number(line.spread), "values": [_number(v) for v in line.values],
                "verdict": line.verdict, "note": line.note,
            }
            for line in outcome.lines
        ],
    }  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def judged(
    measured: Sequence[Measured], wanted: Sequence[str], seeds: Sequence[int] = ()
) -> tuple[GateOutcome, ...]:
    """All gates, judged by what every seed gave; those not ``wanted`` were not measured."""
    over = over_seeds(measured)
    found = []
    for gate in GATES:
        if gate.name == "robust":
            continue
        several = [over] if gate.name in OVER_SEEDS else list(measured)
        found.append(_outcome(gate, several if gate.name in wanted else []))
    return (*found, _robust(found, wanted, seeds))


def over_seeds(measured: Sequence[Measured]) -> Measured:
    """What follows from several seeds together: the lesion's effects against their spread."""
    found = Measured()
    effects: dict[str, list[float]] = {}
    for each in measured:
        for name, value in each.values.items():
            if name.startswith("lesion.") and not np.isnan(value):
                effects.setdefault(name.removeprefix("lesion."), []).append(value)
    if not effects:
        return found
    rows = {area: _paired(values) for area, values in effects.items()}
    columns = ["change", "standard_error", "standard_errors"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    n = len(measured)
    found.put("lesion.change", float(table["change"].mean()))
    found.put("lesion.error", float(table["standard_error"].mean()))
    if n >= ENOUGH_SEEDS:
        beyond = int((table["standard_errors"].abs() > 3.0).sum())
        found.put("lesion.beyond", beyond, f"{n} seeds")
    else:
        found.put("lesion.beyond", np.nan, f"needs {ENOUGH_SEEDS} seeds, has {n}")
    found.tables["lesion"] = table
    return found


def _paired(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, standard error, and their ratio."""
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
    middle = float(np.mean(values))
    return middle, error, middle / error if error and error > 0 else float("nan")


def _outcome(gate: Gate, measured: Sequence[Measured]) -> GateOutcome:
    lines = []
    for criterion in gate.criteria:
        name = criterion.quantity
        values = tuple(each.values.get(name, float("nan")) for each in measured)
        notes = [each.notes[name] for each in measured if name in each.notes]
        lines.append(Line(criterion, values, notes[0] if notes else ""))
    return GateOutcome(gate, tuple(lines))


def _robust(
    found: Sequence[GateOutcome], wanted: Sequence[str], seeds: Sequence[int]
) -> GateOutcome:
    """Whether every gate holds at every seed."""
    gate = next(gate for gate in GATES if gate.name == "robust")
    told = Measured()
    told.put("robust.seeds", len(seeds))
    failing = [each.gate.name for each in found if _fails_somewhere(each)]
    open_ = [each.gate.name for each in found if each.verdict in (PART, UNMEASURED)]
    if len(seeds) >= ENOUGH_SEEDS and (failing or not open_):
        told.put("robust.fails", len(failing), ", ".join(failing))
    elif open_ and len(seeds) >= ENOUGH_SEEDS:
        told.notes["robust.fails"] = f"not measured: {', '.join(open_)}"
    else:
        told.notes["robust.fails"] = f"needs {ENOUGH_SEEDS} seeds, has {len(seeds)}"
    return _outcome(gate, [told] if "robust" in wanted else [])


def _fails_somewhere(outcome: GateOutcome) -> bool:
    """At one seed, or on average."""
    each = [line.criterion.verdict([v]) for line in outcome.lines for v in line.values]
    return outcome.verdict == FAILS or FAILS in each
