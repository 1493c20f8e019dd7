"""The density of a moved material mesh on a fixed grid: cell averages of ρ₀(ξ)/det DΦ(ξ), mass kept, never negative.

Two values are found for a cell of the grid. The *deposit* puts the mass of small parts of the moved cells where they
lie: it keeps mass in every regime, clusters far below the grid among them, and is of first order. The *average* is a
Gauss rule over the cell of the density itself, through the inverse of the flow: it is of high order where the density
is smooth across the cell. The average is taken where two rules agree with each other far better than with the deposit;
the rest of the mass goes to the other cells in proportion to their deposits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from meanfield.measures.cells import Indices
from meanfield.measures.flow_map import Stencils, image, solve_small
from meanfield.measures.grid import Grid
from meanfield.measures.material import SHARES, Patch
from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged

STENCIL = {1: 6, 2: 6, 3: 4}
"""Vertices along an axis that the flow on a cell is taken from, by dimension."""

RULES = {2: (4, 3), 3: (3, 2)}
"""Gauss nodes along an axis of a grid cell, of the rule and of the one that it is compared with."""

AGREEMENT = 0.25
"""The share of the distance to the deposit within which two rules must agree for their average to be taken."""

ON_EDGE = 1e-9
"""Width, in cells, of the ramp by which neighbouring cells share the points on their common edge."""


class Deposited(NamedTuple):
    """Cell masses on a grid and the mass that lies outside it."""

    masses: Array
    outside: float


def push_forward(patches: list[tuple[Patch, Array]], grid: Grid, periods: tuple[float | None, ...]) -> Deposited:
    """The masses of the grid's cells, from patches with their moved vertices (n_1 + 1, …, n_d + 1, d).

    The periods along each axis, None where there is none; along a periodic axis the grid is one period.
    """
    if grid.dim == 1:
        parts = [_on_line(patch, vertices, grid, periods[0]) for patch, vertices in patches]
        masses = np.sum([part.masses for part in parts], axis=0)
        return Deposited(masses, max(0.0, sum(float(p.cell_mass.sum()) for p, _ in patches) - float(masses.sum())))
    deposit, outside = np.zeros(grid.shape), 0.0
    averages = [np.zeros(grid.shape), np.zeros(grid.shape)]
    for patch, vertices in patches:
        moved = _Moved(patch, unwrapped(vertices, periods))
        inside = 0.0
        for shift in _shifts(moved.vertices, grid, periods):
            inside += moved.deposit(shift, grid, deposit)
            for average, rule in zip(averages, RULES[grid.dim], strict=True):
                average += moved.average(shift, grid, rule)
        outside += max(0.0, float(patch.cell_mass.sum()) - inside)
    return Deposited(_chosen(deposit, averages), outside)


def _chosen(deposit: Array, averages: list[Array]) -> Array:
    """The averages where two rules agree, the deposits elsewhere, scaled so that the mass of the deposits is kept."""
    fine, coarse = averages
    away = np.abs(fine - deposit)
    smooth = (np.abs(fine - coarse) <= AGREEMENT * away) & (away <= AGREEMENT * deposit)
    total, rest = float(deposit.sum()), float(deposit[~smooth].sum())
    missing = total - float(fine[smooth].sum())
    if rest > 0 and 0.5 * rest <= missing <= 2 * rest:
        return np.where(smooth, fine, deposit * (missing / rest))
    masses = np.where(smooth, fine, deposit)
    return np.asarray(masses * (total / masses.sum())) if total > 0 else masses


def unwrapped(vertices: Array, periods: tuple[float | None, ...]) -> Array:
    """Vertices whose neighbours are nearer than half a period, as the mesh was before it was wrapped."""
    out = np.array(vertices)
    for k, period in enumerate(periods):
        if period is not None:
            for axis in range(out.ndim - 1):
                out[..., k] = np.unwrap(out[..., k], axis=axis, period=period)
    return out


def _shifts(vertices: Array, grid: Grid, periods: tuple[float | None, ...]) -> Iterator[Array]:
    """The multiples of the periods that bring a part of the mesh onto the grid; nothing but 0 without periods."""
    ranges = []
    for k, period in enumerate(periods):
        if period is None:
            ranges.append(range(0, 1))
            continue
        low, high = grid.bounds[k]
        a, b = float(vertices[..., k].min()), float(vertices[..., k].max())
        ranges.append(range(math.floor((low - b) / period), math.ceil((high - a) / period) + 1))
    for multiple in itertools.product(*ranges):
        yield np.array([m * (period or 0.0) for m, period in zip(multiple, periods, strict=True)])


class _Moved:
    """A patch with its moved vertices, ready for the kernels."""

    def __init__(self, patch: Patch, vertices: Array) -> None:
        d = vertices.shape[-1]
        self.patch, self.vertices = patch, vertices
        self.shape = np.array([*patch.shape, *[1] * (3 - d)])
        self.padded = np.ascontiguousarray(vertices if d == 3 else vertices[:, :, None])
        self.stencils = Stencils(patch.edges, STENCIL[d])
        self.shares = patch.shares()

    def deposit(self, shift: Array, grid: Grid, masses: Array) -> float:
        """Add the deposit to `masses`; return how much of the mass lay on the grid."""
        s = self.stencils
        edges, counts = _padded(grid.edges), np.array(grid.shape)
        flat = masses.reshape(-1)
        return float(
            _deposit(
                self.padded + shift, self.shape, self.shares, s.first, s.places, s.weights, s.count, edges, counts, flat
            )
        )

    def average(self, shift: Array, grid: Grid, rule: int) -> Array:
        """The masses of the grid's cells by a Gauss rule of the density."""
        nodes, weights = np.polynomial.legendre.leggauss(rule)
        lines = [(e[:-1, None] + np.diff(e)[:, None] * (nodes + 1) / 2).ravel() for e in grid.edges]
        counts = np.array([len(line) for line in lines])
        s, d = self.stencils, grid.dim
        room = int(1.1 * counts.prod()) + 64
        while True:
            target, cells, place = np.empty(room, np.int64), np.empty(room, np.int64), np.empty((room, d + 1))
            found = _hits(
                self.padded + shift, self.shape, s.first, s.places, s.weights, s.count, _padded(tuple(lines)), counts,
                target, cells, place,
            )  # fmt: skip
            if found <= room:
                break
            room = found
        if not found:
            return np.zeros(grid.shape)
        target, cells, place = target[:found], cells[:found], place[:found]
        values = self._density(cells, place[:, :d]) * place[:, d]
        split = tuple(itertools.chain.from_iterable((n, rule) for n in grid.shape))
        summed: Array = np.asarray(np.bincount(target, values, minlength=int(counts.prod())), float).reshape(split)
        for k in reversed(range(d)):
            summed = np.tensordot(summed, weights / 2, axes=(2 * k + 1, 0))
        return np.asarray(summed * grid.cell_volumes)

    def _density(self, cells: Indices, places: Array) -> Array:
        """Mass in a unit of a cell's own coordinates, at places in (0, 1)^d of cells given by their flat index."""
        index = np.unravel_index(cells, self.patch.shape)
        reference, size = np.empty_like(places), np.ones(len(places))
        for k, e in enumerate(self.patch.edges):
            width = np.diff(e)[index[k]]
            reference[:, k] = e[index[k]] + width * places[:, k]
            size = size * width
        return np.asarray(self.patch.scale.ravel()[cells] * self.patch.density(reference) * size)


