"""Block sweeps: the marginals stay, the cost falls towards the exact one, the same numbers every time."""

import numpy as np
import pytest

from meanfield import wasserstein, wasserstein_bracket
from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from meanfield.distances.bounds.couplings import binary_space, squared_upper, whole
from meanfield.distances.bounds.sweeps import improve
from particles import EmpiricalMeasure


def two_clouds(n, m, d, weighted):
    rng = np.random.default_rng(n + d)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.3
    weights = [rng.dirichlet(np.ones(k)) if weighted else None for k in (n, m)]
    return EmpiricalMeasure(x, weights[0]), EmpiricalMeasure(y, weights[1])


def partition(mu, nu):
    pair = as_pair(as_atoms(mu, "mu"), as_atoms(nu, "nu"))
    axes = np.eye(mu.dim)
    return pair, binary_space(pair.x, pair.y, whole(pair.x), whole(pair.y), axes, axes)


@pytest.mark.parametrize(("n", "m", "weighted"), [(1200, 1200, False), (1200, 900, False), (700, 1100, True)])
@pytest.mark.parametrize("d", [2, 3])
def test_the_cost_falls_and_the_marginals_stay(n, m, weighted, d):
    mu, nu = two_clouds(n, m, d, weighted)
    pair, plan = partition(mu, nu)
    better = improve(pair, plan, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(better.i, better.mass, n), mu.weights, rtol=0, atol=2e-14)
    np.testing.assert_allclose(np.bincount(better.j, better.mass, m), nu.weights, rtol=0, atol=2e-14)
    before, after = (squared_upper(pair.x, pair.y, p, pair.diameter2) for p in (plan, better))
    exact = (wasserstein(mu, nu) / pair.unit) ** 2
    assert exact <= after
    # Most of the excess of the binary partition is gone.
    assert after - exact < 0.15 * (before - exact)


def test_a_coupling_of_a_single_block_becomes_optimal():
    mu, nu = two_clouds(90, 100, 2, True)
    pair, plan = partition(mu, nu)
    better = improve(pair, plan, np.random.default_rng(0))
    upper = pair.unit**2 * squared_upper(pair.x, pair.y, better, pair.diameter2)
    assert upper == pytest.approx(wasserstein(mu, nu) ** 2, rel=1e-12)


def test_the_dual_bracket_of_large_clouds_is_made_by_sweeps_and_repeats_itself():
    mu, nu = two_clouds(1500, 1400, 2, False)
    bracket = wasserstein_bracket(mu, nu, "dual")
    assert bracket.upper_by == "block sweeps"
    assert wasserstein(mu, nu) in bracket
    assert bracket.upper < 1.005 * wasserstein(mu, nu)
    assert bracket == wasserstein_bracket(mu, nu, "dual")


def test_repeated_points_and_tiny_masses():
    rng = np.random.default_rng(3)
    x = np.repeat(rng.standard_normal((4, 2)), 300, axis=0)
    weights = rng.dirichlet(np.full(1200, 0.05)) + 1e-300
    mu = EmpiricalMeasure(x, weights / weights.sum())
    nu = EmpiricalMeasure(x + 1e-9 * rng.standard_normal(x.shape))
    assert wasserstein(mu, nu) in wasserstein_bracket(mu, nu, "dual")
