"""Optimal plans, not only their cost: plan, potentials, barycentric map, displacement interpolation; barycentres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy
import xarray as xr

from meanfield.distances.arguments import (
    PASS_GROUND,
    STRAIGHT,
    Atoms,
    as_atoms,
    as_order,
    require_same_dim,
    warn_of_periods,
)
from meanfield.distances.bounds.couplings import Coupling, corner
from meanfield.distances.bracket import plane_densities, same_density, two_densities
from meanfield.distances.exact import (
    BYTES_PER_PAIR,
    cost_matrix,
    ground_cost,
    quantile,
    root_of_cost,
    semidiscrete,
)
from meanfield.distances.line_plans import LinePath, plan_on_the_line
from meanfield.distances.paths import AtomPath, CellPath
from meanfield.distances.pot import optimal_plan
from meanfield.distances.semidiscrete.pieces import ConvexPieces
from meanfield.measures.grid import GridMeasure
from particles.checks import Array, Frozen, as_weights, default_error_state, frozen, hold, number, positive, whole
from particles.errors import DistanceTooLarge, InvalidInput, NotConverged, NotSupported
from particles.fields.spaces import Euclidean, Space
from particles.measure import EmpiricalMeasure, Measure

_DECREASE = 1e-10


@dataclass(frozen=True, eq=False)
class Transport(Frozen):
    """An optimal plan of order p between the atoms x (n, d) of μ and y (m, d) of ν; of densities nearly optimal.

    Attributes
    ----------
    distance : W_p(μ, ν).
    plan : sparse (n, m), the mass that goes from x_i to y_j; its rows add up to μ, its columns to ν.
    potentials : f (n,), g (m,) with f_i + g_j ≤ d(x_i, y_j)^p, and equality where the plan has mass; −∞ at
        atoms of mass zero.
    source, target : x and y. Where one side is a density, its rows (or columns) are the power cells of the other side's
        points: their centroids, their masses in the plan, and potential 0, the density's own being the c-transform; on
        the line they are pieces of its cells, with its own potential at their middles.
    order, ground : p, and the space whose distance d is meant, None for R^d.
    error : how far `distance` may be from W_p: 0 where it is exact up to rounding, half the width of a proved bracket
        between two densities, whose plan leads from the cells of one to the blocks of the other, their means in its
        place.
    path : what moves along the plan, see `at`.
    """

    distance: float
    plan: scipy.sparse.csr_array
    potentials: tuple[Array, Array]
    source: Array
    target: Array
    order: float
    ground: Space | None
    error: float
    path: AtomPath | CellPath | LinePath

    def __post_init__(self) -> None:
        """Make every array read-only: a changed entry would belie the distance."""
        f, g = self.potentials
        hold(self, potentials=(frozen(f), frozen(g)), source=frozen(self.source), target=frozen(self.target))
        for array in (self.plan.data, self.plan.indices, self.plan.indptr):
            array.flags.writeable = False

    def _shown(self) -> dict[str, object]:
        n, m = self.plan.shape
        told = {"distance": self.distance, "plan": f"{self.plan.nnz} entries between {n} and {m} places"}
        return {**told, "order": self.order, "ground": self.ground or Euclidean(), "error": self.error}

    @property
    def map(self) -> Array:
        """The barycentric projection Σ_j π_ij y_j / μ_i of each x_i, shape (n, d); NaN where μ_i is 0."""
        if self.ground is not None and not isinstance(self.ground, Euclidean):
            raise NotSupported(f"a barycentric projection takes means, {self.ground!r} has none: use .plan or .at(s)")
        mass = np.asarray(self.plan.sum(axis=1)).ravel()
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.plan @ self.target) / mass[:, None])

    def at(self, s: float) -> Measure | GridMeasure:
        """The displacement interpolation at s in [0, 1], the measure s of the way from μ to ν (McCann 1997).

        Between clouds, mass π_ij at (1 − s) x_i + s y_j. From a density to points each power cell shrinks towards its
        point: ConvexPieces for 0 < s < 1. Between two densities each cell goes to its block of the other one by the
        affine map that takes mean and covariance to the block's; at 0 and 1 the measures are those given. Parts that
        rounding leaves without area are left out; where they hold more than 1e-9 of the mass, s is refused.

        On a circle, a torus or the sphere mass π_ij is at the share s of the shortest way from x_i to y_j; of points
        half a turn apart one of the two ways is taken, of opposite points of the sphere s is refused.
        """
        share = number(s, "s")
        if not 0.0 <= share <= 1.0:
            raise InvalidInput(f"s must lie in [0, 1], got {s!r}: 0 is mu, 1 is nu")
        return self.path.at(share)

    def to_dataset(self) -> xr.Dataset:
        """Points, potentials and the plan's entries (source index, target index, mass), with distance and order."""
        entries = self.plan.tocoo()
        return xr.Dataset(
            {
                "source": (("source_point", "component"), self.source),
                "target": (("target_point", "component"), self.target),
                "source_potential": ("source_point", self.potentials[0]),
                "target_potential": ("target_point", self.potentials[1]),
                "plan_source": ("entry", entries.row.astype(np.int64)),
                "plan_target": ("entry", entries.col.astype(np.int64)),
                "plan_mass": ("entry", entries.data),
                "distance": self.distance,
                "error": self.error,
                "order": self.order,
            }
        )


