"""Where a run goes on that does not begin at rest: in its own circuit, or as a branch in another.

A run that is *continued* is the same in everything that its results follow from. A *branch* is a
run of its own from a state on: weights, delays, channels' parameters, temperature, inputs and
reports may be others. What cannot be others is what the state is made of: the cells that react,
their compartments, the mechanisms in them, and the numerics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Simulation
from isocortex.circuit.changes import CHANGES, OURS, entries, entries_told
from isocortex.engine.identity import identity
from isocortex.engine.interface import Settings
from isocortex.engine.state import CellStates, State
from isocortex.errors import ConfigError
from isocortex.hashes import sha256
from isocortex.mechanisms.release import NUMBERS
from isocortex.network.network import Network
from isocortex.network.poisson import PoissonSources
from isocortex.network.terminals import KEYS, distinct, numbers_of, paced
from isocortex.report.netcons import drawn_from
from isocortex.report.skeleton import Skeleton, rows_in
from isocortex.session.loop import Run
from isocortex.session.places import Places
from isocortex.session.ranks import Ranks
from isocortex.session.recorders import schedules_of
from isocortex.session.statefile import Meaning, Saved

#: Sources looked at together.
PIECE = 1 << 18
#: Words of an identity that a state is bound to, whatever the circuit.
NUMERICS = ("time step", "integrator")
#: What a state is bound to where spikes act again.
LASTING = "weights or delays of synapses whose spikes act again"
#: What these are where nothing is changed, and in states that say nothing of them.
UNCHANGED = "as in the circuit"


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
        if saved.state.step >= round(simulation.tstop / saved.about["dt"]):
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
        if not self.branches:
            self._require_changes(simulation)
            self._require_rows(simulation)

    def _require_changes(self, simulation: Simulation) -> None:
        """Refuse other changes than those of the run: some are made in Python, and in no text."""
        then = entries_told(self.saved.about["facts"].get("changes", []))
        now = entries(simulation.changes)
        if then != now:
            there, here = (
                ", ".join(each.get("name") or each["type"] for each in some) or "none"
                for some in (then, now)
            )
            raise ConfigError(
                f"has other changes than the run began with: {here} here, {there} there",
                file=simulation.config_file, field=f"{OURS}.{CHANGES}",
                fix="Give continue_run the simulation with the run's changes as config, or let a "
                "branch begin there: run --from.",
            )  # fmt: skip

    def _require_rows(self, simulation: Simulation) -> None:
        """Refuse reports whose rows until now are not those of the run that is asked for."""
        saved = self.saved
        schedules = schedules_of(simulation, self.begin)
        for number, (spec, schedule) in enumerate(zip(simulation.reports, schedules, strict=True)):
            room = f"written/reports/{number}"
            kept = Skeleton(**{part: saved.more[f"{room}/{part}"] for part in Skeleton._fields})
            due = schedule.rows_before(saved.state.step)
            for rows in rows_in(kept):
                if rows != due:
                    raise ConfigError(
                        f"has {rows} rows until {saved.time:g} ms, and {due} are due by then in a "
                        f"run to {simulation.tstop:g} ms", file=saved.path,
                        field=f"reports.{spec.name}",
                        fix="Give another --tstop, or run the simulation again.",
                    )  # fmt: skip

    def take_up(self, run: Run) -> None:
        """Let a run that goes on count from what had been done."""
        if self.earlier is not None:
            run.n_spikes, run.engine.n_events = self.earlier["n_spikes"], self.earlier["n_events"]
            for stage, seconds in self.earlier["seconds"].items():
                run.clock.seconds[stage] = run.clock.seconds.get(stage, 0.0) + seconds

    def state(self, network: Network, settings: Settings, ranks: Ranks) -> State:
        """The state as it is of a network, which has its synapses still.

        Raises
        ------
        ConfigError : it cannot be, with what differs first.
        """
        if self.branches:
            return carried(self.saved, network, settings, ranks)
        told = self.saved.about["inputs"]
        here = inputs_of(network, self.saved.about["tstop"], ranks)
        _require(told, here, "Continue it with what it began with, or branch.")
        return self.saved.state


def bounds_of(network: Network, until: float, ranks: Ranks) -> dict[str, Any]:
    """What a state of a network can be compared with later; ``until`` (ms) is the run's end."""
    return {"shape": shape_of(network), "inputs": inputs_of(network, until, ranks)}


