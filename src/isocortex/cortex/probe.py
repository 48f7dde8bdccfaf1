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
#: um, half the mean distance between the neurons of a cortex (75,000 in a cubic millimetre).
HALFWAY = 12.0
#: Neurons beside the probe that tell how thick the cortex is there.
NEIGHBOURS = 20


def laminar_probe(
    cortex: CortexModel, area: str, hemisphere: str = "right", spacing: float = SPACING
) -> FloatArray:
    """float64[contacts, 3], um, CCFv3: places on a straight line, the first on the pia.

    The line stands on the pia in the middle of the area's flat map; place and direction are the
    means of those of the neurons there.

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
    normal = n.normal[beside].astype(np.float64)
    pia = (n.position[beside] + normal * n.depth_um[beside, None]).mean(axis=0)
    down = -normal.mean(axis=0) / np.linalg.norm(normal.mean(axis=0))
    depth = np.arange(0.0, thick + 0.5 * spacing, spacing)
    return pia + depth[:, None] * down


def report_of_probe(area: str, hemisphere: str, table: str, scale: float) -> dict[str, Any]:
    """An entry of ``reports``: the potential of the area's cells, twice a millisecond.

    Of a scaled model a neuron stands for those that are left out: nearer than half the mean
    distance between neurons its potential does not rise, so that one does not stand for all.
    """
    return {
        "module": "extracellular", "variable_name": "v", "electrode_channels": "all",
        "cells": {"population": "cortex", "area": area, "hemisphere": hemisphere},
        "electrode_positions": table, "dt": 0.5,
        "minimum_distance": round(HALFWAY * scale ** (-1 / 3), 1),
    }  # fmt: skip
