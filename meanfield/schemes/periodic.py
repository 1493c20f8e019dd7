"""Finite volumes on one period of a line: the circle of angles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from meanfield.measures.grid import Grid
from meanfield.schemes.finite_volume import FiniteVolume
from particles.checks import Array
from particles.errors import InvalidInput

GHOSTS = 3
"""Cells repeated beyond either end, so that the reconstruction sees across it."""


@dataclass(frozen=True)
class PeriodicFiniteVolume(FiniteVolume):
    """Second-order MUSCL on the circle: FiniteVolume on a grid of one period 2π, without walls.

    Mass is exact, densities stay non-negative for cfl ≤ 1/2. Refused: grids of another dimension or length.
    """

    periodic: ClassVar[bool] = True

    def check_grid(self, grid: Grid) -> None:
        """Refuse a grid that is not one period of equal cells."""
        low, high = grid.bounds[0]
        if grid.dim != 1 or not grid.uniform or abs(high - low - 2 * np.pi) > 1e-12:
            raise InvalidInput(
                f"the circle needs one axis of equal cells over a period, bounds (a, a + 2π), got bounds {grid.bounds}"
            )

    def euler(
        self, velocities: list[Array], tensor: Array | None, grid: Grid, masses: Array, dt: float
    ) -> tuple[Array, Array]:
        """A forward Euler step of the cell masses; nothing presses against a wall."""
        (u,), h, edges = velocities, grid.widths[0], grid.edges[0]
        n = len(masses)
        around = np.pad(masses / h, GHOSTS, mode="wrap")
        beyond = [edges[-1 - GHOSTS : -1] - 2 * np.pi, edges, edges[1 : 1 + GHOSTS] + 2 * np.pi]
        left, right = (side[GHOSTS : GHOSTS + n + 1] for side in self.faces(around, np.concatenate(beyond)))
        flux = np.where(u > 0, left, right) * u
        if tensor is not None:
            flux -= tensor[0, 0] * np.diff(around[GHOSTS - 1 : GHOSTS + n + 1]) / h[0]
        # The first face and the last are one.
        flux[-1] = flux[0]
        return masses - dt * np.diff(flux), np.zeros((1, 2))
