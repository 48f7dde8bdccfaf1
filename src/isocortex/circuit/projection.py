"""Projections: who makes synapses onto whom, asked piece by piece for those onto chosen nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.mechanisms.synapses import Kinetics

if TYPE_CHECKING:
    from isocortex.circuit.nodes import NodePopulation
    from isocortex.network.drawn.pool import Pool
    from isocortex.network.drawn.tables import Tables


#: In place of a model, for nodes that are no biophysical cells.
POINT_NEURON, VIRTUAL_NODE = -1, -2


class Cells(NamedTuple):
    """What synapses need to know of the nodes they end on.

    Attributes (n nodes of the target population)
    ----------
    models : the compiled cells.
    model : int64[n], index into ``models``, or ``POINT_NEURON`` or ``VIRTUAL_NODE``.
    """

    models: Sequence[CompiledCell]
    model: IntArray


class Synapses(NamedTuple):
    """Some synapses of a projection, one row each.

    Attributes (m synapses)
    ----------
    source, target : int[m], rows of the tables of the two populations.
    node : int[m], of the target's model; -1 on a point neuron.
    kind : int[m], index into the projection's ``kinds``; -1 on a point neuron.
    weight : float[m], uS, or a point neuron's own unit.
    delay : unsigned integer[m], index into the projection's ``delays``.
    key : int64[m], which names each synapse that releases at random, the same for all of its
        conductances; None where none does.
    """

    source: NDArray[np.integer]
    target: NDArray[np.integer]
    node: NDArray[np.integer]
    kind: NDArray[np.integer]
    weight: NDArray[np.floating]
    delay: NDArray[np.integer]
    key: IntArray | None = None


class Projection(Protocol):
    """Synapses between two populations, stored in files or following from a recipe alike.

    Attributes
    ----------
    name : for messages.
    source, target : names of the populations.
    expected : how many synapses there are; of a recipe, on average.
    dL : um, for which the cells are to be divided, since synapses are placed on their compartments;
        None for synapses that find their place on any.
    """

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def expected(self) -> float: ...

    @property
    def dL(self) -> float | None: ...

    def kinds(self, cells: Cells) -> tuple[Kinetics, ...]:
        """The kinetics of the synapses onto biophysical cells."""

    def delays(self) -> FloatArray:
        """All delays there may be, ms, ascending."""

    def shortest(self, sources: NDArray[np.bool_]) -> float:
        """No synapse of these rows of the source population has a shorter delay, ms."""

    def onto(self, rows: IntArray | None, cells: Cells, seed: int) -> Iterator[Synapses]:
        """The synapses onto some nodes, or onto all, in an order that does not depend on which.

        Parameters
        ----------
        rows : int64[k], of the target population's table.
        seed : of the simulation; places synapses that have no place of their own.
        """

    def with_models(self, nodes: NodePopulation, rows: IntArray) -> Projection:
        """The same onto targets some of which (``rows``) have another model, with other branches.

        Connections, weights and delays stay, but where they go by the model.

        Raises
        ------
        ConfigError : synapses have places that the model has not.
        """

    def tables(self) -> Tables | Pool | None:
        """What the synapses can be drawn from at every spike of their source, if they can."""
