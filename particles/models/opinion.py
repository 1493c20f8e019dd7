"""Opinion dynamics: tokens that move towards the average of those near them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from particles.checks import Array, hold, positive
from particles.errors import InvalidInput
from particles.fields.compiled_sum import CompiledSum, pair_sum, registered_sum
from particles.fields.dimension import AnyDimension
from particles.fields.query import check_query
from particles.kernels.loops.pair_terms import CONFIDENCE
from particles.kernels.pairwise import Kernel, pair_sums
from particles.measure import Measure

TIE = 1e-12
"""Distances this close to a radius, relatively, are equal to it: a tie in exact arithmetic stays one in float64."""


@dataclass(frozen=True, eq=False)
class Averaging(AnyDimension):
    """X[μ](x) = ∫ φ(|x − y|²)(y − x) dμ(y) / ∫ φ(|x − y|²) dμ(y), for a subclass that gives φ.

    The convex hull of the tokens shrinks, so their diameter never increases. A point that sees no mass stays where it
    is. On the line the flow keeps the order of the tokens where φ is continuous. Euler(dt=1), the synchronous
    averaging map, keeps it where log φ(r²) is concave in r (a Gaussian, bounded confidence), and may exchange tokens
    elsewhere.
    """

    @abstractmethod
    def influence(self, squared: Array) -> Array:
        """φ at squared distances."""

    @property
    @abstractmethod
    def reach(self) -> float | None:
        """A distance beyond which φ vanishes, None where there is none."""

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """X[mu](x): x (m, d) to (m, d)."""
        points, mu = check_query(self.dim, t, x, mu)
        moment, mass = pair_sums(points, mu.points, mu.weights, self.influence, reach=self.reach)
        return np.divide(moment, mass[:, None], out=np.zeros_like(moment), where=mass[:, None] > 0)


@dataclass(frozen=True, eq=False)
class Krause(Averaging):
    """Krause's model with any kernel: x_i' = Σ_j a_ij (x_j − x_i), a_ij = φ(|x_i − x_j|²) / Σ_k φ(|x_i − x_k|²).

    Section 1.3.4 of the source.

    Parameters
    ----------
    phi : function
        φ, a vectorised function of squared distances with values ≥ 0.
    radius : float, optional
        Where phi vanishes beyond that distance, makes a sum over neighbours of a sum over all pairs.
    dim : int, optional
        d, None for any.

    Raises
    ------
    InvalidInput
        For values of phi that are negative, not finite or of another shape.
    """

    phi: Kernel
    radius: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no kernel."""
        super().__post_init__()
        if not callable(self.phi):
            raise InvalidInput(f"phi must be a function of squared distances, got {self.phi!r}")
        if self.radius is not None:
            hold(self, radius=positive(self.radius, "radius"))

    @property
    def reach(self) -> float | None:
        """The radius."""
        return self.radius

    def influence(self, squared: Array) -> Array:
        """φ, checked."""
        values = np.asarray(self.phi(squared), dtype=float)
        if values.shape != squared.shape or not np.isfinite(values).all() or (values < 0).any():
            raise InvalidInput(
                "phi must map an array of squared distances to finite values ≥ 0 of the same shape, "
                f"got shape {values.shape} for {squared.shape}"
                + (f" and values in [{values.min():g}, {values.max():g}]" if values.size else "")
            )
        return values


@dataclass(frozen=True, eq=False)
class HegselmannKrause(Averaging):
    """Bounded confidence: x_i' = mean{x_j : |x_j − x_i| ≤ radius} − x_i.

    Euler(dt=1) is the synchronous map of Hegselmann and Krause (2002), which freezes after finitely many steps. A
    distance equal to the radius counts as within it, also after rounding (relative 1e-12). Clusters end more than a
    radius apart. The field jumps where a pair comes within reach: an error-controlled step finds the instant.

    Parameters
    ----------
    radius : float
        The confidence, positive.
    dim : int, optional
        d, None for any.

    Raises
    ------
    InvalidInput
        For a radius that is not positive.
    """

    radius: float

    def __post_init__(self) -> None:
        """Refuse a radius that is not positive."""
        super().__post_init__()
        hold(self, radius=positive(self.radius, "radius"))

    @property
    def reach(self) -> float:
        """The radius."""
        return self.radius

    def influence(self, squared: Array) -> Array:
        """1 within the radius, 0 beyond."""
        return np.asarray(squared <= self.radius**2 * (1 + 2 * TIE), dtype=float)


@registered_sum
def _(field: HegselmannKrause) -> CompiledSum:
    return pair_sum(field.dim, 1.0, CONFIDENCE, field.radius**2 * (1 + 2 * TIE))
