"""The compiled loops of the density on a fixed grid: parts of moved cells laid on it, its points found in them."""

from __future__ import annotations

import math

import numpy as np

from meanfield.measures.flow_map import image, solve_small
from particles.kernels.compiling import compiled, kernel_part, merged

ON_EDGE = 1e-9
"""Width, in cells, of the ramp by which neighbouring cells share the points on their common edge."""


@kernel_part()
def _overlap(a, b, low, high):  # type: ignore[no-untyped-def]
    """The share of [low, high] within [a, b]; the shares of adjoining intervals add to 1 however narrow it is."""
    merged()
    return max(0.0, min(b, high) - max(a, low)) / (high - low)


@kernel_part()
def _spread(x, jacobian, parts, split, mass, edges, counts, half, low, high, masses):  # type: ignore[no-untyped-def]
    """Add a mass spread over the box about x that has the widths of a part of a cell."""
    merged()
    d = len(x)
    for k in range(d):
        width = 0.0
        for j in range(d):
            width += (jacobian[k, j] / (parts * split[j])) ** 2
        half[k] = 0.5 * math.sqrt(width)
        if not half[k] > 1e-14 * abs(x[k]):
            half[k] = 1e-14 * abs(x[k]) + 1e-300
        low[k] = max(0, np.searchsorted(edges[k, : counts[k] + 1], x[k] - half[k], side="right") - 1)
        high[k] = min(counts[k] - 1, np.searchsorted(edges[k, : counts[k] + 1], x[k] + half[k], side="left") - 1)
    third = high[2] - low[2] + 1 if d == 3 else 1
    for i in range(low[0], high[0] + 1):
        a = _overlap(edges[0, i], edges[0, i + 1], x[0] - half[0], x[0] + half[0])
        for j in range(low[1], high[1] + 1):
            b = a * _overlap(edges[1, j], edges[1, j + 1], x[1] - half[1], x[1] + half[1])
            for m in range(third):
                part, flat = b, i * counts[1] + j
                if d == 3:
                    part = b * _overlap(edges[2, low[2] + m], edges[2, low[2] + m + 1], x[2] - half[2], x[2] + half[2])
                    flat = flat * counts[2] + low[2] + m
                masses[flat] += mass * part


@kernel_part()
def _invert(u, gap, centre, cell, first, places, weights, count, vertices, value, slope, x, jacobian, step):  # type: ignore[no-untyped-def]
    """Newton's method for the place u of centre + gap; the share of the point in this cell, 0 outside, and det."""
    merged()
    d, det = len(u), 0.0
    for _ in range(20):
        image(u, cell, first, places, weights, count, vertices, value, slope, x, jacobian)
        for k in range(d):
            x[k] = gap[k] + centre[k] - x[k]
        det = solve_small(jacobian, x, step)
        size, away = 0.0, 0.0
        for k in range(d):
            u[k] += step[k]
            size, away = max(size, abs(step[k])), max(away, abs(u[k] - 0.5))
        if not away < 3.0:
            return 0.0, det
        # The error is squared by this very step.
        if size < 1e-8:
            share = 1.0
            for k in range(d):
                share *= min(1.0, max(0.0, 0.5 + u[k] / (2 * ON_EDGE))) * min(
                    1.0, max(0.0, 0.5 + (1 - u[k]) / (2 * ON_EDGE))
                )
                u[k] = min(1.0, max(0.0, u[k]))
            return share, det
    return 0.0, det


@compiled()
def deposit(vertices, shape, parts, shares, first, places, weights, count, edges, counts, masses):  # type: ignore[no-untyped-def]
    """Add every part of every cell to the grid's cells that it covers, taken for a box."""
    d = vertices.shape[3]
    value, slope = np.zeros((3, count.max())), np.zeros((3, count.max()))
    x, jacobian, u, half = np.zeros(d), np.zeros((d, d)), np.zeros(d), np.zeros(d)
    cell, split, low, high = np.zeros(3, np.int64), np.ones(3, np.int64), np.zeros(3, np.int64), np.zeros(3, np.int64)
    narrow = np.zeros(d)
    for k in range(d):
        narrow[k] = (edges[k, counts[k]] - edges[k, 0]) / counts[k]
    for flat in range(shape[0] * shape[1] * shape[2]):
        cell[0], cell[1], cell[2] = flat // (shape[1] * shape[2]), flat // shape[2] % shape[1], flat % shape[2]
        for part in range(shares.shape[1]):
            mass = shares[flat, part]
            if mass == 0.0:
                continue
            # The part's place along each axis, the last axis fastest.
            rest = part
            for back in range(d):
                k = d - 1 - back
                u[k] = (rest % parts + 0.5) / parts
                rest //= parts
            image(u, cell, first, places, weights, count, vertices, value, slope, x, jacobian)
            pieces = 1
            for k in range(d):
                reach = 0.0
                for c in range(d):
                    reach = max(reach, abs(jacobian[c, k]) / parts / narrow[c])
                split[k] = min(16, max(1, math.ceil(2 * reach)))
                pieces *= split[k]
            origin = u.copy()
            for piece in range(pieces):
                rest = piece
                for back in range(d):
                    k = d - 1 - back
                    u[k] = origin[k] + ((rest % split[k] + 0.5) / split[k] - 0.5) / parts
                    rest //= split[k]
                if pieces > 1:
                    image(u, cell, first, places, weights, count, vertices, value, slope, x, jacobian)
                _spread(x, jacobian, parts, split, mass / pieces, edges, counts, half, low, high, masses)


