"""The theorems of arXiv 2305.05465 as objects: what each needs of a head, and where it sends the tokens of a run.

A theorem is added here: a subclass of Theorem, or of LeaderTheorem, and its place in THEOREMS. `hypotheses`, `certify`
and Table 1 loop over that tuple; a set of a new shape is a subclass of LimitSet, which draws itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from meanfield.limits.conditions import Check, good_triple, multiplicity, positive, positive_definite, scalar
from meanfield.limits.enclosed_proof import EnclosedProof, prove_enclosed
from meanfield.limits.enclosures.eigenspace import Splitting, leading_form
from meanfield.limits.enclosures.outward import exact_product, spectral_norm_up
from meanfield.limits.finding import Finding, LeaderPhase, Status, nothing_known
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import BooleanMatrix, LimitSet, Origin, free_row_values, hyperplanes, polytope_set
from meanfield.limits.proof import LATEST, Proof, last_phase, leaders_of, prove
from meanfield.limits.run import Run, rescaled
from meanfield.limits.spectrum import LeadingBlock, expanding
from particles.checks import Array
from particles.fields.linear_flow import linear_flow

NEAR = 1e-3
"""Distance to the predicted set, relative to the spread of the tokens, below which a limit counts as observed."""

FOLDS = 3.0
"""λ times the length of a run below which nothing counts as observed: two tokens always lie on two hyperplanes."""


@dataclass(frozen=True)
class Example:
    """A head of the theorem as Table 1 names it."""

    V_is: str
    product_is: str
    Q: Array
    V: Array


class Theorem(ABC):
    """One theorem: its number, what it states, its row of Table 1 if it has one."""

    name: ClassVar[str]
    statement: ClassVar[str]
    example: ClassVar[Example | None] = None

    @abstractmethod
    def checks(self, head: Head) -> tuple[Check, ...]:
        """The hypotheses as numbers; () where the theorem is about tokens of another dimension."""

    def covers(self, run: Run) -> bool:
        """Whether the initial tokens are among those that the theorem is about."""
        return True

    @abstractmethod
    def finding(self, run: Run, head: Head, checks: tuple[Check, ...], *, enclose: bool) -> Finding:
        """What the theorem states of a run of a head to which it applies; `checks` as above.

        With `enclose` the exact solution is enclosed where a statement about the tokens of the run needs it.
        """


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

    def finding(self, run: Run, head: Head, checks: tuple[Check, ...], *, enclose: bool) -> Finding:
        """The limits, with a bound where a saved time is found from which the leaders provably stay."""
        run, block = run.in_range(head.V), head.block
        assert block is not None
        z = run.positions if run.rescaled else rescaled(head.V, block, run.times, run.positions)
        open_ended = ""
        if enclose:
            enclosed, open_ended = prove_enclosed(run, head, block)
            if enclosed is not None:
                return self._enclosed(run, z, head, block, checks, enclosed)
        proof, reason = prove(run, head, block)
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


class BooleanLimit(LeaderTheorem):
    """Theorem 2.1, d = 1."""

    name = "2.1"
    statement = "d = 1: the attention matrix tends to a Boolean matrix of rank 1 or 2, but for one row at most"

    def checks(self, head: Head) -> tuple[Check, ...]:
        """V > 0, QᵀK > 0."""
        if head.dim > 1:
            return ()
        return positive("V > 0", head.V[0, 0]), positive("QᵀK > 0", head.product[0, 0], head.product_rounding)

    def covers(self, run: Run) -> bool:
        """Pairwise distinct tokens: equal ones share the attention of their leader, and P* is not Boolean."""
        return len(run.distinct) == len(run.weights)

    def limit_set(
        self, run: Run, z: Array, head: Head, block: LeadingBlock, followers: Followers
    ) -> tuple[LimitSet, np.ndarray]:
        """The outermost tokens lead; where it is not proved, a token near 0 may keep a row of asterisks."""
        if followers.proved:
            points = np.unique(followers.targets, axis=0)
            member = np.searchsorted(points[:, 0], followers.targets[:, 0])
            return BooleanMatrix(points, np.eye(1), followers.leaders, None, None), member
        last = z[-1][:, 0]
        points = np.unique([[last.min()], [0.0], [last.max()]], axis=0)
        outer = np.where(last >= 0.0, np.argmax(last), np.argmin(last))
        row, values = None, None
        middle = int(np.argmin(np.abs(last)))
        if last.min() < 0.0 < last.max() and abs(last[middle]) < NEAR * np.ptp(last):
            row = middle
            gamma = np.where(last > 0.0, last.max(), last.min())
            values = free_row_values(gamma, row, run.weights, head.product.item())[1]
        found = BooleanMatrix(points, np.eye(1), outer, row, values)
        return found, found.distances(z[-1]).argmin(axis=1)


class _PolytopeLimit(LeaderTheorem):
    """The common part of Theorems 3.1 and 5.2: the leaders span K in F, and tokens end on S × G."""

    def limit_set(
        self, run: Run, z: Array, head: Head, block: LeadingBlock, followers: Followers
    ) -> tuple[LimitSet, np.ndarray]:
        """S of the polytope of the leaders, times G where F ≠ R^d."""
        projected = followers.targets @ block.projection.T
        found = polytope_set(np.unique(projected, axis=0), head.product, block)
        return found, found.distances(followers.targets).argmin(axis=1)


class PolytopeVertices(_PolytopeLimit):
    """Theorem 3.1, in full Theorem 8.1."""

    name = "3.1"
    statement = "V = λI: every rescaled token tends to a point of a finite set S on the boundary of a polytope, or to 0"
    example = Example("I", "positive definite", np.diag([1.0, 2.0]), np.eye(2))

    def checks(self, head: Head) -> tuple[Check, ...]:
        """V = λI, λ > 0, QᵀK symmetric positive definite."""
        mean = np.trace(head.V) / head.dim
        return (scalar(head), positive("λ > 0 where V = λI", mean), *positive_definite(head))


class Collapse(Theorem):
    """Theorem 8.5 for all λ, QᵀK > 0: y = (QᵀK)^{1/2} x and time λt carry V = −λI over to V = −I, QᵀK = I."""

    name = "8.5"
    statement = "V = −λI: every token with mass tends to the origin"
    example = Example("−I", "I", np.eye(2), -np.eye(2))

    def checks(self, head: Head) -> tuple[Check, ...]:
        """V = −λI, λ > 0, QᵀK symmetric positive definite."""
        mean = np.trace(head.V) / head.dim
        return (scalar(head), positive("λ > 0 where V = −λI", 0.0 - mean), *positive_definite(head))

    def finding(self, run: Run, head: Head, checks: tuple[Check, ...], *, enclose: bool) -> Finding:
        """The origin, in the original frame, for every initial state; tokens without mass are queries, left open."""
        x = np.stack([run.original(head.V, k) for k in range(len(run.times))])
        n, d = x.shape[1:]
        massive = run.merged[0][run.merged[1]] > 0.0
        assumptions = tuple(check.assumption for check in checks if check.assumption)
        reason = "" if massive.all() else f"{n - massive.sum()} token(s) without mass attract none: their limit is open"
        return Finding(
            run=run,
            status="conditional" if assumptions else "proved",
            reason=reason,
            frame="original",
            limit_set=Origin(np.zeros((1, d)), np.eye(d)),
            token_distance=np.linalg.norm(x, axis=2),
            limits=np.where(massive[:, None], np.zeros((n, d)), np.nan),
            limit_kind=np.where(massive, "point", "unknown"),
            bound=np.where(massive, 0.0, np.inf),
            leaders=np.full(n, -1),
            assumptions=assumptions,
        )


class ThreeHyperplanes(LeaderTheorem):
    """Theorem 4.2."""

    name = "4.2"
    statement = "simple leading eigenvalue: rescaled tokens tend to at most 3 parallel hyperplanes"
    example = Example("diag(1, −0.3)", "I", np.eye(2), np.diag([1.0, -0.3]))

    def checks(self, head: Head) -> tuple[Check, ...]:
        """λ₁ real, positive, simple, λ₁ > |λ₂|, ⟨Qφ₁, Kφ₁⟩ > 0."""
        return good_triple(head)

    def unverified(self, head: Head, block: LeadingBlock, split: Splitting) -> tuple[str, ...]:
        """That the other eigenvalues are smaller in modulus, and the sign of ⟨Qφ₁, Kφ₁⟩."""
        B, off = exact_product(head.K, head.Q)
        form = leading_form(B, float(spectral_norm_up(off)), block, split)
        signed = () if form > 0.0 else (f"[⟨Qφ₁, Kφ₁⟩ > 0] is not proved: at least {form:.2g} |φ₁|²",)
        return (*_smaller_moduli(split), *signed)

    def limit_set(
        self, run: Run, z: Array, head: Head, block: LeadingBlock, followers: Followers
    ) -> tuple[LimitSet, np.ndarray]:
        """The levels of φ₁* on which the leaders stand; where nothing is proved, the outermost ones and 0."""
        levels = (followers.targets if followers.proved else z[-1]) @ block.dual_F[0]
        values = levels if followers.proved else np.array([levels.min(), 0.0, levels.max()])
        found = hyperplanes(block, values)
        return found, found.distances(followers.targets).argmin(axis=1)


class PolytopeTimesG(_PolytopeLimit):
    """Theorem 5.2."""

    name = "5.2"
    statement = "leading eigenvalue with multiplicity: rescaled tokens tend to (∂K ∪ {0}) × G"
    example = Example("diag(1, 1, −1/2)", "I", np.eye(3), np.diag([1.0, 1.0, -0.5]))

    def checks(self, head: Head) -> tuple[Check, ...]:
        """QᵀK symmetric positive definite, V = λ on F of dimension ≥ 2, spectral radius < λ on G."""
        return (*multiplicity(head), *positive_definite(head)) if head.dim > 1 else ()

    def unverified(self, head: Head, block: LeadingBlock, split: Splitting) -> tuple[str, ...]:
        """That the eigenvalues on G are smaller in modulus."""
        return _smaller_moduli(split)


def _smaller_moduli(split: Splitting) -> tuple[str, ...]:
    if split.radius < split.least:
        return ()
    return (f"[|λ₂| < λ₁] is not proved: |λ₂| is at most {split.radius:.6g}, λ₁ = {split.value:.6g}",)


THEOREMS: tuple[Theorem, ...] = (BooleanLimit(), PolytopeVertices(), Collapse(), ThreeHyperplanes(), PolytopeTimesG())
"""The most specific first: of several that apply to a run, the first one that covers its tokens is taken."""


def theorem(name: str) -> Theorem:
    """The theorem of this number."""
    return next(each for each in THEOREMS if each.name == name)
