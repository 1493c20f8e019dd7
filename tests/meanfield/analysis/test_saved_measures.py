"""The measure at a saved time: the tokens or cells of that save, and no time between two of them."""

import warnings

import numpy as np
import pytest

from meanfield import (
    Grid,
    GridMeasure,
    Uniform,
    Upwind,
    measure_at,
    solve,
    transport,
    wasserstein,
    wasserstein_bracket,
)
from particles import EmpiricalMeasure, SelfAttention, simulate
from particles.errors import InvalidInput
from particles.fields.spaces import Euclidean

MODEL = SelfAttention(1.0, 1.0, -1.0)
WEIGHTS = np.array([0.2, 0.3, 0.5])


@pytest.fixture(scope="module")
def run():
    return simulate(MODEL, [-1.0, 0.5, 2.0], [0.0, 0.1, 0.3], weights=WEIGHTS)


@pytest.fixture(scope="module")
def solution():
    return solve(MODEL, Grid([(-3, 3)], 24).measure(Uniform((-1, 1))), [0.0, 0.1, 0.3], Upwind())


def test_tokens_of_a_run(run):
    mu = measure_at(run, 0.1)
    assert isinstance(mu, EmpiricalMeasure)
    np.testing.assert_array_equal(mu.points, run.position.values[1])
    np.testing.assert_array_equal(mu.weights, WEIGHTS)


def test_cells_of_a_solution(solution):
    mu = measure_at(solution, 0.3)
    assert isinstance(mu, GridMeasure)
    np.testing.assert_array_equal(mu.density, solution.density.values[2])
    assert not np.array_equal(mu.density, measure_at(solution, 0.1).density)


@pytest.mark.parametrize("kind", ["run", "solution"])
def test_a_time_is_right_up_to_rounding_and_no_further(kind, request):
    ds = request.getfixturevalue(kind)
    np.testing.assert_array_equal(measure_at(ds, 0.1 + 0.2).points, measure_at(ds, 0.3).points)
    # Relative to the time, or to 1 where it is smaller.
    assert measure_at(ds, 0.3 + 0.9e-12).points.shape == measure_at(ds, 0.3).points.shape
    with pytest.raises(InvalidInput, match="was not saved"):
        measure_at(ds, 0.3 + 1.1e-12)
    with pytest.raises(InvalidInput, match=r"time = 0.25 was not saved; the nearest saved time is 0.3"):
        measure_at(ds, 0.25)


def test_runs_are_taken_one_by_one():
    ensemble = simulate(MODEL, np.arange(6.0).reshape(2, 3, 1), [0.0, 0.1])
    with pytest.raises(InvalidInput, match=r"has 2 runs: take one, ds.isel\(run=0\)"):
        measure_at(ensemble, 0.1)
    np.testing.assert_array_equal(measure_at(ensemble.isel(run=1), 0.1).points, ensemble.position.values[1, 1])


def test_a_dataset_of_neither_is_refused(run):
    with pytest.raises(InvalidInput, match="neither `position` nor `density`"):
        measure_at(run[["weight"]], 0.1)


def test_measures_of_a_circle_know_their_period_and_distances_ask_for_it(run):
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).on_circle()
    turning = simulate(model, [[0.01], [6.27]], [0.0, 0.1])
    grid = Grid([(0, 2 * np.pi)], 16)
    wave = solve(model, grid.measure(Uniform((0, 2 * np.pi))), [0.0, 0.1])
    mu, nu = measure_at(turning, 0.0), measure_at(turning, 0.1)
    for measure in (mu, measure_at(wave, 0.1), grid.measure(EmpiricalMeasure([3.0], periods=[2 * np.pi]))):
        assert measure.periods == (2 * np.pi,)
    for distance in (wasserstein, transport, wasserstein_bracket):
        with pytest.warns(UserWarning, match="ground=model.space") as caught:
            distance(mu, nu)
        assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match="straight"):
        wasserstein(measure_at(wave, 0.1), EmpiricalMeasure([1.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert wasserstein(mu, nu, ground=model.space) < 0.1
        wasserstein(mu, nu, ground=Euclidean())
        wasserstein(measure_at(run, 0.0), measure_at(run, 0.3))
        wasserstein_bracket(EmpiricalMeasure(mu.points), nu.push_forward(np.copy))
