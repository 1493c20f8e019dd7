"""Many heads and causal masks in R^d, all with V = λI: rescaled tokens tend to mixtures of leaders."""

from __future__ import annotations

import numpy as np

from meanfield.limits.conditions import Check, positive, scalar
from meanfield.limits.finding import Finding, LeaderPhase, nothing_known
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import LimitSet
from meanfield.limits.measured import assumption, measured_error
from meanfield.limits.row_phase import RowPhase, row_drift, row_phase
from meanfield.limits.run import Run
from meanfield.limits.theorems.open_hemisphere import matrices
from meanfield.limits.theorems.statement import FieldTheorem
from particles.errors import NotSupported
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import Sum, VelocityField
from particles.models.attention import softmax_head
from particles.models.bilinear import BilinearField
from particles.models.relatives import CausalAttention

ROUNDING = 1e-12
"""Error of |x| that is assumed at least: more than the rounding of a phase."""

LATEST = 17.0
"""Λt beyond which scores of size e^{2Λt} have lost their digits; the phase is looked for before."""

TRIES = 4
"""Saved times with leaders whose error is measured."""


class RowLeaders(FieldTheorem):
    """V_h = λ_h I, Λ = Σ_h λ_h > 0: once every row of every head follows a leader for good, limits are known.

    z_i = e^{−Λt} x_i tends to Σ_h λ_h/Λ lim z_l, l the leader of row i in head h, provided that leaders lead
    themselves in every head; a causal row has its leader among the tokens before it, and the first token its own: it
    stays where it is. `row_drift` has the argument, docs/proofs.md the proof; one head with all tokens in each row is
    Theorem 3.1 of arXiv 2305.05465.
    """

    name = "leaders of rows"
    statement = (
        "many heads or a causal mask, V = λI in each: rescaled tokens tend to mixtures of leaders (what follows from "
        "the leaders of arXiv 2305.05465, row by row)"
    )

    def checks(self, model: VelocityField | DiscreteMap) -> tuple[Check, ...]:
        """V_h = λ_h I, Λ > 0."""
        heads = tuple(head for head, _ in rows_of(model))
        if not heads:
            return ()
        total = sum(float(np.trace(head.V)) / head.dim for head in heads)
        return *(scalar(head) for head in heads), positive("Λ = Σ λ > 0 where V = λI", total)

    def finding(self, run: Run, checks: tuple[Check, ...]) -> Finding:
        """The mixtures of leaders at the saved time from which they are known best."""
        phases = {k: phase for k in range(len(run.times)) if (phase := _phase(run, k)) is not None}
        rough = {k: _shrink(run, p, k) * row_drift(p, _floor(p)) for k, p in phases.items()}
        rough = {k: value for k, value in rough.items() if np.isfinite(value)}
        if not rough:
            reason = "at no saved time have all rows a leader that provably stays: run longer"
            return nothing_known(run, reason, "rescaled")
        best: tuple[float, int, float, float] | None = None
        for k in sorted(rough, key=lambda k: max(rough[k], ROUNDING))[:TRIES]:
            measured = measured_error(run, k)
            scale = _shrink(run, phases[k], k)
            error = max(measured / scale if run.rescaled else measured, _floor(phases[k]))
            moved = row_drift(phases[k], error)
            bound = scale * phases[k].spread * (error + moved)
            if np.isfinite(bound) and (best is None or bound < best[0]):
                best = (bound, k, error, moved)
        if best is None:
            return nothing_known(run, "the integration error is too much for the margins of the leaders", "rescaled")
        return _found(run, checks, phases[best[1]], *best)


def _found(
    run: Run, checks: tuple[Check, ...], phase: RowPhase, bound: float, k: int, error: float, moved: float
) -> Finding:
    place = np.searchsorted(_distinct(run), _copies(run))
    shrinks = np.ones(len(run.times)) if run.rescaled else np.exp(-phase.total * run.times)
    z = shrinks[:, None, None] * run.positions
    limits = (_shrink(run, phase, k) * phase.mixtures)[place]
    single = phase.single
    leaders = np.where(single >= 0, _distinct(run)[single], -1)[place]
    points = LimitSet(np.unique(limits, axis=0), np.eye(limits.shape[1]))
    return Finding(
        run=run,
        status="conditional",
        reason="",
        frame="rescaled",
        limit_set=points,
        token_distance=np.stack([points.distance(tokens) for tokens in z]),
        limits=limits,
        limit_kind=np.full(len(limits), "point"),
        bound=np.full(len(limits), bound + 8 * np.finfo(float).eps * float(np.abs(limits).max())),
        leaders=leaders,
        assumptions=(
            *dict.fromkeys(c.assumption for c in checks if c.assumption),
            assumption(run, k, error * (_shrink(run, phase, k) if run.rescaled else 1.0)),
        ),
        phase=LeaderPhase(float(run.times[k]), z[k], error, moved),
    )


def rows_of(model: VelocityField | DiscreteMap) -> tuple[tuple[Head, bool], ...]:
    """The heads of a sum of heads of R^d, or of causal attention, and whether each is causal; () for other models."""
    parts = model.summands if type(model) is Sum else (model,) if type(model) is CausalAttention else ()
    found = []
    for part in parts:
        field = _head(part)
        if field is None or not field.constant:
            return ()
        found.append((matrices(field), type(part) is CausalAttention))
    total = sum((head.V for head, _ in found), np.zeros(()))
    frame = model.frame if found and isinstance(model, VelocityField) else None
    return tuple(found) if frame is None or np.array_equal(frame, total) else ()


def _head(part: VelocityField) -> BilinearField | None:
    if type(part) is CausalAttention:
        return part
    try:
        return softmax_head(part)
    except NotSupported:
        return None


def _causal(run: Run) -> bool:
    return any(causal for _, causal in rows_of(run.model))


def _distinct(run: Run) -> np.ndarray:
    """The tokens that are looked at: equal ones are one, but where their places in the sequence count."""
    return np.arange(len(run.weights)) if _causal(run) else run.distinct


def _copies(run: Run) -> np.ndarray:
    """For every token the one of them that it is equal to."""
    return np.arange(len(run.weights)) if _causal(run) else run.merged[1]


def _phase(run: Run, k: int) -> RowPhase | None:
    """The phase at the k-th saved time, None where the scores have lost their digits."""
    rows = rows_of(run.model)
    values = np.array([float(head.V[0, 0]) for head, _ in rows])
    if values.sum() * float(run.times[k]) > LATEST:
        return None
    mass, chosen = (run.weights if _causal(run) else run.merged[0]), _distinct(run)
    x = run.positions[k][chosen] * (np.exp(values.sum() * run.times[k]) if run.rescaled else 1.0)
    with np.errstate(divide="ignore"):
        log_mass = np.log(mass[chosen])
    all_of_them = np.ones((len(x),) * 2, dtype=bool)
    seen = np.stack([np.tril(all_of_them) if causal else all_of_them for _, causal in rows])
    return row_phase(values, np.stack([head.score for head, _ in rows]), x, log_mass, seen)


def _shrink(run: Run, phase: RowPhase, k: int) -> float:
    """e^{−Λt} at the k-th saved time."""
    return float(np.exp(-phase.total * run.times[k]))


def _floor(phase: RowPhase) -> float:
    return ROUNDING * float(np.linalg.norm(phase.x, axis=1).max())
