"""The softmax average of the sources themselves below quadratic cost, d ≤ 3, with a certified error.

With F(q) = Σ_j w_j e^{⟨q, y_j⟩} the average is X(q) = ∇ log F(q). Queries and sources are sorted into k-d trees. Going
down the query tree, a cell T with centre c and half widths h keeps a list of the source leaves that matter to it:

1. **Pruning.** By Jensen F(q) ≥ W e^{⟨q, ȳ⟩} for a leaf of mass W and mean ȳ; the best such leaf at c is the
   reference. A leaf S of mass W_S is dropped where
       W_S e^{sup ⟨q, y − ȳ⟩} ≤ (ε/8N) W,        sup over q ∈ T and y in the box of S, N the number of leaves,
   so all that is dropped, on the way from the root to T, is at most εF/8 on the cell.
2. **Series.** With tilted masses m_j = w_j e^{⟨c, y_j⟩} and r in the hull of the sources, Σ_j m_j e^{⟨q−c, y_j−r⟩} is
   replaced by its Taylor polynomial of degree p. With ρ_j = Σ_k h_k |y_jk − r_k| a term is off by at most R_p(ρ_j), the
   remainder of e^ρ from ρ^p on (the gradient loses one degree). By Jensen the true sum is at least
   D = Σ_j m_j e^{−h·|ȳ_m − r|}, ȳ_m the tilted mean. The cell is accepted where Σ_j m_j R_p(ρ_j) ≤ (ε/8) D, summed over
   every source; which degree to try is guessed from the leaves' means.
3. **Direct sum** over the listed leaves where few queries are left.

With v_j = y_j and M = max_j |v_j − v̄|, every source lies within 2M of every average. So dropping δF moves X by at most
2δM, and a series with relative error E by at most 4EM/(1 − E): in all below εM. Both bounds hold for any linear image
of the values. Beside them stands the rounding that every evaluation has: unit round-off times the largest |score|.

Nothing here depends on the number of threads: the subtrees that they take are fixed by the number of queries.
"""

from __future__ import annotations

import numpy as np

from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged
from particles.kernels.exact.direct import DROP_BITS, _accumulate, _scores, empty_blocks
from particles.kernels.exact.exponential import LN_2, LOG2_E, exp2, wide_vectors
from particles.kernels.fast.error_bound import certified, expand, remainder
from particles.kernels.fast.kdtree import KdTree, build_tree
from particles.kernels.fast.taylor import CHUNK, evaluate
from particles.kernels.threads import spread

SOURCE_LEAF, QUERY_LEAF = 128, 32
"""Sources in a leaf, queries in a leaf: at most."""

GATHERED = 8
"""Source leaves that are gathered into one block for a direct sum."""

SUBTREE_LEVEL = {1: 4, 2: 6, 3: 8}
"""Level of the query cells that are handed out to threads in d variables."""

DEGREES = {1: (7, 11, 15, 19, 23, 27), 2: (7, 11, 15, 19, 23), 3: (7, 11, 15, 19, 23)}
"""Degrees tried in d variables, each one less than a multiple of four."""

SERIES_COST = {1: (4, 4, 5, 5, 6, 6), 2: (8, 11, 16, 18, 27), 3: (20, 36, 78, 102, 190)}
"""Time to add one source to the moments, in direct pairs (measured)."""

GUESS = 0.25
"""Share of the allowed error that the guess from the leaves' means may use."""


@kernel_part()
def keep_relevant(c, h, log_budget, parent, count, low, high, mean, mass, listed):  # type: ignore[no-untyped-def]
    """Fill `listed` with the leaves of `parent[:count]` that pruning keeps; return how many. `mass` in natural logs."""
    merged()
    d = c.size
    best, reference = -np.inf, 0
    for i in range(count):
        s = parent[i]
        value = mass[s]
        for k in range(d):
            value += c[k] * mean[s, k]
        if value > best:
            best, reference = value, s
    threshold = mass[reference] + log_budget
    kept = 0
    for i in range(count):
        s = parent[i]
        bound = mass[s]
        for k in range(d):
            below, above = low[s, k] - mean[reference, k], high[s, k] - mean[reference, k]
            bound += max(c[k] * below + h[k] * abs(below), c[k] * above + h[k] * abs(above))
        if bound > threshold:
            listed[kept] = s
            kept += 1
    return kept


@kernel_part()
def estimate(c, h, listed, count, mean, mass, r, leaf_mass, rho):  # type: ignore[no-untyped-def]
    """Tilted masses, their centre r and ρ as if each leaf sat in its mean; returns the total mass."""
    merged()
    d = c.size
    top = -np.inf
    for i in range(count):
        s = listed[i]
        value = mass[s]
        for k in range(d):
            value += c[k] * mean[s, k]
        leaf_mass[i] = value
        top = max(top, value)
    total = 0.0
    r[:] = 0.0
    for i in range(count):
        leaf_mass[i] = np.exp(max(leaf_mass[i] - top, -700.0))
        total += leaf_mass[i]
        for k in range(d):
            r[k] += leaf_mass[i] * mean[listed[i], k]
    r /= total
    for i in range(count):
        s = listed[i]
        reach = 0.0
        for k in range(d):
            reach += h[k] * abs(mean[s, k] - r[k])
        rho[i] = reach
    return total


