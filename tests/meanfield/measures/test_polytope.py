import itertools

import numpy as np
import pytest

from meanfield.measures.polytope import hull


def test_flat_and_degenerate_hulls():
    point = hull([[1.0, 2.0, 3.0]] * 4)
    assert (point.dim, len(point.vertices), point.facets, point.volume) == (0, 1, (), 0.0)
    segment = hull(np.outer(np.linspace(0, 1, 9), [1.0, 1.0, 1.0]))
    assert (segment.dim, len(segment.vertices)) == (1, 2)
    assert segment.volume == pytest.approx(np.sqrt(3))
    flat = hull([[0, 0, 5], [1, 0, 5], [0, 1, 5], [1, 1, 5], [0.5, 0.5, 5]])
    assert (flat.dim, len(flat.vertices), len(flat.facets), len(flat.faces)) == (2, 4, 4, 9)
    assert flat.volume == pytest.approx(1.0)
    assert flat.distance([[0.5, 0.5, 7.0]])[0] == pytest.approx(2.0)


def test_a_cube_has_6_square_facets_and_27_faces():
    cube = hull(list(itertools.product([-1.0, 1.0], repeat=3)))
    assert len(cube.facets) == 6
    assert {len(facet) for facet in cube.facets} == {4}
    assert len(cube.faces) == 27
    assert cube.volume == pytest.approx(8.0)
    inside = [[0.0, 0.0, 0.25], [3.0, 0.0, 0.0]]
    np.testing.assert_allclose(cube.distance(inside), [0.0, 2.0], atol=1e-7)
    np.testing.assert_allclose(cube.boundary_distance(inside), [0.75, 2.0], atol=1e-7)


def test_vertices_in_high_dimension_by_linear_programs():
    rng = np.random.default_rng(0)
    corners = np.vstack([np.eye(9), -np.eye(9)])
    inner = 0.2 * rng.uniform(-1, 1, size=(20, 9)) / 9
    assert len(hull(np.vstack([inner, corners])).vertices) == 18
