"""Couplings of two weighted clouds as lists (i, j, mass), and the true upper bound on W₂ that each one gives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from meanfield.distances.arguments import power_of_two
from meanfield.distances.bounds.clouds import Cloud
from meanfield.distances.bounds.rounding import SMALLEST, exact_sum, gamma
from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part
from particles.kernels.compiling import merged as merged_into_callers

Index = npt.NDArray[np.intp]


class Coupling(NamedTuple):
    """Mass `mass[k]` goes from point i[k] to point j[k]; `exact` where the marginals are right to the last bit."""

    i: Index
    j: Index
    mass: Array
    exact: bool = False


class Pieces(NamedTuple):
    """Point indices and masses, grouped into blocks by `start` (blocks + 1,)."""

    point: Index
    mass: Array
    start: Index


def squared_upper(x: Cloud, y: Cloud, plan: Coupling, diameter2: float) -> float:
    """A true upper bound on W₂² from a coupling whose marginals are right up to rounding.

    Drop what the coupling has in excess of a marginal, and send the mass then missing anywhere: W₂² ≤ cost + r D² with
    r = Σ (a − a')₊ + Σ (b' − b)₊, a', b' the coupling's own marginals and D² = `diameter2`. The cost is a sum of
    non-negative terms with d + 4 roundings each, so its relative error is at most γ_{L+d+6} for L entries.
    """
    moved = _mean_square(x.points, y.points, plan)
    moved *= 1.0 + gamma(len(plan.mass) + x.points.shape[1] + 8)
    if moved > 0.0:
        # What underflow took from the entries and from their sum.
        moved += (len(plan.mass) + 8) * SMALLEST
    if plan.exact:
        return moved * (1.0 + 2.0 * (x.mass_error + y.mass_error))
    lost = shortfall(x, plan.i, plan.mass, sign=1.0) + shortfall(y, plan.j, plan.mass, sign=-1.0)
    return moved + lost * diameter2


def _mean_square(x: Array, y: Array, plan: Coupling) -> float:
    """Σ mass |x_i − y_j|², rescaled by a power of two where the squares would underflow; 0 only where it is 0."""
    difference = x[plan.i]
    difference -= y[plan.j]
    largest = max(float(difference.max()), -float(difference.min()))
    if largest == 0.0:
        return 0.0
    unit = 1.0 if largest > 1e-120 else power_of_two(largest)
    difference /= unit
    squares = unit * unit * np.einsum("k,k->", plan.mass, np.einsum("kd,kd->k", difference, difference))
    return max(float(squares), SMALLEST)


def shortfall(cloud: Cloud, index: Index, mass: Array, sign: float) -> float:
    """Σ (sign (weights − marginal))₊ with the rounding of the marginal's own sums added."""
    n = len(cloud.weights)
    marginal = np.bincount(index, mass, n)
    longest = int(np.bincount(index, minlength=n).max())
    gap = np.maximum(sign * (cloud.weights - marginal), 0.0)
    return exact_sum(gap) * (1.0 + gamma(4)) + gamma(longest + 2) + cloud.mass_error


def permutation(order: npt.ArrayLike, weights: Array) -> Coupling:
    """Point i to point order[i]; exact where both clouds carry the same weights in that order."""
    j = np.asarray(order, dtype=np.intp)
    return Coupling(np.arange(len(j)), j, weights, exact=True)


def merged(x: Array, y: Array, plans: list[Coupling]) -> Index:
    """One permutation (n,) out of several couplings of n points with n points of equal mass.

    Two permutations differ by cycles of points; on each cycle the cheaper of the two is taken.
    """
    n = len(x)
    best = _as_order(plans[0], n)
    for plan in plans[1:]:
        other = _as_order(plan, n)
        cost, rival = (((x - y[order]) ** 2).sum(axis=1) for order in (best, other))
        rows = np.arange(n)
        edges = scipy.sparse.csr_array(
            (np.ones(2 * n, np.int8), (np.r_[rows, rows], np.r_[best, other] + n)), shape=(2 * n, 2 * n)
        )
        cycle = scipy.sparse.csgraph.connected_components(edges)[1][:n]
        cheaper = np.bincount(cycle, rival) < np.bincount(cycle, cost)
        best = np.where(cheaper[cycle], other, best)
    return best


def _as_order(plan: Coupling, n: int) -> Index:
    """The permutation that a coupling of equal masses is, slivers of rounding left out."""
    heavy = plan.mass > 0.5 / n
    order = np.full(n, -1)
    order[plan.i[heavy]] = plan.j[heavy]
    # Points that rounding left without a partner take the free ones in order.
    order[order < 0] = np.setdiff1d(np.arange(n), order)
    return order


def corner(a: Array, b: Array) -> Coupling:
    """North-west corner coupling of two ordered lists of masses: optimal on the line when both are sorted."""
    return Coupling(*_corner(np.array(a), np.array(b)))


def binary_space(x: Cloud, y: Cloud, source: Pieces, target: Pieces, normals_x: Array, normals_y: Array) -> Coupling:
    """Couple each block of `source` with the same block of `target` by binary space partition.

    A block is cut at its median along normals_x on the source side, along normals_y on the target side where equal
    mass lies (an atom there is shared out), until one side of a block is a single piece. Level l uses row l mod d of
    the normals. A coupling for any weights, in O(n log² n) time.
    """
    # Copies: numba compiles read-only and strided arrays anew.
    arrays = [np.array(v, order="C") for v in (x.points, *source, y.points, *target, normals_x, normals_y)]
    return Coupling(*_binary_space(*arrays))