@kernel_part()
def guessed_error(degree, leaf_mass, rho, count, limit):  # type: ignore[no-untyped-def]
    """Σ_S m_S R_p(ρ_S) over the leaves' means, abandoned as soon as it exceeds `limit`."""
    merged()
    error = 0.0
    for i in range(count):
        error += leaf_mass[i] * remainder(rho[i], degree)
        if not error <= limit:
            return np.inf
    return error


@kernel_part()
def choose_degree(degrees, leaf_mass, rho, count, limit):  # type: ignore[no-untyped-def]
    """Index of the least degree whose guessed error is within `limit`, or −1; the largest is tried first."""
    merged()
    chosen = -1
    for index in range(degrees.size - 1, -1, -1):
        if not guessed_error(degrees[index], leaf_mass, rho, count, limit) <= limit:
            break
        chosen = index
    return chosen


@kernel_part()
def sum_series(Q, a, b, c, r, shift, L, degree, offsets, work, mean, logsumexp):  # type: ignore[no-untyped-def]
    """Averages and log-sum-exp of queries a ≤ i < b from the series."""
    merged()
    d = c.size
    for first in range(a, b, CHUNK):
        count = min(CHUNK, b - first)
        for k in range(d):
            for t in range(count):
                offsets[k, t] = Q[first + t, k] - c[k]
        evaluate(L, degree, d, offsets, 0, count, work)
        for t in range(count):
            logarithm = shift * LN_2 + np.log(work[0, t])
            for k in range(d):
                mean[first + t, k] = r[k] + work[1 + k, t] / work[0, t]
                logarithm += (Q[first + t, k] - c[k]) * r[k]
            logsumexp[first + t] = logarithm


@kernel_part()
def sum_directly(bits, a, b, blocks, listed, count, packed, row, largest, sums, mean, logsumexp):  # type: ignore[no-untyped-def]
    """Averages and log-sum-exp of queries a ≤ i < b over the listed leaves, as in `direct.py`.

    The leaves are gathered into long blocks, `packed` (1, 1, 1 + d, ·), which all queries of the cell then share.
    """
    merged()
    d, length = bits.shape[2], blocks.shape[3]
    batch = packed.shape[3] // length
    largest[:] = -np.inf
    sums[:] = 0.0
    for first in range(0, count, batch):
        gathered = min(batch, count - first)
        for part in range(gathered):
            s = listed[first + part]
            for c in range(1 + d):
                for j in range(length):
                    packed[0, 0, c, part * length + j] = blocks[0, s, c, j]
        scores = row[: gathered * length]
        for i in range(a, b):
            top = _scores(bits, 0, i, packed, 0, scores)
            shift = largest[i - a]
            if top <= shift - DROP_BITS:
                continue
            if top > shift:
                factor = exp2(shift - top)
                for k in range(1 + d):
                    sums[i - a, k] *= factor
                largest[i - a] = shift = top
            _accumulate(scores, shift, packed, 0, 0, 1, sums, i - a)
    for i in range(a, b):
        logsumexp[i] = (largest[i - a] + np.log2(sums[i - a, 0])) * LN_2
        for k in range(d):
            mean[i, k] = sums[i - a, 1 + k] / sums[i - a, 0]


@kernel_part()
def visit(node, depth, queries, query_nodes, leaves, blocks, lists, kept, settings, space, out):  # type: ignore[no-untyped-def]
    """Treat one query cell: True when its queries are done, False when its children are to be visited."""
    merged()
    Q, bits = queries
    start, stop, child, box_low, box_high = query_nodes
    low, high, mean, mass, top_weight = leaves
    log_budget, epsilon, degrees, costs = settings
    tilt, r, leaf_mass, rho, L, powers, row, masses, remainders, offsets, work, packed, long_row, largest, sums = space
    a, b = start[node], stop[node]
    c, h = (box_low[node] + box_high[node]) / 2, (box_high[node] - box_low[node]) / 2 * (1 + 1e-15)
    listed = lists[depth]
    count = keep_relevant(c, h, log_budget, lists[depth - 1], kept[depth - 1], low, high, mean, mass, listed)
    kept[depth] = count
    if b - a >= costs[0]:
        total = estimate(c, h, listed, count, mean, mass, r, leaf_mass, rho)
        index = choose_degree(degrees, leaf_mass, rho, count, GUESS * epsilon * total)
        if index >= 0 and costs[index] <= b - a:
            shift = -np.inf
            for i in range(count):
                bound = top_weight[listed[i]]
                for k in range(c.size):
                    bound += max(c[k] * low[listed[i], k], c[k] * high[listed[i], k]) * LOG2_E
                shift = max(shift, bound)
            for k in range(c.size):
                tilt[0, 0, k] = c[k] * LOG2_E
            degree = degrees[index]
            if certified(tilt, blocks, listed, count, shift, h, r, degree, epsilon, row, masses, remainders, sums[0]):
                expand(tilt, blocks, listed, count, shift, r, degree, L, powers, row, masses)
                sum_series(Q, a, b, c, r, shift, L, degree, offsets, work, out[0], out[1])
                return True
    if child[node] >= 0:
        return False
    sum_directly(bits, a, b, blocks, listed, count, packed, long_row, largest, sums, out[0], out[1])
    return True


