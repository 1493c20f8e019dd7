"""Two weighted clouds prepared for bounds: moved and rescaled without any rounding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.arguments import Atoms, power_of_two, require_finite
from meanfield.distances.bounds.rounding import UNIT, exact_sum
from particles.checks import Array


class Cloud(NamedTuple):
    """Points (n, d), weights (n,); `mass_error` ≥ |Σ weights − 1|: the measure meant is weights / Σ weights."""

    points: Array
    weights: Array
    uniform: bool
    mass_error: float


class Pair(NamedTuple):
    """Both clouds in one frame: true points = `unit` · points + offset; `diameter2` bounds every |x − y|²."""

    x: Cloud
    y: Cloud
    unit: float
    diameter2: float


def as_pair(x: Atoms, y: Atoms) -> Pair:
    """Shift and rescale so that neither an offset nor an extreme unit costs accuracy."""
    with np.errstate(over="ignore"):
        low = np.minimum(x.points.min(axis=0), y.points.min(axis=0))
        high = np.maximum(x.points.max(axis=0), y.points.max(axis=0))
        span = high - low
    largest = require_finite(float(span.max()))
    # Sterbenz: where no coordinate of an axis is more than twice another, their differences are exact. Elsewhere no
    # |coordinate| exceeds twice the span, and nothing is gained by a shift.
    far = np.minimum(np.abs(low), np.abs(high)) >= span
    shift = np.where(far & (np.sign(low) == np.sign(high)), low, 0.0)
    unit = power_of_two(largest)
    diameter2 = float(np.sum((span / unit) ** 2)) * (1.0 + (len(span) + 8) * UNIT)
    return Pair(_cloud(x, shift, unit), _cloud(y, shift, unit), unit, diameter2)


def _cloud(atoms: Atoms, shift: Array, unit: float) -> Cloud:
    points = (atoms.points - shift if shift.any() else atoms.points) / unit
    n = len(atoms.weights)
    total = n * float(atoms.weights[0]) if atoms.uniform else exact_sum(atoms.weights)
    return Cloud(points, atoms.weights, atoms.uniform, abs(total - 1.0) + 2.0 * UNIT)
