"""The exact softmax average for long vectors: matrix products, and one fused pass of exponentials between them.

For a tile of queries and a tile of sources, S = Q Kᵀ (BLAS); then each row of S, while in the cache, receives its
log-weights and gives its maximum, and 2^{s − m} replaces s with m the running maximum; then N ← 2^{m_old − m} N + P V
(BLAS). The n × m matrix exists only one tile at a time. From about 16 coordinates on the products are most of the
work and BLAS is the fastest way to do them.

BLAS runs on as many threads as its own settings say (OPENBLAS_NUM_THREADS); `threads` governs the exponentials. No
sum is split across threads by either: a run repeats bitwise. Every run of an ensemble is its own sequence of calls.
"""

from __future__ import annotations

import numpy as np

from particles.checks import Array
from particles.kernels.compiling import SUMS, compiled
from particles.kernels.exponential import LN_2, LOG2_E, exp2, larger, wide_vectors
from particles.kernels.threads import spread

QUERIES, SOURCES, ROWS = 512, 2048, 128
"""Tile sides (8 MiB of float64, within a last-level cache), and the rows that a thread takes at a time."""


@compiled(flags=SUMS)
def exponentiate(scores, log_weights, first, largest, total, factor, start, stop):  # type: ignore[no-untyped-def]
    """For rows start ≤ i < stop: scores → 2^{scores + log_weights − m}, online update of `largest` (m) and `total`.

    `log_weights` (1, n) in bits is read from `first`; `factor` receives 2^{m_old − m}. A row without mass so far
    becomes zero.
    """
    wide_vectors()
    for i in range(start, stop):
        top = largest[i]
        for j in range(scores.shape[1]):
            score = scores[i, j] + log_weights[0, first + j]
            scores[i, j] = score
            top = larger(score, top)
        if top == -np.inf:
            factor[i] = 1
            scores[i, :] = 0
            continue
        factor[i] = exp2(largest[i] - top)
        largest[i] = top
        sum_of_row = scores.dtype.type(0)
        for j in range(scores.shape[1]):
            p = exp2(scores[i, j] - top)
            scores[i, j] = p
            sum_of_row += p
        total[i] = factor[i] * total[i] + sum_of_row


def _tile(queries: Array, keys: Array, values: Array, bits: Array, threads: int) -> tuple[Array, Array]:
    """Mean and log-sum-exp of one tile of queries (scaled by log2 e) against all sources."""
    rows, n, dtype = len(queries), len(keys), queries.dtype
    largest, total, factor = np.full(rows, -np.inf, dtype), np.zeros(rows, dtype), np.empty(rows, dtype)
    sums = np.zeros((rows, values.shape[1]), dtype)
    for first in range(0, n, SOURCES):
        scores = queries @ keys[first : first + SOURCES].T

        def pass_over(start: int, stop: int, scores: Array = scores, first: int = first) -> None:
            exponentiate(scores, bits, first, largest, total, factor, start, stop)

        spread(pass_over, rows, threads if scores.size > QUERIES * SOURCES // 8 else 1, ROWS)
        sums *= factor[:, None]
        sums += scores @ values[first : first + SOURCES]
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / total[:, None], (largest + np.log2(total)) * dtype.type(LN_2)


def tiled_average(
    queries: Array, keys: Array, values: Array | None, log_weights: Array, threads: int
) -> tuple[Array, Array, bool]:
    """Mean (r, m, e), log-sum-exp (r, m), and whether all input was finite; arguments as in `direct_average`."""
    values = keys if values is None else values
    finite = bool(np.isfinite(queries).all() and np.isfinite(keys).all())
    finite &= bool(np.isfinite(values).all() and (log_weights < np.inf).all())
    runs, m, _ = queries.shape
    mean, logsumexp = np.empty((runs, m, values.shape[2]), keys.dtype), np.empty((runs, m), keys.dtype)
    if not finite:
        return mean, logsumexp, False
    scale = keys.dtype.type(LOG2_E)
    queries *= scale
    for run in range(runs):
        bits = scale * log_weights[min(run, len(log_weights) - 1)][None]
        for first in range(0, m, QUERIES):
            tile = slice(first, first + QUERIES)
            mean[run, tile], logsumexp[run, tile] = _tile(queries[run, tile], keys[run], values[run], bits, threads)
    return mean, logsumexp, True
