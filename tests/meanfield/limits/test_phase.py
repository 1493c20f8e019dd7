"""From the leader phase on the run is in closed form."""

import numpy as np
import pytest
from certified import TIMES, random_points

from meanfield import limits
from meanfield.limits.phase import least_on_unit_interval
from particles import SelfAttention, simulate

I2 = np.eye(2)


def test_closed_form_from_the_phase_on_reproduces_the_run():
    x0 = random_points(7, 25, 2)
    ds = simulate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled(), x0, TIMES)
    found = limits.certify(ds)
    start = ds.position.sel(time=found.phase_time).values
    for t in TIMES[found.phase_time <= TIMES]:
        expected = found.limits + np.exp(found.phase_time - t) * (start - found.limits)
        np.testing.assert_allclose(ds.position.sel(time=t).values, expected, atol=2e-8)


def test_bounds_of_points_are_those_of_the_phase_carried_back():
    """V > 0: |z − limit| ≤ ‖e^{−t₀V}‖ (ε + δ), the flow backward in time."""
    V = np.diag([1.0, 0.6])
    x0 = np.random.default_rng(8).uniform(-1.0, 1.0, size=(20, 2))
    found = limits.certify(simulate(SelfAttention(I2, I2, V), x0, np.linspace(0, 12, 49)))
    off = found.phase.error + found.phase.drift
    assert found.bound == pytest.approx(np.exp(-0.6 * found.phase_time) * off, rel=1e-12)


def test_the_least_of_a_parabola_on_the_unit_interval():
    """Against many points of the interval: open upwards and downwards, the vertex inside, outside and beyond 1."""
    rng = np.random.default_rng(0)
    alpha, beta, gamma = rng.normal(size=(3, 400)) * [[1.0], [3.0], [2.0]]
    gamma[:20] = 0.0
    s = np.linspace(0.0, 1.0, 2001)[:, None]
    values = alpha + beta * s + gamma * s**2
    np.testing.assert_allclose(least_on_unit_interval(alpha, beta, gamma), values.min(axis=0), atol=1e-6)
