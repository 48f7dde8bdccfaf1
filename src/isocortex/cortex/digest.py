"""What a cortex model came out as, in a few hashes: two with the same ones are the same network.

>>> from isocortex.cortex.model import CortexModel
>>> from isocortex.cortex.recipe import Recipe
>>> len(digest(CortexModel.make(Recipe(scale=0.0005))))
64
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from isocortex.cells.library import load_cell
from isocortex.hashes import sha256

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel


def digests(cortex: CortexModel) -> dict[str, str]:
    """SHA-256 of every part of a model that its network follows from, in hexadecimal.

    The files that the parts were read from do not matter, nor does the machine: a change that
    changes nothing is none.
    """
    axons, dL = cortex.axons, cortex.recipe.dL
    parts = {
        "neurons": (cortex.neurons, cortex.group, _columns(cortex.layout.columns.table)),
        "cell models": (cortex.models, cortex.model, [load_cell(m, dL) for m in cortex.models]),
        "connections": (axons.keys, axons.places, axons.rules, axons.projections),
        "places of synapses": axons.sites,
        "kinetics and weights": (cortex.rules, cortex.weight),
        "background": [sorted(cortex.drive.inputs.items()), sorted(cortex.drive.areas.items())],
    }
    return {name: sha256(value) for name, value in parts.items()}


def digest(cortex: CortexModel) -> str:
    """One SHA-256 for all of :func:`digests`."""
    return sha256(digests(cortex))


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    """Arrays of numbers, lists of texts."""
    return {
        str(name): column.to_numpy() if column.dtype.kind in "iufb" else column.tolist()
        for name, column in table.items()
    }
