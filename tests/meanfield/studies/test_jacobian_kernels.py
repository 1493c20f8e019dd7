"""Sums over pairs against a naive loop, on sizes around a tile."""

import numpy as np
import pytest

from meanfield.studies.jacobian_kernels import TILE, add_pairs, symmetrise


@pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 1), (4, 3), (7, 2)])
def test_pairs_are_added_to_what_is_there(n, d):
    rng = np.random.default_rng(n)
    before, P = rng.standard_normal((d, n, d, n)), rng.standard_normal((n, n))
    v, m, b, V = (rng.standard_normal(shape) for shape in ((d, n), (n, d), (n, d), (d, d)))
    blocks = before.copy()
    add_pairs(blocks, P, v, m, b, V)
    for c, i, e, j in np.ndindex(blocks.shape):
        expected = before[c, i, e, j] + P[i, j] * (V[c, e] + (v[c, j] - m[i, c]) * b[i, e])
        assert blocks[c, i, e, j] == pytest.approx(expected, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("n", [1, TILE - 1, TILE, TILE + 1, 3 * TILE + 5])
def test_a_matrix_becomes_its_symmetric_part(n):
    A = np.random.default_rng(n).standard_normal((n, n))
    expected = 0.5 * (A + A.T)
    symmetrise(A)
    np.testing.assert_array_equal(A, expected)
