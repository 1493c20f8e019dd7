"""Verified linear algebra: what LAPACK returns is a candidate, what is claimed of it is proved here with rounding."""

from __future__ import annotations

import numpy as np

from meanfield.limits.enclosures.outward import gamma, spectral_norm_up, up
from particles.checks import Array


def product_error(*factors: Array) -> Array:
    """Above the error of every entry of the product of matrices, evaluated from the left."""
    size = np.abs(factors[0])
    for M in factors[1:]:
        size = size @ np.abs(M)
    terms = sum(len(M) + 1 for M in factors[1:])
    return np.asarray(up(gamma(terms) * size))


def is_positive_definite(M: Array, error: Array) -> bool:
    """Whether every matrix within `error`, entry by entry, of the symmetric M (d, d) is proved positive definite.

    With X near the inverse of a Cholesky factor, ‖I − X M Xᵀ‖₂ < 1 makes X M Xᵀ positive definite, so X is regular and
    M is positive definite too.
    """
    try:
        X = np.linalg.inv(np.linalg.cholesky(0.5 * (M + M.T)))
    except np.linalg.LinAlgError:
        return False
    if not np.isfinite(X).all():
        return False
    residual = np.eye(len(M)) - X @ M @ X.T
    off = product_error(X, M, X.T) + np.abs(X) @ error @ np.abs(X).T + gamma(4) * (np.abs(residual) + np.eye(len(M)))
    return bool(spectral_norm_up(residual) + spectral_norm_up(up(off)) < 1.0)
