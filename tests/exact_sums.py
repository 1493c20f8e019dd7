"""What holds of every exact softmax sum."""

import numpy as np
from oracles.naive import softmax_double_loop

U = np.finfo(np.float64).eps


def assert_the_double_loop(average, k):
    """`average` of 90 sources in R^k, one of them without mass, at 70 queries, values in R^4."""
    rng = np.random.default_rng(k)
    q, y, v = rng.normal(size=(1, 70, k)), rng.normal(size=(1, 90, k)), rng.normal(size=(1, 90, 4))
    logs = np.log(rng.dirichlet(np.ones(90)))
    logs[3] = -np.inf
    mean, logsumexp, finite = average(q.copy(), y, v, logs[None], 1)
    expected, expected_log = softmax_double_loop(q[0], y[0], v[0], logs)
    assert finite
    assert np.max(np.abs(mean[0] - expected)) < 200 * U
    assert np.max(np.abs(logsumexp[0] - expected_log)) < 200 * U
