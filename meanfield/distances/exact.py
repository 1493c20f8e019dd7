"""Exact Wasserstein distances, or an error that names the alternative."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from meanfield.distances.arguments import Atoms, as_atoms, as_order, power_of_two, require_finite, require_same_dim
from meanfield.distances.line import (
    Quantile,
    quantile_of_atoms,
    quantile_of_cells,
    root_mean_power,
    wasserstein_line,
    wasserstein_sorted,
)
from meanfield.distances.pot import optimal_plan
from meanfield.measures.grid import GridMeasure
from particles.checks import Array, positive
from particles.errors import DistanceTooLarge
from particles.measure import Measure

BYTES_PER_PAIR = 48
"""Peak memory of the exact solver for each pair of points: cost matrix, plan and the simplex's own arcs."""


def wasserstein(mu: Measure | GridMeasure, nu: Measure | GridMeasure, p: float = 2.0, max_bytes: int = 2**30) -> float:
    """The Wasserstein distance W_p(μ, ν) = (inf over plans π of ∫ |x − y|^p dπ)^{1/p}, |·| Euclidean.

    On the line: closed form through quantiles for any two of weighted points and piecewise-constant densities (a
    measure on a grid is such a density). In R^d, d ≥ 2: points only, by a network simplex on the full cost matrix,
    48 bytes for each pair of points; W_p^p then carries an absolute rounding error of about 1e-15 diameter^p.

    Parameters: measures of mass 1 in the same dimension; 1 ≤ p < ∞; `max_bytes`, the memory allowed for d ≥ 2.
    Returns W_p, not W_p^p, in the unit of the points. Refused: arrays, non-finite points, negative weights, mass off 1
    by more than 1e-9; densities in d ≥ 2 (NotSupported: wasserstein_bracket and density_bracket take them); more
    memory than allowed (DistanceTooLarge); a solver that stops early (NotConverged).
    """
    p = as_order(p)
    limit = positive(max_bytes, "max_bytes")
    grids = [m for m in (mu, nu) if isinstance(m, GridMeasure)]
    if grids and grids[0].dim == 1:
        return wasserstein_line(_quantile(mu, "mu"), _quantile(nu, "nu"), p)
    x, y = as_atoms(mu, "mu"), as_atoms(nu, "nu")
    require_same_dim(x.points.shape[1], y.points.shape[1])
    if x.points.shape[1] == 1:
        return _on_the_line(x, y, p)
    return _in_space(x, y, p, limit)


def _on_the_line(x: Atoms, y: Atoms, p: float) -> float:
    if x.uniform and y.uniform and len(x.weights) == len(y.weights):
        return wasserstein_sorted(np.sort(x.points.ravel()), np.sort(y.points.ravel()), p)
    return wasserstein_line(
        quantile_of_atoms(x.points.ravel(), x.weights), quantile_of_atoms(y.points.ravel(), y.weights), p
    )


def _in_space(x: Atoms, y: Atoms, p: float, max_bytes: float) -> float:
    n, m = len(x.weights), len(y.weights)
    if n == 1 or m == 1:
        weights = y.weights if n == 1 else x.weights
        cost, scale = _cost_matrix(x.points, y.points, 1.0)
        return scale * root_mean_power(cost.ravel(), weights, p)
    needed = BYTES_PER_PAIR * n * m
    if needed > max_bytes:
        raise DistanceTooLarge(
            f"an exact W_{p:g} between {n} and {m} points needs {needed} bytes, {max_bytes:.0f} are allowed: "
            "use wasserstein_bracket(mu, nu), raise max_bytes, or take fewer points"
        )
    cost, scale = _cost_matrix(x.points, y.points, p)
    return float(scale * max(optimal_plan(x.weights, y.weights, cost).cost, 0.0) ** (1.0 / p))


def _cost_matrix(x: Array, y: Array, p: float) -> tuple[Array, float]:
    """(|x_i − y_j| / scale)^p and the scale; SciPy subtracts before it squares, so an offset loses nothing."""
    with np.errstate(over="ignore"):
        extent = np.maximum(x.max(axis=0), y.max(axis=0)) - np.minimum(x.min(axis=0), y.min(axis=0))
    unit = power_of_two(require_finite(float(extent.max())))
    x, y = x / unit, y / unit
    if p == 2.0:
        return cdist(x, y, "sqeuclidean"), unit
    cost = cdist(x, y)
    if p != 1.0:
        largest = float(cost.max())
        if largest == 0.0:
            return cost, unit
        # Divided first: a power of large p overflows.
        cost /= largest
        cost **= p
        unit *= largest
    return cost, unit


def _quantile(mu: Measure | GridMeasure, name: str) -> Quantile:
    if isinstance(mu, GridMeasure):
        require_same_dim(mu.dim, 1)
        return quantile_of_cells(mu.grid.edges[0], mu.masses)
    atoms = as_atoms(mu, name)
    require_same_dim(atoms.points.shape[1], 1)
    return quantile_of_atoms(atoms.points.ravel(), atoms.weights)
