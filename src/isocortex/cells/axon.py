"""Replace the reconstructed axon by a stub of two 30 um sections, as BMTK does for Allen models."""

from __future__ import annotations

import numpy as np

from isocortex.cells.swc import FloatArray, Section
from isocortex.errors import ModelError

STUB_LENGTH = 30.0  # um, each of the two sections
AXON = 2

#: model_processing -> (diameters from the old axon, where on the soma, along the old axon)
PROCESSINGS = {
    "aibs_perisomatic": (False, 0.5, False),
    "aibs_perisomatic_directed": (False, 0.5, True),
    "aibs_allactive": (True, 1.0, False),
    "aibs_allactive_directed": (True, 1.0, True),
}


def replace_axon(sections: list[Section], processing: str | None) -> list[Section]:
    """Sections with the axon replaced; the stub comes last, as in BMTK's list ``all``.

    Raises
    ------
    ModelError : unknown processing, or one that needs an axon the reconstruction does not have.
    """
    if processing is None:
        return sections
    if processing not in PROCESSINGS:
        raise ModelError(
            f"unknown model_processing {processing!r}", fix=f"Use one of {', '.join(PROCESSINGS)}."
        )
    own_diameter, soma_x, directed = PROCESSINGS[processing]
    axons = [s for s in sections if s.type == AXON]
    if (own_diameter or directed) and not axons:
        raise ModelError(
            f"{processing} needs an axon, and the reconstruction has none",
            fix="Use aibs_perisomatic, or a morphology with type 2 points.",
        )
    diameters = (1.0, 1.0)
    if own_diameter:
        diameters = (mean_diameter(axons[0]), mean_diameter(axons[-1]))
    soma = sections[0].points
    start = soma[len(soma) // 2, :3]
    if directed:
        start, axis = soma[-1, :3], _axon_axis(axons[-1], soma[len(soma) // 2, :3])
    else:
        points = np.vstack([s.points[:, :3] for s in sections[1:]] or [start[None] + [[0, 1, 0]]])
        axis = start - points.mean(axis=0)  # for drawing only: away from the dendrites
        axis = axis / (np.linalg.norm(axis) or 1.0)
    kept = [i for i, s in enumerate(sections) if s.type != AXON]
    number = {old: new for new, old in enumerate(kept)}
    orphans = [i for i in kept if sections[i].parent >= 0 and sections[i].parent not in number]
    if orphans:
        raise ModelError(
            f"a section of type {sections[orphans[0]].type} grows from the axon, which "
            f"{processing} removes",
            fix="Attach it elsewhere in the morphology.",
        )
    remaining = [
        Section(s.type, number.get(s.parent, -1), s.parent_x, s.points)
        for s in (sections[i] for i in kept)
    ]
    for k, diameter in enumerate(diameters):
        ends = np.array([start + axis * STUB_LENGTH * k, start + axis * STUB_LENGTH * (k + 1)])
        points = np.column_stack([ends, [diameter, diameter]])
        parent, x = (0, soma_x) if k == 0 else (len(remaining) - 1, 1.0)
        remaining.append(Section(AXON, parent, x, points))
    return remaining


def mean_diameter(section: Section) -> float:
    """Diameter averaged over the section's length, um: NEURON's ``diam`` with one compartment."""
    arc, d = section.arc, section.points[:, 3]
    return float(np.sum(0.5 * (d[1:] + d[:-1]) * np.diff(arc)) / arc[-1])


def _axon_axis(axon: Section, soma_middle: FloatArray) -> FloatArray:
    """First principal axis of the axon's points and the soma, pointing to the axon's end."""
    points = np.vstack([soma_middle, axon.points[:, :3]])
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    axis = axes[0] / np.linalg.norm(axes[0])
    return -axis if np.dot(axis, axon.points[-1, :3] - soma_middle) < 0 else axis
