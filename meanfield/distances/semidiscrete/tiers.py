"""Sites whose weights differ by decades: the heavy ones are solved first, and the lighter ones are inserted.

A cell of weight 1e-10 is gone when its heavy neighbours move by 1e-5 of theirs. So the heavy sites are brought to their
masses without the light ones, whose cells are then cut from the heavy ones'.
"""

from __future__ import annotations

import numpy as np
import scipy

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.dual_function import Problem, State, add, evaluate
from meanfield.distances.semidiscrete.halves import Level, as_problem
from meanfield.distances.semidiscrete.levels import Solved, solve_levels
from meanfield.distances.semidiscrete.newton import in_strides
from meanfield.distances.semidiscrete.pieces import PieceTree
from meanfield.distances.semidiscrete.raising import raise_lacking
from particles.checks import Array

RATIO = 100.0
"""Weights of one tier differ by no more than this."""

NEGLIGIBLE = 0.1
"""Share of the error allowed that the sum of all lighter weights may have for them to be left without cells."""


def solve_tiers(y: Array, nu: Array, pieces: PieceTree, box: Array, tolerance: float, most: int) -> Solved:
    """The dual solution for distinct sites y (n, 2) of masses nu > 0, tier by tier."""
    first, *lighter = tiers(nu)
    nearly = np.sum(nu[first])
    solved = solve_levels(y[first], nu[first] / nearly, pieces, box, _until(nu, first, lighter, tolerance), most)
    kept, steps = first[solved.place], solved.steps
    state = solved.state
    for k, part in enumerate(lighter):
        negligible = float(sum(nu[p].sum() for p in lighter[k:])) <= NEGLIGIBLE * tolerance
        if negligible:
            part = np.concatenate(lighter[k:])
        both = np.concatenate([kept, part])
        sites = Level(y[both], nu[both] / nu[both].sum(), np.arange(len(both)))
        problem, order = as_problem(sites, pieces, box)
        new = np.flatnonzero(order >= len(kept))
        high, low = np.zeros(len(both)), np.zeros(len(both))
        high[: len(kept)], low[: len(kept)] = state.high, state.low
        state = _with_hidden(problem, high[order], low[order], new)
        kept = both[order]
        solved = Solved(problem, state, steps, kept)
        if negligible:
            break
        goal = _until(nu, both, lighter[k + 1 :], tolerance)
        state, more = in_strides(problem, raise_lacking(problem, state), goal, most)
        steps += more
        solved = Solved(problem, state, steps, kept)
    return solved._replace(steps=steps, place=kept)


def _until(nu: Array, kept: Index, lighter: list[Index], tolerance: float) -> float:
    """The L¹ error of the masses kept at which the next tier may come: a tenth of its lightest cell."""
    return max(tolerance, 0.1 * float(nu[lighter[0]].min()) / float(nu[kept].sum())) if lighter else tolerance


def tiers(nu: Array) -> list[Index]:
    """The sites of each tier, the heaviest first: within RATIO of the heaviest one left, and every tier holds some."""
    order = np.argsort(-nu, kind="stable")
    out = []
    start = 0
    while start < len(order):
        stop = int(np.searchsorted(-nu[order], -nu[order[start]] / RATIO, side="right"))
        out.append(order[start:stop])
        start = stop
    return out


def _with_hidden(problem: Problem, high: Array, low: Array, new: Index) -> State:
    """The state in which the sites `new` have b just so low that they surely have no cells, the others' b given."""
    old = np.setdiff1d(np.arange(len(problem.y)), new)
    nearest = old[scipy.spatial.cKDTree(problem.y[old]).query(problem.y[new])[1]]
    reach = np.maximum(np.abs(problem.box[:2]), np.abs(problem.box[2:]))
    room = np.abs(problem.y[new] - problem.y[nearest]) @ reach * (1.0 + 1e-9)
    high[new], low[new] = add(high[nearest], low[nearest], -room)
    return evaluate(problem, high, low)
