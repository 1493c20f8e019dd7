"""Raised cells have most of their mass, and none more than all of it."""

import numpy as np
import pytest

from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.dual_function import Problem, evaluate
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.levels import spread_out
from meanfield.distances.semidiscrete.pieces import piece_tree, pieces_of_mesh
from meanfield.distances.semidiscrete.raising import LEAST, raise_lacking


@pytest.mark.parametrize("lowered", [1, 5, 20])
@pytest.mark.parametrize("weight", [1.0, 1e-9])
def test_cells_that_were_hidden_come_back(lowered, weight):
    square = pieces_of_mesh([[[-1, -1], [-1, 1]], [[1, -1], [1, 1]]], [[1.0]])
    pieces = piece_tree(square.corners, square.start, square.weights, square.areas, square.points, square.spread)
    y = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    tree = build(y, LEAF)
    nu = np.full(60, 1.0)
    hidden = np.arange(0, 3 * lowered, 3)
    nu[hidden] *= weight
    nu /= nu.sum()
    problem = Problem(tree, y[tree.order], nu, pieces, np.array([-1.0, -1.0, 1.0, 1.0]))
    high, low = spread_out(problem)
    high[hidden] -= 5.0
    begun = evaluate(problem, high, low)
    assert (begun.cells.mass[hidden] == 0.0).all()
    raised = raise_lacking(problem, begun)
    mass = raised.cells.mass
    assert (mass >= LEAST * nu).all()
    assert (mass[hidden] <= nu[hidden] * (1 + 1e-12)).all()
    assert ((raised.high + raised.low) >= (begun.high + begun.low)).all()
