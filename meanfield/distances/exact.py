"""Exact Wasserstein distances, or an error that names the alternative."""

from __future__ import annotations

import numpy as np
import scipy

from meanfield.distances.arguments import (
    PASS_GROUND,
    Atoms,
    as_atoms,
    as_order,
    as_pieces,
    power_of_two,
    require_finite,
    require_same_dim,
    warn_of_periods,
)
from meanfield.distances.circle import on_circle, wasserstein_circle
from meanfield.distances.line import (
    Quantile,
    quantile_of_atoms,
    quantile_of_cells,
    root_mean_power,
    wasserstein_line,
    wasserstein_sorted,
)
from meanfield.distances.pot import DensePlan, optimal_plan
from meanfield.distances.semidiscrete.pieces import ConvexPieces
from meanfield.distances.semidiscrete.solution import SemiDiscrete, solve
from meanfield.measures.grid import GridMeasure
from particles.checks import Array, default_error_state, positive
from particles.errors import DistanceTooLarge, NotConverged, NotSupported
from particles.fields.spaces import Euclidean, Space, Torus
from particles.measure import Measure

BYTES_PER_PAIR = 48
"""Peak memory of the exact solver for each pair of points: cost matrix, plan and the simplex's own arcs."""


_LEAST_COST = 1e-280
"""Mean p-th power of the lengths, relative to that of the largest distance, below which powers underflow."""


@default_error_state()
def wasserstein(
    mu: Measure | GridMeasure,
    nu: Measure | GridMeasure,
    p: float = 2.0,
    *,
    ground: Space | None = None,
    max_bytes: int = 2**30,
) -> float:
    """The Wasserstein distance W_p(μ, ν) = (inf over plans π of ∫ d(x, y)^p dπ)^{1/p}.

    On the line: closed form through quantiles for any two of weighted points and piecewise-constant densities (a
    measure on a grid is such a density). In the plane, p = 2, points against a density, on a grid or on convex pieces:
    by power cells, whose masses are right to 1e-10 in L¹. In R^d, d ≥ 2, points against points: by a network simplex on
    the full cost matrix, 48 bytes for each pair; W_p^p then carries a rounding error of about 1e-11 of the p-th power
    of the longest way that any mass goes.

    Parameters
    ----------
    mu, nu : measures of mass 1 in the same dimension.
    p : the order, 1 ≤ p < ∞.
    ground : the space whose distance d is meant: None is Euclidean, with a warning, which Euclidean() silences, for
        measures that know their periods: of a run on a circle or torus (`measure_at`), or made with `periods`. A grid
        of angles knows none by itself. On Circle() and Torus((L,)) points and densities are transported exactly
        through the quantile shift; on any other space points only, by the simplex.
    max_bytes : the memory allowed for a cost matrix.

    Returns
    -------
    float
        W_p, not W_p^p, in the unit of the points.

    Raises
    ------
    InvalidInput : arrays, non-finite points, negative weights, mass off 1 by more than 1e-9.
    NotSupported : two densities in the plane, a density with p ≠ 2 or in d ≥ 3; wasserstein_bracket takes them.
    DistanceTooLarge : more memory than allowed.
    NotConverged : a solver that stopped early.
    """
    p = as_order(p)
    limit = positive(max_bytes, "max_bytes")
    if ground is not None and not isinstance(ground, Euclidean):
        return _on_a_space(mu, nu, p, ground, limit)
    if ground is None:
        warn_of_periods(PASS_GROUND, mu, nu)
    grids = [m for m in (mu, nu) if isinstance(m, GridMeasure)]
    if grids and grids[0].dim == 1:
        return wasserstein_line(quantile(mu, "mu"), quantile(nu, "nu"), p)
    if any(isinstance(m, (GridMeasure, ConvexPieces)) for m in (mu, nu)):
        return root_of_bounds(semidiscrete(mu, nu, p).require())
    x, y = as_atoms(mu, "mu"), as_atoms(nu, "nu")
    require_same_dim(x.points.shape[1], y.points.shape[1])
    if x.points.shape[1] == 1:
        return _on_the_line(x, y, p)
    return _in_space(x, y, p, limit)


def semidiscrete(mu: Measure | GridMeasure, nu: Measure | GridMeasure, p: float) -> SemiDiscrete:
    """Transport between a density of the plane and points, whichever is which."""
    pieces = [as_pieces(mu, "mu"), as_pieces(nu, "nu")]
    if None not in pieces or p != 2.0:
        raise NotSupported(
            f"an exact W_{p:g} is not computed for {'two densities' if None not in pieces else 'a density and points'} "
            f"in the plane, only W_2 of a density and points: {_instead(p, two=None not in pieces)}"
        )
    density, cloud, name = (pieces[0], nu, "nu") if pieces[0] is not None else (pieces[1], mu, "mu")
    assert density is not None
    atoms = as_atoms(cloud, name)
    require_same_dim(2, atoms.points.shape[1])
    return solve(atoms, density)


def _instead(p: float, *, two: bool) -> str:
    """What bounds the distance, the sharper or cheaper first."""
    cells = f'wasserstein_bracket(mu, nu, "cheap" or "dual", {p:g}) bounds it by the cells, which their width blurs'
    if not two:
        return cells
    if p == 2.0:
        return "density_bracket(mu, nu) bounds it, and so does wasserstein_bracket(mu, nu), which takes longer"
    return f"beckmann_bracket(mu, nu) bounds it on one uniform grid; {cells}" if p == 1.0 else cells


