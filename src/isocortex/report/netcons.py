"""Synaptic variables of single connections, as BMTK's ``netcon_report`` records them.

An engine keeps one pair (A, B) for all synapses of the same kinetics at a compartment. What a
single one of them contributes follows from the spikes of its source alone, so it is computed here,
beside the run, with the engine's recurrences, in double precision:

=================  ====  =======================================================================
``tau1``, ``tau2``  ms    time constants of Exp2Syn
``tau``            ms    that of ExpSyn
``e``              mV    reversal
``A``, ``B``       uS    states of Exp2Syn, as the step ends
``g``              uS    of Exp2Syn: ``B - A`` with which the step was computed, as NEURON keeps it;
                         of ExpSyn, whose state it is: as the step ends
``i``              nA    current of the step, with the voltage before it
=================  ====  =======================================================================

Plastic synapses have ``e``, ``g``, ``i``, their time constants, and what they release by, such as
``p0`` and ``tau_FDR``. Of synapses with several conductances ``g`` and ``i`` are the sums, and
``g_NMDA`` that of one, as far as magnesium leaves it open at the voltage before the step. Of
synapses of mod files ``g`` and ``i`` are those of the file, where they are all of the synapse.

Synapses are in BMTK's order: those of cells, then those of virtual nodes in order of the inputs
that drive them. A virtual node that no input drives makes none there, and none here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit import (
    EdgePopulation,
    PoissonInput,
    Projection,
    ReportSpec,
    Simulation,
    SpikeInput,
)
from isocortex.circuit.synapses import conductances_of, is_random, keys_of, place_synapses
from isocortex.engine.interface import ProbeTable, Variable
from isocortex.errors import ConfigError
from isocortex.hashes import sha256
from isocortex.mechanisms.point import SYNAPSES
from isocortex.mechanisms.synapses import Kinetics, Receptor, opened
from isocortex.network.clock import Clock
from isocortex.network.connect import cells_of
from isocortex.network.factors import factors_of
from isocortex.network.network import Network
from isocortex.network.paces import paced, with_paces
from isocortex.network.poisson import PoissonSources
from isocortex.network.sources import VIRTUAL, Sources, number_sources
from isocortex.network.terminals import (
    Terminals,
    acting_again,
    comes_last,
    numbers_of,
    released,
    terminals_of,
)
from isocortex.network.terminals import paced as paced_terminals
from isocortex.report.membrane import MembraneReport
from isocortex.report.record import Sampling, Schedule

#: What can be recorded, and its unit.
VARIABLES = {
    "tau1": "ms", "tau2": "ms", "tau": "ms", "e": "mV", "A": "uS", "B": "uS", "g": "uS", "i": "nA",
    "tau_1": "ms", "tau_r": "ms", "tau_r0": "ms", "tau_FDR": "ms", "tau_D": "ms", "tau_i": "ms",
    "tau_f": "ms", "p0": "", "pbtilde": "", "a_FDR": "", "a_D": "", "a_i": "", "a_f": "",
    "Use": "", "Dep": "ms",
}  # fmt: skip
#: Of one of several conductances, before its name: what it is of a synapse that has but one.
OF_PART = {"g": "g", "i": "i", "tau_r": "tau1", "tau_d": "tau2", "e": "e"}
PARTS = {"DetAMPANMDA": ("AMPA", "NMDA"), "DetGABAAB": ("GABAA", "GABAB")}
PARTS |= {f"{name.replace('Det', 'Prob')}_EMS": parts for name, parts in PARTS.items()}
VARIABLES |= {
    f"{what}_{part}": VARIABLES[plain]
    for parts in PARTS.values() for part in parts for what, plain in OF_PART.items()
}  # fmt: skip
#: NEURON's synapses, and which of these variables each has.
ONE, TWO = "ExpSyn", "Exp2Syn"
OF = {ONE: ("tau", "e", "g", "i"), TWO: ("tau1", "tau2", "e", "A", "B", "g", "i")}
#: The same of BMTK's plastic synapses: numbers of :class:`Release` by NEURON's names.
NUMBERS = {
    name: number
    for number, names in {
        "tau_r0": ("tau_r", "tau_r0", "Dep"), "p": ("p0",), "pbtilde": ("pbtilde", "Use"),
        "a_FDR": ("a_FDR",),
        "tau_FDR": ("tau_FDR",), "a_D": ("a_D",), "tau_D": ("tau_D",), "a_i": ("a_i",),
        "tau_i": ("tau_i",), "a_f": ("a_f",), "tau_f": ("tau_f",),
    }.items()
    for name in names
}  # fmt: skip
_SHARED = ("e", "tau_1", "g", "i")
OF |= {
    "stp1syn": (*_SHARED, "tau_r", "p0"),
    "stp2syn": (*_SHARED, "tau_r0", "p0", "tau_FDR", "a_FDR"),
    "stp3syn": (*_SHARED, "tau_r0", "p0", "tau_FDR", "a_FDR", "tau_D", "a_D"),
    "stp4syn": (*_SHARED, "tau_r", "p0"),
    "stp5syn": (*_SHARED, *(n for n in NUMBERS if n not in ("tau_r", "p0", "Use", "Dep"))),
    "exp2syn_tm": ("tau1", "tau2", "e", "A", "B", "g", "i"),
}
#: Of those of users' files.
OF_OWN = ("g", "i")
OF |= {"tmgsyn": ("e", "g", "i"), "AMPA_NMDA_STP": ("i",), "GABA_A_STP": ("g", "i")}
OF |= {
    name: ("g", "i", "Use", "Dep", *(f"{what}_{part}" for what in OF_PART for part in parts),
           *(["e"] if "NMDA" in parts else []))
    for name, parts in PARTS.items()
}  # fmt: skip


class Connected:
    """Conductances of single synapses onto some cells of a population, cell by cell.

    Attributes (m conductances)
    ----------
    source, cell, node : int64[m]; number of the source, cell of the network, node of its model.
    weight : float64[m], uS.
    delay : float64[m], ms.
    part : int64[m], which of its synapse's conductances each is: a synapse begins with every 0.
    key : int64[m], see :class:`isocortex.network.network.Connections`.
    kinetics, unchanged : m kinetics, and what they would be without changes.
    """

    def __init__(
        self, simulation: Simulation, network: Network, population: str, cells: IntArray
    ) -> None:
        circuit = simulation.circuit
        sources = number_sources(circuit)
        number = sources.number[population]
        rows = np.flatnonzero(np.isin(number, cells))
        onto = [p for p in circuit.projections if p.target == population]
        driven = _driven(simulation)
        onto.sort(key=lambda p: _rank(p.source, sources, driven))
        parts = [self._of(p, rows, sources, network, simulation) for p in onto]
        none: list[Any] = [*np.zeros((3, 0), np.int64), *np.zeros((2, 0)),
                           *np.zeros((2, 0), np.int64)]  # fmt: skip
        columns = [np.concatenate(c) for c in zip(none, *(p[:-1] for p in parts), strict=True)]
        kinetics = [k for part in parts for k in part[-1]]
        place = np.full(network.circuit_cells, -1, np.int64)
        place[cells] = np.arange(len(cells))
        silent = [
            n[sources.kind[p] == VIRTUAL] for p, n in sources.number.items() if p not in driven
        ]
        order = np.argsort(place[columns[1]], kind="stable")
        order = order[~np.isin(columns[0][order], np.concatenate([[], *silent]))]
        self.source, self.cell, self.node, self.weight, self.delay, self.part, self.key = (
            c[order] for c in columns
        )
        self.kinetics, self.unchanged = ([kinetics[i][k] for i in order] for k in range(2))

    @staticmethod
    def _of(
        projection: Projection,
        rows: IntArray,
        sources: Sources,
        network: Network,
        simulation: Simulation,
    ) -> tuple[Any, ...]:
        """Source, cell, node, weight, delay, part, key and kinetics of a projection's synapses."""
        sender, number = sources.number[projection.source], sources.number[projection.target]
        factors = factors_of(simulation.overrides, projection, (len(sender), len(number)))
        seed = simulation.seed
        cells = cells_of(projection.target, sources, network.models, network.circuit_model)
        kinds, delays = projection.kinds(cells), projection.delays()
        if not isinstance(projection, EdgePopulation):
            made = list(projection.onto(rows, cells, seed))
            if factors is not None:
                made = list(map(factors.changed, made))
                delays = factors.delays_of(delays)
            both = with_paces(kinds, factors)
            if not made:
                return (*(np.zeros(0, np.int64) for _ in range(7)), [])
            source, target, node, kind, weight, delay = (
                np.concatenate(c) for c in zip(*(m[:6] for m in made), strict=True)
            )
            none = np.zeros(len(node), np.int64)
            return (sender[source], number[target], node, weight.astype(float), delays[delay],
                    none, none, [both[k] for k in kind])  # fmt: skip
        edges = projection
        mine = np.isin(edges.target_index, rows)
        columns = [np.zeros((6, 0))]
        unchanged: list[Kinetics] = []
        for r, rule in enumerate(edges.rules):
            at = np.flatnonzero(mine & (edges.rule == r))
            if not len(at):
                continue
            several, which = conductances_of(rule, edges, at)
            edge, node = place_synapses(edges, rule, at, cells, seed)
            which = which[np.searchsorted(at, edge)]
            key = keys_of(edges, edge) if is_random(several) else np.zeros(len(edge))
            for part, conductances in enumerate(zip(*several, strict=True)):
                factor = np.array([each.factor for each in conductances])[which]
                copy, parts = np.arange(len(edge)), np.full(len(edge), part)
                columns.append(np.stack([edge, node, copy, parts, key, factor]))
                unchanged += [conductances[k].kinetics for k in which]
        table = np.concatenate(columns, axis=1)
        order = np.lexsort((table[3], table[2], table[0]))  # as the file has them
        edge, node, _, part_of, key = table[:5, order].astype(np.int64)
        unchanged = [unchanged[k] for k in order]
        source, target = edges.source_index[edge], edges.target_index[edge]
        weight = edges.weight[edge] * table[5, order]
        kinetics, delay = unchanged, edges.delay[edge]
        if factors is not None:
            delay = factors.late(source, target, delay)
            weight = weight * factors.of(source, target)
            of = factors.pace_of(source, target).tolist()
            kinetics = [paced(k, factors.paces[p]) for k, p in zip(unchanged, of, strict=True)]
        return (
            sender[source], number[target], node, weight, delay, part_of, key,
            list(zip(kinetics, unchanged, strict=True)),
        )  # fmt: skip


