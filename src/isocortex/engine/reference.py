"""The reference engine: NumPy, one cell after the other, nothing clever.

This is the specification. The compiled engine is tested against it, and it can run any circuit
(`--engine reference`), slowly.
"""

from __future__ import annotations

import numpy as np

from isocortex.engine.interface import (
    CAO,
    REST_CAI,
    REST_ECA,
    Events,
    Settings,
    Variable,
    nernst_factor,
)
from isocortex.mechanisms import DENSITY
from isocortex.network.network import Network


class ReferenceCell:
    """State of one cell: voltage, channel states by mechanism, synapses by slot."""

    def __init__(self, network: Network, cell: int, settings: Settings) -> None:
        self.model = network.models[network.cell_model[cell]]
        self.dt, self.theta = settings.dt, 2.0 if settings.second_order else 1.0
        self.celsius = settings.celsius
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
        self.above = bool(settings.v_init >= settings.threshold)
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

    def _call(self, name: str, function: str, shift: float = 0.0):
        """Call a mechanism's function with its arguments, on all its nodes at once."""
        mechanism, table = DENSITY[name], self.model.mechanisms[name]
        nodes = table.nodes
        around = {
            "v": self.v[nodes] + shift, "dt": self.dt, "cai": self.cai[nodes],
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
        for k, (node, kind) in enumerate(zip(self.node, self.kind, strict=True)):
            kinetics = self.kinetics[kind]
            g = self.B[k] - self.A[k]
            d[node] += g
            r[node] += g * kinetics.reversal
            rise, decay = kinetics.factors(self.dt)
            self.A[k] *= rise
            self.B[k] *= decay
        new_v = self._solve(d, r)
        self.v = self.v + self.theta * (new_v - self.v)
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
        elif mechanism.has("advance"):
            self.states[name] = dict(
                zip(mechanism.states, self._call(name, "advance"), strict=True)
            )
        else:
            for gate, x in self.states[name].items():
                inf, tau = self._call(name, f"{gate}_rates")
                self.states[name][gate] = x + (inf - x) * (1.0 - np.exp(-self.dt / tau))

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


class ReferenceEngine:
    """See :class:`isocortex.engine.interface.Engine`."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network, self.settings = network, settings
        self.cells = [ReferenceCell(network, c, settings) for c in range(network.n_cells)]
        self.probes: list[tuple[int, int, Variable]] = []
        self.compile_seconds = 0.0

    def record(self, probes: list[tuple[int, int, Variable]]) -> None:
        self.probes = probes

    def advance(self, first_step: int, n_steps: int, events: Events, current: np.ndarray):
        slots = self.network.slots
        samples = np.zeros((n_steps, len(self.probes)))
        spikes: list[tuple[int, int]] = []
        by_step: dict[int, list[int]] = {}
        for k, step in enumerate(events.step):
            by_step.setdefault(int(step) - first_step, []).append(k)
        for step in range(n_steps):
            for k in by_step.get(step, []):
                slot = int(events.slot[k])
                cell = self.cells[slots.cell[slot]]
                kinetics = self.network.kinetics[slots.kind[slot]]
                jump = events.weight[k] * kinetics.scale
                cell.A[cell.slots[slot]] += jump * (kinetics.tau_rise > 0)
                cell.B[cell.slots[slot]] += jump
            for p, (c, node, variable) in enumerate(self.probes):
                if variable.at_start:
                    samples[step, p] = self.cells[c].value(node, variable)
            injected = [np.zeros(cell.model.n_nodes) for cell in self.cells]
            for k, source in enumerate(self.network.currents):
                injected[source.cell][source.node] += current[k, step]
            for c, cell in enumerate(self.cells):
                cell.step(injected[c])
                above = bool(cell.v[cell.model.soma] >= self.settings.threshold)
                if above and not cell.above:
                    spikes.append((c, first_step + step + 1))
                cell.above = above
            for p, (c, node, variable) in enumerate(self.probes):
                if not variable.at_start:
                    samples[step, p] = self.cells[c].value(node, variable)
        spikes.sort(key=lambda spike: (spike[1], spike[0]))
        cells, steps = np.array(spikes, np.int64).reshape(-1, 2).T
        return cells, steps, samples

    def soma_voltage(self) -> np.ndarray:
        return np.array([cell.v[cell.model.soma] for cell in self.cells])

    def voltage(self, cell: int) -> np.ndarray:
        return self.cells[cell].v
