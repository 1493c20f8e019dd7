"""Taylor polynomials of a trajectory, of (1.1) here, in float64: candidates, of which nothing is claimed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from meanfield.limits.enclosures.outward import exact_product, exponential, spectral_norm_up, up
from meanfield.limits.head import Head
from particles.checks import Array

DEGREE = 24
"""Degree of the polynomials; a higher one takes fewer steps, each of them dearer by its square."""

NEGLIGIBLE = -46.0
"""Weights below e^NEGLIGIBLE of the largest of their row are left out of the polynomials, and bounded."""

ACCURACY = 1e-17
"""Size of the first term left out, relative to the tokens, that a step aims at."""


class Equation(ABC):
    """What moves tokens: `series`, `step_length`, `defect` and `growth` dispatch on its type."""

    @abstractmethod
    def fastest(self, size: float) -> float:
        """Above |x_i'| of all tokens where |x_j| ≤ `size` for those with mass."""


@dataclass(frozen=True, eq=False)
class System(Equation):
    """The equation x_i' = V m_i, m_i = Σ_j w_j e^{⟨Bx_i, x_j⟩} x_j / Σ_j w_j e^{⟨Bx_i, x_j⟩}.

    V (d, d) and w (n,) are exact up to the relative error `w_error`; B (d, d) is KᵀQ up to `B_error` entry by entry.
    `V_norm`, `B_norm` and `B_gap` are above the spectral norms of V, KᵀQ and KᵀQ − B; `scale` is λ where V = λI.
    """

    V: Array
    B: Array
    B_error: Array
    w: Array
    w_error: float
    V_norm: float
    B_norm: float
    B_gap: float
    scale: float | None

    def fastest(self, size: float) -> float:
        """|x_i'| ≤ ‖V‖ max_j |x_j|."""
        return float(up(self.V_norm * size))


def system_of(head: Head, w: Array, w_error: float) -> System:
    """The equation of a head with masses w (n,) that are right within the relative error `w_error`."""
    B, B_error = exact_product(head.K, head.Q)
    gap = float(spectral_norm_up(B_error))
    V = head.V
    scale = float(V[0, 0]) if np.array_equal(V, V[0, 0] * np.eye(len(V))) else None
    V_norm = float(spectral_norm_up(V)) if scale is None else abs(scale)
    return System(V, B, B_error, w, w_error, V_norm, float(up(spectral_norm_up(B) + gap)), gap, scale)


@dataclass(frozen=True, eq=False)
class Polynomials:
    """Tokens `x` (D+1, n, d) as polynomials in σ ∈ [−1, 1] over a step of half-length η, `half`, about its middle."""

    half: float
    x: Array


@dataclass(frozen=True, eq=False)
class Series(Polynomials):
    """Those of (1.1), with what they are made of, coefficients along the first axis.

    `mean` (D, n, d) with x' ≈ η V mean; `leaders` (n,) the token whose score is taken from each row; `apart`
    (D+1, n, n, d) the differences x_j − x_l; `scores` (D+1, n, n) for ⟨Bx_i, x_j − x_l⟩, and `weights` (D+1, n, n) for
    their exponentials, 0 where `kept` (n, n) is false.
    """

    mean: Array
    leaders: np.ndarray
    apart: Array
    scores: Array
    weights: Array
    kept: np.ndarray


def value(coefficients: Array, sigma: float) -> Array:
    """The polynomial at σ by Horner's rule."""
    out: Array = coefficients[-1]
    for c in coefficients[-2::-1]:
        out = c + sigma * out
    return out


@singledispatch
def series(equation: Equation, x: Array, half: float) -> Polynomials:
    """The Taylor polynomials in σ of the solution that passes through x (n, d) at σ = 0, where dt = η dσ."""
    raise NotImplementedError(type(equation).__name__)


