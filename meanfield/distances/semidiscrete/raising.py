"""Cells that lack mass are raised, each by itself, until they have it: one equation in one unknown, which rises with b.

Where raised cells overlap, each is raised again as long as it lacks mass. If the others have too much, b rises towards
the solution and never above it (Oliker and Prussner 1988).
"""

from __future__ import annotations

import numpy as np
import scipy

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.clipping import measure_cells
from meanfield.distances.semidiscrete.dual_function import Problem, State, add, evaluate
from meanfield.distances.semidiscrete.power_diagram import cells_of
from particles.checks import Array

LEAST, ENOUGH, AIM = 0.1, 0.9, 0.95
"""Shares of the wanted mass: below the first a cell is raised, to between the second and all of it, aiming at AIM."""

_TRIALS = 80


def raise_lacking(problem: Problem, state: State, least: float = LEAST, rounds: int = 30) -> State:
    """The state in which no cell has less than `least` of its mass, or what so many rounds give."""
    for _ in range(rounds):
        lacking = np.flatnonzero(state.cells.mass < least * problem.nu)
        if not len(lacking):
            break
        full = np.flatnonzero(state.cells.mass >= least * problem.nu)
        if not len(full):
            break
        high, low = state.high.copy(), state.low.copy()
        base = high[lacking], low[lacking]
        high[lacking], low[lacking] = add(
            *base, _alone(problem, high, low, lacking, _room(problem, state, lacking, full))
        )
        state = evaluate(problem, high, low, state.diagram)
    return state


def _room(problem: Problem, state: State, lacking: Index, full: Index) -> Array:
    """How far each may rise until it hides the cell of the nearest site that has one."""
    nearest = full[scipy.spatial.cKDTree(problem.y[full]).query(problem.y[lacking])[1]]
    reach = np.maximum(np.abs(problem.box[:2]), np.abs(problem.box[2:]))
    apart = (state.high[nearest] - state.high[lacking]) + (state.low[nearest] - state.low[lacking])
    return np.asarray(apart + np.abs(problem.y[lacking] - problem.y[nearest]) @ reach * (1.0 + 1e-9))


def _alone(problem: Problem, high: Array, low: Array, which: Index, room: Array) -> Array:
    """Steps at which each cell, the others' b as they are, has between ENOUGH of its mass and all of it."""
    wanted = problem.nu[which]
    aim = np.sqrt(AIM * wanted)
    under, over = np.zeros(len(which)), room.copy()
    # The root of the mass of a small cell is nearly linear in b.
    root_under, root_over = np.zeros(len(which)), np.full(len(which), np.inf)
    active = np.arange(len(which))
    for trial in range(_TRIALS):
        a, b = under[active], over[active]
        share = (aim[active] - root_under[active]) / (root_over[active] - root_under[active])
        step = np.where((share > 0.0) & (trial % 3 != 0), a + np.clip(share, 0.01, 0.99) * (b - a), 0.5 * (a + b))
        site = which[active]
        cells = cells_of(site, *add(high[site], low[site], step), problem.tree, problem.y, high, low, problem.box)
        mass = measure_cells(cells, problem.y, high, low, problem.pieces, problem.box, problem.background).mass
        more = mass > wanted[active]
        over[active[more]], root_over[active[more]] = step[more], np.sqrt(mass[more])
        under[active[~more]], root_under[active[~more]] = step[~more], np.sqrt(mass[~more])
        active = active[more | (mass < ENOUGH * wanted[active])]
        if not len(active):
            break
    return under
