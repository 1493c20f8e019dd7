"""Rounding error bounds for float64, in the notation of Higham, Accuracy and Stability of Numerical Algorithms."""

from __future__ import annotations

import math

import numpy as np

from particles.checks import Array

UNIT = 2.0**-53
"""The unit roundoff u: a single operation returns its exact result times 1 + δ, |δ| ≤ u."""


SMALLEST = 2.0**-1022
"""The smallest normal float64: a product that falls below it is off by less than this, whatever its relative error."""

LEAST_SQUARE = 1e-280
"""Squares below this may have lost digits to underflow in any sum that fits a machine; a lower bound drops them."""


def gamma(k: float) -> float:
    """γ_k = k u / (1 − k u): bounds the relative error of k roundings, so of a sum of k terms ≥ 0 in any order."""
    return k * UNIT / (1.0 - k * UNIT)


def exact_sum(terms: Array) -> float:
    """Σ terms, correctly rounded (Shewchuk)."""
    return math.fsum(terms.tolist())


def below(value: float) -> float:
    """The next float64 towards zero of a non-negative number."""
    return float(np.nextafter(value, 0.0))


def above(value: float) -> float:
    """The next larger float64, but 0 stays 0: a sum of squares that is 0 is exactly 0."""
    return float(np.nextafter(value, np.inf)) if value > 0 else 0.0
