"""Intervals that contain W₂, for clouds of any size and weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.distances.arguments import as_atoms, require_same_dim
from meanfield.distances.bounds.clouds import Pair, as_pair
from meanfield.distances.bounds.coarse import CELLS, coarse_transport
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
from meanfield.distances.bounds.rounding import LEAST_SQUARE, above, below, gamma
from meanfield.distances.bounds.sliced import gaussian_map, gelbrich_basis, rotations, squared_lower, squared_on_line
from meanfield.distances.bounds.sweeps import improve
from meanfield.distances.exact import wasserstein
from meanfield.measures.grid import GridMeasure, along
from particles.checks import Array, one_of
from particles.errors import InvalidInput
from particles.measure import EmpiricalMeasure, Measure

EFFORTS = ("cheap", "dual", "certify")
CERTIFIED_RTOL = 1e-9
"""Relative width of the squared bracket at which "certify" stops."""

_PARTITIONS = 8
_DUAL_ROUNDS = 2


@dataclass(frozen=True)
class Bracket:
    """lower ≤ W₂ ≤ upper (W₁ from `beckmann_bracket`), and what gave each bound."""

    lower: float
    upper: float
    lower_by: str
    upper_by: str

    def __post_init__(self) -> None:
        if not 0.0 <= self.lower <= self.upper < np.inf:
            raise InvalidInput(f"a bracket needs 0 ≤ lower ≤ upper < inf, got [{self.lower!r}, {self.upper!r}]")

    def __contains__(self, value: float) -> bool:
        return self.lower <= value <= self.upper

    @property
    def width(self) -> float:
        """upper − lower."""
        return self.upper - self.lower


def wasserstein_bracket(
    mu: Measure | GridMeasure, nu: Measure | GridMeasure, effort: str = "cheap", labelled: bool = False
) -> Bracket:
    """Bounds lower ≤ W₂(μ, ν) ≤ upper, rounding included, for measures of any size, weights and dimension.

    On the line both come from the monotone coupling and are equal up to rounding. In R^d, d ≥ 2:

    - "cheap", O(n log n): the best of a few couplings by binary space partition above; below, the measures sliced
      along orthonormal bases, one of which makes the bound at least Gelbrich's and the distance of the means.
    - "dual": also the exact plan between 1000 cells of each cloud, refined to a coupling of the points (upper) and
      its potentials closed by exact c-transforms (lower); of larger clouds the best coupling is then improved by exact
      transport inside blocks of 256 neighbours.
    - "certify": also column generation over a sparse network simplex until upper² − lower² ≤ 1e-9 upper².

    `labelled` declares that point i of μ belongs to point i of ν (two runs of one cloud): the identity coupling is then
    tried as well, and different weights are refused.

    A measure on a grid is a piecewise-constant density. On the line its bounds come from the closed form; in d ≥ 2
    from the atoms at the cell centres, widened by q² = Σ mass (h₁² + … + h_d²)/12, the cost of spreading each over its
    cell: upper² + q_μ² + q_ν², since the spreads are centred and independent, and lower − q_μ − q_ν
    (`density_bracket` is sharper in the plane). Refused: what `wasserstein` refuses, less its memory limit.
    """
    one_of(effort, EFFORTS, "effort")
    if isinstance(mu, GridMeasure) or isinstance(nu, GridMeasure):
        return _with_densities(mu, nu, effort, labelled)
    x, y = as_atoms(mu, "mu"), as_atoms(nu, "nu")
    require_same_dim(x.points.shape[1], y.points.shape[1])
    if labelled and not np.array_equal(mu.weights, nu.weights):
        raise InvalidInput("labelled=True needs the same number of points and the same weights in mu and nu")
    pair = as_pair(x, y)
    if x.points.shape[1] == 1:
        uppers, lowers = _on_the_line(pair)
    else:
        uppers, lowers = _in_space(pair, effort, labelled)
    upper, upper_by = min(uppers)
    lower, lower_by = max(lowers)
    if not lower > LEAST_SQUARE:
        lower, lower_by = 0.0, "zero"
        if upper > 0.0 and same_measure(x, y):
            upper, upper_by = 0.0, "equal measures"
    return Bracket(below(pair.unit * below(lower**0.5)), above(pair.unit * above(upper**0.5)), lower_by, upper_by)


Bound = tuple[float, str]


def _with_densities(mu: Measure | GridMeasure, nu: Measure | GridMeasure, effort: str, labelled: bool) -> Bracket:
    if labelled:
        raise InvalidInput("labelled=True is for two clouds of labelled points, not for densities on a grid")
    if _same_density(mu, nu):
        return Bracket(0.0, 0.0, "zero", "equal measures")
    extent = max(float(np.abs(_corners(m)).max()) for m in (mu, nu))
    if (isinstance(mu, GridMeasure) and mu.dim == 1) or (isinstance(nu, GridMeasure) and nu.dim == 1):
        # Levels are sums of up to k masses, off by γ_k, and W₂² is 4 D²-Lipschitz in them; values are off by 4u |x|.
        value = wasserstein(mu, nu) ** 2
        margin = 16.0 * gamma(sum(len(m.weights) for m in (mu, nu)) + 16) * (2.0 * extent) ** 2
        lower, upper = below(max(value - margin, 0.0) ** 0.5), above((value + margin) ** 0.5)
        return Bracket(lower, upper, "quantiles", "quantiles")
    (x, spread_x), (y, spread_y) = _as_cloud(mu), _as_cloud(nu)
    inner = wasserstein_bracket(x, y, effort)
    wider = 1.0 + gamma(64 + sum(len(m.weights) for m in (mu, nu)))
    lower = max(inner.lower - (spread_x**0.5 + spread_y**0.5) * wider, 0.0)
    upper = (inner.upper**2 + spread_x + spread_y) ** 0.5 * wider
    return Bracket(below(lower), above(upper), inner.lower_by if lower > 0 else "zero", inner.upper_by)


def _same_density(mu: Measure | GridMeasure, nu: Measure | GridMeasure) -> bool:
    if not (isinstance(mu, GridMeasure) and isinstance(nu, GridMeasure)):
        return False
    return mu.grid == nu.grid and np.array_equal(mu.masses, nu.masses)


def _corners(mu: Measure | GridMeasure) -> Array:
    return np.array(mu.grid.bounds) if isinstance(mu, GridMeasure) else mu.points


def _as_cloud(mu: Measure | GridMeasure) -> tuple[Measure, float]:
    """The atoms at the cell centres and the mean square Σ mass |h|²/12 of the cells about them; points as they are."""
    if not isinstance(mu, GridMeasure):
        return mu, 0.0
    squares = np.zeros(mu.grid.shape)
    for k, widths in enumerate(mu.grid.widths):
        squares += along(widths**2 / 12.0, k, mu.dim)
    return EmpiricalMeasure(mu.points, mu.weights), float((mu.masses * squares).sum())


def _on_the_line(pair: Pair) -> tuple[list[Bound], list[Bound]]:
    x, y = pair.x, pair.y
    u, v = x.points[:, 0], y.points[:, 0]
    i, j = np.argsort(u, kind="stable"), np.argsort(v, kind="stable")
    if x.uniform and y.uniform and len(i) == len(j):
        plan = Coupling(i, j, x.weights, exact=True)
    else:
        ordered = corner(x.weights[i], y.weights[j])
        plan = Coupling(i[ordered.i], j[ordered.j], ordered.mass)
    upper = squared_upper(x, y, plan, pair.diameter2)
    return [(upper, "monotone coupling")], [(squared_on_line(x, u, y, v), "monotone coupling")]


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
