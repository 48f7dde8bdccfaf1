"""The reference engine: NumPy, one cell after the other, nothing clever.

This is the specification. The compiled engine is tested against it, and it can run any circuit
(`--engine reference`), slowly.
"""

from __future__ import annotations

import heapq
import itertools

import numpy as np

from isocortex.engine.interface import (
    CAO,
    REST_CAI,
    REST_ECA,
    Settings,
    Variable,
    nernst_factor,
)
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.density import EXTRAPOLATION, STAGE
from isocortex.network.clock import Clock
from isocortex.network.network import Network


class ReferenceCell:
    """State of one cell: voltage, channel states by mechanism, synapses by slot."""

    def __init__(self, network: Network, cell: int, settings: Settings) -> None:
        self.model = network.models[network.cell_model[cell]]
        self.dt, self.theta = settings.dt, 2.0 if settings.second_order else 1.0
        self.celsius, self.threshold = settings.celsius, settings.threshold
        self.v = np.full(self.model.n_nodes, settings.v_init)
        self.cai = np.full(self.model.n_nodes, REST_CAI)
        self.ica = np.zeros(self.model.n_nodes)
        mine = np.flatnonzero(network.slots.cell == cell)
        self.slots = {int(slot): k for k, slot in enumerate(mine)}
        self.node = network.slots.node[mine]
        self.kind = network.slots.kind[mine]
        self.kinetics = network.kinetics
        self.A, self.B = np.zeros(len(mine)), np.zeros(len(mine))
        self.states: dict[str, dict[str, np.ndarray]] = {}
        self.above = False  # a cell that starts above the threshold spikes at once, as in NEURON
        for name in (n for n in DENSITY if n in self.model.mechanisms):
            mechanism, nodes = DENSITY[name], self.model.mechanisms[name].nodes
            if mechanism.has("steady_state"):
                values = self._call(name, "steady_state")
                if name == "CaDynamics":
                    self.cai[nodes] = values[0]
                    continue
                self.states[name] = dict(zip(mechanism.states, values, strict=True))
            else:
                self.states[name] = {
                    gate: np.broadcast_to(self._call(name, f"{gate}_rates")[0], nodes.shape).astype(
                        float
                    )
                    for gate in mechanism.states
                }

    def _call(self, name: str, function: str, shift: float = 0.0, dt: float | None = None):
        """Call a mechanism's function with its arguments, on all its nodes at once."""
        mechanism, table = DENSITY[name], self.model.mechanisms[name]
        nodes = table.nodes
        around = {
            "v": self.v[nodes] + shift, "dt": self.dt if dt is None else dt, "cai": self.cai[nodes],
            "ica": self.ica[nodes], "q10": mechanism.temperature.at(self.celsius),
            "ena": self.model.ena[nodes], "ek": self.model.ek[nodes],
        }  # fmt: skip
        values = []
        for argument in mechanism.arguments(function):
            if argument in self.states.get(name, {}):
                values.append(self.states[name][argument])
            elif argument in mechanism.parameters:
                default = mechanism.parameters[argument].default
                values.append(table.parameters.get(argument, np.full(len(nodes), default)))
            else:
                values.append(around[argument])
        return getattr(mechanism, function)(*values)

    def receive(self, slot: int, weight: float) -> None:
        """A synaptic event: both terms jump."""
        k = self.slots[slot]
        kinetics = self.kinetics[self.kind[k]]
        jump_a, jump_b = kinetics.jumps(0.5 * self.dt if self.theta == 2.0 else 0.0)
        self.A[k] += weight * jump_a
        self.B[k] += weight * jump_b

    def _reversal(self, name: str) -> np.ndarray:
        mechanism, table = DENSITY[name], self.model.mechanisms[name]
        reversal, nodes = mechanism.reversal, table.nodes
        if reversal in mechanism.parameters:
            default = np.full(len(nodes), mechanism.parameters[reversal].default)
            return table.parameters.get(reversal, default)
        if reversal == "eca":
            shell = self.model.mechanisms.get("CaDynamics")
            has_shell = np.isin(nodes, shell.nodes if shell else [])
            nernst = nernst_factor(self.celsius) * np.log(CAO / self.cai[nodes])
            return np.where(has_shell, nernst, REST_ECA)
        return getattr(self.model, reversal)[nodes]

    def step(self, injected: np.ndarray) -> None:
        """One time step; ``injected`` is the electrode current of every node, nA."""
        model = self.model
        area = 1e-2 * model.area  # uS per S/cm2, nA per mA/cm2
        capacitance = self.theta * 1e-5 * model.cm * model.area / self.dt  # nF/ms = uS
        d = capacitance + model.g_pas * area
        r = capacitance * self.v + model.g_pas * area * model.e_pas + injected
        self.ica[:] = 0.0
        gca = np.zeros(model.n_nodes)
        for name in model.mechanisms:
            mechanism, nodes = DENSITY[name], model.mechanisms[name].nodes
            if not mechanism.has("conductance"):
                continue
            e, v = self._reversal(name), self.v[nodes]
            current = self._call(name, "conductance") * (v - e)
            shifted = self._call(name, "conductance", shift=0.001) * (v + 0.001 - e)
            slope = (shifted - current) / 0.001
            d[nodes] += slope * area[nodes]
            r[nodes] += (slope * v - current) * area[nodes]
            if mechanism.ion == "ca":
                self.ica[nodes] += current
                gca[nodes] += self._call(name, "conductance")
        for k, (node, kind) in enumerate(zip(self.node, self.kind, strict=True)):
            kinetics = self.kinetics[kind]
            g = self.B[k] - self.A[k]
            d[node] += g
            r[node] += g * kinetics.reversal
            rise, decay = kinetics.factors(self.dt)
            self.A[k] *= rise
            self.B[k] *= decay
        before, solved = self.v, self._solve(d, r)
        self.v = before + self.theta * (solved - before)
        self.early = 0.0  # how long before the step's end the threshold was crossed, in steps
        if self.theta == 2.0:  # second order: what was solved for is the middle of the step
            self.ica += gca * (solved - before)
            rise = (self.v - before)[model.soma]
            if rise > 0:
                self.early = float(np.clip((self.v[model.soma] - self.threshold) / rise, 0.0, 1.0))
        for name in (n for n in DENSITY if n in model.mechanisms):
            self._advance(name)

    def _solve(self, d: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Hines elimination on the tree with couplings ``g_axial``."""
        parent, a = self.model.parent, self.model.g_axial
        for i in range(1, len(d)):
            d[i] += a[i]
            d[parent[i]] += a[i]
        for i in range(len(d) - 1, 0, -1):
            f = a[i] / d[i]
            d[parent[i]] -= f * a[i]
            r[parent[i]] += f * r[i]
        v = np.empty_like(r)
        v[0] = r[0] / d[0]
        for i in range(1, len(d)):
            v[i] = (r[i] + a[i] * v[parent[i]]) / d[i]
        return v

    def _advance(self, name: str) -> None:
        mechanism = DENSITY[name]
        if name == "CaDynamics":
            self.cai[self.model.mechanisms[name].nodes] = self._call(name, "advance")[0]
        elif mechanism.implicit_euler and self.theta == 2.0:
            x = np.array(list(self.states[name].values()))
            x1 = self._stage(name, x)
            self._stage(name, x + EXTRAPOLATION * (x1 - x))
        elif mechanism.has("advance"):
            self.states[name] = dict(
                zip(mechanism.states, self._call(name, "advance"), strict=True)
            )
        else:
            for gate, x in self.states[name].items():
                inf, tau = self._call(name, f"{gate}_rates")
                self.states[name][gate] = x + (inf - x) * (1.0 - np.exp(-self.dt / tau))

    def _stage(self, name: str, x: np.ndarray) -> np.ndarray:
        """Advance a kinetic scheme from ``x`` by a stage of the method of second order."""
        self.states[name] = dict(zip(DENSITY[name].states, x, strict=True))
        new = np.array(self._call(name, "advance", dt=STAGE * self.dt))
        self.states[name] = dict(zip(DENSITY[name].states, new, strict=True))
        return new

    def value(self, node: int, variable: Variable) -> float:
        """A variable of one node, for reports."""
        if variable.mechanism == "":
            return float({"v": self.v, "cai": self.cai}[variable.name][node])
        if variable.mechanism == "synapse":
            here = (self.node == node) & np.isin(self.kind, variable.kinds)
            return float((self.B - self.A)[here].sum())
        if (variable.mechanism, variable.name) == ("CaDynamics", "ica"):
            return float(self.ica[node])
        nodes = self.model.mechanisms[variable.mechanism].nodes
        return float(self.states[variable.mechanism][variable.name][np.searchsorted(nodes, node)])


class ReferencePoint:
    """State of one IntFire1 neuron."""

    def __init__(self, tau: float, refractory: float) -> None:
        self.tau, self.refractory = tau, refractory
        self.m, self.since, self.ready = 0.0, 0.0, -np.inf

    def receive(self, time: float, weight: float) -> bool:
        """An event at ``time`` (ms); True if the neuron spikes."""
        if time < self.ready:
            return False
        self.m = self.m * np.exp(-(time - self.since) / self.tau) + weight
        self.since = time
        if self.m > 1.0:
            self.m, self.since = 0.0, time + self.refractory
            self.ready = self.since
            return True
        return False


class ReferenceEngine:
    """See :class:`isocortex.engine.interface.Engine`."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network, self.settings = network, settings
        self.cells = [ReferenceCell(network, c, settings) for c in range(network.n_cells)]
        self.points = [
            ReferencePoint(tau, refractory)
            for tau, refractory in zip(network.points.tau, network.points.refractory, strict=True)
        ]
        self.probes: list[tuple[int, int, Variable]] = []
        self.clock = Clock(settings.dt)
        self.step, self.window, self.n_events, self.compile_seconds = 0, 1, 0, 0.0
        #: (time, order of sending, synapse) of events to come
        self.queue: list[tuple[float, int, int]] = []
        self.sent = itertools.count()
        self.next_train = 0
        self.poisson = network.poisson.begin()

    def record(self, probes: list[tuple[int, int, Variable]]) -> None:
        self.probes = probes

    def advance(self, n_steps: int):
        self.clock.extend(self.step + n_steps)
        samples = np.zeros((n_steps, len(self.probes)))
        spikes: list[tuple[float, int]] = []
        for row in samples:
            # a voltage that is no number is the run's to report, not NumPy's
            with np.errstate(all="ignore"):
                spikes += self._step(row)
        spikes.sort()
        return np.array([s for _, s in spikes], int), np.array([t for t, _ in spikes]), samples

    def _step(self, row: np.ndarray) -> list[tuple[float, int]]:
        """One step of everything, sampled into ``row``; returns its spikes."""
        middle = self.clock.middle[self.step]
        self._send_trains(middle)
        spikes = self._deliver(middle)
        self._sample(row, at_start=True)
        injected = [np.zeros(cell.model.n_nodes) for cell in self.cells]
        for source in self.network.currents:
            injected[source.cell][source.node] += source.amplitude(np.array([middle]))[0]
        self.step += 1
        for c, cell in enumerate(self.cells):
            cell.step(injected[c])
            above = bool(cell.v[cell.model.soma] > self.settings.threshold)
            if above and not cell.above:
                time = self.clock.start[self.step] - cell.early * self.settings.dt
                spikes.append((time, c))
                self._send(c, time)
            cell.above = above
        self._sample(row, at_start=False)
        return spikes

    def _send(self, source: int, time: float) -> None:
        c = self.network.connections
        for k in range(c.first[source], c.first[source + 1]):
            heapq.heappush(self.queue, (time + c.delays[c.delay[k]], next(self.sent), k))

    def _send_trains(self, until: float) -> None:
        trains = self.network.trains
        spikes = list(zip(*reversed(self.poisson.until(until)), strict=True))
        while self.next_train < len(trains.time) and trains.time[self.next_train] <= until:
            spikes.append((trains.time[self.next_train], trains.source[self.next_train]))
            self.next_train += 1
        for time, source in sorted(spikes):
            self._send(source, time)

    def _deliver(self, until: float) -> list[tuple[float, int]]:
        """All events due until then, in order of time; returns spikes of point neurons."""
        network, spikes = self.network, []
        while self.queue and self.queue[0][0] <= until:
            time, _, k = heapq.heappop(self.queue)
            self.n_events += 1
            target, weight = network.connections.target[k], network.connections.weight[k]
            if target < len(network.slots):
                self.cells[network.slots.cell[target]].receive(target, weight)
                continue
            point = target - len(network.slots)
            if self.points[point].receive(time, weight):
                spikes.append((time, network.n_cells + point))
                self._send(network.n_cells + point, time)
        return spikes

    def _sample(self, row: np.ndarray, at_start: bool) -> None:
        for p, (c, node, variable) in enumerate(self.probes):
            if variable.at_start == at_start:
                row[p] = self.cells[c].value(node, variable)

    def soma_voltage(self) -> np.ndarray:
        return np.array([cell.v[cell.model.soma] for cell in self.cells])

    def voltage(self, cell: int) -> np.ndarray:
        return self.cells[cell].v
