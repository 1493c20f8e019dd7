"""Cells that lack mass are raised, each by itself, until they have it: one equation in one unknown, which rises with b.

Where raised cells overlap, each is raised again as long as it lacks mass. If the others have too much, b rises towards
the solution and never above it (Oliker and Prussner 1988).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.clipping import measure_cells
from meanfield.distances.semidiscrete.dual_function import Problem, State, add
from meanfield.distances.semidiscrete.power_diagram import Near, cells_of, sites_of
from meanfield.distances.semidiscrete.updating import after_rise
from particles.checks import Array

LEAST, ENOUGH, AIM = 0.1, 0.9, 0.95
"""Shares of the wanted mass: below the first a cell is raised, to between the second and all of it, aiming at AIM."""

_TRIALS = 80


def raise_lacking(problem: Problem, state: State, least: float = LEAST, rounds: int = 30) -> State:
    """The state in which no cell has less than `least` of its mass, or what so many rounds give."""
    near = None
    for _ in range(rounds):
        lacking = np.flatnonzero(state.cells.mass < least * problem.nu)
        if len(lacking) in (0, len(problem.y)):
            break
        near = Near(problem.y, problem.box) if near is None else near
        beside = near.of(lacking)[1].reshape(len(lacking), -1)
        high, low = state.high.copy(), state.low.copy()
        step = _alone(problem, high, low, lacking, _way(problem, state, lacking, beside, least), beside)
        high[lacking], low[lacking] = add(high[lacking], low[lacking], step)
        state = after_rise(problem, state, high, low, lacking)
    return state


class _Way(NamedTuple):
    """Of cells that rise: how far at most, to where first, and by how much more then, doubling."""

    room: Array
    first: Array
    more: Array


def _way(problem: Problem, state: State, lacking: Index, near: Index, least: float) -> _Way:
    """Each may rise until it hides the cell of a near site that has one, and is first tried at half way through it."""
    held = state.cells.mass >= least * problem.nu
    beside = held[near]
    nearest = near[np.arange(len(near)), np.argmax(beside, axis=1)]
    lost = ~beside.any(axis=1)
    if lost.any():
        full = np.flatnonzero(held)
        nearest[lost] = full[scipy.spatial.cKDTree(problem.y[full]).query(problem.y[lacking[lost]])[1]]
    reach = np.maximum(np.abs(problem.box[:2]), np.abs(problem.box[2:]))
    apart = (state.high[nearest] - state.high[lacking]) + (state.low[nearest] - state.low[lacking])
    step = problem.y[nearest] - problem.y[lacking]
    room = apart + np.abs(step) @ reach * (1.0 + 1e-9)
    width = np.sqrt(state.cells.second[nearest][:, [0, 2]] / state.cells.mass[nearest, None])
    more = np.einsum("kd,kd->k", np.abs(step), width)
    return _Way(room, apart + np.einsum("kd,kd->k", step, state.cells.centroid[nearest]), more)


def _alone(problem: Problem, high: Array, low: Array, which: Index, way: _Way, near: Index) -> Array:
    """Steps at which each cell, the others' b as they are, has between ENOUGH of its mass and all of it."""
    wanted = problem.nu[which]
    aim = np.sqrt(AIM * wanted)
    under, over, rise = np.zeros(len(which)), way.room.copy(), way.more.copy()
    # The root of the mass of a small cell is nearly linear in b.
    root_under, root_over = np.zeros(len(which)), np.full(len(which), np.inf)
    active = np.arange(len(which))
    sites = sites_of(problem.tree, problem.y, high, low, problem.box)
    begin = near.shape[1] * np.arange(len(which) + 1)
    for trial in range(_TRIALS):
        a, b = under[active], over[active]
        share = (aim[active] - root_under[active]) / (root_over[active] - root_under[active])
        step = np.where((share > 0.0) & (trial % 3 != 0), a + np.clip(share, 0.01, 0.99) * (b - a), 0.5 * (a + b))
        # A cell that rose half way to the end would be cut by very many others.
        start = way.first[active] if trial == 0 else a + rise[active]
        step = np.where(np.isinf(root_over[active]) & (start > a), np.minimum(start, step), step)
        rise[active] *= 2.0
        site = which[active]
        known = begin[: len(active) + 1], near[active].ravel()
        cells = cells_of(site, *add(high[site], low[site], step), sites, known)
        mass = measure_cells(cells, problem.y, high, low, problem.pieces, problem.box, problem.background).mass
        more = mass > wanted[active]
        over[active[more]], root_over[active[more]] = step[more], np.sqrt(mass[more])
        under[active[~more]], root_under[active[~more]] = step[~more], np.sqrt(mass[~more])
        active = active[more | (mass < ENOUGH * wanted[active])]
        if not len(active):
            break
    return under
