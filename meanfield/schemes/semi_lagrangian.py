"""Semi-Lagrangian push-forward of cell masses: each cell moves as a whole and is shared among the cells it lands on.

After Piccoli and Rossi (2013), "Transport equation with nonlocal velocity in Wasserstein spaces: convergence of
numerical schemes": conservative, positive, of any Courant number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy

from meanfield.measures.cells import add_deposit, deposit
from meanfield.measures.grid import Cells, Grid
from meanfield.schemes.eulerian import Attempt, Eulerian
from meanfield.schemes.steps import LEEWAY, Span, bend_of, weighted
from meanfield.velocity.on_grid import cell_velocity, check_velocities
from particles.checks import Array, hold, positive
from particles.fields.field import VelocityField

SLAB = 2**16
"""Cells pushed at a time, which bounds the memory."""

BETWEEN = 0.381966
"""Where within a step, that no Courant number bounds, the field is looked at once more: no simple fraction of it."""


PROBE = 1e-6
"""Over how long the field is looked at for the first step, the first step itself where the field is at rest."""


@dataclass(frozen=True)
class SemiLagrangian(Eulerian):
    """Push-forward of cell masses along midpoint characteristics, shared linearly among the cells around.

    cfl: cells crossed in a step by the fastest mass, any positive number. Sharing spreads the mass by at most h²/4 a
    step, so that a step Δt costs O(Δt²) + O(h²/Δt) in W₁ on smooth solutions: first order in h at a fixed cfl. On a
    uniform grid the sharing is the area by which the displaced cell overlaps its new neighbours. So steps know
    nothing of save times: what is saved comes from a branch of shorter steps. Diffusion is refused.

    Parameters
    ----------
    cfl : float
        Cells crossed in a step by the fastest mass, any positive number.

    Raises
    ------
    InvalidInput
        For a cfl that is not positive.
    NotSupported
        For diffusion, when a run starts.
    """

    cfl: float = 4.0
    order: ClassVar[int] = 1
    diffuses: ClassVar[bool] = False
    steps_over_saves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a step that is not positive."""
        hold(self, cfl=positive(self.cfl, "cfl"))

    def first_step(self, model: VelocityField, grid: Grid, masses: Array, t: float, room: float) -> float:
        """A tenth of the time in which the field changes as much as it is large; a tiny step for a field at rest.

        Save times do not enter, so that the steps are those of the field alone.
        """
        first, full = self._velocity(model, t, grid, masses), masses > 0
        h = min(PROBE, room, 0.01 / self.cfl * self._courant(first, grid, full))
        moved, _ = _push(grid, masses, lambda points, v: h * v, first)
        after = self._velocity(model, t + h, grid, moved)
        speed = sum(weighted(v, masses) for v in first)
        rate = sum(weighted(b - a, masses) for a, b in zip(first, after, strict=True)) / h
        if speed == 0:
            return PROBE
        return 0.1 * speed / rate if rate > 0 else np.inf

    def attempt(
        self, model: VelocityField, span: Span, grid: Grid, masses: Array, start: list[Array] | None = None
    ) -> Attempt:
        """Half a step to find the field at the midpoint, a whole one in it; Simpson's rule gives the error.

        The field at the end, which that rule needs, is that of the start of the next step.
        """
        first = self._velocity(model, span.t, grid, masses) if start is None else start
        full = masses > 0
        courant = self._courant(first, grid, full)
        h, whole = span.cut(min(span.wanted, courant))
        middle, _ = _push(grid, masses, lambda points, v: h / 2 * v, first)
        second = self._velocity(model, span.time(0.5, h), grid, middle)
        if h > (limit := self._courant(second, grid, middle > 0)) / LEEWAY:
            return Attempt(h, whole, masses, np.zeros((grid.dim, 2)), np.inf, courant=limit, start=first)
        half = _interpolated(grid, second)
        del middle, second
        pushed, walls = _push(grid, masses, lambda points, v: h * half(points + h / 2 * v), first)
        last = self._velocity(model, span.time(1.0, h), grid, pushed)
        end = _interpolated(grid, last)
        weights = masses[full] / masses[full].sum()
        speeds = [0.0, 0.0, 0.0, 0.0]

        def simpson(points: Array, v: Array) -> Array:
            at_half = half(points + h / 2 * v)
            at_end = end(points + h * at_half)
            for i, velocity in enumerate((v, at_half, at_end, v - 2 * at_half + at_end)):
                speeds[i] += float(np.abs(velocity).sum(axis=1) @ weights[seen[0] : seen[0] + len(points)])
            seen[0] += len(points)
            return h / 6 * (v + 4 * at_half + at_end)

        seen = [0]
        better, _ = _push(grid, masses, simpson, first)
        bend = bend_of(speeds[:3], speeds[3])
        if h < courant and self._hidden(model, span.time(BETWEEN, h), grid, masses, max(speeds[:3])):
            bend = np.inf
        error = float(np.abs(better - pushed).sum())
        return Attempt(h, whole, pushed, walls, error, bend, start=first, end=last)

    def _courant(self, velocity: list[Array], grid: Grid, full: npt.NDArray[np.bool_]) -> float:
        """The longest step in which no cell with mass crosses more than `cfl` cells."""
        crossed = max(float(np.abs(v[full]).max() / w.min()) for v, w in zip(velocity, grid.widths, strict=True))
        return self.cfl / crossed if crossed > 0 else np.inf

    def _hidden(self, model: VelocityField, t: float, grid: Grid, masses: Array, speed: float) -> bool:
        """Whether the field is much faster between the instants of a step that no Courant number has bounded."""
        velocity = self._velocity(model, t, grid, masses)
        return bool(sum(weighted(v, masses) for v in velocity) > 2 * speed + np.finfo(float).tiny)

    @staticmethod
    def _velocity(model: VelocityField, t: float, grid: Grid, masses: Array) -> list[Array]:
        velocity = list(cell_velocity(model, t, Cells(grid, masses)))
        check_velocities(velocity, t)
        # The components are views of one array, which the interpolation takes as it is.
        values = np.empty((*grid.shape, grid.dim))
        for k in reversed(range(grid.dim)):
            values[..., k] = velocity.pop()
        return [values[..., k] for k in range(grid.dim)]


