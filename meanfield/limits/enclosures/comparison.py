"""How fast errors grow, token by token: |e_i|' ≤ Σ_j C_ij |e_j| + r_i with C from the blocks of the Jacobian.

With e = x − p and the mean value theorem e_i' = Σ_j J_ij e_j − r_i, J an average of Jacobians over a tube around p that
contains x. Hence |e_i| has the upper right derivative above with C_ij ≥ ‖J_ij‖₂ for j ≠ i and C_ii ≥ μ₂(J_ii), the
logarithmic norm. As C ≥ 0 here, |e| stays below the solution of the linear system y' = C y + r. The blocks of (1.1) are

    J_ij = P_ij V (I + u_ij v_iᵀ) + δ_ij V Cov_i B,    u_ij = x_j − m_i,    v_i = B x_i,

and ‖I + u vᵀ‖₂ = (ω + √(ω² + 4 + 4α))/2 with α = ⟨u, v⟩, ω = |u||v|: it grows with α and with ω.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from meanfield.limits.enclosures.defect import Defect, Missed
from meanfield.limits.enclosures.outward import (
    TINY,
    down,
    exp_down,
    exp_up,
    expm1_up,
    gamma,
    length_up,
    spectral_norm_up,
    up,
)
from meanfield.limits.enclosures.series import DEGREE, Equation, Polynomials, Series, System
from particles.checks import Array

TERMS = 30
"""Terms of the exponential series of a slab."""


@dataclass(frozen=True, eq=False)
class _Slabs:
    """A step in parts σ ∈ [c − h, c + h]: the polynomials at their middles, and how far anything is from there.

    `x` (S, n, d) within `moved` (n,); `u` (S, n, n, d), p_j − q_i, within `turned` (n, n); `scores` (S, n, n) within
    `swing` (n, n): bounds on what the polynomials do in a part. `wander` (n, n) bounds what the tube adds to scores.
    """

    x: Array
    moved: Array
    u: Array
    turned: Array
    scores: Array
    swing: Array
    wander: Array


@singledispatch
def growth(equation: Equation, p: Polynomials, bounds: Missed, tube: Array, parts: int) -> Array:
    """C (parts, n, n) in each part of a step, for dσ, for every state within tube (n,) of the polynomials."""
    raise NotImplementedError(type(equation).__name__)


@growth.register
def _(system: System, p: Series, bounds: Defect, tube: Array, parts: int) -> Array:
    s = _slabs(system, p, bounds, tube, parts)
    P = _attention(system, s)
    n, d = p.x.shape[1:]
    long_u = length_up(s.u)
    near_u = up(s.turned + bounds.mean_error[:, None])
    off_u = up(near_u + _moved_means(s, P, long_u + near_u, tube))
    # The images of the tokens under KᵀQ itself, of which B is the rounded value.
    v = s.x @ system.B.T
    long_v, size_B = length_up(v), float(np.sqrt((system.B**2).sum()))
    off_v = up(system.B_norm * (s.moved + tube) + (system.B_gap + gamma(d + 4) * size_B) * length_up(s.x))
    omega = up((long_u + off_u) * (long_v + off_v)[:, :, None])
    off_alpha = up(long_u * off_v[:, :, None] + (long_v + off_v)[:, :, None] * off_u + gamma(d + 4) * omega)
    alpha = np.einsum("sijc,sic->sij", s.u, v)
    blocks = P * _rank_one_norm(alpha, off_alpha, omega, d)
    at = np.arange(n)
    if system.scale is not None and system.scale > 0.0:
        highest = np.minimum(alpha + off_alpha, omega)[:, at, at]
        tilt = highest if d == 1 else 0.5 * (highest + omega[:, at, at])
        blocks[:, at, at] = P[:, at, at] * up(np.maximum(1.0 + tilt, 0.0))
    wide = _spread(P, s.u) + (P * (2.0 * long_u * off_u + off_u**2)).sum(axis=2)
    blocks[:, at, at] += system.B_norm * wide
    return up(abs(p.half) * system.V_norm * up(blocks))


def _slabs(system: System, p: Series, bounds: Defect, tube: Array, parts: int) -> _Slabs:
    half = 1.0 / parts
    middles = -1.0 + half * (2.0 * np.arange(parts) + 1.0)
    powers = np.vander(middles, DEGREE + 1, increasing=True)
    # A coefficient k changes by at most 2hk over a part, h k from its middle; the rounding of the values is added.
    factors = half * np.arange(DEGREE + 1.0) + gamma(2 * DEGREE + 40)
    lengths = length_up(p.x)
    farthest, apart = lengths.sum(axis=0), length_up(p.apart).sum(axis=0)
    both = tube[None, :] + tube[p.leaders][:, None]
    wander = up(system.B_norm * (tube[:, None] * (apart + both) + farthest[:, None] * both))
    swing = up(np.einsum("a,aij->ij", factors, np.abs(p.scores)) + bounds.score_error)
    scores = np.einsum("sa,aij->sij", powers, p.scores)
    # The score of the leader is measured from itself.
    rows = np.arange(len(tube))
    wander[rows, p.leaders] = swing[rows, p.leaders] = scores[:, rows, p.leaders] = 0.0
    return _Slabs(
        x=np.einsum("sa,aic->sic", powers, p.x),
        moved=up(factors @ lengths),
        u=np.einsum("sa,aijc->sijc", powers, bounds.apart),
        turned=up(np.einsum("a,aij->ij", factors, length_up(bounds.apart))),
        scores=scores,
        swing=swing,
        wander=wander,
    )


def _moved_means(s: _Slabs, P: Array, apart: Array, tube: Array) -> Array:
    """Above |e_j − (m_i(p + e) − m_i(p))|, (S, n, n), for |e_i| ≤ tube, where |p_j − m_i(p)| ≤ apart.

    With weights that change by factors within e^{±ψ_ik} and P' the new ones, m_i(p + e) − m_i(p) − Σ_k P'_ik e_k is
    Σ_k (P'_ik − P_ik)(p_k − m_i), where |P'_ik − P_ik| ≤ P_ik (e^{ψ_ik} − 1 + ν_i)/(1 − ν_i) with
    ν_i = Σ_k P_ik (e^{ψ_ik} − 1). And e_j − Σ_k P'_ik e_k is a sum over k ≠ j of P'_ik (e_j − e_k).
    """
    change = expm1_up(s.wander)
    total = up((P * change).sum(axis=2))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = up((change + total[:, :, None]) / np.maximum(1.0 - 1.001 * total, 0.0)[:, :, None])
    relative = np.where(np.isnan(relative), np.inf, relative)
    turned = np.where(P > 0.0, P * relative * apart, 0.0).sum(axis=2)
    others = np.minimum(P.sum(axis=2, keepdims=True) - P * (1 - 1e-9), 1.0)
    drawn = (P @ tube)[:, :, None] + (others - P * (1 - 1e-9)) * tube
    return up(turned[:, :, None] + np.maximum(drawn, 0.0) + 1e-9 * tube)


def _attention(system: System, s: _Slabs) -> Array:
    """Above the attention P_ij of every state, (S, n, n): its own weight at its most, all others at their least."""
    off = up(s.swing + s.wander + gamma(4) * np.abs(s.scores))
    # A token without mass attracts nobody, however large its score.
    most = np.where(system.w > 0.0, up(exp_up(s.scores + off) * np.maximum(system.w, TINY)), 0.0)
    most = up(most * (1 + system.w_error))
    least = down(exp_down(s.scores - off) * system.w * (1 - system.w_error))
    others = np.maximum(down(least.sum(axis=2, keepdims=True)) - up(least), 0.0)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(most), 1.0, np.minimum(up(most / (most + others)), 1.0))


def _spread(P: Array, u: Array) -> Array:
    """Above ‖Σ_j P_ij u_ij u_ijᵀ‖₂, (S, n): the norm of that sum, or of the n × n products √(P_ij P_ik) ⟨u_ij, u_ik⟩.

    An entry of the first errs by γ_{n+6} Σ_j P_ij |u_ija| |u_ijb| at most, one of the second by γ_{d+6} √(P_ij P_ik)
    |u_ij| |u_ik|: either way the matrix by that γ times Σ_j P_ij |u_ij|² in the Frobenius norm.
    """
    n, d = u.shape[-2:]
    half = np.sqrt(P)[..., None] * u
    products = half @ np.swapaxes(half, -1, -2) if n < d else np.einsum("sij,sija,sijb->siab", P, u, u)
    return np.asarray(spectral_norm_up(products) + gamma(max(n, d) + 6) * (P * length_up(u) ** 2).sum(axis=2))


def _rank_one_norm(alpha: Array, off: Array, omega: Array, d: int) -> Array:
    """Above ‖I + u vᵀ‖₂ where ⟨u, v⟩ is within `off` of alpha and |u||v| ≤ omega."""
    if d == 1:
        return up(np.maximum(np.abs(1.0 + alpha), 1e-9) + off)
    highest = np.minimum(alpha + off, omega)
    # The sum under the root may cancel: what rounds in it is added before.
    square = np.maximum(omega**2 + 4.0 + 4.0 * highest, 0.0) + gamma(8) * (omega**2 + 4.0)
    return up(0.5 * (omega + np.sqrt(square)))


def grown(C: Array, start: Array, rate: Array) -> Array:
    """Above y at the end of y' = C y + r, y(0) = start (n,), over σ of length 2 in equal parts with C (S, n, n) ≥ 0.

    By the series Σ_k h^k y_k/k!, y_0 = start, y_1 = C y_0 + r, y_{k+1} = C y_k. With c = h‖C‖_∞ ≤ K/2 its terms after
    the K-th are at most (c max y_0 + h max r) c^K/(K+1)!/(1 − c/(K+2)); infinite where c is larger.
    """
    length = 2.0 / len(C)
    y = start
    for part in C:
        scaled = length * part
        c = float(up(scaled.sum(axis=1).max()))
        if not c < 0.5 * TERMS:
            return np.full_like(start, np.inf)
        source = length * rate
        term = scaled @ y + source
        total = y + term
        for k in range(2, TERMS + 1):
            term = scaled @ term / k
            total = total + term
        left = 2.1 * float(np.prod(c / np.arange(1.0, TERMS + 1))) * (c * float(y.max()) + float(source.max()))
        y = up(total + left)
    return y
