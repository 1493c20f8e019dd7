"""Noise as a summand: the diffusion of a Fokker–Planck equation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from particles.checks import Array, as_finite, as_matrix, frozen
from particles.errors import InvalidInput, NotSupported
from particles.fields.compiled_sum import CompiledSum, registered_sum
from particles.fields.dimension import AnyDimension
from particles.fields.query import check_query
from particles.fields.spaces import Euclidean, Space, Torus
from particles.measure import Measure


@dataclass(frozen=True, eq=False)
class Diffusion(AnyDimension):
    """Adds the noise √(2D) dW to a model by `+`, independent for each token: the equation gains div(D∇μ).

    D is a number, for D·I in any dimension, or a symmetric positive semi-definite tensor (d, d). By itself it is
    Brownian motion. Moved by EulerMaruyama; an error-controlled method would fight the noise and is refused. In the
    frame x = e^{tA} z the tensor is e^{−tA} D e^{−tAᵀ}, full in general and a function of time.

    Parameters
    ----------
    D : float or array (d, d)
        The tensor, D·I for a number; symmetric positive semi-definite.
    space : Space
        That of the fields that it is added to: Circle() for noise of an angle.
    dim : int, optional
        d, None for any where D is a number.

    Raises
    ------
    InvalidInput
        For a tensor that is not symmetric positive semi-definite, of another dimension.
    """

    D: float | Array
    space: Space = field(default=Euclidean(), kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what is no diffusion tensor."""
        super().__post_init__()
        if not isinstance(self.space, Euclidean | Torus):
            raise NotSupported(
                f"noise is that of coordinates on R^d, a circle or a torus, got space = {self.space!r}: for the sphere "
                "add it in R^d, (field + Diffusion(D)).on_sphere()"
            )
        value = as_finite(self.D, "D")
        if value.ndim == 0:
            object.__setattr__(self, "D", float(value))
            if value < 0:
                raise InvalidInput(f"D must not be negative, got {self.D!r}")
            return
        tensor = as_matrix(value, "D", shape=(len(value), len(value)))
        smallest = np.linalg.eigvalsh(tensor)[0] if np.array_equal(tensor, tensor.T) else -np.inf
        if smallest < -1e-14 * np.abs(tensor).max():
            raise InvalidInput(f"D must be symmetric and positive semi-definite, got {tensor.tolist()}")
        if self.dim not in (None, len(tensor)):
            raise InvalidInput(f"D has shape {tensor.shape}, the model dimension {self.dim}: they must agree")
        object.__setattr__(self, "D", frozen(tensor))
        object.__setattr__(self, "dim", len(tensor))

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """No drift."""
        return np.zeros_like(check_query(self.dim, t, x, mu)[0])

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """No drift."""
        return np.zeros_like(x)

    def divergence(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """0."""
        return np.zeros(len(check_query(self.dim, t, x, mu)[0]))

    def diffusion(self, t: float) -> Array:
        """The tensor D (d, d); 1 × 1 while the dimension of a number D is open."""
        if isinstance(self.D, float):
            return self.D * np.eye(self.dim or 1)
        return self.D


@registered_sum
def _(field: Diffusion) -> CompiledSum:
    return CompiledSum(())
