"""The spectrum of V as the theorems need it: the leading eigenvalue, its block F, the complement G, error bounds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from particles.checks import Array

ROUNDING = 100.0
"""Safety factor on first-order perturbation bounds: below this many rounding units two numbers are not told apart."""

NEAR_TIE = 1e-8
"""Relative gap √ε below which leading eigenvalues count as a near-tie: rounding splits a double eigenvalue that far."""


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of V by decreasing modulus, with the perturbation that rounding of V can cause in each.

    `eigenvalues` (d,), complex; `uncertainty` (d,): d ε ‖V‖₂ / |y* x| with unit left and right eigenvectors (the
    first-order bound); it is large where V is nearly defective. The last `kernel` of them are 0 whatever the numbers
    are, as V is a product of matrices of rank d − kernel.
    """

    eigenvalues: np.ndarray
    uncertainty: Array
    norm: float
    kernel: int = 0

    @property
    def leading(self) -> complex:
        """The eigenvalue of largest modulus."""
        return complex(self.eigenvalues[0])

    def group(self) -> np.ndarray:
        """Indices of the eigenvalues that cannot be told from the leading one (the leading one included)."""
        distance = np.abs(self.eigenvalues - self.leading)
        limit = np.maximum(NEAR_TIE * abs(self.leading), ROUNDING * (self.uncertainty + self.uncertainty[0]))
        return np.flatnonzero(distance <= np.minimum(limit, 0.1 * self.norm))

    def resolution(self, members: np.ndarray) -> float:
        """The gap in modulus that rounding, or a relative near-tie, leaves open between `members` and the others."""
        rest = np.delete(np.arange(len(self.eigenvalues)), members)
        uncertain = float(self.uncertainty[members].max() + (self.uncertainty[rest].max() if rest.size else 0.0))
        return max(NEAR_TIE * abs(self.leading), min(ROUNDING * uncertain, float(np.sqrt(NEAR_TIE)) * self.norm))

    def positive(self) -> tuple[int, int]:
        """How many eigenvalues have positive real part, and for how many more rounding cannot tell."""
        decided = len(self.eigenvalues) - self.kernel
        limit = np.minimum(ROUNDING * self.uncertainty, NEAR_TIE**0.5 * self.norm)[:decided]
        real = self.eigenvalues.real[:decided]
        return int(np.sum(real > limit)), int(np.sum(np.abs(real) <= limit))


