"""The parts of a density in its power cells: they fill the pieces, and have the cells' masses and means."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure
from meanfield.distances.arguments import as_atoms
from meanfield.distances.semidiscrete.parts import parts_of
from meanfield.distances.semidiscrete.pieces import pieces_of_grid
from meanfield.distances.semidiscrete.solution import solve
from particles.measure import EmpiricalMeasure

UNIT, STAY = np.eye(2), np.zeros(2)


@pytest.mark.parametrize(("points", "cells"), [(1, 2), (2, 9), (300, 4), (40, 16)])
def test_parts_add_up_to_their_cells(points, cells):
    rng = np.random.default_rng(points)
    masses = rng.exponential(size=(cells, cells)) * (rng.random((cells, cells)) < 0.7)
    density = GridMeasure(Grid([(-3, 1), (2, 2.5)], (cells, cells)), masses / masses.sum())
    cloud = EmpiricalMeasure(rng.uniform(-1, 1, (points, 2)))
    found = solve(as_atoms(cloud, "mu"), pieces_of_grid(density))
    parts = parts_of(found)
    np.testing.assert_allclose(np.bincount(parts.cell, parts.mass, points), found.mass, atol=1e-14)
    pieces = parts.moved(np.broadcast_to(UNIT, (points, 2, 2)), np.broadcast_to(STAY, (points, 2)))
    assert pieces.areas.sum() == pytest.approx((masses > 0).sum() * density.grid.cell_volumes[0, 0], rel=1e-12)
    means = np.stack([np.bincount(parts.cell, pieces.weights * x, points) for x in pieces.points.T], axis=1)
    np.testing.assert_allclose(means, found.mass[:, None] * found.centroid, atol=1e-13)


def test_parts_move_with_their_cell():
    rng = np.random.default_rng(0)
    density = GridMeasure(Grid([(0, 1), (0, 1)], (6, 6)), np.full((6, 6), 1 / 36))
    found = solve(as_atoms(EmpiricalMeasure(rng.random((5, 2))), "mu"), pieces_of_grid(density))
    parts, shift = parts_of(found), rng.normal(size=(5, 2))
    matrix = np.broadcast_to(0.5 * UNIT, (5, 2, 2))
    moved = parts.moved(matrix, shift)
    np.testing.assert_allclose(moved.areas.sum(), 0.25, rtol=1e-12)
    expected = found.mass @ (0.5 * found.centroid + shift)
    np.testing.assert_allclose(moved.weights @ moved.points, expected, atol=1e-12)