def root_of_bounds(found: SemiDiscrete) -> float:
    """W₂ from the dual value, which rounding may take below 0."""
    return float(max(found.squared, 0.0) ** 0.5)


def _on_a_space(mu: Measure | GridMeasure, nu: Measure | GridMeasure, p: float, ground: Space, limit: float) -> float:
    if isinstance(ground, Torus) and len(ground.periods) == 1:
        return wasserstein_circle(on_circle(mu, "mu", ground), on_circle(nu, "nu", ground), ground.periods[0], p)
    x, y = as_atoms(mu, "mu"), as_atoms(nu, "nu")
    require_same_dim(x.points.shape[1], y.points.shape[1])
    cost, unit = ground_cost(x, y, p, ground, limit)
    return float(unit * max(optimal_plan(x.weights, y.weights, cost).cost, 0.0) ** (1.0 / p))


def ground_cost(x: Atoms, y: Atoms, p: float, ground: Space, max_bytes: float) -> tuple[Array, float]:
    """(d(x_i, y_j) / unit)^p and the unit, in the distance of a space."""
    needed = BYTES_PER_PAIR * len(x.weights) * len(y.weights)
    if needed > max_bytes:
        raise DistanceTooLarge(
            f"an exact W_{p:g} between {len(x.weights)} and {len(y.weights)} points on {ground!r} needs {needed} bytes,"
            f" {max_bytes:.0f} are allowed: raise max_bytes, or take fewer points"
        )
    ground.check(x.points)
    ground.check(y.points)
    cost = np.empty((len(x.weights), len(y.weights)))
    for i, point in enumerate(x.points):
        cost[i] = ground.distance(point[None, :], y.points)
    unit = float(cost.max()) or 1.0
    return (cost / unit) ** p, unit


def _on_the_line(x: Atoms, y: Atoms, p: float) -> float:
    if x.uniform and y.uniform and len(x.weights) == len(y.weights):
        return wasserstein_sorted(np.sort(x.points.ravel()), np.sort(y.points.ravel()), p)
    return wasserstein_line(
        quantile_of_atoms(x.points.ravel(), x.weights), quantile_of_atoms(y.points.ravel(), y.weights), p
    )


def _in_space(x: Atoms, y: Atoms, p: float, max_bytes: float) -> float:
    n, m = len(x.weights), len(y.weights)
    if n == 1 or m == 1:
        weights = y.weights if n == 1 else x.weights
        cost, scale = cost_matrix(x.points, y.points, 1.0)
        return scale * root_mean_power(cost.ravel(), weights, p)
    needed = BYTES_PER_PAIR * n * m
    if needed > max_bytes:
        raise DistanceTooLarge(
            f"an exact W_{p:g} between {n} and {m} points needs {needed} bytes, {max_bytes:.0f} are allowed: "
            "use wasserstein_bracket(mu, nu), raise max_bytes, or take fewer points"
        )
    cost, scale = cost_matrix(x.points, y.points, p)
    return scale * root_of_cost(optimal_plan(x.weights, y.weights, cost), x, y, p)


def root_of_cost(found: DensePlan, x: Atoms, y: Atoms, p: float) -> float:
    """The p-th root of the cost of a plan between points of R^d; refused where the powers of the lengths underflow."""
    if found.cost < _LEAST_COST:
        i, j = np.nonzero(found.plan)
        if (x.points[i] != y.points[j]).any():
            raise NotConverged(
                f"the points move so little, compared with the largest distance between them, that the power p = {p:g} "
                "of it leaves float64: use wasserstein_bracket(mu, nu, p=p), or a smaller p"
            )
    return float(max(found.cost, 0.0) ** (1.0 / p))


def cost_matrix(x: Array, y: Array, p: float) -> tuple[Array, float]:
    """(|x_i − y_j| / scale)^p and the scale; SciPy subtracts before it squares, so an offset loses nothing."""
    with np.errstate(over="ignore"):
        extent = np.maximum(x.max(axis=0), y.max(axis=0)) - np.minimum(x.min(axis=0), y.min(axis=0))
    unit = power_of_two(require_finite(float(extent.max())))
    x, y = x / unit, y / unit
    if p == 2.0:
        return scipy.spatial.distance.cdist(x, y, "sqeuclidean"), unit
    cost = scipy.spatial.distance.cdist(x, y)
    if p != 1.0:
        largest = float(cost.max())
        if largest == 0.0:
            return cost, unit
        # Divided first: a power of large p overflows.
        cost /= largest
        cost **= p
        unit *= largest
    return cost, unit


def quantile(mu: Measure | GridMeasure, name: str) -> Quantile:
    """The quantile function of a measure on the line."""
    if isinstance(mu, GridMeasure):
        require_same_dim(mu.dim, 1)
        return quantile_of_cells(mu.grid.edges[0], mu.masses)
    atoms = as_atoms(mu, name)
    require_same_dim(atoms.points.shape[1], 1)
    return quantile_of_atoms(atoms.points.ravel(), atoms.weights)
