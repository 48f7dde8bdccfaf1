"""Whom the changes of a simulation are about: counted while its network is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.cells.change import SECTIONS, MembraneChange
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit import Projection, Synapses
from isocortex.circuit.changes import UNCOUNTED, ModelChange
from isocortex.circuit.force import Chosen, Effect
from isocortex.circuit.overrides import ConnectionOverride
from isocortex.errors import ConfigError, located
from isocortex.mechanisms import DENSITY
from isocortex.mechanisms.synapses import Kinetics
from isocortex.network.factors import mask_of, place_of, removal_key
from isocortex.network.sources import BIOPHYSICAL, Sources


@dataclass(frozen=True)
class Touched:
    """How much a change is about, whether or not it is in force; None where it is not counted.

    Attributes
    ----------
    label, type, where : of the change.
    cells : nodes that are cut off, changed or driven.
    channels : compartments, by mechanism, of all cells together.
    synapses : whose weights or decay it changes.
    inputs : electrodes or random trains.
    gaps : gap junctions that a lesion cuts; None where there are none.
    drawn : it is about synapses that are drawn at each spike, and not counted.
    pace : what it changes of their kinetics and release, where that is all.
    """

    label: str
    type: str
    where: str
    cells: int | None = None
    channels: dict[str, int] | None = None
    synapses: int | None = None
    inputs: int | None = None
    gaps: int | None = None
    drawn: bool = False
    pace: str = ""

    @property
    def none(self) -> bool:
        """Whether it is about nothing at all."""
        counts = [self.synapses, self.inputs, self.gaps]
        if self.type == ModelChange.TYPE:
            counts.append(self.cells)
        if self.channels is not None:
            counts.append(sum(self.channels.values()))
        return not any(counts) and not self.drawn

    def facts(self) -> dict[str, Any]:
        """What is counted, plain data."""
        named = {"cells": self.cells, "channels": self.channels, "synapses": self.synapses,
                 "inputs": self.inputs, "gap junctions": self.gaps}  # fmt: skip
        return {key: value for key, value in named.items() if value is not None}

    def __str__(self) -> str:
        parts = [] if self.cells is None else [f"{self.cells:,} cells"]
        if self.channels is not None:
            parts += [f"{n:,} compartments with {name}" for name, n in self.channels.items()]
        if self.synapses is not None:
            parts.append(f"{self.synapses:,} synapses")
        if self.drawn:
            parts.append(UNCOUNTED)
        if self.gaps is not None:
            parts.append(f"{self.gaps:,} gap junctions")
        if self.inputs is not None:
            parts.append(f"{self.inputs:,} inputs")
        name = self.type if self.label == self.type else f"{self.label} ({self.type})"
        return f"Change {name}: {', '.join(parts)}."


def changed_cells(
    effects: Sequence[Effect],
    sources: Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
    file: Path,
) -> tuple[list[CompiledCell], IntArray, list[Touched]]:
    """Models and cells with those changes of membranes that are in force, and what all are about.

    A model that some of its cells have a change of is there once more, changed.

    Raises
    ------
    ConfigError : a mechanism or parameter is unknown, a value cannot be, or a change is about no
        channel.
    """
    touched, holding = [], []
    for number, effect in enumerate(effects):
        told = _begun(effect, number)
        if effect.membrane is not None:
            mine = _cells_among(effect.membrane.cells, sources)
            with located(file, effect.change.where(number)):
                effect.membrane.change.check()
                count = np.bincount(cell_model[mine], minlength=len(models))
                channels: dict[str, int] = {}
                n_cells, hit = 0, np.zeros(len(models), bool)
                for m in np.flatnonzero(count):
                    found = effect.membrane.change.of(models[m])[1]
                    hit[m], n_cells = bool(found), n_cells + (count[m] if found else 0)
                    for name, n in found.items():
                        channels[name] = channels.get(name, 0) + n * int(count[m])
                if not channels:
                    theirs = [models[m] for m in np.flatnonzero(count)]
                    raise _no_channel(effect.change.label, effect.membrane.change, theirs)
            told = replace(told, cells=int(n_cells), channels=channels)
            if effect.holds:
                holding.append((effect.membrane.change, mine & hit[cell_model]))
        if effect.celsius is not None:
            told = replace(told, channels=_warmed(models, cell_model))
        touched.append(told)
    for change, mine in holding:
        models, cell_model = _with_change(models, cell_model, change.of, mine)
    return models, cell_model, touched


def _no_channel(label: str, change: MembraneChange, models: list[CompiledCell]) -> ConfigError:
    """The error for a change that finds nothing in cells of these models, with where it is."""
    what = f"{label} is about no channel of any cell"
    if not models:
        return ConfigError(f"{what}: no node of its set is a biophysical cell",
                           field="node_set", fix="Choose another node set.")  # fmt: skip
    places = {}
    for name in dict.fromkeys(each.mechanism for each in change.assignments):
        # factors of 1: what it subtracts may be more than there is elsewhere
        mine = tuple(
            replace(each, operation="*=", value=1.0)
            for each in change.assignments
            if each.mechanism == name
        )
        alone = [replace(change, assignments=mine, section=section) for section in SECTIONS]
        places[name] = [
            each.section for each in alone if any(each.of(model)[1] for model in models)
        ]
    asked = f"{' or '.join(places)}{f' in {change.section}' if change.section else ''}"
    if change.together:
        asked = f"{' and '.join(places)} in the same places"
    there = [f"{name} is in {', '.join(map(str, at))}" for name, at in places.items() if at]
    if not there:
        have = dict.fromkeys(name for model in models for name in model.mechanisms)
        there = [f"They have {', '.join(have) or 'none'}"]
    return ConfigError(f"{what}: none of its cells has {asked}", fix=f"{'; '.join(there)}.")


def _warmed(models: list[CompiledCell], cell_model: IntArray) -> dict[str, int]:
    """Compartments with mechanisms whose rates go by the temperature, by name."""
    found: dict[str, int] = {}
    for model, n in zip(models, np.bincount(cell_model, minlength=len(models)), strict=True):
        for name, table in model.mechanisms.items():
            if n and DENSITY[name].goes_by_temperature():
                found[name] = found.get(name, 0) + len(table.nodes) * int(n)
    return found


def _begun(effect: Effect, number: int) -> Touched:
    change = effect.change
    counted = bool(effect.nodes) or isinstance(change, ModelChange)
    cells = sum(len(rows) for _, rows in effect.nodes) if counted else None
    inputs = None if change.REBUILDS else effect.inputs
    return Touched(change.label, change.TYPE, change.where(number), cells=cells, inputs=inputs)


def _cells_among(chosen: Chosen, sources: Sources) -> np.ndarray:
    """bool[n_cells], the biophysical cells among some nodes."""
    mask = np.zeros(sources.n_cells, bool)
    for name, rows in chosen:
        mine = rows[sources.kind[name][rows] == BIOPHYSICAL]
        mask[sources.number[name][mine]] = True
    return mask


def _with_change(
    models: list[CompiledCell], cell_model: IntArray, of: Any, mine: np.ndarray
) -> tuple[list[CompiledCell], IntArray]:
    """Models that all of their cells have the change of take the place of the old ones."""
    models, cell_model = list(models), cell_model.copy()
    for m in np.unique(cell_model[mine]).tolist():
        here = cell_model == m
        changed = of(models[m])[0]
        if (mine[here]).all():
            models[m] = changed
            continue
        cell_model[here & mine] = len(models)
        models.append(changed)
    return models, cell_model


class AllRanks(Protocol):
    """Ranks that share a circuit."""

    def sum(self, number: int) -> int: ...


class Watch:
    """Counts the synapses that changes are about, as they come by.

    Attributes
    ----------
    count : of every effect, synapses so far.
    drawn : whether there are synapses that do not come by: they are drawn at every spike.
    """

    def __init__(self, effects: Sequence[Effect]) -> None:
        self.effects = effects
        self.count = [0] * len(effects)
        self.drawn = [False] * len(effects)

    def seen(
        self,
        projection: Projection,
        sizes: tuple[int, int],
        made: Iterable[Synapses],
        kinds: Sequence[Kinetics],
    ) -> Iterator[Synapses]:
        """The same synapses, counted; ``kinds`` are theirs."""
        masks = self._masks(projection, sizes, kinds)
        for some in made:
            for k, ends, of_kind, removed in masks:
                mine = np.zeros(len(some.source), bool)
                for sent, received in ends:
                    mine |= sent[some.source] & received[some.target]
                mine &= of_kind[some.kind]
                if removed is not None:
                    key, share = removed
                    mine &= place_of(key, some.source, some.target) < share
                self.count[k] += int(np.count_nonzero(mine))
            yield some

    def unseen(self, projection: Projection, kinds: Sequence[Kinetics]) -> None:
        """Synapses that are drawn at every spike will not come by."""
        for k, effect in enumerate(self.effects):
            here = [o for o in effect.overrides if o.touches(projection)]
            if here and _kinds_of(here[0], kinds).any():
                self.drawn[k] = True

    def told(self, touched: Sequence[Touched]) -> tuple[Touched, ...]:
        """With the numbers of synapses."""
        done = []
        for k, (effect, each) in enumerate(zip(self.effects, touched, strict=True)):
            if effect.overrides:
                number = None if self.drawn[k] else self.count[k]
                first = effect.overrides[0]
                pace = str(first.pace) if first.only_paces else ""
                each = replace(each, synapses=number, drawn=self.drawn[k], pace=pace)
            done.append(each)
        return tuple(done)

    def _masks(
        self, projection: Projection, sizes: tuple[int, int], kinds: Sequence[Kinetics]
    ) -> list[tuple[int, Any, Any, Any]]:
        """Of effects that are about the projection: masks of ends, of kinds, what is removed."""
        found = []
        for k, effect in enumerate(self.effects):
            here = [o for o in effect.overrides if o.touches(projection)]
            ends = [(mask_of(o.source, projection.source, sizes[0]),
                     mask_of(o.target, projection.target, sizes[1])) for o in here]  # fmt: skip
            removed = None
            if here and here[0].weight == 1.0 and here[0].removed > 0:
                removed = (removal_key(projection.source, projection.target), here[0].removed)
            if ends:
                found.append((k, ends, _kinds_of(here[0], kinds), removed))
        return found


def _kinds_of(override: ConnectionOverride, kinds: Sequence[Kinetics]) -> NDArray[np.bool_]:
    """bool[kinds + 1], of which kinds synapses are changed; the last is of those without any."""
    if not override.only_paces:
        return np.ones(len(kinds) + 1, bool)
    return np.array([*(override.pace.touches(kind) for kind in kinds), False])


def summed(touched: Sequence[Touched], ranks: AllRanks) -> list[Touched]:
    """What changes are about on all ranks together: each has its own synapses."""
    return [
        each if each.synapses is None else replace(each, synapses=ranks.sum(each.synapses))
        for each in touched
    ]


def require_touched(touched: Sequence[Touched], file: Path) -> None:
    """Refuse changes that are about nothing.

    Raises
    ------
    ConfigError : with the first of them.
    """
    for each in touched:
        if each.none:
            what = "no synapse" if each.synapses is not None else "no channel of any cell"
            if each.pace:
                what += f" that has what it changes ({each.pace})"
            if each.type == ModelChange.TYPE:
                what = "no biophysical cell that has another model"
            if each.inputs is not None:
                what = "no cell or random train of these nodes"
            raise ConfigError(
                f"{each.label} is about {what}", file=file, field=each.where,
                fix="Choose other node sets or mechanisms, or take it out.",
            )  # fmt: skip
