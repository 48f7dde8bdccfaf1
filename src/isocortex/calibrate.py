"""Find the background that gives a cortex model its resting state.

The model is built and simulated again and again; after each run the synapses of the background onto
every (layer, class, cell model) get stronger or weaker by how far their rate is from its target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.arrays import FloatArray, IntArray
from isocortex.cortex.circuit import simulation_of
from isocortex.cortex.drive import Drive, load_drive, target_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.elementary import exp, log
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Piece, Settings
from isocortex.errors import ConfigError, disk_errors
from isocortex.network.build import build_network
from isocortex.network.network import Network
from isocortex.session.loop import Run, Task, Watching
from isocortex.session.room import room_for

#: Added to rates before their logarithm is taken, Hz: silence is finitely far from a target.
FLOOR = 0.3
#: Exponent of (target / rate) by which weights change: a rate rises far steeper than its drive.
STEP = 0.15
#: A class of fewer neurons learns more slowly: its rate says less.
FEW = 5
WEAKEST, STRONGEST = 0.01, 200.0  # nS


@dataclass(frozen=True)
class Round:
    """What one simulation gave.

    Attributes
    ----------
    table : layer, class, model, neurons, nS, Hz, target of every kind of neuron.
    error : mean over neurons of abs(log(rate / target)) of their kind, with ``FLOOR`` added.
    """

    table: pd.DataFrame
    error: float

    def by_class(self) -> pd.DataFrame:
        """The table's means by layer and class."""
        rows = self.table.assign(spikes=self.table["Hz"] * self.table["neurons"])
        sums = rows.groupby(["layer", "class"], sort=False).agg(
            {"neurons": "sum", "spikes": "sum", "target": "first"}
        )
        sums["Hz"] = sums["spikes"] / sums["neurons"]
        return sums.drop(columns="spikes").reset_index()


def calibrate(
    recipe: Recipe,
    start: Drive | None = None,
    *,
    rounds: int = 30,
    tstop: float = 1500.0,
    settle: float = 500.0,
    threads: int | None = None,
    progress: Callable[[int, Round, Round], None] = lambda number, done, best: None,
) -> Round:
    """Simulate and correct ``rounds`` times; returns the round with the smallest error.

    Parameters
    ----------
    start : weights to begin with, default the embedded ones.
    rounds : 1 only tells the rates that ``start`` gives.
    tstop, settle : ms simulated in each round, and those at its beginning that do not count.
    progress : told the number of every round, its outcome and the best until then.
    """
    if rounds < 1 or not 0.0 <= settle < tstop:
        raise ConfigError(
            f"cannot calibrate in {rounds} rounds of {tstop:g} ms: their first {settle:g} ms do "
            "not count",
            field="tstop",
            fix=f"Ask for one round or more, of more than {settle:g} ms.",
        )
    start = start or load_drive()
    cortex = CortexModel.make(recipe)
    simulation = simulation_of(cortex, start, tstop=tstop)
    network = build_network(simulation, fits=room_for(simulation, precision="single"))
    kinds, of = cortex.kinds
    target = np.array([target_of(layer, name) for layer, name, _ in kinds])
    first = drive = np.array([start.of(*kind) for kind in kinds])
    settings = Settings(
        dt=simulation.dt, v_init=simulation.v_init, celsius=simulation.celsius,
        precision="single", threads=threads or 1,
    )  # fmt: skip
    n_steps = round(tstop / settings.dt)
    best: Round | None = None
    for number in range(1, rounds + 1):
        driven = _driven(network, (drive / first)[of])
        spikes = _Counter(of, settle, tstop)
        run = Run(Task(driven, CpuEngine(driven, settings), settings, n_steps), [spikes])
        run.advance_to(n_steps)
        rate = spikes.rates
        count = np.bincount(of, minlength=len(kinds))
        away = log((target + FLOOR) / (rate + FLOOR))
        table = pd.DataFrame(kinds, columns=["layer", "class", "model"]).assign(
            neurons=count, nS=drive, Hz=rate, target=target
        )
        done = Round(table, float(np.average(np.abs(away), weights=count)))
        if best is None or done.error < best.error:
            best = done
        progress(number, done, best)
        change = STEP * np.clip(away, -1.5, 1.5) * np.minimum(1.0, count / FEW)
        drive = np.clip(drive * exp(change), WEAKEST, STRONGEST)
    assert best is not None
    return best


def write_drive(done: Round, start: Drive, file: str | Path) -> None:
    """Write a table for :func:`load_drive`: the round's weights, ``start``'s where it has none.

    Raises
    ------
    SimulationError : if the file cannot be written.
    """
    keys = ["layer", "class", "model"]
    found = {tuple(row[:3]): row[3] for row in done.table[[*keys, "nS"]].itertuples(index=False)}
    weights = start.weight | found
    rows = [(*kind, round(float(weights[kind]), 4)) for kind in sorted(weights)]
    with disk_errors(Path(file), "write the table"):
        pd.DataFrame(rows, columns=[*keys, "nS"]).to_csv(file, index=False)


def _driven(network: Network, factor: FloatArray) -> Network:
    """The network with the background of each neuron scaled; node i drives neuron i."""
    connections, n = network.connections, network.n_reacting
    begin = connections.first[n]
    neuron = np.repeat(network.source_node_id[n:], np.diff(connections.first[n:]))
    weight = connections.weight.copy()
    weight[begin:] *= factor[neuron]
    return replace(network, connections=replace(connections, weight=weight))


class _Counter(Watching):
    """Counts spikes after ``settle`` (ms) by kind of neuron, as a run writes them."""

    def __init__(self, of: IntArray, settle: float, tstop: float) -> None:
        self.of, self.settle, self.tstop = of, settle, tstop
        self.neurons = np.bincount(of)
        self.spikes = np.zeros(len(self.neurons))

    def after(self, run: Run, piece: Piece) -> None:
        half = 0.5 * run.settings.dt
        counted = (piece.time >= self.settle - half) & (piece.time < self.tstop - half)
        of = self.of[piece.source[counted]]
        self.spikes += np.bincount(of, minlength=len(self.spikes))

    @property
    def rates(self) -> FloatArray:
        """Mean rate of each kind, Hz."""
        return self.spikes / self.neurons / (1e-3 * (self.tstop - self.settle))
