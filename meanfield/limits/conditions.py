"""Hypotheses as numbers: what is needed, what was found, how far from failing, and whether rounding lets it decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.limits.enclosures.eigenspace import exact_multiple
from meanfield.limits.enclosures.outward import exact_product
from meanfield.limits.enclosures.verified import is_positive_definite
from meanfield.limits.head import Head
from meanfield.limits.spectrum import NEAR_TIE, ROUNDING


@dataclass(frozen=True)
class Check:
    """One hypothesis: what is needed, the number found, its distance from failing, and the verdict.

    Parameters
    ----------
    needs : str
        What is needed.
    value : float
        The number found.
    margin : float
        Its distance from failing.
    holds : bool, optional
        None where rounding (or a near-tie) does not let the number decide.
    exact : bool
        False where an equality holds to rounding only: a certificate lists it as assumed.
    """

    needs: str
    value: float
    margin: float
    holds: bool | None
    exact: bool = True

    @property
    def assumption(self) -> str:
        """What a proof has to assume for this hypothesis, "" where nothing."""
        if self.exact or not self.holds:
            return ""
        return f"[{self.needs}] = {self.value:.2g} is rounding and stands for 0"

    def __str__(self) -> str:
        verdict = {True: "yes", False: "no", None: "UNDECIDED"}[self.holds]
        return f"{self.needs}: {self.value:.6g} (margin {self.margin + 0.0:.3g}) {verdict}"


def conclusion(checks: tuple[Check, ...]) -> bool | None:
    """Whether all hold: False where one fails, None where rounding hides one."""
    if any(check.holds is False for check in checks):
        return False
    return None if any(check.holds is None for check in checks) else True


def positive(needs: str, value: float, rounding: float = 0.0) -> Check:
    """Positive, by more than rounding; exactly 0 and anything clearly negative fail."""
    value = float(value)
    holds = None if 0.0 < abs(value) <= rounding else value > 0.0
    return Check(needs, value, value - rounding, holds)


def zero(needs: str, value: float, rounding: float, scale: float, *, exact: bool) -> Check:
    """Zero to rounding; above NEAR_TIE · scale it fails; between the two the numbers do not decide."""
    value = float(value)
    holds = True if value <= rounding else (None if value <= NEAR_TIE * scale else False)
    return Check(needs, value, rounding - value, holds, exact)


def above(needs: str, gap: float, resolution: float) -> Check:
    """A gap between eigenvalues: above the resolution it holds, below minus the resolution it fails."""
    holds = True if gap > resolution else (False if gap < -resolution else None)
    return Check(needs, gap, gap - resolution, holds)


def scalar(head: Head) -> Check:
    """V = λI."""
    V = head.V
    mean = float(np.trace(V)) / len(V)
    deviation = float(np.abs(V - mean * np.eye(len(V))).max())
    exact = bool(np.array_equal(V, V[0, 0] * np.eye(len(V))))
    rounding = 8 * np.finfo(float).eps * abs(mean)
    return zero("V a multiple of I: max |V − λI|", 0.0 if exact else deviation, rounding, abs(mean), exact=exact)


def positive_definite(head: Head) -> tuple[Check, Check]:
    """QᵀK symmetric, and positive definite."""
    product, rounding = head.product, head.product_rounding
    skew = float(np.linalg.norm(product - product.T, 2))
    least = float(np.linalg.eigvalsh(0.5 * (product + product.T))[0])
    definite = positive("QᵀK > 0: smallest eigenvalue", least, rounding)
    if definite.holds and not is_positive_definite(*exact_product(head.Q, head.K)):
        definite = Check(definite.needs, least, definite.margin, None)
    if len(head.Q) < head.dim:
        definite = Check(f"QᵀK > 0: rank ≤ {len(head.Q)} < d = {head.dim}", least, min(least - rounding, 0.0), False)
    size = float(np.linalg.norm(product, 2))
    symmetric = zero("QᵀK symmetric: ‖QᵀK − KᵀQ‖", skew, rounding, size, exact=head.exactly_symmetric)
    return symmetric, definite


def good_triple(head: Head) -> tuple[Check, ...]:
    """Definition 4.1 with its margins; the second condition only where φ₁ is determined."""
    spec, V = head.spectrum, head.V
    lead = spec.leading
    second = float(np.abs(spec.eigenvalues[1])) if len(V) > 1 else 0.0
    gap = abs(lead) - second
    if lead.imag != 0.0 and len(spec.group()) == 1:
        return (Check("λ₁ real: |Im λ₁|", abs(lead.imag), -abs(lead.imag), False),)
    real = Check("λ₁ > 0", lead.real, lead.real, bool(lead.real > 0))
    resolution = max(NEAR_TIE * abs(lead), ROUNDING * float(spec.uncertainty[: min(2, len(V))].sum()))
    apart = above("λ₁ simple and largest in modulus: λ₁ − |λ₂|", gap, resolution)
    if gap == 0.0:
        # A leading group that is a Jordan block or exactly multiple is not simple; a computed gap beside 0 may be.
        apart = Check(apart.needs, gap, apart.margin, False)
    if not (real.holds and apart.holds):
        return (real, apart)
    values, vectors = np.linalg.eig(V)
    phi = vectors[:, np.argmin(np.abs(values - lead))].real
    phi = phi / np.linalg.norm(phi)
    form = float((head.Q @ phi) @ (head.K @ phi))
    tilt = spec.uncertainty[0] / gap if np.isfinite(gap) and len(V) > 1 else 0.0
    rounding = head.product_rounding * (1 + tilt / np.finfo(float).eps)
    single = head.block is not None and head.block.F.shape[1] == 1
    separated = Check("R^d = F ⊕ G resolved in float64", gap, apart.margin, True if single else None)
    return (real, apart, positive("⟨Qφ₁, Kφ₁⟩ > 0", form, rounding), separated)


def multiplicity(head: Head) -> tuple[Check, ...]:
    """The second condition of Definition 5.1 with dim F ≥ 2 (dim F = 1 is Theorem 4.2)."""
    spec, V, block = head.spectrum, head.V, head.block
    members = spec.group()
    k = len(members)
    many = Check("multiplicity of λ₁ ≥ 2", k, k - 1.5, k >= 2)
    value = float(spec.eigenvalues[members].real.mean())
    # A conjugate pair within one group stands for a double real eigenvalue that rounding has split.
    away = abs(float(spec.eigenvalues[members].imag.sum()))
    leads = Check("λ₁ real and positive", value, value if away == 0.0 else -away, value > 0.0 and away == 0.0)
    if not (many.holds and leads.holds):
        return (many, leads)
    if k == len(V):
        return (many, leads, scalar(head))
    rest = np.delete(spec.eigenvalues, members)
    gap = value - float(np.abs(rest).max())
    dominant = above("spectral radius on G < λ: λ − |λ| on G", gap, spec.resolution(members))
    if block is None:
        return (many, leads, Check(dominant.needs, gap, dominant.margin, dominant.holds and None))
    rounding = ROUNDING * len(V) * np.finfo(float).eps * spec.norm * float(np.linalg.norm(block.dual_F, 2))
    exact = exact_multiple(V, value, k) is not None
    equal = zero("V = λ on F: ‖V F − λ F‖", block.defect, rounding, spec.norm, exact=exact)
    return (many, leads, equal, dominant)