def _padded(arrays: tuple[Array, ...]) -> Array:
    """Arrays of several lengths as the rows of one, filled up with infinity."""
    out = np.full((len(arrays), max(map(len, arrays))), np.inf)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return out


@kernel_part()
def _overlap(a, b, low, high):  # type: ignore[no-untyped-def]
    """The share of [low, high] within [a, b]; the shares of adjoining intervals add to 1 however narrow it is."""
    merged()
    return max(0.0, min(b, high) - max(a, low)) / (high - low)


@kernel_part()
def _spread(x, jacobian, split, mass, edges, counts, half, low, high, masses):  # type: ignore[no-untyped-def]
    """Add a mass spread over the box about x that has the widths of a part of a cell; return what lies on the grid."""
    merged()
    d = len(x)
    for k in range(d):
        width = 0.0
        for j in range(d):
            width += (jacobian[k, j] / (SHARES * split[j])) ** 2
        half[k] = 0.5 * math.sqrt(width)
        if not half[k] > 1e-14 * abs(x[k]):
            half[k] = 1e-14 * abs(x[k]) + 1e-300
        low[k] = max(0, np.searchsorted(edges[k, : counts[k] + 1], x[k] - half[k], side="right") - 1)
        high[k] = min(counts[k] - 1, np.searchsorted(edges[k, : counts[k] + 1], x[k] + half[k], side="left") - 1)
    inside = 0.0
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
                inside += mass * part
    return inside


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
def _deposit(vertices, shape, shares, first, places, weights, count, edges, counts, masses):  # type: ignore[no-untyped-def]
    """Add every part of every cell to the grid's cells that it covers, taken for a box; return the mass on the grid."""
    d = vertices.shape[3]
    value, slope = np.zeros((3, count.max())), np.zeros((3, count.max()))
    x, jacobian, u, half = np.zeros(d), np.zeros((d, d)), np.zeros(d), np.zeros(d)
    cell, split, low, high = np.zeros(3, np.int64), np.ones(3, np.int64), np.zeros(3, np.int64), np.zeros(3, np.int64)
    narrow = np.zeros(d)
    for k in range(d):
        narrow[k] = (edges[k, counts[k]] - edges[k, 0]) / counts[k]
    inside = 0.0
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
                u[k] = (rest % SHARES + 0.5) / SHARES
                rest //= SHARES
            image(u, cell, first, places, weights, count, vertices, value, slope, x, jacobian)
            pieces = 1
            for k in range(d):
                reach = 0.0
                for c in range(d):
                    reach = max(reach, abs(jacobian[c, k]) / SHARES / narrow[c])
                split[k] = min(16, max(1, math.ceil(2 * reach)))
                pieces *= split[k]
            origin = u.copy()
            for piece in range(pieces):
                rest = piece
                for back in range(d):
                    k = d - 1 - back
                    u[k] = origin[k] + ((rest % split[k] + 0.5) / split[k] - 0.5) / SHARES
                    rest //= split[k]
                if pieces > 1:
                    image(u, cell, first, places, weights, count, vertices, value, slope, x, jacobian)
                inside += _spread(x, jacobian, split, mass / pieces, edges, counts, half, low, high, masses)
    return inside


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
def _hits(vertices, shape, first, places, weights, count, lines, counts, target, cells, place):  # type: ignore[no-untyped-def]
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
                            place[found, :d] = u
                            place[found, d] = share / abs(det)
                        found += 1
    return found


