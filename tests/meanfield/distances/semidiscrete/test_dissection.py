"""Nested dissection: an order of all sites with little fill, refused where the tree does not fit the graph."""

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu
from scipy.spatial import Delaunay

from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.dissection import LEAST, dissection
from meanfield.distances.semidiscrete.envelope import LEAF


def edges_of(y):
    triangles = Delaunay(y).simplices
    pairs = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]]), axis=1)
    return np.unique(pairs, axis=0).T


def fill(order, i, j, ordering):
    n = len(order)
    place = np.argsort(order)
    a, b = place[i], place[j]
    full = (np.concatenate([a, b, np.arange(n)]), np.concatenate([b, a, np.arange(n)]))
    values = np.concatenate([np.full(2 * len(i), -1.0), np.full(n, 50.0)])
    matrix = csc_array(coo_array((values, full), (n, n)))
    return splu(matrix, permc_spec=ordering, diag_pivot_thresh=0.0, options={"SymmetricMode": True}).L.nnz


@pytest.mark.parametrize("kind", ["square", "clusters"])
def test_the_fill_is_near_that_of_a_general_ordering(kind):
    rng = np.random.default_rng(0)
    n = 2 * LEAST
    y = rng.uniform(size=(n, 2))
    if kind == "clusters":
        y = rng.integers(0, 3, (n, 1)) * np.array([0.3, 0.2]) + 1e-4 * y
    tree = build(y, LEAF)
    i, j = edges_of(y[tree.order])
    order = dissection(tree, i, j)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    assert fill(order, i, j, "NATURAL") < 2.5 * fill(np.arange(n), i, j, "MMD_AT_PLUS_A")


def test_small_graphs_and_those_that_do_not_fit_are_left_to_others():
    rng = np.random.default_rng(0)
    y = rng.uniform(size=(LEAST - 1, 2))
    assert dissection(build(y, LEAF), *edges_of(y)) is None
    y = rng.uniform(size=(2 * LEAST, 2))
    far = rng.permutation(2 * LEAST)
    assert dissection(build(y, LEAF), np.minimum(far, far[::-1]), np.maximum(far, far[::-1])) is None
    # A site beside all others goes last.
    hub = 3
    others = np.delete(np.arange(2 * LEAST), hub)
    order = dissection(build(y, LEAF), np.minimum(others, hub), np.maximum(others, hub))
    assert order[-1] == hub
