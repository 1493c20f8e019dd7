"""Relatives of softmax attention: hardmax, linear, causal, and with the kernel of a distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.errors import InvalidInput, NotSupported
from particles.fields.compiled_sum import CompiledSum, registered_sum
from particles.fields.query import check_query
from particles.fields.questions import attention_matrix, jacobian
from particles.kernels.loops.packed_sums import CAUSAL, L2, LINEAR
from particles.kernels.softmax import softmax_average
from particles.measure import Measure
from particles.models.bilinear import (
    BilinearField,
    applied,
    averaging_jacobian,
    bilinear_sum,
    jacobian_blocks,
    log_of,
    row_softmax,
)

TIE = 16 * np.finfo(float).eps
"""Scores this close to the largest, relative to |query|·|key|, are tied with it: their rounding is no smaller."""


@dataclass(frozen=True, eq=False)
class HardmaxAttention(BilinearField):
    """Attention at zero temperature: X_t[μ](x) = V · (mean of μ over the sources y that maximise ⟨Qx, Ky⟩).

    The limit of SelfAttention(βQ, K, V) as β → ∞, and of the rescaled dynamics (3.1) as t → ∞. Ties, scores equal
    to rounding, are averaged with their weights; sources of no mass lead nobody. The field jumps where leaders change.

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
        """w_j over the sum of weights of the leaders of x_i where y_j is a leader, else 0; rows sum to 1."""
        queries, keys = self.queries_and_keys(t, x, y)
        scores = np.where(w > 0, queries @ np.swapaxes(keys, -1, -2), -np.inf)
        size = np.linalg.norm(queries, axis=-1) * np.linalg.norm(keys, axis=-1).max(axis=-1, keepdims=True)
        P = np.where(scores >= scores.max(axis=-1, keepdims=True) - TIE * size[..., None], w, 0.0)
        return np.asarray(P / P.sum(axis=-1, keepdims=True))