@default_error_state()
def transport(
    mu: Measure | GridMeasure,
    nu: Measure | GridMeasure,
    p: float = 2.0,
    *,
    ground: Space | None = None,
    max_bytes: int = 2**30,
) -> Transport:
    """An optimal plan for W_p(μ, ν): clouds in any dimension; anything on the line; densities of the plane for p = 2.

    On the line the rows (or columns) of a density are the pieces of its cells that go to one place, or evenly to one
    piece of the other density, each at its middle; `.at(s)` is a density on a grid of cells of its own.

    Two densities of the plane, one at least on a grid, p = 2: a plan from power cells of one to the means of blocks of
    the other, its distance the middle of the bracket of `wasserstein_bracket`, `.error` half its width.

    Parameters
    ----------
    mu, nu, p, ground, max_bytes
        As for `wasserstein`.

    Returns
    -------
    Transport
        `.distance`, the value of `wasserstein`, with `.plan`, `.potentials`, `.map` and `.at(s)`.

    Raises
    ------
    InvalidInput, NotSupported, DistanceTooLarge, NotConverged
        As for `wasserstein`.
    """
    order, limit = as_order(p), positive(max_bytes, "max_bytes")
    flat = ground is None or isinstance(ground, Euclidean)
    if ground is None:
        warn_of_periods(PASS_GROUND, mu, nu)
    if any(isinstance(m, (GridMeasure, ConvexPieces)) for m in (mu, nu)):
        if not flat:
            raise NotSupported(
                f"plans of densities are straight, not on {ground!r}: there is one of clouds, "
                "EmpiricalMeasure(mu.points, mu.weights), and on a circle "
                "wasserstein(mu, nu, ground=...) is the distance of the densities"
            )
        if any(isinstance(m, GridMeasure) and m.dim == 1 for m in (mu, nu)):
            found = plan_on_the_line(mu, nu, quantile(mu, "mu"), quantile(nu, "nu"), order)
            return Transport(*found[:5], order, ground, 0.0, found.path)
        if order == 2.0 and plane_densities(mu, nu):
            return _between_densities(mu, nu)
        return _with_density(mu, nu, order)
    x, y = as_atoms(mu, "mu"), as_atoms(nu, "nu")
    require_same_dim(x.points.shape[1], y.points.shape[1])
    if flat and x.points.shape[1] == 1:
        coupling, potentials, distance = _monotone(x, y, order)
    else:
        coupling, potentials, distance = _by_simplex(x, y, order, None if flat else ground, limit)
    rows, columns = np.flatnonzero(mu.weights > 0), np.flatnonzero(nu.weights > 0)
    shape = (len(mu.weights), len(nu.weights))
    plan = scipy.sparse.csr_array((coupling.mass, (rows[coupling.i], columns[coupling.j])), shape=shape)
    # An atom of mass zero is in no plan: −∞ is a potential that it may have with any other.
    f, g = np.full(shape[0], -np.inf), np.full(shape[1], -np.inf)
    f[rows], g[columns] = potentials
    path = AtomPath(mu.points, nu.points, plan, Euclidean() if ground is None else ground)
    return Transport(distance, plan, (f, g), mu.points, nu.points, order, ground, 0.0, path)


