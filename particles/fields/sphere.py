"""Fields on the unit sphere: the projection that layer normalisation makes of attention, and the circle as an angle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from particles.checks import Array
from particles.errors import InvalidInput, NotSupported
from particles.fields.manifold import OnManifold
from particles.fields.query import check_query
from particles.measure import Measure

ON_SPHERE = 1e-9
"""The largest deviation of |x| from 1 that is taken for rounding."""


@dataclass(frozen=True, eq=False)
class OnSphere(OnManifold):
    """A field projected onto the unit sphere: x_i' = P_x X_t[μ](x_i), P_x = I − x xᵀ/|x|².

    With attention at QᵀK = βI, V = I these are the SA (normalization "softmax") and USA ("none") dynamics of
    Geshkovski, Letrouit, Polyanskiy, Rigollet, A mathematical perspective on transformers, arXiv:2312.10794.

    The flow keeps |x| exactly, so steps are taken in R^d and brought back by x/|x|: on the sphere to rounding, at the
    stepper's full order. Isotropic noise D becomes Brownian motion on the sphere, of generator D Δ_S.
    Refused: d = 1, a moving frame, events, noise that is not isotropic, initial points off the sphere by over 1e-9.
    """

    def __post_init__(self) -> None:
        """Refuse fields that have no meaning on the sphere."""
        super().__post_init__()
        field = self.field
        if field.frame is not None or field.events or field.state_space is not None:
            raise NotSupported(f"{field!r} is in a moving frame, has events or is on a state space: not for the sphere")
        if field.dim == 1:
            raise NotSupported("the unit sphere of R is two points: on_sphere() needs d ≥ 2")
        D = field.diffusion(0.0) if field.noisy and field.dim else None
        if D is not None and not np.allclose(D, D[0, 0] * np.eye(len(D)), rtol=1e-12, atol=0.0):
            raise NotSupported(f"noise on the sphere must be isotropic, D = c·I, got D = {D.tolist()}")

    @property
    def dim(self) -> int | None:
        """The dimension d of the space that the sphere S^{d−1} lies in."""
        return self.field.dim

    def in_dimension(self, d: int) -> OnSphere:
        """The field on the sphere of R^d."""
        return OnSphere(self.field.in_dimension(d))

    @property
    def state_space(self) -> str | None:
        """The sphere."""
        return "unit sphere"

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """P_x X_t[mu](x): x (m, d) to (m, d), tangent to the sphere through x."""
        points, mu = check_query(self.dim, t, x, mu)
        if not points.any(axis=1).all():
            raise InvalidInput("x must lie on the unit sphere, got the origin: it has no tangent there")
        return tangent(points, self.field.velocity(t, points, mu))

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The same at the particles, x (..., n, d)."""
        return tangent(x, self.field.particle_velocity(t, x, w))

    def diffusion(self, t: float) -> Array | None:
        """The tensor of the field's noise, isotropic, before the step is brought back onto the sphere."""
        return self.field.diffusion(t)

    def project(self, x: Array) -> Array:
        """x/|x|."""
        out: Array = x / np.linalg.norm(x, axis=-1, keepdims=True)
        return out

    def check_state(self, x: Array) -> None:
        """Refuse points that are not on the unit sphere."""
        with np.errstate(over="ignore"):
            radii = np.linalg.norm(x, axis=-1)
        worst = np.unravel_index(int(np.argmax(np.abs(radii - 1))), radii.shape)
        if abs(radii[worst] - 1) > ON_SPHERE:
            raise InvalidInput(
                f"points must be on the unit sphere, |x| = 1 within {ON_SPHERE:g}, got |x{list(map(int, worst))}| = "
                f"{radii[worst]:.17g}: divide each point by its norm"
            )


def tangent(x: Array, v: Array) -> Array:
    """P_x v = v − ⟨x, v⟩ x / |x|², the part of v (..., d) that is tangent to the sphere through x (..., d)."""
    radial = np.sum(x * v, axis=-1, keepdims=True) / np.sum(x * x, axis=-1, keepdims=True)
    out: Array = v - radial * x
    return out
