"""The dual of semi-discrete transport: its value, gradient and Hessian at given potentials.

Φ(b) = ∫ max_i (⟨y_i, x⟩ + b_i) dμ(x) − Σ ν_i b_i is convex; its gradient is m − ν, m the masses of the cells, its
Hessian the graph Laplacian with the weights ∫_{face ij} ρ dl / |y_i − y_j| (Kitagawa, Mérigot and Thibert 2019).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from meanfield.distances.semidiscrete.boxes import Index, Tree
from meanfield.distances.semidiscrete.clipping import Cells, measure_cells
from meanfield.distances.semidiscrete.dissection import dissection
from meanfield.distances.semidiscrete.following import followed
from meanfield.distances.semidiscrete.pieces import PieceTree
from meanfield.distances.semidiscrete.power_diagram import Diagram, power_diagram
from particles.checks import Array

REFINEMENTS = 3
"""The most refinements of a linear solution, each to about twice as many digits as the factorisation holds."""


class Problem(NamedTuple):
    """Sites y (n, 2) in the order of their tree, their masses, the density, and the box that holds it."""

    tree: Tree
    y: Array
    nu: Array
    pieces: PieceTree
    box: Array
    background: float = 0.0
    """Share of the mass that is spread over the box instead, so that no cell of the box is empty."""


class State(NamedTuple):
    """A dual point b = high + low with its diagram, the cells' integrals, the value Φ, the L¹ error of the masses."""

    high: Array
    low: Array
    diagram: Diagram
    cells: Cells
    value: float
    error: float


def evaluate(problem: Problem, high: Array, low: Array, known: Diagram | None = None) -> State:
    """The state at b = high + low."""
    sites = problem.tree, problem.y, high, low, problem.box
    return measured(problem, power_diagram(*sites, None) if known is None else followed(*sites, known))


def measured(problem: Problem, diagram: Diagram) -> State:
    """The state of a diagram of all sites, its own or that of the same sites under another density."""
    high, low = diagram.high, diagram.low
    cells = measure_cells(diagram, problem.y, high, low, problem.pieces, problem.box, problem.background)
    return state_of(problem, diagram, cells)


def state_of(problem: Problem, diagram: Diagram, cells: Cells) -> State:
    """The state whose cells are known, with value and error."""
    high, low = diagram.high, diagram.low
    excess = cells.mass - problem.nu
    value = np.einsum("n,nd,nd->", cells.mass, problem.y, cells.centroid) + np.einsum("n,n->", excess, high)
    return State(high, low, diagram, cells, float(value), float(np.abs(excess).sum()))


class Laplacian(NamedTuple):
    """The Hessian of Φ as a weighted graph: edges (i, j) with i < j and their weights, and the sums at each site.

    `order` lists the sites as they are eliminated, None where a solver is to find its own order.
    """

    i: Index
    j: Index
    weight: Array
    diagonal: Array
    order: Index | None


def laplacian(problem: Problem, state: State) -> Laplacian:
    """Weights ∫_{face} ρ dl / |y_i − y_j|; each face is integrated from both sides, and the mean is taken."""
    start, neighbour = state.diagram.start, state.diagram.neighbour
    n = len(problem.y)
    row = np.repeat(np.arange(n), np.diff(start))
    step = problem.y[neighbour] - problem.y[row]
    weight = 0.5 * state.cells.face / np.hypot(step[:, 0], step[:, 1])
    pair = np.minimum(row, neighbour) * n + np.maximum(row, neighbour)
    order = np.argsort(pair)
    pair = pair[order]
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    w = np.add.reduceat(weight[order], first)
    kept = w > 0.0
    w = w[kept]
    i, j = np.divmod(pair[first[kept]], n)
    diagonal = np.asarray(np.bincount(i, w, n) + np.bincount(j, w, n), dtype=np.float64)
    return Laplacian(i, j, w, diagonal, dissection(problem.tree, i, j))


def add(high: Array, low: Array, step: Array) -> tuple[Array, Array]:
    """high + low + step as a pair whose high part is the rounded sum (Knuth's two-sum)."""
    total = high + step
    part = total - high
    error = (high - (total - part)) + (step - part)
    rest = low + error
    rounded = total + rest
    return rounded, rest - (rounded - total)


def solve(hessian: Laplacian, shift: Array, gap: Array, enough: Array) -> tuple[Array, Array]:
    """s with (H + shift) s = gap as a pair high + low, up to residuals `enough` (n,), by a sparse factorisation.

    Weights differ by as many decades as the distances of sites. The residual is taken from differences of s along the
    edges, and s is kept to twice the precision, so that the change of every mass is right relative to that mass.
    """
    i, j, weight, diagonal, order = hessian
    n = len(gap)
    total = diagonal + shift
    scale = 1.0 / np.sqrt(np.where(total > 0, total, 1.0))
    off = -weight * scale[i] * scale[j]
    places = np.arange(n)
    # A little more than the matrix, so that no pivot vanishes; the refinement takes it away again.
    ones = np.full(n, 1.0 + 1e-13)
    ordering = "MMD_AT_PLUS_A" if order is None else "NATURAL"
    order = places if order is None else order
    place = np.empty(n, np.intp)
    place[order] = places
    a, b = place[i], place[j]
    rows, columns = np.concatenate([a, b, places]), np.concatenate([b, a, places])
    by_columns = np.argsort(columns * n + rows)
    starts = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=n))])
    entries = np.concatenate([off, off, ones])[by_columns]
    # SuperLU takes indices of 32 bits; a matrix of coordinates takes longer to sort than this one to factor.
    matrix = scipy.sparse.csc_array((entries, rows[by_columns].astype(np.intc), starts.astype(np.intc)), shape=(n, n))
    factor = scipy.sparse.linalg.splu(
        matrix, permc_spec=ordering, diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )

    def solved(right: Array) -> Array:
        return np.asarray(scale * factor.solve((scale * right)[order])[place])

    high, low = solved(gap), np.zeros(n)
    for _ in range(REFINEMENTS):
        flow = weight * ((high[i] - high[j]) + (low[i] - low[j]))
        residual = gap - shift * high - (np.bincount(i, flow, n) - np.bincount(j, flow, n))
        if (np.abs(residual) <= enough).all():
            break
        high, low = add(high, low, solved(residual))
    return high, low
