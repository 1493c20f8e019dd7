"""Coarse transport between cells of two clouds: a coupling of the clouds, and potentials to start from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from meanfield.distances.bounds.clouds import Cloud, Pair
from meanfield.distances.bounds.couplings import Coupling, Index, Pieces, binary_space, corner
from meanfield.distances.bounds.dual import extend
from meanfield.distances.pot import optimal_plan
from particles.checks import Array

CELLS = 1000
"""Cells a cloud is gathered into; a cloud of no more points is taken as it is."""

_LLOYD_STEPS = 4


class Cells(NamedTuple):
    """Means (K, d), masses (K,) and the cell of each point (n,)."""

    mean: Array
    mass: Array
    label: Index


def coarse_transport(
    pair: Pair, normals_x: Array, normals_y: Array, rng: np.random.Generator
) -> tuple[Coupling, Array]:
    """A coupling of the clouds refined from the exact plan of their cells, and a potential f (n,) on x, for W₂."""
    coupling, target, v = coarse_coupling(pair, normals_x, normals_y, rng, 2.0)
    return coupling, extend(pair.x, target, v)


def coarse_coupling(
    pair: Pair, normals_x: Array, normals_y: Array, rng: np.random.Generator, p: float
) -> tuple[Coupling, Array, Array]:
    """A coupling of the clouds refined from the exact plan of their cells for |x − y|^p, and the potential v (K,) of
    the second cloud's cells with their means (K, d).

    Within a cell the points are laid out along the principal direction of the cells they go to, which is optimal
    for up to two targets; the points of one cell that go to one cell are then coupled by binary space partition.
    """
    source, target = gather(pair.x, rng), gather(pair.y, rng)
    plan = optimal_plan(source.mass, target.mass, _power(source.mean, target.mean, p))
    rows, columns = np.nonzero(plan.plan)
    mass = plan.plan[rows, columns]
    pieces_x = _lay_out(pair.x, source, rows, target.mean[columns], mass)
    pieces_y = _lay_out(pair.y, target, columns, source.mean[rows], mass)
    coupling = binary_space(pair.x, pair.y, pieces_x, pieces_y, normals_x, normals_y)
    return coupling, target.mean, plan.v


def _power(x: Array, y: Array, p: float) -> Array:
    return np.asarray(
        scipy.spatial.distance.cdist(x, y, "sqeuclidean") if p == 2.0 else scipy.spatial.distance.cdist(x, y) ** p
    )


def gather(cloud: Cloud, rng: np.random.Generator) -> Cells:
    """Cells by a few steps of Lloyd's algorithm from points drawn by weight."""
    points, weights = cloud.points, cloud.weights
    if len(points) <= CELLS:
        return Cells(points, weights, np.arange(len(points)))
    mean = points[rng.choice(len(points), CELLS, replace=False, p=weights / weights.sum())]
    for _ in range(_LLOYD_STEPS):
        cells = _assign(points, weights, mean)
        mean = cells.mean
    return cells


def _assign(points: Array, weights: Array, sites: Array) -> Cells:
    _, label = scipy.spatial.cKDTree(sites).query(points)
    mass = np.bincount(label, weights, len(sites)).astype(np.float64, copy=False)
    kept = mass > 0
    label = (np.cumsum(kept) - 1)[label]
    mass = mass[kept]
    sums = [np.bincount(label, weights * points[:, k], len(mass)) for k in range(points.shape[1])]
    return Cells(np.stack(sums, axis=1) / mass[:, None], mass, label)


def _lay_out(cloud: Cloud, cells: Cells, cell: Index, partner: Array, mass: Array) -> Pieces:
    """Cut the cloud into pieces, one block an entry of the plan: entry e takes mass[e] from cell[e] for partner[e]."""
    direction = _principal_direction(cell, partner, mass, len(cells.mass))
    key_points = np.einsum("nd,nd->n", cloud.points, direction[cells.label])
    key_entries = np.einsum("nd,nd->n", partner, direction[cell])
    points = np.lexsort((key_points, cells.label))
    entries = np.lexsort((key_entries, cell))
    cut = corner(cloud.weights[points], mass[entries])
    entry = entries[cut.j]
    order = np.argsort(entry, kind="stable")
    start = np.searchsorted(entry[order], np.arange(len(mass) + 1))
    return Pieces(points[cut.i][order], cut.mass[order], start)


def _principal_direction(cell: Index, partner: Array, mass: Array, count: int) -> Array:
    """For each cell (count, d) the direction in which the cells it exchanges mass with vary most."""
    total = np.maximum(np.bincount(cell, mass, count), np.finfo(float).tiny)
    d = partner.shape[1]
    mean = np.stack([np.bincount(cell, mass * partner[:, k], count) for k in range(d)], axis=1) / total[:, None]
    centred = (partner - mean[cell]) * np.sqrt(mass)[:, None]
    scatter = np.zeros((count, d, d))
    np.add.at(scatter, cell, centred[:, :, None] * centred[:, None, :])
    direction: Array = np.linalg.eigh(scatter)[1][:, :, -1]
    return direction
