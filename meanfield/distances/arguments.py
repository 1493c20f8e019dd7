"""What the distances accept: weighted points, or piecewise-constant densities on a grid."""

from __future__ import annotations

import math
import sys
import warnings
from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.pieces import ConvexPieces, pieces_of_grid
from meanfield.measures.grid import GridMeasure
from particles.checks import Array, as_points, as_weights
from particles.errors import InvalidInput, NotSupported
from particles.measure import EmpiricalMeasure, Measure


class Atoms(NamedTuple):
    """Checked points (n, d) and masses (n,), atoms of mass zero left out."""

    points: Array
    weights: Array
    uniform: bool


def as_atoms(mu: Measure, name: str) -> Atoms:
    """Points and masses of a measure; refused: arrays, densities, NaN, negative or missing mass, no points."""
    if isinstance(mu, EmpiricalMeasure):
        points, weights = mu.points, mu.weights
    elif isinstance(mu, GridMeasure):
        raise NotSupported(
            f"{name} is a density on a grid, points are needed here: EmpiricalMeasure({name}.points, {name}.weights) "
            f"takes its cells for atoms, wasserstein_bracket({name}, ...) bounds the distance of the density itself"
        )
    elif isinstance(mu, ConvexPieces):
        raise NotSupported(
            f"{name} is a density on pieces of the plane, points are needed here: EmpiricalMeasure({name}.points, "
            f"{name}.weights) takes its pieces for atoms, wasserstein(cloud, {name}) is exact against a cloud"
        )
    elif isinstance(mu, Measure):
        points = as_points(mu.points, f"{name}.points")
        weights = as_weights(mu.weights, len(points), f"{name}.weights")
    else:
        raise InvalidInput(
            f"{name} must be a measure (EmpiricalMeasure, or a measure on a grid), got {type(mu).__name__}: "
            "write EmpiricalMeasure(points) or EmpiricalMeasure(points, weights)"
        )
    smallest, largest = float(weights.min()), float(weights.max())
    if smallest == 0.0:
        kept = weights > 0
        points, weights = points[kept], weights[kept]
        smallest = float(weights.min())
    return Atoms(points, weights, smallest == largest)


def as_pieces(mu: Measure | GridMeasure, name: str) -> ConvexPieces | None:
    """The pieces of a density in the plane, None for what is no density; refused: densities of other dimensions."""
    if isinstance(mu, ConvexPieces):
        return mu
    if not isinstance(mu, GridMeasure):
        return None
    if mu.dim != 2:
        raise NotSupported(
            f"{name} is a density in dimension {mu.dim}; against points it is transported exactly on the line and in "
            f"the plane: wasserstein_bracket({name}, ...) bounds the distance"
        )
    return pieces_of_grid(mu)


STRAIGHT = (
    "this function knows straight lines only: take wasserstein(mu, nu, ground=model.space), or, where straight ones "
    "are meant, EmpiricalMeasure(mu.points, mu.weights)"
)
"""What to do about a warning of periodic coordinates where no other distance is known."""


def warn_of_periods(remedy: str, *measures: Measure | GridMeasure) -> None:
    """Warn where straight distances are taken between measures whose coordinates are known to be periodic.

    Called by a public function that is decorated once: the warning names the line that called it.
    """
    for mu in measures:
        periods = getattr(mu, "periods", None)
        if periods is None:
            continue
        lengths = ", ".join("none" if length is None else f"{length:.6g}" for length in periods)
        warnings.warn(
            f"the distance takes periodic coordinates for straight ones: points just above 0 and just below the period "
            f"(here {lengths}) are far apart in it and not on the circle or torus that the run was on; {remedy}",
            stacklevel=4,
        )
        return


PASS_GROUND = "pass the space of the model, ground=model.space (Circle() or Torus(...)), or ground=Euclidean()"
"""What to do about a warning of periodic coordinates where a caller may name the space."""


def as_order(p: float) -> float:
    """The exponent of W_p, 1 ≤ p < ∞."""
    if (
        isinstance(p, bool)
        or not isinstance(p, (int, float, np.integer, np.floating))
        or not 1 <= p <= sys.float_info.max
    ):
        raise InvalidInput(
            f"p must be a finite number, at least 1, got {p!r}: W_p is no metric below 1, and W_∞ (a bottleneck "
            "problem) is not computed here"
        )
    return float(p)


def require_same_dim(d_mu: int, d_nu: int) -> None:
    """Refuse measures in spaces of different dimension."""
    if d_mu != d_nu:
        raise InvalidInput(f"mu and nu must live in the same space, got dimensions {d_mu} and {d_nu}")


def require_finite(distance: float) -> float:
    """Refuse points so far apart that their difference overflows float64."""
    if not np.isfinite(distance):
        raise InvalidInput("mu and nu are farther apart than float64 can hold (above 1e308): rescale the points")
    return distance


def power_of_two(size: float) -> float:
    """The largest power of two up to `size`, 1 for 0: dividing by it rounds nothing, where no subnormal is met."""
    return math.ldexp(1.0, math.frexp(size)[1] - 1) if size > 0.0 else 1.0
