"""Softmax averages where sources and queries both form tensor grids: one axis at a time, in log space, exact.

For sources y = (y_1, …, y_d) and queries q = (q_1, …, q_d) on tensor grids the exponential factorises, and

    log Σ_y w(y) e^{⟨q, y⟩} = LSE_{y_1}( q_1 y_1 + LSE_{y_2}( q_2 y_2 + … + log w(y_1, …, y_d) ))

is d nested log-sum-exps over one axis each; by the tower property the mean of y_k is the nested softmax average of the
mean that the axes before have left. N^d points against N^d sources cost d·N^{d+1} exponentials instead of N^{2d}. Each
one-axis average is shifted by its own true maximum, for each pair of what is contracted and what is left: shifting an
axis by max_y q_k y_k instead, before the mass is looked at, loses everything where the mass sits off the favoured
corner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from particles.checks import Array
from particles.kernels.softmax import softmax_average

ENTRIES = 2**18
"""Entries of a slab of one-axis problems held at a time."""


def tensor_average(
    queries: Sequence[Array], sources: Sequence[Array], log_weights: Array, components: Sequence[int]
) -> tuple[list[Array], Array]:
    """Softmax averages of the coordinates `components` of the sources, and the log-sum-exp, on the grid of queries.

    queries, sources: d axes (m_k,) and (n_k,); log_weights (n_1, …, n_d), −∞ where there is no mass, mass somewhere.
    Returns arrays of shape (m_1, …, m_d). Exact to rounding. Large problems go by slabs of queries along the axis that
    is contracted first, which bounds what is held between the contractions and repeats no work.
    """
    lengths = [len(q) for q in queries]
    order = contraction_order(lengths, [len(y) for y in sources], components)
    out = [np.empty(lengths) for _ in range(len(components) + 1)]
    width = max(1, lengths[order[0]] * ENTRIES // (4 * math.prod(lengths)))
    for start in range(0, lengths[order[0]], width):
        state, means = np.asarray(log_weights, np.float64), dict[int, Array]()
        for k in order:
            q = queries[k][start : start + width] if k == order[0] else queries[k]
            state, means = _contract(k, q, sources[k], state, means, k in components)
        part = tuple(slice(start, start + width) if k == order[0] else slice(None) for k in range(len(lengths)))
        for whole, piece in zip(out, [*(means[k] for k in components), state], strict=True):
            whole[part] = piece
    return out[:-1], out[-1]


def contraction_order(queries: Sequence[int], sources: Sequence[int], components: Sequence[int]) -> list[int]:
    """Axes whose mean is not wanted first, so that nothing is carried along; among equals, those that shrink most."""
    return sorted(range(len(queries)), key=lambda k: (k in components, queries[k] / sources[k], -k))


def tensor_cost(queries: Sequence[int], sources: Sequence[int], components: Sequence[int]) -> int:
    """Exponentials that `tensor_average` needs."""
    left, total = list(sources), 0
    for k in contraction_order(queries, sources, components):
        total += math.prod(left) * queries[k]
        left[k] = queries[k]
    return total


def _contract(
    k: int, q: Array, y: Array, state: Array, means: dict[int, Array], wanted: bool
) -> tuple[Array, dict[int, Array]]:
    """Replace the source axis k of the log-masses and of the means so far by a query axis."""
    lines, *carried = (np.moveaxis(values, k, -1)[None] for values in (state, *means.values()))
    shape = lines.shape[:-1]
    massive = np.flatnonzero((lines > -np.inf).any(axis=-1))
    logs = np.full((math.prod(shape), len(q)), -np.inf)
    averages = np.zeros((len(means) + wanted, *logs.shape))
    slab = max(1, ENTRIES // (len(y) * (2 + len(carried))))
    for first in range(0, len(massive), slab):
        rows = massive[first : first + slab]
        # Gathered from views of any strides: reshaping them would copy the whole.
        where = np.unravel_index(rows, shape)
        own = np.broadcast_to(y, (len(rows), len(y)))
        values = np.stack([c[where] for c in carried] + [own] * wanted, axis=-1) if carried else None
        part = softmax_average(
            np.broadcast_to(q[:, None], (len(rows), len(q), 1)), own[:, :, None], values, lines[where]
        )
        logs[rows] = part.logsumexp
        averages[:, rows] = np.moveaxis(part.mean, -1, 0)[: len(averages)]
    names = [*means, k] if wanted else list(means)
    back = [np.moveaxis(a.reshape(*shape[1:], len(q)), -1, k) for a in (logs, *averages)]
    return back[0], dict(zip(names, back[1:], strict=True))
