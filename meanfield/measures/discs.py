"""The uniform law on a disc or a ring of the plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from meanfield.measures.cells import Edges
from meanfield.measures.laws import ConstantLaw
from particles.checks import Array, Rng, as_finite, as_generator, as_points, count, frozen, hold, number, positive
from particles.errors import InvalidInput


class Ring(ConstantLaw):
    """The uniform law on the ring inner ≤ |x − centre| ≤ outer of the plane; a disc where inner = 0.

    Parameters
    ----------
    centre : array (2,)
        The centre.
    inner, outer : float
        The radii, 0 ≤ inner < outer.

    Raises
    ------
    InvalidInput
        For a centre that is no point of the plane, radii out of order.
    """

    centre: Array
    inner: float
    outer: float

    def __init__(self, centre: npt.ArrayLike, inner: float, outer: float) -> None:
        middle = frozen(as_finite(centre, "centre"))
        if middle.shape != (2,):
            raise InvalidInput(f"centre must be a point of the plane, got shape {middle.shape}")
        hold(self, centre=middle, inner=number(inner, "inner"), outer=positive(outer, "outer"))
        if not 0 <= self.inner < self.outer:
            raise InvalidInput(f"0 ≤ inner < outer must hold, got inner = {self.inner:g}, outer = {self.outer:g}")

    def __repr__(self) -> str:
        return f"Ring({self.centre.tolist()}, {self.inner:g}, {self.outer:g})"

    @property
    def dim(self) -> int:
        """2."""
        return 2

    @property
    def area(self) -> float:
        """π (outer² − inner²)."""
        return float(np.pi * (self.outer**2 - self.inner**2))

    def density(self, x: npt.ArrayLike) -> Array:
        """1/area on the closed ring, 0 elsewhere."""
        radius = np.linalg.norm(as_points(x, "x", dim=2) - self.centre, axis=1)
        return np.asarray(((radius >= self.inner) & (radius <= self.outer)) / self.area)

    def cell_masses(self, edges: Edges) -> Array:
        """Areas of overlap, in closed form."""
        x, y = (np.asarray(e) - c for e, c in zip(edges, self.centre, strict=True))
        corner = _corner_area(x[:, None], y[None, :], self.outer)
        if self.inner:
            corner = corner - _corner_area(x[:, None], y[None, :], self.inner)
        # Differences of areas round to a little less than nothing far outside.
        return np.asarray(np.maximum(np.diff(np.diff(corner, axis=0), axis=1), 0.0) / self.area)

    def mean(self) -> Array:
        """The centre."""
        return self.centre

    def covariance(self) -> Array:
        """(inner² + outer²)/4 along each axis."""
        return np.eye(2) * (self.inner**2 + self.outer**2) / 4

    def sample(self, n: int, rng: Rng) -> Array:
        """n independent points, shape (n, 2)."""
        n, rng = count(n, "n", least=0), as_generator(rng)
        radius = np.sqrt(rng.uniform(self.inner**2, self.outer**2, n))
        angle = rng.uniform(0, 2 * np.pi, n)
        return np.asarray(self.centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))


class Disc(Ring):
    """The uniform law on a disc of the plane, `Disc([0, 0], 1.0)`.

    Parameters
    ----------
    centre : array (2,)
        The centre.
    radius : float
        The radius, positive.

    Raises
    ------
    InvalidInput
        For a centre that is no point of the plane, a radius that is not positive.
    """

    def __init__(self, centre: npt.ArrayLike, radius: float) -> None:
        super().__init__(centre, 0.0, positive(radius, "radius"))

    def __repr__(self) -> str:
        return f"Disc({self.centre.tolist()}, {self.outer:g})"


def _corner_area(x: Array, y: Array, radius: float) -> Array:
    """The area of {X ≤ x, Y ≤ y} within the disc |(X, Y)| ≤ radius: chords below y, integrated over X up to x."""
    x, y = np.clip(x, -radius, radius), np.clip(y, -radius, radius)
    turn = np.sqrt(np.maximum(radius**2 - y**2, 0.0))
    inner = np.clip(x, -turn, turn)
    cut = _half_chords(inner, radius) - _half_chords(-turn, radius) + y * (inner + turn)
    left = _half_chords(np.minimum(x, -turn), radius) - _half_chords(-radius, radius)
    right = _half_chords(np.maximum(x, turn), radius) - _half_chords(turn, radius)
    return np.asarray(np.where(y >= 0, cut + 2 * (left + right), cut))


def _half_chords(x: Array | float, radius: float) -> Array:
    """∫ √(radius² − X²) dX up to x, from 0."""
    x = np.asarray(x)
    return np.asarray(x * np.sqrt(np.maximum(radius**2 - x**2, 0.0)) + radius**2 * np.arcsin(x / radius)) / 2
