"""Adaptive on closed forms: tolerances kept token by token, whatever the save times."""

import numpy as np
import pytest
from oracles import gaussian, linear_attention
from oracles.closed_forms import CASES, I2, error
from scipy.integrate import DOP853
from user_fields import LinearAttention, Spin

from particles import Adaptive, SelfAttention, VelocityField, simulate
from particles.errors import OutOfRange


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_adaptive_on_closed_forms(case):
    assert error(case, Adaptive(1e-10, 1e-12)) < 5e-10


def turned(x, angle):
    """Each row of x turned by its own angle."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], axis=1)


@pytest.mark.parametrize("field", ["softmax", "linear", "spin"])
def test_adaptive_error_is_proportional_to_its_tolerance(field):
    """The worst token over six decades of tolerance; measured slopes 0.999, 1.006 and 0.994."""
    x, w = np.random.default_rng(0).uniform(-1, 1, (2000, 2)), None
    if field == "softmax":
        S0, end, model = np.array([[0.3, 0.05], [0.05, 0.1]]), 20.0, SelfAttention(I2, I2, gaussian.J)
        x, w = gaussian.nodes([0, 0], S0, 24)
        exact = gaussian.rotating_flow(x, S0, end)
    elif field == "linear":
        end, model = 60.0, LinearAttention(gaussian.J, I2)
        exact = gaussian.rotating_flow(x, linear_attention.second_moment(x), end)
    else:
        end, model = 5.0, Spin()
        exact = turned(x, (x**2).sum(axis=1) * end)
    tolerances = 10.0 ** np.arange(-4, -11, -1)
    errors = []
    for tol in tolerances:
        ds = simulate(model, x, [0, end], Adaptive(tol, tol), weights=w)
        errors.append(np.abs(ds.position.values[-1] - exact).max())
    slope = np.polyfit(np.log10(tolerances), np.log10(errors), 1)[0]
    assert 0.95 < slope < 1.05


def test_a_thousand_quiet_tokens_do_not_dilute_the_error_of_a_lively_one():
    lively, quiet, end = np.array([[1.0, 0.5]]), np.zeros((1000, 2)), 20.0
    crowd, method = np.concatenate([quiet, lively]), Adaptive(1e-8, 1e-8)
    exact = turned(lively, 1.25 * end)

    def worst(x):
        return np.abs(simulate(Spin(), x, [0, end], method).position.values[-1, -1:] - exact).max()

    averaged = DOP853(
        lambda t, y: Spin().particle_velocity(t, y.reshape(1, -1, 2), None).ravel(),
        0, crowd.ravel(), end, rtol=1e-8, atol=1e-8,
    )  # fmt: skip
    while averaged.status == "running":
        averaged.step()
    diluted = np.abs(averaged.y.reshape(-1, 2)[-1:] - exact).max()
    assert worst(crowd) < 2 * worst(lively)
    assert diluted > 10 * worst(crowd)


def test_a_finer_list_of_save_times_changes_adaptive_only_within_its_tolerance():
    x = np.random.default_rng(7).standard_normal((40, 3))
    model, tol = SelfAttention(np.eye(3), np.eye(3), -np.eye(3)), 1e-9
    coarse = simulate(model, x, [0, 5], Adaptive(tol, tol)).position.values[-1]
    fine = simulate(model, x, np.linspace(0, 5, 401), Adaptive(tol, tol)).position.values[-1]
    best = simulate(model, x, [0, 5], Adaptive(1e-13, 1e-14)).position.values[-1]
    assert np.abs(coarse - best).max() < 10 * tol
    assert np.abs(fine - best).max() < 10 * tol


def test_save_times_do_not_shrink_the_steps_of_adaptive():
    """A step cut at a save time leaves the next one as long as planned: evaluations grow by one step a save at most."""
    calls = []

    class Counting(Spin):
        def velocity(self, t, x, mu):
            calls.append(t)
            return super().velocity(t, x, mu)

    def count(saves):
        calls.clear()
        simulate(Counting(), [[1.0, 0.5]], np.linspace(0, 20, saves + 1), Adaptive(1e-6, 1e-6))
        return len(calls)

    assert count(20) < count(1) + 20 * 2 * 13


def test_a_trial_step_that_leaves_float64_is_made_shorter():
    """x' = 0 before t = 1, then −1000 x: the long steps of before overshoot far beyond the fence at |x| = 2."""

    class Fenced(VelocityField):
        dim = 1

        def velocity(self, t, x, mu):
            if np.abs(x).max() > 2:
                raise OutOfRange("beyond the fence", time=t)
            return np.zeros_like(x) if t < 1 else -1000 * x

    x = simulate(Fenced(), [1.0, -0.5], [0, 1.01], Adaptive(1e-9, 1e-12)).position.values[-1]
    np.testing.assert_allclose(x[:, 0], np.array([1.0, -0.5]) * np.exp(-10), rtol=1e-5)


def test_a_run_reversed_in_time_returns():
    """Time need not start at 0, nor be positive."""
    x = np.random.default_rng(8).standard_normal((10, 2))
    there = simulate(SelfAttention(I2, I2, I2), x, [-1, 0], Adaptive(1e-12, 1e-13)).position.values[-1]
    back = simulate(SelfAttention(I2, I2, -I2), there, [5, 6], Adaptive(1e-12, 1e-13)).position.values[-1]
    np.testing.assert_allclose(back, x, atol=1e-10)
