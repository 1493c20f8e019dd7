"""Nested groups: clusters stay whole, everything else is halved, and the smallest groups are pairs."""

from itertools import pairwise

import numpy as np

from meanfield.distances.semidiscrete.groups import nested


def test_clusters_are_not_cut_before_they_stand_alone():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 300)
    y = np.array([[0.0, 0.0], [1.0, 0.2], [0.1, 2.0]])[label] + 1e-8 * rng.standard_normal((300, 2))
    groups = nested(y)
    assert sorted(groups.order) == list(range(300))
    assert [len(s) for s in groups.starts[:3]] == [1, 2, 3]
    for s, e in pairwise([*groups.starts[2], 300]):
        assert len(set(label[groups.order[s:e]])) == 1


def test_an_even_cloud_is_halved_down_to_pairs():
    for n in (256, 200, 1001):
        groups = nested(np.random.default_rng(1).uniform(size=(n, 2)))
        sizes = [np.diff([*groups.starts[k], n]) for k in groups.levels]
        assert [s.max() for s in sizes[-4:]] == [8, 4, 2, 1]
        assert len(sizes[-2]) < 0.55 * n
        for coarse, fine in pairwise(groups.starts):
            assert set(coarse) < set(fine)


def test_one_site_far_away_stands_alone():
    y = np.vstack([np.random.default_rng(2).uniform(size=(20, 2)), [[50.0, 0.0]]])
    groups = nested(y)
    assert list(groups.starts[1]) == [0, 20]
    assert groups.order[20] == 20