@series.register
def _(system: System, x: Array, half: float) -> Series:
    n, d = x.shape
    X, Q = np.zeros((DEGREE + 1, n, d)), np.zeros((DEGREE, n, d))
    apart = np.zeros((DEGREE + 1, n, n, d))
    S, E = np.zeros((2, DEGREE + 1, n, n))
    BX = np.zeros_like(X)
    offset = np.zeros_like(Q)
    Z = np.zeros((DEGREE, n))
    X[0] = x
    leaders = np.argmax(np.where(system.w > 0.0, x @ system.B.T @ x.T, -np.inf), axis=1)
    kept = np.ones((n, n), dtype=bool)
    orders = np.arange(DEGREE + 1.0)
    for k in range(DEGREE + 1):
        BX[k] = X[k] @ system.B.T
        apart[k] = X[k][None, :, :] - X[k][leaders][:, None, :]
        S[k] = np.einsum("aic,aijc->ij", BX[: k + 1], apart[k::-1])
        if k == 0:
            E[0] = exponential(S[0])
        else:
            if k == 1:
                kept = S[0] + np.abs(S[1]) > NEGLIGIBLE
                E[0] *= kept
            E[k] = np.einsum("a,aij,aij->ij", orders[1 : k + 1], S[1 : k + 1], E[k - 1 :: -1][:k]) / k
        if k == DEGREE:
            break
        moved = np.einsum("aij,aijc,j->ic", E[: k + 1], apart[k::-1], system.w)
        Z[k] = E[k] @ system.w
        moved -= np.einsum("ai,aic->ic", Z[1 : k + 1], offset[k - 1 :: -1][:k]) if k else 0.0
        offset[k] = moved / Z[0][:, None]
        Q[k] = X[k][leaders] + offset[k]
        X[k + 1] = (half / (k + 1)) * (Q[k] @ system.V.T)
    return Series(half, X, Q, leaders, apart, S, E, kept)


def shrunk(coefficients: Array, factor: float) -> Array:
    """The same polynomial with σ replaced by `factor` σ."""
    powers = factor ** np.arange(float(len(coefficients)))
    return np.asarray(coefficients * powers.reshape(-1, *[1] * (coefficients.ndim - 1)))


@singledispatch
def step_length(equation: Equation, x: Array, longest: float) -> float:
    """A half-length η over which polynomials of this degree give the solution through x (n, d), `longest` at most."""
    raise NotImplementedError(type(equation).__name__)


@step_length.register
def _(system: System, x: Array, longest: float) -> float:
    """Every weight that counts is resolved.

    With a rate g of a score and its value s ≤ 0 the weight is e^{s+ηg} at most, and its polynomial leaves out about
    (ηg)^{D+1}/(D+1)! of that, if less; their sums over each row, times the distances, are to be below ACCURACY of |x|.
    """
    scores = x @ system.B.T @ x.T
    scores = np.where(system.w > 0.0, scores, -np.inf)
    leaders = np.argmax(scores, axis=1)
    rows = np.arange(len(x))
    scores = scores - scores[rows, leaders][:, None]
    P = np.exp(np.maximum(scores, -700.0)) * system.w
    P /= P.sum(axis=1, keepdims=True)
    speed = P @ x @ system.V.T
    rates = speed @ system.B.T @ x.T + x @ system.B.T @ speed.T
    rates = np.abs(rates - rates[rows, leaders][:, None])
    apart = np.linalg.norm(x[None, :, :] - (P @ x)[:, None, :], axis=2)
    size = float(np.linalg.norm(x, axis=1).max())
    factorial = float(np.exp(np.sum(np.log(np.arange(1.0, DEGREE + 2)))))
    eta = longest
    for _ in range(60):
        reach = eta * rates
        left_out = np.exp(np.clip(scores + reach, -700.0, 60.0)) * np.minimum(reach ** (DEGREE + 1) / factorial, 1.0)
        growth = (eta * system.V_norm) ** (DEGREE + 1) / factorial
        if (left_out * apart * system.w / system.w.max()).sum(axis=1).max() <= ACCURACY * size and growth <= ACCURACY:
            return eta
        eta *= 0.8
    return eta
