"""What drives a cortex model from outside, so that it has a resting state.

Every neuron has a Poisson source of its own. How strong its synapses are is calibrated, by class
and cell model, so that rates come near :func:`target_of`; it is no data.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pandas as pd

from isocortex.errors import InputError

#: Hz of every source, and synapses that each of its spikes activates.
RATE, SYNAPSES = 500.0, 2

#: Mean rates that calibration aims at, Hz: excitatory by layer, inhibitory by class. In awake mice
#: layers 2/3 and 6 fire less than 4 and 5 (O'Connor et al. 2010, doi:10.1016/j.neuron.2010.08.026),
#: inhibitory cells much more than excitatory ones and in quiet the fast-spiking most (Gentet et al.
#: 2010, doi:10.1016/j.neuron.2010.01.006). The order is theirs, the numbers are chosen.
EXCITATORY_TARGETS = {"2/3": 1.5, "4": 2.5, "5": 4.0, "6a": 2.0, "6b": 2.0}
INHIBITORY_TARGETS = {"Pvalb": 8.0, "Sst": 5.0, "Vip": 5.0, "Inh": 4.0}
#: A class is at rest if its mean rate lies between these multiples of its target.
TOLERANCE = (0.5, 2.0)


def target_of(layer: str, name: str) -> float:
    """Mean rate that the class ``name`` of a layer is to have, Hz."""
    if name in INHIBITORY_TARGETS:
        return INHIBITORY_TARGETS[name]
    return EXCITATORY_TARGETS[layer]


@dataclass(frozen=True)
class Drive:
    """Peak conductance of a background synapse, nS, by (layer, class, cell model)."""

    weight: dict[tuple[str, str, str], float]
    file: Path

    def of(self, layer: str, name: str, model: str) -> float:
        """Conductance in nS, per synapse on a cell of this class and model."""
        if (layer, name, model) not in self.weight:
            raise InputError(
                f"has no row for class {name} of layer {layer} and model {model}", file=self.file,
                fix="Calibrate again, with this wiring.",
            )  # fmt: skip
        return self.weight[layer, name, model]


def load_drive(file: str | Path | None = None) -> Drive:
    """Read the calibrated background: the embedded table or one's own (layer, class, model, nS)."""
    path = Path(str(files("isocortex") / "cortex" / "data" / "drive.csv") if file is None else file)
    try:
        table = pd.read_csv(path, dtype={"layer": str, "class": str, "model": str})
        keys = table[["layer", "class", "model"]].itertuples(index=False, name=None)
        return Drive(dict(zip(keys, table["nS"].astype(float), strict=True)), path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"cannot be read as a table of layer, class, model and nS ({error})", file=path,
            fix="Make it with `isocortex build calibrate`.",
        ) from error  # fmt: skip
