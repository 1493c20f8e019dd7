"""The feed-forward field against its formula, its linear case and a neural ODE in time."""

import numpy as np
import pytest
from samples import tokens
from scipy.linalg import expm

from particles import (
    EmpiricalMeasure,
    FeedForward,
    simulate,
)
from particles.errors import InvalidInput
from particles.fields.field import VelocityField


def test_feed_forward_is_its_formula_and_solves_its_linear_case():
    rng = np.random.default_rng(3)
    W, A, b = rng.normal(size=(2, 5)), rng.normal(size=(5, 2)), rng.normal(size=5)
    x, w = tokens(6, 2, seed=2)
    for name, rule in (("relu", lambda s: max(s, 0.0)), ("tanh", np.tanh), ("identity", lambda s: s)):
        expected = np.array([W @ [rule(float(A[k] @ p + b[k])) for k in range(5)] for p in x])
        model = FeedForward(W, A, b, name)
        np.testing.assert_allclose(model.particle_velocity(0.0, x, w), expected, rtol=1e-13)
        mu = EmpiricalMeasure(x, w)
        np.testing.assert_allclose(model.divergence(0.0, x, mu), VelocityField.divergence(model, 0.0, x, mu), atol=1e-8)
    np.testing.assert_array_equal(
        FeedForward(W, A, b, np.tanh).velocity(0.0, x, mu), FeedForward(W, A, b, "tanh").velocity(0.0, x, mu)
    )
    M = rng.normal(size=(2, 2))
    ds = simulate(FeedForward(M, np.eye(2), np.zeros(2), "identity"), x, [0.0, 1.0])
    np.testing.assert_allclose(ds.position[-1], x @ expm(M).T, rtol=1e-7)
    moving = FeedForward(lambda t: np.cos(t) * np.eye(2), lambda t: np.zeros((2, 2)), np.ones(2), "relu")
    ds = simulate(moving, x, [0.0, 1.0])
    np.testing.assert_allclose(ds.position[-1], x + np.sin(1.0), rtol=1e-8)
    with pytest.raises(InvalidInput, match="must fit"):
        FeedForward(W, A.T, b)
    with pytest.raises(InvalidInput, match="'identity', 'relu', 'tanh'"):
        FeedForward(W, A, b, "swish")
