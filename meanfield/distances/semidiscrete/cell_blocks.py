"""Blocks of cells that hardly share a face, as where a density has parts with nothing between them.

Between blocks the Hessian of Φ tells little: how the mass of a block changes when its b all rise by δ is seen only from
the first part of another block that it reaches. So the blocks that lack mass rise as one until they have it, one
equation in one unknown whose side grows with δ (each by itself, two that touch would only take it from one another),
and Newton's steps are taken within the blocks meanwhile.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.dual_function import Laplacian, Problem, State, add, evaluate
from meanfield.distances.semidiscrete.raising import LEAST, raise_lacking
from particles.checks import Array
from particles.kernels.compiling import compiled

Flags = npt.NDArray[np.bool_]

WEAK = 0.02
"""Share of what its ends are held by, in the geometric mean, below which an edge joins no blocks."""

LACK, LEFT = 0.5, 0.1
"""Share of the error of the masses that blocks must lack for them to be raised, and what of that may be left."""

ENOUGH, AIM = 0.5, 0.9
"""Shares of what is lacking: above the first a rise is taken, at the second it aims."""

FIRST, GROWTH, TRIALS, RAISES = 1e-9, 8.0, 60, 40
"""The first rise that is tried, as a share of the largest b; the factor by which it grows or falls until the mass is
bracketed; the most trials of one rise; the most rises."""

ROUNDS, EMPTY = 8, 1e-6
"""In how many rounds cells are raised that a rise has left lacking mass; the share of it that counts as none."""


def blocks_of(hessian: Laplacian) -> Index:
    """The block of each cell."""
    return np.asarray(_joined(hessian.i, hessian.j, hessian.weight, hessian.diagonal), dtype=np.intp)


@compiled()
def _joined(i, j, weight, held):  # type: ignore[no-untyped-def]
    """The components that strong edges join, numbered by their first cells; each root is the least cell of its tree."""
    n = len(held)
    root = np.arange(n)
    for e in range(len(i)):
        a, b = i[e], j[e]
        if weight[e] < WEAK * np.sqrt(held[a] * held[b]):
            continue
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        root[max(a, b)] = min(a, b)
    block, count = np.empty(n, np.intp), 0
    for k in range(n):
        if root[k] == k:
            block[k] = count
            count += 1
        else:
            block[k] = block[root[k]]
    return block


def lacking(block: Index, gap: Array) -> Array:
    """What each block lacks as a whole."""
    return np.asarray(np.bincount(block, gap))


def within(block: Index, nu: Array, gap: Array) -> Array:
    """The changes of mass asked for less what a block lacks as a whole, in proportion to the masses wanted."""
    return np.asarray(gap - nu * (lacking(block, gap) / np.bincount(block, nu))[block])


def centred(block: Index, step: tuple[Array, Array]) -> tuple[Array, Array]:
    """The step less its median over each block, so that a cell that is hardly held by its block moves alone."""
    order = np.lexsort((step[0], block))
    start = np.concatenate([[0], np.cumsum(np.bincount(block))])
    median = step[0][order[(start[:-1] + start[1:]) // 2]]
    return add(*step, -median[block])


def raise_blocks(problem: Problem, state: State, block: Index) -> State:
    """The state in which blocks lack little in all, or what is reached without a cell being lost."""
    left = LEFT * LACK * state.error
    rise = FIRST * float(np.abs(state.high).max())
    for _ in range(RAISES):
        short = lacking(block, problem.nu - state.cells.mass)
        lack = float(short[short > 0.0].sum())
        if lack < left or not rise > 0.0:
            break
        raised, rise = _raised(problem, state, short[block] > 0.0, lack, rise)
        if raised is None:
            break
        state = raised
    return state


def _raised(problem: Problem, state: State, members: Flags, lack: float, rise: float) -> tuple[State | None, float]:
    """The state in which these cells have got at least ENOUGH of what they lack, and how far they rose for it."""
    before = float(state.cells.mass[members].sum())
    under, over, least, most = 0.0, np.inf, 0.0, np.inf
    for trial in range(TRIALS):
        high, low = add(state.high, state.low, np.where(members, rise, 0.0))
        tried = evaluate(problem, high, low, state.diagram)
        gain = float(tried.cells.mass[members].sum()) - before
        if gain > lack:
            over, most = rise, gain
        elif gain < ENOUGH * lack:
            under, least = rise, gain
        else:
            break
        if np.isinf(over):
            rise *= GROWTH
        elif under == 0.0:
            rise /= GROWTH
        else:
            share = float(np.clip((AIM * lack - least) / (most - least), 0.05, 0.95)) if trial % 3 != 0 else 0.5
            rise = under + share * (over - under)
    else:
        return None, rise
    if (tried.cells.mass < LEAST * problem.nu).any():
        tried = raise_lacking(problem, tried, rounds=ROUNDS)
        if (tried.cells.mass <= EMPTY * problem.nu).any():
            return None, rise
    return tried, rise
