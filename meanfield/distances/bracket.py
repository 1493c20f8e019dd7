"""Intervals that contain W_p, for clouds of any size and weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.distances.arguments import (
    STRAIGHT,
    Atoms,
    as_atoms,
    as_order,
    as_pieces,
    require_same_dim,
    warn_of_periods,
)
from meanfield.distances.bounds.clouds import Pair, as_pair
from meanfield.distances.bounds.coarse import CELLS, coarse_coupling, coarse_transport
from meanfield.distances.bounds.column_generation import certify
from meanfield.distances.bounds.couplings import (
    Coupling,
    binary_space,
    corner,
    merged,
    permutation,
    squared_upper,
    whole,
)
from meanfield.distances.bounds.dual import close
from meanfield.distances.bounds.equality import same_measure
from meanfield.distances.bounds.powers import power_lower, power_sliced, power_upper
from meanfield.distances.bounds.rounding import LEAST_SQUARE, above, below, gamma
from meanfield.distances.bounds.sliced import gaussian_map, gelbrich_basis, rotations, squared_lower, squared_on_line
from meanfield.distances.bounds.sweeps import improve
from meanfield.distances.exact import semidiscrete, wasserstein
from meanfield.distances.semidiscrete.cell_bounds import squared_bounds
from meanfield.distances.semidiscrete.pieces import ConvexPieces
from meanfield.distances.semidiscrete.quantised import Between, between
from meanfield.measures.grid import GridMeasure, along
from particles.checks import Array, default_error_state, one_of
from particles.display import Shown
from particles.errors import InvalidInput, NotSupported
from particles.fields.spaces import Euclidean, Space
from particles.measure import EmpiricalMeasure, Measure

EFFORTS = ("cheap", "dual", "certify")
CERTIFIED_RTOL = 1e-9
"""Relative width of the squared bracket at which "certify" stops."""

QUANTISED = {"cheap": 4096, "dual": 16384, "certify": 65536}
"""Points that stand for one of two densities of the plane."""

_PARTITIONS = 8
_DUAL_ROUNDS = 2


@dataclass(frozen=True)
class Bracket(Shown):
    """lower ≤ W_p ≤ upper, and what gave each bound.

    Parameters
    ----------
    lower, upper : float
        The bounds.
    lower_by, upper_by : str
        What gave each of them.
    """

    lower: float
    upper: float
    lower_by: str
    upper_by: str

    def __post_init__(self) -> None:
        if not 0.0 <= self.lower <= self.upper < np.inf:
            raise InvalidInput(f"a bracket needs 0 ≤ lower ≤ upper < inf, got [{self.lower!r}, {self.upper!r}]")

    def __contains__(self, value: float) -> bool:
        return self.lower <= value <= self.upper

    def __repr__(self) -> str:
        # All digits: a bound that is rounded is none.
        return f"Bracket({self.lower!r} ≤ W_p ≤ {self.upper!r}; lower by {self.lower_by}, upper by {self.upper_by})"

    def _shown(self) -> dict[str, object]:
        width = self.width / self.upper if self.upper > 0.0 else 0.0
        rows = {"lower": f"{self.lower!r}, by {self.lower_by}", "upper": f"{self.upper!r}, by {self.upper_by}"}
        return {**rows, "relative width": width}

    @property
    def width(self) -> float:
        """upper − lower."""
        return self.upper - self.lower


@default_error_state()
def wasserstein_bracket(
    mu: Measure | GridMeasure,
    nu: Measure | GridMeasure,
    effort: str = "cheap",
    p: float = 2.0,
    *,
    labelled: bool = False,
    ground: Space | None = None,
) -> Bracket:
    """Bounds lower ≤ W_p(μ, ν) ≤ upper, rounding included, for measures of any size, weights and dimension.

    On the line both come from the monotone coupling and are equal up to rounding. In R^d, d ≥ 2:

    - "cheap", O(n log n): the best of a few couplings by binary space partition above; below, the measures sliced
      along orthonormal bases, one of which makes the bound on W₂ at least Gelbrich's and the distance of the means.
    - "dual": also the exact plan between 1000 cells of each cloud, refined to a coupling of the points (upper) and
      its potentials closed by exact c-transforms (lower); of larger clouds the best coupling is then improved by exact
      transport inside blocks of 256 neighbours (p = 2). For p ≠ 2 the transforms take O(n m) time.
    - "certify": also column generation over a sparse network simplex until upper² − lower² ≤ 1e-9 upper² (p = 2 only),
      or as near as it comes: costs are resolved to about 1e-15 of the largest, which two clusters at a distance of 1e7
      times their spread leave behind. The bounds hold all the same.

    `labelled` declares that point i of μ belongs to point i of ν (two runs of one cloud): the identity coupling is then
    tried as well, and different weights are refused.

    A measure on a grid is a piecewise-constant density. On the line its bounds come from the closed form. In the plane,
    against points and for p = 2, they come from the power cells of the points at any effort: the dual value below,
    the plan that they are, repaired, above. Two densities of the plane, one at least on a grid, p = 2: one of them is
    replaced by points, 4096, 16 384 or 65 536 of them by effort, at the means of blocks of its cells (upper) and at
    their corners (lower), which changes W₂² by the mean square of the blocks' widths. Otherwise from the atoms at the
    cell centres, widened by what it costs to spread each over its cell: for p = 2 q² = Σ mass (h₁² + … + h_d²)/12,
    upper² + q_μ² + q_ν², since the spreads are
    centred and independent, and lower − q_μ − q_ν (`density_bracket` is sharper in the plane); for other p half the
    diagonal of each cell in place of q, added to the upper bound.

    Parameters
    ----------
    mu, nu : measures
        Of mass 1, in one dimension d.
    effort : str
        "cheap", "dual" or "certify".
    p : float
        The order, 1 ≤ p < ∞.
    labelled : bool
        Whether point i of μ belongs to point i of ν.
    ground : Space, optional
        None or Euclidean(), which silences the warning for measures that know their periods; brackets of other spaces
        are refused, `wasserstein(mu, nu, p, ground=...)` serves them.

    Returns
    -------
    Bracket
        `.lower`, `.upper`, and what gave each of them.

    Raises
    ------
    InvalidInput
        For an unknown effort, different weights of labelled points, and what `wasserstein` refuses of a measure.
    NotSupported
        For densities in more dimensions than are served, and any space but R^d.
    """
    one_of(effort, EFFORTS, "effort")
    order = as_order(p)
    if ground is None:
        warn_of_periods(STRAIGHT, mu, nu)
    elif not isinstance(ground, Euclidean):
        raise NotSupported(
            f"bounds are computed with straight lines, not on {ground!r}: wasserstein(mu, nu, {order:g}, "
            "ground=...) is exact there up to rounding, on Circle() for points and densities, else for points"
        )
    if order != 2.0 and effort == "certify":
        raise InvalidInput(f"effort 'certify' is for p = 2, got p = {order:g}: take 'dual'")
    if any(isinstance(m, (GridMeasure, ConvexPieces)) for m in (mu, nu)):
        if labelled:
            raise InvalidInput("labelled=True is for two clouds of labelled points, not for densities on a grid")
        return with_densities(mu, nu, effort, order)
    x, y = as_atoms(mu, "mu"), as_atoms(nu, "nu")
    require_same_dim(x.points.shape[1], y.points.shape[1])
    if labelled and not np.array_equal(mu.weights, nu.weights):
        raise InvalidInput("labelled=True needs the same number of points and the same weights in mu and nu")
    return _of_clouds(x, y, effort, labelled, order)


def _of_clouds(x: Atoms, y: Atoms, effort: str, labelled: bool, p: float) -> Bracket:
    pair = as_pair(x, y)
    if p != 2.0:
        uppers, lowers = _in_order(pair, effort, labelled, p)
    elif x.points.shape[1] == 1:
        uppers, lowers = _on_the_line(pair)
    else:
        uppers, lowers = _in_space(pair, effort, labelled)
    upper, upper_by = min(uppers)
    lower, lower_by = max(lowers)
    if not lower > LEAST_SQUARE:
        lower, lower_by = 0.0, "zero"
        if upper > 0.0 and same_measure(x, y):
            upper, upper_by = 0.0, "equal measures"
    lower, upper = lower ** (1.0 / p) * (1.0 - gamma(8)), upper ** (1.0 / p) * (1.0 + gamma(8))
    return Bracket(below(pair.unit * below(lower)), above(pair.unit * above(upper)), lower_by, upper_by)


Bound = tuple[float, str]


def with_densities(mu: Measure | GridMeasure, nu: Measure | GridMeasure, effort: str, p: float) -> Bracket:
    """The bracket where one measure at least is a density."""
    if same_density(mu, nu):
        return Bracket(0.0, 0.0, "zero", "equal measures")
    if any(isinstance(m, GridMeasure) and m.dim == 1 for m in (mu, nu)):
        return _densities_on_the_line(mu, nu, p)
    if p == 2.0 and [_in_the_plane(mu), _in_the_plane(nu)].count(True) == 1:
        return _by_cells(squared_bounds(semidiscrete(mu, nu, 2.0), _diameter2(mu, nu)))
    if p == 2.0 and plane_densities(mu, nu):
        return _by_cells(two_densities(mu, nu, effort)[0][:2])
    return by_means(mu, nu, effort, p)


def by_means(mu: Measure | GridMeasure, nu: Measure | GridMeasure, effort: str, p: float) -> Bracket:
    """The bracket of the atoms at the means of the cells, widened by what it costs to spread them."""
    if same_density(mu, nu):
        return Bracket(0.0, 0.0, "zero", "equal measures")
    (x, spread_x), (y, spread_y) = as_cloud(mu, p), as_cloud(nu, p)
    inner = wasserstein_bracket(x, y, effort, p=p)
    wider = 1.0 + gamma(64 + sum(len(m.weights) for m in (mu, nu)))
    lower = max(inner.lower - (spread_x + spread_y) * wider, 0.0)
    upper = inner.upper + spread_x + spread_y
    if p == 2.0:
        upper = (inner.upper**2 + spread_x**2 + spread_y**2) ** 0.5
    return Bracket(below(lower), above(upper * wider), inner.lower_by if lower > 0 else "zero", inner.upper_by)


def _densities_on_the_line(mu: Measure | GridMeasure, nu: Measure | GridMeasure, p: float) -> Bracket:
    """Levels are sums of up to k masses, off by γ_k, and W_p^p is 2 p D^p-Lipschitz in them; values are off by 4u |x|.

    The p-th root of that share of D^p bounds what rounding can do to W_p itself.
    """
    extent = max(float(np.abs(_corners(m)).max()) for m in (mu, nu))
    size = 2.0 * extent
    value = wasserstein(mu, nu, p, ground=Euclidean()) / size if size > 0.0 else 0.0
    margin = 8.0 * p * gamma(sum(len(m.weights) for m in (mu, nu)) + 16)
    lower = below(max(value**p - margin, 0.0) ** (1.0 / p) * size)
    upper = above((value**p + margin) ** (1.0 / p) * size)
    return Bracket(lower, upper, "quantiles", "quantiles")


def _by_cells(squared: tuple[float, float]) -> Bracket:
    lower, upper = below(squared[0] ** 0.5), above(squared[1] ** 0.5)
    return Bracket(lower, max(upper, lower), "power cells" if lower > 0.0 else "zero", "power cells")


def _in_the_plane(mu: Measure | GridMeasure) -> bool:
    return isinstance(mu, ConvexPieces) or (isinstance(mu, GridMeasure) and mu.dim == 2)


def plane_densities(mu: Measure | GridMeasure, nu: Measure | GridMeasure) -> bool:
    """Whether both are densities of the plane, one at least on a grid."""
    return _in_the_plane(mu) and _in_the_plane(nu) and any(isinstance(m, GridMeasure) for m in (mu, nu))


def two_densities(mu: Measure | GridMeasure, nu: Measure | GridMeasure, effort: str) -> tuple[Between, bool]:
    """The bounds for two densities of the plane, and whether ν is the one in blocks for which points stand.

    That is the one on the finer cells; where those are alike, the one in fewer of them.
    """
    grids = [m for m in (mu, nu) if isinstance(m, GridMeasure)]
    widths = [as_cloud(m, 2.0)[1] for m in grids]
    if len(grids) == 2 and max(widths) <= 2.0 * min(widths):
        chosen = max(grids, key=lambda m: float((m.masses**2).sum()))
    else:
        chosen = grids[int(np.argmin(widths))]
    second = chosen is not mu
    other = as_pieces(mu if second else nu, "mu" if second else "nu")
    assert other is not None
    return between(other, chosen, QUANTISED[effort], _diameter2(mu, nu)), second


def _diameter2(mu: Measure | GridMeasure, nu: Measure | GridMeasure) -> float:
    corners = np.concatenate([_box(mu), _box(nu)])
    span = corners.max(axis=0) - corners.min(axis=0)
    return float(span @ span) * (1.0 + gamma(16))


def _box(mu: Measure | GridMeasure) -> Array:
    if isinstance(mu, ConvexPieces):
        return mu.corners
    return np.array(mu.grid.bounds).T if isinstance(mu, GridMeasure) else mu.points


def same_density(mu: Measure | GridMeasure, nu: Measure | GridMeasure) -> bool:
    """Whether both have the same masses on the same grid."""
    if not (isinstance(mu, GridMeasure) and isinstance(nu, GridMeasure)):
        return False
    return mu.grid == nu.grid and np.array_equal(mu.masses, nu.masses)


def _corners(mu: Measure | GridMeasure) -> Array:
    return np.array(mu.grid.bounds) if isinstance(mu, GridMeasure) else mu.points


def as_cloud(mu: Measure | GridMeasure, p: float) -> tuple[Measure, float]:
    """The atoms at the cells' means, and a bound on W_p from them to the cells; points as they are."""
    if isinstance(mu, ConvexPieces):
        if p <= 2.0:
            return EmpiricalMeasure(mu.points, mu.weights), float((mu.weights @ mu.spread[:, [0, 2]]).sum() ** 0.5)
        far = np.linalg.norm(mu.corners - np.repeat(mu.points, np.diff(mu.start), axis=0), axis=1)
        return EmpiricalMeasure(mu.points, mu.weights), float(far.max())
    if not isinstance(mu, GridMeasure):
        return EmpiricalMeasure(mu.points, mu.weights), 0.0
    squares = np.zeros(mu.grid.shape)
    for k, widths in enumerate(mu.grid.widths):
        squares += along(widths**2 / (12.0 if p <= 2.0 else 4.0), k, mu.dim)
    held = mu.masses > 0
    spread = float((mu.masses * squares).sum()) if p <= 2.0 else float(squares[held].max())
    return EmpiricalMeasure(mu.points, mu.weights), spread**0.5


