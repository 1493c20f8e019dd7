"""Hardmax attention with V = λI: from a finite time on every token moves straight towards its leader."""

from __future__ import annotations

import numpy as np

from meanfield.limits.conditions import Check, positive, scalar
from meanfield.limits.finding import Finding, LeaderPhase, nothing_known
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import LimitSet
from meanfield.limits.measured import assumption, measured_error
from meanfield.limits.phase import Phase, exponents, phase_at
from meanfield.limits.proof import leaders_of
from meanfield.limits.run import Run
from meanfield.limits.theorems.statement import FieldTheorem
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.models.relatives import HardmaxAttention

TRIES = 4
"""Saved times with leaders whose error is measured, in search of one that is small enough."""


class HardLeaders(FieldTheorem):
    """Leaders once found for good: x_l = u x_l(T), x_i − x_l constant, u = e^{λ(t−T)}, as long as no row changes.

    Row i keeps its leader l if u² ⟨B(y_l + s d_i), y_l − y_m − s d_j⟩ > 0 for all s = 1/u in (0, 1] and every j with
    another leader m, and −u ⟨By_l, d_j⟩ − ⟨Bd_i, d_j⟩ > 0 for every j ≠ l of its own: the exponents of `phase`, for all
    states within the error. Leaders of such tokens in discrete time and with normalisation: Alcalde, Fantuzzi, Zuazua,
    Clustering in pure-attention hardmax transformers and its role in sentiment analysis, arXiv 2407.01602.
    """

    name = "hardmax leaders"
    statement = (
        "hardmax attention, V = λI: rescaled tokens tend to leaders that are found in finite time (proved here; "
        "arXiv 2407.01602 has leaders in discrete time)"
    )

    def checks(self, model: VelocityField | DiscreteMap) -> tuple[Check, ...]:
        """V = λI, λ > 0."""
        head = hard_head(model)
        if head is None:
            return ()
        return scalar(head), positive("λ > 0 where V = λI, λ = tr V/d", float(np.trace(head.V)) / head.dim)

    def finding(self, run: Run, checks: tuple[Check, ...]) -> Finding:
        """The leaders at the first saved time from which they stay."""
        head = hard_head(run.model)
        assert head is not None
        reason, tries = "at no saved time have all tokens a leader that provably stays: run longer", 0
        for k in range(len(run.times)):
            phase = _phase(run, head, k)
            if phase is None or not _stays(phase, 0.0):
                continue
            error = measured_error(run, k)
            if _stays(phase, error * (_growth(run, head, k) if run.rescaled else 1.0)):
                return _found(run, head, checks, phase, k, error)
            reason, tries = f"the error {error:.2g} is too much for the margins of the leaders", tries + 1
            if tries == TRIES:
                break
        return nothing_known(run, reason, "rescaled")


def _found(run: Run, head: Head, checks: tuple[Check, ...], phase: Phase, k: int, error: float) -> Finding:
    shrinks = [1.0 if run.rescaled else 1.0 / _growth(run, head, i) for i in range(len(run.times))]
    z = np.asarray(shrinks)[:, None, None] * run.positions
    leaders = leaders_of(run, phase)
    limits = z[k][leaders]
    points = LimitSet(np.unique(limits, axis=0), np.eye(head.dim))
    return Finding(
        run=run,
        status="conditional",
        reason="",
        frame="rescaled",
        limit_set=points,
        token_distance=np.stack([points.distance(tokens) for tokens in z]),
        limits=limits,
        limit_kind=np.full(len(leaders), "point"),
        bound=np.full(len(leaders), shrinks[k] * error + 8 * np.finfo(float).eps * float(np.abs(limits).max())),
        leaders=leaders,
        assumptions=(*(c.assumption for c in checks if c.assumption), assumption(run, k, error)),
        phase=LeaderPhase(float(run.times[k]), z[k], error, 0.0),
    )


def _growth(run: Run, head: Head, k: int) -> float:
    """e^{λt} at the k-th saved time."""
    assert head.block is not None
    return float(np.exp(head.block.value * run.times[k]))


def hard_head(model: VelocityField | DiscreteMap) -> Head | None:
    """The constant head of hardmax attention, in the original frame or its own rescaled one; None for any other."""
    if type(model) is not HardmaxAttention or not model.constant:
        return None
    V = np.asarray(model.V)
    if model.frame is not None and not np.array_equal(model.frame, V):
        return None
    return Head(np.asarray(model.Q), np.asarray(model.K), V)


def _phase(run: Run, head: Head, k: int) -> Phase | None:
    assert head.block is not None
    x = run.positions[k]
    if run.rescaled:
        with np.errstate(over="ignore", invalid="ignore"):
            x = x * _growth(run, head, k)
    if not np.isfinite(x).all():
        return None
    mass = run.merged[0][run.distinct]
    # Weights break no ties here: a score counts, or a token of no mass does not.
    with np.errstate(divide="ignore"):
        log_mass = np.log((mass > 0.0).astype(float))
    return phase_at(head.score, head.V, head.block, x[run.distinct], log_mass)


def _stays(phase: Phase, error: float) -> bool:
    """Whether no row changes its leader at any later time, for all states within `error`."""
    if not phase.consistent:
        return False
    found = exponents(phase, error, 2.0 * error)
    inner, rivals = found.slope[found.others], found.floor[found.rivals]
    return bool(
        (inner > 0.0).all() and ((found.slope + found.start)[found.others] > 0.0).all() and (rivals > 0.0).all()
    )
