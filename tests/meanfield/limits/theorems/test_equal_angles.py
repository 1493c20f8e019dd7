"""Exit times of equiangular tokens hold those of the equation itself; their common limit is the mean."""

import mpmath
import numpy as np
import pytest
from oracles.tokens import equiangular_cosine

from meanfield import limits
from particles import SelfAttention, simulate
from particles.errors import InvalidInput


def equiangular(n, gamma):
    """n unit vectors of R^n with inner products γ."""
    root = np.linalg.cholesky((1 - gamma) * np.eye(n) + gamma * np.ones((n, n)))
    return root / np.linalg.norm(root, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("n", "beta", "start", "end"),
    [(2, 0.0, -0.9, 0.9), (5, 1.0, -0.2, 0.99), (30, 9.0, 0.0, 0.5), (3, 60.0, 0.1, 0.11)],
)
def test_exit_times_hold_the_integral_in_thirty_digits(n, beta, start, end):
    mpmath.mp.dps = 30

    def slowness(g):
        return (mpmath.exp(beta * (1 - g)) + n - 1) / (2 * (1 - g) * (1 + (n - 1) * g))

    truth = mpmath.quad(slowness, mpmath.linspace(mpmath.mpf(start), mpmath.mpf(end), 9))
    lower, upper = limits.exit_time(n, beta, start, end)
    assert lower < truth < upper
    assert upper - lower <= 4e-16 * upper
    half = limits.exit_time(n, beta, start, end, value=2.0)
    assert half[0] < truth / 2 < half[1]


def test_exit_times_near_the_ends_and_for_large_beta():
    lower, upper = limits.exit_time(4, 200.0, 0.9, 0.999)
    assert 0.0 < lower < upper < lower * (1 + 1e-15)
    near = -1 / 3 + 1e-15
    assert limits.exit_time(4, 300.0, near, 0.0)[0] > limits.exit_time(4, 300.0, -0.33, 0.0)[1]
    assert limits.exit_time(4, 2.0, 0.5, 0.5)[1] < 1e-25


def test_the_cosine_at_the_exit_time_is_the_level():
    lower, _ = limits.exit_time(4, 2.0, 0.1, 0.9)
    assert equiangular_cosine(4, 0.1, 2.0, lower) == pytest.approx(0.9, abs=1e-12)


def test_a_run_has_its_limit_and_its_exit_times():
    x0 = equiangular(4, 0.2)
    model = SelfAttention(np.eye(4), 2.0 * np.eye(4), 0.5 * np.eye(4)).on_sphere()
    run = simulate(model, x0, np.linspace(0.0, 30.0, 31))
    found = limits.certify(run)
    assert (found.theorem, found.status) == ("equal angles", "conditional")
    assert found.distance[-1] < 1e-4
    level, lower, _ = found.limit_set.exits[0]
    at_exit = simulate(model, x0, [0.0, lower]).position.values[-1]
    assert (at_exit @ at_exit.T)[0, 1] == pytest.approx(level, abs=1e-6)
    assert "cosines 0.9 at t = " in str(found.limit_set)


def test_angles_that_differ_are_left_to_the_hemisphere():
    x0 = equiangular(4, 0.2)
    x0[0] = x0[1]
    found = limits.certify(simulate(SelfAttention(np.eye(4), np.eye(4), np.eye(4)).on_sphere(), x0, [0.0, 1.0]))
    assert found.theorem == "open hemisphere"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 1.0, 0.0, 0.5), "n"),
        ((3, -1.0, 0.0, 0.5), "beta"),
        ((3, 501.0, 0.0, 0.5), "beta"),
        ((3, 1.0, -0.5, 0.5), "start"),
        ((3, 1.0, 0.6, 0.5), "start"),
        ((3, 1.0, 0.6, 1.0), "start"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        limits.exit_time(*arguments)


def test_masses_that_differ_are_left_to_the_hemisphere():
    model = SelfAttention(*[np.eye(3)] * 3).on_sphere()
    for weights, name in (([1 / 3] * 3, "equal angles"), ([0.2, 0.3, 0.5], "open hemisphere")):
        found = limits.certify(simulate(model, equiangular(3, 0.3), [0.0, 1.0], weights=weights))
        assert found.theorem == name