def _in_order(pair: Pair, effort: str, labelled: bool, p: float) -> tuple[list[Bound], list[Bound]]:
    """Bounds on W_p^p for p ≠ 2."""
    x, d = pair.x, pair.x.points.shape[1]
    rng = np.random.default_rng(0)
    if d == 1:
        plans = [(_monotone(pair), "monotone coupling")]
        lowers = [(power_sliced(pair, np.ones((1, 1)), p) ** p * (1.0 - gamma(32 * p)), "monotone coupling")]
    else:
        bases = np.concatenate([gelbrich_basis(pair), np.eye(d), *rotations(d, max(1, 8 // d), rng)], axis=1)
        lowers = [(power_sliced(pair, bases, p) ** p * (1.0 - gamma(32 * p)), "sliced")]
        plans = [(plan, "binary space partition") for plan in _partitions(pair, rng)]
    if labelled:
        plans.append((permutation(np.arange(len(x.weights)), x.weights), "identity"))
    if effort == "dual" and d > 1:
        normals = rotations(d, 1, rng)[0]
        plan, sites, v = coarse_coupling(pair, (gaussian_map(pair) @ normals).T, normals.T, rng, p)
        plans.append((plan, "coarse plan"))
        lowers.append((power_lower(pair, sites, v, p), "dual"))
    return [(power_upper(pair, plan, p), name) for plan, name in plans], lowers


def _monotone(pair: Pair) -> Coupling:
    x, y = pair.x, pair.y
    i, j = np.argsort(x.points[:, 0], kind="stable"), np.argsort(y.points[:, 0], kind="stable")
    if x.uniform and y.uniform and len(i) == len(j):
        return Coupling(i, j, x.weights, exact=True)
    ordered = corner(x.weights[i], y.weights[j])
    return Coupling(i[ordered.i], j[ordered.j], ordered.mass)


def _on_the_line(pair: Pair) -> tuple[list[Bound], list[Bound]]:
    x, y = pair.x, pair.y
    upper = squared_upper(x, y, _monotone(pair), pair.diameter2)
    lower = squared_on_line(x, x.points[:, 0], y, y.points[:, 0])
    return [(upper, "monotone coupling")], [(lower, "monotone coupling")]


def _in_space(pair: Pair, effort: str, labelled: bool) -> tuple[list[Bound], list[Bound]]:
    x, y, d = pair.x, pair.y, pair.x.points.shape[1]
    rng = np.random.default_rng(0)
    bases = [gelbrich_basis(pair), np.eye(d), *rotations(d, max(1, 8 // d), rng)]
    lowers = [(squared_lower(pair, basis), "sliced") for basis in bases]
    plans = [(plan, "binary space partition") for plan in _partitions(pair, rng)]
    if labelled:
        plans.append((permutation(np.arange(len(x.weights)), x.weights), "identity"))
    if effort != "cheap":
        normals = rotations(d, 1, rng)[0]
        plan, f = coarse_transport(pair, (gaussian_map(pair) @ normals).T, normals.T, rng)
        plans.append((plan, "coarse plan"))
        lowers.append((close(pair, f, _DUAL_ROUNDS).squared_lower, "dual"))
    uppers = [(squared_upper(x, y, plan, pair.diameter2), name) for plan, name in plans]
    best = plans[int(np.argmin([value for value, _ in uppers]))][0]
    upper, lower = min(uppers)[0], max(lowers)[0]
    if effort == "dual" and max(len(x.weights), len(y.weights)) > CELLS and upper - lower > CERTIFIED_RTOL * upper:
        better = improve(pair, best, rng)
        uppers.append((squared_upper(x, y, better, pair.diameter2), "block sweeps"))
    if effort == "certify":
        lower, upper = certify(pair, best, f, CERTIFIED_RTOL)
        lowers.append((lower, "network simplex"))
        uppers.append((upper, "network simplex"))
    return uppers, lowers


def _partitions(pair: Pair, rng: np.random.Generator) -> list[Coupling]:
    x, y = pair.x, pair.y
    linear = gaussian_map(pair)
    # A half space {⟨y, v⟩ ≤ c} is the image of {⟨x, Hv⟩ ≤ c} under the linear map H, H symmetric.
    plans = [
        binary_space(x, y, whole(x), whole(y), (linear @ v).T, v.T)
        for v in rotations(x.points.shape[1], _PARTITIONS, rng)
    ]
    if x.uniform and y.uniform and len(x.weights) == len(y.weights):
        return [permutation(merged(x.points, y.points, plans), x.weights)]
    return plans
