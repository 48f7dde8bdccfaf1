"""Find the background that gives a cortex model its resting state.

First in open loop (:mod:`isocortex.cortex.open_loop`): some neurons of every kind are simulated
with their recurrent synapses driven at target rates, and their background gets stronger or weaker
by how far each kind is from its target. Kinds do not act on each other there, so this takes a dozen
rounds of seconds. Then a few rounds with the whole network, whose trains are no Poisson trains,
take up what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.arrays import FloatArray
from isocortex.circuit import Simulation
from isocortex.cortex.background import RATE
from isocortex.cortex.circuit import simulation_of
from isocortex.cortex.counts import EXCITATORY
from isocortex.cortex.drive import Drive, areas_beside, as_synapses, target_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.open_loop import OpenLoop, sample_of
from isocortex.cortex.recipe import Recipe
from isocortex.elementary import exp, log
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Piece, Settings
from isocortex.errors import ConfigError, disk_errors
from isocortex.network.build import build_network
from isocortex.session.loop import Run, Task, Watching
from isocortex.session.room import room_for

#: Added to rates before their logarithm is taken, Hz: silence is finitely far from a target.
FLOOR = 0.3
#: Exponents of (target / rate) by which the background changes, in the first half of the rounds in
#: open loop, in the second, and in closed loop: a rate rises far steeper than its drive.
STEPS = (0.4, 0.2, 0.15)
#: The same for the shares of areas, whose rates are means of more neurons.
AREA_STEP = 0.2
#: How much less inhibitory neurons learn in closed loop. Where inhibition stabilises the network
#: their rate follows that of excitatory ones, not their own drive: what these need comes first.
SLOWER = 0.3
#: A class of fewer neurons learns more slowly: its rate says less.
FEW = 5
#: Neurons of every kind that are simulated in open loop.
EACH = 16
#: Least and most that the background of a neuron conducts on average, nS.
LEAST, MOST = 1e-3, 30.0
#: Least and most that the share of an area can be.
SHARES = (0.2, 3.0)
#: Factors on all recurrent excitation that are tried to see how far the model is from running away,
#: and multiple of its excitatory neurons' rate at rest from which it has.
GAINS, AWAY = (1.1, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0), 3.0


@dataclass(frozen=True)
class Round:
    """What one simulation gave.

    Attributes
    ----------
    table : layer, class, model, neurons, synapses, nS, Hz, target of every kind of neuron;
        ``neurons`` are those that were simulated.
    areas : by area, its share of the background, see :class:`isocortex.cortex.drive.Drive`.
    error : mean over neurons of abs(log(rate / target)) of their kind, with ``FLOOR`` added.
    closed : whether the loop was closed.
    """

    table: pd.DataFrame
    areas: dict[str, float]
    error: float
    closed: bool

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
    rounds: tuple[int, int] = (14, 3),
    tstop: float = 1300.0,
    settle: float = 300.0,
    threads: int | None = None,
    progress: Callable[[int, Round], None] = lambda number, done: None,
) -> Round:
    """Simulate and correct; returns the last round.

    Parameters
    ----------
    start : background to begin with, default the embedded one.
    rounds : in open loop and in closed loop. (0, 1) only tells the rates that ``start`` gives.
    tstop, settle : ms simulated in each round, and those at its beginning that do not count.
    progress : told the number of every round and its outcome.
    """
    opened, closed = rounds
    if min(rounds) < 0 or opened + closed < 1 or not 0.0 <= settle < tstop:
        raise ConfigError(
            f"cannot calibrate in {opened} and {closed} rounds of {tstop:g} ms: their first "
            f"{settle:g} ms do not count",
            field="tstop",
            fix=f"Ask for one round or more, of more than {settle:g} ms.",
        )
    cortex = CortexModel.make(recipe)
    start = start or cortex.drive
    kinds, of = cortex.kinds
    target = np.array([target_of(layer, name) for layer, name, _ in kinds])
    slow = np.array([1.0 if name in EXCITATORY else SLOWER for _, name, _ in kinds])
    conducts = _conductance(cortex)
    given = [start.of(*kind) for kind in kinds]
    amount = np.array([n * weight for n, weight in given]) * conducts
    areas = _Areas(cortex, start.areas)
    loop = OpenLoop(cortex, sample_of(cortex, EACH)) if opened else None
    done: Round | None = None
    for number in range(opened + closed):
        drive = Drive(dict(zip(kinds, given, strict=True)), start.file, areas.shares)
        table = pd.DataFrame(kinds, columns=["layer", "class", "model"])
        table[["synapses", "nS"]] = given
        if loop is not None and number < opened:
            rows = loop.rows
            simulation = loop.simulation(drive, tstop, recipe.seed + number)
        else:
            rows, simulation = np.arange(len(cortex)), simulation_of(cortex, drive, tstop=tstop)
        each = _rates(simulation, len(rows), settle, threads)
        count = np.bincount(of[rows], minlength=len(kinds))
        rate = np.bincount(of[rows], each, len(kinds)) / np.maximum(count, 1)
        away = log((target + FLOOR) / (rate + FLOOR))
        done = Round(
            table.assign(neurons=count, Hz=rate, target=target),
            areas.shares,
            float(np.average(np.abs(away), weights=count)),
            number >= opened,
        )
        progress(number + 1, done)
        step = STEPS[2 if done.closed else int(2 * (number + 1) > opened)]
        sure = np.minimum(1.0, count / FEW)
        if done.closed:
            sure *= slow
            areas.correct(each, target[of])
        amount = np.clip(amount * exp(step * sure * np.clip(away, -1.5, 1.5)), LEAST, MOST)
        given = [as_synapses(g / c, name) for g, c, (_, name, _) in
                 zip(amount, conducts, kinds, strict=True)]  # fmt: skip
    assert done is not None
    return done


def margin(
    recipe: Recipe,
    drive: Drive,
    *,
    tstop: float = 1300.0,
    settle: float = 300.0,
    threads: int | None = None,
) -> Iterator[tuple[float, float]]:
    """How far a model is from running away: the rate of its excitatory neurons by gain.

    Yields
    ------
    (factor on all recurrent excitation, mean rate in Hz), from a gain of 1 through ``GAINS`` to the
    first at which the rate is ``AWAY`` times that of gain 1.
    """
    cortex = CortexModel.make(recipe)
    rest: float | None = None
    for gain in (1.0, *GAINS):
        louder = cortex.with_weights_of(replace(recipe, excitation=gain * recipe.excitation))
        simulation = simulation_of(louder, drive, tstop=tstop)
        rate = float(_rates(simulation, len(cortex), settle, threads)[cortex.excitatory].mean())
        yield gain, rate
        rest = rate if rest is None else rest
        if rate > AWAY * rest:
            return


class _Areas:
    """The shares of the background that the excitatory neurons of areas get, to be corrected."""

    def __init__(self, cortex: CortexModel, shares: dict[str, float]) -> None:
        self.names = list(cortex.atlas.areas.index)
        self.rows = np.flatnonzero(cortex.excitatory)
        self.of = cortex.neurons.area[self.rows]
        self.neurons = np.bincount(self.of, minlength=len(self.names))
        self.share = np.array([shares.get(name, 1.0) for name in self.names])

    @property
    def shares(self) -> dict[str, float]:
        return dict(zip(self.names, self.share.round(4).tolist(), strict=True))

    def correct(self, rate: FloatArray, target: FloatArray) -> None:
        """By what every neuron fires and is to fire (Hz); the mean over neurons stays 1."""
        mean, wanted = (
            np.bincount(self.of, hz[self.rows], len(self.names)) / np.maximum(self.neurons, 1)
            for hz in (rate, target)
        )
        away = log((wanted + FLOOR) / (mean + FLOOR)) * (self.neurons >= FEW)
        share = self.share * exp(AREA_STEP * np.clip(away, -1.5, 1.5))
        self.share = np.clip(share / np.average(share, weights=self.neurons), *SHARES)


def write_drive(done: Round, start: Drive, file: str | Path) -> None:
    """Write tables for :func:`load_drive`: the round's background, ``start``'s where it has none.

    Raises
    ------
    SimulationError : if the file cannot be written.
    """
    keys = ["layer", "class", "model"]
    found = {
        (layer, name, model): (int(n), float(weight))
        for layer, name, model, n, weight in done.table[[*keys, "synapses", "nS"]].itertuples(
            index=False
        )
    }
    inputs = start.inputs | found
    rows = [(*kind, inputs[kind][0], round(inputs[kind][1], 6)) for kind in sorted(inputs)]
    with disk_errors(Path(file), "write the table"):
        pd.DataFrame(rows, columns=[*keys, "synapses", "nS"]).to_csv(file, index=False)
        areas = pd.DataFrame(sorted(done.areas.items()), columns=["area", "share"])
        areas.to_csv(areas_beside(Path(file)), index=False)


def _conductance(cortex: CortexModel) -> FloatArray:
    """Mean conductance (nS) of one background synapse of 1 nS on every kind of neuron."""
    first = np.unique(cortex.kinds[1], return_index=True)[1]
    rules = cortex.far_rule[cortex.group[first]]
    return np.array([1e-3 * RATE * cortex.rules[rule].kinetics.integral for rule in rules])


def _rates(simulation: Simulation, n_cells: int, settle: float, threads: int | None) -> FloatArray:
    """Rate (Hz) of each of the cells after ``settle`` (ms)."""
    network = build_network(simulation, True, fits=room_for(simulation, precision="single"))
    settings = Settings(
        dt=simulation.dt, v_init=simulation.v_init, celsius=simulation.celsius,
        precision="single", threads=threads or 1,
    )  # fmt: skip
    n_steps = round(simulation.tstop / settings.dt)
    spikes = _Counter(n_cells, settle, simulation.tstop)
    run = Run(Task(network, CpuEngine(network, settings), settings, n_steps), [spikes])
    run.advance_to(n_steps)
    return spikes.count / (1e-3 * (simulation.tstop - settle))


class _Counter(Watching):
    """Counts the spikes of each cell after ``settle`` (ms), as a run writes them."""

    def __init__(self, n_cells: int, settle: float, tstop: float) -> None:
        self.settle, self.tstop = settle, tstop
        self.count = np.zeros(n_cells)

    def after(self, run: Run, piece: Piece) -> None:
        half = 0.5 * run.settings.dt
        counted = (piece.time >= self.settle - half) & (piece.time < self.tstop - half)
        self.count += np.bincount(piece.source[counted], minlength=len(self.count))
