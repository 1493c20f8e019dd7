"""Linear attention enclosed: x_i' = V M B x_i with M = Σ_j w_j x_j x_jᵀ, whose solutions are known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.limits.enclosures.comparison import growth
from meanfield.limits.enclosures.defect import Missed, defect
from meanfield.limits.enclosures.outward import exact_product, gamma, length_up, spectral_norm_up, up
from meanfield.limits.enclosures.series import DEGREE, Equation, Polynomials, series, step_length
from meanfield.limits.head import Head
from particles.checks import Array

SHARE = 0.1
"""A half-length times ‖V M B‖: the solution may blow up after 1/(2 ‖V M B‖)."""


@dataclass(frozen=True, eq=False)
class LinearSystem(Equation):
    """V (d, d) and w (n,) exactly, w up to the relative error `w_error`; B (d, d) is KᵀQ within `B_gap` (2-norm).

    `size` is above ‖V‖_F ‖|B| + |KᵀQ − B|‖_F, more than ‖V‖ ‖KᵀQ‖, `lost` above ‖V‖ ‖KᵀQ − B‖; `mass` above Σ w_j.
    """

    V: Array
    B: Array
    w: Array
    w_error: float
    size: float
    lost: float
    mass: float

    def fastest(self, size: float) -> float:
        """|x_i'| ≤ ‖V‖ ‖B‖ Σ_j w_j |x_j|² |x_i|."""
        return float(up(self.size * self.mass * size**3))


def linear_system_of(head: Head, w: Array, w_error: float) -> LinearSystem:
    """The equation of a head with masses w (n,) that are right within the relative error `w_error`."""
    B, B_error = exact_product(head.K, head.Q)
    V_size = float(length_up(head.V.ravel()))
    size = float(up(V_size * length_up((np.abs(B) + B_error).ravel())))
    lost = float(up(V_size * spectral_norm_up(B_error)))
    return LinearSystem(head.V, B, w, w_error, size, lost, float(up(w.sum() * (1 + 2 * w_error))))


@step_length.register
def _(equation: LinearSystem, x: Array, longest: float) -> float:
    moment = (x.T * equation.w) @ x
    return min(longest, SHARE / max(float(np.linalg.norm(equation.V @ moment @ equation.B, 2)), 1e-300))


@series.register
def _(equation: LinearSystem, x: Array, half: float) -> Polynomials:
    n, d = x.shape
    X, A = np.zeros((DEGREE + 1, n, d)), np.zeros((DEGREE, d, d))
    X[0] = x
    for k in range(DEGREE):
        moment = np.einsum("aic,aie,i->ce", X[: k + 1], X[k::-1], equation.w)
        A[k] = equation.V @ moment @ equation.B
        X[k + 1] = (half / (k + 1)) * np.einsum("ace,aie->ic", A[: k + 1], X[k::-1])
    return Polynomials(half, X)


@defect.register
def _(equation: LinearSystem, p: Polynomials) -> Missed:
    """η V M(p) B p_i is a polynomial of degree 3D: below D its coefficients are those of p_i' but for rounding.

    A coefficient is a sum of products of w, two coefficients of tokens, V, B and one more, in at most N additions and
    products, where N = n (D + 1) + 2d + (D + 1) d + 16; all others are bounded by absolute values.
    """
    n, d = p.x.shape[1:]
    lengths = length_up(p.x)
    squares = sum(w * np.convolve(row, row) for w, row in zip(equation.w, lengths.T, strict=True))
    cubes = np.array([np.convolve(squares, row) for row in lengths.T])
    whole, above = up(cubes.sum(axis=1)), up(cubes[:, DEGREE:].sum(axis=1))
    terms = n * (DEGREE + 1) + 2 * d + (DEGREE + 1) * d + 16
    unknown = equation.lost + equation.size * (gamma(terms) + 2 * equation.w_error)
    left_out = up(abs(p.half) * equation.size * above)
    rate = up(abs(p.half) * unknown * whole + left_out)
    rate, left_out = (np.where(np.isnan(bound), np.inf, bound) for bound in (rate, left_out))
    return Missed(rate, left_out)


@growth.register
def _(equation: LinearSystem, p: Polynomials, bounds: Missed, tube: Array, parts: int) -> Array:
    """D_{x_j} x_i' = w_j V (x_j (B x_i)ᵀ + ⟨B x_i, x_j⟩) + δ_ij V M B, by the largest lengths over the step."""
    farthest = up(length_up(p.x).sum(axis=0) + tube)
    w = up(equation.w * (1 + 2 * equation.w_error))
    blocks = 2.0 * farthest[:, None] * (w * farthest)
    blocks[np.arange(len(w)), np.arange(len(w))] += (w * farthest**2).sum()
    return np.broadcast_to(up(abs(p.half) * equation.size * up(blocks)), (parts, *blocks.shape))
