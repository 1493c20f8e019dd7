"""The flow on one cell of a material mesh: a polynomial through moved vertices, and its inverse.

Along each reference axis the vertices of a cell and of its neighbours, `stencil` of them, are joined by one Lagrange
polynomial. On an edge that two cells share both polynomials agree, so that the images of the cells leave no gap.
"""

from __future__ import annotations

import numpy as np

from meanfield.measures.cells import Edges
from particles.kernels.compiling import kernel_part, merged

STENCIL = {1: 6, 2: 6, 3: 4}
"""Vertices along an axis that the flow on a cell is taken from, by dimension."""


class Stencils:
    """Where the polynomial of each cell starts along each axis, its nodes and their barycentric weights.

    first (d, n): the first vertex; places (d, n, p): reference coordinates of the vertices in units of the cell, the
    cell being (0, 1); weights (d, n, p): 1/Π (s_j − s_m). Axes shorter than the longest are padded.
    """

    def __init__(self, edges: Edges, stencil: int) -> None:
        longest = max(map(len, edges)) - 1
        self.count = np.array([min(stencil, len(e)) for e in edges])
        d, p = len(edges), int(self.count.max())
        self.first = np.zeros((d, longest), dtype=np.int64)
        self.places, self.weights = np.zeros((d, longest, p)), np.ones((d, longest, p))
        for k, e in enumerate(edges):
            q = int(self.count[k])
            cells = np.arange(len(e) - 1)
            first = np.clip(cells - (q - 2) // 2, 0, len(e) - q)
            places = (e[first[:, None] + np.arange(q)] - e[cells, None]) / np.diff(e)[:, None]
            gaps = places[:, :, None] - places[:, None, :] + np.eye(q)
            self.first[k, : len(cells)] = first
            self.places[k, : len(cells), :q] = places
            self.weights[k, : len(cells), :q] = 1 / gaps.prod(axis=2)


@kernel_part()
def basis(u, places, weights, count, value, slope):  # type: ignore[no-untyped-def]
    """The Lagrange polynomials of one axis at u, and their derivatives, into value and slope (p,)."""
    merged()
    before, before_slope = 1.0, 0.0
    for j in range(count):
        value[j], slope[j] = weights[j] * before, weights[j] * before_slope
        before_slope = before_slope * (u - places[j]) + before
        before *= u - places[j]
    after, after_slope = 1.0, 0.0
    for i in range(count):
        j = count - 1 - i
        slope[j] = slope[j] * after + value[j] * after_slope
        value[j] *= after
        after_slope = after_slope * (u - places[j]) + after
        after *= u - places[j]


@kernel_part()
def image(u, cell, first, places, weights, count, vertices, value, slope, x, jacobian):  # type: ignore[no-untyped-def]
    """The image of the place u (d,) of a cell, into x (d,), and its derivative by u, into jacobian (d, d).

    vertices (v_1, v_2, v_3, d): in the plane the third axis has one vertex, so that d = 2 and 3 are one formula.
    """
    merged()
    d = len(x)
    layers, base = 1, 0
    for k in range(d):
        basis(u[k], places[k, cell[k]], weights[k, cell[k]], count[k], value[k], slope[k])
        x[k] = 0.0
        jacobian[k, :] = 0.0
    if d == 3:
        layers, base = count[2], first[2, cell[2]]
    for c in range(d):
        for i in range(count[0]):
            # The sums over the second and the third axis, and their derivatives by u_2 and u_3.
            row, row2, row3 = 0.0, 0.0, 0.0
            for j in range(count[1]):
                a, b = first[0, cell[0]] + i, first[1, cell[1]] + j
                if d == 2:
                    row += value[1, j] * vertices[a, b, 0, c]
                    row2 += slope[1, j] * vertices[a, b, 0, c]
                    continue
                line, line3 = 0.0, 0.0
                for m in range(layers):
                    line += value[2, m] * vertices[a, b, base + m, c]
                    line3 += slope[2, m] * vertices[a, b, base + m, c]
                row += value[1, j] * line
                row2 += slope[1, j] * line
                row3 += value[1, j] * line3
            x[c] += value[0, i] * row
            jacobian[c, 0] += slope[0, i] * row
            jacobian[c, 1] += value[0, i] * row2
            if d == 3:
                jacobian[c, 2] += value[0, i] * row3


@kernel_part()
def solve_small(matrix, right, out):  # type: ignore[no-untyped-def]
    """out = matrix⁻¹ right for 2 × 2 and 3 × 3, and the determinant; by Cramer's rule."""
    merged()
    if len(right) == 2:
        det = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
        out[0] = (right[0] * matrix[1, 1] - matrix[0, 1] * right[1]) / det
        out[1] = (matrix[0, 0] * right[1] - right[0] * matrix[1, 0]) / det
        return det
    a = matrix[1, 1] * matrix[2, 2] - matrix[1, 2] * matrix[2, 1]
    b = matrix[1, 2] * matrix[2, 0] - matrix[1, 0] * matrix[2, 2]
    c = matrix[1, 0] * matrix[2, 1] - matrix[1, 1] * matrix[2, 0]
    det = matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2] * c
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        out[k] = 0.0
        for r in range(3):
            s, t = (r + 1) % 3, (r + 2) % 3
            out[k] += (matrix[s, i] * matrix[t, j] - matrix[s, j] * matrix[t, i]) * right[r] / det
    return det
