"""Plans on the line with densities: marginals, cost, potentials, maps and ways between, against closed forms."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, transport, wasserstein
from particles.errors import InvalidInput
from particles.measure import EmpiricalMeasure


def density(seed, n=12, vacuum=False, shift=0.0):
    rng = np.random.default_rng(seed)
    edges = np.cumsum(np.concatenate([[-1.0 + shift], rng.exponential(size=n) / n]))
    mass = rng.exponential(size=n) * (rng.random(n) < 0.5 if vacuum else 1.0)
    mass[0] += mass.sum() == 0.0
    return GridMeasure(Grid.from_edges([edges]), mass / mass.sum())


def cloud(seed, n):
    rng = np.random.default_rng(seed)
    return EmpiricalMeasure(rng.uniform(-1, 1.5, (n, 1)), rng.dirichlet(np.ones(n)))


PAIRS = [
    (density(0), density(1, 9)),
    (density(2, vacuum=True), density(3, 20, vacuum=True, shift=0.7)),
    (density(4), cloud(5, 7)),
    (cloud(6, 30), density(7, vacuum=True)),
]


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("pair", PAIRS)
def test_marginals_cost_and_potentials(pair, p):
    mu, nu = pair
    found = transport(mu, nu, p)
    assert found.distance == wasserstein(mu, nu, p)
    assert found.error == 0.0
    rows, columns = found.plan.sum(axis=1), found.plan.sum(axis=0)
    for measure, mass, points in ((mu, rows, found.source), (nu, columns, found.target)):
        if isinstance(measure, EmpiricalMeasure):
            np.testing.assert_allclose(mass, measure.weights, atol=1e-15)
            np.testing.assert_array_equal(points, measure.points)
        else:
            # Every piece lies in one cell, and the pieces of a cell have its mass.
            cell = np.searchsorted(measure.grid.edges[0], points[:, 0]) - 1
            np.testing.assert_allclose(np.bincount(cell, mass, len(measure.masses)), measure.masses, atol=1e-15)
    f, g = found.potentials
    cost = np.abs(found.source - found.target.T) ** p
    assert (f[:, None] + g - cost).max() <= 1e-13 * cost.max()
    entries = found.plan.tocoo()
    slack = (cost - f[:, None] - g)[entries.row, entries.col]
    assert np.abs(slack).max() <= 1e-13 * cost.max()


def test_the_dual_value_is_the_cost():
    # Middles stand for pieces: both sums differ from the integrals by O(width^2).
    rng = np.random.default_rng(8)
    n = 400
    mu, nu = (GridMeasure(Grid([(-1, 1)], n), m / m.sum()) for m in 1.0 + rng.random((2, 1)) * np.linspace(-1, 1, n))
    for p in (1.5, 2.0, 3.0):
        found = transport(mu, nu, p)
        f, g = found.potentials
        value = found.plan.sum(axis=1) @ f + found.plan.sum(axis=0) @ g
        assert value == pytest.approx(found.distance**p, rel=1e-4)


def test_a_uniform_law_and_its_image():
    mu, nu = (GridMeasure(Grid([ends], 4), np.full(4, 0.25)) for ends in ((0.0, 1.0), (2.0, 5.0)))
    found = transport(mu, nu)
    np.testing.assert_allclose(found.map[:, 0], 2.0 + 3.0 * found.source[:, 0], rtol=1e-14)
    middle = found.at(0.5)
    np.testing.assert_array_equal(middle.grid.bounds, [(1.0, 3.0)])
    assert wasserstein(middle, GridMeasure(Grid([(1.0, 3.0)], 2), np.full(2, 0.5))) < 1e-14
    assert found.at(0.0) is mu
    assert found.at(1.0) is nu
    assert float(found.to_dataset()["plan_mass"].sum()) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("pair", PAIRS)
def test_speed_is_constant_on_the_way(pair):
    mu, nu = pair
    found = transport(mu, nu)
    for s in (0.2, 0.9):
        between = found.at(s)
        assert wasserstein(mu, between) == pytest.approx(s * found.distance, rel=1e-11)
        assert wasserstein(between, nu) == pytest.approx((1.0 - s) * found.distance, rel=1e-11)


def test_a_density_on_its_way_to_one_point():
    found = transport(density(9), EmpiricalMeasure([[0.3]]))
    assert found.at(0.5).grid.bounds[0][0] == pytest.approx(0.5 * (-1.0 + 0.3))
    with pytest.raises(InvalidInput, match="points by now"):
        found.at(1.0 - 2.0**-53)
    np.testing.assert_allclose(found.map, 0.3, rtol=1e-14)
