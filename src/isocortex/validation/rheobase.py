"""The least current that makes a cell fire."""

from __future__ import annotations

from functools import cache

import numpy as np

from isocortex.cells.library import load_cell
from isocortex.clamp import step
from isocortex.errors import ModelError

#: nA, the currents that are tried first; between two of them, finer ones.
COARSE = np.array([0.01, 0.016, 0.025, 0.04, 0.063, 0.1, 0.16, 0.25, 0.4, 0.63, 1.0, 1.6, 2.5])
FINE = 15
#: ms, of the step and before it.
STEP, BEFORE = 500.0, 100.0


@cache
def rheobase(name: str, dL: float) -> float:
    """Rheobase of a cell of the library, nA, to 4 %: of a step of 500 ms into the soma at rest.

    Parameters
    ----------
    dL : um, how finely the cell is divided.

    Raises
    ------
    ModelError : no current up to 2.5 nA makes it fire.
    """
    cell = load_cell(name, dL)

    def first(amps: np.ndarray) -> int:
        made = step(
            cell, amps.tolist(), delay=BEFORE, duration=STEP, tstop=BEFORE + STEP + 1.0, dt=0.1,
            precision="single",
        )  # fmt: skip
        fired = np.flatnonzero(made.rates > 0)
        return int(fired[0]) if len(fired) else -1

    k = first(COARSE)
    if k < 0:
        raise ModelError(
            f"cell {name} does not fire at {COARSE[-1]:g} nA", fix="It has no rheobase to scale by."
        )
    finer = np.linspace(COARSE[k - 1] if k else 0.0, COARSE[k], FINE + 1)[1:]
    return float(finer[first(finer)])
