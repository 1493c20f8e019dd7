"""From the leader phase on the run is in closed form."""

import numpy as np
import pytest
from certified import TIMES, random_points

from meanfield import limits
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
