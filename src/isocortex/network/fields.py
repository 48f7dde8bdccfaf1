"""Fields: what potentials outside cells drive inside them, by cell and term."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.extracellular import driven_by
from isocortex.circuit import FieldInput, Simulation
from isocortex.circuit.fields import Potentials
from isocortex.errors import ConfigError, located
from isocortex.network.bodies import Bodies
from isocortex.network.sources import Sources


@dataclass(frozen=True)
class Fields:
    """What the fields of a circuit drive into cells of a rank.

    Attributes
    ----------
    potentials : of each field.
    cell : int64[n], ascending, of this rank, those that a field drives something into.
    current : of each of them float64[n_nodes, terms], nA per unit of each term's course.
    """

    potentials: tuple[Potentials, ...] = ()
    cell: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    current: tuple[FloatArray, ...] = ()

    @property
    def n_terms(self) -> int:
        return sum(one.n_terms for one in self.potentials)

    def courses(self, step: IntArray, dt: float) -> FloatArray:
        """float64[terms, n], of all terms in steps of ``dt`` ms."""
        each = [one.courses(step, dt) for one in self.potentials]
        return np.concatenate([np.zeros((0, len(step))), *each])

    def nodes(self, cell_model: IntArray) -> set[tuple[int, int]]:
        """(model, node) where a field drives something into some cell."""
        found: set[tuple[int, int]] = set()
        for cell, current in zip(self.cell.tolist(), self.current, strict=True):
            nodes = np.flatnonzero(current.any(axis=1)).tolist()
            found |= {(int(cell_model[cell]), node) for node in nodes}
        return found


NO_FIELDS = Fields()


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
        for made in self.inputs:
            place: dict[int, tuple[Bodies, int]] = {}
            with located(self.file, f"inputs.{made.name}"):
                for population, rows in made.cells:
                    number = sources.number[population][rows]
                    there = number < sources.n_cells
                    nodes = simulation.circuit.nodes[population]
                    bodies = Bodies(nodes, simulation.seed, rows[there], places=True)
                    for cell, row in zip(number[there], rows[there], strict=True):
                        place[int(cell)] = bodies, int(row)
                if not place:
                    raise ConfigError(
                        "no biophysical cell is in the field", field="cells", fix="Choose some."
                    )
            self.places.append(place)

    @property
    def potentials(self) -> tuple[Potentials, ...]:
        """Of each field."""
        return tuple(made.potentials for made in self.inputs)

    def reaches(self, cell: int) -> bool:
        """Whether a cell, counted in the whole circuit, is in a field."""
        return any(cell in place for place in self.places)

    def current(self, cell: int, model: CompiledCell) -> FloatArray | None:
        """float64[n_nodes, terms] of a cell, counted in the whole circuit; None if it has none."""
        if not self.reaches(cell):
            return None
        found = []
        for made, place in zip(self.inputs, self.places, strict=True):
            if cell in place:
                bodies, row = place[cell]
                with located(self.file, f"inputs.{made.name}"):
                    outside = made.potentials.at(bodies.halfway(row, model))
                found.append(driven_by(model, outside))
            else:
                found.append(np.zeros((model.n_nodes, made.potentials.n_terms)))
        return np.concatenate(found, axis=1)


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
    driven = [(cell, maker.current(cell, models[cell_model[cell]])) for cell in own]
    there = [(cell - own.start, current) for cell, current in driven if current is not None]
    return Fields(
        maker.potentials,
        np.array([cell for cell, _ in there], np.int64),
        tuple(current for _, current in there),
    )
