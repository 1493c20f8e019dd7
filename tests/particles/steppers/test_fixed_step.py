"""Methods of constant step, explicit and implicit, of a user's making."""

import numpy as np
import pytest
from user_fields import Spin
from user_methods import ImplicitMidpoint, Kutta3

from particles import Euler, PowerAttraction, SelfAttention, VelocityField, simulate
from particles.errors import RunStopped
from particles.steppers.fixed_step import interval_parts

X = np.array([[1.0, 0.5], [0.2, -0.3]])


def exact(t):
    angle = np.square(X).sum(axis=1) * t
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * X[:, 0] - s * X[:, 1], s * X[:, 0] + c * X[:, 1]], axis=1)


@pytest.mark.parametrize("method", [Kutta3, ImplicitMidpoint])
def test_the_observed_order_is_the_declared_one(method):
    errors = [
        np.abs(simulate(Spin(), X, [0, 0.9, 2], method(dt)).position.values[-1] - exact(2)).max()
        for dt in (0.02, 0.01, 0.005)
    ]
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(method.order, abs=0.1)


def test_the_implicit_midpoint_rule_keeps_the_circles_that_others_leave():
    radii = np.linalg.norm(simulate(Spin(), X, [0, 50], ImplicitMidpoint(0.1)).position.values[-1], axis=1)
    np.testing.assert_allclose(radii, np.linalg.norm(X, axis=1), rtol=1e-12)
    drifted = np.linalg.norm(simulate(Spin(), X, [0, 50], Kutta3(0.1)).position.values[-1], axis=1)
    assert np.abs(drifted / np.linalg.norm(X, axis=1) - 1).max() > 1e-3


def test_an_implicit_step_that_does_not_converge_stops_the_run_with_its_reason():
    model = SelfAttention(np.eye(2), np.eye(2), 60 * np.eye(2))
    with pytest.raises(RunStopped, match="did not converge: take a smaller dt") as caught:
        simulate(model, X, [0, 0.5, 1], ImplicitMidpoint(0.5))
    assert caught.value.dataset.sizes["time"] == 1


def test_a_method_of_a_user_s_merges_tokens():
    n, a = 6, 1.3
    T = a * n / (n - 1)
    ds = simulate(PowerAttraction(1), np.linspace(-a, a, n), [0.0, 100 * 0.0171], Kutta3(0.0171))
    assert len(np.unique(ds.group[-1])) == 1
    np.testing.assert_allclose(ds.meeting_time[-1], T, atol=0.0171)


def test_an_interval_has_at_least_one_part():
    assert interval_parts(0.0, 1.0, 0.3) == 3
    assert interval_parts(0.0, 1e-9, 0.3) == 1


def test_a_position_that_overflows_is_reported_at_the_end_of_its_step():
    """x' = 1e300 from 1.7e308: the second step of length 1e7 from t = 3 leaves the range of float64."""

    class Push(VelocityField):
        dim = 1

        def velocity(self, t, x, mu):
            return np.full_like(x, 1e300)

    with pytest.raises(RunStopped) as caught:
        simulate(Push(), [[1.65e308]], [3.0, 3.0 + 4e7], Euler(1e7))
    assert caught.value.time == 3.0 + 2e7
