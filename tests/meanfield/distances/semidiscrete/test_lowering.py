"""Lowered cells have about their mass, what they hid is seen again, and no other b changes."""

import numpy as np
import pytest

from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.dual_function import Problem, evaluate
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.levels import spread_out
from meanfield.distances.semidiscrete.lowering import EXCESS, lower_excess
from meanfield.distances.semidiscrete.pieces import piece_tree, pieces_of_mesh


@pytest.mark.parametrize(("high_ones", "by"), [(1, 0.3), (1, 3.0), (1, 300.0), (3, 0.3), (3, 3.0)])
def test_cells_that_hid_others_are_lowered_to_their_mass(high_ones, by):
    square = pieces_of_mesh([[[-1, -1], [-1, 1]], [[1, -1], [1, 1]]], [[1.0]])
    pieces = piece_tree(square.corners, square.start, square.weights, square.areas, square.points, square.spread)
    y = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    tree = build(y, LEAF)
    nu = np.full(60, 1.0 / 60)
    problem = Problem(tree, y[tree.order], nu, pieces, np.array([-1.0, -1.0, 1.0, 1.0]))
    high, low = spread_out(problem)
    raised = np.arange(0, 20 * high_ones, 20)
    high[raised] += by * (1 + 0.01 * np.arange(high_ones))
    begun = evaluate(problem, high, low)
    assert begun.cells.mass.max() > EXCESS / 60
    lowered = lower_excess(problem, begun)
    assert lowered.cells.mass.max() <= EXCESS / 60
    fall = (begun.high - lowered.high) + (begun.low - lowered.low)
    assert (fall >= 0).all()
    assert (fall[begun.cells.mass < 1.0 / 60] == 0)[~np.isin(np.flatnonzero(begun.cells.mass < 1.0 / 60), raised)].all()
    assert np.count_nonzero(lowered.cells.mass > 0) > np.count_nonzero(begun.cells.mass > 0)


def test_where_no_cell_has_too_much_nothing_is_done():
    square = pieces_of_mesh([[[-1, -1], [-1, 1]], [[1, -1], [1, 1]]], [[1.0]])
    pieces = piece_tree(square.corners, square.start, square.weights, square.areas, square.points, square.spread)
    y = np.array([[-0.5, 0.0], [0.5, 0.0]])
    problem = Problem(build(y, LEAF), y, np.full(2, 0.5), pieces, np.array([-1.0, -1.0, 1.0, 1.0]))
    begun = evaluate(problem, np.zeros(2), np.zeros(2))
    assert lower_excess(problem, begun) is begun
