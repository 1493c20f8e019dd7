"""The softmax average of the sources themselves through two uniform grids: linear cost, certified, d ≤ 3.

Let a source y and a query q be measured from the centres of their boxes, of half widths G and H; the tilt of the
sources by the queries' centre goes into the weights. For the centred B-spline B of order p Poisson's summation formula
gives, along each axis, with Φ(z) = (sinh(z/2) / (z/2))^p,

    Σ_m B(y/h − m) e^{q·mh} = e^{qy} Φ(qh) (1 + ε),      |ε| ≤ δ(|q|h),   δ(a) = 2 ζ(p) (a/2π)^p,                  (1)

because term k ≠ 0 of the dual sum carries the factor ± (qh / (qh − 2πik))^p. Used for the sources, (1) replaces them
by masses W_m > 0 on nodes mh; used again with the rôles exchanged, it needs the sum at nodes lg only:

    F(q) = Σ_j w_j e^{⟨q, y_j⟩}  ≈  F̃(q) = Φ(qh)^{−1} Σ_l B(q/g − l) Σ_m e^{⟨lg, mh⟩} Φ(mhg)^{−1} W_m             (2)

(products over the axes understood). The double sum over nodes factorises into one small matrix product for each axis,
whatever the number of points; a point costs p^d multiplications. Every factor of (2) is positive, so nothing cancels:
F̃ is F with each of its terms multiplied by a 1 + ε of its own. For imaginary exponents such gridding is the
non-uniform fast Fourier transform (Greengard and Lee, SIAM Review 46, 2004).

The average is X̃ = ∇ log F̃, with the slopes of the B-splines themselves.

**Certificate.** Let G' = G + ph/2 bound the nodes. With E = Π_k (1 + δ(H_k h_k))(1 + δ(G'_k g_k)) − 1 every weight of
the average is right up to a factor within 1 ± E, and differentiating the ε adds to component k at most (1 + E) D_k,

    D_k = (p/H_k) δ(H_k h_k) + p h_k δ(G'_k g_k) + (2π/g_k) 2ζ(p−1) (G'_k g_k/2π)^p.

In a linear image v = Vy this is worth at most √d ε κ M where all D_k ≤ ε G_k, M = max_j |v_j − v̄|, and κ^−2 is the
least eigenvalue of the covariance of the y_jk / G_k taken with equal weights: Σ_k |Ve_k| G_k ≤ √d κ tr(V Cov Vᵀ)^{1/2}
and tr(V Cov Vᵀ) ≤ M². Hence |X̃ − X| ≤ (2E + √d ε κ (1 + E)) / (1 − E) · M, and h, g are the largest steps that keep
this below the tolerance. Sources in a hyperplane (κ = ∞) are left to the tree.

No number leaves the range of float64: the spread of the tilted log-weights and Σ_k H'_k G'_k, which bounds the
exponents, stay below 660 in all. What underflows then is less than e^{−30} of the sum that it belongs to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

import numpy as np
import scipy

from particles.checks import Array
from particles.kernels.fast.bsplines import COLUMNS, add_masses, interpolate, multiply, sort_by_cell
from particles.kernels.threads import spread

ORDERS = (8, 12, 16, 20, 24)
"""Orders of the B-spline that are tried, multiples of four: higher ones need fewer nodes and more work a point."""

LEAST_TOLERANCE = 1e-12
"""Below this the rounding of the sums over nodes would count."""

LARGEST_KAPPA = 1e3
"""κ above which the sources count as lying in a hyperplane."""

LEAST_WIDTH = 1e-100
"""Half width of the sources' box below which, and reciprocal of the queries' above which, nothing is attempted."""

EXPONENTS = 660.0
"""Largest exponent: e^660 leaves float64 room for the number of points, and e^−660 for the splines' small ends."""

LARGEST_GRID = 2**25
"""Nodes of the largest intermediate array: 256 MiB, two of which are held."""

POINT_COST, ADD_COST, READ_COST, PRODUCT_COST = 800.0, 0.9, 0.9, 0.2
"""Time of one point, of one of its p^d nodes as source and as query, and of a multiplication, in direct pairs."""

AXES = {1: [2], 2: [0, 2], 3: [0, 1, 2]}
"""Axes of the kernels' grids that d variables use: the first is split among threads, the last is contiguous."""

CHUNK = 256
"""Queries that a thread reads at a time."""


@dataclass(frozen=True)
class Lattice:
    """Step and number of nodes along each axis, (3,); an axis not in use has step 1 and one node."""

    step: Array
    nodes: tuple[int, ...]

    def positions(self, k: int) -> Array:
        """Nodes of axis k, centred at 0."""
        count, step = self.nodes[k], self.step[k]
        return np.asarray((np.arange(count) - 0.5 * (count - 1)) * step)


