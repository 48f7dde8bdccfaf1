"""Potentials outside cells beside BMTK's module ``ecp``, as stored."""

import numpy as np
from potentials_case import EVERY, GOLDEN, write_case

import isocortex as ic


def test_potentials_equal_bmtk(shared, tmp_path):
    """Synapses, channels and an electrode; a contact within a soma; each to a millionth."""
    result = ic.run(write_case(shared, tmp_path), output_dir=tmp_path / "out", progress=None)
    golden = np.loadtxt(GOLDEN, delimiter=",")
    found = result.potential("ecp").values
    assert found.shape == (1000, 8)
    largest = np.abs(golden).max(axis=0)
    assert largest[0] > 20 * largest[1] > 0  # the soma
    np.testing.assert_allclose(found[EVERY - 1 :: EVERY] / largest, golden / largest, atol=1e-6)
