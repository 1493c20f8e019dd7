"""The search for a saved time from which every token provably follows one leader for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from meanfield.limits.head import Head
from meanfield.limits.phase import Phase, drift, phase_at
from meanfield.limits.reference import compare
from meanfield.limits.run import Run
from meanfield.limits.spectrum import LeadingBlock
from particles.fields.linear_flow import linear_flow

ERROR_FLOOR = 1e-9
"""Smallest integration error assumed, relative to |x|: a thousand times the tolerance of the reference integration."""

TRUST = 1e-5
"""Difference from the reference, relative to |z|, above which nothing is proved: errors grow fast then."""

SAFETY = 10.0
"""Factor on the difference between the run and the reference integration."""

LATEST = 17.0
"""λt beyond which scores of size e^{2λt} have lost their digits; the phase is looked for before."""

CANDIDATES = 4

HALVINGS = 6
"""Of the time that is left, to tell how much of it a run is short of."""


@dataclass(frozen=True)
class Proof:
    """A saved time (index k) from which the leaders are proved to stay, given that the error there is as stated.

    `error`: how far the exact solution is assumed from the saved tokens, original frame; `drift`: how far the tails of
    the attention can still move anything (`phase.drift`).
    """

    k: int
    phase: Phase
    error: float
    drift: float

    @property
    def off(self) -> float:
        """A bound on what separates the exact leaders from the saved ones for good, in the original frame."""
        return self.error + self.drift

    def assumption(self, run: Run) -> str:
        """What the proof rests on."""
        return (
            f"at t = {run.times[self.k]:g} the exact solution lies within {self.error:.2g} of the saved tokens "
            "(original frame; ten times the difference from an integration with tolerance 1e-12, and from copies that "
            "start 1e-10 away)"
        )


def prove(run: Run, head: Head, block: LeadingBlock, reach: Callable[[int], None]) -> tuple[Proof | None, str]:
    """The best proof over the saved times, or None and why; `reach` is told of those that the reference has passed."""
    phases = {k: p for k in range(len(run.times)) if (p := phase_of(run, head, block, k)) is not None}
    rough = {k: drift(p, _floor(p)) * np.exp(-block.value * run.times[k]) for k, p in phases.items()}
    rough = {k: value for k, value in rough.items() if np.isfinite(value)}
    if not rough:
        return None, _why_not(phases, run, head, block)
    # The drift falls doubly exponentially and the floor of the integration error takes over: among times that are as
    # good, an early one has the smaller accumulated error and the larger gaps within a cluster.
    best = sorted(rough, key=lambda k: max(rough[k], ERROR_FLOOR))[:CANDIDATES]
    found = compare(run, head, block, sorted(best), reach)
    if found.strayed > TRUST:
        return None, (
            f"the run strays by {found.strayed:.2g} of |z| from a second integration: it is coarse, or passes near a "
            "saddle where small errors decide; integrate with smaller tolerances"
        )
    proofs = []
    for k in best:
        delta = max(SAFETY * found.error[k], _floor(phases[k]))
        moved = drift(phases[k], delta)
        if np.isfinite(moved):
            proofs.append(((delta + moved) * np.exp(-block.value * run.times[k]), Proof(k, phases[k], delta, moved)))
    if not proofs:
        return None, f"the integration error {min(found.error.values()):.2g} is too much for the margins of the leaders"
    return min(proofs, key=lambda item: item[0])[1], ""


def phase_of(run: Run, head: Head, block: LeadingBlock, k: int) -> Phase | None:
    """The phase at the k-th saved time, None where the scores have lost their digits."""
    if block.value * float(run.times[k]) > LATEST:
        return None
    x = run.original(head.V, k)[run.distinct]
    with np.errstate(divide="ignore"):
        log_mass = np.log(run.merged[0][run.distinct])
    return phase_at(head.score, head.V, block, x, log_mass) if np.isfinite(x).all() else None


def last_phase(run: Run, head: Head, block: LeadingBlock) -> Phase | None:
    """The phase at the last saved time that has one."""
    phases = (phase_of(run, head, block, k) for k in reversed(range(len(run.times))))
    return next((phase for phase in phases if phase is not None), None)


def leaders_of(run: Run, phase: Phase) -> np.ndarray:
    """The token that each token follows, (n,)."""
    return np.asarray(run.distinct[phase.leaders[np.searchsorted(run.distinct, run.merged[1])]])


def _floor(phase: Phase) -> float:
    return ERROR_FLOOR * float(np.linalg.norm(phase.x, axis=1).max())


def _why_not(phases: dict[int, Phase], run: Run, head: Head, block: LeadingBlock) -> str:
    if not phases:
        return f"no saved time before the scores lose their digits (λt < {LATEST:g})"
    last, t = phases[max(phases)], float(run.times[max(phases)])
    longer = _how_long(last, t, head, block)
    if not last.consistent:
        loose = int(np.sum(last.leaders[last.leaders] != last.leaders))
        return f"at t = {t:g} the leaders of {loose} token(s) still attend to others: {longer}"
    return (
        f"at t = {t:g} the margins of the leaders are too small: a token is still between "
        f"leaders, ends on a face, a saddle or at 0, or smaller eigenvalues of V still matter; {longer}"
    )


def _how_long(last: Phase, t: float, head: Head, block: LeadingBlock) -> str:
    """When the leaders could be proved to stay, would the rescaled tokens e^{−tV} x stay where they are."""
    early, late = 0.0, LATEST / block.value - t

    def stays(delta: float) -> bool:
        x = last.x @ linear_flow(head.V, delta).T
        phase = phase_at(head.score, head.V, block, x, last.log_w)
        return bool(np.isfinite(drift(phase, _floor(phase))))

    if late <= 0.0 or not stays(late):
        return "run longer"
    for _ in range(HALVINGS):
        middle = 0.5 * (early + late)
        early, late = (early, middle) if stays(middle) else (middle, late)
    return f"run longer, to about t = {t + late:.2g} if the rescaled tokens stay where they are"
