"""Methods of constant step."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from particles.checks import Array, hold, positive
from particles.fields.field import VelocityField
from particles.steppers.collisions import after_step, euler_prediction, grouped
from particles.steppers.method import Method, Model, check_finite
from particles.steppers.state import Particles


def interval_parts(t0: float, t1: float, dt: float) -> int:
    """Into how many equal steps, at least one, the interval [t0, t1] is divided for a step near dt."""
    return max(1, round((t1 - t0) / dt))


@dataclass(frozen=True)
class FixedStep(Method):
    """A method of constant step: each save interval is divided into round((t1 − t0)/dt) equal parts.

    A subclass gives `order` and `step`, explicit or implicit.
    """

    dt: float
    order: ClassVar[int]

    def __post_init__(self) -> None:
        """Refuse a step that is not positive."""
        hold(self, dt=positive(self.dt, "dt"))

    @abstractmethod
    def step(self, field: VelocityField, t: float, h: float, state: Particles) -> Array:
        """The positions (run, n, d) at t + h from the ensemble at t."""

    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """Equal steps from t0 to t1; the run stops at the first position that is not finite."""
        assert isinstance(model, VelocityField)
        parts = interval_parts(t0, t1, self.dt)
        h = (t1 - t0) / parts
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for i in range(parts):
                x = model.space.project(self.step(grouped(model, state), t0 + i * h, h, state))
                check_finite(x, t0 + (i + 1) * h)
                prediction = euler_prediction(model, state, t0 + i * h, h)
                state = after_step(model, state, (*prediction, x), t0 + (i + 1) * h)
        return state
