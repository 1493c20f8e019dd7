"""Fields of R^k restricted to a space in it: the unit sphere, which layer normalisation makes of it, and the circle."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import Derived, VelocityField, as_field, restricted
from particles.fields.query import check_query, checked_dimension
from particles.fields.questions import jacobian, on_diagonal
from particles.fields.spaces import Circle, Euclidean, Space, Sphere
from particles.measure import Atoms, Measure


@dataclass(frozen=True, eq=False)
class OnSpace(Derived):
    """A field of R^k on a space in it: the tangent part of X_t[μ] at the points of the space, in its coordinates."""

    @property
    @abstractmethod
    def space(self) -> Space:  # type: ignore[override]
        """The space, with `embed` and `pull`."""

    def __post_init__(self) -> None:
        """Refuse fields that have no meaning on such a space."""
        field = as_field(self.field, "field")
        if field.frame is not None or field.events or field.space != Euclidean():
            raise NotSupported(
                f"{field!r} is in a moving frame, has events or is on a state space of its own: not for {self.space!r}"
            )
        if field.dim == 1:
            raise NotSupported("the unit sphere of R is two points: on_sphere() needs d ≥ 2")
        if field.noisy:
            self.diffusion(0.0)

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """The tangent part of X_t[mu] at x (m, d), in the coordinates in which the atoms of mu are given too."""
        points, mu = check_query(self.dim, t, x, mu)
        there = self.space.embed(points)
        return self.space.pull(points, self.field.velocity(t, there, Atoms(self.space.embed(mu.points), mu.weights)))

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The same at the particles, x (..., n, d)."""
        return self.space.pull(x, self.field.particle_velocity(t, self.space.embed(x), w))

    def diffusion(self, t: float) -> Array | None:
        """The tensor of the field's noise, before the step is brought back onto the space; refused: one not isotropic.

        In the coordinates isotropic noise D·I is D·I again, of as many components as there are.
        """
        D = self.field.diffusion(t)
        if D is None:
            return None
        if np.abs(D - D[0, 0] * np.eye(len(D))).max() > 1e-12 * np.abs(D[0, 0]):
            raise NotSupported(f"noise on {self.space!r} must be isotropic, D = c·I, got D = {D.tolist()}")
        return D[: self.dim, : self.dim]


@dataclass(frozen=True, eq=False)
class OnSphere(OnSpace):
    """A field projected onto the unit sphere: x_i' = P_x X_t[μ](x_i), P_x = I − x xᵀ/|x|².

    With attention at QᵀK = βI, V = I these are the SA (normalization "softmax") and USA ("none") dynamics of
    Geshkovski, Letrouit, Polyanskiy, Rigollet, A mathematical perspective on transformers, arXiv:2312.10794.

    The flow keeps |x| exactly, so steps are taken in R^d and brought back by x/|x|: on the sphere to rounding, at the
    stepper's full order. Isotropic noise D becomes Brownian motion on the sphere, of generator D Δ_S.

    Parameters
    ----------
    field : VelocityField
        A field of R^d, d ≥ 2.

    Raises
    ------
    InvalidInput, NotSupported
        For d = 1, a moving frame, events, noise that is not isotropic, initial points off the sphere by over 1e-9.
    """

    space: ClassVar[Space] = Sphere()  # type: ignore[misc]

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """P_x X_t[mu](x): x (m, d) to (m, d), tangent to the sphere through x."""
        points, mu = check_query(self.dim, t, x, mu)
        if not points.any(axis=1).all():
            raise InvalidInput("x must lie on the unit sphere, got the origin: it has no tangent there")
        return super().velocity(t, points, mu)


@dataclass(frozen=True, eq=False)
class OnCircle(OnSpace):
    """A field of the plane on the unit circle, in the angle: θ_i' = ⟨X_t[μ](x_i), x_i^⊥⟩, x_i = (cos θ_i, sin θ_i).

    The same dynamics as `on_sphere()` for d = 2, on angles in [0, 2π), so that a grid of one period has no walls.
    Isotropic noise D·I becomes D∂²_θ.

    Parameters
    ----------
    field : VelocityField
        A field of the plane.

    Raises
    ------
    InvalidInput, NotSupported
        For fields of another dimension than 2, and what the sphere refuses.
    """

    space: ClassVar[Space] = Circle()  # type: ignore[misc]
    dim: ClassVar[int] = 1  # type: ignore[misc]

    def __post_init__(self) -> None:
        """Bind the field to the plane."""
        field = as_field(self.field, "field")
        if field.dim not in (None, 2):
            raise InvalidInput(f"the unit circle lies in the plane, d = 2: got a field of dimension {field.dim}")
        object.__setattr__(self, "field", field.in_dimension(2))
        super().__post_init__()

    def in_dimension(self, d: int) -> VelocityField:
        """The field itself: an angle has one component."""
        return checked_dimension(self, d)


@restricted.register
def _(space: Sphere, field: VelocityField) -> VelocityField:
    return OnSphere(field)


@restricted.register
def _(space: Circle, field: VelocityField) -> VelocityField:
    return OnCircle(field)


@jacobian.register
def _(field: OnSphere, t: float, x: Array, w: Array) -> Array:
    """Of P_x X with P_x = I − x xᵀ/|x|², in the coordinates of R^d."""
    squares = np.sum(x * x, axis=1)[:, None, None]
    projection = np.eye(x.shape[1]) - x[:, :, None] * x[:, None, :] / squares
    speed = field.field.particle_velocity(t, x, w)
    radial = np.sum(x * speed, axis=1)[:, None, None] / squares
    # What the projection itself turns: −(x vᵀ + ⟨x, v⟩ P_x)/|x|² + ⟨x, v⟩ x xᵀ/|x|⁴.
    outer = x[:, :, None] * (speed[:, None, :] - radial * x[:, None, :]) / squares
    inner = jacobian(field.field, t, x, w)
    return on_diagonal(projection[:, None] @ inner, -outer - radial * projection)


@jacobian.register
def _(field: OnCircle, t: float, x: Array, w: Array) -> Array:
    """Of ⟨X(e_i), e_i^⊥⟩, e_i = (cos θ_i, sin θ_i), in the angles."""
    points = field.space.embed(x)
    normal = np.stack([-points[:, 1], points[:, 0]], axis=1)
    inner = jacobian(field.field, t, points, w)
    blocks = np.einsum("ia,ijab,jb->ij", normal, inner, normal)
    outward = np.sum(field.field.particle_velocity(t, points, w) * points, axis=1)
    return on_diagonal(blocks[:, :, None, None], -outward[:, None, None])
