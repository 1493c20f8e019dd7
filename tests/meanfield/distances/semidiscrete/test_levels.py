"""Where Newton's method begins: no cell of the box is empty."""

import numpy as np
import pytest

from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.dual_function import Problem, evaluate
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.levels import by_ranks, spread_out
from meanfield.distances.semidiscrete.pieces import piece_tree, pieces_of_mesh


@pytest.mark.parametrize("shift", [0.0, 50.0])
@pytest.mark.parametrize("flat", [1.0, 1e-6, 0.0])
def test_spread_out_cells_all_hold_part_of_the_box(shift, flat):
    square = pieces_of_mesh([[[-1, -1], [-1, 1]], [[1, -1], [1, 1]]], [[1.0]])
    pieces = piece_tree(square.corners, square.start, square.weights, square.areas, square.points, square.spread)
    y = np.random.default_rng(0).uniform(-1, 1, (60, 2)) * [1.0, flat] + shift
    tree = build(y, LEAF)
    problem = Problem(tree, y[tree.order], np.full(60, 1 / 60), pieces, np.array([-1.0, -1.0, 1.0, 1.0]))
    assert (evaluate(problem, *spread_out(problem)).cells.mass > 0).all()


@pytest.mark.parametrize("spread", [1.0, 1e-4, 1e-8])
def test_ranks_give_each_site_of_a_cluster_its_part_of_the_box(spread):
    square = pieces_of_mesh([[[-1, -1], [-1, 1]], [[1, -1], [1, 1]]], [[1.0]])
    pieces = piece_tree(square.corners, square.start, square.weights, square.areas, square.points, square.spread)
    rng = np.random.default_rng(0)
    y = np.array([[0.0, 0.0], [0.7, 0.3], [-0.8, 0.5]])[np.arange(60) % 3] + spread * rng.standard_normal((60, 2))
    tree = build(y, LEAF)
    y = y[tree.order]
    problem = Problem(tree, y, np.full(60, 1 / 60), pieces, np.array([-1.0, -1.0, 1.0, 1.0]))
    high, low = by_ranks(problem)
    assert (evaluate(problem, high, low).cells.mass > 0).all()
    # The cell holds the point of the ranks, where its function is the largest.
    ranks = (np.argsort(np.argsort(y, axis=0), axis=0) + 0.5) / 60
    x = -1 + 2 * (0.05 + 0.9 * ranks)
    for i in range(60):
        excess = (y - y[i]) @ x[i] + ((high - high[i]) + (low - low[i]))
        assert excess.max() <= 1e-15 * spread + 1e-17
