"""Where Newton's method begins: potentials carried from few groups of sites to all of them, level by level; else from
cells of affine images or ranks of the sites; else along a path of densities.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy

from meanfield.distances.semidiscrete.blurring import Mixture, blurred
from meanfield.distances.semidiscrete.boxes import Index, build
from meanfield.distances.semidiscrete.dual_function import Problem, State, add, evaluate, measured
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.groups import nested
from meanfield.distances.semidiscrete.halves import Level, Potentials, group, split
from meanfield.distances.semidiscrete.newton import in_strides, newton
from meanfield.distances.semidiscrete.pieces import PieceTree
from meanfield.distances.semidiscrete.raising import LEAST, raise_lacking
from particles.checks import Array
from particles.kernels.compiling import compiled

COARSEST = 8
"""Groups in the first level that is solved."""

_COARSE, _COARSE_RELATIVE = 0.02, 0.5
"""Error of the masses of groups, in all or relative to each, from which their halves are begun: it rises by that."""


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
    problem, order = as_problem(sites, pieces, box)
    good = max(GOOD, tolerance)
    state = None
    begun, steps = _by_levels(sites, pieces, box, tolerance, most)
    if begun is not None:
        high, low = begun
        state, more = _descend(problem, evaluate(problem, high[order], low[order]), tolerance, 0.0, most)
        steps += more
    if state is None or state.error > good:
        start = _begin(problem)
        for way in (_descend, _follow):
            first = measured(problem, start.diagram) if way is _descend else start
            other, more = way(problem, first, tolerance, 0.0, most)
            state, steps = (other if state is None or other.error < state.error else state), steps + more
            if state.error <= good:
                break
    assert state is not None
    return Solved(problem, state, steps, order)


def _begin(problem: Problem) -> State:
    """The better of two starts, the one whose least cell is larger for its weight, where the box is mostly filled."""
    filled = problem._replace(background=FULLEST)
    starts = [evaluate(filled, *b) for b in (spread_out(problem), by_ranks(problem))]
    return max(starts, key=lambda state: float((state.cells.mass / problem.nu).min()))


def as_problem(level: Level, pieces: PieceTree, box: Array) -> tuple[Problem, Index]:
    """The transport of the density to groups of sites, and the order in which it holds them."""
    tree = build(level.y, LEAF)
    y = np.ascontiguousarray(level.y[tree.order])
    return Problem(tree, y, level.nu[tree.order], pieces, box), tree.order


def _by_levels(
    given: Level, pieces: PieceTree, box: Array, tolerance: float, most: int
) -> tuple[tuple[Array, Array] | None, int]:
    """b for all sites, continued from groups that were solved coarsely, or None where some were not; steps it took."""
    order, starts, ends = nested(given.y)
    sites = Level(given.y[order], given.nu[order], given.start)
    total, steps = pieces.moments[0], 0
    level = group(sites, starts[0])
    known = Potentials(np.zeros(1), np.zeros(1), total[None, 1:3], total[None, 3:] / total[0])
    solved = [end for end in ends if end > 0 and len(starts[end]) >= min(COARSEST, len(sites.y))]
    for begin, end in pairwise([0, *solved]):
        for start in starts[begin + 1 : end + 1]:
            finer = group(sites, start)
            level, known = finer, split(level, finer, known)
        if end == solved[-1]:
            break
        problem, place = as_problem(level, pieces, box)
        begun = evaluate(problem, known.high[place], known.low[place])
        state, more = _descend(problem, begun, max(tolerance, _COARSE), _COARSE_RELATIVE, most)
        if state.error > FAR:
            state, again = _follow(problem, _begin(problem), tolerance, _COARSE_RELATIVE, most)
            more += again
        steps += more
        if state.error > FAR:
            return None, steps
        back = np.argsort(place)
        centroid, spread = _filled(problem, state)
        known = Potentials(state.high[back], state.low[back], centroid[back], spread[back])
    back = np.argsort(order)
    return (known.high[back], known.low[back]), steps


def _descend(problem: Problem, begun: State, tolerance: float, relative: float, most: int) -> tuple[State, int]:
    """Newton's method from cells that were raised to some of their mass, unless most lack it."""
    if (begun.cells.mass < LEAST * problem.nu).mean() > RAISED:
        return begun, 0
    begun = raise_lacking(problem, begun, rounds=ROUNDS)
    if (begun.cells.mass <= EMPTY * problem.nu).any():
        return begun, 0
    if relative > 0.0:
        return newton(problem, begun, tolerance, relative, most)
    return in_strides(problem, begun, tolerance, most)


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
            done, more = newton(mixed, evaluate(mixed, high, low), tolerance, RELATIVE, 15 if mixture.parts else 100)
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
        done, more = newton(mixed, evaluate(mixed, high, low), tolerance, RELATIVE, 15)
        steps, high, low = steps + more, done.high, done.low
    state, more = _descend(problem, evaluate(problem, high, low), tolerance, relative, most)
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

RAISED, ROUNDS = 0.3, 30
"""The most cells that are raised before Newton's method begins, as a share of all, and in how many rounds."""

EMPTY = 1e-6
"""Share of its mass below which a cell that could not be raised keeps Newton's method from beginning."""

FAR = 0.3
"""Error of the masses of groups from which nothing is continued."""


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
