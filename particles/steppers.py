"""Methods that move particles along a field: fixed steps, adaptive steps, noise, discrete maps. All are stateless."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, cast

import numpy as np
from scipy.integrate import DOP853

from particles.checks import Array, as_matrix, positive, whole
from particles.errors import InvalidInput, NotSupported, OutOfRange, RunStopped
from particles.merging import Groups, Together, meet
from particles.models.base import DiscreteMap, VelocityField

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


class RungeKutta(FixedStep):
    """An explicit Runge–Kutta method, given by its Butcher tableau."""

    nodes: ClassVar[tuple[float, ...]]
    stages: ClassVar[tuple[tuple[float, ...], ...]]
    weights: ClassVar[tuple[float, ...]]

    def step(self, field: VelocityField, t: float, h: float, state: Particles) -> Array:
        """k_i = X(t + c_i h, x + h Σ_j a_ij k_j), then x + h Σ_i b_i k_i; the interaction anew at every stage."""
        slopes: list[Array] = []
        for node, row in zip(self.nodes, self.stages, strict=True):
            stage = state.x + h * _combine(row, slopes) if row else state.x
            # Checked here, because one bad token turns the field of its whole run into NaN.
            check_finite(stage, t + node * h)
            slopes.append(field.particle_velocity(t + node * h, stage, state.w))
        return state.x + h * _combine(self.weights, slopes)


def _combine(coefficients: tuple[float, ...], slopes: list[Array]) -> Array:
    total = coefficients[0] * slopes[0]
    for b, slope in zip(coefficients[1:], slopes[1:], strict=True):
        if b:
            total = total + b * slope
    return total


@dataclass(frozen=True)
class Euler(RungeKutta):
    """Forward Euler, order 1. Its step has a meaning of its own, a transformer layer (1.3), so it is never changed."""

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
                    f"times must be whole numbers of Euler steps dt = {self.dt:g} apart, got {t0:g} to {t1:g}: "
                    "choose other times or another dt (RK4 and Adaptive fit their step to the times)"
                )


@dataclass(frozen=True)
class RK4(RungeKutta):
    """The classical Runge–Kutta method, order 4."""

    order: ClassVar[int] = 4
    nodes: ClassVar[tuple[float, ...]] = (0.0, 0.5, 0.5, 1.0)
    stages: ClassVar[tuple[tuple[float, ...], ...]] = ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0))
    weights: ClassVar[tuple[float, ...]] = (1 / 6, 1 / 3, 1 / 3, 1 / 6)


NOW = 100.0
"""Roundings of the time within which a collision is put at the present; SciPy's steps are at least ten."""


class _TokenwiseDOP853(DOP853):  # type: ignore[misc]
    """SciPy's DOP853 with its error measured token by token: the largest over tokens, not the average."""

    def __init__(self, fun: object, t0: float, y0: Array, t1: float, dim: int, **options: float) -> None:
        self._token_dim = dim
        super().__init__(fun, t0, y0, t1, **options)

    def _estimate_error_norm(self, K: Array, h: float, scale: Array) -> float:
        shape = (-1, self._token_dim)
        err5 = np.mean(np.square((K.T @ self.E5 / scale).reshape(shape)), axis=1)
        err3 = np.mean(np.square((K.T @ self.E3 / scale).reshape(shape)), axis=1)
        denominator = err5 + 0.01 * err3
        quiet = denominator == 0
        return float(np.abs(h) * np.max(np.where(quiet, 0.0, err5 / np.sqrt(np.where(quiet, 1.0, denominator)))))


