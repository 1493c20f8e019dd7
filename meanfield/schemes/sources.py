"""Cell masses as the sources of a field: shared with the neighbours so that sums over centres integrate to O(h⁴)."""

from __future__ import annotations

import numpy as np

from meanfield.measures.grid import Cells
from meanfield.schemes.fluxes import Periods, keep_positive, wrapped, wrapped_edges
from particles.checks import Array


def smooth_sources(cells: Cells, periods: Periods | None = None) -> Cells:
    """Cell masses shared with their neighbours, so that sums over centres integrate smooth functions to O(h⁴)."""
    masses = cells.masses
    for k in range(cells.grid.dim):
        period = None if periods is None else periods[k]
        masses = np.moveaxis(spread_moments(np.moveaxis(masses, k, 0), cells.grid.edges[k], period), 0, k)
    return Cells(cells.grid, masses)


def spread_moments(masses: Array, edges: Array, period: float | None = None) -> Array:
    """Cell masses along the first axis shared with the two neighbours' centres so as to keep three moments.

    A cell's mass, spread over it linearly, has the first moment s h³/12 (s the slope) and the second m h²/12 about its
    centre; the shares of the neighbours reproduce both. Sums over centres are then exact to third order on any
    spacing, to fourth where it is uniform; cell masses as they are give only second. No result is negative.
    """
    if period is None:
        net = _shares(masses, edges)
    else:
        net = _shares(wrapped(masses, 2, 0), wrapped_edges(edges, 2, period))[2:-2].copy()
        net[-1] = net[0]
    keep_positive([net], masses, 1.0, (period, *[None] * (masses.ndim - 1)))
    return np.asarray(masses - np.diff(net, axis=0))


def _shares(masses: Array, edges: Array) -> Array:
    """What each cell gives to its right neighbour, less what it gets: a flux through the N + 1 faces."""
    h = np.diff(edges).reshape(-1, *[1] * (masses.ndim - 1))
    centres = (edges[1:] + edges[:-1]) / 2
    gap = np.diff(centres).reshape(-1, *[1] * (masses.ndim - 1))
    first = np.gradient(masses / h, centres, axis=0) * h**3 / 12
    second = masses * h**2 / 12
    ends = np.concatenate([gap[:1], gap, gap[-1:]])
    left, right = ends[:-1], ends[1:]
    down = (second - first * right) / (left * (left + right))
    up = (second + first * left) / (right * (left + right))
    net = np.zeros((len(masses) + 1, *masses.shape[1:]))
    np.subtract(up[:-1], down[1:], out=net[1:-1])
    return net
