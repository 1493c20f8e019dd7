"""Densities of the plane given by convex pieces, each of constant density: cells of grids and of moving meshes."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.distances.semidiscrete.boxes import Index, Tree, build
from meanfield.measures.grid import GridMeasure
from particles.checks import Array, as_finite, as_weights, frozen
from particles.errors import InvalidInput
from particles.kernels.compiling import compiled, kernel_part, merged

_LEAF = 2

_LOST = 1e-9
"""Mass that may be lost with pieces that rounding leaves without area."""


class ConvexPieces:
    """A probability measure in the plane: piece k is a convex polygon that carries `weights[k]`, spread evenly.

    Parameters
    ----------
    corners : array (k, 2)
        The corners of all pieces, one after the other, each anticlockwise.
    start : array (pieces + 1,)
        Where each piece begins.
    weights : array (pieces,)
        Masses, total 1. Pieces may touch, and where they overlap their densities add up.

    Raises
    ------
    InvalidInput
        For pieces of less than three corners, clockwise or reflex ones, mass on a piece without area.
    """

    def __init__(self, corners: npt.ArrayLike, start: npt.ArrayLike, weights: npt.ArrayLike) -> None:
        points = as_finite(corners, "corners")
        begin = as_finite(start, "start")
        if points.ndim != 2 or points.shape[1] != 2:
            raise InvalidInput(f"corners must have shape (k, 2), got {points.shape}")
        if begin.ndim != 1 or len(begin) < 2 or (begin != np.round(begin)).any():
            raise InvalidInput("start must list where each piece begins and, last, the number of corners")
        if begin[0] != 0 or begin[-1] != len(points) or (np.diff(begin) < 3).any():
            raise InvalidInput(f"start must rise from 0 to {len(points)} by at least 3 corners a piece")
        self._corners = frozen(points)
        self._start = begin.astype(np.intp)
        self._start.flags.writeable = False
        self._weights = frozen(as_weights(weights, len(begin) - 1))
        self._moments = _moments(self._corners, self._start)
        if self._moments.reflex >= 0:
            raise InvalidInput(f"piece {self._moments.reflex} is not convex and anticlockwise: split or turn it")
        flat = (self._moments.area <= 0) & (self._weights > 0)
        if flat.any():
            k = int(np.argmax(flat))
            raise InvalidInput(f"piece {k} has mass {self._weights[k]:g} but no area: merge it with a neighbour")

    @classmethod
    def up_to_rounding(cls, corners: Array, start: Index, weights: Array) -> ConvexPieces:
        """Pieces that were convex before their corners were rounded; those left without area go, with their mass.

        Refused: where more than 1e-9 of the mass is on such pieces.
        """
        moments = _moments(corners, start)
        held = np.flatnonzero((moments.area > 0.0) & (weights > 0.0))
        if not weights[held].sum() >= (1.0 - _LOST) * weights.sum():
            raise InvalidInput("the pieces are smaller than the rounding of their corners: they are points by now")
        size = np.diff(start)[held]
        begin = np.concatenate([[0], np.cumsum(size)]).astype(np.intp)
        places = np.repeat(start[:-1][held] - begin[:-1], size) + np.arange(begin[-1])
        pieces = cls.__new__(cls)
        pieces._corners, pieces._start = frozen(corners[places]), begin
        pieces._start.flags.writeable = False
        pieces._weights = frozen(weights[held] / weights[held].sum())
        pieces._moments = _Moments(moments.area[held], moments.centroid[held], moments.second[held], -1)
        return pieces

    @property
    def corners(self) -> Array:
        """Corners of all pieces, shape (k, 2)."""
        return self._corners

    @property
    def start(self) -> Index:
        """Where each piece begins among the corners, shape (pieces + 1,)."""
        return self._start

    @property
    def weights(self) -> Array:
        """Masses of the pieces, shape (pieces,), total 1."""
        return self._weights

    @cached_property
    def points(self) -> Array:
        """Centroids of the pieces, shape (pieces, 2)."""
        return frozen(self._moments.centroid)

    @cached_property
    def spread(self) -> Array:
        """Covariances of the uniform laws on the pieces, as columns xx, xy, yy: shape (pieces, 3)."""
        return frozen(self._moments.second)

    @property
    def areas(self) -> Array:
        """Areas of the pieces, shape (pieces,)."""
        return self._moments.area

    @property
    def dim(self) -> int:
        """2."""
        return 2

    def mean(self) -> Array:
        """∫ x dμ, shape (2,)."""
        return np.asarray(self._weights @ self.points)

    def covariance(self) -> Array:
        """Covariance (2, 2) of the density, the spread within the pieces included."""
        centred = self.points - self.mean()
        xx, xy, yy = self._weights @ self.spread
        return np.asarray((self._weights * centred.T) @ centred + np.array([[xx, xy], [xy, yy]]))

    def __repr__(self) -> str:
        return f"ConvexPieces({len(self._weights)} pieces)"


def pieces_of_grid(measure: GridMeasure) -> ConvexPieces:
    """The cells of a plane grid that carry mass, as rectangles."""
    first, second = np.nonzero(measure.masses)
    (x, y) = measure.grid.edges
    low0, high0, low1, high1 = x[first], x[first + 1], y[second], y[second + 1]
    corners = np.stack([low0, low1, high0, low1, high0, high1, low0, high1], axis=1).reshape(-1, 2)
    return ConvexPieces(corners, 4 * np.arange(len(first) + 1), measure.masses[first, second])


def pieces_of_mesh(vertices: npt.ArrayLike, masses: npt.ArrayLike) -> ConvexPieces:
    """The cells of a moved grid: vertices (n1 + 1, n2 + 1, 2) and cell masses (n1, n2).

    A cell that is no convex quadrilateral is cut along the diagonal that leaves two triangles of the same orientation,
    its mass shared by area, so that its density stays constant.

    Parameters
    ----------
    vertices : array (n1 + 1, n2 + 1, 2)
        The vertices of the moved grid.
    masses : array (n1, n2)
        Cell masses, total 1.

    Returns
    -------
    ConvexPieces
        The cells, those that are not convex as two triangles each.

    Raises
    ------
    InvalidInput
        For cells turned over (folded), and what ConvexPieces refuses.
    """
    v, m = as_finite(vertices, "vertices"), as_finite(masses, "masses")
    if v.ndim != 3 or v.shape[2] != 2 or m.shape != (v.shape[0] - 1, v.shape[1] - 1):
        raise InvalidInput(f"vertices must be (n1 + 1, n2 + 1, 2) and masses (n1, n2), got {v.shape} and {m.shape}")
    quads = np.stack([v[:-1, :-1], v[1:, :-1], v[1:, 1:], v[:-1, 1:]], axis=2).reshape(-1, 4, 2)
    mass = m.ravel()
    held = mass > 0
    quads, mass = quads[held], mass[held]
    # Twice the area of the triangle at each corner.
    turn = np.stack([_cross(quads[:, k] - quads[:, k - 1], quads[:, (k + 1) % 4] - quads[:, k]) for k in range(4)], 1)
    if float(turn.sum()) < 0.0:
        quads, turn = quads[:, ::-1], -turn[:, ::-1]
    convex = (turn >= 0.0).all(axis=1)
    if convex.all():
        return ConvexPieces(quads.reshape(-1, 2), 4 * np.arange(len(mass) + 1), mass)
    bent, weight = quads[~convex], mass[~convex]
    # At corner 1 or 3 the diagonal 1–3 separates; the triangles at corners 0 and 2 are then the pieces.
    across = np.asarray(turn[~convex][:, [1, 3]] < 0.0).any(axis=1)
    turned = np.where(np.asarray(across)[:, None, None], np.roll(bent, -1, axis=1), bent)
    triangles = np.stack([turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]], axis=1)
    area = _cross(triangles[:, :, 1] - triangles[:, :, 0], triangles[:, :, 2] - triangles[:, :, 0])
    if (area < 0.0).any() or not (area.sum(axis=1) > 0.0).all():
        raise InvalidInput("some cells with mass are turned over: the mesh is folded, refine it or stop earlier")
    shares = weight[:, None] * area / area.sum(axis=1, keepdims=True)
    corners = np.concatenate([quads[convex].reshape(-1, 2), triangles.reshape(-1, 2)])
    sizes = np.concatenate([np.full(int(convex.sum()), 4), np.full(2 * len(bent), 3)])
    return ConvexPieces(
        corners, np.concatenate([[0], np.cumsum(sizes)]), np.concatenate([mass[convex], shares.ravel()])
    )


class PieceTree(NamedTuple):
    """The pieces in a tree: boxes of all nodes, and mass, centroid and central second moments of all they hold."""

    start: Index
    stop: Index
    centre: Array
    half: Array
    moments: Array
    """Columns mass, centroid x, y, ∫ xx, xy, yy about the centroid, shape (nodes, 6)."""
    corners: Array
    corner_start: Index
    density: Array


def piece_tree(corners: Array, start: Index, masses: Array, areas: Array, centroid: Array, spread: Array) -> PieceTree:
    """The tree over pieces in the frame of `corners`; pieces without mass are left out."""
    kept = np.flatnonzero(masses > 0)
    tree: Tree = build(centroid[kept], _LEAF)
    order = kept[tree.order]
    sizes = np.diff(start)[order]
    offset = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
    places = np.repeat(start[:-1][order] - offset[:-1], sizes) + np.arange(offset[-1])
    sorted_corners = np.ascontiguousarray(corners[places])
    low, high = np.minimum.reduceat(sorted_corners, offset[:-1]), np.maximum.reduceat(sorted_corners, offset[:-1])
    own = np.column_stack([masses[order], centroid[order], masses[order, None] * spread[order]])
    centre, half, moments = _sum_up(tree.start, tree.stop, low, high, own)
    return PieceTree(tree.start, tree.stop, centre, half, moments, sorted_corners, offset, masses[order] / areas[order])


class _Moments(NamedTuple):
    area: Array
    centroid: Array
    second: Array
    reflex: int


def _moments(corners: Array, start: Index) -> _Moments:
    area, centroid, second, reflex = polygons(corners, start)
    return _Moments(area, centroid, second, int(reflex))


def _cross(a: Array, b: Array) -> Array:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


@kernel_part()
def with_edge(a, sx, sy, xx, xy, yy, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Sums over the edges of a polygon with one more: twice its area, and 6, 12 (xy: 24) times its moments."""
    merged()
    c = x0 * y1 - y0 * x1
    a += c
    sx += c * (x0 + x1)
    sy += c * (y0 + y1)
    xx += c * (x0 * x0 + x0 * x1 + x1 * x1)
    xy += c * (2 * x0 * y0 + x0 * y1 + x1 * y0 + 2 * x1 * y1)
    yy += c * (y0 * y0 + y0 * y1 + y1 * y1)
    return a, sx, sy, xx, xy, yy


