"""Fields on the unit circle, written in the angle: one dimension, of period 2π."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField
from particles.fields.manifold import OnManifold
from particles.fields.query import check_query
from particles.measure import Atoms, Measure


@dataclass(frozen=True, eq=False)
class OnCircle(OnManifold):
    """A field of the plane on the unit circle, in the angle: θ_i' = ⟨X_t[μ](x_i), x_i^⊥⟩, x_i = (cos θ_i, sin θ_i).

    The same dynamics as `on_sphere()` for d = 2, on angles in [0, 2π). On a grid of one period it is solved by the
    scheme PeriodicFiniteVolume. Isotropic noise D·I becomes D∂²_θ. Refused: fields of another dimension than 2.
    """

    def __post_init__(self) -> None:
        """Bind the field to the plane; the sphere refuses what has no meaning on it."""
        super().__post_init__()
        if self.field.dim not in (None, 2):
            raise InvalidInput(f"the unit circle lies in the plane, d = 2: got a field of dimension {self.field.dim}")
        object.__setattr__(self, "field", self.field.in_dimension(2))
        self.field.on_sphere()

    @property
    def dim(self) -> int:
        """1: the angle."""
        return 1

    @property
    def state_space(self) -> str | None:
        """The circle."""
        return "circle of angles"

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """Angular velocities at the angles x (m, 1); the atoms of mu are angles too."""
        points, mu = check_query(self.dim, t, x, mu)
        angles = points[:, 0]
        there = Atoms(on_circle(mu.points[:, 0]), mu.weights)
        return _turning(angles, self.field.velocity(t, on_circle(angles), there))

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The same at the particles, angles x (..., n, 1)."""
        return _turning(x[..., 0], self.field.particle_velocity(t, on_circle(x[..., 0]), w))

    def diffusion(self, t: float) -> Array | None:
        """The 1 × 1 tensor D of isotropic noise D·I."""
        D = self.field.diffusion(t)
        return None if D is None else D[:1, :1]

    def project(self, x: Array) -> Array:
        """Angles modulo 2π, in [0, 2π)."""
        turned = np.mod(x, 2 * np.pi)
        # The remainder of a tiny negative angle rounds to 2π itself, which is 0.
        return np.asarray(np.where(turned >= 2 * np.pi, 0.0, turned))

    def in_frame(self, A: npt.ArrayLike) -> VelocityField:
        """Refused: an angle has no moving frame."""
        raise NotSupported("a field on the circle moves to no frame x = e^{tA} z")


def on_circle(angles: Array) -> Array:
    """The points (cos θ, sin θ), shape (..., 2)."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def _turning(angles: Array, velocity: Array) -> Array:
    turn = np.cos(angles) * velocity[..., 1] - np.sin(angles) * velocity[..., 0]
    return np.asarray(turn[..., None])
