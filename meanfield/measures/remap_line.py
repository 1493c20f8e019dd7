"""The density of a moved mesh on the line: differences of the mass below the edges of the grid."""

from __future__ import annotations

import numpy as np

from meanfield.measures.cells import Indices
from meanfield.measures.flow_map import STENCIL, Stencils
from meanfield.measures.gauss_legendre import gauss_legendre
from meanfield.measures.material import Patch
from particles.checks import Array


def on_line(patch: Patch, vertices: Array, edges: Array) -> Array:
    """The masses between edges (n + 1,) of a patch whose vertices (v,) have moved.

    On the line the flow keeps the order: the mass below an edge of the grid is the mass below its preimage.
    """
    below = np.concatenate([[0.0], np.cumsum(patch.cell_mass)])
    return np.maximum(np.diff(_mass_below(patch, np.maximum.accumulate(vertices), below, edges)), 0.0)


def _mass_below(patch: Patch, x: Array, below: Array, at: Array) -> Array:
    """The mass at or below each point `at` of a patch whose vertices lie at x, increasing; `below` at the vertices."""
    cell = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    stencils = Stencils(patch.edges, STENCIL[1])
    low, high = np.zeros(len(at)), np.ones(len(at))
    for _ in range(52):
        middle = (low + high) / 2
        left = images_on_line(middle, cell, stencils, x) <= at
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    place = (low + high) / 2
    nodes, weights = gauss_legendre(8)
    e = patch.edges[0]
    reference = e[cell, None] + np.diff(e)[cell, None] * place[:, None] * (nodes + 1) / 2
    part = patch.density(reference.reshape(-1, 1)).reshape(len(at), -1) @ weights / 2
    mass = below[cell] + patch.scale[cell] * part * place * np.diff(e)[cell]
    # Rounding must not let a point count more than the mass below the next vertex.
    mass = np.clip(mass, below[cell], below[cell + 1])
    return np.asarray(np.where(at <= x[0], 0.0, np.where(at >= x[-1], below[-1], mass)))


def images_on_line(u: Array, cell: Indices, stencils: Stencils, x: Array) -> Array:
    """The flow on the line: Σ_j x_j w_j Π_{m ≠ j} (u − s_m)."""
    count = int(stencils.count[0])
    total = np.zeros(len(u))
    for j in range(count):
        part = x[stencils.first[0, cell] + j] * stencils.weights[0, cell, j]
        for m in range(count):
            if m != j:
                part = part * (u - stencils.places[0, cell, m])
        total += part
    return total
