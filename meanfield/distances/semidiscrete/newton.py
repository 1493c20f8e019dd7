"""Newton's method for the dual, with a Levenberg–Marquardt term and cells that are kept from vanishing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.cell_blocks import LACK, blocks_of, centred, lacking, raise_blocks, within
from meanfield.distances.semidiscrete.dual_function import Laplacian, Problem, State, add, evaluate, laplacian, solve
from meanfield.distances.semidiscrete.raising import raise_lacking
from particles.checks import Array

SHORTEST = 2.0**-12
"""Share of a step at which the search along it ends."""

NEAR = 0.5
"""Error of the masses from which strides are taken: farther off there are better ways to begin again."""

STRIDES, STRIDE_STEPS = 200, 15
"""The most strides towards the masses wanted, and the most steps in each."""

SHORT = 0.25
"""Share of a step below which blocks of cells are moved instead, if there are any."""

SETTLED = 1e-8
"""Error of the masses below which blocks are where they belong, and steps are short for rounding only."""

PATIENCE = 6
"""Steps in which the error has to fall by a third, or no more are taken."""

ATTEMPTS = 12
"""Dampings with which a step is tried."""

ENOUGH = 1e-4
"""Error of the change of a cell's mass, relative to its mass and to the error of all masses, that a step may have."""

FEW, MENDED, MEND_ROUNDS = 0.05, 0.5, 8
"""Share of the cells that a step may empty for them to be raised again, in so many rounds, and what the error must fall
by then, as a share of the length of the step."""


class Progress(NamedTuple):
    """Where the iteration ended, after how many steps, and its history of errors."""

    state: State
    steps: int


def newton(
    problem: Problem, state: State, tolerance: float, relative: float, most: int, *, blocks: bool = True
) -> Progress:
    """Steps until Σ |m − ν| ≤ tolerance, or until no step helps, or until no cell, relative to it, lacks more
    than `relative` and no blocks of cells lack more than the tolerance. Blocks are raised if `blocks` is true."""
    damping, length = 1e-8, 1.0
    errors: list[float] = []
    for count in range(most):
        mass = state.cells.mass
        errors.append(state.error)
        if count >= PATIENCE and state.error > 0.7 * errors[-1 - PATIENCE]:
            return Progress(state, count)
        if state.error <= tolerance:
            return Progress(state, count)
        hessian = laplacian(problem, state)
        block = blocks_of(hessian)
        gap = problem.nu - mass
        if (np.abs(gap) <= relative * problem.nu).all() and np.abs(lacking(block, gap)).sum() <= tolerance:
            return Progress(state, count)
        found = None
        if blocks and block.any() and state.error > SETTLED:
            found = _stepped(problem, state, hessian, Search(damping, 1.0, SHORT, 1))
            found = found or _by_blocks(problem, state, hessian, block, damping)
        found = found or _stepped(problem, state, hessian, Search(damping, length, SHORTEST, ATTEMPTS))
        if found is None:
            return Progress(state, count)
        state, length, damping = found
    return Progress(state, most)


class Stepped(NamedTuple):
    """A state that is taken, the share of the step that leads there, and the damping of the next step."""

    state: State
    length: float
    damping: float


class Search(NamedTuple):
    """How a step is looked for: its damping, the share of the last one that was taken, the least share that may be
    taken, and with how many dampings it is tried."""

    damping: float
    length: float
    shortest: float
    attempts: int


def _stepped(problem: Problem, state: State, hessian: Laplacian, search: Search) -> Stepped | None:
    """A step damped as little as helps."""
    mass, damping = state.cells.mass, search.damping
    gap = wanted(mass, problem.nu)
    # What an empty cell resists with: its mass against the height of a cell of that mass.
    floor = np.where(mass <= 0.0, np.maximum(problem.nu * len(mass) - hessian.diagonal, 0.0), 0.0)
    for attempt in range(search.attempts):
        # In proportion to the masses: anything larger would empty the light cells.
        shift = damping * problem.nu + floor
        step = solve(hessian, shift, gap, ENOUGH * state.error * problem.nu)
        taken = _search(problem, state, step, (min(1.0, 4.0 * search.length), search.shortest), mend=attempt == 0)
        if taken is not None:
            return Stepped(*taken, max(damping / 30.0, 1e-15) if taken[1] == 1.0 else damping)
        damping = max(30.0 * damping, 1e-10)
    return None


