"""Bounds between two densities of the plane, against products of lines, where W₂² adds up, and translations."""

from time import process_time

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, wasserstein, wasserstein_bracket
from meanfield.distances.bounds.rounding import gamma
from meanfield.distances.semidiscrete.cell_bounds import squared_bounds
from meanfield.distances.semidiscrete.pieces import pieces_of_grid
from meanfield.distances.semidiscrete.quantised import between


def product(rng, edges):
    factors = [rng.dirichlet(np.full(len(e) - 1, 0.5)) for e in edges]
    lines = [GridMeasure(Grid.from_edges([e]), f) for e, f in zip(edges, factors, strict=True)]
    return GridMeasure(Grid.from_edges(edges), np.outer(*factors)), lines


@pytest.mark.parametrize("most", [20, 100, 10000])
@pytest.mark.parametrize("seed", range(4))
def test_products_of_lines_are_inside(seed, most):
    rng = np.random.default_rng(seed)
    mu, lines_mu = product(rng, [np.linspace(0, 1, 13), np.linspace(-1, 1, 10)])
    nu, lines_nu = product(rng, [np.cumsum(rng.random(12)) / 4, np.linspace(-1, 0.5, 16)])
    exact = sum(wasserstein(a, b) ** 2 for a, b in zip(lines_mu, lines_nu, strict=True))
    lower, upper, *_ = between(pieces_of_grid(mu), nu, most, 12.0)
    assert lower <= exact <= upper
    # The mean square of the blocks' widths, a quarter of it an axis at most on either side.
    factor = max(1, int(np.ceil(np.sqrt(nu.masses.size / most))))
    widest = [factor * float(np.diff(e).max()) for e in nu.grid.edges]
    assert upper - lower <= 0.5 * (widest[0] ** 2 + widest[1] ** 2)


@pytest.mark.parametrize("most", [20, 10000])
def test_the_upper_bound_is_the_plan_to_the_means_and_the_spread_about_them(most):
    """At a diameter of 10⁶ the roundings, 16 γ_{n+64} D² for n cells, can be read off the bound."""
    rng = np.random.default_rng(0)
    mu, _ = product(rng, [np.linspace(0, 1, 13), np.linspace(-1, 1, 10)])
    nu, _ = product(rng, [np.linspace(0, 2, 12), np.linspace(-1, 0.5, 16)])
    for diameter2 in (12.0, 1e12):
        found = between(pieces_of_grid(mu), nu, most, diameter2)
        blocks = found.blocks
        # Covariance of a mixture of cells: law of total variance against the whole.
        mean = blocks.mass @ blocks.mean
        whole = blocks.mass @ (blocks.spread[:, [0, 2]] + (blocks.mean - mean) ** 2)
        own = [np.diff(edges)[0] ** 2 / 12 for edges in nu.grid.edges]
        np.testing.assert_allclose(whole, np.diag(nu.covariance()) + own, rtol=1e-10)
        spread = blocks.mass @ (blocks.spread[:, 0] + blocks.spread[:, 2])
        rest = found.upper - squared_bounds(found.found, diameter2)[1] - spread
        assert rest == pytest.approx(16 * gamma(nu.masses.size + 64) * diameter2, rel=1e-2, abs=4e-15)


def named_pairs(n):
    grid = Grid([(-1, 1), (-1, 1)], (n, n))
    x, y = grid.points.T

    def law(values):
        return GridMeasure(grid, (values / values.sum()).reshape(n, n))

    def bump(a, b, s):
        return np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * s * s))

    def long(angle):
        u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
        return np.exp(-u * u / 0.32 - v * v / 0.02)

    clusters = sum(bump(a, b, 0.03) for a, b in ((-0.6, -0.5), (0.7, -0.2), (0.0, 0.6)))
    return {
        "shift": (law(bump(-0.2, -0.1, 0.15)), law(bump(0.3, 0.2, 0.15))),
        "rotation": (law(long(0.0)), law(long(np.pi / 3))),
        "two bumps": (law(bump(0, 0, 0.2)), law(bump(-0.5, -0.2, 0.1) + bump(0.5, 0.3, 0.1))),
        "clustered": (law(np.ones(n * n)), law(clusters)),
    }


@pytest.mark.parametrize("name", ["shift", "rotation", "two bumps"])
def test_named_pairs_on_a_coarse_grid(name):
    mu, nu = named_pairs(24)[name]
    bracket = wasserstein_bracket(mu, nu)
    assert bracket.lower_by == bracket.upper_by == "power cells"
    assert 0.0 < bracket.width < 0.03 * bracket.upper
    other = wasserstein_bracket(nu, mu)
    assert max(bracket.lower, other.lower) <= min(bracket.upper, other.upper)
    if name == "shift":
        # Both bumps are cut at the walls, where their tails are 1e-5.
        assert bracket.lower - 1e-4 <= np.hypot(0.5, 0.3) <= bracket.upper + 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "effort"), [("shift", "cheap"), ("rotation", "cheap"), ("two bumps", "cheap"), ("clustered", "dual")]
)
def test_named_pairs_within_one_percent(name, effort):
    start = process_time()
    bracket = wasserstein_bracket(*named_pairs(128)[name], effort)
    assert bracket.width <= 0.01 * bracket.upper
    assert process_time() - start < 30.0
