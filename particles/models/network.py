"""The other layer of a transformer: a feed-forward field, without interaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from particles.checks import Array, as_finite, as_matrix, frozen, one_of
from particles.errors import InvalidInput, NotSupported
from particles.fields.compiled_sum import CompiledSum, Term, registered_sum
from particles.fields.field import VelocityField
from particles.fields.query import check_query
from particles.kernels.loops.packed_sums import FEED_FORWARD, IDENTITY, RELU, TANH
from particles.measure import Measure

Activation = Callable[[Array], Array]
Parameter = Array | Callable[[float], Array]

ACTIVATIONS: dict[str, tuple[Activation, Activation]] = {
    "identity": (lambda s: s, np.ones_like),
    "relu": (lambda s: np.maximum(s, 0.0), lambda s: np.asarray(s > 0, dtype=float)),
    "tanh": (np.tanh, lambda s: np.asarray(1 - np.tanh(s) ** 2)),
}
"""Activations known by name, each with its derivative."""

COMPILED = {"identity": IDENTITY, "relu": RELU, "tanh": TANH}
"""Their numbers in compiled sums."""


@dataclass(frozen=True, eq=False)
class FeedForward(VelocityField):
    """A feed-forward layer as a field, x' = W σ(A x + b): the neural ODE whose Euler steps are a residual network.

    The talk's x_i' = c(t) σ(a(t) x_i + b(t)) with W, A, b for c, a, b. Tokens do not interact.

    Parameters
    ----------
    W : array (d, k), or function of t
        Scalars where d = k = 1, as A and b.
    A : array (k, d), or function of t
        The inner matrix.
    b : array (k,), or function of t
        The bias.
    activation : str or function
        "tanh", "relu", "identity" or a function applied entry by entry.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, NaN.
    """

    W: Parameter
    A: Parameter
    b: Parameter
    activation: str | Activation = "relu"

    def __post_init__(self) -> None:
        """Check the shapes once, at time 0 where a parameter depends on time."""
        for name in ("W", "A", "b"):
            if not callable(getattr(self, name)):
                object.__setattr__(self, name, frozen(_read(getattr(self, name), name)))
        W, A, b = self._at(0.0)
        if A.shape != W.shape[::-1] or b.shape != (len(A),):
            raise InvalidInput(f"W (d, k), A (k, d) and b (k,) must fit, got W {W.shape}, A {A.shape}, b {b.shape}")
        if not callable(self.activation):
            one_of(self.activation, ACTIVATIONS, "activation")

    def _at(self, t: float) -> tuple[Array, Array, Array]:
        W, A, b = (
            _read(value(t), f"{name}({t:g})") if callable(value) else value
            for name, value in (("W", self.W), ("A", self.A), ("b", self.b))
        )
        return W, A, b

    @property
    def dim(self) -> int:
        """The dimension d of a token."""
        return len(self._at(0.0)[0])

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """W σ(A x + b), whatever mu is: x (m, d) to (m, d)."""
        points, mu = check_query(self.dim, t, x, mu)
        return self.particle_velocity(t, points, mu.weights)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The same at x (..., n, d)."""
        W, A, b = self._at(t)
        rule = self.activation if callable(self.activation) else ACTIVATIONS[self.activation][0]
        out: Array = np.asarray(rule(x @ A.T + b), dtype=float) @ W.T
        return out

    def divergence(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """Σ_k σ'((A x + b)_k) (A W)_kk; by central differences for an activation that is the user's."""
        points, mu = check_query(self.dim, t, x, mu)
        if callable(self.activation):
            return super().divergence(t, points, mu)
        W, A, b = self._at(t)
        out: Array = ACTIVATIONS[self.activation][1](points @ A.T + b) @ np.diagonal(A @ W)
        return out


@registered_sum
def _(field: FeedForward) -> CompiledSum:
    if callable(field.activation) or any(callable(value) for value in (field.W, field.A, field.b)):
        raise NotSupported("a parameter or the activation is a function of the user's")
    W, A, b = field._at(0.0)
    return CompiledSum((Term(FEED_FORWARD, A, W, numbers=(COMPILED[field.activation], *b)),))


def _read(value: npt.ArrayLike, name: str) -> Array:
    return np.atleast_1d(as_finite(value, name)) if name.startswith("b") else as_matrix(value, name)
