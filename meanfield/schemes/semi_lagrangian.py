"""Semi-Lagrangian push-forward of cell masses: each cell moves as a whole and is shared among the cells it lands on.

After Piccoli and Rossi (2013), "Transport equation with nonlocal velocity in Wasserstein spaces: convergence of
numerical schemes": conservative, positive, of any Courant number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from meanfield.cells import deposit
from meanfield.grid import Cells, Grid
from meanfield.schemes.base import Moved, Scheme, check_velocities
from meanfield.transforms import cell_velocity
from particles.checks import Array, positive
from particles.errors import NotSupported
from particles.models.base import VelocityField


@dataclass(frozen=True)
class SemiLagrangian(Scheme):
    """Push-forward of cell masses along midpoint characteristics, shared linearly among the cells around.

    cfl: cells crossed in a step by the fastest mass, any positive number. Sharing spreads the mass by at most h²/4 a
    step, so that a step Δt costs O(Δt²) + O(h²/Δt) in W₁ on smooth solutions: first order in h at a fixed cfl. On a
    uniform grid the sharing is the area by which the displaced cell overlaps its new neighbours. Diffusion is refused.
    """

    cfl: float = 4.0
    order: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Refuse a step that is not positive."""
        positive(self.cfl, "cfl")

    def step(self, model: VelocityField, t: float, t_end: float, grid: Grid, masses: Array) -> Moved:
        """One step from t towards t_end: half a step to find the field at the midpoint, then a whole one in it."""
        if model.diffusion(t) is not None:
            raise NotSupported("SemiLagrangian moves mass along a field, without noise: use FiniteVolume or WENO")
        cells = Cells(grid, masses)
        points, weights = cells.points, masses[masses > 0]
        first = self._velocity(model, t, cells)(points)
        crossed = (np.abs(first) / np.array([w.min() for w in grid.widths])).max()
        dt = (t_end - t) / max(1, np.ceil((t_end - t) * crossed / self.cfl))
        middle, _ = deposit_within(points + dt / 2 * first, weights, grid)
        velocity = self._velocity(model, t + dt / 2, Cells(grid, middle))
        pushed, walls = deposit_within(points + dt * velocity(points + dt / 2 * first), weights, grid)
        return Moved(t_end if dt == t_end - t else t + dt, pushed, walls)

    @staticmethod
    def _velocity(model: VelocityField, t: float, cells: Cells) -> RegularGridInterpolator:
        velocity = list(cell_velocity(model, t, cells))
        check_velocities(velocity, t)
        return RegularGridInterpolator(
            cells.grid.centres, np.stack(velocity, axis=-1), bounds_error=False, fill_value=None
        )


def deposit_within(points: Array, weights: Array, grid: Grid) -> tuple[Array, Array]:
    """Deposit, with points beyond the outermost centres held there; and the masses (d, 2) that were held."""
    walls, held = np.zeros((grid.dim, 2)), points.copy()
    for k, c in enumerate(grid.centres):
        below, above = points[:, k] < c[0], points[:, k] > c[-1]
        walls[k] = weights[below].sum(), weights[above].sum()
        held[below, k], held[above, k] = c[0], c[-1]
    return deposit(held, weights, grid.centres), walls
