"""The whole layout of a network for one engine, before any state is allocated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isocortex.engine.interface import FloatArray, IntArray, Settings, nernst_factor
from isocortex.engine.layout.arrays import Layout, Numerics, States
from isocortex.engine.layout.blocks import Blocks, deal_cells, parts_of_cells
from isocortex.engine.layout.models import ModelTables, gathering, tables_of
from isocortex.engine.layout.rows import Rows, node_words, rows_of
from isocortex.engine.precision import PRECISIONS, in_half
from isocortex.network.network import Network


class Arrangement(NamedTuple):
    """Where every number of a network goes.

    ``dtype`` is that of the states, ``term`` that of synapses' terms, ``arrays`` what kernels read;
    the rest is what they follow from.
    """

    dtype: np.dtype
    term: np.dtype
    blocks: Blocks
    tables: ModelTables
    rows: Rows
    arrays: Layout


def arrange(
    network: Network,
    settings: Settings,
    lanes: int,
    dtype: np.dtype,
    alike: bool = False,
) -> Arrangement:
    """Lay out a network; a pure function.

    Parameters
    ----------
    lanes : cells that a block advances together.
    dtype : of the states.
    alike : all blocks of a model have the same rows.
    """
    models = network.models
    part = parts_of_cells(network.n_cells, network.drawn, settings.threads)
    blocks = deal_cells(network.cell_model, len(models), lanes, part)
    tables, rows = tables_of(models, settings, dtype), rows_of(network, blocks, alike)
    gathers = [
        gathering(model, regions, electrodes)
        for model, regions, electrodes in zip(
            models, tables.regions, network.electrodes(), strict=True
        )
    ]
    nodes = np.diff(tables.first_node)
    states = np.array([len(s) for s in tables.rest], np.int64)
    words, first_word = node_words(network, tables, blocks, rows, gathers)
    arrays = Layout(
        model=blocks.model,
        first_v=_offsets(nodes[blocks.model] * lanes),
        first_s=_offsets(states[blocks.model] * lanes),
        first_row=rows.first,
        first_word=first_word,
        first_kind=rows.first_of[rows.pattern],
        cell_at=blocks.cell_at,
        first_node=tables.first_node,
        soma=tables.soma,
        node=words,
        coefficient=tables.coefficient,
        first_gathering=np.cumsum([0, *(np.count_nonzero(g) for g in gathers)]),
        gathering_node=np.concatenate(
            [*(np.flatnonzero(g) for g in gathers), np.zeros(0, np.int64)]
        ),
        region_ptr=tables.region_ptr,
        region_node=tables.region_node,
        region_state=tables.region_state,
        region_parameter=tables.region_parameter,
        P=tables.parameter.astype(dtype),
        row_kind=rows.kind,
    )
    term = PRECISIONS[settings.precision].term if in_half(settings.precision) else dtype
    return Arrangement(dtype, term, blocks, tables, rows, arrays)


def _offsets(sizes: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def allocate(laid: Arrangement) -> States:
    """The arrays that evolve, not yet written to: synapses are silent, the rest is for `rest`."""
    lanes, arrays = laid.blocks.lanes, laid.arrays
    return States(
        V=aligned(arrays.first_v[-1], laid.dtype),
        S=aligned(arrays.first_s[-1], laid.dtype),
        A=aligned(arrays.first_row[-1] * lanes, laid.term),
        B=aligned(arrays.first_row[-1] * lanes, laid.term),
        above=np.zeros((len(laid.blocks), lanes), bool),
    )


def rest(laid: Arrangement, states: States, blocks: IntArray, v_init: float) -> None:
    """Put blocks at rest; who writes a page first decides which processor it is close to.

    Synapses are at rest as they are allocated: their pages are written first, and taken, as they
    are first advanced.
    """
    lanes, at = laid.blocks.lanes, laid.arrays
    for b in blocks:
        states.V[at.first_v[b] : at.first_v[b + 1]] = v_init
        steady = laid.tables.rest[at.model[b]]
        states.S[at.first_s[b] : at.first_s[b + 1]] = np.repeat(steady, lanes)


def field_patterns(network: Network, laid: Arrangement) -> tuple[IntArray, np.ndarray]:
    """Where the patterns of each block begin, and these, as :class:`..parts.Fields` has them."""
    fields, blocks, at = network.fields, laid.blocks, laid.arrays
    n, lanes = fields.n_terms, blocks.lanes
    nodes = [
        at.gathering_node[at.first_gathering[m] : at.first_gathering[m + 1]]
        for m in range(len(network.models))
    ]
    there = np.zeros(len(blocks), np.int64)
    there[blocks.cell_block[fields.cell]] = 1
    first = _offsets(n * lanes * there * np.array([len(nodes[m]) for m in at.model], np.int64))
    pattern = aligned(first[-1], laid.dtype)
    pattern[:] = 0.0
    for cell, current in zip(fields.cell.tolist(), fields.current, strict=True):
        b, mine = blocks.cell_block[cell], nodes[network.cell_model[cell]]
        block = pattern[first[b] : first[b + 1]].reshape(n, len(mine), lanes)
        block[:, :, blocks.cell_lane[cell]] = current[mine].T
    return first, pattern


def numerics_of(settings: Settings, dtype: np.dtype) -> Numerics:
    """The settings that kernels read, in their precision."""
    real = dtype.type
    return Numerics(
        dt=real(settings.dt),
        threshold=real(settings.threshold),
        extrapolate=real(2.0 if settings.second_order else 1.0),
        nernst=real(nernst_factor(settings.celsius)),
    )


def soma_elements(laid: Arrangement, cell_model: IntArray) -> IntArray:
    """int64[n_cells], where the voltage of each soma is."""
    blocks, soma = laid.blocks, laid.tables.soma[cell_model]
    return laid.arrays.first_v[blocks.cell_block] + soma * blocks.lanes + blocks.cell_lane


def voltages(laid: Arrangement, states: States, cell: int) -> FloatArray:
    """float64[n_nodes] of one cell, mV."""
    b, first = laid.blocks.cell_block[cell], laid.arrays.first_v
    block = states.V[first[b] : first[b + 1]].reshape(-1, laid.blocks.lanes)
    return block[:, laid.blocks.cell_lane[cell]].astype(np.float64)


def aligned(n: int, dtype: np.dtype) -> np.ndarray:
    """Array of zeros whose first element starts a cache line.

    Rows are whole lines, and a row that straddles two costs twice. What nobody has written to takes
    no memory yet.
    """
    raw = np.zeros(n * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n * dtype.itemsize].view(dtype)
