"""Densities on convex pieces: moments of polygons, meshes with bent cells, what is refused."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, Uniform, wasserstein
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


def test_mean_and_covariance_do_not_depend_on_how_a_density_is_cut():
    grid = Grid([(0, 1), (2, 5)], (3, 4)).measure(Uniform([(0, 1), (2, 5)]))
    for pieces in (pieces_of_grid(grid), ConvexPieces([[0, 2], [1, 2], [1, 5], [0, 5]], [0, 4], [1.0])):
        np.testing.assert_allclose(pieces.mean(), [0.5, 3.5], rtol=1e-14)
        np.testing.assert_allclose(pieces.covariance(), np.diag([1 / 12, 9 / 12]), rtol=1e-13, atol=1e-15)
    # A half turn between two triangles: the midpoint of a transport has moments too.
    two = ConvexPieces(np.vstack([TRIANGLE, -TRIANGLE]), [0, 3, 6], [0.5, 0.5])
    np.testing.assert_allclose(two.mean(), 0.0, atol=1e-15)
    c = TRIANGLE.mean(axis=0)
    inner = (TRIANGLE - c).T @ (TRIANGLE - c) / 12
    np.testing.assert_allclose(two.covariance(), inner + np.outer(c, c), rtol=1e-13)


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


ARROW = np.array([[0.0, 0.0], [1.0, 0.0], [0.2, 0.2], [0.0, 1.0]])
"""Anticlockwise, its third corner reflex; area 0.2."""


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("clockwise", [False, True])
def test_a_bent_cell_is_the_same_density_whichever_corner_is_first(first, clockwise):
    corners = np.roll(ARROW[::-1] if clockwise else ARROW, first, axis=0)
    # Cells of a mesh list their corners (0, 0), (1, 0), (1, 1), (0, 1).
    pieces = pieces_of_mesh([[corners[0], corners[3]], [corners[1], corners[2]]], [[1.0]])
    np.testing.assert_allclose(pieces.areas.sum(), 0.2, rtol=1e-13)
    np.testing.assert_allclose(pieces.weights / pieces.areas, 5.0, rtol=1e-13)
    x, y = ARROW.T
    cross = x * np.roll(y, -1) - y * np.roll(x, -1)
    centroid = [((v + np.roll(v, -1)) * cross).sum() / (6 * 0.2) for v in (x, y)]
    np.testing.assert_allclose(pieces.weights @ pieces.points, centroid, rtol=1e-13)


def test_a_triangle_with_a_corner_on_its_side_is_no_bent_cell():
    flat = [[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.5, 0.5]]]
    assert pieces_of_mesh(flat, [[1.0]]).areas.sum() == pytest.approx(0.5)


def test_cells_that_turned_over_or_have_no_area_are_refused_among_right_ones():
    strip = np.array([[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]], [[0.5, 0.0], [0.5, 1.0]]])
    with pytest.raises(InvalidInput, match="turned over"):
        pieces_of_mesh(strip, [[0.5], [0.5]])
    strip[2] = strip[1]
    with pytest.raises(InvalidInput):
        pieces_of_mesh(strip, [[0.5], [0.5]])
    # A folded cell without mass is nobody's.
    strip[2] = [[0.5, 0.0], [0.5, 1.0]]
    assert len(pieces_of_mesh(strip, [[1.0], [0.0]]).weights) == 1
