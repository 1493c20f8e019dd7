"""Derivatives of fields that give no formula for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from particles.checks import Array


def central_divergence(velocity: Callable[[Array], Array], x: Array) -> Array:
    """div v at x (m, d), shape (m,), by central differences of step ε^{1/3} max(1, |x_k|) along each axis k."""
    steps = np.finfo(float).eps ** (1 / 3) * np.maximum(1.0, np.abs(x))
    total = np.zeros(len(x))
    for k in range(x.shape[1]):
        shift = np.zeros_like(x)
        shift[:, k] = steps[:, k]
        difference = velocity(x + shift)[:, k] - velocity(x - shift)[:, k]
        total += difference / (2 * steps[:, k])
    return total
