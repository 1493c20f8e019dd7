"""Rounding outward: bounds on the error of float64 sums, an exponential with a proved bound, bounds on matrix norms.

What is trusted: additions, products, quotients, square roots and ldexp of NumPy are those of IEEE 754, rounded to
nearest; sums and products of matrices add their terms in some order, with or without fused products. Then a sum of m
products differs from the exact one by at most γ_m Σ |a||b|, γ_m = m u/(1 − m u), u = 2⁻⁵³, in any order (Higham,
Accuracy and Stability of Numerical Algorithms, section 3.1), apart from underflow.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from particles.checks import Array

UNIT = 2.0**-53
"""The largest relative error of one rounding."""

SLACK = 2.0**-30
"""Relative slack of `up` and `down`: more than 2²² roundings of a sum of non-negative products."""

TINY = 1e-290
"""More than anything that products which underflow can lose: fewer than 2²² terms, each below 2⁻¹⁰²²."""

LN2_HIGH = float.fromhex("0x1.62e42feep-1")
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
"""ln 2 to within 2⁻⁸⁵; the upper part has 32 bits, so that whole multiples up to 2²¹ are exact."""

EXPONENTIAL_ERROR = 8 * UNIT
LARGEST = 700.0
"""Exponents beyond ±LARGEST are out of the range of `exponential`."""

_COEFFICIENTS = tuple(
    float(Fraction(1, int(np.prod(np.arange(1, k + 1), dtype=object)) if k else 1)) for k in range(14)
)


def gamma(m: npt.ArrayLike) -> Array:
    """γ_m, rounded up."""
    return np.asarray(np.asarray(m, dtype=float) * UNIT * (1 + SLACK))


def up(value: npt.ArrayLike) -> Array:
    """Above the exact value of sums, products and quotients of non-negative numbers in fewer than 2²² operations."""
    return np.asarray(value) * (1 + SLACK) + TINY


def down(value: npt.ArrayLike) -> Array:
    """Below the exact value of sums, products and quotients of non-negative numbers; never negative."""
    return np.maximum(np.asarray(value) * (1 - SLACK) - TINY, 0.0)


def exponential(x: Array) -> Array:
    """e^x within EXPONENTIAL_ERROR e^x for |x| ≤ LARGEST; larger arguments are taken for ±LARGEST.

    x = k ln 2 + r with |r| ≤ 0.3467: k times the upper part of ln 2 is exact, the subtractions err by 2 · 0.35 u at
    most and the lower part by less than 2⁻⁷⁴, so that r is right within u. The polynomial Σ_{k ≤ 13} r^k/k! leaves out
    less than |r|¹⁴ e^{|r|}/14! < 0.06 u. By Horner's rule with p_j = 1/j! + r p_{j+1} the error obeys
    E_j ≤ |r| E_{j+1} + u (|r p_{j+1}| + |p_j|) + u/j! for j ≥ 2, which gives E_0 ≤ 2.6 u, 3.7 u relative to
    e^r ≥ 0.707. In all less than 5 u (1 + u); ldexp is exact in this range.
    """
    x = np.clip(x, -LARGEST, LARGEST)
    k = np.rint(x * (1.0 / np.log(2.0)))
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = np.full_like(r, _COEFFICIENTS[-1])
    for c in _COEFFICIENTS[-2::-1]:
        p = c + r * p
    return np.asarray(np.ldexp(p, k.astype(np.int32)))


def exp_up(x: Array) -> Array:
    """Above e^x; infinite beyond LARGEST."""
    return np.where(x > LARGEST, np.inf, exponential(x) * (1 + 2 * EXPONENTIAL_ERROR))


def exp_down(x: Array) -> Array:
    """Below e^x; 0 below −LARGEST."""
    return np.where(x < -LARGEST, 0.0, exponential(x) * (1 - 2 * EXPONENTIAL_ERROR))


def expm1_up(x: Array) -> Array:
    """Above e^x − 1 for x ≥ 0: x + x² for x ≤ 1, since e^x ≤ 1 + x + x² there."""
    return np.where(x <= 1.0, up(x + x * x), exp_up(x))


def length_up(x: Array) -> Array:
    """Above the Euclidean norms of the last axis."""
    return up(np.sqrt(np.sum(x * x, axis=-1)) + 1e-140)


def spectral_norm_up(M: Array) -> Array:
    """Above ‖M‖₂ of matrices (..., d, e): ‖M‖₂^{16} = ‖S⁸‖₂ ≤ ‖S⁸‖_F with S = MᵀM, too large by d^{1/32} at most.

    M is scaled to Frobenius norm at most 1, so that S and its powers have norm at most 1. With m the terms of a product
    S errs by γ_m in Frobenius norm, and a squaring takes an error e to less than 2 e + e² + γ_m: S⁸ errs by < 16 γ_m.
    """
    size = up(np.sqrt(np.sum(M * M, axis=(-2, -1), keepdims=True)) + 1e-140)
    scaled = M / size
    S = np.swapaxes(scaled, -1, -2) @ scaled
    for _ in range(3):
        S = S @ S
    terms = max(M.shape[-2:])
    eighth = up(np.sqrt(np.sum(S * S, axis=(-2, -1)))) + 64 * (terms + 2) * UNIT
    return np.asarray(up(size[..., 0, 0] * np.sqrt(np.sqrt(np.sqrt(np.sqrt(eighth))))))


def exact_product(K: Array, Q: Array) -> tuple[Array, Array]:
    """KᵀQ (d, d) as float64, and a bound on the error of every entry; in rational arithmetic where that is quick."""
    product = np.asarray(K.T @ Q)
    k, d = K.shape
    if k * d * d > 20_000:
        return product, up(gamma(k + 1) * (np.abs(K).T @ np.abs(Q)))
    left, right = ([[Fraction(float(v)) for v in column] for column in M.T] for M in (K, Q))
    error = np.zeros((d, d))
    for i in range(d):
        for j in range(d):
            exact = sum((a * b for a, b in zip(left[i], right[j], strict=True)), Fraction())
            gap = abs(exact - Fraction(float(product[i, j])))
            error[i, j] = float(gap) * (1 + SLACK) + TINY if gap else 0.0
    return product, error
