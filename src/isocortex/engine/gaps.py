"""Gap junctions in the compiled engine: voltages told and heard from step to step.

A junction has two *ends*, 2 j and 2 j + 1; an end reads what the other one has told. What is told
in a step is read in the next, and odd and even steps take turns: threads meet once in between, as
the window is one step where there are gap junctions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isocortex.arrays import IntArray
from isocortex.engine.exchange import Exchange
from isocortex.engine.layout.arrangement import Arrangement
from isocortex.engine.layout.arrays import Ints
from isocortex.network.network import Network
from isocortex.targets.words import add, element, owns


class Gaps(NamedTuple):
    """The ends on cells of a rank, by block; those of block b are ``first[b]:first[b + 1]``.

    Each has its number, the element of V that it is on, and a conductance (uS); ``voltage`` is
    [2, ends of the circuit], mV, as odd and even steps begin.
    """

    first: Ints
    end: Ints
    element: Ints
    conductance: np.ndarray
    voltage: np.ndarray


def gaps_of(network: Network, laid: Arrangement) -> Gaps | None:
    """None, which the compiler knows, where the circuit has no gap junctions."""
    gaps, here, blocks = network.gaps, network.here.cells, laid.blocks
    if not len(gaps):
        return None
    cell, node = gaps.cell.ravel(), gaps.node.ravel()
    end = np.flatnonzero((cell >= here.start) & (cell < here.stop))
    block = blocks.cell_block[cell[end] - here.start].astype(np.int64)
    order = np.argsort(block, kind="stable")
    end, block = end[order], block[order]
    lane = blocks.cell_lane[cell[end] - here.start]
    return Gaps(
        first=np.searchsorted(block, np.arange(len(blocks) + 1)),
        end=end,
        element=laid.arrays.first_v[block] + node[end] * blocks.lanes + lane,
        conductance=gaps.conductance[end // 2].astype(laid.dtype),
        voltage=np.zeros((2, len(cell)), laid.dtype),
    )


class Told:
    """What ranks tell each other of the voltages at gap junctions."""

    def __init__(self, gaps: Gaps, exchange: Exchange) -> None:
        self.gaps, self.exchange = gaps, exchange
        self.ends: list[IntArray] = exchange.all(gaps.end)

    def begin(self, V: np.ndarray) -> None:
        """Before the first of some steps: what is told follows from the voltages alone."""
        self.gaps.voltage[0, self.gaps.end] = V[self.gaps.element]
        self.pass_on(0)

    def pass_on(self, turn: int) -> None:
        """Let all ranks have what each has told in a turn."""
        if self.exchange.size == 1:
            return
        voltage = self.gaps.voltage[turn]
        for ends, told in zip(self.ends, self.exchange.all(voltage[self.gaps.end]), strict=True):
            voltage[ends] = told


def couple(gaps, b, step, v0, V, D, R, lanes):
    """Add conductances and currents of the gap junctions of block ``b`` to its nodes' equations."""
    if gaps is None:
        return
    for k in range(element(gaps.first, b), element(gaps.first, b + 1)):
        at, g = element(gaps.element, k), element(gaps.conductance, k)
        if owns(at, lanes):
            other = gaps.voltage[step & 1, element(gaps.end, k) ^ 1]
            add(D, at - v0, g, step)
            add(R, at - v0, g * (other - element(V, at)), step)


def tell(gaps, b, step, V, lanes):
    """Tell the other ends of block ``b``'s gap junctions the voltages at the end of a step."""
    if gaps is None:
        return
    for k in range(element(gaps.first, b), element(gaps.first, b + 1)):
        at = element(gaps.element, k)
        if owns(at, lanes):
            gaps.voltage[(step + 1) & 1, element(gaps.end, k)] = element(V, at)
