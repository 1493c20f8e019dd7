"""The certified average below quadratic cost, d ≤ 3: through two uniform grids or down a tree, whichever is faster.

The grids (`gridded.py`) cost the same for any arrangement of the points in their boxes, and want scores of a few
hundred at most; the tree (`tree.py`) takes any points, and is fast where large scores leave few sources that matter.
Both keep the same promise. Where grids for all queries are impossible or slow, the queries are halved and each half is
looked at by itself, so that a point far away or a wide cloud does not spoil the rest; what no grid takes goes down the
tree. The choice is made from the sizes, the boxes, the spread of the weights and the tolerance.
"""

from __future__ import annotations

import math

import numpy as np

from particles.checks import Array
from particles.kernels.fast.gridded import ORDERS, Cloud, Plan, gridded_average, plan_grids, point_cost
from particles.kernels.fast.kdtree import Numbers, build_tree
from particles.kernels.fast.tree import tree_average

TREE_COST = {1: 700.0, 2: 1800.0, 3: 8000.0}
"""Least time of the tree for a query among as many sources in d variables, in direct pairs (measured)."""

LARGEST_SHARE, SHARE_FACTOR = {1: 1 / 2000, 2: 1 / 32, 3: 1.0}, 4.0
"""Pairs that the tree sums directly, of all: so many times those that matter, and at most this (measured)."""

SAMPLE_QUERIES, SAMPLE_SOURCES = 64, 1024
"""Evenly chosen points on which the share of pairs that matter is counted."""


def subquadratic_average(
    queries: Array, keys: Array, log_weights: Array, tolerance: float, threads: int
) -> tuple[Array, Array, bool]:
    """Mean (r, m, d), log-sum-exp (r, m), and whether all input was finite, run by run.

    queries (r, m, d), keys (r, n, d), d ≤ 3, log_weights (r or 1, n), −∞ where there is no mass; float64.
    |error| ≤ tolerance · max_j |v_j − v̄| for v any linear image of the keys, and tolerance for the log-sum-exp, each
    beside rounding. NaN in all of a run where no source has mass or |score| could exceed 1e300.
    """
    finite = bool(np.isfinite(queries).all() and np.isfinite(keys).all() and (log_weights < np.inf).all())
    mean, logsumexp = np.full(queries.shape, np.nan), np.full(queries.shape[:2], np.nan)
    for run in range(len(queries) if finite else 0):
        q, y, logs = queries[run], keys[run], log_weights[min(run, len(log_weights) - 1)]
        massive = logs > -np.inf
        with np.errstate(over="ignore"):
            largest = np.abs(q).max(axis=0) @ np.abs(y).max(axis=0)
        if massive.any() and largest < 1e300:
            mean[run], logsumexp[run] = _single(q, y[massive], logs[massive], min(tolerance, 0.01), threads)
    return mean, logsumexp, finite


def _single(queries: Array, sources: Array, log_weights: Array, tolerance: float, threads: int) -> tuple[Array, Array]:
    """Mean (m, d) and log-sum-exp (m,) of sources that all have mass."""
    cloud = Cloud.of(sources, log_weights)
    gridded, rest = divide(queries, cloud, tolerance)
    if not gridded:
        return tree_average(queries, sources, log_weights, tolerance, threads)
    mean, logsumexp = np.empty_like(queries), np.empty(len(queries))
    for rows, plan in gridded:
        mean[rows], logsumexp[rows] = gridded_average(queries[rows], cloud, plan, threads)
    if len(rest):
        mean[rest], logsumexp[rest] = tree_average(queries[rest], sources, log_weights, tolerance, threads)
    return mean, logsumexp


def divide(queries: Array, cloud: Cloud, tolerance: float) -> tuple[list[tuple[Numbers, Plan]], Numbers]:
    """Numbers of the queries that go through grids, with their plans, and of those that go down the tree."""
    (m, d), n = queries.shape, len(cloud.points)
    tree_cost = TREE_COST[d] + tree_share(queries, cloud, tolerance) * n
    plan = plan_grids(queries.min(axis=0), queries.max(axis=0), m, cloud, tolerance, tree_cost * m)
    if plan is not None:
        return [(np.arange(m), plan)], np.empty(0, int)
    halvings = 0
    while point_cost(ORDERS[0], d, m >> (halvings + 1), n) < tree_cost * (m >> (halvings + 1)):
        halvings += 1
    tree = build_tree(queries, max(2, -(-m >> halvings)))
    gridded, rest, waiting = [], [np.empty(0, int)], [0]
    while waiting:
        node = waiting.pop()
        rows = tree.order[tree.start[node] : tree.stop[node]]
        plan = plan_grids(tree.low[node], tree.high[node], len(rows), cloud, tolerance, tree_cost * len(rows))
        if plan is not None:
            gridded.append((rows, plan))
        elif tree.child[node] > 0:
            waiting += [tree.child[node], tree.child[node] + 1]
        else:
            rest.append(rows)
    return gridded, np.sort(np.concatenate(rest))


def tree_share(queries: Array, cloud: Cloud, tolerance: float) -> float:
    """Share of all pairs that the tree is taken to sum directly, from a sample."""
    q = queries[:: -(-len(queries) // SAMPLE_QUERIES)]
    chosen = slice(None, None, -(-len(cloud.points) // SAMPLE_SOURCES))
    scores = np.einsum("ik,jk->ij", q, cloud.points[chosen]) + cloud.log_weights[chosen]
    matter = scores > scores.max(axis=1, keepdims=True) + math.log(tolerance) - math.log(len(cloud.points))
    return min(LARGEST_SHARE[queries.shape[1]], SHARE_FACTOR * float(np.mean(matter)))
