"""Where a run goes on that does not begin at rest: in its own circuit, or as a branch in another.

A run that is *continued* is the same in everything that its results follow from. A *branch* is a
run of its own from a state on: weights, delays, channels' parameters, inputs and reports may be
others. What cannot be others is what the state is made of: the cells that react, their
compartments, the mechanisms in them, and the numerics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Simulation
from isocortex.engine.identity import identity
from isocortex.engine.interface import Settings, Snapshot
from isocortex.errors import ConfigError
from isocortex.hashes import sha256
from isocortex.network.network import Network
from isocortex.network.poisson import PoissonSources
from isocortex.session.loop import Run
from isocortex.session.statefile import Meaning, Saved, numbers_of

Whole = NDArray[np.integer[Any]]
#: Words of an identity that a state is bound to, whatever the circuit.
NUMERICS = ("time step", "integrator", "temperature")


@dataclass(frozen=True)
class Start:
    """A state to begin with.

    Attributes
    ----------
    branches : a run of its own begins there; else the run that wrote it goes on.
    """

    saved: Saved
    branches: bool

    @property
    def begin(self) -> float:
        """When the results begin, ms."""
        return self.saved.time if self.branches else float(self.saved.about["begin"])

    @property
    def earlier(self) -> dict[str, Any] | None:
        """What had been done, of a run that goes on."""
        return None if self.branches else self.saved.about["account"]

    @property
    def facts(self) -> dict[str, Any]:
        """What the provenance is told of it."""
        if self.branches:
            return {"from": {"state": str(self.saved.path.resolve()), "time": self.saved.time}}
        then = self.saved.about["facts"]
        kept = {"from": then["from"]} if "from" in then else {}
        return {**kept, "continued": [*then.get("continued", []), self.saved.time]}

    def check(self, simulation: Simulation, text: str, folder: Path) -> None:
        """Refuse a simulation that does not go on from here, before it is built.

        Parameters
        ----------
        text : of its configuration.
        folder : where its results go.

        Raises
        ------
        ConfigError : it ends before, writes over what it begins with, or is another.
        """
        saved = self.saved
        if saved.snapshot.step >= round(simulation.tstop / saved.about["dt"]):
            raise ConfigError(
                f"the state is of {saved.time:g} ms, and the run ends at {simulation.tstop:g} ms",
                file=saved.path, field="tstop", fix="Give a later --tstop.",
            )  # fmt: skip
        if self.branches and folder.resolve() == saved.path.resolve().parent:
            raise ConfigError(
                "holds the run that the state is of, whose results a branch would replace",
                file=folder, fix="Choose another --output-dir.",
            )  # fmt: skip
        if not self.branches and text != saved.about["config_text"]:
            raise ConfigError(
                "has changed since the run began", file=simulation.config_file,
                fix="Bring it back, or let a branch begin there: run --from.",
            )  # fmt: skip

    def take_up(self, run: Run) -> None:
        """Let a run that goes on count from what had been done."""
        if self.earlier is not None:
            run.n_spikes, run.engine.n_events = self.earlier["n_spikes"], self.earlier["n_events"]
            for stage, seconds in self.earlier["seconds"].items():
                run.clock.seconds[stage] = run.clock.seconds.get(stage, 0.0) + seconds

    def snapshot(self, network: Network, settings: Settings) -> Snapshot:
        """The state as it is of a network, which has its synapses still.

        Raises
        ------
        ConfigError : it cannot be, with what differs first.
        """
        if self.branches:
            return carried(self.saved, network, settings)
        told = self.saved.about["inputs"]
        until = self.saved.about["tstop"]
        _require(told, inputs_of(network, until), "Continue it with what it began with, or branch.")
        return self.saved.snapshot


def bounds_of(network: Network, until: float) -> dict[str, Any]:
    """What a state of a network can be compared with later; ``until`` (ms) is the run's end."""
    return {"shape": shape_of(network), "inputs": inputs_of(network, until)}


def shape_of(network: Network) -> dict[str, str]:
    """In words what a state of a network is made of."""
    n, points = network.n_cells, len(network.points)
    names, population = np.unique(network.source_population[: n + points], return_inverse=True)
    who = ([network.populations[p] for p in names], population,
           network.source_node_id[: n + points])  # fmt: skip
    digests = [
        sha256((m.n_nodes, m.parent, {name: table.nodes for name, table in m.mechanisms.items()}))
        for m in network.models
    ]
    known = sorted(set(digests))
    model = np.array([known.index(digest) for digest in digests], np.int64)[network.cell_model]
    return {
        "cells": f"{n:,} and {points:,} point neurons ({_short(who)})",
        "compartments or mechanisms": _short((known, model)),
    }


def inputs_of(network: Network, until: float) -> dict[str, str]:
    """In words what reaches a network from outside until then, ms."""
    trains, poisson = network.trains, network.poisson
    early = trains.time <= until
    currents = [(c.cell, c.node, c.amplitude) for c in network.currents]
    rates = (poisson.source, poisson.mean, poisson.start, poisson.key)
    return {
        "given spikes": f"{np.count_nonzero(early):,} "
        f"({_short((trains.source[early], trains.time[early]))})",
        "currents": f"{len(currents):,} ({_short(currents)})",
        "Poisson inputs": f"{len(poisson):,} ({_short(rates)})",
    }


