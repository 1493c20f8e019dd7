"""Lipschitz constants of the attention field on a ball: (6.3)–(6.5), and the growth rate of (6.6) that they give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from particles.checks import Array, positive
from particles.errors import NotSupported
from particles.models.attention import SoftmaxField
from particles.models.base import VelocityField


class Constants(NamedTuple):
    """Constants of X_t on measures in B(0, R): in space (6.3), of size (6.4), in the measure (6.5), for W₁ and so W₂.

    `in_measure` overflows early, so its logarithm is kept.
    """

    in_space: float
    size: float
    log_in_measure: float

    @property
    def log_growth(self) -> float:
        """log(L₆.₃ + L₆.₅): the rate C of W₂(μ_t, ν_t) ≤ e^{Ct} W₂(μ₀, ν₀), (6.6).

        With π_t a coupling pushed along both flows and D² = ∫|x − y|² dπ_t, ½ (D²)' = ∫⟨x − y, X[μ](x) − X[ν](y)⟩ dπ
        ≤ L₆.₃ D² + L₆.₅ W₁(μ, ν) D ≤ (L₆.₃ + L₆.₅) D², since W₁ ≤ W₂ ≤ D.
        """
        return float(np.logaddexp(np.log(self.in_space), self.log_in_measure)) if self.in_space else self.log_in_measure


def constants(model: VelocityField, t: float, radius: float) -> Constants:
    """Constants of an attention field, or a sum of such, on B(0, R) at time t, in the field's own frame.

    (6.3): DX[μ](x) = V Cov_x B, Cov_x the covariance of μ tilted by e^{⟨Qx, K·⟩}; a measure in B(0, R) has ‖Cov‖ ≤ R²,
    so the Lipschitz constant is at most ‖V‖‖B‖R²; in a frame the drift −Az adds ‖A‖.
    (6.4): |X[μ]| ≤ ‖V‖R, plus ‖A‖R in a frame.
    (6.5), on B(0, R) (printed for all of R^d, where it fails): with g(y) = e^{⟨Bx, y⟩}, |∫ g V y d(μ − ν)| and
    |∫ g d(μ − ν)| are bounded through the Lipschitz constants of gVy and g, and ∫ g dμ ≥ e^{−‖B‖R²}; together
    |X[μ](x) − X[ν](x)| ≤ ‖V‖ (1 + 2‖B‖R²) e^{2‖B‖R²} W₁(μ, ν).
    """
    R = positive(radius, "radius")
    fields = [term for term in model.terms if isinstance(term, SoftmaxField)]
    if len(fields) != len(model.terms):
        raise NotSupported("constants are known for attention fields and their sums only")
    drift = 0.0 if model.frame is None else _norm(model.frame)
    in_space, size, logs = drift, drift * R, []
    for field in fields:
        V, b = _norm(field.value_matrix(t)), _norm(field.score_matrix(t)) * R**2
        in_space += V * b
        size += V * R
        logs.append(np.log(V) + np.log1p(2 * b) + 2 * b if V else -np.inf)
    return Constants(in_space, size, float(np.logaddexp.reduce(logs)))


def _norm(M: Array) -> float:
    return float(np.linalg.norm(M, 2))
