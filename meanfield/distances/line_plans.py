"""The optimal plan on the line where one measure at least has a density: quantile to quantile, for every p ≥ 1.

Both quantile functions are cut at the levels of both. On piece k mass m_k lies evenly on [a_k, b_k] in μ and on
[c_k, d_k] in ν, an atom where the ends are equal, and the plan takes the one onto the other by an increasing affine map
T, from middle to middle. A potential φ of μ has φ' = p |x − T|^{p−1} sgn(x − T) (Villani, Topics in Optimal
Transportation, Section 2.2); across a gap of μ, where T stays at d_k, it changes by |a_{k+1} − d_k|^p − |b_k − d_k|^p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy

from meanfield.distances.line import Index, Quantile, places_of, refine, wasserstein_line
from meanfield.measures.gauss_legendre import gauss_legendre
from meanfield.measures.grid import Grid, GridMeasure
from particles.checks import Array
from particles.errors import InvalidInput
from particles.measure import Measure

_LOST = 1e-9
"""Mass that may be lost with pieces that rounding leaves without length."""

_ALIKE = 0.05
"""Change of x − T over a piece, as a share of its size, below which its powers are integrated numerically."""


class Pieces(NamedTuple):
    """Masses (k,), the ends of each piece in μ and in ν (k, 2), and the pieces of both quantile functions (k,)."""

    mass: Array
    source: Array
    target: Array
    first: Index
    second: Index


@dataclass(frozen=True, eq=False)
class LinePath:
    """Mass that lies evenly on [a_k, b_k] on its way to [c_k, d_k]."""

    ends: tuple[Measure | GridMeasure, Measure | GridMeasure]
    pieces: Pieces

    def at(self, s: float) -> Measure | GridMeasure:
        """The density at s in (0, 1), on a grid of cells of its own; the measures that were given at 0 and 1."""
        if s in (0.0, 1.0):
            return self.ends[int(s)]
        mass, source, target = self.pieces[:3]
        ends = np.maximum.accumulate(((1.0 - s) * source + s * target).ravel())
        long = ends[1::2] > ends[::2]
        if not mass[long].sum() >= 1.0 - _LOST:
            raise InvalidInput("the pieces are shorter than the rounding of their ends: they are points by now")
        start, stop, mass = ends[::2][long], ends[1::2][long], mass[long]
        edges = np.unique(np.concatenate([start, stop, 0.5 * (start[:1] + stop[:1])]))
        own = np.searchsorted(start, 0.5 * (edges[1:] + edges[:-1]), side="right") - 1
        inside = edges[1:] <= stop[own]
        share = np.where(inside, np.diff(edges) / (stop - start)[own], 0.0)
        masses = mass[own] * share
        return GridMeasure(Grid.from_edges([edges]), masses / masses.sum())


class LinePlan(NamedTuple):
    """Distance, plan, potentials, points of the rows and columns, and the way between, as `Transport` has them."""

    distance: float
    plan: scipy.sparse.csr_array
    potentials: tuple[Array, Array]
    source: Array
    target: Array
    path: LinePath


def plan_on_the_line(
    mu: Measure | GridMeasure, nu: Measure | GridMeasure, q: Quantile, r: Quantile, p: float
) -> LinePlan:
    """The plan between measures with the quantile functions q and r.

    A row of a density is a piece of it, at its middle; a row of a cloud is one of its points.
    """
    pieces = _pieces(q, r)
    size = float(max(np.abs(pieces.source - pieces.target).max(), np.finfo(float).tiny))
    phi = size**p * _potential(pieces._replace(source=pieces.source / size, target=pieces.target / size), p)
    x, y = pieces.source.mean(axis=1), pieces.target.mean(axis=1)
    psi = np.abs(x - y) ** p - phi
    row, source, f = _side(mu, pieces.first, x, phi)
    column, target, g = _side(nu, pieces.second, y, psi)
    plan = scipy.sparse.csr_array((pieces.mass, (row, column)), shape=(len(source), len(target)))
    return LinePlan(
        wasserstein_line(q, r, p), plan, (f, g), source[:, None], target[:, None], LinePath((mu, nu), pieces)
    )


def _pieces(q: Quantile, r: Quantile) -> Pieces:
    first, second, upper, mass = refine(q.mass, r.mass)
    source, target = places_of(q, first, upper, mass), places_of(r, second, upper, mass)
    return Pieces(mass, source, target, first, second)


def _side(measure: Measure | GridMeasure, piece: Index, middle: Array, potential: Array) -> tuple[Index, Array, Array]:
    """The rows of the pieces, the points of all rows and their potentials; −∞ at atoms of mass zero."""
    if isinstance(measure, GridMeasure):
        return np.arange(len(middle)), middle, potential
    held = np.flatnonzero(measure.weights > 0)
    order = held[np.argsort(measure.points[held, 0], kind="stable")]
    row = order[piece]
    out = np.full(len(measure.weights), -np.inf)
    out[row] = potential
    return row, np.asarray(measure.points[:, 0]), out


def _potential(pieces: Pieces, p: float) -> Array:
    """φ at the middle of each piece in μ, 0 at the first."""
    a, b = pieces.source.T
    c, d = pieces.target.T
    start, stop = a - c, b - d
    middle = 0.5 * (start + stop)
    width = 0.5 * (b - a)
    rise = width * np.stack([_slope(start, middle, p), _slope(middle, stop, p)])
    gap = np.abs(a[1:] - d[:-1]) ** p - np.abs(b[:-1] - d[:-1]) ** p
    return np.concatenate([[0.0], np.cumsum(rise[1, :-1] + gap + rise[0, 1:])])


def _slope(start: Array, stop: Array, p: float) -> Array:
    """∫₀¹ p |r|^{p−1} sgn r ds for r that runs evenly from start to stop."""
    size = np.maximum(np.abs(start), np.abs(stop))
    apart = stop - start
    nodes, weights = gauss_legendre(8)
    r = start[:, None] + 0.5 * (1.0 + nodes) * apart[:, None]
    near = (0.5 * p * np.abs(r) ** (p - 1.0) * np.sign(r)) @ weights
    far = np.abs(apart) > _ALIKE * size
    exact = (np.abs(stop) ** p - np.abs(start) ** p) / np.where(far, apart, 1.0)
    return np.where(far, exact, near)
