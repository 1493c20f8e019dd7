"""The largest of many affine functions x ↦ ⟨y_j, x⟩ + b_j at a point, found by branch and bound over the slopes.

On a node of the tree over the slopes b is bounded by an affine function fitted to it, b_j ≤ κ + ⟨β, y_j − c⟩. Over the
node's box ⟨y, x⟩ + κ + ⟨β, y − c⟩ is largest at a corner, ⟨c, x⟩ + κ + Σ_k h_k |x_k + β_k|: sharp where −β, which is
where the node's functions are largest, is near x. The b_j are pairs of floats (high, low), since functions with nearly
equal slopes differ by less than the unit roundoff of their values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index, Tree
from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged

LEAF = 6
"""Functions in a node without children."""

DEPTH = 128
"""Places on the stack of a search: twice the depth of any tree that fits in memory."""


class Bounds(NamedTuple):
    """What a search needs of each node: its places, centre c, half widths h, slope β and top κ of the bound on b."""

    start: Index
    stop: Index
    centre: Array
    half: Array
    slope: Array
    top: Array


def bound(tree: Tree, slopes: Array, high: Array, low: Array) -> Bounds:
    """Bounds on all nodes, for slopes (n, 2) and b in the order of the tree."""
    return Bounds(tree.start, tree.stop, *_fit(tree.start, tree.stop, slopes, high, low))


@compiled()
def _fit(start, stop, y, high, low):  # type: ignore[no-untyped-def]
    nodes = len(start)
    centre, half = np.zeros((nodes, 2)), np.zeros((nodes, 2))
    slope, top = np.zeros((nodes, 2)), np.zeros(nodes)
    for b in range(nodes):
        s, e = start[b], stop[b]
        if s == e:
            top[b] = -np.inf
            continue
        low0 = high0 = y[s, 0]
        low1 = high1 = y[s, 1]
        mean0 = mean1 = mean_b = 0.0
        for j in range(s, e):
            low0, high0 = min(low0, y[j, 0]), max(high0, y[j, 0])
            low1, high1 = min(low1, y[j, 1]), max(high1, y[j, 1])
            mean0 += y[j, 0] - y[s, 0]
            mean1 += y[j, 1] - y[s, 1]
            mean_b += (high[j] - high[s]) + (low[j] - low[s])
        n = e - s
        mean0, mean1, mean_b = y[s, 0] + mean0 / n, y[s, 1] + mean1 / n, mean_b / n
        xx = xy = yy = xb = yb = 0.0
        for j in range(s, e):
            u, v, w = y[j, 0] - mean0, y[j, 1] - mean1, (high[j] - high[s]) + (low[j] - low[s]) - mean_b
            xx += u * u
            xy += u * v
            yy += v * v
            xb += u * w
            yb += v * w
        centre[b, 0], centre[b, 1] = 0.5 * (low0 + high0), 0.5 * (low1 + high1)
        half[b, 0] = max(high0 - centre[b, 0], centre[b, 0] - low0)
        half[b, 1] = max(high1 - centre[b, 1], centre[b, 1] - low1)
        # Shrunk a little, so that slopes on one line leave the other direction alone.
        shrink = 1e-9 * (xx + yy)
        xx += shrink
        yy += shrink
        determinant = xx * yy - xy * xy
        if determinant > 0.0:
            slope[b, 0] = (xb * yy - yb * xy) / determinant
            slope[b, 1] = (yb * xx - xb * xy) / determinant
        most = -np.inf
        for j in range(s, e):
            value = (high[j] + low[j]) - slope[b, 0] * (y[j, 0] - centre[b, 0])
            most = max(most, value - slope[b, 1] * (y[j, 1] - centre[b, 1]))
        top[b] = most
    return centre, half, slope, top


@kernel_part()
def node_bound(x0, x1, centre, half, slope, top, b):  # type: ignore[no-untyped-def]
    """An upper bound on the functions of node b at (x0, x1), up to rounding."""
    merged()
    value = centre[b, 0] * x0 + centre[b, 1] * x1 + top[b]
    return value + half[b, 0] * abs(x0 + slope[b, 0]) + half[b, 1] * abs(x1 + slope[b, 1])


@kernel_part()
def largest_above(  # type: ignore[no-untyped-def]
    x0, x1, i, own_high, own_low, margin, slack, y, high, low, start, stop, centre, half, slope, top, stack,
    stack_bound,
):  # fmt: skip
    """The j ≠ i whose function exceeds that of i most at x, by more than margin |y_j − y_i|; −1 where none does.

    b_i is own_high + own_low here, whatever it is in the arrays; `slack` bounds the rounding of a node's bound.
    """
    merged()
    own = y[i, 0] * x0 + y[i, 1] * x1 + (own_high + own_low)
    best, found = 0.0, -1
    depth = 1
    stack[0], stack_bound[0] = 0, node_bound(x0, x1, centre, half, slope, top, 0) - own + slack
    while depth > 0:
        depth -= 1
        b = stack[depth]
        if stack_bound[depth] <= best:
            continue
        if 2 * b + 2 < len(start):
            left = node_bound(x0, x1, centre, half, slope, top, 2 * b + 1) - own + slack
            right = node_bound(x0, x1, centre, half, slope, top, 2 * b + 2) - own + slack
            near = 2 * b + 1 if left >= right else 2 * b + 2
            stack[depth], stack_bound[depth] = 4 * b + 3 - near, min(left, right)
            stack[depth + 1], stack_bound[depth + 1] = near, max(left, right)
            depth += 2
            continue
        for j in range(start[b], stop[b]):
            d0, d1 = y[j, 0] - y[i, 0], y[j, 1] - y[i, 1]
            excess = d0 * x0 + d1 * x1 + ((high[j] - own_high) + (low[j] - own_low))
            if j != i and excess > best and excess > margin * (abs(d0) + abs(d1)):
                best, found = excess, j
    return found
