"""Groups drawn apart: no cell is hidden at first, and clusters are reached whose halved cells are empty."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure
from meanfield.distances.semidiscrete import levels
from meanfield.distances.semidiscrete.drawn_apart import Given, Known, drawn_apart, halved, near, too_many
from meanfield.distances.semidiscrete.dual_function import evaluate
from meanfield.distances.semidiscrete.groups import nested
from meanfield.distances.semidiscrete.halves import Level, Potentials, as_problem, group
from meanfield.distances.semidiscrete.pieces import pieces_of_grid
from meanfield.distances.semidiscrete.solution import _frame, _pieces

CENTRES = np.array([[-0.7, -0.7], [0.7, -0.6], [0.6, 0.75], [-0.75, 0.6]])


def clusters(n, seed):
    """n points in four clusters, a fifth of them in the wrong one for a density of four narrow bumps."""
    rng = np.random.default_rng(seed)
    grid = Grid([(-1, 1), (-1, 1)], (48, 48))
    apart = grid.points[:, None] - CENTRES
    masses = np.exp(-0.5 * np.einsum("kcd,kcd->kc", apart, apart) / 0.03**2).sum(axis=1) + 1e-14
    density = pieces_of_grid(GridMeasure(grid, (masses / masses.sum()).reshape(48, 48)))
    y = CENTRES[np.where(rng.uniform(size=n) < 0.2, 0, np.arange(n) % 4)] + 0.02 * rng.standard_normal((n, 2))
    nu = np.full(n, 1 / n)
    frame = _frame(y, nu, density)
    y = (y - frame.centre) * (frame.unit / frame.scale)
    pieces, box = _pieces(density, frame)
    order, starts, _ = nested(y)
    given = Given(Level(y[order], nu[order], np.arange(n)), starts, pieces, box, 40)
    total = pieces.moments[0]
    one = Potentials(np.zeros(1), np.zeros(1), total[None, 1:3], total[None, 3:] / total[0])
    return given, Known(0, group(given.sites, starts[0]), one)


def test_halves_that_are_barely_apart_share_the_cell_of_their_group():
    given, root = clusters(64, 0)
    coarse, _ = drawn_apart(given, root, 3)
    assert coarse is not None
    assert near(coarse)
    back = np.argsort(coarse.order)
    cells = coarse.state.cells
    held = cells.second[back] / cells.mass[back][:, None]
    known = Known(
        3,
        group(given.sites, given.starts[3]),
        Potentials(coarse.state.high[back], coarse.state.low[back], cells.centroid[back], held),
    )
    finer = halved(given, known, 5, 1e-7)
    problem, order = as_problem(finer.level, given.pieces, given.box)
    mass = evaluate(problem, finer.potentials.high[order], finer.potentials.low[order]).cells.mass[np.argsort(order)]
    parts = np.searchsorted(known.level.start, finer.level.start, side="right") - 1
    np.testing.assert_allclose(np.bincount(parts, mass), cells.mass[back], rtol=1e-4)
    # Drawn apart whole they are where they belong.
    np.testing.assert_array_equal(halved(given, known, 5).level.y, group(given.sites, given.starts[5]).y)


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_reached_whose_halved_cells_are_empty(seed, monkeypatch):
    given, root = clusters(200, seed)
    last = len(given.starts) - 1
    begun = halved(given, root, last)
    problem, order = as_problem(begun.level, given.pieces, given.box)
    assert too_many(problem, evaluate(problem, begun.potentials.high[order], begun.potentials.low[order]), 0.3)
    # Without a path of densities, the next best way.
    monkeypatch.setattr(levels, "_follow", None)
    solved = levels.solve_levels(given.sites.y, given.sites.nu, given.pieces, given.box, 1e-12, 40)
    assert solved.state.error < 1e-13
    np.testing.assert_array_equal(solved.problem.y, given.sites.y[solved.place])


def test_where_the_groups_cells_are_of_no_help_nothing_is_reached():
    given, root = clusters(200, 0)
    elsewhere = root._replace(potentials=root.potentials._replace(centroid=root.potentials.centroid + 5.0))
    assert drawn_apart(given, elsewhere, len(given.starts) - 1)[0] is None
