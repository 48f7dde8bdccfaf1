"""Potentials outside cells, against integrals and conservation of current."""

import numpy as np
import pytest
from neurons import cable, random_tree

import isocortex as ic
from isocortex.cells.extracellular import (
    CONDUCTIVITY,
    membrane_currents,
    of_voltages,
    placed,
    rotation,
    towards,
    transfer_resistances,
)


def integral(start, end, contact, n=200_000):
    """Potential of a line of 1 nA as a sum over points, mV."""
    points = start + (np.arange(n)[:, None] + 0.5) / n * (end - start)
    return np.mean(1.0 / np.linalg.norm(points - contact, axis=1)) / (4 * np.pi * CONDUCTIVITY)


@pytest.mark.parametrize("contact", [[3.0, 10.0, 4.0], [200.0, -50.0, 3.0], [0.5, 40.0, 0.0]])
def test_a_line_is_the_integral_over_its_points(contact):
    start, end, contact = np.array([1.0, -5.0, 2.0]), np.array([4.0, 25.0, -3.0]), np.array(contact)
    found = transfer_resistances(start[None], end[None], contact[None])
    np.testing.assert_allclose(found, integral(start, end, contact), rtol=1e-8)


def test_on_the_axis_of_a_line():
    """Beyond its end it is a logarithm; within it infinite, unless the axis is kept away from."""
    start, end = np.zeros((1, 3)), np.array([[0.0, 10.0, 0.0]])
    beyond = transfer_resistances(start, end, np.array([[0.0, 30.0, 0.0], [0.0, -20.0, 0.0]]))
    expected = np.log(30.0 / 20.0) / 10.0 / (4 * np.pi * CONDUCTIVITY)
    np.testing.assert_allclose(beyond, expected, rtol=1e-12)
    inside = np.array([[0.0, 4.0, 0.0]])
    assert np.isinf(transfer_resistances(start, end, inside))
    near = transfer_resistances(start, end, inside, 2.0)
    np.testing.assert_allclose(
        near, transfer_resistances(start, end, inside + [2.0, 0.0, 0.0]), rtol=1e-12
    )


def test_far_away_a_line_is_a_point_and_no_line_gives_nothing():
    ends = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), np.array([[0.0, 5.0, 0.0], [0.0] * 3])
    found = transfer_resistances(*ends, np.array([[3000.0, 4000.0, 0.0]]))
    np.testing.assert_allclose(found[0, 0], 1 / (4 * np.pi * CONDUCTIVITY * 5000.0), rtol=1e-3)
    assert found[0, 1] == 0.0


def test_membrane_currents_of_a_cell_add_up_to_nothing():
    model = random_tree(3)
    v = np.random.default_rng(0).normal(-70.0, 5.0, (4, model.n_nodes))
    current = membrane_currents(model, v)
    assert np.abs(current).max() > 1e-3
    np.testing.assert_allclose(current.sum(axis=1), 0.0, atol=1e-12)


def test_membrane_currents_of_a_cable_are_second_differences():
    model = cable(5, 100.0, 1.0)
    v = np.array([-70.0, -60.0, -65.0, -64.0, -70.0])
    between = model.g_axial[1:] * np.diff(v)
    expected = np.diff(np.concatenate([[0.0], between, [0.0]]))
    np.testing.assert_allclose(membrane_currents(model, v[None])[0], expected, rtol=1e-12)


def test_two_compartments_are_a_dipole():
    """Far away: p cos(angle) / (4 pi sigma r^2), with p the current times the distance."""
    model = cable(2, 40.0, 1.0)
    start = np.array([[0.0, -20.0, 0.0], [0.0, 0.0, 0.0]])
    end = start + [0.0, 20.0, 0.0]
    v = np.array([-60.0, -70.0])
    current = membrane_currents(model, v[None])[0]
    assert current[0] < 0 < current[1]
    dipole = current @ (0.5 * (start + end))
    r, angle = 2000.0, 0.7
    contact = r * np.array([[np.sin(angle), np.cos(angle), 0.0]])
    found = transfer_resistances(start, end, contact) @ current
    expected = dipole[1] * np.cos(angle) / (4 * np.pi * CONDUCTIVITY * r**2)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_weights_on_voltages_are_those_on_currents():
    model = random_tree(5)
    rng = np.random.default_rng(1)
    weight, v = rng.normal(size=(model.n_nodes, 3)), rng.normal(-70.0, 9.0, (6, model.n_nodes))
    np.testing.assert_allclose(
        v @ of_voltages(model, weight), membrane_currents(model, v) @ weight, rtol=1e-10
    )


def test_turns():
    """About z first, then y, then x; each against the clock seen from the axis's end."""
    quarter = np.pi / 2
    np.testing.assert_allclose(rotation(0, 0, quarter) @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(rotation(quarter, 0, 0) @ [0, 1, 0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(rotation(0, quarter, 0) @ [0, 0, 1], [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(
        rotation(0.1, 0.2, 0.3), rotation(0.1, 0, 0) @ rotation(0, 0.2, 0) @ rotation(0, 0, 0.3)
    )


def test_apical_dendrites_point_to_the_pia():
    model, normal = ic.cell("472363762"), np.array([0.36, -0.48, 0.8])
    for twist in (0.0, 2.0):
        turn = towards(model, normal, twist)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1.0)
        start, end = placed(model, np.array([5.0, 6.0, 7.0]), turn)
        apical = model.section_type == 4
        middle = np.average(end[apical], axis=0, weights=model.length[apical]) - [5.0, 6.0, 7.0]
        assert middle @ normal > 0.9 * np.linalg.norm(middle) > 50.0
        np.testing.assert_allclose((start[model.soma] + end[model.soma]) / 2, [5, 6, 7], atol=1e-3)
