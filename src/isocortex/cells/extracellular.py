"""Outside a cell: its membrane currents and their potential, and what a field drives inside it.

The current through the membrane of a compartment is what flows into it along the branches. So it
follows from the voltages of a cell alone, and the potential at a place outside is a weighted sum of
them. Where an electrode injects a current, that flows out through the membrane as well.

A compartment is a line of current in an infinite medium of the same conductivity everywhere (Holt &
Koch 1999, doi:10.1023/A:1008832702585), cut and placed as in BMTK's module ``ecp``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell

CONDUCTIVITY = 0.3  # S/m, of cortex (Goto et al. 2010, doi:10.1152/jn.00145.2010), as in BMTK


def rotation(x: float, y: float, z: float) -> FloatArray:
    """float64[3, 3]: SONATA's ``rotation_angle_xaxis``, ``_yaxis`` and ``_zaxis`` (radians).

    A cell is turned about z, then y, then x, as in BMTK.
    """
    (cx, cy, cz), (sx, sy, sz) = np.cos([x, y, z]), np.sin([x, y, z])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def towards(model: CompiledCell, normal: FloatArray, twist: float | FloatArray) -> FloatArray:
    """float64[..., 3, 3], turns cells' apical dendrite, or their y axis, to a direction.

    Reconstructions lie in the plane of their slice, at any angle.

    Parameters
    ----------
    normal : float[..., 3], towards the pia.
    twist : radians, float[...], about that direction.
    """
    up = np.array([0.0, 1.0, 0.0])
    apical = model.section_type == SECTION_TYPES["apic"]
    if apical.any():
        middle = np.average(model.end[apical], axis=0, weights=model.length[apical] + 1e-9)
        up = np.array([*(middle - model.middle)[:2], 0.0])
        up = up / np.linalg.norm(up) if up.any() else np.array([0.0, 1.0, 0.0])
    own = np.stack([up, np.array([0.0, 0.0, 1.0]), np.cross(up, [0.0, 0.0, 1.0])])
    out = np.asarray(normal, np.float64)
    out = out / np.linalg.norm(out, axis=-1, keepdims=True)
    side = np.cross(out, np.eye(3)[np.argmin(np.abs(out), axis=-1)])
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    about = np.asarray(twist)[..., None]
    turned = np.cos(about) * side + np.sin(about) * np.cross(out, side)
    there = np.stack([out, turned, np.cross(out, turned)], axis=-1)
    return there @ own


def placed(
    model: CompiledCell, position: FloatArray, turn: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """float64[n_nodes, 3] start and end of every node, um, where the soma's middle is a place."""
    start, end = (points - model.middle for points in (model.start, model.end))
    return start @ turn.T + position, end @ turn.T + position


def halfway(model: CompiledCell, position: FloatArray, turn: FloatArray) -> FloatArray:
    """float64[n_nodes, 3], um, half-way along each compartment of a cell at a place."""
    points = model.halfway if model.halfway is not None else 0.5 * (model.start + model.end)
    return (points - model.middle) @ turn.T + position


def transfer_resistances(
    start: FloatArray,
    end: FloatArray,
    contacts: FloatArray,
    closest: float | FloatArray = 0.0,
    conductivity: float = CONDUCTIVITY,
) -> FloatArray:
    """float64[contacts, n]: potential (mV) at contacts per nA of each line; no line, no potential.

    Parameters
    ----------
    start, end : float64[n, 3], um.
    contacts : float64[contacts, 3], um.
    closest : um, or float64[n], e.g. the radii: contacts beside or near a line count as no closer
        to its axis than this; 0 leaves them where they are.
    conductivity : S/m.
    """
    along = end - start
    length = np.linalg.norm(along, axis=1)
    there = length > 0.0
    along, length = along[there], length[there]
    closest = np.broadcast_to(closest, there.shape)[there]
    found = np.zeros((len(contacts), len(there)))
    away = contacts[:, None, :] - 0.5 * (start + end)[there]
    beside = np.abs(np.einsum("cnk,nk->cn", away, along)) / length
    across = np.maximum(np.einsum("cnk,cnk->cn", away, away) - beside**2, 0.0)
    far, near = beside + 0.5 * length, beside - 0.5 * length
    across = np.where(near < closest, np.maximum(across, closest**2), across)
    with np.errstate(divide="ignore"):
        ratio = (far + np.sqrt(far**2 + across)) / _from_near(near, across)
    found[:, there] = np.log(ratio) / length
    return found / (4.0 * np.pi * conductivity)


def _from_near(near: FloatArray, across: FloatArray) -> FloatArray:
    """``near`` + hypot, without cancellation where the near end lies behind."""
    root = np.sqrt(near**2 + across)
    with np.errstate(divide="ignore", invalid="ignore"):
        behind = across / (root - near)
    return np.where(near < 0.0, behind, near + root)


def of_voltages(model: CompiledCell, of_currents: FloatArray) -> FloatArray:
    """What weights on membrane currents are as weights on voltages.

    Parameters
    ----------
    of_currents : float64[n_nodes, w], per nA of membrane current, positive outwards.

    Returns
    -------
    float64[n_nodes, w], per mV; of each column they add up to 0 as far as rounding allows.
    """
    child = np.flatnonzero(model.g_axial > 0.0)
    parent = model.parent[child]
    flow = model.g_axial[child, None] * (of_currents[parent] - of_currents[child])
    found = np.zeros_like(of_currents)
    np.add.at(found, child, flow)
    np.subtract.at(found, parent, flow)
    return found


def membrane_currents(model: CompiledCell, voltages: FloatArray) -> NDArray[np.float64]:
    """float64[samples, n_nodes], nA, positive outwards, where no electrode is, from voltages (mV).

    Beside an electrode the current that it injects has to be added.
    """
    return np.asarray(voltages, np.float64) @ of_voltages(model, np.eye(model.n_nodes))


def driven_by(model: CompiledCell, potential: FloatArray) -> FloatArray:
    """What a potential outside drives along the branches into every node.

    A membrane's voltage is that inside less the potential outside. So axial currents, which go by
    the voltage inside, have a part that is not due to voltages of membranes: the coupling times the
    difference of the potentials outside, as if electrodes injected it. NEURON's ``extracellular``
    comes to the same where its resistances outside are left as they are.

    Parameters
    ----------
    potential : float64[n_nodes, w], mV; at branch points, which have no membrane, it is not read.

    Returns
    -------
    float64[n_nodes, w], nA; of each column they add up to 0 as far as rounding allows.
    """
    branch = model.area == 0.0
    outside = np.where(branch[:, None], 0.0, potential)
    # any potential at a branch point comes to the same; its neighbours' mean injects nothing there
    child = np.flatnonzero(model.g_axial > 0.0)
    parent, g = model.parent[child], model.g_axial[child]
    total, coupling = np.zeros_like(outside), np.zeros(model.n_nodes)
    for node, other in ((child, parent), (parent, child)):
        np.add.at(total, node, g[:, None] * outside[other])
        np.add.at(coupling, node, g)
    branch &= coupling > 0.0
    outside[branch] = total[branch] / coupling[branch, None]
    return of_voltages(model, outside)
