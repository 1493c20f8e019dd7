"""The rate at which μ_t tends to its clustered limit: known rates, closed forms, what is refused."""

import numpy as np
import pytest

from meanfield.studies import clustered_limit
from meanfield.studies.clustered import fit_decay
from particles import Adaptive, SelfAttention, simulate
from particles.errors import InvalidInput, NotSupported

TIMES = np.linspace(0, 10, 101)
ZERO = np.zeros(101)


def test_an_exponential_and_a_power_are_told_apart():
    rate = fit_decay(TIMES, 3 * np.exp(-0.7 * TIMES), ZERO)
    assert (rate.kind, rate.slope) == ("exponential", pytest.approx(-0.7, rel=1e-10))
    assert rate.high - rate.low < 1e-9
    rate = fit_decay(TIMES, 3 * np.maximum(TIMES, 0.05) ** -0.5, ZERO)
    assert (rate.kind, rate.slope) == ("algebraic", pytest.approx(-0.5, rel=1e-10))


def test_a_faster_second_term_widens_the_interval_around_the_leading_one():
    rate = fit_decay(TIMES, np.exp(-TIMES) + 20 * np.exp(-2 * TIMES), ZERO)
    assert rate.low < rate.slope <= rate.high < -0.99
    assert rate.slope == pytest.approx(-1, abs=0.05)


def test_noise_below_the_error_is_left_out():
    floor = 1e-6
    distance = np.maximum(np.exp(-2 * TIMES), floor)
    rate = fit_decay(TIMES, distance, np.full(101, floor))
    assert rate.slope == pytest.approx(-2, rel=1e-6)
    assert np.exp(-2 * rate.stop) > 9 * floor


def test_leaders_draw_the_others_at_the_rate_of_V():
    # Theorem 3.1 with V = I: z_i − leader falls like e^{−t} once every token has its leader.
    rng = np.random.default_rng(3)
    x0 = rng.uniform(-1, 1, (12, 2))
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    run = simulate(model, x0, np.linspace(0, 9, 37), Adaptive(1e-10, 1e-12))
    ds = clustered_limit(run)
    assert ds.attrs["theorem"] == "3.1"
    assert ds.attrs["rate_kind"] == "exponential"
    assert float(ds["slope"]) == pytest.approx(-1, abs=0.02)
    assert (ds["lower"] <= ds["upper"]).all()
    rescaled = clustered_limit(simulate(model.rescaled(), x0, np.linspace(0, 6, 25)))
    np.testing.assert_allclose(rescaled["distance"][:20], ds["distance"][:20], rtol=1e-4, atol=1e-6)


def test_limits_that_are_hardly_known_ask_for_a_longer_run():
    x0 = np.random.default_rng(2).normal(size=(5, 3)) + np.array([0.0, 0.0, 3.0])
    x0 /= np.linalg.norm(x0, axis=1, keepdims=True)
    model = SelfAttention(np.eye(3), np.eye(3), np.eye(3)).on_sphere()
    with pytest.raises(InvalidInput, match=r"known within 0\.\d+ only .* run longer, .*; more saves do not help"):
        clustered_limit(simulate(model, x0, np.linspace(0, 0.1, 21)))
    ds = clustered_limit(simulate(model, x0, np.linspace(0, 10, 21)))
    # Tokens of equal masses near each other approach at the rate of V = I.
    assert float(ds["slope"]) == pytest.approx(-1.0, abs=0.05)


def test_theorem_8_5_decays_like_a_power():
    # V = −I, Q = K = I: covariance ~ 1/(2t), so W₂ to δ₀ falls like t^{−1/2}.
    x0 = np.random.default_rng(0).standard_normal((30, 2))
    model = SelfAttention(np.eye(2), np.eye(2), -np.eye(2))
    ds = clustered_limit(simulate(model, x0, np.concatenate([[0.0], np.geomspace(0.1, 3000, 60)])))
    assert ds.attrs["theorem"] == "8.5"
    assert ds.attrs["rate_kind"] == "algebraic"
    assert float(ds["slope"]) == pytest.approx(-0.5, abs=0.02)


def test_what_is_refused():
    with pytest.raises(InvalidInput, match="at least 6 saved times"):
        fit_decay(TIMES[:5], np.exp(-TIMES[:5]), ZERO[:5])
    still = simulate(SelfAttention(np.eye(2), np.eye(2), np.diag([-1.0, -2.0])), np.eye(2), TIMES[:8])
    with pytest.raises(NotSupported, match="no limit is predicted"):
        clustered_limit(still)
