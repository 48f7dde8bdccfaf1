"""Linear systems that states begin with, solved in the same way on every machine."""

import numpy as np


def solve(system):
    """Solve linear systems (n, k, k + 1) by elimination, with pivots, in an order of its own.

    NumPy's solver sums as the BLAS of the machine does.
    """
    each = np.arange(len(system))
    for k in range(system.shape[1]):
        pivot = k + np.abs(system[:, k:, k]).argmax(axis=1)
        system[each, k], system[each, pivot] = system[each, pivot], system[each, k]
        factor = system[:, :, k] / system[:, k, k, None]
        factor[:, k] = 0.0
        system -= factor[:, :, None] * system[:, k, None, :]
    return system[:, :, -1] / np.diagonal(system, axis1=1, axis2=2)


def solved(equations, k):
    """The k numbers at which k linear functions of them are 0, of every compartment.

    ``equations`` returns what its functions come to at k numbers, for all compartments at once.
    """
    at_zero = np.broadcast_arrays(*map(np.atleast_1d, equations(*np.zeros(k))))
    columns = [equations(*unit) for unit in np.eye(k)]
    system = np.empty((len(at_zero[0]), k, k + 1))
    for row, offset in enumerate(at_zero):
        for column in range(k):
            system[:, row, column] = columns[column][row] - offset
        system[:, row, k] = -offset
    return tuple(solve(system).T)
