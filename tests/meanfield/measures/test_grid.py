"""Grids, cell masses of laws, densities, arrays and point clouds."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from meanfield import Grid, GridMeasure, Mixture, Normal, Product, Uniform
from particles import EmpiricalMeasure
from particles.errors import InvalidInput


def test_geometry():
    grid = Grid(bounds=[(-1, 2), (0, 1)], shape=(6, 4))
    assert grid.dim == 2
    assert grid.shape == (6, 4)
    assert grid.bounds == ((-1.0, 2.0), (0.0, 1.0))
    np.testing.assert_allclose(grid.centres[0], -0.75 + 0.5 * np.arange(6))
    assert grid.cell_volume == pytest.approx(0.125)
    np.testing.assert_allclose(grid.cell_volumes, 0.125)
    # 'ij' order: the last axis runs fastest.
    np.testing.assert_allclose(grid.points[:5, 0], [-0.75] * 4 + [-0.25])
    assert Grid.from_edges(grid.edges) == grid


def test_non_uniform_spacing_has_no_single_cell_volume():
    grid = Grid.from_edges([[0, 1, 3], [0, 1, 2, 4]])
    np.testing.assert_allclose(grid.cell_volumes, [[1, 1, 2], [2, 2, 4]])
    with pytest.raises(InvalidInput, match="cell_volumes"):
        _ = grid.cell_volume


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Grid([(-1, 1)], (1,)), "at least 2 cells"),
        (lambda: Grid([(1, -1)], (4,)), "low < high"),
        (lambda: Grid([(-1, np.inf)], (4,)), "finite"),
        (lambda: Grid([(-1, 1)], (4, 4)), "one entry an axis"),
        (lambda: Grid([(-1, 1)], (4.5,)), "whole numbers"),
        (lambda: Grid([(-1, 0, 1)], (4,)), "d pairs"),
        (lambda: Mixture([Normal(0, 1), "law"]), "list of one or more laws"),
        (lambda: Product([Normal(0, 1), "law"]), "list of one or more laws"),
        (lambda: Mixture([Normal(0, 1), Normal([0, 0], np.eye(2))]), "one dimension"),
        (lambda: Grid.from_edges([[0, 1, 1]]), "increase strictly"),
        (lambda: Grid.from_edges([]), "at least one axis"),
        (lambda: Grid([(-1e200, 1e200)] * 2, (4, 4)), "range of float64: change the unit"),
        (lambda: Grid([(0, 1e-120)] * 3, (4, 4, 4)), "range of float64: change the unit"),
    ],
)
def test_refused_grids(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_uniform_law_has_exact_masses_where_edges_cut_cells():
    grid = Grid([(-1, 1)], (4,))
    np.testing.assert_allclose(grid.measure(Uniform((-0.25, 0.75))).masses, [0, 0.25, 0.5, 0.25], atol=1e-16)


def test_correlated_normal_against_scipys_rectangle_probability():
    S = np.array([[0.5, 0.3], [0.3, 0.4]])
    grid = Grid([(-5, 5), (-5, 5)], (20, 20))
    mu = grid.measure(Normal([0.1, -0.2], S))
    reference = multivariate_normal([0.1, -0.2], S)
    for i, j in [(10, 9), (12, 11), (8, 6)]:
        (a, b), (c, d) = grid.edges[0][i : i + 2], grid.edges[1][j : j + 2]
        assert mu.masses[i, j] == pytest.approx(reference.cdf([b, d], lower_limit=[a, c]), rel=1e-9)


def test_normal_tail_masses_keep_their_relative_accuracy():
    masses = Normal(0.0, 1.0).cell_masses((np.array([-10.0, -9.0, 9.0, 10.0]),))
    # The upper tail at 9 is 1.1285884059538e-19 (tables); the complement of 1 would give zero.
    np.testing.assert_allclose(masses[[0, 2]], 1.1285884059538e-19, rtol=1e-4)


def test_product_and_mixture():
    law = Mixture([Product([Uniform((-1, 1)), Normal(0, 0.25)]), Normal([0, 0], np.eye(2) / 4)], [0.25, 0.75])
    grid = Grid([(-6, 6), (-6, 6)], (24, 24))
    mu = grid.measure(law)
    first = np.multiply.outer(Uniform((-1, 1)).cell_masses(grid.edges[:1]), Normal(0, 0.25).cell_masses(grid.edges[1:]))
    np.testing.assert_allclose(mu.masses, 0.25 * first + 0.75 * Normal([0, 0], np.eye(2) / 4).cell_masses(grid.edges))
    assert mu.captured == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    "law",
    [
        Uniform([(-1, 2), (0, 1)]),
        Normal([0.5, -1], [[1, 0.5], [0.5, 2]]),
        Product([Uniform((-1, 1)), Normal(1, 0.25)]),
        Mixture([Uniform([(-1, 0)] * 2), Normal([1, 1], np.eye(2))], [0.3, 0.7]),
    ],
    ids=repr,
)
def test_moments_and_density_of_laws_agree_with_their_samples(law):
    x = law.sample(200_000, np.random.default_rng(0))
    scale = np.sqrt(np.diag(law.covariance()))
    np.testing.assert_allclose(x.mean(axis=0), law.mean(), atol=5 * scale.max() / np.sqrt(len(x)))
    np.testing.assert_allclose(np.cov(x.T), law.covariance(), atol=0.03 * scale.max() ** 2)
    grid = Grid([(-9, 9)] * 2, (36, 36))
    np.testing.assert_allclose(grid.measure(law.density).masses, grid.measure(law).masses, atol=2e-5)


def test_a_box_that_misses_mass_is_refused_with_the_captured_mass():
    with pytest.raises(InvalidInput, match=r"0\.9545"):
        Grid([(-2, 2)], (16,)).measure(Normal(0.0, 1.0))


def test_density_gives_cell_averages_and_records_its_normalisation():
    grid = Grid([(-1, 1)], (5,))
    mu = grid.measure(lambda x: 3.0 * (x[:, 0] + 1.0))
    e = grid.edges[0] + 1
    np.testing.assert_allclose(mu.masses, np.diff(e**2) / 4, rtol=1e-13)
    assert mu.captured == pytest.approx(6.0)


@pytest.mark.parametrize("end", [-0.75, 0.75])
def test_a_point_on_the_outermost_centre_is_held_by_its_cell(end):
    mu = Grid([(-1, 1)], (4,)).measure(EmpiricalMeasure([end]))
    np.testing.assert_array_equal(mu.masses, np.array([-0.75, -0.25, 0.25, 0.75]) == end)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda x: -np.ones(len(x)), "non-negative"),
        (lambda x: np.full(len(x), np.nan), "finite"),
        (lambda x: np.zeros(len(x)), "zero"),
        (lambda x: x, "shape"),
        (np.full(4, 0.3), "sum to 1"),
        (np.array([0.5, 0.75, -0.25, 0.0]), "non-negative"),
        (np.full(5, 0.2), "shape"),
        (EmpiricalMeasure([0.9]), "outermost cell centres"),
        (EmpiricalMeasure([[0.0, 0.0]]), "dimension 2"),
        (Normal([0, 0], np.eye(2)), "dimension 2"),
    ],
)
def test_refused_sources(source, message):
    with pytest.raises(InvalidInput, match=message):
        Grid([(-1, 1)], (4,)).measure(source)


def test_moments_of_a_grid_measure_are_those_of_its_atoms():
    rng = np.random.default_rng(1)
    grid = Grid([(-1, 2), (0, 1), (3, 5)], (3, 4, 5))
    mu = GridMeasure(grid, rng.dirichlet(np.ones(60)).reshape(3, 4, 5))
    atoms = EmpiricalMeasure(mu.points, mu.weights)
    np.testing.assert_allclose(mu.mean(), atoms.mean(), atol=1e-15)
    np.testing.assert_allclose(mu.covariance(), atoms.covariance(), atol=1e-15)
    np.testing.assert_allclose((mu.density * grid.cell_volumes).sum(), 1.0)
