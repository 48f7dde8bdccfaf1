"""Sets of neurons that a cortex circuit names, for reports, inputs and overrides of connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isocortex.cortex.atlas import LAYERS
from isocortex.cortex.counts import CLASSES, HEMISPHERES, group_of
from isocortex.cortex.wiring import CellClass

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel

#: Classes of which the simulation records a neuron; the first ones in every compartment.
RECORDED: tuple[CellClass, ...] = (
    ("5", "ET"), ("2/3", "IT"), ("5", "Pvalb"), ("4", "IT"), ("6a", "CT"), ("6a", "IT"),
    ("2/3", "Pvalb"), ("2/3", "Vip"), ("5", "Sst"), ("1", "Inh"),
)  # fmt: skip
WHOLE = 3
#: Area of the recorded neurons, in the right hemisphere.
RECORDED_AREA = "VISp"


def _recorded(cortex: CortexModel) -> list[int]:
    """A neuron of each class of ``RECORDED``, near each other where the area has them."""
    n = cortex.neurons
    home = cortex.right & (n.area == cortex.atlas.areas.index.get_loc(RECORDED_AREA))
    middle = n.position[home if home.any() else slice(None)].mean(axis=0)
    away = np.linalg.norm(n.position - middle, axis=1) + 1e6 * ~home
    chosen = []
    for cell_class in RECORDED:
        members = np.flatnonzero(cortex.group == group_of(cell_class))
        if len(members):
            chosen.append(int(members[np.argmin(away[members])]))
    return chosen


def node_sets(cortex: CortexModel) -> dict[str, Any]:
    """Areas, sides, layers and classes by name; some neurons to record."""
    recorded = _recorded(cortex)
    sets: dict[str, Any] = {
        "cortex": {"population": "cortex"},
        "background": {"population": "background"},
        "recorded": {"population": "cortex", "node_id": recorded},
        "whole": {"population": "cortex", "node_id": recorded[:WHOLE]},
    }
    for name, sign in (("excitatory", "e"), ("inhibitory", "i")):
        sets[name] = {"population": "cortex", "ei": sign}
    for side in HEMISPHERES:
        sets[side] = {"population": "cortex", "hemisphere": side}
    for name in cortex.atlas.areas.index:
        sets[name] = {"population": "cortex", "area": name}
    for layer in LAYERS:
        sets[f"L{layer}"] = {"population": "cortex", "layer": f"L{layer}"}
    for name in CLASSES:
        sets[name] = {"population": "cortex", "cell_class": name}
    return sets
