"""Plans: marginals, cost and potentials agree; interpolation and barycentres against closed forms."""

import copy

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, wasserstein, wasserstein_bracket
from meanfield.distances import barycenter, transport
from particles.errors import InvalidInput, NotSupported
from particles.fields.spaces import Circle, Euclidean
from particles.measure import EmpiricalMeasure


def clouds(seed, d):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 30, 2)
    mu = EmpiricalMeasure(rng.standard_normal((n, d)), rng.dirichlet(np.ones(n)))
    return mu, EmpiricalMeasure(rng.standard_normal((m, d)) + 1, rng.dirichlet(np.ones(m)))


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_marginals_cost_and_potentials(d, p, seed):
    mu, nu = clouds(seed, d)
    found = transport(mu, nu, p)
    np.testing.assert_allclose(found.plan.sum(axis=1), mu.weights, atol=1e-15)
    np.testing.assert_allclose(found.plan.sum(axis=0), nu.weights, atol=1e-15)
    cost = np.linalg.norm(mu.points[:, None] - nu.points, axis=2) ** p
    assert found.distance == pytest.approx(wasserstein(mu, nu, p), rel=1e-12)
    assert (found.plan.toarray() * cost).sum() == pytest.approx(found.distance**p, rel=1e-12)
    f, g = found.potentials
    assert (f[:, None] + g - cost).max() <= 1e-12 * cost.max()
    assert mu.weights @ f + nu.weights @ g == pytest.approx(found.distance**p, rel=1e-11)


def test_a_shift_and_its_interpolation():
    mu, _ = clouds(0, 2)
    nu = EmpiricalMeasure(mu.points + np.array([2.0, 1.0]), mu.weights)
    found = transport(mu, nu)
    np.testing.assert_allclose(found.map, nu.points, atol=1e-12)
    for s in (0.0, 0.25, 1.0):
        middle = EmpiricalMeasure(mu.points + s * np.array([2.0, 1.0]), mu.weights)
        assert wasserstein(found.at(s), middle) < 1e-7
        assert wasserstein(mu, found.at(s)) == pytest.approx(s * 5**0.5, abs=1e-7)
    with pytest.raises(InvalidInput, match=r"\[0, 1\]"):
        found.at(1.5)
    data = found.to_dataset()
    assert float(data.plan_mass.sum()) == pytest.approx(1.0)
    assert float(data.distance) == found.distance


def test_points_and_a_density():
    points = EmpiricalMeasure(np.random.default_rng(1).uniform(-1, 1, (40, 2)), None)
    density = GridMeasure(Grid([(-1, 1), (-1, 1)], (8, 8)), np.full((8, 8), 1 / 64))
    for first, second in ((points, density), (density, points)):
        found = transport(first, second)
        assert found.distance == wasserstein(first, second)
        side = 0 if first is points else 1
        np.testing.assert_allclose(found.plan.sum(axis=1 - side), points.weights, atol=1e-10)
        assert found.error == 0.0
    # The map sends a point to the centroid of its cell: the mean is kept.
    np.testing.assert_allclose(points.weights @ transport(points, density).map, [0.0, 0.0], atol=1e-10)


def bump(a, b, size, n):
    grid = Grid([(-1, 1), (-1, 1)], (n, n))
    x, y = grid.points.T
    values = np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * size**2))
    return GridMeasure(grid, (values / values.sum()).reshape(n, n))


def test_two_densities_of_the_plane():
    mu, nu = bump(-0.3, 0.0, 0.3, 12), bump(0.3, 0.2, 0.25, 12)
    bracket = wasserstein_bracket(mu, nu)
    for first, second in ((mu, nu), (nu, mu)):
        found = transport(first, second)
        assert bracket.lower <= found.distance + found.error
        assert found.distance - found.error <= bracket.upper
        assert 0.0 < found.error < 0.03 * found.distance
        assert found.plan.sum() == pytest.approx(1.0, abs=1e-9)
        assert found.plan.shape == (len(found.source), len(found.target))
        # Masses and means of both sides are kept: cells and blocks have theirs.
        for side, points, measure in ((1, found.source, first), (0, found.target, second)):
            mass = np.asarray(found.plan.sum(axis=side)).ravel()
            np.testing.assert_allclose(mass @ points, measure.weights @ measure.points, atol=1e-8)
    same = transport(mu, mu)
    assert (same.distance, same.error) == (0.0, 0.0)


def test_a_plan_is_frozen_and_is_compared_by_identity():
    mu, nu = clouds(0, 2)
    points, density = (
        EmpiricalMeasure([[0.1, 0.0], [0.5, -0.5]]),
        Grid([(-1, 1), (-1, 1)], (8, 8)).measure(lambda x: x[:, 0] ** 2),
    )
    for found in (transport(mu, nu), transport(points, density), transport(density, points)):
        held = (*found.potentials, found.source, found.target, found.plan.data, found.plan.indices, found.plan.indptr)
        assert not any(array.flags.writeable for array in held)
        assert not any(array.flags.writeable for array in copy.deepcopy(found).potentials)
        assert found == found
        assert found != transport(mu, nu)
        assert len({found, found}) == 1


def test_atoms_of_mass_zero_and_the_circle():
    mu = EmpiricalMeasure([[0.0, 0.0], [9.0, 9.0], [1.0, 0.0]], [0.5, 0.0, 0.5])
    nu = EmpiricalMeasure([[0.0, 1.0], [1.0, 1.0]])
    found = transport(mu, nu)
    assert found.plan.shape == (3, 2)
    assert found.distance == pytest.approx(1.0)
    around = transport(EmpiricalMeasure([0.01]), EmpiricalMeasure([2 * np.pi - 0.01]), ground=Circle())
    assert around.distance == pytest.approx(0.02, rel=1e-12)
    with pytest.raises(NotSupported, match="takes means"):
        _ = around.map


def test_barycentres():
    # On the line quantiles are averaged; of shifted copies the barycentre is the cloud at the mean shift.
    a, b = EmpiricalMeasure([0.0, 1.0, 5.0]), EmpiricalMeasure([2.0, 9.0, 3.0])
    np.testing.assert_allclose(np.sort(barycenter([a, b], [0.25, 0.75]).points[:, 0]), [1.5, 2.5, 8.0], atol=1e-12)
    x = np.random.default_rng(0).standard_normal((20, 2))
    shifts = np.array([[0.0, 0.0], [3.0, 1.0], [0.0, -4.0]])
    found = barycenter([EmpiricalMeasure(x + s) for s in shifts])
    assert wasserstein(found, EmpiricalMeasure(x + shifts.mean(axis=0))) < 1e-7
    with pytest.raises(InvalidInput, match="got none"):
        barycenter([])


def test_clouds_of_two_dimensions_have_no_plan():
    with pytest.raises(InvalidInput, match="dimension"):
        transport(EmpiricalMeasure(np.zeros((2, 2))), EmpiricalMeasure(np.zeros((2, 3))))
    with pytest.raises(InvalidInput, match="dimension"):
        transport(EmpiricalMeasure([0.0, 1.0]), EmpiricalMeasure(np.zeros((2, 3))))


def test_straight_lines_that_are_named_are_those_that_are_meant():
    mu, nu = clouds(0, 2)
    plain, named = transport(mu, nu), transport(mu, nu, ground=Euclidean())
    for at in (0.0, 0.3):
        np.testing.assert_array_equal(named.at(at).points, plain.at(at).points)
    np.testing.assert_array_equal(named.map, plain.map)