@default_error_state()
def barycenter(
    measures: Sequence[Measure], weights: npt.ArrayLike | None = None, *, points: int | None = None, steps: int = 200
) -> EmpiricalMeasure:
    """A W₂ barycentre of clouds, on `points` atoms of equal mass: argmin over ν of Σ_k λ_k W₂(μ_k, ν)².

    Each atom moves to the λ-mean of its barycentric projections onto the clouds, until the value falls no more
    (Álvarez-Esteban et al. 2016). The value never rises; on the line with as many atoms as each cloud has it is the
    exact barycentre, elsewhere the result is a stationary point. Starts from points of the cloud of largest weight.

    Parameters
    ----------
    measures : sequence of measures
        Clouds of one dimension.
    weights : array (k,), optional
        λ ≥ 0 of total 1, None for equal ones.
    points : int, optional
        The number of atoms, by default that of the largest cloud.
    steps : int
        The most steps.

    Returns
    -------
    EmpiricalMeasure
        ν, atoms (points, d) of equal mass.

    Raises
    ------
    InvalidInput
        For no clouds, clouds of different dimensions, weights that are no masses of total 1.
    NotConverged
        Where the value still falls after `steps`.
    """
    if not measures:
        raise InvalidInput("measures must hold one cloud at least, got none")
    clouds = [as_atoms(m, f"measures[{k}]") for k, m in enumerate(measures)]
    warn_of_periods(STRAIGHT, *measures)
    for cloud in clouds[1:]:
        require_same_dim(clouds[0].points.shape[1], cloud.points.shape[1])
    share = as_weights(weights, len(clouds), "weights")
    count = max(len(c.weights) for c in clouds) if points is None else whole(points, "points")
    first = clouds[int(np.argmax(share))]
    middles = (np.arange(count) + 0.5) / count
    levels = np.minimum(np.searchsorted(np.cumsum(first.weights), middles), len(first.weights) - 1)
    support = first.points[levels].copy()
    masses, value = np.full(count, 1.0 / count), np.inf
    for _ in range(whole(steps, "steps")):
        moved, total = np.zeros_like(support), 0.0
        for lam, cloud in zip(share, clouds, strict=True):
            found = transport(EmpiricalMeasure(support, masses), EmpiricalMeasure(cloud.points, cloud.weights))
            moved += lam * found.map
            total += float(lam) * found.distance**2
        if total >= value * (1.0 - _DECREASE):
            return EmpiricalMeasure(support, masses)
        support, value = moved, total
    raise NotConverged(f"the barycentre still moves after {steps} steps: raise steps")


