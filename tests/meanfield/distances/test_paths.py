"""Displacement interpolation: ends, mass, means, constant speed, of clouds, cells and blocks."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, transport, wasserstein, wasserstein_bracket
from meanfield.distances.paths import AtomPath, covariance_map
from meanfield.distances.semidiscrete.pieces import ConvexPieces, pieces_of_grid
from particles.errors import InvalidInput
from particles.measure import EmpiricalMeasure


def density(seed, n=12):
    masses = np.random.default_rng(seed).exponential(size=(n, n))
    return GridMeasure(Grid([(-1, 1), (-1, 1)], (n, n)), masses / masses.sum())


def cloud(seed, n):
    rng = np.random.default_rng(seed)
    return EmpiricalMeasure(rng.uniform(-1, 1.5, (n, 2)), rng.dirichlet(np.ones(n)))


def mean(mu):
    return mu.weights @ mu.points


def test_atoms_move_on_segments():
    mu, nu = cloud(0, 5), cloud(1, 7)
    found = transport(mu, nu)
    assert isinstance(found.path, AtomPath)
    assert found.at(0.5).weights.sum() == pytest.approx(1.0, abs=1e-15)
    assert wasserstein(mu, found.at(0.5)) == pytest.approx(0.5 * found.distance, rel=1e-9)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("points", [1, 2, 20])
def test_a_density_shrinks_to_points_at_constant_speed(points, turned):
    mu, nu = density(0), cloud(2, points)
    found = transport(nu, mu) if turned else transport(mu, nu)
    assert found.at(0.0) is (nu if turned else mu)
    assert found.at(1.0) is (mu if turned else nu)
    for s in (1e-3, 0.5, 0.9):
        middle = found.at(1.0 - s if turned else s)
        assert isinstance(middle, ConvexPieces)
        assert middle.weights.sum() == pytest.approx(1.0, abs=1e-14)
        np.testing.assert_allclose(mean(middle), (1 - s) * mean(mu) + s * mean(nu), atol=1e-9)
        # The way from μ_s to the points is what is left of the way.
        assert wasserstein(middle, nu) == pytest.approx((1 - s) * found.distance, rel=1e-8)
    near = found.at(1.0 - 1e-12 if turned else 1e-12)
    assert len(near.weights) >= len(pieces_of_grid(mu).weights)
    assert wasserstein(near, cloud(3, 9)) == pytest.approx(wasserstein(mu, cloud(3, 9)), rel=1e-9)


def test_nearer_to_the_points_than_rounding_is_refused():
    far = EmpiricalMeasure([[1e6, 1e6]])
    found = transport(density(1), far)
    assert isinstance(found.at(1.0), EmpiricalMeasure)
    with pytest.raises(InvalidInput, match="points by now"):
        found.at(1.0 - 1e-16)


@pytest.mark.parametrize("turned", [False, True])
def test_between_two_densities(turned):
    mu, nu = density(4), density(5, 20)
    found = transport(nu, mu) if turned else transport(mu, nu)
    first, second = (nu, mu) if turned else (mu, nu)
    assert found.at(0.0) is first
    assert found.at(1.0) is second
    for s in (1e-9, 0.3, 0.7, 1 - 1e-9):
        middle = found.at(s)
        assert middle.weights.sum() == pytest.approx(1.0, abs=1e-14)
        np.testing.assert_allclose(mean(middle), (1 - s) * mean(first) + s * mean(second), atol=1e-7)
    # Each cell and its block are as far apart at the end as a block is wide, at most.
    for s, end in ((1e-9, first), (1 - 1e-9, second)):
        assert wasserstein_bracket(found.at(s), end).lower < 2 / 20


def test_a_translation_between_densities_is_one_on_the_way():
    n, h = 20, 0.1
    masses = np.zeros((n, n))
    masses[3:9, 4:12] = np.random.default_rng(0).exponential(size=(6, 8))
    grid = Grid([(-1, 1), (-1, 1)], (n, n))
    mu = GridMeasure(grid, masses / masses.sum())
    nu = GridMeasure(grid, np.roll(mu.masses, (8, 4), (0, 1)))
    found = transport(mu, nu)
    assert found.distance == pytest.approx(h * np.hypot(8, 4), abs=found.error * 1.001)
    middle = GridMeasure(grid, np.roll(mu.masses, (4, 2), (0, 1)))
    points = EmpiricalMeasure(middle.points, middle.weights)
    # The cells need not be the blocks: half the mean square of a block's width lies between, at most.
    assert wasserstein(found.at(0.5), points) < 1.5 * h


def test_the_map_between_covariances():
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b = (rng.standard_normal((2, 2)) for _ in range(2))
        s, t = a @ a.T, b @ b.T
        rows = [np.array([[m[0, 0], m[0, 1], m[1, 1]]]) for m in (s, t)]
        xx, xy, yy = covariance_map(*rows)[0]
        g = np.array([[xx, xy], [xy, yy]])
        assert (np.linalg.eigvalsh(g) > 0).all()
        # Flat covariances are widened by 1e-6 of their size.
        np.testing.assert_allclose(g @ s @ g, t, atol=1e-3 * np.trace(t) * max(1.0, np.linalg.cond(s) * 1e-2))
