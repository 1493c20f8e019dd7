"""R^d = F ⊕ G for the leading eigenvalue of V, proved: LAPACK's bases are candidates, everything about them a bound.

Let X = [F̂ Ĝ] and Y = [φ̂; γ̂] be the candidates, YX = I − E with ‖E‖ ≤ ε, and

    T = X⁻¹ V X = (I − E)⁻¹ Y V X = diag(λ̂ I, D̂) + N,    ‖N‖ ≤ ν,    μ ≥ the logarithmic norm of D̂.

Where δ = 1/(λ̂ − μ − 2ν) is positive and δν ≤ 1/8 there are P, q of norm at most ρ = 2δν with V X(I; P) = X(I; P) Λ
and (I, q) X⁻¹ V = Λ' (I, q) X⁻¹: fixed points of P ↦ S⁻¹(−c + P b P), where S(P) = D P − P a has ‖S⁻¹‖ ≤ δ (Stewart).
F = X(I; P) and G = {x : (I, q) X⁻¹ x = 0} are invariant. All other eigenvalues are those of D − P b, and those of V
on G those of D − c q. docs/proofs.md has the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from meanfield.limits.enclosures.outward import down, gamma, length_up, spectral_norm_up, up
from meanfield.limits.enclosures.verified import is_positive_definite, product_error
from meanfield.limits.spectrum import LeadingBlock
from particles.checks import Array

POWERS = 9
"""The spectral radius on G is bounded by the norms of D^m, m = 1, 2, 4, … 2^POWERS."""

RATIONAL = 12
"""Dimension up to which a multiple eigenvalue is decided in rational arithmetic."""


@dataclass(frozen=True, eq=False)
class Splitting:
    """V = λ on F, |λ − value| ≤ error, and |e^{τV}(1 − π)x| ≤ lift e^{λτ} |w(x)| for τ ≥ 0, |w(x)| ≤ read |x|.

    π, the projection onto F along G, lies within `projection_error` (spectral norm) of `projection` (d, d) and has norm
    at most `norm`. |w(x)| ≤ |aside x| + aside_error |x|. All eigenvalues on G have modulus below `radius`. `ratio` is
    above ‖V‖/λ. Where V = λI, F is everything: `lift` is 0 and nothing is rounded.
    """

    value: float
    error: float
    projection: Array
    projection_error: float
    norm: float
    lift: float
    read: float
    aside: Array
    aside_error: float
    radius: float
    ratio: float

    @property
    def least(self) -> float:
        """Below λ."""
        return float(down(self.value - self.error))

    @property
    def whole(self) -> bool:
        """Whether V = λI."""
        return self.lift == 0.0

    def leading_part(self, x: Array) -> tuple[Array, Array]:
        """π x for tokens x (n, d), and a bound (n,) on its error."""
        if self.whole:
            return x, np.zeros(len(x))
        size = float(np.sqrt((self.projection**2).sum()))
        return x @ self.projection.T, up((self.projection_error + gamma(len(x.T) + 4) * size) * length_up(x))

    def aside_up(self, x: Array) -> Array:
        """Above |w(x)| for tokens x (n, d)."""
        if self.whole:
            return np.zeros(len(x))
        size = float(np.sqrt((self.aside**2).sum()))
        return up(length_up(x @ self.aside.T) + (self.aside_error + gamma(len(x.T) + 4) * size) * length_up(x))


def splitting(V: Array, block: LeadingBlock) -> Splitting | str:
    """The splitting of V (d, d) with the candidates in `block`, or what cannot be proved of it."""
    d, k = block.F.shape
    if np.array_equal(V, V[0, 0] * np.eye(d)):
        return _whole(float(V[0, 0]), d)
    if k == d:
        return "V = λI to rounding, but not entry by entry"
    X, Y = np.hstack([block.F, block.G]), np.vstack([block.dual_F, block.dual_G])
    eps = float(up(spectral_norm_up(np.eye(d) - Y @ X) + spectral_norm_up(product_error(Y, X) + gamma(4) * np.eye(d))))
    if not eps < 0.01:
        return f"the bases of F and G are too far from dual, by {eps:.2g}"
    lost = eps / (1.0 - eps) * 1.001
    A = Y @ V @ X
    D = A[k:, k:]
    ideal = np.zeros_like(A)
    ideal[:k, :k], ideal[k:, k:] = block.value * np.eye(k), D
    nu = float(up(spectral_norm_up(A - ideal) + spectral_norm_up(product_error(Y, V, X) + gamma(4) * np.abs(A))))
    nu = float(up(nu + lost * (spectral_norm_up(A) + nu)))
    mu = _numerical_abscissa(D)
    # The third ν covers the rounding of the difference itself.
    gap = block.value - mu - 3.0 * nu
    if not gap > 8.0 * nu:
        return f"λ is not proved to lead: λ − μ(G) = {block.value - mu:.3g} with the bases of G, known within {nu:.2g}"
    rho = float(up(2.0 * nu / gap))
    value, error = block.value, float(up(nu * (1.0 + rho)))
    if k > 1:
        exact = exact_multiple(V, value, k)
        if exact is None or not abs(exact - value) <= 2.0 * error:
            return f"that λ has multiplicity {k} holds to rounding, but is not decided by the numbers of V"
        value, error = exact, 0.0
    return _bounds(V, block, value, error, rho, nu, lost, D)


def _bounds(
    V: Array, block: LeadingBlock, value: float, error: float, rho: float, nu: float, lost: float, D: Array
) -> Splitting | str:
    """The numbers of a splitting from ρ, ν and ε/(1 − ε)."""
    X, Y = np.hstack([block.F, block.G]), np.vstack([block.dual_F, block.dual_G])
    size_X, size_Y = float(spectral_norm_up(X)), float(spectral_norm_up(Y))
    size_F, size_G = float(spectral_norm_up(block.F)), float(spectral_norm_up(block.G))
    # (I + qP)⁻¹ is within ρ²/(1 − ρ²) of I, and ρ ≤ 1/4.
    bend = up(1.1 * rho**2 + (2.0 * rho + rho**2) * (1.0 + 1.1 * rho**2))
    turned = up(size_X * size_Y * (bend * (1.0 + lost) + lost))
    projection = block.projection
    wrong = float(up(turned + spectral_norm_up(product_error(block.F, block.dual_F))))
    norm = float(up(spectral_norm_up(projection) + wrong))
    aside_error = float(up(size_Y * (lost + 1.1 * rho * (1.0 + rho) * (1.0 + lost))))
    least = float(down(value - error))
    if not least > 0.0:
        return "λ is not proved positive"
    return Splitting(
        value=value,
        error=error,
        projection=projection,
        projection_error=wrong,
        norm=norm,
        lift=float(up(size_G + rho * size_F)),
        read=float(up(spectral_norm_up(block.dual_G) + aside_error)),
        aside=block.dual_G,
        aside_error=aside_error,
        radius=_spectral_radius(D, float(up(nu * (1.0 + rho)))),
        ratio=float(up(spectral_norm_up(V) / least)),
    )


def _whole(value: float, d: int) -> Splitting:
    return Splitting(value, 0.0, np.eye(d), 0.0, 1.0, 0.0, 0.0, np.empty((0, d)), 0.0, 0.0, 1.0)


def _numerical_abscissa(D: Array) -> float:
    """Above the largest eigenvalue of (D + Dᵀ)/2, by a Cholesky factorisation with rounding; inf where it fails."""
    S = 0.5 * (D + D.T)
    size = float(up(np.sqrt((D * D).sum())))
    guess = float(np.linalg.eigvalsh(S)[-1])
    for slack in (1e-12, 1e-9, 1e-6):
        above = guess + slack * max(size, 1e-300)
        M = above * np.eye(len(D)) - S
        if is_positive_definite(M, gamma(4) * (np.abs(S) + abs(above) * np.eye(len(D)))):
            return above
    return np.inf


def _spectral_radius(D: Array, off: float) -> float:
    """Above the modulus of every eigenvalue of matrices within `off` (spectral norm) of D: the least ‖D^m‖^{1/m}."""
    size = float(up(spectral_norm_up(D) + off))
    if not 0.0 < size < 1e9:
        return size
    power, wrong = D / size, float(up(off / size + 4 * gamma(1) * len(D)))
    least = 1.0
    for squared in range(1, POWERS + 1):
        rounding = float(gamma(len(D) + 2) * len(D)) * (1.0 + wrong) ** 2
        power, wrong = power @ power, float(up(2.0 * wrong + wrong**2 + rounding))
        root = float(up(spectral_norm_up(power) + wrong))
        for _ in range(squared):
            root = float(up(np.sqrt(root)))
        least = min(least, root)
    return float(up(size * least))


def leading_form(B: Array, B_off: float, block: LeadingBlock, split: Splitting) -> float:
    """Below ⟨Bφ₁, φ₁⟩ over |φ₁|² for the leading eigenvector of a simple λ, B known within `B_off` in spectral norm.

    The column of π̂ along φ̂₁ is F̂, and |π F̂ − F̂| ≤ (‖π − π̂‖ + |π̂F̂/F̂ − 1|)|F̂| bounds how far π F̂, a multiple of φ₁, is.
    """
    phi = block.F[:, 0]
    size = float(length_up(phi))
    frobenius = float(np.sqrt((split.projection**2).sum()))
    off = split.projection_error + gamma(len(phi) + 4) * (frobenius + 1.0)
    turned = float(up(off * size + length_up(split.projection @ phi - phi)))
    B_size = float(up(spectral_norm_up(B) + B_off))
    form = float(phi @ B @ phi)
    lost = up(
        B_size * (2.0 * size * turned + turned**2) + (B_off + gamma(2 * len(B) + 4) * np.sqrt((B * B).sum())) * size**2
    )
    return float(form - lost) / float(up((size + turned) ** 2))


def exact_multiple(V: Array, value: float, k: int) -> float | None:
    """The float64 number λ near `value` with dim ker(V − λI) = k exactly, None where none is found.

    Tried are the entries on the diagonal of V and the number itself, in rational arithmetic.
    """
    d = len(V)
    if d > RATIONAL:
        columns = [float(V[i, i]) for i in range(d) if np.array_equal(np.delete(V[:, i], i), np.zeros(d - 1))]
        same = [v for v in columns if columns.count(v) == k and abs(v - value) <= 1e-12 * abs(value)]
        # k columns λe_i give dim ker ≥ k; that it is no more follows from the spectrum of the rest.
        return same[0] if same else None
    near = [float(v) for v in np.diag(V) if abs(v - value) <= 1e-9 * abs(value)]
    for candidate in dict.fromkeys([*near, value, float(np.round(value, 12))]):
        if d - _rank(V, candidate) == k:
            return candidate
    return None


def _rank(V: Array, value: float) -> int:
    """The rank of V − value I over the rational numbers."""
    rows = [[Fraction(float(v)) for v in row] for row in V]
    for i, row in enumerate(rows):
        row[i] -= Fraction(value)
    rank = 0
    for column in range(len(V)):
        pivot = next((r for r in range(rank, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for r in range(rank + 1, len(rows)):
            if rows[r][column]:
                factor = rows[r][column] / rows[rank][column]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[rank], strict=True)]
        rank += 1
    return rank
