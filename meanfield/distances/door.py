"""What the distances accept: weighted points, or piecewise-constant densities on a grid."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from particles.checks import Array, as_points, as_weights
from particles.errors import InvalidInput
from particles.measure import EmpiricalMeasure, Measure


@runtime_checkable
class GridDensity(Protocol):
    """A piecewise-constant density: `masses` of the cells of `grid`, total 1, in 'ij' order."""

    @property
    def grid(self) -> Any:
        """The grid, with `edges` (one 1-D array an axis) and `dim`."""

    @property
    def masses(self) -> Array:
        """Cell masses, of the grid's shape."""


class Atoms(NamedTuple):
    """Checked points (n, d) and masses (n,), atoms of mass zero left out."""

    points: Array
    weights: Array
    uniform: bool


def as_atoms(mu: Measure, name: str) -> Atoms:
    """Points and masses of a measure; refused: arrays, NaN, negative or missing mass, no points."""
    if not isinstance(mu, Measure):
        raise InvalidInput(
            f"{name} must be a measure (EmpiricalMeasure, or a measure on a grid), got {type(mu).__name__}: "
            "write EmpiricalMeasure(points) or EmpiricalMeasure(points, weights)"
        )
    if isinstance(mu, EmpiricalMeasure):
        points, weights = mu.points, mu.weights
    else:
        points = as_points(mu.points, f"{name}.points")
        weights = as_weights(mu.weights, len(points), f"{name}.weights")
    smallest, largest = float(weights.min()), float(weights.max())
    if smallest == 0.0:
        kept = weights > 0
        points, weights = points[kept], weights[kept]
        smallest = float(weights.min())
    return Atoms(points, weights, smallest == largest)


def as_cells(mu: GridDensity, name: str) -> tuple[Array, Array]:
    """Edges (k + 1,) and masses (k,) of a density on the line."""
    edges = np.asarray(mu.grid.edges[0], dtype=np.float64)
    masses = as_weights(np.asarray(mu.masses).reshape(-1), len(edges) - 1, f"{name}.masses")
    return edges, masses


def as_order(p: float) -> float:
    """The exponent of W_p, 1 ≤ p < ∞."""
    if not isinstance(p, (int, float, np.integer, np.floating)) or not 1 <= p < np.inf:
        raise InvalidInput(
            f"p must be a finite number, at least 1, got {p!r}: W_p is no metric below 1, and W_∞ (a bottleneck "
            "problem) is not computed here"
        )
    return float(p)


def require_same_dim(d_mu: int, d_nu: int) -> None:
    """Refuse measures in spaces of different dimension."""
    if d_mu != d_nu:
        raise InvalidInput(f"mu and nu must live in the same space, got dimensions {d_mu} and {d_nu}")


def require_finite(distance: float) -> float:
    """Refuse points so far apart that their difference overflows float64."""
    if not np.isfinite(distance):
        raise InvalidInput("mu and nu are farther apart than float64 can hold (above 1e308): rescale the points")
    return distance
