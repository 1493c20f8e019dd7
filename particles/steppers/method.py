"""Methods that move particles along a field: fixed steps, adaptive steps, noise, discrete maps. All are stateless."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from particles.checks import Array, positive
from particles.errors import NotSupported, RunStopped
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.steppers.collisions import Groups, Together, meet

Model = VelocityField | DiscreteMap


@dataclass(frozen=True, eq=False)
class Particles:
    """Everything about an ensemble at one time: what a method advances.

    x (run, n, d); w (n,); rngs, one a run, empty where nothing is random; proposal (run,), the next step that an
    adaptive method would try, 0 for none; groups, who has met whom, None for a model without events.
    """

    x: Array
    w: Array
    rngs: tuple[np.random.Generator, ...] = ()
    proposal: Array | None = None
    groups: Groups | None = None

    def moved(self, model: VelocityField, t: float, *path: Array) -> Particles:
        """The ensemble after a step that ended at t in the last positions of `path`; tokens that met share theirs.

        Any positions before the last are others that the step could have led to: what meets there has met.
        """
        if self.groups is None:
            return replace(self, x=path[-1])
        x, groups = meet(model.events, t, (self.x, *path), self.w, self.groups)
        return replace(self, x=x, groups=groups)

    def ahead(self, field: VelocityField, t: float, h: float) -> tuple[Array, ...]:
        """Where the present velocity would lead in h, for models whose tokens may meet; nothing for others."""
        if self.groups is None:
            return ()
        return (self.x + h * self.felt(field).particle_velocity(t, self.x, self.w),)

    def felt(self, field: VelocityField) -> VelocityField:
        """The field as the groups feel it."""
        return field if self.groups is None else Together(field, self.groups.label)


class Method(ABC):
    """A way to bring an ensemble from one save time to the next, landing on it exactly."""

    random: ClassVar[bool] = False

    def check(self, model: Model, times: Array) -> None:
        """Refuse a model or save times that the method cannot serve."""
        if not isinstance(model, VelocityField):
            raise NotSupported(f"{type(self).__name__} moves velocity fields; a discrete map is moved by Iterate()")
        if model.diffusion(float(times[0])) is not None and not self.random:
            raise NotSupported(
                f"{type(self).__name__} has no rule for noise (its error control would fight the noise): "
                "use EulerMaruyama(dt)"
            )

    @abstractmethod
    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """The ensemble at t1 from the ensemble at t0 < t1."""


def interval_parts(t0: float, t1: float, dt: float) -> int:
    """Into how many equal steps, at least one, the interval [t0, t1] is divided for a step near dt."""
    return max(1, round((t1 - t0) / dt))


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


@dataclass(frozen=True)
class FixedStep(Method):
    """A method of constant step: each save interval is divided into round((t1 − t0)/dt) equal parts."""

    dt: float
    order: ClassVar[int]

    def __post_init__(self) -> None:
        """Refuse a step that is not positive."""
        positive(self.dt, "dt")

    @abstractmethod
    def step(self, field: VelocityField, t: float, h: float, state: Particles) -> Array:
        """The positions (run, n, d) at t + h from the ensemble at t."""

    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """Equal steps from t0 to t1; the run stops at the first position that is not finite."""
        assert isinstance(model, VelocityField)
        parts = interval_parts(t0, t1, self.dt)
        h = (t1 - t0) / parts
        with np.errstate(over="ignore", invalid="ignore"):
            for i in range(parts):
                x = model.project(self.step(state.felt(model), t0 + i * h, h, state))
                check_finite(x, t0 + (i + 1) * h)
                # A method of several stages may come to rest where its stages straddle a collision: look past it.
                state = state.moved(model, t0 + (i + 1) * h, *state.ahead(model, t0 + i * h, h), x)
        return state
