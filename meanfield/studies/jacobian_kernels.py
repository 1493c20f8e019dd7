"""Sums over pairs of a Jacobian, in one pass over its memory."""

from __future__ import annotations

from particles.kernels.compiling import compiled

TILE = 32
"""Rows and columns of a tile of a matrix that is read across, so that its lines stay in the cache."""


@compiled()
def add_pairs(blocks, P, values, means, seen, V):  # type: ignore[no-untyped-def]
    """Add P_ij (V + (v_j − m_i) b_iᵀ)_ce to blocks (d, n, d, n) at c, i, e, j; values v (d, n), m and b (n, d)."""
    d, n = values.shape
    for i in range(n):
        for c in range(d):
            for e in range(d):
                mean, slope, own = means[i, c], seen[i, e], V[c, e]
                row = blocks[c, i, e]
                for j in range(n):
                    row[j] += P[i, j] * (own + (values[c, j] - mean) * slope)


@compiled()
def symmetrise(A):  # type: ignore[no-untyped-def]
    """Put ½ (A + Aᵀ) into A (n, n)."""
    n = len(A)
    for first in range(0, n, TILE):
        for start in range(0, first + 1, TILE):
            for r in range(first, min(first + TILE, n)):
                for s in range(start, min(start + TILE, r)):
                    mean = 0.5 * (A[r, s] + A[s, r])
                    A[r, s] = mean
                    A[s, r] = mean