@kernel_part()
def _candidates(cell, vertices, lines, counts, low, high):  # type: ignore[no-untyped-def]
    """Points of a tensor grid about the corners of a cell's image: their ranges low ≤ … < high, and their number."""
    merged()
    d, points = vertices.shape[3], 1
    for k in range(d):
        smallest, largest = np.inf, -np.inf
        for corner in range(2**d):
            v = vertices[cell[0] + (corner & 1), cell[1] + (corner >> 1 & 1), cell[2] + (corner >> 2 & 1), k]
            smallest, largest = min(smallest, v), max(largest, v)
        slack = 0.1 * (largest - smallest)
        low[k] = np.searchsorted(lines[k, : counts[k]], smallest - slack)
        high[k] = np.searchsorted(lines[k, : counts[k]], largest + slack)
        points *= max(0, high[k] - low[k])
    return points


@kernel_part()
def _bend(cell, vertices, centre, middle, gap, step):  # type: ignore[no-untyped-def]
    """How far the corners lie from where the derivative `middle` at the centre puts them, in units of the cell."""
    merged()
    d, bend = vertices.shape[3], 0.0
    for corner in range(2**d):
        for k in range(d):
            gap[k] = vertices[cell[0] + (corner & 1), cell[1] + (corner >> 1 & 1), cell[2] + (corner >> 2 & 1), k]
            gap[k] -= centre[k]
        solve_small(middle, gap, step)
        for k in range(d):
            bend = max(bend, abs(abs(step[k]) - 0.5))
    return bend if bend < 50.0 else 50.0


@compiled()
def hits(vertices, shape, first, places, weights, count, lines, counts, target, cells, place):  # type: ignore[no-untyped-def]
    """Points of a tensor grid within the image of each cell: their index, the cell, their place in it and 1/|det|.

    Fills target and cells (room,), place (room, d + 1), and returns how many there are, also where the room is short.
    """
    d = vertices.shape[3]
    value, slope = np.zeros((3, count.max())), np.zeros((3, count.max()))
    x, jacobian, u, step, gap = np.zeros(d), np.zeros((d, d)), np.zeros(d), np.zeros(d), np.zeros(d)
    centre, middle = np.zeros(d), np.zeros((d, d))
    cell, low, high = np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(3, np.int64)
    found = 0
    for flat in range(shape[0] * shape[1] * shape[2]):
        cell[0], cell[1], cell[2] = flat // (shape[1] * shape[2]), flat // shape[2] % shape[1], flat % shape[2]
        u[:] = 0.5
        image(u, cell, first, places, weights, count, vertices, value, slope, centre, middle)
        if _candidates(cell, vertices, lines, counts, low, high) == 0:
            continue
        bend = _bend(cell, vertices, centre, middle, gap, step)
        third = high[2] - low[2] if d == 3 else 1
        for i in range(low[0], high[0]):
            for j in range(low[1], high[1]):
                for m in range(third):
                    gap[0], gap[1] = lines[0, i] - centre[0], lines[1, j] - centre[1]
                    index = i * counts[1] + j
                    if d == 3:
                        gap[2] = lines[2, low[2] + m] - centre[2]
                        index = index * counts[2] + low[2] + m
                    solve_small(middle, gap, u)
                    outside = 0.0
                    for k in range(d):
                        outside = max(outside, abs(u[k]) - 0.5)
                        u[k] += 0.5
                    if not outside <= 1.5 * bend + 0.02:
                        continue
                    share, det = _invert(
                        u, gap, centre, cell, first, places, weights, count, vertices, value, slope, x, jacobian, step
                    )
                    if share > 0.0:
                        if found < len(target):
                            target[found], cells[found] = index, flat
                            for k in range(d):
                                place[found, k] = u[k]
                            place[found, d] = share / abs(det)
                        found += 1
    return found


@compiled()
def images(vertices, shape, first, places, weights, count, at, out):  # type: ignore[no-untyped-def]
    """The images of places at (N, m, d) of every cell, N of them, into out (N, m, d)."""
    d = vertices.shape[3]
    value, slope = np.zeros((3, count.max())), np.zeros((3, count.max()))
    x, jacobian, cell = np.zeros(d), np.zeros((d, d)), np.zeros(3, np.int64)
    for flat in range(shape[0] * shape[1] * shape[2]):
        cell[0], cell[1], cell[2] = flat // (shape[1] * shape[2]), flat // shape[2] % shape[1], flat % shape[2]
        for j in range(at.shape[1]):
            image(at[flat, j], cell, first, places, weights, count, vertices, value, slope, x, jacobian)
            for k in range(d):
                out[flat, j, k] = x[k]
