"""Convex polytopes by their vertices, flat ones included: faces, projections, distances of any number of points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt
import scipy

from particles.checks import Array, as_points
from particles.errors import InvalidInput, TooLarge

FLAT = 1e-9
"""Extent, relative to the largest, below which a polytope counts as flat in a direction."""

MAX_FACES = 200_000
MAX_SIMPLICES = 20_000
QHULL_DIM = 6
"""Above this dimension Qhull's cost explodes; vertices are then found by one linear program a point."""

BLOCK = 65_536
"""Points whose distance is computed at a time: memory stays linear in their number."""


@dataclass(frozen=True, eq=False)
class Polytope:
    """The convex hull of `vertices` (m, d), each of them extreme; build it with `hull`.

    `dim` is the dimension of its affine hull, 0 for a point; `origin` (d,) and `axes` (dim, d) are affine coordinates.

    Parameters
    ----------
    vertices : array (m, d)
        Extreme points.
    origin : array (d,)
        The origin of affine coordinates.
    axes : array (dim, d)
        Their axes.
    """

    vertices: Array
    origin: Array
    axes: Array

    @property
    def dim(self) -> int:
        """The dimension of the affine hull."""
        return len(self.axes)

    @cached_property
    def facets(self) -> tuple[tuple[int, ...], ...]:
        """The faces of dimension dim − 1, each by the indices of its vertices."""
        if self.dim == 0:
            return ()
        if self.dim == 1:
            return ((0,), (1,))
        normals, levels = self._walls.equations[:, :-1], self._walls.equations[:, -1]
        on = np.abs(self._local @ normals.T + levels) <= FLAT * np.abs(self._local).max()
        return tuple(sorted({tuple(np.flatnonzero(column).tolist()) for column in on.T}))

    @cached_property
    def faces(self) -> tuple[tuple[int, ...], ...]:
        """All non-empty faces by their vertices, the polytope itself included, smallest first: intersections of facets.

        Refused: more than 200 000 of them.
        """
        found = {frozenset(range(len(self.vertices)))}
        fresh = {frozenset(facet) for facet in self.facets}
        facets = list(fresh)
        while fresh:
            found |= fresh
            if len(found) > MAX_FACES:
                raise TooLarge(
                    f"a polytope with {len(self.vertices)} vertices has over {MAX_FACES} faces: not enumerated"
                )
            fresh = {a & b for a in fresh for b in facets if a & b} - found
        return tuple(sorted((tuple(sorted(face)) for face in found), key=lambda face: (len(face), face)))

    @property
    def edges(self) -> list[Array]:
        """The faces of dimension 1 by their two ends, each (2, d)."""
        return [self.vertices[list(face)] for face in self.faces if len(face) == 2]

    @cached_property
    def volume(self) -> float:
        """The volume in the affine hull: length in dimension 1, area in 2; 0 for a point."""
        if self.dim == 0:
            return 0.0
        return float(np.ptp(self._local)) if self.dim == 1 else float(self._walls.volume)

    @cached_property
    def _local(self) -> Array:
        """The vertices in the coordinates of the affine hull, (m, dim)."""
        return np.asarray((self.vertices - self.origin) @ self.axes.T)

    @cached_property
    def _walls(self) -> scipy.spatial.ConvexHull:
        try:
            return scipy.spatial.ConvexHull(self._local)
        except scipy.spatial.QhullError:
            raise InvalidInput("the polytope is too thin for its facets to be found in float64") from None

    @cached_property
    def _simplices(self) -> list[Array]:
        """The faces of a triangulation of the relative boundary, all dimensions, by their vertices (k, dim)."""
        if self.dim <= 1:
            return [vertex[None] for vertex in self._local]
        found = {
            tuple(sorted(face))
            for simplex in self._walls.simplices.tolist()
            for size in range(1, len(simplex) + 1)
            for face in combinations(simplex, size)
        }
        if len(found) > MAX_SIMPLICES:
            raise TooLarge(
                f"the polytope has {len(found)} faces, {MAX_SIMPLICES} are allowed: project to fewer dimensions"
            )
        return [self._local[list(face)] for face in found]

    def project(self, x: npt.ArrayLike) -> Array:
        """The nearest points of the polytope to x (n, d), by non-negative least squares over the vertices."""
        points = as_points(x, "x", dim=self.vertices.shape[1])
        centre = self.vertices.mean(axis=0)
        scale = max(float(np.abs(self.vertices - centre).max()), float(np.abs(points - centre).max()), 1e-300)
        # The row of ones carries Σ α = 1 with a weight large enough for it to hold to 1e-8 of the scale.
        weight = 1e4
        system = np.vstack([(self.vertices - centre).T / scale, np.full(len(self.vertices), weight)])
        out = np.empty_like(points)
        for i, point in enumerate(points):
            alpha = scipy.optimize.nnls(system, np.append((point - centre) / scale, weight))[0]
            out[i] = alpha @ self.vertices / alpha.sum()
        return out

    def distance(self, x: npt.ArrayLike) -> Array:
        """Euclidean distance of each point of x (n, d) to the polytope, (n,); 0 inside.

        A point outside is nearest to a face, into whose affine hull it projects. Refused: more than 20 000 faces of a
        triangulated boundary, which occur above dimension 5 or so; `project` finds single points there.
        """
        return self._distance(x, boundary=False)

    def boundary_distance(self, x: npt.ArrayLike) -> Array:
        """Distance of each point of x (n, d) to the relative boundary ∂K, (n,); of a single point to that point."""
        return self._distance(x, boundary=True)

    def _distance(self, x: npt.ArrayLike, *, boundary: bool) -> Array:
        points = as_points(x, "x", dim=self.vertices.shape[1])
        distance = np.empty(len(points))
        for start in range(0, len(points), BLOCK):
            centred = points[start : start + BLOCK] - self.origin
            along = centred @ self.axes.T
            off = centred - along @ self.axes
            squared = np.full(len(along), np.inf)
            for simplex in self._simplices:
                np.minimum(squared, _squared_to_simplex(along, simplex), out=squared)
            if not boundary:
                squared[self._inside(along)] = 0.0
            distance[start : start + BLOCK] = np.hypot(np.sqrt(squared), np.linalg.norm(off, axis=1))
        return distance

    def _inside(self, along: Array) -> np.ndarray:
        """Which points of the affine hull, in its coordinates (n, dim), lie in the polytope."""
        if self.dim == 0:
            return np.ones(len(along), dtype=bool)
        if self.dim == 1:
            return np.asarray((along[:, 0] >= self._local.min()) & (along[:, 0] <= self._local.max()))
        normals, levels = self._walls.equations[:, :-1], self._walls.equations[:, -1]
        return np.asarray((along @ normals.T + levels <= 0.0).all(axis=1))


