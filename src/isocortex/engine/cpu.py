"""The CPU engine: blocks of cells advanced together by SIMD kernels, on all cores.

Cells of one model fill the lanes of a *block*; every state array is ``[block][node][lane]``,
flattened, so that one node of all lanes is one SIMD value. A thread advances a block through a
whole window while its state stays in cache. Nothing a lane computes depends on its neighbours,
on the block it is in or on the thread that advances it.

Rows: a block has ``n_nodes`` voltage rows, its regions' channel state rows, and one row (A, B) for
every (node, kinetics) at which any of its cells has a synapse.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from isocortex.cells.compiled import CompiledCell
from isocortex.engine.family import Family, family_kernel, region_parameters, region_states
from isocortex.engine.interface import (
    REST_CAI,
    Events,
    FloatArray,
    IntArray,
    Settings,
    Variable,
    nernst_factor,
)
from isocortex.errors import ModelError
from isocortex.mechanisms import DENSITY
from isocortex.network.network import Network
from isocortex.simd import lanes

# Codes of ``probe_source`` in the kernel.
V_AT_END, STATE_AT_END, SYNAPSE_AT_END, V_AT_START, STATE_AT_START = 0, 1, 2, 4, 5


@dataclass(frozen=True)
class Region:
    """Compartments of one model with the same mechanisms."""

    mechanisms: tuple[str, ...]
    nodes: IntArray


def regions_of(model: CompiledCell) -> list[Region]:
    """Partition the model's compartments by the mechanisms they carry, in a canonical order."""
    unknown = [name for name in model.mechanisms if name not in DENSITY]
    if unknown:
        raise ModelError(
            f"cell model {model.name!r} uses the unknown mechanism {unknown[0]!r}",
            fix=f"Known mechanisms: pas, {', '.join(sorted(DENSITY))}.",
        )
    names = [name for name in DENSITY if name in model.mechanisms]
    carries = np.zeros((model.n_nodes, len(names)), bool)
    for k, name in enumerate(names):
        carries[model.mechanisms[name].nodes, k] = True
    sets = {tuple(np.flatnonzero(row)) for row in carries if row.any()}
    regions = [
        Region(
            tuple(names[k] for k in chosen),
            np.flatnonzero((carries == np.isin(np.arange(len(names)), chosen)).all(axis=1)),
        )
        for chosen in sets
    ]
    return sorted(regions, key=lambda region: region.mechanisms)


def _parameter_rows(model: CompiledCell, region: Region, celsius: float) -> FloatArray:
    """float64[n_nodes of the region, n_parameters], in the order of ``region_parameters``."""
    columns = []
    for name, parameter in region_parameters(region.mechanisms):
        if parameter == "q10":
            column = np.full(len(region.nodes), DENSITY[name].temperature.at(celsius))
        elif name == "":
            values = 1e-2 * model.area if parameter == "area" else getattr(model, parameter)
            column = values[region.nodes]
        else:
            table = model.mechanisms[name]
            default = np.full(model.n_nodes, DENSITY[name].parameters[parameter].default)
            if parameter in table.parameters:
                default[table.nodes] = table.parameters[parameter]
            column = default[region.nodes]
        columns.append(column)
    return np.array(columns).T


def _initial_states(rows: FloatArray, region: Region, v_init: float) -> FloatArray:
    """float64[n_nodes of the region, n_states]: steady state at ``v_init``."""
    n = len(region.nodes)
    known = {
        f"{name}_{parameter}": rows[:, k]
        for k, (name, parameter) in enumerate(region_parameters(region.mechanisms))
    }
    surroundings = {"v": np.full(n, v_init), "cai": np.full(n, REST_CAI)}
    values: dict[tuple[str, str], FloatArray] = {("CaDynamics", "ica"): np.zeros(n)}
    for name in region.mechanisms:
        mechanism = DENSITY[name]

        def call(function: str, name: str = name):
            arguments = DENSITY[name].arguments(function)
            return getattr(DENSITY[name], function)(
                *(surroundings[a] if a in surroundings else known[f"{name}_{a}"] for a in arguments)
            )

        if mechanism.has("steady_state"):
            for state, value in zip(mechanism.states, call("steady_state"), strict=True):
                values[name, state] = value
            if name == "CaDynamics":
                surroundings["cai"] = values[name, "cai"]
        else:
            for gate in mechanism.states:
                values[name, gate] = np.broadcast_to(call(f"{gate}_rates")[0], n)
    return np.array([values[row] for row in region_states(region.mechanisms)]).T


