"""Displacement interpolation: ends, mass, means, constant speed, of clouds, cells and blocks."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, transport, wasserstein, wasserstein_bracket
from meanfield.distances.paths import AtomPath, covariance_map
from meanfield.distances.semidiscrete.pieces import ConvexPieces, pieces_of_grid
from particles.errors import InvalidInput, NotSupported
from particles.fields.spaces import Circle, Space, Sphere, Torus
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


def around(seed, n, space):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 3)) if isinstance(space, Sphere) else rng.uniform(0, 2, (n, len(space.periods)))
    return EmpiricalMeasure(space.project(points), rng.dirichlet(np.ones(n)))


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("space", [Circle(), Torus((0.7,)), Torus((1.0, 2.0)), Sphere()], ids=repr)
def test_speed_is_constant_on_a_circle_a_torus_and_the_sphere(space, p):
    mu, nu = around(0, 9, space), around(1, 12, space)
    found = transport(mu, nu, p, ground=space)
    assert wasserstein(found.at(0.0), mu, p, ground=space) < 1e-12 ** (1 / p)
    assert set(map(tuple, found.at(0.0).points)) == set(map(tuple, mu.points))
    assert set(map(tuple, found.at(1.0).points)) == set(map(tuple, nu.points))
    for s, t in ((0.0, 0.3), (0.3, 0.8), (0.5, 1.0)):
        one, other = found.at(s), found.at(t)
        space.check(one.points)
        np.testing.assert_allclose(
            wasserstein(one, other, p, ground=space), abs(s - t) * found.distance, rtol=1e-9 if p < 3 else 1e-6
        )


def test_mass_crosses_the_seam_of_the_circle_by_the_shorter_way():
    found = transport(EmpiricalMeasure([0.1]), EmpiricalMeasure([6.1]), ground=Circle())
    length = 2 * np.pi - 6.0
    for s in (0.25, 0.5, 0.75):
        assert found.at(s).points[0, 0] == pytest.approx((0.1 - s * length) % (2 * np.pi), rel=1e-12)
    assert found.at(0.5).periods == (2 * np.pi,)


def test_far_from_the_seam_the_circle_is_the_line():
    rng = np.random.default_rng(2)
    mu, nu = (EmpiricalMeasure(3.0 + rng.uniform(-0.7, 0.7, n), rng.dirichlet(np.ones(n))) for n in (20, 30))
    line, circle = transport(mu, nu), transport(mu, nu, ground=Circle())
    assert circle.distance == pytest.approx(line.distance, rel=1e-12)
    for s in (0.0, 0.4, 1.0):
        assert wasserstein(line.at(s), EmpiricalMeasure(circle.at(s).points, circle.at(s).weights)) < 1e-7


def test_opposite_points_of_the_sphere_and_unknown_ways_are_refused():
    mu, nu = EmpiricalMeasure([[0.0, 0.0, 1.0]]), EmpiricalMeasure([[0.0, 0.0, -1.0]])
    with pytest.raises(NotSupported, match="more than one shortest way"):
        transport(mu, nu, ground=Sphere()).at(0.5)

    class Discrete(Space):
        def distance(self, x, y):
            return (x != y).any(axis=-1) * 1.0

    with pytest.raises(NotSupported, match=r"Discrete does not know its shortest ways.*`between`"):
        transport(mu, nu, ground=Discrete()).at(0.5)
