"""Newton's method for the dual, with a Levenberg–Marquardt term and cells that are kept from vanishing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.dual_function import Problem, State, add, evaluate, laplacian, solve
from particles.checks import Array


class Progress(NamedTuple):
    """Where the iteration ended, after how many steps, and its history of errors."""

    state: State
    steps: int


def newton(problem: Problem, state: State, tolerance: float, relative: float, most: int) -> Progress:
    """Steps until Σ |m − ν| ≤ tolerance, or until max |m − ν| / ν ≤ relative, or until no step helps."""
    n = len(problem.y)
    damping = 1e-8
    for count in range(most):
        mass = state.cells.mass
        if state.error <= tolerance or float((np.abs(problem.nu - mass) / problem.nu).max()) <= relative:
            return Progress(state, count)
        hessian = laplacian(problem, state)
        diagonal = hessian.diagonal
        gap = wanted(mass, problem.nu)
        # What an empty cell resists with: its mass against the height of a cell of that mass.
        floor = np.where(mass <= 0.0, np.maximum(problem.nu * n - diagonal, 0.0), 0.0)
        for _ in range(12):
            # In proportion to the masses: anything larger would empty the light cells.
            shift = damping * problem.nu + floor
            taken = _search(problem, state, solve(hessian, shift, gap))
            if taken is not None:
                break
            damping = max(30.0 * damping, 1e-10)
        else:
            return Progress(state, count)
        better, length = taken
        if length == 1.0:
            damping = max(damping / 30.0, 1e-15)
        state = better
    return Progress(state, most)


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


def _search(problem: Problem, state: State, step: tuple[Array, Array]) -> tuple[State, float] | None:
    """The first of a few lengths that empties no cell and lowers Φ or the error of the masses enough."""
    slope = float(np.einsum("n,n->", problem.nu - state.cells.mass, step[0]))
    least = 0.05 * np.minimum(state.cells.mass, problem.nu)
    length = 1.0
    for _ in range(12):
        high, low = add(*add(state.high, state.low, length * step[0]), length * step[1])
        tried = evaluate(problem, high, low, state.diagram)
        lost = tried.cells.mass < least
        if not lost.any():
            if tried.error < (1.0 - 0.2 * length) * state.error:
                return tried, length
            if state.value - tried.value >= 0.1 * length * slope > 1e-13 * abs(state.value):
                return tried, length
        length *= 0.5
    return None
