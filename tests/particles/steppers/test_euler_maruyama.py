"""Euler–Maruyama: the noise has the covariance of its tensor, and what is no tensor is refused."""

import numpy as np
import pytest
from oracles import gaussian
from user_fields import Clock, NoisyPull

from particles import EulerMaruyama, SelfAttention, simulate
from particles.errors import InvalidInput

X = np.ones((3, 2))


def test_a_fixed_step_divides_each_interval_into_equal_parts():
    """Euler's error on x' = 2t over [a, b] in m parts is −(b − a)²/m: it tells m."""
    times = np.array([0, 0.25, 0.3, 1.3])
    ds = simulate(Clock(1), [0.0], times, EulerMaruyama(0.1))
    parts = np.diff(times) ** 2 / (np.diff(times**2) - np.diff(ds.position.values[:, 0, 0]))
    np.testing.assert_allclose(parts, [2, 1, 10], rtol=1e-10)


def test_noise_has_the_covariance_of_its_tensor():
    """One Euler–Maruyama step from a point adds N(0, 2hD); 200 000 draws, entries to five standard errors."""
    D = np.array([[0.2, 0.05], [0.05, 0.1]])
    ds = simulate(NoisyPull(D), np.zeros((200_000, 2)), [0, 0.5], EulerMaruyama(0.5), rng=1)
    jump = ds.position.values[-1]
    assert np.abs(jump.mean(axis=0)).max() < 5 * np.sqrt(0.2 / 200_000)
    np.testing.assert_allclose(np.cov(jump.T), 2 * 0.5 * D, atol=5 * 0.2 * np.sqrt(2 / 200_000))


def test_noisy_gaussian_attention_reaches_its_stationary_variance():
    """V = −1 with noise √(2κ) dW: the Riccati variance at t = 1, and the sum of a field and its noise."""
    kappa, n = 0.3, 800
    noise = NoisyPull(np.array([[kappa]]))
    pull = SelfAttention(1, 1, -1) + noise
    x = np.random.default_rng(2).normal(0, np.sqrt(0.2), n)
    x = (x - x.mean()) * np.sqrt(0.2) / x.std()
    ds = simulate(pull, x, [0, 1], EulerMaruyama(0.02), rng=3)
    _, S = gaussian.closure([0.0], [[0.2]], -1.0, 1.0, 1.0, D=kappa)
    # The pull −(x − mean) of the noisy field is one more linear force: s' = −2s² − 2s + 2κ.
    s = 0.2
    for _ in range(50):
        s += 0.02 * (-2 * s**2 - 2 * s + 2 * kappa)
    assert ds.position.values[-1].var() == pytest.approx(s, abs=4 * s * np.sqrt(2 / n))
    assert abs(s - S[0, 0]) > 4 * s * np.sqrt(2 / n)


@pytest.mark.parametrize(
    ("D", "words"),
    [
        (np.array([[0.1, 0.0], [0.0, -0.1]]), ["diffusion", "positive semi-definite", "-0.1"]),
        (np.array([[0.1, 0.2], [0.0, 0.1]]), ["diffusion", "symmetric", "0.2"]),
    ],
)
def test_noise_tensors_that_are_none_are_refused(D, words):
    with pytest.raises(InvalidInput) as caught:
        simulate(NoisyPull(D), X, [0, 1], EulerMaruyama(0.1))
    for word in words:
        assert word in str(caught.value)


def test_a_singular_noise_tensor_is_a_tensor():
    """D = vvᵀ: the noise stays on one line."""
    v = np.array([0.6, -0.3])
    ds = simulate(NoisyPull(np.outer(v, v)), np.zeros((50, 2)), [0, 1], EulerMaruyama(0.1), rng=5)
    np.testing.assert_allclose(ds.position.values @ [v[1], -v[0]], 0, atol=1e-8)


def test_rounding_makes_no_tensor_indefinite():
    """Rank one in a plane of R³: its eigenvalues 0 are computed as ±1e-17, with a row of zeros beside them."""
    for angle in np.linspace(0.1, 3.0, 20):
        v = np.array([np.cos(angle), np.sin(angle), 0.0])
        simulate(NoisyPull(np.outer(v, v)), np.zeros((1, 3)), [0, 0.1], EulerMaruyama(0.1), rng=5)
