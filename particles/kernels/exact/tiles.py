"""The exact softmax average for longer vectors: the fused sum of `direct.py`, four queries at a time.

Past a handful of coordinates the inner products cost more than the exponentials, and reading numbers from the cache
more than multiplying them. So a block of sources gives the scores of two queries at once, three coordinates at a
time; then maximum, exponentials and running sums as in `direct.py`; then the shares of the averages of four queries as
4 × 4 inner products along the sources, summed in registers (`products.py`). There is no n × m matrix, and no library of
matrix products whose threads would wait for one another: a tile of queries belongs to one thread.
"""

from __future__ import annotations

import numpy as np

from particles.checks import Array
from particles.kernels.compiling import SUMS, compiled, kernel_part, merged
from particles.kernels.exact.direct import CHUNK, SMALL, TILE, empty_blocks, pack
from particles.kernels.exact.exponential import LN_2, exp2, larger, wide_vectors
from particles.kernels.exact.products import add_products
from particles.kernels.threads import spread

BLOCK = 256
"""float64 sources in a block, of float32 twice as many: with 64 coordinates an eighth of a 1 MiB second-level cache."""


@kernel_part(flags=SUMS)
def _add_scores(queries, i, block, scores):  # type: ignore[no-untyped-def]
    """Add the inner products of queries i … i + 3 with a block to four rows of scores, four coordinates at a time."""
    merged()
    for c in range(0, queries.shape[1], 4):
        a0, a1, a2, a3 = queries[i, c], queries[i, c + 1], queries[i, c + 2], queries[i, c + 3]
        b0, b1, b2, b3 = queries[i + 1, c], queries[i + 1, c + 1], queries[i + 1, c + 2], queries[i + 1, c + 3]
        p0, p1, p2, p3 = queries[i + 2, c], queries[i + 2, c + 1], queries[i + 2, c + 2], queries[i + 2, c + 3]
        q0, q1, q2, q3 = queries[i + 3, c], queries[i + 3, c + 1], queries[i + 3, c + 2], queries[i + 3, c + 3]
        for j in range(scores.shape[1]):
            z0, z1, z2, z3 = block[1 + c, j], block[2 + c, j], block[3 + c, j], block[4 + c, j]
            scores[0, j] += a0 * z0 + a1 * z1 + a2 * z2 + a3 * z3
            scores[1, j] += b0 * z0 + b1 * z1 + b2 * z2 + b3 * z3
            scores[2, j] += p0 * z0 + p1 * z1 + p2 * z2 + p3 * z3
            scores[3, j] += q0 * z0 + q1 * z1 + q2 * z2 + q3 * z3


@kernel_part(flags=SUMS)
def _exponentiate(scores, row, largest, total, i):  # type: ignore[no-untyped-def]
    """Online step of one row of scores: they become 2^{s − m}; return the factor 2^{m_old − m} of the sums so far."""
    merged()
    top = largest[i]
    for j in range(scores.shape[1]):
        top = larger(scores[row, j], top)
    if top == -np.inf:
        for j in range(scores.shape[1]):
            scores[row, j] = 0
        return scores.dtype.type(1)
    factor = exp2(largest[i] - top)
    largest[i] = top
    part = scores.dtype.type(0)
    for j in range(scores.shape[1]):
        p = exp2(scores[row, j] - top)
        scores[row, j] = p
        part += p
    total[i] = factor * total[i] + part
    return factor


@compiled()
def attend_in_tiles(queries, blocks, mean, logsumexp, start, stop):  # type: ignore[no-untyped-def]
    """Fill `mean` (r, m, e) and `logsumexp` (r, m) for the tiles start ≤ tile < stop, counted run by run.

    queries (r, 4⌈m/4⌉, 4⌈k/4⌉), padded with zeros; blocks (r, block, rows, length) with the values in the last e + 3
    rows, of which three are zero. Where scores overflow or no source has mass the log-sum-exp is ±∞ or NaN.
    """
    wide_vectors()
    m, e = mean.shape[1:]
    length, first_value = blocks.shape[3], blocks.shape[2] - 3 - e
    tiles = -(-m // TILE)
    memory = np.empty(4 * length + 16, queries.dtype)
    offset = (-memory.ctypes.data % 64) // memory.itemsize
    scores = memory[offset : offset + 4 * length].reshape(4, length)
    largest, total = np.empty(TILE, queries.dtype), np.empty(TILE, queries.dtype)
    sums = np.empty((TILE, e + 3), queries.dtype)
    for tile in range(start, stop):
        run, begin = tile // tiles, (tile % tiles) * TILE
        count = min(TILE, m - begin)
        own = queries[run]
        largest[:] = -np.inf
        total[:] = 0
        sums[:] = 0
        for s in range(blocks.shape[1]):
            block = blocks[run, s]
            for i in range(0, count, 4):
                for row in range(4):
                    for j in range(length):
                        scores[row, j] = block[0, j]
                _add_scores(own, begin + i, block, scores)
                for row in range(4):
                    factor = _exponentiate(scores, row, largest, total, i + row)
                    for c in range(e):
                        sums[i + row, c] *= factor
                for c in range(0, e, 4):
                    add_products(scores, 0, block, first_value + c, length, sums, i, c)
        for i in range(count):
            logsumexp[run, begin + i] = (largest[i] + np.log2(total[i])) * LN_2
            for c in range(e):
                mean[run, begin + i, c] = sums[i, c] / total[i]


def tiled_average(
    queries: Array, keys: Array, values: Array | None, log_weights: Array, threads: int
) -> tuple[Array, Array, bool]:
    """Mean (r, m, e), log-sum-exp (r, m), and whether all input was finite; arguments as in `direct_average`."""
    (runs, m, k), n = queries.shape, keys.shape[1]
    e = k if values is None else values.shape[2]
    padded = np.zeros((runs, -(-m // 4) * 4, -(-k // 4) * 4), keys.dtype)
    padded[:, :m, :k] = queries
    longest = BLOCK * 8 // keys.itemsize
    blocks = empty_blocks(runs, n, 1 + k + (0 if values is None else e) + 3, keys.dtype, longest)
    blocks[:, :, -3:] = 0
    if not pack(padded, keys, keys if values is None else values, log_weights, values is None, blocks):
        return np.empty(0), np.empty(0), False
    mean, logsumexp = np.empty((runs, m, e), keys.dtype), np.empty((runs, m), keys.dtype)
    if runs * m * n < SMALL:
        threads = 1

    def work(start: int, stop: int) -> None:
        attend_in_tiles(padded, blocks, mean, logsumexp, start, stop)

    spread(work, runs * -(-m // TILE), threads, max(1, CHUNK // (n * min(m, TILE))))
    return mean, logsumexp, True
