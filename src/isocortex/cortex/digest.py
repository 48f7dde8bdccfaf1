"""What a cortex model came out as, in a few hashes: two that are equal make the same network."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from isocortex.cells.library import load_cell

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel


def digests(model: CortexModel) -> dict[str, str]:
    """Hash of every part of a model that its network follows from: part -> hexadecimal digits.

    Whatever a part follows from (recipe, tables, package) is in it by what it led to: a change that
    changes nothing is none.
    """
    axons = model.axons
    cells = [load_cell(name) for name in model.models]
    of_cells = [
        array for c in cells
        for array in (c.parent, c.area, c.g_axial, c.section, c.x, c.cm, c.g_pas, c.e_pas)
    ]  # fmt: skip
    of_channels = [
        array for c in cells for _, table in sorted(c.mechanisms.items())
        for array in (table.nodes, *(table.parameters[k] for k in sorted(table.parameters)))
    ]  # fmt: skip
    kinetics = [(k.tau_rise, k.tau_decay, k.reversal) for k in (r.kinetics for r in model.rules)]
    return {
        "neurons": _hash(axons.neurons.position, axons.neurons.normal, axons.neurons.column,
                         axons.neurons.group, *axons.places),
        "cell models": _hash(model.models, axons.neurons.model, *of_cells, *of_channels),
        "connections": _hash(axons.keys, *axons.rules, *axons.projections),
        "places of synapses": _hash(*axons.sites),
        "kinetics and weights": _hash(kinetics, model.weight),
    }  # fmt: skip


def _hash(*values: object) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for value in values:
        array = np.ascontiguousarray(value)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.data if array.dtype.kind != "U" else array.tobytes())
    return digest.hexdigest()
