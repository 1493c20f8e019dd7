"""Entropic transport on plane grids against double sums."""

import numpy as np
import pytest

from meanfield import Grid, Normal, Uniform
from meanfield.distances import density_bracket
from meanfield.distances.sinkhorn import entropic, soft_transform
from particles.errors import InvalidInput, NotConverged, NotSupported
from particles.measure import EmpiricalMeasure


def test_soft_transform_is_the_double_sum():
    rng = np.random.default_rng(1)
    to, at = (rng.random(4), rng.random(5)), (rng.random(3), rng.random(6))
    h = rng.standard_normal((3, 6))
    h[0, 0] = -np.inf
    naive = np.empty((4, 5))
    for i in range(4):
        for j in range(5):
            cost = (to[0][i] - at[0][:, None]) ** 2 + (to[1][j] - at[1]) ** 2
            naive[i, j] = -0.1 * np.log(np.exp((h - cost) / 0.1).sum())
    np.testing.assert_allclose(soft_transform(to, at, h, 0.1), naive, rtol=1e-13, atol=1e-13)


def test_unconverged_marginals_and_small_epsilon_are_refused():
    grid = Grid([(0, 1), (0, 1)], (8, 8))
    mu, nu = grid.measure(Uniform([(0, 1), (0, 1)])), grid.measure(Normal([0.5, 0.5], 0.01 * np.eye(2)))
    with pytest.raises(NotConverged, match="raise epsilon or max_steps"):
        density_bracket(mu, nu, max_steps=1)
    with pytest.raises(InvalidInput, match="epsilon must be at least"):
        density_bracket(mu, nu, epsilon=1e-4)
    with pytest.raises(NotSupported, match="plane grids"):
        density_bracket(mu, EmpiricalMeasure([[0.0, 0.0]]))
    axes = (np.arange(4.0), np.arange(4.0))
    flat = np.full((4, 4), 1 / 16)
    assert entropic(axes, flat, axes, flat, 0.5, 1e-10, 1000).error <= 1e-10
