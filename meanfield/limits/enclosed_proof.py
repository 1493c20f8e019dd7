"""Proofs about the exact solution: the tokens of a run enclosed until their leaders stay for good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.limits.enclosures.outward import exp_up, exponential, gamma, length_up, up
from meanfield.limits.enclosures.persistence import Persistence, persistence
from meanfield.limits.enclosures.series import System, system_of
from meanfield.limits.enclosures.tube import Tube, start, tubes
from meanfield.limits.head import Head
from meanfield.limits.phase import Phase, phase_at
from meanfield.limits.run import Run
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

    `tokens` (n, d) and `bound` (n,): the limit of e^{−λt} x_i(t) lies within `bound` of the token of its leader.
    `place` (n,) is the row of each token among the distinct ones of `persistence`.
    """

    k: int
    phase: Phase
    system: System
    persistence: Persistence
    place: np.ndarray
    tokens: Array
    bound: Array

    @property
    def error(self) -> float:
        """The largest radius at that time, original frame."""
        return float(self.persistence.radius.max())

    @property
    def drift(self) -> float:
        """The largest later motion, original frame."""
        return self.persistence.motion


def system_of_run(run: Run, head: Head) -> tuple[System, Tube]:
    """The equation of the distinct tokens of a run, and where they start, exactly.

    Refused: a rescaled run that is not saved from t = 0, as its tokens in the original frame are rounded; more than
    MOST_PAIRS pairs.
    """
    mass, representative = run.merged
    n, d = len(run.distinct), head.dim
    if run.rescaled and run.times[0] != 0.0:
        raise NotSupported("a rescaled run is enclosed from t = 0 on: save that time too, or run in the original frame")
    if n * n * d > MOST_PAIRS:
        raise TooLarge(
            f"{n} tokens in dimension {d} are too many to enclose: n² d is {n * n * d}, at most {MOST_PAIRS}"
        )
    copies = int(np.bincount(representative).max())
    w_error = float(gamma(copies)) if copies > 1 else 0.0
    system = system_of(head, mass[run.distinct], w_error)
    return system, start(float(run.times[0]), run.positions[0][run.distinct])


def prove_enclosed(run: Run, head: Head, block: LeadingBlock) -> tuple[EnclosedProof | None, str]:
    """The best proof over the saved times, or None and what stands in the way."""
    try:
        system, first = system_of_run(run, head)
    except (NotSupported, TooLarge) as error:
        return None, str(error)
    if system.scale is None or not system.scale > 0.0:
        return None, "proofs about the exact solution need V = λI, λ > 0, entry by entry"
    best: EnclosedProof | None = None
    reason, idle = "no time is saved after the first", 0
    for k, tube in enumerate(tubes(system, first, run.times)):
        if not tube.closed:
            reason = f"{tube.reason}; {reason}" if k else tube.reason
            break
        if abs(system.scale * tube.time) > LATEST:
            reason = f"λt is beyond {LATEST:g}, where e^(−λt) leaves the range of float64"
            break
        held = persistence(system, tube.time, tube.centre, tube.radius)
        if not np.isfinite(held.motion):
            reason = f"at t = {tube.time:g} {held.reason}"
            continue
        found = _proof(run, head, block, system, k, held)
        if best is None or found.bound.max() < best.bound.max():
            best, idle = found, 0
        else:
            idle += 1
        if idle >= ENOUGH:
            break
    return best, "" if best is not None else reason


def _proof(run: Run, head: Head, block: LeadingBlock, system: System, k: int, held: Persistence) -> EnclosedProof:
    assert system.scale is not None
    place = np.searchsorted(run.distinct, run.merged[1])
    exponent = -system.scale * held.time
    # The exponential errs by 8 units at most, and the exponent by one of its own.
    tokens = exponential(np.asarray(exponent)) * held.centre
    shrink = float(exp_up(np.asarray(exponent + gamma(4) * abs(exponent))))
    wrong = (gamma(32) + gamma(4) * abs(exponent)) * length_up(tokens)
    bound = up(shrink * (held.radius + held.motion) + wrong)[held.leaders]
    with np.errstate(divide="ignore"):
        phase = phase_at(head.score, head.V, block, held.centre, np.log(system.w))
    return EnclosedProof(k, phase, system, held, place, tokens[place], bound[place])
