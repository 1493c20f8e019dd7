"""True bounds on W₁ between two densities on one grid, from flows that carry the one into the other.

By Beckmann (1952; Santambrogio 2015, Optimal Transport for Applied Mathematicians, Section 4.2) and by duality

    W₁(μ, ν) = min { ∫ |w| dx : div w = μ − ν, no flux through the walls } = max { ∫ u d(μ − ν) : |∇u| ≤ 1 }.

Both densities are constant on the cells of one uniform grid of a box, which may be divided further at will.

Above. w is given by its values at the faces, each component linear along its own axis (Raviart–Thomas): its divergence
is constant on cells, so the discrete balance of a cell is the exact equation. On a box every component of w is
multilinear, hence |w| lies under the multilinear function of its values at the corners, and ∫ |w| is at most the mean
over corners, on each cell or on each half of it.

Below. u is multilinear between the cell centres and constant beyond the outermost. Each component of ∇u is multilinear
in a cube between centres, so |∇u| is largest at one of the corners; dividing by that maximum makes u 1-Lipschitz. The
mean of u over a cell is the average of neighbouring values with weights 1/8, 6/8, 1/8 along each axis.

Both problems are solved alike. Let K copy the values at faces to the corners of the cells: each inner face has 2^d
copies, so KᵀK = 2^d. Splitting the copies from the flow (alternating directions, which for such K is the primal–dual
method of Li, Ryu, Osher, Yin and Gangbo 2018 in the metric of Jacobs, Léger, Li and Osher 2019) leaves one Poisson
equation a step, solved by cosine transforms, and one vector per corner, projected on a ball or shrunk. Every flow met
satisfies the balance and every u may be divided by its slope, so that every step gives bounds.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy

from meanfield.distances.arguments import STRAIGHT, warn_of_periods
from meanfield.distances.bounds.rounding import above, below, gamma
from meanfield.distances.bracket import Bracket
from meanfield.measures.grid import Grid, GridMeasure
from particles.checks import Array, default_error_state, positive
from particles.errors import InvalidInput, NotSupported
from particles.kernels.compiling import compiled

MAX_CELLS = 2**18
"""Cells up to which a grid is divided further for the sake of sharper bounds."""

CHECK, STEPS, LEAST_GAIN = 25, 400, 0.05
"""Steps between two evaluations, steps at most, and the part of the remaining gap that as many steps have to close."""

SHARE = 0.1
"""The lower problem's source against that of the upper one (measured: 0.05 to 0.3 are alike)."""


@default_error_state()
def beckmann_bracket(mu: GridMeasure, nu: GridMeasure, rtol: float = 0.05) -> Bracket:
    """lower ≤ W₁(μ, ν) ≤ upper for the densities, constant on the cells of one uniform grid in d ≤ 3 dimensions.

    Exact up to rounding on the line, of any spacing. Else the grid is divided in halves until upper/lower ≤ 1 + rtol or
    2^18 cells are reached, where a bracket may stay wider than asked for; the bounds hold either way. Memory: 2^d d
    arrays of the divided grid, and a few.

    Parameters
    ----------
    mu, nu : GridMeasure
        On one grid of equal cells, d ≤ 3.
    rtol : float
        upper/lower ≤ 1 + rtol ends the halving.

    Returns
    -------
    Bracket
        The bounds.

    Raises
    ------
    InvalidInput
        For two grids, cells that differ.
    NotSupported
        For d > 3.
    """
    for name, measure in (("mu", mu), ("nu", nu)):
        if not isinstance(measure, GridMeasure):
            raise InvalidInput(f"{name} must be a measure on a grid, got {type(measure).__name__}")
    if mu.grid != nu.grid:
        raise InvalidInput("mu and nu must live on one grid: measure both on the finer of the two")
    warn_of_periods(STRAIGHT, mu, nu)
    lower, upper = beckmann_bounds(mu.grid, mu.masses - nu.masses, positive(rtol, "rtol"))
    return Bracket(lower, upper, "potential" if lower > 0 else "zero", "flow")


def beckmann_bounds(grid: Grid, gap: Array, rtol: float) -> tuple[float, float]:
    """Bounds on W₁ from the difference of the cell masses, as in `beckmann_bracket`."""
    if grid.dim == 1:
        return _on_the_line(grid, gap)
    if grid.dim > 3 or not grid.uniform:
        raise NotSupported(
            "beckmann_bracket serves uniform grids in d ≤ 3 dimensions: cosine transforms need equal cells"
        )
    if not gap.any():
        return 0.0, 0.0
    lower, upper, division = 0.0, math.inf, 1
    while True:
        flow = _Problem.of(grid, gap, division)
        upper = flow.upper(upper)
        lower = flow.lower(lower, upper, rtol)
        if upper <= (1 + rtol) * lower or gap.size * (2 * division) ** grid.dim > MAX_CELLS:
            return lower, upper
        division *= 2


