"""By how much polynomials miss the equation, over a whole step and with rounding: |p_i' − X_i(p)| ≤ r_i.

Let s_ij = ⟨Bp_i, p_j − p_l⟩, ŝ_ij and Ê_ij the polynomials for it and for e^{s_ij}, q_i that for the mean m_i. Then

    m_i − q_i = Σ_j w_j e^{s_ij} (p_j − q_i) / Σ_j w_j e^{s_ij},

where the numerator with Ê in place of e^s is a polynomial whose coefficients up to the degree of the step vanish but
for rounding, and are computed; those above are bounded by their absolute values. For Ê: it obeys Ê' = ŝ'Ê + d, where d
is rounding below the degree and the terms left out above it, so that, Γ = Σ_{k ≥ 1} |ŝ_k| being what ŝ changes by
between σ and any point between it and 0, |Ê(0)| = e^{ŝ(0)} (1 + ε),

    |Ê(σ) − e^{ŝ(σ)}| ≤ ε e^{ŝ(0)+Γ} + |d| e^Γ.

Weights whose polynomial is worse than nothing are taken as anything between 0 and e^{max s}.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from meanfield.limits.enclosures.outward import (
    EXPONENTIAL_ERROR,
    down,
    exp_down,
    exp_up,
    expm1_up,
    gamma,
    length_up,
    up,
)
from meanfield.limits.enclosures.series import DEGREE, Equation, Polynomials, Series, System
from particles.checks import Array

_ORDERS = np.arange(DEGREE + 1.0)


@dataclass(frozen=True, eq=False)
class Missed:
    """Bounds over one step: `rate` (n,) on |dp_i/dσ − η X_i(p)|, `left_out` (n,) what a smaller step mends."""

    rate: Array
    left_out: Array


@dataclass(frozen=True, eq=False)
class Defect(Missed):
    """Those of (1.1), with what they are made of.

    `swing` (n, n) is Γ, `score_error` (n, n) bounds |s_ij − ŝ_ij|, `mean_error` (n,) |m_i − q_i|; `apart`
    (D+1, n, n, d) is p_j − q_i to rounding.
    """

    swing: Array
    score_error: Array
    mean_error: Array
    apart: Array


@singledispatch
def defect(equation: Equation, p: Polynomials) -> Missed:
    """The defect of the polynomials `p`."""
    raise NotImplementedError(type(equation).__name__)


@defect.register
def _(system: System, p: Series) -> Defect:
    score_error = _score_error(system, p)
    swing = up(np.abs(p.scores[1:]).sum(axis=0))
    weights, weight_error, weight_tail = _weights(system, p, swing, score_error)
    n, d = p.x.shape[1:]
    means = np.concatenate([p.mean, np.zeros((1, n, d))])
    apart = p.x[:, None, :, :] - means[:, :, None, :]
    missed = np.zeros(n)
    for k in range(DEGREE + 1):
        inner = np.einsum("aij,aijc->ijc", weights[: k + 1], apart[k::-1])
        missed += length_up(np.einsum("ijc,j->ic", inner, system.w))
    size, distance = np.abs(weights), length_up(apart)
    reach = distance.sum(axis=0)
    whole = size.sum(axis=0) * reach
    rounding = (gamma(n + DEGREE + 8) + system.w_error) * whole
    above = np.einsum("bij,bij->ij", distance[1:], _tails(size)[DEGREE:0:-1])
    truncated = up(1 + system.w_error) * (above + weight_tail * reach)
    rounded = missed + (rounding + up(1 + system.w_error) * weight_error * reach) @ system.w
    below = up(swing + score_error + gamma(4) * np.abs(p.scores[0]))
    lowest = down(down(exp_down(p.scores[0] - below)) @ system.w * (1 - 2 * system.w_error))
    factor = up(system.V_norm * abs(p.half))
    own = gamma(d + 8) * length_up(np.abs(p.mean) @ np.abs(system.V).T).sum(axis=0) * abs(p.half)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        left_out = up((truncated @ system.w) / lowest)
        mean_error = up(rounded / lowest + left_out)
        rate = up(own + factor * mean_error)
    mean_error, rate = (np.where(np.isnan(bound), np.inf, bound) for bound in (mean_error, rate))
    return Defect(rate, up(factor * left_out), swing, score_error, mean_error, apart)


def _tails(coefficients: Array) -> Array:
    """Σ_{b ≥ c} of coefficients ≥ 0 along the first axis, for every c."""
    return np.asarray(np.cumsum(coefficients[::-1], axis=0)[::-1])


def _score_error(system: System, p: Series) -> Array:
    """Above |s_ij − ŝ_ij|: rounding of B, of B p_i, of p_j − p_l and of their products, and the degrees left out.

    The coefficient k of ŝ is a sum of (k + 1) d products of numbers that are right within d + 1 roundings.
    """
    d = p.x.shape[2]
    images, apart = np.abs(p.x) @ np.abs(system.B).T, np.abs(p.apart)
    through, total = images.sum(axis=0), apart.sum(axis=0)
    counted = np.einsum("a,aic->ic", (_ORDERS + 1) * d + d + 4, images)
    later = d * np.einsum("b,bijc->ijc", _ORDERS, apart)
    rounding = gamma(1) * (np.einsum("ic,ijc->ij", counted, total) + np.einsum("ic,ijc->ij", through, later))
    unknown = np.einsum("ic,ijc->ij", np.abs(p.x).sum(axis=0) @ system.B_error.T, total)
    left_out = np.einsum("bic,bijc->ij", _tails(images)[DEGREE:0:-1], apart[1:])
    return up(rounding + unknown + left_out)


def _weights(system: System, p: Series, swing: Array, score_error: Array) -> tuple[Array, Array, Array]:
    """The polynomials for e^{s_ij} that are kept, the rounding in them, and what a smaller step makes smaller."""
    slopes, size = _ORDERS[1:, None, None] * np.abs(p.scores[1:]), np.abs(p.weights)
    rounding = np.einsum("a,aij->ij", _ORDERS[1:], slopes) * size.sum(axis=0)
    rounding = gamma(1) * (rounding + slopes.sum(axis=0) * np.einsum("b,bij->ij", _ORDERS + 7, size))
    left_out = np.einsum("mij,mij->ij", slopes, _tails(size)[DEGREE:0:-1])
    largest, grown = exp_up(p.scores[0] + swing), exp_up(swing)
    with np.errstate(over="ignore", invalid="ignore"):
        error = up(largest * (EXPONENTIAL_ERROR + expm1_up(score_error)) + rounding * grown)
        tail = up(left_out * grown)
        # Scores are mostly negative: what rounds in the sum is added by its size.
        highest = p.scores[0] + up(swing + score_error + gamma(4) * np.abs(p.scores[0]))
        anything = up(exp_up(highest + gamma(4) * np.abs(highest)))
        keep = p.kept & (error + tail < anything)
    return (
        np.where(keep, p.weights, 0.0),
        np.where(keep, error, 0.0),
        np.where(keep, tail, np.where(system.w > 0.0, anything, 0.0)),
    )
