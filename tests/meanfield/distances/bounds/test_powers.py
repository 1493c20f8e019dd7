"""Brackets of W_p for p ≠ 2 against exact distances."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, wasserstein, wasserstein_bracket
from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from meanfield.distances.bounds.couplings import permutation
from meanfield.distances.bounds.powers import power_sliced, power_upper, transform
from particles.errors import InvalidInput
from particles.measure import EmpiricalMeasure


def pair(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.choice([1, 2, 3, 5]))
    n, m = (int(k) for k in rng.integers(1, 40, 2))

    def cloud(k):
        points = rng.standard_normal((k, d)) * rng.choice([1e-6, 1, 1e3]) + rng.normal(0, 1, d)
        return EmpiricalMeasure(points, rng.dirichlet(np.full(k, 0.4)) if rng.random() < 0.5 else None)

    return cloud(n), cloud(m)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
@pytest.mark.parametrize("block", range(4))
def test_the_exact_distance_is_inside(p, block):
    for seed in range(50 * block, 50 * (block + 1)):
        mu, nu = pair(seed)
        exact = wasserstein(mu, nu, p)
        diameter = np.linalg.norm(np.ptp(np.vstack((mu.points, nu.points)), axis=0))
        # The exact solver's own rounding.
        slack = 4e-15 * diameter**p
        for effort in ("cheap", "dual"):
            bracket = wasserstein_bracket(mu, nu, effort, p)
            assert bracket.lower**p <= exact**p * (1 + 1e-13) + slack, (seed, effort)
            assert exact**p * (1 - 1e-13) - slack <= bracket.upper**p, (seed, effort)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_the_widths_of_larger_clouds(p):
    rng = np.random.default_rng(0)
    mu = EmpiricalMeasure(rng.standard_normal((1500, 2)))
    nu = EmpiricalMeasure(0.7 * rng.standard_normal((1300, 2)) + 0.5)
    exact, bracket = wasserstein(mu, nu, p), wasserstein_bracket(mu, nu, "dual", p)
    assert bracket.lower <= exact <= bracket.upper
    assert bracket.width < 0.05 * exact


def test_the_transform_is_the_double_loop():
    rng = np.random.default_rng(1)
    x, y, f = rng.standard_normal((7, 3)), rng.standard_normal((5, 3)), rng.standard_normal(7)
    naive = [min(np.linalg.norm(a - b) ** 1.5 - c for a, c in zip(x, f, strict=True)) for b in y]
    np.testing.assert_allclose(transform(y, x, f, 1.5), naive, rtol=1e-13)


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_densities(p):
    edges = np.linspace(0, 1, 51)
    masses = np.random.default_rng(0).dirichlet(np.ones(50))
    mu, nu = (GridMeasure(Grid.from_edges([edges + s]), masses) for s in (0.0, 0.5))
    bracket = wasserstein_bracket(mu, nu, p=p)
    assert bracket.lower <= 0.5 <= bracket.upper
    grid = Grid([(0, 1), (0, 1)], (12, 12))
    flat = GridMeasure(grid, np.full((12, 12), 1 / 144))
    point = EmpiricalMeasure([[0.5, 0.5]])
    # E max-norm free value: E|x − c|^p by a fine midpoint rule.
    line = (np.arange(800) + 0.5) / 800 - 0.5
    exact = np.mean(np.hypot(line[:, None], line) ** p) ** (1 / p)
    bracket = wasserstein_bracket(flat, point, p=p)
    assert bracket.lower <= exact <= bracket.upper


def test_certify_is_for_squares():
    mu = EmpiricalMeasure([[0.0, 0.0]])
    with pytest.raises(InvalidInput, match="'certify' is for p = 2"):
        wasserstein_bracket(mu, mu, "certify", 1)


@pytest.mark.parametrize("offset", [-5.0, -1.0, 0.0, 3.0])
def test_a_projection_on_the_line_of_a_shift_has_its_whole_distance(offset):
    """W_p of a cloud and its shift is the shift, and so is that of their projections on its direction."""
    x = np.random.default_rng(0).uniform(0.0, 1.0, (20, 2)) + offset
    mu, nu = EmpiricalMeasure(x), EmpiricalMeasure(x - [0.25, 0.0])
    both = as_pair(as_atoms(mu, "mu"), as_atoms(nu, "nu"))
    for p in (1.5, 3.0):
        assert power_sliced(both, np.eye(2), p) * both.unit == pytest.approx(0.25, rel=1e-9)


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_the_cost_of_an_exact_coupling_is_bounded_as_near_as_rounding_lets(p):
    """By a permutation of equal masses nothing is lost: above Σ |x_i − y_i|^p / n, by no more than 1e-12 of it."""
    x, y = np.random.default_rng(7).normal(size=(2, 50, 3))
    both = as_pair(*(as_atoms(EmpiricalMeasure(points), "mu") for points in (x, y)))
    plan = permutation(np.arange(50), both.x.weights)
    cost = float((np.linalg.norm(both.x.points - both.y.points, axis=1) ** p).mean())
    found = power_upper(both, plan, p)
    assert cost * (1 - 1e-13) <= found <= cost * (1 + 1e-12)
    assert plan.exact


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("side", ["x", "y"])
def test_masses_that_are_off_cost_the_power_of_the_width(side, p):
    """W_p^p on the line less p D^p times twice the error of a mass, D the length that holds both projections."""
    clouds = [EmpiricalMeasure([[0.0], [1.0]]), EmpiricalMeasure([[3.0], [4.0]])]
    pair = as_pair(*map(as_atoms, clouds, ("mu", "nu")))
    error = 1e-3
    off = pair._replace(**{side: getattr(pair, side)._replace(mass_error=error)})
    found = power_sliced(off, np.array([[1.0]]), p) * pair.unit
    assert found == pytest.approx((3.0**p - p * 4.0**p * 2 * error) ** (1 / p), rel=1e-9)
