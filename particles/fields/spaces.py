"""The spaces that tokens live on, in the coordinates in which they are written: R^d, the sphere, the circle, tori.

Arrays in, arrays out; points are x (..., d) and velocities v (..., d). A space answers

- `project(x)`, the points brought back onto it after a step, and `check(x)`, which refuses points that are not on it;
- `tangent(x, v)`, the part of v that is tangent to it at x, and `distance(x, y)`, the length of the shortest way;
- `nearest(x, y)`, the coordinates of y that are nearest to those of x (another angle of the same point, say), and
  `between(x, y, s)`, the point at the share s of the shortest way from x to y;
- `axis_periods(d)`, what a grid needs: the period of each of d axes, None for a straight one, so that Circle() gives
  (2π,) and Torus((1, 2)) gives (1.0, 2.0); refused where the coordinates fill no box (the sphere);
- `embed(x)` and `pull(x, v)`, by which a field of R^k is restricted to it (see restriction.py): the points of R^k at
  the coordinates x, and the velocity in those coordinates of the tangent part of v (..., k).

A space of one's own is a frozen dataclass that derives from Space, or from Euclidean for a part of R^d.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from particles.checks import Array, as_finite
from particles.errors import InvalidInput, NotSupported

ON_SPHERE = 1e-9
"""The largest deviation of |x| from 1 that is taken for rounding."""


class Space(ABC):
    """A state space: what it does to points and velocities. The defaults are those of R^d."""

    def project(self, x: Array) -> Array:
        """Points (..., d) brought back onto the space after a step; x itself where nothing is to be done."""
        return x

    def check(self, x: Array) -> None:
        """Refuse points (..., d) that are not on the space."""
        return None

    def tangent(self, x: Array, v: Array) -> Array:
        """The part of v (..., d) that is tangent to the space at x (..., d)."""
        return v

    def nearest(self, x: Array, y: Array) -> Array:
        """Coordinates (..., d) of the points y, those nearest to the coordinates x; y itself where there is one set."""
        return y

    @abstractmethod
    def distance(self, x: Array, y: Array) -> Array:
        """The length (...) of the shortest way between x and y (..., d) within the space."""

    def between(self, x: Array, y: Array, s: float) -> Array:
        """The point (..., d) at the share s in (0, 1) of the shortest way from x to y (..., d); refused by default."""
        raise NotSupported(f"{type(self).__name__} does not know its shortest ways: its class needs a method `between`")

    def axis_periods(self, d: int) -> tuple[float | None, ...]:
        """The period of each of d axes, None for a straight one: how a grid of d axes closes on itself."""
        return (None,) * d

    def embed(self, x: Array) -> Array:
        """The points (..., k) of R^k at the coordinates x (..., d)."""
        return x

    def pull(self, x: Array, v: Array) -> Array:
        """The velocity (..., d) in coordinates, at x (..., d), of the tangent part of v (..., k)."""
        return self.tangent(x, v)


@dataclass(frozen=True)
class Euclidean(Space):
    """R^d, of any dimension. A part of it that the flow keeps, a half-line say, is a subclass with a `check`."""

    def distance(self, x: Array, y: Array) -> Array:
        """|x − y|."""
        return np.asarray(np.linalg.norm(np.subtract(x, y), axis=-1))

    def between(self, x: Array, y: Array, s: float) -> Array:
        """(1 − s) x + s y."""
        return (1.0 - s) * x + s * y


@dataclass(frozen=True)
class Sphere(Space):
    """The unit sphere S^{d−1} of R^d, d ≥ 2: points with |x| = 1 within 1e-9."""

    def project(self, x: Array) -> Array:
        """x/|x|."""
        out: Array = x / np.linalg.norm(x, axis=-1, keepdims=True)
        return out

    def check(self, x: Array) -> None:
        """Refuse points that are not on the unit sphere."""
        if x.shape[-1] < 2:
            raise NotSupported("the unit sphere of R is two points: d ≥ 2 is needed")
        with np.errstate(over="ignore"):
            radii = np.linalg.norm(x, axis=-1)
        worst = np.unravel_index(int(np.argmax(np.abs(radii - 1))), radii.shape)
        if abs(radii[worst] - 1) > ON_SPHERE:
            raise InvalidInput(
                f"points must be on the unit sphere, |x| = 1 within {ON_SPHERE:g}, got |x{list(map(int, worst))}| = "
                f"{radii[worst]:.17g}: divide each point by its norm"
            )

    def tangent(self, x: Array, v: Array) -> Array:
        """P_x v = v − ⟨x, v⟩ x / |x|²."""
        radial = np.sum(x * v, axis=-1, keepdims=True) / np.sum(x * x, axis=-1, keepdims=True)
        out: Array = v - radial * x
        return out

    def distance(self, x: Array, y: Array) -> Array:
        """The angle between x and y, by 2 arctan(|x − y| / |x + y|), which keeps its digits at 0 and at π."""
        apart, across = (np.linalg.norm(z, axis=-1) for z in (np.subtract(x, y), np.add(x, y)))
        return np.asarray(2 * np.arctan2(apart, across))

    def between(self, x: Array, y: Array, s: float) -> Array:
        """cos(sθ) x + sin(sθ) u, u the direction of y at x and θ their angle; refused for opposite points."""
        towards = self.tangent(x, y)
        length = np.linalg.norm(towards, axis=-1, keepdims=True)
        angle = np.arctan2(length, np.sum(x * y, axis=-1, keepdims=True))
        if (angle > np.pi - ON_SPHERE).any():
            raise NotSupported("there is more than one shortest way between opposite points of the sphere")
        unit = towards / np.where(length > 0.0, length, 1.0)
        return self.project(np.cos(s * angle) * x + np.sin(s * angle) * unit)

    def axis_periods(self, d: int) -> tuple[float | None, ...]:
        """Refused: the coordinates x of R^d fill no box."""
        raise NotSupported(
            "a grid has no axes along the unit sphere: use simulate, or on_circle() for a field of the plane"
        )


@dataclass(frozen=True, eq=False)
class Torus(Space):
    """A flat torus: a box of R^d whose opposite sides are one, coordinates in [0, period) along each axis.

    Parameters
    ----------
    periods : tuple of float
        One positive number for each axis.

    Raises
    ------
    InvalidInput
        For no periods, or one that is not positive.
    """

    periods: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse periods that are not positive."""
        given = np.atleast_1d(as_finite(self.periods, "periods"))
        if given.ndim != 1 or given.size == 0 or (given <= 0).any():
            raise InvalidInput(f"periods must be one positive number for each axis, got {self.periods!r}")
        object.__setattr__(self, "periods", tuple(float(period) for period in given))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Torus) and self.periods == other.periods

    def __hash__(self) -> int:
        return hash(self.periods)

    def project(self, x: Array) -> Array:
        """Coordinates modulo their periods, in [0, period)."""
        lengths = np.array(self.periods)
        turned = np.mod(x, lengths)
        # The remainder of a tiny negative number rounds to the period itself, which is 0.
        return np.asarray(np.where(turned >= lengths, 0.0, turned))

    def check(self, x: Array) -> None:
        """Refuse points with another number of coordinates."""
        self.axis_periods(x.shape[-1])

    def nearest(self, x: Array, y: Array) -> Array:
        """y plus whole periods, within half a period of x."""
        lengths = np.array(self.periods)
        return np.asarray(y - lengths * np.round(np.subtract(y, x) / lengths))

    def distance(self, x: Array, y: Array) -> Array:
        """The Euclidean length of x − y taken to the nearest of its periodic images."""
        lengths = np.array(self.periods)
        apart = np.subtract(x, y)
        return np.asarray(np.linalg.norm(apart - lengths * np.round(apart / lengths), axis=-1))

    def between(self, x: Array, y: Array, s: float) -> Array:
        """x + s δ modulo the periods, δ the shortest difference y − x."""
        return self.project(x + s * (self.nearest(x, y) - x))

    def axis_periods(self, d: int) -> tuple[float | None, ...]:
        """The periods, refused where d is not their number."""
        if d != len(self.periods):
            raise InvalidInput(f"{self!r} has {len(self.periods)} coordinates, its points were given {d}")
        return self.periods


@dataclass(frozen=True, eq=False)
class Circle(Torus):
    """The unit circle in the angle θ: one coordinate of period 2π, in [0, 2π); in the plane (cos θ, sin θ).

    A field that is given in the plane is carried to angles by `embed`, the point of an angle, and `pull`, the angular
    velocity of a velocity there; a field of angles needs neither.
    """

    periods: tuple[float, ...] = field(default=(2 * np.pi,), init=False, repr=False)

    def embed(self, x: Array) -> Array:
        """(cos θ, sin θ), shape (..., 2)."""
        return np.stack([np.cos(x[..., 0]), np.sin(x[..., 0])], axis=-1)

    def pull(self, x: Array, v: Array) -> Array:
        """The angular velocity ⟨v, (−sin θ, cos θ)⟩ of v (..., 2), shape (..., 1)."""
        angles = x[..., 0]
        turn = np.cos(angles) * v[..., 1] - np.sin(angles) * v[..., 0]
        return np.asarray(turn[..., None])
