"""Steppers against closed forms: observed orders, tolerances kept token by token, noise, and what they refuse."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from oracles import gaussian, linear_attention, naive, tokens
from scipy.integrate import DOP853
from scipy.linalg import expm
from user_fields import Clock, LinearAttention, NoisyPull, Shuffle, Spin

from particles import RK4, Adaptive, Euler, EulerMaruyama, Iterate, SelfAttention, VelocityField, simulate
from particles.errors import InvalidInput, NotSupported, OutOfRange

I2 = np.eye(2)


@dataclass(frozen=True)
class Case:
    """A model with a solution known in closed form: positions `exact` at time `end` from `start`."""

    name: str
    model: Any
    start: np.ndarray
    end: float
    exact: np.ndarray
    weights: np.ndarray | None = None


def gaussian_on_the_line():
    x, w = gaussian.nodes(0.3, 0.25, 30)
    return Case("gaussian V=-1", SelfAttention(1, 1, -1), x, 1.0, gaussian.contracting_flow(x, [0.3], 0.25, 1.0), w)


def gaussian_in_time():
    """V = −v(t), QK = β(t): v = 1 + ½cos 3t and β = e^{−t}, so ∫v = 1 + sin(3)/6, ∫vβ by parts, at t = 1."""
    x, w = gaussian.nodes(0.3, 0.25, 30)
    a = 1 + np.sin(3) / 6
    b = (1 - np.exp(-1)) + (np.exp(-1) * (3 * np.sin(3) - np.cos(3)) + 1) / 20
    model = SelfAttention(
        lambda t: np.array([[np.exp(-3 * t)]]),
        lambda t: np.array([[np.exp(2 * t)]]),
        lambda t: np.array([[-1 - np.cos(3 * t) / 2]]),
    )
    return Case("gaussian Q(t), K(t), V(t)", model, x, 1.0, gaussian.contracting_in_time(x, 0.3, 0.25, a, b), w)


def gaussian_that_turns():
    S0 = np.array([[0.3, 0.05], [0.05, 0.1]])
    x, w = gaussian.nodes([0, 0], S0, 18)
    return Case("gaussian V=J", SelfAttention(I2, I2, gaussian.J), x, 2.0, gaussian.rotating_flow(x, S0, 2.0), w)


def linear(sign):
    x = 0.7 * np.random.default_rng(3).uniform(-1, 1, (20, 3))
    w = np.random.default_rng(4).dirichlet(np.ones(20))
    model = LinearAttention(sign * np.eye(3), np.eye(3))
    return Case(f"linear V={sign}I", model, x, 1.0, linear_attention.positions(x, 1.0, sign, w), w)


def linear_in_a_frame():
    case = linear(-1)
    A = np.random.default_rng(5).uniform(-0.6, 0.6, (3, 3))
    return Case("linear, frame A", case.model.in_frame(A), case.start, 1.0, case.exact @ expm(-A).T, case.weights)


def two_tokens(frame=None, name="original"):
    m0, r0 = np.array([0.5, -0.2]), np.array([0.4, 0.6])
    m, r = tokens.two_tokens(m0, r0, 1.0)
    model, exact = SelfAttention(I2, I2, I2), np.array([m + r, m - r])
    if frame is not None:
        model, exact = model.in_frame(frame), exact @ expm(-np.asarray(frame)).T
    return Case(f"two tokens, {name}", model, np.array([m0 + r0, m0 - r0]), 1.0, exact)


def pair_in_time():
    """V = v(t)I, v = 1 + t: τ = 3/2 at t = 1."""
    r0 = np.array([0.5, 0.4])
    u = tokens.symmetric_pair(r0 @ r0, 1.5)
    r = r0 * np.sqrt(u / (r0 @ r0))
    return Case("pair V(t)", SelfAttention(I2, I2, lambda t: (1 + t) * I2), np.array([r0, -r0]), 1.0, np.array([r, -r]))


def polygon(rescaled):
    x, radius = 0.8 * tokens.polygon(5), tokens.polygon_radius(5, 0.8, 1.0)
    model = SelfAttention(I2, I2, I2)
    if rescaled:
        return Case("pentagon, rescaled", model.rescaled(), x, 1.0, np.exp(-1) * radius * tokens.polygon(5))
    return Case("pentagon", model, x, 1.0, radius * tokens.polygon(5))


def simplex_rescaled():
    corners = tokens.simplex(4)
    exact = np.exp(-1) * tokens.simplex_radius(4, 0.9, 1.0) * corners
    eye = np.eye(3)
    return Case("simplex, rescaled", SelfAttention(eye, eye, eye).rescaled(), 0.9 * corners, 1.0, exact)


SHEAR = np.array([[0.3, 1.0], [-0.4, 0.2]])
CASES = [
    gaussian_on_the_line(),
    gaussian_in_time(),
    gaussian_that_turns(),
    linear(1),
    linear(-1),
    linear_in_a_frame(),
    two_tokens(),
    two_tokens(SHEAR, "frame A"),
    two_tokens(I2, "rescaled"),
    pair_in_time(),
    polygon(rescaled=False),
    polygon(rescaled=True),
    simplex_rescaled(),
]


def error(case, method):
    ds = simulate(case.model, case.start, [0, case.end], method, weights=case.weights)
    return np.abs(ds.position.values[-1] - case.exact).max()


def observed_orders(case, method, steps):
    errors = [error(case, method(case.end / n)) for n in steps]
    return np.log2(np.array(errors[:-1]) / errors[1:])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(("method", "steps"), [(Euler, (64, 128, 256)), (RK4, (16, 32, 64))], ids=["Euler", "RK4"])
def test_observed_order(case, method, steps):
    orders = observed_orders(case, method, steps)
    assert orders == pytest.approx(method.order, abs=0.04 * method.order)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_adaptive_on_closed_forms(case):
    assert error(case, Adaptive(1e-10, 1e-12)) < 5e-10


def turned(x, angle):
    """Each row of x turned by its own angle."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], axis=1)


