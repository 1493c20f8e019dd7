"""Attention normalised otherwise than by softmax: not at all, or to a doubly stochastic coupling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from particles.checks import Array, hold, positive, whole
from particles.errors import NotConverged
from particles.fields.compiled_sum import CompiledSum, registered_sum
from particles.fields.questions import attention_matrix, jacobian
from particles.kernels.loops.packed_sums import UNNORMALIZED
from particles.kernels.softmax import softmax_average
from particles.models.bilinear import BilinearField, applied, bilinear_sum, jacobian_blocks, log_of, row_softmax


@dataclass(frozen=True, eq=False)
class UnnormalizedAttention(BilinearField):
    """Attention without a denominator: X_t[μ](x) = ∫ e^{⟨Qx, Ky⟩} V y dμ(y).

    On the sphere with QᵀK = βI, V = I this is USA of arXiv:2312.10794, which ascends the energy
    E_β = (1/2β) ∬ e^{β⟨x, y⟩} dμ dμ, dE_β/dt = ∫ |X|² dμ; with V = −I it descends it. For V = QᵀK symmetric X is the
    gradient in x of ∫ e^{⟨Qx, Ky⟩} dμ(y), so that ½ ∬ e^{⟨Qx, Ky⟩} dμ dμ never decreases.
    In R^d it grows doubly exponentially: expect a run to stop where it leaves the range of float64.

    Parameters
    ----------
    Q, K : array (k, d), or function of t
        Queries and keys, scalars where d = 1.
    V : array (d, d), or function of t
        Values.
    A : array (d, d), optional
        The frame x = e^{tA} z, None for the original coordinates.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, NaN.
    NotSupported
        For a frame where V depends on t.
    """

    def coupling(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """w_j e^{⟨Qx_i, Ky_j⟩}; infinite past the range of float64."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(self.scores(t, x, y)) * w)

    def aggregate(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """Σ_j w_j e^{⟨Qx_i, Ky_j⟩} y_j: the softmax average times the sum that it was divided by."""
        queries, keys = self.queries_and_keys(t, x, y)
        result = softmax_average(queries, keys, None if keys is y else y, log_of(w))
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(result.logsumexp)[..., None] * result.mean)


@registered_sum
def _(field: UnnormalizedAttention) -> CompiledSum:
    return bilinear_sum(field, UNNORMALIZED, by_points=len(field.query_matrix(0.0)) >= field.dim)


@dataclass(frozen=True, eq=False)
class SinkhornAttention(BilinearField):
    """Attention with a doubly stochastic coupling: X_t[μ](x) = ∫ u(x) e^{⟨Qx, Ky⟩} v(y) V y dμ(y), the Sinkformer.

    u and v make ∫ κ(x, y) dμ(y) = 1 at every x, exactly, and ∫ κ(x, y) dμ(x) = 1 at every source y within
    `tolerance`; Sinkhorn's iteration runs on the logarithms. Permutation equivariant; with V = −QᵀK symmetric a
    Wasserstein gradient flow, which V = QᵀK ascends. Sander, Ablin, Blondel, Peyré, Sinkformers, arXiv:2110.11773.

    Parameters
    ----------
    Q, K : array (k, d), or function of t
        Queries and keys, scalars where d = 1.
    V : array (d, d), or function of t
        Values.
    A : array (d, d), optional
        The frame x = e^{tA} z, None for the original coordinates.
    tolerance : float
        By how much columns may miss their sums.
    max_iterations : int
        The most iterations.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, NaN.
    NotSupported
        For a frame where V depends on t.
    NotConverged
        For an iteration that has not converged after `max_iterations` (scores that spread over hundreds).
    """

    tolerance: float = 1e-12
    max_iterations: int = 10_000

    def __post_init__(self) -> None:
        """Check the shapes and the tolerance."""
        super().__post_init__()
        hold(self, tolerance=positive(self.tolerance, "tolerance"))
        hold(self, max_iterations=whole(self.max_iterations, "max_iterations"))

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The field at the particles x (..., n, d); each run iterates until it has converged itself."""
        if x.ndim > 2:
            return np.stack([self.particle_velocity(t, run, w) for run in x])
        return super().particle_velocity(t, x, w)

    def potential(self, t: float, y: Array, w: Array) -> Array:
        """log v (n,) at the sources y (n, d)."""
        queries, keys = self.queries_and_keys(t, y, y)
        log_w = log_of(w)
        log_v = np.zeros(y.shape[:-1])
        for _ in range(self.max_iterations):
            log_u = -softmax_average(queries, keys, keys[..., :1], log_w + log_v).logsumexp
            column = softmax_average(keys, queries, queries[..., :1], log_w + log_u).logsumexp
            # With u fresh the rows sum to 1, and the columns to e^{column + log v}.
            error = float(np.max(np.abs(np.expm1(column + log_v))))
            log_v = -column
            if error <= self.tolerance:
                return log_v
        raise NotConverged(
            f"Sinkhorn's iteration missed its tolerance {self.tolerance:g} after {self.max_iterations} steps at "
            f"t = {t:g} (columns off by {error:.3g}): the scores spread too far; allow more, or shrink Q and K"
        )

    def coupling(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """u(x_i) e^{⟨Qx_i, Ky_j⟩} v(y_j) w_j; rows sum to 1, and Σ_i w_i P_ij = w_j at the sources themselves."""
        logits = self.scores(t, x, y) + (log_of(w) + self.potential(t, y, w))[..., None, :]
        return row_softmax(logits)

    def aggregate(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """The average of the sources under the coupling, at each x."""
        queries, keys = self.queries_and_keys(t, x, y)
        log_weights = log_of(w) + self.potential(t, y, w)
        return softmax_average(queries, keys, None if keys is y else y, log_weights).mean


@attention_matrix.register
def _(field: SinkhornAttention, t: float, x: Array, w: Array) -> Array:
    return field.attention_matrix(t, x, w)


@jacobian.register
def _(field: UnnormalizedAttention, t: float, x: Array, w: Array) -> Array:
    kappa = field.coupling(t, x, x, w)
    return jacobian_blocks(field, t, x, kappa, kappa, np.broadcast_to(x, (len(x), *x.shape)))


@jacobian.register
def _(field: SinkhornAttention, t: float, x: Array, w: Array) -> Array:
    """log κ_ij = s_ij + log u_i + log v_j; rows and columns keep their sums: a linear system for d log u, d log v."""
    n, d = x.shape
    P = field.coupling(t, x, x, w)
    B = field.score_matrix(t)
    rows = P[:, :, None] * (x @ B)[None, :, :]
    columns = P[:, :, None] * applied(B, x)[:, None, :]
    change = np.zeros((2 * n, n, d))
    at = np.arange(n)
    change[at, at] += rows.sum(axis=1)
    change[:n] += columns
    change[n:] += np.swapaxes(w[:, None, None] * rows, 0, 1)
    change[n + at, at] += (w[:, None, None] * columns).sum(axis=0)
    system = np.block([[np.eye(n), P], [(w[:, None] * P).T, np.diag(w)]])
    # The one direction that it leaves open, u up and v down by a factor, moves no entry of κ.
    logs = np.linalg.lstsq(system, -change.reshape(2 * n, n * d), rcond=None)[0].reshape(2 * n, n, d)
    direct = jacobian_blocks(field, t, x, P, P, np.broadcast_to(x, (n, n, d)))
    values = x @ field.value_matrix(t).T
    mean = P @ values
    moved = np.einsum("ik,ka,kjb->ijab", P, values, logs[n:])
    return np.asarray(direct + mean[:, None, :, None] * logs[:n, :, None, :] + moved)
