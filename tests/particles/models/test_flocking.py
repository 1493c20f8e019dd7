"""Flocking against double loops, first integrals and the polarisation where all see all."""

import numpy as np
import pytest
from samples import tokens
from scipy.integrate import quad

from meanfield.analysis.energies import diameter, kinetic_energy
from particles import (
    CuckerSmale,
    EmpiricalMeasure,
    Vicsek,
    simulate,
)
from particles.errors import InvalidInput
from particles.fields.field import VelocityField
from particles.models.flocking import PeriodicSquare, polarisation


def test_cucker_smale_is_the_double_loop():
    z, w = tokens(9, 4, seed=6)
    expected = np.zeros_like(z)
    for i in range(9):
        expected[i, :2] = z[i, 2:]
        for j in range(9):
            psi = (1 + np.sum((z[i, :2] - z[j, :2]) ** 2)) ** -0.7
            expected[i, 2:] += 1.3 * w[j] * psi * (z[j, 2:] - z[i, 2:])
    model = CuckerSmale(0.7, 1.3)
    np.testing.assert_allclose(model.particle_velocity(0.0, z, w), expected, rtol=1e-13, atol=1e-15)
    mu = EmpiricalMeasure(z, w)
    np.testing.assert_allclose(model.divergence(0.0, z, mu), VelocityField.divergence(model, 0.0, z, mu), atol=1e-8)
    with pytest.raises(InvalidInput, match="even"):
        simulate(model, np.zeros((4, 3)), [0.0, 1.0])


def test_cucker_smale_keeps_its_mean_velocity_and_loses_kinetic_energy():
    z, w = tokens(12, 4, seed=7)
    ds = simulate(CuckerSmale(0.4, 2.0), z, np.linspace(0, 8, 33), weights=w)
    x = ds.position.values
    np.testing.assert_allclose(w @ x[:, :, 2:], np.broadcast_to(w @ z[:, 2:], (33, 2)), atol=1e-9)
    energy = kinetic_energy(x, w)
    assert (np.diff(energy) < 0).all()
    assert (np.diff(diameter(x[:, :, 2:])) <= 1e-9).all()
    assert energy[-1] < 1e-4 * energy[0]


@pytest.mark.parametrize("beta", [0.3, 0.5, 1.0, 2.0])
def test_two_birds_on_a_line_keep_their_first_integral(beta):
    z0 = np.array([[0.3, 1.1], [0.0, -0.4]])
    x = simulate(CuckerSmale(beta, 1.4), z0, np.linspace(0, 4, 9)).position.values
    gap, speed = (x[:, 0] - x[:, 1]).T
    integral = np.array([quad(lambda r: (1 + r * r) ** -beta, 0, g, epsabs=1e-13)[0] for g in gap])
    np.testing.assert_allclose(speed + 1.4 * integral, speed[0] + 1.4 * integral[0], rtol=1e-8)


def test_vicsek_step_is_the_double_loop_in_the_periodic_box():
    rng = np.random.default_rng(0)
    n, box, radius = 60, 2.0, 0.35
    x = np.column_stack([rng.uniform(0, box, (n, 2)), rng.uniform(-3, 3, n)])
    w = rng.dirichlet(np.ones(n))
    expected = np.zeros_like(x)
    for i in range(n):
        total = 0j
        for j in range(n):
            gap = np.abs(x[i, :2] - x[j, :2])
            gap = np.minimum(gap, box - gap)
            total += w[j] * np.exp(1j * x[j, 2]) * (gap @ gap <= radius**2)
        expected[i, :2] = (x[i, :2] + 0.1 * np.array([np.cos(x[i, 2]), np.sin(x[i, 2])])) % box
        expected[i, 2] = np.angle(total)
    got = Vicsek(radius, 0.0, 0.1, box).step(0, x, w, np.random.default_rng(1))
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("noise", [0.5, 2.0, 4.0, 6.0])
def test_vicsek_polarisation_when_all_see_all(noise):
    n = 40_000
    x0 = np.column_stack([np.random.default_rng(4).random((n, 2)), np.zeros(n)])
    ds = simulate(Vicsek(2.0, noise, 0.01), x0, [0, 1, 2, 3], rng=8)
    order = polarisation(ds.position.values[1:, :, 2], ds.weight.values)
    # The standard error of a mean of n unit vectors is at most n^{-1/2} = 0.005.
    np.testing.assert_allclose(order, np.sin(noise / 2) / (noise / 2), atol=0.015)
    assert ((ds.position[..., :2] >= 0) & (ds.position[..., :2] < 1)).all()
    again = simulate(Vicsek(2.0, noise, 0.01), x0, [0, 1, 2, 3], rng=8)
    np.testing.assert_array_equal(ds.position, again.position)
    with pytest.raises(InvalidInput, match="periodic box"):
        simulate(Vicsek(0.1, noise, 0.01), x0 + 1, [0, 1], rng=0)


@pytest.mark.parametrize("coordinates", [2, 4])
def test_a_state_has_two_coordinates_of_place_and_a_heading(coordinates):
    space = PeriodicSquare((1.0, 1.0, 2.0 * np.pi))
    space.check(np.zeros((5, 3)))
    with pytest.raises(InvalidInput):
        space.check(np.zeros((5, coordinates)))
