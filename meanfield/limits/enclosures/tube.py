"""The tube: the exact solution from given tokens lies within a proved radius of computed ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from meanfield.limits.enclosures.comparison import grown, growth
from meanfield.limits.enclosures.defect import Missed, defect
from meanfield.limits.enclosures.outward import TINY, gamma, length_up, up
from meanfield.limits.enclosures.series import ACCURACY, DEGREE, Equation, Polynomials, series, step_length, value
from particles.checks import Array

MOST_STEPS = 4000
HALVINGS = 6
TRIES = 6
PARTS = (6, 12)
"""Parts of a step over which C is held constant: where the first are too coarse the others are tried."""


@dataclass(frozen=True, eq=False)
class Tube:
    """At one time: |x_i(t) − centre_i| ≤ radius_i for the exact solution, with what made the radius.

    `centre` (n, d), `radius` (n,), infinite where nothing is enclosed, with the `reason`; `local` (n,) is the sum of
    all errors of the steps so far, what the radius would be if errors did not grow; `left_out` the part of it that
    shorter steps would mend; `steps` their number.
    """

    time: float
    centre: Array
    radius: Array
    local: Array
    left_out: Array
    steps: int
    reason: str = ""

    @property
    def closed(self) -> bool:
        """Whether anything is enclosed."""
        return bool(np.isfinite(self.radius).all())


def start(time: float, x: Array) -> Tube:
    """The tokens x (n, d), exactly."""
    zero = np.zeros(len(x))
    return Tube(time, x, zero, zero, zero, 0)


def tubes(equation: Equation, first: Tube, times: Array) -> Iterator[Tube]:
    """The enclosure at each of `times`, ascending, from that at the first; it stays open once it is."""
    tube = first
    for t in times:
        while tube.closed and tube.time < t:
            tube = _step(equation, tube, float(t))
        yield tube if tube.closed else replace(tube, time=float(t))


def _step(equation: Equation, tube: Tube, end: float) -> Tube:
    """One step towards `end`, shortened until its defect is rounding and the errors in it stay in their tube."""
    if tube.steps >= MOST_STEPS:
        return _open(tube, f"{MOST_STEPS} steps end at t = {tube.time:g}")
    left = end - tube.time
    half = step_length(equation, tube.centre, 0.5 * left)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(HALVINGS):
            # Half of the smallest number is 0.
            parts = max(1, int(np.ceil(left / (2.0 * max(half, TINY)) * (1 - 1e-9))))
            later = end if parts == 1 else tube.time + left / parts
            p, half = _polynomials(equation, tube.centre, 0.5 * (later - tube.time))
            if p is None:
                continue
            found = _advanced(equation, tube, p, later)
            if found is not None:
                return found
            half *= 0.5
    return _open(tube, f"no step from t = {tube.time:g} keeps its errors in a tube: the radius there is too large")


def _open(tube: Tube, reason: str) -> Tube:
    return replace(tube, radius=np.full(len(tube.radius), np.inf), reason=reason)


def _polynomials(equation: Equation, x: Array, half: float) -> tuple[Polynomials | None, float]:
    """The polynomials about the middle of a step from x, or a shorter step where their last terms are too large."""
    before = series(equation, x, half)
    factor = _fitting(before)
    if factor < 0.8:
        return None, half * max(factor, 0.25)
    p = series(equation, value(before.x, 1.0), half)
    factor = _fitting(p)
    return (p, half) if factor >= 0.8 else (None, half * max(factor, 0.25))


def _fitting(p: Polynomials) -> float:
    """The factor by which a step is to change so that its last terms are ACCURACY of the tokens."""
    lengths = np.linalg.norm(p.x[[0, -2, -1]], axis=2).max(axis=1)
    if not np.isfinite(lengths).all():
        return 0.25
    last = max(lengths[1] ** (DEGREE / (DEGREE - 1.0)) / max(lengths[0], 1e-300) ** (1 / (DEGREE - 1.0)), lengths[2])
    return float(min(1.0, (ACCURACY * lengths[0] / max(last, 1e-300)) ** (1.0 / DEGREE)))


def _advanced(equation: Equation, tube: Tube, p: Polynomials, end: float) -> Tube | None:
    """The tube at the end of the step; None where the defect or the tube calls for a shorter one."""
    jump, _ = _value_up(p, -1.0, tube.centre)
    begin = up(tube.radius + jump)
    bounds = defect(equation, p)
    if not np.isfinite(bounds.rate).all():
        return None
    size = float(np.linalg.norm(p.x[0], axis=1).max())
    if bounds.left_out.max() > 1e-14 * size and bounds.left_out.max() > 0.1 * bounds.rate.max():
        return None
    reached = _within(equation, p, bounds, begin)
    if reached is None:
        return None
    centre = value(p.x, 1.0)
    rounding, _ = _value_up(p, 1.0, centre)
    # The length of the step is a difference of two times that may be rounded.
    size = float((length_up(centre) + reached + rounding).max())
    rounding = up(rounding + 1.01 * gamma(2) * (abs(p.half) + TINY) * equation.fastest(size))
    return Tube(
        time=end,
        centre=centre,
        radius=up(reached + rounding),
        local=up(tube.local + jump + rounding + 2.0 * bounds.rate),
        left_out=up(tube.left_out + 2.0 * bounds.left_out),
        steps=tube.steps + 1,
    )


def _within(equation: Equation, p: Polynomials, bounds: Missed, begin: Array) -> Array | None:
    """The radius at the end of the step, proved to be one all along it: the errors never reach the tube's wall."""
    for parts in PARTS:
        wall = up(begin + 2.0 * bounds.rate)
        for _ in range(TRIES):
            reached = grown(growth(equation, p, bounds, wall, parts), begin, bounds.rate)
            if not np.isfinite(reached).all():
                break
            if (reached < wall).all():
                return reached
            wall = up(1.25 * np.maximum(reached, wall))
    return None


def _value_up(p: Polynomials, sigma: float, x: Array) -> tuple[Array, Array]:
    """Above |p_i(σ) − x_i| (n,) for σ = ±1, and the value: Horner's rule rounds the coefficient k in k + 2 sums."""
    at = value(p.x, sigma)
    orders = np.arange(DEGREE + 1.0)
    rounding = gamma(1) * np.einsum("a,ai->i", orders + 2, length_up(p.x))
    return up(length_up(at - x) * (1 + 4 * gamma(1)) + rounding), at
