"""How long a step in time is: as long as its error, the bend of the field over it and the Courant number allow.

Over a step the field is seen at its start, middle and end. An embedded method gives the error in time of the step, in
L1 relative to the mass; the second difference of the field, relative to the field, is how far it bends: a law that
grows out of a tiny perturbation makes no error that L1 would notice while it is small, yet its growth must be right.
A step that fails either test is tried again, shorter. What happens between the three instants is not seen: `max_step`
and a field's `breakpoints` are for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from particles.checks import Array, hold, positive

BEND = 0.003
"""Largest second difference of the field over a step, relative to the field: e^{λt} is followed in steps λΔt = 0.11."""

UNSEEN = 1e-8
"""Part of the tolerance below which an error is too small for the bend of the field to matter."""

GROWTH, SHRINK, SAFETY = 5.0, 0.2, 0.9
"""Bounds on the ratio of successive steps, and the part taken of the step that would just do."""

LEEWAY = 0.9
"""A stage may reach the Courant number cfl/LEEWAY before the step is redone: a field grows a little within a step."""

START = 1e-3
"""Length of the first trial step of schemes that land on every save time, in parts of the first save interval."""


@dataclass(frozen=True)
class TimeControl:
    """tolerance: largest error in time of a step, in L1 relative to the mass; max_step: its greatest length."""

    tolerance: float = 1e-4
    max_step: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is not positive."""
        positive(self.tolerance, "time_tolerance")
        if self.max_step is not None:
            hold(self, max_step=positive(self.max_step, "max_step"))

    def excess(self, error: float, bend: float, change: float) -> float:
        """How many times too large error or bend are, as a multiple of the third power of the step; at most 1 is well.

        Both methods of a pair are of second order at least, so that their difference is O(Δt³); the bend is O(Δt²).
        `change`: how much mass changes place in the step, in L1.
        """
        if not (np.isfinite(error) and np.isfinite(bend)):
            return np.inf
        worst = error / self.tolerance
        if self.seen(max(error, bend * change)):
            worst = max(worst, (bend / BEND) ** 1.5)
        return worst

    def seen(self, error: float) -> bool:
        """Whether an error is large enough to be looked at."""
        return error > UNSEEN * self.tolerance


class Span(NamedTuple):
    """Where a step may lead: from t, as far as `wanted`, at most `room`; `latest` is when the field may be asked last.

    `latest` is t + room, or just before it where the field jumps there.
    """

    t: float
    wanted: float
    room: float
    latest: float

    def cut(self, h: float) -> tuple[float, bool]:
        """The step nearest to h that leaves no crumb before the end of the room, and whether it is h itself."""
        if h >= self.room * (1 - 1e-9):
            return self.room, h <= self.room * (1 + 1e-9)
        return h, True

    def time(self, part: float, h: float) -> float:
        """When the field is asked for a stage at t + part · h."""
        return min(self.t + part * h, self.latest)


def longer(h: float, excess: float) -> float:
    """The next step to try after one of length h."""
    if not np.isfinite(excess):
        return SHRINK * h
    factor = GROWTH if excess == 0 else SAFETY * excess ** (-1 / 3)
    return h * float(np.clip(factor, SHRINK, GROWTH))


def bend_of(sizes: Iterable[float], second: float) -> float:
    """The second difference of the field relative to its largest size over a step; 0 for a field at rest."""
    largest = max(sizes)
    return second / largest if largest > 0 else 0.0


def breakpoint_after(times: Iterable[float], t: float) -> float:
    """The first of the times at which a field jumps after t; infinity where there is none."""
    return min((float(time) for time in times if time > t), default=np.inf)


def weighted(values: Array, weights: Array) -> float:
    """Σ w |v| / Σ w."""
    total = float(weights.sum())
    return float(np.abs(values).ravel() @ weights.ravel()) / total if total > 0 else 0.0
