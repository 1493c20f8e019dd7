"""Where Newton's method begins: potentials carried from few groups of sites to all of them, level by level; else from
cells of affine images or ranks of the sites; else along a path of densities.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from meanfield.distances.semidiscrete.blurring import Mixture, blurred
from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.drawn_apart import (
    COARSE,
    COARSE_RELATIVE,
    EMPTY,
    Given,
    Known,
    Reached,
    drawn_apart,
    halved,
    near,
    too_many,
)
from meanfield.distances.semidiscrete.dual_function import Problem, State, add, evaluate, measured
from meanfield.distances.semidiscrete.groups import nested
from meanfield.distances.semidiscrete.halves import Level, Potentials, as_problem, group
from meanfield.distances.semidiscrete.lowering import lower_excess
from meanfield.distances.semidiscrete.newton import in_strides, newton
from meanfield.distances.semidiscrete.pieces import PieceTree
from meanfield.distances.semidiscrete.raising import raise_lacking
from particles.checks import Array
from particles.kernels.compiling import compiled

COARSEST = 8
"""Groups in the first level that is solved."""


class Solved(NamedTuple):
    """The last level's problem, where Newton's method ended, and the place of its sites among those given."""

    problem: Problem
    state: State
    steps: int
    place: Index


def solve_levels(y: Array, nu: Array, pieces: PieceTree, box: Array, tolerance: float, most: int) -> Solved:
    """The dual solution for distinct sites y (n, 2) of masses nu > 0.

    Level by level; else from cells of affine images of the sites, which serves clouds that fill their box, or of the
    ranks of their coordinates, which serves clusters; else along a path of densities.
    """
    sites = Level(y, nu, np.arange(len(y)))
    good = max(GOOD, tolerance)
    solved, steps = _by_levels(sites, pieces, box, tolerance, most)
    if solved is None or solved.state.error > good:
        problem, order = as_problem(sites, pieces, box)
        start = _begin(problem)
        for way in (_descend, _follow):
            first = measured(problem, start.diagram) if way is _descend else start
            other, more = way(problem, first, tolerance, 0.0, most)
            steps += more
            if solved is None or other.error < solved.state.error:
                solved = Reached(problem, other, order)
            if solved.state.error <= good:
                break
    assert solved is not None
    return Solved(solved.problem, solved.state, steps, solved.order)


def _begin(problem: Problem) -> State:
    """The better of two starts, the one whose least cell is larger for its weight, where the box is mostly filled."""
    filled = problem._replace(background=FULLEST)
    starts = [evaluate(filled, *b) for b in (spread_out(problem), by_ranks(problem))]
    return max(starts, key=lambda state: float((state.cells.mass / problem.nu).min()))


def _by_levels(sites: Level, pieces: PieceTree, box: Array, tolerance: float, most: int) -> tuple[Reached | None, int]:
    """The solution continued from groups that were solved coarsely, None where it could not be; steps it took.

    A level that is not reached is passed over: the next one is continued from the one before it.
    """
    order, starts, ends = nested(sites.y)
    given = Given(Level(sites.y[order], sites.nu[order], sites.start), starts, pieces, box, most)
    total, steps = pieces.moments[0], 0
    one = Potentials(np.zeros(1), np.zeros(1), total[None, 1:3], total[None, 3:] / total[0])
    known = root = Known(0, group(given.sites, starts[0]), one)
    reached = _at(given, root)
    solved = [end for end in ends if end > 0 and len(starts[end]) >= min(COARSEST, len(order))]
    for end in solved:
        found, more = _after(given, known, root, end)
        steps += more
        if found is None:
            continue
        reached = found
        back = np.argsort(reached.order)
        centroid, spread = _filled(reached.problem, reached.state)
        cells = Potentials(reached.state.high[back], reached.state.low[back], centroid[back], spread[back])
        known = Known(end, group(given.sites, starts[end]), cells)
    if len(reached.order) < len(order):
        return None, steps
    state, more = in_strides(reached.problem, reached.state, tolerance, most)
    return Reached(reached.problem, state, order[reached.order]), steps + more


def _at(given: Given, known: Known) -> Reached:
    problem, order = as_problem(known.level, given.pieces, given.box)
    return Reached(problem, evaluate(problem, known.potentials.high[order], known.potentials.low[order]), order)


def _after(given: Given, known: Known, root: Known, halvings: int) -> tuple[Reached | None, int]:
    """A level solved coarsely from the one before, whose groups are halved, or else drawn apart, or else from one."""
    reached = _at(given, halved(given, known, halvings))
    state, steps = _descend(reached.problem, reached.state, COARSE, COARSE_RELATIVE, given.most)
    reached = reached._replace(state=state)
    if near(reached):
        return reached, steps
    for begun in [known] if known is root else [known, root]:
        found, more = drawn_apart(given, begun, halvings)
        steps += more
        if found is not None:
            return found, steps
    return None, steps


def _descend(
    problem: Problem, begun: State, tolerance: float, relative: float, most: int, *, blocks: bool = True
) -> tuple[State, int]:
    """Newton's method from cells that were raised to some of their mass, unless most lack it."""
    for _ in range(MENDS):
        begun = lower_excess(problem, begun) if blocks else begun
        if too_many(problem, begun, RAISED):
            return begun, 0
        begun = raise_lacking(problem, begun, rounds=ROUNDS)
        if not (begun.cells.mass <= EMPTY * problem.nu).any():
            break
    else:
        return begun, 0
    if relative > 0.0:
        return newton(problem, begun, tolerance, relative, most, blocks=blocks)
    return in_strides(problem, begun, tolerance, most, blocks=blocks)


