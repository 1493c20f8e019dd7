"""Sums over pairs weighted by a function of their distance: Σ_j w_j φ(|x_i − y_j|²) (b_j − a_i)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy

from particles.checks import Array
from particles.errors import OutOfRange

Kernel = Callable[[Array], Array]
"""φ as a function of squared distances, any shape to the same shape."""

PAIRS = 2**20
"""Pairs held in memory at a time."""

SPARSE = 0.1
"""The share of pairs within reach below which a list of neighbours costs less than all pairs."""


class PairSums(NamedTuple):
    """`moment` (m, e), Σ_j w_j φ_ij (b_j − a_i), and `mass` (m,), Σ_j w_j φ_ij."""

    moment: Array
    mass: Array


@np.errstate(under="ignore")
def pair_sums(
    x: Array,
    y: Array,
    w: Array,
    kernel: Kernel,
    *,
    a: Array | None = None,
    b: Array | None = None,
    reach: float | None = None,
) -> PairSums:
    """The sums at every x_i over all y_j, exact to rounding: differences are taken before they are multiplied.

    Shapes: x (m, d), y (n, d), w (n,); a (m, e) and b (n, e), the points themselves where None. `reach` is a distance
    beyond which φ vanishes: then only neighbours are visited, found by a k-d tree, where they are few.
    Points closer than 1e-154 count as one, as their squared distance is 0 in float64. Raises OutOfRange for points so
    far apart that it overflows, above 1e154.
    """
    require_range(x, y)
    a, b = x if a is None else a, y if b is None else b
    moment, mass = np.empty((len(x), a.shape[1])), np.empty(len(x))
    if reach is not None:
        targets, sources = scipy.spatial.cKDTree(x), scipy.spatial.cKDTree(y)
        # The tree rounds distances in its own way: a little more is searched, and φ decides.
        reach *= 1 + 1e-9
        if targets.count_neighbors(sources, reach) <= SPARSE * len(x) * len(y):
            found = targets.sparse_distance_matrix(sources, reach, output_type="ndarray")
            return _listed(found["i"], found["j"], x, y, w, kernel, a, b)
    block = max(1, PAIRS // len(y))
    for start in range(0, len(x), block):
        rows = slice(start, start + block)
        phi = w * kernel(squared_distances(x[rows], y))
        mass[rows] = phi.sum(axis=1)
        for k in range(a.shape[1]):
            moment[rows, k] = np.einsum("ij,ij->i", phi, b[:, k] - a[rows, k, None])
    return PairSums(moment, mass)


def require_range(x: Array, y: Array) -> None:
    """Refuse points so far apart that their squared distance overflows."""
    with np.errstate(over="ignore"):
        span = np.maximum(x.max(axis=0), y.max(axis=0)) - np.minimum(x.min(axis=0), y.min(axis=0))
        overflows = np.isinf(np.sum(np.square(span)))
    if overflows:
        raise OutOfRange(
            f"squared distances overflow float64: the points spread over {span.max():.3g}, at most 1e154 is possible; "
            "rescale them, or stop before that time"
        )


def squared_distances(x: Array, y: Array) -> Array:
    """|x_i − y_j|², (m, n), from the differences themselves: no cancellation far from the origin."""
    total: Array = np.square(x[:, 0, None] - y[:, 0])
    for k in range(1, x.shape[1]):
        total += np.square(x[:, k, None] - y[:, k])
    return total


def _listed(i: Array, j: Array, x: Array, y: Array, w: Array, kernel: Kernel, a: Array, b: Array) -> PairSums:
    # Sorted by target and source, so that the order of the sums does not depend on how the tree was cut.
    order = np.lexsort((j, i))
    i, j = i[order], j[order]
    phi = w[j] * kernel(np.sum(np.square(x[i] - y[j]), axis=1))
    mass = np.asarray(np.bincount(i, phi, minlength=len(x)), dtype=float)
    columns = [np.bincount(i, phi * (b[j, k] - a[i, k]), minlength=len(x)) for k in range(a.shape[1])]
    return PairSums(np.asarray(np.column_stack(columns), dtype=float), mass)
