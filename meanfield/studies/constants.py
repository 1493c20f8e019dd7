"""Lipschitz constants of the attention field: (6.3)–(6.5), and the growth rates that they give in (6.6)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from particles.checks import Array, as_matrix, as_points, not_negative, number, positive
from particles.errors import NotSupported
from particles.fields.field import VelocityField, as_field
from particles.models.attention import SoftmaxField, softmax_head

_ROWS = 512


class Constants(NamedTuple):
    """Constants of X_t, see `constants`. Those in the measure overflow early, so their logarithms are kept.

    Parameters
    ----------
    in_space, one_sided, size : float
        The constants of (6.3), of its symmetric part, and of (6.4).
    log_in_measure, log_in_measure_w2 : float
        The logarithms of those of (6.5), in W₁ and in W₂.
    """

    in_space: float
    one_sided: float
    size: float
    log_in_measure: float
    log_in_measure_w2: float

    @property
    def growth(self) -> float:
        """A rate C of (6.6), W₂(μ_t, ν_t) ≤ e^{∫C} W₂(μ₀, ν₀); infinite where it overflows, negative where it can be.

        With π_t an optimal coupling of the initial measures pushed along both flows and D² = ∫|x − y|² dπ_t,
        ½ (D²)' = ∫⟨x − y, X[μ](x) − X[ν](y)⟩ dπ ≤ (one-sided (6.3) + (6.5) in W₂) D², and W₂ ≤ D with equality at 0.
        """
        with np.errstate(over="ignore"):
            return float(self.one_sided + np.exp(self.log_in_measure_w2))


def constants(
    model: VelocityField, t: float, radius: float, *, support: npt.ArrayLike | None = None, within: float = 0.0
) -> Constants:
    """Constants of an attention field, or a sum of such, in its own frame, for all measures in a convex set S.

    S is the ball B(0, R), R = `radius`, or the part of it that can hold what is the convex hull of the points `support`
    (n, d) at time t, at all times not farther than `within` from t (as `speed` allows; R must hold throughout).
    δ is its diameter, and by Jung's theorem S lies in a ball of radius r = min(R, δ (d/(2d+2))^{1/2}). Summed over the
    heads, with κ = max_{|u|=1} |Vu||Bᵀu| ≤ ‖V‖‖B‖, β = ‖B‖R ≥ |Bx|, ω = max ⟨Bx, y − y'⟩ ≤ δβ for x, y, y' in S:

    - `in_space`, (6.3): DX[μ](x) = V Cov_x B, Cov_x the covariance of μ tilted by e^{⟨Qx, K·⟩}. For unit a and b,
      ⟨a, V Cov_x B b⟩ = E⟨a, V(y − m)⟩⟨Bᵀ(y − m), b⟩ ≤ κ E|y − m|² ≤ κ r²; two equal masses at ±ru attain it at x = 0.
      In a frame the drift −Az adds ‖A‖.
    - `one_sided`: the symmetric part alone, ⟨u, DX u⟩ ≤ κ₊ r², κ₊ = max ½(⟨Vu, Bᵀu⟩ + |Vu||Bᵀu|), 0 for V = −I, B = I;
      in a frame plus the largest eigenvalue of −(A + Aᵀ)/2.
    - `size`, (6.4): |X[μ]| ≤ ‖V‖R, plus ‖A‖R in a frame.
    - `log_in_measure`, (6.5) on S (printed for all of R^d, where it fails): along (1 − s)μ + sν the derivative of X(x)
      is ∫ρ V(y − m) d(ν − μ) with ρ(y) = e^{⟨Bx, y⟩}/∫e^{⟨Bx, ·⟩} ≤ e^ω, whose integrand is Lipschitz with
      ‖V‖(1 + δβ)e^ω. So |X[μ](x) − X[ν](x)| ≤ ‖V‖(1 + δβ) e^ω W₁(μ, ν); on the ball 1 + 2‖B‖R² and e^{2‖B‖R²}.
    - `log_in_measure_w2`, (6.5) in W₂: along y_s = (1 − s)y + sy' over an optimal coupling the derivative is
      ∫ρ V(ẏ + (y_s − m)⟨Bx, ẏ⟩) dπ, and ∫ρ² ≤ max ρ ≤ e^ω, so Cauchy–Schwarz gives ‖V‖(1 + δβ) e^{ω/2} W₂(μ, ν).

    Parameters
    ----------
    model : VelocityField
        A sum of constant heads.
    t : float
        The time.
    radius : float
        R.
    support : array (n, d), optional
        Points whose convex hull is S at t, None for the ball.
    within : float
        How far times may be from t.

    Returns
    -------
    Constants
        All five.

    Raises
    ------
    InvalidInput
        For a radius that is not positive.
    NotSupported
        See `attention_terms`.
    """
    R, t, within = positive(radius, "radius"), number(t, "t"), not_negative(within, "within")
    fields = attention_terms(model)
    d = fields[0].dim
    sigma = speed(model)
    support = None if support is None else as_points(support, "support", dim=d)
    width = 2.0 * R if support is None else min(2.0 * R, diameter(support) * float(np.exp(sigma * within)))
    r2 = min(R * R, width * width * d / (2.0 * d + 2.0))
    drift, drift_one_sided = _drift(model.frame)
    # ‖B_A(t + s) − B_A(t)‖ ≤ (e^{2‖A‖s} − 1)‖B_A(t)‖.
    stretch = float(np.expm1(2.0 * drift * within))
    in_space, one_sided, size, logs, logs_w2 = drift, drift_one_sided, drift * R, [-np.inf], [-np.inf]
    for field in fields:
        V, B = field.value_matrix(t), field.score_matrix(t)
        v, b = _norm(V), _norm(B)
        both, symmetric = _products(V.tobytes(), B.tobytes())
        in_space += (both + v * b * stretch) * r2
        one_sided += (symmetric + v * b * stretch) * r2
        size += v * R
        if v > 0.0:
            exponent = contrast = width * b * (1.0 + stretch) * R
            if support is not None:
                contrast = min(contrast, _contrast(B, support) + b * R * width * (stretch + 2.0 * sigma * within))
            logs.append(np.log(v) + np.log1p(exponent) + contrast)
            logs_w2.append(np.log(v) + np.log1p(exponent) + contrast / 2.0)
    return Constants(in_space, one_sided, size, float(np.logaddexp.reduce(logs)), float(np.logaddexp.reduce(logs_w2)))


def diameter(points: Array) -> float:
    """An upper bound on the diameter of points (n, d): that of their bounding box, or twice their radius about 0.

    Parameters
    ----------
    points : array (n, d)
        The points.

    Returns
    -------
    float
        The bound.

    Raises
    ------
    InvalidInput
        For what are no points.
    """
    points = as_points(points, "points")
    box = float(np.linalg.norm(np.ptp(points, axis=0)))
    return min(box, 2.0 * float(np.linalg.norm(points, axis=1).max()))


def _contrast(B: Array, points: Array) -> float:
    """max ⟨Bx, y − y'⟩ over the convex hull of the points: linear in each argument, so attained at points."""
    images = points @ B.T
    return max(
        float(np.ptp(images[start : start + _ROWS] @ points.T, axis=1).max()) for start in range(0, len(points), _ROWS)
    )


