"""Hardmax tokens tend to the leaders of a finite time, in both frames."""

import numpy as np
import pytest

from meanfield import limits
from meanfield.limits.run import read_run
from meanfield.limits.theorems import hard_leaders
from particles import HardmaxAttention, simulate

I2 = np.eye(2)
TIMES = np.linspace(0.0, 6.0, 25)


def cloud(seed, n=10):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, size=(n, 2))


@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_limits_are_the_leaders(seed, rescaled):
    model = HardmaxAttention(I2, [[1.0, 0.3], [0.3, 0.8]], 0.7 * I2)
    run = simulate(model.rescaled() if rescaled else model, cloud(seed), TIMES)
    found = limits.certify(run)
    assert (found.theorem, found.status) == ("hardmax leaders", "conditional")
    assert found.phase_time < TIMES[-1]
    np.testing.assert_array_equal(found.leaders[found.leaders], found.leaders)
    last = run.position.values[-1] * (1.0 if rescaled else np.exp(-0.7 * TIMES[-1]))
    start = found.phase.positions
    shrunk = np.exp(-0.7 * (TIMES[-1] - found.phase_time))
    expected = found.limits + shrunk * (start - found.limits)
    assert np.abs(last - expected).max() < 1e-6
    assert found.bound.max() < 1e-6


@pytest.mark.parametrize("error", [1e-9, 1e-6, 1e-4])
def test_both_frames_find_their_leaders_at_the_same_time(monkeypatch, error):
    """An error of the rescaled tokens is e^{λt} times as large where scores are compared; the margins are the same."""
    rate, found = 0.7, []
    for rescaled in (False, True):

        def measured(run, k, rescaled=rescaled):
            return error * (np.exp(-rate * run.times[k]) if rescaled else 1.0)

        monkeypatch.setattr(hard_leaders, "measured_error", measured)
        model = HardmaxAttention(I2, [[1.0, 0.3], [0.3, 0.8]], rate * I2)
        run = simulate(model.rescaled() if rescaled else model, cloud(0), TIMES)
        found.append(limits.certify(run))
    plain, other = found
    assert plain.phase_time == other.phase_time < TIMES[-1]
    np.testing.assert_array_equal(plain.leaders, other.leaders)
    np.testing.assert_allclose(plain.bound, other.bound, rtol=1e-9)
    # Beside it stands the rounding of the limits themselves.
    np.testing.assert_allclose(plain.bound, error * np.exp(-rate * plain.phase_time), rtol=0, atol=4e-15)


def test_margins_below_the_error_leave_the_limits_undecided_after_four_tries(monkeypatch):
    tried = []
    monkeypatch.setattr(hard_leaders, "measured_error", lambda run, k: tried.append(k) or 0.5)
    found = limits.certify(simulate(HardmaxAttention(I2, I2, 0.1 * I2), cloud(0), TIMES))
    assert found.status == "undecided"
    assert found.reason == "the error 0.5 is too much for the margins of the leaders"
    assert len(tried) == 4 == len(set(tried))


def test_a_tie_at_the_start_is_waited_for():
    """Token 2 scores both leaders alike: nothing is proved while it does."""
    found = limits.certify(simulate(HardmaxAttention(I2, I2, I2), [[1.0, 1.0], [1.0, -1.0], [0.5, 0.0]], [0.0, 1.0]))
    assert found.status == "undecided"
    # Rounding may break the tie on the way; the error of the run is larger than that.
    assert found.reason.endswith(("margins of the leaders", "provably stays: run longer"))


def test_copies_and_tokens_without_mass_follow():
    x0 = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.2], [0.4, 0.1], [5.0, 5.0]])
    found = limits.certify(simulate(HardmaxAttention(I2, I2, I2), x0, TIMES, weights=[0.3, 0.2, 0.3, 0.2, 0.0]))
    assert found.status == "conditional"
    np.testing.assert_allclose(found.limits[[0, 1, 3, 4]], np.tile(x0[0], (4, 1)), atol=1e-6)
    assert 4 not in found.leaders


def test_other_values_are_not_covered():
    assert limits.hypotheses(HardmaxAttention(I2, I2, np.diag([1.0, 0.5]))).theorem is None
    assert limits.hypotheses(HardmaxAttention(I2, I2, -I2)).theorem is None
    assert limits.hypotheses(HardmaxAttention(I2, I2, I2).in_frame(0.5 * I2)).theorem is None


@pytest.mark.parametrize("seed", range(40))
def test_leaders_stay_where_they_win_every_row_at_all_later_times(seed):
    """x_i(u) = u x_l + (x_i − x_l), u = e^{λ(t−T)} ≥ 1: decided by scores on a fine grid of 1/u."""
    rng = np.random.default_rng(seed)
    x, K = rng.uniform(-1.0, 1.0, size=(5, 2)), rng.normal(size=(2, 2))
    run = read_run(simulate(HardmaxAttention(I2, K @ K.T + 0.1 * I2 + (seed % 2) * K, I2), x, [0.0, 1e-3]))
    head = hard_leaders.hard_head(run.model)
    phase = hard_leaders._phase(run, head, 0)
    leaders = np.argmax(x @ head.score.T @ x.T, axis=1)
    consistent = bool((leaders[leaders] == leaders).all())
    wins = []
    for s in np.linspace(1.0, 1e-3, 2000):
        at = x[leaders] + s * (x - x[leaders])
        wins.append((np.argmax(at @ head.score.T @ at.T, axis=1) == leaders).all())
    assert hard_leaders._stays(phase, 0.0) == (consistent and all(wins))
