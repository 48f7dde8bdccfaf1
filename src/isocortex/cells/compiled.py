"""CompiledCell: everything the engine needs to know about a cell model, as arrays over nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray

IntArray = NDArray[np.int32]

#: SWC type codes of the four kinds of section, as used in ``CompiledCell.section_type``.
SECTION_TYPES = {"soma": 1, "axon": 2, "dend": 3, "apic": 4}


@dataclass(frozen=True)
class MechanismTable:
    """Where a density mechanism sits and with which parameters.

    Attributes
    ----------
    nodes : int32[k], node indices, ascending.
    parameters : name -> float64[k], in the mechanism's own units (gbar: S/cm2).
        Parameters that are absent take the mechanism's default.
    """

    nodes: IntArray
    parameters: dict[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class CompiledCell:
    """One cell model after import, axon replacement and discretisation; shared by all its cells.

    Nodes are in Hines order (``parent[i] < i``; the root is node 0). A node is a compartment
    (area > 0) or the zero-area point where branches meet (area 0: no membrane). NEURON's other
    zero-area nodes (the soma's start, free section ends, ends with one child) are eliminated
    exactly: a leaf without membrane carries no current, and two resistances in series add.

    Attributes (n nodes)
    ----------
    parent : int32[n], -1 at the root.
    area : float64[n], membrane area, um2.
    cm : float64[n], specific capacitance, uF/cm2 (0 at zero-area nodes).
    g_axial : float64[n], conductance to the parent node, uS (0 at the root).
    section : int32[n], section id as BMTK numbers them (position in its list ``all``).
    x : float64[n], position of the node in its section, 0..1.
    section_type : int8[n], SWC code: 1 soma, 2 axon, 3 basal dendrite, 4 apical dendrite.
    start, end : float64[n, 3], 3-D ends of the compartment, um (equal at zero-area nodes).
    halfway : float64[n, 3], um, the point of the branch that is as far from both; None stands for
        the middle between them.
    diameter : float64[n], um.
    length : float64[n], um (0 at zero-area nodes).
    distance_start, distance_end : float64[n], path distance of the compartment's ends from the
        soma, um, as BMTK measures it (its ``dist0`` and ``dist1``), for ``distance_range``.
    g_pas, e_pas : float64[n], leak conductance (S/cm2) and reversal (mV).
    ena, ek : float64[n], reversal potentials, mV.
    mechanisms : density mechanisms other than ``pas``, by name.
    soma : the node of soma(0.5).
    centre : float64[3], um, mean of the soma's points in the reconstruction, which is where BMTK
        puts a cell's position; None stands for the middle of the soma.
    """

    name: str
    parent: IntArray
    area: FloatArray
    cm: FloatArray
    g_axial: FloatArray
    section: IntArray
    x: FloatArray
    section_type: NDArray[np.int8]
    start: FloatArray
    end: FloatArray
    diameter: FloatArray
    length: FloatArray
    distance_start: FloatArray
    distance_end: FloatArray
    g_pas: FloatArray
    e_pas: FloatArray
    ena: FloatArray
    ek: FloatArray
    mechanisms: dict[str, MechanismTable]
    soma: int
    centre: FloatArray | None = None
    halfway: FloatArray | None = None

    @property
    def middle(self) -> FloatArray:
        """float64[3], um, what lies at a cell's position."""
        if self.centre is not None:
            return self.centre
        soma = np.flatnonzero((self.section == self.section[self.soma]) & (self.area > 0))
        soma = soma[np.argsort(self.x[soma])]
        return 0.5 * (self.start[soma[0]] + self.end[soma[-1]])

    @property
    def n_nodes(self) -> int:
        return len(self.parent)

    @property
    def compartments(self) -> IntArray:
        """Node indices of the compartments in SONATA order: by section id, then by x."""
        nodes = np.flatnonzero(self.area > 0)
        order = np.lexsort((self.x[nodes], self.section[nodes]))
        return nodes[order].astype(np.int32)

    @property
    def n_compartments(self) -> int:
        return int(np.count_nonzero(self.area > 0))

    def node_at(self, section: int, x: float) -> int:
        """Node of the compartment that contains ``x`` (0..1) of section ``section``.

        Compartment ``floor(x * nseg)``, the last one at x = 1. NEURON puts what sits at the very
        ends of a section on nodes without membrane there.
        """
        nodes = np.flatnonzero((self.section == section) & (self.area > 0))
        if len(nodes) == 0 or not 0.0 <= x <= 1.0:
            raise IndexError(f"{self.name} has no section {section} at {x}")
        nodes = nodes[np.argsort(self.x[nodes])]
        return int(nodes[min(int(x * len(nodes)), len(nodes) - 1)])

    def __repr__(self) -> str:
        return (
            f"CompiledCell({self.name!r}: {self.n_compartments} compartments in "
            f"{len(np.unique(self.section))} sections, {self.area.sum():.0f} um2, "
            f"channels {', '.join(sorted(self.mechanisms)) or 'none'})"
        )
