"""What kernels are given: named tuples of arrays, which compiled code reads as they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Layout(NamedTuple):
    """Where everything is: models' coefficients, and each block's pieces of the state arrays.

    Rows are counted in units of ``lanes`` elements, all other offsets in elements.
    """

    model: Ints  # of each block
    first_v: Ints
    first_s: Ints
    first_row: Ints
    first_word: Ints  # blocks with the same rows share words and kinds
    first_kind: Ints
    cell_at: NDArray[np.int32]  # cell in each lane of each block, or -1
    first_node: Ints  # of each model
    soma: Ints
    node: Ints  # words of nodes, see cable.py
    coefficient: np.ndarray  # numbers of each node of each model
    first_gathering: Ints
    gathering_node: Ints
    region_ptr: Ints
    region_node: Ints
    region_state: Ints
    region_parameter: Ints
    P: np.ndarray
    row_kind: NDArray[np.int32]  # kinetics of rows


class States(NamedTuple):
    """What evolves: voltage, channel states, the synapses' two terms, soma above threshold."""

    V: np.ndarray
    S: np.ndarray
    A: np.ndarray
    B: np.ndarray
    above: np.ndarray


class KineticsTable(NamedTuple):
    """Per step and kinetics, the numbers named in cable.py; ``stride`` from one step to the next.

    The first step is number ``origin[0]`` of the simulation: in an array, so that kernels on a GPU
    are given the same arguments in every piece of a run. Numbers come again after some steps, a
    power of two: those of a step are at ``step & repeat``. ``block`` has the numbers of what blocks
    each; None, which the compiler knows, where nothing blocks any.
    """

    number: np.ndarray
    stride: int
    repeat: int
    origin: np.ndarray
    block: np.ndarray | None = None


class Numerics(NamedTuple):
    """Step (ms), threshold (mV), v' to next v, RT/zF of calcium (mV)."""

    dt: float
    threshold: float
    extrapolate: float
    nernst: float
