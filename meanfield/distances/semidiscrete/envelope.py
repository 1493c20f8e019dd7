"""The largest of many affine functions x ↦ ⟨y_j, x⟩ + b_j at a point, found by branch and bound over the slopes.

On a node of the tree over the slopes, of centre c and half widths h, b is bounded by a concave parabola fitted to it,
b_j ≤ κ + ⟨β, u⟩ − ½ Σ_k γ_k u_k², u = y_j − c, γ ≥ 0. So no function of the node exceeds ⟨c, x⟩ + κ + Σ_k m_k at x,
m_k the largest a u − ½ γ_k u² over |u| ≤ h_k with a = x_k + β_k: h_k (|a| − ½ γ_k h_k), or a²/2γ_k where |a| < γ_k h_k.
The b_j are pairs of floats (high, low), since functions with nearly equal slopes differ by less than the unit roundoff
of their values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index, Tree
from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged

LEAF = 6
"""Functions in a node without children."""

LEAST_SPREAD = 1e-3
"""Variance of the squares of a coordinate in a node, over h⁴, below which no parabola is fitted along it."""

DEPTH = 128
"""Places on the stack of a search: twice the depth of any tree that fits in memory."""


class Bounds(NamedTuple):
    """What a search needs of each node: its places, centre c, half widths h, and β, γ, κ of the bound on b."""

    start: Index
    stop: Index
    centre: Array
    half: Array
    slope: Array
    bend: Array
    top: Array


def bound(tree: Tree, slopes: Array, high: Array, low: Array) -> Bounds:
    """Bounds on all nodes, for slopes (n, 2) and b in the order of the tree."""
    return Bounds(tree.start, tree.stop, *_fit(tree.start, tree.stop, slopes, high, low))


@compiled()
def _fit(start, stop, y, high, low):  # type: ignore[no-untyped-def]
    nodes = len(start)
    centre, half = np.zeros((nodes, 2)), np.zeros((nodes, 2))
    slope, bend, top = np.zeros((nodes, 2)), np.zeros((nodes, 2)), np.zeros(nodes)
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
        _bend(b, s, e, mean0, mean1, mean_b, xx / n, yy / n, y, high, low, half, slope, bend)
        # Fitted about the mean; the parabola is written about the centre.
        slope[b, 0] += bend[b, 0] * (mean0 - centre[b, 0])
        slope[b, 1] += bend[b, 1] * (mean1 - centre[b, 1])
        most = -np.inf
        for j in range(s, e):
            u, v = y[j, 0] - centre[b, 0], y[j, 1] - centre[b, 1]
            value = (high[j] + low[j]) - slope[b, 0] * u + 0.5 * bend[b, 0] * u * u
            most = max(most, value - slope[b, 1] * v + 0.5 * bend[b, 1] * v * v)
        top[b] = most
    return centre, half, slope, bend, top


@kernel_part()
def _bend(b, s, e, mean0, mean1, mean_b, xx, yy, y, high, low, half, slope, bend):  # type: ignore[no-untyped-def]
    """γ of node b: twice what the residual of the affine fit falls by for the square of each coordinate, 0 at least."""
    merged()
    uu = vv = ur = vr = 0.0
    for j in range(s, e):
        u, v = y[j, 0] - mean0, y[j, 1] - mean1
        rest = (high[j] - high[s]) + (low[j] - low[s]) - (mean_b - (high[s] + low[s]))
        rest -= slope[b, 0] * u + slope[b, 1] * v
        u, v = u * u - xx, v * v - yy
        uu += u * u
        vv += v * v
        ur += u * rest
        vr += v * rest
    # Squares that hardly differ tell nothing.
    n = e - s
    if uu > LEAST_SPREAD * n * half[b, 0] ** 4:
        bend[b, 0] = max(-2.0 * ur / uu, 0.0)
    if vv > LEAST_SPREAD * n * half[b, 1] ** 4:
        bend[b, 1] = max(-2.0 * vr / vv, 0.0)


@kernel_part()
def _most(a, h, bend):  # type: ignore[no-untyped-def]
    """The largest a u − ½ bend u² over |u| ≤ h."""
    merged()
    a = abs(a)
    if a >= bend * h:
        return h * (a - 0.5 * bend * h)
    return 0.5 * a * a / bend


@kernel_part()
def node_bound(x0, x1, centre, half, slope, bend, top, b):  # type: ignore[no-untyped-def]
    """An upper bound on the functions of node b at (x0, x1), up to rounding."""
    merged()
    value = centre[b, 0] * x0 + centre[b, 1] * x1 + top[b]
    value += _most(x0 + slope[b, 0], half[b, 0], bend[b, 0])
    return value + _most(x1 + slope[b, 1], half[b, 1], bend[b, 1])


@kernel_part()
def largest_above(  # type: ignore[no-untyped-def]
    x0, x1, i, own_high, own_low, margin, slack, y, high, low, start, stop, centre, half, slope, bend, top, stack,
    stack_bound,
):  # fmt: skip
    """The j ≠ i whose function exceeds that of i most at x, by more than margin |y_j − y_i|; −1 where none does.

    b_i is own_high + own_low here, whatever it is in the arrays; `slack` bounds the rounding of a node's bound.
    """
    merged()
    own = y[i, 0] * x0 + y[i, 1] * x1 + (own_high + own_low)
    best, found = 0.0, -1
    depth = 1
    stack[0], stack_bound[0] = 0, node_bound(x0, x1, centre, half, slope, bend, top, 0) - own + slack
    while depth > 0:
        depth -= 1
        b = stack[depth]
        if stack_bound[depth] <= best:
            continue
        if 2 * b + 2 < len(start):
            left = node_bound(x0, x1, centre, half, slope, bend, top, 2 * b + 1) - own + slack
            right = node_bound(x0, x1, centre, half, slope, bend, top, 2 * b + 2) - own + slack
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
