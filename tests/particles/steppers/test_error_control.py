"""Error control by steps of any embedded pair: tolerances, longest steps, save times, collisions, what it reports."""

import numpy as np
import pytest
from oracles import gaussian
from user_fields import Clock, Spin
from user_methods import HeunEuler

from particles import RK4, Adaptive, Euler, HardmaxAttention, PowerAttraction, SelfAttention, VelocityField, simulate
from particles.errors import InvalidInput, NotSupported, RunStopped

I2 = np.eye(2)


class Pulse(VelocityField):
    """x' = a Gaussian of mass 1 and width 0.02 at t = 5: all tokens move by 1."""

    dim = 1

    def velocity(self, t, x, mu):
        return np.full_like(x, np.exp(-(((t - 5) / 0.02) ** 2)) / 0.02 / np.sqrt(np.pi))


@pytest.mark.parametrize(
    ("method", "atol"), [(Adaptive(max_step=0.01), 1e-8), (HeunEuler(1e-6, 1e-8, max_step=0.01), 1e-5)]
)
@pytest.mark.parametrize("times", [[0, 10], [0, 4.999, 10], np.linspace(0, 10, 8)])
def test_a_pulse_is_seen_where_the_longest_step_is_below_its_width(method, atol, times):
    ds = simulate(Pulse(), [[0.0], [3.0]], times, method)
    np.testing.assert_allclose(ds.position[-1, :, 0], [1.0, 4.0], atol=atol)


def test_without_a_longest_step_the_pulse_is_passed_over_as_the_docstring_says():
    assert float(simulate(Pulse(), [0.0], [0, 10]).position[-1, 0, 0]) < 1e-6
    assert "passed over" in Adaptive.__doc__


@pytest.mark.parametrize("method", [Adaptive(1e-6, 1e-8, max_step=0.05), HeunEuler(1e-4, 1e-6, max_step=0.05)])
def test_no_step_is_longer_and_each_run_has_its_own(method):
    called = []

    class Watched(Clock):
        def velocity(self, t, x, mu):
            called.append(t)
            return super().velocity(t, x, mu)

    simulate(Watched(3), [0.25], [0, 0.7, 2], method)
    assert np.diff(np.unique(called)).max() <= 0.05 + 1e-12
    x = np.random.default_rng(1).normal(size=(3, 5, 2))
    ds = simulate(Spin(), x, [0, 1, 2], method)
    alone = [simulate(Spin(), run, [0, 1, 2], method).position for run in x]
    np.testing.assert_array_equal(ds.position, alone)


def test_save_times_change_nothing_beyond_the_tolerance():
    x, tol = np.random.default_rng(2).normal(size=(6, 2)), 1e-7
    model = SelfAttention(I2, I2, gaussian.J)
    method = Adaptive(tol, tol, max_step=0.3)
    best = simulate(model, x, [0, 5], Adaptive(1e-13, 1e-14)).position.values[-1]
    for saves in (2, 30, 301):
        end = simulate(model, x, np.linspace(0, 5, saves), method).position.values[-1]
        assert np.abs(end - best).max() < 10 * tol


def test_the_error_of_an_embedded_pair_follows_its_tolerance():
    """Error per step of order 1 estimate: global error of the Heun solution goes with the tolerance."""
    x = np.array([[1.0, 0.5], [0.2, -0.3]])
    angle = np.square(x).sum(axis=1) * 3
    c, s = np.cos(angle), np.sin(angle)
    exact = np.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], axis=1)
    tolerances = 10.0 ** np.arange(-3, -8, -1)
    errors = [
        np.abs(simulate(Spin(), x, [0, 3], HeunEuler(tol, tol)).position.values[-1] - exact).max() for tol in tolerances
    ]
    slope = np.polyfit(np.log10(tolerances), np.log10(errors), 1)[0]
    assert 0.9 < slope < 1.1


def test_an_embedded_pair_of_a_user_s_merges_tokens():
    n, a = 5, 0.6
    T = a * n / (n - 1)
    ds = simulate(PowerAttraction(1), np.linspace(-a, a, n), [0.0, 0.9 * T, 1.1 * T], HeunEuler(1e-8, 1e-10))
    np.testing.assert_array_equal(ds.group[1], np.arange(n))
    np.testing.assert_array_equal(ds.group[2], 0)
    np.testing.assert_allclose(ds.meeting_time[2], T, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_step": 0}, ["max_step", "positive"]),
        ({"max_step": np.nan}, ["max_step", "finite"]),
        ({"max_step": "1"}, ["max_step", "real"]),
        ({"max_steps": 0}, ["max_steps", "whole"]),
        ({"rtol": 1e-16}, ["rtol", "2.3e-14"]),
    ],
)
def test_options_that_are_refused(options, words):
    for method in (Adaptive, HeunEuler):
        with pytest.raises(InvalidInput) as caught:
            method(**options)
        for word in words:
            assert word in str(caught.value)


def test_a_longest_step_that_needs_too_many_steps_is_refused_before_the_run():
    with pytest.raises(
        InvalidInput, match=r"max_step = 1e-05 needs more than max_steps = 1000 steps .* interval of 0\.8"
    ):
        simulate(Clock(1), [0.0], [0, 0.2, 1], Adaptive(max_steps=1000, max_step=1e-5))


def test_a_field_that_jumps_is_told_what_to_do():
    """V = −I sends every token towards minus its leader: leaders change without end, and the field jumps at each."""
    x = np.random.default_rng(0).normal(size=(8, 2))
    model = HardmaxAttention(I2, I2, -I2)
    with pytest.raises(RunStopped, match=r"max_steps = 300 steps .* jumps there.*RK4\(dt\) or Euler\(dt\)") as caught:
        simulate(model, x, [0, 5], Adaptive(max_steps=300))
    assert 0 < caught.value.time < 5


class LateNoise(VelocityField):
    """Noise from t = 1 on."""

    dim = 1

    def velocity(self, t, x, mu):
        return -x

    def diffusion(self, t):
        return None if t < 1 else np.eye(1)


def test_noise_that_starts_late_is_noise():
    for method in (None, HeunEuler(), Euler(0.5), RK4(0.5)):
        with pytest.raises(NotSupported, match="no rule for noise"):
            simulate(LateNoise(), [0.0], [0, 2], method)


class Silent(VelocityField):
    """NaN from t = 1 on, where a save stands: no step can be taken."""

    dim = 1

    def velocity(self, t, x, mu):
        return np.full_like(x, np.nan if t >= 1 else 1.0)


def test_a_field_without_a_value_stops_the_run_and_keeps_what_it_had():
    for method in (Adaptive(), HeunEuler(1e-4, 1e-6)):
        with pytest.raises(RunStopped) as caught:
            simulate(Silent(), [0.0], [0, 0.5, 1, 2], method)
        assert caught.value.dataset.sizes["time"] in (2, 3)


class Blast(VelocityField):
    """x' = 1e200 x: beside its tolerance the velocity is beyond the range of float64."""

    dim = 1

    def velocity(self, t, x, mu):
        return 1e200 * x


@pytest.mark.parametrize("model", [Blast(), SelfAttention(0.0, 0.0, 1e200)])
@pytest.mark.parametrize("method", [Adaptive(), HeunEuler(1e-6, 1e-8, max_steps=50)])
def test_a_velocity_beyond_all_range_stops_the_run(model, method):
    with pytest.raises(RunStopped, match=r"below ten roundings of the time|more than max_steps") as caught:
        simulate(model, [[1.0]], [0.0, 1.0], method)
    assert caught.value.dataset.sizes["time"] == 1
