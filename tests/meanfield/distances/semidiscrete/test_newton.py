"""Newton's method converges quadratically from Voronoi cells, and asks for changes of total 0."""

import numpy as np
import pytest

from meanfield import Grid, Normal
from meanfield.distances.arguments import as_atoms
from meanfield.distances.semidiscrete import newton as newton_module
from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.dual_function import Problem, evaluate
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.levels import spread_out
from meanfield.distances.semidiscrete.newton import newton, wanted
from meanfield.distances.semidiscrete.pieces import piece_tree, pieces_of_grid, pieces_of_mesh
from meanfield.distances.semidiscrete.solution import solve
from particles.measure import EmpiricalMeasure


def problem(n):
    square = pieces_of_mesh([[[-1, -1], [-1, 1]], [[1, -1], [1, 1]]], [[1.0]])
    pieces = piece_tree(square.corners, square.start, square.weights, square.areas, square.points, square.spread)
    y = np.random.default_rng(0).uniform(-1, 1, (n, 2))
    tree = build(y, LEAF)
    box = np.array([-1.01, -1.01, 1.01, 1.01])
    return Problem(tree, np.ascontiguousarray(y[tree.order]), np.full(n, 1 / n), pieces, box)


def test_few_steps_and_quadratic_convergence():
    p = problem(300)
    start = evaluate(p, *spread_out(p))
    assert (start.cells.mass > 0).all()
    found = newton(p, start, 1e-13, 0.0, 40)
    assert found.state.error <= 1e-13
    assert found.steps < 15
    near = newton(p, start, 1e-4, 0.0, 40).state
    one = newton(p, near, 1e-13, 0.0, 1).state
    assert one.error < 10 * 300 * near.error**2 + 1e-14


def test_masses_of_six_decades_are_met_to_rounding():
    """A dozen steps by bounded factors: the damping has to fall from each to the next."""
    nu = 10.0 ** np.random.default_rng(1).uniform(-6, 0, 300)
    p = problem(300)._replace(nu=nu / nu.sum())
    found = newton(p, evaluate(p, *spread_out(p)), 1e-13, 0.0, 40)
    assert found.state.error <= 1e-13
    assert found.steps < 20


@pytest.mark.parametrize(("sigma", "most"), [(1.0, 25), (0.1, 50)])
def test_a_gaussian_on_few_cells_takes_few_steps(sigma, most, monkeypatch):
    """Its density falls by decades from cell to cell: whole steps empty some of the cells there, which are raised."""
    asked = []

    def counted(*args):
        asked.append(1)
        return evaluate(*args)

    monkeypatch.setattr(newton_module, "evaluate", counted)
    density = pieces_of_grid(Grid([(-5, 5), (-5, 5)], (32, 32)).measure(Normal([0, 0], sigma**2 * np.eye(2))))
    points = np.random.default_rng(1).normal([1, 0], 1, (2000, 2))
    solve(as_atoms(EmpiricalMeasure(points), "mu"), density).require()
    assert len(asked) <= most


@pytest.mark.parametrize("seed", range(5))
def test_wanted_changes_add_up_to_nothing(seed):
    rng = np.random.default_rng(seed)
    mass, nu = (10.0 ** rng.uniform(-12, 0, 20) for _ in range(2))
    mass, nu = mass / mass.sum(), nu / nu.sum()
    gap = wanted(mass, nu)
    assert abs(gap.sum()) < 1e-15
    assert (mass + gap > 0).all()
    assert (gap * (nu - mass) >= 0).all()
