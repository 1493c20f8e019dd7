"""Attraction against double loops and its energy; the mean rate of the spread with noise at finite n."""

import numpy as np
import pytest
from oracles.naive import pulled
from pair_models import assert_acts_on_any_point, assert_the_double_loop
from samples import tokens

from meanfield.analysis.energies import attraction_energy, diameter
from particles import (
    RK4,
    Diffusion,
    EmpiricalMeasure,
    EulerMaruyama,
    LogAttraction,
    PowerAttraction,
    simulate,
)
from particles.models.aggregation import Attraction

CASES = {
    "power 0.5": (PowerAttraction(0.5), pulled(lambda s: s**-0.75, False)),
    "power 1": (PowerAttraction(1), pulled(lambda s: s**-0.5, False)),
    "power 2": (PowerAttraction(2.0), pulled(lambda s: 1.0, False)),
    "power 3": (PowerAttraction(3.0), pulled(lambda s: s**0.5, False)),
    "power 4": (PowerAttraction(4), pulled(lambda s: s, False)),
    "logarithm": (LogAttraction(0.7), pulled(lambda s: 0.7 / s, False)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("n", "d"), [(23, 1), (30, 2), (19, 3)])
def test_the_field_is_the_double_loop(name, n, d):
    assert_the_double_loop(*CASES[name], n, d)


@pytest.mark.parametrize("name", CASES)
def test_the_field_acts_on_any_point(name):
    assert_acts_on_any_point(CASES[name][0])


def test_noise_adds_2dD_times_n_minus_1_over_n_to_the_spread():
    n, d, D, chi, T, runs = 3, 2, 0.5, 0.1, 0.2, 4000
    x0 = np.broadcast_to([[3.0, 0.0], [0.0, 3.0], [-3.0, -3.0]], (runs, n, d))
    ds = simulate(LogAttraction(chi) + Diffusion(D), x0, [0.0, T], EulerMaruyama(0.02), rng=5)
    x = ds.position.values
    spread = np.mean(np.sum((x - x.mean(axis=2, keepdims=True)) ** 2, axis=3), axis=2)
    gained = spread[:, 1] - spread[:, 0]
    expected = T * (2 * d * D - chi) * (n - 1) / n
    error = gained.std() / np.sqrt(runs)
    # The bound tells the factor (n − 1)/n from 1.
    assert 4 * error < 2 * d * D * T / n
    assert abs(gained.mean() - expected) < 4 * error + 1e-3


def test_fast_sums_agree_with_the_pairs_they_replace():
    x, w = tokens(200, 1, seed=3)
    x[50:60] = x[50]
    for p in (1.0, 2.0, 4.0):
        model = PowerAttraction(p)
        pairs = Attraction.velocity(model, 0.0, x, EmpiricalMeasure(x, w))
        np.testing.assert_allclose(model.particle_velocity(0.0, x, w), pairs, rtol=1e-12, atol=1e-13)
    assert len(np.unique(PowerAttraction(1).particle_velocity(0.0, x, w)[50:60])) == 1


@pytest.mark.parametrize("model", [PowerAttraction(1.5), PowerAttraction(3.0), PowerAttraction(4), LogAttraction(0.5)])
def test_attraction_lowers_its_energy_and_keeps_its_centre(model):
    x0, w = tokens(10, 2, seed=12)
    ds = simulate(model, x0, np.linspace(0, 0.05, 6), RK4(dt=1e-3), weights=w)
    x = ds.position.values
    assert (np.diff(attraction_energy(model, x, w)) < 0).all()
    assert (np.diff(diameter(x)) <= 0).all()
    np.testing.assert_allclose(w @ x, np.broadcast_to(w @ x0, (6, 2)), atol=1e-13)
    velocity = model.particle_velocity(0.0, x0, w)
    h = 1e-6
    slope = (attraction_energy(model, x0 + h * velocity, w) - attraction_energy(model, x0 - h * velocity, w)) / (2 * h)
    np.testing.assert_allclose(slope, -w @ np.sum(velocity**2, axis=1), rtol=1e-6)
