"""A coupling made cheaper block by block: exact transport inside blocks of neighbouring points, several times over."""

from __future__ import annotations

import numpy as np
import scipy

from meanfield.distances.bounds.clouds import Pair
from meanfield.distances.bounds.couplings import Coupling, Index
from meanfield.distances.bounds.sliced import rotations
from meanfield.distances.pot import optimal_plan
from particles.checks import Array

BLOCK = 256
"""Entries of a coupling in one linear program."""

SWEEPS = 4


def improve(pair: Pair, plan: Coupling, rng: np.random.Generator) -> Coupling:
    """The coupling after a few sweeps, each no dearer than the last but for rounding.

    A sweep cuts the entries (i, j, mass) into blocks of neighbours, by the place of x_i and of y_j in turn and at cuts
    that move from sweep to sweep, and couples what a block holds of both clouds anew, exactly. What is left to gain
    lies at scales beyond a block, where the partition or the coarse plan that the coupling came from is good already.
    """
    for sweep in range(SWEEPS):
        places = pair.x.points[plan.i] if sweep % 2 == 0 else pair.y.points[plan.j]
        parts = [_again(pair, plan, entries) for entries in _blocks(places, rng)]
        i, j, mass = (np.concatenate(column) for column in zip(*parts, strict=True))
        plan = Coupling(i, j, mass)
    return plan


def _again(pair: Pair, plan: Coupling, entries: Index) -> tuple[Index, Index, Array]:
    """The entries of an optimal coupling with the marginals of these entries."""
    rows, a = _marginal(plan.i[entries], plan.mass[entries])
    columns, b = _marginal(plan.j[entries], plan.mass[entries])
    # The simplex has absolute thresholds: it sees mass 1.
    total = float(a.sum())
    cost = scipy.spatial.distance.cdist(pair.x.points[rows], pair.y.points[columns], "sqeuclidean")
    found = optimal_plan(a / total, b / float(b.sum()), cost).plan
    i, j = np.nonzero(found)
    return rows[i], columns[j], found[i, j] * total


def _marginal(index: Index, mass: Array) -> tuple[Index, Array]:
    points, place = np.unique(index, return_inverse=True)
    return points, np.asarray(np.bincount(place, mass), dtype=np.float64)


def _blocks(places: Array, rng: np.random.Generator) -> list[Index]:
    """Blocks of at most BLOCK rows of `places` (n, d): cut across the widest axis, away from the middle at random."""
    turned = places @ rotations(places.shape[1], 1, rng)[0]
    blocks, left = [], [np.arange(len(places))]
    while left:
        rows = left.pop()
        if len(rows) <= BLOCK:
            blocks.append(rows)
            continue
        axis = int(np.argmax(np.ptp(turned[rows], axis=0)))
        cut = int(len(rows) * rng.uniform(0.35, 0.65))
        order = np.argpartition(turned[rows, axis], cut)
        left += [rows[order[:cut]], rows[order[cut:]]]
    return blocks
