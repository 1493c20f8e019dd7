"""Cell masses: integrals of densities with jumps and narrow peaks, and deposits of points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meanfield import Grid
from meanfield.measures import cells
from particles import EmpiricalMeasure
from particles.errors import InvalidInput


def test_density_with_a_jump_inside_a_cell():
    grid = Grid([(-1, 1), (-1, 1)], (8, 8))
    mu = grid.measure(lambda x: ((x**2).sum(axis=1) < 0.5**2).astype(float))
    assert mu.captured == pytest.approx(np.pi / 4, abs=1e-5)
    assert 0 < mu.error < 1e-3


def test_narrow_density_between_the_nodes_of_one_cell_is_refined():
    grid = Grid([(-1, 1)], (10,))
    mu = grid.measure(lambda x: np.exp(-0.5 * ((x[:, 0] - 0.1) / 0.01) ** 2) + 1e-3)
    assert mu.captured == pytest.approx(0.01 * np.sqrt(2 * np.pi) + 2e-3, rel=1e-8)


@st.composite
def clouds(draw):
    dim = draw(st.integers(1, 3))
    n = draw(st.integers(1, 30))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    edges = [np.cumsum(rng.uniform(0.1, 1.0, rng.integers(4, 8))) for _ in range(dim)]
    grid = Grid.from_edges(edges)
    low, high = (np.array([c[k] for c in grid.centres]) for k in (0, -1))
    return grid, EmpiricalMeasure(low + rng.random((n, dim)) * (high - low), rng.dirichlet(np.ones(n)))


@settings(max_examples=60, deadline=None)
@given(clouds())
def test_deposit_keeps_mass_mean_and_positivity(case):
    grid, cloud = case
    mu = grid.measure(cloud)
    assert (mu.masses >= 0).all()
    assert mu.masses.sum() == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(mu.mean(), cloud.mean(), atol=1e-13)


def test_point_at_the_outermost_centre_is_its_cell():
    mu = Grid([(0, 4)], (4,)).measure(EmpiricalMeasure([3.5]))
    np.testing.assert_array_equal(mu.masses, [0, 0, 0, 1])


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-4])
def test_a_narrow_peak_with_half_of_the_mass_is_found_wherever_it_lies(width):
    def density(x):
        broad, narrow = np.exp(-(x[:, 0] ** 2) / 2), np.exp(-(((x[:, 0] - 0.317) / width) ** 2) / 2) / width
        return (broad + narrow) / np.sqrt(8 * np.pi)

    mu = Grid([(-6, 6)], 200).measure(density)
    assert mu.captured == pytest.approx(1.0, abs=1e-7)
    cell = int(np.searchsorted(mu.grid.edges[0], 0.317)) - 1
    assert mu.masses[cell - 1 : cell + 2].sum() > 0.5


def test_a_peak_too_narrow_for_the_halvings_is_refused():
    def density(x):
        return np.exp(-(x[:, 0] ** 2) / 2) + np.exp(-(((x[:, 0] - 0.317) / 1e-5) ** 2) / 2) / 1e-5

    with pytest.raises(InvalidInput, match="known only to"):
        Grid([(-6, 6)], 50).measure(density)


def test_masses_do_not_depend_on_how_the_points_are_batched(monkeypatch):
    def density(x):
        sizes.append(len(x))
        return np.exp(x[:, 0]) * (x[:, 0] + 2 * x[:, 1] ** 2 < 0.7)

    sizes = []
    edges = (np.linspace(-1, 1, 4), np.cumsum([0, 0.3, 0.5, 0.4]))
    masses, error = cells.cell_integrals(density, edges)
    assert max(sizes[1:]) <= cells.BATCH // 2  # The first call is that of the witnesses.
    monkeypatch.setattr(cells, "BATCH", 3000)
    few, error_of_few = cells.cell_integrals(density, edges)
    np.testing.assert_allclose(few, masses, atol=1e-15)
    assert error_of_few == pytest.approx(error, rel=1e-9)
