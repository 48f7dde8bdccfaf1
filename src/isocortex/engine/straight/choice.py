"""Which models get a kernel of their own, and what it is."""

from __future__ import annotations

import os

import numpy as np

from isocortex.engine import cable
from isocortex.engine.assembly import Kernel
from isocortex.engine.family import with_channels
from isocortex.engine.interface import Settings
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.layout.arrays import KineticsTable
from isocortex.engine.precision import in_half
from isocortex.engine.straight.plan import Plan
from isocortex.engine.straight.text import (
    LEAST_POWER,
    LONGEST,
    WARPS,
    Rows,
    shared_bytes,
    text,
)
from isocortex.network.network import Network

#: Straight kernels are asked for by setting this to 1: small circuits need not wait for them.
ASKED = "ISOCORTEX_STRAIGHT"
#: Registers of a thread: so many that three blocks may share a multiprocessor, whose memory has
#: room for no more of most models; and so many that four may. Where rows are halves it has room for
#: four of all models in the library with at most so many nodes; larger ones need the registers.
REGISTERS, FEWER, MOST_NODES = 168, 128, 180


def asked() -> bool:
    """Whether there are to be straight kernels."""
    return os.environ.get(ASKED) == "1"


def straight_kernels(
    network: Network,
    laid: Arrangement,
    settings: Settings,
    kinetics: KineticsTable,
    window: int,
    shared: int,
) -> dict[int, Kernel]:
    """The straight kernel of each model that can have one, if they are asked for.

    A model can if its channels are at its soma, which is the root, and its blocks have the same
    rows, of kinetics without a block by magnesium.

    Parameters
    ----------
    window : steps.
    shared : bytes of shared memory that a block of threads may have.
    """
    possible = settings.precision != "double" and not settings.second_order and window <= LONGEST
    if not (asked() and possible):
        return {}
    found = {}
    for m in np.unique(laid.blocks.model).tolist():
        kernel = _kernel_of(m, network, laid, kinetics, window, in_half(settings.precision))
        if kernel is not None and kernel.shared <= shared:
            found[m] = kernel
    return found


def _kernel_of(
    m: int,
    network: Network,
    laid: Arrangement,
    kinetics: KineticsTable,
    window: int,
    halves: bool,
) -> Kernel | None:
    model, regions = network.models[m], laid.tables.regions[m]
    patterns = np.unique(laid.rows.pattern[laid.blocks.model == m])
    channels = all(len(r.nodes) == 1 and r.nodes[0] == model.soma for r in regions)
    if len(patterns) > 1 or model.soma != 0 or len(regions) > 1 or not channels:
        return None
    own = slice(*laid.rows.first_of[patterns[0] : patterns[0] + 2])
    rows = Rows(laid.rows.node[own], laid.rows.kind[own], kinetics.number)
    for kind in np.unique(rows.kind):
        factors = rows.numbers(kind)[[cable.RISE, cable.DECAY]].astype(np.float64)
        blocked = kinetics.block is not None and kinetics.block[kind * cable.BLOCK + cable.RATIO]
        if blocked or not halves and (factors**window < LEAST_POWER).any():
            return None
    first, last = laid.tables.first_node[m : m + 2]
    numbers = laid.arrays.coefficient.reshape(-1, cable.COEFFICIENTS)[first:last, : cable.INVERSE]
    plan, states = Plan(model, WARPS), len(laid.tables.rest[m])
    source = with_channels(
        text(plan, numbers[plan.order], rows, states, halves),
        laid.tables.family[m], second_order=False,
    )  # fmt: skip
    shared = shared_bytes(plan, len(rows.node), states, halves)
    fewer = halves and plan.n <= MOST_NODES
    return Kernel(source, WARPS, shared, FEWER if fewer else REGISTERS, exact=False)
