"""Verified linear algebra claims nothing that rounding could undo."""

import numpy as np
import pytest

from meanfield.limits.enclosures.verified import is_positive_definite, product_error


@pytest.mark.parametrize("smallest", [1.0, 1e-6, 1e-11])
def test_definite_matrices_are_recognised(smallest):
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    M = basis @ np.diag([smallest, 0.3, 1.0, 1.0, 1.0]) @ basis.T
    M = 0.5 * (M + M.T)
    assert is_positive_definite(M, np.zeros((5, 5)))
    assert not is_positive_definite(M, np.full((5, 5), 2.0 * smallest))


@pytest.mark.parametrize("least", [0.0, -1e-18, -1e-6, -1.0])
def test_others_are_not(least):
    assert not is_positive_definite(np.diag([1.0, least]), np.zeros((2, 2)))
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert not is_positive_definite(rotation @ np.diag([1.0, least]) @ rotation.T, np.full((2, 2), 1e-16))


def test_products_of_several_factors():
    rng = np.random.default_rng(1)
    A, B, C = rng.normal(size=(3, 6, 6))
    exact = A.astype(np.longdouble) @ B.astype(np.longdouble) @ C.astype(np.longdouble)
    assert (np.abs((A @ B @ C - exact).astype(float)) <= product_error(A, B, C)).all()
    assert product_error(A, B, C).max() < 1e-12
