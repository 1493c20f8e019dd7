"""Normal laws under attention: they stay normal, and their mean and covariance solve an ordinary equation.

For μ = N(m, S) and the score yᵀBx the tilted law is N(m + SBx, S), so that X[μ](x) = V(m + SBx) is affine in x. For a
sum of heads in the frame of A, with noise √(2D) dW,

    m' = G m + Σ_h V_h m,    S' = G S + S Gᵀ + 2D,    G = Σ_h V_h S B_h − A.
"""

from __future__ import annotations

from functools import singledispatch
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp

from meanfield.measures.laws import Normal
from particles.checks import Array, number
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import MovingFrame, VelocityField, as_field
from particles.fields.linear_flow import linear_flow
from particles.models.attention import softmax_head
from particles.models.noise import Diffusion


class Affine(NamedTuple):
    """A field G x + c: what normal laws stay normal under.

    Parameters
    ----------
    G : array (d, d) or float
        The linear part.
    c : array (d,) or float
        The velocity at 0.
    """

    G: Array | float
    c: Array | float


@singledispatch
def normal_flow(term: VelocityField, t: float, m: Array, S: Array) -> Affine:
    """X_t[N(m, S)] of one term, less the drift of a frame, which a sum counts once.

    Raises NotSupported for a field that is not affine under every normal law: the default knows softmax heads only.

    Parameters
    ----------
    term : VelocityField
        One term of a sum.
    t : float
        The time.
    m : array (d,)
        The mean.
    S : array (d, d)
        The covariance.

    Returns
    -------
    Affine
        The field.

    Raises
    ------
    NotSupported
        For a field that is not affine under every normal law.
    """
    try:
        head = softmax_head(term)
    except NotSupported as error:
        raise NotSupported(f"normal laws are not known to stay normal: {error}") from None
    V = head.value_matrix(t)
    return Affine(V @ S @ head.score_matrix(t), V @ m)


@normal_flow.register
def _(term: Diffusion, t: float, m: Array, S: Array) -> Affine:
    return Affine(0.0, 0.0)


@normal_flow.register
def _(term: MovingFrame, t: float, m: Array, S: Array) -> Affine:
    there, back = linear_flow(term.A, t), linear_flow(term.A, -t)
    flows = [normal_flow(part, t, there @ m, there @ S @ there.T) for part in term.field.terms]
    return Affine(sum(back @ G @ there for G, _ in flows if np.ndim(G)), sum(back @ c for _, c in flows if np.ndim(c)))


def stays_normal(model: VelocityField) -> bool:
    """Whether the model is a sum of fields that are affine under every normal law: softmax heads and noise.

    Parameters
    ----------
    model : VelocityField
        X.

    Returns
    -------
    bool
        Whether it is.

    Raises
    ------
    InvalidInput
        For what is no field.
    """
    d = as_field(model).dim or 1
    try:
        for term in model.in_dimension(d).terms:
            normal_flow(term, 0.0, np.zeros(d), np.eye(d))
    except NotSupported:
        return False
    return True


def gaussian_solution(model: VelocityField, law: Normal, t0: float, t: float) -> Normal:
    """The solution of (6.1) at time t from a normal law at t0, to about 1e-12. Refused: a blow-up before t.

    Parameters
    ----------
    model : VelocityField
        A sum of softmax heads and noise.
    law : Normal
        The law at t0.
    t0, t : float
        From when to when.

    Returns
    -------
    Normal
        The law at t.

    Raises
    ------
    InvalidInput
        For another law, a blow-up before t.
    NotSupported
        For other models.
    """
    t0, t = number(t0, "t0"), number(t, "t")
    if not isinstance(law, Normal):
        raise InvalidInput(f"law must be a Normal law, got {type(law).__name__}: others do not stay what they are")
    if not stays_normal(model):
        raise NotSupported(f"normal laws stay normal under softmax heads and noise only, got {model!r}")
    if t == t0:
        return law
    d = law.dim
    model = model.in_dimension(d)

    def slope(s: float, state: Array) -> Array:
        m, S = state[:d], state[d:].reshape(d, d)
        G = -(np.zeros((d, d)) if model.frame is None else model.frame)
        drift = np.zeros(d)
        for term in model.terms:
            flow = normal_flow(term, s, m, S)
            G = G + flow.G
            drift += flow.c
        growth = G @ S + S @ G.T
        D = model.diffusion(s)
        return np.concatenate([drift + G @ m, (growth if D is None else growth + 2 * D).ravel()])

    start = np.concatenate([law.mean(), law.covariance().ravel()])
    # Beside a small law an absolute tolerance of 1e-14 would be none.
    spread = min(1.0, float(start[:d] @ start[:d] + np.trace(law.covariance())))
    size = np.repeat([spread**0.5, spread], [d, d * d])
    absolute = np.maximum(1e-14 * size, np.finfo(float).tiny)
    end = solve_ivp(slope, (t0, t), start, method="DOP853", rtol=1e-12, atol=absolute)
    if not end.success or not np.isfinite(end.y[:, -1]).all():
        raise InvalidInput(f"the covariance of {law!r} blows up before t = {t:g}: choose an earlier time")
    S = end.y[d:, -1].reshape(d, d)
    return Normal(end.y[:d, -1], (S + S.T) / 2)
