"""From the results of all conditions of one network to its numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from isocortex.analysis.conductance import mean_conductance
from isocortex.circuit import Simulation
from isocortex.cortex.atlas import Atlas, load_atlas
from isocortex.cortex.projection import POPULATION
from isocortex.errors import ConfigError
from isocortex.network.cells import compile_cells
from isocortex.network.connect import cells_of
from isocortex.network.sources import number_sources
from isocortex.validation import perturbed, resting
from isocortex.validation.conditions import (
    FOCI,
    LIT,
    PULSED,
    SIDE,
    UNCUT,
    Condition,
    Plan,
    pulse_times,
)
from isocortex.validation.measured import Measured
from isocortex.validation.neurons import Neurons, Spikes
from isocortex.validation.resting import Background

#: Higher visual areas that Siegle et al. 2021 recorded from.
HIGHER = ("VISl", "VISrl", "VISal", "VISpm", "VISam")
#: Targets of the lesioned area that are looked at.
STRONGEST = 5


@dataclass(frozen=True)
class Rest:
    """A cortex at rest: the simulation, all its spikes as a result has them, and those judged.

    Attributes
    ----------
    start, stop : ms, of the time that is judged.
    """

    simulation: Simulation
    table: pd.DataFrame
    start: float
    stop: float

    @property
    def spikes(self) -> Spikes:
        return Spikes.of(self.table, self.start, self.stop)


def at_rest(rest: Rest, neurons: Neurons, gates: Collection[str]) -> Measured:
    """What follows from a run at rest and its circuit."""
    found, spikes = Measured(), rest.spikes
    made = {
        "rates": resting.rates, "irregular": resting.irregular,
        "correlated": resting.correlated, "spectrum": resting.spectrum,
    }  # fmt: skip
    for name, measure in made.items():
        if name in gates:
            found.add(measure(spikes, neurons))
    if "synapses" in gates:
        found.add(resting.synapses(background_of(rest.simulation), spikes, neurons))
    if {"recurrence", "balance"} & set(gates):
        table = rest.table[rest.table["population"] == POPULATION]
        made_of = mean_conductance(
            rest.simulation, table, rest.start, rest.stop, population=POPULATION
        )
        found.add(resting.conductances(made_of, neurons))
    return found


def background_of(simulation: Simulation) -> Background:
    """Every synapse from virtual nodes onto the neurons."""
    sources = number_sources(simulation.circuit)
    models, cell_model = compile_cells(simulation, sources)
    cells = cells_of(POPULATION, sources, models, cell_model)
    first = np.cumsum([0, *(model.n_nodes for model in models)])
    distance = np.concatenate([0.5 * (m.distance_start + m.distance_end) for m in models])
    nodes = simulation.circuit.nodes
    rows, weights, away = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0)]
    for projection in simulation.circuit.projections:
        if projection.target != POPULATION or not nodes[projection.source].virtual.all():
            continue
        for made in projection.onto(None, cells, simulation.seed):
            rows.append(np.asarray(made.target, np.int64))
            weights.append(1e3 * np.asarray(made.weight, float))
            away.append(distance[first[cells.model[made.target]] + made.node])
    ids = nodes[POPULATION].node_ids[np.concatenate(rows)]
    return Background(ids, np.concatenate(weights), np.concatenate(away))


def under(
    conditions: Sequence[tuple[Condition, Spikes]],
    rest: Spikes,
    neurons: Neurons,
    atlas: Atlas,
    plan: Plan,
) -> Measured:
    """What follows from the other conditions, each against rest."""
    found = Measured()
    named = {each.name: spikes for each, spikes in conditions}

    def doses(family: str) -> dict[float, Spikes]:
        return {c.dose: s for c, s in conditions if c.name.startswith(family)}

    if "no_recurrence" in named:
        found.add(resting.cut_off(named["no_recurrence"], rest, neurons))
    if blocked := doses("gaba_block"):
        undrugged = Spikes.between(rest.times, rest.ids, 0.0, min(plan.dose, rest.duration))
        found.add(perturbed.dose_curve({0.0: undrugged, **blocked}, rest, neurons))
    for area in FOCI:
        if (spikes := named.get(f"focus_{area}")) is not None:
            found.add(perturbed.focus(spikes, rest, neurons, area, SIDE))
    if lit := doses("light"):
        found.add(perturbed.light(lit, rest, neurons, LIT))
    for name, spikes in named.items():
        if name.startswith("lesion"):
            area = name.removeprefix("lesion_")
            uncut, targets = named.get(UNCUT, rest), strongest_targets(atlas, area)
            found.add(perturbed.lesion(spikes, uncut, neurons, targets))
    if (spikes := named.get(f"pulse_{PULSED}")) is not None:
        found.add(
            perturbed.pulse(spikes, rest, neurons, pulse_times(plan), higher_than(PULSED, atlas),
                            source=PULSED, side=SIDE)
        )  # fmt: skip
    return found


def higher_than(area: str, atlas: Atlas | None = None) -> dict[str, float]:
    """Visual areas that are looked at after pulses into one -> their place in the hierarchy.

    Raises
    ------
    ConfigError : there is no such area, its place is not known, or none of them is above it.
    """
    hierarchy = (atlas or load_atlas()).areas["hierarchy"]
    place = float(hierarchy.get(area, np.nan))
    higher = {name: float(hierarchy[name]) for name in HIGHER if hierarchy[name] > place}
    if not higher:
        why = "has no known place in the hierarchy" if np.isnan(place) else "has none of them above"
        raise ConfigError(
            f"{area!r} {why}; pulses are followed to {', '.join(HIGHER)}", field="by",
            fix="Name an area below them, such as VISp.",
        )  # fmt: skip
    return higher


def strongest_targets(atlas: Atlas, area: str) -> list[str]:
    """Areas of the same side that an area projects to most, by density times volume."""
    volume = atlas.areas["volume_mm3"].to_numpy(float)
    density = atlas.connectome.matrix("wild_type", "ipsi").astype(float)
    weight = pd.Series(density[atlas.areas.index.get_loc(area)] * volume, atlas.areas.index)
    return list(weight.drop(area).nlargest(STRONGEST).index)
