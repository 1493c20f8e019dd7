"""One attention head as the theorems read it: constant Q, K, V, the spectrum of V, the product QᵀK."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from meanfield.limits.spectrum import ROUNDING, LeadingBlock, Spectrum, leading_block, spectrum
from particles.checks import Array
from particles.errors import NotSupported
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.models.attention import SelfAttention, softmax_head

EXACT_TERMS = 200_000
"""Products of entries up to which the symmetry of QᵀK is decided in rational arithmetic."""


@dataclass(frozen=True, eq=False)
class Head:
    """Q, K (k, d) and V (d, d) of one head, with the numbers that several theorems ask for.

    Parameters
    ----------
    Q, K : array (k, d)
        Queries and keys.
    V : array (d, d)
        Values.
    """

    Q: Array
    K: Array
    V: Array

    @property
    def dim(self) -> int:
        """The dimension d of a token."""
        return len(self.V)

    @cached_property
    def spectrum(self) -> Spectrum:
        """The eigenvalues of V with their uncertainty."""
        return spectrum(self.V)

    @cached_property
    def block(self) -> LeadingBlock | None:
        """The splitting F ⊕ G of the leading eigenvalue, None where there is none or rounding hides it."""
        return leading_block(self.V, self.spectrum)

    @cached_property
    def product(self) -> Array:
        """QᵀK (d, d)."""
        return np.asarray(self.Q.T @ self.K)

    @property
    def score(self) -> Array:
        """B = KᵀQ (d, d): the score of query x and source y is ⟨Bx, y⟩."""
        return np.asarray(self.K.T @ self.Q)

    @property
    def product_rounding(self) -> float:
        """A bound on the rounding of QᵀK and of its eigenvalues, with the safety factor ROUNDING."""
        scale = float(np.linalg.norm(self.Q, 2) * np.linalg.norm(self.K, 2))
        return ROUNDING * (len(self.Q) + 1) * np.finfo(float).eps * scale

    @cached_property
    def exactly_symmetric(self) -> bool:
        """Whether QᵀK = KᵀQ holds for the numbers given, without rounding; False where deciding takes too long."""
        Q, K = self.Q, self.K
        if np.array_equal(Q, K):
            return True
        k, d = Q.shape
        if k * d * (d - 1) > EXACT_TERMS:
            return False
        q, s = ([[Fraction(float(v)) for v in column] for column in M.T] for M in (Q, K))
        return all(
            sum((a * b for a, b in zip(q[i], s[j], strict=True)), Fraction())
            == sum((a * b for a, b in zip(q[j], s[i], strict=True)), Fraction())
            for i in range(d)
            for j in range(i)
        )

    def attention(self) -> SelfAttention:
        """The equation that the theorems are about: original frame, sums exact to rounding."""
        return SelfAttention(self.Q, self.K, self.V, tolerance=None)


def head_of(model: VelocityField | DiscreteMap) -> Head:
    """The head of a model that the theorems are about. Raises NotSupported, with the reason, for any other."""
    try:
        field = softmax_head(model)
    except NotSupported as error:
        kind = type(model).__name__
        raise NotSupported(f"the theorems are about one self-attention head, not {kind}: {error}") from None
    if not field.constant:
        raise NotSupported("the theorems need constant Q, K, V; here they depend on time")
    if field.frame is not None and not np.array_equal(field.frame, np.asarray(field.V)):
        raise NotSupported("the theorems are about the original frame and z = e^{−tV} x; the model is in another frame")
    return Head(*(np.asarray(M) for M in (field.Q, field.K, field.V)))
