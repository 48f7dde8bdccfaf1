"""Everything the page can ask for, by name: what the server hands out and an export contains."""

from __future__ import annotations

import json
import re
import threading
from contextlib import suppress
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isocortex import __version__
from isocortex.arrays import IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit import Column, NodePopulation, Simulation
from isocortex.circuit.columns import coded
from isocortex.cortex.projection import CortexProjection
from isocortex.cortex.recipe import Recipe
from isocortex.errors import ConfigError, InputError, IsocortexError
from isocortex.network.cells import MODEL_COLUMNS, compile_cell_of
from isocortex.network.onto import SynapsesOnto, synapses_onto
from isocortex.report.origin import named_config, simulation_of
from isocortex.report.output import PROVENANCE_FILE
from isocortex.report.results import Result
from isocortex.sonata.config import load_simulation
from isocortex.sonata.manifest import load_config
from isocortex.viewer.events import events_block
from isocortex.viewer.feed import SpikeFeed
from isocortex.viewer.neuron import branches, neuron_block, recorded_cells, recordings
from isocortex.viewer.pack import pack
from isocortex.viewer.scene import Scene, make_scene, slab_block
from isocortex.viewer.space import space_block, strata_block
from isocortex.viewer.targets import targets_block

#: Above this many nodes the inputs of a configuration are not read for one neuron's synapses.
MOST_NODES = 300_000
#: Cells of which the soma alone is recorded are listed up to this number.
MOST_LISTED = 64
#: What a circuit's folder calls its simulation.
CONFIG_FILE = "simulation_config.json"
#: All names there are.
NAME = re.compile(
    r"(scene|status|space|models|spikes/(\d{1,9})/(\d{1,9})"
    r"|(neuron|synapses|targets)/(\d{1,9})|(somas|strata|slab)/(\d{1,9}))"
)