def _follow(problem: Problem, begun: State, tolerance: float, relative: float, most: int) -> tuple[State, int]:
    """Newton's method for one density after the other on the path to the one asked for, in steps that it can take."""
    steps, high, low = 0, begun.high, begun.low
    mixture, stride = Mixture(()), 1.0
    for density in blurred(problem.pieces, problem.box):
        left = 1.0
        while left > 0.0:
            part = min(left, stride)
            tried = mixture.toward(density, SHARE**part)
            mixed = problem._replace(pieces=tried.pieces(), background=tried.background)
            # Towards the uniform density, which is first, Newton's method is safe.
            done, more = newton(
                mixed, evaluate(mixed, high, low), tolerance, RELATIVE, 15 if mixture.parts else 100, blocks=False
            )
            steps += more
            if _worst(done, problem.nu) > RELATIVE:
                if stride <= LEAST_STRIDE:
                    return evaluate(problem, high, low), steps
                stride *= 0.5
                continue
            mixture, left, stride = tried, left - part, min(2.0 * stride, 1.0)
            high, low = done.high, done.low
    # The density itself: what is left of the others is taken away while there are cells without mass of their own.
    while mixture.background > 0.0 and (evaluate(problem, high, low).cells.mass < 0.05 * problem.nu).any():
        mixture = mixture.toward(density, SHARE)
        if mixture.parts[0][0] > 1.0 - 1e-12:
            break
        mixed = problem._replace(pieces=mixture.pieces(), background=mixture.background)
        done, more = newton(mixed, evaluate(mixed, high, low), tolerance, RELATIVE, 15, blocks=False)
        steps, high, low = steps + more, done.high, done.low
    # No cell is without mass any more: what is left is Newton's own.
    state, more = _descend(problem, evaluate(problem, high, low), tolerance, relative, most, blocks=False)
    return state, steps + more


def _worst(state: State, nu: Array) -> float:
    return float((np.abs(nu - state.cells.mass) / nu).max())


def spread_out(problem: Problem) -> tuple[Array, Array]:
    """b for which the cells are those of the sites' affine images in the box: none is empty there."""
    low, high = problem.y.min(axis=0), problem.y.max(axis=0)
    extent = float((high - low).max())
    half = np.maximum(0.5 * (high - low), 1e-12 * extent if extent > 0.0 else 1.0)
    centre, room = 0.5 * (problem.box[:2] + problem.box[2:]), 0.45 * (problem.box[2:] - problem.box[:2])
    step = problem.y - 0.5 * (low + high)
    b = -step @ centre - 0.5 * np.einsum("nk,k,nk->n", step, room / half, step)
    return b, np.zeros(len(b))


def by_ranks(problem: Problem) -> tuple[Array, Array]:
    """b for which cell i holds the point of the box at the ranks of y_i's coordinates, so that clusters spread out.

    b = −V_1(y_1) − V_2(y_2), V_k convex with the rank among the k-th coordinates, by number and by mass, for its slope.
    """
    high, low = np.zeros(len(problem.y)), np.zeros(len(problem.y))
    for k in range(2):
        value, place = np.unique(problem.y[:, k], return_inverse=True)
        share = 0.5 * np.bincount(place) / len(place) + 0.5 * np.bincount(place, problem.nu)
        rank = np.cumsum(share) - 0.5 * share
        bottom, top = problem.box[k], problem.box[2 + k]
        slope = bottom + (0.05 + 0.9 * rank) * (top - bottom)
        part = _integral(value, slope)
        high, low = add(*add(high, low, -part[0][place]), -part[1][place])
    return high, low


@compiled()
def _integral(value, slope):  # type: ignore[no-untyped-def]
    """∫ of the piecewise linear function through (value, slope) up to each value, as pairs of floats."""
    high, low = np.zeros(len(value)), np.zeros(len(value))
    for k in range(1, len(value)):
        step = 0.5 * (slope[k] + slope[k - 1]) * (value[k] - value[k - 1])
        total = high[k - 1] + step
        part = total - high[k - 1]
        high[k] = total
        low[k] = low[k - 1] + ((high[k - 1] - (total - part)) + (step - part))
    return high, low


GOOD = 1e-10
"""L¹ error of the masses at which nothing else is tried."""

FULLEST = 0.9
"""Share of the mass that fills the vacuum while starts are compared."""

RELATIVE = 0.02
"""Largest error of a cell's mass, relative to it, at which the path goes on to its next density."""

SHARE, LEAST_STRIDE = 0.1, 1.0 / 64.0
"""What is left of a density of the path when the next one is reached, and the least part of the way taken at once."""

RAISED, ROUNDS = 0.3, 10
"""The most cells that are raised before Newton's method begins, as a share of all, and in how many rounds."""

MENDS = 4
"""Times that cells with too much mass are lowered and then those that lack it are raised."""


def _filled(problem: Problem, state: State) -> tuple[Array, Array]:
    """Centroids and covariances of the cells; an empty cell takes the centroid of the nearest group's, no extent."""
    mass = state.cells.mass
    empty = mass < 1e-3 * problem.nu
    centroid = state.cells.centroid.copy()
    spread = state.cells.second / np.where(empty, 1.0, mass)[:, None]
    if empty.any():
        full = np.flatnonzero(~empty)
        nearest = full[scipy.spatial.cKDTree(problem.y[full]).query(problem.y[empty])[1]]
        centroid[empty], spread[empty] = centroid[nearest], 0.0
    return centroid, spread
