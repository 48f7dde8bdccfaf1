"""What drives a cortex model from outside, so that it has a resting state.

Every neuron has a Poisson source of its own. How strong its synapses are is calibrated, by class
and cell model, so that rates come near :func:`target_of`; it is no data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.cortex.counts import CLASSES, N_EXCITATORY
from isocortex.errors import InputError
from isocortex.sonata.tables import read_table

#: Hz of every source, and synapses that each of its spikes activates.
RATE, SYNAPSES = 500.0, 2

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
    return _targets()[layer, "E" if name in CLASSES[:N_EXCITATORY] else name]


@dataclass(frozen=True)
class Drive:
    """Peak conductance of a background synapse, nS, by (layer, class, cell model)."""

    weight: dict[tuple[str, str, str], float]
    file: Path

    def of(self, layer: str, name: str, model: str) -> float:
        """Conductance in nS, per synapse on a cell of this class and model.

        Where the table lacks the model, the median of the class in this layer, or in all of them.
        """
        if (layer, name, model) in self.weight:
            return self.weight[layer, name, model]
        for alike in (
            [w for (lay, of, _), w in self.weight.items() if (lay, of) == (layer, name)],
            [w for (_, of, _), w in self.weight.items() if of == name],
        ):
            if alike:
                return float(np.median(alike))
        raise InputError(f"has no row for class {name}", file=self.file, fix="Add one.")


def load_drive(file: str | Path | None = None) -> Drive:
    """Read the calibrated background: the embedded table or one's own (layer, class, model, nS)."""
    path = Path(str(files("isocortex") / "cortex" / "data" / "drive.csv") if file is None else file)
    table, fix = read_table(path), "Make it with `isocortex build calibrate`."
    keys = zip(*(table.columns[table.find(name, fix=fix)] for name in KEYS), strict=True)
    name = table.find("nS", fix=fix)
    weights = table.numbers(name)
    negative = np.flatnonzero(weights < 0)
    if len(negative):
        raise table.error(int(negative[0]), name, "is no conductance", "Use 0 or more.")
    return Drive(dict(zip(keys, weights.tolist(), strict=True)), path)
