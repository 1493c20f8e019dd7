"""Cardinal B-splines on a uniform grid: masses spread onto nodes, values and slopes between nodes.

The centred B-spline B of order p is positive, vanishes outside (−p/2, p/2) and is a polynomial of degree p − 1 between
the points where it is glued. A point u, in units of the step, reaches the p nodes first, …, first + p − 1 with
first = ⌊u − p/2⌋ + 1. With f = u − p/2 − ⌊u − p/2⌋ the weight b_p,i of node first + i follows from order one up:

    b_{k+1,i} = [ (k + f − i) b_k,i−1 + (1 + i − f) b_k,i ] / k,        slope in u:  b_k,i−1 − b_k,i

(de Boor, A Practical Guide to Splines, ch. IX and X). All terms are positive, so nothing cancels in the weights.

A grid has three axes here, with its centre at the origin: node i of an axis of M nodes and step h lies at
(i − (M − 1)/2) h. A problem in fewer variables has axes of one node, of weight one.
"""

from __future__ import annotations

import numpy as np

from particles.kernels.compiling import SUMS, compiled, kernel_part, merged
from particles.kernels.exact.exponential import wide_vectors

BATCH = 32
"""Points whose weights are computed at a time, each in its own vector lane."""

COLUMNS = 512
"""Columns of a product of matrices that one task computes: a row of them is 4 KiB."""


@kernel_part()
def _position(coordinate, step, nodes, order):  # type: ignore[no-untyped-def]
    """First node that a point reaches, and f."""
    merged()
    if nodes == 1:
        return 0, 0.0
    u = coordinate / step + 0.5 * (nodes - 1) - 0.5 * order
    first = min(max(int(np.floor(u)) + 1, 0), nodes - order)
    return first, u - (first - 1)


@compiled()
def sort_by_cell(points, steps, shape, order):  # type: ignore[no-untyped-def]
    """Numbers of the points (n, 3) sorted by their first nodes along axes 0 and 1.

    Also the place of the first point of each cell of axis 0 in that order, (shape[0] + 1,).
    """
    n = points.shape[0]
    cell = np.empty(n, np.int32)
    count = np.zeros(shape[0] * shape[1] + 1, np.int64)
    for i in range(n):
        first, _ = _position(points[i, 0], steps[0], shape[0], order)
        second, _ = _position(points[i, 1], steps[1], shape[1], order)
        cell[i] = first * shape[1] + second
        count[cell[i] + 1] += 1
    for c in range(1, count.size):
        count[c] += count[c - 1]
    starts = count[:: shape[1]].copy()
    numbers = np.empty(n, np.int64)
    for i in range(n):
        numbers[count[cell[i]]] = i
        count[cell[i]] += 1
    return numbers, starts


@kernel_part(flags=SUMS)
def _weights(points, begin, count, steps, shape, order, first, fraction, values, slopes):  # type: ignore[no-untyped-def]
    """First nodes (3, BATCH), weights and slopes (3, order, BATCH) of points[begin : begin + count].

    Slopes are per step; along an axis of one node the weight is 1 and the slope 0.
    """
    merged()
    for k in range(3):
        for t in range(BATCH):
            i = begin + min(t, count - 1)
            first[k, t], fraction[t] = _position(points[i, k], steps[k], shape[k], order)
            values[k, 0, t] = 1.0
            slopes[k, 0, t] = 0.0
        if shape[k] == 1:
            continue
        for size in range(1, order):
            if size == order - 1:
                for t in range(BATCH):
                    slopes[k, 0, t] = -values[k, 0, t]
                    slopes[k, size, t] = values[k, size - 1, t]
                for i in range(1, size):
                    for t in range(BATCH):
                        slopes[k, i, t] = values[k, i - 1, t] - values[k, i, t]
            scale = 1.0 / size
            for t in range(BATCH):
                values[k, size, t] = fraction[t] * values[k, size - 1, t] * scale
            for i in range(size - 1, 0, -1):
                for t in range(BATCH):
                    left = (size - i + fraction[t]) * values[k, i - 1, t]
                    values[k, i, t] = (left + (1 + i - fraction[t]) * values[k, i, t]) * scale
            for t in range(BATCH):
                values[k, 0, t] *= (1.0 - fraction[t]) * scale


@compiled(flags=SUMS)
def add_masses(points, masses, begin, stop, steps, order, grid):  # type: ignore[no-untyped-def]
    """Add the masses of points[begin:stop] to the nodes of `grid`: mass · B(u_0) B(u_1) B(u_2)."""
    wide_vectors()
    shape = grid.shape
    n0, n1, n2 = min(order, shape[0]), min(order, shape[1]), min(order, shape[2])
    first, fraction = np.empty((3, BATCH), np.int64), np.empty(BATCH)
    values, slopes = np.empty((3, order, BATCH)), np.empty((3, order, BATCH))
    row = np.empty(order)
    for batch in range(begin, stop, BATCH):
        count = min(BATCH, stop - batch)
        _weights(points, batch, count, steps, shape, order, first, fraction, values, slopes)
        for t in range(count):
            start = first[2, t]
            for c in range(n2):
                row[c] = masses[batch + t] * values[2, c, t]
            for a in range(n0):
                for b in range(n1):
                    weight = values[0, a, t] * values[1, b, t]
                    line = grid[first[0, t] + a, first[1, t] + b, start : start + n2]
                    for c in range(n2):
                        line[c] += weight * row[c]


