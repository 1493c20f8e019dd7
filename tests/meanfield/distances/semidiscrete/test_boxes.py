"""The balanced tree holds every point once, in halves along the wider axis."""

import numpy as np
import pytest

from meanfield.distances.semidiscrete.boxes import build


@pytest.mark.parametrize(("n", "leaf"), [(1, 3), (7, 2), (100, 6), (1000, 4)])
def test_nodes_halve_their_points(n, leaf):
    points = np.random.default_rng(n).standard_normal((n, 2))
    tree = build(points, leaf)
    assert sorted(tree.order) == list(range(n))
    sizes = tree.stop - tree.start
    for b in range(len(sizes) // 2):
        assert sizes[b] == sizes[2 * b + 1] + sizes[2 * b + 2]
        assert abs(sizes[2 * b + 1] - sizes[2 * b + 2]) <= 1
        left, right = (points[tree.order[tree.start[c] : tree.stop[c]]] for c in (2 * b + 1, 2 * b + 2))
        if len(left) and len(right):
            assert (left.max(axis=0) <= right.min(axis=0)).any()
    assert sizes[len(sizes) // 2 :].max() <= leaf
