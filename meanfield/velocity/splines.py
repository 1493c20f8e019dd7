"""Splines of degree seven through values on a tensor grid of nodes, evaluated at linear images of a tensor grid.

Coefficients take the place of the values, a slab at a time, and the points are never laid out: beside the coefficients
nothing of the size of either grid is held.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy

from particles.checks import Array
from particles.kernels.compiling import SUMS, compiled
from particles.kernels.threads import spread, thread_count

DEGREE = 7

SLAB = 2048
"""Lines solved at a time, which keeps them in the cache."""

THREADED = 2**14
"""Points from which on they are shared among threads."""


def to_coefficients(nodes: Sequence[Array], values: Array) -> None:
    """Put the spline's coefficients in the place of `values` (n_1, …, n_d); axes of a single node are left out.

    Not-a-knot ends: the knots are the nodes, less four at either end, which are replaced by the end itself.
    """
    for k, x in enumerate(nodes):
        if len(x) > 1:
            _solve(_collocation(x), values.reshape(math.prod(values.shape[:k]), len(x), -1))


def _collocation(nodes: Array) -> Array:
    """Entries j of row i of the matrix from coefficients to values at nodes, at [i, 7 + j − i]."""
    rows = scipy.interpolate.BSpline.design_matrix(nodes, _knots(nodes), DEGREE).tocoo()
    band = np.zeros((len(nodes), 2 * DEGREE + 1))
    band[rows.row, DEGREE + rows.col - rows.row] = rows.data
    return band


@compiled(flags=SUMS)
def _solve(band, lines):  # type: ignore[no-untyped-def]
    """Replace lines (p, n, q) by the solution along n. Collocation matrices are totally positive: no pivots needed."""
    n = len(band)
    for i in range(n):
        for r in range(i + 1, min(i + 8, n)):
            band[r, 7 + i - r] /= band[i, 7]
            for c in range(i + 1, min(i + 8, n)):
                band[r, 7 + c - r] -= band[r, 7 + i - r] * band[i, 7 + c - i]
    for p in range(lines.shape[0]):
        for first in range(0, lines.shape[2], SLAB):
            part = lines[p, :, first : first + SLAB]
            for i in range(n):
                for j in range(max(0, i - 7), i):
                    factor = band[i, 7 + j - i]
                    if factor != 0:
                        for c in range(part.shape[1]):
                            part[i, c] -= factor * part[j, c]
            for i in range(n - 1, -1, -1):
                for j in range(i + 1, min(i + 8, n)):
                    factor = band[i, 7 + j - i]
                    if factor != 0:
                        for c in range(part.shape[1]):
                            part[i, c] -= factor * part[j, c]
                for c in range(part.shape[1]):
                    part[i, c] /= band[i, 7]


def evaluate(nodes: Sequence[Array], coefficients: Array, B: Array, axes: Sequence[Array]) -> Array:
    """The spline at Bx for x on a tensor grid of d ≤ 3 axes, shape (len(axes[0]), …, len(axes[d−1])).

    nodes: d equidistant axes, of eight or more, or of one where the spline is constant; the image of the grid under B
    lies in their box, up to rounding.
    """
    used = [k for k, x in enumerate(nodes) if len(x) > 1]
    shape, flat = tuple(map(len, axes)), 3 - len(used)
    rows = np.zeros((3, 3))
    rows[flat:, 3 - len(axes) :] = B[used]
    points = [np.zeros(1)] * (3 - len(axes)) + [np.ascontiguousarray(x) for x in axes]
    knots = [np.zeros(2)] * flat + [_knots(nodes[k]) for k in used]
    table = coefficients.reshape([1] * flat + [len(nodes[k]) for k in used])
    out = np.empty([len(x) for x in points])

    def work(start: int, stop: int) -> None:
        _evaluate(*points, rows, *knots, table, start, stop, out)

    spread(work, len(points[0]) * len(points[1]), thread_count(None) if out.size > THREADED else 1, 16)
    return out.reshape(shape)


def _knots(nodes: Array) -> Array:
    half = (DEGREE + 1) // 2
    return np.concatenate([[nodes[0]] * (DEGREE + 1), nodes[half:-half], [nodes[-1]] * (DEGREE + 1)])


@compiled(flags=SUMS)
def _evaluate(x0, x1, x2, B, t0, t1, t2, table, start, stop, out):  # type: ignore[no-untyped-def]
    """Fill the lines out[i, j, :] of number i·len(x1) + j in [start, stop); an axis of two knots is constant."""
    weights, first = np.zeros((3, 8)), np.zeros(3, np.int64)
    left, right = np.empty(8), np.empty(8)
    for line in range(start, stop):
        i, j = line // len(x1), line % len(x1)
        for last in range(len(x2)):
            for k in range(3):
                knots = t0 if k == 0 else (t1 if k == 1 else t2)
                n = len(knots) - 8
                if n < 0:
                    weights[k, 0] = 1.0
                    continue
                # De Boor's recursion for the eight splines that do not vanish between knots m and m + 1.
                q = B[k, 0] * x0[i] + B[k, 1] * x1[j] + B[k, 2] * x2[last]
                place = (q - knots[0]) / (knots[n] - knots[0]) * (n - 1)
                m = min(max(int(place) + 4, 7), n - 1)
                first[k] = m - 7
                weights[k, 0] = 1.0
                for r in range(1, 8):
                    left[r], right[r] = q - knots[m + 1 - r], knots[m + r] - q
                    saved = 0.0
                    for s in range(r):
                        part = weights[k, s] / (right[s + 1] + left[r - s])
                        weights[k, s] = saved + right[s + 1] * part
                        saved = left[r - s] * part
                    weights[k, r] = saved
            a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
            z = first[2]
            for a in range(min(8, table.shape[0])):
                for b in range(min(8, table.shape[1])):
                    w = weights[0, a] * weights[1, b]
                    u, v = first[0] + a, first[1] + b
                    a0 += w * table[u, v, z]
                    a1 += w * table[u, v, z + 1]
                    a2 += w * table[u, v, z + 2]
                    a3 += w * table[u, v, z + 3]
                    a4 += w * table[u, v, z + 4]
                    a5 += w * table[u, v, z + 5]
                    a6 += w * table[u, v, z + 6]
                    a7 += w * table[u, v, z + 7]
            c = weights[2]
            low = c[0] * a0 + c[1] * a1 + c[2] * a2 + c[3] * a3
            out[i, j, last] = low + (c[4] * a4 + c[5] * a5 + c[6] * a6 + c[7] * a7)
