"""Euler and RK4 on closed forms: observed orders, and Euler as the discrete transformer."""

import numpy as np
import pytest
from oracles import naive
from oracles.closed_forms import CASES, error

from particles import RK4, Euler, SelfAttention, VelocityField, simulate
from particles.errors import RunStopped
from particles.steppers.state import Particles


def observed_orders(case, method, steps):
    errors = [error(case, method(case.end / n)) for n in steps]
    return np.log2(np.array(errors[:-1]) / errors[1:])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(("method", "steps"), [(Euler, (64, 128, 256)), (RK4, (16, 32, 64))], ids=["Euler", "RK4"])
def test_observed_order(case, method, steps):
    orders = observed_orders(case, method, steps)
    assert orders == pytest.approx(method.order, abs=0.04 * method.order)


def test_euler_is_the_discrete_transformer():
    rng = np.random.default_rng(9)
    Q, K, V, x = (
        rng.standard_normal((2, 3)),
        rng.standard_normal((2, 3)),
        rng.standard_normal((3, 3)),
        rng.random((6, 3)),
    )
    ds = simulate(SelfAttention(Q, K, V), x, [0, 0.5, 2.0], Euler(0.1))
    np.testing.assert_allclose(ds.position.values[1], naive.transformer(x, Q, K, V, 0.1, 5), rtol=1e-13)
    np.testing.assert_allclose(ds.position.values[2], naive.transformer(x, Q, K, V, 0.1, 20), rtol=1e-12)


def test_the_discrete_rescaled_recursion_is_a_conjugate_of_euler():
    """Remark 3.3: z^k = R^{−k} x^k, R = I + dt V, to round-off; V is not normal."""
    rng = np.random.default_rng(10)
    Q, K, x = np.eye(3), np.eye(3), rng.uniform(-1, 1, (8, 3))
    V = np.array([[1.0, 0.8, 0], [-0.3, 0.6, 0.2], [0, 0.1, -0.4]])
    x_end = simulate(SelfAttention(Q, K, V), x, [0, 4], Euler(0.1)).position.values[-1]
    z_end = naive.rescaled_transformer(x, Q, K, V, 0.1, 40)
    R = np.linalg.matrix_power(np.eye(3) + 0.1 * V, 40)
    np.testing.assert_allclose(z_end @ R.T, x_end, rtol=1e-12)


def test_a_stage_that_overflows_is_reported_at_its_own_time():
    """x' = 1e300 from 1.7e308: the second stage of a step of 1e8 from t = 3, half a step on, is out of range."""

    class Push(VelocityField):
        dim = 1

        def velocity(self, t, x, mu):
            return np.full_like(x, 1e300)

    with np.errstate(over="ignore"), pytest.raises(RunStopped) as caught:
        RK4(1e8).step(Push(), 3.0, 1e8, Particles(np.array([[[1.797e308]]]), np.ones(1)))
    assert caught.value.time == 3.0 + 0.5e8
