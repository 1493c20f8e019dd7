"""Theorem 8.5: where it is proved, and at which rate tokens collapse."""

import numpy as np
import pytest

from meanfield import limits
from particles import SelfAttention, simulate

I2 = np.eye(2)


@pytest.mark.parametrize(
    ("Q", "K", "status"),
    [
        (I2, I2, "proved"),
        ([[2.0, 0.5], [0.5, 1.0]], I2, "proved"),
        ([[1.0, 0.3], [0.1, 2.0]], [[1.0, 0.3], [0.1, 2.0]], "proved"),
        ([[0.1, 0.2], [0.3, 0.7]], [[0.3, 0.6], [0.9, 2.1]], "conditional"),
    ],
)
def test_theorem_8_5_is_proved_where_symmetry_is_exact(Q, K, status):
    """3 · 0.1 is not 0.3 in float64: the last product is symmetric to rounding only."""
    found = limits.certify(simulate(SelfAttention(Q, K, -0.5 * I2), [[1.0, 2.0], [-0.5, 0.3]], [0.0, 1.0]))
    assert (found.theorem, found.status) == ("8.5", status)
    assert bool(found.assumptions) == (status == "conditional")


def test_collapse_at_any_rate_and_any_product():
    """y = (QᵀK)^{1/2} x at time λt solves the equation with λ = 1, QᵀK = I: 2λt Cov(y) tends to a projector."""
    product, lam, t = np.array([[2.0, 0.5], [0.5, 1.0]]), 0.4, 2500.0
    x0 = np.random.default_rng(0).uniform(-2.0, 2.0, size=(20, 2))
    last = simulate(SelfAttention(product, I2, -lam * I2), x0, [0.0, t]).position.values[-1]
    y = last @ np.linalg.cholesky(product)
    np.testing.assert_allclose(np.linalg.eigvalsh(2 * lam * t * np.cov(y.T, bias=True)), 1.0, atol=5e-3)
