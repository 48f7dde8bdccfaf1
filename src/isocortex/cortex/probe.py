"""A laminar probe: contacts from the pia to the white matter in the middle of an area."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cortex.counts import HEMISPHERES
from isocortex.errors import ConfigError

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel

SPACING = 50.0  # um
#: Neurons beside the probe that tell how thick the cortex is there.
NEIGHBOURS = 20


def laminar_probe(
    cortex: CortexModel, area: str, hemisphere: str = "right", spacing: float = SPACING
) -> FloatArray:
    """float64[contacts, 3], um, CCFv3: places on a straight line, the first on the pia.

    The line goes through the neuron in the middle of the area's flat map, in the direction of the
    pia there.

    Raises
    ------
    ConfigError : the model has no such area or hemisphere, or no neuron there.
    """
    if hemisphere not in HEMISPHERES:
        raise ConfigError(
            f"unknown hemisphere {hemisphere!r}", field="hemisphere",
            fix=f"Use {' or '.join(HEMISPHERES)}.",
        )  # fmt: skip
    areas = cortex.atlas.areas.index
    if area not in areas:
        raise ConfigError(
            f"unknown area {area!r}", field="probe", fix=f"There are {', '.join(areas)}."
        )
    n = cortex.neurons
    side = cortex.right if hemisphere == "right" else ~cortex.right
    members = np.flatnonzero(side & (n.area == areas.get_loc(area)))
    if not len(members):
        raise ConfigError(f"no neuron of {area} on the {hemisphere}", field="probe",
                          fix="Choose a larger scale.")  # fmt: skip
    flat = n.flat[members].astype(np.float64)
    away = np.linalg.norm(flat - np.median(flat, axis=0), axis=1)
    beside = members[np.argsort(away, kind="stable")[:NEIGHBOURS]]
    thick = float(np.median(n.depth_um[beside] / np.maximum(n.depth[beside], 0.02)))
    down = -n.normal[beside[0]].astype(np.float64)
    pia = n.position[beside[0]] - down * n.depth_um[beside[0]]
    depth = np.arange(0.0, thick + 0.5 * spacing, spacing)
    return pia + depth[:, None] * down


def report_of_probe(area: str, hemisphere: str, table: str) -> dict[str, Any]:
    """An entry of ``reports``: the potential of the area's cells, twice a millisecond."""
    return {
        "module": "extracellular", "variable_name": "v", "electrode_channels": "all",
        "cells": {"population": "cortex", "area": area, "hemisphere": hemisphere},
        "electrode_positions": table, "minimum_distance": "auto", "dt": 0.5,
    }  # fmt: skip