@compiled()
def descend(first, stop, queries, query_nodes, leaves, blocks, settings, out):  # type: ignore[no-untyped-def]
    """Treat the query cells first ≤ node < stop and all below them."""
    wide_vectors()
    leaf_count, length, d = blocks.shape[1], blocks.shape[3], queries[0].shape[1]
    degree = settings[2][-1]
    planes, rows = (degree + 1 if d == 3 else 1), (degree + 1 if d > 1 else 1)
    space = (
        np.empty((1, 1, d)),
        np.empty(d),
        np.empty(leaf_count),
        np.empty(leaf_count),
        np.empty((planes, rows, degree + 1)),
        np.zeros((4, degree + 1, length)),
        np.empty(length),
        np.empty((1, length)),
        np.empty((2, length)),
        np.empty((d, CHUNK)),
        np.empty((9, CHUNK)),
        np.empty((1, 1, 1 + d, GATHERED * length)),
        np.empty(GATHERED * length),
        np.empty(QUERY_LEAF),
        np.empty((QUERY_LEAF, 1 + d)),
    )
    lists = np.empty((64, leaf_count), np.int32)
    kept = np.empty(64, np.int64)
    for leaf in range(leaf_count):
        lists[0, leaf] = leaf
    kept[0] = leaf_count
    stack, depths = np.empty(128, np.int64), np.empty(128, np.int64)
    for root in range(first, stop):
        stack[0], depths[0] = root, 1
        waiting = 1
        while waiting > 0:
            waiting -= 1
            node, depth = stack[waiting], depths[waiting]
            if not visit(node, depth, queries, query_nodes, leaves, blocks, lists, kept, settings, space, out):
                child = query_nodes[2][node]
                stack[waiting], stack[waiting + 1] = child + 1, child
                depths[waiting], depths[waiting + 1] = depth + 1, depth + 1
                waiting += 2


def _leaf_data(tree: KdTree, log_weights: Array) -> tuple[tuple[Array, ...], Array]:
    """Boxes, means and log-masses of the source leaves, and their blocks in the layout of `direct.py`."""
    leaves = tree.leaves
    start, stop = tree.start[leaves], tree.stop[leaves]
    logs = log_weights[tree.order]
    largest = np.maximum.reduceat(logs, start)
    relative = np.exp(logs - np.repeat(largest, stop - start))
    mass = np.add.reduceat(relative, start)
    mean = np.add.reduceat(relative[:, None] * tree.points, start) / mass[:, None]
    low, high = tree.low[leaves], tree.high[leaves]
    blocks = empty_blocks(len(leaves), int(np.max(stop - start)), 1 + tree.points.shape[1], np.float64)
    blocks = blocks.reshape(1, len(leaves), *blocks.shape[2:])
    position = np.minimum(start[:, None] + np.arange(blocks.shape[3]), stop[:, None] - 1)
    blocks[0, :, 1:] = tree.points[position].transpose(0, 2, 1)
    real = np.arange(blocks.shape[3]) < (stop - start)[:, None]
    blocks[0, :, 0] = np.where(real, logs[position] * LOG2_E, -np.inf)
    return (low, high, np.clip(mean, low, high), largest + np.log(mass), largest * LOG2_E), blocks


def tree_average(
    queries: Array, sources: Array, log_weights: Array, tolerance: float, threads: int
) -> tuple[Array, Array]:
    """Mean (m, d) and log-sum-exp (m,) of sources (n, d), d ≤ 3, that all have mass; all entries finite, float64.

    |error| ≤ tolerance · max_j |v_j − v̄| for v any linear image of the sources, and tolerance for the log-sum-exp,
    each beside rounding. tolerance ≤ 0.01.
    """
    m, d = queries.shape
    leaves, blocks = _leaf_data(build_tree(sources, SOURCE_LEAF), log_weights)
    tree = build_tree(queries, QUERY_LEAF)
    scaled = (tree.points, tree.points[None] * LOG2_E)
    nodes = (tree.start, tree.stop, tree.child, tree.low, tree.high)
    out = (np.empty((m, d)), np.empty(m))
    budget = float(np.log(tolerance / (8 * blocks.shape[1])))
    settings = (budget, tolerance / 8, np.array(DEGREES[d]), np.array(SERIES_COST[d]))
    level = min(SUBTREE_LEVEL[d], (len(tree.child) + 1).bit_length() - 2)
    first = 2**level - 1

    def work(start: int, stop: int) -> None:
        descend(first + start, first + stop, scaled, nodes, leaves, blocks, settings, out)

    spread(work, first + 1, threads)
    mean, logsumexp = np.empty_like(out[0]), np.empty_like(out[1])
    mean[tree.order], logsumexp[tree.order] = out
    return mean, logsumexp
