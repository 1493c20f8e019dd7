"""Nested groups: clusters stay whole, everything else is halved."""

import numpy as np

from meanfield.distances.semidiscrete.groups import nested


def test_clusters_are_not_cut_before_they_stand_alone():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 300)
    y = np.array([[0.0, 0.0], [1.0, 0.2], [0.1, 2.0]])[label] + 1e-8 * rng.standard_normal((300, 2))
    order, starts = nested(y, [0, 1, 2])
    assert sorted(order) == list(range(300))
    assert [len(s) for s in starts] == [1, 2, 4]
    for start in starts[2:]:
        for s, e in zip(start, [*start[1:], 300], strict=True):
            assert len(set(label[order[s:e]])) == 1


def test_an_even_cloud_is_halved():
    order, starts = nested(np.random.default_rng(1).uniform(size=(256, 2)), [2, 3])
    for start, size in zip(starts, (64, 32), strict=True):
        assert (np.diff([*start, 256]) == size).all()
    assert len(order) == 256
