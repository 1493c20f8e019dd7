"""Distances from a measure to the measures carried by a set: each point goes to its nearest point of the set.

min over ν supported on A of W_p(μ, ν) = (∫ dist(x, A)^p dμ)^{1/p}. Everything here walks through the points in
blocks, so memory is O(n) and a million points are no trouble.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, cKDTree

from meanfield.distances.arguments import as_atoms, as_order, require_same_dim
from meanfield.distances.line import root_mean_power
from particles.checks import Array, as_finite, as_points
from particles.errors import InvalidInput, TooLarge
from particles.measure import Measure

MAX_FACES = 20_000
_BLOCK = 65_536
_FLAT = 1e-12


def distance_to_atoms(mu: Measure, atoms: npt.ArrayLike, p: float = 2.0) -> float:
    """Least W_p from μ to a measure on the atoms (k, d), their masses free: (Σ w_i min_k |x_i − a_k|^p)^{1/p}.

    Refused: what `wasserstein` refuses of μ, densities on a grid, atoms of another dimension.
    """
    order, x = as_order(p), as_atoms(mu, "mu")
    sites = as_points(atoms, "atoms")
    require_same_dim(x.points.shape[1], sites.shape[1])
    distance, _ = cKDTree(sites).query(x.points)
    return root_mean_power(np.asarray(distance), x.weights, order)


def distance_to_hyperplanes(mu: Measure, normal: npt.ArrayLike, offsets: npt.ArrayLike, p: float = 2.0) -> float:
    """Least W_p from μ to a measure on the parallel hyperplanes {⟨normal, x⟩ = c}, c in `offsets` (k,).

    The limit sets of Theorem 4.2 have for `normal` the left eigenvector of V. Refused: a zero normal, no offsets.
    """
    order, x = as_order(p), as_atoms(mu, "mu")
    direction, levels = as_finite(normal, "normal"), np.sort(np.atleast_1d(as_finite(offsets, "offsets")))
    if direction.shape != (x.points.shape[1],) or not direction.any() or levels.ndim != 1 or levels.size == 0:
        raise InvalidInput(
            f"normal must be a non-zero vector ({x.points.shape[1]},) and offsets a list of levels, "
            f"got shapes {direction.shape} and {levels.shape}"
        )
    # By a power of two, which rounds nothing: the square of a tiny or a huge normal leaves float64.
    unit = 2.0 ** np.floor(np.log2(np.abs(direction).max()))
    direction, levels = direction / unit, levels / unit
    value = x.points @ direction
    above = np.minimum(np.searchsorted(levels, value), len(levels) - 1)
    gap = np.minimum(np.abs(value - levels[above]), np.abs(value - levels[np.maximum(above - 1, 0)]))
    return root_mean_power(gap / float(np.linalg.norm(direction)), x.weights, order)


def distance_to_polytope(mu: Measure, vertices: npt.ArrayLike, p: float = 2.0, boundary: bool = False) -> float:
    """Least W_p from μ to a measure on the convex hull K of `vertices` (k, d), or on its boundary.

    K may be flat (a point, a segment, a polygon in R³); its boundary is then the relative one, of a single point the
    point. A point outside K is nearest to a face, whose affine hull it projects into; a point inside is nearest, on
    the boundary, to a facet. Refused: polytopes of more than 20000 faces, which occur above dimension 5 or so.
    """
    order, x = as_order(p), as_atoms(mu, "mu")
    corners = as_points(vertices, "vertices")
    require_same_dim(x.points.shape[1], corners.shape[1])
    origin, basis = _affine_hull(corners)
    measure = _distance_within((corners - origin) @ basis.T, boundary)
    distance = np.empty(len(x.points))
    for start in range(0, len(distance), _BLOCK):
        centred = x.points[start : start + _BLOCK] - origin
        along = centred @ basis.T
        off = centred - along @ basis
        distance[start : start + _BLOCK] = np.hypot(measure(along), np.sqrt((off * off).sum(axis=1)))
    return root_mean_power(distance, x.weights, order)


def _affine_hull(corners: Array) -> tuple[Array, Array]:
    """A point of the affine hull (d,) and an orthonormal basis of its directions (r, d)."""
    origin = corners.mean(axis=0)
    _, sizes, directions = np.linalg.svd(corners - origin, full_matrices=False)
    scale = max(float(sizes[0]), float(np.abs(corners).max()) * _FLAT)
    return origin, np.asarray(directions[sizes > _FLAT * scale])


def _distance_within(corners: Array, boundary: bool) -> Callable[[Array], Array]:
    """Distance, inside the affine hull, of points (n, r) to the hull of `corners` (k, r) or to its boundary."""
    r = corners.shape[1]
    if r == 0:
        return lambda points: np.zeros(len(points))
    if r == 1:
        low, high = float(corners.min()), float(corners.max())
        faces = [np.array([[low]]), np.array([[high]])]
        normals, levels = np.array([[-1.0], [1.0]]), np.array([low, -high])
    else:
        hull = ConvexHull(corners)
        faces = _faces(corners, hull.simplices)
        normals, levels = hull.equations[:, :-1], hull.equations[:, -1]

    def distance(points: Array) -> Array:
        squared = np.full(len(points), np.inf)
        for face in faces:
            np.minimum(squared, _squared_to_simplex(points, face), out=squared)
        out: Array = np.sqrt(squared)
        if not boundary:
            out[(points @ normals.T + levels <= 0.0).all(axis=1)] = 0.0
        return out

    return distance


def _faces(corners: Array, simplices: npt.NDArray[np.intc]) -> list[Array]:
    """All faces of the simplices, each once, as arrays of their vertices."""
    found = {
        tuple(sorted(face))
        for simplex in simplices.tolist()
        for size in range(1, len(simplex) + 1)
        for face in combinations(simplex, size)
    }
    if len(found) > MAX_FACES:
        raise TooLarge(f"the polytope has {len(found)} faces, {MAX_FACES} are allowed: project to fewer dimensions")
    return [corners[list(face)] for face in found]


def _squared_to_simplex(points: Array, face: Array) -> Array:
    """|x − its projection on the face's affine hull|² where that lies in the face, infinity elsewhere."""
    step = points - face[0]
    if len(face) == 1:
        return np.asarray((step * step).sum(axis=1))
    edges = face[1:] - face[0]
    share = step @ np.linalg.pinv(edges)
    step -= share @ edges
    inside = (share >= 0.0).all(axis=1) & (share.sum(axis=1) <= 1.0)
    return np.asarray(np.where(inside, (step * step).sum(axis=1), np.inf))
