"""A law of finitely many equally heavy atoms: real input as an initial law."""

from __future__ import annotations

import numpy.typing as npt

from particles.checks import Array, Rng, as_generator, as_points, count, frozen


class AtomicLaw:
    """The law of a point drawn at random, with replacement, from the given ones (n, d).

    Parameters
    ----------
    points : array (n, d)
        The atoms.

    Raises
    ------
    InvalidInput
        For no points, NaN, infinity.
    """

    __slots__ = ("_points",)

    def __init__(self, points: npt.ArrayLike) -> None:
        self._points = frozen(as_points(points))

    @property
    def points(self) -> Array:
        """Positions of the atoms, shape (n, d), read-only."""
        return self._points

    @property
    def dim(self) -> int:
        """The dimension d of the space."""
        return int(self.points.shape[1])

    def sample(self, n: int, rng: Rng) -> Array:
        """n independent points, shape (n, d)."""
        return self.points[as_generator(rng).integers(len(self.points), size=count(n, "n"))]

    def __reduce__(self) -> tuple[type[AtomicLaw], tuple[Array]]:
        """Pickled as its arguments, so that a copy is as frozen as the original."""
        return AtomicLaw, (self._points,)

    def __repr__(self) -> str:
        return f"AtomicLaw({len(self.points)} points in R^{self.dim})"
