"""The linearised particle system: how fast an infinitesimal change of the measure grows, and in which direction."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import eigsh

from meanfield.studies.constants import attention_terms
from particles.checks import Array
from particles.fields.field import VelocityField

_DENSE = 100

MAX_UNKNOWNS = 1200
"""Largest n d for which the dense Jacobian is formed."""


def jacobian(model: VelocityField, t: float, x: Array, w: Array) -> Array:
    """∂(x_i')/∂x_j of the particle system, shape (n d, n d).

    For a head with P = softmax of the scores, m_i = Σ_j P_ij x_j and Cov_i the covariance of row i,
    ∂x_i'/∂x_j = δ_ij V Cov_i B + P_ij V (I + (x_j − m_i)(B x_i)ᵀ); in a frame less δ_ij A.
    """
    n, d = x.shape
    blocks = np.zeros((n, d, n, d))
    for field in attention_terms(model):
        V, B = field.value_matrix(t), field.score_matrix(t)
        P = field.coupling(t, x, x, w)
        centred = x[None, :, :] - (P @ x)[:, None, :]
        covariance = np.einsum("ij,ijk,ijl->ikl", P, centred, centred)
        blocks[np.arange(n), :, np.arange(n), :] += V @ covariance @ B
        blocks += np.einsum("ij,kl->ikjl", P, V)
        blocks += np.einsum("ij,ijk,il->ikjl", P, centred @ V.T, x @ B.T)
    if model.frame is not None:
        blocks[np.arange(n), :, np.arange(n), :] -= model.frame
    return blocks.reshape(n * d, n * d)


def linear_rate(model: VelocityField, t: float, x: Array, w: Array) -> tuple[float, Array]:
    """The largest rate at which an infinitesimal labelled perturbation grows in L²(w), and its direction (n, d).

    That is the largest eigenvalue of the symmetric part of W^{1/2} J W^{−1/2}, J the Jacobian: the constant of (6.6)
    for measures near this one, to first order in their distance. NaN where n d exceeds 1200.
    """
    n, d = x.shape
    if n * d > MAX_UNKNOWNS:
        return np.nan, np.full((n, d), np.nan)
    if not w.all():
        # Particles without mass move nobody and do not count in L²(w).
        direction = np.zeros((n, d))
        rate, direction[w > 0] = linear_rate(model, t, x[w > 0], w[w > 0])
        return rate, direction
    scale = np.sqrt(np.repeat(w, d))
    J = jacobian(model, t, x, w) * scale[:, None] / scale[None, :]
    symmetric = 0.5 * (J + J.T)
    if n * d <= _DENSE:
        values, vectors = np.linalg.eigh(symmetric)
    else:
        # A fixed start makes Lanczos repeat itself bitwise.
        values, vectors = eigsh(symmetric, k=1, which="LA", v0=np.ones(n * d), tol=1e-10)
    return float(values[-1]), (vectors[:, -1] / scale).reshape(n, d)
