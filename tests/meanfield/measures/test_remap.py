import numpy as np
import pytest

from meanfield import Grid, Normal, Uniform
from meanfield.measures.material import material
from meanfield.measures.remap import Moved, laid, push_forward


def bend(x):
    """A smooth map with a known inverse: shears by functions of the other coordinate."""
    y = x.copy()
    y[:, 0] = x[:, 0] * 0.8 + 0.3 * np.sin(x[:, 1])
    y[:, 1] = x[:, 1] + 0.2 * np.cos(y[:, 0])
    return y


def bent_density(law, y):
    x = y.copy()
    x[:, 1] = y[:, 1] - 0.2 * np.cos(y[:, 0])
    x[:, 0] = (y[:, 0] - 0.3 * np.sin(x[:, 1])) / 0.8
    return law.density(x) / 0.8


def pushed(law, grid, flow, nodes=2, periods=None):
    mesh = material(grid.measure(law), nodes)
    parts = []
    for p in mesh.patches:
        places, masses = p.gauss(nodes)
        vertices, points = (flow(x.reshape(-1, grid.dim)).reshape(x.shape) for x in (p.vertices, p.at(places)))
        parts.append(Moved(p, vertices, places, points, masses))
    return push_forward(parts, grid, periods or (None,) * grid.dim)


def masses_of(density, grid, rule=8):
    nodes, weights = np.polynomial.legendre.leggauss(rule)
    lines = [(e[:-1, None] + np.diff(e)[:, None] * (nodes + 1) / 2).ravel() for e in grid.edges]
    values = density(np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, grid.dim))
    cells = values.reshape([n for size in grid.shape for n in (size, rule)])
    for axis in range(grid.dim):
        cells = np.tensordot(cells, weights / 2, axes=(axis + 1, 0))
    return cells * grid.cell_volumes


def test_smooth_densities_in_the_plane_at_order_three_and_more():
    law, errors = Normal([0.0, 0.0], [[0.5, 0.1], [0.1, 0.3]]), []
    for n in (16, 32, 64):
        grid = Grid([(-5, 5), (-5, 5)], (n, n))
        out = pushed(law, grid, bend)
        errors.append(np.abs(out.masses - masses_of(lambda y: bent_density(law, y), grid)).sum())
        assert out.masses.min() >= 0
        assert out.masses.sum() == pytest.approx(1, abs=1e-9)
    assert np.log2(errors[0] / errors[1]) > 3
    assert np.log2(errors[1] / errors[2]) > 3
    assert errors[2] < 2e-5


def test_sharp_densities_in_the_plane_at_order_one():
    law, errors = Uniform([(-1, 1), (-1, 1)]), []
    for n in (20, 40, 80):
        grid = Grid([(-2, 2), (-2, 2)], (n, n))
        out = pushed(law, grid, bend)
        errors.append(np.abs(out.masses - masses_of(lambda y: bent_density(law, y), grid, 40)).sum())
        assert out.masses.sum() == pytest.approx(1, abs=1e-13)
        assert out.masses.min() >= 0
    assert errors[2] < 0.004
    assert errors[0] / errors[2] > 2.5


def test_space():
    A = np.diag([0.8, 0.6, 0.7])
    A[0, 1] = 0.2
    errors = []
    for n in (12, 24):
        grid = Grid([(-5, 5)] * 3, (n,) * 3)
        out = pushed(Normal(np.zeros(3), np.eye(3)), grid, lambda x: x @ A.T)
        exact = masses_of(Normal(np.zeros(3), A @ A.T).density, grid, 5)
        errors.append(np.abs(out.masses - exact).sum())
        assert out.masses.sum() == pytest.approx(1, abs=1e-9)
    assert errors[0] / errors[1] > 8


@pytest.mark.parametrize("scale", [1e-2, 1e-5, 1e-12])
def test_clusters_below_the_grid_keep_their_mass_where_they_are(scale):
    grid = Grid([(-1.01, 1), (-1.02, 1)], (20, 20))
    out = pushed(Uniform([(-1, 1), (-1, 1)]), grid, lambda x: 0.3 + scale * x)
    cell = np.unravel_index(np.argmax(out.masses), grid.shape)
    # A sum of 9216 parts. Measured: 2e-13.
    assert out.masses.sum() == pytest.approx(1, abs=1e-12)
    assert out.outside < 1e-12
    near = out.masses[cell[0] - 1 : cell[0] + 2, cell[1] - 1 : cell[1] + 2].sum()
    assert near == pytest.approx(1, abs=1e-12)


def test_mass_beyond_the_box_is_told_and_not_put_back():
    grid = Grid([(-1, 1), (-1, 1)], (20, 20))
    out = pushed(Uniform([(-0.5, 0.5)] * 2), grid, lambda x: x + np.array([1.0, 0.0]))
    assert out.outside == pytest.approx(0.5, abs=1e-12)
    assert out.masses.sum() == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("d", [1, 2])
def test_periodic_boxes_take_in_what_leaves_them(d):
    grid = Grid([(0, 2)] * d, (16,) * d)
    law = Uniform([(0.5, 1.0)] * d)
    moved = pushed(law, grid, lambda x: np.mod(x + 1.25, 2.0), periods=(2.0,) * d)
    still = grid.measure(law).masses
    for axis in range(d):
        still = np.roll(still, 10, axis=axis)
    np.testing.assert_allclose(moved.masses, still, atol=1e-12)


@pytest.mark.parametrize("d", [1, 2])
def test_across_a_watershed_the_mass_is_where_the_nodes_are(d):
    """Two clusters and nothing between them: the polynomial through the vertices would fill the gap."""
    grid = Grid([(-1, 1)] * d, (19,) * d)
    out = pushed(Uniform([(-0.83, 1)] * d), grid, lambda x: 0.5 * np.sign(x) + 0.01 * x)
    full = np.abs(np.abs(grid.centres[0]) - 0.5) < 2 / 19
    share = out.masses.sum(axis=tuple(range(1, d)))
    assert share[full].sum() == pytest.approx(1, abs=1e-13)
    # One cell of the mesh, a twelfth of the support, lies on the watershed: its nodes tell the sides of their own mass.
    assert share[grid.centres[0] > 0].sum() == pytest.approx(1 / 1.83, abs=1 / 24)


def test_points_are_laid_into_their_cells_and_into_the_period():
    grid = Grid([(0, 2), (0, 1)], (4, 2))
    points, masses = np.array([[0.1, 0.9], [2.1, 0.2], [5.0, 0.2], [np.nan, 0.1]]), np.array([0.25, 0.5, 0.25, 0.0])
    masses_inside = laid(points, masses, grid, (None, None))
    assert masses_inside[0, 1] == masses_inside.sum() == 0.25
    wrapped = laid(points, masses, grid, (2.0, None))
    assert wrapped[0].tolist() == [0.5, 0.25]
    assert wrapped[2, 0] == 0.25


def test_cells_far_wider_than_those_of_the_grid_are_resolved():
    law, errors = Normal([0.0, 0.0], np.diag([0.3, 0.2])), []
    grid = Grid([(-4, 4)] * 2, (64, 64))
    patch = material(grid.measure(law), 3, (8, 8)).patches[0]
    places, masses = patch.gauss(3)
    out = push_forward([Moved(patch, patch.vertices, places, patch.at(places), masses)], grid, (None, None))
    errors = np.abs(out.masses - law.cell_masses(grid.edges)).sum()
    assert errors < 1e-8
