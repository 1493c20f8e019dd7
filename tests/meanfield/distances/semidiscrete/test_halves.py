"""Halves of groups: their cells get the masses of the halves where the mass is spread evenly, and no b is moved far."""

import numpy as np
import pytest

from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.dual_function import Problem, evaluate
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.halves import Level, Potentials, group, split
from meanfield.distances.semidiscrete.pieces import piece_tree, pieces_of_mesh


@pytest.mark.parametrize("share", [0.5, 0.2, 0.01])
@pytest.mark.parametrize("angle", [0.0, 0.5 * np.pi])
def test_two_sites_get_their_shares_of_a_rectangle(share, angle):
    square = pieces_of_mesh([[[-1, -3], [-1, 3]], [[1, -3], [1, 3]]], [[1.0]])
    pieces = piece_tree(square.corners, square.start, square.weights, square.areas, square.points, square.spread)
    y = np.array([[40.0, -7.0], [40.0 + np.cos(angle), -7.0 + np.sin(angle)]])
    sites = Level(y, np.array([share, 1.0 - share]), np.arange(2))
    whole = group(sites, np.array([0]))
    np.testing.assert_allclose(whole.y[0], share * y[0] + (1.0 - share) * y[1], rtol=1e-15)
    known = Potentials(np.zeros(1), np.zeros(1), np.zeros((1, 2)), np.array([[1 / 3, 0.0, 3.0]]))
    halves = split(whole, sites, known)
    tree = build(y, LEAF)
    problem = Problem(tree, y[tree.order], sites.nu[tree.order], pieces, np.array([-1.0, -3.0, 1.0, 3.0]))
    state = evaluate(problem, halves.high[tree.order], halves.low[tree.order])
    np.testing.assert_allclose(state.cells.mass, problem.nu, rtol=1e-12)
    np.testing.assert_allclose(halves.centroid[tree.order], state.cells.centroid, atol=1e-12)
    np.testing.assert_allclose(halves.spread[tree.order], state.cells.second / problem.nu[:, None], atol=1e-12)


def test_groups_that_are_not_halved_stay_as_they_are():
    rng = np.random.default_rng(0)
    sites = Level(rng.standard_normal((5, 2)), np.full(5, 0.2), np.arange(5))
    coarse = group(sites, np.array([0, 1, 3]))
    known = Potentials(
        rng.standard_normal(3), np.zeros(3), rng.standard_normal((3, 2)), np.tile([1.0, 0.0, 1.0], (3, 1))
    )
    finer = group(sites, np.array([0, 1, 3, 4]))
    out = split(coarse, finer, known)
    for part, before in zip(out, known, strict=True):
        np.testing.assert_array_equal(part[:2], before[:2])
        assert (part[2:] != before[2]).any()