def drawn_from(sources: PoissonSources) -> tuple[NDArray[Any], ...]:
    """What the spikes of Poisson sources follow from, until they stop.

    Constant rates are told as they were before there were others, so that old states go on.
    """
    constant = sources.source, sources.mean, sources.start, sources.key
    if not (sources.sigma > 0.0).any():
        return constant
    return *constant, sources.sigma, sources.tau, sources.course


class ConnectionRecorder:
    """One variable of every synapse onto the chosen cells, written while the run goes on.

    Parameters
    ----------
    cells : int64[n], indices of the cells in the network, in order of node id.

    Attributes
    ----------
    probes : what an engine is to sample for it.
    """

    def __init__(
        self,
        spec: ReportSpec,
        population: str,
        cells: IntArray,
        network: Network,
        simulation: Simulation,
        sampling: Sampling,
    ) -> None:
        self.schedule = Schedule(spec, sampling)
        if spec.variable not in VARIABLES:
            raise ConfigError(
                f"synapses have no {spec.variable!r}", field="variable_name",
                fix=f"Use one of {', '.join(VARIABLES)}.",
            )  # fmt: skip
        found = Connected(simulation, network, population, cells)
        names = [name_of(k) for k in found.kinetics]
        keep = np.array([name.startswith(spec.connections or "") for name in names], bool)
        _require(spec.variable, set(compress(names, keep)))
        self.variable, of_it = _conductances_with(spec.variable, found)
        keep &= of_it
        self._whose = (population, cells, keep)
        self.n_conductances = int(keep.sum())
        #: where each synapse begins among these
        self.first = np.flatnonzero(np.diff(np.cumsum(found.part == 0)[keep], prepend=0))
        self.source, self.weight = found.source[keep], found.weight[keep]
        self.delay, self.kinetics = found.delay[keep], list(compress(found.kinetics, keep))
        self.unchanged = list(compress(found.unchanged, keep))
        cell, node, self.key = found.cell[keep], found.node[keep], found.key[keep]
        self.seed = simulation.seed
        self.dt, self.n_cells = sampling.dt, network.circuit_cells
        self._prepare(network, cell, node)
        of_cell, of_node = cell[self.first], node[self.first]
        there = np.unique(cell)
        there = there[np.argsort(network.source_node_id[there])]
        models: list[CompiledCell] = [network.models[network.circuit_model[c]] for c in of_cell]
        self.create = {
            "population": population, "variable": spec.variable, "units": VARIABLES[spec.variable],
            "node_ids": network.source_node_id[there],
            "index_pointer": np.concatenate(
                [[0], np.cumsum([np.count_nonzero(of_cell == c) for c in there])]
            ),
            "element_ids": [m.section[n] for m, n in zip(models, of_node, strict=True)],
            "element_pos": [m.x[n] for m, n in zip(models, of_node, strict=True)],
            "more": _ends(self.source[self.first], of_cell, network),
            **self.schedule.times,
        }  # fmt: skip
        before = Variable("v", at_start=True)
        places = sorted({(int(c), int(n)) for c, n in zip(cell, node, strict=True)})
        self.column = np.array(
            [places.index((int(c), int(n))) for c, n in zip(cell, node, strict=True)], np.int64
        )
        by_voltage = self.variable == "i" or (self.variable == "g" and self.ratio.any())
        voltages = [(*p, before) for p in places] if by_voltage else []
        self.probes = ProbeTable.of(voltages)

    def _prepare(self, network: Network, cell: IntArray, node: IntArray) -> None:
        """Factors and jumps of every synapse, and the trains of sources that are not simulated."""
        self.e = np.array([k.reversal for k in self.kinetics])
        self.jumping = np.array([_g_is_state(k) for k in self.kinetics], bool)
        blocks = [(0.0, 0.0) if k.block is None else (k.block.ratio, k.block.slope)
                  for k in self.kinetics]  # fmt: skip
        self.ratio, self.slope = np.array(blocks).reshape(-1, 2).T
        #: events of a spike: on which conductance each acts, and after which delay, ms
        self.onto, self.after, self.terminals = _events(
            self.kinetics, self.delay, self.key, self.dt, self.seed
        )
        self.comes_last = np.zeros(len(self.after), bool)
        if self.terminals.by_time:  # some act again: else there is no need to ask each
            self.comes_last[:] = [
                comes_last(self.terminals, k, delay) for k, delay in enumerate(self.after)
            ]
        self._count_on()
        self.A, self.B = np.zeros((2, self.n_conductances))
        order = np.argsort(self.source[self.onto], kind="stable")
        self.by_source, self.of_source = self.source[self.onto][order], order
        used = np.isin(network.trains.source, self.source)
        self.trains = (network.trains.source[used], network.trains.time[used])
        self.poisson = network.poisson.only(np.isin(network.poisson.source, self.source)).begin()
        self.clock, self.step = Clock(self.dt), 0
        self.pending = (np.zeros(0), np.zeros(0, np.int64))  # when, and which event of a spike
        #: whose state it is; changes may have made weights, kinetics and release others
        self.of = sha256(
            (
                network.source_node_id[self.source], cell, node, self.delay, self.unchanged,
                drawn_from(self.poisson.sources),
            )
        )  # fmt: skip

    def renew(self, network: Network, simulation: Simulation) -> None:
        """Go on with the same synapses in a network where weights, kinetics or release are others.

        Events that are on their way have the weight that there is when they arrive. What is open
        goes on with the decay of now, synapse by synapse; an engine, which has one pair of numbers
        for all of one kinetics at a compartment, lets what it cannot tell apart decay as before.
        """
        population, cells, keep = self._whose
        found = Connected(simulation, network, population, cells)
        self.weight = found.weight[keep]
        self.kinetics = list(compress(found.kinetics, keep))
        releases = [k.release for k in self.kinetics if k.release is not None]
        now = numbers_of(releases)
        self._stand_at(self.terminals.state, self.terminals.numbers, now, self.step)
        self._count_on()

    def _stand_at(self, state: FloatArray, before: FloatArray, now: FloatArray, step: int) -> None:
        """Let terminals, each of which has a release of its own, go on from what they stood at."""
        self.terminals.state[:] = paced_terminals(state, before, now, step, self.dt)
        self.terminals.numbers[:] = now

    def _count_on(self) -> None:
        """By what conductances fade at every step, and jump at events."""
        factors = np.array([k.factors(self.dt) for k in self.kinetics]).reshape(-1, 2)
        jumps = np.array([k.jumps(0.0) for k in self.kinetics]).reshape(-1, 2)
        self.fade_a, self.fade_b = factors.T
        self.jump_a, self.jump_b = (jumps * self.weight[:, None]).T

    def open(self, path: Path, mode: str, provenance: dict[str, Any]) -> None:
        """Create the file; nothing is written before every report has been checked."""
        self.report = MembraneReport(path, mode=mode, provenance=provenance, **self.create)

    def flush(self) -> None:
        self.report.flush()

    def close(self) -> None:
        self.report.close()

    def kept(self) -> dict[str, NDArray[Any]]:
        """What the values to come follow from, after the last step that was taken."""
        if constant_of(self.variable, self.kinetics) is not None:
            return {}
        return {
            "A": self.A.copy(), "B": self.B.copy(), "when": self.pending[0],
            "onto": self.pending[1], "stream": self.poisson.stream.copy(),
            "next": self.poisson.next.copy(), "of": np.frombuffer(self.of.encode(), np.uint8),
            **({"terminals": self.terminals.state.copy(), "releases": self.terminals.numbers.copy()}
               if len(self.terminals.state) else {}),
        }  # fmt: skip

    def go_on(self, step: int, kept: Iterable[Mapping[str, NDArray[Any]]]) -> None:
        """Go on after ``step`` steps.

        Parameters
        ----------
        kept : what recorders kept then; one of them of the same synapses.

        Raises
        ------
        ConfigError : none of them was.
        """
        if constant_of(self.variable, self.kinetics) is not None:
            return
        mine = next((k for k in kept if k["of"].tobytes().decode() == self.of), None)
        if mine is None:
            raise ConfigError(
                "the state does not hold what these single synapses stand at",
                fix="Record the same synapses in the run that makes the state, or leave them out.",
            )
        self.A[:], self.B[:] = mine["A"], mine["B"]
        self.pending = (mine["when"], mine["onto"])
        self.poisson.stream[:], self.poisson.next[:] = mine["stream"], mine["next"]
        if len(self.terminals.state):
            numbers = self.terminals.numbers
            self._stand_at(mine["terminals"], mine.get("releases", numbers), numbers, step)
        self.step = step
        self.clock.extend(step)
        ahead = self.trains[1] > self.clock.start[step]
        self.trains = (self.trains[0][ahead], self.trains[1][ahead])

    def take(
        self, first_step: int, samples: FloatArray, sources: IntArray, times: FloatArray
    ) -> None:
        """Write the rows that are due.

        Parameters
        ----------
        samples : float64[steps, n_probes], of the probes at each step.
        sources, times : who spiked within these steps, and when (ms).
        """
        n_steps = len(samples)
        due = self.schedule.due(first_step, n_steps)
        constant = constant_of(self.variable, self.kinetics)
        if constant is not None:
            self.report.append(np.broadcast_to(constant, (int(due.sum()), self.n_conductances)))
            return
        self.step = first_step + n_steps
        self._receive(self.step, sources, times)
        rows = np.empty((n_steps, self.n_conductances))
        v = samples[:, self.column] if len(self.probes) else np.zeros((n_steps, 1))
        for k in range(n_steps):
            rows[k] = self._step(first_step + k, v[k])
        several = len(self.first) < self.n_conductances
        self.report.append(np.add.reduceat(rows[due], self.first, axis=1) if several else rows[due])

    def _receive(self, end: int, sources: IntArray, times: FloatArray) -> None:
        """Events of the spikes until step ``end``."""
        self.clock.extend(end)
        last = self.clock.start[end]
        given, poisson = self.trains, self.poisson.until(last)
        sent = given[1] <= last
        self.trains = (given[0][~sent], given[1][~sent])
        sources = np.concatenate([sources, given[0][sent], poisson[0]])
        times = np.concatenate([times, given[1][sent], poisson[1]])
        begin = np.searchsorted(self.by_source, sources, side="left")
        count = np.searchsorted(self.by_source, sources, side="right") - begin
        spike = np.repeat(np.arange(len(sources)), count)
        k = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        event = self.of_source[begin[spike] + k]
        when = np.concatenate([self.pending[0], times[spike] + self.after[event]])
        events = np.concatenate([self.pending[1], event])
        order = np.lexsort((self.comes_last[events], when))
        self.pending = (when[order], events[order])

    def _step(self, step: int, v: FloatArray) -> FloatArray:
        """The variable of every synapse after one more step; ``v`` is the voltage before it."""
        self._jump(step, self.clock.middle[step])
        g = self.B - self.A
        if self.ratio.any():
            g = g * opened(self.ratio, self.slope, v)
        self.A *= self.fade_a
        self.B *= self.fade_b
        # NEURON delivers at both ends of a step: what falls into its second half is seen as it ends
        self._jump(step + 1, self.clock.start[step + 1])
        if self.variable == "g":
            return np.where(self.jumping, self.B, g)
        return g * (v - self.e) if self.variable == "i" else getattr(self, self.variable)

    def _jump(self, step: int, until: float) -> None:
        """Deliver the events that are due until then, ms, which act in a step."""
        when, events = self.pending
        n = int(np.searchsorted(when, until, side="right"))
        share = _released(self.terminals, step, when[:n], events[:n])
        onto = self.onto[events[:n]]
        np.add.at(self.A, onto, self.jump_a[onto] * share)
        np.add.at(self.B, onto, self.jump_b[onto] * share)
        self.pending = (when[n:], events[n:])


