"""e^{tA} of compiled code against SciPy's."""

import numpy as np
import pytest
from scipy.linalg import expm

from particles.kernels.compiling import compiled
from particles.kernels.loops.linear_flows import set_flow, set_product


@compiled()
def _flow(A, first, d, t, diagonal, out, spare):
    set_flow(A, first, d, t, diagonal, out, spare)


def flow(A, t, diagonal=False):
    A = np.asarray(A, dtype=float)
    out, spare = np.full((2, A.size), np.nan)
    _flow(np.concatenate([[7.0], A.ravel()]), 1, len(A), t, diagonal, out, spare)
    return out.reshape(A.shape)


@pytest.mark.parametrize("t", [0.0, 1e-3, 1.0, -3.0, 12.0])
@pytest.mark.parametrize(
    "A",
    [
        [[0.3]],
        [[0.0, -1.0], [1.0, 0.0]],
        [[1.0, 1.0], [0.0, 1.0]],
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]],
        np.random.default_rng(0).normal(size=(4, 4)) / 2,
    ],
    ids=["number", "rotation", "jordan", "nilpotent", "full"],
)
def test_the_linear_flow_of_a_matrix(A, t):
    """Measured: 8e-14 of the largest entry, SciPy's own error for a Jordan block; 1.3e-14 against 40 digits."""
    exact = expm(t * np.asarray(A, dtype=float))
    assert np.abs(flow(A, t) - exact).max() < 2e-13 * np.abs(exact).max()


def test_a_diagonal_matrix_entry_by_entry():
    np.testing.assert_allclose(flow(np.diag([1.0, -2.0]), 3.0, True), np.diag(np.exp([3.0, -6.0])), rtol=1e-15)


def test_what_overflows_is_not_finite():
    assert not np.isfinite(flow([[1.0, 1.0], [0.0, 1.0]], 1e4)).all()
    assert not np.isfinite(flow(np.eye(2), 1e3, True)).all()


@compiled()
def _product(a, first, turned, b, second, rows, inner, columns, out):
    set_product(a, first, turned, b, second, rows, inner, columns, out)


def test_products_and_products_with_a_transpose():
    rng = np.random.default_rng(1)
    a, b, square, out = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(3, 3)), np.empty(12)
    _product(np.append(0.0, a), 1, False, np.append([0.0, 0.0], b), 2, 2, 3, 4, out)
    np.testing.assert_allclose(out[:8].reshape(2, 4), a @ b, rtol=1e-14)
    _product(square.ravel(), 0, True, b.ravel(), 0, 3, 3, 4, out)
    np.testing.assert_allclose(out.reshape(3, 4), square.T @ b, rtol=1e-14)
