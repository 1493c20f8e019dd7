"""Entropic transport between two densities on plane grids, one axis at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from particles.checks import Array
from particles.errors import NotConverged

Axes = tuple[Array, Array]

_ANNEALING = 5


class Entropic(NamedTuple):
    """Potentials f, g on two grids, the dual value Σ a f + Σ b g, and the L¹ error of the first marginal."""

    f: Array
    g: Array
    value: float
    error: float


def soft_transform(to: Axes, at: Axes, h: Array, epsilon: float) -> Array:
    """−ε log Σ_y exp((h(y) − |x − y|²)/ε) on the grid `to` (N_1, N_2), from h on the grid `at`.

    The Gaussian kernel is a product, so each axis is one matrix product; each line is shifted by its own maximum,
    which is safe while the squared extent of an axis stays below 700 ε, the range of the exponential.
    """
    out = h / epsilon
    for axis in (0, 1):
        kernel = np.exp(-((to[axis][:, None] - at[axis]) ** 2) / epsilon)
        lines = np.moveaxis(out, axis, 0)
        top = lines.max(axis=0, keepdims=True)
        top = np.where(np.isfinite(top), top, 0.0)
        with np.errstate(divide="ignore"):
            lines = top + np.log(kernel @ np.exp(lines - top))
        out = np.moveaxis(lines, 0, axis)
    return np.asarray(-epsilon * out)


def entropic(x: Axes, a: Array, y: Axes, b: Array, epsilon: float, tolerance: float, max_steps: int) -> Entropic:
    """Sinkhorn's algorithm in the log domain, ε halved from the squared extent down; both grids in 'ij' order.

    Stops when Σ |first marginal − a| ≤ tolerance, and raises NotConverged after max_steps.
    """
    log_a, log_b = _log(a), _log(b)
    g = np.zeros_like(b)
    for current in _annealed(x, y, epsilon):
        f = soft_transform(x, y, g + current * log_b, current)
        g = soft_transform(y, x, f + current * log_a, current)
    f = soft_transform(x, y, g + epsilon * log_b, epsilon)
    for _ in range(max_steps):
        g = soft_transform(y, x, f + epsilon * log_a, epsilon)
        new = soft_transform(x, y, g + epsilon * log_b, epsilon)
        # The last g made the second marginal exact; the new f shows by how much the first was off.
        error = float(np.abs(a * np.expm1((f - new) / epsilon)).sum())
        if error <= tolerance:
            return Entropic(f, g, float((a * f).sum() + (b * g).sum()), error)
        f = new
    raise _not_converged(error, tolerance, max_steps, epsilon)


def entropic_self(x: Axes, a: Array, epsilon: float, tolerance: float, max_steps: int) -> Entropic:
    """Transport of a density to itself: f = g, by averaged steps, which converge far faster (Feydy et al. 2019)."""
    log_a = _log(a)
    f = np.zeros_like(a)
    for current in _annealed(x, x, epsilon):
        f = 0.5 * (f + soft_transform(x, x, f + current * log_a, current))
    for _ in range(max_steps):
        new = soft_transform(x, x, f + epsilon * log_a, epsilon)
        error = float(np.abs(a * np.expm1((f - new) / epsilon)).sum())
        if error <= tolerance:
            return Entropic(f, f, 2.0 * float((a * f).sum()), error)
        f = 0.5 * (f + new)
    raise _not_converged(error, tolerance, max_steps, epsilon)


def _annealed(x: Axes, y: Axes, epsilon: float) -> list[float]:
    """The values of ε on the way down, each for a few steps."""
    current = sum(float(np.ptp(np.concatenate((u, v)))) ** 2 for u, v in zip(x, y, strict=True))
    values = []
    while current > epsilon:
        values += [current] * _ANNEALING
        current *= 0.5
    return values


def _log(masses: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(masses))


def _not_converged(error: float, tolerance: float, steps: int, epsilon: float) -> NotConverged:
    return NotConverged(
        f"Sinkhorn's marginals are off by {error:.2g} after {steps} steps at epsilon = {epsilon:g}, "
        f"{tolerance:g} was asked for: raise epsilon or max_steps"
    )
