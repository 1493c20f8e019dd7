"""DOP853, the Runge–Kutta method of order 8 with the coefficients that SciPy publishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.integrate import DOP853

from particles.checks import Array
from particles.steppers.error_control import ErrorControlled, Slope, Trial


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

    def trial(self, slope: Slope, t: float, h: float, x: Array, velocity: Array) -> Trial:
        """Twelve stages and the velocity at the end; the error is measured token by token, the largest counts."""
        flat, stages = x.ravel(), np.empty((len(DOP853.C) + 1, x.size))
        stages[0] = velocity.ravel()
        for s, (row, node) in enumerate(zip(DOP853.A[1:], DOP853.C[1:], strict=True), start=1):
            stage = flat + np.dot(stages[:s].T, row[:s]) * h
            stages[s] = slope(t + node * h, stage.reshape(x.shape)).ravel()
        moved = (flat + h * np.dot(stages[:-1].T, DOP853.B)).reshape(x.shape)
        stages[-1] = slope(t + h, moved).ravel()
        err5, err3 = ((stages.T @ E).reshape(x.shape) for E in (DOP853.E5, DOP853.E3))
        # The combination of two estimates, of order 5 and 3, whose size is h^8: (10.17) in II.10.
        fifth, third = self.mean_squares(err5, x, moved), self.mean_squares(err3, x, moved)
        denominator = fifth + 0.01 * third
        quiet = denominator == 0
        error = h * np.max(np.where(quiet, 0.0, fifth / np.sqrt(np.where(quiet, 1.0, denominator))))
        return Trial(moved, stages[-1].reshape(x.shape), float(error))