@dataclass(frozen=True, eq=False)
class LinearAttention(BilinearField):
    """Attention without exponential or denominator: X_t[μ](x) = ∫ ⟨Qx, Ky⟩ V y dμ(y) = V M B x, M = ∫ y yᵀ dμ.

    Costs O(n d²). Closed for every n: with V = B = I, x_i(t) = (I − 2tM(0))^{−1/2} x_i(0), which blows up at
    1/(2 λ_max(M(0))); with V = −I, (I + 2tM(0))^{−1/2} x_i(0).

    Parameters
    ----------
    Q, K : array (k, d), or function of t
        Queries and keys, scalars where d = 1; B = KᵀQ.
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
        """w_j ⟨Qx_i, Ky_j⟩; rows have no fixed sum and entries either sign."""
        return np.asarray(self.scores(t, x, y) * w)

    def aggregate(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """M B x at each x."""
        moment = (np.swapaxes(y, -1, -2) * w) @ y
        return x @ (moment @ self.score_matrix(t)).swapaxes(-1, -2)

    def divergence(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """tr(V M B), the same everywhere; less tr A in a frame."""
        points, (y, w) = check_query(self.dim, t, x, mu)
        moment = (y.T * w) @ y
        trace = np.trace(self.value_matrix(t) @ moment @ self.score_matrix(t))
        return np.full(len(points), trace if self.A is None else trace - np.trace(self.A))


@registered_sum
def _(field: LinearAttention) -> CompiledSum:
    return bilinear_sum(field, LINEAR, by_points=True)


@dataclass(frozen=True, eq=False)
class CausalAttention(BilinearField):
    """Masked self-attention: token i sees tokens j ≤ i only, x_i' = Σ_{j≤i} P_ij V x_j with softmax over j ≤ i.

    Not exchangeable: the velocity depends on the place in the sequence and not only on the law of the tokens, so there
    is no field X[μ](x) and no continuity equation. The first token moves alone, x_1' = V x_1, and no token feels
    a later one. Weights w_j multiply e^{⟨Qx_i, Kx_j⟩}.

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
        For shapes that do not fit, NaN; for a first token of weight 0, which would see nobody.
    NotSupported
        For a measure, which forgets the order; for a frame where V depends on t.
    """

    exchangeable = False

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """Refused: see the class."""
        raise NotSupported(
            "causal attention is no field X[μ](x): what a token feels depends on its place in the sequence, which "
            "a measure forgets. It acts on particles only: use simulate, particle_velocity or attention_matrix"
        )

    def divergence(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """Refused, as `velocity` is."""
        return self.velocity(t, x, mu)

    def coupling(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """P_ij for j ≤ i, 0 above the diagonal; x and y are the same tokens."""
        if w[0] == 0:
            raise InvalidInput(
                "the first token must have a positive weight in causal attention, got 0: it sees nobody else"
            )
        scores = self.scores(t, x, y) + log_of(w)
        n = len(w)
        return row_softmax(np.where(np.tri(n, dtype=bool), scores, -np.inf))

    def aggregate(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """Σ_{j≤i} P_ij y_j."""
        return self.coupling(t, x, y, w) @ y


@registered_sum
def _(field: CausalAttention) -> CompiledSum:
    return bilinear_sum(field, CAUSAL, by_points=len(field.query_matrix(0.0)) >= field.dim)


@dataclass(frozen=True, eq=False)
class L2Attention(BilinearField):
    """Attention with the kernel of a distance: weights e^{−|Qx − Ky|²/2} normalised over y, in place of e^{⟨Qx, Ky⟩}.

        X_t[μ](x) = ∫ e^{−|Qx − Ky|²/2} V y dμ(y) / ∫ e^{−|Qx − Ky|²/2} dμ(y)

    The factor e^{−|Qx|²/2} cancels, so this is softmax attention with the weights dμ(y) e^{−|Ky|²/2}. Kim,
    Papamakarios, Mnih, The Lipschitz constant of self-attention, arXiv:2006.04710.

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

    def log_masses(self, t: float, y: Array, w: Array) -> Array:
        """log w_j − |K y_j|²/2 in the field's frame."""
        keys = y @ self.key_matrix(t).T
        return np.asarray(log_of(w) - np.sum(keys * keys, axis=-1) / 2)

    def coupling(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """w_j e^{−|Qx_i − Ky_j|²/2} over the sum of its row; rows sum to 1."""
        return row_softmax(self.scores(t, x, y) + self.log_masses(t, y, w)[..., None, :])

    def aggregate(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """The average of the sources under the coupling, at each x."""
        queries, keys = self.queries_and_keys(t, x, y)
        return softmax_average(queries, keys, None if keys is y else y, self.log_masses(t, y, w)).mean


@attention_matrix.register(HardmaxAttention)
@attention_matrix.register(CausalAttention)
@attention_matrix.register(L2Attention)
def _(field: BilinearField, t: float, x: Array, w: Array) -> Array:
    return field.attention_matrix(t, x, w)


@jacobian.register
def _(field: HardmaxAttention, t: float, x: Array, w: Array) -> Array:
    """Where no leader changes: the coupling is constant there."""
    P = field.coupling(t, x, x, w)
    return jacobian_blocks(field, t, x, P, np.zeros_like(P), np.zeros((len(x), *x.shape)))


@jacobian.register
def _(field: LinearAttention, t: float, x: Array, w: Array) -> Array:
    kappa = field.coupling(t, x, x, w)
    return jacobian_blocks(field, t, x, kappa, np.broadcast_to(w, kappa.shape), np.broadcast_to(x, (len(x), *x.shape)))


@jacobian.register
def _(field: CausalAttention, t: float, x: Array, w: Array) -> Array:
    return averaging_jacobian(field, t, x, field.coupling(t, x, x, w))


@jacobian.register
def _(field: L2Attention, t: float, x: Array, w: Array) -> Array:
    """The weights e^{−|Ky|²/2} of the sources move with them."""
    keys = field.key_matrix(t)
    gradient = applied(field.score_matrix(t), x)[:, None, :] - (x @ keys.T @ keys)[None, :, :]
    return averaging_jacobian(field, t, x, field.coupling(t, x, x, w), gradient)


@registered_sum
def _(field: L2Attention) -> CompiledSum:
    return bilinear_sum(field, L2, by_points=False)
