"""Wasserstein distances on the line, in closed form through quantile functions.

W_p(μ, ν)^p = ∫₀¹ |F_μ⁻¹(u) − F_ν⁻¹(u)|^p du  (Villani, Topics in Optimal Transportation, Theorem 2.18).
A quantile function is held as pieces: on masses (a, b] it runs linearly from `left` to `right`; an atom is a piece
with left = right, a cell of constant density a piece of the cell's width. Between the breakpoints of two quantile
functions their difference is linear, so the integral has a closed form for every p.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.distances.arguments import require_finite
from particles.checks import Array

Index = npt.NDArray[np.intp]


class Quantile(NamedTuple):
    """Pieces in increasing order: end points `left`, `right` and masses, all (k,), masses positive."""

    left: Array
    right: Array
    mass: Array


def quantile_of_atoms(points: Array, weights: Array) -> Quantile:
    """Quantile function of weighted points (n,)."""
    order = np.argsort(points, kind="stable")
    sorted_points = points[order]
    return Quantile(sorted_points, sorted_points, weights[order])


def quantile_of_cells(edges: Array, masses: Array) -> Quantile:
    """Quantile function of a piecewise-constant density; empty cells become jumps."""
    kept = masses > 0
    return Quantile(edges[:-1][kept], edges[1:][kept], masses[kept])


def wasserstein_sorted(x: Array, y: Array, p: float) -> float:
    """W_p of two uniform measures with equally many points, both already sorted; both are overwritten."""
    with np.errstate(over="ignore", under="ignore"):
        difference = np.subtract(x, y, out=x)
        if p == 2.0:
            # A pairwise sum of squares: np.dot would wake BLAS threads, which costs more than the sorting.
            total = float(np.square(difference, out=y).sum())
            if 1e-280 < total < np.inf:
                return float(np.sqrt(total / len(x)))
    np.abs(difference, out=difference)
    return root_mean_power(difference, None, p)


def wasserstein_line(mu: Quantile, nu: Quantile, p: float) -> float:
    """W_p of two measures given by their quantile functions."""
    with np.errstate(over="ignore"):
        start, end, mass = difference_of_quantiles(mu, nu)
    scale = require_finite(float(max(np.abs(start).max(), np.abs(end).max())))
    if scale == 0.0:
        return 0.0
    return scale * float(np.einsum("k,k->", mass, mean_power(start / scale, end / scale, p)) ** (1.0 / p))


def difference_of_quantiles(mu: Quantile, nu: Quantile) -> tuple[Array, Array, Array]:
    """F_μ⁻¹ − F_ν⁻¹ on the common refinement: its values at both ends of each piece, and the pieces' masses."""
    i, j, upper, mass = refine(mu.mass, nu.mass)
    apart = places_of(mu, i, upper, mass) - places_of(nu, j, upper, mass)
    return apart[:, 0], apart[:, 1], mass


def places_of(q: Quantile, piece: Index, upper: Array, mass: Array) -> Array:
    """The quantile function at both ends of parts of its pieces, masses `mass` up to the levels `upper`, (k, 2)."""
    ends = _cumulative(q.mass)
    return np.stack([_value(q, ends, piece, upper - mass), _value(q, ends, piece, upper)], axis=1)


def refine(mass_mu: Array, mass_nu: Array) -> tuple[Index, Index, Array, Array]:
    """The common refinement of two lists of masses laid end to end: piece of each, upper level, mass."""
    ends_mu, ends_nu = _cumulative(mass_mu), _cumulative(mass_nu)
    levels = np.concatenate((ends_mu, ends_nu))
    levels.sort(kind="stable")
    mass = np.diff(levels, prepend=0.0)
    kept = mass > 0
    upper, mass = levels[kept], mass[kept]
    # The midpoint names the piece: a level itself is the border of two.
    middle = upper - 0.5 * mass
    i = np.minimum(np.searchsorted(ends_mu, middle), len(ends_mu) - 1)
    j = np.minimum(np.searchsorted(ends_nu, middle), len(ends_nu) - 1)
    return i, j, upper, mass


def mean_power(start: Array, end: Array, p: float) -> Array:
    """∫₀¹ |(1 − s) start + s end|^p ds, free of cancellation for start ≈ end."""
    if p == 2.0:
        return (start * start + start * end + end * end) / 3.0
    large, small = np.maximum(np.abs(start), np.abs(end)), np.minimum(np.abs(start), np.abs(end))
    # Same sign: (M^{p+1} − m^{p+1}) / ((p+1)(M − m)), written with t = 1 − m/M. Opposite signs: plus for minus.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        t = (large - small) / large
        same = -np.expm1((p + 1.0) * np.log1p(-t)) / ((p + 1.0) * t)
        same = np.where(t > 0, large**p * same, large**p)
        ratio = small / large
        opposite = large**p * (1.0 + ratio ** (p + 1.0)) / (p + 1.0) / (1.0 + ratio)
    return np.where(large == 0, 0.0, np.where(start * end >= 0, same, opposite))


def root_mean_power(magnitude: Array, weights: Array | None, p: float) -> float:
    """(Σ w |r|^p)^{1/p}, scaled by the largest |r| so that no power overflows; weights None is 1/n each."""
    scale = require_finite(float(magnitude.max()))
    if scale == 0.0:
        return 0.0
    power = (magnitude / scale) ** p
    mean = np.mean(power) if weights is None else np.einsum("k,k->", weights, power)
    return scale * float(mean ** (1.0 / p))


def _cumulative(mass: Array) -> Array:
    ends = np.cumsum(mass)
    ends /= ends[-1]
    return ends


def _value(q: Quantile, ends: Array, piece: Index, level: Array) -> Array:
    width = q.right[piece] - q.left[piece]
    start = np.where(piece > 0, ends[piece - 1], 0.0)
    share = (level - start) / (ends[piece] - start)
    value: Array = q.left[piece] + np.clip(share, 0.0, 1.0) * width
    return value
