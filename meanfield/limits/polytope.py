"""Convex polytopes by their vertices, flat ones included: faces, the finite set S of Theorem 8.1, distances."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog, nnls
from scipy.spatial import ConvexHull

from particles.checks import Array, as_matrix, as_points
from particles.errors import InvalidInput, TooLarge

FLAT = 1e-9
"""Extent, relative to the largest, below which a polytope counts as flat in a direction."""

ORIGIN_INSIDE = 1e-8
"""Distance from 0 to K, relative to the size of K, below which 0 counts as a point of K."""

MAX_FACES = 200_000
QHULL_DIM = 6
"""Above this dimension Qhull's cost explodes; vertices are then found by one linear program a point."""


@dataclass(frozen=True, eq=False)
class Polytope:
    """The convex hull of `vertices` (m, d), each of them extreme; build it with `hull`.

    `dim` is the dimension of its affine hull, 0 for a point; `origin` (d,) and `axes` (dim, d) are affine coordinates.
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
        local = (self.vertices - self.origin) @ self.axes.T
        simplices = ConvexHull(local)
        scale = np.abs(local).max()
        on = np.abs(local @ simplices.equations[:, :-1].T + simplices.equations[:, -1]) <= FLAT * scale
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

    @cached_property
    def volume(self) -> float:
        """The volume in the affine hull: length in dimension 1, area in 2; 0 for a point."""
        if self.dim == 0:
            return 0.0
        local = (self.vertices - self.origin) @ self.axes.T
        return float(np.ptp(local)) if self.dim == 1 else float(ConvexHull(local).volume)

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
            alpha = nnls(system, np.append((point - centre) / scale, weight))[0]
            out[i] = alpha @ self.vertices / alpha.sum()
        return out

    def distance(self, x: npt.ArrayLike) -> Array:
        """Euclidean distance of each point of x (n, d) to the polytope, (n,); 0 inside."""
        points = as_points(x, "x", dim=self.vertices.shape[1])
        return np.asarray(np.linalg.norm(points - self.project(points), axis=1))

    def boundary_distance(self, x: npt.ArrayLike) -> Array:
        """Distance of each point of x (n, d) to the relative boundary ∂K, (n,): the smallest over the facets."""
        points = as_points(x, "x", dim=self.vertices.shape[1])
        if self.dim == 0:
            return np.asarray(np.linalg.norm(points - self.vertices[0], axis=1))
        walls = [hull(self.vertices[list(facet)]).distance(points) for facet in self.facets]
        return np.asarray(np.min(walls, axis=0))


def hull(points: npt.ArrayLike) -> Polytope:
    """The convex hull of points (n, d), n ≥ 1, of any affine dimension: a point, a segment, a flat polygon in R³."""
    cloud = np.unique(as_points(points), axis=0)
    origin = cloud.mean(axis=0)
    _, extent, axes = np.linalg.svd(cloud - origin, full_matrices=False)
    # Roundings of coordinates far from 0 must not pass for a dimension.
    floor = max(FLAT * extent[0], 64 * np.finfo(float).eps * float(np.abs(cloud).max()) * np.sqrt(len(cloud)))
    axes = axes[extent > floor]
    local = (cloud - origin) @ axes.T
    if len(axes) == 0:
        extreme = np.array([0])
    elif len(axes) == 1:
        extreme = np.array([np.argmin(local), np.argmax(local)])
    elif len(axes) <= QHULL_DIM:
        extreme = np.sort(ConvexHull(local).vertices)
    else:
        extreme = np.array([i for i in range(len(local)) if not _inside(np.delete(local, i, axis=0), local[i])])
    return Polytope(cloud[extreme], origin, axes)


def _inside(cloud: Array, point: Array) -> bool:
    """Whether `point` is a convex combination of the cloud, by HiGHS."""
    system = np.vstack([cloud.T, np.ones(len(cloud))])
    return bool(linprog(np.zeros(len(cloud)), A_eq=system, b_eq=np.append(point, 1.0), method="highs").status == 0)


def candidate_set(polytope: Polytope, product: npt.ArrayLike, tolerance: float = 1e-9) -> Array:
    """S = {x ∈ K : ‖Ax‖² = max_j ⟨Ax, Av_j⟩}, A² = QᵀK = `product` (d, d) positive definite; Claim 1 of the paper.

    A point x ≠ 0 of S exposes a face: ⟨Ax, Av⟩ is largest, ‖Ax‖², exactly there. So x is the projection of 0 onto
    the affine hull of that face in the metric of QᵀK, it lies in the face, and every vertex v has ⟨Ax, Av⟩ ≤ ‖Ax‖²;
    each face gives at most one. 0 belongs to S where 0 ∈ K. Shape (s, d), rows sorted. `tolerance` is relative.
    """
    if not isinstance(polytope, Polytope):
        raise InvalidInput(f"polytope must be a Polytope, from hull(points), got {type(polytope).__name__}")
    metric = as_matrix(product, "product", shape=(polytope.vertices.shape[1],) * 2)
    metric = 0.5 * (metric + metric.T)
    try:
        A = np.linalg.cholesky(metric).T
    except np.linalg.LinAlgError:
        raise InvalidInput("product = QᵀK must be positive definite") from None
    mapped = polytope.vertices @ A.T
    size = max(float(np.linalg.norm(mapped, axis=1).max()), 1e-300)
    found: list[Array] = []
    for face in polytope.faces:
        w = _foot(mapped[list(face)], tolerance)
        if w is None or (length := float(np.linalg.norm(w))) <= tolerance * size:
            continue
        if np.max(mapped @ w) <= length**2 + tolerance * size * length:
            found.append(w)
    if hull(mapped).distance(np.zeros((1, len(metric))))[0] <= ORIGIN_INSIDE * size:
        found.append(np.zeros(len(metric)))
    unique: list[Array] = []
    for w in found:
        if all(np.linalg.norm(w - other) > 10 * tolerance * size for other in unique):
            unique.append(w)
    points = np.linalg.solve(A, np.array(unique).T).T
    return np.asarray(points[np.lexsort(points.T[::-1])])


def _foot(face: Array, tolerance: float) -> Array | None:
    """The projection of 0 onto the affine hull of a face (m, d), None where it is not in the face."""
    base: Array = face[0]
    edges = face[1:] - base
    if not len(edges):
        return base
    foot: Array = base - np.linalg.pinv(edges, rcond=1e-10) @ (edges @ base)
    scale = float(np.abs(face).max())
    weight = 1e4
    system = np.vstack([face.T / scale, np.full(len(face), weight)])
    residual = nnls(system, np.append(foot / scale, weight))[1]
    return foot if residual <= max(tolerance, 1e-10) * 10 else None
