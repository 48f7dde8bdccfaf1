"""A head of four spheres: against what is known on paper, and against LFPykit's own example."""

import numpy as np
import pytest

from isocortex.cells.head import Head
from isocortex.errors import ConfigError

RADII = (79000.0, 80000.0, 85000.0, 90000.0)
NOWHERE = np.zeros(3)


def directions(n, seed=1):
    found = np.random.default_rng(seed).normal(size=(n, 3))
    return found / np.linalg.norm(found, axis=1)[:, None]


def test_the_example_in_lfpykits_documentation():
    """Its series ends where terms fall below 2e-8 of the sum."""
    electrodes = np.array([[0.0, 0.0, 90000.0], [0.0, 85000.0, 0.0]])
    field = Head(NOWHERE, RADII).lead_field(np.array([[0.0, 0.0, 78000.0]]), electrodes)
    found = field[:, 0] @ [10.0, 10.0, 10.0]
    np.testing.assert_allclose(found, [1.06247669e-08, 2.39290752e-10], rtol=2e-6)


def test_in_one_even_sphere_the_potential_on_its_surface_is_known_in_closed_form():
    """The potential of a source, of which that of a dipole is the gradient at its place."""
    radius, sigma = 6000.0, 0.3
    head = Head(NOWHERE, (4000.0, 4500.0, 5000.0, radius), (sigma,) * 4)
    places, electrodes = directions(6) * 3000.0, directions(5, 2) * radius

    def source(place, electrode):  # nA -> mV but for a constant
        away = np.linalg.norm(electrode - place)
        along = electrode @ place / radius
        return (2 / away - np.log((radius - along + away) / (2 * radius)) / radius) / (
            4 * np.pi * sigma
        )

    found, step = head.lead_field(places, electrodes), 1.0
    for e, electrode in enumerate(electrodes):
        for k, place in enumerate(places):
            expected = [
                (source(place + h, electrode) - source(place - h, electrode)) / (2 * step)
                for h in step * np.eye(3)
            ]
            np.testing.assert_allclose(found[e, k], expected, rtol=1e-6, atol=1e-16)


def test_close_by_in_a_large_brain_there_are_no_borders():
    place, sigma = np.array([0.0, 0.0, 10.0]), 0.4
    head = Head(NOWHERE, tuple(1e6 * r for r in RADII), (sigma, 1.5, 0.015, 0.3))
    electrodes = np.array([[0.0, 0.0, 50.0], [0.0, 60.0, 30.0]])
    away = electrodes - place
    expected = away / (4 * np.pi * sigma * np.linalg.norm(away, axis=1)[:, None] ** 3)
    np.testing.assert_allclose(head.lead_field(place[None], electrodes)[:, 0], expected, rtol=1e-6)


def test_a_head_may_lie_anywhere_and_be_of_any_size():
    """Potentials fall with the square of the size."""
    places, electrodes, moved = directions(4) * 70000.0, directions(3, 2) * 90000.0, [1e4, -3, 70]
    head = Head(NOWHERE, RADII).lead_field(places, electrodes)
    there = Head(np.array(moved), tuple(0.07 * r for r in RADII))
    found = there.lead_field(0.07 * places + moved, 0.07 * electrodes + moved)
    np.testing.assert_allclose(found, head / 0.07**2, rtol=1e-9)


def test_the_potential_goes_on_across_borders_and_adds_up_to_nothing_on_the_scalp():
    head, places = Head(NOWHERE, RADII), directions(3) * 60000.0
    toward = directions(4, 3)
    for border in RADII[:3]:
        either = [head.lead_field(places, toward * border * (1 + x)) for x in (-1e-7, 1e-7)]
        np.testing.assert_allclose(*either, rtol=1e-4, atol=1e-6 * np.abs(either[0]).max())
    height, weight = np.polynomial.legendre.leggauss(60)
    turn = 2 * np.pi * np.arange(60) / 60
    ring = np.sqrt(1 - height**2)[:, None]
    scalp = np.stack(
        [ring * np.cos(turn), ring * np.sin(turn), np.repeat(height[:, None], 60, 1)], axis=-1
    )
    field = head.lead_field(places, RADII[3] * scalp.reshape(-1, 3)).reshape(60, 60, 3, 3)
    mean = np.tensordot(weight, field.mean(axis=1), 1)
    assert np.abs(mean).max() < 1e-9 * np.abs(field).max()


def test_a_skull_that_conducts_badly_blurs_and_weakens():
    place = np.array([[0.0, 0.0, 75000.0]])
    electrodes = 90000.0 * np.array([[0.0, 0.0, 1.0], [0.0, np.sin(0.3), np.cos(0.3)]])
    above, beside = Head(NOWHERE, RADII).lead_field(place, electrodes)[:, 0, 2]
    even = Head(NOWHERE, RADII, (0.3,) * 4).lead_field(place, electrodes)[:, 0, 2]
    assert 0 < above < 0.5 * even[0]
    assert beside / above > even[1] / even[0]


def test_a_dipole_has_the_same_field_whichever_are_computed_with_it():
    """To the last bit: each rank computes its own cells."""
    rng = np.random.default_rng(1)
    places, electrodes = directions(40) * rng.uniform(3e4, 7e4, (40, 1)), directions(5, 2) * 85e3
    head, deep = Head(NOWHERE, RADII), np.flatnonzero(np.linalg.norm(places, axis=1) < 5e4)
    whole = head.lead_field(places, electrodes)
    for some in (deep, np.arange(20), np.array([3])):
        part = head.lead_field(places, electrodes, some=some)
        np.testing.assert_array_equal(part, whole[:, some])


def test_what_is_too_shallow_counts_as_a_depth():
    head, electrodes = Head(NOWHERE, RADII), directions(3) * 90000.0
    outside = np.array([[0.0, 0.0, 79500.0]])
    with pytest.raises(ConfigError, match="outside the brain"):
        head.lead_field(outside, electrodes)
    found = head.lead_field(outside, electrodes, depth=1000.0)
    np.testing.assert_allclose(
        found, head.lead_field(np.array([[0.0, 0.0, 78000.0]]), electrodes), rtol=1e-12
    )


def test_impossible_heads_and_electrodes_are_refused():
    with pytest.raises(ConfigError, match="ascending"):
        Head(NOWHERE, (4.0, 3.0, 5.0, 6.0))
    with pytest.raises(ConfigError, match="above 0"):
        Head(NOWHERE, RADII, (0.3, 1.5, 0.0, 0.3))
    head = Head(NOWHERE, RADII)
    for radius in (90001.0, 60001.0, 50000.0):  # the second needs half a million terms
        with pytest.raises(ConfigError, match=r"electrode 0 lies .* outermost cell \(60000 um,"):
            head.lead_field(np.array([[0.0, 60000.0, 0.0]]), np.array([[radius, 0.0, 0.0]]))
    with pytest.raises(ConfigError, match="minimum_distance: 79000 um are not less than the brain"):
        head.lead_field(NOWHERE[None], directions(1) * 90000.0, depth=79000.0)


def test_electrodes_on_the_scalp_of_a_mouse_may_be_rounded():
    """As contacts are in tables."""
    head, place = Head(NOWHERE, (5250.0, 5350.0, 5650.0, 6150.0)), np.array([[0.0, 4000.0, 0.0]])
    electrodes = directions(50) * 6150.0
    found = head.lead_field(place, electrodes.round(2))
    np.testing.assert_allclose(found, head.lead_field(place, electrodes), rtol=1e-3, atol=1e-12)