def _interpolated(grid: Grid, velocity: list[Array]) -> Callable[[Array], Array]:
    """The velocity between the cell centres, (m, d) to (m, d), multilinear."""
    values = velocity[0].base
    field = scipy.interpolate.RegularGridInterpolator(grid.centres, values, bounds_error=False, fill_value=None)
    return lambda points: np.asarray(field(points))


def _push(
    grid: Grid, masses: Array, shift: Callable[[Array, Array], Array], velocity: list[Array]
) -> tuple[Array, Array]:
    """Cell masses after every cell with mass moved by shift(its centre, its velocity), and what the walls held."""
    out, walls = np.zeros(grid.shape), np.zeros((grid.dim, 2))
    flat = masses.ravel()
    for a in range(0, masses.size, SLAB):
        where = np.unravel_index(a + np.flatnonzero(flat[a : a + SLAB]), grid.shape)
        points = np.stack([c[i] for c, i in zip(grid.centres, where, strict=True)], axis=1)
        start = np.stack([v[where] for v in velocity], axis=1)
        held, pressed = hold_within(points + shift(points, start), masses[where], grid)
        add_deposit(out, held, masses[where], grid.centres)
        walls += pressed
    return out, walls


def deposit_within(points: Array, weights: Array, grid: Grid) -> tuple[Array, Array]:
    """Deposit, with points beyond the outermost centres held there; and the masses (d, 2) that were held."""
    held, walls = hold_within(points, weights, grid)
    return deposit(held, weights, grid.centres), walls


def hold_within(points: Array, weights: Array, grid: Grid) -> tuple[Array, Array]:
    """Points, with those beyond the outermost centres held there; and the masses (d, 2) that were held."""
    walls, held = np.zeros((grid.dim, 2)), points.copy()
    for k, c in enumerate(grid.centres):
        below, above = points[:, k] < c[0], points[:, k] > c[-1]
        walls[k] = weights[below].sum(), weights[above].sum()
        held[below, k], held[above, k] = c[0], c[-1]
    return held, walls
