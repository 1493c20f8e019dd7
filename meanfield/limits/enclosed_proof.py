"""Proofs about the exact solution: the tokens of a run enclosed until their leaders stay for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from meanfield.limits.enclosures.eigenspace import Splitting, splitting
from meanfield.limits.enclosures.outward import exp_up, expm1_up, exponential, gamma, length_up, up
from meanfield.limits.enclosures.persistence import Persistence, persistence
from meanfield.limits.enclosures.series import System, system_of
from meanfield.limits.enclosures.tube import Tube, start, tubes
from meanfield.limits.head import Head
from meanfield.limits.phase import Phase, drift, phase_at
from meanfield.limits.run import Run, rescaled
from meanfield.limits.spectrum import LeadingBlock
from particles.checks import Array
from particles.errors import NotSupported, TooLarge

MOST_PAIRS = 500_000
"""n² d up to which trajectories are enclosed: polynomials for every pair of tokens are held."""

LATEST = 690.0
"""λt up to which e^{−λt} is bounded."""

ENOUGH = 3
"""Saved times without a better bound after which the search ends."""


@dataclass(frozen=True, eq=False)
class EnclosedProof:
    """A saved time (index k) from which the leaders of the exact solution are proved to stay, with nothing assumed.

    `lead` (n, d) and `bound` (n,): the limit of e^{−λt} π x_i(t), π the projection onto the eigenspace of λ, lies
    within `bound` of `lead`. `leaders` (n,) are the tokens followed, `tokens` (n, d) e^{−tV} x_i then, to rounding.
    `place` (n,) is the row of each token among the distinct ones of `persistence`.
    """

    k: int
    phase: Phase
    system: System
    splitting: Splitting
    persistence: Persistence
    place: np.ndarray
    leaders: np.ndarray
    tokens: Array
    lead: Array
    bound: Array

    def distance_up(self, points: Array) -> Array:
        """Above the distance of points (n, d) from {x : π x = lim e^{−λt} π x_i(t)}, the set that token i tends to."""
        own, rounding = self.splitting.leading_part(points)
        return np.asarray(up(length_up(own - self.lead) * (1 + 4 * gamma(1)) + rounding + self.bound))

    @property
    def error(self) -> float:
        """The largest radius at that time, original frame."""
        return float(self.persistence.radius.max())

    @property
    def drift(self) -> float:
        """The largest later motion of e^{−(t−t₀)V} x_l and of x_i − x_l, original frame; where V ≠ λI an estimate."""
        return self.persistence.motion if self.splitting.whole else drift(self.phase, self.error)


def distinct_tokens(run: Run) -> tuple[Array, float, Tube]:
    """The masses (n,) of the distinct tokens of a run, their relative error, and where they start, exactly.

    Refused: a rescaled run that is not saved from t = 0, as its tokens in the original frame are rounded; more than
    MOST_PAIRS pairs.
    """
    mass, representative = run.merged
    n, d = len(run.distinct), run.positions.shape[2]
    if run.rescaled and run.times[0] != 0.0:
        raise NotSupported("a rescaled run is enclosed from t = 0 on: save that time too, or run in the original frame")
    if n * n * d > MOST_PAIRS:
        raise TooLarge(
            f"{n} tokens in dimension {d} are too many to enclose: n² d is {n * n * d}, at most {MOST_PAIRS}"
        )
    copies = int(np.bincount(representative).max())
    w_error = float(gamma(copies)) if copies > 1 else 0.0
    return mass[run.distinct], w_error, start(float(run.times[0]), run.positions[0][run.distinct])


def prove_enclosed(
    run: Run, head: Head, block: LeadingBlock, reach: Callable[[int], None]
) -> tuple[EnclosedProof | None, str]:
    """The best proof over the saved times, or None and what stands in the way; `reach` is told of each passed."""
    try:
        w, w_error, first = distinct_tokens(run)
    except (NotSupported, TooLarge) as error:
        return None, str(error)
    system = system_of(head, w, w_error)
    split = splitting(head.V, block)
    if isinstance(split, str):
        return None, split
    best: EnclosedProof | None = None
    reason, idle = "no time is saved after the first", 0
    for k, tube in enumerate(tubes(system, first, run.times)):
        reach(k + 1)
        if not tube.closed:
            reason = f"{tube.reason}; {reason}" if k else tube.reason
            break
        if abs(split.value * tube.time) > LATEST:
            reason = f"λt is beyond {LATEST:g}, where e^(−λt) leaves the range of float64"
            break
        held = persistence(system, split, tube.time, tube.centre, tube.radius)
        if not np.isfinite(held.motion):
            reason = f"at t = {tube.time:g} {held.reason}"
            continue
        found = _proof(run, head, block, system, split, k, held)
        if best is None or found.bound.max() < best.bound.max():
            best, idle = found, 0
        else:
            idle += 1
        if idle >= ENOUGH:
            break
    return best, "" if best is not None else reason


def _proof(
    run: Run, head: Head, block: LeadingBlock, system: System, split: Splitting, k: int, held: Persistence
) -> EnclosedProof:
    place = np.searchsorted(run.distinct, run.merged[1])
    exponent = -split.value * held.time
    # The exponential errs by 8 units at most, and the exponent by one of its own and what λ is off.
    lead = exponential(np.asarray(exponent)) * held.lead
    off = float(gamma(4) * abs(exponent) + up(split.error * abs(held.time)))
    shrink = float(exp_up(np.asarray(exponent + off)))
    wrong = (gamma(32) + expm1_up(np.asarray(off))) * length_up(lead)
    bound = up(shrink * held.bound + wrong)[held.leaders]
    with np.errstate(divide="ignore"):
        phase = phase_at(head.score, head.V, block, held.centre, np.log(system.w))
    tokens = lead if split.whole else rescaled(head.V, block, np.array([held.time]), held.centre[None])[0]
    leads = held.leaders[place]
    return EnclosedProof(
        k, phase, system, split, held, place, run.distinct[leads], tokens[place], lead[leads], bound[place]
    )
