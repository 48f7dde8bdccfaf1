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
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from isocortex.cells.compiled import CompiledCell
from isocortex.engine import cable
from isocortex.engine.family import Family, family_kernel, region_parameters, region_states
from isocortex.engine.interface import (
    REST_CAI,
    FloatArray,
    IntArray,
    Settings,
    Variable,
    nernst_factor,
)
from isocortex.engine.loop import (
    NO_ROOM,
    Drawn,
    Electrodes,
    Events,
    Found,
    Inbox,
    KineticsTable,
    Layout,
    Numerics,
    Probes,
    States,
    Times,
    Trains,
    Wiring,
    Work,
    dismiss,
    meeting_place,
    run_windows,
)
from isocortex.errors import ModelError, SimulationError
from isocortex.mechanisms import DENSITY
from isocortex.network.clock import Clock
from isocortex.network.network import Network
from isocortex.network.partition import split
from isocortex.network.points import at_rest
from isocortex.network.poisson import PoissonTrains
from isocortex.targets.simd import lanes

PIECE = 1 << 20  # slots laid out at a time: temporary arrays stay small

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
            fix=f"Known mechanisms: pas, {', '.join(sorted(DENSITY))}; components.mechanisms names "
            "files with your own.",
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


def _initial_states(rows: FloatArray, region: Region, settings: Settings) -> FloatArray:
    """float64[n_nodes of the region, n_states]: steady state at ``v_init``."""
    n = len(region.nodes)
    known = {
        f"{name}_{parameter}": rows[:, k]
        for k, (name, parameter) in enumerate(region_parameters(region.mechanisms))
    }
    surroundings = {"v": np.full(n, settings.v_init), "cai": np.full(n, REST_CAI)}
    none = np.zeros(n)
    values = {("CaDynamics", "ica"): none, ("CaDynamics", "gca"): none}
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
    return np.array(
        [values[row] for row in region_states(region.mechanisms, settings.second_order)]
    ).T


@dataclass
class _Part:
    """What one thread owns, see :mod:`isocortex.engine.loop`."""

    blocks: IntArray
    wiring: Wiring
    drawn: Drawn | None
    end_of_drawn: int
    inbox: Inbox
    events: Events
    work: Work
    poisson: PoissonTrains
    n_inbox: int = 0


def _joined(source: IntArray, time: FloatArray, poisson: PoissonTrains, last: float) -> Trains:
    """Given spikes and those of Poisson sources until ``last`` (ms), by time, then source."""
    if len(poisson.sources):
        more_source, more_time = poisson.until(last)
        if not len(source):
            return Trains(more_source, more_time)
        source, time = np.concatenate([source, more_source]), np.concatenate([time, more_time])
        order = np.lexsort((source, time))
        source, time = source[order], time[order]
    return Trains(source, time)


