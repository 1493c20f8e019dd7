"""DOP853, the Runge–Kutta method of order 8 of Dormand and Prince."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from particles.checks import Array
from particles.fields.field import VelocityField
from particles.kernels.loops.dormand_prince import E3, E5, STAGES, A, B, C
from particles.steppers.compiled_runs import Fields, carry, compiled_fields
from particles.steppers.error_control import ErrorControlled, Slope, Trial
from particles.steppers.method import Model
from particles.steppers.state import Particles


@dataclass(frozen=True)
class Adaptive(ErrorControlled):
    """DOP853, order 8, step chosen so that every token's error estimate stays below atol + rtol |x|.

    Each run of an ensemble has its own steps, none longer than `max_step` (None: no bound), as if integrated alone. A
    save interval that takes more than `max_steps` steps stops the run. Hairer, Nørsett, Wanner, Solving Ordinary
    Differential Equations I, II.10.

    An error estimate sees the field at the thirteen times of a step, and nothing between them. Where the field is quiet
    the steps grow, tenfold each, and what it does for a short while may fall between two evaluations: a pulse of width
    0.02 in [0, 10] is passed over without a sign. Pass `max_step` below the shortest time in which the field changes
    (0.01 there); a field that jumps at known times declares them as `breakpoints`, and every method lands on them.

    Parameters
    ----------
    rtol, atol : float
        Relative and absolute tolerance, positive.
    max_steps : int
        The most steps in a save interval.
    max_step : float, optional
        The longest step, None for no bound.

    Raises
    ------
    InvalidInput
        For numbers that are not positive.
    RunStopped
        Where a save interval takes more than `max_steps` steps.
    """

    estimate_order: ClassVar[int] = 7

    def summation(self, model: Model, n: int) -> str:
        """As for every method; "compiled" where compiled code carries whole runs."""
        compiled = isinstance(model, VelocityField) and self._fields(model, n, model.runs or 1) is not None
        return "compiled" if compiled else super().summation(model, n)

    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """Each run from t0 to t1, with steps of its own; in compiled code where model and number of tokens allow it."""
        assert isinstance(model, VelocityField)
        fields = self._fields(model, state.x.shape[1], len(state.x))
        if fields is None:
            return super().advance(model, t0, t1, state)
        limits = (self.rtol, self.atol, np.inf if self.max_step is None else self.max_step)
        ends = carry(fields, state, t0, t1, limits, self.max_steps)
        for r in np.flatnonzero(~ends.arrived).tolist():
            if ends.stuck[r]:
                rest = replace(state.of_run(r), x=ends.x[r : r + 1], memory=ends.planned[r : r + 1])
                with np.errstate(all="ignore"):
                    done = self.advance_run(model.of_run(r), float(ends.time[r]), t1, rest, r)
                assert done.memory is not None
                ends.x[r], ends.planned[r] = done.x[0], float(done.memory[0])
            else:
                raise self.too_many_steps(t0, t1, float(ends.time[r]), float(ends.planned[r]), r)
        return replace(state, x=ends.x, memory=ends.planned)

    def _fields(self, model: VelocityField, n: int, runs: int) -> Fields | None:
        """What compiled code needs; None for a method derived from this one too."""
        return compiled_fields(model, n, runs) if type(self) is Adaptive else None

    def trial(self, slope: Slope, t: float, h: float, x: Array, velocity: Array) -> Trial:
        """Twelve stages and the velocity at the end; the error is measured token by token, the largest counts."""
        flat, stages = x.ravel(), np.empty((STAGES + 1, x.size))
        stages[0] = velocity.ravel()
        for s, (row, node) in enumerate(zip(A[1:], C[1:], strict=True), start=1):
            stage = flat + np.dot(stages[:s].T, row[:s]) * h
            stages[s] = slope(t + node * h, stage.reshape(x.shape)).ravel()
        moved = (flat + h * np.dot(stages[:-1].T, B)).reshape(x.shape)
        stages[-1] = slope(t + h, moved).ravel()
        err5, err3 = ((stages.T @ weights).reshape(x.shape) for weights in (E5, E3))
        # The combination of two estimates, of order 5 and 3, whose size is h^8: (10.17) in II.10.
        fifth, third = self.mean_squares(err5, x, moved), self.mean_squares(err3, x, moved)
        denominator = fifth + 0.01 * third
        quiet = denominator == 0
        error = h * np.max(np.where(quiet, 0.0, fifth / np.sqrt(np.where(quiet, 1.0, denominator))))
        return Trial(moved, stages[-1].reshape(x.shape), float(error))
