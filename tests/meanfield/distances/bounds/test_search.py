"""Branch and bound against the full matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meanfield.distances.bounds.search import _build, smallest_reduced


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 300), st.integers(1, 40), st.integers(1, 4), st.integers(1, 5))
def test_search_against_the_full_matrix(seed, n, m, d, k):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    # A potential with kinks, jumps and ties.
    f = np.round(np.abs(x).sum(axis=1) * rng.choice([0, 1, 10]), 1) + (x[:, 0] > 0) * rng.choice([0.0, 3.0])
    k = min(k, n)
    found = smallest_reduced(y, x, f, k)
    reduced = ((y[:, None] - x[None]) ** 2).sum(axis=2) - f
    assert all(len(set(row)) == k for row in found.tolist())
    np.testing.assert_allclose(
        np.take_along_axis(reduced, found, axis=1), np.sort(reduced, axis=1)[:, :k], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("d", [1, 2, 3])
def test_nodes_are_pruned_by_the_plane_that_fits_their_potential(d):
    """A potential that is affine up to a constant is its own plane, shrunk by a thousandth of the trace at most."""
    rng = np.random.default_rng(d)
    x, gradient = rng.uniform(-1.0, 1.0, size=(200, d)), rng.normal(size=d)
    slope, top = _build(x, x @ gradient + 3.0)[6:]
    np.testing.assert_allclose(slope[0], gradient, rtol=0.02, atol=0.02)
    assert top[0] == pytest.approx(3.0, abs=0.1 * np.abs(gradient).sum())
