"""The reference engine: NumPy, one cell after the other, nothing clever.

This is the specification. The compiled engine is tested against it, and it can run any circuit
(`--engine reference`), slowly.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable

import numpy as np

from isocortex.engine.identity import identity, require_same
from isocortex.engine.interface import (
    CAO,
    REST_CAI,
    REST_ECA,
    Piece,
    ProbeTable,
    Settings,
    Variable,
    nernst_factor,
)
from isocortex.engine.layout.models import regions_of, state_rows
from isocortex.engine.state import Extent, Snapshot, State
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.density import EXTRAPOLATION, STAGE, Current
from isocortex.mechanisms.point import OwnRelease
from isocortex.mechanisms.release import Release
from isocortex.network.clock import Clock
from isocortex.network.network import Connections, Network
from isocortex.network.terminals import COLUMNS, KEYS, distinct, no_terminals
from isocortex.random import name_of
from isocortex.streams import GOLDEN, stream, uniform

#: More than events that are ever sent.
LATE = 1 << 62


class ReferenceCell:
    """State of one cell: voltage, channel states by mechanism, synapses by slot."""

    def __init__(self, network: Network, cell: int, settings: Settings) -> None:
        self.model = network.models[network.cell_model[cell]]
        self.dt, self.theta = settings.dt, 2.0 if settings.second_order else 1.0
        self.celsius, self.threshold = settings.celsius, settings.threshold
        self.v = np.full(self.model.n_nodes, settings.v_init)
        self.cai = np.full(self.model.n_nodes, REST_CAI)
        self.ica = np.zeros(self.model.n_nodes)
        self.pool = np.zeros(self.model.n_nodes, bool)  # where calcium is tracked
        self.makes_eca = np.zeros(self.model.n_nodes, bool)
        mine = np.flatnonzero(network.slots.cell == cell)
        self.slots = {int(slot): k for k, slot in enumerate(mine)}
        self.node = network.slots.node[mine]
        self.kind = network.slots.kind[mine]
        self.kinetics = network.kinetics
        self.A, self.B = np.zeros(len(mine)), np.zeros(len(mine))
        self.states: dict[str, dict[str, np.ndarray]] = {}
        self.above = False  # a cell that starts above the threshold spikes at once, as in NEURON
        for name, table in self.model.mechanisms.items():
            self.makes_eca[table.nodes] |= DENSITY[name].makes_eca()
        self._set_eca()
        for name in (n for n in DENSITY if n in self.model.mechanisms):
            mechanism, nodes = DENSITY[name], self.model.mechanisms[name].nodes
            if mechanism.has("steady_state"):
                values = self._call(name, "steady_state")
                if mechanism.is_pool():
                    self.pool[nodes], self.cai[nodes] = True, values[0]
                    self._set_eca()
                    continue
                self.states[name] = {
                    state: np.broadcast_to(value, nodes.shape).astype(float)
                    for state, value in zip(mechanism.states, values, strict=True)
                }
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
            "celsius": self.celsius, "ena": self.model.ena[nodes], "ek": self.model.ek[nodes],
            "eca": self.eca[nodes],
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
        with np.errstate(all="ignore"):  # of where both sides are computed
            return getattr(mechanism, function)(*values)

    def _set_eca(self) -> None:
        """As NEURON does as a step begins: states advance by what it was then."""
        nernst = nernst_factor(self.celsius) * np.log(CAO / self.cai)
        self.eca = np.where(self.makes_eca, nernst, REST_ECA)

    def receive(self, slot: int, weight: float) -> None:
        """A synaptic event: both terms jump."""
        k = self.slots[slot]
        kinetics = self.kinetics[self.kind[k]]
        jump_a, jump_b = kinetics.jumps(0.5 * self.dt if self.theta == 2.0 else 0.0)
        self.A[k] += weight * jump_a
        self.B[k] += weight * jump_b

    def _reversal(self, name: str, reversal: str) -> np.ndarray:
        mechanism, table = DENSITY[name], self.model.mechanisms[name]
        nodes = table.nodes
        if reversal in mechanism.parameters:
            default = np.full(len(nodes), mechanism.parameters[reversal].default)
            return table.parameters.get(reversal, default)
        if reversal == "eca":
            return self.eca[nodes]
        return getattr(self.model, reversal)[nodes]

    def current(self, name: str, current: Current, shift: float = 0.0) -> np.ndarray:
        """A current of a mechanism, ``shift`` mV from where the voltage is, mA/cm2."""
        if current.whole:
            return self._call(name, current.whole, shift)
        v = self.v[self.model.mechanisms[name].nodes] + shift
        g = self._call(name, current.conductance, shift)
        return g * (v - self._reversal(name, current.reversal))

    def step(self, injected: np.ndarray, conductance: np.ndarray) -> None:
        """One time step; electrodes inject ``injected`` less ``conductance`` (uS) times v, nA."""
        model = self.model
        area = 1e-2 * model.area  # uS per S/cm2, nA per mA/cm2
        capacitance = self.theta * 1e-5 * model.cm * model.area / self.dt  # nF/ms = uS
        d = capacitance + model.g_pas * area + conductance
        r = capacitance * self.v + model.g_pas * area * model.e_pas + injected
        self.ica[:] = 0.0
        self._set_eca()
        gca = np.zeros(model.n_nodes)
        for name in model.mechanisms:
            nodes = model.mechanisms[name].nodes
            for each in DENSITY[name].currents:
                i, v = self.current(name, each), self.v[nodes]
                slope = (self.current(name, each, 0.001) - i) / 0.001
                d[nodes] += slope * area[nodes]
                r[nodes] += (slope * v - i) * area[nodes]
                if each.ion == "ca":
                    self.ica[nodes] += i
                    g = slope if each.whole else self._call(name, each.conductance)
                    gca[nodes] += g
        for k, (node, kind) in enumerate(zip(self.node, self.kind, strict=True)):
            kinetics, v = self.kinetics[kind], self.v[node]
            g, e = self.B[k] - self.A[k], kinetics.reversal
            if kinetics.block is None:
                d[node] += g
                r[node] += g * e
            else:
                current = g * kinetics.block.open(v) * (v - e)
                shifted = g * kinetics.block.open(v + 0.001) * (v + 0.001 - e)
                slope = (shifted - current) / 0.001
                d[node] += slope
                r[node] += slope * v - current
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
        if mechanism.is_pool():
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
        """A variable of one node, for reports; 0 where there is no such mechanism."""
        if (variable.mechanism, variable.name) == ("", "v"):
            return float(self.v[node])
        if variable.mechanism == "synapse":
            here = (self.node == node) & np.isin(self.kind, variable.kinds)
            of = [self.kinetics[kind] for kind in self.kind[here]]
            opened = [1.0 if k.block is None else k.block.open(self.v[node]) for k in of]
            g = (self.B - self.A)[here] * np.array(opened)
            if variable.name == "g":
                return float(g.sum())
            reversal = np.array([k.reversal for k in of])
            return float((g * (self.v[node] - reversal)).sum())
        if variable.name in ("cai", "ica"):
            here = {"cai": self.cai, "ica": self.ica}[variable.name]
            return float(here[node]) if self.pool[node] else 0.0
        k = self._number(variable.mechanism, node)
        return 0.0 if k < 0 else float(self.states[variable.mechanism][variable.name][k])

    def _number(self, mechanism: str, node: int) -> int:
        """Position of a node among those of a mechanism, -1 if it is not."""
        table = self.model.mechanisms.get(mechanism)
        if table is None or node not in table.nodes:
            return -1
        return int(np.flatnonzero(table.nodes == node)[0])

    def assign(self, node: int, mechanism: str, name: str, value: float) -> None:
        """Set a state of one node."""
        if name in ("cai", "ica"):
            {"cai": self.cai, "ica": self.ica}[name][node] = value
        elif mechanism in self.states:
            self.states[mechanism][name][self._number(mechanism, node)] = value


class ReferenceTerminal:
    """What one plastic synapse has left to release, advanced step by step as NEURON does.

    Parameters
    ----------
    random : the stream of its random numbers.
    """

    def __init__(self, release: Release, dt: float, random: int | np.uint64 = 0) -> None:
        self.release, self.dt, self.random = release, dt, np.uint64(random)
        self.n, self.p, self.tau_r, self.D = 1.0, release.p, release.tau_r0, 1.0
        self.pb, self.last = release.pbtilde, 0.0
        if release.tau_active:
            self.D = 0.0  # what is active
        #: what the last spike counted by; or how many random numbers have been drawn
        self.sent = 0.0 if release.sites else release.p
        if isinstance(release, OwnRelease):
            self.put_to([*release.begin, *self.stands_at[len(release.begin) :]])

    def spike(self, step: int, due: float, *, again: bool = False) -> float:
        """The share that is released at a spike which is due then, ms, and acts in a step."""
        r = self.release
        if isinstance(r, OwnRelease):
            return self._own(r, step, due, "again" if again else "spike")
        if r.sites:
            return self._at_random(due / self.dt)
        if r.tau_active:
            return self._of_three_states(due / self.dt)
        now = float(step) if r.in_steps else due / self.dt
        if not r.in_steps:
            self._advance(now - self.last)
        elif now > self.last:
            for _ in range(step - int(self.last)):
                before = self.n * self.p * self.D
                self._advance(1.0)
            self.sent = before
        if not r.lag:
            self.sent = self.n * self.p * self.D
        self.last = now
        self.n -= self.n * self.p
        self.p += r.a_f * (1.0 - self.p)
        self.tau_r -= r.a_FDR * self.tau_r
        self.D -= r.a_D * self.p * self.n * self.D
        self.pb -= r.a_i * self.pb
        return self.sent

    def _own(self, release: OwnRelease, step: int, due: float, does: str) -> float:
        """As a user's synapse says."""
        synapse, stands_at = release.made_by, self.stands_at
        held, given = stands_at[: len(synapse.held)], release.given | {"t": due, "dt": self.dt}
        for _ in range(step - int(self.last)) if synapse.in_steps() else ():
            held = synapse.called("step", given | dict(zip(synapse.held, held, strict=True)))
        numbers = given | dict(zip(synapse.held, held, strict=True))
        shares, held = synapse.called(does, numbers)
        self.put_to([*map(float, held), *stands_at[len(held) :]])
        self.last = float(step)
        return float(shares[release.part])

    def _at_random(self, now: float) -> float:
        """The share of sites that release at a spike, each one asked."""
        r, span = self.release, max(now - self.last, 0.0) * self.dt
        self.p = r.pbtilde + (self.p - r.pbtilde) * np.exp(-span / r.tau_f)
        full = round(self.n * r.sites)
        full += sum(self._draw() > np.exp(-span / r.tau_r0) for _ in range(int(r.sites) - full))
        gone = sum(self._draw() < self.p for _ in range(full))
        self.n, self.last = (full - gone) / r.sites, now
        self.p += r.a_f * (1.0 - self.p)
        return gone / r.sites

    def _of_three_states(self, now: float) -> float:
        """The share that becomes active; the rest is active still, inactive, or ready."""
        r, span = self.release, max(now - self.last, 0.0) * self.dt
        active, back = np.exp(-span / r.tau_active), np.exp(-span / r.tau_r0)
        inactive = (1.0 - self.n - self.D) * back
        inactive += self.D * (active - back) / (r.tau_active / r.tau_r0 - 1.0)
        self.p = r.pbtilde + (self.p - r.pbtilde) * np.exp(-span / r.tau_f)
        self.D *= active
        self.n = 1.0 - self.D - inactive
        share = self.n * self.p
        self.n, self.D, self.last = self.n - share, self.D + share, now
        self.p += r.a_f * (1.0 - self.p)
        return share

    def _draw(self) -> float:
        _, number = uniform(self.random + GOLDEN * np.uint64(self.sent))
        self.sent += 1.0
        return float(number)

    def _advance(self, steps: float) -> None:
        """What some other variable makes of each is as it was before."""
        r, span = self.release, steps * self.dt
        self.n += (1.0 - np.exp(-span / self.tau_r)) * (1.0 - self.n)
        self.p += (1.0 - np.exp(-span / r.tau_f)) * (self.pb - self.p)
        self.tau_r += (1.0 - np.exp(-span / r.tau_FDR)) * (r.tau_r0 - self.tau_r)
        self.D += (1.0 - np.exp(-span / r.tau_D)) * (1.0 - self.D)
        self.pb += (1.0 - np.exp(-span / r.tau_i)) * (r.pbtilde - self.pb)

    @property
    def stands_at(self) -> tuple[float, ...]:
        """What evolves, in the order of a table of terminals."""
        return self.n, self.p, self.tau_r, self.D, self.pb, self.sent, self.last

    def put_to(self, numbers: Iterable[float]) -> None:
        """Go on from what another stood at."""
        self.n, self.p, self.tau_r, self.D, self.pb, self.sent, self.last = numbers


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