def whole(cloud: Cloud) -> Pieces:
    """The cloud as one block."""
    n = len(cloud.weights)
    return Pieces(np.arange(n), cloud.weights, np.array([0, n]))


@compiled()
def _corner(a: Any, b: Any) -> Any:
    n, m = len(a), len(b)
    rows, columns, mass = np.empty(n + m, np.intp), np.empty(n + m, np.intp), np.empty(n + m)
    i, j, k = 0, 0, 0
    left_a, left_b = a[0], b[0]
    while True:
        step = min(left_a, left_b)
        rows[k], columns[k], mass[k] = i, j, step
        k += 1
        left_a -= step
        left_b -= step
        if left_a == 0.0:
            i += 1
            if i == n:
                break
            left_a = a[i]
        if left_b == 0.0:
            j += 1
            if j == m:
                break
            left_b = b[j]
    return rows[:k].copy(), columns[:k].copy(), mass[:k].copy()


@kernel_part()
def _projections(points: Any, index: Any, normal: Any) -> Any:
    merged_into_callers()
    out = np.zeros(len(index))
    for r in range(len(index)):
        for c in range(len(normal)):
            out[r] += points[index[r], c] * normal[c]
    return out


@kernel_part()
def _halve(s, e, t, f, normal_x, normal_y, x, px, mx, y, py, my, new_py, new_my, end):  # type: ignore[no-untyped-def]
    """Order sources s … e − 1 and halve them; write the target pieces t … f − 1 in order to new_py, new_my from `end`.

    Returns where the right half of the sources begins, where its target pieces begin, and where they end.
    """
    merged_into_callers()
    order = s + np.argsort(_projections(x, px[s:e], normal_x))
    sorted_px, sorted_mx = np.empty(e - s, np.intp), np.empty(e - s)
    for r in range(e - s):
        sorted_px[r], sorted_mx[r] = px[order[r]], mx[order[r]]
    for r in range(e - s):
        px[s + r], mx[s + r] = sorted_px[r], sorted_mx[r]
    middle = s + (e - s) // 2
    wanted = 0.0
    for r in range(s, middle):
        wanted += mx[r]
    order = t + np.argsort(_projections(y, py[t:f], normal_y))
    given, cut = 0.0, -1
    for c in order:
        if cut < 0 and given + my[c] > wanted:
            # This piece straddles the border: its first part goes left.
            rest = wanted - given
            if rest > 0.0:
                new_py[end], new_my[end] = py[c], rest
                end += 1
            cut = end
            new_py[end], new_my[end] = py[c], my[c] - rest
            end += 1
        else:
            given += my[c]
            new_py[end], new_my[end] = py[c], my[c]
            end += 1
    return middle, end if cut < 0 else cut, end


@compiled()
def _binary_space(x: Any, px: Any, mx: Any, ox: Any, y: Any, py: Any, my: Any, oy: Any, vx: Any, vy: Any) -> Any:
    px, mx = px.copy(), mx.copy()
    # Each cut halves a source block and adds at most one target piece, so these lengths suffice.
    room = len(px) + len(py)
    new_py, new_my = np.empty(room, np.intp), np.empty(room)
    given_py, given_my = py, my
    py, my = np.empty(room, np.intp), np.empty(room)
    for c in range(len(given_py)):
        py[c], my[c] = given_py[c], given_my[c]
    rows, columns, mass = np.empty(2 * room, np.intp), np.empty(2 * room, np.intp), np.empty(2 * room)
    x0, x1, y0, y1 = ox[:-1].copy(), ox[1:].copy(), oy[:-1].copy(), oy[1:].copy()
    found, level = 0, 0
    while len(x0) > 0:
        next_x0, next_x1 = np.empty(2 * len(x0), np.intp), np.empty(2 * len(x0), np.intp)
        next_y0, next_y1 = np.empty(2 * len(x0), np.intp), np.empty(2 * len(x0), np.intp)
        nodes, end = 0, 0
        normal_x, normal_y = vx[level % len(vx)], vy[level % len(vy)]
        for b in range(len(x0)):
            s, e, t, f = x0[b], x1[b], y0[b], y1[b]
            if e - s == 0 or f - t == 0:
                continue
            if e - s == 1 or f - t == 1:
                for r in range(s, e):
                    for c in range(t, f):
                        rows[found], columns[found] = px[r], py[c]
                        mass[found] = my[c] if e - s == 1 else mx[r]
                        found += 1
                continue
            middle, cut, last = _halve(s, e, t, f, normal_x, normal_y, x, px, mx, y, py, my, new_py, new_my, end)
            next_x0[nodes], next_x1[nodes], next_y0[nodes], next_y1[nodes] = s, middle, end, cut
            next_x0[nodes + 1], next_x1[nodes + 1], next_y0[nodes + 1], next_y1[nodes + 1] = middle, e, cut, last
            nodes, end = nodes + 2, last
        x0, x1, y0, y1 = next_x0[:nodes], next_x1[:nodes], next_y0[:nodes], next_y1[:nodes]
        py, new_py, my, new_my = new_py, py, new_my, my
        level += 1
    return rows[:found].copy(), columns[:found].copy(), mass[:found].copy()