def _on_the_line(grid: Grid, gap: Array) -> tuple[float, float]:
    """∫ |F_μ − F_ν|: the flow is unique, and linear in each cell."""
    ends = np.concatenate([[0.0], np.cumsum(gap)])
    a, b = np.abs(ends[:-1]), np.abs(ends[1:])
    crossing = np.divide(a * a + b * b, a + b, out=np.zeros_like(a), where=a + b > 0)
    value = float((grid.widths[0] * np.where(ends[:-1] * ends[1:] < 0, crossing, a + b)).sum() / 2)
    margin = gamma(2 * len(gap) + 16) * (value + float(np.abs(gap).sum()) * float(grid.widths[0].sum()))
    return below(max(value - margin, 0.0)), above(value + margin)


class _Problem(NamedTuple):
    """Two densities on a uniform grid in three dimensions, of which some may have one cell: the two problems' data."""

    masses: Array
    """Differences of the cell masses."""
    widths: tuple[float, ...]
    corners: int
    flow: list[Array]
    """The gradient flow of the Poisson equation, which is feasible."""
    size: float
    """Its root mean square."""

    @classmethod
    def of(cls, grid: Grid, gap: Array, division: int) -> _Problem:
        masses = gap.reshape(*gap.shape, *[1] * (3 - grid.dim))
        for k in range(grid.dim):
            masses = np.repeat(masses, division, axis=k) / division
        widths = tuple((high - low) / n / division for (low, high), n in zip(grid.bounds, grid.shape, strict=True))
        widths += (1.0,) * (3 - grid.dim)
        flow = _gradient(_poisson(masses / math.prod(widths), widths), widths)
        size = math.sqrt(sum(float((w**2).sum()) for w in flow) / masses.size)
        return cls(masses, widths, 2**grid.dim, flow, size)

    @property
    def volume(self) -> float:
        """Of a cell."""
        return math.prod(self.widths)

    def upper(self, known: float) -> float:
        """The least upper bound met, `known` among them."""
        flow, best = [w.copy() for w in self.flow], min(known, self._cost(self.flow))
        duals = np.zeros((self.corners, *self.masses.shape, 3))
        for step in range(1, STEPS + 1):
            moved = [w.copy() for w in flow]
            _at_corners(*flow, duals, self.size, False, *moved)
            flow = self._feasible(moved)
            if step % CHECK == 0:
                before, best = best, min(best, self._cost(flow))
                if before - best <= 1e-3 * best:
                    break
        return best

    def lower(self, known: float, upper: float, rtol: float) -> float:
        """The greatest lower bound met, `known` among them, until it is within rtol of `upper` or hardly rises."""
        source = SHARE * _cell_means(self.masses) / (self.volume * self.size)
        potential, best = np.zeros(self.masses.shape), known
        flows = np.zeros((self.corners, *self.masses.shape, 3))
        for step in range(1, STEPS + 1):
            slope = _gradient(potential, self.widths)
            moved = [s.copy() for s in slope]
            _at_corners(*slope, flows, 1.0, True, *moved)
            _close(moved)
            potential = _poisson(_divergence(moved, self.widths) - source, self.widths)
            if step % CHECK == 0:
                before, best = best, max(best, self._gain(potential))
                if upper <= (1 + rtol) * best or (best - before <= LEAST_GAIN * (upper - best) and step >= 4 * CHECK):
                    break
        return best

    def _feasible(self, flow: list[Array]) -> list[Array]:
        """The nearest flow that balances the masses."""
        _close(flow)
        missing = self.masses / self.volume - _divergence(flow, self.widths)
        return [w + s for w, s in zip(flow, _gradient(_poisson(missing, self.widths), self.widths), strict=True)]

    def _cost(self, flow: list[Array]) -> float:
        """An upper bound on W₁ by a flow: the corners of half cells, and what rounding leaves out of balance."""
        squares = []
        for k, w in enumerate(flow):
            along = np.moveaxis(w, k, 0)
            sides = (along[:-1], (along[:-1] + along[1:]) / 2, along[1:])
            squares.append([np.moveaxis(side, 0, k) ** 2 for side in sides])
        total = 0.0
        for index in np.ndindex(3, 3, 3):
            # Along each axis the ends are corners of one half, the middle of both.
            share = math.prod(0.5 if i == 1 else 0.25 for i in index)
            total += share * float(np.sqrt(squares[0][index[0]] + squares[1][index[1]] + squares[2][index[2]]).sum())
        missing = np.abs(self.masses - self.volume * _divergence(flow, self.widths)).sum()
        diameter = math.hypot(*(n * h for n, h in zip(self.masses.shape, self.widths, strict=True)))
        return above((total * self.volume + float(missing) * diameter) * (1 + gamma(self.masses.size + 64)))

    def _gain(self, potential: Array) -> float:
        """A lower bound on W₁ by a function, divided by its steepest slope, of either sign."""
        steepest = np.zeros(self.masses.shape)
        for k, slope in enumerate(_gradient(potential, self.widths)):
            s = np.abs(np.moveaxis(slope, k, 0))
            steepest += np.moveaxis(np.maximum(s[:-1], s[1:]), 0, k) ** 2
        largest = math.sqrt(float(steepest.max()))
        if largest == 0:
            return 0.0
        centred = potential - (float(potential.max()) + float(potential.min())) / 2
        terms = centred * _cell_means(self.masses)
        rounding = gamma(terms.size + 64) * float(np.abs(centred).max()) * float(np.abs(self.masses).sum())
        return below(max(abs(float(terms.sum())) - rounding, 0.0) / (largest * (1 + gamma(16))))


