"""Potentials outside cells: current source density, spectra by depth, dipole moments."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isocortex.analysis.rates import spectrum
from isocortex.arrays import FloatArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.extracellular import CONDUCTIVITY, membrane_currents

#: mV S/m per um2, and mV S/m per um times um, in uA/mm3.
DENSITY = 1e6


def depths(position: ArrayLike) -> FloatArray:
    """float64[contacts], um along a straight probe from its first contact; position[contacts, 3].

    Beside the line contacts may be by a twentieth of its length, as on probes of two columns.

    Raises
    ------
    ValueError : the contacts lie on no straight line, one after the other.
    """
    away = np.asarray(position, np.float64) - np.asarray(position, np.float64)[0]
    length = float(np.linalg.norm(away[-1]))
    axis = away[-1] / max(length, 1e-9)
    along = away @ axis
    beside = np.linalg.norm(away - along[:, None] * axis, axis=1)
    if (np.diff(along) <= 0).any() or beside.max() > 0.05 * length:
        raise ValueError("contacts of a probe lie on a line, one after the other")
    return along


def current_source_density(
    potential: ArrayLike, depth: ArrayLike, conductivity: float = CONDUCTIVITY
) -> FloatArray:
    """Current source density, uA/mm3: minus the conductivity times the second derivative.

    It takes all that happens to happen in layers that are much wider than the probe is long
    (Nicholson & Freeman 1975, doi:10.1152/jn.1975.38.2.356). Sinks are negative.

    Parameters
    ----------
    potential : float[samples, contacts], mV.
    depth : float[contacts], um, evenly spaced.
    conductivity : S/m.

    Returns
    -------
    float64[samples, contacts - 2], of all contacts but the first and the last.
    """
    values, step = np.asarray(potential, np.float64), _spacing(depth)
    return -DENSITY * conductivity * np.diff(values, n=2, axis=1) / step**2


def inverse_source_density(
    potential: ArrayLike,
    depth: ArrayLike,
    radius: float,
    conductivity: float = CONDUCTIVITY,
) -> FloatArray:
    """Current source density, uA/mm3, of thin discs about the probe (delta-source iCSD).

    Every contact is the middle of a disc of evenly spread current; the currents are those that
    give the potentials (Pettersen et al. 2006, doi:10.1016/j.jneumeth.2005.12.005).

    Parameters
    ----------
    potential, depth, conductivity : see :func:`current_source_density`.
    radius : of the discs, um; that of the column that is active.

    Returns
    -------
    float64[samples, contacts].
    """
    values, step = np.asarray(potential, np.float64), _spacing(depth)
    away = np.abs(np.subtract.outer(np.asarray(depth, float), np.asarray(depth, float)))
    # mV per uA/mm3 of a disc as thick as the contacts are apart
    forward = step / (2.0 * conductivity) * (np.hypot(away, radius) - away) / DENSITY
    return np.linalg.solve(forward, values.T).T


def _spacing(depth: ArrayLike) -> float:
    steps = np.diff(np.asarray(depth, np.float64))
    if len(steps) < 2 or np.ptp(steps) > 0.01 * abs(steps.mean()):
        raise ValueError("a source density needs three or more evenly spaced contacts")
    return float(steps.mean())


def spectra_by_contact(
    potential: ArrayLike, dt: float, segment: float = 500.0
) -> tuple[NDArray[np.float64], FloatArray]:
    """One-sided power spectral density at every contact, by Welch's method.

    Parameters
    ----------
    potential : float[samples, contacts], mV.
    dt : ms.
    segment : ms, of the half-overlapping segments; the resolution is 1.5 / segment.

    Returns
    -------
    frequency : float64[frequencies], Hz.
    power : float64[frequencies, contacts], mV^2 / Hz.
    """
    values = np.asarray(potential, np.float64)
    found = [spectrum(column, dt, max(int(segment / dt), 2)) for column in values.T]
    return found[0][0], np.column_stack([power for _, power in found])


def dipole_moment(
    model: CompiledCell, voltages: ArrayLike, start: FloatArray, end: FloatArray
) -> FloatArray:
    """Current dipole moment of a cell, nA um: membrane currents times where they are.

    Where an electrode injects current there is none: a cell has a moment of its own only if its
    membrane currents add up to nothing.

    Parameters
    ----------
    voltages : float[samples, n_nodes], mV.
    start, end : float64[n_nodes, 3], um, see :func:`isocortex.cells.extracellular.placed`.

    Returns
    -------
    float64[samples, 3].
    """
    middle = 0.5 * (start + end)
    current = membrane_currents(model, np.asarray(voltages, np.float64))
    return current @ (middle - middle[model.soma])
