"""The logarithm with noise: the mean rate of the spread at finite n."""

import numpy as np

from particles import Diffusion, EulerMaruyama, LogAttraction, simulate


def test_noise_adds_2dD_times_n_minus_1_over_n_to_the_spread():
    n, d, D, chi, T, runs = 3, 2, 0.5, 0.1, 0.2, 4000
    x0 = np.broadcast_to([[3.0, 0.0], [0.0, 3.0], [-3.0, -3.0]], (runs, n, d))
    ds = simulate(LogAttraction(chi) + Diffusion(D), x0, [0.0, T], EulerMaruyama(0.02), rng=5)
    x = ds.position.values
    spread = np.mean(np.sum((x - x.mean(axis=2, keepdims=True)) ** 2, axis=3), axis=2)
    gained = spread[:, 1] - spread[:, 0]
    expected = T * (2 * d * D - chi) * (n - 1) / n
    error = gained.std() / np.sqrt(runs)
    # The bound tells the factor (n − 1)/n from 1.
    assert 4 * error < 2 * d * D * T / n
    assert abs(gained.mean() - expected) < 4 * error + 1e-3
