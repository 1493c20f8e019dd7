"""The largest eigenvalue of a dense symmetric matrix from above, for a fraction of what all eigenvalues cost."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg.lapack import dpotrf
from scipy.sparse.linalg import ArpackError, eigsh

from particles.checks import Array

DENSE = 100
"""Rows up to which all eigenvalues cost no more."""

MARGIN = 1e-9
"""How far the bound lies above a Lanczos value, as a share of the size of the matrix."""

_TOLERANCE = 1e-7
"""Residual of the Lanczos value over the value; what the value lacks is of the order of its square."""


def upper_eigenvalue(S: Array) -> float:
    """An upper bound on λ_max(S), S (n, n) symmetric, that exceeds it by 1e-9 (|λ_max| + ‖S‖_F n^{−1/2}) at most.

    A Lanczos value θ is below λ_max and may miss it, so what lies above is proved: with δ the margin, the Cholesky
    factorisation of M = (θ + δ/2) 1 − S runs to its end in floating point, hence λ_min(M) ≥ −γ tr M with γ some (n + 1)
    units of rounding (S. M. Rump, Verification of positive definiteness, BIT 46, 2006), and λ_max(S) ≤ θ + δ where
    γ tr M ≤ δ/2. For up to 100 rows, and where this fails, it is the last of all eigenvalues, right to rounding.
    """
    if len(S) > DENSE:
        bound = _proved(S)
        if bound is not None:
            return bound
    return float(np.linalg.eigvalsh(S)[-1])


def _proved(S: Array) -> float | None:
    """θ + δ, None where nothing is proved."""
    n = len(S)
    try:
        # A fixed start makes Lanczos repeat itself bitwise; a random one leaves out no symmetry.
        start = np.random.default_rng(0).standard_normal(n)
        theta = float(eigsh(S, k=1, which="LA", v0=start, tol=_TOLERANCE, return_eigenvectors=False)[0])
    except ArpackError:
        return None
    margin = MARGIN * (abs(theta) + float(np.linalg.norm(S)) / math.sqrt(n))
    M = -S
    M[np.diag_indices(n)] += theta + 0.5 * margin
    # Twice Rump's γ and the rounding of the diagonal of M.
    rounding = 2.0 * (n + 3) * float(np.finfo(np.float64).eps) * float(np.trace(M))
    if not rounding <= 0.5 * margin or dpotrf(M.T, lower=1, clean=0, overwrite_a=1)[1] != 0:
        return None
    return theta + margin
