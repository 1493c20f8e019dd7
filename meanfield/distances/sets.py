"""Distances from a measure to the measures carried by a set: each point goes to its nearest point of the set.

min over ν supported on A of W_p(μ, ν) = (∫ dist(x, A)^p dμ)^{1/p}. Everything here walks through the points in
blocks, so memory is O(n) and a million points are no trouble.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from meanfield.distances.arguments import as_atoms, as_order, require_same_dim
from meanfield.distances.line import root_mean_power
from meanfield.measures.polytope import hull
from particles.checks import as_finite, as_points, default_error_state
from particles.errors import InvalidInput
from particles.measure import Measure

_FLAT = 1e-12
"""Extent, relative to the largest, below which a polytope counts as flat here."""


@default_error_state()
def distance_to_atoms(mu: Measure, atoms: npt.ArrayLike, p: float = 2.0) -> float:
    """Least W_p from μ to a measure on the atoms (k, d), their masses free: (Σ w_i min_k |x_i − a_k|^p)^{1/p}.

    Parameters
    ----------
    mu : measure
        A cloud in R^d.
    atoms : array (k, d)
        The atoms.
    p : float
        The order, 1 ≤ p < ∞.

    Returns
    -------
    float
        The distance.

    Raises
    ------
    InvalidInput
        For what `wasserstein` refuses of μ, atoms of another dimension.
    NotSupported
        For densities on a grid.
    """
    order, x = as_order(p), as_atoms(mu, "mu")
    sites = as_points(atoms, "atoms")
    require_same_dim(x.points.shape[1], sites.shape[1])
    distance, _ = scipy.spatial.cKDTree(sites).query(x.points)
    return root_mean_power(np.asarray(distance), x.weights, order)


@default_error_state()
def distance_to_hyperplanes(mu: Measure, normal: npt.ArrayLike, offsets: npt.ArrayLike, p: float = 2.0) -> float:
    """Least W_p from μ to a measure on the parallel hyperplanes {⟨normal, x⟩ = c}, c in `offsets` (k,).

    The limit sets of Theorem 4.2 have for `normal` the left eigenvector of V.

    Parameters
    ----------
    mu : measure
        A cloud in R^d.
    normal : array (d,)
        The normal of all hyperplanes, not 0.
    offsets : array (k,)
        The values c, at least one.
    p : float
        The order, 1 ≤ p < ∞.

    Returns
    -------
    float
        The distance.

    Raises
    ------
    InvalidInput
        For a zero normal, no offsets, and what `distance_to_atoms` refuses.
    NotSupported
        For densities on a grid.
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


@default_error_state()
def distance_to_polytope(mu: Measure, vertices: npt.ArrayLike, p: float = 2.0, boundary: bool = False) -> float:
    """Least W_p from μ to a measure on the convex hull K of `vertices` (k, d), or on its boundary.

    K may be flat (a point, a segment, a polygon in R³); its boundary is then the relative one, of a single point the
    point. A point outside K is nearest to a face, whose affine hull it projects into; a point inside is nearest, on
    the boundary, to a facet.

    Parameters
    ----------
    mu : measure
        A cloud in R^d.
    vertices : array (k, d)
        Points of which K is the convex hull.
    p : float
        The order, 1 ≤ p < ∞.
    boundary : bool
        Whether the boundary of K is meant.

    Returns
    -------
    float
        The distance.

    Raises
    ------
    InvalidInput
        For what `distance_to_atoms` refuses.
    NotSupported
        For densities on a grid, and polytopes of more than 20000 faces, which occur above dimension 5 or so.
    """
    order, x = as_order(p), as_atoms(mu, "mu")
    corners = as_points(vertices, "vertices")
    require_same_dim(x.points.shape[1], corners.shape[1])
    polytope = hull(corners, flat=_FLAT)
    distance = polytope.boundary_distance(x.points) if boundary else polytope.distance(x.points)
    return root_mean_power(distance, x.weights, order)
