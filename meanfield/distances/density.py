"""W₂ between piecewise-constant densities on plane grids: an estimate and true bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.distances.arguments import STRAIGHT, warn_of_periods
from meanfield.distances.bounds.rounding import UNIT, above, below, gamma
from meanfield.distances.bracket import by_means
from meanfield.distances.line import quantile_of_cells, refine, wasserstein_line
from meanfield.distances.sinkhorn import Axes, entropic, entropic_self, soft_transform
from meanfield.measures.grid import GridMeasure
from particles.checks import Array, default_error_state, positive, whole
from particles.errors import InvalidInput, NotSupported

EPSILON_SHARE = 1 / 600
"""The least ε as a share of the longer axis squared; below 1/700 the Gaussian kernel underflows across the grid."""


@dataclass(frozen=True)
class DensityBracket:
    """lower ≤ W₂ ≤ upper for the densities themselves, and an estimate between them that is no bound.

    Parameters
    ----------
    lower, upper : float
        The bounds.
    estimate : float
        A value between them that is no bound.
    epsilon : float
        The regularisation of the estimate, in squared units of length.
    marginal_error : float
        How far the marginals of its plans are off, in L¹.
    """

    lower: float
    upper: float
    estimate: float
    epsilon: float
    marginal_error: float


@default_error_state()
def density_bracket(
    mu: GridMeasure, nu: GridMeasure, epsilon: float | None = None, tolerance: float = 1e-7, max_steps: int = 5000
) -> DensityBracket:
    """W₂ between two densities, constant on the cells of plane grids that may differ.

    - estimate: the Sinkhorn divergence OT_ε(μ,ν) − ½ OT_ε(μ,μ) − ½ OT_ε(ν,ν) (Feydy et al. 2019) between the atoms at
      the cell centres, for which the spread inside a cell cancels, moved to the nearer bound where it lies outside;
    - lower: its debiased potential, made feasible by an exact c-transform between the grids' vertices;
    - upper: the better of the two Knothe–Rosenblatt couplings, exact for piecewise-constant densities, or the couplings
      of the atoms at the cell centres where they are better still (as where mass turns: no monotone coupling sees it).

    Parameters
    ----------
    mu, nu : GridMeasure
        Densities of the plane.
    epsilon : float, optional
        The regularisation, in squared units of length, at least 1/600 of the longer axis squared; smaller values would
        underflow. None is that, or half the widest cell squared where cells are wide: well below it Sinkhorn's
        algorithm hardly moves from cell to cell.
    tolerance : float
        How far the marginals may be off, in L¹.
    max_steps : int
        The most steps of Sinkhorn's algorithm.

    Returns
    -------
    DensityBracket
        The bounds and the estimate.

    Raises
    ------
    InvalidInput
        For other dimensions, an ε that underflows or is beyond 10⁶ squared diagonals.
    NotConverged
        For marginals off by more than `tolerance` after `max_steps`.
    """
    for name, measure in (("mu", mu), ("nu", nu)):
        if not isinstance(measure, GridMeasure) or measure.dim != 2:
            raise NotSupported(f"density_bracket takes two measures on plane grids, {name} is {measure!r}")
    warn_of_periods(STRAIGHT, mu, nu)
    tolerance, max_steps = positive(tolerance, "tolerance"), whole(max_steps, "max_steps")
    x, y, centre = _centred(mu, nu)
    extents = [float(max(u[-1], v[-1]) - min(u[0], v[0])) for u, v in zip(x, y, strict=True)]
    extent2, least = sum(e * e for e in extents), EPSILON_SHARE * max(extents) ** 2
    widest = max(float(w.max()) for measure in (mu, nu) for w in measure.grid.widths)
    eps = max(least, 0.5 * widest**2) if epsilon is None else positive(epsilon, "epsilon")
    # Far above the squared diagonal the plan is that of independent marginals, and the potentials lose their digits.
    most = 1e6 * extent2
    if not least <= eps <= most:
        raise InvalidInput(f"epsilon must be at least {least:g} and at most {most:g} on these grids, got {epsilon!r}")
    estimate2, vertex_g, error = _debiased(x, mu.masses, y, nu.masses, eps, tolerance, max_steps)
    lower2 = _vertex_dual(x, mu.masses, y, nu.masses, vertex_g, extent2)
    upper2 = min(
        _knothe_rosenblatt(x, mu.masses, y, nu.masses, extent2),
        _knothe_rosenblatt(x[::-1], mu.masses.T, y[::-1], nu.masses.T, extent2),
    )
    # The edges were moved by `centre`, which rounds them by u of themselves at most.
    moved = 4.0 * UNIT * (float(np.abs(centre).max()) + extent2**0.5)
    lower = max(below(max(lower2, 0.0) ** 0.5) - moved, 0.0)
    upper = min(above(upper2**0.5) + moved, by_means(mu, nu, "cheap", 2.0).upper)
    estimate = min(max(max(estimate2, 0.0) ** 0.5, lower), upper)
    return DensityBracket(lower, upper, estimate, eps, error)


def _centred(mu: GridMeasure, nu: GridMeasure) -> tuple[Axes, Axes, Array]:
    """The edges of both grids about the middle of the box that holds them, and that middle."""
    pairs = list(zip(mu.grid.edges, nu.grid.edges, strict=True))
    middle = np.array([0.5 * (min(u[0], v[0]) + max(u[-1], v[-1])) for u, v in pairs])
    x = (pairs[0][0] - middle[0], pairs[1][0] - middle[1])
    y = (pairs[0][1] - middle[0], pairs[1][1] - middle[1])
    return x, y, middle


def _debiased(
    x: Axes, a: Array, y: Axes, b: Array, epsilon: float, tolerance: float, max_steps: int
) -> tuple[float, Array, float]:
    """The Sinkhorn divergence, the debiased potential at the vertices of y's grid, and the marginals' error."""
    cx, cy = _centres(x), _centres(y)
    cross = entropic(cx, a, cy, b, epsilon, tolerance, max_steps)
    self_x = entropic_self(cx, a, epsilon, tolerance, max_steps)
    self_y = entropic_self(cy, b, epsilon, tolerance, max_steps)
    with np.errstate(divide="ignore"):
        log_a, log_b = epsilon * np.log(a), epsilon * np.log(b)
    g = soft_transform(y, cx, cross.f + log_a, epsilon)
    own = soft_transform(y, cy, self_y.f + log_b, epsilon)
    value = cross.value - 0.5 * self_x.value - 0.5 * self_y.value
    return value, g - own, max(cross.error, self_x.error, self_y.error)


def _vertex_dual(x: Axes, a: Array, y: Axes, b: Array, g: Array, extent2: float) -> float:
    """A true lower bound on W₂² from any values g at the vertices of y's grid.

    φ(x) = max over vertices v of ⟨x, v⟩ − ψ_v, ψ = (|v|² − g_v)/2, is convex, and with ψ interpolated bilinearly
    φ(x) + ψ(y) ≥ ⟨x, y⟩ for all x and all y of the box. On a cell the mean of φ is at most, that of ψ exactly, the
    mean of its corners. So W₂² ≥ Σ â f + Σ b̂ g − (h₁² + h₂²)/6 for each measure, â and b̂ the masses shared out to the
    corners, f the c-transform of g between vertices: |·|² averages h²/6 an axis more over corners than over the cell.
    """
    f = np.asarray(_min_plus(x, y, g))
    g = np.asarray(_min_plus(y, x, f))
    middle = 0.5 * (float(f.max()) + float(f.min()))
    f, g = f - middle, g + middle
    corners_a, corners_b = _to_corners(a), _to_corners(b)
    value = float((corners_a * f).sum() + (corners_b * g).sum()) - _spread(x, a) / 6.0 - _spread(y, b) / 6.0
    size = extent2 + float(np.abs(f).max()) + float(np.abs(g).max())
    return value - 4.0 * gamma(a.size + b.size + 16) * size


def _min_plus(to: Axes, at: Axes, h: Array) -> Array:
    """min_y |x − y|² − h(y) between tensor grids, one axis after the other."""
    inner = np.empty((h.shape[0], len(to[1])))
    cost = (to[1][:, None] - at[1]) ** 2
    for i, row in enumerate(h):
        inner[i] = (cost - row).min(axis=1)
    out = np.empty((len(to[0]), len(to[1])))
    for i, site in enumerate(to[0]):
        out[i] = (inner + ((site - at[0]) ** 2)[:, None]).min(axis=0)
    return out


def _knothe_rosenblatt(x: Axes, a: Array, y: Axes, b: Array, extent2: float) -> float:
    """E|x − y|² of the Knothe–Rosenblatt coupling: monotone along the first axis, then along the second in each slice.

    Between two levels of the first marginals both conditional laws are fixed rows of cells, so all is exact.
    Rounding: the levels are sums of up to N masses, off by γ_N, and W₂² is 4 D²-Lipschitz in them.
    """
    rows_a, rows_b = a.sum(axis=1), b.sum(axis=1)
    kept_a, kept_b = np.flatnonzero(rows_a > 0), np.flatnonzero(rows_b > 0)
    first = wasserstein_line(quantile_of_cells(x[0], rows_a), quantile_of_cells(y[0], rows_b), 2.0) ** 2
    i, j, _, mass = refine(rows_a[kept_a], rows_b[kept_b])
    second = 0.0
    for row, column, weight in zip(kept_a[i], kept_b[j], mass, strict=True):
        source, target = quantile_of_cells(x[1], a[row]), quantile_of_cells(y[1], b[column])
        second += float(weight) * wasserstein_line(source, target, 2.0) ** 2
    return (first + second) * (1.0 + gamma(16)) + 16.0 * gamma(sum(a.shape) + sum(b.shape) + 16) * extent2


def _centres(edges: Axes) -> Axes:
    first, second = ((e[1:] + e[:-1]) / 2 for e in edges)
    return first, second


def _to_corners(masses: Array) -> Array:
    out = np.zeros((masses.shape[0] + 1, masses.shape[1] + 1))
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            out[rows, columns] += 0.25 * masses
    return out


def _spread(edges: Axes, masses: Array) -> float:
    """Σ mass (h₁² + h₂²) over the cells."""
    h1, h2 = (np.diff(e) ** 2 for e in edges)
    return float(masses.sum(axis=1) @ h1 + masses.sum(axis=0) @ h2)