def _on_line(patch: Patch, vertices: Array, grid: Grid, period: float | None) -> Deposited:
    """On the line the flow keeps the order: the mass below an edge of the grid is the mass below its preimage."""
    x = np.maximum.accumulate(unwrapped(vertices, (period,))[:, 0])
    edges = grid.edges[0]
    below = np.concatenate([[0.0], np.cumsum(patch.cell_mass)])
    masses = np.zeros(len(edges) - 1)
    for shift in _shifts(x[:, None], grid, (period,)):
        masses += np.diff(_mass_below(patch, x + shift[0], below, edges))
    return Deposited(np.maximum(masses, 0.0), 0.0)


def _mass_below(patch: Patch, x: Array, below: Array, at: Array) -> Array:
    """The mass at or below each point `at` of a patch whose vertices lie at x, increasing; `below` at the vertices."""
    cell = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    stencils = Stencils(patch.edges, STENCIL[1])
    low, high = np.zeros(len(at)), np.ones(len(at))
    for _ in range(52):
        middle = (low + high) / 2
        left = _images(middle, cell, stencils, x) <= at
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    place = np.where(at <= x[0], 0.0, np.where(at >= x[-1], 1.0, (low + high) / 2))
    nodes, weights = np.polynomial.legendre.leggauss(8)
    e = patch.edges[0]
    reference = e[cell, None] + np.diff(e)[cell, None] * place[:, None] * (nodes + 1) / 2
    part = patch.density(reference.reshape(-1, 1)).reshape(len(at), -1) @ weights / 2
    mass = below[cell] + patch.scale[cell] * part * place * np.diff(e)[cell]
    # Rounding must not let a point count more than the mass below the next vertex.
    return np.asarray(np.clip(mass, below[cell], below[cell + 1]))


def _images(u: Array, cell: Indices, stencils: Stencils, x: Array) -> Array:
    """The flow on the line: Σ_j x_j w_j Π_{m ≠ j} (u − s_m)."""
    count = int(stencils.count[0])
    total = np.zeros(len(u))
    for j in range(count):
        part = x[stencils.first[0, cell] + j] * stencils.weights[0, cell, j]
        for m in range(count):
            if m != j:
                part = part * (u - stencils.places[0, cell, m])
        total += part
    return total