class Session:
    """A run and its circuit, as named blocks of bytes.

    Parameters
    ----------
    result : the run; it may still be going on, or not have begun.
    config : the simulation's configuration; by default the one the result names.

    Attributes
    ----------
    scene : the neurons.
    feed : the spikes.
    recorded, whole : numbers of recorded neurons, those with all compartments first; these alone.
    simulation : without edges and inputs; None if the configuration is gone.
    """

    def __init__(self, result: Result, config: Path | None = None) -> None:
        self.config = config or named_config(result)
        self.simulation: Simulation | None = None
        if self.config is not None:
            self.simulation = simulation_of(result, self.config, cells_only=True)
        self.scene = make_scene(_shown(result, self.simulation))
        self._full: Simulation | None = None
        self._blocks: dict[str, bytes] = {}
        self._onto: dict[tuple[str, int], SynapsesOnto] = {}
        self._locks = {kind: threading.Lock() for kind in (None, "neuron", "synapses")}
        self._locks["targets"] = self._locks["synapses"]  # both ask the simulation with its edges
        self._take(result)

    def _take(self, result: Result) -> None:
        """Look at a run, or at none yet."""
        feed = SpikeFeed(result.spike_files, self.scene)
        feed.update()
        whole, some = recorded_cells(result)
        self.result, self.feed = result, feed
        self.whole = self._numbers(whole)
        self.recorded = self.whole + (self._numbers(some) if len(some) <= MOST_LISTED else [])
        self._blocks = {}

    @property
    def awaits(self) -> bool:
        """Whether the circuit was not run yet."""
        return not self.result.files

    def _numbers(self, cells: set[tuple[str, int]]) -> list[int]:
        """Places in drawing order of cells that are shown, by node."""
        found = [self.scene.index_of(name, np.array([node]))[0] for name, node in sorted(cells)]
        return [int(number) for number in found if number >= 0]

    @property
    def duration(self) -> float:
        """Length of the time axis, ms."""
        if self.awaits and self.simulation is not None:
            return self.simulation.tstop
        asked = float(self.result.provenance.get("run", {}).get("tstop", 0.0))
        if self.feed.running:
            return max(asked, self.feed.last)
        return max(self.result.duration, self.feed.last) or 1.0  # an axis has some length

    def get(self, name: str) -> bytes | None:
        """A block by its name, None if there is none of that name.

        ``scene`` (what is so of all neurons, and the first part of them), ``somas/<part>`` (the
        others), ``status`` (JSON), ``spikes/<epoch>/<chunk>``, ``slab/<area>`` (the column),
        ``space`` (outline and labels of a cortex), ``strata/<part>`` (how deep neurons lie in it),
        ``models`` (branches of every cell model), ``neuron/<number>``, ``synapses/<number>``,
        ``targets/<number>``.
        """
        match = NAME.fullmatch(name)
        if match is None:
            return None
        if name == "status":
            return json.dumps(self.status()).encode()
        if name.startswith("spikes/"):
            return self._spikes(int(match[2]), int(match[3]))
        if match[5] is not None and int(match[5]) >= len(self.scene):
            return None
        if match[6] is not None:
            with self._locks[None]:
                return part_of(self.scene, match[6], int(match[7]))
        lasting = match[4] is None or not self.feed.running
        with self._locks[match[4]]:  # drawing synapses takes seconds and holds up nothing else
            if lasting and name in self._blocks:
                return self._blocks[name]
            if match[4] is None:
                block = getattr(self, f"_{name}")()
            else:
                block = getattr(self, f"_{match[4]}")(int(match[5]))
            if lasting:
                self._blocks[name] = block
            return block

    def status(self) -> dict[str, Any]:
        """How far the run is, and which chunks of spikes there are."""
        if self.awaits:
            with suppress(InputError):  # its files are just being made: the next look will do
                begun = Result(self.config or self.result.directory, awaited=True)
                if begun.files:
                    self._take(begun)
        self.feed.update()
        done = self.feed.last if self.feed.running or self.awaits else self.duration
        told = {"awaits": self.awaits, "reached": done, "duration": self.duration}
        return {**self.feed.status(), **told}

    def _spikes(self, epoch: int, chunk: int) -> bytes | None:
        if epoch != self.feed.epoch or chunk >= len(self.feed.chunks):
            return None
        return self.feed.chunks[chunk].bytes()

    def _scene(self) -> bytes:
        folder = self.result.directory.resolve()
        generic = folder.name in ("output", "results")
        return self.scene.block(
            {
                "title": folder.parent.name if generic else folder.name,
                "folder": str(folder),
                **self._origin(),
                "duration": self.duration,
                "recorded": self.recorded,
                "whole": self.whole,
                "begin": self.result.begin,
                "branched": self._branched(),
            }
        )

    def _origin(self) -> dict[str, Any]:
        """For captions and experiments: the program and its version, time step, seed and recipe.

        A run yet to be made will be ours, from the seed of the configuration.
        """
        facts, simulation = self.result.provenance, self.simulation
        projections = simulation.circuit.projections if simulation is not None else []
        recipes = [_given(p.recipe) for p in projections if isinstance(p, CortexProjection)]
        return {
            "simulator": facts.get("simulator", f"Isocortex {__version__}" if self.awaits else ""),
            "dt": facts.get("run", {}).get("dt", simulation.dt if simulation else None),
            "seed": facts.get("seed", simulation.seed if simulation and self.awaits else None),
            "scale": recipes[0]["scale"] if recipes else None,
            "recipe": recipes[0] if recipes else None,
            "config": None if self.config is None else str(self.config.resolve()),
        }

    def _branched(self) -> bool:
        """Whether any of the first few neurons has a model with branches."""
        first = range(min(4, len(self.scene)))
        return any(self._compile(*self._who(number)) is not None for number in first)

    def _space(self) -> bytes:
        return space_block(self.scene)

    def _models(self) -> bytes:
        """Branches of every distinct model and the model of every neuron (the largest: none)."""
        model = np.full(len(self.scene), 0xFFFF, np.uint16)
        names: list[str] = []
        parts: list[dict[str, Any]] = []
        for p, population in enumerate(self.scene.populations):
            columns = self.scene.columns[population]
            told = [columns[c] for c in MODEL_COLUMNS if c in columns]
            if self.simulation is None or not told:
                continue
            ids = self.simulation.circuit.nodes[population].node_ids
            rows, kind = _distinct(told)
            number = np.full(len(rows), 0xFFFF, np.uint16)
            for k, row in enumerate(rows):
                cell = self._compile(population, int(ids[row]))
                if cell is not None:
                    number[k] = len(names)
                    names.append(cell.name)
                    parts.append(branches(cell))
            mine = np.flatnonzero(self.scene.population == p)
            model[mine] = number[kind[self.scene.row[mine]]]
        first = np.cumsum([0, *(len(part["radius"]) for part in parts)])
        keys = ("start", "end", "radius", "ends", "kind")
        arrays = {key: np.concatenate([part[key] for part in parts]) for key in keys if parts}
        if len(names) < 0xFF:
            model = np.minimum(model, 0xFF).astype(np.uint8)
        return pack({"models": names}, {"model": model, "first": first.astype(np.uint32), **arrays})

    def _compile(self, population: str, node: int) -> CompiledCell | None:
        """The cell's model; None for point neurons and models that are not ours."""
        if self.simulation is None:
            return None
        try:
            return compile_cell_of(self.simulation, population, node)
        except IsocortexError:
            return None

    def _who(self, number: int) -> tuple[str, int]:
        population = self.scene.populations[self.scene.population[number]]
        return population, int(self.scene.node_id[number])

    def _neuron(self, number: int) -> bytes:
        population, node = self._who(number)
        cell = self._compile(population, node)
        compartments = cell.n_compartments if cell is not None else -1
        found = recordings(self.result, population, node, compartments)
        return neuron_block({"number": number}, cell, found)

    def _synapses(self, number: int) -> bytes:
        population, node = self._who(number)
        cell = self._compile(population, node)
        try:
            if cell is None:
                raise ConfigError("this neuron has no branches", fix="Choose a biophysical one.")
            simulation = self._simulation()
            if (population, node) not in self._onto:
                # those of all recorded neurons at once: a recipe's synapses are drawn only once
                others = [self._who(i) for i in self.recorded]
                nodes = {n for p, n in others if p == population and (p, n) not in self._onto}
                found = synapses_onto(simulation, population, sorted({node, *nodes}))
                self._onto |= {(population, n): onto for n, onto in found.items()}
        except IsocortexError as error:
            return pack({"synapses": 0, "reason": str(error)}, {})
        onto = self._onto[population, node]
        return events_block(simulation, self.scene, self.feed.all(), cell, onto, self.duration)

    def _targets(self, number: int) -> bytes:
        try:
            simulation = self._recipe_alone() or self._simulation()
            return targets_block(simulation, self.scene, *self._who(number))
        except IsocortexError as error:
            return pack({"synapses": 0, "reason": str(error)}, {})

    def _recipe_alone(self) -> Simulation | None:
        """The simulation as it is at hand, if a recipe makes all synapses and no file holds any.

        Whom a neuron tells is drawn for it alone then, however many others there are.
        """
        if self.config is None or self.simulation is None:
            return None
        networks, _ = load_config(self.config).get("networks", ({}, self.config))
        return None if networks.get("edges") else self.simulation

    def _simulation(self) -> Simulation:
        """The simulation with edges and inputs, loaded when first needed."""
        if self._full is None:
            if self.config is None or self.simulation is None:
                raise ConfigError("the configuration is gone", fix="Give --config.")
            nodes = sum(len(p.node_ids) for p in self.simulation.circuit.nodes.values())
            if nodes > MOST_NODES:
                raise ConfigError(
                    f"the inputs of {nodes:,} nodes would have to be read",
                    fix=f"Synapses are shown in circuits of up to {MOST_NODES:,}.",
                )
            self._full = load_simulation(self.config, skip_unsupported_reports=True)
        return self._full


