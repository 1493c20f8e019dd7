"""Where Newton's method begins: potentials carried from few groups of sites to all of them, level by level.

−b is the convex conjugate of the largest function, so ∇(−b)(y) is the place of the cell: x̄ for a group with cell
centroid x̄. Within the group b is continued to second order with the map between the covariances of sites and cell.
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
from meanfield.distances.semidiscrete.newton import in_strides, newton
from meanfield.distances.semidiscrete.pieces import PieceTree
from meanfield.distances.semidiscrete.raising import LEAST, raise_lacking
from particles.checks import Array
from particles.kernels.compiling import compiled

COARSEST, GROWTH = 32, 4
"""Groups up to which every level of the tree is taken, and how many times as many the next set has after that."""

DEEPEST = 40
"""Levels of the tree: where clusters lie at many distances, a level may part one site from all others."""

_COARSE_RELATIVE, _COARSE_STEPS = 0.2, 30
_WIDEN = 1e-6
_NEAR = 9

REACH = 1.7
"""Standard deviations of a cell beyond which the slope of its continuation grows slowly; a square ends at √3."""

TAIL = 0.05
"""Growth of that slope for each factor e of the distance: no two sites have the same."""


class Level(NamedTuple):
    """Groups of sites: means (k, 2), masses (k,), covariances (k, 3) as xx, xy, yy, and the places where they begin."""

    y: Array
    nu: Array
    spread: Array
    start: Index


class Solved(NamedTuple):
    """The last level's problem, where Newton's method ended, and the place of its sites among those given."""

    problem: Problem
    state: State
    steps: int
    place: Index


def solve_levels(y: Array, nu: Array, pieces: PieceTree, box: Array, tolerance: float, most: int) -> Solved:
    """The dual solution for distinct sites y (n, 2) of masses nu > 0.

    From cells of affine images of the sites, which serves clouds that fill their box, or of the ranks of their
    coordinates, which serves clusters; else level by level.
    """
    sites = Level(y, nu, np.zeros((len(y), 3)), np.arange(len(y)))
    problem, order = as_problem(sites, pieces, box)
    begun = _begin(problem)
    state, steps = _descend(problem, measured(problem, begun.diagram), tolerance, 0.0, most)
    good = max(GOOD, tolerance)
    if state.error > good:
        begun_by_levels, more = _by_levels(sites, pieces, box, tolerance, most)
        steps += more
        if begun_by_levels is not None:
            high, low = begun_by_levels
            other, more = _descend(problem, evaluate(problem, high[order], low[order]), tolerance, 0.0, most)
            state, steps = (other if other.error < state.error else state), steps + more
    if state.error > good:
        other, more = _follow(problem, begun, tolerance, 0.0, most)
        state, steps = (other if other.error < state.error else state), steps + more
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
    first, starts = _thinned(*nested(given.y, list(range(DEEPEST))))
    sites = Level(given.y[first], given.nu[first], given.spread, given.start)
    levels = [_group(sites, start) for start in starts if len(start) < len(sites.y)] + [sites]
    total, steps = pieces.moments[0], 0
    whole, cell = _group(sites, np.array([0])), Moments(total[None, 1:3], total[None, 3:] / total[0])
    high, low = _continue(whole, levels[0], np.zeros(1), np.zeros(1), cell)
    for level, finer in pairwise(levels):
        problem, order = as_problem(level, pieces, box)
        state, more = _descend(problem, evaluate(problem, high[order], low[order]), tolerance, _COARSE_RELATIVE, most)
        if state.error > FAR:
            state, again = _follow(problem, _begin(problem), tolerance, _COARSE_RELATIVE, most)
            more += again
        steps += more
        if state.error > FAR:
            return None, steps
        back = np.argsort(order)
        cell = Moments(*(part[back] for part in _filled(problem, state)))
        high, low = _continue(level, finer, state.high[back], state.low[back], cell)
    back = np.argsort(first)
    return (high[back], low[back]), steps


def _thinned(order: Index, starts: list[Index]) -> tuple[Index, list[Index]]:
    """Every set of groups up to COARSEST of them, then those of GROWTH times as many as the last one kept."""
    kept: list[Index] = []
    for start in starts:
        wanted = len(kept[-1]) + 1 if kept and len(kept[-1]) < COARSEST else GROWTH * len(kept[-1]) if kept else 1
        if len(start) >= wanted:
            kept.append(start)
    return order, kept


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


class Moments(NamedTuple):
    """Centroids (k, 2) and covariances (k, 3) of the cells of groups."""

    centroid: Array
    spread: Array


def _group(sites: Level, start: Index) -> Level:
    nu = np.add.reduceat(sites.nu, start)
    label = np.repeat(np.arange(len(start)), np.diff(np.append(start, len(sites.nu))))
    origin = sites.y[start]
    share = sites.nu / nu[label]
    mean = origin + np.add.reduceat(share[:, None] * (sites.y - origin[label]), start)
    u, v = (sites.y - mean[label]).T
    # Of the sites, not of the masses: light sites far out must find a place in the cell as well.
    count = np.diff(np.append(start, len(sites.nu)))
    spread = np.add.reduceat(np.stack([u * u, u * v, v * v], axis=1), start) / count[:, None]
    return Level(mean, nu, spread, start)


def _continue(groups: Level, finer: Level, high: Array, low: Array, cell: Moments) -> tuple[Array, Array]:
    """b on finer groups: −max_c v_c, where v_c expands −b about group c, −b_c + ⟨x̄, δ⟩ + h(δ), δ the step from it.

    h is ½⟨δ, Gδ⟩ with G the map between the covariances of group and cell, but along each eigenvector of G its slope
    stops at a few standard deviations of the cell. Each v_c is convex, so −b is, and no cell of the finer level is
    empty: it holds the slope of −b at its site.
    """
    slope, axes = np.linalg.eigh(_matrices(covariance_map(groups.spread, cell.spread)))
    slope = np.maximum(slope, 1e-300)
    reach = REACH * np.sqrt(np.maximum(np.einsum("nik,nij,njk->nk", axes, _matrices(cell.spread), axes), 0.0))
    near = min(_NEAR, len(groups.y))
    candidates = np.asarray(scipy.spatial.cKDTree(groups.y).query(finer.y, near)[1]).reshape(len(finer.y), near)
    parent = np.searchsorted(groups.start, finer.start, side="right") - 1
    best, value, rise = parent, np.full(len(finer.y), -np.inf), np.zeros(len(finer.y))
    for c in (parent, *candidates.T):
        step = finer.y - groups.y[c]
        along = np.abs(np.einsum("nik,ni->nk", axes[c], step))
        with np.errstate(over="ignore"):
            bent = np.minimum(along, reach[c] / slope[c])
        beyond = along - bent
        with np.errstate(divide="ignore", invalid="ignore"):
            extra = np.where(beyond > 0.0, along * np.log(along / np.maximum(bent, 1e-300)) - beyond, 0.0)
        bend = np.einsum("nk->n", slope[c] * bent * (0.5 * bent + beyond + TAIL * extra))
        up = np.einsum("nk,nk->n", cell.centroid[c], step) + bend
        found = up - high[c] - low[c]
        better = found > value
        best, value, rise = np.where(better, c, best), np.where(better, found, value), np.where(better, up, rise)
    return add(high[best], low[best], -rise)


def _matrices(rows: Array) -> Array:
    return np.stack([rows[:, 0], rows[:, 1], rows[:, 1], rows[:, 2]], axis=1).reshape(-1, 2, 2)


def covariance_map(source: Array, target: Array) -> Array:
    """The symmetric positive G with G S G = T, for covariances in the plane as rows (xx, xy, yy).

    G = √(τ/σ) M / √det M with M = adj(S)/σ + T/τ, σ² = det S, τ² = det T (the geometric mean of S⁻¹ and T in closed
    form). Flat covariances are widened a little.
    """
    s, t = (m + _WIDEN * (m[:, :1] + m[:, 2:] + 1e-300) * np.array([1.0, 0.0, 1.0]) for m in (source, target))
    sigma, tau = (np.sqrt(np.maximum(m[:, 0] * m[:, 2] - m[:, 1] ** 2, 1e-300))[:, None] for m in (s, t))
    mean = np.stack([s[:, 2], -s[:, 1], s[:, 0]], axis=1) / sigma + t / tau
    size = np.sqrt(np.maximum(mean[:, 0] * mean[:, 2] - mean[:, 1] ** 2, 1e-300))[:, None]
    return np.asarray(np.sqrt(tau / sigma) * mean / size)


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
