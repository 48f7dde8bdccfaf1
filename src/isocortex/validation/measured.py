"""What was measured: numbers by name, what to say about them, and tables behind them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass
class Measured:
    """What one seed gave, or some of it.

    Attributes
    ----------
    values : by name, such as ``irregular.cv``. NaN was looked for and is not defined; what is
        infinite never came.
    notes : by the same names.
    tables : by name, to be shown beside a gate.
    """

    values: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def put(self, name: str, value: float, note: str = "") -> None:
        """Add a number, and what to say about it."""
        self.values[name] = float(value)
        if note:
            self.notes[name] = note

    def add(self, other: Measured) -> None:
        """Take over what another one holds."""
        self.values |= other.values
        self.notes |= other.notes
        self.tables |= other.tables


def median(values: object) -> float:
    """Median of what is defined; NaN of nothing."""
    known = np.asarray(values, float).ravel()
    known = known[~np.isnan(known)]
    return float(np.median(known)) if len(known) else float("nan")


def mean(values: object) -> float:
    """Mean of what is defined; NaN of nothing."""
    known = np.asarray(values, float).ravel()
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")
