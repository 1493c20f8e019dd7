"""Bounds on W_p for any p ≥ 1: couplings from above, potentials and slices from below."""

from __future__ import annotations

import numpy as np
import scipy

from meanfield.distances.bounds.clouds import Pair
from meanfield.distances.bounds.couplings import Coupling, shortfall
from meanfield.distances.bounds.rounding import SMALLEST, UNIT, exact_sum, gamma
from meanfield.distances.bounds.sliced import project_on
from meanfield.distances.line import quantile_of_atoms, wasserstein_line
from particles.checks import Array

_BLOCK_BYTES = 2**24
_POWER_ROUNDINGS = 16
"""Units in the last place that a square root and a power may be off in all, for p up to a few dozen."""


def power_upper(pair: Pair, plan: Coupling, p: float) -> float:
    """A true upper bound on W_p^p from a coupling: its cost, and what its marginals lack across the diameter."""
    difference = pair.x.points[plan.i] - pair.y.points[plan.j]
    distance = np.sqrt(np.einsum("kd,kd->k", difference, difference))
    moved = float(np.einsum("k,k->", plan.mass, distance**p))
    moved *= 1.0 + gamma(len(plan.mass) + p * (pair.x.points.shape[1] + 8) + _POWER_ROUNDINGS)
    if moved > 0.0 or difference.any():
        moved += (len(plan.mass) + 8) * SMALLEST
    if plan.exact:
        return moved * (1.0 + 2.0 * (pair.x.mass_error + pair.y.mass_error))
    lost = shortfall(pair.x, plan.i, plan.mass, 1.0) + shortfall(pair.y, plan.j, plan.mass, -1.0)
    return moved + lost * _largest(pair, p)


def power_lower(pair: Pair, sites: Array, values: Array, p: float) -> float:
    """A true lower bound on W_p^p by potentials: f on x is the c-transform of `values` at sites, g on y that of f.

    f + g ≤ |x − y|^p up to the rounding of the distances and of the two transforms.
    """
    x, y = pair.x, pair.y
    f = transform(x.points, sites, values, p)
    f -= 0.5 * (float(f.max()) + float(f.min()))
    g = transform(y.points, x.points, f, p)
    size = _largest(pair, p) + float(np.abs(f).max()) + float(np.abs(g).max())
    slack = 2.0 * gamma(p * (x.points.shape[1] + 8) + _POWER_ROUNDINGS) * size
    terms_f, terms_g = x.weights * f, y.weights * g
    absolute = exact_sum(np.abs(terms_f)), exact_sum(np.abs(terms_g))
    rounding = 4.0 * UNIT * sum(absolute) + 2.0 * (x.mass_error * absolute[0] + y.mass_error * absolute[1])
    return float(exact_sum(terms_f) + exact_sum(terms_g) - slack - rounding)


def power_sliced(pair: Pair, directions: Array, p: float) -> float:
    """A true lower bound on W_p: the largest W_p between the projections on unit vectors, columns (d, k).

    On the line W_p moves by the largest change of a projection, and W_p^p by D^p times the rounding of the levels.
    """
    best = 0.0
    for k in range(directions.shape[1]):
        u, v, slack = project_on(pair, directions[:, k])
        value = wasserstein_line(quantile_of_atoms(u, pair.x.weights), quantile_of_atoms(v, pair.y.weights), p)
        width = max(float(max(u.max(), v.max()) - min(u.min(), v.min())), 0.0)
        levels = 4.0 * gamma(len(u) + len(v) + 16) + 2.0 * (pair.x.mass_error + pair.y.mass_error)
        powered = (value / width) ** p - p * levels if width > 0.0 else 0.0
        best = max(best, max(powered, 0.0) ** (1.0 / p) * width * (1.0 - gamma(64)) - 2.0 * slack)
    return best


def transform(y: Array, x: Array, f: Array, p: float) -> Array:
    """min_i |x_i − y|^p − f_i, shape (m,)."""
    out = np.empty(len(y))
    step = max(1, _BLOCK_BYTES // (8 * len(x)))
    for start in range(0, len(y), step):
        cost = scipy.spatial.distance.cdist(y[start : start + step], x)
        if p != 1.0:
            cost **= p
        cost -= f
        out[start : start + step] = cost.min(axis=1)
    return out


def _largest(pair: Pair, p: float) -> float:
    return float(pair.diameter2 ** (0.5 * p) * (1.0 + gamma(p * 8 + _POWER_ROUNDINGS)))
