"""The measures on the way from one to another along a plan: displacement interpolation (McCann 1997)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from meanfield.distances.semidiscrete.parts import parts_of
from meanfield.distances.semidiscrete.pieces import ConvexPieces
from meanfield.distances.semidiscrete.solution import SemiDiscrete
from meanfield.measures.grid import GridMeasure
from particles.checks import Array
from particles.fields.spaces import Space, Torus
from particles.measure import EmpiricalMeasure, Measure

_WIDEN = 1e-6


@dataclass(frozen=True, eq=False)
class AtomPath:
    """Mass π_ij on the shortest way from x_i to y_j in a space."""

    source: Array
    target: Array
    plan: scipy.sparse.csr_array
    space: Space

    def at(self, s: float) -> EmpiricalMeasure:
        """The cloud at s in [0, 1], with the periods of a circle or torus."""
        entries = self.plan.tocoo()
        x, y = self.source[entries.row], self.target[entries.col]
        points = (x, y)[int(s)] if s in (0.0, 1.0) else self.space.between(x, y, s)
        periods = self.space.periods if isinstance(self.space, Torus) else None
        return EmpiricalMeasure(points, entries.data / entries.data.sum(), periods=periods)


@dataclass(frozen=True, eq=False)
class CellPath:
    """Power cells of one density on their way to the points, or to the blocks, of the other measure.

    ends : μ and ν as they were given; found : the power cells; first : whether they are those of μ; spread : the
    covariances of the blocks (k, 3), None for points.
    """

    ends: tuple[Measure | GridMeasure, Measure | GridMeasure]
    found: SemiDiscrete
    first: bool
    spread: Array | None

    def at(self, s: float) -> Measure | GridMeasure:
        """The measure at s in [0, 1]: those given at the ends, ConvexPieces between."""
        if s in (0.0, 1.0):
            return self.ends[int(s)]
        share = s if self.first else 1.0 - s
        matrix = np.broadcast_to((1.0 - share) * np.eye(2), (len(self.found.site), 2, 2))
        shift = share * self.found.site
        if self.spread is not None:
            own = covariance_map(self.found.spread, self._blocks())
            onto = np.stack([own[:, 0], own[:, 1], own[:, 1], own[:, 2]], axis=1).reshape(-1, 2, 2)
            matrix = matrix + share * onto
            shift = shift - share * np.einsum("kij,kj->ki", onto, self.found.centroid)
        pieces: ConvexPieces = parts_of(self.found).moved(matrix, shift)
        return pieces

    def _blocks(self) -> Array:
        """The covariance of the block of each cell."""
        assert self.spread is not None
        out = np.empty((len(self.found.site), 3))
        out[self.found.cell] = self.spread
        return out


def covariance_map(source: Array, target: Array) -> Array:
    """The symmetric positive G with G S G = T, for covariances in the plane as rows (xx, xy, yy).

    G = √(τ/σ) M / √det M with M = adj(S)/σ + T/τ, σ² = det S, τ² = det T (the geometric mean of S⁻¹ and T in closed
    form). Flat covariances are widened a little.
    """
    s, t = (m + _WIDEN * (m[:, :1] + m[:, 2:] + 1e-300) * np.array([1.0, 0.0, 1.0]) for m in (source, target))
    sigma, tau = (np.sqrt(np.maximum(m[:, 0] * m[:, 2] - m[:, 1] ** 2, 1e-300))[:, None] for m in (s, t))
    mean = np.stack([s[:, 2], -s[:, 1], s[:, 0]], axis=1) / sigma + t / tau
    size = np.sqrt(np.maximum(mean[:, 0] * mean[:, 2] - mean[:, 1] ** 2, 1e-300))[:, None]
    return np.asarray(np.sqrt(tau / sigma) * mean / size)
