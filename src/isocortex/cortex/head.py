"""A mouse's head about its cortex, as four spheres, and electrodes over areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cells.head import Head
from isocortex.cortex.counts import HEMISPHERES
from isocortex.errors import ConfigError

if TYPE_CHECKING:
    from isocortex.cortex.model import CortexModel

#: The brain is the sphere that fits the pia of the atlas best. How thick fluid, skull and scalp are
#: (100, 300 and 500 um) is our own choice, of the size of a mouse's.
MOUSE = Head(np.array([7280.0, 5200.0, 5700.0]), (5250.0, 5350.0, 5650.0, 6150.0))
#: um; the cortex is no sphere, and what lies outside counts as in the middle of its thickness.
DEPTH = 500.0
STEP = 0.5  # ms
TABLE = "eeg.csv"


def electrodes_over(cortex: CortexModel, areas: Sequence[str]) -> tuple[list[str], FloatArray]:
    """Names, such as ``VISp_right``, and places, float64[n, 3], um, on the outside of the skull.

    They lie in the direction in which the middle of an area is from the centre, on both sides.

    Raises
    ------
    ConfigError : there is no such area, or no neuron of it.
    """
    pia, known = pia_over(cortex), cortex.atlas.areas.index
    names, places = [], []
    for area in areas:
        if area not in known:
            raise ConfigError(
                f"unknown area {area!r}", field="eeg", fix=f"There are {', '.join(known)}."
            )
        for side in HEMISPHERES:
            of_side = cortex.right if side == "right" else ~cortex.right
            mine = of_side & (cortex.neurons.area == known.get_loc(area))
            if not mine.any():
                raise ConfigError(f"no neuron of {area} on the {side}", field="eeg",
                                  fix="Choose a larger scale.")  # fmt: skip
            out = pia[mine].mean(axis=0) - MOUSE.centre
            names.append(f"{area}_{side}")  # tables are separated by blanks
            places.append(MOUSE.centre + MOUSE.radii[2] * out / np.linalg.norm(out))
    return names, np.array(places)


def report_of_eeg(table: str) -> dict[str, Any]:
    """An entry of ``reports``: what the electrodes see of all cells, twice a millisecond."""
    return {
        "module": "extracellular", "cells": {"population": "cortex"},
        "electrode_positions": table, "dt": STEP, "minimum_distance": DEPTH,
        "head": {"centre": MOUSE.centre.tolist(), "radii": list(MOUSE.radii)},
    }  # fmt: skip


def pia_over(cortex: CortexModel) -> FloatArray:
    """float64[n, 3], um, where the pia is over every neuron."""
    n = cortex.neurons
    return n.position.astype(np.float64) + n.normal * n.depth_um[:, None].astype(np.float64)
