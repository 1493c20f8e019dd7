"""Empirical measures: weighted points in R^d."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from particles.checks import Array, Immutable, Periods, as_periods, as_points, as_weights, frozen, hold
from particles.errors import InvalidInput


@runtime_checkable
class Measure(Protocol):
    """What a velocity field needs of a measure: atoms (n, d) and their masses (n,), total 1.

    EmpiricalMeasure has them; so has a measure on a grid, through its cell centres and cell masses.
    """

    @property
    def points(self) -> Array:
        """Positions of the atoms, shape (n, d)."""

    @property
    def weights(self) -> Array:
        """Masses of the atoms, shape (n,), non-negative, total 1."""


class EmpiricalMeasure(Immutable):
    """The measure μ = Σ_j w_j δ_{x_j}.

    Parameters
    ----------
    points : array (n, d), or (n,) on the line
        x_j.
    weights : array (n,), optional
        w_j, None for 1/n each.
    periods : sequence of d numbers or None, optional
        The period of each coordinate on a circle or torus, None for a straight one: distances warn where they take
        such points for points of R^d. None where all are straight.

    Raises
    ------
    InvalidInput
        For NaN, infinity, no points, negative weights, a total mass off 1 by more than 1e-9, periods that are no d
        positive numbers.
    """

    _points: Array
    _weights: Array
    periods: Periods | None

    def __init__(
        self,
        points: npt.ArrayLike,
        weights: npt.ArrayLike | None = None,
        *,
        periods: Sequence[float | None] | None = None,
    ) -> None:
        atoms = frozen(as_points(points))
        known = as_periods(periods, atoms.shape[1])
        hold(self, _points=atoms, _weights=frozen(as_weights(weights, len(atoms))), periods=known)

    @property
    def points(self) -> Array:
        """Positions of the atoms, shape (n, d), read-only."""
        return self._points

    @property
    def weights(self) -> Array:
        """Masses of the atoms, shape (n,), read-only, total 1."""
        return self._weights

    @property
    def dim(self) -> int:
        """The dimension d of the space."""
        return int(self._points.shape[1])

    def __len__(self) -> int:
        return len(self._points)

    def __repr__(self) -> str:
        return f"EmpiricalMeasure({len(self)} points in R^{self.dim})"

    def _shown(self) -> dict[str, object]:
        spread = np.sqrt(np.diag(self.covariance()))
        return {"points": f"{len(self)} in R^{self.dim}", "mean": self.mean(), "standard deviation": spread}

    def mean(self) -> Array:
        """∫ x dμ, shape (d,)."""
        return self._weights @ self._points

    def covariance(self) -> Array:
        """∫ (x − m)(x − m)ᵀ dμ, shape (d, d), centred before it is squared."""
        centred = self._points - self.mean()
        return (centred.T * self._weights) @ centred

    def push_forward(self, flow: Callable[[Array], npt.ArrayLike]) -> EmpiricalMeasure:
        """The measure T#μ = Σ_j w_j δ_{T(x_j)}; `flow` maps (n, d) to (n, d')."""
        if not callable(flow):
            raise InvalidInput(f"flow must be a function of points (n, d), got {type(flow).__name__}")
        moved = as_points(flow(np.array(self._points)), "flow(points)")
        if len(moved) != len(self):
            raise InvalidInput(f"flow must map {len(self)} points to as many, got {len(moved)}: keep one row a point")
        return EmpiricalMeasure(moved, self._weights)


class Atoms(NamedTuple):
    """A measure that is not checked: what the time loop hands to a field at every stage."""

    points: Array
    weights: Array
