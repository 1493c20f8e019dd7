"""Hardmax tokens tend to the leaders of a finite time, in both frames."""

import numpy as np
import pytest

from meanfield import limits
from particles import HardmaxAttention, simulate

I2 = np.eye(2)
TIMES = np.linspace(0.0, 6.0, 25)


def cloud(seed, n=10):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, size=(n, 2))


@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_limits_are_the_leaders(seed, rescaled):
    model = HardmaxAttention(I2, [[1.0, 0.3], [0.3, 0.8]], 0.7 * I2)
    run = simulate(model.rescaled() if rescaled else model, cloud(seed), TIMES)
    found = limits.certify(run)
    assert (found.theorem, found.status) == ("hardmax leaders", "conditional")
    assert found.phase_time < TIMES[-1]
    np.testing.assert_array_equal(found.leaders[found.leaders], found.leaders)
    last = run.position.values[-1] * (1.0 if rescaled else np.exp(-0.7 * TIMES[-1]))
    start = found.phase.positions
    shrunk = np.exp(-0.7 * (TIMES[-1] - found.phase_time))
    expected = found.limits + shrunk * (start - found.limits)
    assert np.abs(last - expected).max() < 1e-6
    assert found.bound.max() < 1e-6


def test_a_tie_at_the_start_is_waited_for():
    """Token 2 scores both leaders alike: nothing is proved while it does."""
    found = limits.certify(simulate(HardmaxAttention(I2, I2, I2), [[1.0, 1.0], [1.0, -1.0], [0.5, 0.0]], [0.0, 1.0]))
    assert found.status == "undecided"
    assert "margins of the leaders" in found.reason


def test_copies_and_tokens_without_mass_follow():
    x0 = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.2], [0.4, 0.1], [5.0, 5.0]])
    found = limits.certify(simulate(HardmaxAttention(I2, I2, I2), x0, TIMES, weights=[0.3, 0.2, 0.3, 0.2, 0.0]))
    assert found.status == "conditional"
    np.testing.assert_allclose(found.limits[[0, 1, 3, 4]], np.tile(x0[0], (4, 1)), atol=1e-6)
    assert 4 not in found.leaders


def test_other_values_are_not_covered():
    assert limits.hypotheses(HardmaxAttention(I2, I2, np.diag([1.0, 0.5]))).theorem is None
    assert limits.hypotheses(HardmaxAttention(I2, I2, -I2)).theorem is None
    assert limits.hypotheses(HardmaxAttention(I2, I2, I2).in_frame(0.5 * I2)).theorem is None
