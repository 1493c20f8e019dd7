"""Decimal linear algebra against NumPy's, and beyond its digits."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

from meanfield.limits import decimals
from meanfield.limits.decimals import DIGITS, decimal, definite, dot, identity, inverse, norm, product, times


@pytest.fixture(autouse=True)
def _digits():
    with localcontext() as context:
        context.prec = DIGITS
        yield


def matrix(seed, d=4):
    return np.random.default_rng(seed).normal(size=(d, d))


def floats(M):
    return np.array(M, dtype=float)


def test_products_are_those_of_matrices():
    A, B = matrix(0), matrix(1)
    np.testing.assert_allclose(floats(product(decimal(A), decimal(B))), A @ B, atol=1e-15)
    np.testing.assert_allclose(floats(times(decimal(A), decimal(B)[0])), A @ B[0], atol=1e-15)
    half = decimals.combined(Decimal(2), decimal(A), Decimal(-1), decimal(B))
    np.testing.assert_allclose(floats(half), 2 * A - B, atol=1e-15)
    assert floats(decimals.length(decimal(A)[0])) == pytest.approx(np.linalg.norm(A[0]), rel=1e-15)


def test_inverses_have_all_digits():
    hilbert = [[1 / Decimal(i + j + 1) for j in range(6)] for i in range(6)]
    left = decimals.combined(Decimal(1), product(inverse(hilbert), hilbert), Decimal(-1), identity(6))
    assert max(abs(v) for row in left for v in row) < Decimal(10) ** (10 - DIGITS)
    assert inverse(decimal(np.array([[0.0, 2.0], [4.0, 0.0]]))) == [[0, Decimal("0.25")], [Decimal("0.5"), 0]]
    with pytest.raises(ZeroDivisionError):
        inverse(decimal(np.ones((2, 2))))


def test_norms_are_bounds():
    for seed in range(5):
        largest = np.linalg.norm(matrix(seed), 2)
        assert largest <= float(norm(decimal(matrix(seed)))) <= 4 ** (1 / 32) * largest * (1 + 1e-12)


def test_definite_matrices_are_told_from_others():
    A = matrix(2)
    assert definite(decimal(A @ A.T))
    assert definite([[Decimal(1), Decimal(1)], [Decimal(1), 1 + Decimal(10) ** -30]])
    assert not definite([[Decimal(1), Decimal(1)], [Decimal(1), 1 - Decimal(10) ** -30]])
    assert not definite(decimal(np.ones((2, 2))))
    assert not definite(decimal(-np.eye(2)))
    assert definite([])


def test_vectors_of_two_lengths_have_no_product():
    with pytest.raises(ValueError, match="shorter"):
        dot([Decimal(1), Decimal(2)], [Decimal(1)])
