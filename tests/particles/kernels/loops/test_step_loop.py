"""The compiled loop: the tableau, and what stands in a run between two calls."""

import numpy as np
from compiled_models import MODELS, tokens
from scipy.integrate import DOP853

from particles.fields.compiled_sum import compiled_sum, pack
from particles.kernels.loops.step_loop import (
    ARRIVED,
    COUNTS,
    FIFTH,
    PLACES,
    RUNNING,
    STUCK,
    THIRD,
    VALUES,
    Runs,
    advance_runs,
)


def test_the_sparse_rows_are_the_tableau():
    rows = [*DOP853.A, DOP853.B, DOP853.E5[:-1], DOP853.E3[:-1]]
    for r, row in enumerate(rows):
        dense = np.zeros(12)
        dense[PLACES[r, : COUNTS[r]]] = VALUES[r, : COUNTS[r]]
        np.testing.assert_array_equal(dense, row)
    assert DOP853.E5[-1] == DOP853.E3[-1] == 0
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
    advance_runs(whole, packed, mass, np.log2(mass), 5, 3.0, limits, 1000, 0, 1)
    calls = 0
    while parts.state[0, 0] <= RUNNING:
        advance_runs(parts, packed, mass, np.log2(mass), 5, 3.0, limits, 2, 0, 1)
        calls += 1
    assert whole.state[0, 0] == parts.state[0, 0] == ARRIVED
    assert 2 * calls >= whole.state[0, 1] == parts.state[0, 1] > 4
    np.testing.assert_array_equal(whole.x, parts.x)
    np.testing.assert_array_equal(whole.clock, parts.clock)


def test_a_step_below_the_rounding_of_the_time_is_not_taken():
    x, _ = tokens("rescaled", 5, runs=1)
    packed, mass, runs = pack([compiled_sum(MODELS["rescaled"])]), np.full(8, 0.2), _runs(x[0])
    runs.clock[0, 0] = 1e6
    advance_runs(runs, packed, mass, np.log2(mass), 5, 2e6, np.array([1e-8, 1e-10, 1e-12]), 1000, 0, 1)
    assert runs.state[0].tolist() == [STUCK, 0]
    assert runs.clock[0, 0] == 1e6
