"""Semi-discrete transport of a density to weighted points: frames, the dual solution, what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from meanfield.distances.arguments import Atoms, power_of_two, require_finite
from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.levels import Solved
from meanfield.distances.semidiscrete.pieces import ConvexPieces, PieceTree, piece_tree
from meanfield.distances.semidiscrete.tiers import solve_tiers
from particles.checks import Array
from particles.errors import NotConverged

TOLERANCE = 1e-10
"""Largest L¹ error of the cells' masses that counts as solved."""

_AIM, _STEPS = 1e-12, 40


class Frame(NamedTuple):
    """x = origin + unit x', y = centre + scale y' / unit, so that ⟨x', y'⟩ is the centred product over `scale`."""

    origin: Array
    unit: Array
    centre: Array
    scale: float


@dataclass(frozen=True)
class SemiDiscrete:
    """The transport of a density to points (n, 2) with weights (n,), as they were given; equal points are one cell.

    `cell` (n,) names each point's cell. Of the cells: site (k, 2), weight, mass, centroid (k, 2), squared cost
    ∫ |x − y|² dμ over the cell, and the potential ψ for which the cell is where |x − y|² − ψ is the least. `error` is
    Σ |mass − weight|.
    """

    cell: Index
    site: Array
    weight: Array
    mass: Array
    centroid: Array
    cost: Array
    potential: Array
    error: float
    steps: int
    solved: Solved
    frame: Frame

    @property
    def squared(self) -> float:
        """The dual value, W₂² up to rounding and to second order in the error of the masses."""
        gap = self.weight - self.mass
        return float(np.einsum("k->", self.cost) + np.einsum("k,k->", gap, self.potential))

    def require(self) -> SemiDiscrete:
        """Itself, or NotConverged where the masses are off by more than TOLERANCE."""
        if not self.error <= TOLERANCE:
            raise NotConverged(
                f"the masses of {len(self.site)} power cells are off by {self.error:.2g} in L¹ after {self.steps} "
                f"Newton steps, {TOLERANCE:g} is asked for; use wasserstein_bracket(mu, nu), which needs no convergence"
            )
        return self

    @property
    def spread(self) -> Array:
        """Covariances of the cells as columns xx, xy, yy, shape (k, 3); 0 for empty cells."""
        cells, u = self.solved.state.cells, self.frame.unit
        out = np.zeros((len(self.mass), 3))
        held = cells.mass > 0.0
        squares = np.array([u[0] * u[0], u[0] * u[1], u[1] * u[1]])
        out[self.solved.place[held]] = cells.second[held] / cells.mass[held, None] * squares
        return out

    @property
    def point_gradient(self) -> Array:
        """∂W₂²/∂y of each cell's site, 2 ν (y − centroid), shape (k, 2)."""
        return np.asarray(2.0 * self.weight[:, None] * (self.site - self.centroid))

    @property
    def weight_gradient(self) -> Array:
        """∂W₂²/∂ν of each cell, ψ up to a constant (chosen so that Σ ν ψ = 0), shape (k,)."""
        return np.asarray(self.potential - np.einsum("k,k->", self.weight, self.potential))


def solve(atoms: Atoms, density: ConvexPieces, aim: float = _AIM) -> SemiDiscrete:
    """Transport of the density to the points, converged or not: `require` and the bounds tell."""
    site, label = np.unique(atoms.points + 0.0, axis=0, return_inverse=True)
    cell = label.ravel()
    weight = np.bincount(cell, atoms.weights, len(site))
    weight = weight / weight.sum()
    frame = _frame(site, weight, density)
    y = (site - frame.centre) * (frame.unit / frame.scale)
    pieces, box = _pieces(density, frame)
    solved = solve_tiers(y, weight, pieces, box, aim, _STEPS)
    return _unsorted(solved, cell, site, weight, frame)


def _frame(site: Array, weight: Array, density: ConvexPieces) -> Frame:
    """Both sides about their means; the density of extent 1 along each axis, which leaves products as they are."""
    held = np.repeat(density.weights > 0, np.diff(density.start))
    corners = density.corners[held]
    origin = density.weights @ density.points
    centre = site[0] + weight @ (site - site[0])
    with np.errstate(over="ignore"):
        extent = np.abs(corners - origin).max(axis=0)
        spread = np.abs(site - centre).max(axis=0)
        require_finite(float(extent.max() + spread.max() + np.abs(origin - centre).max()))
    unit = np.array([power_of_two(float(e)) for e in extent])
    return Frame(origin, unit, centre, power_of_two(float((spread * unit).max())))


def _pieces(density: ConvexPieces, frame: Frame) -> tuple[PieceTree, Array]:
    """The pieces in their frame, and a box a little larger than they."""
    u = frame.unit
    corners = (density.corners - frame.origin) / u
    spread = density.spread / np.array([u[0] * u[0], u[0] * u[1], u[1] * u[1]])
    centroid = (density.points - frame.origin) / u
    tree = piece_tree(corners, density.start, density.weights, density.areas / (u[0] * u[1]), centroid, spread)
    reach = tree.half[0] * 1.001
    return tree, np.concatenate([tree.centre[0] - reach, tree.centre[0] + reach])


def _unsorted(solved: Solved, cell: Index, site: Array, weight: Array, frame: Frame) -> SemiDiscrete:
    cells, place = solved.state.cells, solved.place
    back = np.empty(len(place), np.intp)
    back[place] = np.arange(len(place))
    mass, centroid = cells.mass[back], cells.centroid[back] * frame.unit
    inner = cells.second[back][:, [0, 2]] @ frame.unit**2
    apart = frame.origin - frame.centre
    y = site - frame.centre
    step = centroid - y + apart
    cost = inner + mass * np.einsum("kd,kd->k", step, step)
    product = frame.scale * (solved.state.high + solved.state.low)[back]
    potential = np.einsum("kd,kd->k", y, y) + 2.0 * product - 2.0 * (y @ apart)
    potential -= np.einsum("k,k->", weight, potential)
    return SemiDiscrete(
        cell,
        site,
        weight,
        mass,
        centroid + frame.origin,
        cost,
        potential,
        solved.state.error,
        solved.steps,
        solved,
        frame,
    )