def _events(
    kinetics: Sequence[Kinetics], delay: FloatArray, key: IntArray, dt: float, seed: int
) -> tuple[IntArray, FloatArray, Terminals]:
    """Events of a spike: conductance and delay (ms) of each; and terminals, of each plastic one."""
    releases = [k.release for k in kinetics]
    plastic = np.array([release is not None for release in releases], bool)
    number, own = np.cumsum(plastic) * plastic, [r for r in releases if r is not None]
    some, later = acting_again(number, delay, own)
    onto, after = np.append(np.arange(len(kinetics)), some), np.append(delay, later)
    number = np.append(number, number[some] + len(own))
    order = np.lexsort((number, after, onto))
    onto, after = onto[order], after[order]
    return onto, after, terminals_of(onto, after, number[order], own, dt, key[onto], seed)


def constant_of(variable: str, kinetics: Sequence[Kinetics]) -> FloatArray | None:
    """A variable of synapses with these kinetics, if it follows from them and does not change."""
    if variable == "e":
        return np.array([k.reversal for k in kinetics])
    if variable == "tau1":
        return np.array([k.tau_rise for k in kinetics])
    if variable in ("tau2", "tau", "tau_1"):
        return np.array([k.tau_decay for k in kinetics])
    if variable in NUMBERS:
        return np.array([getattr(k.release, NUMBERS[variable]) for k in kinetics])
    return None


