"""Error control: each run by steps of its own size, chosen so that every token's error estimate stays in tolerance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from particles.checks import Array, hold, positive, whole
from particles.errors import InvalidInput, OutOfRange, RunStopped
from particles.fields.field import VelocityField
from particles.steppers.collisions import after_step, at_standstill, grouped
from particles.steppers.method import Method, Model, check_finite
from particles.steppers.state import Particles

SAFETY, MIN_FACTOR, MAX_FACTOR = 0.9, 0.2, 10.0
"""A step aims at 0.9 of its tolerance, and the next is 0.2 to 10 times as long: Hairer, Nørsett, Wanner II.4."""

Slope = Callable[[float, Array], Array]
"""The velocity (n, d) of one run at a time and positions (n, d); NaN where it leaves the range of float64."""


class Trial(NamedTuple):
    """A step that was tried: positions x (n, d), the velocity there, and the error in units of the tolerance."""

    x: Array
    velocity: Array
    error: float


class _Point(NamedTuple):
    """Where one run stands between two steps: the velocity there, and the step planned next, 0 for none."""

    t: float
    x: Array
    velocity: Array
    planned: float


class _RunSlope:
    """The velocity of one run as a function of time and positions (n, d).

    A trial step that leaves float64 is too long, not wrong: NaN makes the error control try a shorter one. What the
    field has said of it last is kept in `overflow`.
    """

    def __init__(self, field: VelocityField, w: Array) -> None:
        self._field, self._w = field, w
        self.overflow: OutOfRange | None = None

    def __call__(self, t: float, x: Array) -> Array:
        try:
            return np.asarray(self._field.particle_velocity(t, x[None], self._w)[0], dtype=np.float64)
        except OutOfRange as error:
            self.overflow = error
            return np.full_like(x, np.nan)


@dataclass(frozen=True)
class ErrorControlled(Method):
    """A method that tries steps and keeps those whose error stays below atol + rtol |x| for every token.

    A subclass gives `estimate_order`, the p for which the estimated error of a step is of size h^{p+1}, and `trial`.
    Each run of an ensemble has its own steps, as if integrated alone; none is longer than `max_step`. The step planned
    next is the memory of the run, so that a save time, which cuts a step short, does not disturb those after it. A save
    interval that takes more than `max_steps` steps stops the run.
    """

    rtol: float = 1e-8
    atol: float = 1e-10
    max_steps: int = 100_000
    max_step: float | None = None
    estimate_order: ClassVar[int]

    def __post_init__(self) -> None:
        """Refuse tolerances that are not positive, or finer than float64 can honour."""
        longest = None if self.max_step is None else positive(self.max_step, "max_step")
        hold(self, rtol=positive(self.rtol, "rtol"), atol=positive(self.atol, "atol"), max_step=longest)
        hold(self, max_steps=whole(self.max_steps, "max_steps"))
        if self.rtol < 100 * np.finfo(float).eps:
            raise InvalidInput(f"rtol must be at least 2.3e-14, a hundred roundings of float64, got {self.rtol:g}")

    @property
    def sum_tolerance(self) -> float:
        """A hundredth of the tolerance of a step."""
        return self.rtol / 100

    def check(self, model: Model, times: Array) -> None:
        """As for every method; and refuse a longest step that needs more steps than are allowed."""
        super().check(model, times)
        longest = float(np.max(np.diff(times), initial=0.0))
        if self.max_step is not None and longest > self.max_steps * self.max_step:
            raise InvalidInput(
                f"max_step = {self.max_step:g} needs more than max_steps = {self.max_steps} steps for a save interval "
                f"of {longest:g}: raise max_steps, or save more often"
            )

    @abstractmethod
    def trial(self, slope: Slope, t: float, h: float, x: Array, velocity: Array) -> Trial:
        """A step of one run from x (n, d) at t, where the velocity is known, to t + h."""

    def mean_squares(self, estimate: Array, x: Array, moved: Array) -> Array:
        """Of each token's error estimate (n, d) for a step from x to `moved`, in units of the tolerance; (n,)."""
        scale = self.atol + np.maximum(np.abs(x), np.abs(moved)) * self.rtol
        return np.asarray(np.mean(np.square(estimate / scale), axis=1))

    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """Each run from t0 to t1, with steps of its own."""
        assert isinstance(model, VelocityField)
        with np.errstate(all="ignore"):
            runs = [self.advance_run(model.of_run(r), t0, t1, state.of_run(r), r) for r in range(len(state.x))]
        return Particles.stack(runs)

    def advance_run(self, model: VelocityField, t0: float, t1: float, state: Particles, run: int) -> Particles:
        """One run, which has the number `run` in its ensemble, from t0 to t1."""
        at, slope = self._start(model, t0, t1, state)
        for _ in range(self.max_steps):
            before = state
            if (end := self._step(model, slope, at, t1)) is None:
                state = at_standstill(model, state, at.t)
                if state.groups is before.groups:
                    raise _singular(slope, at, run)
            else:
                at = end
                state = after_step(model, state, (at.x[None],), at.t)
            if at.t >= t1:
                return replace(state, memory=np.array([at.planned]))
            if state.groups is not before.groups:
                # The field has jumped: start afresh, with a step of the size that fits it.
                at, slope = self._start(model, at.t, t1, replace(state, memory=None))
        raise self.too_many_steps(t0, t1, at.t, at.planned, run)

    def too_many_steps(self, t0: float, t1: float, reached: float, planned: float, run: int) -> RunStopped:
        """What is reported of a run that has used up its steps."""
        return RunStopped(
            f"more than max_steps = {self.max_steps} steps between t = {t0:g} and {t1:g} (run {run}, reached "
            f"t = {reached:g}, steps of about {planned:.1g}): the field is stiff, nearly singular or jumps there, as "
            "hardmax attention does where leaders change. Move it by a constant step, RK4(dt) or Euler(dt), which "
            f"crosses a jump at first order in dt; or loosen rtol and atol, or raise max_steps",
            time=reached,
        )

    def _start(self, model: VelocityField, t: float, t1: float, state: Particles) -> tuple[_Point, _RunSlope]:
        slope, x = _RunSlope(grouped(model, state), state.w), state.x[0]
        velocity = slope(t, x)
        planned = 0.0 if state.memory is None else float(state.memory[0])
        if planned <= 0:
            planned = self._first_step(slope, t, t1, x, velocity)
        return _Point(t, x, velocity, planned), slope

    def _step(self, model: VelocityField, slope: Slope, at: _Point, t1: float) -> _Point | None:
        """A step within tolerance that does not pass t1; None where it is shorter than ten roundings of the time."""
        shortest = 10 * np.abs(np.nextafter(at.t, np.inf) - at.t)
        planned = h = self._limited(max(at.planned, shortest))
        rejected = False
        while h >= shortest:
            end = min(at.t + h, t1)
            h = end - at.t
            found = self.trial(slope, at.t, h, at.x, at.velocity)
            if found.error < 1:
                break
            h *= max(MIN_FACTOR, self._factor(found.error))
            rejected = True
        else:
            return None
        factor = MAX_FACTOR if found.error == 0 else min(MAX_FACTOR, self._factor(found.error))
        following = h * (min(1.0, factor) if rejected else factor)
        # That a step was cut short by the end is no reason against the longer one that was planned.
        if end >= t1 and h < planned:
            following = max(planned, following)
        batch = found.x[None]
        projected = model.space.project(batch)
        if projected is batch:
            return _Point(end, found.x, found.velocity, following)
        return _Point(end, projected[0], slope(end, projected[0]), following)

    def _factor(self, error: float) -> float:
        return float(SAFETY * error ** (-1 / (self.estimate_order + 1)))

    def _limited(self, h: float) -> float:
        return h if self.max_step is None else min(h, self.max_step)

    def _first_step(self, slope: Slope, t: float, t1: float, x: Array, velocity: Array) -> float:
        """A step for which an Euler step changes the velocity little: Hairer, Nørsett, Wanner II.4, page 169."""
        scale = self.atol + np.abs(x) * self.rtol
        size, speed = _root_mean_square(x / scale), _root_mean_square(velocity / scale)
        h = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
        h = min(h, t1 - t)
        if h == 0:
            # The velocity is beyond all range beside its tolerance: begin with the shortest step there is.
            return 0.0
        change = _root_mean_square((slope(t + h, x + h * velocity) - velocity) / scale) / h
        if speed <= 1e-15 and change <= 1e-15:
            fitting = max(1e-6, h * 1e-3)
        else:
            fitting = (0.01 / max(speed, change)) ** (1 / (self.estimate_order + 1))
        return self._limited(min(100 * h, fitting, t1 - t))


def _root_mean_square(x: Array) -> float:
    return float(np.linalg.norm(x) / x.size**0.5)


def _singular(slope: _RunSlope, at: _Point, run: int) -> RunStopped | OutOfRange:
    """What is reported of a run whose step has shrunk to nothing, about the token that moves fastest."""
    if slope.overflow is not None:
        return slope.overflow
    speed = np.abs(slope(at.t, at.x))
    check_finite(speed[None], at.t, "velocity", run)
    particle, component = np.unravel_index(int(np.argmax(speed)), speed.shape)
    return RunStopped(
        f"the step that the tolerance asks for is below ten roundings of the time. position[run={run}, "
        f"particle={particle}, component={component}] = {at.x[particle, component]:g} moves fastest at t = {at.t:g}: "
        "the field is singular there; save up to an earlier time",
        time=at.t,
    )
