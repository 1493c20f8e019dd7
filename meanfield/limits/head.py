"""One attention head as the theorems read it: constant Q, K, V, the spectrum of V, the product QᵀK."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from meanfield.limits.spectrum import (
    ROUNDING,
    LeadingBlock,
    Spectrum,
    leading_block,
    spectrum,
    spectrum_of_product,
)
from particles.checks import Array, as_matrix
from particles.errors import InvalidInput, NotSupported
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.models.attention import SelfAttention, softmax_head

Factors = tuple[Array, Array]

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
    factors : tuple of arrays (d, k) and (k, d), optional
        V as the product that it is, rounded; k < d makes 0 an eigenvalue of V d − k times, whatever the numbers are.
    """

    Q: Array
    K: Array
    V: Array
    factors: Factors | None = None

    @property
    def dim(self) -> int:
        """The dimension d of a token."""
        return len(self.V)

    @property
    def rank(self) -> int:
        """What the rank of V is at most."""
        return self.dim if self.factors is None else len(self.factors[1])

    @cached_property
    def spectrum(self) -> Spectrum:
        """The eigenvalues of V with their uncertainty."""
        return spectrum(self.V) if self.factors is None else spectrum_of_product(*self.factors)

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


def factors_of(factors: tuple[npt.ArrayLike, npt.ArrayLike] | None, V: Array) -> Factors | None:
    """Checked factors of V (d, d), None where none are given or their rank is no bound. Raises InvalidInput."""
    if factors is None:
        return None
    if not isinstance(factors, tuple | list) or len(factors) != 2:
        raise InvalidInput(
            f"factors must be a pair of matrices (d, k) and (k, d) with the product V, got {type(factors).__name__}"
        )
    d = len(V)
    left = as_matrix(factors[0], "factors[0]", shape=(d, None))
    right = as_matrix(factors[1], "factors[1]", shape=(left.shape[1], d))
    off = float(np.abs(left @ right - V).max())
    rounding = (left.shape[1] + 2) * np.finfo(float).eps * float((np.abs(left) @ np.abs(right)).max())
    if not off <= rounding:
        raise InvalidInput(
            f"factors must have the product V: it differs by {off:.2g}, rounding allows {rounding:.2g}; give the V and "
            "the factors of the same head"
        )
    return (left, right) if left.shape[1] < d else None


def head_of(model: VelocityField | DiscreteMap, factors: tuple[npt.ArrayLike, npt.ArrayLike] | None = None) -> Head:
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
    Q, K, V = (np.asarray(M) for M in (field.Q, field.K, field.V))
    return Head(Q, K, V, factors_of(factors, V))
