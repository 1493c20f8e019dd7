"""Which queries go to grids and which to the tree."""

from __future__ import annotations

import numpy as np
from oracles.naive import softmax_average as exact
from samples import uniform

from particles.kernels.fast import gridded
from particles.kernels.fast.subquadratic import divide, subquadratic_average


def test_the_choice_between_grids_and_tree():
    x, logs = uniform(2, 9000, 1.0)
    gridded_parts, rest = divide(x, gridded.Cloud.of(x, logs), 1e-10)
    assert [len(rows) for rows, _ in gridded_parts] == [9000]
    assert len(rest) == 0
    assert len(divide(20 * x, gridded.Cloud.of(20 * x, logs), 1e-10)[1]) == 9000


def test_a_point_far_away_does_not_spoil_the_rest():
    x, _ = uniform(2, 60_000, 1.0)
    x[17] = 60.0
    logs = np.zeros((1, 60_000))
    parts, rest = divide(x, gridded.Cloud.of(x, logs[0]), 1e-8)
    assert sum(len(rows) for rows, _ in parts) >= 30_000
    assert 17 in rest
    assert np.array_equal(np.sort(np.concatenate([rest, *(rows for rows, _ in parts)])), np.arange(60_000))
    rows = np.r_[17, :200]
    mean, _, _ = subquadratic_average(x[None], x[None], logs, 1e-8, 1)
    reference, _ = exact(x[rows], x, 0.0)
    assert np.max(np.abs(mean[0, rows] - reference)) <= 1e-8 * 85


def test_each_run_has_the_masses_that_are_its_own():
    x, _ = uniform(2, 400, 1.0)
    logs = np.log(np.random.default_rng(2).uniform(0.1, 1.0, size=(3, 400)))
    clouds = np.stack([x, 0.5 * x, -x])
    mean, _, _ = subquadratic_average(clouds, clouds, logs, 1e-10, 1)
    for run in range(3):
        reference, _ = exact(clouds[run], clouds[run], logs[run])
        np.testing.assert_allclose(mean[run], reference, atol=1e-9)