def carried(saved: Saved, network: Network, settings: Settings) -> Snapshot:
    """A state as a branch goes on with it in a circuit that may have changed.

    Synaptic conductances stay what they are and decay; events of spikes that are on their way find
    the synapses of now. Random trains that are the same go on, all others begin at the state's
    time.

    Raises
    ------
    ConfigError : it cannot go on there, with what differs first.
    """
    state, here = saved.snapshot, identity(network, settings)
    fix = "Branch where cells, compartments, mechanisms and numerics are the same."
    _require({k: state.of[k] for k in NUMERICS}, {k: here[k] for k in NUMERICS}, fix)
    _require(saved.about["shape"], shape_of(network), fix)
    number = _numbers(saved.meaning, network)
    source = number[state.source]
    order = np.lexsort((source, state.time))
    order = order[source[order] >= 0]
    stream, following = _streams(saved, number, network)
    synapse, terms = _synapses(saved, network)
    return replace(
        state, of=here, synapse=synapse, terms=terms, source=source[order],
        time=state.time[order], due=state.due[order], stream=stream, next=following,
    )  # fmt: skip


def _require(told: Mapping[str, str], here: Mapping[str, str], fix: str) -> None:
    for what, value in here.items():
        if told.get(what) != value:
            raise ConfigError(
                f"the state is of another simulation, with other {what}: {told.get(what)}, here "
                f"{value}", fix=fix,
            )  # fmt: skip


def _short(value: object) -> str:
    return sha256(value)[:12]


def _numbers(meaning: Meaning, network: Network) -> IntArray:
    """int64[sources of the state], what each is numbered here, -1 if it is not here."""
    number = np.full(len(meaning.node_id), -1, np.int64)
    for p, name in enumerate(meaning.populations):
        if name not in network.populations:
            continue
        then = np.flatnonzero(meaning.population == p)
        now = np.flatnonzero(network.source_population == network.populations.index(name))
        now = now[np.argsort(network.source_node_id[now])]
        ids = network.source_node_id[now]
        at = np.minimum(np.searchsorted(ids, meaning.node_id[then]), max(len(ids) - 1, 0))
        same = ids[at] == meaning.node_id[then] if len(ids) else np.zeros(len(then), bool)
        number[then[same]] = now[at[same]]
    return number


def _streams(saved: Saved, number: IntArray, network: Network) -> tuple[np.ndarray, FloatArray]:
    """Positions and next spikes of the random trains of a network."""
    then, now = saved.meaning.poisson, network.poisson
    begun = replace(now, start=np.maximum(now.start, saved.time)).begin()
    rows = np.concatenate([_bits(then, number[then.source]), _bits(now, now.source)])
    kind = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    known = np.full(len(rows), -1, np.int64)
    known[kind[: len(then)]] = np.arange(len(then))
    old = known[kind[len(then) :]]
    goes_on = old >= 0
    begun.stream[goes_on] = saved.snapshot.stream[old[goes_on]]
    begun.next[goes_on] = saved.snapshot.next[old[goes_on]]
    return begun.stream, begun.next


def _bits(sources: PoissonSources, number: IntArray) -> IntArray:
    """int64[n, 4], the same of trains that are the same."""
    values = (sources.key, sources.mean, sources.start)
    return np.column_stack([number, *(np.ascontiguousarray(v).view(np.int64) for v in values)])


def _synapses(saved: Saved, network: Network) -> tuple[IntArray, np.ndarray]:
    """The synapses of a state with the numbers that kinetics have here, and their terms.

    Where a kinetics is not there, the synapses have been made slower or faster: what is open goes
    on with the kinetics of now.

    Raises
    ------
    ConfigError : one is open that has no place here.
    """
    cell, node, kind = saved.snapshot.synapse.T
    then = saved.meaning.kinetics
    before = then if saved.meaning.unchanged is None else saved.meaning.unchanged
    now = np.full(len(kind), -1, np.int64)
    for own, here in ((then, network.kinetics), (before, network.unchanged)):
        for number, same in enumerate(numbers_of(here)):
            mine = np.flatnonzero((now < 0) & (own == same).all(axis=1)[kind])
            there = _placed(network, cell[mine], node[mine], np.full(len(mine), number))
            now[mine[there]] = number
    lost = np.flatnonzero(now < 0)
    if len(lost):
        first = lost[0]
        rise, decay, reversal = then[kind[first]]
        raise ConfigError(
            f"the state has {len(lost):,} open conductances without a synapse here, the first on "
            f"{network.label(int(cell[first]))} (compartment {node[first]}, {rise:g} and {decay:g} "
            f"ms, {reversal:g} mV)", field="networks.edges",
            fix="Keep edges, their places and kinetics, and give those that are cut weight 0.",
        )  # fmt: skip
    where = np.column_stack([cell, node, now])
    distinct, inverse = np.unique(where, axis=0, return_inverse=True)
    if len(distinct) == len(where):
        return where, saved.snapshot.terms
    terms = np.zeros((len(distinct), 2), saved.snapshot.terms.dtype)
    np.add.at(terms, inverse.ravel(), saved.snapshot.terms)
    return distinct, terms


def _placed(network: Network, cell: IntArray, node: IntArray, kind: IntArray) -> np.ndarray:
    """bool[n], whether a cell has a synapse of this kinetics at that node, or may be given one."""
    kinds, slots = max(len(network.kinetics), 1), network.slots
    nodes = max((m.n_nodes for m in network.models), default=1)

    def key(cell: Whole, node: Whole, kind: Whole) -> IntArray:
        return (cell.astype(np.int64) * nodes + node) * kinds + kind

    there = np.isin(key(cell, node, kind), key(slots.cell, slots.node, slots.kind))
    for a, m in network.models_of_drawn():
        allowed = network.drawn.allowed[a] if network.drawn is not None else np.zeros((0, 0), bool)
        mine = (network.cell_model[cell] == m) & (kind < len(allowed)) & (node < allowed.shape[1])
        there[mine] |= allowed[kind[mine], node[mine]]
    return there