@compiled()
def polygons(corners, start):  # type: ignore[no-untyped-def]
    """Area, centroid and covariance of each polygon, and the first that has a reflex corner or −1."""
    n = len(start) - 1
    area, centroid, second = np.zeros(n), np.zeros((n, 2)), np.zeros((n, 3))
    reflex = -1
    for p in range(n):
        s, e = start[p], start[p + 1]
        ox, oy = corners[s, 0], corners[s, 1]
        a, sx, sy, xx, xy, yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        size = 0.0
        for k in range(s, e):
            size = max(size, abs(corners[k, 0] - ox), abs(corners[k, 1] - oy))
        if size == 0.0:
            size = 1.0
        for k in range(s, e):
            n1 = k + 1 if k + 1 < e else s
            n2 = n1 + 1 if n1 + 1 < e else s
            ux, uy = corners[n1, 0] - corners[k, 0], corners[n1, 1] - corners[k, 1]
            vx, vy = corners[n2, 0] - corners[n1, 0], corners[n2, 1] - corners[n1, 1]
            if (ux / size) * (vy / size) - (uy / size) * (vx / size) < -1e-13 and reflex < 0:
                reflex = p
            x0, y0 = (corners[k, 0] - ox) / size, (corners[k, 1] - oy) / size
            x1, y1 = (corners[n1, 0] - ox) / size, (corners[n1, 1] - oy) / size
            a, sx, sy, xx, xy, yy = with_edge(a, sx, sy, xx, xy, yy, x0, y0, x1, y1)
        area[p] = 0.5 * a * size * size
        if a > 0.0:
            gx, gy = sx / (3 * a), sy / (3 * a)
            centroid[p, 0], centroid[p, 1] = ox + size * gx, oy + size * gy
            second[p, 0] = max(xx / (6 * a) - gx * gx, 0.0) * size * size
            second[p, 1] = (xy / (12 * a) - gx * gy) * size * size
            second[p, 2] = max(yy / (6 * a) - gy * gy, 0.0) * size * size
        else:
            centroid[p, 0], centroid[p, 1] = ox, oy
            if a < 0.0 and reflex < 0:
                reflex = p
    return area, centroid, second, reflex


