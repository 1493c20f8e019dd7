"""Euler and RK4 on closed forms: observed orders, and Euler as the discrete transformer."""

import numpy as np
import pytest
from oracles import naive
from oracles.closed_forms import CASES, error

from particles import RK4, Euler, SelfAttention, simulate


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
