"""Bounds for densities on plane grids, against products of lines, where W₂² adds up, and Gaussians."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.linalg import sqrtm

from meanfield import Grid, GridMeasure, Normal, Uniform, wasserstein, wasserstein_bracket
from meanfield.distances import density, density_bracket
from particles.errors import InvalidInput
from particles.measure import EmpiricalMeasure


def product(seed, edges):
    """A random product density and its two factors."""
    rng = np.random.default_rng(seed)
    factors = [rng.dirichlet(np.full(len(e) - 1, 0.7)) for e in edges]
    lines = [GridMeasure(Grid.from_edges([e]), f) for e, f in zip(edges, factors, strict=True)]
    return GridMeasure(Grid.from_edges(edges), np.outer(*factors)), lines


@pytest.mark.parametrize("seed", range(5))
def test_products_of_lines(seed):
    # The optimal map of a product is the product of the maps, and Knothe–Rosenblatt finds it.
    x = [np.linspace(0, 1, 13), np.linspace(-1, 1, 21)]
    y = [np.cumsum(np.random.default_rng(seed).random(12)) / 4, np.linspace(-1, 0.5, 17)]
    mu, lines_mu = product(seed, x)
    nu, lines_nu = product(seed + 100, y)
    exact = np.hypot(wasserstein(lines_mu[0], lines_nu[0]), wasserstein(lines_mu[1], lines_nu[1]))
    bracket = density_bracket(mu, nu)
    assert bracket.lower <= exact <= bracket.upper
    assert bracket.upper == pytest.approx(exact, rel=1e-11)
    assert bracket.lower > 0.75 * exact
    assert bracket.estimate == pytest.approx(exact, rel=0.05)
    assert bracket.marginal_error <= 1e-7


def test_the_gap_closes_like_h_squared():
    gaps = []
    for n in (16, 32, 64):
        grid = Grid([(-4, 4), (-4, 4)], (n, n))
        mu = grid.measure(Normal([0, 0], 0.36 * np.eye(2)))
        nu = grid.measure(Normal([0.5, 0.3], 0.36 * np.eye(2)))
        bracket = density_bracket(mu, nu)
        exact = np.hypot(0.5, 0.3)
        assert bracket.lower < exact + 1e-3
        gaps.append(bracket.upper**2 - bracket.lower**2)
    assert gaps[0] / gaps[1] > 3
    assert gaps[1] / gaps[2] > 3.7


def test_rotated_gaussians():
    # The optimal map is no product here, so the upper bound is not exact.
    grid = Grid([(-4, 4), (-4, 4)], (64, 64))
    s, t = np.array([[0.6, 0.3], [0.3, 0.4]]), np.array([[0.3, -0.2], [-0.2, 0.5]])
    root = sqrtm(s)
    exact = np.sqrt(np.trace(s + t - 2 * np.real(sqrtm(root @ t @ root))))
    mu, nu = grid.measure(Normal([0, 0], s)), grid.measure(Normal([0, 0], t))
    bracket = density_bracket(mu, nu)
    assert bracket.lower < exact < bracket.upper
    assert bracket.upper - bracket.lower < 0.06 * exact
    assert bracket.estimate == pytest.approx(exact, rel=5e-3)


def test_a_translate_by_whole_cells():
    masses = np.zeros((12, 12))
    masses[2:5, 3:6] = np.random.default_rng(0).dirichlet(np.ones(9)).reshape(3, 3)
    grid = Grid([(1e4, 1e4 + 12), (0, 12)], (12, 12))
    mu, nu = GridMeasure(grid, masses), GridMeasure(grid, np.roll(masses, (3, 4), axis=(0, 1)))
    bracket = density_bracket(mu, nu)
    assert bracket.lower <= 5 <= bracket.upper
    assert bracket.upper == pytest.approx(5, rel=1e-10)
    assert bracket.estimate == pytest.approx(5, rel=1e-6)


@pytest.mark.parametrize("d", [2, 3])
def test_bracket_of_densities_in_space(d):
    coarse, fine = Grid([(0, 1)] * d, (3,) * d), Grid([(0, 1)] * d, (2,) * d)
    rng = np.random.default_rng(d)
    mu = GridMeasure(coarse, rng.dirichlet(np.ones(3**d)).reshape((3,) * d))
    nu = GridMeasure(fine, rng.dirichlet(np.ones(2**d)).reshape((2,) * d))
    bracket = wasserstein_bracket(mu, nu, "certify")

    # Sample both densities finely: cells cut into 4^d atoms each are within h / 4 of them.
    def refined(measure, cuts):
        masses = measure.masses / cuts**d
        for k in range(d):
            masses = np.repeat(masses, cuts, axis=k)
        grid = Grid([(0, 1)] * d, masses.shape)
        return EmpiricalMeasure(grid.points, masses.ravel()), np.sqrt(d / 12) * grid.widths[0][0]

    (x, q_x), (y, q_y) = refined(mu, 4), refined(nu, 6)
    exact = wasserstein(x, y, max_bytes=2**32) if d == 2 else wasserstein_bracket(x, y, "certify").upper
    assert bracket.lower <= exact + q_x + q_y
    assert exact - q_x - q_y <= bracket.upper
    cloud = wasserstein_bracket(mu, EmpiricalMeasure(nu.points, nu.weights))
    assert cloud.lower <= cloud.upper


def test_bracket_of_densities_on_the_line():
    edges = np.linspace(0, 1, 101)
    rng = np.random.default_rng(0)
    mu = GridMeasure(Grid.from_edges([edges]), rng.dirichlet(np.ones(100)))
    moved = GridMeasure(Grid.from_edges([edges + 0.5]), mu.masses)
    bracket = wasserstein_bracket(mu, moved)
    assert bracket.lower <= 0.5 <= bracket.upper
    assert bracket.width < 1e-11
    with pytest.raises(InvalidInput, match="labelled"):
        wasserstein_bracket(mu, moved, labelled=True)
    with pytest.raises(InvalidInput, match="dimensions"):
        wasserstein_bracket(mu, EmpiricalMeasure([[0.0, 0.0]]))


@pytest.mark.parametrize("cells", [2, 5, 8, 16])
def test_few_wide_cells_converge_with_the_default_epsilon(cells):
    grid = Grid([(3.0, 4.0), (0.0, 0.01)], (cells, cells))
    whole, half = grid.measure(Uniform([(3.0, 4.0), (0.0, 0.01)])), grid.measure(Uniform([(3.0, 3.5), (0.0, 0.01)]))
    same = density_bracket(whole, whole)
    assert same.lower == 0.0
    assert same.lower == same.upper == same.estimate == 0.0
    bracket = density_bracket(whole, half)
    exact = wasserstein(*(GridMeasure(Grid([(3.0, 4.0)], cells), m.masses.sum(axis=1)) for m in (whole, half)))
    assert bracket.lower <= exact <= bracket.upper
    assert bracket.estimate == pytest.approx(exact, rel=0.1)


def test_no_steps_are_refused():
    mu = Grid([(0, 1), (0, 1)], (8, 8)).measure(Uniform([(0, 1), (0, 1)]))
    with pytest.raises(InvalidInput, match="max_steps must be a whole number of at least 1, got 0"):
        density_bracket(mu, mu, max_steps=0)


@pytest.mark.parametrize("seed", range(12))
def test_the_estimate_lies_inside(seed):
    rng = np.random.default_rng(seed)
    grid = Grid([(0, 1), (0, 1)], (6, 6))
    mu = GridMeasure(grid, rng.dirichlet(np.full(36, 0.4)).reshape(6, 6))
    nu = GridMeasure(grid, np.roll(mu.masses, 1, axis=0) if seed % 2 else mu.masses[::-1])
    bracket = density_bracket(mu, nu)
    assert bracket.lower <= bracket.estimate <= bracket.upper


def test_the_upper_bound_is_the_lesser_of_the_couplings_along_either_axis_first(monkeypatch):
    """Each is a coupling: the bound is at most the cost of both, where no other one is better."""
    monkeypatch.setattr(density, "by_means", lambda *_: SimpleNamespace(upper=np.inf))
    rng = np.random.default_rng(4)
    grid = Grid([(-1, 1), (-1, 1)], (6, 6))
    mu, nu = (GridMeasure(grid, rng.dirichlet(np.full(36, 0.3)).reshape(6, 6)) for _ in range(2))
    axes = [e - e.mean() for e in grid.edges]
    costs = [
        density._knothe_rosenblatt(axes, a, axes, b, 8.0) ** 0.5
        for a, b in ((mu.masses, nu.masses), (mu.masses.T, nu.masses.T))
    ]
    assert abs(costs[0] - costs[1]) > 1e-3
    assert density_bracket(mu, nu).upper == pytest.approx(min(costs), rel=1e-9)
