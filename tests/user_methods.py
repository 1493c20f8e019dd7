"""Methods of a user's making, each as it would stand in a file of its own."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from particles.errors import NotConverged
from particles.steppers.error_control import ErrorControlled, Trial
from particles.steppers.fixed_step import FixedStep
from particles.steppers.runge_kutta import RungeKutta


@dataclass(frozen=True)
class Kutta3(RungeKutta):
    """Kutta's method of order 3, by its tableau."""

    order: ClassVar[int] = 3
    nodes: ClassVar[tuple[float, ...]] = (0.0, 0.5, 1.0)
    stages: ClassVar[tuple[tuple[float, ...], ...]] = ((), (0.5,), (-1.0, 2.0))
    weights: ClassVar[tuple[float, ...]] = (1 / 6, 2 / 3, 1 / 6)


@dataclass(frozen=True)
class HeunEuler(ErrorControlled):
    """Heun's method of order 2, its error estimated by the difference from Euler's."""

    estimate_order: ClassVar[int] = 1

    def trial(self, slope, t, h, x, velocity):
        end = slope(t + h, x + h * velocity)
        moved = x + h * (velocity + end) / 2
        error = np.sqrt(self.mean_squares(h * (end - velocity) / 2, x, moved).max())
        return Trial(moved, slope(t + h, moved), float(error))


@dataclass(frozen=True)
class ImplicitMidpoint(FixedStep):
    """y = x + h X(t + h/2, (x + y)/2), by fixed-point iteration: order 2, keeps quadratic invariants."""

    order: ClassVar[int] = 2
    tolerance: float = 1e-14
    iterations: int = 100

    def step(self, field, t, h, state):
        y = state.x + h * field.particle_velocity(t, state.x, state.w)
        for _ in range(self.iterations):
            before, y = y, state.x + h * field.particle_velocity(t + h / 2, (state.x + y) / 2, state.w)
            if np.abs(y - before).max() <= self.tolerance * (1 + np.abs(y).max()):
                return y
        raise NotConverged(f"the implicit step from t = {t:g} did not converge: take a smaller dt than {self.dt:g}")
