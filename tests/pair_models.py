"""What holds of every model that sums over pairs of tokens."""

import numpy as np
from samples import tokens

from particles import EmpiricalMeasure


def assert_the_double_loop(model, loop, n, d):
    """The velocities of n tokens in R^d are those of `loop`; each run of an ensemble is bitwise what it is alone."""
    x, w = tokens(n, d, seed=n)
    expected = loop(x, w)
    scale = np.abs(expected).max() + 1
    np.testing.assert_allclose(model.particle_velocity(0.0, x, w), expected, rtol=1e-13, atol=1e-14 * scale)
    runs = np.stack([x, 2 * x])
    np.testing.assert_array_equal(model.particle_velocity(0.0, runs, w)[1], model.particle_velocity(0.0, 2 * x, w))


def assert_acts_on_any_point(model):
    """The field at points that are no tokens is that at tokens of no mass, and 0 where all mass is."""
    x, w = tokens(12, 2, seed=1)
    away = np.array([[2.0, -1.5], [3.0, 0.2]])
    np.testing.assert_array_equal(model.velocity(0.0, x[:1], EmpiricalMeasure(x[:1])), [[0.0, 0.0]])
    alone = model.velocity(0.0, away, EmpiricalMeasure(x, w))
    among = model.particle_velocity(0.0, np.concatenate([x, away]), np.concatenate([w, [0.0, 0.0]]))[-2:]
    np.testing.assert_allclose(alone, among, rtol=1e-13, atol=1e-15)
