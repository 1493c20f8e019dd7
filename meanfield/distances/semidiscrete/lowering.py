"""Cells that have far too much mass are lowered, each by itself, until they have about what is wanted.

The half of a group whose cell reaches over a part of the box without mass may begin so high that it hides the cells of
all others beside it.
"""

from __future__ import annotations

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.clipping import measure_cells
from meanfield.distances.semidiscrete.dual_function import Problem, State, add, evaluate
from meanfield.distances.semidiscrete.power_diagram import Near, cells_of, sites_of
from particles.checks import Array

EXCESS, ENOUGH, AIM = 4.0, 1.5, 1.2
"""Times the wanted mass: above the first a cell is lowered, to between all of it and the second, aiming at AIM."""

_ROUNDS, _TRIALS = 20, 80


def lower_excess(problem: Problem, state: State) -> State:
    """The state in which no cell has more than EXCESS of its mass, or what a few rounds give."""
    for _ in range(_ROUNDS):
        which = np.flatnonzero(state.cells.mass > EXCESS * problem.nu)
        if len(which) in (0, len(problem.y)):
            break
        high, low = state.high.copy(), state.low.copy()
        high[which], low[which] = add(high[which], low[which], -_alone(problem, state, which))
        state = evaluate(problem, high, low, state.diagram)
    return state


def _alone(problem: Problem, state: State, which: Index) -> Array:
    """Falls at which each cell, the others' b as they are, has between its mass and ENOUGH of it."""
    high, low, wanted = state.high, state.low, problem.nu[which]
    near = Near(problem.y, problem.box).of(which)[1].reshape(len(which), -1)
    # A cell that fell so far is hidden by that of the nearest site.
    reach = np.maximum(np.abs(problem.box[:2]), np.abs(problem.box[2:]))
    nearest = near[:, 0]
    over = np.abs(problem.y[nearest] - problem.y[which]) @ reach * (1.0 + 1e-9)
    over = np.maximum(over + (high[which] - high[nearest]) + (low[which] - low[nearest]), 0.0)
    under = np.zeros(len(which))
    root_under, root_over = np.sqrt(state.cells.mass[which]), np.zeros(len(which))
    aim, active = np.sqrt(AIM * wanted), np.arange(len(which))
    sites = sites_of(problem.tree, problem.y, high, low, problem.box)
    begin = near.shape[1] * np.arange(len(which) + 1)
    for trial in range(_TRIALS):
        a, b = under[active], over[active]
        share = (root_under[active] - aim[active]) / (root_under[active] - root_over[active])
        fall = a + (np.clip(share, 0.01, 0.99) if trial % 3 != 0 else 0.5) * (b - a)
        site = which[active]
        cells = cells_of(
            site, *add(high[site], low[site], -fall), sites, (begin[: len(active) + 1], near[active].ravel())
        )
        mass = measure_cells(cells, problem.y, high, low, problem.pieces, problem.box, problem.background).mass
        more = mass > ENOUGH * wanted[active]
        under[active[more]], root_under[active[more]] = fall[more], np.sqrt(mass[more])
        over[active[~more]], root_over[active[~more]] = fall[~more], np.sqrt(mass[~more])
        active = active[more | (mass < wanted[active])]
        if not len(active):
            break
    return over