@lru_cache(maxsize=256)
def _products(V: bytes, B: bytes) -> tuple[float, float]:
    """`sharp_products` by the numbers of both matrices: two supports and neighbouring intervals ask for the same."""
    v, b = np.frombuffer(V), np.frombuffer(B)
    d = math.isqrt(len(v))
    return sharp_products(v.reshape(d, d), b.reshape(d, d))


def sharp_products(V: Array, B: Array) -> tuple[float, float]:
    """Upper bounds, sharp for d ≥ 3, on max |Vu||Bᵀu| and max ½(⟨Vu, Bᵀu⟩ + |Vu||Bᵀu|) over unit u.

    |Vu||Bᵀu| ≤ ½(s|Vu|² + |Bᵀu|²/s) for every s > 0, so each s gives a bound by a largest eigenvalue; the least over s
    is the maximum itself where the joint range of the two quadratic forms is convex (Brickman 1961: d ≥ 3).

    Parameters
    ----------
    V, B : array (d, d)
        Values and score matrix.

    Returns
    -------
    tuple of two floats
        Both bounds.

    Raises
    ------
    InvalidInput
        For what are no such matrices.
    """
    V = as_matrix(V, "V")
    B = as_matrix(B, "B", shape=(V.shape[1], V.shape[0]))
    v, b = _norm(V), _norm(B)
    if v == 0.0 or b == 0.0:
        return 0.0, 0.0
    first, second, mixed = V.T @ V, B @ B.T, 0.25 * (B @ V + (B @ V).T)

    def product(log_s: float, weight: float, offset: float) -> float:
        form = 0.5 * (np.exp(log_s) * first + np.exp(-log_s) * second)
        return float(np.linalg.eigvalsh(weight * form + offset * mixed)[-1])

    middle = np.log(b / v)
    values = [
        minimize_scalar(product, bounds=(middle - 20.0, middle + 20.0), args=args, method="bounded").fun
        for args in ((1.0, 0.0), (0.5, 1.0))
    ]
    # 1e-12 covers the rounding of the eigenvalues; s = b/v alone gives ‖V‖‖B‖ at most.
    kappa = min(values[0] + 1e-12 * v * b, v * b)
    return kappa, min(values[1] + 1e-12 * v * b, kappa)


def attention_terms(model: VelocityField) -> list[SoftmaxField]:
    """The heads of the model; anything but constant softmax fields, in a frame that keeps V constant, is refused.

    Parameters
    ----------
    model : VelocityField
        A head or a sum of heads.

    Returns
    -------
    list of SoftmaxField
        The heads.

    Raises
    ------
    NotSupported
        For other fields, coefficients that depend on time, a frame that does not commute with V.
    """
    try:
        fields = [softmax_head(term) for term in as_field(model).terms]
    except NotSupported as error:
        raise NotSupported(f"constants are known for attention fields and their sums only: {error}") from None
    for field in fields:
        if not field.constant:
            raise NotSupported("constants need Q, K and V that do not depend on time")
        if model.frame is not None and not np.allclose(field.value_matrix(0.0), field.value_matrix(1.0)):
            raise NotSupported("constants in a moving frame need a matrix A that commutes with V")
    return fields


def speed(model: VelocityField) -> float:
    """σ with |z'| ≤ σ max|z| and |z' − w'| ≤ σ diam: radius and diameter of a support change by e^{±σt} at most.

    Parameters
    ----------
    model : VelocityField
        A sum of constant heads.

    Returns
    -------
    float
        σ.

    Raises
    ------
    NotSupported
        See `attention_terms`.
    """
    heads = attention_terms(model)
    return _drift(model.frame)[0] + sum(_norm(field.value_matrix(0.0)) for field in heads)


def _drift(frame: Array | None) -> tuple[float, float]:
    if frame is None:
        return 0.0, 0.0
    return _norm(frame), float(np.linalg.eigvalsh(-0.5 * (frame + frame.T))[-1])


def _norm(M: Array) -> float:
    return float(np.linalg.norm(M, 2))
