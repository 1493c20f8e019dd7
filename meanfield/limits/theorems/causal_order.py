"""Causal attention: the first token stays, and on the sphere it leads those that it can see."""

from __future__ import annotations

import numpy as np

from meanfield.limits.conditions import Check, positive, scalar
from meanfield.limits.finding import Finding, nothing_known
from meanfield.limits.head import Head
from meanfield.limits.measured import assumption, measured_error
from meanfield.limits.run import Run
from meanfield.limits.theorems.open_hemisphere import ConePoint, matrices
from meanfield.limits.theorems.statement import FieldTheorem
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.fields.restriction import OnSphere
from particles.models.relatives import CausalAttention


class CausalOrder(FieldTheorem):
    """V = λI, λ > 0, on the sphere: x_1' = 0, and q = min_k ⟨x_1, x_k⟩ obeys q' ≥ λ p (1 − q²) where q ≥ 0.

    For a token k with ⟨x_1, x_k⟩ = q no term of Σ_{j ≤ k} P_kj (⟨x_1, x_j⟩ − ⟨x_k, x_j⟩ q) is negative, and that of
    j = 1 is P_k1 (1 − q²) ≥ p (1 − q²), p = w_1 e^{−‖B‖r}, r the largest |x_j − x_1|. So tan(θ/2), cos θ = q, falls at
    least like e^{−λpt}. Karagodin, Polyanskiy, Rigollet, Clustering in causal attention masking, arXiv 2411.04990, have
    one cluster in the end for any Q and K and V = I; here it is decided for the state at hand, by the lines above.
    """

    name = "causal order"
    statement = (
        "causal attention with V = λI on the sphere: the first token stays, tokens of its hemisphere tend to it "
        "(proved here for the dynamics of arXiv 2411.04990)"
    )

    def checks(self, model: VelocityField | DiscreteMap) -> tuple[Check, ...]:
        """V = λI, λ > 0."""
        head = causal_head(model)
        if head is None:
            return ()
        return scalar(head), positive("λ > 0 where V = λI, λ = tr V/d", float(np.trace(head.V)) / head.dim)

    def finding(self, run: Run, checks: tuple[Check, ...]) -> Finding:
        """The first token for all, where they are in its hemisphere at the last saved time."""
        k, first = len(run.times) - 1, run.positions[0][0]
        error = measured_error(run, k)
        reach = float(np.linalg.norm(run.positions[k] - first, axis=1).max()) + error
        if not reach < np.sqrt(2.0):
            behind = int(np.sum(np.linalg.norm(run.positions[k] - first, axis=1) + error >= np.sqrt(2.0)))
            reason = f"at t = {run.times[k]:g} {behind} token(s) are not in the hemisphere of the first: run longer"
            return nothing_known(run, reason, "original")
        head = causal_head(run.model)
        assert head is not None
        weight = float(run.weights[0] / run.weights.sum())
        rate = float(head.V[0, 0]) * weight * float(np.exp(-np.linalg.norm(head.score, 2) * reach))
        place = ConePoint(first[None], np.eye(len(first)), 2.0 * float(np.arcsin(0.5 * reach)), rate)
        n = len(run.weights)
        return Finding(
            run=run,
            status="conditional",
            reason="",
            frame="original",
            limit_set=place,
            token_distance=np.stack([place.distance(tokens) for tokens in run.positions]),
            limits=np.tile(first, (n, 1)),
            limit_kind=np.full(n, "point"),
            bound=np.zeros(n),
            leaders=np.zeros(n, dtype=int),
            assumptions=(*(c.assumption for c in checks if c.assumption), assumption(run, k, error)),
        )


def causal_head(model: VelocityField | DiscreteMap) -> Head | None:
    """The constant head of causal attention on the sphere, None for any other model."""
    if type(model) is not OnSphere or type(model.field) is not CausalAttention:
        return None
    return matrices(model.field) if model.field.constant else None