def _cell_means(values: Array) -> Array:
    """Means over cells of the multilinear function through the centres, constant beyond; the map is symmetric."""
    for k in range(3):
        line = np.moveaxis(values, k, 0)
        wide = np.concatenate([line[:1], line, line[-1:]])
        values = np.moveaxis(0.75 * line + 0.125 * (wide[:-2] + wide[2:]), 0, k)
    return values


def _gradient(u: Array, widths: tuple[float, ...]) -> list[Array]:
    """Differences across the faces, zero at the walls."""
    return [
        np.diff(np.pad(u, [(1, 1) if j == k else (0, 0) for j in range(3)], mode="edge"), axis=k) / widths[k]
        for k in range(3)
    ]


def _divergence(flow: list[Array], widths: tuple[float, ...]) -> Array:
    return np.asarray(sum(np.diff(w, axis=k) / widths[k] for k, w in enumerate(flow)))


def _close(flow: list[Array]) -> None:
    for k, w in enumerate(flow):
        ends = np.moveaxis(w, k, 0)
        ends[0] = ends[-1] = 0.0


def _poisson(source: Array, widths: tuple[float, ...]) -> Array:
    """u with div ∇u = source, less the mean of the source."""
    waves = scipy.fft.dctn(source, type=2)
    rates = np.zeros([1, 1, 1])
    for k, n in enumerate(source.shape):
        rate = -((2 * np.sin(np.pi * np.arange(n) / (2 * n)) / widths[k]) ** 2)
        rates = rates + rate.reshape([-1 if j == k else 1 for j in range(3)])
    rates[0, 0, 0] = 1.0
    waves /= rates
    waves[0, 0, 0] = 0.0
    return np.asarray(scipy.fft.idctn(waves, type=2))


@compiled()
def _at_corners(w0, w1, w2, kept, radius, shrink, out0, out1, out2):  # type: ignore[no-untyped-def]
    """Project K w + kept on balls, or shrink it by them, in place; out += Kᵀ(old − 2 new) / corners."""
    corners, n0, n1, n2, _ = kept.shape
    for o in range(corners):
        a, b, c = o & 1, (o >> 1) & 1, (o >> 2) & 1
        for i in range(n0):
            for j in range(n1):
                for k in range(n2):
                    x, y, z = kept[o, i, j, k, 0], kept[o, i, j, k, 1], kept[o, i, j, k, 2]
                    u, v, w = x + w0[i + a, j, k], y + w1[i, j + b, k], z + w2[i, j, k + c]
                    length = np.sqrt(u * u + v * v + w * w)
                    if length > radius:
                        factor = 1.0 - radius / length if shrink else radius / length
                    else:
                        factor = 0.0 if shrink else 1.0
                    u, v, w = factor * u, factor * v, factor * w
                    kept[o, i, j, k, 0], kept[o, i, j, k, 1], kept[o, i, j, k, 2] = u, v, w
                    out0[i + a, j, k] += (x - 2.0 * u) / corners
                    out1[i, j + b, k] += (y - 2.0 * v) / corners
                    out2[i, j, k + c] += (z - 2.0 * w) / corners
