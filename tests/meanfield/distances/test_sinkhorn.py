"""Entropic transport on plane grids against double sums."""

import numpy as np
import pytest

from meanfield import Grid, Normal, Uniform
from meanfield.distances import density_bracket
from meanfield.distances.sinkhorn import entropic, entropic_self, soft_transform
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
    for far in (1e7, 1e308):
        with pytest.raises(InvalidInput, match=r"epsilon must be at least .* and at most"):
            density_bracket(mu, nu, epsilon=far)
    with pytest.raises(NotSupported, match="plane grids"):
        density_bracket(mu, EmpiricalMeasure([[0.0, 0.0]]))
    axes = (np.arange(4.0), np.arange(4.0))
    flat = np.full((4, 4), 1 / 16)
    assert entropic(axes, flat, axes, flat, 0.5, 1e-10, 1000).error <= 1e-10


def test_the_value_is_the_cost_of_its_plan_and_of_its_entropy():
    """OT_ε = Σ π c + ε KL(π | a ⊗ b) at π = e^{(f + g − c)/ε} a ⊗ b, whose marginals are a and b."""
    rng = np.random.default_rng(0)
    x, y = (rng.random(3), rng.random(4)), (rng.random(5), rng.random(2))
    a, b = rng.dirichlet(np.ones(12)).reshape(3, 4), rng.dirichlet(np.ones(10)).reshape(5, 2)
    found = entropic(x, a, y, b, 0.3, 1e-12, 10_000)
    points = [np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2) for axes in (x, y)]
    cost = ((points[0][:, None] - points[1]) ** 2).sum(axis=-1)
    independent = np.outer(a, b)
    plan = np.exp((found.f.ravel()[:, None] + found.g.ravel() - cost) / 0.3) * independent
    np.testing.assert_allclose(plan.sum(axis=1), a.ravel(), atol=1e-11)
    np.testing.assert_allclose(plan.sum(axis=0), b.ravel(), atol=1e-11)
    assert found.value == pytest.approx((plan * cost).sum() + 0.3 * (plan * np.log(plan / independent)).sum(), rel=1e-9)


def test_the_error_of_a_density_with_itself_is_that_of_the_whole_marginal():
    """Σ_x |Σ_y π(x, y) − a(x)| at π = e^{(f + f − c)/ε} a ⊗ a."""
    rng = np.random.default_rng(3)
    x, a = (rng.random(4), rng.random(5)), rng.dirichlet(np.ones(20)).reshape(4, 5)
    points = np.stack(np.meshgrid(*x, indexing="ij"), axis=-1).reshape(-1, 2)
    cost = ((points[:, None] - points) ** 2).sum(axis=-1)
    found = entropic_self(x, a, 0.2, 1e-4, 1000)
    plan = np.exp((found.f.ravel()[:, None] + found.f.ravel() - cost) / 0.2) * np.outer(a, a)
    assert 0.0 < found.error <= 1e-4
    assert found.error == pytest.approx(np.abs(plan.sum(axis=1) - a.ravel()).sum(), rel=1e-6)


def test_the_error_of_two_densities_is_that_of_the_whole_marginal():
    """Σ_x |Σ_y π(x, y) − a(x)| before the last step, by which it does not grow."""
    rng = np.random.default_rng(5)
    x, y = (rng.random(3), rng.random(4)), (rng.random(5), rng.random(3))
    a, b = rng.dirichlet(np.ones(12)).reshape(3, 4), rng.dirichlet(np.ones(15)).reshape(5, 3)
    points = [np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2) for axes in (x, y)]
    cost = ((points[0][:, None] - points[1]) ** 2).sum(axis=-1)
    found = entropic(x, a, y, b, 0.1, 1e-3, 1000)
    plan = np.exp((found.f.ravel()[:, None] + found.g.ravel() - cost) / 0.1) * np.outer(a, b)
    assert found.error == pytest.approx(np.abs(plan.sum(axis=1) - a.ravel()).sum(), rel=1e-6)
