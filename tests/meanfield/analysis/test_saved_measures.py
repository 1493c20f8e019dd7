"""The measure at a saved time: the tokens or cells of that save, and no time between two of them."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, Uniform, Upwind, measure_at, solve
from particles import EmpiricalMeasure, SelfAttention, simulate
from particles.errors import InvalidInput

MODEL = SelfAttention(1.0, 1.0, -1.0)
WEIGHTS = np.array([0.2, 0.3, 0.5])
RUN = simulate(MODEL, [-1.0, 0.5, 2.0], [0.0, 0.1, 0.3], weights=WEIGHTS)
SOLUTION = solve(MODEL, Grid([(-3, 3)], 24).measure(Uniform((-1, 1))), [0.0, 0.1, 0.3], Upwind())


def test_tokens_of_a_run():
    mu = measure_at(RUN, 0.1)
    assert isinstance(mu, EmpiricalMeasure)
    np.testing.assert_array_equal(mu.points, RUN.position.values[1])
    np.testing.assert_array_equal(mu.weights, WEIGHTS)


def test_cells_of_a_solution():
    mu = measure_at(SOLUTION, 0.3)
    assert isinstance(mu, GridMeasure)
    np.testing.assert_array_equal(mu.density, SOLUTION.density.values[2])
    assert not np.array_equal(mu.density, measure_at(SOLUTION, 0.1).density)


@pytest.mark.parametrize("ds", [RUN, SOLUTION])
def test_a_time_is_right_up_to_rounding_and_no_further(ds):
    np.testing.assert_array_equal(measure_at(ds, 0.1 + 0.2).points, measure_at(ds, 0.3).points)
    with pytest.raises(InvalidInput, match=r"time = 0.25 was not saved; the nearest saved time is 0.3"):
        measure_at(ds, 0.25)


def test_runs_are_taken_one_by_one():
    ensemble = simulate(MODEL, np.arange(6.0).reshape(2, 3, 1), [0.0, 0.1])
    with pytest.raises(InvalidInput, match=r"has 2 runs: take one, ds.isel\(run=0\)"):
        measure_at(ensemble, 0.1)
    np.testing.assert_array_equal(measure_at(ensemble.isel(run=1), 0.1).points, ensemble.position.values[1, 1])


def test_a_dataset_of_neither_is_refused():
    with pytest.raises(InvalidInput, match="neither `position` nor `density`"):
        measure_at(RUN[["weight"]], 0.1)
