"""Hardmax, linear and causal attention: ties, limits, closed forms, prefixes."""

import numpy as np
import pytest
from samples import matrices, tokens
from scipy.linalg import expm, sqrtm

from particles import (
    CausalAttention,
    EmpiricalMeasure,
    HardmaxAttention,
    LinearAttention,
    SelfAttention,
    simulate,
)
from particles.errors import InvalidInput, NotSupported


def test_hardmax_averages_ties_and_is_the_limit_of_softmax():
    square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    model = HardmaxAttention(np.eye(2), np.eye(2), np.eye(2))
    mu = EmpiricalMeasure(square, [0.1, 0.3, 0.2, 0.4])
    got = model.velocity(0.0, [[1.0, 0.0], [0.0, 0.0], [0.3, 0.2]], mu)
    np.testing.assert_allclose(got, [[1.0, -0.5], mu.mean(), [1.0, 1.0]], atol=1e-15)
    angles = 2 * np.pi * np.arange(7) / 7
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    # Scores that tie on paper differ in their last bits at most of these.
    between = ring + np.roll(ring, -1, axis=0)
    leader = model.velocity(0.0, between, EmpiricalMeasure(ring))
    np.testing.assert_allclose(leader, between / 2, atol=1e-15)
    x, w = tokens(9, 2, seed=21)
    soft = SelfAttention(4e4 * np.eye(2), np.eye(2), np.eye(2)).particle_velocity(0.0, x, w)
    np.testing.assert_allclose(model.particle_velocity(0.0, x, w), soft, atol=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_linear_attention_has_its_closed_form(sign):
    x, w = tokens(8, 3, seed=14)
    moment = (x.T * w) @ x
    T = 0.3 / (2 * np.linalg.eigvalsh(moment).max())
    ds = simulate(LinearAttention(np.eye(3), np.eye(3), sign * np.eye(3)), x, [0.0, T], weights=w)
    exact = x @ np.linalg.inv(sqrtm(np.eye(3) - sign * 2 * T * moment)).real
    np.testing.assert_allclose(ds.position[-1], exact, rtol=1e-8)


def test_causal_first_token_is_alone_and_later_tokens_change_nothing():
    Q, K, V = matrices(2, 2, seed=31)
    x, _ = tokens(6, 2, seed=4)
    model = CausalAttention(Q, K, V)
    whole = simulate(model, x, [0.0, 0.5])
    np.testing.assert_allclose(whole.position[-1, 0], expm(0.5 * V) @ x[0], rtol=1e-8)
    # Uniform weights: a prefix of the sequence does not know that more tokens follow.
    prefix = simulate(model, x[:4], [0.0, 0.5])
    np.testing.assert_allclose(whole.position[-1, :4], prefix.position[-1], rtol=1e-8)
    with pytest.raises(NotSupported, match="place in the sequence"):
        model.velocity(0.0, x, EmpiricalMeasure(x))
    with pytest.raises(InvalidInput, match="first token"):
        model.attention_matrix(0.0, x, [0.0, 0.2, 0.2, 0.2, 0.2, 0.2])
