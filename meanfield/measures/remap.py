"""The density of a moved material mesh on a fixed grid: cell averages of ρ₀(ξ)/det DΦ(ξ), mass kept, never negative.

Two values are found for a cell of the grid. The *deposit* puts the mass of small parts of the moved cells where they
lie: it keeps mass in every regime, clusters far below the grid among them, and is of first order. The *average* is a
Gauss rule over the cell of the density itself, through the inverse of the flow: it is of high order where the density
is smooth across the cell. The average is taken where two rules agree with each other far better than with the deposit;
the rest of the mass goes to the other cells in proportion to their deposits.

Both take the flow from the moved vertices. In a moved cell across which it varies too fast for that, as on a watershed
between clusters, it does not find the nodes, which have been moved themselves: there the mass goes where they are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.measures.cells import Indices
from meanfield.measures.flow_map import STENCIL, Stencils
from meanfield.measures.gauss_legendre import gauss_legendre
from meanfield.measures.grid import Grid
from meanfield.measures.material import Patch
from meanfield.measures.mesh import corners
from meanfield.measures.remap_kernels import deposit, hits, images
from meanfield.measures.remap_line import images_on_line, on_line
from particles.checks import Array

PARTS = {2: (8, 16), 3: (4, 8)}
"""Fewest and most parts along each axis into which the mass of a moved cell is resolved: half a grid cell at most."""

RULES = {2: (4, 3), 3: (3, 2)}
"""Gauss nodes along an axis of a grid cell, of the rule and of the one that it is compared with."""

AGREEMENT = 0.25
"""The share of the distance to the deposit within which two rules must agree for their average to be taken."""

MISSED = (0.1, 0.125)
"""A node is missed by the flow through the vertices where both of these are exceeded: a share of the grid's cell, and
one of the extent of the moved cell."""


class Moved(NamedTuple):
    """A patch that has moved.

    vertices (n_1 + 1, …, n_d + 1, d), moved; places (N, m, d) of the nodes in their N cells (0, 1)^d; nodes (N, m, d),
    moved, NaN for those without mass; masses (N, m).
    """

    patch: Patch
    vertices: Array
    places: Array
    nodes: Array
    masses: Array


class Deposited(NamedTuple):
    """Cell masses on a grid, the mass that lies outside it, and about how far mass was put from where it is.

    displaced: the root mean square over all mass, at the nodes where the flow through the vertices is taken; where the
    nodes are, as if the share of each lay evenly about it.
    """

    masses: Array
    outside: float
    displaced: float


def push_forward(parts: Sequence[Moved], grid: Grid, periods: tuple[float | None, ...]) -> Deposited:
    """The masses of the grid's cells, from patches that have moved.

    The periods along each axis, None where there is none; along a periodic axis the grid is one period.
    """
    lost, total, squares = np.zeros(grid.shape), 0.0, 0.0
    flows = []
    for part in parts:
        flow = _Flow(part.patch, unwrapped(part.vertices, periods))
        gap = _gaps(flow, part, periods)
        missed = _missed(gap, flow, grid)
        lost += laid(part.nodes[missed].reshape(-1, grid.dim), part.masses[missed].ravel(), grid, periods)
        squares += float(part.masses[missed].sum(axis=1) @ _distances(flow, part, missed, periods))
        squares += float(np.nansum(part.masses[~missed] * (gap[~missed] ** 2).sum(axis=2)))
        flows.append(flow.without(missed))
        total += float(part.patch.cell_mass.sum())
    masses = lost + (_line_masses if grid.dim == 1 else _box_masses)(flows, grid, periods)
    displaced = math.sqrt(squares / total) if total > 0 else 0.0
    return Deposited(masses, max(0.0, total - float(masses.sum())), displaced)


def laid(points: Array, masses: Array, grid: Grid, periods: tuple[float | None, ...]) -> Array:
    """The masses of points (m, d) in the cells of the grid; along a periodic axis the grid is one period."""
    points = points.copy()
    for k, period in enumerate(periods):
        if period is not None:
            low = grid.bounds[k][0]
            points[:, k] = low + np.mod(points[:, k] - low, period)
    full = masses > 0
    out, _ = np.histogramdd(points[full], bins=list(grid.edges), weights=masses[full])
    return np.asarray(out)


def _gaps(flow: _Flow, part: Moved, periods: tuple[float | None, ...]) -> Array:
    """How far from its nodes the flow through the vertices is, (N, m, d); NaN for nodes without mass."""
    gap = flow.images(part.places) - part.nodes
    for k, period in enumerate(periods):
        if period is not None:
            gap[..., k] -= period * np.round(gap[..., k] / period)
    return gap


def _missed(gap: Array, flow: _Flow, grid: Grid) -> npt.NDArray[np.bool_]:
    """Which of the cells have nodes that the flow through the vertices does not find, (N,)."""
    ends = corners(flow.vertices).reshape(len(gap), -1, grid.dim)
    allowed = np.maximum(MISSED[0] * np.array([w.mean() for w in grid.widths]), MISSED[1] * np.ptp(ends, axis=1))
    return np.asarray((np.abs(gap) > allowed[:, None]).any(axis=(1, 2)), dtype=bool)


def _distances(flow: _Flow, part: Moved, cells: npt.NDArray[np.bool_], periods: tuple[float | None, ...]) -> Array:
    """The mean square distance of the mass of some cells (N,) from their nodes, each share a box of even density.

    The cells are taken for as wide as their nodes are apart, less where the vertices are nearer: a vertex without mass
    may stay on a watershed when all nodes have reached a cluster.
    """
    d = part.places.shape[2]
    ends = corners(flow.vertices).reshape(len(cells), -1, d)[cells]
    nodes = part.nodes[cells]
    for k, period in enumerate(periods):
        if period is not None:
            nodes[..., k] -= period * np.round((nodes[..., k] - ends[:, :1, k]) / period)
    points = np.concatenate([ends, nodes], axis=1)
    extent = np.nanmax(points, axis=1) - np.nanmin(points, axis=1)
    apart = np.ptp(part.places[cells], axis=1)
    inner = np.nanmax(nodes, axis=1) - np.nanmin(nodes, axis=1)
    extent = np.minimum(extent, np.divide(inner, apart, out=np.full_like(inner, np.inf), where=apart > 0))
    along = part.places.shape[1] ** (1 / d)
    return np.asarray((extent**2).sum(axis=1) / (12 * along**2))


def _line_masses(flows: Sequence[_Flow], grid: Grid, periods: tuple[float | None, ...]) -> Array:
    masses = np.zeros(grid.shape)
    for flow in flows:
        for shift in _shifts(flow.vertices, grid, periods):
            masses += on_line(flow.patch, flow.vertices[:, 0] + shift[0], grid.edges[0])
    return masses


def _box_masses(flows: Sequence[_Flow], grid: Grid, periods: tuple[float | None, ...]) -> Array:
    deposited, averages = np.zeros(grid.shape), [np.zeros(grid.shape), np.zeros(grid.shape)]
    for flow in flows:
        parts = flow.parts(grid)
        for shift in _shifts(flow.vertices, grid, periods):
            flow.deposit(shift, grid, parts, deposited)
            for average, rule in zip(averages, RULES[grid.dim], strict=True):
                average += flow.average(shift, grid, rule)
    return _chosen(deposited, averages)


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


class _Flow:
    """The flow through the moved vertices of a patch, ready for the kernels."""

    def __init__(self, patch: Patch, vertices: Array) -> None:
        d = vertices.shape[-1]
        self.patch, self.vertices = patch, vertices
        self.shape = np.array([*patch.shape, *[1] * (3 - d)])
        self.padded = np.ascontiguousarray(vertices if d == 3 else vertices[:, :, None])
        self.stencils = Stencils(patch.edges, STENCIL[d])

    def without(self, cells: npt.NDArray[np.bool_]) -> _Flow:
        """The same flow of a patch whose mass in some cells (N,) is left out."""
        if not cells.any():
            return self
        kept = np.where(cells.reshape(self.patch.shape), 0.0, self.patch.cell_mass)
        return _Flow(replace(self.patch, cell_mass=kept), self.vertices)

    def images(self, places: Array) -> Array:
        """The images of places (N, m, d) of all cells."""
        s, out = self.stencils, np.empty_like(places)
        if self.vertices.ndim == 2:
            cell = np.repeat(np.arange(len(places)), places.shape[1])
            return images_on_line(places.ravel(), cell, s, self.vertices[:, 0]).reshape(places.shape)
        images(self.padded, self.shape, s.first, s.places, s.weights, s.count, places, out)
        return out

    def parts(self, grid: Grid) -> int:
        """Parts along each axis of a moved cell, of at most about half a cell of the grid."""
        longest = 1.0
        for axis in range(grid.dim):
            side = np.abs(np.diff(self.vertices, axis=axis)).reshape(-1, grid.dim).mean(axis=0)
            longest = max(longest, float(max(s / w.mean() for s, w in zip(side, grid.widths, strict=True))))
        return int(np.clip(np.ceil(2 * longest), *PARTS[grid.dim]))

    def deposit(self, shift: Array, grid: Grid, parts: int, masses: Array) -> None:
        """Add the mass of the parts of all cells where they lie to `masses`."""
        s = self.stencils
        edges, counts = _padded(grid.edges), np.array(grid.shape)
        deposit(
            self.padded + shift, self.shape, parts, self.patch.shares(parts), s.first, s.places, s.weights, s.count,
            edges, counts, masses.reshape(-1),
        )  # fmt: skip

    def average(self, shift: Array, grid: Grid, rule: int) -> Array:
        """The masses of the grid's cells by a Gauss rule of the density."""
        nodes, weights = gauss_legendre(rule)
        lines = [(e[:-1, None] + np.diff(e)[:, None] * (nodes + 1) / 2).ravel() for e in grid.edges]
        counts = np.array([len(line) for line in lines])
        s, d = self.stencils, grid.dim
        room = int(1.1 * counts.prod()) + 64
        while True:
            target, cells, place = np.empty(room, np.int64), np.empty(room, np.int64), np.empty((room, d + 1))
            found = hits(
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
