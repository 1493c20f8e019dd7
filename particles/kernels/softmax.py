"""The weighted softmax average and its log-sum-exp: the one sum that attention is made of.

average(q) = Σ_j w_j e^{⟨q, k_j⟩} v_j / Σ_j w_j e^{⟨q, k_j⟩},        log-sum-exp(q) = log Σ_j w_j e^{⟨q, k_j⟩}
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from particles.checks import Array


@dataclass(frozen=True)
class SoftmaxAverage:
    """What `softmax_average` returns: `mean` (..., m, e), `logsumexp` (..., m), and the name of the method taken."""

    mean: Array
    logsumexp: Array
    method: str


def softmax_average(
    queries: Array,
    keys: Array,
    values: Array | None = None,
    log_weights: Array | None = None,
    *,
    tolerance: float | None = None,
    threads: int | None = None,
) -> SoftmaxAverage:
    """Softmax averages of `values` at each query, exact to rounding unless a `tolerance` allows less.

    Shapes: queries (..., m, k), keys (..., n, k), values (..., n, e) or None for the keys themselves,
    log_weights (n,) or (..., n), −inf for a source of no mass, None for uniform mass 1/n.
    Leading axes are independent problems, each computed bitwise as if it were alone.
    """
    if values is None:
        values = keys
    if log_weights is None:
        log_weights = np.full(keys.shape[-2], -np.log(keys.shape[-2]))
    scores = queries @ np.swapaxes(keys, -1, -2) + log_weights[..., None, :]
    shift = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - shift)
    total = weights.sum(axis=-1, keepdims=True)
    return SoftmaxAverage((weights @ values) / total, (shift + np.log(total))[..., 0], "matrix")
