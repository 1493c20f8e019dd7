"""Discrete maps: their own step, once for each unit of time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from particles.checks import Array
from particles.errors import InvalidInput, NotSupported
from particles.fields.discrete_map import DiscreteMap
from particles.steppers.method import Method, Model, check_finite
from particles.steppers.state import Particles


@dataclass(frozen=True)
class Iterate(Method):
    """Applies a discrete map once for each unit of time; save times are whole numbers of steps."""

    random: ClassVar[bool] = True

    def check(self, model: Model, times: Array) -> None:
        """Refuse a velocity field, and save times that are not whole numbers."""
        if not isinstance(model, DiscreteMap):
            raise NotSupported("Iterate() moves discrete maps; move a velocity field by Euler, RK4 or Adaptive")
        if not np.array_equal(times, np.round(times)):
            raise InvalidInput(f"times must be whole numbers of steps of the map, got {times.tolist()}")

    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """The steps t0, …, t1 − 1 of the map, each run with its own generator."""
        assert isinstance(model, DiscreteMap)
        x = state.x
        for k in range(round(t0), round(t1)):
            moved = [model.step(k, run, state.w, rng) for run, rng in zip(x, state.rngs, strict=True)]
            if any(np.shape(run) != x.shape[1:] for run in moved):
                shapes = [np.shape(run) for run in moved]
                name = f"{type(model).__name__}.step({k})"
                raise InvalidInput(f"{name} must keep the shape {x.shape[1:]} of its argument x, got {shapes}")
            x = np.stack(moved)
            check_finite(x, k + 1)
        return replace(state, x=x)
