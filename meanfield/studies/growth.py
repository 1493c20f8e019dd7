"""The linearised particle system: how fast an infinitesimal change of the measure grows, and in which direction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import eigsh

from meanfield.studies.constants import attention_terms
from meanfield.studies.jacobian_kernels import add_pairs, symmetrise
from meanfield.studies.ranges import range_basis
from meanfield.studies.top_eigenvalue import DENSE
from particles.checks import Array, as_matrix, as_points, as_weights, number
from particles.fields.field import VelocityField
from particles.models.attention import SoftmaxField

_ENTRIES = 2**14
"""Numbers in one block of rows: larger temporaries would be fetched from the system each time."""

MAX_UNKNOWNS = 1200
"""Largest n d for which the dense Jacobian is formed."""


def jacobian(model: VelocityField, t: float, x: npt.ArrayLike, w: npt.ArrayLike) -> Array:
    """∂(x_i')/∂x_j of the particle system, shape (n d, n d).

    For a head with P = softmax of the scores, m_i = Σ_j P_ij x_j and Cov_i the covariance of row i,
    ∂x_i'/∂x_j = δ_ij V Cov_i B + P_ij V (I + (x_j − m_i)(B x_i)ᵀ); in a frame less δ_ij A.

    Parameters
    ----------
    model : VelocityField
        A sum of constant attention heads, in a frame that keeps V constant.
    t : float
        The time.
    x : array (n, d)
        The tokens.
    w : array (n,)
        Their masses, total 1.

    Returns
    -------
    array (n d, n d)
        The Jacobian.

    Raises
    ------
    InvalidInput
        For points of another dimension, other weights.
    NotSupported
        For a model that is no such sum.
    """
    _, t, x, w = _checked(model, t, x, w)
    blocks = _blocks(model, t, x, w, np.ones(len(x)))
    return np.ascontiguousarray(blocks.transpose(1, 0, 3, 2)).reshape(x.size, x.size)


def symmetric_part(model: VelocityField, t: float, x: npt.ArrayLike, w: npt.ArrayLike) -> Array:
    """The symmetric part of W^{1/2} J W^{−1/2}, J the Jacobian at x (n, d) with masses w > 0, shape (d n, d n).

    Rows and columns are sorted by component: number c n + i is component c of particle i.

    Parameters
    ----------
    model : VelocityField
        A sum of constant attention heads, in a frame that keeps V constant.
    t : float
        The time.
    x : array (n, d)
        The tokens.
    w : array (n,)
        Their masses, total 1.

    Returns
    -------
    array (d n, d n)
        The symmetric part.

    Raises
    ------
    InvalidInput
        For points of another dimension, other weights.
    NotSupported
        For a model that is no such sum.
    """
    _, t, x, w = _checked(model, t, x, w)
    out: Array = _blocks(model, t, x, w, np.sqrt(w)).reshape(x.size, x.size)
    symmetrise(out)
    return out


def _blocks(model: VelocityField, t: float, x: Array, w: Array, scale: Array) -> Array:
    """scale_i ∂x_i'/∂x_j / scale_j, shape (d, n, d, n): a row of memory is one component of all sources."""
    n, d = x.shape
    blocks, all_of = np.zeros((d, n, d, n)), np.arange(n)
    for field in attention_terms(model):
        V, B = field.value_matrix(t), field.score_matrix(t)
        P = field.coupling(t, x, x, w)
        blocks[:, all_of, :, all_of] += V @ covariances(P, x) @ B
        values, seen, V = (np.ascontiguousarray(M) for M in (V @ x.T, x @ B.T, V))
        means = P @ values.T
        P *= scale[:, None] / scale
        add_pairs(blocks, P, values, means, seen, V)
    if model.frame is not None:
        blocks[:, all_of, :, all_of] -= model.frame
    return blocks


def linear_rate(model: VelocityField, t: float, x: npt.ArrayLike, w: npt.ArrayLike) -> tuple[float, Array]:
    """The largest rate at which W₂ to μ = Σ w_i δ_{x_i} can grow, to first order, and the fastest direction (n, d).

    That is over measures near μ in W_∞: every bit of mass is moved by an infinitesimal distance, and an atom may split.
    With ξ_i the random displacement of the mass at x_i, ξ̄_i its mean and D_i = V Cov_i B − A the field's own slope at
    x_i, ½ d/dt Σ w_i E|ξ_i|² is that of the means alone (`labelled_rate`) plus Σ w_i E⟨ξ_i − ξ̄_i, D_i(ξ_i − ξ̄_i)⟩, so
    the largest rate is the larger of `labelled_rate` and `splitting_rate`. Where the second is larger, the direction is
    zero but for one atom, whose halves move along it and against it. Mass that is moved far can grow faster. NaN where
    n d exceeds 1200.

    Parameters
    ----------
    model : VelocityField
        A sum of constant attention heads, in a frame that keeps V constant.
    t : float
        The time.
    x : array (n, d)
        The tokens.
    w : array (n,)
        Their masses, total 1.

    Returns
    -------
    float
        The rate.
    array (n, d)
        The direction.

    Raises
    ------
    InvalidInput
        For points of another dimension, other weights.
    NotSupported
        For a model that is no such sum.
    """
    _, t, x, w = _checked(model, t, x, w)
    if x.size > MAX_UNKNOWNS:
        return np.nan, np.full(x.shape, np.nan)
    labelled, split = labelled_rate(model, t, x, w), splitting_rate(model, t, x, w)
    return max(labelled, split, key=lambda found: found[0])


def splitting_rate(model: VelocityField, t: float, x: npt.ArrayLike, w: npt.ArrayLike) -> tuple[float, Array]:
    """The largest rate at which the two halves of an atom part: max_i λ_max(sym D_i), D_i = V Cov_i B − A.

    The mean displacement is 0, so the field stays as it is to first order. The direction (n, d) has one row that is not
    0, with weighted norm 1.

    Parameters
    ----------
    model : VelocityField
        A sum of constant attention heads, in a frame that keeps V constant.
    t : float
        The time.
    x : array (n, d)
        The tokens.
    w : array (n,)
        Their masses, total 1.

    Returns
    -------
    float
        The rate.
    array (n, d)
        The direction.

    Raises
    ------
    InvalidInput
        For points of another dimension, other weights.
    NotSupported
        For a model that is no such sum.
    """
    fields, t, x, w = _checked(model, t, x, w)
    n, d = x.shape
    matrices = [(field.value_matrix(t), field.score_matrix(t)) for field in fields]
    # Without a frame every D_i is 0 across the ranges of V and Bᵀ, which are small for trained heads.
    U = np.eye(d) if model.frame is not None else range_basis([M for V, B in matrices for M in (V, B.T)])
    slopes = np.zeros((n, U.shape[1], U.shape[1])) if model.frame is None else np.tile(-model.frame, (n, 1, 1))
    for field, (V, B) in zip(fields, matrices, strict=True):
        slopes += covariances(field.coupling(t, x, x, w), x @ V.T @ U, x @ B @ U)
    massive = np.flatnonzero(w > 0)
    values, vectors = np.linalg.eigh(0.5 * (slopes + slopes.transpose(0, 2, 1))[massive])
    best = int(np.argmax(values[:, -1]))
    direction = np.zeros((n, d))
    direction[massive[best]] = U @ vectors[best, :, -1] / np.sqrt(w[massive[best]])
    return float(values[best, -1]), direction


def labelled_rate(model: VelocityField, t: float, x: npt.ArrayLike, w: npt.ArrayLike) -> tuple[float, Array]:
    """The largest rate at which an infinitesimal displacement of whole atoms grows in L²(w), and its direction (n, d).

    That is the largest eigenvalue of the symmetric part of W^{1/2} J W^{−1/2}, J the Jacobian. n d at most 1200.

    Parameters
    ----------
    model : VelocityField
        A sum of constant attention heads, in a frame that keeps V constant.
    t : float
        The time.
    x : array (n, d)
        The tokens.
    w : array (n,)
        Their masses, total 1.

    Returns
    -------
    float
        The rate.
    array (n, d)
        The direction.

    Raises
    ------
    InvalidInput
        For points of another dimension, other weights.
    NotSupported
        For a model that is no such sum.
    """
    _, t, x, w = _checked(model, t, x, w)
    n, d = x.shape
    if not w.all():
        # Particles without mass move nobody and do not count in L²(w).
        direction = np.zeros((n, d))
        rate, direction[w > 0] = labelled_rate(model, t, x[w > 0], w[w > 0])
        return rate, direction
    symmetric = symmetric_part(model, t, x, w)
    if n * d <= DENSE:
        values, vectors = np.linalg.eigh(symmetric)
    else:
        # A fixed start makes Lanczos repeat itself bitwise.
        values, vectors = eigsh(symmetric, k=1, which="LA", v0=np.ones(n * d), tol=1e-10)
    return float(values[-1]), (vectors[:, -1].reshape(d, n) / np.sqrt(w)).T


def _checked(
    model: VelocityField, t: float, x: npt.ArrayLike, w: npt.ArrayLike
) -> tuple[list[SoftmaxField], float, Array, Array]:
    """The heads of the model, a time, points (n, d) of their dimension and masses (n,)."""
    heads = attention_terms(model)
    points = as_points(x, "x", dim=heads[0].dim)
    return heads, number(t, "t"), points, as_weights(w, len(points), "w")


def covariances(P: npt.ArrayLike, x: npt.ArrayLike, y: npt.ArrayLike | None = None) -> Array:
    """Covariances (n, d, e) of x (n, d) with y (n, e), x itself where None, under the rows of P.

    Parameters
    ----------
    P : array (n, m)
        Weights, one row a measure.
    x : array (m, d)
        The points.
    y : array (m, e), optional
        Other points, None for x.

    Returns
    -------
    array (n, d, e)
        The covariances.

    Raises
    ------
    InvalidInput
        For shapes that do not fit.
    """
    x = as_points(x, "x")
    P = as_matrix(P, "P", shape=(None, len(x)))
    other = x if y is None else as_points(y, "y")
    out = np.empty((len(P), x.shape[1], other.shape[1]))
    # Sources lie along rows of memory: the last axis of x is too short for a loop over it.
    first, second = np.ascontiguousarray(x.T), np.ascontiguousarray(other.T)
    for rows in _row_blocks(len(P), max(x.size, other.size)):
        p = P[rows]
        left = p[:, None, :] * (first - (p @ x)[:, :, None])
        right = second - (p @ other)[:, :, None]
        out[rows] = left @ right.transpose(0, 2, 1)
    return out


def _row_blocks(n: int, size: int) -> Iterator[slice]:
    """Rows 0 … n in blocks so small that `size` numbers a row stay in the cache."""
    at_once = max(1, _ENTRIES // max(size, 1))
    return (slice(start, start + at_once) for start in range(0, n, at_once))
