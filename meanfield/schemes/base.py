"""What a scheme is: one step of cell masses along a velocity field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np

from meanfield.measures.grid import Grid
from particles.checks import Array
from particles.errors import RunStopped
from particles.fields.field import VelocityField


class Moved(NamedTuple):
    """The result of a step: the time reached, the cell masses there, the mass (d, 2) pressed against each wall."""

    t: float
    masses: Array
    walls: Array


class Scheme(ABC):
    """A way to move cell masses: conservative and positive."""

    order: ClassVar[int]
    periodic: ClassVar[bool] = False
    """Whether the ends of the grid are one point: the scheme then serves fields on the circle, and only those."""

    diffuses: ClassVar[bool] = True
    """Whether the scheme serves equations with noise."""

    def check_grid(self, grid: Grid) -> None:
        """Refuse a grid that the scheme cannot serve."""
        return None

    @abstractmethod
    def step(self, model: VelocityField, t: float, t_end: float, grid: Grid, masses: Array) -> Moved:
        """One step from t towards t_end, never beyond it."""


def check_velocities(velocities: list[Array], t: float) -> None:
    """Stop the run where the model's velocity is not finite."""
    for k, velocity in enumerate(velocities):
        bad = ~np.isfinite(velocity)
        if bad.any():
            index = [int(i) for i in np.argwhere(bad)[0]]
            raise RunStopped(
                f"the model's velocity component {k} is {velocity[tuple(index)]} at grid index {index} at t = {t:g}: "
                "check the model there, or stop before that time",
                time=t,
            )
