"""Tokens of an open hemisphere of the sphere have one limit: any number of heads with V = λI, λ > 0, any scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from meanfield.limits.conditions import Check, positive, scalar
from meanfield.limits.finding import Finding, nothing_known
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import LimitSet
from meanfield.limits.measured import assumption, measured_error
from meanfield.limits.run import Run
from meanfield.limits.theorems.statement import FieldTheorem
from particles.checks import Array
from particles.errors import NotSupported
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import Sum, VelocityField
from particles.fields.restriction import OnSphere
from particles.models.attention import softmax_head
from particles.models.bilinear import BilinearField


@dataclass(frozen=True, eq=False)
class ConePoint(LimitSet):
    """One point of the sphere, with the angle of the cap around it that holds all tokens, and how fast it shrinks.

    Parameters
    ----------
    points, conormal
        As for LimitSet.
    angle : float
        Of the cap at the time of the certificate.
    rate : float
        The tangent of the angle of the smallest cap falls at least like e^{−rate t} from then on.
    """

    angle: float
    rate: float

    def __str__(self) -> str:
        return f"one point of the sphere, from a cap of angle {self.angle:.3g}, at least like e^(−{self.rate:.3g} t)"


class OpenHemisphere(FieldTheorem):
    """The lemma of the collapsing cone, for any sum of heads with V = λI, with its rate.

    Let w be the centre of the smallest cap that holds the tokens, of angle θ < π/2. Of a token i on its rim
    ⟨w, x_i⟩' = Σ_h λ_h Σ_j P^h_ij (⟨w, x_j⟩ − ⟨x_i, x_j⟩⟨w, x_i⟩), where no term is negative: no cap is ever left. As
    w is a positive combination of tokens on the rim, ⟨x_i, x_j⟩ ≤ cos²θ for one j of them, so that cos θ grows at a
    rate p cos θ sin²θ at least, p = Σ_h λ_h min P^h_ij, which is (tan θ)' ≤ −p tan θ. Scores of one row differ by
    2‖B_h‖ sin θ at most. All tokens have one limit, in every cap that ever holds them.
    """

    name = "open hemisphere"
    statement = (
        "V = λI on the sphere: tokens in an open hemisphere tend to one point (proved here for the dynamics of arXiv "
        "2312.10794 and any Q and K)"
    )

    def checks(self, model: VelocityField | DiscreteMap) -> tuple[Check, ...]:
        """V = λI, λ > 0, of every head."""
        heads = heads_on_sphere(model)
        found: list[Check] = []
        for head in heads:
            mean = float(np.trace(head.V)) / head.dim
            found += [scalar(head), positive("λ > 0 where V = λI, λ = tr V/d", mean)]
        return tuple(found)

    def finding(self, run: Run, checks: tuple[Check, ...]) -> Finding:
        """The common limit, within the cap at the last saved time at which one holds all tokens with mass."""
        massive = run.weights > 0.0
        k = len(run.times) - 1
        x = run.positions[k]
        centre, margin = pole(x[massive])
        error = measured_error(run, k)
        reach = float(np.linalg.norm(x[massive] - centre, axis=1).max()) + error
        # A cap of chord √2 is a hemisphere.
        if not (margin > 0.0 and reach < np.sqrt(2.0)):
            told = f"at t = {run.times[k]:g} the hull of the tokens is {margin:.2g} from 0, and the error {error:.2g}"
            return nothing_known(run, f"the tokens are not proved to lie in an open hemisphere: {told}", "original")
        angle = 2.0 * float(np.arcsin(0.5 * reach))
        place = ConePoint(centre[None], np.eye(len(centre)), angle, _rate(run, massive, angle))
        n = len(massive)
        open_tokens = int(n - massive.sum())
        return Finding(
            run=run,
            status="conditional",
            reason=f"{open_tokens} token(s) without mass attract none: their limit is open" if open_tokens else "",
            frame="original",
            limit_set=place,
            token_distance=np.stack([place.distance(tokens) for tokens in run.positions]),
            limits=np.where(massive[:, None], centre, np.nan),
            limit_kind=np.where(massive, "point", "unknown"),
            bound=np.where(massive, reach, np.inf),
            leaders=np.full(n, -1),
            assumptions=(*(c.assumption for c in checks if c.assumption), assumption(run, k, error)),
        )


def heads_on_sphere(model: VelocityField | DiscreteMap) -> tuple[Head, ...]:
    """The heads of a model that is one softmax head, or a sum of them, on the sphere; () for any other."""
    if type(model) is not OnSphere:
        return ()
    parts = model.field.summands if type(model.field) is Sum else (model.field,)
    try:
        fields = [softmax_head(part) for part in parts]
    except NotSupported:
        return ()
    if not all(field.constant and field.frame is None for field in fields):
        return ()
    return tuple(matrices(field) for field in fields)


def matrices(field: BilinearField) -> Head:
    """Q, K and V of a field with constant ones."""
    return Head(np.asarray(field.Q), np.asarray(field.K), np.asarray(field.V))


def pole(x: Array) -> tuple[Array, float]:
    """The centre of the smallest cap that holds x (n, d), the direction of the point of their hull nearest to 0, and
    that point's distance from 0.

    min |xᵀμ|² + (Σμ − 1)² over μ ≥ 0 has the direction of the nearest point, whatever the size of Σμ.
    """
    mu = nnls(np.vstack([x.T, np.ones(len(x))]), np.append(np.zeros(x.shape[1]), 1.0))[0]
    nearest = (mu @ x) / mu.sum()
    length = float(np.linalg.norm(nearest))
    if length <= 1e-12:
        return x[0], 0.0
    centre = nearest / length
    return centre, float((x @ centre).min())


def _rate(run: Run, massive: np.ndarray, angle: float) -> float:
    least = float(run.weights[massive].min())
    swings = ((head, 2.0 * float(np.linalg.norm(head.score, 2)) * np.sin(angle)) for head in heads_on_sphere(run.model))
    return sum(float(head.V[0, 0]) * least * float(np.exp(-swing)) for head, swing in swings)
