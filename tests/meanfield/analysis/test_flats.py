import itertools

import numpy as np
import pytest

from meanfield.analysis.flats import _line_means, fit_flats
from particles import SelfAttention, simulate


@pytest.mark.parametrize("seed", range(5))
def test_flats_are_found_without_their_normal(seed):
    rng = np.random.default_rng(seed)
    d = 2 + seed % 3
    normal = rng.normal(size=d)
    normal /= np.linalg.norm(normal)
    heights = rng.choice([-1.0, 0.2, 2.0], size=80)
    along = 30.0 * rng.normal(size=(80, d))
    points = along - np.outer(along @ normal, normal) + heights[:, None] * normal
    found = fit_flats(points)
    assert found.residual < 1e-10
    assert abs(found.normal @ normal) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(np.sort(found.offsets * np.sign(found.normal @ normal)), [-1.0, 0.2, 2.0], atol=1e-9)


def test_flats_of_a_good_triple_are_level_sets_of_the_left_eigenvector():
    V = np.array([[1.0, 2.0], [0.0, -0.1]])
    x0 = np.random.default_rng(3).uniform(-1, 1, (40, 2))
    ds = simulate(SelfAttention(np.eye(2), np.eye(2), V).rescaled(), x0, [0.0, 14.0])
    found = fit_flats(ds.position.values[-1])
    left = np.array([1.0, 2.0 / 1.1])
    assert abs(found.normal @ left) / np.linalg.norm(left) == pytest.approx(1.0, abs=1e-6)
    assert found.residual < 1e-5


def test_line_means_against_all_partitions():
    rng = np.random.default_rng(4)
    for _ in range(20):
        heights = rng.normal(size=8)
        labels = _line_means(heights, 3)
        cost = sum(np.sum((heights[labels == k] - heights[labels == k].mean()) ** 2) for k in range(3))
        s = np.sort(heights)
        best = min(
            sum(np.sum((part - part.mean()) ** 2) for part in np.split(s, cut))
            for cut in itertools.combinations(range(1, 8), 2)
        )
        assert cost == pytest.approx(best, rel=1e-10)


def test_one_point_is_a_flat_of_its_own():
    found = fit_flats([[2.0, 1.0]])
    assert found.residual == 0.0
    assert found.normal @ [2.0, 1.0] == found.offsets[0]
