"""The weighted softmax average and its log-sum-exp: the one sum that attention is made of.

average(q) = Σ_j w_j e^{⟨q, k_j⟩} v_j / Σ_j w_j e^{⟨q, k_j⟩},        log-sum-exp(q) = log Σ_j w_j e^{⟨q, k_j⟩}

This file is the entry: it checks, fixes the floating type and picks the method from sizes alone, so that the same
shapes always take the same way.

- "direct": fused exact sum, `direct.py`.  "tiles": the same sum in register tiles, for longer vectors, `tiles.py`.
- "tree": where a tolerance is given, d ≤ 3, the values are the keys and there are enough of them, `subquadratic.py`:
  a k-d tree, or uniform grids where they are faster on the points at hand; the promised accuracy is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from particles.checks import Array, positive
from particles.errors import InvalidInput, OutOfRange
from particles.kernels.exact.direct import direct_average
from particles.kernels.exact.tiles import tiled_average
from particles.kernels.fast.subquadratic import subquadratic_average
from particles.kernels.threads import thread_count

TILES_FROM_COMPONENTS = 6
"""Mean of k and e from which sums in register tiles are faster than the plain fused sum, at any m and n."""

TREE_FROM_PAIRS = {1: 3_000**2, 2: 6_000**2, 3: 20_000**2}
TREE_FROM_POINTS = 1_000
"""Pairs, and points on either side, from which the tree is faster than the direct sum in d dimensions."""

LEAST_TOLERANCE = 1e-13
"""Below this the rounding inside the tree's series would count: the exact sum is taken instead."""


@dataclass(frozen=True)
class SoftmaxAverage:
    """What `softmax_average` returns: `mean` (..., m, e), `logsumexp` (..., m), and the name of the method taken."""

    mean: Array
    logsumexp: Array
    method: str


def choose_method(m: int, n: int, k: int, e: int, tolerance: float | None = None, *, own_values: bool = False) -> str:
    """The method for m queries, n sources in R^k and values in R^e; `own_values`: the values are not the keys."""
    allowed = tolerance is not None and tolerance >= LEAST_TOLERANCE and not own_values and k in TREE_FROM_PAIRS
    if allowed and m * n >= TREE_FROM_PAIRS[k] and min(m, n) >= TREE_FROM_POINTS:
        return "tree"
    return "tiles" if (k + e) / 2 >= TILES_FROM_COMPONENTS else "direct"


@np.errstate(all="ignore")
def softmax_average(
    queries: npt.ArrayLike,
    keys: npt.ArrayLike,
    values: npt.ArrayLike | None = None,
    log_weights: npt.ArrayLike | None = None,
    *,
    tolerance: float | None = None,
    threads: int | None = None,
) -> SoftmaxAverage:
    """Softmax averages of `values` at each query, exact to rounding unless a `tolerance` allows less.

    Shapes: queries (..., m, k), keys (..., n, k), values (..., n, e) or None for the keys themselves,
    log_weights (n,) or (..., n), −inf for a source of no mass, None for uniform mass 1/n.
    Leading axes are independent problems, each computed bitwise as if it were alone. float32 where every array is
    float32, otherwise float64. `threads` None: all that NUMBA_NUM_THREADS allows; the result does not depend on it.
    With a `tolerance`, |error| ≤ tolerance · max_j |v_j − v̄| beside rounding, in any linear image of the values.
    Refused: shapes that do not fit, NaN, infinity (in log_weights +∞), no mass at all, scores that overflow.
    """
    arrays = [np.asarray(a) for a in (queries, keys, values, log_weights) if a is not None]
    dtype = np.float32 if all(a.dtype == np.float32 for a in arrays) else np.float64
    lead = np.broadcast_shapes(arrays[0].shape[:-2], arrays[1].shape[:-2]) if arrays[1].ndim > 1 else ()
    q = _stack(arrays[0], "queries", lead, dtype)
    y = _stack(arrays[1], "keys", lead, dtype)
    v = None if values is None else _stack(arrays[2], "values", lead, dtype)
    (_, m, k), n = q.shape, y.shape[1]
    if y.shape[2] != k or (v is not None and v.shape[1] != n):
        shapes = f"{q.shape}, {y.shape}" + ("" if v is None else f", {v.shape}")
        raise InvalidInput(f"queries (m, k), keys (n, k) and values (n, e) must fit, got (runs, ., .) {shapes}")
    logs = _log_weights(None if log_weights is None else arrays[-1], n, lead, dtype)
    e = k if v is None else v.shape[2]
    if tolerance is not None:
        tolerance = positive(tolerance, "tolerance") if dtype == np.float64 else None
    method = choose_method(m, n, k, e, tolerance, own_values=v is not None)
    workers = thread_count(threads)
    if method == "tree" and tolerance is not None:
        mean, logsumexp, finite = subquadratic_average(q, y, logs, tolerance, workers)
    else:
        mean, logsumexp, finite = (tiled_average if method == "tiles" else direct_average)(q, y, v, logs, workers)
    if not finite:
        raise InvalidInput("queries, keys, values and log-weights must be finite (log-weights may be −inf)")
    if not np.isfinite(logsumexp).all():
        _refuse(logs)
    return SoftmaxAverage(mean.reshape(*lead, m, e), logsumexp.reshape(*lead, m), method)


def _stack(array: Array, name: str, lead: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """A fresh contiguous copy (runs, rows, columns), leading axes flattened."""
    if array.ndim < 2 or 0 in array.shape or array.dtype.kind not in "fiu":
        raise InvalidInput(f"{name} must be real, of shape (..., rows, columns), got {array.dtype} {array.shape}")
    if array.shape[:-2] != lead:
        array = np.broadcast_to(array, lead + array.shape[-2:])
    return np.array(array, dtype=dtype, order="C").reshape(-1, *array.shape[-2:])


def _log_weights(log_weights: Array | None, n: int, lead: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Log-weights (1, n) shared by all runs, or (runs, n)."""
    if log_weights is None:
        return np.full((1, n), -np.log(n), dtype)
    if log_weights.shape == (n,):
        return np.array(log_weights, dtype=dtype)[None]
    if log_weights.shape != (*lead, n):
        raise InvalidInput(f"log_weights must have shape {(n,)} or {(*lead, n)}, got {log_weights.shape}")
    return np.array(log_weights, dtype=dtype, order="C").reshape(-1, n)


def _refuse(log_weights: Array) -> None:
    if (log_weights.max(axis=1) == -np.inf).any():
        raise InvalidInput("log_weights are all −inf: at least one source must have mass")
    raise OutOfRange("attention scores overflow: |⟨query, key⟩| must stay below 1e308 (float32: 1e38)")
