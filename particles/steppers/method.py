"""What a method is: a way to bring an ensemble from one time to the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np

from particles.checks import Array, Frozen
from particles.errors import NotSupported, RunStopped
from particles.fields.breakpoints import pieces
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.steppers.state import Particles

Model = VelocityField | DiscreteMap


SUM_TOLERANCE = 1e-10
"""Of sums in a method without a tolerance of its own."""


class Method(Frozen, ABC):
    """A way to bring an ensemble from one time to the next, landing on it exactly.

    A subclass is a frozen dataclass of numbers that gives `advance`. A constant step is easier written as a FixedStep,
    an explicit Runge–Kutta method as a RungeKutta, a step chosen by an estimate of its error as an ErrorControlled:
    they handle collisions, state spaces and values that are not finite.
    """

    random: ClassVar[bool] = False
    """Whether `advance` draws from the generators of the runs; only such methods move fields with noise."""

    def check(self, model: Model, times: Array) -> None:
        """Refuse a model or times that the method cannot serve; it lands on every one of `times` (k,), in order."""
        if not isinstance(model, VelocityField):
            raise NotSupported(f"{type(self).__name__} moves velocity fields; a discrete map is moved by Iterate()")
        if model.noisy and not self.random:
            raise NotSupported(
                f"{type(self).__name__} has no rule for noise (its error control would fight the noise): "
                "use EulerMaruyama(dt)"
            )

    def summation(self, model: Model, n: int) -> str:
        """How the sums over n particles are computed, for the record in a Dataset; "" where nothing is chosen."""
        return model.summation(n) if isinstance(model, VelocityField) else ""

    @property
    def sum_tolerance(self) -> float:
        """The error that sums over many particles may have, relative to the spread of what they sum."""
        return SUM_TOLERANCE

    @abstractmethod
    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """The ensemble at t1 from the ensemble at t0 < t1; `state` is left as it is."""


def advance_over_jumps(method: Method, field: VelocityField, t0: float, t1: float, particles: Particles) -> Particles:
    """The ensemble at t1; the method lands on every breakpoint of the field, and starts afresh there."""
    for piece in pieces(field, t0, t1):
        particles = method.advance(piece.field, piece.start, piece.end, particles)
        if piece.jumps:
            particles = replace(particles, memory=None)
    return particles


def check_finite(x: Array, t: float, variable: str = "position", first_run: int = 0) -> None:
    """Stop the run where an array (run, particle, component) is not finite."""
    bad = ~np.isfinite(x)
    if bad.any():
        run, particle, component = (int(i) for i in np.argwhere(bad)[0])
        place = f"{variable}[run={first_run + run}, particle={particle}, component={component}]"
        raise RunStopped(
            f"{place} = {x[run, particle, component]} at t = {t:g}: the solution left the range of float64; "
            "save up to an earlier time, or take a smaller step",
            time=t,
        )
