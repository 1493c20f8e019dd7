"""Theorem 4.2: a simple leading eigenvalue gathers the rescaled tokens on three hyperplanes at most."""

from __future__ import annotations

import numpy as np

from meanfield.limits.conditions import Check, good_triple
from meanfield.limits.enclosures.eigenspace import Splitting, leading_form
from meanfield.limits.enclosures.outward import exact_product, spectral_norm_up
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import LimitSet, hyperplanes
from meanfield.limits.run import Run
from meanfield.limits.spectrum import LeadingBlock
from meanfield.limits.theorems.leaders import Followers, LeaderTheorem, smaller_moduli
from meanfield.limits.theorems.statement import Example
from particles.checks import Array


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
        return (*smaller_moduli(split), *signed)

    def limit_set(
        self, run: Run, z: Array, head: Head, block: LeadingBlock, followers: Followers
    ) -> tuple[LimitSet, np.ndarray]:
        """The levels of φ₁* on which the leaders stand; where nothing is proved, the outermost ones and 0."""
        levels = (followers.targets if followers.proved else z[-1]) @ block.dual_F[0]
        values = levels if followers.proved else np.array([levels.min(), 0.0, levels.max()])
        found = hyperplanes(block, values)
        return found, found.distances(followers.targets).argmin(axis=1)