@compiled()
def _sum_up(start, stop, low, high, own):  # type: ignore[no-untyped-def]
    """Boxes and moments of all nodes, the children before their parents."""
    nodes = len(start)
    centre, half, moments = np.zeros((nodes, 2)), np.zeros((nodes, 2)), np.zeros((nodes, 6))
    box = np.empty((nodes, 4))
    for b in range(nodes - 1, -1, -1):
        box[b, 0] = box[b, 1] = np.inf
        box[b, 2] = box[b, 3] = -np.inf
        inner = 2 * b + 2 < nodes
        count = 2 if inner else stop[b] - start[b]
        for r in range(count):
            if inner:
                c = 2 * b + 1 + r
                part = moments[c]
                for k in range(2):
                    box[b, k], box[b, 2 + k] = min(box[b, k], box[c, k]), max(box[b, 2 + k], box[c, 2 + k])
            else:
                c = start[b] + r
                part = own[c]
                for k in range(2):
                    box[b, k], box[b, 2 + k] = min(box[b, k], low[c, k]), max(box[b, 2 + k], high[c, k])
            total = moments[b, 0] + part[0]
            if part[0] > 0.0:
                share = part[0] / total
                dx, dy = part[1] - moments[b, 1], part[2] - moments[b, 2]
                apart = moments[b, 0] * share
                moments[b, 3] += part[3] + apart * dx * dx
                moments[b, 4] += part[4] + apart * dx * dy
                moments[b, 5] += part[5] + apart * dy * dy
                moments[b, 1] += share * dx
                moments[b, 2] += share * dy
                moments[b, 0] = total
        if box[b, 2] >= box[b, 0]:
            for k in range(2):
                centre[b, k] = 0.5 * (box[b, k] + box[b, 2 + k])
                half[b, k] = max(box[b, 2 + k] - centre[b, k], centre[b, k] - box[b, k])
        else:
            half[b, 0] = half[b, 1] = -np.inf
    return centre, half, moments
