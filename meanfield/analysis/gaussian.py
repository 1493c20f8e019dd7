"""Normal laws under attention: they stay normal, and their mean and covariance solve an ordinary equation.

For μ = N(m, S) and the score yᵀBx the tilted law is N(m + SBx, S), so that X[μ](x) = V(m + SBx) is affine in x. For a
sum of heads in the frame of A, with noise √(2D) dW,

    m' = G m + Σ_h V_h m,    S' = G S + S Gᵀ + 2D,    G = Σ_h V_h S B_h − A.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp

from meanfield.measures.laws import Normal
from particles.checks import Array
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import MovingFrame, VelocityField
from particles.models.attention import SoftmaxField
from particles.models.noise import Diffusion


def stays_normal(model: VelocityField) -> bool:
    """Whether the model is a sum of softmax heads and noise, under which normal laws stay normal."""
    plain = [term.field if isinstance(term, MovingFrame) else term for term in model.terms]
    return all(isinstance(term, SoftmaxField | Diffusion) for term in plain)


def gaussian_solution(model: VelocityField, law: Normal, t0: float, t: float) -> Normal:
    """The solution of (6.1) at time t from a normal law at t0, to about 1e-12. Refused: a blow-up before t."""
    if not stays_normal(model):
        raise NotSupported(f"normal laws stay normal under softmax heads and noise only, got {model!r}")
    if t == t0:
        return law
    d = law.dim
    model = model.in_dimension(d)
    heads = [term for term in model.terms if isinstance(term, SoftmaxField)]

    def slope(s: float, state: Array) -> Array:
        m, S = state[:d], state[d:].reshape(d, d)
        G = -(np.zeros((d, d)) if model.frame is None else model.frame)
        drift = np.zeros(d)
        for head in heads:
            V = head.value_matrix(s)
            G = G + V @ S @ head.score_matrix(s)
            drift += V @ m
        growth = G @ S + S @ G.T
        D = model.diffusion(s)
        return np.concatenate([drift + G @ m, (growth if D is None else growth + 2 * D).ravel()])

    start = np.concatenate([law.mean(), law.covariance().ravel()])
    end = solve_ivp(slope, (t0, t), start, method="DOP853", rtol=1e-12, atol=1e-14)
    if not end.success or not np.isfinite(end.y[:, -1]).all():
        raise InvalidInput(f"the covariance of {law!r} blows up before t = {t:g}: choose an earlier time")
    S = end.y[d:, -1].reshape(d, d)
    return Normal(end.y[:d, -1], (S + S.T) / 2)
