"""How strongly the background drives a cortex model, so that it has a resting state.

How many synapses of the background a neuron has and what they weigh is calibrated, by class and
cell model, such that it fires at :func:`target_of` while its recurrent synapses receive what they
do at rest; it is no data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.cortex.counts import EXCITATORY
from isocortex.errors import InputError
from isocortex.sonata.tables import read_table

#: Fewest synapses of the background on a neuron, and the most that one may weigh, nS, on
#: excitatory and on inhibitory cells: synapses as they are measured.
FEWEST, STRONGEST = 20, (1.0, 2.0)

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
    """Background by (layer, class, cell model): synapses of a neuron, and nS of each."""

    inputs: dict[tuple[str, str, str], tuple[int, float]]
    file: Path

    def of(self, layer: str, name: str, model: str) -> tuple[int, float]:
        """Synapses on a cell of this class and model, and their peak conductance, nS.

        Where the table lacks the model, those in the middle, by conductance in all, of the class in
        this layer, or in all of them.
        """
        if (layer, name, model) in self.inputs:
            return self.inputs[layer, name, model]
        for alike in (
            [given for (lay, of, _), given in self.inputs.items() if (lay, of) == (layer, name)],
            [given for (_, of, _), given in self.inputs.items() if of == name],
        ):
            if alike:
                return sorted(alike, key=lambda given: given[0] * given[1])[len(alike) // 2]
        raise InputError(f"has no row for class {name}", file=self.file, fix="Add one.")


def load_drive(file: str | Path | None = None) -> Drive:
    """Read the calibrated background: the embedded table or one's own.

    Its columns are layer, class, model, synapses and nS (of each synapse).
    """
    path = Path(str(files("isocortex") / "cortex" / "data" / "drive.csv") if file is None else file)
    table, fix = read_table(path), "Make it with `isocortex build calibrate`."
    keys = list(zip(*(table.columns[table.find(name, fix=fix)] for name in KEYS), strict=True))
    columns = [table.find(name, fix=fix) for name in ("synapses", "nS")]
    number, weight = (table.numbers(name) for name in columns)
    for name, wrong, what in (
        (columns[0], (number < 0) | (number != np.floor(number)), "is no number of synapses"),
        (columns[1], weight < 0, "is no conductance"),
    ):
        if wrong.any():
            raise table.error(int(np.argmax(wrong)), name, what, "Use 0 or more.")
    inputs = zip(number.astype(int).tolist(), weight.tolist(), strict=True)
    return Drive(dict(zip(keys, inputs, strict=True)), path)
