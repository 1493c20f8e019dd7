"""Flocking: tokens with a position and a velocity that align with their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy

from particles.checks import Array, hold, not_negative, number, positive
from particles.errors import InvalidInput
from particles.fields.compiled_sum import CompiledSum, pair_sum, registered_sum
from particles.fields.dimension import AnyDimension
from particles.fields.discrete_map import DiscreteMap
from particles.fields.query import check_query
from particles.fields.spaces import Torus
from particles.kernels.loops.pair_terms import ALIGNMENT
from particles.kernels.pairwise import pair_sums
from particles.measure import Measure


@dataclass(frozen=True, eq=False)
class CuckerSmale(AnyDimension):
    """Cucker–Smale alignment in phase space, the state of a token being (x, v) along its components, d = 2m.

        x_i' = v_i,    v_i' = strength · Σ_j w_j ψ(|x_i − x_j|) (v_j − v_i),    ψ(r) = (1 + r²)^{−beta}

    The mean velocity is constant, the kinetic energy about it decreases, the velocities' convex hull shrinks. Flocking
    is unconditional for beta ≤ 1/2 and depends on the initial state above. Two tokens on a line keep
    v₁ − v₂ + strength ∫₀^{x₁ − x₂} ψ. Cucker, Smale (2007).

    Parameters
    ----------
    beta : float
        The decay of ψ, ≥ 0.
    strength : float
        Positive.
    dim : int, optional
        d = 2m, None for any.

    Raises
    ------
    InvalidInput
        For odd d, beta < 0, strength ≤ 0.
    """

    beta: float
    strength: float

    def __post_init__(self) -> None:
        """Refuse parameters out of range and an odd dimension."""
        super().__post_init__()
        hold(self, beta=not_negative(self.beta, "beta"))
        hold(self, strength=positive(self.strength, "strength"))
        if self.dim is not None and self.dim % 2:
            raise InvalidInput(f"the state of a token is (x, v): its components must be even in number, got {self.dim}")

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """(v, strength ∫ ψ(|x − y|)(u − v) dμ(y, u)) at states (x, v), (m, 2m) to (m, 2m)."""
        points, mu = check_query(self.dim, t, x, mu)
        (position, speed), (others, speeds) = _halves(points), _halves(mu.points)
        sums = pair_sums(position, others, mu.weights, self.alignment, a=speed, b=speeds)
        return np.concatenate([speed, self.strength * sums.moment], axis=1)

    def divergence(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """−m · strength · ∫ ψ(|x − y|) dμ(y, u)."""
        points, mu = check_query(self.dim, t, x, mu)
        (position, speed), (others, _) = _halves(points), _halves(mu.points)
        seen = pair_sums(position, others, mu.weights, self.alignment).mass
        return np.asarray(-speed.shape[1] * self.strength * seen)

    def alignment(self, squared: Array) -> Array:
        """ψ at squared distances."""
        return np.asarray((1 + squared) ** -self.beta)


@registered_sum
def _(field: CuckerSmale) -> CompiledSum:
    return pair_sum(field.dim, field.strength, ALIGNMENT, -field.beta)


def _halves(state: Array) -> tuple[Array, Array]:
    m = state.shape[-1] // 2
    return state[:, :m], state[:, m:]


@dataclass(frozen=True, eq=False)
class PeriodicSquare(Torus):
    """Positions in a periodic square, and headings: initial positions outside the square are refused."""

    def check(self, x: Array) -> None:
        """Refuse positions outside the box."""
        super().check(x)
        positions, box = x[..., :2], self.periods[0]
        if (positions < 0).any() or (positions >= box).any():
            raise InvalidInput(
                f"positions must lie in the periodic box [0, {box:g})², got coordinates from {positions.min():g} "
                f"to {positions.max():g}: take them modulo {box:g}"
            )


@dataclass(frozen=True, eq=False)
class Vicsek(DiscreteMap):
    """Vicsek's model in a periodic square: the state of a token is (x, y, θ), its position and heading.

        x_i ← x_i + speed (cos θ_i, sin θ_i),    θ_i ← arg Σ_{j: |x_j − x_i| ≤ radius} w_j e^{iθ_j} + noise · U(−½, ½)

    Positions move with the heading before the turn, as in Vicsek, Czirók, Ben-Jacob, Cohen, Shochet (1995); distances
    are periodic with period `box`; headings lie in (−π, π]. When all see all, the polarisation |Σ_j w_j e^{iθ_j}| of
    n → ∞ tokens after a step is sin(noise/2)/(noise/2).

    Parameters
    ----------
    radius : float
        Within which tokens see each other, positive.
    noise : float
        The width of the noise, in [0, 2π].
    speed : float
        The length of a step.
    box : float
        The period, positive.

    Raises
    ------
    InvalidInput
        For noise outside [0, 2π], positions outside the box.
    """

    dim: ClassVar[int] = 3

    radius: float
    noise: float
    speed: float
    box: float = 1.0

    def __post_init__(self) -> None:
        """Refuse parameters out of range."""
        hold(self, radius=positive(self.radius, "radius"))
        hold(self, box=positive(self.box, "box"))
        hold(self, noise=number(self.noise, "noise"))
        if not 0 <= self.noise <= 2 * np.pi:
            raise InvalidInput(f"noise must lie in [0, 2π], the width of the angles that are added, got {self.noise!r}")
        hold(self, speed=not_negative(self.speed, "speed"))

    @property
    def space(self) -> PeriodicSquare:  # type: ignore[override]
        """The periodic square and the heading."""
        return PeriodicSquare((self.box, self.box, 2 * np.pi))

    def step(self, k: int, x: Array, w: Array, rng: np.random.Generator) -> Array:
        """Positions forward with the old headings, headings to those of the neighbours plus noise."""
        positions, angles = x[:, :2], x[:, 2]
        headings = np.column_stack([np.cos(angles), np.sin(angles)])
        mean = self._neighbours(positions, w[:, None] * headings)
        turned = np.arctan2(mean[:, 1], mean[:, 0]) + self.noise * (rng.random(len(x)) - 0.5)
        moved = np.mod(positions + self.speed * headings, self.box)
        # The remainder of a tiny negative number rounds to the box itself, which is 0.
        moved[moved >= self.box] = 0.0
        return np.column_stack([moved, np.arctan2(np.sin(turned), np.cos(turned))])

    def _neighbours(self, positions: Array, vectors: Array) -> Array:
        if self.radius >= self.box / np.sqrt(2):
            return np.broadcast_to(vectors.sum(axis=0), vectors.shape)
        tree = scipy.spatial.cKDTree(positions, boxsize=self.box)
        i, j = tree.query_pairs(self.radius, output_type="ndarray").T
        total = vectors.copy()
        for k in range(2):
            total[:, k] += np.bincount(i, vectors[j, k], minlength=len(vectors))
            total[:, k] += np.bincount(j, vectors[i, k], minlength=len(vectors))
        return total


def polarisation(angles: Array, w: Array) -> Array:
    """|Σ_j w_j e^{iθ_j}| of headings (..., n): 1 where all agree, 0 where they cancel."""
    return np.asarray(np.abs(np.exp(1j * angles) @ w))
