"""Replace the reconstructed axon by a stub of two 30 um sections, as BMTK does for Allen models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isocortex.cells.swc import SOMA, FloatArray, Section
from isocortex.errors import ModelError

STUB_LENGTH = 30.0  # um, each of the two sections
AXON = 2
#: cos and sin of 0.4 rad
COS_TURN, SIN_TURN = 0.9210609940028851, 0.3894183423086505

#: model_processing -> (diameters from the old axon, where on the soma, along the old axon)
PROCESSINGS = {
    "aibs_perisomatic": (False, 0.5, False),
    "aibs_perisomatic_directed": (False, 0.5, True),
    "aibs_allactive": (True, 1.0, False),
    "aibs_allactive_directed": (True, 1.0, True),
}


#: Processings that change nothing that is computed here: the mechanism records potentials outside.
HARMLESS = ("extracellular", "set_extracellular")


def axon_processing(processing: str | None) -> str | None:
    """The one of a comma-separated list of ``model_processing`` that replaces the axon.

    Raises
    ------
    ModelError : an unknown processing, or two that replace the axon.
    """
    names = [name.strip() for name in (processing or "").split(",")]
    names = [name for name in names if name and name not in HARMLESS]
    unknown = [name for name in names if name not in PROCESSINGS]
    if unknown:
        raise ModelError(
            f"unknown model_processing {unknown[0]!r}",
            fix="In the node types of cells with this morphology, use one of "
            f"{', '.join((*PROCESSINGS, *HARMLESS))}.",
        )
    if len(names) > 1:
        raise ModelError(
            f"model_processing {processing!r} replaces the axon twice", fix=f"Keep {names[0]}."
        )
    return names[0] if names else None


def replace_axon(sections: list[Section], processing: str | None) -> list[Section]:
    """Sections with the axon replaced; the stub comes last, as in BMTK's list ``all``.

    Raises
    ------
    ModelError : a processing that needs an axon the reconstruction does not have.
    """
    if processing is None:
        return sections
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
    kept = [i for i, s in enumerate(sections) if s.type != AXON]
    number = {old: new for new, old in enumerate(kept)}
    # what grew from the axon is left without a parent, as by NEURON's delete_section
    remaining = [replace(s, parent=number.get(s.parent, -1)) for s in (sections[i] for i in kept)]
    if directed:
        axis = _reconstructed_direction(sections, axons[-1])
    else:
        axis = _default_direction(remaining, soma_x)
    soma = remaining[0].points[:, :3]
    start = soma[0] + soma_x * (soma[-1] - soma[0])
    return remaining + _stub(start, axis, diameters, soma_x, len(remaining))


def _stub(
    start: FloatArray, axis: FloatArray, diameters: tuple[float, float], soma_x: float, number: int
) -> list[Section]:
    """The two sections, the first of which gets ``number`` in the list of sections."""
    stub = []
    for k, diameter in enumerate(diameters):
        steps = STUB_LENGTH * (k + np.array([0.0, 0.5, 1.0]))
        points = np.column_stack([start + axis * steps[:, None], np.full(3, diameter)])
        # the diameter goes through single precision, the length does not
        stub.append(
            Section(
                type=AXON,
                parent=0 if k == 0 else number,
                parent_x=soma_x if k == 0 else 1.0,
                points=points.astype(np.float32).astype(np.float64),
                arc=STUB_LENGTH * np.array([0.0, 0.5, 1.0]),
            )
        )
    return stub


def mean_diameter(section: Section) -> float:
    """Diameter averaged over the section's length, um: NEURON's ``diam`` with one compartment."""
    arc, d = section.arc, section.points[:, 3]
    return float(np.sum(0.5 * (d[1:] + d[:-1]) * np.diff(arc)) / arc[-1])


def _default_direction(sections: list[Section], soma_x: float) -> FloatArray:
    """Direction, float64[3], in which NEURON draws sections without 3-D points (define_shape).

    It lies in the plane z = const: that of the soma at its end, normal to it in the middle, turned
    by 0.4 rad if other sections begin at the same place.
    """
    soma = sections[0].points[:, :3]
    along = soma[-1] - soma[0]
    length = np.sqrt(along[0] * along[0] + along[1] * along[1])
    x, y = along[:2] / length if length > 0.0 else (1.0, 0.0)
    if soma_x < 1.0:
        x, y = -y, x
    if any(s.parent == 0 and s.parent_x == soma_x for s in sections):
        x, y = x * COS_TURN + y * SIN_TURN, y * COS_TURN - x * SIN_TURN
    return np.array([x, y, 0.0])


def _reconstructed_direction(sections: list[Section], axon: Section) -> FloatArray:
    """First principal axis of the axon's points and the soma's middle, towards the axon's end."""
    soma = [s for s in sections if s.type == SOMA][-1].points[:, :3]
    middle, path = soma[len(soma) // 2], axon.points[:, :3]
    points = np.vstack([middle, path])
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    axis = axes[0] / np.linalg.norm(axes[0])
    return -axis if np.dot(axis, path[-1] - middle) < 0 else axis