def shape_of(network: Network) -> dict[str, str]:
    """In words what a state of a network is made of, on all ranks."""
    n, points = network.circuit_cells, network.circuit_points
    population, node_id = network.source_population, network.source_node_id
    names = np.flatnonzero(np.bincount(population[: n + points]))
    number = np.zeros(len(network.populations), np.int64)
    number[names] = np.arange(len(names))
    who = [_short((number[population[some]], node_id[some])) for some in _in_pieces(n + points)]
    digests = [
        sha256((m.n_nodes, m.parent, {name: table.nodes for name, table in m.mechanisms.items()}))
        for m in network.models
    ]
    known = sorted(set(digests))
    kind = np.array([known.index(digest) for digest in digests], np.int64)
    models = [_short(kind[network.circuit_model[some]]) for some in _in_pieces(n)]
    return {
        "cells": f"{n:,} and {points:,} point neurons "
        f"({_short([[network.populations[p] for p in names], who])})",
        "compartments or mechanisms": _short([known, models]),
        LASTING: network.lasting or UNCHANGED,
    }


def inputs_of(network: Network, until: float, ranks: Ranks) -> dict[str, str]:
    """In words what reaches a network from outside until then (ms), on all ranks."""
    trains, poisson = network.trains, network.poisson
    early = trains.time <= until
    here = [
        _short((network.first_cell + c.cell, c.node, c.amplitude, c.conductance))
        for c in network.currents
    ]
    currents = sorted(digest for digests in ranks.all(here) for digest in digests)
    of_fields = {}
    if network.fields.potentials:
        n = ranks.sum(len(network.fields.cell))
        of_fields["fields"] = f"{n:,} ({_short((network.fields.of, network.fields.potentials))})"
    return {
        "given spikes": f"{np.count_nonzero(early):,} "
        f"({_short((trains.source[early], trains.time[early]))})",
        "currents": f"{len(currents):,} ({_short(currents)})",
        "Poisson inputs": f"{len(poisson):,} ({_short(drawn_from(poisson))})",
        **of_fields,
    }


@dataclass(frozen=True, kw_only=True)
class Carried(State):
    """A state whose open synapses have moved to their places in another network."""

    before: State
    places: Places

    def pieces(self, cells: range) -> Iterator[CellStates]:
        for piece in self.before.pieces(cells):
            yield self.places.moved(piece)


