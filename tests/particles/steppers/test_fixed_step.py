"""Methods of constant step, explicit and implicit, of a user's making."""

import numpy as np
import pytest
from compiled_models import MODELS, tokens
from user_fields import Spin
from user_methods import ImplicitMidpoint, Kutta3

from particles import (
    RK4,
    Diffusion,
    Euler,
    EulerMaruyama,
    LinearAttention,
    PowerAttraction,
    SelfAttention,
    VelocityField,
    simulate,
)
from particles.errors import RunStopped
from particles.fields.compiled_sum import CompiledSum, registered_sum
from particles.steppers.fixed_step import interval_parts

X = np.array([[1.0, 0.5], [0.2, -0.3]])


def exact(t):
    angle = np.square(X).sum(axis=1) * t
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * X[:, 0] - s * X[:, 1], s * X[:, 0] + c * X[:, 1]], axis=1)


@pytest.mark.parametrize("method", [Kutta3, ImplicitMidpoint])
def test_the_observed_order_is_the_declared_one(method):
    errors = [
        np.abs(simulate(Spin(), X, [0, 0.9, 2], method(dt)).position.values[-1] - exact(2)).max()
        for dt in (0.02, 0.01, 0.005)
    ]
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(method.order, abs=0.1)


def test_the_implicit_midpoint_rule_keeps_the_circles_that_others_leave():
    radii = np.linalg.norm(simulate(Spin(), X, [0, 50], ImplicitMidpoint(0.1)).position.values[-1], axis=1)
    np.testing.assert_allclose(radii, np.linalg.norm(X, axis=1), rtol=1e-12)
    drifted = np.linalg.norm(simulate(Spin(), X, [0, 50], Kutta3(0.1)).position.values[-1], axis=1)
    assert np.abs(drifted / np.linalg.norm(X, axis=1) - 1).max() > 1e-3


def test_an_implicit_step_that_does_not_converge_stops_the_run_with_its_reason():
    model = SelfAttention(np.eye(2), np.eye(2), 60 * np.eye(2))
    with pytest.raises(RunStopped, match="did not converge: take a smaller dt") as caught:
        simulate(model, X, [0, 0.5, 1], ImplicitMidpoint(0.5))
    assert caught.value.dataset.sizes["time"] == 1


def test_a_method_of_a_user_s_merges_tokens():
    n, a = 6, 1.3
    T = a * n / (n - 1)
    ds = simulate(PowerAttraction(1), np.linspace(-a, a, n), [0.0, 100 * 0.0171], Kutta3(0.0171))
    assert len(np.unique(ds.group[-1])) == 1
    np.testing.assert_allclose(ds.meeting_time[-1], T, atol=0.0171)


def test_an_interval_has_at_least_one_part():
    assert interval_parts(0.0, 1.0, 0.3) == 3
    assert interval_parts(0.0, 1e-9, 0.3) == 1


def test_a_position_that_overflows_is_reported_at_the_end_of_its_step():
    """x' = 1e300 from 1.7e308: the second step of length 1e7 from t = 3 leaves the range of float64."""

    class Push(VelocityField):
        dim = 1

        def velocity(self, t, x, mu):
            return np.full_like(x, 1e300)

    with pytest.raises(RunStopped) as caught:
        simulate(Push(), [[1.65e308]], [3.0, 3.0 + 4e7], Euler(1e7))
    assert caught.value.time == 3.0 + 2e7


class Rk4InPython(RK4):
    """The same steps by the loop in Python: a derived step may be another."""

    def step(self, field, t, h, state):
        return super().step(field, t, h, state)


class NoisyInPython(EulerMaruyama):
    """The same for noise."""

    def step(self, field, t, h, state):
        return super().step(field, t, h, state)


def noisy(name):
    """A model of compiled_models.py with noise, where noise can be added."""
    model, noise = MODELS[name], Diffusion(0.1)
    if "sphere" in name:
        return (model.field + noise).on_sphere()
    return (model.field + noise).on_circle() if "circle" in name else model + noise


