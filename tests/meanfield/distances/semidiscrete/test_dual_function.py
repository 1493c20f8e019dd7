"""Value, gradient and Hessian of the dual against differences; pairs of floats against exact sums."""

from fractions import Fraction

import numpy as np
import pytest

from meanfield import Grid, GridMeasure
from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.dual_function import Problem, add, evaluate, laplacian, solve
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.pieces import piece_tree, pieces_of_grid


def problem(n=25):
    rng = np.random.default_rng(3)
    density = GridMeasure(Grid([(-1, 1), (-1, 1)], (4, 4)), np.full((4, 4), 1 / 16))
    p = pieces_of_grid(density)
    pieces = piece_tree(p.corners, p.start, p.weights, p.areas, p.points, p.spread)
    y = rng.uniform(-1, 1, (n, 2))
    tree = build(y, LEAF)
    y = np.ascontiguousarray(y[tree.order])
    return Problem(tree, y, np.full(n, 1 / n), pieces, np.array([-1.01, -1.01, 1.01, 1.01]))


def test_gradient_and_hessian_against_differences():
    p = problem()
    b, zero, h = -0.5 * (p.y**2).sum(axis=1), np.zeros(25), 1e-6
    state = evaluate(p, b, zero)
    graph = laplacian(p, state)
    direction = np.random.default_rng(0).standard_normal(25)
    ahead, back = (evaluate(p, b + s * h * direction, zero) for s in (1, -1))
    slope = (ahead.value - back.value) / (2 * h)
    assert slope == pytest.approx(direction @ (state.cells.mass - p.nu), abs=1e-8)
    flow = graph.weight * (direction[graph.i] - direction[graph.j])
    product = np.bincount(graph.i, flow, 25) - np.bincount(graph.j, flow, 25)
    np.testing.assert_allclose((ahead.cells.mass - back.cells.mass) / (2 * h), product, atol=1e-6)


def test_the_linear_solution():
    p = problem()
    graph = laplacian(p, evaluate(p, -0.5 * (p.y**2).sum(axis=1), np.zeros(25)))
    gap = np.random.default_rng(1).standard_normal(25)
    shift = np.full(25, 0.1)
    high, low = solve(graph, shift, gap, 0.0 * gap)
    s = high + low
    flow = graph.weight * (s[graph.i] - s[graph.j])
    product = np.bincount(graph.i, flow, 25) - np.bincount(graph.j, flow, 25) + shift * s
    np.testing.assert_allclose(product, gap, atol=1e-13)


def test_pairs_keep_what_a_float_loses():
    high, low = np.array([1.0, -3.0, 1e8]), np.zeros(3)
    step = np.array([1e-20, 1e-17, 1e-10])
    exact = [Fraction(h) for h in high]
    for _ in range(5):
        high, low = add(high, low, step)
        exact = [e + Fraction(s) for e, s in zip(exact, step, strict=True)]
    for h, lo, e in zip(high, low, exact, strict=True):
        assert abs(float(Fraction(h) + Fraction(lo) - e)) <= 1e-30 * abs(h)
