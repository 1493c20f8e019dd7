"""Potentials carried from groups of sites to their halves.

The cell of a group is cut across the line between its halves where the halves get their masses, as if the mass lay
evenly along that line: from x̄ − √3 σ to x̄ + √3 σ, x̄ and σ² the cell's mean and variance along it. For a group of mean
y and b its halves y_1, y_2 of shares q, 1 − q get b + β_1 and b + β_2. There ⟨y_1 − y, x⟩ + β_1 and ⟨y_2 − y, x⟩ + β_2
are equal on the cut and of mean 0 over the border of the cell (a square cut across): what the halves take from the
neighbours they lose to them as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index, build
from meanfield.distances.semidiscrete.dual_function import Problem, add
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.pieces import PieceTree
from particles.checks import Array

_END = 3.0**0.5

_LOWERED = 1.5
"""The mean over the border of a square of the larger of the two, in units of that over the square."""


class Level(NamedTuple):
    """Groups of sites: means (k, 2), masses (k,) and the places where they begin."""

    y: Array
    nu: Array
    start: Index


class Potentials(NamedTuple):
    """b = high + low of groups (k,), and the centroids (k, 2) and covariances (k, 3; xx, xy, yy) of their cells."""

    high: Array
    low: Array
    centroid: Array
    spread: Array


def group(sites: Level, start: Index) -> Level:
    """The groups of sites that begin at `start`."""
    nu = np.add.reduceat(sites.nu, start)
    label = np.repeat(np.arange(len(start)), np.diff(np.append(start, len(sites.nu))))
    origin = sites.y[start]
    share = sites.nu / nu[label]
    mean = origin + np.add.reduceat(share[:, None] * (sites.y - origin[label]), start)
    return Level(mean, nu, start)


def as_problem(level: Level, pieces: PieceTree, box: Array) -> tuple[Problem, Index]:
    """The transport of the density to groups of sites, and the order in which it holds them."""
    tree = build(level.y, LEAF)
    y = np.ascontiguousarray(level.y[tree.order])
    return Problem(tree, y, level.nu[tree.order], pieces, box), tree.order


def split(groups: Level, finer: Level, known: Potentials) -> Potentials:
    """The potentials of groups some of which are halved in `finer`, and about what their cells will be."""
    first = np.searchsorted(finer.start, groups.start)
    count = np.diff(np.append(first, len(finer.start)))
    out = Potentials(*(np.repeat(part, count, axis=0) for part in known))
    two = np.flatnonzero(count == 2)
    one, other = first[two], first[two] + 1
    apart = finer.y[one] - finer.y[other]
    share = finer.nu[one] / (finer.nu[one] + finer.nu[other])
    mean, spread = known.centroid[two], known.spread[two]
    across = np.stack(
        [
            spread[:, 0] * apart[:, 0] + spread[:, 1] * apart[:, 1],
            spread[:, 1] * apart[:, 0] + spread[:, 2] * apart[:, 1],
        ],
        axis=1,
    )
    sigma = np.sqrt(np.maximum(np.einsum("nk,nk->n", across, apart), 0.0))
    across /= np.where(sigma > 0.0, sigma, 1.0)[:, None]
    cut = np.einsum("nk,nk->n", apart, mean) + _END * (1.0 - 2.0 * share) * sigma
    level = -_LOWERED * share * (1.0 - share) * _END * sigma
    for place, rest, side in ((one, 1.0 - share, -1.0), (other, share, 1.0)):
        out.high[place], out.low[place] = add(known.high[two], known.low[two], level + side * rest * cut)
        out.centroid[place] = mean - side * _END * rest[:, None] * across
        lost = (1.0 - (1.0 - rest) ** 2)[:, None] * across
        out.spread[place] = spread - np.stack(
            [lost[:, 0] * across[:, 0], lost[:, 0] * across[:, 1], lost[:, 1] * across[:, 1]], axis=1
        )
    return out
