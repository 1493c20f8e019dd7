"""The subspace in which matrices of small rank act."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from particles.checks import Array


def range_basis(matrices: Sequence[Array]) -> Array:
    """An orthonormal basis (d, r) of the ranges of matrices (d, d), with one direction across them where there is one.

    That one stands for all directions in which a quadratic form in these ranges is 0.
    """
    U, singular, _ = np.linalg.svd(np.hstack(matrices), full_matrices=False)
    rank = int(np.sum(singular > len(U) * np.finfo(float).eps * singular[0]))
    return np.asarray(U[:, : rank + 1])
