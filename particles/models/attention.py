"""Self-attention as a velocity field, (1.1)–(1.2), in the original or any moving frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from particles.checks import Array, as_matrix, as_weights, frozen, positive
from particles.errors import InvalidInput, NotSupported, OutOfRange
from particles.kernels.softmax import softmax_average
from particles.measure import Measure
from particles.models.base import VelocityField, check_frame, check_points
from particles.models.flow import linear_flow

Matrix = Array | Callable[[float], Array]
"""A constant matrix, or a matrix as a function of time."""


@dataclass(frozen=True, eq=False)
class SoftmaxField(VelocityField):
    """The softmax field with score ⟨Qx, Ky⟩ and value Vy, in the frame x = e^{tA} z where `A` is given.

        X_t[μ](x) = ∫ e^{⟨Q(t)x, K(t)y⟩} V(t) y dμ(y) / ∫ e^{⟨Q(t)x, K(t)y⟩} dμ(y)                            (1.1)

    In the frame the field is of the same kind, with B_A(t) = e^{tAᵀ} KᵀQ e^{tA} for the score and
    V_A(t) = e^{−tA} V e^{tA} for the value, less A z; for A = V this is V(Pz − z), equation (3.1).

    Parameters: Q, K of shape (k, d), V of shape (d, d), constants or functions of t, scalars where d = 1;
    A (d, d), constant; `tolerance` is the error allowed to the sum relative to the spread of the values,
    None for exact to rounding. Refused: shapes that do not fit, NaN, a frame where V depends on t.
    """

    Q: Matrix
    K: Matrix
    V: Matrix
    A: Array | None = None
    tolerance: float | None = None

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
        if self.tolerance is not None:
            positive(self.tolerance, "tolerance")
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
        """The same field in the frame x = e^{tA} z, again a softmax field; refused where V depends on t."""
        return replace(self, A=check_frame(self, A))

    def rescaled(self) -> Self:
        """The dynamics (3.1) of z = e^{−tV} x: z_i' = Σ_j P_ij V(z_j − z_i), P with scores ⟨Qe^{tV}z_i, Ke^{tV}z_j⟩."""
        if callable(self.V):
            raise NotSupported("the rescaled frame z = e^{−tV} x needs a constant V, got a function of t")
        return self.in_frame(self.V)

    def score_matrix(self, t: float) -> Array:
        """B_A(t) = e^{tAᵀ} K(t)ᵀ Q(t) e^{tA}, (d, d): the score of query x and source y is yᵀ B_A x."""
        return _in_range(self._keys(t).T @ self._queries(t), t)

    def value_matrix(self, t: float) -> Array:
        """V_A(t) = e^{−tA} V(t) e^{tA}, (d, d); V itself where A commutes with it."""
        V = self._at("V", t)
        if self.A is None or np.array_equal(self.A, V) or np.array_equal(self.A @ V, V @ self.A):
            return V
        return linear_flow(self.A, -t) @ V @ linear_flow(self.A, t)

    def _queries(self, t: float) -> Array:
        Q = self._at("Q", t)
        return Q if self.A is None else Q @ linear_flow(self.A, t)

    def _keys(self, t: float) -> Array:
        K = self._at("K", t)
        return K if self.A is None else K @ linear_flow(self.A, t)

    def queries_and_keys(self, t: float, x: Array, y: Array) -> tuple[Array, Array]:
        """Vectors whose inner product is the score of x (..., m, d) against y (..., n, d).

        They are B_A x and y where k ≥ d, so that keys are the points themselves, and Q_A x, K_A y where k < d.
        """
        if len(self._at("Q", t)) >= self.dim:
            return x @ self.score_matrix(t).T, y
        return _in_range(x @ self._queries(t).T, t), _in_range(y @ self._keys(t).T, t)

    def average(self, t: float, x: Array, y: Array, w: Array, values: Array | None = None) -> Array:
        """The softmax average of `values` (of y itself where None) over sources y with masses w, at each x."""
        queries, keys = self.queries_and_keys(t, x, y)
        if values is None and keys is not y:
            values = y
        with np.errstate(divide="ignore"):
            log_weights = np.log(w)
        return softmax_average(queries, keys, values, log_weights, tolerance=self.tolerance).mean

    def _velocity(self, t: float, x: Array, y: Array, w: Array) -> Array:
        V = self.value_matrix(t)
        mean = self.average(t, x, y, w)
        if self.A is None:
            return mean @ V.T
        if np.array_equal(self.A, V):
            return (mean - x) @ V.T
        return mean @ V.T - x @ self.A.T

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """X_t[mu](x): x (m, d) to (m, d); mu any measure with `.points` (n, d) and `.weights` (n,)."""
        return self._velocity(t, check_points(self, x), check_points(self, mu.points), mu.weights)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The field at the particles x (..., n, d) themselves, leading axes are runs; NaN where x is not finite."""
        if not np.isfinite(x).all():
            return np.full_like(x, np.nan)
        return self._velocity(t, x, x, w)

    def divergence(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """div X_t[mu](x) = tr(V Cov_x B), Cov_x the covariance of mu tilted by e^{⟨Qx, K·⟩}; less tr A in a frame."""
        x, y = check_points(self, x), check_points(self, mu.points)
        centred = y - mu.weights @ y
        form = self.score_matrix(t) @ self.value_matrix(t)
        squares = np.einsum("ni,ij,nj->n", centred, form, centred)
        moments = self.average(t, x, y, mu.weights, np.column_stack([centred, squares]))
        mean = moments[:, :-1]
        spread: Array = moments[:, -1] - np.einsum("ni,ij,nj->n", mean, form, mean)
        return spread if self.A is None else spread - np.trace(self.A)

    def attention_matrix(self, t: float, x: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
        """P (n, n) of (1.2) for tokens x (n, d) in the field's own frame; rows sum to 1; P_ij ∝ w_j e^{score}."""
        points = check_points(self, x)
        queries, keys = self.queries_and_keys(t, points, points)
        with np.errstate(divide="ignore"):
            scores = queries @ keys.T + np.log(as_weights(weights, len(points)))
        P = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(P / P.sum(axis=1, keepdims=True))


def _in_range(array: Array, t: float) -> Array:
    if not np.isfinite(array).all():
        raise OutOfRange(f"attention scores overflow float64 at t = {t:g}: stop before that time", time=t)
    return array


class SelfAttention(SoftmaxField):
    """Self-attention x_i' = Σ_j P_ij V x_j, P_ij = softmax_j ⟨Qx_i, Kx_j⟩: equations (1.1)–(1.2).

    Q, K: (k, d), V: (d, d), constants or functions of t, scalars where d = 1. Heads add: SelfAttention(...) +
    SelfAttention(...). With V = QᵀK = I distances never decrease (Lemma 7.2); with V = −I, QᵀK = I the energy
    Σ_ij e^{⟨x_i, x_j⟩} never increases (Lemma 8.9).
    """
