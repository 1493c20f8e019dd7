"""The common part of the theorems on z = e^{−tV} x: every token follows a leader in the end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from meanfield.limits.conditions import Check
from meanfield.limits.enclosed_proof import EnclosedProof, prove_enclosed
from meanfield.limits.enclosures.eigenspace import Splitting
from meanfield.limits.finding import Finding, LeaderPhase, Status, nothing_known
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import LimitSet
from meanfield.limits.proof import LATEST, Proof, last_phase, leaders_of, prove
from meanfield.limits.run import Run, rescaled
from meanfield.limits.spectrum import LeadingBlock, expanding
from meanfield.limits.theorems.statement import Theorem
from particles.checks import Array
from particles.fields.linear_flow import linear_flow

NEAR = 1e-3
"""Distance to the predicted set, relative to the spread of the tokens, below which a limit counts as observed."""

FOLDS = 3.0
"""λ times the length of a run below which nothing counts as observed: two tokens always lie on two hyperplanes."""


@dataclass(frozen=True)
class Followers:
    """Each token's leader (n,) and the rescaled position (n, d) it tends to, proved or as last seen."""

    leaders: np.ndarray
    targets: Array
    proved: bool


class LeaderTheorem(Theorem):
    """A theorem on z = e^{−tV} x: every token follows a leader in the end, from which its limit is known."""

    @abstractmethod
    def limit_set(
        self, run: Run, z: Array, head: Head, block: LeadingBlock, followers: Followers
    ) -> tuple[LimitSet, np.ndarray]:
        """The predicted set for z (T, n, d), and for every token the member of it that it tends to (n,)."""

    def unverified(self, head: Head, block: LeadingBlock, split: Splitting) -> tuple[str, ...]:
        """What of the hypotheses holds in float64 but is not proved for the matrices as exact numbers."""
        return ()

    def finding(
        self, run: Run, head: Head, checks: tuple[Check, ...], *, enclose: bool, reach: Callable[[int], None]
    ) -> Finding:
        """The limits, with a bound where a saved time is found from which the leaders provably stay."""
        run, block = run.in_range(head.V), head.block
        assert block is not None
        if not len(run.times):
            return nothing_known(run, "e^(−tV) leaves the range of float64 at every saved time", "rescaled")
        z = run.positions if run.rescaled else rescaled(head.V, block, run.times, run.positions)
        open_ended = ""
        if enclose:
            enclosed, open_ended = prove_enclosed(run, head, block, reach)
            if enclosed is not None:
                return self._enclosed(run, z, head, block, checks, enclosed)
        first = len(run.times) if enclose else 0
        proof, reason = prove(run, head, block, lambda passed: reach(first + passed))
        reason = "; ".join(filter(None, (reason, open_ended and f"the exact solution is not enclosed: {open_ended}")))
        phase = proof.phase if proof else last_phase(run, head, block)
        if phase is None:
            return nothing_known(run, f"every saved time is beyond λt = {LATEST:g}: save earlier times too", "rescaled")
        leaders = leaders_of(run, phase)
        seen = z[proof.k if proof else -1]
        followers = Followers(leaders, seen[leaders], proof is not None)
        limit_set, member = self.limit_set(run, z, head, block, followers)
        distances = np.stack([limit_set.distance(tokens) for tokens in z])
        assumptions: tuple[str, ...] = tuple(check.assumption for check in checks if check.assumption)
        if proof is None:
            status: Status = "observed" if _has_settled(run, z, block, distances[-1]) else "undecided"
            kind = "unknown" if status == "undecided" else "point" if block.G.shape[1] == 0 else "on set"
            limits, bound = limit_set.nearest(z[-1]), np.full(len(leaders), np.inf)
        else:
            status = "conditional"
            assumptions += (proof.assumption(run),)
            limits, kind, bound = _limits_after(proof, run, head, block, followers, limit_set, seen, member)
        return Finding(
            run=run,
            status=status,
            reason=reason,
            frame="rescaled",
            limit_set=limit_set,
            token_distance=distances,
            limits=limits,
            limit_kind=np.full(len(leaders), kind),
            bound=bound,
            leaders=leaders,
            assumptions=assumptions,
            phase=None if proof is None else _leader_phase(run, seen, proof),
        )

    def _enclosed(
        self,
        run: Run,
        z: Array,
        head: Head,
        block: LeadingBlock,
        checks: tuple[Check, ...],
        proof: EnclosedProof,
    ) -> Finding:
        """The limits of the exact solution; given only what the checks of the hypotheses assume."""
        followers = Followers(proof.leaders, proof.lead, proved=True)
        limit_set, member = self.limit_set(run, z, head, block, followers)
        whole = proof.splitting.whole
        limits = proof.lead if whole else limit_set.nearest(proof.tokens, member)
        assumptions = tuple(check.assumption for check in checks if check.assumption)
        assumptions += self.unverified(head, block, proof.splitting)
        return Finding(
            run=run,
            status="conditional" if assumptions else "proved",
            reason="",
            frame="rescaled",
            limit_set=limit_set,
            token_distance=np.stack([limit_set.distance(tokens) for tokens in z]),
            limits=limits,
            limit_kind=np.full(len(limits), "point" if whole else "on set"),
            bound=proof.bound if whole else proof.distance_up(limits),
            leaders=proof.leaders,
            assumptions=assumptions,
            phase=LeaderPhase(float(run.times[proof.k]), proof.tokens, proof.error, proof.drift, proof),
        )


def _has_settled(run: Run, z: Array, block: LeadingBlock, distance: Array) -> bool:
    """Whether a run is long enough and ends near enough to the predicted set for its limit to count as observed."""
    spread = float(np.ptp(z[0] @ block.complement.T, axis=0).max())
    seen_long = block.value * float(run.times[-1] - run.times[0]) >= FOLDS
    return bool(seen_long and distance.max() <= NEAR * max(spread, 1e-300))


def _limits_after(
    proof: Proof, run: Run, head: Head, block: LeadingBlock, followers: Followers, limit_set: LimitSet, seen: Array,
    member: np.ndarray,
) -> tuple[Array, str, Array]:  # fmt: skip
    """Limits, their kind, and a bound on their error, from the rescaled tokens `seen` at the time of the proof."""
    time = float(run.times[proof.k])
    if block.G.shape[1] > 0 and expanding(head.V):
        bound = np.full(len(member), float(np.linalg.norm(linear_flow(head.V, -time), 2)) * proof.off)
        return followers.targets, "point", bound
    # Of the tokens as they are then: later ones are so large along G that their digits along F are lost.
    limits = limit_set.nearest(seen, member)
    shrink = np.exp(-block.value * time) * float(np.linalg.norm(block.projection, 2))
    bound = np.full(len(member), shrink * proof.off)
    if block.G.shape[1] == 0:
        return limits, "point", bound
    return limits, "on set", bound + limit_set.distances(limits)[np.arange(len(member)), member]


def _leader_phase(run: Run, z: Array, proof: Proof) -> LeaderPhase:
    return LeaderPhase(float(run.times[proof.k]), z, proof.error, proof.drift)


def smaller_moduli(split: Splitting) -> tuple[str, ...]:
    """That all other eigenvalues are smaller in modulus, where it is not proved."""
    if split.radius < split.least:
        return ()
    return (f"[|λ₂| < λ₁] is not proved: |λ₂| is at most {split.radius:.6g}, λ₁ = {split.value:.6g}",)