def terminals_of(network: Network, dt: float) -> dict[int, ReferenceTerminal]:
    """Of every plastic synapse, as none has spiked."""
    c, made = network.connections, network.releases
    if c.release is None:
        return {}
    seed = name_of(f"release {c.seed}")
    return {
        k: ReferenceTerminal(made[c.release[k] - 1], dt, stream(seed, int(key_of(c, k)[3]), 0))
        for k in np.flatnonzero(c.release).tolist()
        if c.release[k] <= len(made)
    }


def acting_again(
    network: Network, terminals: dict[int, ReferenceTerminal]
) -> dict[int, ReferenceTerminal]:
    """Of every synapse whose spikes act again the terminal of one where they act first."""
    c, n = network.connections, len(network.releases)
    if c.release is None:
        return {}
    first: dict[tuple[float, ...], list[ReferenceTerminal]] = {}
    for k, terminal in terminals.items():
        source, delay, release, key = key_of(c, k)
        name = (source, delay + terminal.release.later, release + n, key)
        first.setdefault(name, []).append(terminal)
    return {k: first[key_of(c, k)].pop() for k in np.flatnonzero(c.release > n).tolist()}


def key_of(c: Connections, k: int) -> tuple[float, float, float, float]:
    """Source, delay (ms), release and key of a plastic synapse."""
    assert c.release is not None
    source = np.searchsorted(c.first, k, side="right") - 1
    key = 0.0 if c.key is None else float(c.key[k])
    return float(source), float(c.delays[c.delay[k]]), float(c.release[k] - 1), key


