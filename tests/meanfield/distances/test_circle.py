"""Distances on the circle against the linear programme with the periodic cost, and against POT's circle solver."""

import numpy as np
import ot
import pytest

from meanfield import Grid, GridMeasure, wasserstein
from meanfield.distances.circle import shifted
from meanfield.distances.line import quantile_of_atoms
from particles.errors import InvalidInput
from particles.fields.spaces import Circle, Sphere, Torus
from particles.measure import EmpiricalMeasure

TURN = 2 * np.pi


def clouds(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 40, 2)
    mu = EmpiricalMeasure(rng.uniform(0, TURN, n), rng.dirichlet(np.ones(n)))
    return mu, EmpiricalMeasure(rng.normal(0, rng.choice([0.1, 1, 30]), m), rng.dirichlet(np.ones(m)))


def test_two_points_on_both_sides_of_the_cut():
    value = wasserstein(EmpiricalMeasure([0.01]), EmpiricalMeasure([TURN - 0.01]), ground=Circle())
    assert value == pytest.approx(0.02, rel=1e-12)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("seed", range(25))
def test_against_the_periodic_cost_and_the_circle_solver(seed, p):
    mu, nu = clouds(seed)
    value = wasserstein(mu, nu, p, ground=Circle())
    x, y = np.mod(mu.points[:, 0], TURN), np.mod(nu.points[:, 0], TURN)
    apart = np.abs(x[:, None] - y)
    exact = ot.emd2(mu.weights, nu.weights, np.minimum(apart, TURN - apart) ** p) ** (1 / p)
    assert value == pytest.approx(exact, rel=1e-13)
    circle = float(ot.wasserstein_circle(x / TURN, y / TURN, mu.weights, nu.weights, p=p)[0]) ** (1 / p) * TURN
    assert value == pytest.approx(circle, rel=1e-5)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("shift", [0.3, 1.0, 5.8])
def test_a_turned_density_moves_by_the_angle(p, shift):
    # Bump and shift together take less than half of the circle, so no point gains by the longer way.
    edges = np.linspace(0.0, TURN, 65)
    masses = np.exp(10 * np.cos(edges[:-1] + 0.5 * TURN / 64 - 1.0))
    masses[20:] = 0.0
    masses /= masses.sum()
    mu = GridMeasure(Grid.from_edges([edges]), masses)
    nu = GridMeasure(Grid.from_edges([edges + shift]), masses)
    assert wasserstein(mu, nu, p, ground=Circle()) == pytest.approx(min(shift, TURN - shift), rel=1e-12)


def test_a_density_against_its_quantiles_on_the_circle():
    n = 40
    uniform = GridMeasure(Grid([(0, TURN)], 16), np.full(16, 1 / 16))
    points = EmpiricalMeasure((np.arange(n) + 0.123) * TURN / n)
    assert wasserstein(uniform, points, ground=Circle()) == pytest.approx(TURN / n / 12**0.5, rel=1e-12)


@pytest.mark.parametrize("alpha", [-1.3, 0.0, 0.25, 0.7, 2.0])
def test_the_shifted_quantile_function(alpha):
    q = quantile_of_atoms(np.array([0.5, 1.0, 4.0]), np.array([0.2, 0.5, 0.3]))
    moved = shifted(q, alpha, TURN)
    levels = np.linspace(0.013, 0.987, 50)

    def value(piece, u):
        return piece.left[np.searchsorted(np.cumsum(piece.mass), u)]

    exact = [value(q, (u + alpha) % 1.0) + TURN * np.floor(u + alpha) for u in levels]
    np.testing.assert_allclose([value(moved, u) for u in levels], exact, rtol=1e-14)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_torus_and_sphere_by_the_simplex(p):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 1, (12, 2)), rng.uniform(0, 1, (9, 2))
    apart = np.abs(x[:, None] - y)
    exact = ot.emd2([], [], np.linalg.norm(np.minimum(apart, 1 - apart), axis=2) ** p) ** (1 / p)
    torus = Torus((1.0, 1.0))
    assert wasserstein(EmpiricalMeasure(x), EmpiricalMeasure(y), p, ground=torus) == pytest.approx(exact, rel=1e-12)
    u, v = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in rng.standard_normal((2, 8, 3)))
    exact = ot.emd2([], [], np.arccos(np.clip(u @ v.T, -1, 1)) ** p) ** (1 / p)
    assert wasserstein(EmpiricalMeasure(u), EmpiricalMeasure(v), p, ground=Sphere()) == pytest.approx(exact, rel=1e-9)


def test_a_grid_longer_than_the_circle_is_refused():
    mu = GridMeasure(Grid([(0, 7)], 4), np.full(4, 0.25))
    with pytest.raises(InvalidInput, match="one period"):
        wasserstein(mu, EmpiricalMeasure([0.0]), ground=Circle())