def spectrum(V: Array) -> Spectrum:
    """The spectrum of V (d, d), any real matrix, defective or not."""
    values, left, right = linalg.eig(V, left=True, right=True)
    angle = np.abs(np.sum(left.conj() * right, axis=0))
    norm = float(np.linalg.norm(V, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        uncertainty = len(V) * np.finfo(float).eps * norm / angle
    uncertainty = np.where(np.isnan(uncertainty), np.inf, uncertainty) if norm else np.zeros(len(V))
    order = np.lexsort((-values.imag, -values.real, -np.abs(values)))
    return Spectrum(values[order], uncertainty[order], norm)


def spectrum_of_product(left: Array, right: Array) -> Spectrum:
    """The spectrum of V = left · right, (d, k) times (k, d), k < d: that of right · left (k, k), and 0 d − k times."""
    d, k = left.shape
    small = spectrum(right @ left)
    size = float(np.linalg.norm(left, 2) * np.linalg.norm(right, 2))
    scale = d * size / max(k * small.norm, 1e-300)
    eigenvalues = np.append(small.eigenvalues, np.zeros(d - k))
    uncertainty = np.append(small.uncertainty * scale, np.zeros(d - k))
    # ‖left right‖₂ is the norm of the product of the triangular factors of the two, (k, k).
    R, L = (linalg.qr(M, mode="economic")[1] for M in (left, right.T))
    return Spectrum(eigenvalues, uncertainty, float(np.linalg.norm(R @ L.T, 2)), d - k)


@dataclass(frozen=True)
class LeadingBlock:
    """The splitting R^d = F ⊕ G into invariant subspaces, V ≈ λ on F, with the growth of e^{τV} on each.

    `F` (d, k) and `G` (d, d−k) are bases, `dual_F` (k, d) and `dual_G` (d−k, d) the coordinates in them, so that
    F dual_F + G dual_G = 1; for k = 1, F is the unit eigenvector φ₁ and dual_F the left one φ₁* with φ₁*(φ₁) = 1.
    `defect` = ‖V F − λ F‖₂. The basis of G is chosen so that |dual_G e^{τV} x| ≤ e^{rate τ} |dual_G x|, and
    ‖e^{−τV}‖₂ ≤ back_factor e^{λτ}, for all τ ≥ 0.
    """

    value: float
    F: Array
    G: Array
    dual_F: Array
    dual_G: Array
    defect: float
    rate: float
    back_factor: float

    @property
    def projection(self) -> Array:
        """π_F (d, d), onto F parallel to G."""
        return self.F @ self.dual_F

    @property
    def complement(self) -> Array:
        """Orthonormal rows (k, d) that span the complement of G: |complement (x − s)| is the distance to s + G."""
        return np.asarray(np.linalg.qr(self.dual_F.T)[0].T)


def leading_block(V: Array, spec: Spectrum) -> LeadingBlock | None:
    """The block of the leading eigenvalue; None where it is not real and positive, or ties in modulus with another.

    A tie is a gap that rounding, or NEAR_TIE, does not resolve. None also where float64 cannot separate F from G.
    """
    group = spec.group()
    members = spec.eigenvalues[group]
    value = float(members.real.mean())
    others = np.delete(spec.eigenvalues, group)
    if value <= 0 or abs(members.imag.sum()) > 0:
        return None
    if others.size and np.abs(others).max() > value - spec.resolution(group):
        return None
    cut = 0.5 * (value + float(np.abs(others).max())) if others.size else -np.inf
    T, Z, k = linalg.schur(V, output="real", sort=lambda re, im: np.hypot(re, im) > cut and re > 0)
    if k != len(members):
        return None
    X = linalg.solve_sylvester(T[:k, :k], -T[k:, k:], -T[:k, k:])
    F, dual_F = Z[:, :k], Z[:, :k].T - X @ Z[:, k:].T
    G, dual_G = Z[:, :k] @ X + Z[:, k:], Z[:, k:].T
    if k == 1 and F[np.argmax(np.abs(F[:, 0])), 0] < 0:
        F, dual_F = -F, -dual_F
    rate = -np.inf
    if k < len(V):
        rate = 0.5 * (value + float(others.real.max()))
        C = _contracting(T[k:, k:] - rate * np.eye(len(V) - k))
        if C is None:
            return None
        G, dual_G = G @ np.linalg.inv(C), C @ dual_G
    back = _contracting(-V - value * np.eye(len(V)))
    if back is None:
        return None
    return LeadingBlock(
        value=value,
        F=F,
        G=G,
        dual_F=dual_F,
        dual_G=dual_G,
        defect=float(np.linalg.norm(V @ F - value * F, 2)),
        rate=rate,
        back_factor=float(np.linalg.cond(back)) * (1 + 1e-6),
    )


def positive_part(V: Array, eigenvalues: np.ndarray) -> tuple[Array, Array]:
    """L (k, d) with orthonormal rows and N (k, k), L V = N L, N with the eigenvalues of positive real part.

    From a real Schur form of Vᵀ, so that complex pairs and defective V need no eigenvectors; `eigenvalues` (d,) of V
    place the cut half-way between the smallest positive real part and the others.
    """
    real = eigenvalues.real
    rest = real[real <= 0.0]
    cut = 0.5 * (float(real[real > 0.0].min()) + (float(rest.max()) if rest.size else 0.0))
    T, Z, k = linalg.schur(V.T, output="real", sort=lambda re, im: re > cut)
    return np.asarray(Z[:, :k].T), np.asarray(T[:k, :k].T)


def expanding(V: Array) -> bool:
    """Whether every eigenvalue of V (d, d) provably has positive real part; False also where rounding hides it."""
    return _contracting(-V) is not None


def _contracting(A: Array) -> Array | None:
    """C (m, m) with |C e^{τA} x| ≤ |C x| for τ ≥ 0, or None where no such C is found.

    C comes from Lyapunov's equation, P = CᵀC. That P > 0 and AᵀP + PA < 0 is then verified with the rounding of both
    counted, which proves that A has its spectrum left of 0, however ill-conditioned its eigenvalues are.
    """
    try:
        with warnings.catch_warnings():
            # An eigenvalue on the axis makes the equation singular; what SciPy returns then fails the test below.
            warnings.simplefilter("ignore")
            P = linalg.solve_continuous_lyapunov(A.T, -np.eye(len(A)))
        P = 0.5 * (P + P.T)
        # Norms are squares: a solution beyond this is no proof of anything.
        if not np.abs(P).max() < 1e150:
            return None
        rounding = 4 * (len(A) + 2) * np.finfo(float).eps * float(np.linalg.norm(P))
        falls = A.T @ P + P @ A
        slack = rounding * 2 * float(np.linalg.norm(A))
        if np.linalg.eigvalsh(P)[0] <= rounding or np.linalg.eigvalsh(falls)[-1] >= -slack:
            return None
        return np.asarray(np.linalg.cholesky(P).T)
    except (np.linalg.LinAlgError, linalg.LinAlgError):
        return None
