"""Densities on convex pieces: moments of polygons, meshes with bent cells, what is refused."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, wasserstein
from meanfield.distances.semidiscrete.pieces import ConvexPieces, pieces_of_grid, pieces_of_mesh
from particles.errors import InvalidInput, NotSupported
from particles.fields.spaces import Torus
from particles.measure import EmpiricalMeasure

TRIANGLE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])


def test_moments_of_a_triangle():
    one = ConvexPieces(TRIANGLE, [0, 3], [1.0])
    assert one.areas[0] == pytest.approx(1.0)
    np.testing.assert_allclose(one.points[0], TRIANGLE.mean(axis=0), rtol=1e-15)
    # The covariance of the uniform law on a triangle is that of its corners over 4 · 3/3: Σ (v − c)(v − c)ᵀ / 12.
    centred = TRIANGLE - TRIANGLE.mean(axis=0)
    exact = centred.T @ centred / 12
    np.testing.assert_allclose(one.spread[0], [exact[0, 0], exact[0, 1], exact[1, 1]], rtol=1e-13)


def test_cells_of_a_grid_without_mass_are_left_out():
    masses = np.zeros((3, 3))
    masses[1, 2] = 1.0
    pieces = pieces_of_grid(GridMeasure(Grid([(0, 3), (0, 6)], (3, 3)), masses))
    assert len(pieces.weights) == 1
    np.testing.assert_allclose(pieces.points[0], [1.5, 5.0])


def test_a_bent_cell_is_cut_and_keeps_its_density():
    # An arrow: the corner (0.2, 0.2) is reflex.
    quad = np.array([[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.2, 0.2]]])
    pieces = pieces_of_mesh(quad, [[1.0]])
    assert len(pieces.weights) == 2
    np.testing.assert_allclose(pieces.weights / pieces.areas, 1 / 0.2, rtol=1e-13)


def test_what_is_no_density_is_refused():
    with pytest.raises(InvalidInput, match="anticlockwise"):
        ConvexPieces(TRIANGLE[::-1], [0, 3], [1.0])
    with pytest.raises(InvalidInput, match="3 corners"):
        ConvexPieces(TRIANGLE, [0, 2, 3], [0.5, 0.5])
    with pytest.raises(InvalidInput, match="no area"):
        ConvexPieces([[0, 0], [1, 1], [2, 2]], [0, 3], [1.0])
    with pytest.raises(InvalidInput, match="sum to 1"):
        ConvexPieces(TRIANGLE, [0, 3], [0.5])
    # A bow tie: two triangles of opposite orientation.
    with pytest.raises(InvalidInput, match="turned over"):
        pieces_of_mesh([[[0, 0], [1, 0]], [[1, 1], [0, 1]]], [[1.0]])
    square, torus = ConvexPieces(TRIANGLE, [0, 3], [1.0]), Torus((3.0, 3.0))
    with pytest.raises(NotSupported, match="takes its pieces for atoms"):
        wasserstein(square, EmpiricalMeasure([[0.0, 0.0]]), ground=torus)