def _require(variable: str, chosen: set[str]) -> None:
    """Every chosen synapse must have the variable."""
    without = sorted(name for name in chosen if variable not in _variables_of(name))
    if not without:
        return
    name, has = without[0], _variables_of(without[0])
    if name in SYNAPSES and variable in OF_OWN:
        raise ConfigError(
            f"{variable!r} of the mod file of {name} is not all of what its synapses conduct",
            field="variable_name",
            fix=f"Use {' or '.join(has)}, or give it another name in the mod file."
            if has else "Give it another name in the mod file.",
        )  # fmt: skip
    others = [other for other in OF if variable in OF[other]]
    own = f"one of {', '.join(has)}, or " if has else ""
    raise ConfigError(
        f"{name} synapses have no {variable!r}", field="variable_name",
        fix=f"Use {own}syn_type {others[0]!r}.",
    )  # fmt: skip


def _variables_of(name: str) -> tuple[str, ...]:
    """The variables that synapses of a name have."""
    return OF[name] if name in OF else SYNAPSES[name].reports


def _g_is_state(kinetics: Kinetics) -> bool:
    """Whether ``g`` of a conductance is a state of NEURON's, which it has as a step ends."""
    name = name_of(kinetics)
    return kinetics.tau_rise == 0.0 and (name in OF or SYNAPSES[name].g_is_state)