@compiled(flags=SUMS)
def interpolate(points, begin, stop, steps, order, grid, value, slope):  # type: ignore[no-untyped-def]
    """Spline with coefficients `grid` at points[begin:stop]: `value` (n,) and its gradient `slope` (n, 3)."""
    wide_vectors()
    shape = grid.shape
    n1, n2 = min(order, shape[1]), min(order, shape[2])
    first, fraction = np.empty((3, BATCH), np.int64), np.empty(BATCH)
    values, slopes = np.empty((3, order, BATCH)), np.empty((3, order, BATCH))
    plane, tilted, sums = np.empty((n1, n2)), np.empty((n1, n2)), np.empty(4)
    for batch in range(begin, stop, BATCH):
        count = min(BATCH, stop - batch)
        _weights(points, batch, count, steps, shape, order, first, fraction, values, slopes)
        for t in range(count):
            _contract_first(grid, first[0, t], first[1, t], first[2, t], values[0], slopes[0], t, plane, tilted)
            _contract_last(plane, tilted, values, slopes, t, sums)
            value[batch + t] = sums[0]
            for k in range(3):
                slope[batch + t, k] = sums[1 + k] / steps[k]


@kernel_part(flags=SUMS)
def _contract_first(grid, i, j, start, values, slopes, t, plane, tilted):  # type: ignore[no-untyped-def]
    """Sums over axis 0 with the weights and with the slopes of point t: (n1, n2) each, four nodes at a time."""
    merged()
    n1, n2 = plane.shape
    if grid.shape[0] == 1:
        for b in range(n1):
            for c in range(n2):
                plane[b, c] = grid[0, j + b, start + c]
                tilted[b, c] = 0.0
        return
    plane[:] = 0.0
    tilted[:] = 0.0
    for a in range(0, values.shape[0], 4):
        v0, v1, v2, v3 = values[a, t], values[a + 1, t], values[a + 2, t], values[a + 3, t]
        s0, s1, s2, s3 = slopes[a, t], slopes[a + 1, t], slopes[a + 2, t], slopes[a + 3, t]
        for b in range(n1):
            for c in range(n2):
                g0, g1 = grid[i + a, j + b, start + c], grid[i + a + 1, j + b, start + c]
                g2, g3 = grid[i + a + 2, j + b, start + c], grid[i + a + 3, j + b, start + c]
                plane[b, c] += (v0 * g0 + v1 * g1) + (v2 * g2 + v3 * g3)
                tilted[b, c] += (s0 * g0 + s1 * g1) + (s2 * g2 + s3 * g3)


@kernel_part(flags=SUMS)
def _contract_last(plane, tilted, values, slopes, t, sums):  # type: ignore[no-untyped-def]
    """Value and the slopes per step along each axis of point t."""
    merged()
    sums[:] = 0.0
    n1, n2 = plane.shape
    for b in range(n1):
        line = tilt = last = 0.0
        for c in range(n2):
            line += values[2, c, t] * plane[b, c]
            tilt += values[2, c, t] * tilted[b, c]
            last += slopes[2, c, t] * plane[b, c]
        sums[0] += values[1, b, t] * line
        sums[1] += values[1, b, t] * tilt
        sums[2] += slopes[1, b, t] * line
        sums[3] += values[1, b, t] * last


@compiled(flags=SUMS)
def multiply(left, right, out, begin, stop):  # type: ignore[no-untyped-def]
    """out[p] = left[p] right[p], (P, I, M) times (P, M, R), for tasks begin ≤ p·blocks + block < stop.

    A task is a block of COLUMNS columns; a `left` or `right` with P = 1 is shared.
    """
    wide_vectors()
    rows, inner, width = out.shape[1], right.shape[1], out.shape[2]
    blocks = -(-width // COLUMNS)
    for task in range(begin, stop):
        p, low = task // blocks, (task % blocks) * COLUMNS
        high = min(low + COLUMNS, width)
        a, b = left[min(p, left.shape[0] - 1)], right[min(p, right.shape[0] - 1)]
        for i in range(0, rows - rows % 2, 2):
            first, second = out[p, i, low:high], out[p, i + 1, low:high]
            first[:] = 0.0
            second[:] = 0.0
            for m in range(0, inner - inner % 4, 4):
                u0, u1, u2, u3 = a[i, m], a[i, m + 1], a[i, m + 2], a[i, m + 3]
                v0, v1, v2, v3 = a[i + 1, m], a[i + 1, m + 1], a[i + 1, m + 2], a[i + 1, m + 3]
                b0, b1, b2, b3 = b[m, low:high], b[m + 1, low:high], b[m + 2, low:high], b[m + 3, low:high]
                for r in range(high - low):
                    first[r] += (u0 * b0[r] + u1 * b1[r]) + (u2 * b2[r] + u3 * b3[r])
                    second[r] += (v0 * b0[r] + v1 * b1[r]) + (v2 * b2[r] + v3 * b3[r])
            for m in range(inner - inner % 4, inner):
                u0, v0 = a[i, m], a[i + 1, m]
                b0 = b[m, low:high]
                for r in range(high - low):
                    first[r] += u0 * b0[r]
                    second[r] += v0 * b0[r]
        if rows % 2:
            last = out[p, rows - 1, low:high]
            last[:] = 0.0
            for m in range(inner):
                u0, b0 = a[rows - 1, m], b[m, low:high]
                for r in range(high - low):
                    last[r] += u0 * b0[r]