def carried(saved: Saved, network: Network, settings: Settings, ranks: Ranks) -> Carried:
    """A state as a branch goes on with it in a circuit that may have changed.

    Synaptic conductances stay what they are and decay, with the time constants of now; events of
    spikes that are on their way find the synapses of now. Plastic synapses that release as before,
    or as a change has it, have left what they had. Random trains that are the same go on, all
    others begin at the state's time.

    Raises
    ------
    ConfigError : it cannot go on there, with what differs first.
    """
    state, here = saved.state, identity(network, settings, ranks)
    fix = "Branch where cells, compartments, mechanisms and numerics are the same."
    _require({k: state.of[k] for k in NUMERICS}, {k: here[k] for k in NUMERICS}, fix)
    shape = shape_of(network)
    lasting = {LASTING: shape.pop(LASTING)}
    _require(saved.about["shape"], shape, fix)
    _require(
        {LASTING: UNCHANGED} | saved.about["shape"], lasting,
        "Let them be changed from the beginning to the end: what a spike opens its second event "
        "closes, by the weight and delay of then.",
    )  # fmt: skip
    meaning = saved.meaning()
    places = Places(meaning, state.unit, network)
    places.require(state)
    of_terminals = state.terminals[:, 0].astype(np.int64)
    needed = np.unique(np.concatenate([state.source, meaning.poisson.source, of_terminals]))
    number = _numbers(meaning, needed, network)
    source = number[np.searchsorted(needed, state.source)]
    order = np.lexsort((source, state.time))
    order = order[source[order] >= 0]
    then = number[np.searchsorted(needed, meaning.poisson.source)]
    here_of = number[np.searchsorted(needed, of_terminals)]
    terminals = _terminals(saved, here_of, meaning, network)
    stream, following = _streams(saved, meaning.poisson, then, network)
    return Carried(
        of=here, step=state.step, extent=state.extent, unit=places.unit, points=state.points,
        source=source[order], time=state.time[order], due=state.due[order],
        stream=stream, next=following, terminals=terminals, before=state, places=places,
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


def _in_pieces(n: int) -> Iterator[slice]:
    """``n`` entries, in pieces of which temporary arrays are small."""
    return (slice(begin, min(begin + PIECE, n)) for begin in range(0, n, PIECE))


def _numbers(meaning: Meaning, needed: IntArray, network: Network) -> IntArray:
    """What sources of the state (``needed``, int64[n]) are numbered here, -1 if they are not."""
    names = network.populations
    population = np.array([names.index(n) if n in names else -1 for n in meaning.populations], int)
    ids = network.source_node_id
    span = 1 + max(int(meaning.node_id.max(initial=0)), int(ids.max(initial=0)))
    there = population[meaning.population[needed]]
    wanted = there * span + meaning.node_id[needed].astype(np.int64)
    order = np.argsort(wanted)
    wanted, number = wanted[order], np.full(len(needed), -1, np.int64)
    for some in _in_pieces(len(ids) if len(needed) else 0):
        here = network.source_population[some].astype(np.int64) * span + ids[some]
        at = np.minimum(np.searchsorted(wanted, here), len(wanted) - 1)
        same = np.flatnonzero(wanted[at] == here)
        number[order[at[same]]] = some.start + same
    return number


def _terminals(saved: Saved, source: IntArray, meaning: Meaning, network: Network) -> FloatArray:
    """Terminals of a state with the numbers that sources and releases have in a network.

    ``source`` is the first column as it is here. Those that are not here are left out. A release
    that the state has not goes on from those that are the same without changes. Where an axon had
    several of these, it goes on from the one that a change has made so, if there is one.
    """
    table, dt = saved.state.terminals, saved.about["dt"]
    now, release = numbers_of(network.releases), table[:, 2].astype(np.int64)
    parts = [np.zeros((0, table.shape[1]))]
    for number, candidates in enumerate(_releases_before(meaning, network)):
        for before in candidates:
            mine = np.flatnonzero((release == before) & (source >= 0))
            some = table[mine]
            some[:, 0], some[:, 2] = source[mine], number
            numbers = np.broadcast_to(meaning.releases[before], (len(mine), NUMBERS))
            of_now = np.broadcast_to(now[number], numbers.shape)
            some[:, KEYS:] = paced(some[:, KEYS:], numbers, of_now, saved.state.step, dt)
            parts.append(some)
    return distinct(np.concatenate(parts))  # the first of each, which is the best


def _releases_before(meaning: Meaning, network: Network) -> list[list[int]]:
    """Of every release of a network those of a state that it goes on from, the best first."""
    then, now = meaning.releases, numbers_of(network.releases)
    here = (then[:, None] == now).all(axis=2).any(axis=1)  # some of the network go on with them
    found = []
    for number, numbers in enumerate(now):
        own = np.flatnonzero((then == numbers).all(axis=1)).tolist()
        without = numbers_of([each for n, each in network.unchanged_releases if n == number])
        alike = (meaning.unchanged_releases[:, None, 1:] == without).all(axis=2).any(axis=1)
        others = set(meaning.unchanged_releases[alike, 0].astype(int).tolist()) - set(own)
        found.append([*own, *sorted(others, key=lambda k: (here[k], k))])
    return found


def _streams(
    saved: Saved, then: PoissonSources, number: IntArray, network: Network
) -> tuple[np.ndarray, FloatArray]:
    """Positions and next spikes of the random trains of a network.

    ``number`` is what the sources of ``then`` are numbered here.
    """
    now = network.poisson
    begun = replace(now, start=np.maximum(now.start, saved.time)).begin()
    rows = np.concatenate([_bits(then, number), _bits(now, now.source)])
    kind = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    known = np.full(len(rows), -1, np.int64)
    known[kind[: len(then)]] = np.arange(len(then))
    old = known[kind[len(then) :]]
    goes_on = old >= 0
    begun.stream[goes_on] = saved.state.stream[old[goes_on]]
    begun.next[goes_on] = saved.state.next[old[goes_on]]
    return begun.stream, begun.next


def _bits(sources: PoissonSources, number: IntArray) -> IntArray:
    """int64[n, 7], the same of trains that are the same."""
    values = [
        getattr(sources, item.name)
        for item in fields(sources) if item.name not in ("source", "stop")
    ]  # fmt: skip
    return np.column_stack([number, *(np.ascontiguousarray(v).view(np.int64) for v in values)])
