"""The cable's text as plain Python, rows of one lane, against the equations written as a matrix."""

from types import SimpleNamespace

import numpy as np
import pytest
from neurons import random_tree

from isocortex.engine import cable
from isocortex.engine.layout.arrays import KineticsTable


def _layout(model, diagonal, gathers):
    """What the text asks of a block of one cell, whose every node is set up anew."""
    leakage = 1e-2 * model.g_pas * model.area
    coupling = np.where(np.arange(model.n_nodes) == 0, 0.0, model.g_axial)
    columns = {
        cable.DIAGONAL: diagonal, cable.LEAK: leakage * model.e_pas, cable.LEAKAGE: leakage,
        cable.COUPLING: coupling, cable.INVERSE: diagonal, cable.FACTOR: diagonal,
    }  # fmt: skip
    parent = np.maximum(model.parent, 0).astype(np.int64)
    word = (parent << cable.PARENT_SHIFT) + gathers * cable.GATHERS
    word[1:] += (parent[1:] != np.arange(model.n_nodes - 1)) * cable.BRANCHES
    number = np.array([columns[k] for k in sorted(columns)]).T.ravel()
    return SimpleNamespace(node=word, coefficient=number, row_kind=np.zeros(0, int))


@pytest.mark.parametrize("extrapolate", [1.0, 2.0])
def test_the_text_runs_as_it_stands_and_solves_the_cable(extrapolate):
    model = random_tree(4, 15, ())
    n, rng = model.n_nodes, np.random.default_rng(0)
    leakage = 1e-2 * model.g_pas * model.area
    total = leakage + rng.uniform(0.01, 0.1, n)
    matrix, axial, v = np.diag(total), np.zeros(n), rng.uniform(-90.0, -50.0, n)
    for i in range(1, n):
        a, p = model.g_axial[i], model.parent[i]
        matrix[[i, p], [i, p]] += a
        matrix[[i, p], [p, i]] -= a
        axial[[i, p]] += a * (v[p] - v[i]) * np.array([1.0, -1.0])
    x = np.linalg.solve(matrix, leakage * (model.e_pas - v) + axial)

    gathers = np.zeros(n, np.int64)
    children = np.flatnonzero(model.parent[1:] != np.arange(n - 1)) + 1
    gathers[model.parent[children]] = 1
    layout = _layout(model, np.diag(matrix), gathers)
    V, D, R, none = v.copy(), np.zeros(n), np.zeros(n), np.zeros(0)
    block = (0, n, 0, 0, 0, 0, 0, 1)
    solution = (V if extrapolate == 1.0 else R, 0)
    kinetics = KineticsTable(none, 0, 0, np.zeros(1, np.int64))
    cable.eliminate(V, (D, R), solution, (none, none), block, layout, kinetics, 0)
    cable.substitute(V, D, solution, block, layout, extrapolate)
    np.testing.assert_allclose(V, v + extrapolate * x, rtol=1e-12)
