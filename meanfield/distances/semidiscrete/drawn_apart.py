"""Sites drawn apart from the places of their groups, whose transport is known.

The sites of a group at Y are put at Y + s (y_i − Y). As s → 0 they share the cell of their group, wherever its mass may
lie, and hide nothing of the others. From there s grows as fast as few cells lose their mass. With a step δ of s b_i
falls by δ ⟨y_i − Y, x̄_i⟩: the function of cell i keeps its value at the cell's centroid x̄_i.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.dual_function import Problem, State, add, evaluate
from meanfield.distances.semidiscrete.halves import Level, Potentials, as_problem, group, split
from meanfield.distances.semidiscrete.newton import newton
from meanfield.distances.semidiscrete.pieces import PieceTree
from meanfield.distances.semidiscrete.raising import LEAST, raise_lacking
from particles.checks import Array

COARSE, COARSE_RELATIVE = 0.02, 0.5
"""Error of the masses, in all or relative to each, from which is gone on: halving alone makes as much."""

NEAR = 0.05
"""Error of the masses that Newton's method must have reached for s to grow."""

BEGUN = 0.3
"""Error of the masses at the first s, beyond which the groups' cells are of no help."""

FIRST, FASTEST, SLOWEST = 0.03, 8.0, 1.01
"""The share s to begin with, and the largest and the least factor by which it grows."""

LACKING, ROUNDS, STEPS, EMPTY = 0.3, 10, 30, 1e-6
"""The most cells that are raised when s grows, as a share of all, in how many rounds; the most steps of Newton's method
after that; the share of its mass below which a cell counts as empty."""


ANYWAY = 32
"""Cells that are raised whatever their share of all."""


class Reached(NamedTuple):
    """A problem, a state of it, and the order in which it holds the sites of its level."""

    problem: Problem
    state: State
    order: Index


def near(reached: Reached) -> bool:
    """Whether the masses are those wanted, in all or each, as nearly as a next level asks."""
    problem, state = reached.problem, reached.state
    worst = float((np.abs(state.cells.mass - problem.nu) / problem.nu).max())
    return state.error <= NEAR or worst <= COARSE_RELATIVE


def too_many(problem: Problem, state: State, share: float) -> bool:
    """Whether more than this share of the cells, and more than a few, lack their mass."""
    return int(np.count_nonzero(state.cells.mass < LEAST * problem.nu)) > max(share * len(problem.nu), ANYWAY)


class Given(NamedTuple):
    """Sites side by side in nested groups that begin at `starts`, halving by halving; the density, its box, and the
    most steps of Newton's method in a level."""

    sites: Level
    starts: list[Index]
    pieces: PieceTree
    box: Array
    most: int


class Known(NamedTuple):
    """The groups after so many halvings, and what is known of the transport to them."""

    halvings: int
    level: Level
    potentials: Potentials


def halved(given: Given, known: Known, halvings: int, s: float = 1.0) -> Known:
    """The groups after more halvings, drawn apart from those known to s of their distance, halves having half cells."""
    level, potentials = known.level, known.potentials
    for start in given.starts[known.halvings + 1 : halvings + 1]:
        finer = group(given.sites, start)
        place = _places(known.level, finer)
        finer = finer._replace(y=place + s * (finer.y - place))
        level, potentials = finer, split(level, finer, potentials)
    return Known(halvings, level, potentials)


def drawn_apart(given: Given, known: Known, halvings: int) -> tuple[Reached | None, int]:
    """The transport to the groups after more halvings, and the steps of Newton's method; None where s stops growing."""
    s, factor = FIRST, FASTEST
    begun = halved(given, known, halvings, s)
    finer = group(given.sites, given.starts[halvings])
    place = _places(known.level, finer)
    high, low = begun.potentials.high, begun.potentials.low
    reached, steps = _solved(given, begun.level, high, low, 1.0, given.most)
    if reached is None or reached.state.error > BEGUN:
        return None, steps
    while s < 1.0:
        longer = min(s * factor, 1.0)
        back = np.argsort(reached.order)
        moved = (s - longer) * np.einsum("nk,nk->n", finer.y - place, reached.state.cells.centroid[back])
        high, low = add(reached.state.high[back], reached.state.low[back], moved)
        level = finer._replace(y=place + longer * (finer.y - place))
        tried, more = _solved(given, level, high, low, LACKING, STEPS)
        steps += more
        if tried is not None and near(tried):
            reached, s, factor = tried, longer, min(FASTEST, factor**2)
        elif factor < SLOWEST:
            return None, steps
        else:
            factor = factor**0.5
    return reached, steps


def _places(groups: Level, finer: Level) -> Array:
    """Where the group of each of the finer ones is."""
    return groups.y[np.searchsorted(groups.start, finer.start, side="right") - 1]


def _solved(
    given: Given, level: Level, high: Array, low: Array, lacking: float, most: int
) -> tuple[Reached | None, int]:
    """Newton's method from b = high + low, cells being raised; None where more than `lacking` of them lack mass."""
    problem, order = as_problem(level, given.pieces, given.box)
    state = evaluate(problem, high[order], low[order])
    if too_many(problem, state, lacking):
        return None, 0
    state = raise_lacking(problem, state, rounds=ROUNDS)
    if (state.cells.mass <= EMPTY * problem.nu).any():
        return None, 0
    state, steps = newton(problem, state, COARSE, COARSE_RELATIVE, most)
    return Reached(problem, state, order), steps