def _squared_to_simplex(points: Array, simplex: Array) -> Array:
    """|x − its projection on the simplex' affine hull|² where that lies in the simplex, infinity elsewhere."""
    step = points - simplex[0]
    if len(simplex) == 1:
        return np.asarray((step * step).sum(axis=1))
    edges = simplex[1:] - simplex[0]
    share = step @ np.linalg.pinv(edges)
    step -= share @ edges
    inside = (share >= 0.0).all(axis=1) & (share.sum(axis=1) <= 1.0)
    return np.asarray(np.where(inside, (step * step).sum(axis=1), np.inf))


def hull(points: npt.ArrayLike, flat: float = FLAT) -> Polytope:
    """The convex hull of points (n, d), n ≥ 1, of any affine dimension: a point, a segment, a flat polygon in R³.

    Directions of extent below `flat`, relative to the largest, do not count, nor do those of the size of the rounding
    of the coordinates.

    Parameters
    ----------
    points : array (n, d)
        n ≥ 1.
    flat : float
        The extent, relative to the largest, below which a direction does not count.

    Returns
    -------
    Polytope
        The hull in its affine coordinates.

    Raises
    ------
    InvalidInput
        For no points, NaN.
    """
    cloud = np.unique(as_points(points), axis=0)
    # Differences of points near each other are exact; a mean far from 0 is not.
    moved = cloud - cloud[0]
    _, extent, axes = np.linalg.svd(moved - moved.mean(axis=0), full_matrices=False)
    rounding = 4 * np.finfo(float).eps * float(np.abs(cloud).max()) * np.sqrt(len(cloud))
    axes = axes[extent > max(flat * extent[0], rounding)]
    while True:
        try:
            extreme = _extreme(moved @ axes.T)
        except scipy.spatial.QhullError:
            # Thinner than Qhull resolves: the direction of the smallest extent goes.
            axes = axes[:-1]
            continue
        return Polytope(cloud[extreme], cloud[extreme[0]], axes)


def _extreme(local: Array) -> np.ndarray:
    """The indices of the extreme points of a cloud (n, r) that spans R^r, ascending."""
    r = local.shape[1]
    if r == 0:
        return np.array([0])
    if r == 1:
        return np.array([np.argmin(local), np.argmax(local)])
    if r <= QHULL_DIM:
        return np.sort(scipy.spatial.ConvexHull(local).vertices)
    return np.array([i for i in range(len(local)) if not _within(np.delete(local, i, axis=0), local[i])])


def _within(cloud: Array, point: Array) -> bool:
    """Whether `point` is a convex combination of the cloud, by HiGHS."""
    system = np.vstack([cloud.T, np.ones(len(cloud))])
    goal = np.append(point, 1.0)
    return bool(scipy.optimize.linprog(np.zeros(len(cloud)), A_eq=system, b_eq=goal, method="highs").status == 0)