@pytest.mark.parametrize("field", ["softmax", "linear", "spin"])
def test_adaptive_error_is_proportional_to_its_tolerance(field):
    """The worst token over six decades of tolerance; measured slopes 0.999, 1.006 and 0.994."""
    x, w = np.random.default_rng(0).uniform(-1, 1, (2000, 2)), None
    if field == "softmax":
        S0, end, model = np.array([[0.3, 0.05], [0.05, 0.1]]), 20.0, SelfAttention(I2, I2, gaussian.J)
        x, w = gaussian.nodes([0, 0], S0, 24)
        exact = gaussian.rotating_flow(x, S0, end)
    elif field == "linear":
        end, model = 60.0, LinearAttention(gaussian.J, I2)
        exact = gaussian.rotating_flow(x, linear_attention.second_moment(x), end)
    else:
        end, model = 5.0, Spin()
        exact = turned(x, (x**2).sum(axis=1) * end)
    tolerances = 10.0 ** np.arange(-4, -11, -1)
    errors = []
    for tol in tolerances:
        ds = simulate(model, x, [0, end], Adaptive(tol, tol), weights=w)
        errors.append(np.abs(ds.position.values[-1] - exact).max())
    slope = np.polyfit(np.log10(tolerances), np.log10(errors), 1)[0]
    assert 0.95 < slope < 1.05


def test_a_thousand_quiet_tokens_do_not_dilute_the_error_of_a_lively_one():
    lively, quiet, end = np.array([[1.0, 0.5]]), np.zeros((1000, 2)), 20.0
    crowd, method = np.concatenate([quiet, lively]), Adaptive(1e-8, 1e-8)
    exact = turned(lively, 1.25 * end)

    def worst(x):
        return np.abs(simulate(Spin(), x, [0, end], method).position.values[-1, -1:] - exact).max()

    averaged = DOP853(
        lambda t, y: Spin().particle_velocity(t, y.reshape(1, -1, 2), None).ravel(),
        0, crowd.ravel(), end, rtol=1e-8, atol=1e-8,
    )  # fmt: skip
    while averaged.status == "running":
        averaged.step()
    diluted = np.abs(averaged.y.reshape(-1, 2)[-1:] - exact).max()
    assert worst(crowd) < 2 * worst(lively)
    assert diluted > 10 * worst(crowd)


@pytest.mark.parametrize("method", [Adaptive(1e-9, 1e-12), RK4(0.1), RK4(10.0)], ids=str)
def test_runs_land_on_irregular_save_times_exactly(method):
    times = np.cumsum([-0.7, 0.3, 1e-3, np.pi / 7, np.sqrt(2), 1e-9, 0.1 + 0.2])
    ds = simulate(Clock(3), [0.25, -1.0], times, method)
    np.testing.assert_array_equal(ds.time, times)
    exact = np.array([0.25, -1.0]) + (times**4 - times[0] ** 4)[:, None]
    np.testing.assert_allclose(ds.position.values[:, :, 0], exact, rtol=0, atol=1e-14)


def test_a_fixed_step_divides_each_interval_into_equal_parts():
    """Euler's error on x' = 2t over [a, b] in m parts is −(b − a)²/m: it tells m."""
    times = np.array([0, 0.25, 0.3, 1.3])
    ds = simulate(Clock(1), [0.0], times, EulerMaruyama(0.1))
    parts = np.diff(times) ** 2 / (np.diff(times**2) - np.diff(ds.position.values[:, 0, 0]))
    np.testing.assert_allclose(parts, [2, 1, 10], rtol=1e-10)


