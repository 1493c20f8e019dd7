"""The measured error of a run is above its true one, and none is claimed where the second integration fails."""

import numpy as np
import pytest

from meanfield.limits.measured import FLOOR, assumption, measured_error
from meanfield.limits.run import read_run
from particles import Adaptive, Euler, LinearAttention, SelfAttention, simulate
from particles.kernels import softmax

I3 = np.eye(3)


@pytest.mark.parametrize("method", [Euler(0.1), Euler(0.01), Adaptive(1e-6, 1e-8)])
def test_errors_are_above_the_true_ones(method):
    x0 = np.random.default_rng(0).normal(size=(5, 3))
    x0 /= np.linalg.norm(x0, axis=1, keepdims=True)
    model = SelfAttention(I3, I3, I3).on_sphere()
    run = simulate(model, x0, [0.0, 1.0, 2.0], method)
    true = simulate(model, x0, [0.0, 1.0, 2.0], Adaptive(1e-12, 1e-14))
    gap = np.linalg.norm(run.position.values - true.position.values, axis=2).max(axis=1)
    errors = [measured_error(read_run(run), k) for k in range(3)]
    assert errors[0] == 0.0
    assert (np.array(errors[1:]) >= 9.0 * gap[1:]).all()
    assert errors[1] >= FLOOR
    assert "at t = 2 the exact solution lies within" in assumption(read_run(run), 2, errors[2])


def test_a_second_integration_that_ends_early_measures_nothing():
    run = simulate(LinearAttention(1.0, 1.0, 1.0), [1.0, 2.0], [0.0, 0.05, 0.15])
    late = run.assign_coords(time=[0.0, 0.05, 5.0])
    assert np.isinf(measured_error(read_run(late), 2))


def test_what_the_sums_of_the_run_left_out_is_measured(monkeypatch):
    """A second integration with the run's own sums agrees with it: both are off by what 0.3 allows."""
    monkeypatch.setitem(softmax.TREE_FROM_PAIRS, 2, 1)
    monkeypatch.setattr(softmax, "TREE_FROM_POINTS", 1)
    angles = np.random.default_rng(0).uniform(-1.4, 1.4, size=513)
    x0 = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    heads = [SelfAttention(np.eye(2), 3.0 * np.eye(2), np.eye(2), tolerance=t).on_sphere() for t in (0.3, None)]
    coarse, exact = (simulate(head, x0, [0.0, 0.1], Adaptive(1e-10, 1e-12)) for head in heads)
    gap = float(np.abs(coarse.position[-1] - exact.position[-1]).max())
    assert gap > 1e-7
    assert measured_error(read_run(coarse), 1) >= 9.0 * gap
