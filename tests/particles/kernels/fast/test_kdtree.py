"""Boxes of the k-d tree hold their points."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from particles.kernels.fast.kdtree import build_tree


@given(n=st.integers(1, 400), d=st.integers(1, 3), leaf=st.integers(2, 50), distinct=st.integers(1, 400))
@settings(deadline=None, max_examples=40)
def test_kd_tree_boxes_hold_their_points(n, d, leaf, distinct):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(distinct, d))[rng.integers(0, distinct, n)]
    built = build_tree(x, leaf)
    assert np.array_equal(built.points, x[built.order])
    assert sorted(built.order) == list(range(n))
    for node in range(len(built.child)):
        inside = built.points[built.start[node] : built.stop[node]]
        assert len(inside) > 0
        assert np.array_equal(inside.min(axis=0), built.low[node])
        assert np.array_equal(inside.max(axis=0), built.high[node])
        # Both children stand on their own side of a cut across the widest axis.
        if (left := built.child[node]) >= 0:
            axis = int(np.argmax(built.high[node] - built.low[node]))
            assert built.high[left, axis] <= built.low[left + 1, axis]
    sizes = (built.stop - built.start)[built.leaves]
    assert sizes.sum() == n
    assert sizes.max() <= leaf
