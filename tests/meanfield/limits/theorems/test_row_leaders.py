"""Many heads and causal attention in R^d: limits are mixtures of leaders, as a longer run shows."""

import numpy as np
import pytest

from meanfield import limits
from particles import Adaptive, CausalAttention, SelfAttention, simulate

I2 = np.eye(2)
TIMES = np.linspace(0.0, 8.0, 33)
SCORES = (np.array([[1.0, 0.3], [0.3, 0.8]]), np.array([[0.6, -0.4], [-0.4, 1.2]]))


def cloud(seed, n=7):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, size=(n, 2))


def heads(first, second):
    return SelfAttention(SCORES[0], I2, first * I2) + SelfAttention(SCORES[1], I2, second * I2)


def seen_later(found, model, x0, total, to=12.0):
    """What is left between a longer run and the closed form of the certificate, rescaled frame."""
    late = simulate(model, x0, [0.0, to], Adaptive(1e-11, 1e-13)).position.values[-1] * np.exp(-total * to)
    shrunk = np.exp(-total * (to - found.phase_time))
    return np.abs(late - (found.limits + shrunk * (found.phase.positions - found.limits))).max()


@pytest.mark.parametrize(("seed", "values"), [(1, (0.7, 0.5)), (8, (0.7, 0.5)), (0, (1.0, -0.2))])
def test_limits_of_two_heads_are_mixtures(seed, values):
    model, x0 = heads(*values), cloud(seed)
    found = limits.certify(simulate(model, x0, TIMES))
    assert (found.theorem, found.status) == ("leaders of rows", "conditional")
    assert found.bound.max() < 1e-5
    assert seen_later(found, model, x0, sum(values)) < found.bound.max() + 1e-8


def test_some_tokens_stand_between_two_leaders():
    found = limits.certify(simulate(heads(0.7, 0.5), cloud(8), TIMES))
    between = found.leaders == -1
    assert between.any()
    leading = found.limits[found.leaders[~between]]
    gaps = np.linalg.norm(found.limits[between][:, None] - leading, axis=2).min(axis=1)
    assert (gaps > 0.1).all()


def test_equal_heads_are_one_head():
    x0, one = cloud(2), SelfAttention(SCORES[0], I2, I2)
    both = SelfAttention(SCORES[0], I2, 0.25 * I2) + SelfAttention(SCORES[0], I2, 0.75 * I2)
    here, there = (limits.certify(simulate(model, x0, TIMES)) for model in (both, one))
    assert there.theorem == "3.1"
    np.testing.assert_array_equal(here.leaders, there.leaders)
    np.testing.assert_allclose(here.limits, there.limits, atol=here.bound.max() + there.bound.max())


@pytest.mark.parametrize("rescaled", [False, True])
def test_causal_limits_are_led_from_before(rescaled):
    """The first token is where it was; every leader stands no later than its follower."""
    x0, model = cloud(5), CausalAttention(SCORES[0], I2, 0.9 * I2)
    found = limits.certify(simulate(model.rescaled() if rescaled else model, x0, TIMES))
    assert (found.theorem, found.status) == ("leaders of rows", "conditional")
    assert np.linalg.norm(found.limits[0] - x0[0]) <= found.bound[0] < 1e-5
    assert (found.leaders <= np.arange(len(x0))).all()
    assert found.leaders[0] == 0
    assert seen_later(found, model, x0, 0.9) < found.bound.max() + 1e-8


def test_copies_and_tokens_without_mass_follow():
    x0 = np.vstack([cloud(1), cloud(1)[:1], [[0.1, 0.2]]])
    weights = np.append(np.full(8, 0.125), 0.0)
    found = limits.certify(simulate(heads(0.7, 0.5), x0, TIMES, weights=weights))
    assert found.status == "conditional"
    np.testing.assert_array_equal(found.limits[0], found.limits[7])
    assert 8 not in found.leaders


def test_short_runs_and_leaders_that_follow_elsewhere_are_left_open():
    """In the cloud of seed 3 each head has a leader of its own, which follows the other's."""
    for x0, times in ((cloud(1), [0.0, 0.1]), (cloud(3), TIMES)):
        found = limits.certify(simulate(heads(0.7, 0.5), x0, times))
        assert found.status == "undecided"
        assert "run longer" in found.reason


def test_other_models_are_not_covered():
    skew = SelfAttention(I2, I2, np.diag([1.0, 0.5]))
    assert limits.hypotheses(heads(0.7, 0.5) + skew).theorem is None
    assert limits.hypotheses(heads(0.5, -0.7)).theorem is None
    assert limits.hypotheses(heads(0.7, 0.5).in_frame(0.3 * I2)).theorem is None
    assert limits.hypotheses(CausalAttention(I2, I2, lambda t: (1 + t) * I2)).theorem is None
    assert limits.hypotheses(heads(0.75, 0.5).in_frame(1.25 * I2)).theorem == "leaders of rows"


def test_the_bound_is_that_of_mixtures_with_both_signs():
    """A limit Σ λ_h/Λ x_l is off by Σ |λ_h|/Λ, 1.5 for λ = (1, −0.2), times what a leader may be off."""
    found = limits.certify(simulate(heads(1.0, -0.2), cloud(0), TIMES))
    leaders = np.exp(-0.8 * found.phase_time) * (found.phase.error + found.phase.drift)
    assert found.bound == pytest.approx(np.full(7, 1.5 * leaders), rel=1e-6, abs=1e-14)
