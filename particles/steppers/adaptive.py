"""Error control token by token: SciPy's DOP853 with its own norm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from scipy.integrate import DOP853

from particles.checks import Array, positive, whole
from particles.errors import InvalidInput, OutOfRange, RunStopped
from particles.fields.field import VelocityField
from particles.steppers.collisions import Groups
from particles.steppers.method import Method, Model, Particles, check_finite

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