@dataclass(frozen=True)
class Plan:
    """Order of the splines, the centre (d,) of the queries, and the grids of sources and queries."""

    order: int
    query_centre: Array
    source: Lattice
    query: Lattice


@dataclass(frozen=True)
class Cloud:
    """Sources (n, d) with their log-weights, box and κ: what every plan needs to know of them."""

    points: Array
    log_weights: Array
    centre: Array
    half_widths: Array
    kappa: float

    @classmethod
    def of(cls, points: Array, log_weights: Array) -> Cloud:
        """Measure the box and κ (infinite for points in a hyperplane)."""
        low, high = points.min(axis=0), points.max(axis=0)
        centre, half_widths = low + (high - low) / 2, (high - low) / 2
        if not (half_widths > LEAST_WIDTH).all():
            return cls(points, log_weights, centre, half_widths, math.inf)
        scaled = (points - points.mean(axis=0)) / half_widths
        covariance = np.einsum("ij,ik->jk", scaled, scaled) / len(points)
        least = max(float(np.linalg.eigvalsh(covariance)[0]), 1e-300)
        return cls(points, log_weights, centre, half_widths, 1 / math.sqrt(least))

    def spread_of_logs(self, query: Array) -> float:
        """Range of the log-weights once tilted by a query."""
        return float(np.ptp(self.log_weights + np.einsum("ij,j->i", self.points - self.centre, query)))


def plan_grids(low: Array, high: Array, m: int, cloud: Cloud, tolerance: float, most: float = math.inf) -> Plan | None:
    """The cheapest grids for m queries in a box that keep the promise and cost at most `most` direct pairs, or None."""
    centre, H, G = low + (high - low) / 2, (high - low) / 2, cloud.half_widths
    if tolerance < LEAST_TOLERANCE or cloud.kappa > LARGEST_KAPPA or H.max() > 1 / LEAST_WIDTH or H @ G > EXPONENTS:
        return None
    plans = []
    for order in ORDERS:
        h, g, reach = _steps(order, np.maximum(H, 1 / G), G, tolerance, cloud.kappa)
        source, query = _lattice(h, G, order), _lattice(g, H, order)
        cost = _cost(order, source.nodes, query.nodes, m, len(cloud.points))
        if reach <= EXPONENTS and cost <= most and cost < math.inf:
            plans.append((cost, reach, Plan(order, centre, source, query)))
    exponents = cloud.spread_of_logs(centre) if plans else 0.0
    plans = [found for found in plans if found[1] + exponents <= EXPONENTS]
    return min(plans, key=itemgetter(0))[2] if plans else None


def _steps(order: int, H: Array, G: Array, tolerance: float, kappa: float) -> tuple[Array, Array, float]:
    """Largest steps h, g (d,) that the certificate allows, and Σ_k H'_k G'_k; at least four steps to a box.

    Half of the tolerance goes to κ ε √d, a quarter to 2E, and the rest to the denominators 1 − E.
    """
    d, p = len(G), order
    weight = tolerance / (8.5 * 2 * d)
    slope = tolerance / (2.1 * math.sqrt(d) * kappa) * G / 3
    h = 2 * np.pi / H * (np.minimum(weight, slope * H / p) / (2 * scipy.special.zeta(p))) ** (1 / p)
    h = np.minimum(h, G / 2)
    wide = G + p * h / 2
    s = (np.minimum(weight, slope / (p * h)) / (2 * scipy.special.zeta(p))) ** (1 / p)
    s = np.minimum(s, (slope / (2 * scipy.special.zeta(p - 1) * wide)) ** (1 / (p - 1)))
    g = np.minimum(2 * np.pi * s / wide, H / 2)
    return h, g, float(wide @ (H + p * g / 2))


def _lattice(steps: Array, half_widths: Array, order: int) -> Lattice:
    """Grids on which all `order` nodes around every point of the box exist."""
    step, nodes, used = np.ones(3), np.ones(3, int), AXES[len(steps)]
    step[used], nodes[used] = steps, np.ceil(2 * half_widths / steps).astype(int) + order
    return Lattice(step, tuple(int(count) for count in nodes))


def _cost(order: int, sources: tuple[int, ...], queries: tuple[int, ...], m: int, n: int) -> float:
    """Time in direct pairs, infinite where an intermediate array is too large."""
    largest = products = math.prod(sources) * 1.0
    for k in range(3):
        size = math.prod(queries[: k + 1]) * math.prod(sources[k + 1 :])
        largest, products = max(largest, size), products + size * sources[k]
    if largest > LARGEST_GRID:
        return math.inf
    return point_cost(order, sum(count > 1 for count in sources), m, n) + PRODUCT_COST * products


