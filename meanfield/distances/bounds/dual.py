"""Lower bounds on W₂ from Kantorovich potentials made feasible by exact c-transforms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from meanfield.distances.bounds.clouds import Cloud, Pair
from meanfield.distances.bounds.couplings import Index
from meanfield.distances.bounds.rounding import UNIT, exact_sum, gamma
from meanfield.distances.bounds.search import smallest_reduced
from particles.checks import Array

TREE_DIM = 8
"""Up to this dimension the minima come from a tree, above it from blocks of the distance matrix."""

_BLOCK_BYTES = 2**24


class Potentials(NamedTuple):
    """f on x (n,), g on y (m,), with f_i + g_j ≤ |x_i − y_j|² up to rounding, and the bound on W₂² that they prove."""

    f: Array
    g: Array
    squared_lower: float


def c_transform(y: Array, x: Array, f: Array, neighbours: int = 1) -> tuple[Array, Index]:
    """g(y) = min_i |x_i − y|² − f_i, shape (m,), and the `neighbours` best i for each y, shape (m, neighbours).

    The minimum is over all i; a tie within rounding may go either way.
    """
    k = min(neighbours, len(x))
    search = smallest_reduced if x.shape[1] <= TREE_DIM else _by_blocks
    best = search(y, x, f, k)
    nearest = best[:, 0]
    difference = x[nearest] - y
    return np.einsum("nd,nd->n", difference, difference) - f[nearest], best


def close(pair: Pair, f: Array, rounds: int = 1) -> Potentials:
    """Alternate exact c-transforms, starting from f on x; each round can only raise the bound."""
    x, y = pair.x, pair.y
    f = f - f.max()
    for _ in range(rounds):
        g, _ = c_transform(y.points, x.points, f)
        f, _ = c_transform(x.points, y.points, g)
    return Potentials(f, g, _proved(pair, f, g))


def _proved(pair: Pair, f: Array, g: Array) -> float:
    """Σ a f + Σ b g less all rounding, for f the c-transform of g.

    The search compares values |x_i − y|² − g that carry at most γ_{d+4} S of rounding, S = D² + max |g|, so what it
    takes for the minimum is within 2 γ_{d+4} S of it; the arithmetic of f itself adds as much again.
    """
    x, y = pair.x, pair.y
    size = float(np.abs(g).max())
    middle = 0.5 * (float(f.max()) + float(f.min()))
    f, g = f - middle, g + middle
    search = 4.0 * gamma(x.points.shape[1] + 8) * (pair.diameter2 + size)
    terms_f, terms_g = x.weights * f, y.weights * g
    sums = exact_sum(terms_f) + exact_sum(terms_g)
    size_f, size_g = exact_sum(np.abs(terms_f)), exact_sum(np.abs(terms_g))
    rounding = 4.0 * UNIT * (size_f + size_g) + 2.0 * (x.mass_error * size_f + y.mass_error * size_g)
    return float(sums - search - rounding)


def extend(x: Cloud, sites: Array, values: Array) -> Array:
    """The potential min_l |x − s_l|² − v_l on a cloud (n,), from potentials v at a few sites."""
    return c_transform(x.points, sites, values)[0]


def _by_blocks(y: Array, x: Array, f: Array, k: int) -> Index:
    best = np.empty((len(y), k), dtype=np.intp)
    step = max(1, _BLOCK_BYTES // (8 * len(x)))
    for start in range(0, len(y), step):
        reduced = scipy.spatial.distance.cdist(y[start : start + step], x, "sqeuclidean") - f
        if k == 1:
            best[start : start + step, 0] = reduced.argmin(axis=1)
            continue
        near = np.argpartition(reduced, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(reduced, near, axis=1), axis=1)
        best[start : start + step] = np.take_along_axis(near, order, axis=1)
    return best
