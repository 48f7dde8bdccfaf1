"""From changes to a changed simulation: what is in force at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isocortex.arrays import IntArray
from isocortex.cells.change import MembraneChange
from isocortex.circuit.changes import (
    CHANGES,
    OURS,
    STEADY,
    Change,
    ChannelChange,
    ClampChange,
    ConductanceChange,
    CurrentChange,
    Lesion,
    ModelChange,
    RateChange,
    SectionChange,
    ShotNoiseChange,
    SynapseChange,
    TemperatureChange,
)
from isocortex.circuit.circuit import Circuit
from isocortex.circuit.inputs import CurrentInput, Input, PoissonInput
from isocortex.circuit.models import with_models
from isocortex.circuit.overrides import OVERRIDES, ConnectionOverride
from isocortex.circuit.signals import (
    SAMPLE,
    Noise,
    OrnsteinUhlenbeck,
    Pulses,
    ShotNoise,
    held,
)
from isocortex.errors import ConfigError, located
from isocortex.random import keys, unit

if TYPE_CHECKING:
    from isocortex.circuit.simulation import Simulation

Chosen = list[tuple[str, IntArray]]
#: A step begins when a change's time is nearest to it; times are told with this much doubt, steps.
DOUBT = 1e-6


@dataclass(frozen=True)
class Membrane:
    """A change of the membranes of some cells: (population, rows), as :meth:`Circuit.select`."""

    cells: Chosen
    change: MembraneChange


@dataclass(frozen=True)
class Effect:
    """What a change comes to in a circuit.

    Attributes
    ----------
    holds : whether it is in force; if not, it is known whom it will be about.
    nodes : whom it is about, for those that are not about synapses between two sets.
    inputs : how many electrodes or random trains it is about.
    celsius : degC, that it makes of all cells; None leaves them.
    """

    change: Change
    holds: bool
    nodes: Chosen
    overrides: tuple[ConnectionOverride, ...] = ()
    membrane: Membrane | None = None
    inputs: int = 0
    celsius: float | None = None


def with_changes(simulation: Simulation, changes: Iterable[Change]) -> Simulation:
    """The same with changes of its own after those that it has.

    Raises
    ------
    ConfigError : those that it has are in force already; further ones would not come to be.
    """
    if simulation.effects is not None:
        raise ConfigError(
            "changes are in force already: others cannot be added", file=simulation.config_file,
            field=f"{OURS}.{CHANGES}", fix="Add them before in_force is called.",
        )  # fmt: skip
    return replace(simulation, changes=[*simulation.changes, *changes])


def in_force(simulation: Simulation, time: float = 0.0) -> Simulation:
    """The simulation as it is in the step that begins at ``time`` (ms), with all that changed it.

    Inputs have all their changes at any time, which know when they hold. What is in force already
    is left as it is.

    Raises
    ------
    ConfigError : a change asks for nodes or parameters that there are not, or is about none.
    """
    if simulation.effects is not None:
        return simulation
    now = time + (0.5 + DOUBT) * simulation.dt
    effects, inputs, circuit = [], list(simulation.inputs), simulation.circuit
    for number, change in enumerate(simulation.changes):
        where = change.where(number)
        holds = change.start < now and (change.stop is None or change.stop >= now)
        with located(simulation.config_file, where):
            if isinstance(change, ModelChange):
                circuit, cells = with_models(
                    circuit, change, _whom(simulation.circuit, change, where)
                )
                effect = Effect(change, holds, cells)
            else:
                effect, inputs = _effect(simulation, change, holds, inputs, where)
        effects.append(effect)
    delayed = sorted((o for o in simulation.overrides if o.start < now), key=lambda o: o.start)
    of_changes = [o for effect in effects if effect.holds for o in effect.overrides]
    warmth = [effect.celsius for effect in effects if effect.holds and effect.celsius is not None]
    return replace(
        simulation, circuit=circuit, overrides=[*delayed, *of_changes], inputs=inputs,
        effects=effects,
        celsius=warmth[-1] if warmth else simulation.celsius,
    )  # fmt: skip


def require_steady_delays(simulation: Simulation) -> None:
    """Refuse delays that overrides change on the way, as changes refuse it themselves."""
    fields = [
        f"{OVERRIDES}[{number}].synapse_delay_override"
        for number, override in enumerate(simulation.overrides)
        if override.delay is not None and override.start > 0.0
    ]
    if fields:
        raise ConfigError(
            STEADY, file=simulation.config_file, field=fields[0],
            fix="Let them be changed from the beginning to the end.",
        )  # fmt: skip


def rebuilt_at(simulation: Simulation) -> list[int]:
    """The steps, ascending, as which begin the network is another than before."""
    times = {o.start for o in simulation.overrides}
    for change in simulation.changes:
        if change.REBUILDS:
            times |= {change.start, change.stop if change.stop is not None else 0.0}
    last = simulation.tstop / simulation.dt
    steps = {int(np.ceil(time / simulation.dt - 0.5 - DOUBT)) for time in times}
    return sorted(step for step in steps if 0 < step < last)


def _effect(
    simulation: Simulation, change: Change, holds: bool, inputs: list[Input], where: str
) -> tuple[Effect, list[Input]]:
    circuit = simulation.circuit
    if isinstance(change, SynapseChange):
        between = ConnectionOverride.between(
            circuit, change.source, change.target, change.factor("weight"), name=change.label,
            where=where,
        )  # fmt: skip
        between = replace(
            between, multiplies=True, removed=change.removed or 0.0, pace=change.pace,
            slower=change.factor("delay"),
        )  # fmt: skip
        return Effect(change, holds, [], (between,)), inputs
    if isinstance(change, TemperatureChange):
        return Effect(change, holds, [], celsius=change.celsius), inputs
    nodes = _whom(circuit, change, where)
    if isinstance(change, Lesion):
        everybody = circuit.select(None, where)
        ends = ((nodes, everybody), (everybody, nodes))
        cut = tuple(ConnectionOverride(change.label, *e, 0.0, multiplies=True) for e in ends)
        return Effect(change, holds, nodes, cut), inputs
    if isinstance(change, ChannelChange | SectionChange):
        return Effect(change, holds, nodes, membrane=Membrane(nodes, change.membrane)), inputs
    if isinstance(change, CurrentChange | ConductanceChange | ShotNoiseChange | ClampChange):
        made = list(_currents(simulation, change, nodes))
        _require_own_noise(made, inputs)
        for clamp in made:
            clamp.require_known_voltage(inputs)
        count = sum(len(clamp.rows) for clamp in made)
        return Effect(change, holds, nodes, inputs=count), [*inputs, *made]
    assert isinstance(change, RateChange)
    changed, count = _rates(change, nodes, inputs, simulation.tstop)
    return Effect(change, holds, nodes, inputs=count), changed


def _whom(circuit: Circuit, change: Any, where: str) -> Chosen:
    """The nodes of a change's set; of a lesion, the share that is lost."""
    chosen = circuit.select(change.node_set, f"{where}.node_set")
    if isinstance(change, Lesion) and change.share < 1:
        chosen = [(name, rows[_lost(name, rows) < change.share]) for name, rows in chosen]
    chosen = [(name, rows) for name, rows in chosen if len(rows)]
    if not chosen:
        raise ConfigError(
            f"{change.label} is about no node", field="node_set", fix="Choose another node set."
        )
    return chosen


