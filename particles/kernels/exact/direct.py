"""The exact softmax average, fused: scores, exponentials and sums of a block of sources stay in the first-level cache.

For a query q the sources are read in blocks. A block gives its scores s_j = log2(w_j) + ⟨q, k_j⟩ log2 e and their
maximum b; the running maximum m becomes max(m, b), the sums so far are multiplied by 2^{m_old − m}, and

    Z += Σ_j 2^{s_j − m},        N += Σ_j 2^{s_j − m} v_j                                  (online softmax)

so that at the end mean = N/Z and log-sum-exp = (m + log2 Z) ln 2 with m the true row maximum. No n × m matrix is
ever stored. The weight is part of the exponent: a mass of 1e-300 or a score of 1e300 is nothing special, and a source
of no mass (−∞) never sets the maximum. A block whose largest score lies 90 bits under the running maximum is dropped:
it is worth less than n·2^−90 of the sum.

Sources are stored block by block, one row of the block for each coordinate, so that every inner loop runs along
contiguous memory; a block stays in the cache while a tile of queries passes over it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.kernels.compiling import SUMS, compiled, kernel_part, merged
from particles.kernels.exact.exponential import LN_2, LOG2_E, exp2, larger, wide_vectors
from particles.kernels.threads import spread

BLOCK = 1024
"""float64 sources in a block: four rows fill two thirds of a 48 KiB first-level cache. Of float32, twice as many."""

TILE = 32
"""Queries that pass over a block at a time."""

DROP_BITS, DROP_BITS_32 = 90.0, 50.0

SMALL, CHUNK = 1_000_000, 500_000
"""Pairs below which one thread is faster than starting another, and pairs that a thread takes at a time."""


def empty_blocks(runs: int, n: int, rows: int, dtype: npt.DTypeLike, longest: int = BLOCK) -> Array:
    """Uninitialised blocks (runs, block, rows, length) for n sources: equal lengths of at most `longest`.

    The memory starts on a cache line and, past the first few hundred sources, so does every row: a 512-bit load that
    straddles two lines costs two.
    """
    count = -(-n // longest)
    granule = 16 if n <= 512 else 64
    length = -(-n // (granule * count)) * granule
    size = runs * count * rows * length
    memory = np.empty(size * np.dtype(dtype).itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size * np.dtype(dtype).itemsize].view(dtype).reshape(runs, count, rows, length)


@compiled()
def pack(queries, keys, values, log_weights, shared, blocks):  # type: ignore[no-untyped-def]
    """Scale the queries by log2 e in place and fill blocks (run, block, 1 + k + e, length): weights, keys, values.

    Returns False where an entry is NaN or infinite (a log-weight of −∞ is allowed). Shared values are the keys.
    """
    runs, n, k = keys.shape
    length = blocks.shape[3]
    finite = True
    for run in range(runs):
        for i in range(queries.shape[1]):
            for c in range(k):
                finite &= np.isfinite(queries[run, i, c])
                queries[run, i, c] *= LOG2_E
        logs = log_weights[run if log_weights.shape[0] > 1 else 0]
        for s in range(blocks.shape[1]):
            for j in range(length):
                source = min(s * length + j, n - 1)
                log_weight = logs[source]
                finite &= not (np.isnan(log_weight) or log_weight == np.inf)
                blocks[run, s, 0, j] = log_weight * LOG2_E if s * length + j < n else -np.inf
                for c in range(k):
                    finite &= np.isfinite(keys[run, source, c])
                    blocks[run, s, 1 + c, j] = keys[run, source, c]
                if not shared:
                    for c in range(values.shape[2]):
                        finite &= np.isfinite(values[run, source, c])
                        blocks[run, s, 1 + k + c, j] = values[run, source, c]
    return finite


@kernel_part(flags=SUMS)
def _scores(queries, run, i, blocks, s, buffer):  # type: ignore[no-untyped-def]
    """Fill `buffer` with the scores of query i against block s in bits; return their maximum."""
    merged()
    largest = buffer.dtype.type(-np.inf)
    k = queries.shape[2]
    q0 = queries[run, i, 0]
    if k == 1:
        for j in range(buffer.size):
            score = blocks[run, s, 0, j] + q0 * blocks[run, s, 1, j]
            buffer[j] = score
            largest = larger(score, largest)
        return largest
    q1 = queries[run, i, 1]
    if k == 2:
        for j in range(buffer.size):
            score = blocks[run, s, 0, j] + q0 * blocks[run, s, 1, j] + q1 * blocks[run, s, 2, j]
            buffer[j] = score
            largest = larger(score, largest)
        return largest
    q2 = queries[run, i, 2]
    for j in range(buffer.size):
        score = blocks[run, s, 0, j] + q0 * blocks[run, s, 1, j] + q1 * blocks[run, s, 2, j] + q2 * blocks[run, s, 3, j]
        buffer[j] = score
        largest = larger(score, largest)
    return largest if k == 3 else _add_scores(queries, run, i, blocks, s, buffer)


@kernel_part(flags=SUMS)
def _add_scores(queries, run, i, blocks, s, buffer):  # type: ignore[no-untyped-def]
    """Add the coordinates from the fourth on to the scores, four at a time; return the maximum."""
    k = queries.shape[2]
    single = 3 + (k - 3) % 4
    for c in range(3, single):
        q0 = queries[run, i, c]
        for j in range(buffer.size):
            buffer[j] += q0 * blocks[run, s, 1 + c, j]
    for c in range(single, k, 4):
        q0, q1, q2, q3 = queries[run, i, c], queries[run, i, c + 1], queries[run, i, c + 2], queries[run, i, c + 3]
        for j in range(buffer.size):
            first = q0 * blocks[run, s, 1 + c, j] + q1 * blocks[run, s, 2 + c, j]
            buffer[j] += first + (q2 * blocks[run, s, 3 + c, j] + q3 * blocks[run, s, 4 + c, j])
    largest = buffer.dtype.type(-np.inf)
    for j in range(buffer.size):
        largest = larger(buffer[j], largest)
    return largest


@kernel_part(flags=SUMS)
def _accumulate(buffer, shift, blocks, run, s, first, sums, i):  # type: ignore[no-untyped-def]
    """Add Σ 2^{buffer − shift} (1, v) to row i of `sums`; the rows of the block from `first` on are v."""
    merged()
    total = a0 = a1 = a2 = buffer.dtype.type(0)
    e = sums.shape[1] - 1
    if e == 1:  # few enough sums that the constants of the exponential stay in registers beside them
        for j in range(buffer.size):
            p = exp2(buffer[j] - shift)
            total += p
            a0 += p * blocks[run, s, first, j]
        sums[i, 0] += total
        sums[i, 1] += a0
        return
    for j in range(buffer.size):
        buffer[j] = exp2(buffer[j] - shift)
    if e == 2:
        for j in range(buffer.size):
            total += buffer[j]
            a0 += buffer[j] * blocks[run, s, first, j]
            a1 += buffer[j] * blocks[run, s, first + 1, j]
        sums[i, 2] += a1
    else:
        for j in range(buffer.size):
            total += buffer[j]
            a0 += buffer[j] * blocks[run, s, first, j]
            a1 += buffer[j] * blocks[run, s, first + 1, j]
            a2 += buffer[j] * blocks[run, s, first + 2, j]
        sums[i, 2] += a1
        sums[i, 3] += a2
        _accumulate_rest(buffer, blocks, run, s, first, sums, i)
    sums[i, 0] += total
    sums[i, 1] += a0


@kernel_part(flags=SUMS)
def _accumulate_rest(buffer, blocks, run, s, first, sums, i):  # type: ignore[no-untyped-def]
    """Add the components of the values from the fourth on, three at a time."""
    merged()
    e = sums.shape[1] - 1
    triples = e - e % 3
    for c in range(3, triples, 3):
        a0 = a1 = a2 = buffer.dtype.type(0)
        for j in range(buffer.size):
            a0 += buffer[j] * blocks[run, s, first + c, j]
            a1 += buffer[j] * blocks[run, s, first + c + 1, j]
            a2 += buffer[j] * blocks[run, s, first + c + 2, j]
        sums[i, 1 + c] += a0
        sums[i, 2 + c] += a1
        sums[i, 3 + c] += a2
    for c in range(triples, e):
        a0 = buffer.dtype.type(0)
        for j in range(buffer.size):
            a0 += buffer[j] * blocks[run, s, first + c, j]
        sums[i, 1 + c] += a0


@compiled()
def attend(queries, blocks, drop_bits, mean, logsumexp, start, stop):  # type: ignore[no-untyped-def]
    """Fill `mean` and `logsumexp` for the tiles start ≤ tile < stop, counted run by run; see the module's text.

    Where scores overflow or no source has mass the log-sum-exp is ±∞ or NaN: for the caller to refuse.
    """
    wide_vectors()
    m = queries.shape[1]
    e = mean.shape[2]
    first_value = blocks.shape[2] - e
    tiles = -(-m // TILE)
    memory = np.empty(blocks.shape[3] + 16, queries.dtype)
    offset = (-memory.ctypes.data % 64) // memory.itemsize
    buffer = memory[offset : offset + blocks.shape[3]]
    largest = np.empty(TILE, queries.dtype)
    sums = np.empty((TILE, 1 + e), queries.dtype)
    for tile in range(start, stop):
        run, begin = tile // tiles, (tile % tiles) * TILE
        count = min(TILE, m - begin)
        largest[:] = -np.inf
        sums[:] = 0
        for s in range(blocks.shape[1]):
            for i in range(count):
                top = _scores(queries, run, begin + i, blocks, s, buffer)
                shift = largest[i]
                if top <= shift - drop_bits:
                    continue
                if top > shift:
                    factor = exp2(shift - top)
                    for c in range(1 + e):
                        sums[i, c] *= factor
                    largest[i] = shift = top
                _accumulate(buffer, shift, blocks, run, s, first_value, sums, i)
        for i in range(count):
            logsumexp[run, begin + i] = (largest[i] + np.log2(sums[i, 0])) * LN_2
            for c in range(e):
                mean[run, begin + i, c] = sums[i, 1 + c] / sums[i, 0]


def direct_average(
    queries: Array, keys: Array, values: Array | None, log_weights: Array, threads: int
) -> tuple[Array, Array, bool]:
    """Mean (r, m, e), log-sum-exp (r, m), and whether all input was finite.

    queries (r, m, k), keys (r, n, k), values (r, n, e) or None for the keys, log_weights (r or 1, n), all of one
    floating type. The queries are scaled in place: pass a copy.
    """
    (runs, n, k), m = keys.shape, queries.shape[1]
    e = k if values is None else values.shape[2]
    longest = BLOCK * 8 // keys.itemsize
    blocks = empty_blocks(runs, n, 1 + k + (0 if values is None else e), keys.dtype, longest)
    if not pack(queries, keys, keys if values is None else values, log_weights, values is None, blocks):
        return np.empty(0), np.empty(0), False
    mean, logsumexp = np.empty((runs, m, e), keys.dtype), np.empty((runs, m), keys.dtype)
    drop_bits = keys.dtype.type(DROP_BITS if keys.dtype == np.float64 else DROP_BITS_32)
    if runs * m * n < SMALL:
        threads = 1
    spread(
        lambda start, stop: attend(queries, blocks, drop_bits, mean, logsumexp, start, stop),
        runs * -(-m // TILE),
        threads,
        chunk=max(1, CHUNK // (n * min(m, TILE))),
    )
    return mean, logsumexp, True
