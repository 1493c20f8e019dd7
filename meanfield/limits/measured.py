"""How far a run of any model is from an integration of its own with smaller tolerances."""

from __future__ import annotations

import numpy as np

from meanfield.limits.run import Run
from particles import Adaptive, simulate
from particles.errors import LibraryError
from particles.fields.field import VelocityField
from particles.fields.questions import with_exact_sums

SAFETY = 10.0
"""Factor on the difference between the run and the second integration."""

FLOOR = 1e-11
"""Smallest error assumed, ten times the tolerance of the second integration."""


def measured_error(run: Run, k: int) -> float:
    """Ten times the largest distance of a token at the k-th saved time from an integration with tolerance 1e-12.

    0 at the first saved time, inf where the second integration ends early. Its sums are exact to rounding, so that what
    the run's own sums left out is measured as well.
    """
    assert isinstance(run.model, VelocityField)
    if k == 0:
        return 0.0
    model = with_exact_sums(run.model)
    ends = [float(run.times[0]), float(run.times[k])]
    try:
        second = simulate(model, run.positions[0], ends, Adaptive(1e-12, 1e-14), weights=run.weights)
    except LibraryError:
        return np.inf
    gap = run.model.space.distance(second.position.values[-1], run.positions[k])
    return max(SAFETY * float(np.max(gap)), FLOOR)


def assumption(run: Run, k: int, error: float) -> str:
    """What a theorem about the exact solution rests on where the solution is measured."""
    return (
        f"at t = {run.times[k]:g} the exact solution lies within {error:.2g} of the saved tokens (ten times the "
        "difference from an integration with tolerance 1e-12)"
    )