def both(model, name, n, method, other, **options):
    x, w = tokens(name, n, runs=2)
    found = [simulate(model, x, [0.0, 0.1, 0.4], one, weights=w, **options) for one in (method, other)]
    assert found[0].attrs["summation"] == "compiled" != found[1].attrs.get("summation")
    return [ds.position.values for ds in found]


@pytest.mark.parametrize("name", MODELS)
def test_compiled_steps_are_those_of_the_loop_in_python(name):
    """Largest difference of all models, relative to one and the largest coordinate: 1.2e-15."""
    for n in (1, 11):
        compiled, python = both(MODELS[name], name, n, RK4(0.1), Rk4InPython(0.1))
        assert np.abs(compiled - python).max() < 1e-14 * (1 + np.abs(python).max())
    if MODELS[name].frame is None:
        compiled, python = both(noisy(name), name, 11, EulerMaruyama(0.1), NoisyInPython(0.1), rng=3)
        assert np.abs(compiled - python).max() < 1e-14 * (1 + np.abs(python).max())


@pytest.mark.parametrize("method", [Kutta3(0.05), Euler(0.05), EulerMaruyama(0.05)], ids=lambda m: type(m).__name__)
def test_neither_the_length_of_a_call_nor_other_runs_change_a_run(method, monkeypatch):
    x, w = tokens("sphere", 9, runs=5)
    model, times = noisy("sphere") if method.random else MODELS["sphere"], [0.0, 0.5, 2.0]
    whole = simulate(model, x, times, method, weights=w, rng=7)
    assert whole.attrs["summation"] == "compiled"
    monkeypatch.setattr("particles.steppers.compiled_runs._parts", lambda *sizes: (2, 3, 1))
    np.testing.assert_array_equal(simulate(model, x, times, method, weights=w, rng=7).position, whole.position)
    if not method.random:
        np.testing.assert_array_equal(simulate(model, x[3], times, method, weights=w).position, whole.position[3])


class Pulse(Diffusion):
    """Noise from t = 0.13 to t = 0.31, growing."""

    def diffusion(self, t):
        return (1 + t) * super().diffusion(t) if 0.13 < t < 0.31 else None


registered_sum(Pulse, lambda field: CompiledSum(()))


def test_noise_that_comes_and_goes_takes_the_same_random_numbers():
    compiled, python = both(
        MODELS["attention"] + Pulse(0.2), "attention", 5, EulerMaruyama(0.02), NoisyInPython(0.02), rng=2
    )
    assert np.abs(compiled - python).max() < 1e-14


@pytest.mark.parametrize(("method", "other"), [(RK4(0.1), Rk4InPython(0.1)), (EulerMaruyama(0.1), NoisyInPython(0.1))])
def test_a_run_that_blows_up_is_reported_as_by_the_loop_in_python(method, other):
    """x' = x³ leaves float64 soon after t = 1/2 in run 1; with noise the random numbers are the same."""
    model = LinearAttention(1.0, 1.0, 1.0) + Diffusion(1e-6) if method.random else LinearAttention(1.0, 1.0, 1.0)
    x, stopped = np.array([[[0.5], [-0.5]], [[1.0], [-1.0]]]), []
    for one in (method, other):
        with pytest.raises(RunStopped, match="run=1") as caught:
            simulate(model, x, [0.0, 0.2, 1.0, 40.0], one, rng=1)
        stopped.append(caught.value)
    assert str(stopped[0]) == str(stopped[1])
    assert stopped[0].time == stopped[1].time
    np.testing.assert_allclose(stopped[0].dataset.position, stopped[1].dataset.position, rtol=1e-12)


def test_a_tableau_that_is_not_explicit_is_left_to_the_loop_in_python():
    class Backward(Kutta3):
        stages = ((1.0,), (0.5,), (-1.0, 2.0))

    assert Kutta3(0.1).rule is not None
    assert Backward(0.1).rule is None is ImplicitMidpoint(0.1).rule
    assert Rk4InPython(0.1).rule is None
