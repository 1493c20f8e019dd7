"""Fields that read the score ⟨Qx, Ky⟩ of a query x against a source y: their matrices, and how they change frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from particles.checks import Array, as_matrix, as_points, as_weights, frozen, number
from particles.errors import InvalidInput, NotSupported, OutOfRange
from particles.fields.compiled_sum import CompiledSum, Term
from particles.fields.field import VelocityField, check_frame
from particles.fields.linear_flow import linear_flow
from particles.fields.query import check_query
from particles.fields.questions import on_diagonal, own_frame
from particles.measure import Measure

Matrix = Array | Callable[[float], Array]
"""A constant matrix, or a matrix as a function of time."""

PAIRS = 2**22
"""Pairs of query and source whose coupling is held in memory at a time."""


@dataclass(frozen=True, eq=False)
class BilinearField(VelocityField):
    """A field X_t[μ](x) = ∫ κ_t[μ](x, y) V(t) y dμ(y) whose coupling κ depends on the scores ⟨Q(t)x, K(t)y⟩.

    In the frame x = e^{tA} z it is of the same kind, with B_A(t) = e^{tAᵀ} KᵀQ e^{tA} for the score and
    V_A(t) = e^{−tA} V e^{tA} for the value, less A z. A subclass gives `coupling`.

    Parameters: Q, K of shape (k, d), V of shape (d, d), constants or functions of t, scalars where d = 1;
    A (d, d), constant. Refused: shapes that do not fit, NaN, KᵀQ that underflows, a frame where V depends on t.
    """

    Q: Matrix
    K: Matrix
    V: Matrix
    A: Array | None = None

    def __post_init__(self) -> None:
        """Check the shapes once, at time 0 where a matrix depends on time."""
        for name in ("Q", "K", "V"):
            value = getattr(self, name)
            if not callable(value):
                object.__setattr__(self, name, frozen(as_matrix(value, name)))
        Q, K, V = (self._at(name, 0.0) for name in ("Q", "K", "V"))
        if V.shape[0] != V.shape[1]:
            raise InvalidInput(f"V must be square (d, d), got shape {V.shape}")
        if Q.shape != K.shape or Q.shape[1] != len(V):
            raise InvalidInput(
                f"Q and K must have one shape (k, d) with d = {len(V)} as in V, got Q {Q.shape}, K {K.shape}"
            )
        if not (callable(self.Q) or callable(self.K)):
            _check_underflow(Q, K)
        if self.A is not None:
            if callable(self.V):
                raise NotSupported("a moving frame needs a constant V, got a function of t")
            object.__setattr__(self, "A", frozen(as_matrix(self.A, "A", shape=V.shape)))

    def _at(self, name: str, t: float) -> Array:
        value = getattr(self, name)
        return as_matrix(value(t), f"{name}({t:g})") if callable(value) else value

    @property
    def dim(self) -> int:
        """The dimension d of a token."""
        return len(self._at("V", 0.0))

    @property
    def frame(self) -> Array | None:
        """The matrix A of the frame, None in the original coordinates."""
        return self.A

    @property
    def constant(self) -> bool:
        """Whether Q, K and V do not depend on time."""
        return not any(callable(M) for M in (self.Q, self.K, self.V))

    def in_frame(self, A: npt.ArrayLike) -> Self:
        """The same field in the frame x = e^{tA} z, again of this type; refused where V depends on t."""
        return replace(self, A=check_frame(self, A))

    def rescaled(self) -> Self:
        """The dynamics (3.1) of z = e^{−tV} x: z_i' = Σ_j P_ij V(z_j − z_i), P with scores ⟨Qe^{tV}z_i, Ke^{tV}z_j⟩."""
        return self.in_frame(own_frame(self))

    def score_matrix(self, t: float) -> Array:
        """B_A(t) = e^{tAᵀ} K(t)ᵀ Q(t) e^{tA}, (d, d): the score of query x and source y is yᵀ B_A x."""
        return _in_range(self.key_matrix(t).T @ self.query_matrix(t), t)

    def value_matrix(self, t: float) -> Array:
        """V_A(t) = e^{−tA} V(t) e^{tA}, (d, d); V itself where A commutes with it."""
        V = self._at("V", t)
        if self.A is None or np.array_equal(self.A, V) or np.array_equal(self.A @ V, V @ self.A):
            return V
        return linear_flow(self.A, -t) @ V @ linear_flow(self.A, t)

    def query_matrix(self, t: float) -> Array:
        """Q(t) e^{tA}, (k, d)."""
        Q = self._at("Q", t)
        return Q if self.A is None else Q @ linear_flow(self.A, t)

    def key_matrix(self, t: float) -> Array:
        """K(t) e^{tA}, (k, d)."""
        K = self._at("K", t)
        return K if self.A is None else K @ linear_flow(self.A, t)

    def queries_and_keys(self, t: float, x: Array, y: Array) -> tuple[Array, Array]:
        """Vectors whose inner product is the score of x (..., m, d) against y (..., n, d).

        They are B_A x and y where k ≥ d, so that keys are the points themselves, and Q_A x, K_A y where k < d.
        """
        if len(self._at("Q", t)) >= self.dim:
            return applied(self.score_matrix(t), x), y
        queries, keys = applied(self.query_matrix(t), x), applied(self.key_matrix(t), y)
        return _in_range(queries, t), _in_range(keys, t)

    def scores(self, t: float, x: Array, y: Array) -> Array:
        """⟨Qx, Ky⟩ in the field's frame, (..., m, n), for x (..., m, d) and y (..., n, d)."""
        queries, keys = self.queries_and_keys(t, x, y)
        return queries @ np.swapaxes(keys, -1, -2)

    @abstractmethod
    def coupling(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """The matrix κ(x_i, y_j) w_j, (..., m, n), that weighs the source y_j in the velocity of x_i."""

    def aggregate(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """Σ_j κ(x_i, y_j) w_j y_j at each x_i, (..., m, d), a block of queries at a time."""
        block = max(1, PAIRS // len(w))
        parts = [self.coupling(t, x[..., i : i + block, :], y, w) @ y for i in range(0, x.shape[-2], block)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)

    def _velocity(self, t: float, x: Array, y: Array, w: Array) -> Array:
        V = self.value_matrix(t)
        total = self.aggregate(t, x, y, w)
        if self.A is None:
            return applied(V, total)
        if np.array_equal(self.A, V):
            return applied(V, total - x)
        return applied(V, total) - applied(self.A, x)

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """X_t[mu](x): x (m, d) to (m, d); mu any measure with `.points` (n, d) and `.weights` (n,)."""
        points, (y, w) = check_query(self.dim, t, x, mu)
        return self._velocity(t, points, y, w)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The field at the particles x (..., n, d) themselves, leading axes are runs; NaN where x is not finite."""
        if not np.isfinite(x).all():
            return np.full_like(x, np.nan)
        return self._velocity(t, x, x, w)

    def attention_matrix(self, t: float, x: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
        """P (n, n) with X(x_i) = V Σ_j P_ij x_j, for tokens x (n, d) in the field's own frame; (1.2) for softmax."""
        number(t, "t")
        points = as_points(x, "x", dim=self.dim)
        return self.coupling(t, points, points, as_weights(weights, len(points)))


def bilinear_sum(field: BilinearField, kind: int, *, by_points: bool) -> CompiledSum:
    """The compiled sum of a kind of a field of constant matrices; keys are the points themselves where `by_points`."""
    if not field.constant:
        raise NotSupported("a matrix is a function of time")
    Q, K, V = (field._at(name, 0.0) for name in ("Q", "K", "V"))
    term = Term(kind, K.T @ Q, V) if by_points else Term(kind, Q, V, K)
    return CompiledSum((term,), field.A)


@own_frame.register
def _(field: BilinearField) -> Array:
    if callable(field.V):
        raise NotSupported("the rescaled frame z = e^{−tV} x needs a constant V, got a function of t")
    return field.V


def jacobian_blocks(
    field: BilinearField, t: float, x: Array, kappa: Array, tilt: Array, spread: Array, gradient: Array | None = None
) -> Array:
    """D_{x_j} of V Σ_k κ_ik x_k − A x_i at tokens x (n, d), shape (n, n, d, d).

    `tilt` (n, n) and `spread` (n, n, d) say how κ follows the scores: Σ_k x_k dκ_ik = Σ_k tilt_ik spread_ik ds_ik, P
    and x_k − m_i for softmax. The derivative of s_ij is Bᵀx_j in x_i, and in x_j it is `gradient` (n, n, d), B x_i
    where None. So the blocks are V (κ_ij + tilt_ij spread_ij ⊗ B x_i), and V Σ_k tilt_ik spread_ik ⊗ Bᵀx_k at j = i.
    """
    V, B = field.value_matrix(t), field.score_matrix(t)
    sources = applied(B, x)[:, None, :] if gradient is None else gradient
    moved = tilt[:, :, None] * spread
    blocks = moved[:, :, :, None] * sources[:, :, None, :] + kappa[:, :, None, None] * np.eye(len(V))
    own = np.swapaxes(moved, 1, 2) @ (x @ B)
    blocks = V @ on_diagonal(blocks, own)
    return blocks if field.A is None else on_diagonal(blocks, -field.A)


def averaging_jacobian(field: BilinearField, t: float, x: Array, P: Array, gradient: Array | None = None) -> Array:
    """`jacobian_blocks` where κ = P (n, n) is a softmax over each row: spread x_j − m_i, and V Cov_i B at j = i."""
    spread = x[None, :, :] - (P @ x)[:, None, :]
    return jacobian_blocks(field, t, x, P, P, spread, gradient)


def applied(M: Array, x: Array) -> Array:
    """M x for every point x (..., n, d), run by run: one product for all would round a run otherwise than alone."""
    return np.asarray(x @ M.T)


def log_of(w: Array) -> Array:
    """log w, −inf for a source of no mass."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(w))


def row_softmax(scores: Array) -> Array:
    """Rows (..., m, n) of scores to rows e^{s_j} / Σ_k e^{s_k}, shifted by their maximum."""
    P = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(P / P.sum(axis=-1, keepdims=True))


def _check_underflow(Q: Array, K: Array) -> None:
    """Refuse factors whose product KᵀQ is 0 or subnormal in float64 though it is not 0."""
    largest_q, largest_k = np.abs(Q).max(initial=0.0), np.abs(K).max(initial=0.0)
    if largest_q == 0 or largest_k == 0:
        return
    share = float(np.abs((K / largest_k).T @ (Q / largest_q)).max())
    # Both factors are finite, so that only a product of the two can leave the range.
    if share > 0 and np.log(share) + np.log(largest_q) + np.log(largest_k) < np.log(np.finfo(float).tiny):
        raise InvalidInput(
            f"KᵀQ underflows in float64: the entries of Q and K are at most {largest_q:g} and {largest_k:g}. "
            "Move the scale into the tokens: Q/s, K/s and s x have the same scores"
        )


def _in_range(array: Array, t: float) -> Array:
    if not np.isfinite(array).all():
        raise OutOfRange(f"attention scores overflow float64 at t = {t:g}: stop before that time", time=t)
    return array
