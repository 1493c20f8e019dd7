"""True bounds on W₂ between a density and weighted points, from any power diagram of the points."""

from __future__ import annotations

import numpy as np
import scipy

from meanfield.distances.bounds.rounding import gamma
from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.power_diagram import MARGIN
from meanfield.distances.semidiscrete.solution import SemiDiscrete
from particles.checks import Array


def squared_bounds(found: SemiDiscrete, diameter2: float) -> tuple[float, float]:
    """Bounds on W₂² with rounding; `diameter2` bounds every |x − y|².

    Below: the dual value Σ ψ ν + ∫ min_i (|x − y_i|² − ψ_i) dμ at the potentials that were found, whatever they are. A
    point may lie in a cell beside its own by the margin of the diagram, which costs at most that distance times the
    diameter; mass that rounding took from the cells, or gave them twice, costs at most the largest value.
    Above: the plan that sends each cell to its site, repaired by passing what a cell has too much to its neighbours.
    """
    count = len(found.weight) + 64
    defect = abs(float(found.mass.sum()) - 1.0) + gamma(count)
    size = diameter2 + float(np.abs(found.potential).max())
    lower = found.squared - (2.0 * defect + 16.0 * MARGIN) * size
    moved = float(found.cost.sum()) * (1.0 + gamma(count))
    anywhere = moved + (0.5 * found.error + defect) * diameter2
    passed = _passed_on(found)
    if passed is not None:
        anywhere = min(anywhere, moved + passed + 2.0 * defect * diameter2)
    return max(lower, 0.0), anywhere


def _passed_on(found: SemiDiscrete) -> float | None:
    """What it costs to pass each cell's excess along a tree of neighbours; None where a cell lacks the mass for it.

    A cell gives an equal share of all its points: |x − z|² − |x − y|² is affine in x, so its mean is at the centroid.
    """
    solved, n = found.solved, len(found.weight)
    start, neighbour = solved.state.diagram.start, solved.state.diagram.neighbour
    row, column = solved.place[np.repeat(np.arange(n), np.diff(start))], solved.place[neighbour]
    graph = scipy.sparse.coo_array((np.ones(len(row), np.int8), (row, column)), shape=(n, n)).tocsr()
    root = int(np.argmax(found.mass))
    order, parent = scipy.sparse.csgraph.breadth_first_order(graph, root, directed=False)
    if len(order) < n:
        return None
    excess = found.mass - found.weight
    flow = _up_the_tree(order, parent, excess)
    child = order[1:]
    giver = np.where(flow[child] > 0, child, parent[child])
    taker = np.where(flow[child] > 0, parent[child], child)
    amount = np.abs(flow[child])
    if (np.bincount(giver, amount, n) > found.mass).any():
        return None
    y, z, c = found.site[giver], found.site[taker], found.centroid[giver]
    change = np.einsum("kd,kd->k", y - z, 2.0 * (c - y) + (y - z))
    return float((amount * np.maximum(change, 0.0)).sum()) * (1.0 + gamma(64))


def _up_the_tree(order: Index, parent: Index, excess: Array) -> Array:
    """The excess of each cell with all that hang from it, shape (n,)."""
    total = excess.copy()
    for k in order[:0:-1]:
        total[parent[k]] += total[k]
    return total
