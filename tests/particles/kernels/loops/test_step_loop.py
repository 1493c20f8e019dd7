"""The compiled loop: the tableau, and what stands in a run between two calls."""

import numpy as np
from compiled_models import MODELS, tokens
from scipy import integrate

from particles.fields.compiled_sum import compiled_sum, pack
from particles.kernels.loops.step_loop import (
    ARRIVED,
    DOP853,
    FIFTH,
    RUNNING,
    STUCK,
    THIRD,
    Runs,
    advance_runs,
    rule,
)


def test_the_sparse_rows_are_the_tableau():
    theirs = integrate.DOP853
    for r, row in enumerate([*theirs.A, theirs.B, theirs.E5[:-1], theirs.E3[:-1]]):
        dense, count = np.zeros(12), DOP853.counts[r]
        dense[DOP853.places[r, :count]] = DOP853.values[r, :count]
        np.testing.assert_array_equal(dense, row)
    assert theirs.E5[-1] == theirs.E3[-1] == 0
    assert (FIFTH, THIRD) == (13, 14)


def _runs(x):
    n = len(x)
    places = np.minimum(np.arange(-(-n // 8) * 8), n - 1)
    start = np.ascontiguousarray(x.T[:, places]).reshape(1, -1)
    return Runs(start, 0 * start, np.zeros((1, 2)), np.zeros((1, 2), np.int64), np.zeros(1, np.int64))


def test_a_run_in_pieces_is_the_run():
    x, _ = tokens("rescaled", 5, runs=1)
    packed, mass = pack([compiled_sum(MODELS["rescaled"])]), np.full(8, 0.2)
    limits = np.array([1e-8, 1e-10, np.inf])
    whole, parts = _runs(x[0]), _runs(x[0])
    advance_runs(whole, DOP853, packed, mass, np.log2(mass), 5, 3.0, limits, 1000, 0, 1)
    calls = 0
    while parts.state[0, 0] <= RUNNING:
        advance_runs(parts, DOP853, packed, mass, np.log2(mass), 5, 3.0, limits, 2, 0, 1)
        calls += 1
    assert whole.state[0, 0] == parts.state[0, 0] == ARRIVED
    assert 2 * calls >= whole.state[0, 1] == parts.state[0, 1] > 4
    np.testing.assert_array_equal(whole.x, parts.x)
    np.testing.assert_array_equal(whole.clock, parts.clock)


def test_a_step_below_the_rounding_of_the_time_is_not_taken():
    x, _ = tokens("rescaled", 5, runs=1)
    packed, mass, runs = pack([compiled_sum(MODELS["rescaled"])]), np.full(8, 0.2), _runs(x[0])
    runs.clock[0, 0] = 1e6
    advance_runs(runs, DOP853, packed, mass, np.log2(mass), 5, 2e6, np.array([1e-8, 1e-10, 1e-12]), 1000, 0, 1)
    assert runs.state[0].tolist() == [STUCK, 0]
    assert runs.clock[0, 0] == 1e6


def test_equal_steps_land_where_a_step_leads_and_stop_before_what_is_not_finite():
    x, _ = tokens("rescaled", 5, runs=1)
    packed, mass = pack([compiled_sum(MODELS["rescaled"])]), np.full(8, 0.2)
    runs, kicks, h = _runs(x[0]), np.zeros((1, 3, 24)), 0.25
    kicks[0, 1], kicks[0, 2] = 0.5, np.inf
    equal = rule([(), (1.0,)], [0.0])._replace(steps=np.array([1.0, h]), kicks=kicks)
    advance_runs(runs, equal, packed, mass, np.log2(mass), 5, 9.0, np.ones(3), 3, 0, 1)
    assert runs.state[0].tolist() == [STUCK, 2]
    assert runs.clock[0, 0] == 1.5
    expected = x
    for i in range(2):
        expected = expected + h * MODELS["rescaled"].particle_velocity(1 + i * h, expected, mass[:5]) + 0.5 * i
    np.testing.assert_allclose(runs.x.reshape(3, 8)[:, :5].T, expected[0], rtol=1e-14)
