"""Compare compiled cells with NEURON's trees."""

from __future__ import annotations

import numpy as np


def laplacian(parent, conductance):
    """Conductance matrix of a tree; ``parent`` is -1 at the root, whose conductance is ignored."""
    matrix = np.zeros((len(parent),) * 2)
    child = np.flatnonzero(np.asarray(parent) >= 0)
    for a, b, g in zip(child, np.asarray(parent)[child], conductance[child], strict=True):
        matrix[[a, b], [a, b]] += g
        matrix[[a, b], [b, a]] -= g
    return matrix


def between(matrix, kept):
    """Conductances between the kept nodes once the others, which have no membrane, are removed."""
    other = np.setdiff1d(np.arange(len(matrix)), kept)
    inner = matrix[np.ix_(kept, kept)]
    if len(other) == 0:
        return inner
    across = matrix[np.ix_(kept, other)]
    return inner - across @ np.linalg.solve(matrix[np.ix_(other, other)], across.T)


def assert_same_coupling(cell, parent, resistance, compartments, rtol=1e-6):
    """Compare the conductances between compartments, in SONATA order.

    Parameters
    ----------
    parent, resistance : NEURON's nodes, -1 at the root, MOhm.
    compartments : NEURON's node of each compartment.
    """
    with np.errstate(divide="ignore"):
        expected = between(laplacian(parent, 1.0 / np.asarray(resistance)), compartments)
    got = between(laplacian(cell.parent, cell.g_axial), cell.compartments)
    # conductances far below their neighbours' are rounding errors of the elimination
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.diag(got), np.diag(expected), rtol=rtol)
    np.testing.assert_array_less(np.abs(got - expected), rtol * np.abs(expected) + 1e-10 * scale)
