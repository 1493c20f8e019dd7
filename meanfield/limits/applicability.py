"""Which theorem of Table 1 applies to a model, and the numbers that decide it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from meanfield.limits.conditions import Check, conclusion
from meanfield.limits.head import Head, head_of
from meanfield.limits.spectrum import LeadingBlock
from meanfield.limits.theorems.listed import FIELD_THEOREMS, THEOREMS, theorem
from particles.checks import default_error_state
from particles.display import Shown, screen
from particles.errors import NotSupported
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField, as_field
from particles.kernels.threads import on_one_blas_thread


@dataclass(frozen=True)
class Hypotheses(Shown):
    """The outcome for one model.

    Parameters
    ----------
    theorem : str, optional
        The most specific theorem that applies: of one head of R^d "2.1", "3.1", "4.2", "5.2" or "8.5" of arXiv
        2305.05465; of other fields "equal angles", "open hemisphere", "causal order", "hardmax leaders"
        or "leaders of rows".
    others : tuple of str
        Further ones that apply.
    undecided : tuple of str
        Where none applies, those that a near-tie leaves open.
    checks : dict of tuples of Check
        Their numbers, by theorem.
    reason : str
        Why none applies, "" otherwise.
    eigenvalues : array (d,)
        Those of V.
    positive : int
        The number k of eigenvalues of V with positive real part (the codimension conjecture is about subspaces of
        codimension k).
    positive_open : int
        How many more are too near 0.
    head : Head, optional
        The matrices, None where the model is no single attention head.
    """

    theorem: str | None
    others: tuple[str, ...]
    undecided: tuple[str, ...]
    checks: dict[str, tuple[Check, ...]]
    reason: str
    eigenvalues: np.ndarray
    positive: int
    positive_open: int
    head: Head | None

    @property
    def block(self) -> LeadingBlock | None:
        """The splitting F ⊕ G of the leading eigenvalue of V, None where there is none."""
        return None if self.head is None else self.head.block

    def __repr__(self) -> str:
        return screen(str(self).splitlines())

    def _shown(self) -> dict[str, str]:
        rows = {"theorem": self.theorem or f"none: {self.reason}"}
        for name, found in self.checks.items():
            rows |= {f"{name}  {check.needs}": str(check).removeprefix(f"{check.needs}: ") for check in found}
        return rows

    def __str__(self) -> str:
        lines = [
            f"Theorem {self.theorem}: {theorem(self.theorem).statement}"
            if self.theorem
            else f"No theorem: {self.reason}"
        ]
        if self.others:
            lines.append("also: Theorem " + ", ".join(self.others))
        for name, checks in self.checks.items():
            lines += [f"  {name}  {check}" for check in checks]
        if not len(self.eigenvalues):
            return "\n".join(lines)
        values = ", ".join(f"{v:.4g}" if v.imag else f"{v.real:.4g}" for v in self.eigenvalues[:6])
        more = ", ..." if len(self.eigenvalues) > 6 else ""
        rank = f"; V has rank {self.head.rank} at most" if self.head and self.head.rank < self.head.dim else ""
        lines.append(f"  eigenvalues of V: {values}{more}; {self.positive} with positive real part{rank}")
        return "\n".join(lines)


@on_one_blas_thread
@default_error_state()
def hypotheses(
    model: VelocityField | DiscreteMap, *, factors: tuple[npt.ArrayLike, npt.ArrayLike] | None = None
) -> Hypotheses:
    """Decide which theorem of arXiv 2305.05465 applies to `model`: single-head attention with constant Q, K, V.

    Theorem 2.1: d = 1, V > 0, QᵀK > 0. Theorem 3.1/8.1: V = λI, λ > 0, QᵀK symmetric positive definite.
    Theorem 8.5: V = −λI, λ > 0, QᵀK symmetric positive definite. Theorem 4.2: λ₁ real, positive, simple, λ₁ > |λ₂|,
    ⟨Qφ₁, Kφ₁⟩ > 0. Theorem 5.2: QᵀK symmetric positive definite, V = λ on F of dimension ≥ 2, spectral radius < λ
    on G. A number within rounding of its threshold, or a relative gap below 1e-8, leaves the theorem undecided.
    Other fields: "open hemisphere", heads with V = λI, λ > 0, on the sphere, also sums of them; "equal angles", one
    such head with QᵀK = βI, for equiangular tokens; "causal order", causal attention with V = λI on the sphere;
    "hardmax leaders", hardmax attention with V = λI; "leaders of rows", sums of heads and causal attention in R^d with
    V = λI in each. Anything else gets theorem None with the reason; so does a subclass of SelfAttention, unless its
    body has `same_equation = True`.

    Parameters
    ----------
    model : VelocityField or DiscreteMap
        Any model.
    factors : tuple of arrays (d, k) and (k, d), optional
        V as a product, as trained heads have it: k < d decides that 0 is an eigenvalue of V at least d − k times, which
        rounding hides in V itself.

    Returns
    -------
    Hypotheses
        The theorem, its numbers, or the reason why there is none.

    Raises
    ------
    InvalidInput
        For what is no model, factors whose product is not V.
    """
    if not isinstance(model, DiscreteMap):
        as_field(model)
    try:
        head = head_of(model, factors)
    except NotSupported as error:
        return _of_field({each.name: found for each in FIELD_THEOREMS if (found := each.checks(model))}, str(error))
    checks = {each.name: found for each in THEOREMS if (found := each.checks(head))}
    outcome = {name: conclusion(found) for name, found in checks.items()}
    applies = tuple(name for name, holds in outcome.items() if holds)
    undecided = tuple(name for name, holds in outcome.items() if holds is None)
    positive, positive_open = head.spectrum.positive()
    return Hypotheses(
        theorem=applies[0] if applies else None,
        others=applies[1:],
        undecided=() if applies else undecided,
        checks=checks,
        reason="" if applies else _reason(checks, undecided),
        eigenvalues=head.spectrum.eigenvalues,
        positive=positive,
        positive_open=positive_open,
        head=head,
    )


def _of_field(checks: dict[str, tuple[Check, ...]], no_head: str) -> Hypotheses:
    """The hypotheses of a model that is no head of R^d, with the checks of the theorems about such models."""
    outcome = {name: conclusion(found) for name, found in checks.items()}
    applies = tuple(name for name, holds in outcome.items() if holds)
    undecided = () if applies else tuple(name for name, holds in outcome.items() if holds is None)
    reason = "" if applies else _reason(checks, undecided) if checks else no_head
    return Hypotheses(
        theorem=applies[0] if applies else None,
        others=applies[1:],
        undecided=undecided,
        checks=checks,
        reason=reason,
        eigenvalues=np.empty(0, complex),
        positive=0,
        positive_open=0,
        head=None,
    )


def _reason(checks: dict[str, tuple[Check, ...]], undecided: tuple[str, ...]) -> str:
    if undecided:
        open_checks = dict.fromkeys(str(c) for name in undecided for c in checks[name] if c.holds is None)
        return f"undecided between {', '.join(undecided)} and none: " + "; ".join(open_checks)
    failed = []
    for name, many in checks.items():
        first = next(check for check in many if check.holds is False)
        failed.append(f"{name} fails on [{first.needs}: {first.value:.4g}, margin {first.margin:.3g}]")
    return "; ".join(failed)