def _lost(population: str, rows: IntArray) -> np.ndarray:
    """A number in [0, 1) for every node, below the share with which it is lost."""
    return unit(keys(f"lost of {population}", rows))


def _currents(
    simulation: Simulation,
    change: CurrentChange | ConductanceChange | ShotNoiseChange | ClampChange,
    nodes: Chosen,
) -> Iterable[CurrentInput]:
    """Electrodes in the somata of all that are not virtual; without end they are of no run's."""
    lasts = (np.inf if change.stop is None else change.stop) - change.start
    signal: Pulses | Noise
    voltage = None
    if isinstance(change, CurrentChange):
        signal = held(change.amp, change.start, lasts)
    elif isinstance(change, ConductanceChange):
        process = OrnsteinUhlenbeck(change.mean, change.sigma, change.tau)
        signal = Noise(process, change.start, lasts, SAMPLE, simulation.seed)
        voltage = held(change.reversal, change.start, lasts)
    elif isinstance(change, ShotNoiseChange):
        events = ShotNoise(
            change.rise_time, change.decay_time, change.rate, change.amp_mean, change.amp_var
        )
        signal = Noise(events, change.start, lasts, SAMPLE, simulation.seed)
        if change.reversal is not None:
            voltage = held(change.reversal, change.start, lasts)
    else:
        signal = held(1.0 / change.resistance, change.start, lasts)
        voltage = held(change.voltage, change.start, lasts)
    for name, rows in nodes:
        mine = rows[~simulation.circuit.nodes[name].virtual[rows]]
        if len(mine):
            yield CurrentInput(name, mine, signal, voltage, name=change.label)


