"""Finite volumes for (6.1): unsplit upwind fluxes on a tensor grid, strong-stability-preserving Runge–Kutta pairs.

Unsplit, because the field is recomputed at every stage anyway: a splitting would multiply the field evaluations, which
are nearly all of the cost, and bring a splitting error.

An axis is periodic where the field's space is: `space = Circle()` or `Torus(periods)`; else it ends at walls.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from meanfield.measures.grid import Cells, Grid, along
from meanfield.schemes.eulerian import Attempt, Eulerian
from meanfield.schemes.fluxes import (
    Periods,
    add_diffusion,
    close_axis,
    diffusive_pressure,
    gradient,
    keep_positive,
    shed_rate,
    wrapped,
    wrapped_edges,
)
from meanfield.schemes.reconstruction import LIMITERS, Limiter, central_weno, limited_linear, upwind
from meanfield.schemes.sources import smooth_sources
from meanfield.schemes.steps import LEEWAY, Span, bend_of, weighted
from meanfield.velocity.on_grid import check_velocities, face_velocities
from particles.checks import Array, hold, one_of, positive
from particles.errors import InvalidInput
from particles.fields.field import VelocityField

SLAB, MARGIN = 2**17, 3
"""Cells whose fluxes are computed at a time, and the cells beside them that tangential differences reach."""

GHOSTS = 3
"""Cells repeated beyond either end of a periodic axis, so that the reconstruction sees across it."""

SEEN = 2**16
"""Most faces across an axis at which the bend of the field is looked at."""


class Stage(NamedTuple):
    """A stage of a Runge–Kutta pair in Shu–Osher form: u ← kept u₀ + (1 − kept)(u + Δt/2 f(t + node Δt, u)).

    error: the weight of the increment Δt/2 f in the difference from the embedded method.
    """

    node: float
    kept: float
    error: float


SSP32 = (Stage(0.0, 0.0, 2 / 3), Stage(0.5, 0.0, -4 / 3), Stage(1.0, 1 / 3, 2 / 3))
"""Three stages, second order, against the midpoint rule: their difference is Δt³ y'''/12. Each stage is an Euler step
of half the length, so that three field evaluations go as far as four of Heun's method."""

SSP43 = (Stage(0.0, 0.0, -1 / 6), Stage(0.5, 0.0, -1 / 6), Stage(1.0, 2 / 3, -1 / 6), Stage(0.5, 0.0, 1 / 2))
"""Four stages, third order, against the mean of the four, of second order (Fekete, Conde and Shadid 2022)."""


class FluxScheme(Eulerian):
    """What the finite-volume schemes share; `cfl` bounds the part of its volume that a cell sheds in one stage.

    A step has stages of half its length, each an Euler step. The Courant number is checked at every one.
    """

    cfl: float
    periodic: ClassVar[bool] = True
    stages: ClassVar[tuple[Stage, ...]] = SSP32

    def __post_init__(self) -> None:
        """Refuse a Courant number outside (0, 1]: an explicit step beyond it would empty a cell."""
        hold(self, cfl=positive(self.cfl, "cfl"))
        if self.cfl > 1:
            raise InvalidInput(f"cfl must be at most 1 for an explicit finite-volume step, got {self.cfl}")

    @abstractmethod
    def faces(self, averages: Array, edges: Array) -> tuple[Array, Array]:
        """Values from the left and from the right at the faces along the first axis."""

    def sources(self, cells: Cells, periods: Periods) -> Cells:
        """The atoms from which the field is computed: the cell masses at the cell centres, good to O(h²)."""
        return cells

    def attempt(
        self, model: VelocityField, span: Span, grid: Grid, masses: Array, start: list[Array] | None = None
    ) -> Attempt:
        """A step by the Runge–Kutta pair, no longer than the Courant number at its start allows."""
        periods = model.space.axis_periods(grid.dim)
        first, walls, error = masses, np.zeros((grid.dim, 2)), np.zeros_like(masses)
        bend = _Bend(grid, masses)
        h, whole, courant = 0.0, True, np.inf
        for i, stage in enumerate(self.stages):
            at = span.time(stage.node, h)
            velocities = self.velocities(model, at, grid, masses, periods)
            tensor = model.diffusion(at)
            rate = shed_rate(velocities, grid, tensor)
            if i == 0:
                h, whole = span.cut(min(span.wanted, 2 * self.cfl / rate if rate > 0 else np.inf))
            courant = min(courant, 2 * self.cfl / rate if rate > 0 else np.inf)
            if h * rate / 2 > min(1.0, self.cfl / LEEWAY) * (1 + 1e-12):
                return Attempt(h, whole, first, walls, np.inf, courant=courant)
            if i < 3:
                bend.add(velocities)
            before = masses
            masses, pressed = self.euler(velocities, tensor, grid, masses, h / 2, periods)
            # Gone before the next stage computes its own: d arrays.
            del velocities
            # In the place of what is needed no longer, but for the start.
            increment = np.subtract(masses, before, out=None if before is first else before)
            increment *= stage.error
            error += increment
            del increment, before
            walls = (1 - stage.kept) * (walls + pressed)
            if stage.kept:
                # Written as a change of the start, so that rounding does not drift the total mass.
                masses -= first
                masses *= 1 - stage.kept
                masses += first
        return Attempt(h, whole, masses, walls, float(np.abs(error, out=error).sum()), bend.relative, courant=np.inf)

    def velocities(self, model: VelocityField, t: float, grid: Grid, masses: Array, periods: Periods) -> list[Array]:
        """Normal velocities at the faces, checked."""
        velocities = list(face_velocities(model, t, self.sources(Cells(grid, masses), periods)))
        check_velocities(velocities, t)
        return velocities

    def euler(
        self, velocities: list[Array], tensor: Array | None, grid: Grid, masses: Array, dt: float, periods: Periods
    ) -> tuple[Array, Array]:
        """A forward Euler step of the cell masses, and the masses (d, 2) that pressed against the walls meanwhile.

        No cell loses more than it has: where the fluxes out of a cell would take more, all of them are scaled down.
        """
        pressed = np.zeros((grid.dim, 2))
        # Each flux takes the place of the velocity that it needs no longer, which saves d arrays.
        fluxes = velocities
        for k, velocity in enumerate(velocities):
            pressed[k] = dt * close_axis(velocity, masses, grid, k, periods[k])
            fluxes[k] = self._flux_by_slabs(velocity, grid, masses, k, periods)
        if tensor is not None:
            for k in range(grid.dim):
                pressed[k] += dt * diffusive_pressure(masses, grid, k, tensor, periods[k])
            add_diffusion(fluxes, grid, masses, tensor, periods)
        keep_positive(fluxes, masses, dt, periods)
        out = masses.copy()
        for k, flux in enumerate(fluxes):
            change = np.diff(flux, axis=k)
            change *= dt
            out -= change
        return out, pressed

    def _flux_by_slabs(self, velocity: Array, grid: Grid, masses: Array, axis: int, periods: Periods) -> Array:
        """The flux, a slab across another axis at a time with a margin for differences: bounds the memory."""
        other = 0 if axis else grid.dim - 1
        n = grid.shape[other]
        thick = max(1, SLAB * n // masses.size)
        if other == axis or thick >= n:
            return self.flux(velocity, grid, masses, axis, periods)
        out = np.empty_like(velocity)
        period = periods[other]
        # Within a slab the other axis has ends of its own, which the margin keeps away.
        inside = tuple(None if j == other else p for j, p in enumerate(periods))
        for a in range(0, n, thick):
            b = min(a + thick, n)
            low, high = (a - MARGIN, b + MARGIN) if period is not None else (max(0, a - MARGIN), min(n, b + MARGIN))
            edges = grid.edges[other]
            if period is not None:
                edges = wrapped_edges(edges, MARGIN, period)[a : b + 2 * MARGIN + 1]
            else:
                edges = edges[low : high + 1]
            slab = Grid.from_edges(tuple(edges if j == other else e for j, e in enumerate(grid.edges)))
            wide = [np.take(array, range(low, high), axis=other, mode="wrap") for array in (velocity, masses)]
            found = self.flux(wide[0], slab, wide[1], axis, inside)
            place, inner = [
                tuple(s if j == other else slice(None) for j in range(grid.dim))
                for s in (slice(a, b), slice(a - low, b - low))
            ]
            out[place] = found[inner]
        return out

    def flux(self, velocity: Array, grid: Grid, masses: Array, axis: int, periods: Periods) -> Array:
        """Mass per time through the faces across one axis."""
        return self.face_density(velocity, grid, masses, axis, periods) * velocity

    def face_density(self, velocity: Array, grid: Grid, masses: Array, axis: int, periods: Periods) -> Array:
        """Mass per length across one axis at its faces, from the side that the velocity comes from."""
        line = np.moveaxis(masses / along(grid.widths[axis], axis, grid.dim), axis, 0)
        period = periods[axis]
        if period is None:
            left, right = self.faces(line, grid.edges[axis])
        else:
            edges = wrapped_edges(grid.edges[axis], GHOSTS, period)
            left, right = (side[GHOSTS:-GHOSTS] for side in self.faces(wrapped(line, GHOSTS, 0), edges))
        return np.moveaxis(np.where(np.moveaxis(velocity, axis, 0) > 0, left, right), 0, axis)


class _Bend:
    """The second difference of the face velocities over a step, at some of the faces, weighted by the mass there."""

    def __init__(self, grid: Grid, masses: Array) -> None:
        stride = int(np.ceil((masses.size / SEEN) ** (1 / grid.dim)))
        self._some = tuple(slice(None, None, stride) for _ in grid.shape)
        self._cells = tuple(slice(0, n, stride) for n in grid.shape)
        self._masses = masses
        self._seen: list[list[Array]] = []

    def add(self, velocities: list[Array]) -> None:
        """Look at the velocities of a stage."""
        self._seen.append([v[self._cells].copy() for v in velocities])

    @property
    def relative(self) -> float:
        """Σ m |v₁ − 2 v₂ + v₃| over the largest Σ m |v_i|."""
        weights = self._masses[self._some]
        sizes = [sum(weighted(v, weights) for v in stage) for stage in self._seen]
        second = sum(weighted(a - 2 * b + c, weights) for a, b, c in zip(*self._seen, strict=True))
        return bend_of(sizes, second)


@dataclass(frozen=True)
class Upwind(FluxScheme):
    """First-order upwind fluxes: positive and exact in mass. In time of second order, whose error is controlled.

    Parameters
    ----------
    cfl : float
        The part of its volume that a cell may shed in a stage, in (0, 1].

    Raises
    ------
    InvalidInput
        For a cfl outside (0, 1].
    """

    cfl: float = 0.9
    order: ClassVar[int] = 1

    def faces(self, averages: Array, edges: Array) -> tuple[Array, Array]:
        """Piecewise constant."""
        return upwind(averages, edges)


@dataclass(frozen=True)
class FiniteVolume(FluxScheme):
    """Second-order MUSCL: limited linear reconstruction and a three-stage SSP Runge–Kutta pair of second order.

    Parameters
    ----------
    limiter : str or function
        "minmod", "van_leer", "mc" or "superbee", or a function like those in reconstruction.LIMITERS.
    cfl : float
        The part of its volume that a cell may shed in a stage, in (0, 1]; up to 1/2 the scheme is positive without any
        scaling of its fluxes, and in one dimension in a constant field it makes no new extremes.

    Raises
    ------
    InvalidInput
        For an unknown limiter, a cfl outside (0, 1].
    """

    limiter: str | Limiter = "van_leer"
    cfl: float = 0.45
    order: ClassVar[int] = 2

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not callable(self.limiter):
            one_of(self.limiter, LIMITERS, "limiter")

    def faces(self, averages: Array, edges: Array) -> tuple[Array, Array]:
        """Piecewise linear, limited."""
        limiter = self.limiter if callable(self.limiter) else LIMITERS[self.limiter]
        return limited_linear(averages, edges, limiter)


@dataclass(frozen=True)
class WENO(FluxScheme):
    """Fifth-order central WENO fluxes, a field integrated to fourth order, a four-stage SSP pair of third order.

    Overall order 3 or more on smooth data: 3 from the time step as cfl is fixed, 4 from the field and, in d ≥ 2, from
    the averages over faces. Diffusion is of second order, as in FiniteVolume. Densities stay non-negative, but next to
    a jump they may overshoot, by 6 % of its height at most where it was measured: use FiniteVolume where a bound from
    above matters.

    Parameters
    ----------
    cfl : float
        The part of its volume that a cell may shed in a stage, in (0, 1].

    Raises
    ------
    InvalidInput
        For a cfl outside (0, 1].
    """

    cfl: float = 0.45
    order: ClassVar[int] = 3
    stages: ClassVar[tuple[Stage, ...]] = SSP43

    def faces(self, averages: Array, edges: Array) -> tuple[Array, Array]:
        """Central WENO."""
        return central_weno(averages, edges)

    def sources(self, cells: Cells, periods: Periods) -> Cells:
        """Masses redistributed so that sums over cell centres integrate smooth functions to fourth order."""
        return smooth_sources(cells, periods)

    def flux(self, velocity: Array, grid: Grid, masses: Array, axis: int, periods: Periods) -> Array:
        """Mass per time through the faces: the average over a face of velocity times density, not their product."""
        density = self.face_density(velocity, grid, masses, axis, periods)
        if grid.dim == 1:
            return density * velocity
        average, cross = velocity.copy(), np.zeros_like(velocity)
        for k in range(grid.dim):
            if k == axis:
                continue
            h = along(grid.widths[k], k, grid.dim)
            per_length = density / h
            du = gradient(velocity, grid, k, periods[k])
            average += h**2 / 24 * gradient(du, grid, k, periods[k])
            cross += h**3 / 12 * du * gradient(per_length, grid, k, periods[k])
        flux = average * density + cross
        if periods[axis] is None:
            # A wall passes nothing.
            ends = np.moveaxis(flux, axis, 0)
            ends[0] = ends[-1] = 0.0
        return flux