@dataclass
class _Task:
    """Blocks of one family that a thread advances, with its private work space."""

    family: Family
    blocks: IntArray
    D: np.ndarray
    R: np.ndarray
    spike_cell: IntArray
    spike_step: IntArray


class CpuEngine:
    """See :class:`isocortex.engine.interface.Engine`."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network, self.settings = network, settings
        self.dtype = np.dtype(np.float32 if settings.precision == "single" else np.float64)
        self.lanes = lanes(self.dtype)
        self._pack_cells()
        self._pack_models()
        self._pack_synapses()
        self._allocate_states()
        self.record([])
        self._shares: list[list[_Task]] = []  # of each thread, the calling thread's first
        self._max_steps = 0
        self._pool = ThreadPoolExecutor(settings.threads - 1) if settings.threads > 1 else None
        started = time.perf_counter()
        self._warm_up()
        self.compile_seconds = time.perf_counter() - started

    # --- layout -------------------------------------------------------------------------------

    def _pack_cells(self) -> None:
        """Give every cell a block and a lane: cells of a model side by side, in their order."""
        n, W = self.network.n_cells, self.lanes
        model = self.network.cell_model
        order = np.argsort(model, kind="stable")
        counts = np.bincount(model, minlength=len(self.network.models))
        blocks_of_model = -(-counts // W)
        first_block = np.concatenate([[0], np.cumsum(blocks_of_model)])
        rank = np.empty(n, np.int64)
        rank[order] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        self.cell_block = first_block[model] + rank // W
        self.cell_lane = rank % W
        self.block_model = np.repeat(np.arange(len(counts)), blocks_of_model)
        self.n_blocks = len(self.block_model)
        self.cell_at = np.full(self.n_blocks * W, -1, np.int64)
        self.cell_at[self.cell_block * W + self.cell_lane] = np.arange(n)

    def _pack_models(self) -> None:
        """Per-node coefficients of all models, one after the other, and the regions' tables."""
        models, settings = self.network.models, self.settings
        theta = 2.0 if settings.second_order else 1.0
        self.model_node = np.concatenate([[0], np.cumsum([m.n_nodes for m in models])]).astype(int)
        self.model_soma = np.array([m.soma for m in models], np.int64)
        coupling, diagonal, leak, capacitance = [], [], [], []
        for m in models:
            area = 1e-2 * m.area  # uS per S/cm2
            c = theta * 1e-5 * m.cm * m.area / settings.dt  # nF/ms = uS
            a = np.where(np.arange(m.n_nodes) == 0, 0.0, m.g_axial)
            total = c + m.g_pas * area + a
            np.add.at(total, m.parent[1:], a[1:])
            coupling.append(a)
            diagonal.append(total)
            leak.append(m.g_pas * m.e_pas * area)
            capacitance.append(c)
        self.parent = np.concatenate([np.maximum(m.parent, 0) for m in models]).astype(np.int64)
        self.coupling, self.diagonal, self.leak, self.capacitance = (
            np.concatenate(x).astype(self.dtype) for x in (coupling, diagonal, leak, capacitance)
        )
        self.regions = [regions_of(m) for m in models]
        width = max((len(r) for r in self.regions), default=0)
        self.region_ptr = np.zeros((len(models), width + 1), np.int64)
        self.region_state = np.zeros((len(models), width + 1), np.int64)
        self.region_parameter = np.zeros((len(models), width + 1), np.int64)
        nodes, rows, position, parameter = [], [], 0, 0
        self.model_states: list[FloatArray] = []
        for i, m in enumerate(models):
            state, initial = 0, []
            self.region_ptr[i, 0] = position
            for r, region in enumerate(self.regions[i]):
                table = _parameter_rows(m, region, settings.celsius)
                states = _initial_states(table, region, settings.v_init)
                self.region_state[i, r], self.region_parameter[i, r] = state, parameter
                state, parameter = state + states.size, parameter + table.size
                position += len(region.nodes)
                self.region_ptr[i, r + 1] = position
                nodes.append(region.nodes)
                rows.append(table.ravel())
                initial.append(states.ravel())
            self.model_states.append(np.concatenate(initial) if initial else np.zeros(0))
        self.region_node = np.concatenate([*nodes, np.zeros(0, np.int64)]).astype(np.int64)
        self.P = np.concatenate([*rows, np.zeros(0)]).astype(self.dtype)
        self.model_family: list[Family] = [tuple(r.mechanisms for r in rs) for rs in self.regions]

    def _pack_synapses(self) -> None:
        """One row for every (block, node, kinetics) that a slot of the block needs."""
        slots, W = self.network.slots, self.lanes
        kinds = max(len(self.network.kinetics), 1)
        most_nodes = max((m.n_nodes for m in self.network.models), default=1)
        self.slot_block = self.cell_block[slots.cell]
        key = (self.slot_block * most_nodes + slots.node) * kinds + slots.kind
        rows, row_of_slot = np.unique(key, return_inverse=True)
        self.row_kind, self.row_node = rows % kinds, rows // kinds % most_nodes
        row_block = rows // kinds // most_nodes
        self.block_row = np.searchsorted(row_block, np.arange(self.n_blocks + 1))
        self.slot_index = row_of_slot * W + self.cell_lane[slots.cell]
        factors = [k.factors(self.settings.dt) for k in self.network.kinetics]
        self.rise, self.decay = np.array(factors, self.dtype).reshape(-1, 2).T.copy()
        self.reversal = np.array([k.reversal for k in self.network.kinetics], self.dtype)
        scale = np.array([k.scale for k in self.network.kinetics])
        has_rise = np.array([k.tau_rise > 0 for k in self.network.kinetics], float)
        self.kind_scale_a, self.kind_scale_b = scale * has_rise, scale

    def _allocate_states(self) -> None:
        W, models = self.lanes, self.network.models
        nodes = np.array([m.n_nodes for m in models], np.int64)
        states = np.array([len(s) for s in self.model_states], np.int64)
        ends_v = np.cumsum(nodes[self.block_model]) * W
        ends_s = np.cumsum(states[self.block_model]) * W
        self.block_v = np.concatenate([[0], ends_v]).astype(np.int64)
        self.block_s = np.concatenate([[0], ends_s]).astype(np.int64)
        self.V = _aligned(self.block_v[-1], self.dtype)
        self.V[:] = self.settings.v_init
        self.S = _aligned(self.block_s[-1], self.dtype)
        for b, m in enumerate(self.block_model):
            first, last = self.block_s[b], self.block_s[b + 1]
            self.S[first:last] = np.repeat(self.model_states[m], W)
        self.A = _aligned(len(self.row_kind) * W, self.dtype)
        self.B = _aligned(len(self.row_kind) * W, self.dtype)
        self.A[:] = self.B[:] = 0.0
        above = self.settings.v_init >= self.settings.threshold
        self.above = np.full((self.n_blocks, W), above)

    # --- recording ----------------------------------------------------------------------------

    def record(self, probes: list[tuple[int, int, Variable]]) -> None:
        block, source, index, column = [], [], [], []
        for p, (cell, node, variable) in enumerate(probes):
            for where, at in self._locate(cell, node, variable):
                block.append(self.cell_block[cell])
                source.append(where)
                index.append(at)
                column.append(p)
        order = np.argsort(np.array(block, np.int64), kind="stable")
        self.n_probes = len(probes)
        self.probe_ptr = np.searchsorted(
            np.array(block, np.int64)[order], np.arange(self.n_blocks + 1)
        )
        self.probe_source, self.probe_index, self.probe_column = (
            np.array(x, np.int64)[order] for x in (source, index, column)
        )

    def _locate(self, cell: int, node: int, variable: Variable) -> list[tuple[int, int]]:
        """(source code, flat index) of everything that adds up to the variable."""
        b, lane, W = int(self.cell_block[cell]), int(self.cell_lane[cell]), self.lanes
        if variable.mechanism == "" and variable.name == "v":
            source = V_AT_START if variable.at_start else V_AT_END
            return [(source, int(self.block_v[b]) + node * W + lane)]
        if variable.mechanism == "synapse":
            rows = np.arange(self.block_row[b], self.block_row[b + 1])
            here = (self.row_node[rows] == node) & np.isin(self.row_kind[rows], variable.kinds)
            return [(SYNAPSE_AT_END, int(row) * W + lane) for row in rows[here]]
        m = int(self.block_model[b])
        name = (variable.mechanism or "CaDynamics", variable.name)
        for r, region in enumerate(self.regions[m]):
            rows_of_region = region_states(region.mechanisms)
            j = int(np.searchsorted(region.nodes, node))
            if j < len(region.nodes) and region.nodes[j] == node and name in rows_of_region:
                row = int(self.region_state[m, r])
                row += j * len(rows_of_region) + rows_of_region.index(name)
                source = STATE_AT_START if variable.at_start else STATE_AT_END
                return [(source, int(self.block_s[b]) + row * W + lane)]
        return []

    # --- running ------------------------------------------------------------------------------

    def _make_tasks(self, n_steps: int) -> None:
        """Deal the blocks out to the threads, the most costly first to the least laden."""
        nodes = np.array([m.n_nodes for m in self.network.models], np.int64)
        cost = nodes[self.block_model] + np.diff(self.block_row)
        load = np.zeros(self.settings.threads)
        thread_of = np.empty(self.n_blocks, np.int64)
        for b in np.argsort(-cost, kind="stable"):
            thread_of[b] = np.argmin(load)
            load[thread_of[b]] += cost[b]
        self._shares, self._max_steps = [], n_steps
        for thread in range(self.settings.threads):
            families: dict[Family, list[int]] = {}
            for b in np.flatnonzero(thread_of == thread):
                families.setdefault(self.model_family[self.block_model[b]], []).append(int(b))
            share = [self._new_task(family, blocks, n_steps) for family, blocks in families.items()]
            if share:
                self._shares.append(share)

    def _new_task(self, family: Family, blocks: list[int], n_steps: int) -> _Task:
        W = self.lanes
        most_nodes = max(m.n_nodes for m in self.network.models)
        most_spikes = len(blocks) * W * (n_steps // 2 + 1)  # a spike takes two steps
        return _Task(
            family,
            np.array(blocks, np.int64),
            _aligned(most_nodes * W, self.dtype),
            _aligned(most_nodes * W, self.dtype),
            np.empty(most_spikes, np.int64),
            np.empty(most_spikes, np.int64),
        )

    def _warm_up(self) -> None:
        """Compile, or load from the cache, every kernel this network needs."""
        none = np.zeros(0, np.int64)
        current = np.zeros((len(self.network.currents), 1))
        window = self._window(0, 1, Events(none, none, np.zeros(0)), current)
        for family in {self.model_family[m] for m in self.block_model}:
            self._run(self._new_task(family, [], 1), 1, *window)

    def _window(self, first_step: int, n_steps: int, events: Events, current: FloatArray):
        """Events sorted by block then step, electrode currents by block, room for samples."""
        network, kind = self.network, self.network.slots.kind[events.slot]
        block = self.slot_block[events.slot]
        order = np.argsort(block * n_steps + (events.step - first_step), kind="stable")
        event_ptr = np.searchsorted(block[order], np.arange(self.n_blocks + 1))
        event = (
            event_ptr,
            (events.step - first_step)[order],
            self.slot_index[events.slot][order],
            (events.weight * self.kind_scale_a[kind])[order].astype(self.dtype),
            (events.weight * self.kind_scale_b[kind])[order].astype(self.dtype),
        )
        cells = np.array([source.cell for source in network.currents], np.int64)
        nodes = np.array([source.node for source in network.currents], np.int64)
        blocks = self.cell_block[cells]
        order = np.argsort(blocks, kind="stable")
        electrodes = (
            np.searchsorted(blocks[order], np.arange(self.n_blocks + 1)),
            (nodes * self.lanes + self.cell_lane[cells])[order],
            np.ascontiguousarray(current[order], self.dtype),
        )
        return event, electrodes, np.zeros((n_steps, self.n_probes))

    def _run(self, task: _Task, n_steps: int, event, electrodes, samples) -> int:
        real, settings = self.dtype.type, self.settings
        return family_kernel(task.family)(
            task.blocks, self.block_model, self.block_v, self.block_s, self.block_row,
            self.model_node, self.model_soma, self.parent, self.coupling, self.diagonal,
            self.leak, self.capacitance,
            self.region_ptr, self.region_node, self.region_state, self.region_parameter, self.P,
            self.V, self.S, self.A, self.B, self.row_node, self.row_kind,
            self.rise, self.decay, self.reversal,
            *event, *electrodes,
            self.probe_ptr, self.probe_source, self.probe_index, self.probe_column, samples,
            self.above, real(settings.threshold), task.spike_cell, task.spike_step,
            task.D, task.R, self.lanes, n_steps, real(settings.dt),
            real(2.0 if settings.second_order else 1.0), real(nernst_factor(settings.celsius)),
        )  # fmt: skip

    def advance(self, first_step: int, n_steps: int, events: Events, current: FloatArray):
        if n_steps > self._max_steps:
            self._make_tasks(n_steps)
        window = self._window(first_step, n_steps, events, current)

        def work(share: list[_Task]) -> list[tuple[IntArray, IntArray]]:
            found = []
            for task in share:
                n = self._run(task, n_steps, *window)
                found.append((task.spike_cell[:n], task.spike_step[:n]))
            return found

        others = (
            [self._pool.submit(work, share) for share in self._shares[1:]] if self._pool else []
        )
        spikes = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        spikes += work(self._shares[0]) if self._shares else []
        for other in others:
            spikes += other.result()
        cells, steps = (np.concatenate(x) for x in zip(*spikes, strict=True))
        cells = self.cell_at[cells]
        real = cells >= 0
        cells, steps = cells[real], steps[real] + first_step
        order = np.lexsort((cells, steps))
        return cells[order], steps[order], window[2]

    def soma_voltage(self) -> FloatArray:
        model = self.network.cell_model
        at = self.block_v[self.cell_block] + self.model_soma[model] * self.lanes + self.cell_lane
        return self.V[at].astype(np.float64)

    def voltage(self, cell: int) -> FloatArray:
        b = self.cell_block[cell]
        block = self.V[self.block_v[b] : self.block_v[b + 1]].reshape(-1, self.lanes)
        return block[:, self.cell_lane[cell]].astype(np.float64)


def _aligned(n: int, dtype: np.dtype) -> np.ndarray:
    """Uninitialised array whose first element starts a cache line.

    Rows are whole lines, and a row that straddles two costs twice.
    """
    raw = np.empty(n * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n * dtype.itemsize].view(dtype)
