"""What all methods have in common: they land on the save times, and refuse what they cannot move."""

import numpy as np
import pytest
from user_fields import Clock, NoisyPull, Shuffle

from particles import RK4, Adaptive, Euler, Iterate, SelfAttention, simulate
from particles.errors import InvalidInput, NotSupported


@pytest.mark.parametrize("method", [Adaptive(1e-9, 1e-12), RK4(0.1), RK4(10.0)], ids=str)
def test_runs_land_on_irregular_save_times_exactly(method):
    times = np.cumsum([-0.7, 0.3, 1e-3, np.pi / 7, np.sqrt(2), 1e-9, 0.1 + 0.2])
    ds = simulate(Clock(3), [0.25, -1.0], times, method)
    np.testing.assert_array_equal(ds.time, times)
    exact = np.array([0.25, -1.0]) + (times**4 - times[0] ** 4)[:, None]
    np.testing.assert_allclose(ds.position.values[:, :, 0], exact, rtol=0, atol=1e-14)


I2 = np.eye(2)


X = np.ones((3, 2))


MODEL = SelfAttention(I2, I2, I2)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: Euler(0), InvalidInput, ["dt", "positive", "0"]),
        (lambda: RK4(-0.1), InvalidInput, ["dt", "positive", "-0.1"]),
        (lambda: RK4(np.nan), InvalidInput, ["dt", "finite", "nan"]),
        (lambda: RK4([0.1, 0.2]), InvalidInput, ["dt", "one positive number"]),
        (lambda: RK4("0.1"), InvalidInput, ["dt", "real", "'0.1'"]),
        (lambda: Adaptive(rtol=1e-16), InvalidInput, ["rtol", "at least 2.3e-14", "1e-16"]),
        (lambda: Adaptive(atol=0), InvalidInput, ["atol", "positive", "0"]),
        (lambda: simulate(MODEL, X, [0, 0.25], Euler(0.1)), InvalidInput, ["dt = 0.1", "0 to 0.25", "RK4 and"]),
        (lambda: simulate(MODEL, X, [0, 0.1], Euler(1.0)), InvalidInput, ["dt = 1", "0 to 0.1", "other times"]),
        (lambda: simulate(MODEL, X, [0, 1], "rk4"), InvalidInput, ["'rk4'", "Euler, RK4, Adaptive", "Iterate"]),
        (lambda: simulate(MODEL, X, [0, 1], Euler), InvalidInput, ["method must be", "Euler"]),
        (lambda: simulate(NoisyPull(), X, [0, 1]), NotSupported, ["Adaptive", "noise", "EulerMaruyama(dt)"]),
        (lambda: simulate(NoisyPull(), X, [0, 1], RK4(0.1)), NotSupported, ["RK4", "noise", "EulerMaruyama(dt)"]),
        (lambda: simulate(Shuffle(), X, [0, 1], RK4(0.1)), NotSupported, ["RK4", "discrete map", "Iterate()"]),
        (lambda: simulate(MODEL, X, [0, 1], Iterate()), NotSupported, ["Iterate()", "discrete maps", "Euler, RK4"]),
        (lambda: simulate(Shuffle(), X, [0, 0.5]), InvalidInput, ["times", "whole numbers", "0.5"]),
    ],
)  # fmt: skip
def test_what_steppers_refuse(call, kind, words):
    with pytest.raises(kind) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
