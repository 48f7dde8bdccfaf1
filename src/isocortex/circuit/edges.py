"""Edges as they were read, and the synapses they make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray, compact
from isocortex.circuit.projection import POINT_NEURON, VIRTUAL_NODE, Cells, Synapses
from isocortex.circuit.synapses import (
    conductances_of,
    is_random,
    keys_of,
    parts_of,
    place_synapses,
    sign_and_count,
)
from isocortex.errors import ConfigError, InputError, located
from isocortex.mechanisms.synapses import Kinetics

if TYPE_CHECKING:
    from isocortex.circuit.nodes import NodePopulation


@dataclass(frozen=True, slots=True)
class SynapseRule:
    """What the synapses of an edge type are, or its gap junctions (:mod:`.gaps`)."""

    model_template: str | None
    dynamics: dict[str, Any]
    dynamics_file: str | None = None
    target_sections: tuple[str, ...] = ()
    distance_range: tuple[float, float] | None = None
    is_gap_junction: bool = False


#: Attributes of an edge population that hold a number for every edge.
PER_EDGE = ("source_index", "target_index", "rule", "weight", "delay", "nsyns", "section_id",
            "section_pos", "weight_is_final")  # fmt: skip


@dataclass(frozen=True, slots=True)
class EdgePopulation:
    """Edges between two populations; a :class:`isocortex.circuit.projection.Projection`.

    Attributes (m edges)
    ----------
    source_index, target_index : int64[m], rows of the populations' tables.
    rule : int32[m], index into ``rules``.
    weight : float64[m], after the weight function; uS, or a point neuron's own unit.
    delay : float64[m], ms.
    nsyns : int32[m].
    section_id : int32[m], -1 where no location is given.
    section_pos : float64[m], 0..1, NaN where no location is given.
    weight_is_final : bool[m]; BMTK neither signs nor multiplies the weight of an edge to a point
        neuron whose group gives a location, or no ``nsyns``.
    number : int64[m], which edges of their file these are, where they are some of it: the places
        that are drawn for an edge are those of its number.
    own : by name float64[m], numbers of single edges that stand in place of those that their types'
        parameter files give, or NaN.
    """

    name: str
    source: str
    target: str
    source_index: IntArray
    target_index: IntArray
    rule: NDArray[np.int32]
    rules: list[SynapseRule]
    weight: FloatArray
    delay: FloatArray
    nsyns: NDArray[np.int32]
    section_id: NDArray[np.int32]
    section_pos: FloatArray
    weight_is_final: NDArray[np.bool_]
    number: IntArray | None = None
    own: dict[str, FloatArray] = field(default_factory=dict)

    def some(self, at: IntArray) -> EdgePopulation:
        """Some of these edges, which remain what they are, to the places of their synapses."""
        values = {name: getattr(self, name)[at] for name in PER_EDGE}
        own = {name: of_edges[at] for name, of_edges in self.own.items()}
        number = at if self.number is None else self.number[at]
        return replace(self, number=number, own=own, **values)

    @property
    def dL(self) -> None:
        """Any: places are lengths along sections."""
        return None

    @property
    def expected(self) -> float:
        """Number of synapses onto biophysical cells, and of edges to point neurons at most.

        Those with two conductances count twice.
        """
        parts = np.array([parts_of(rule) for rule in self.rules], np.int64)
        return float((self.nsyns * parts[self.rule]).sum())

    def delays(self) -> FloatArray:
        return np.unique(self.delay)

    def shortest(self, sources: NDArray[np.bool_]) -> float:
        made = sources[self.source_index] & (self.nsyns > 0)
        return float(self.delay[made].min(initial=np.inf))

    def kinds(self, cells: Cells) -> tuple[Kinetics, ...]:
        on_cell = cells.model[self.target_index] >= 0
        kinds: dict[Kinetics, None] = {}
        for r, rule in enumerate(self.rules):
            at = np.flatnonzero(on_cell & (self.rule == r))
            if len(at):
                made, _ = conductances_of(rule, self, at)
                kinds |= dict.fromkeys(part.kinetics for parts in made for part in parts)
        return tuple(kinds)

    def onto(self, rows: IntArray | None, cells: Cells, seed: int) -> Iterator[Synapses]:
        model = cells.model[self.target_index]
        wanted = np.ones(len(model), bool) if rows is None else np.isin(self.target_index, rows)
        if (wanted & (model == VIRTUAL_NODE)).any():
            raise InputError(
                "an edge ends on a virtual node", field=f"edges/{self.name}",
                fix=f"Population {self.target!r} must be biophysical or point neurons.",
            )  # fmt: skip
        kinds = {kinetics: k for k, kinetics in enumerate(self.kinds(cells))}
        delay = np.searchsorted(self.delays(), self.delay)
        for r, rule in enumerate(self.rules):
            mine = wanted & (self.rule == r)
            at = np.flatnonzero(mine & (model == POINT_NEURON))
            if len(at):
                none = np.full(len(at), -1)
                signed = compact(self.weight[at] * sign_and_count(self, rule, at))
                yield Synapses(
                    self.source_index[at], self.target_index[at], none, none, signed, delay[at]
                )
            at = np.flatnonzero(mine & (model >= 0))
            if len(at) == 0:
                continue
            made, which = conductances_of(rule, self, at)
            with located(self.name, "target_sections"):
                edge, node = place_synapses(self, rule, at, cells, seed)
            which = which[np.searchsorted(at, edge)]
            key = keys_of(self, edge) if is_random(made) else None
            for parts in zip(*made, strict=True):
                kind = np.array([kinds[part.kinetics] for part in parts])[which]
                factor = np.array([part.factor for part in parts])[which]
                yield Synapses(
                    self.source_index[edge], self.target_index[edge], node, kind,
                    compact(self.weight[edge] * factor), delay[edge], key,
                )  # fmt: skip

    def with_models(self, nodes: NodePopulation, rows: IntArray) -> EdgePopulation:
        """As the protocol says: places follow from rules, but for those that edges have."""
        placed = np.isin(self.target_index, rows) & (self.section_id >= 0) & (self.nsyns > 0)
        if placed.any():
            raise ConfigError(
                f"{np.count_nonzero(placed):,} edges of {self.name} have places on the branches "
                "that these cells have (afferent_section_id), which another model has not",
                field="node_set", fix="Choose a model of the same reconstruction, or edges that "
                "are placed by target_sections; a cortex places its own unless it is built with "
                "--materialize.",
            )  # fmt: skip
        return self

    def tables(self) -> None:
        """None: what is stored need not be drawn."""
        return None
