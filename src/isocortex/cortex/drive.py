"""How strongly the background drives a cortex model, so that it has a resting state.

How many synapses of the background a neuron has and what they weigh is calibrated, by class and
cell model, such that it fires at :func:`target_of` while its recurrent synapses receive what they
do at rest; it is no data. Small models need less of it, see :func:`load_drive`.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from isocortex.cortex.counts import EXCITATORY
from isocortex.elementary import exp, log
from isocortex.errors import InputError
from isocortex.sonata.tables import read_table

#: Fewest synapses of the background on a neuron, and the most that one may weigh, nS, on
#: excitatory and on inhibitory cells: synapses as they are measured.
FEWEST, STRONGEST = 20, (1.0, 2.0)

#: Scale of the smallest model that a background is calibrated for, and the share of its synapses
#: that a neuron keeps there, see `load_drive`.
SMALL, FEW = 0.001, 0.1

#: Least background of a neuron between two scales, nS: none has no logarithm.
LEAST = 1e-3

#: Columns of a table of the background that say what its conductances are of.
KEYS = ("layer", "class", "model")

#: A class is at rest if its mean rate lies between these multiples of its target.
TOLERANCE = (0.5, 2.0)


@cache
def _targets() -> dict[tuple[str, str], float]:
    with as_file(files("isocortex") / "cortex" / "data" / "rates.csv") as path:
        table = pd.read_csv(path, dtype={"layer": str, "class": str})
    return {(row["layer"], row["class"]): row["hz"] for row in table.to_dict("records")}


def target_of(layer: str, name: str) -> float:
    """Mean rate that the class ``name`` of a layer is to have, Hz.

    The median over units of that layer and class in visual cortex of awake mice without stimulus
    (``data/rates.csv``; Siegle et al. 2021, doi:10.1038/s41586-020-03171-x). Electrodes find active
    cells more easily than silent ones: the median, not the mean over units, stands for all cells.
    """
    return _targets()[layer, "E" if name in EXCITATORY else name]


def strongest(name: str) -> float:
    """The most that a synapse of the background on a cell of this class may weigh, nS."""
    return STRONGEST[0 if name in EXCITATORY else 1]


@dataclass(frozen=True)
class Drive:
    """What a neuron receives of the background.

    Attributes
    ----------
    inputs : by (layer, class, cell model): synapses of a neuron, and nS of each.
    file : where they were read.
    areas : by area, on which share of that; 1 where it is not named. Of excitatory neurons: areas
        differ in how many recurrent synapses these have, and those with few would be silent.
    """

    inputs: dict[tuple[str, str, str], tuple[int, float]]
    file: Path
    areas: dict[str, float] = field(default_factory=dict)

    def of(self, layer: str, name: str, model: str, area: str | None = None) -> tuple[int, float]:
        """Synapses on a cell of this class and model, and their peak conductance, nS.

        Where the table lacks the model, those in the middle, by conductance in all, of the class in
        this layer, or in all of them.
        """
        number, weight = self._of(layer, name, model)
        share = self.areas.get(area or "", 1.0) if name in EXCITATORY else 1.0
        return (number, weight) if share == 1.0 else as_synapses(share * number * weight, name)

    def _of(self, layer: str, name: str, model: str) -> tuple[int, float]:
        if (layer, name, model) in self.inputs:
            return self.inputs[layer, name, model]
        for alike in (
            [given for (lay, of, _), given in self.inputs.items() if (lay, of) == (layer, name)],
            [given for (_, of, _), given in self.inputs.items() if of == name],
        ):
            if alike:
                return sorted(alike, key=lambda given: given[0] * given[1])[len(alike) // 2]
        raise InputError(f"has no row for class {name}", file=self.file, fix="Add one.")


def as_synapses(amount: float, name: str) -> tuple[int, float]:
    """Number of synapses that together weigh ``amount`` (nS) on this class, and nS of each."""
    most = strongest(name)
    number = max(FEWEST, int(np.ceil(amount / most)))
    return number, min(round(amount / number, 6), most)


def load_drive(
    file: str | Path | None = None, scale: float = SMALL, in_degree: float = FEW
) -> Drive:
    """Read the calibrated background: the embedded table or one's own.

    Its columns are layer, class, model, synapses and nS (of each synapse). Where it has columns
    ``scale`` or ``in_degree`` a kind has a row for each at which it was calibrated; between them
    the logarithm of the conductance follows theirs, beyond them it stays. Beside ``NAME.csv`` there
    may be ``NAME_areas.csv``: area and share, see :class:`Drive`.

    Parameters
    ----------
    scale, in_degree : of the model. In a small one neurons fire together more, which drives them;
        many small synapses drive less by chance than few large ones.
    """
    path = Path(str(files("isocortex") / "cortex" / "data" / "drive.csv") if file is None else file)
    table, fix = read_table(path), "Make it with `isocortex build calibrate`."
    keys = zip(*(table.columns[table.find(name, fix=fix)] for name in KEYS), strict=True)
    columns = [table.find(name, fix=fix) for name in ("synapses", "nS")]
    number, weight = (table.numbers(name) for name in columns)
    kept, at = (
        table.numbers(name) if name in table.columns else np.ones(len(table))
        for name in ("in_degree", "scale")
    )
    more, above = "0 or more", "a number above 0, up to 1"
    for name, wrong, what, right in (
        (columns[0], (number < 0) | (number != np.floor(number)), "is no number of synapses", more),
        (columns[1], weight < 0, "is no conductance", more),
        ("in_degree", (kept <= 0) | (kept > 1), "is no share of the synapses", above),
        ("scale", at <= 0, "is no scale", above),
    ):
        if wrong.any():
            raise table.error(int(np.argmax(wrong)), name, what, f"Use {right}.")
    rows: dict[tuple[str, str, str], dict[float, list[Given]]] = {}
    for key, share, *row in zip(
        keys, kept.tolist(), at.tolist(), number.astype(int).tolist(), weight.tolist(), strict=True
    ):
        rows.setdefault(key, {}).setdefault(share, []).append(Given(*row))
    inputs = {}
    for key, by_share in rows.items():
        there = [Given(share, *_between(by, scale, key[1])) for share, by in by_share.items()]
        inputs[key] = _between(there, in_degree, key[1])
    return Drive(inputs, path, _areas(areas_beside(path)))


def areas_beside(file: Path) -> Path:
    """Where the shares of areas are that belong to a table of the background."""
    return file.with_name(f"{file.stem}_areas.csv")


def _areas(file: Path) -> dict[str, float]:
    if not file.exists():
        return {}
    table, fix = read_table(file), "Make it with `isocortex build calibrate`."
    names = table.columns[table.find("area", fix=fix)]
    share = table.numbers(table.find("share", fix=fix))
    if (share < 0).any():
        row = int(np.argmax(share < 0))
        raise table.error(row, "share", "is no share", "Use 0 or more.")
    return dict(zip(names, share.tolist(), strict=True))


class Given(NamedTuple):
    """Synapses on a neuron and nS of each, at a scale or an in-degree."""

    at: float
    synapses: int
    nS: float


def _between(rows: list[Given], at: float, name: str) -> tuple[int, float]:
    """Synapses and nS of a class, between or beyond those that are given."""
    rows = sorted(rows)
    above = bisect_left(rows, (at,))
    if above == len(rows) or above == 0 or rows[above].at == at:
        return rows[min(above, len(rows) - 1)][1:]
    less, more = rows[above - 1], rows[above]
    at, first, last = (float(log(np.array(x))) for x in (at, less.at, more.at))
    a, b = (log(np.maximum(each.synapses * each.nS, LEAST)) for each in (less, more))
    part = (at - first) / (last - first)
    return as_synapses(float(exp(np.array((1 - part) * a + part * b))), name)
