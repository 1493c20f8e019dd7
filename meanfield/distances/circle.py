"""Wasserstein distances on a circle, exact through the best shift of one quantile function.

With F⁻¹(u + k) = F⁻¹(u) + kL for whole k, L the length of the circle,

    W_p(μ, ν)^p = min over α of ∫₀¹ |F_μ⁻¹(u) − F_ν⁻¹(u + α)|^p du        (p ≥ 1),

and the integral is convex in α (Rabin, Delon and Gousseau 2011; Delon, Salomon and Sobolevski 2010).
"""

from __future__ import annotations

import numpy as np

from meanfield.distances.arguments import as_atoms, require_same_dim
from meanfield.distances.line import Quantile, quantile_of_atoms, quantile_of_cells, wasserstein_line
from meanfield.measures.grid import GridMeasure
from particles.errors import InvalidInput
from particles.fields.spaces import Torus
from particles.measure import Measure

_GOLDEN = 0.5 * (5.0**0.5 - 1.0)
_STEPS = 90


def on_circle(mu: Measure | GridMeasure, name: str, circle: Torus) -> Quantile:
    """The quantile function of points, or of a density on a grid of at most one period, cut at 0."""
    length = circle.periods[0]
    if isinstance(mu, GridMeasure):
        require_same_dim(mu.dim, 1)
        low, high = mu.grid.bounds[0]
        if high - low > length * (1.0 + 1e-12):
            raise InvalidInput(
                f"the grid of {name} is {high - low:g} long, the circle only {length:g}: one period is needed"
            )
        return quantile_of_cells(mu.grid.edges[0], mu.masses)
    atoms = as_atoms(mu, name)
    require_same_dim(atoms.points.shape[1], 1)
    return quantile_of_atoms(circle.project(atoms.points).ravel(), atoms.weights)


def wasserstein_circle(mu: Quantile, nu: Quantile, length: float, p: float) -> float:
    """W_p on a circle of the given length."""
    return best_shift(mu, nu, length, p)[1]


def best_shift(mu: Quantile, nu: Quantile, length: float, p: float) -> tuple[float, float]:
    """The shift α of the second quantile function for which the distance is least, and the distance."""

    def at(alpha: float) -> float:
        return wasserstein_line(mu, shifted(nu, alpha, length), p)

    # The grids may begin anywhere: bring the second to within a turn of the first, then look one turn to each side.
    turn = float(np.round((mu.left[0] - nu.left[0]) / length))
    low, high = turn - 1.5, turn + 1.5
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    value_left, value_right = at(left), at(right)
    for _ in range(_STEPS):
        if value_left <= value_right:
            high, right, value_right = right, left, value_left
            left = high - _GOLDEN * (high - low)
            value_left = at(left)
        else:
            low, left, value_left = left, right, value_right
            right = low + _GOLDEN * (high - low)
            value_right = at(right)
    return min(((left, value_left), (right, value_right)), key=lambda pair: pair[1])


def shifted(q: Quantile, alpha: float, length: float) -> Quantile:
    """The pieces of u ↦ q(u + α) for u in (0, 1)."""
    turns = np.floor(alpha)
    level = alpha - turns
    ends = np.cumsum(q.mass)
    ends /= ends[-1]
    k = int(min(np.searchsorted(ends, level, side="right"), len(ends) - 1))
    start = ends[k - 1] if k > 0 else 0.0
    share = min(max((level - start) / (ends[k] - start), 0.0), 1.0)
    cut = q.left[k] + share * (q.right[k] - q.left[k])
    before, after = turns * length + length, turns * length
    left = np.concatenate(([cut + after], q.left[k + 1 :] + after, q.left[:k] + before, [q.left[k] + before]))
    right = np.concatenate(([q.right[k] + after], q.right[k + 1 :] + after, q.right[:k] + before, [cut + before]))
    first, last = (1.0 - share) * q.mass[k], share * q.mass[k]
    mass = np.concatenate(([first], q.mass[k + 1 :], q.mass[:k], [last]))
    kept = mass > 0
    return Quantile(left[kept], right[kept], mass[kept])
