"""Convolutions against double sums of cell averages, closed forms of discs, and the point-by-point default."""

import gc
import weakref

import numpy as np
import pytest

from meanfield import WENO, Disc, FiniteVolume, Grid, Uniform, solve
from meanfield.measures.grid import Cells
from meanfield.velocity.cell_averages import averaged_gradient
from meanfield.velocity.convolution import convolved
from meanfield.velocity.on_grid import cell_velocity, face_velocities
from particles import (
    BoundedConfidence,
    Circle,
    Confinement,
    Cosine,
    EmpiricalMeasure,
    LogAttraction,
    PairInteraction,
    PowerAttraction,
    Powers,
    Radial,
    Torus,
)
from particles.models.potentials import pair_potential

LOG = PairInteraction(Powers((1, -1), (2, 0)), at_origin=0.0, dim=2)


def masses(shape, seed=0):
    m = np.random.default_rng(seed).random(shape)
    return m / m.sum()


def direct(field, axes, mu, k, periods):
    grid, out = mu.grid, np.zeros(tuple(map(len, axes)))
    widths = [w[0] for w in grid.widths]
    for place in np.ndindex(*out.shape):
        shifts = [np.sort(axes[j][place[j]] - grid.centres[j]) for j in range(grid.dim)]
        A = averaged_gradient(pair_potential(field), shifts, widths, k, periods)
        out[place] = -np.sum(A[(slice(None, None, -1),) * grid.dim] * mu.masses)
    return out


@pytest.mark.parametrize(
    ("field", "grid"),
    [
        (LOG, Grid([(-1, 2), (-2, 1.5)], (4, 3))),
        (PairInteraction(Cosine(1.3), space=Circle()), Grid([(1.0, 1.0 + 2 * np.pi)], 9)),
        (PairInteraction(Powers(1, 3), space=Torus((2.0, 3.0))), Grid([(0, 2), (0, 3)], (4, 3))),
        (LogAttraction(0.7, core=0.2, dim=1), Grid([(-1, 2)], 12)),
        (PowerAttraction(3.0, dim=2), Grid([(-1, 2), (-2, 1.5)], (3, 4))),
    ],
)
def test_the_convolution_is_the_double_sum(field, grid):
    mu, periods = Cells(grid, masses(grid.shape)), field.space.axis_periods(grid.dim)
    for k, got in enumerate(face_velocities(field, 0.0, mu)):
        axes = [e if j == k else c for j, (e, c) in enumerate(zip(grid.edges, grid.centres, strict=True))]
        np.testing.assert_allclose(got, direct(field, axes, mu, k, periods), atol=1e-13)
    for k, got in enumerate(cell_velocity(field, 0.0, mu)):
        np.testing.assert_allclose(got, direct(field, grid.centres, mu, k, periods), atol=1e-13)


@pytest.mark.parametrize(
    "profile", [Cosine(1.0), Powers(1, 3), BoundedConfidence(2.0), Radial(lambda r: r**2, lambda r: 2 * r, 2.0)]
)
def test_a_reach_cuts_the_field_of_a_grid_too(profile):
    """On the line a cell [a, b] pulls with (w(|x − a|) − w(|x − b|))/(b − a), w constant beyond the reach."""
    grid, reach = Grid([(-3, 3)], 24), 0.7
    mu = Cells(grid, masses(24))
    ends = profile.value(np.minimum(np.abs(grid.centres[0][:, None] - grid.edges[0]), reach))
    exact = np.diff(ends, axis=1) @ mu.masses / 0.25
    found = cell_velocity(PairInteraction(profile, reach=reach, dim=1), 0.0, mu)[0]
    np.testing.assert_allclose(found, exact, atol=1e-14)


def test_a_reach_in_the_plane_is_that_of_many_atoms():
    grid = Grid([(-1, 1), (-1, 2)], (5, 6))
    mu, cut = Cells(grid, masses((5, 6))), 16
    field = PairInteraction(Cosine(1.0), reach=0.9, dim=2)
    fine = Grid(grid.bounds, (5 * cut, 6 * cut))
    atoms = EmpiricalMeasure(fine.points, (np.repeat(np.repeat(mu.masses, cut, 0), cut, 1) / cut**2).ravel())
    expected = field.velocity(0.0, mu.points, atoms)
    found = np.stack([part.ravel() for part in cell_velocity(field, 0.0, mu)], axis=1)
    np.testing.assert_allclose(found, expected, atol=0.005 * np.abs(expected).max())


