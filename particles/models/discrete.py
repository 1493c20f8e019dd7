"""Transformers in discrete time: layers as steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from particles.checks import Array, as_matrix, frozen, hold, positive
from particles.errors import InvalidInput
from particles.fields.discrete_map import DiscreteMap
from particles.models.attention import SelfAttention


@dataclass(frozen=True, eq=False)
class RescaledTransformer(DiscreteMap):
    """The rescaled recursion of Remark 3.3, z_i ← z_i + Δt R^{−1} V Σ_j P_ij (z_j − z_i) with R = I + Δt V.

    P has the scores ⟨Q R^k z_i, K R^k z_j⟩ at step k. It is an exact conjugate of the discrete transformer (1.3), which
    is SelfAttention(Q, K, V) moved by Euler(dt): z[k] = R^{−k} x[k]. Q, K: (k, d), V: (d, d), constant.

    Parameters
    ----------
    Q, K : array (k, d)
        Queries and keys.
    V : array (d, d)
        Values.
    dt : float
        Δt.

    Raises
    ------
    InvalidInput
        For a step for which R is singular.
    """

    Q: Array
    K: Array
    V: Array
    dt: float

    def __post_init__(self) -> None:
        """Check the matrices, and that R is invertible."""
        for name in ("Q", "K", "V"):
            object.__setattr__(self, name, frozen(as_matrix(getattr(self, name), name)))
        hold(self, dt=positive(self.dt, "dt"))
        SelfAttention(self.Q, self.K, self.V)
        if np.linalg.cond(self.growth) > 1e12:
            raise InvalidInput(f"R = I + dt V is singular at dt = {self.dt:g}: take a smaller step")

    @property
    def dim(self) -> int:
        """The dimension d of a token."""
        return len(self.V)

    @property
    def growth(self) -> Array:
        """R = I + dt V, (d, d)."""
        return np.asarray(np.eye(self.dim) + self.dt * self.V)

    def original(self, k: int, z: npt.ArrayLike) -> Array:
        """The tokens x[k] = R^k z[k] of the transformer (1.3), for z (..., n, d)."""
        return np.asarray(np.asarray(z) @ np.linalg.matrix_power(self.growth, k).T)

    def step(self, k: int, x: Array, w: Array, rng: np.random.Generator) -> Array:
        """Step k; nothing in it is random."""
        R = self.growth
        power = np.linalg.matrix_power(R, k)
        mean: Array = SelfAttention(self.Q @ power, self.K @ power, np.eye(self.dim)).particle_velocity(0.0, x, w)
        return np.asarray(x + self.dt * (mean - x) @ np.linalg.solve(R, self.V).T)
