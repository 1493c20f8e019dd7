"""The finite set S of Theorem 8.1, the points where tokens may end on a polytope K, face by face."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from meanfield.measures.polytope import Polytope, hull
from particles.checks import Array, as_matrix, default_error_state
from particles.errors import InvalidInput

ORIGIN_INSIDE = 1e-8
"""Distance from 0 to K, relative to the size of K, below which 0 counts as a point of K."""


@default_error_state()
def candidate_set(polytope: Polytope, product: npt.ArrayLike, tolerance: float = 1e-9) -> Array:
    """S = {x ∈ K : ‖Ax‖² = max_j ⟨Ax, Av_j⟩}, A² = QᵀK = `product` (d, d) positive definite; Claim 1 of the paper.

    A point x ≠ 0 of S exposes a face: ⟨Ax, Av⟩ is largest, ‖Ax‖², exactly there. So x is the projection of 0 onto
    the affine hull of that face in the metric of QᵀK, it lies in the face, and every vertex v has ⟨Ax, Av⟩ ≤ ‖Ax‖²;
    each face gives at most one. 0 belongs to S where 0 ∈ K. Shape (s, d), rows sorted. `tolerance` is relative.

    Parameters
    ----------
    polytope : Polytope
        K.
    product : array (d, d)
        QᵀK, symmetric positive definite.
    tolerance : float
        Relative.

    Returns
    -------
    array (s, d)
        The points of S, rows sorted.

    Raises
    ------
    InvalidInput
        For a product of another shape or that is not symmetric positive definite.
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
    if np.linalg.norm(hull(mapped).project(np.zeros((1, len(metric))))) <= ORIGIN_INSIDE * size:
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