@dataclass(frozen=True)
class Adaptive(Method):
    """SciPy's DOP853, order 8, step chosen so that every token's error estimate stays below atol + rtol |x|.

    Each run of an ensemble has its own steps, as if integrated alone. A save interval that takes more than
    `max_steps` steps stops the run. Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, II.10.
    """

    rtol: float = 1e-8
    atol: float = 1e-10
    max_steps: int = 100_000

    def __post_init__(self) -> None:
        """Refuse tolerances that are not positive, or finer than float64 can honour."""
        positive(self.atol, "atol")
        whole(self.max_steps, "max_steps")
        if positive(self.rtol, "rtol") < 100 * np.finfo(float).eps:
            raise InvalidInput(f"rtol must be at least 2.3e-14, a hundred roundings of float64, got {self.rtol:g}")

    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """Each run from t0 to t1; the step proposed next is handed on, so that saving does not disturb it."""
        assert isinstance(model, VelocityField)
        proposal = np.zeros(len(state.x)) if state.proposal is None else state.proposal
        runs = [
            Particles(x[None], state.w, (), proposal[r : r + 1], state.groups and state.groups.of_run(r))
            for r, x in enumerate(state.x)
        ]
        ends = [self._run(model.of_run(r), t0, t1, part, r) for r, part in enumerate(runs)]
        return replace(
            state,
            x=np.concatenate([end.x for end in ends]),
            proposal=np.concatenate([end.proposal for end in ends if end.proposal is not None]),
            groups=Groups.stack([end.groups for end in ends if end.groups]) if state.groups else None,
        )

    def _run(self, model: VelocityField, t0: float, t1: float, part: Particles, run: int) -> Particles:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            solver = self._solver(model, t0, t1, part)
            for _ in range(self.max_steps):
                wish = solver.h_abs
                failure = solver.step()
                start, t = part, float(solver.t)
                if solver.status == "failed":
                    # A collision nearer than the spacing of times in float64 has happened.
                    part = part.moved(model, t, *part.ahead(model, t, NOW * np.spacing(t)), part.x)
                    if part.groups is start.groups:
                        raise _singular(failure, solver, part.x.shape, run)
                else:
                    self._project(model, solver, part.x.shape)
                    part = part.moved(model, t, solver.y.reshape(part.x.shape))
                if solver.status == "finished":
                    # A step cut short by the save time says nothing against the longer one that was planned.
                    cut = solver.t - solver.t_old < wish
                    return replace(part, proposal=np.array([max(wish, solver.h_abs) if cut else solver.h_abs]))
                if part.groups is not start.groups:
                    # The field has jumped: start afresh, with a step of the size that the solver finds fit.
                    solver = self._solver(model, t, t1, replace(part, proposal=None))
        raise RunStopped(
            f"more than max_steps = {self.max_steps} steps between t = {t0:g} and {t1:g} (run {run}, reached "
            f"t = {solver.t:g}): the field is stiff or nearly singular there; loosen rtol or raise max_steps",
            time=float(solver.t),
        )

    def _solver(self, model: VelocityField, t0: float, t1: float, part: Particles) -> DOP853:
        field, shape = part.felt(model), part.x.shape
        proposal = 0.0 if part.proposal is None else float(part.proposal[0])

        overflow: list[OutOfRange] = []

        def slope(t: float, y: Array) -> Array:
            try:
                return field.particle_velocity(t, y.reshape(shape), part.w).ravel()
            except OutOfRange as error:
                # A trial step that leaves float64 is too long, not wrong: NaN makes DOP853 try a shorter one.
                overflow[:] = [error]
                return np.full_like(y, np.nan)

        first = {"first_step": min(proposal, t1 - t0)} if proposal > 0 else {}
        solver = _TokenwiseDOP853(slope, t0, part.x.ravel(), t1, shape[2], rtol=self.rtol, atol=self.atol, **first)
        solver.h_abs = max(solver.h_abs, proposal)
        solver.overflow = overflow
        return solver

    @staticmethod
    def _project(field: VelocityField, solver: DOP853, shape: tuple[int, ...]) -> None:
        y = solver.y.reshape(shape)
        projected = field.project(y)
        if projected is not y:
            solver.y = projected.ravel()
            solver.f = solver.fun(solver.t, solver.y)


def _singular(failure: str, solver: DOP853, shape: tuple[int, ...], run: int) -> RunStopped | OutOfRange:
    """What to say of a solver whose step has shrunk to nothing, about the token that moves fastest."""
    if solver.overflow:
        return cast(OutOfRange, solver.overflow[0])
    speed = np.abs(solver.fun(solver.t, solver.y).reshape(shape))
    check_finite(speed, solver.t, "velocity", run)
    _, particle, component = np.unravel_index(int(np.argmax(speed)), shape)
    return RunStopped(
        f"{failure} position[run={run}, particle={particle}, component={component}] = "
        f"{solver.y.reshape(shape)[0, particle, component]:g} moves fastest at t = {solver.t:g}: the "
        "field is singular there; save up to an earlier time",
        time=float(solver.t),
    )


@dataclass(frozen=True)
class EulerMaruyama(FixedStep):
    """x + h X(t, x) + √(2hD) ξ, ξ standard normal: weak order 1, and strong order 1 as the noise is additive.

    Kloeden, Platen, Numerical Solution of Stochastic Differential Equations, 10.2.
    """

    random: ClassVar[bool] = True
    order: ClassVar[int] = 1

    def check(self, model: Model, times: Array) -> None:
        """As for every method; and refuse a noise tensor that is not symmetric and positive semi-definite."""
        super().check(model, times)
        assert isinstance(model, VelocityField)
        t = float(times[0])
        if (D := model.diffusion(t)) is not None:
            _check_tensor(D, model.dim, t)

    def step(self, field: VelocityField, t: float, h: float, state: Particles) -> Array:
        """One step, each run with its own generator; without diffusion this is Euler's step."""
        moved = state.x + h * field.particle_velocity(t, state.x, state.w)
        D = field.diffusion(t)
        if D is None:
            return moved
        _check_tensor(D, state.x.shape[-1], t)
        noise = np.stack([rng.standard_normal(state.x.shape[1:]) for rng in state.rngs])
        return np.asarray(moved + np.sqrt(2 * h) * (noise @ _square_root(D).T))


def _square_root(D: Array) -> Array:
    values, vectors = np.linalg.eigh(D)
    # Only rounding is cut off here: `_check_tensor` has refused what is truly negative.
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _check_tensor(D: Array, dim: int | None, t: float) -> None:
    D = as_matrix(D, f"diffusion({t:g})", shape=(dim, dim))
    slack = 1e-12 * np.abs(D).max()
    if np.abs(D - D.T).max() > slack or np.linalg.eigvalsh(D)[0] < -slack:
        raise InvalidInput(f"diffusion({t:g}) must be symmetric and positive semi-definite, got {D.tolist()}")


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


def default_method(model: Model) -> Method:
    """What `simulate` takes when told none: the model's choice, Iterate for maps, Adaptive(1e-8, 1e-10) for fields."""
    if isinstance(model, DiscreteMap):
        return Iterate()
    return model.default_method or Adaptive()


__all__ = ["RK4", "Adaptive", "Euler", "EulerMaruyama", "Iterate", "Method", "Particles", "default_method"]
