"""Spike trains, Poisson sources and electrodes, by number of source and cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import repeat

import numpy as np

from isocortex.arrays import IntArray
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell
from isocortex.cells.place import candidates
from isocortex.circuit import CurrentInput, Input, PoissonInput, Simulation, SpikeInput
from isocortex.circuit.signals import Course, Drawn, Noise
from isocortex.errors import ConfigError, located
from isocortex.network.network import CurrentSource, SpikeTrains
from isocortex.network.poisson import PoissonSources, no_sources
from isocortex.network.sources import BIOPHYSICAL, Sources
from isocortex.random import keys, uniform


def spike_trains(inputs: Iterable[Input], sources: Sources) -> SpikeTrains:
    """All given trains as one, by time."""
    number, time = [np.zeros(0, np.int64)], [np.zeros(0)]
    for spikes in inputs:
        if isinstance(spikes, SpikeInput):
            number.append(sources.number[spikes.population][spikes.rows])
            time.append(spikes.times)
    all_numbers, all_times = np.concatenate(number), np.concatenate(time)
    order = np.lexsort((all_numbers, all_times))
    return SpikeTrains(all_numbers[order], all_times[order])


def poisson_sources(made: PoissonInput, source: IntArray) -> PoissonSources:
    """The sources of an input, under these numbers (int64[n])."""
    n = len(made.rows)
    with np.errstate(divide="ignore"):
        mean = 1e3 / made.rate
    course = made.fluctuation
    return PoissonSources(
        source, mean, np.full(n, made.start), np.full(n, made.stop), made.key,
        sigma=np.full(n, course.sigma if course else 0.0),
        tau=np.full(n, course.tau if course else 0.0),
        course=course.key if course else np.zeros(n, np.uint64),
    )  # fmt: skip


def all_poisson(inputs: Iterable[Input], sources: Sources) -> PoissonSources:
    """The Poisson sources of all inputs, one after the other."""
    found = [no_sources()] + [
        poisson_sources(made, sources.number[made.population][made.rows])
        for made in inputs
        if isinstance(made, PoissonInput)
    ]
    return PoissonSources(
        *(np.concatenate([getattr(f, item.name) for f in found]) for item in fields(PoissonSources))
    )


def electrodes(
    simulation: Simulation,
    sources: Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
    own: range,
) -> list[CurrentSource]:
    """One electrode for every chosen cell of every current clamp, of those in ``own``."""
    placed = []
    for clamp in simulation.inputs:
        if not isinstance(clamp, CurrentInput):
            continue
        if (sources.kind[clamp.population][clamp.rows] != BIOPHYSICAL).any():
            raise ConfigError(
                "a current clamp needs a biophysical cell", field=clamp.population,
                fix="Restrict its node_set to biophysical cells.",
            )  # fmt: skip
        cells = sources.number[clamp.population][clamp.rows]
        rows = clamp.rows[(cells >= own.start) & (cells < own.stop)]
        for row, courses in zip(rows, _courses(simulation, clamp, rows), strict=True):
            cell = int(sources.number[clamp.population][row])
            with located(simulation.config_file, f"inputs.{clamp.name}"):
                model = models[cell_model[cell]]
                if clamp.distance_range is None:
                    node = _electrode_node(model, clamp)
                else:
                    node_id = simulation.circuit.nodes[clamp.population].node_ids[row]
                    key = f"electrode {clamp.name}:{clamp.population}"
                    u = uniform(simulation.seed, key, np.array([node_id]), np.zeros(1, np.int64))
                    node = _node_in_range(model, clamp, float(u[0]))
            placed.append(CurrentSource(cell - own.start, node, *courses))
    return placed


def _courses(
    simulation: Simulation, electrode: CurrentInput, rows: IntArray
) -> Iterator[tuple[Course, Course | None]]:
    """Of cells of its population amplitude and conductance; see :class:`CurrentSource`.

    Random courses are named by seed, input and cell.
    """
    signal, voltage = electrode.signal, electrode.voltage
    courses: Iterable[Course]
    if isinstance(signal, Noise):
        node_ids = simulation.circuit.nodes[electrode.population].node_ids[rows]
        names = keys(f"{signal.seed}:input {electrode.name}:{electrode.population}", node_ids)
        courses = (Drawn(signal, key, -np.inf if voltage is None else 0.0) for key in names)
    else:
        courses = repeat(signal, len(rows))
    for course in courses:
        yield (course, None) if voltage is None else (voltage, course)


def _node_in_range(model: CompiledCell, clamp: CurrentInput, u: float) -> int:
    """The node that a random number ``u`` of 0..1 chooses, in proportion to lengths as in BMTK."""
    nodes, cumulative = candidates(model, clamp.section_types, clamp.distance_range)
    if len(nodes) == 0:
        raise ConfigError(
            f"cell model {model.name!r} has no {'/'.join(clamp.section_types)} at "
            f"{clamp.distance_range} um from its soma", fix="Choose another range.",
        )  # fmt: skip
    return int(nodes[np.searchsorted(cumulative, u, side="right")])


def _electrode_node(model: CompiledCell, clamp: CurrentInput) -> int:
    """Node under the electrode: section ``section_name``[``section_index``] at ``section_pos``."""
    code = SECTION_TYPES.get(clamp.section_name)
    sections = np.unique(model.section[model.section_type == (code or -1)])
    if clamp.section_index >= len(sections):
        raise ConfigError(
            f"cell model {model.name!r} has no section {clamp.section_name}[{clamp.section_index}]",
            fix="Choose soma, dend, apic or axon and an index the morphology has.",
        )
    if clamp.section_pos in (0.0, 1.0) and clamp.section_name != "soma":
        raise ConfigError(
            "an electrode at the very end of a section is not supported yet: NEURON has a node of"
            " its own there",
            fix="Choose section_dist between 0 and 1.",
        )
    return model.node_at(int(sections[clamp.section_index]), clamp.section_pos)