def test_a_finer_list_of_save_times_changes_adaptive_only_within_its_tolerance():
    x = np.random.default_rng(7).standard_normal((40, 3))
    model, tol = SelfAttention(np.eye(3), np.eye(3), -np.eye(3)), 1e-9
    coarse = simulate(model, x, [0, 5], Adaptive(tol, tol)).position.values[-1]
    fine = simulate(model, x, np.linspace(0, 5, 401), Adaptive(tol, tol)).position.values[-1]
    best = simulate(model, x, [0, 5], Adaptive(1e-13, 1e-14)).position.values[-1]
    assert np.abs(coarse - best).max() < 10 * tol
    assert np.abs(fine - best).max() < 10 * tol


def test_save_times_do_not_shrink_the_steps_of_adaptive():
    """A step cut at a save time leaves the next one as long as planned: evaluations grow by one step a save at most."""
    calls = []

    class Counting(Spin):
        def velocity(self, t, x, mu):
            calls.append(t)
            return super().velocity(t, x, mu)

    def count(saves):
        calls.clear()
        simulate(Counting(), [[1.0, 0.5]], np.linspace(0, 20, saves + 1), Adaptive(1e-6, 1e-6))
        return len(calls)

    assert count(20) < count(1) + 20 * 2 * 13


def test_a_trial_step_that_leaves_float64_is_made_shorter():
    """x' = 0 before t = 1, then −1000 x: the long steps of before overshoot far beyond the fence at |x| = 2."""

    class Fenced(VelocityField):
        dim = 1

        def velocity(self, t, x, mu):
            if np.abs(x).max() > 2:
                raise OutOfRange("beyond the fence", time=t)
            return np.zeros_like(x) if t < 1 else -1000 * x

    x = simulate(Fenced(), [1.0, -0.5], [0, 1.01], Adaptive(1e-9, 1e-12)).position.values[-1]
    np.testing.assert_allclose(x[:, 0], np.array([1.0, -0.5]) * np.exp(-10), rtol=1e-5)


def test_a_run_reversed_in_time_returns():
    """Time need not start at 0, nor be positive."""
    x = np.random.default_rng(8).standard_normal((10, 2))
    there = simulate(SelfAttention(I2, I2, I2), x, [-1, 0], Adaptive(1e-12, 1e-13)).position.values[-1]
    back = simulate(SelfAttention(I2, I2, -I2), there, [5, 6], Adaptive(1e-12, 1e-13)).position.values[-1]
    np.testing.assert_allclose(back, x, atol=1e-10)


def test_euler_is_the_discrete_transformer():
    rng = np.random.default_rng(9)
    Q, K, V, x = (
        rng.standard_normal((2, 3)),
        rng.standard_normal((2, 3)),
        rng.standard_normal((3, 3)),
        rng.random((6, 3)),
    )
    ds = simulate(SelfAttention(Q, K, V), x, [0, 0.5, 2.0], Euler(0.1))
    np.testing.assert_allclose(ds.position.values[1], naive.transformer(x, Q, K, V, 0.1, 5), rtol=1e-13)
    np.testing.assert_allclose(ds.position.values[2], naive.transformer(x, Q, K, V, 0.1, 20), rtol=1e-12)


def test_the_discrete_rescaled_recursion_is_a_conjugate_of_euler():
    """Remark 3.3: z^k = R^{−k} x^k, R = I + dt V, to round-off; V is not normal."""
    rng = np.random.default_rng(10)
    Q, K, x = np.eye(3), np.eye(3), rng.uniform(-1, 1, (8, 3))
    V = np.array([[1.0, 0.8, 0], [-0.3, 0.6, 0.2], [0, 0.1, -0.4]])
    x_end = simulate(SelfAttention(Q, K, V), x, [0, 4], Euler(0.1)).position.values[-1]
    z_end = naive.rescaled_transformer(x, Q, K, V, 0.1, 40)
    R = np.linalg.matrix_power(np.eye(3) + 0.1 * V, 40)
    np.testing.assert_allclose(z_end @ R.T, x_end, rtol=1e-12)


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


def test_iterate_applies_the_map_once_a_unit_of_time():
    ds = simulate(Shuffle(), np.ones((3, 2)), [2, 3, 5], rng=11)
    rng = np.random.default_rng(11).spawn(1)[0]
    x = np.ones((3, 2))
    expected = [x]
    for _ in range(3):
        x = x / 2 + rng.standard_normal(x.shape)
        expected.append(x)
    np.testing.assert_array_equal(ds.position.values, [expected[0], expected[1], expected[3]])


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
