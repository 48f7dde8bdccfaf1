"""The clockwork: engine, point neurons and the exchange of spikes between them."""

from __future__ import annotations

import numpy as np

from isocortex.engine.interface import Engine, Events, FloatArray, IntArray
from isocortex.errors import SimulationError
from isocortex.network.clock import Clock
from isocortex.network.network import Network
from isocortex.network.points import IntFire1
from isocortex.network.route import Router

#: Steps between two looks at the outside world when no delay asks for fewer.
LONGEST_WINDOW = 100


class Stepper:
    """Advances a network window by window.

    A window is as long as the shortest delay of a source that reacts to others: within it, cells
    are independent.
    """

    def __init__(self, network: Network, engine: Engine, dt: float, n_steps: int) -> None:
        self.network, self.engine = network, engine
        self.clock = Clock(dt, n_steps)
        self.window = self._window(dt)
        self.router = Router(network.connections, self.clock, self.window)
        self.points = IntFire1(network.points)
        self.step = 0
        self._next_train = 0

    def _window(self, dt: float) -> int:
        """Steps that can run without exchange: the shortest delay of a source that reacts."""
        connections, reacting = self.network.connections, self.network.n_cells
        reacting += len(self.network.points)
        delays = connections.delay[: connections.first[reacting]]
        if len(delays) == 0:
            return LONGEST_WINDOW
        shortest = float(connections.delays[delays.min()])
        return min(max(int(shortest / dt + 1e-6), 1), LONGEST_WINDOW)

    def _send_trains(self, until: float) -> None:
        """Spikes of virtual nodes up to ``until`` (ms)."""
        trains = self.network.trains
        end = int(np.searchsorted(trains.time, until, side="right"))
        part = slice(self._next_train, end)
        self.router.send(trains.source[part], trains.time[part])
        self._next_train = end

    def advance(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """One window: (sources that spiked, times in ms, samples), in order of time."""
        network, clock = self.network, self.clock
        n = min(self.window, clock.n_steps - self.step)
        self._send_trains(clock.middle[self.step + n])
        target, step, weight, when = self.router.collect(self.step)
        to_point = target >= len(network.slots)
        point, point_times = self.points.receive(
            target[to_point] - len(network.slots), when[to_point], weight[to_point]
        )
        to_cell = ~to_point
        events = Events(target[to_cell], step[to_cell], weight[to_cell])
        middle = clock.middle[self.step : self.step + n]
        current = np.array([source.amplitude(middle) for source in network.currents])
        cells, steps, samples = self.engine.advance(
            self.step, n, events, current.reshape(-1, n).astype(np.float64)
        )
        sources = np.concatenate([cells, network.n_cells + point])
        times = np.concatenate([clock.start[steps], point_times])
        order = np.lexsort((sources, times))
        sources, times = sources[order], times[order]
        self.step += n
        self.router.send(sources, times)
        return sources, times, samples

    def check_finite(self) -> None:
        """Stop if a voltage is no longer a number, naming the cell and compartment."""
        bad = np.flatnonzero(~np.isfinite(self.engine.soma_voltage()))
        if len(bad) == 0:
            return
        cell = int(bad[0])
        model = self.network.models[self.network.cell_model[cell]]
        node = int(np.flatnonzero(~np.isfinite(self.engine.voltage(cell)))[0])
        raise SimulationError(
            f"the voltage of {self.network.label(cell)} (model {model.name}, section "
            f"{model.section[node]} at {model.x[node]:.2f}) is not finite at "
            f"t = {self.clock.start[self.step]:g} ms",
            fix="Use a smaller dt or check weights, currents and channel parameters; "
            "what was recorded until then is kept.",
        )
