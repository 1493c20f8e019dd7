"""Distances to atoms, hyperplanes and polytopes, against closed forms and every simplex."""

from itertools import combinations

import numpy as np
import pytest

from meanfield import wasserstein
from meanfield.distances import distance_to_atoms, distance_to_hyperplanes, distance_to_polytope
from meanfield.measures import polytope
from particles.errors import InvalidInput, TooLarge
from particles.measure import EmpiricalMeasure


def cloud(seed, n, d, scale=1.0):
    rng = np.random.default_rng(seed)
    return EmpiricalMeasure(scale * rng.standard_normal((n, d)), rng.dirichlet(np.ones(n)))


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_atoms(p, d):
    mu, sites = cloud(0, 60, d), np.random.default_rng(1).standard_normal((4, d))
    gaps = np.linalg.norm(mu.points[:, None] - sites, axis=2)
    value = distance_to_atoms(mu, sites, p)
    assert value == pytest.approx((mu.weights @ gaps.min(axis=1) ** p) ** (1 / p), rel=1e-13)
    # The nearest measure on the sites, with the masses that the points send there.
    nearest = EmpiricalMeasure(sites, np.bincount(gaps.argmin(axis=1), mu.weights, 4))
    assert value == pytest.approx(wasserstein(mu, nearest, p), rel=1e-9)


@pytest.mark.parametrize("p", [1, 2])
def test_hyperplanes(p):
    mu, normal, levels = cloud(2, 80, 3), np.array([3.0, 0.0, 4.0]), [1.0, -2.0, 0.5]
    gaps = np.abs((mu.points @ normal)[:, None] - np.array(levels)) / 5
    assert distance_to_hyperplanes(mu, normal, levels, p) == pytest.approx(
        (mu.weights @ gaps.min(axis=1) ** p) ** (1 / p), rel=1e-13
    )
    assert distance_to_hyperplanes(EmpiricalMeasure([[7.0, 2.0]]), [0.0, 2.0], [4.0]) == 0.0


def nearest_in_hull(point, vertices):
    """The least distance to a simplex of up to d + 1 vertices, all of them tried: the nearest point lies in one."""
    n, d = vertices.shape
    gaps = []
    for size in range(1, d + 2):
        for chosen in map(list, combinations(range(n), size)):
            corner, edges = vertices[chosen[0]], vertices[chosen[1:]] - vertices[chosen[0]]
            weights = np.linalg.lstsq(edges.T, point - corner, rcond=None)[0] if size > 1 else np.empty(0)
            if (weights >= 0).all() and weights.sum() <= 1:
                gaps.append(np.linalg.norm(corner + weights @ edges - point))
    return min(gaps)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_polytope_against_every_simplex_of_its_vertices(d):
    vertices = np.random.default_rng(d).standard_normal((d + 4, d))
    mu = cloud(d, 30, d, scale=2.0)
    gaps = np.array([nearest_in_hull(x, vertices) for x in mu.points])
    exact = np.sqrt(mu.weights @ gaps**2)
    assert distance_to_polytope(mu, vertices) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("p", [1, 2])
def test_cube_and_its_boundary(p):
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    mu = EmpiricalMeasure([[0.5, 0.0, 0.0], [3.0, 3.0, 0.0], [2.0, 0.0, 0.0], [1.0, 0.2, 0.1]])
    outside = np.array([0.0, np.sqrt(8), 1.0, 0.0])
    inside = np.array([0.5, np.sqrt(8), 1.0, 0.0])
    mean = lambda gaps: np.mean(gaps**p) ** (1 / p)  # noqa: E731
    assert distance_to_polytope(mu, corners, p) == pytest.approx(mean(outside), rel=1e-13)
    assert distance_to_polytope(mu, corners, p, boundary=True) == pytest.approx(mean(inside), rel=1e-13)


def test_flat_polytopes():
    triangle = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    above = EmpiricalMeasure([[0.25, 0.25, 3.0]])
    assert distance_to_polytope(above, triangle) == pytest.approx(2.0, rel=1e-14)
    assert distance_to_polytope(above, triangle, boundary=True) == pytest.approx(np.hypot(2.0, 0.25), rel=1e-13)
    segment = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    mu = EmpiricalMeasure([[1.0, 1.0], [3.0, 0.0]])
    assert distance_to_polytope(mu, segment) == pytest.approx(1.0, rel=1e-14)
    point = np.array([[1.0, 1.0], [1.0, 1.0]])
    assert distance_to_polytope(mu, point) == pytest.approx(np.sqrt(2.5), rel=1e-14)


def test_memory_is_linear(monkeypatch):
    # Blocks of any size give the same number.
    mu, vertices = cloud(5, 200, 2), np.random.default_rng(0).standard_normal((6, 2))
    whole = distance_to_polytope(mu, vertices)
    monkeypatch.setattr(polytope, "BLOCK", 7)
    assert distance_to_polytope(mu, vertices) == pytest.approx(whole, rel=1e-14)


def test_bad_input_is_refused(monkeypatch):
    mu = cloud(0, 5, 2)
    with pytest.raises(InvalidInput, match="dimensions"):
        distance_to_atoms(mu, [[0.0, 0.0, 0.0]])
    for normal, offsets in (([0.0, 0.0], [1.0]), ([1.0], [1.0]), ([1.0, 0.0], [])):
        with pytest.raises(InvalidInput, match="normal"):
            distance_to_hyperplanes(mu, normal, offsets)
    with pytest.raises(InvalidInput, match="vertices must be finite"):
        distance_to_polytope(mu, [[0.0, np.nan]])
    monkeypatch.setattr(polytope, "MAX_SIMPLICES", 3)
    with pytest.raises(TooLarge, match="faces"):
        distance_to_polytope(mu, np.eye(3)[:, :2])


@pytest.mark.parametrize("size", [1e-300, 1e-160, 3.0, 1e160, 1e300])
def test_the_length_of_the_normal_does_not_matter(size):
    mu = EmpiricalMeasure(np.random.default_rng(5).standard_normal((40, 2)))
    value = distance_to_hyperplanes(mu, [0.6 * size, 0.8 * size], [0.0, 2.0 * size])
    assert value == pytest.approx(distance_to_hyperplanes(mu, [0.6, 0.8], [0.0, 2.0]), rel=1e-14)


@pytest.mark.parametrize("offset", [1e6, -1e9])
@pytest.mark.parametrize("d", [2, 3])
def test_flat_polytopes_far_from_the_origin(offset, d):
    """A simplex of d vertices in R^d and a point that stands 2 above its centre: moved, both keep their distance."""
    for seed in range(30):
        corners = np.random.default_rng(seed).standard_normal((d, d)) + offset
        centred = corners - corners[0]
        normal = np.linalg.svd(centred)[2][-1]
        above = corners[0] + centred.mean(axis=0) + 2.0 * normal
        assert distance_to_polytope(EmpiricalMeasure([above]), corners) == pytest.approx(2.0, abs=8e-16 * abs(offset))