def _by_blocks(problem: Problem, state: State, hessian: Laplacian, block: Index, damping: float) -> Stepped | None:
    """Blocks of cells that lack much mass as a whole are raised, then a step is taken within the blocks."""
    begun, nu = state, problem.nu
    if np.abs(lacking(block, nu - state.cells.mass)).sum() > LACK * state.error:
        state = raise_blocks(problem, state, block)
    if state is not begun:
        hessian = laplacian(problem, state)
        block = blocks_of(hessian)
    gap = within(block, nu, wanted(state.cells.mass, nu))
    step = centred(block, solve(hessian, damping * nu, gap, ENOUGH * state.error * nu))
    taken = _search(problem, state, step, (1.0, SHORTEST), mend=True)
    if taken is not None:
        return Stepped(*taken, damping)
    return None if state is begun else Stepped(state, 1.0, damping)


def in_strides(problem: Problem, state: State, tolerance: float, most: int, *, blocks: bool = True) -> Progress:
    """Newton's method for ν, and where it stops short for masses between those that were reached and ν."""
    found = newton(problem, state, tolerance, 0.0, most, blocks=blocks)
    steps, state, stride = found.steps, found.state, 0.5
    for _ in range(STRIDES):
        if not tolerance < state.error <= NEAR or stride < 2.0**-10 or (state.cells.mass <= 0.0).any():
            break
        mass = state.cells.mass
        near = problem._replace(nu=mass + stride * (problem.nu - mass))
        begun = evaluate(near, state.high, state.low, state.diagram)
        tried, more = newton(near, begun, 0.1 * begun.error, 0.0, STRIDE_STEPS, blocks=blocks)
        steps += more
        if tried.error <= 0.1 * begun.error:
            state, stride = evaluate(problem, tried.high, tried.low, tried.diagram), min(2.0 * stride, 1.0)
        else:
            stride *= 0.5
    return Progress(state, steps)


def wanted(mass: Array, nu: Array) -> Array:
    """The change of masses to ask for: towards ν by bounded factors, of total 0, exact once all are near."""
    held = mass > 0.0
    gap = np.where(held, np.clip(nu, mass / 16.0, 8.0 * mass), nu) - mass
    more, less = float(gap[gap > 0].sum()), -float(gap[gap < 0].sum())
    if more > less:
        gap[gap > 0] *= less / more
    elif less > 0.0:
        gap[gap < 0] *= more / less
    return gap


def _search(
    problem: Problem, state: State, step: tuple[Array, Array], lengths: tuple[float, float], *, mend: bool
) -> tuple[State, float] | None:
    """The first length, halved from one down to another, that empties no cell and lowers Φ or the error enough.

    Where a step empties a few cells only, and `mend` is true, they are raised again, and the error tells whether it is
    taken.
    """
    slope = float(np.einsum("n,n->", problem.nu - state.cells.mass, step[0]))
    least = 0.05 * np.minimum(state.cells.mass, problem.nu)
    length, shortest = lengths
    while length >= shortest:
        high, low = add(*add(state.high, state.low, length * step[0]), length * step[1])
        tried = evaluate(problem, high, low, state.diagram)
        lacking = np.count_nonzero(tried.cells.mass < least)
        aim = (1.0 - MENDED * length) * state.error
        if mend and 0 < lacking <= FEW * len(least) and tried.error < aim:
            mended = raise_lacking(problem, tried, rounds=MEND_ROUNDS)
            if mended.error < aim and not (mended.cells.mass < least).any():
                return mended, length
        if lacking == 0:
            if tried.error < (1.0 - 0.2 * length) * state.error:
                return tried, length
            if state.value - tried.value >= 0.1 * length * slope > 1e-13 * abs(state.value):
                return tried, length
        length *= 0.5
    return None
