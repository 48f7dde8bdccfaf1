"""The fields of a simulation in the cells that are asked for."""

from __future__ import annotations

import logging

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.extracellular import driven_by
from isocortex.circuit import FieldInput, Simulation
from isocortex.circuit.fields import Potentials
from isocortex.errors import ConfigError, located
from isocortex.hashes import sha256
from isocortex.network.bodies import Bodies
from isocortex.network.fields import NO_FIELDS, Fields
from isocortex.network.sources import Sources

logger = logging.getLogger(__name__)


class FieldMaker:
    """Fields of a simulation, for whatever cells are asked for.

    Raises
    ------
    ConfigError : a field is about no cell, or about one without a place.
    """

    def __init__(self, simulation: Simulation, sources: Sources) -> None:
        self.inputs = [made for made in simulation.inputs if isinstance(made, FieldInput)]
        self.file = simulation.config_file
        #: of each field by cell, counted in the whole circuit, where it is: its bodies and row
        self.places: list[dict[int, tuple[Bodies, int]]] = []
        about = []
        for made in self.inputs:
            place: dict[int, tuple[Bodies, int]] = {}
            with located(self.file, f"inputs.{made.name}"):
                for population, rows in made.cells:
                    number = sources.number[population][rows]
                    there = number < sources.n_cells
                    nodes = simulation.circuit.nodes[population]
                    bodies = Bodies(nodes, simulation.seed, rows[there], places=True)
                    about.append((len(self.places), number[there], bodies.told(rows[there])))
                    for cell, row in zip(number[there], rows[there], strict=True):
                        place[int(cell)] = bodies, int(row)
                if not place:
                    raise ConfigError(
                        "no biophysical cell is in the field", field="cells", fix="Choose some."
                    )
            self.places.append(place)
        #: hash of which cells are in which field, and where they are
        self.about = sha256(tuple(about))

    @property
    def potentials(self) -> tuple[Potentials, ...]:
        """Of each field."""
        return tuple(made.potentials for made in self.inputs)

    def reaches(self, cell: int) -> bool:
        """Whether a cell, counted in the whole circuit, is in a field."""
        return any(cell in place for place in self.places)

    def potential(self, cell: int, model: CompiledCell) -> FloatArray:
        """float64[n_nodes, terms], mV per unit of each course, of a cell of the circuit."""
        found = []
        for made, place in zip(self.inputs, self.places, strict=True):
            if cell in place:
                bodies, row = place[cell]
                with located(self.file, f"inputs.{made.name}"):
                    found.append(made.potentials.at(bodies.halfway(row, model)))
            else:
                found.append(np.zeros((model.n_nodes, made.potentials.n_terms)))
        return np.concatenate([np.zeros((model.n_nodes, 0)), *found], axis=1)

    def warn_of_none(self, own: range, driven: list[tuple[int, FloatArray]]) -> None:
        """Say which fields drive nothing into their cells, if these are all ``own``."""
        terms = 0
        for made, place in zip(self.inputs, self.places, strict=True):
            mine = slice(terms, terms + made.potentials.n_terms)
            terms = mine.stop
            if all(cell in own for cell in place) and not any(
                current[:, mine].any() for cell, current in driven if cell in place
            ):
                logger.warning(
                    "%s: inputs.%s drives nothing into its cells: they are outside of its map, or "
                    "the potential is the same all over each. Are its places in um?",
                    self.file, made.name,
                )  # fmt: skip

    def current(self, cell: int, model: CompiledCell) -> FloatArray | None:
        """float64[n_nodes, terms], nA, that is driven into a cell; None if it is in no field."""
        return driven_by(model, self.potential(cell, model)) if self.reaches(cell) else None


def fields_of(
    simulation: Simulation,
    sources: Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
    own: range,
) -> Fields:
    """The fields in the cells ``own``, counted in the whole circuit."""
    if not any(isinstance(made, FieldInput) for made in simulation.inputs):
        return NO_FIELDS
    maker = FieldMaker(simulation, sources)
    asked = ((cell, maker.current(cell, models[cell_model[cell]])) for cell in own)
    driven = [(cell, current) for cell, current in asked if current is not None]
    maker.warn_of_none(own, driven)
    return Fields(
        maker.potentials,
        np.array([cell - own.start for cell, _ in driven], np.int64),
        tuple(current for _, current in driven),
        maker.about,
    )


def numbers_driven(
    simulation: Simulation,
    sources: Sources,
    models: list[CompiledCell],
    cell_model: IntArray,
    own: range,
) -> int:
    """How many numbers say what fields drive into the cells ``own``: by node and term."""
    inside, terms = np.zeros(sources.n_cells, bool), 0
    for made in simulation.inputs:
        if isinstance(made, FieldInput):
            terms += made.potentials.n_terms
            for population, rows in made.cells:
                number = sources.number[population][rows]
                inside[number[number < sources.n_cells]] = True
    if not terms:
        return 0
    n_nodes = np.array([model.n_nodes for model in models])
    mine = slice(own.start, own.stop)
    return terms * int(n_nodes[cell_model[mine][inside[mine]]].sum())