def _monotone(x: Atoms, y: Atoms, p: float) -> tuple[Coupling, tuple[Array, Array], float]:
    """On the line: the monotone plan; potentials by following its entries, each shares a point with the last."""
    order_x, order_y = np.argsort(x.points[:, 0], kind="stable"), np.argsort(y.points[:, 0], kind="stable")
    plan = corner(x.weights[order_x], y.weights[order_y])
    u, v = x.points[order_x, 0], y.points[order_y, 0]
    f, g = np.zeros(len(u)), np.zeros(len(v))
    last_i, last_j = 0, -1
    for i, j in zip(plan.i, plan.j, strict=True):
        if i != last_i:
            f[i] = abs(u[i] - v[last_j]) ** p - g[last_j]
        if j != last_j:
            g[j] = abs(u[i] - v[j]) ** p - f[i]
        last_i, last_j = i, j
    back_f, back_g = np.empty_like(f), np.empty_like(g)
    back_f[order_x], back_g[order_y] = f, g
    cost = np.abs(u[plan.i] - v[plan.j])
    size = float(cost.max())
    distance = size * float(np.einsum("k,k->", plan.mass, (cost / size) ** p)) ** (1.0 / p) if size > 0.0 else 0.0
    return Coupling(order_x[plan.i], order_y[plan.j], plan.mass), (back_f, back_g), distance


def _by_simplex(
    x: Atoms, y: Atoms, p: float, ground: Space | None, max_bytes: float
) -> tuple[Coupling, tuple[Array, Array], float]:
    needed = BYTES_PER_PAIR * len(x.weights) * len(y.weights)
    if needed > max_bytes:
        raise DistanceTooLarge(
            f"an exact plan between {len(x.weights)} and {len(y.weights)} points needs {needed} bytes, {max_bytes:.0f} "
            "are allowed: use wasserstein_bracket(mu, nu), raise max_bytes, or take fewer points"
        )
    cost, unit = cost_matrix(x.points, y.points, p) if ground is None else ground_cost(x, y, p, ground, max_bytes)
    found = optimal_plan(x.weights, y.weights, cost)
    i, j = np.nonzero(found.plan)
    distance = unit * root_of_cost(found, x, y, p)
    return Coupling(i, j, found.plan[i, j]), (unit**p * found.u, unit**p * found.v), distance


def _with_density(mu: Measure | GridMeasure, nu: Measure | GridMeasure, p: float) -> Transport:
    """Rows, or columns, are the power cells: cell k goes to the points that lie at its site, by their weights."""
    found = semidiscrete(mu, nu, p).require()
    first = isinstance(mu, (GridMeasure, ConvexPieces))
    cloud = nu if first else mu
    held = np.flatnonzero(cloud.weights > 0)
    masses = cloud.weights[held] * (found.mass / found.weight)[found.cell]
    plan = scipy.sparse.csr_array((masses, (found.cell, held)), shape=(len(found.site), len(cloud.weights)))
    potential = np.full(len(cloud.weights), -np.inf)
    potential[held] = found.potential[found.cell]
    distance = float(max(found.squared, 0.0) ** 0.5)
    path = CellPath((mu, nu), found, first, None)
    return _by_cells(distance, 0.0, plan, potential, cloud.points, path)


def _between_densities(mu: Measure | GridMeasure, nu: Measure | GridMeasure) -> Transport:
    """Rows, or columns, are the cells of one density, the others the blocks of the other one."""
    near, second = two_densities(mu, nu, "cheap")
    found, blocks = near.found, near.blocks
    plan = scipy.sparse.csr_array((found.mass[found.cell], (found.cell, np.arange(len(blocks.mass)))))
    lower, upper = (0.0, 0.0) if same_density(mu, nu) else (near.lower**0.5, near.upper**0.5)
    path = CellPath((mu, nu), found, second, blocks.spread)
    middle, half = 0.5 * (lower + upper), 0.5 * (upper - lower)
    return _by_cells(middle, half, plan, found.potential[found.cell], blocks.mean, path)


def _by_cells(
    distance: float, error: float, plan: scipy.sparse.csr_array, potential: Array, target: Array, path: CellPath
) -> Transport:
    found = path.found
    own = np.zeros(len(found.site))
    if path.first:
        return Transport(distance, plan, (own, potential), found.centroid, target, 2.0, None, error, path)
    return Transport(distance, plan.T.tocsr(), (potential, own), target, found.centroid, 2.0, None, error, path)