def test_functions_with_a_reach_go_point_by_point():
    """A gradient cut off at a distance is none, so that averages of W are not to be had."""
    grid = Grid([(-3, 3)], 24)
    mu = Cells(grid, masses(24))
    field = PairInteraction(lambda z: (z**2).sum(axis=1) / 2, lambda z: z, reach=0.7, dim=1)
    np.testing.assert_array_equal(cell_velocity(field, 0.0, mu)[0], field.velocity(0.0, mu.points, mu)[:, 0])
    for x, v in zip(mu.points[:, 0], cell_velocity(field, 0.0, mu)[0], strict=True):
        near = np.abs(x - mu.points[:, 0]) <= 0.7
        assert v == pytest.approx(-(x - mu.points[near, 0]) @ mu.weights[near], abs=1e-14)


def test_points_that_are_not_the_grids_and_uneven_grids_go_point_by_point():
    grid = Grid([(-1, 1)], 6)
    field = PairInteraction(Powers(1, 3), dim=1)
    assert convolved(field, [grid.centres[0] + 0.1], Cells(grid, masses(6)), 0) is None
    uneven = Grid.from_edges([np.array([-1.0, -0.5, 0.2, 1.0])])
    mu = Cells(uneven, masses(3))
    assert convolved(field, uneven.centres, mu, 0) is None
    np.testing.assert_array_equal(cell_velocity(field, 0.0, mu)[0], field.velocity(0.0, mu.points, mu)[:, 0])


def test_the_kernel_goes_with_its_field():
    field = PairInteraction(Powers(1, 3), dim=1)
    grid = Grid([(-1, 1)], 6)
    face_velocities(field, 0.0, Cells(grid, masses(6)))
    gone = weakref.ref(field)
    del field
    gc.collect()
    assert gone() is None


def test_a_disc_under_the_logarithm_has_the_linear_field_of_newtons_theorem():
    """Inside a uniform disc of radius R it is x/R² − x: the field of the cells, up to the staircase at the edge."""
    errors = []
    for n in (16, 32, 64):
        grid = Grid([(-2, 2), (-2, 2)], (n, n))
        u = face_velocities(LOG, 0.0, Cells(grid, grid.measure(Disc([0, 0], 1.3)).masses))[0]
        x, y = np.meshgrid(grid.edges[0], grid.centres[1], indexing="ij")
        inside = x**2 + y**2 < 1
        errors.append(np.abs(u - x * (1 / 1.69 - 1))[inside].max())
    assert errors[-1] < 1e-3
    assert errors[0] > 3 * errors[-1]


def test_w_with_an_edge_on_the_line_moves_a_uniform_law_exactly():
    """W = r²/2 − |x|: R' = 1 − R, so that R = 1 + (R₀ − 1)e^{−t}; a law on whole cells has the exact field."""
    field = PairInteraction(Powers((1, -1), (2, 1)), dim=1)
    grid = Grid([(-2, 2)], 40)
    mu = grid.measure(Uniform([(-0.5, 0.5)]))
    u = face_velocities(field, 0.0, Cells(grid, mu.masses))[0]
    x = grid.edges[0]
    np.testing.assert_allclose(u, np.clip(2 * x, -1, 1) - x, atol=1e-14)
    for scheme in (FiniteVolume(), WENO()):
        errors = []
        for n in (40, 80):
            fine = Grid([(-2, 2)], n)
            end = solve(field, fine.measure(Uniform([(-0.5, 0.5)])), [0, 1.0], scheme).density[-1].values * 4 / n
            errors.append(np.sqrt(3 * end @ fine.centres[0] ** 2) - (1 - 0.5 * np.exp(-1)))
        # The edges of the law are spread over some cells: measured 1.2e-2 and 4.7e-3, 1.1e-2 and 4.0e-3.
        assert abs(errors[1]) < 6e-3
        assert abs(errors[1]) < 0.5 * abs(errors[0])


def test_a_sum_with_a_confinement_is_the_sum():
    field = PairInteraction(Powers(-1.0, 0.0), at_origin=0.0, dim=2) + Confinement(Powers(1.0, 2.0))
    grid = Grid([(-1, 2), (-2, 1.5)], (6, 5))
    mu = Cells(grid, masses(grid.shape))
    only = face_velocities(field.terms[0], 0.0, mu)[0]
    x = grid.edges[0][:, None]
    np.testing.assert_allclose(face_velocities(field, 0.0, mu)[0], only - x, atol=1e-14)