class CpuEngine:
    """See :class:`isocortex.engine.interface.Engine`."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network, self.settings = network, settings
        self.dtype = np.dtype(np.float32 if settings.precision == "single" else np.float64)
        self.lanes = lanes(self.dtype)
        self.window = network.window(settings.dt)
        self.clock, self.step, self.n_events = Clock(settings.dt), 0, 0
        self._pack_cells()
        self._pack_models()
        target_of_slot = self._pack_synapses()
        drawn = self._pack_drawn(target_of_slot.dtype)
        self._allocate_states()
        self.next_train = 0
        self.points = at_rest(network.points)
        self.record([])
        self._deal_out(target_of_slot, drawn)
        self.network = network.without_wiring()
        started = time.perf_counter()
        self._find_kernels()
        self.advance(0)
        self.compile_seconds = time.perf_counter() - started

    # --- layout -------------------------------------------------------------------------------

    def _pack_cells(self) -> None:
        """Give every cell a block and a lane: cells of a model side by side, in their order.

        Where synapses are drawn a part draws those onto a range of neurons, so their parts, and
        the blocks with them, are settled here.
        """
        n, W, n_models = self.network.n_cells, self.lanes, len(self.network.models)
        part_of_cell, n_parts = self._parts_of_cells()
        group = self.network.cell_model * n_parts + part_of_cell
        order = np.argsort(group, kind="stable")
        counts = np.bincount(group, minlength=n_models * n_parts)
        blocks_of_group = -(-counts // W)
        first_block = np.concatenate([[0], np.cumsum(blocks_of_group)])
        rank = np.empty(n, np.int64)
        rank[order] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        self.cell_block = first_block[group] + rank // W
        self.cell_lane = rank % W
        group_of_block = np.repeat(np.arange(len(counts)), blocks_of_group)
        self.block_model, self.block_part = np.divmod(group_of_block, n_parts)
        self.n_blocks = len(self.block_model)
        self.cell_at = np.full(self.n_blocks * W, -1, np.int64)
        self.cell_at[self.cell_block * W + self.cell_lane] = np.arange(n)

    def _parts_of_cells(self) -> tuple[IntArray, int]:
        """Part of every cell, and their number: one for all where no synapses are drawn."""
        n, drawn = self.network.n_cells, self.network.drawn
        part = np.zeros(n, np.int64)
        if drawn is None or drawn.stored:
            return part, 1
        n_parts = max(min(self.settings.threads, len(drawn.cell)), 1)
        others = np.ones(n, bool)
        others[drawn.cell] = False
        for cells in (drawn.cell, np.flatnonzero(others)):
            part[cells] = np.arange(len(cells)) * n_parts // max(len(cells), 1)
        return part, n_parts

    def _pack_models(self) -> None:
        """Per-node coefficients of all models, one after the other, and the regions' tables."""
        models, settings = self.network.models, self.settings
        theta = 2.0 if settings.second_order else 1.0
        self.model_node = np.concatenate([[0], np.cumsum([m.n_nodes for m in models])]).astype(int)
        self.model_soma = np.array([m.soma for m in models], np.int64)
        coefficients = []
        for m in models:
            area = 1e-2 * m.area  # uS per S/cm2
            c = theta * 1e-5 * m.cm * m.area / settings.dt  # nF/ms = uS
            a = np.where(np.arange(m.n_nodes) == 0, 0.0, m.g_axial)
            total = c + m.g_pas * area + a
            np.add.at(total, m.parent[1:], a[1:])
            inverse = 1.0 / _eliminated(total, a, m.parent)
            leakage = m.g_pas * area
            numbers = {
                cable.DIAGONAL: total, cable.LEAK: leakage * m.e_pas, cable.LEAKAGE: leakage,
                cable.COUPLING: a, cable.INVERSE: inverse, cable.FACTOR: a * inverse,
            }  # fmt: skip
            coefficients.append(np.array([numbers[k] for k in sorted(numbers)]).T.ravel())
        self.coefficient = np.concatenate([*coefficients, np.zeros(0)]).astype(self.dtype)
        self.regions = [regions_of(m) for m in models]
        self._find_gathering()
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
                states = _initial_states(table, region, settings)
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

    def _find_gathering(self) -> None:
        """Nodes to which channels, electrodes or a branch of the tree contribute, of all models."""
        models, network = self.network.models, self.network
        gathers = [np.zeros(m.n_nodes, bool) for m in models]
        for m, model in enumerate(models):
            branches = np.flatnonzero(model.parent[1:] != np.arange(model.n_nodes - 1)) + 1
            gathers[m][model.parent[branches]] = True
            for region in self.regions[m]:
                gathers[m][region.nodes] = True
        for source in network.currents:
            gathers[network.cell_model[source.cell]][source.node] = True
        nodes = [np.flatnonzero(flags) for flags in gathers]
        self.gathers = gathers
        self.gathering_node = np.concatenate([*nodes, np.zeros(0, np.int64)])
        self.first_gathering = np.cumsum([0, *(len(x) for x in nodes)])

    def _pack_synapses(self) -> NDArray[np.integer]:
        """One row for every (block, node, kinetics) that a slot of the block needs.

        Returns the target of each slot as synapses name it
        (:class:`isocortex.engine.loop.Wiring`).
        """
        slots, W = self.network.slots, self.lanes
        kinds = max(len(self.network.kinetics), 1)
        most_nodes = max((m.n_nodes for m in self.network.models), default=1)
        pieces = [slice(k, k + PIECE) for k in range(0, len(slots), PIECE)]

        def key(piece: slice) -> IntArray:
            first = self.cell_block[slots.cell[piece]] * most_nodes
            return (first + slots.node[piece]) * kinds + slots.kind[piece]

        present = np.zeros(self.n_blocks * most_nodes * kinds, bool)
        for piece in pieces:
            present[key(piece)] = True
        self._allow_drawn(present.reshape(self.n_blocks, most_nodes, kinds))
        rows = np.flatnonzero(present)
        self.row_kind = (rows % kinds).astype(np.int32)
        self.row_node = (rows // kinds % most_nodes).astype(np.int32)
        row_block = rows // kinds // most_nodes
        self.first_row = np.searchsorted(row_block, np.arange(self.n_blocks + 1))
        self.shift = int(np.diff(self.first_row).max(initial=0) * W).bit_length()
        self.first_point = self.n_blocks << self.shift
        narrow = self.first_point + len(self.network.points) < 2**31
        target: NDArray[np.integer] = np.empty(len(slots), np.int32 if narrow else np.int64)
        row_of_key = np.cumsum(present) - 1
        for piece in pieces:
            cell = slots.cell[piece]
            block = self.cell_block[cell]
            row = row_of_key[key(piece)] - self.first_row[block]
            target[piece] = (block << self.shift) + row * W + self.cell_lane[cell]
        kinetics = self.network.kinetics
        settings = self.settings
        factors = np.array([k.factors(settings.dt) for k in kinetics]).reshape(-1, 2)
        # Crank-Nicolson wants the conductance in the middle of the step: let it jump there
        ahead = 0.5 * settings.dt if settings.second_order else 0.0
        jumps = np.array([k.jumps(ahead) for k in kinetics]).reshape(-1, 2)
        self.kinetics = KineticsTable(
            factors=np.column_stack([factors, [k.reversal for k in kinetics]])
            .ravel()
            .astype(self.dtype),
            jump_a=jumps[:, 0].astype(self.dtype),
            jump_b=jumps[:, 1].astype(self.dtype),
        )
        return target

    def _allow_drawn(self, present: NDArray[np.bool_]) -> None:
        """Rows (block, node, kinetics) for what may be drawn, equal in all blocks of a model."""
        if self.network.drawn is None:
            return
        for a, m in self.network.models_of_drawn():
            allowed = self.network.drawn.allowed[a]
            blocks = self.block_model == m
            of_model = present[blocks].any(axis=0)
            of_model[: allowed.shape[1], : len(allowed)] |= allowed.T
            present[blocks] = of_model

    def _pack_drawn(self, dtype: np.dtype) -> Drawn | None:
        """What draws synapses as :class:`Wiring` holds them, for all neurons."""
        drawn, W = self.network.drawn, self.lanes
        if drawn is None or drawn.stored:
            return None
        n_kinds = len(self.network.kinetics)
        most_nodes = max(m.n_nodes for m in self.network.models)
        row = np.full((len(drawn.allowed), n_kinds, most_nodes), -1, np.int32)
        for a, m in self.network.models_of_drawn():
            b = int(np.flatnonzero(self.block_model == m)[0])
            rows = slice(self.first_row[b], self.first_row[b + 1])
            kinds, nodes = self.row_kind[rows], self.row_node[rows]
            row[a, kinds, nodes] = np.arange(len(kinds)) * W
        neuron = np.full(len(self.network.source_population), -1, np.int64)
        neuron[drawn.cell] = np.arange(len(drawn.cell))
        address = (self.cell_block[drawn.cell] << self.shift) + self.cell_lane[drawn.cell]
        return Drawn(
            drawn.axons, neuron, 0, len(drawn.cell), address.astype(dtype), row, drawn.kind,
            drawn.weight, drawn.delay, 0,
        )  # fmt: skip

    def _node_words(self) -> IntArray:
        """What every node of every block is, as :mod:`isocortex.engine.cable` reads it."""
        words = []
        for m, model in enumerate(self.network.models):
            parent = np.maximum(model.parent, 0).astype(np.int64)
            constant = (parent << cable.PARENT_SHIFT) + self.gathers[m] * cable.GATHERS
            constant[1:] += (parent[1:] != np.arange(model.n_nodes - 1)) * cable.BRANCHES
            blocks = np.flatnonzero(self.block_model == m)
            rows = np.zeros((model.n_nodes, len(blocks)), np.int64)
            for k, b in enumerate(blocks):
                here = self.row_node[self.first_row[b] : self.first_row[b + 1]]
                rows[:, k] = np.bincount(here, minlength=model.n_nodes)
            steady = rows == 0
            for region in self.regions[m]:
                steady[region.nodes] = False
            for i in range(model.n_nodes - 1, 0, -1):
                steady[parent[i]] &= steady[i]
            word = constant[:, None] + (rows << cable.ROW_SHIFT) + steady * cable.STEADY
            words.append(word.T.ravel())
        return np.concatenate([*words, np.zeros(0, np.int64)])

    def _allocate_states(self) -> None:
        W, models, settings = self.lanes, self.network.models, self.settings
        nodes = np.array([m.n_nodes for m in models], np.int64)
        states = np.array([len(s) for s in self.model_states], np.int64)
        ends_v = np.cumsum(nodes[self.block_model]) * W
        ends_s = np.cumsum(states[self.block_model]) * W
        first_v = np.concatenate([[0], ends_v]).astype(np.int64)
        first_s = np.concatenate([[0], ends_s]).astype(np.int64)
        self.layout = Layout(
            self.block_model, first_v, first_s, self.first_row, self.cell_at,
            self.model_node, self.model_soma, self._node_words(), self.coefficient,
            self.first_gathering, self.gathering_node,
            self.region_ptr, self.region_node, self.region_state, self.region_parameter, self.P,
            self.row_kind,
        )  # fmt: skip
        self.states = States(
            V=_aligned(first_v[-1], self.dtype),
            S=_aligned(first_s[-1], self.dtype),
            A=_aligned(len(self.row_kind) * W, self.dtype),
            B=_aligned(len(self.row_kind) * W, self.dtype),
            above=np.zeros((self.n_blocks, W), bool),
        )
        real = self.dtype.type
        self.numerics = Numerics(
            dt=real(settings.dt),
            threshold=real(settings.threshold),
            extrapolate=real(2.0 if settings.second_order else 1.0),
            nernst=real(nernst_factor(settings.celsius)),
        )

    def _rest(self, blocks: IntArray) -> None:
        """Put blocks at rest; who writes a page first decides which processor it is close to."""
        first_v, first_s, first_row = self.layout.first_v, self.layout.first_s, self.first_row
        for b in blocks:
            self.states.V[first_v[b] : first_v[b + 1]] = self.settings.v_init
            rows = slice(first_row[b] * self.lanes, first_row[b + 1] * self.lanes)
            self.states.A[rows] = self.states.B[rows] = 0.0
            steady = self.model_states[self.block_model[b]]
            self.states.S[first_s[b] : first_s[b + 1]] = np.repeat(steady, self.lanes)

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
        blocks, sources, elements, columns = (
            np.array(x, np.int64)[order] for x in (block, source, index, column)
        )
        first = np.searchsorted(blocks, np.arange(self.n_blocks + 1))
        self.probes = Probes(first, sources, elements, columns, np.zeros((0, len(probes))))

    def _locate(self, cell: int, node: int, variable: Variable) -> list[tuple[int, int]]:
        """(source code, flat index) of everything that adds up to the variable."""
        b, lane, W = int(self.cell_block[cell]), int(self.cell_lane[cell]), self.lanes
        if variable.mechanism == "" and variable.name == "v":
            source = V_AT_START if variable.at_start else V_AT_END
            return [(source, int(self.layout.first_v[b]) + node * W + lane)]
        if variable.mechanism == "synapse":
            rows = np.arange(self.first_row[b], self.first_row[b + 1])
            here = (self.row_node[rows] == node) & np.isin(self.row_kind[rows], variable.kinds)
            return [(SYNAPSE_AT_END, int(row) * W + lane) for row in rows[here]]
        m = int(self.block_model[b])
        name = (variable.mechanism or "CaDynamics", variable.name)
        for r, region in enumerate(self.regions[m]):
            rows_of_region = region_states(region.mechanisms, self.settings.second_order)
            j = int(np.searchsorted(region.nodes, node))
            if j < len(region.nodes) and region.nodes[j] == node and name in rows_of_region:
                row = int(self.region_state[m, r])
                row += j * len(rows_of_region) + rows_of_region.index(name)
                source = STATE_AT_START if variable.at_start else STATE_AT_END
                return [(source, int(self.layout.first_s[b]) + row * W + lane)]
        return []

    # --- running ------------------------------------------------------------------------------

    def _deal_out(self, target_of_slot: NDArray[np.integer], drawn: Drawn | None) -> None:
        """Blocks, point neurons and the synapses onto them to the threads, equally laden."""
        network, W, n_points = self.network, self.lanes, len(self.network.points)
        if drawn is None:
            n_parts = max(min(self.settings.threads, self.n_blocks + n_points), 1)
            part_of_block = self._balance(n_parts)
        else:
            part_of_block = self.block_part
            n_parts = int(part_of_block.max()) + 1
        part_of_point = (np.arange(n_points) * n_parts // max(n_points, 1)).astype(np.int16)
        points = self.first_point + np.arange(n_points)
        target = np.concatenate([target_of_slot, points.astype(target_of_slot.dtype)])
        owner = np.concatenate(
            [part_of_block.astype(np.int16)[target_of_slot >> self.shift], part_of_point]
        )
        wirings = split(network.connections, target, owner, n_parts)
        most_nodes = max((m.n_nodes for m in network.models), default=1)
        spikes = self.window // 2 + 1  # a spike takes two steps
        steps_between = np.maximum(network.points.refractory / self.settings.dt, 1.0)
        room = np.bincount(part_of_block[self.cell_block], minlength=n_parts) * spikes
        room += np.bincount(
            part_of_point, self.window / steps_between + 2, minlength=n_parts
        ).astype(np.int64)
        self.found = Found(
            np.concatenate([[0], np.cumsum(room)]),
            np.zeros((2, n_parts), np.int64),
            np.empty((2, room.sum()), np.int64),
            np.empty((2, room.sum())),
            np.zeros((2, n_parts), bool),
        )
        none = np.zeros(0, np.int64)
        self.parts = [
            _Part(
                np.flatnonzero(part_of_block == p),
                Wiring(*wirings[p], network.connections.delays, self.shift, self.first_point),
                _share(drawn, p, n_parts, len(wirings[p][1])),
                len(wirings[p][1]),
                Inbox(none, none, np.zeros(0), np.zeros(0)),
                Events(
                    np.zeros(self.n_blocks, np.int64), np.zeros(self.n_blocks, np.int64),
                    np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, self.dtype),
                ),
                Work(
                    _aligned(most_nodes * W, self.dtype), _aligned(most_nodes * W, self.dtype),
                    np.empty(W * spikes, np.int64), np.empty(W * spikes, np.int64),
                    np.empty(W * spikes),
                ),
                network.poisson.only(np.diff(wirings[p][0])[network.poisson.source] > 0).begin(),
            )
            for p in range(n_parts)
        ]  # fmt: skip
        self.meeting = meeting_place(n_parts)
        # not even part 0 runs on the main thread: Ctrl-C would raise inside machine code
        self._threads = [ThreadPoolExecutor(1) for _ in range(n_parts)]
        for thread, part in zip(self._threads, self.parts, strict=True):
            thread.submit(self._rest, part.blocks).result()

    def _balance(self, n_parts: int) -> IntArray:
        """Part of every block: the most costly first, each to the least laden."""
        nodes = np.array([m.n_nodes for m in self.network.models], np.int64)
        cost = nodes[self.block_model] + np.diff(self.first_row)
        load = np.zeros(n_parts)
        part = np.empty(self.n_blocks, np.int64)
        for b in np.argsort(-cost, kind="stable"):
            part[b] = np.argmin(load)
            load[part[b]] += cost[b]
        return part

    def _inputs(self, n_steps: int) -> tuple[Electrodes, Probes]:
        """Electrode currents of the next steps and room for what they yield."""
        sources = self.network.currents
        cells = np.array([source.cell for source in sources], np.int64)
        nodes = np.array([source.node for source in sources], np.int64)
        middle = self.clock.middle[self.step : self.step + n_steps]
        current = np.empty((len(sources), n_steps), self.dtype)
        for row, source in zip(current, sources, strict=True):
            row[:] = source.amplitude(middle)
        blocks = self.cell_block[cells]
        order = np.argsort(blocks, kind="stable")
        return (
            Electrodes(
                np.searchsorted(blocks[order], np.arange(self.n_blocks + 1)),
                (nodes * self.lanes + self.cell_lane[cells])[order],
                current[order],
            ),
            self.probes._replace(samples=np.zeros((n_steps, self.probes.samples.shape[1]))),
        )

    def _find_kernels(self) -> None:
        """Compile, or load from the cache, every kernel this network needs."""
        arguments = (
            0, 0, 0, self.parts[0].events, *self._inputs(0), self.layout, self.states,
            self.kinetics, self.parts[0].work, self.numerics,
        )  # fmt: skip
        kinds = tuple(numba.typeof(argument) for argument in arguments)
        second_order = self.settings.second_order
        kernels = {f: family_kernel(f, second_order, kinds) for f in set(self.model_family)}
        self.kernel = np.array([kernels[self.model_family[m]] for m in self.block_model], np.int64)

    def advance(self, n_steps: int) -> tuple[IntArray, FloatArray, FloatArray]:
        self.clock.extend(self.step + n_steps)
        times = Times(self.clock.start, self.clock.middle, self.clock.dt)
        electrodes, probes = self._inputs(n_steps)
        log = (np.zeros(0, np.int64), np.zeros(0))
        last = times.middle[self.step + n_steps - 1] if n_steps else -np.inf
        given = self.network.trains
        first_train, self.next_train = (
            self.next_train, int(np.searchsorted(given.time, last, side="right"))
        )  # fmt: skip
        sent = slice(first_train, self.next_train)

        def work(p: int):
            part = self.parts[p]
            try:
                trains = _joined(given.source[sent], given.time[sent], part.poisson, last)
                return run_windows(
                    p, self.meeting, self.step, self.step + n_steps, self.window, times,
                    self.kernel, part.blocks, part.wiring, part.drawn, part.end_of_drawn,
                    part.inbox, part.n_inbox, trains, self.points, self.found,
                    part.events, part.work, electrodes, probes, self.layout, self.states,
                    self.kinetics, self.numerics, self.network.n_cells, *log,
                )  # fmt: skip
            except BaseException:
                dismiss(self.meeting)
                raise

        running: list[Future] = []
        try:
            for p in range(len(self.parts)):
                running.append(self._threads[p].submit(work, p))
            wait(running)
        except BaseException:  # Ctrl-C: these steps are finished first
            if len(running) < len(self.parts):
                dismiss(self.meeting)  # nobody waits for a part that will not come
            wait(running)
            raise
        results = [part.result() for part in running]
        for part, result in zip(self.parts, results, strict=True):
            wiring, end_of_drawn, inbox, n_inbox, n_events, reached = result[:6]
            if n_events == NO_ROOM:
                raise SimulationError(
                    "a point neuron spikes more often than every time step",
                    fix="Give it a refractory period of at least dt.",
                )
            part.wiring, part.end_of_drawn = wiring, end_of_drawn
            part.inbox, part.n_inbox = inbox, n_inbox
            self.n_events += n_events
        done, self.step = reached - self.step, reached
        n_spikes, sources, spike_times = results[0][6:]
        return sources[:n_spikes], spike_times[:n_spikes], probes.samples[:done]

    def soma_voltage(self) -> FloatArray:
        soma = self.model_soma[self.network.cell_model]
        at = self.layout.first_v[self.cell_block] + soma * self.lanes + self.cell_lane
        return self.states.V[at].astype(np.float64)

    def voltage(self, cell: int) -> FloatArray:
        b, first = self.cell_block[cell], self.layout.first_v
        block = self.states.V[first[b] : first[b + 1]].reshape(-1, self.lanes)
        return block[:, self.cell_lane[cell]].astype(np.float64)


def _share(drawn: Drawn | None, part: int, n_parts: int, stored: int) -> Drawn | None:
    """The neurons of one part, as :meth:`CpuEngine._parts_of_cells` deals them out."""
    if drawn is None:
        return None
    begin, end = (-(-p * drawn.end // n_parts) for p in (part, part + 1))
    return drawn._replace(begin=begin, end=end, stored=stored)


def _eliminated(
    diagonal: FloatArray, coupling: FloatArray, parent: NDArray[np.integer]
) -> FloatArray:
    """The diagonal after elimination from the tips to the root."""
    d = diagonal.copy()
    for i in range(len(d) - 1, 0, -1):
        d[parent[i]] -= coupling[i] ** 2 / d[i]
    return d


def _aligned(n: int, dtype: np.dtype) -> np.ndarray:
    """Uninitialised array whose first element starts a cache line.

    Rows are whole lines, and a row that straddles two costs twice.
    """
    raw = np.empty(n * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n * dtype.itemsize].view(dtype)
