"""What a field is asked for: a time, points and a measure, checked."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy.typing as npt

from particles.checks import Array, as_finite, as_points, number
from particles.errors import InvalidInput
from particles.measure import Atoms, Measure


def check_query(dim: int | None, t: float, x: npt.ArrayLike, mu: Measure) -> tuple[Array, Atoms]:
    """A finite time, finite points x (m, d) and the atoms of mu in the same R^d, d = `dim` where that is known."""
    number(t, "t")
    points = as_points(x, "x", dim=dim)
    if isinstance(mu, Atoms) and mu.points is x:
        return points, Atoms(points, mu.weights)
    return points, _atoms(mu, points.shape[1])


def _atoms(mu: Measure, dim: int) -> Atoms:
    """The points (n, dim) and masses (n,) of a measure of any kind; refused: other objects, NaN, negative masses."""
    try:
        points, weights = mu.points, mu.weights
    except AttributeError:
        raise InvalidInput(
            f"mu must be a measure, with points and weights, got {type(mu).__name__}: write EmpiricalMeasure(points)"
        ) from None
    y, w = as_points(points, "mu.points", dim=dim), as_finite(weights, "mu.weights")
    if w.shape != (len(y),) or (w < 0).any():
        raise InvalidInput(f"mu.weights must be non-negative, one for each of {len(y)} points, got shape {w.shape}")
    return Atoms(y, w)


class Dimensioned(Protocol):
    """What has a dimension, known or None: a field, a discrete map."""

    @property
    def dim(self) -> int | None:
        """The dimension d of the state of one particle; None for any."""


Model = TypeVar("Model", bound=Dimensioned)


def checked_dimension(model: Model, d: int) -> Model:
    """The model itself where its tokens may have d components, else refused."""
    if model.dim not in (None, d):
        raise InvalidInput(f"the model has dimension {model.dim}, its tokens have {d} components: they must agree")
    return model