def _conductances_with(variable: str, found: Connected) -> tuple[str, NDArray[np.bool_]]:
    """What a variable is of a single conductance, and which conductances it is of."""
    what, _, part = variable.rpartition("_")
    if what in OF_PART and any(part in parts for parts in PARTS.values()):
        return OF_PART[what], np.array([part == getattr(k, "part", "") for k in found.kinetics])
    return variable, np.ones(len(found.part), bool) if variable in ("g", "i") else found.part == 0


def _released(terminals: Terminals, step: int, when: FloatArray, onto: IntArray) -> FloatArray:
    """Share of its weight that each of some events brings, in their order."""
    share = np.ones(len(when))
    for k in np.flatnonzero(terminals.of[onto] >= 0):
        share[k] = released(terminals, onto[k], step, when[k])
    return share


def name_of(kinetics: Kinetics) -> str:
    """NEURON's name of such a synapse."""
    if isinstance(kinetics, Receptor):
        return kinetics.name
    return ONE if kinetics.tau_rise == 0.0 else TWO


def _driven(simulation: Simulation) -> list[str]:
    """Populations with an input of spikes, in order of the inputs."""
    kinds = (SpikeInput, PoissonInput)
    return list(dict.fromkeys(i.population for i in simulation.inputs if isinstance(i, kinds)))


def _rank(population: str, sources: Sources, driven: list[str]) -> int:
    """When BMTK makes the synapses of a population: cells first, then input after input."""
    if not (sources.kind[population] == VIRTUAL).any():
        return 0
    return 1 + driven.index(population) if population in driven else 1 + len(driven)


def _ends(source: IntArray, cell: IntArray, network: Network) -> dict[str, Any]:
    """Columns of the mapping that say which nodes a synapse is between.

    ``src_ids`` and ``trg_ids`` are BMTK's: node ids, and -1 of every virtual node. The others say
    which node of which population it is.
    """
    node, populations = network.source_node_id[source], np.array(network.populations, object)
    return {
        "src_ids": np.where(source < network.n_reacting, node, -1),
        "trg_ids": network.source_node_id[cell],
        "src_node_ids": node,
        "src_populations": populations[network.source_population[source]],
    }
