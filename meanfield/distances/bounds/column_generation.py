"""Optimal transport with its proof: column generation over a sparse network simplex."""

from __future__ import annotations

import numpy as np

from meanfield.distances.bounds.clouds import Pair
from meanfield.distances.bounds.couplings import Coupling, Index, squared_upper
from meanfield.distances.bounds.dual import c_transform, close
from meanfield.distances.pot import optimal_sparse_plan
from particles.checks import Array

_NEIGHBOURS = 8
_NEIGHBOURS_LATER = 4
_MAX_ROUNDS = 100


def certify(pair: Pair, plan: Coupling, f: Array, rtol: float) -> tuple[float, float]:
    """Bounds on W₂², (lower, upper), with upper − lower ≤ rtol upper unless rounding forbids it.

    Solve on a few edges (those of the feasible `plan` and the nearest in reduced cost for the potential f on x); close
    the potentials to all pairs, which proves a lower bound; add the edges of negative reduced cost; repeat. The plan is
    optimal for all edges once none is left (Dantzig and Wolfe 1960).
    """
    x, y = pair.x.points, pair.y.points
    m = len(y)
    potentials = close(pair, f)
    f, g = potentials.f, potentials.g
    code = np.unique(np.concatenate((plan.i * m + plan.j, _near_edges(pair, f, g, _NEIGHBOURS))))
    best_lower, best_upper = potentials.squared_lower, squared_upper(pair.x, pair.y, plan, pair.diameter2)
    for _ in range(_MAX_ROUNDS):
        rows, columns = np.divmod(code, m)
        cost = _cost(x, y, rows, columns)
        solved = optimal_sparse_plan(pair.x.weights, pair.y.weights, rows, columns, cost, (f, g))
        f, g = solved.u, solved.v
        optimal = Coupling(solved.i, solved.j, solved.mass)
        best_upper = min(best_upper, squared_upper(pair.x, pair.y, optimal, pair.diameter2))
        best_lower = max(best_lower, close(pair, f).squared_lower)
        if best_upper - best_lower <= rtol * best_upper:
            break
        wider = np.union1d(code, _violated(pair, f, g))
        if len(wider) == len(code):
            break
        code = wider
    return best_lower, best_upper


def _near_edges(pair: Pair, f: Array, g: Array, neighbours: int) -> Index:
    """Codes i m + j of the edges nearest to tight: for each y the best x and for each x the best y."""
    x, y = pair.x.points, pair.y.points
    m = len(y)
    to_y, to_x = c_transform(y, x, f, neighbours)[1], c_transform(x, y, g, neighbours)[1]
    code: Index = np.concatenate(
        ((to_y * m + np.arange(m)[:, None]).ravel(), (np.arange(len(x))[:, None] * m + to_x).ravel())
    )
    return code


def _violated(pair: Pair, f: Array, g: Array) -> Index:
    """Codes of edges with f_i + g_j > |x_i − y_j|²."""
    code = _near_edges(pair, f, g, _NEIGHBOURS_LATER)
    rows, columns = np.divmod(code, len(g))
    out: Index = code[f[rows] + g[columns] > _cost(pair.x.points, pair.y.points, rows, columns)]
    return out


def _cost(x: Array, y: Array, rows: Index, columns: Index) -> Array:
    difference = x[rows] - y[columns]
    squares: Array = np.einsum("nd,nd->n", difference, difference)
    return squares
