"""Explicit Runge–Kutta methods of constant step, given by their tableaus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar

import numpy as np

from particles.checks import Array
from particles.errors import InvalidInput
from particles.fields.field import VelocityField
from particles.kernels.loops.step_loop import Rule
from particles.kernels.loops.step_loop import rule as compiled_rule
from particles.steppers.fixed_step import FixedStep, interval_parts
from particles.steppers.method import Model, check_finite
from particles.steppers.state import Particles


class RungeKutta(FixedStep):
    """An explicit Runge–Kutta method, given by its Butcher tableau."""

    nodes: ClassVar[tuple[float, ...]]
    stages: ClassVar[tuple[tuple[float, ...], ...]]
    weights: ClassVar[tuple[float, ...]]

    @property
    def rule(self) -> Rule | None:
        """The tableau, where it is explicit and `step` as here."""
        explicit = all(len(row) in (0, s) for s, row in enumerate(self.stages)) and len(self.weights) == len(self.nodes)
        if type(self).step is not RungeKutta.step or not explicit or len(self.stages) != len(self.nodes):
            return None
        return tableau(tuple(self.nodes), tuple(map(tuple, self.stages)), tuple(self.weights))

    def step(self, field: VelocityField, t: float, h: float, state: Particles) -> Array:
        """k_i = X(t + c_i h, x + h Σ_j a_ij k_j), then x + h Σ_i b_i k_i; the interaction anew at every stage."""
        slopes: list[Array] = []
        for node, row in zip(self.nodes, self.stages, strict=True):
            stage = state.x + h * _combine(row, slopes) if row else state.x
            # Checked here, because one bad token turns the field of its whole run into NaN.
            check_finite(stage, t + node * h)
            slopes.append(field.particle_velocity(t + node * h, stage, state.w))
        return state.x + h * _combine(self.weights, slopes)


@lru_cache(maxsize=16)
def tableau(nodes: tuple[float, ...], stages: tuple[tuple[float, ...], ...], weights: tuple[float, ...]) -> Rule:
    """The rule of compiled code."""
    return compiled_rule([*stages, weights], nodes)


def _combine(coefficients: tuple[float, ...], slopes: list[Array]) -> Array:
    total = coefficients[0] * slopes[0]
    for b, slope in zip(coefficients[1:], slopes[1:], strict=True):
        if b:
            total = total + b * slope
    return total


@dataclass(frozen=True)
class Euler(RungeKutta):
    """Forward Euler, order 1. Its step has a meaning of its own, a transformer layer (1.3), so it is never changed.

    Parameters
    ----------
    dt : float
        The step, positive.

    Raises
    ------
    InvalidInput
        For a step that is not positive.
    """

    order: ClassVar[int] = 1
    nodes: ClassVar[tuple[float, ...]] = (0.0,)
    stages: ClassVar[tuple[tuple[float, ...], ...]] = ((),)
    weights: ClassVar[tuple[float, ...]] = (1.0,)

    def check(self, model: Model, times: Array) -> None:
        """As for every method; and refuse save times that are not a whole number of steps apart."""
        super().check(model, times)
        for t0, t1 in pairwise(times):
            h = (t1 - t0) / interval_parts(t0, t1, self.dt)
            # The rounding of the save times themselves is no fault of the caller's.
            slack = 4 * np.finfo(float).eps * max(abs(t0), abs(t1))
            if abs(h - self.dt) > 1e-9 * self.dt + slack:
                raise InvalidInput(
                    f"times, and breakpoints between them, must be whole numbers of Euler steps dt = {self.dt:g} "
                    f"apart, got {t0:g} to {t1:g}: "
                    "choose other times or another dt (RK4 and Adaptive fit their step to the times)"
                )


@dataclass(frozen=True)
class RK4(RungeKutta):
    """The classical Runge–Kutta method, order 4.

    Parameters
    ----------
    dt : float
        The step, positive.

    Raises
    ------
    InvalidInput
        For a step that is not positive.
    """

    order: ClassVar[int] = 4
    nodes: ClassVar[tuple[float, ...]] = (0.0, 0.5, 0.5, 1.0)
    stages: ClassVar[tuple[tuple[float, ...], ...]] = ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0))
    weights: ClassVar[tuple[float, ...]] = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
