"""Theorems 3.1 and 5.2: the leaders span a polytope in the leading eigenspace."""

from __future__ import annotations

import numpy as np

from meanfield.limits.conditions import Check, multiplicity, positive, positive_definite, scalar
from meanfield.limits.enclosures.eigenspace import Splitting
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import LimitSet, polytope_set
from meanfield.limits.run import Run
from meanfield.limits.spectrum import LeadingBlock
from meanfield.limits.theorems.leaders import Followers, LeaderTheorem, smaller_moduli
from meanfield.limits.theorems.statement import Example
from particles.checks import Array


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
        return (scalar(head), positive("λ > 0 where V = λI, λ = tr V/d", mean), *positive_definite(head))


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
        return smaller_moduli(split)
