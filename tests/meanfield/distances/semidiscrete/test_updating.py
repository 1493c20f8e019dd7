"""Cells that rise are cut in place: the state is that of a whole new diagram, whoever they swallow."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure
from meanfield.distances.semidiscrete import updating
from meanfield.distances.semidiscrete.dual_function import evaluate
from meanfield.distances.semidiscrete.halves import Level, as_problem
from meanfield.distances.semidiscrete.levels import spread_out
from meanfield.distances.semidiscrete.pieces import pieces_of_grid
from meanfield.distances.semidiscrete.solution import _frame, _pieces
from meanfield.distances.semidiscrete.updating import after_rise


def problem(n, seed):
    rng = np.random.default_rng(seed)
    masses = rng.exponential(size=(9, 9))
    density = pieces_of_grid(GridMeasure(Grid([(-1, 1), (-1, 1)], (9, 9)), masses / masses.sum()))
    y, nu = rng.uniform(-1, 1, (n, 2)), np.full(n, 1 / n)
    frame = _frame(y, nu, density)
    level = Level((y - frame.centre) * (frame.unit / frame.scale), nu, np.arange(n))
    return as_problem(level, *_pieces(density, frame))[0]


@pytest.mark.parametrize("height", [1e-6, 1e-3, 0.3])
@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("seed", range(3))
def test_cut_in_place(seed, count, height, monkeypatch):
    sites = problem(400, seed)
    state = evaluate(sites, *spread_out(sites))
    rng = np.random.default_rng(seed)
    risen = np.sort(rng.choice(400, count, replace=False))
    high = state.high.copy()
    high[risen] += height * rng.uniform(0.5, 1, count)
    whole = evaluate(sites, high, state.low)
    if height < 0.3:
        # Nothing else than the part may be asked for.
        monkeypatch.setattr(updating, "evaluate", None)
    part = after_rise(sites, state, high, state.low, risen)
    np.testing.assert_allclose(part.cells.mass, whole.cells.mass, atol=1e-15)
    np.testing.assert_allclose(part.cells.centroid, whole.cells.centroid, atol=1e-12)
    np.testing.assert_array_equal(part.diagram.empty, whole.diagram.empty)
    np.testing.assert_array_equal(part.diagram.start, whole.diagram.start)
    for k in range(400):
        row = slice(whole.diagram.start[k], whole.diagram.start[k + 1])
        assert set(part.diagram.neighbour[row]) == set(whole.diagram.neighbour[row])
    assert part.value == pytest.approx(whole.value, abs=1e-14)
    assert part.error == pytest.approx(whole.error, abs=1e-13)
