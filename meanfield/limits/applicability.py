"""Which theorem of Table 1 speaks about a model, and the numbers that decide it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.limits.spectrum import NEAR_TIE, ROUNDING, LeadingBlock, Spectrum, leading_block, spectrum
from particles.checks import Array
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField, as_field
from particles.models.attention import SoftmaxField

SPECIFIC_FIRST = ("2.1", "3.1", "8.5", "4.2", "5.2")
"""The theorems, the most specific first: of several that apply the first one speaks."""

STATEMENTS = {
    "2.1": "d = 1: the attention matrix tends to a Boolean matrix of rank 1 or 2, but for one row at most",
    "3.1": "V = λI: every rescaled token tends to a point of a finite set S on the boundary of a polytope, or to 0",
    "4.2": "simple leading eigenvalue: rescaled tokens tend to at most 3 parallel hyperplanes",
    "5.2": "leading eigenvalue with multiplicity: rescaled tokens tend to (∂K ∪ {0}) × G",
    "8.5": "V = −λI: every token tends to the origin",
}


@dataclass(frozen=True)
class Check:
    """One hypothesis: what is needed, the number found, its distance from failing, and the verdict.

    `holds` is True, False, or None where rounding (or a near-tie) does not let the number decide.
    """

    needs: str
    value: float
    margin: float
    holds: bool | None

    def __str__(self) -> str:
        verdict = {True: "yes", False: "no", None: "UNDECIDED"}[self.holds]
        return f"{self.needs}: {self.value:.6g} (margin {self.margin + 0.0:.3g}) {verdict}"


@dataclass(frozen=True)
class Hypotheses:
    """The outcome for one model.

    `theorem`: the most specific theorem that applies ("2.1", "3.1", "4.2", "5.2", "8.5") or None; `others`: further
    ones that apply; `undecided`: where none applies, those that a near-tie leaves open; `checks`: their numbers;
    `reason`: why none applies, "" otherwise. `positive` is the number k of eigenvalues of V with positive real part
    (the codimension conjecture speaks of subspaces of codimension k), `positive_open` how many more are too near 0.
    """

    theorem: str | None
    others: tuple[str, ...]
    undecided: tuple[str, ...]
    checks: dict[str, tuple[Check, ...]]
    reason: str
    eigenvalues: np.ndarray
    positive: int
    positive_open: int
    block: LeadingBlock | None

    def __str__(self) -> str:
        lines = [
            f"Theorem {self.theorem}: {STATEMENTS[self.theorem]}" if self.theorem else f"No theorem: {self.reason}"
        ]
        if self.others:
            lines.append("also: Theorem " + ", ".join(self.others))
        for name, checks in self.checks.items():
            lines += [f"  {name}  {check}" for check in checks]
        values = ", ".join(f"{v:.4g}" if v.imag else f"{v.real:.4g}" for v in self.eigenvalues[:6])
        more = ", ..." if len(self.eigenvalues) > 6 else ""
        lines.append(f"  eigenvalues of V: {values}{more}; {self.positive} with positive real part")
        return "\n".join(lines)


def hypotheses(model: VelocityField | DiscreteMap) -> Hypotheses:
    """Decide which theorem of arXiv 2305.05465 applies to `model`: single-head attention with constant Q, K, V.

    Theorem 2.1: d = 1, V > 0, QᵀK > 0. Theorem 3.1/8.1: V = λI, λ > 0, QᵀK symmetric positive definite.
    Theorem 8.5: V = −λI, QᵀK = I. Theorem 4.2: λ₁ real, positive, simple, λ₁ > |λ₂|, ⟨Qφ₁, Kφ₁⟩ > 0. Theorem 5.2:
    QᵀK symmetric positive definite, V = λ on F of dimension ≥ 2, spectral radius < λ on G. A number within rounding
    of its threshold, or a relative gap below 1e-8, leaves the theorem undecided. Anything else than one attention
    head with constant matrices gets theorem None with the reason.
    """
    if not isinstance(model, DiscreteMap):
        as_field(model)
    why = _outside(model)
    if why:
        return Hypotheses(None, (), (), {}, why, np.empty(0, complex), 0, 0, None)
    assert isinstance(model, SoftmaxField)
    Q, K, V = (np.asarray(M) for M in (model.Q, model.K, model.V))
    spec = spectrum(V)
    block = leading_block(V, spec)
    checks = _all_checks(Q, K, V, spec, block)
    outcome = {name: _all(c) for name, c in checks.items()}
    applies = tuple(name for name in SPECIFIC_FIRST if outcome.get(name) is True)
    undecided = tuple(name for name in SPECIFIC_FIRST if name in outcome and outcome[name] is None)
    positive, positive_open = spec.positive()
    return Hypotheses(
        theorem=applies[0] if applies else None,
        others=applies[1:],
        undecided=() if applies else undecided,
        checks=checks,
        reason="" if applies else _reason(checks, undecided),
        eigenvalues=spec.eigenvalues,
        positive=positive,
        positive_open=positive_open,
        block=block,
    )


def _outside(model: VelocityField | DiscreteMap) -> str:
    if not isinstance(model, SoftmaxField) or type(model)._velocity is not SoftmaxField._velocity:
        return f"the theorems are about one self-attention head, not {type(model).__name__}"
    if not model.constant:
        return "the theorems need constant Q, K, V; here they depend on time"
    if model.frame is not None and not np.array_equal(model.frame, np.asarray(model.V)):
        return "the theorems are about the original frame and z = e^{−tV} x; the model is in another frame"
    return ""


def _all_checks(
    Q: Array, K: Array, V: Array, spec: Spectrum, block: LeadingBlock | None
) -> dict[str, tuple[Check, ...]]:
    product = _product(Q, K)
    scalar = _scalar(V)
    checks: dict[str, tuple[Check, ...]] = {}
    if len(V) == 1:
        checks["2.1"] = (_sign("V > 0", V[0, 0], 0.0), _sign("QᵀK > 0", product[0, 0], _product_rounding(Q, K)))
    symmetric = _positive_definite(Q, K, product)
    checks["3.1"] = (scalar, _sign("λ > 0 where V = λI", np.trace(V) / len(V), 0.0), *symmetric)
    checks["8.5"] = (
        scalar,
        _sign("λ > 0 where V = −λI", 0.0 - np.trace(V) / len(V), 0.0),
        _small("QᵀK = I: ‖QᵀK − I‖", float(np.linalg.norm(product - np.eye(len(V)), 2)), _product_rounding(Q, K), 1.0),
    )
    checks["4.2"] = _good_triple(Q, K, V, spec)
    if len(V) > 1:
        checks["5.2"] = (*_multiplicity(V, spec, block), *symmetric)
    return checks


def _product(Q: Array, K: Array) -> Array:
    return np.asarray(Q.T @ K)


def _product_rounding(Q: Array, K: Array) -> float:
    scale = float(np.linalg.norm(Q, 2) * np.linalg.norm(K, 2))
    return ROUNDING * (len(Q) + 1) * np.finfo(float).eps * scale


def _sign(needs: str, value: float, rounding: float) -> Check:
    """Positive, by more than rounding; exactly 0 and anything clearly negative fail."""
    value = float(value)
    holds = None if 0.0 < abs(value) <= rounding else value > 0.0
    return Check(needs, value, value - rounding, holds)


def _small(needs: str, value: float, rounding: float, scale: float) -> Check:
    """Zero to rounding; above NEAR_TIE · scale it fails; between the two the numbers do not say."""
    value, limit = float(value), max(rounding, 0.0)
    holds = True if value <= limit else (None if value <= NEAR_TIE * scale else False)
    return Check(needs, value, limit - value, holds)


def _scalar(V: Array) -> Check:
    mean = float(np.trace(V)) / len(V)
    deviation = float(np.abs(V - mean * np.eye(len(V))).max())
    return _small("V a multiple of I: max |V − λI|", deviation, 8 * np.finfo(float).eps * abs(mean), abs(mean))


def _positive_definite(Q: Array, K: Array, product: Array) -> tuple[Check, Check]:
    rounding = _product_rounding(Q, K)
    skew = float(np.linalg.norm(product - product.T, 2))
    least = float(np.linalg.eigvalsh(0.5 * (product + product.T))[0])
    definite = _sign("QᵀK > 0: smallest eigenvalue", least, rounding)
    if len(Q) < len(product):
        definite = Check(f"QᵀK > 0: rank ≤ {len(Q)} < d = {len(product)}", least, least - rounding, False)
    return _small("QᵀK symmetric: ‖QᵀK − KᵀQ‖", skew, rounding, float(np.linalg.norm(product, 2))), definite


def _good_triple(Q: Array, K: Array, V: Array, spec: Spectrum) -> tuple[Check, ...]:
    """Definition 4.1 with its margins; the second condition only where φ₁ is determined."""
    lead = spec.leading
    second = float(np.abs(spec.eigenvalues[1])) if len(V) > 1 else 0.0
    gap = abs(lead) - second
    if lead.imag != 0.0 and len(spec.group()) == 1:
        return (Check("λ₁ real: |Im λ₁|", abs(lead.imag), -abs(lead.imag), False),)
    real = Check("λ₁ > 0", lead.real, lead.real, bool(lead.real > 0))
    resolution = max(NEAR_TIE * abs(lead), ROUNDING * float(spec.uncertainty[: min(2, len(V))].sum()))
    # A leading group that is a Jordan block or exactly multiple is not simple; between lies the near-tie.
    simple = True if gap > resolution else (False if gap == 0.0 else None)
    apart = Check("λ₁ simple and largest in modulus: λ₁ − |λ₂|", gap, gap - resolution, simple)
    if not (real.holds and simple):
        return (real, apart)
    values, vectors = np.linalg.eig(V)
    phi = vectors[:, np.argmin(np.abs(values - lead))].real
    phi = phi / np.linalg.norm(phi)
    form = float((Q @ phi) @ (K @ phi))
    tilt = spec.uncertainty[0] / gap if np.isfinite(gap) and len(V) > 1 else 0.0
    rounding = _product_rounding(Q, K) * (1 + tilt / np.finfo(float).eps)
    return (real, apart, _sign("⟨Qφ₁, Kφ₁⟩ > 0", form, rounding))


def _multiplicity(V: Array, spec: Spectrum, block: LeadingBlock | None) -> tuple[Check, ...]:
    """The second condition of Definition 5.1 with dim F ≥ 2 (dim F = 1 is Theorem 4.2)."""
    k = len(spec.group())
    many = Check("multiplicity of λ₁ ≥ 2", k, k - 1.5, k >= 2)
    if block is None:
        value = spec.leading.real
        return (many, Check("λ₁ real, positive, larger than the spectral radius on G", value, -abs(value), False))
    if k == len(V):
        return (many, _scalar(V))
    rest = np.delete(spec.eigenvalues, spec.group())
    radius = float(np.abs(rest).max()) if rest.size else 0.0
    rounding = ROUNDING * len(spec.eigenvalues) * np.finfo(float).eps * spec.norm
    rounding *= float(np.linalg.norm(block.dual_F, 2))
    scalar = _small("V = λ on F: ‖V F − λ F‖", block.defect, rounding, spec.norm)
    return (many, scalar, Check("spectral radius on G < λ", radius, block.value - radius, radius < block.value))


def _all(checks: tuple[Check, ...]) -> bool | None:
    if any(check.holds is False for check in checks):
        return False
    return None if any(check.holds is None for check in checks) else True


def _reason(checks: dict[str, tuple[Check, ...]], undecided: tuple[str, ...]) -> str:
    if undecided:
        open_checks = dict.fromkeys(str(c) for name in undecided for c in checks[name] if c.holds is None)
        return f"undecided between {', '.join(undecided)} and none: " + "; ".join(open_checks)
    failed = []
    for name, many in checks.items():
        first = next(check for check in many if check.holds is False)
        failed.append(f"{name} fails on [{first.needs}: {first.value:.4g}]")
    return "; ".join(failed)
