"""Two clouds are at the times asked for where one run would have them."""

import numpy as np

from meanfield.studies import two_clouds
from meanfield.studies.two_clouds import METHOD, TwoClouds, positions
from particles import EmpiricalMeasure, SelfAttention


def test_clouds_are_carried_to_new_times_and_known_ones_kept(monkeypatch):
    rng = np.random.default_rng(0)
    model = SelfAttention(np.eye(2), np.eye(2), np.diag([1.0, -0.5])).rescaled()
    mu = EmpiricalMeasure(rng.standard_normal((6, 2)))
    nu = EmpiricalMeasure(rng.standard_normal((4, 2)), rng.dirichlet(np.ones(4)))
    saves = np.array([0.0, 0.5, 1.0])
    known = tuple(positions(model, m, saves, METHOD) for m in (mu, nu))
    clouds = TwoClouds(model, (mu, nu), saves, known)
    runs = []
    monkeypatch.setattr(two_clouds, "positions", lambda *given: runs.append(given[2]) or positions(*given))
    times = np.array([0.25, 0.5, 0.7, 0.9, 1.3])
    found = clouds.at(times)
    assert clouds.at(times)[2].x is found[2].x
    np.testing.assert_array_equal(runs, [[0.0, 0.25, 0.7, 0.9, 1.3]] * 2)
    np.testing.assert_array_equal(found[1].x, known[0][1])
    for cloud, measure in (("x", mu), ("y", nu)):
        expected = positions(model, measure, np.append(0.0, times), METHOD)[1:]
        np.testing.assert_allclose([getattr(pair, cloud) for pair in found], expected, rtol=0, atol=1e-8)
    clouds.at(np.array([0.95]))
    np.testing.assert_array_equal(runs[-1], [0.9, 0.95])
