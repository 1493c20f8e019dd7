"""Bounds on W₂ between two densities of the plane, one of them on a grid, through points that stand for that one.

The grid's lines, or every few of them, cut ν into blocks; h₁, h₂ are the widths of a block.

Above. A plan to the means of the blocks, followed by ν inside each block independently of where the mass came from:
W₂²(μ, ν) ≤ W₂²(μ, ν̄) + Σ ∫_block |y − ȳ|² dν.

Below. Let ν̂ carry the mass of each point of a block at the block's corners, with the weights of bilinear interpolation,
and ψ be any numbers at the corners, interpolated alike. φ(x) = max over corners v of ⟨x, v⟩ − ψ_v has
φ(x) + ψ(y) ≥ ⟨x, y⟩ for all x and all y of the blocks, and ∫ ψ dν = ∫ ψ dν̂. So the dual value that bounds W₂²(μ, ν̂) is
too large for W₂²(μ, ν) by no more than ∫ |v|² dν̂ − ∫ |y|² dν.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.arguments import Atoms
from meanfield.distances.bounds.rounding import gamma
from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.cell_bounds import squared_bounds
from meanfield.distances.semidiscrete.pieces import ConvexPieces
from meanfield.distances.semidiscrete.solution import SemiDiscrete, solve
from meanfield.measures.grid import GridMeasure
from particles.checks import Array

_AIM = 1e-8
"""L¹ error of the cells' masses: the bounds hold at any, and are this sharp."""


class Axis(NamedTuple):
    """One axis cut into blocks: their ends (k + 1,); of each cell (n,) block, place in it (0 to 1), itself."""

    ends: Array
    block: Index
    share: Array
    centre: Array
    width: Array

    @classmethod
    def cut(cls, edges: Array, factor: int) -> Axis:
        """Every `factor` cells make a block; the last one may have fewer."""
        starts = np.arange(0, len(edges) - 1, factor)
        ends = np.append(edges[starts], edges[-1])
        block = np.arange(len(edges) - 1) // factor
        centre = 0.5 * (edges[:-1] + edges[1:])
        share = (centre - ends[block]) / (ends[block + 1] - ends[block])
        return cls(ends, block, share, centre, np.diff(edges))

    def corners(self) -> Array:
        """Weights of bilinear interpolation, shape (k + 1, n)."""
        out = np.zeros((len(self.ends), len(self.block)))
        cells = np.arange(len(self.block))
        out[self.block, cells] = 1.0 - self.share
        out[self.block + 1, cells] = self.share
        return out

    def widened(self) -> Array:
        """What interpolation adds to the mean of |y|² over each cell, shape (n,)."""
        whole = np.diff(self.ends)[self.block]
        return np.asarray(self.share * (1.0 - self.share) * whole**2 - self.width**2 / 12.0)


class Blocks(NamedTuple):
    """Blocks of cells with mass: masses (k,), means (k, 2), covariances (k, 3) as xx, xy, yy."""

    mass: Array
    mean: Array
    spread: Array


class Between(NamedTuple):
    """Bounds on W₂(μ, ν)², rounding included, the blocks of ν, and the transport of μ to their means."""

    lower: float
    upper: float
    blocks: Blocks
    found: SemiDiscrete


def between(mu: ConvexPieces, nu: GridMeasure, most: int, diameter2: float) -> Between:
    """Bounds and transport through at most about `most` points; `diameter2` bounds every |x − y|²."""
    factor = max(1, int(np.ceil(np.sqrt(nu.masses.size / most))))
    first, second = (Axis.cut(edges, factor) for edges in nu.grid.edges)
    rounding = 16.0 * gamma(nu.masses.size + 64) * diameter2
    lower = _below(mu, nu, first, second, diameter2) - rounding
    blocks = _blocks(nu, first, second)
    found = solve(Atoms(blocks.mean, blocks.mass, False), mu, _AIM)
    spread = float(blocks.mass @ (blocks.spread[:, 0] + blocks.spread[:, 2])) * (1.0 + gamma(nu.masses.size))
    upper = squared_bounds(found, diameter2)[1] + spread + rounding
    return Between(max(lower, 0.0), upper, blocks, found)


def _below(mu: ConvexPieces, nu: GridMeasure, first: Axis, second: Axis, diameter2: float) -> float:
    at_corners = first.corners() @ nu.masses @ second.corners().T
    i, j = np.nonzero(at_corners)
    atoms = Atoms(np.column_stack([first.ends[i], second.ends[j]]), at_corners[i, j], False)
    widened = float(nu.masses.sum(axis=1) @ first.widened() + nu.masses.sum(axis=0) @ second.widened())
    return squared_bounds(solve(atoms, mu, _AIM), diameter2)[0] - widened * (1.0 + gamma(nu.masses.size))


def _blocks(nu: GridMeasure, first: Axis, second: Axis) -> Blocks:
    label = (first.block[:, None] * (len(second.ends) - 1) + second.block).ravel()
    mass = nu.masses.ravel()
    total = np.bincount(label, mass).astype(np.float64, copy=False)
    held = np.flatnonzero(total)
    x, y = (np.broadcast_to(c, nu.masses.shape).ravel() for c in (first.centre[:, None], second.centre))
    wide, high = (np.broadcast_to(w**2 / 12.0, nu.masses.shape).ravel() for w in (first.width[:, None], second.width))
    with np.errstate(invalid="ignore"):
        means = np.stack([np.bincount(label, mass * c) / total for c in (x, y)], axis=1)
        u, v = x - means[label, 0], y - means[label, 1]
        squares = [np.where(mass > 0, part, 0.0) for part in (u * u + wide, u * v, v * v + high)]
        spread = np.stack([np.bincount(label, mass * part) / total for part in squares], axis=1)
    return Blocks(total[held], means[held], spread[held])
