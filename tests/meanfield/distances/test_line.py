"""Quantiles on the line against closed forms, the plane and the triangle inequality."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meanfield import Grid, GridMeasure, wasserstein
from particles.errors import NotConverged
from particles.measure import EmpiricalMeasure


def density(edges, masses):
    """A piecewise-constant density on the line."""
    return GridMeasure(Grid.from_edges([edges]), masses)


def uniform(a, b, k):
    return density(np.linspace(a, b, k + 1), np.full(k, 1 / k))


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.9), (-2.0, 5.0), (0.5, 0.50001), (1e6, 1e6 + 1)])
@pytest.mark.parametrize("cells", [2, 777])
def test_two_uniform_densities(a, b, cells):
    exact = np.sqrt((a * a + a * (b - 1) + (b - 1) ** 2) / 3)
    assert wasserstein(uniform(0, 1, 10), uniform(a, b, cells)) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 8])
def test_uniform_density_against_an_atom(p):
    exact = (0.5**p / (p + 1)) ** (1 / p)
    assert wasserstein(uniform(0, 1, 64), EmpiricalMeasure([0.5]), p) == pytest.approx(exact, rel=1e-13)
    # ∫₀¹ |u − 1/3|^p du
    exact = (((1 / 3) ** (p + 1) + (2 / 3) ** (p + 1)) / (p + 1)) ** (1 / p)
    assert wasserstein(EmpiricalMeasure([1 / 3]), uniform(0, 1, 2), p) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_uniform_density_against_midpoints(p):
    n = 200
    midpoints = EmpiricalMeasure((np.arange(n) + 0.5) / n)
    exact = (0.5**p / (p + 1)) ** (1 / p) / n
    assert wasserstein(uniform(0, 1, 2), midpoints, p) == pytest.approx(exact, rel=1e-14)


def test_densities_2x_and_3x2_converge_to_the_closed_form():
    # Quantiles u^{1/2} and u^{1/3}: W₂² = 1/2 − 12/11 + 3/5; cell masses are exact, so the error is O(h²) at worst.
    exact = np.sqrt(0.5 - 12 / 11 + 0.6)
    errors = []
    for cells in (50, 100, 200):
        edges = np.linspace(0, 1, cells + 1)
        value = wasserstein(density(edges, np.diff(edges**2)), density(edges, np.diff(edges**3)))
        errors.append(abs(value - exact))
    assert errors[0] < 2e-4
    assert errors[2] < errors[0] / 8


def test_vacuum_is_a_jump_of_the_quantile():
    edges = np.arange(11.0)
    masses = np.zeros(10)
    masses[[0, 9]] = 0.5
    # Quantile differences are 4 and 4 in absolute value at every level.
    assert wasserstein(density(edges, masses), uniform(4, 6, 3)) == pytest.approx(4.0, rel=1e-14)


@pytest.mark.parametrize("p", [1, 1.5, 2, 4])
@pytest.mark.parametrize(("seed", "weighted"), [(0, False), (1, True)])
def test_density_translated_and_dilated(p, seed, weighted):
    rng = np.random.default_rng(seed)
    masses = rng.dirichlet(np.ones(500)) * (rng.random(500) > 0.5 if weighted else 1)
    masses /= masses.sum()
    edges = np.linspace(0, 1, 501)
    assert wasserstein(density(edges, masses), density(edges + 2.5, masses), p) == pytest.approx(2.5, rel=1e-13)
    # x → 3x moves u-quantile x by 2x: W_p^p = 2^p ∫ x^p dμ.
    moment = np.dot(masses, np.diff(edges ** (p + 1)) / (p + 1) / np.diff(edges))
    value = wasserstein(density(edges, masses), density(3 * edges, masses), p)
    assert value == pytest.approx(2 * moment ** (1 / p), rel=1e-12)


finite = st.floats(-100, 100)


points = st.lists(finite, min_size=1, max_size=8)


@given(points, points, st.sampled_from([1.0, 1.5, 2.0, 3.0]))
def test_line_is_symmetric_and_agrees_with_the_plane(x, y, p):
    mu, nu = EmpiricalMeasure(x), EmpiricalMeasure(y)
    value = wasserstein(mu, nu, p)
    assert value == pytest.approx(wasserstein(nu, mu, p), rel=1e-12, abs=1e-300)
    flat_mu = EmpiricalMeasure(np.column_stack((x, np.zeros(len(x)))))
    flat_nu = EmpiricalMeasure(np.column_stack((y, np.zeros(len(y)))))
    try:
        flat = wasserstein(flat_mu, flat_nu, p)
    except NotConverged:
        # Refused only where squares or powers of lengths leave float64 beside the largest: masses are at least 1/64.
        gaps = np.abs(np.subtract.outer(x, y))
        extent = max(*x, *y) - min(*x, *y)
        assert (gaps[gaps > 0].min() / extent) ** max(p, 2.0) < 1e-278
        return
    # W_p^p carries an absolute error near 1e-15 · diameter^p.
    assert value**p == pytest.approx(flat**p, rel=1e-12, abs=1e-14 * 200**p)


@given(points, points, points)
def test_triangle_inequality_on_the_line(x, y, z):
    a, b, c = (EmpiricalMeasure(v) for v in (x, y, z))
    assert wasserstein(a, c) <= wasserstein(a, b) + wasserstein(b, c) + 1e-9


def test_the_plane_refuses_a_length_whose_square_is_nothing_beside_the_largest_one():
    x, y = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0, 1.0, 2.8394625706486512e-291]
    assert wasserstein(EmpiricalMeasure(x), EmpiricalMeasure(y), 1) == pytest.approx(y[-1] / 6, rel=1e-14)
    flat = [EmpiricalMeasure(np.column_stack((z, np.zeros(6)))) for z in (x, y)]
    with pytest.raises(NotConverged, match="leaves float64"):
        wasserstein(*flat, 1)


@pytest.mark.parametrize("p", [1e3, 1e15, 1e308])
def test_huge_orders_give_the_largest_distance(p):
    """(∫ |u − 1/2|^p du)^{1/p} = (p + 1)^{−1/p} / 2 on [0, 1]."""
    interval = density([0.0, 1.0, 2.0], [1.0, 0.0])
    exact = 0.5 * np.exp(-np.log1p(p) / p)
    assert wasserstein(interval, EmpiricalMeasure([0.5]), p) == pytest.approx(exact, rel=1e-13)
