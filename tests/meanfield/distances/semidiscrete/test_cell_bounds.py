"""Bounds from power cells hold for diagrams far from the solution as well."""

import math

import numpy as np
import pytest
from transport_cases import limit_newton

from meanfield import Grid, GridMeasure, wasserstein, wasserstein_bracket
from meanfield.distances.exact import semidiscrete
from meanfield.distances.semidiscrete.cell_bounds import _up_the_tree, squared_bounds
from particles.measure import EmpiricalMeasure


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_unfinished_cells_still_bracket(monkeypatch, steps, seed):
    rng = np.random.default_rng(seed)
    points = EmpiricalMeasure(rng.standard_normal((60, 2)), rng.dirichlet(np.ones(60)))
    density = GridMeasure(Grid([(-1, 1), (-1, 1)], (5, 5)), rng.dirichlet(np.ones(25)).reshape(5, 5))
    exact = wasserstein(points, density)
    full = wasserstein_bracket(points, density)
    assert full.lower <= exact * (1 + 1e-13)
    assert exact * (1 - 1e-13) <= full.upper
    assert full.width < 1e-8 * exact
    limit_newton(monkeypatch, steps)
    rough = wasserstein_bracket(points, density)
    assert rough.lower <= exact <= rough.upper


def test_the_upper_bound_covers_the_rounding_of_its_own_sum():
    """With no diameter to pay for, what is left is the sum of the costs of the cells."""
    rng = np.random.default_rng(0)
    points = EmpiricalMeasure(rng.standard_normal((60, 2)), rng.dirichlet(np.ones(60)))
    density = GridMeasure(Grid([(-1, 1), (-1, 1)], (5, 5)), rng.dirichlet(np.ones(25)).reshape(5, 5))
    found = semidiscrete(points, density, 2.0)
    assert math.fsum(found.cost) < squared_bounds(found, 0.0)[1] < math.fsum(found.cost) * (1 + 1e-12)


def test_the_excess_of_a_cell_has_that_of_all_below_it():
    rng = np.random.default_rng(0)
    parent = np.array([0, *(rng.integers(k) for k in range(1, 40))])
    excess = rng.integers(0, 9, size=40).astype(float)
    expected = excess.copy()
    for k in range(1, 40):
        above = k
        while above:
            above = parent[above]
            expected[above] += excess[k]
    np.testing.assert_array_equal(_up_the_tree(np.arange(40), parent, excess), expected)
