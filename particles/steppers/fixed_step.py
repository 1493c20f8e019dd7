"""Methods of constant step."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from particles.checks import Array, hold, positive
from particles.fields.field import VelocityField
from particles.kernels.loops.step_loop import Rule
from particles.steppers.collisions import after_step, euler_prediction, grouped
from particles.steppers.compiled_runs import Fields, Kicks, carry_steps, compiled_fields
from particles.steppers.method import Method, Model, check_finite
from particles.steppers.state import Particles


def interval_parts(t0: float, t1: float, dt: float) -> int:
    """Into how many equal steps, at least one, the interval [t0, t1] is divided for a step near dt."""
    return max(1, round((t1 - t0) / dt))


@dataclass(frozen=True)
class FixedStep(Method):
    """A method of constant step: each save interval is divided into round((t1 − t0)/dt) equal parts.

    A subclass gives `order` and `step`, explicit or implicit. Compiled code carries whole runs where it knows the rule.
    """

    dt: float
    order: ClassVar[int]

    def __post_init__(self) -> None:
        """Refuse a step that is not positive."""
        hold(self, dt=positive(self.dt, "dt"))

    @abstractmethod
    def step(self, field: VelocityField, t: float, h: float, state: Particles) -> Array:
        """The positions (run, n, d) at t + h from the ensemble at t."""

    @property
    def rule(self) -> Rule | None:
        """The explicit tableau by which compiled code may take the steps; None for a step of another kind."""
        return None

    def kicks(self, model: VelocityField, t0: float, h: float, state: Particles) -> Kicks | None:
        """What compiled code adds to the steps by the rule."""
        return None

    def summation(self, model: Model, n: int) -> str:
        """As for every method; "compiled" where compiled code carries whole runs."""
        compiled = isinstance(model, VelocityField) and self._fields(model, n, model.runs or 1) is not None
        return "compiled" if compiled else super().summation(model, n)

    def _fields(self, model: VelocityField, n: int, runs: int) -> Fields | None:
        return None if self.rule is None else compiled_fields(model, n, runs)

    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """Equal steps from t0 to t1; the run stops at the first position that is not finite."""
        assert isinstance(model, VelocityField)
        parts = interval_parts(t0, t1, self.dt)
        h = (t1 - t0) / parts
        fields = self._fields(model, state.x.shape[1], len(state.x))
        if fields is not None and self.rule is not None:
            generators = [rng.bit_generator.state for rng in state.rngs]
            x = carry_steps(fields, state, self.rule, t0, h, parts, self.kicks(model, t0, h, state))
            if x is not None:
                return replace(state, x=x)
            # What is not finite is found again, and reported, by the loop in Python, with the same random numbers.
            for rng, before in zip(state.rngs, generators, strict=True):
                rng.bit_generator.state = before
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for i in range(parts):
                x = model.space.project(self.step(grouped(model, state), t0 + i * h, h, state))
                check_finite(x, t0 + (i + 1) * h)
                prediction = euler_prediction(model, state, t0 + i * h, h)
                state = after_step(model, state, (*prediction, x), t0 + (i + 1) * h)
        return state
