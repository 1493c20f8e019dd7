"""Exact minimisation of |x_i − y|² − f_i over many points i, for many y: branch and bound on a k-d tree.

On each node of the tree f is bounded by an affine function fitted to it, f_i ≤ κ + β·(x_i − c). Over the node's box
the minimum of |x − y|² − β·(x − c) − κ is explicit, one axis at a time, and close to the true one: where f is the
potential of a map T, β ≈ 2(x − T(x)), so only nodes with T(x) near y are opened. (The classical lift to a nearest-
neighbour search in one dimension more opens a large part of the tree unless f is nearly constant.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.distances.bounds.rounding import UNIT
from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged

Index = npt.NDArray[np.intp]

LEAF = 8
_MAX_DEPTH = 64


def smallest_reduced(y: Array, x: Array, f: Array, k: int) -> Index:
    """The k indices i of smallest |x_i − y|² − f_i for each y (m, d), best first: shape (m, k), k ≤ n.

    Values that differ by less than a few u times the largest squared distance are taken for equal.
    """
    order, start, stop, low, high, centre, slope, top = _build(np.array(x), np.array(f))
    span = high[0] - low[0]
    reach = np.maximum(high[0], y.max(axis=0)) - np.minimum(low[0], y.min(axis=0))
    tilt = float(np.max(np.abs(slope) @ span))
    size = float(reach @ reach) + float(np.abs(top).max()) + float(np.abs(f).max()) + tilt
    # A bound has d terms of at most 8 roundings each, of numbers no larger than `size`.
    slack = (8 * x.shape[1] + 16) * UNIT * size
    return np.asarray(
        _search(np.array(y), np.array(x)[order], np.array(f)[order], order, start, stop, low, high, centre, slope, top,
                k, slack)
    )  # fmt: skip


@compiled()
def _build(x: Any, f: Any) -> Any:
    """A balanced tree: node b holds the points order[start[b]:stop[b]], its children are 2b + 1 and 2b + 2."""
    n, d = x.shape
    nodes = 1
    while nodes * LEAF < n:
        nodes *= 2
    nodes = 2 * nodes - 1
    order = np.arange(n)
    start, stop = np.zeros(nodes, np.intp), np.zeros(nodes, np.intp)
    low, high = np.zeros((nodes, d)), np.zeros((nodes, d))
    centre, slope, top = np.zeros((nodes, d)), np.zeros((nodes, d)), np.zeros(nodes)
    stop[0] = n
    for b in range(nodes):
        s, e = start[b], stop[b]
        index = order[s:e]
        for k in range(d):
            low[b, k] = high[b, k] = x[index[0], k]
        for i in index:
            for k in range(d):
                low[b, k], high[b, k] = min(low[b, k], x[i, k]), max(high[b, k], x[i, k])
        for k in range(d):
            centre[b, k] = 0.5 * (low[b, k] + high[b, k])
        fitted = _affine_fit(x, f, index, centre[b])
        for k in range(d):
            slope[b, k] = fitted[k]
        top[b] = -np.inf
        for i in index:
            value = f[i]
            for k in range(d):
                value -= slope[b, k] * (x[i, k] - centre[b, k])
            top[b] = max(top[b], value)
        if 2 * b + 2 < nodes:
            axis = 0
            for k in range(1, d):
                if high[b, k] - low[b, k] > high[b, axis] - low[b, axis]:
                    axis = k
            key, held = np.empty(e - s), np.empty(e - s, np.intp)
            for r in range(e - s):
                key[r], held[r] = x[index[r], axis], index[r]
            place = np.argsort(key)
            for r in range(e - s):
                order[s + r] = held[place[r]]
            middle = s + (e - s) // 2
            start[2 * b + 1], stop[2 * b + 1] = s, middle
            start[2 * b + 2], stop[2 * b + 2] = middle, e
    return order, start, stop, low, high, centre, slope, top


@kernel_part()
def _affine_fit(x: Any, f: Any, index: Any, centre: Any) -> Any:
    """Least-squares slope of f on a node, shrunk a little where the points do not determine it."""
    merged()
    d = len(centre)
    mean, mean_f = np.zeros(d), 0.0
    for i in index:
        for k in range(d):
            mean[k] += x[i, k] - centre[k]
        mean_f += f[i]
    for k in range(d):
        mean[k] /= len(index)
    mean_f /= len(index)
    normal, right = np.zeros((d, d)), np.zeros(d)
    step = np.empty(d)
    for i in index:
        for k in range(d):
            step[k] = x[i, k] - centre[k] - mean[k]
        for k in range(d):
            right[k] += step[k] * (f[i] - mean_f)
            for c in range(d):
                normal[k, c] += step[k] * step[c]
    trace = 0.0
    for k in range(d):
        trace += normal[k, k]
    if trace <= 1e-290:
        return np.zeros(d)
    for k in range(d):
        normal[k, k] += 1e-3 * trace
    return np.linalg.solve(normal, right)


@kernel_part()
def _bound(y: Any, low: Any, high: Any, centre: Any, slope: Any, top: Any) -> Any:
    merged()
    total = -top
    for k in range(len(y)):
        best = min(max(y[k] + 0.5 * slope[k], low[k]), high[k])
        total += (best - y[k]) ** 2 - slope[k] * (best - centre[k])
    return total


@compiled()
def _search(y: Any, x: Any, f: Any, order: Any, start: Any, stop: Any, low: Any, high: Any, centre: Any, slope: Any,
            top: Any, k: Any, slack: Any) -> Any:  # fmt: skip
    m, d = y.shape
    nodes = len(start)
    best = np.empty((m, k), np.intp)
    value, found = np.empty(k), np.empty(k, np.intp)
    stack, stack_bound = np.empty(_MAX_DEPTH, np.intp), np.empty(_MAX_DEPTH)
    for q in range(m):
        value[:] = np.inf
        depth = 1
        stack[0], stack_bound[0] = 0, -np.inf
        while depth > 0:
            depth -= 1
            b = stack[depth]
            if stack_bound[depth] - slack > value[k - 1]:
                continue
            if 2 * b + 2 < nodes:
                lesser, greater = 2 * b + 1, 2 * b + 2
                left = _bound(y[q], low[lesser], high[lesser], centre[lesser], slope[lesser], top[lesser])
                right = _bound(y[q], low[greater], high[greater], centre[greater], slope[greater], top[greater])
                near = lesser if left <= right else greater
                stack[depth], stack_bound[depth] = lesser + greater - near, max(left, right)
                stack[depth + 1], stack_bound[depth + 1] = near, min(left, right)
                depth += 2
                continue
            for i in range(start[b], stop[b]):
                reduced = -f[i]
                for c in range(d):
                    reduced += (x[i, c] - y[q, c]) ** 2
                if reduced < value[k - 1]:
                    r = k - 1
                    while r > 0 and value[r - 1] > reduced:
                        value[r], found[r] = value[r - 1], found[r - 1]
                        r -= 1
                    value[r], found[r] = reduced, i
        for r in range(k):
            best[q, r] = order[found[r]]
    return best
