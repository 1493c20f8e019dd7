"""Finite volumes for (6.1): unsplit upwind fluxes on a tensor grid, strong-stability-preserving Runge–Kutta steps.

Unsplit, because the field is recomputed at every stage anyway: a splitting would multiply the field evaluations, which
are nearly all of the cost, and bring a splitting error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from meanfield.measures.grid import Cells, Grid, along
from meanfield.schemes.eulerian import Eulerian, Moved
from meanfield.schemes.reconstruction import LIMITERS, central_weno, limited_linear, upwind
from meanfield.velocity.on_grid import check_velocities, face_velocities
from particles.checks import Array, one_of, positive
from particles.errors import InvalidInput
from particles.fields.field import VelocityField

KEEP = 1.0 - 8 * np.finfo(float).eps
"""The largest part of its mass that a cell may lose in a stage, so that rounding leaves nothing negative."""

SLAB, MARGIN = 2**17, 3
"""Cells whose fluxes are computed at a time, and the cells beside them that tangential differences reach."""


@dataclass(frozen=True)
class FluxScheme(Eulerian, ABC):
    """What the finite-volume schemes share; `cfl` bounds the part of its volume that a cell sheds in one step."""

    cfl: float = 0.45

    def __post_init__(self) -> None:
        """Refuse a Courant number outside (0, 1]: an explicit step beyond it would empty a cell."""
        if positive(self.cfl, "cfl") > 1:
            raise InvalidInput(f"cfl must be at most 1 for an explicit finite-volume step, got {self.cfl}")

    tableau: ClassVar[tuple[tuple[float, float], ...]]
    """Stages of the Runge–Kutta method in Shu–Osher form: (node c, weight of the Euler step against the start)."""

    @abstractmethod
    def faces(self, averages: Array, edges: Array) -> tuple[Array, Array]:
        """Values from the left and from the right at the faces along the first axis."""

    def sources(self, cells: Cells) -> Cells:
        """The atoms from which the field is computed: the cell masses at the cell centres, good to O(h²)."""
        return cells

    def step(self, model: VelocityField, t: float, t_end: float, grid: Grid, masses: Array) -> Moved:
        """One step from t towards t_end, as long as the Courant number allows, dividing what is left equally."""
        start, walls = masses, np.zeros((grid.dim, 2))
        dt = t_end - t
        for i, (node, new) in enumerate(self.tableau):
            velocities = self.velocities(model, t + node * dt, grid, masses)
            tensor = model.diffusion(t + node * dt)
            if i == 0:
                rate = shed_rate(velocities, grid, tensor)
                dt = (t_end - t) / max(1, np.ceil((t_end - t) * rate / self.cfl))
            masses, pressed = self.euler(velocities, tensor, grid, masses, dt)
            # Gone before the next stage computes its own: d arrays.
            del velocities
            walls = new * (walls + pressed)
            if new != 1:
                # Written as a change of the start, so that rounding does not drift the total mass.
                masses -= start
                masses *= new
                masses += start
        return Moved(t_end if dt == t_end - t else t + dt, masses, walls)

    def velocities(self, model: VelocityField, t: float, grid: Grid, masses: Array) -> list[Array]:
        """Normal velocities at the faces, checked."""
        velocities = list(face_velocities(model, t, self.sources(Cells(grid, masses))))
        check_velocities(velocities, t)
        return velocities

    def euler(
        self, velocities: list[Array], tensor: Array | None, grid: Grid, masses: Array, dt: float
    ) -> tuple[Array, Array]:
        """A forward Euler step of the cell masses, and the masses (d, 2) that pressed against the walls meanwhile.

        No cell loses more than it has: where the fluxes out of a cell would take more, all of them are scaled down.
        Under cfl ≤ 1/2 the limited fluxes never need it.
        """
        pressed = np.zeros((grid.dim, 2))
        for k, velocity in enumerate(velocities):
            pressed[k] = dt * _close_walls(velocity, masses, grid, k)
            # Each flux takes the place of the velocity that it needs no longer, which saves d arrays.
            velocities[k] = self._flux_by_slabs(velocity, grid, masses, k)
        fluxes = velocities
        if tensor is not None:
            add_diffusion(fluxes, grid, masses, tensor)
        keep_positive(fluxes, masses, dt)
        out = masses.copy()
        for k, flux in enumerate(fluxes):
            change = np.diff(flux, axis=k)
            change *= dt
            out -= change
        return out, pressed

    def _flux_by_slabs(self, velocity: Array, grid: Grid, masses: Array, axis: int) -> Array:
        """The flux, a slab across another axis at a time with a margin for differences: bounds the memory."""
        other = 0 if axis else grid.dim - 1
        thick = max(1, SLAB * grid.shape[other] // masses.size)
        if other == axis or thick >= grid.shape[other]:
            return self.flux(velocity, grid, masses, axis)
        out = np.empty_like(velocity)
        for a in range(0, grid.shape[other], thick):
            low, high = max(0, a - MARGIN), min(grid.shape[other], a + thick + MARGIN)
            edges = tuple(e[low : high + 1] if j == other else e for j, e in enumerate(grid.edges))
            wide, inner = [
                tuple(s if j == other else slice(None) for j in range(grid.dim))
                for s in (slice(low, high), slice(a - low, min(a + thick, grid.shape[other]) - low))
            ]
            place = tuple(slice(a, a + thick) if j == other else slice(None) for j in range(grid.dim))
            out[place] = self.flux(velocity[wide], Grid.from_edges(edges), masses[wide], axis)[inner]
        return out

    def flux(self, velocity: Array, grid: Grid, masses: Array, axis: int) -> Array:
        """Mass per time through the faces across one axis."""
        width = along(grid.widths[axis], axis, grid.dim)
        line = np.moveaxis(masses / width, axis, 0)
        left, right = self.faces(line, grid.edges[axis])
        u = np.moveaxis(velocity, axis, 0)
        return np.moveaxis(np.where(u > 0, left, right) * u, 0, axis)


@dataclass(frozen=True)
class Upwind(FluxScheme):
    """First-order upwind fluxes and forward Euler steps: positive and exact in mass for cfl ≤ 1."""

    cfl: float = 0.9
    order: ClassVar[int] = 1
    tableau: ClassVar[tuple[tuple[float, float], ...]] = ((0.0, 1.0),)

    def faces(self, averages: Array, edges: Array) -> tuple[Array, Array]:
        """Piecewise constant."""
        return upwind(averages, edges)


@dataclass(frozen=True)
class FiniteVolume(FluxScheme):
    """Second-order MUSCL: limited linear reconstruction and the two-stage SSP Runge–Kutta method.

    limiter: "minmod", "van_leer", "mc" or "superbee". cfl: the part of its volume that a cell may shed in a step, at
    most 1; up to 1/2 the scheme is positive without any scaling of its fluxes.
    """

    limiter: str = "van_leer"
    cfl: float = 0.45
    order: ClassVar[int] = 2
    tableau: ClassVar[tuple[tuple[float, float], ...]] = ((0.0, 1.0), (1.0, 0.5))

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        one_of(self.limiter, LIMITERS, "limiter")

    def faces(self, averages: Array, edges: Array) -> tuple[Array, Array]:
        """Piecewise linear, limited."""
        return limited_linear(averages, edges, self.limiter)


@dataclass(frozen=True)
class WENO(FluxScheme):
    """Fifth-order central WENO fluxes, a field integrated to fourth order, the three-stage SSP Runge–Kutta method.

    Overall order 3 or more on smooth data: 3 from the time step as cfl is fixed, 4 from the field and, in d ≥ 2, from
    the averages over faces. Diffusion is of second order, as in FiniteVolume.
    """

    cfl: float = 0.45
    order: ClassVar[int] = 3
    tableau: ClassVar[tuple[tuple[float, float], ...]] = ((0.0, 1.0), (1.0, 0.25), (0.5, 2 / 3))

    def faces(self, averages: Array, edges: Array) -> tuple[Array, Array]:
        """Central WENO."""
        return central_weno(averages, edges)

    def sources(self, cells: Cells) -> Cells:
        """Masses redistributed so that sums over cell centres integrate smooth functions to fourth order."""
        return smooth_sources(cells)

    def flux(self, velocity: Array, grid: Grid, masses: Array, axis: int) -> Array:
        """Mass per time through the faces: the average over a face of velocity times density, not their product."""
        if grid.dim == 1:
            return super().flux(velocity, grid, masses, axis)
        width = along(grid.widths[axis], axis, grid.dim)
        left, right = self.faces(np.moveaxis(masses / width, axis, 0), grid.edges[axis])
        density = np.moveaxis(np.where(np.moveaxis(velocity, axis, 0) > 0, left, right), 0, axis)
        average, cross = velocity.copy(), np.zeros_like(velocity)
        for k in range(grid.dim):
            if k == axis:
                continue
            h = along(grid.widths[k], k, grid.dim)
            per_length = density / h
            du = np.gradient(velocity, grid.centres[k], axis=k)
            average += h**2 / 24 * np.gradient(du, grid.centres[k], axis=k)
            cross += h**3 / 12 * du * np.gradient(per_length, grid.centres[k], axis=k)
        flux = average * density + cross
        # A wall passes nothing.
        ends = np.moveaxis(flux, axis, 0)
        ends[0] = ends[-1] = 0.0
        return flux


def shed_rate(velocities: list[Array], grid: Grid, tensor: Array | None) -> float:
    """The largest part of its volume that a cell sheds per unit time, by transport and diffusion."""
    rate = np.zeros(grid.shape)
    for k, velocity in enumerate(velocities):
        u = np.moveaxis(velocity, k, 0)
        out = np.moveaxis(np.maximum(u[1:], 0) + np.maximum(-u[:-1], 0), 0, k)
        rate += out / along(grid.widths[k], k, grid.dim)
    if tensor is not None:
        for k in range(grid.dim):
            rate += 2 * np.abs(tensor[k]).sum() / along(grid.widths[k], k, grid.dim) ** 2
    return float(rate.max())


def _close_walls(velocity: Array, masses: Array, grid: Grid, axis: int) -> Array:
    """Set the velocity at the two walls of an axis to zero; the mass per time that it would have carried out."""
    u, m = np.moveaxis(velocity, axis, 0), np.moveaxis(masses, axis, 0)
    h = grid.widths[axis]
    out = np.array([(np.maximum(-u[0], 0) * m[0]).sum() / h[0], (np.maximum(u[-1], 0) * m[-1]).sum() / h[-1]])
    u[0] = u[-1] = 0.0
    return out


def keep_positive(fluxes: list[Array], masses: Array, dt: float) -> None:
    """Scale, in place, the fluxes out of each cell that would lose more than its mass in a step dt."""
    out = np.zeros_like(masses)
    for k, flux in enumerate(fluxes):
        f = np.moveaxis(flux, k, 0)
        out += np.moveaxis(np.maximum(f[1:], 0) + np.maximum(-f[:-1], 0), 0, k)
    out *= dt
    kept = KEEP * masses
    over = out > kept
    if not over.any():
        return
    part = np.divide(kept, out, out=np.ones_like(masses), where=over)
    del out, kept, over
    for k, flux in enumerate(fluxes):
        f, p = np.moveaxis(flux, k, 0), np.moveaxis(part, k, 0)
        f[1:-1] *= np.where(f[1:-1] > 0, p[:-1], p[1:])


def add_diffusion(fluxes: list[Array], grid: Grid, masses: Array, tensor: Array) -> None:
    """Add −(D∇ρ)_k to the fluxes, second order: the normal derivative across the face, tangential ones averaged."""
    d = grid.dim
    density = masses / grid.cell_volumes
    for k, flux in enumerate(fluxes):
        area = np.ones([1] * d)
        for j in range(d):
            if j != k:
                area = area * along(grid.widths[j], j, d)
        inner = np.moveaxis(flux, k, 0)[1:-1]
        gaps = along(np.diff(grid.centres[k]), 0, d)
        inner -= tensor[k, k] * np.moveaxis(np.diff(density, axis=k) * area, k, 0) / gaps
        for j in range(d):
            if j != k and tensor[k, j] != 0:
                slope = np.moveaxis(np.gradient(density, grid.centres[j], axis=j) * area, k, 0)
                inner -= tensor[k, j] * (slope[1:] + slope[:-1]) / 2


def smooth_sources(cells: Cells) -> Cells:
    """Cell masses shared with their neighbours, so that sums over centres integrate smooth functions to O(h⁴)."""
    masses = cells.masses
    for k in range(cells.grid.dim):
        masses = np.moveaxis(spread_moments(np.moveaxis(masses, k, 0), cells.grid.edges[k]), 0, k)
    return Cells(cells.grid, masses)


def spread_moments(masses: Array, edges: Array) -> Array:
    """Cell masses along the first axis shared with the two neighbours' centres so as to keep three moments.

    A cell's mass, spread over it linearly, has the first moment s h³/12 (s the slope) and the second m h²/12 about its
    centre; the shares of the neighbours reproduce both. Sums over centres are then exact to third order on any
    spacing, to fourth where it is uniform; cell masses as they are give only second. No result is negative.
    """
    h = np.diff(edges).reshape(-1, *[1] * (masses.ndim - 1))
    centres = (edges[1:] + edges[:-1]) / 2
    gap = np.diff(centres).reshape(-1, *[1] * (masses.ndim - 1))
    first = np.gradient(masses / h, centres, axis=0) * h**3 / 12
    second = masses * h**2 / 12
    ends = np.concatenate([gap[:1], gap, gap[-1:]])
    left, right = ends[:-1], ends[1:]
    down = (second - first * right) / (left * (left + right))
    up = (second + first * left) / (right * (left + right))
    net = np.zeros((len(masses) + 1, *masses.shape[1:]))
    np.subtract(up[:-1], down[1:], out=net[1:-1])
    # Gone before the limiting needs as much: four arrays of the size of the masses.
    del first, second, down, up
    keep_positive([net], masses, 1.0)
    return masses - np.diff(net, axis=0)