def point_cost(order: int, d: int, m: int, n: int) -> float:
    """Time in direct pairs for the points alone, without the products over nodes."""
    nodes = float(order**d)
    return (POINT_COST + ADD_COST * nodes) * n + (POINT_COST + READ_COST * nodes) * m


def gridded_average(queries: Array, cloud: Cloud, plan: Plan, threads: int) -> tuple[Array, Array]:
    """Mean (m, d) and log-sum-exp (m,) of all queries through the grids of `plan`."""
    axes = AXES[queries.shape[1]]
    q, y = np.zeros((len(queries), 3)), np.zeros((len(cloud.points), 3))
    q[:, axes], y[:, axes] = queries - plan.query_centre, cloud.points - cloud.centre
    logs = cloud.log_weights + np.einsum("ij,j->i", y[:, axes], plan.query_centre)
    largest = logs.max()
    grid = _spread(y, np.exp(logs - largest), plan, threads)
    for k in axes:
        grid = _transform(grid, k, plan, threads)
    value, slope = _read(q, grid, plan, threads)
    growth, rate = _log_sinhc(q[:, axes] * plan.source.step[axes] / 2)
    mean = cloud.centre + slope[:, axes] / value[:, None] - plan.order * plan.source.step[axes] * rate / 2
    return mean, largest + np.einsum("ij,j->i", queries, cloud.centre) + np.log(value) - plan.order * growth.sum(axis=1)


def _log_sinhc(z: Array) -> tuple[Array, Array]:
    """log(sinh z / z) and its derivative coth z − 1/z."""
    small = np.abs(z) < 0.05
    safe, square = np.where(small, 1.0, z), z * z
    near = square / 6 - square**2 / 180 + square**3 / 2835
    near_rate = z / 3 - z * square / 45 + 2 * z * square**2 / 945
    return np.where(small, near, np.log(np.sinh(safe) / safe)), np.where(small, near_rate, 1 / np.tanh(safe) - 1 / safe)


def _spread(y: Array, masses: Array, plan: Plan, threads: int) -> Array:
    """The masses W on the sources' grid. Slabs of axis 0 that share no node are filled at the same time."""
    grid = np.zeros(plan.source.nodes)
    numbers, starts = sort_by_cell(y, plan.source.step, grid.shape, plan.order)
    y, masses = y[numbers], masses[numbers]
    slabs = max(1, grid.shape[0] // plan.order)
    edges = starts[np.linspace(0, len(starts) - 1, slabs + 1).astype(int)]

    def fill(chosen: range, start: int, stop: int) -> None:
        for slab in chosen[start:stop]:
            add_masses(y, masses, edges[slab], edges[slab + 1], plan.source.step, plan.order, grid)

    for chosen in (range(0, slabs, 2), range(1, slabs, 2)):
        spread(partial(fill, chosen), len(chosen), threads)
    return grid


def _transform(grid: Array, k: int, plan: Plan, threads: int) -> Array:
    """Replace axis k of the sources' grid by the queries': Σ_m e^{lg·mh} Φ(mhg)^{−1} W_m."""
    y = plan.source.positions(k)
    growth, _ = _log_sinhc(y * plan.query.step[k] / 2)
    matrix = np.exp(plan.query.positions(k)[:, None] * y - plan.order * growth)
    if k == 2:
        left, right = grid, np.ascontiguousarray(matrix.T)[None]
    else:
        left, right = matrix[None], grid.reshape(math.prod(grid.shape[:k]), grid.shape[k], -1)
    out = np.empty((max(len(left), len(right)), left.shape[1], right.shape[2]))
    tasks = len(out) * -(-out.shape[2] // COLUMNS)
    spread(lambda start, stop: multiply(left, right, out, start, stop), tasks, threads)
    return out.reshape(*grid.shape[:k], len(matrix), *grid.shape[k + 1 :])


def _read(q: Array, grid: Array, plan: Plan, threads: int) -> tuple[Array, Array]:
    """The spline (m,) and its slopes (m, 3) at the queries."""
    numbers, _ = sort_by_cell(q, plan.query.step, grid.shape, plan.order)
    q = q[numbers]
    found, slopes = np.empty(len(q)), np.empty((len(q), 3))

    def work(start: int, stop: int) -> None:
        last = min(stop * CHUNK, len(q))
        interpolate(q, start * CHUNK, last, plan.query.step, plan.order, grid, found, slopes)

    spread(work, -(-len(q) // CHUNK), threads)
    value, slope = np.empty_like(found), np.empty_like(slopes)
    value[numbers], slope[numbers] = found, slopes
    return value, slope