def _require_own_noise(made: list[CurrentInput], inputs: list[Input]) -> None:
    """Refuse two random courses of one name in a cell, which would be the same numbers.

    Raises
    ------
    ConfigError : there are two.
    """
    random = [x for x in inputs if isinstance(x, CurrentInput) and isinstance(x.signal, Noise)]
    for mine in made:
        for other in random if isinstance(mine.signal, Noise) else ():
            named = (mine.name, mine.population) == (other.name, other.population)
            if named and np.isin(mine.rows, other.rows).any():
                raise ConfigError(
                    f"{mine.name!r} is also the name of another random input of some of these "
                    "cells, and random numbers are named by it: both would be the same noise",
                    field="name", fix="Give it a name of its own.",
                )  # fmt: skip


def _rates(
    change: RateChange, nodes: Chosen, inputs: list[Input], tstop: float
) -> tuple[list[Input], int]:
    """The inputs with other rates for some time, and how many trains that is about.

    A change that begins after the run's end (``tstop``, ms) is about those that it would change.

    A train is cut where its rate changes; its part until the first change keeps its random
    numbers, each later one has its own. A factor of 1 cuts nothing.
    """
    stop = np.inf if change.stop is None else change.stop
    found: list[Input] = []
    count = 0
    chosen = dict(nodes)
    for given in inputs:
        mine = np.zeros(0, bool)
        if isinstance(given, PoissonInput) and given.population in chosen:
            mine = np.isin(given.rows, chosen[given.population])
        begin = max(change.start, getattr(given, "start", 0.0))
        end = min(stop, getattr(given, "stop", 0.0))
        if not mine.any() or begin >= end or not isinstance(given, PoissonInput):
            count += int(np.count_nonzero(mine)) if change.start >= tstop else 0
            found.append(given)
            continue
        count += int(np.count_nonzero(mine))
        if change.factor == 1.0:
            found.append(given)
            continue
        if not mine.all():
            found.append(_some(given, ~mine))
        train = _some(given, mine)
        for a, b, factor in (
            (given.start, begin, 1.0), (begin, end, change.factor), (end, given.stop, 1.0)
        ):  # fmt: skip
            if a < b:
                key = train.key if a == given.start else keys(f"from {float(a)!r} ms", train.key)
                found.append(
                    replace(train, start=a, stop=b, rate=factor * train.rate, key=key)
                )  # fmt: skip
    return found, count


def _some(given: PoissonInput, mine: np.ndarray) -> PoissonInput:
    """Some trains of an input."""
    course = given.fluctuation
    return replace(
        given, rows=given.rows[mine], rate=given.rate[mine], key=given.key[mine],
        fluctuation=course and replace(course, key=course.key[mine]),
    )  # fmt: skip
