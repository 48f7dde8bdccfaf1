"""Source densities, spectra and dipoles of potentials that are known."""

import numpy as np
import pytest
from neurons import cable, random_tree

import isocortex as ic
from isocortex.analysis.potentials import (
    current_source_density,
    depths,
    dipole_moment,
    inverse_source_density,
    spectra_by_contact,
)
from isocortex.cells.extracellular import CONDUCTIVITY, of_voltages, transfer_resistances

DEPTH = np.arange(0.0, 1000.0, 50.0)


def disc(depth, at, radius, current):
    """Potential (mV) on the axis of a disc of ``current`` nA, as a sum over rings."""
    r = (np.arange(100_000) + 0.5) / 100_000 * radius
    share = 2 * r / radius**2 * (radius / 100_000)
    return np.array(
        [current * np.sum(share / np.hypot(r, z - at)) / (4 * np.pi * CONDUCTIVITY) for z in depth]
    )


def test_a_parabola_has_one_source_density():
    """phi = -a z^2 / 2 has the density sigma a: 1 mV over 100 um is a lot."""
    potential = -0.5 * 1e-4 * DEPTH[None] ** 2  # mV, a in mV / um^2
    expected = 0.3 * 1e-4 * 1e-3 / 1e-12 * 1e-3  # V / m^2 S/m = A / m^3, in uA/mm^3
    found = current_source_density(potential, DEPTH)
    assert found.shape == (1, len(DEPTH) - 2)
    np.testing.assert_allclose(found, expected)


def test_discs_are_found_again():
    radius, currents = 250.0, {4: -20.0, 9: 15.0, 10: 5.0}  # nA
    potential = sum(disc(DEPTH, DEPTH[k], radius, nA) for k, nA in currents.items())
    found = inverse_source_density(potential[None], DEPTH, radius)[0]
    expected = np.zeros(len(DEPTH))
    for k, nA in currents.items():
        expected[k] = 1e-3 * nA / (np.pi * radius**2 * 50.0 * 1e-9)  # uA / mm^3
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_wide_discs_are_found_by_the_standard_density_too():
    wide = inverse_source_density(np.sin(DEPTH / 150.0)[None], DEPTH, 1e7)[0, 1:-1]
    standard = current_source_density(np.sin(DEPTH / 150.0)[None], DEPTH)[0]
    np.testing.assert_allclose(wide, standard, rtol=1e-3)


def test_depths_are_along_the_probe():
    line = np.array([5.0, 6.0, 7.0]) + DEPTH[:, None] * [0.6, 0.0, -0.8]
    np.testing.assert_allclose(depths(line), DEPTH, atol=1e-9)
    with pytest.raises(ValueError, match="line"):
        depths(line[[0, 2, 1, 3]])
    with pytest.raises(ValueError, match="line"):
        depths(line + np.sin(DEPTH)[:, None] * [200.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="evenly"):
        current_source_density(np.zeros((3, 4)), [0.0, 50.0, 150.0, 200.0])


def test_a_sine_has_a_peak_of_its_own_power():
    dt, t = 0.5, np.arange(0.0, 4000.0, 0.5)
    potential = np.column_stack([2.0 * np.sin(2 * np.pi * 0.04 * t), np.zeros(len(t))])
    frequency, power = spectra_by_contact(potential, dt)
    assert frequency[np.argmax(power[:, 0])] == 40.0
    np.testing.assert_allclose(power[:, 0].sum() * frequency[1], 2.0, rtol=0.01)  # the variance
    assert not power[:, 1].any()


def test_the_dipole_of_two_compartments_and_of_any_origin():
    model = cable(2, 40.0, 1.0)
    start = np.array([[0.0, -20.0, 0.0], [0.0, 0.0, 0.0]])
    end = start + [0.0, 20.0, 0.0]
    moment = dipole_moment(model, [[-60.0, -70.0]], start, end)
    flow = model.g_axial[1] * 10.0  # nA up the cable, out through the upper membrane
    np.testing.assert_allclose(moment, [[0.0, flow * 20.0, 0.0]], rtol=1e-12)
    np.testing.assert_allclose(
        dipole_moment(model, [[-60.0, -70.0]], start + 1e4, end + 1e4), moment, atol=1e-9
    )


def test_a_cell_is_its_dipole_from_far_away():
    model = ic.cell("472363762")
    v = -70.0 + 10.0 * np.exp(-np.linalg.norm(model.end - model.end[20], axis=1) / 100.0)
    axial, bare = of_voltages(model, np.eye(model.n_nodes)), model.area == 0  # no current leaves
    v[bare] = np.linalg.solve(axial[np.ix_(bare, bare)], -axial[np.ix_(bare, ~bare)] @ v[~bare])
    contact = np.array([[30_000.0, 40_000.0, -20_000.0]])
    weight = of_voltages(model, transfer_resistances(model.start, model.end, contact).T)
    moment = dipole_moment(model, v[None], model.start, model.end)[0]
    soma = 0.5 * (model.start + model.end)[model.soma]
    away = contact[0] - soma
    expected = moment @ away / np.linalg.norm(away) ** 3 / (4 * np.pi * CONDUCTIVITY)
    np.testing.assert_allclose(v @ weight, expected, rtol=0.03)


def test_no_axial_current_no_moment():
    model = random_tree(2)
    start = np.random.default_rng(0).normal(size=(model.n_nodes, 3))
    still = np.full((2, model.n_nodes), -70.0)
    np.testing.assert_allclose(dipole_moment(model, still, start, start + 1.0), 0.0, atol=1e-9)