class ReferenceEngine:
    """See :class:`isocortex.engine.interface.Engine`."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network, self.settings = network, settings
        self.cells = [ReferenceCell(network, c, settings) for c in range(network.n_cells)]
        self.points = [
            ReferencePoint(tau, refractory)
            for tau, refractory in zip(network.points.tau, network.points.refractory, strict=True)
        ]
        self.probes = ProbeTable.of([])
        self.clock = Clock(settings.dt)
        self.step, self.window, self.n_events, self.compile_seconds = 0, 1, 0, 0.0
        #: (time, order of sending, synapse, time of the spike) of events to come
        self.queue: list[tuple[float, int, int, float]] = []
        self.sent = itertools.count()
        self.next_train = 0
        self.poisson = network.poisson.begin()
        self.terminals = terminals_of(network, settings.dt)
        self.again = acting_again(network, self.terminals)

    def record(self, probes: ProbeTable) -> None:
        self.probes = probes

    def advance(self, n_steps: int) -> Piece:
        self.clock.extend(self.step + n_steps)
        samples = np.zeros((n_steps, self.probes.n_columns))
        spikes: list[tuple[float, int]] = []
        for row in samples:
            # a voltage that is no number is the run's to report, not NumPy's
            with np.errstate(all="ignore"):
                spikes += self._step(row)
        spikes.sort()
        source, time = np.array([s for _, s in spikes], int), np.array([t for t, _ in spikes])
        return Piece(source, time, samples)

    def _step(self, row: np.ndarray) -> list[tuple[float, int]]:
        """One step of everything, sampled into ``row``; returns its spikes."""
        middle = self.clock.middle[self.step]
        self._send_trains(middle)
        spikes = self._deliver(middle)
        self._sample(row, self.step, at_start=True)
        injected, conductance = (
            [np.zeros(cell.model.n_nodes) for cell in self.cells] for _ in range(2)
        )
        for source in self.network.currents:
            current, g = source.injects(np.array([middle]))
            injected[source.cell][source.node] += current[0]
            conductance[source.cell][source.node] += np.ravel(g)[0]
        gaps = self.network.gaps
        for cells, nodes, g in zip(gaps.cell, gaps.node, gaps.conductance, strict=True):
            for own, other in ((0, 1), (1, 0)):
                conductance[cells[own]][nodes[own]] += g
                injected[cells[own]][nodes[own]] += g * self.cells[cells[other]].v[nodes[other]]
        fields = self.network.fields
        now = fields.courses(np.array([self.step]), self.settings.dt)[:, 0]
        for c, current in zip(fields.cell, fields.current, strict=True):
            injected[c] += current @ now
        self.step += 1
        for c, cell in enumerate(self.cells):
            cell.step(injected[c], conductance[c])
            above = bool(cell.v[cell.model.soma] > self.settings.threshold)
            if above and not cell.above:
                time = self.clock.seen[self.step] - cell.early * self.settings.dt
                spikes.append((time, c))
                self._send(c, time)
            cell.above = above
        self._sample(row, self.step - 1, at_start=False)
        return spikes

    def _send(self, source: int, time: float, not_before: float = -np.inf) -> None:
        c = self.network.connections
        for k in range(c.first[source], c.first[source + 1]):
            due = time + c.delays[c.delay[k]]
            if due >= not_before:
                order = next(self.sent) + self._comes_last(k) * LATE
                heapq.heappush(self.queue, (due, order, k, time))

    def _comes_last(self, k: int) -> bool:
        """Whether a spike acts again after one that first acts at the same time."""
        if k not in self.again:
            return False
        later = self.again[k].release.later
        return later < key_of(self.network.connections, k)[1] - later

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
            time, _, k, _ = heapq.heappop(self.queue)
            self.n_events += 1
            target, weight = network.connections.target[k], network.connections.weight[k]
            if k in self.terminals:
                weight = weight * self.terminals[k].spike(self.step, time)
            elif k in self.again:
                weight = weight * self.again[k].spike(self.step, time, again=True)
            if target < len(network.slots):
                self.cells[network.slots.cell[target]].receive(target, weight)
                continue
            point = target - len(network.slots)
            if self.points[point].receive(time, weight):
                spikes.append((time, network.n_cells + point))
                self._send(network.n_cells + point, time)
        return spikes

    def _sample(self, row: np.ndarray, step: int, at_start: bool) -> None:
        probes = self.probes
        for k in range(len(probes)):
            variable = probes.variables[probes.variable[k]]
            if variable.at_start == at_start and variable.due(step):
                value = self.cells[probes.cell[k]].value(int(probes.node[k]), variable)
                row[probes.column[k]] += probes.weight[k] * value
        for sums in probes.whole if not at_start else ():
            if step < sums.first_step or (step - sums.first_step) % sums.every:
                continue
            for k, cell in enumerate(sums.cell):
                column = sums.column + (0 if sums.summed else k * sums.width)
                weight = sums.weight[sums.first[k] : sums.first[k] + sums.nodes[k]]
                found = self.cells[cell].v @ weight
                if sums.through is not None:
                    found = found @ sums.through[k]
                row[column : column + sums.width] += found

    def _channels(self, cell: int) -> list[tuple[int, str, str]]:
        """(node, mechanism, state) of a cell in the order of a snapshot."""
        regions = regions_of(self.network.models[self.network.cell_model[cell]])
        rows = state_rows(regions, self.settings.second_order)
        return [(int(n), *name) for n, name in zip(rows.node, rows.name, strict=True)]

    def standing(self) -> Snapshot:
        return self.state()

    def state(self) -> Snapshot:
        cells, channels = self.cells, [self._channels(c) for c in range(len(self.cells))]
        channel = [
            # "gca" lives for one step only
            0.0 if name == "gca" else cell.value(node, Variable(name, mechanism))
            for cell, mine in zip(cells, channels, strict=True)
            for node, mechanism, name in mine
        ]
        synapse = sorted(
            (c, int(cell.node[k]), int(cell.kind[k]), cell.A[k], cell.B[k])
            for c, cell in enumerate(cells)
            for k in np.flatnonzero((cell.A != 0.0) | (cell.B != 0.0))
        )
        table = np.array(synapse, float).reshape(-1, 5)
        first = self.network.connections.first
        flying: dict[tuple[float, int], float] = {}
        for due, _, k, time in self.queue:
            spike = (time, int(np.searchsorted(first, k, side="right")) - 1)
            flying[spike] = min(flying.get(spike, np.inf), due)
        spikes = sorted(flying)
        n_nodes = sum(len(cell.v) for cell in cells)
        return Snapshot(
            of=identity(self.network, self.settings),
            step=self.step,
            extent=Extent(len(cells), n_nodes, len(channel), len(synapse)),
            unit=np.ones((len(self.network.kinetics), 2)),
            first=0,
            above=np.array([cell.above for cell in cells], bool),
            nodes=np.array([len(cell.v) for cell in cells], np.uint32),
            channels=np.array([len(mine) for mine in channels], np.uint32),
            synapses=np.bincount(table[:, 0].astype(int), minlength=len(cells)).astype(np.uint32),
            voltage=np.concatenate([np.zeros(0), *(cell.v for cell in cells)]),
            channel=np.array(channel),
            node=table[:, 1].astype(np.uint16),
            kind=table[:, 2].astype(np.uint16),
            terms=table[:, 3:],
            points=np.array([(p.m, p.since, p.ready) for p in self.points]).reshape(-1, 3).T,
            source=np.array([source for _, source in spikes], np.int64),
            time=np.array([time for time, _ in spikes]),
            due=np.array([flying[spike] for spike in spikes]),
            stream=self.poisson.stream.copy(),
            next=self.poisson.next.copy(),
            terminals=self._used(),
        )

    def _used(self) -> np.ndarray:
        """The table of terminals of sources that have used one."""
        c, fresh = self.network.connections, terminals_of(self.network, self.settings.dt)
        heard = {
            key_of(c, k)[0] for k, terminal in self.terminals.items()
            if terminal.stands_at != fresh[k].stands_at
        }  # fmt: skip
        table = [
            (*key_of(c, k), *terminal.stands_at) for k, terminal in self.terminals.items()
            if key_of(c, k)[0] in heard
        ]  # fmt: skip
        return distinct(np.array([*no_terminals(), *table]).reshape(-1, COLUMNS))

    def restore(self, state: State) -> None:
        require_same(state.of, identity(self.network, self.settings))
        self.step = state.step
        self.clock.extend(self.step)
        whole = Snapshot.of_cells(state, range(len(self.cells)))
        voltage, channel = iter(whole.voltage), iter(whole.channel)
        for c, cell in enumerate(self.cells):
            cell.v = np.array([next(voltage) for _ in range(cell.model.n_nodes)], float)
            for node, mechanism, name in self._channels(c):
                cell.assign(node, mechanism, name, float(next(channel)))
            cell.above = bool(whole.above[c])
            cell.A[:], cell.B[:] = 0.0, 0.0
        terms = whole.terms * whole.unit[whole.kind]
        for (c, node, kind), both in zip(whole.synapse, terms, strict=True):
            cell = self.cells[c]
            k = np.flatnonzero((cell.node == node) & (cell.kind == kind))[0]
            cell.A[k], cell.B[k] = both
        for point, (m, since, ready) in zip(self.points, state.points.T, strict=True):
            point.m, point.since, point.ready = float(m), float(since), float(ready)
        self.queue.clear()
        for spike in zip(state.source, state.time, state.due, strict=True):
            self._send(*spike)
        self.poisson.stream[:], self.poisson.next[:] = state.stream, state.next
        self.terminals = terminals_of(self.network, self.settings.dt)
        self.again = acting_again(self.network, self.terminals)
        kept = {tuple(row[:KEYS]): row[KEYS:] for row in state.terminals.tolist()}
        for k, terminal in self.terminals.items():
            if key_of(self.network.connections, k) in kept:
                terminal.put_to(kept[key_of(self.network.connections, k)])
        heard = self.clock.middle[self.step - 1] if self.step else -np.inf
        self.next_train = int(np.searchsorted(self.network.trains.time, heard, side="right"))

    @property
    def lost(self) -> bool:
        return not np.isfinite(self.soma_voltage()).all()

    def soma_voltage(self) -> np.ndarray:
        return np.array([cell.v[cell.model.soma] for cell in self.cells])

    def voltage(self, cell: int) -> np.ndarray:
        return self.cells[cell].v