def parts_of(scene: Scene) -> dict[str, int]:
    """How many blocks of some of the neurons there are, by kind."""
    atlas, first = scene.frame == "ccf", scene.facets[0]
    return {
        "somas": scene.parts,
        "strata": scene.parts if atlas else 0,
        "slab": len(first.values) if first.key == "area" else 1,
    }


def part_of(scene: Scene, kind: str, number: int) -> bytes | None:
    """Such a block; it is not kept, for a page asks for it once."""
    if number >= parts_of(scene)[kind]:
        return None
    make = {"somas": Scene.somas, "strata": strata_block, "slab": slab_block}[kind]
    return make(scene, number)


def _distinct(columns: list[Column]) -> tuple[IntArray, IntArray]:
    """A row of every combination of values that there is, and which of these every row has."""
    combined = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        codes, values = coded(column)
        combined = pd.factorize(combined * (len(values) + 1) + codes + 1)[0]
    _, rows, kind = np.unique(combined, return_index=True, return_inverse=True)
    return rows, kind


def _given(recipe: Recipe) -> dict[str, Any]:
    """Seed, scale and whatever else of a recipe is not as it is by default."""
    return {
        key: str(value) if isinstance(value, PathLike) else value
        for key, value in asdict(recipe).items()
        if key in ("seed", "scale") or value != getattr(Recipe, key)
    }


def open_session(results: Path, config: Path | None = None) -> Session:
    """The session of an output folder, or of a configuration that names one.

    Parameters
    ----------
    results : output folder; or simulation configuration or folder of a circuit, run or not yet.
    config : the configuration, where the results do not name it.
    """
    built = results / CONFIG_FILE
    if config is None and built.is_file() and not (results / PROVENANCE_FILE).exists():
        results = built
    if config is None and results.is_file():
        config = results
    return Session(Result(results, awaited=results.is_file()), config)


def _cells_in(population: NodePopulation) -> bool:
    """Whether any of its nodes is simulated."""
    return not population.virtual.all()


def _shown(result: Result, simulation: Simulation | None) -> dict[str, NodePopulation]:
    """Populations that can spike; without a circuit, the neurons that the output knows."""
    if simulation is None:
        if not result.nodes:
            raise InputError(
                "knows no neuron, and names no configuration", file=result.directory,
                fix="Give --config.",
            )  # fmt: skip
        return {
            name: NodePopulation(name, ids, {}, result.directory)
            for name, ids in result.nodes.items()
        }
    nodes = simulation.circuit.nodes
    if not result.files:  # not run yet: what it will run
        able = {name: population for name, population in nodes.items() if _cells_in(population)}
        if able:
            return able
    told = result.provenance.get("run", {}).get("populations") or result.spike_populations
    if not told:
        raise InputError(
            "has no neurons to look at: only virtual nodes, or none", file=result.directory,
            fix="Simulate a circuit with cells.",
        )  # fmt: skip
    chosen = {name: nodes[name] for name in told if name in nodes}
    if not chosen:
        raise InputError(
            f"has spikes of {', '.join(told)}, the circuit has the nodes "
            f"{', '.join(nodes)}", file=result.directory, fix="Give the --config of this run.",
        )  # fmt: skip
    return chosen
