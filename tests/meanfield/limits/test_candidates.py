import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from meanfield.limits import candidate_set, hull
from particles.errors import InvalidInput


def contains(points, x):
    """Membership in a convex hull by linear programming, independent of the library's least squares."""
    system = np.vstack([points.T, np.ones(len(points))])
    return linprog(np.zeros(len(points)), A_eq=system, b_eq=np.append(x, 1.0), method="highs").status == 0


def brute_force(vertices, product):
    """S by trying every subset of vertices."""
    A = np.linalg.cholesky(product).T
    u = vertices @ A.T
    found = [np.zeros(u.shape[1])] if contains(u, np.zeros(u.shape[1])) else []
    for size in range(1, len(u) + 1):
        for subset in itertools.combinations(range(len(u)), size):
            face = u[list(subset)]
            edges = (face[1:] - face[0]).T
            w = face[0] - (edges @ np.linalg.lstsq(edges, face[0], rcond=1e-10)[0] if size > 1 else 0.0)
            if (u @ w).max() > w @ w + 1e-9 * np.linalg.norm(w) or not contains(u, w):
                continue
            if all(np.linalg.norm(w - other) > 1e-7 for other in found):
                found.append(w)
    points = np.linalg.solve(A, np.array(found).T).T
    return points[np.lexsort(points.T[::-1])]


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_candidate_set_against_all_vertex_subsets(d):
    rng = np.random.default_rng(d)
    for case in range(25):
        centre = rng.normal(size=d) * (case % 2)
        polytope = hull(rng.normal(size=(rng.integers(1, 8), d)) + centre)
        root = rng.normal(size=(d, d))
        product = root @ root.T + 0.1 * np.eye(d)
        found, expected = candidate_set(polytope, product), brute_force(polytope.vertices, product)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_candidate_set_of_a_square():
    square = hull([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    expected = [[-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 0], [0, 1], [1, -1], [1, 0], [1, 1]]
    np.testing.assert_allclose(candidate_set(square, np.eye(2)), expected, atol=1e-15)


def test_candidate_set_refuses_an_indefinite_product():
    with pytest.raises(InvalidInput, match="positive definite"):
        candidate_set(hull([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0]))


@pytest.mark.parametrize("scale", [2.0**-30, 2.0**30])
def test_candidates_of_a_polytope_of_any_size(scale):
    vertices = np.random.default_rng(3).normal(size=(9, 3)) + np.array([0.3, 0.0, 0.0])
    here, there = (candidate_set(hull(s * vertices), np.diag([1.0, 2.0, 0.5])) for s in (1.0, scale))
    np.testing.assert_allclose(there, scale * here, rtol=1e-9, atol=1e-12 * scale)


def test_a_corner_at_the_foot_of_its_edge_is_one_point():
    """0 falls onto the edge x = 1 at its corner (1, 0), which belongs to S as a corner and as a foot."""
    found = candidate_set(hull([[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, 0.0]]), np.eye(2))
    assert len(np.unique(np.round(found, 9), axis=0)) == len(found)
    assert (np.abs(found - [1.0, 0.0]).sum(axis=1) < 1e-12).sum() == 1
