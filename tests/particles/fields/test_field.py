"""What every field inherits: sums, frames, divergence, ensembles; and that a user's field needs two members only."""

import pickle
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.linalg import expm
from user_fields import ToMean

from meanfield import FrozenFlow
from particles import (
    RK4,
    Adaptive,
    Derived,
    Diffusion,
    EmpiricalMeasure,
    Ensemble,
    Euler,
    EulerMaruyama,
    FeedForward,
    PowerAttraction,
    SelfAttention,
    VelocityField,
    simulate,
)
from particles.errors import InvalidInput, NotSupported
from particles.fields.events import Meeting
from particles.fields.field import MovingFrame, Sum

X = np.random.default_rng(0).normal(size=(6, 2))


W = np.random.default_rng(1).dirichlet(np.ones(6))


MU = EmpiricalMeasure(X, W)
A = np.array([[0.2, 0.6], [-0.3, 0.1]])


def test_a_users_field_runs_and_has_every_default():
    field = ToMean(0.7)
    ds = simulate(field, X, [0.0, 1.0], weights=W)
    mean = W @ X
    np.testing.assert_allclose(ds.position[-1], mean + np.exp(-0.7) * (X - mean), rtol=1e-8)
    np.testing.assert_allclose(field.divergence(0.0, X, MU), -1.4, atol=1e-9)
    assert field.terms == (field,)
    assert field.diffusion(0.0) is None
    assert not field.noisy
    assert np.isnan(field.particle_velocity(0.0, np.full((3, 2), np.inf), np.full(3, 1 / 3))).all()


@pytest.mark.parametrize("t", [0.0, 0.8])
def test_moving_frame_is_the_change_of_variables(t):
    field = ToMean(0.7)
    there, back = expm(t * A), expm(-t * A)
    moved = field.in_frame(A)
    assert isinstance(moved, MovingFrame)
    at = EmpiricalMeasure(X @ there.T, W)
    expected = field.velocity(t, X @ there.T, at) @ back.T - X @ A.T
    np.testing.assert_allclose(moved.velocity(t, X, MU), expected, atol=1e-13)
    np.testing.assert_allclose(moved.particle_velocity(t, X, W), expected, atol=1e-13)
    np.testing.assert_allclose(moved.divergence(t, X, MU), -1.4 - np.trace(A), atol=1e-8)


def test_runs_in_frames_are_the_same_run():
    field = ToMean(0.7) + FeedForward(A, np.eye(2), np.zeros(2), "tanh") + SelfAttention(A, A, -np.eye(2))
    plain = simulate(field, X, [0.0, 1.0], weights=W).position[-1].values
    moved = simulate(field.in_frame(A), X, [0.0, 1.0], weights=W).position[-1].values
    np.testing.assert_allclose(moved @ expm(A).T, plain, atol=1e-8)


def test_sums_add_term_by_term_and_commute_with_frames():
    one, two = ToMean(0.7), SelfAttention(A, np.eye(2), A)
    total = one + two + one
    assert isinstance(total, Sum)
    assert total.terms == (one, two, one)
    parts = 2 * one.velocity(0.3, X, MU) + two.velocity(0.3, X, MU)
    np.testing.assert_allclose(total.velocity(0.3, X, MU), parts, atol=1e-14)
    np.testing.assert_allclose(
        total.in_frame(A).velocity(0.3, X, MU), MovingFrame(total, A).velocity(0.3, X, MU), atol=1e-13
    )
    np.testing.assert_allclose(
        total.in_frame(A).divergence(0.3, X, MU),
        total.divergence(0.3, X @ expm(0.3 * A).T, moved()) - np.trace(A),
        atol=1e-7,
    )
    both = one.in_frame(A) + two.in_frame(A)
    np.testing.assert_allclose(both.velocity(0.3, X, MU), (one + two).in_frame(A).velocity(0.3, X, MU), atol=1e-14)


def moved():
    return EmpiricalMeasure(X @ expm(0.3 * A).T, W)


def test_what_does_not_go_together_is_refused():
    one, two = ToMean(0.7), SelfAttention(1.0, 1.0, 1.0)
    with pytest.raises(InvalidInput, match="one dimension"):
        one + two
    with pytest.raises(NotSupported, match="different frames"):
        one + ToMean(0.1).in_frame(A)
    with pytest.raises(NotSupported, match="already"):
        one.in_frame(A).in_frame(A)
    with pytest.raises(NotSupported, match="constant matrix"):
        one.in_frame(lambda t: A)
    with pytest.raises(InvalidInput, match="dimension 2"):
        one.in_dimension(3)
    with pytest.raises(TypeError):
        one + 1


@dataclass(frozen=True, eq=False)
class Clumps(VelocityField):
    """Coalescing Brownian motions on a drift: noise and events in one field of a user's."""

    drift: float = 0.0
    dim: int = 1
    events = (Meeting(1e-3),)

    def velocity(self, t, x, mu):
        return np.full_like(x, self.drift)

    def diffusion(self, t):
        return 0.5 * np.eye(self.dim)


def test_a_field_with_noise_and_events_is_moved_by_its_noise():
    n, T = 400, 1.0
    x0 = 100.0 * np.arange(n)
    ds = simulate(Clumps(drift=2.0), x0, [0.0, T], EulerMaruyama(0.1), rng=1)
    steps = ds.position[-1, :, 0].values - x0
    # Far apart none collide: independent N(2T, T), here within four standard errors.
    assert abs(steps.mean() - 2 * T) < 4 / np.sqrt(n)
    assert abs(steps.var() - T) < 4 * np.sqrt(2 / n)
    assert (ds.group[-1] == np.arange(n)).all()


def test_tokens_that_met_share_their_noise():
    ds = simulate(Clumps(), [0.0, 1e-4, 50.0], np.linspace(0, 1, 5), EulerMaruyama(0.05), rng=3)
    np.testing.assert_array_equal(ds.position[:, 0], ds.position[:, 1])
    assert (np.diff(ds.position[:, 0, 0]) != 0).all()
    assert len(np.unique(ds.position[-1])) == 2


def test_noise_of_another_term_parts_again_what_has_met_but_a_field_s_own_does_not():
    quiet, own = PowerAttraction(1.0), Clumps()
    assert quiet.events
    assert (quiet + Diffusion(0.1)).events == ()
    assert (quiet + own).events == own.events


class LateNoise(ToMean):
    """Noise from t = 1 on."""

    def diffusion(self, t):
        return 0.1 * np.eye(2) if t >= 1 else None


@pytest.mark.parametrize("method", [Euler(0.1), RK4(0.1), Adaptive(), FrozenFlow(0.1)], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("make", [lambda f: f, lambda f: f + f, lambda f: f.in_frame(A), lambda f: f.on_sphere()])
def test_noise_that_starts_later_is_not_left_out(method, make):
    model = make(LateNoise(0.7))
    assert model.noisy
    assert model.diffusion(0.0) is None
    with pytest.raises(NotSupported, match="noise"):
        simulate(model, X / np.linalg.norm(X, axis=1, keepdims=True), [0.0, 2.0], method)


def test_noise_that_starts_later_moves_from_then_on():
    ds = simulate(LateNoise(0.0), np.zeros((300, 2)), [0.0, 1.0, 2.0], EulerMaruyama(0.1), rng=0)
    assert not ds.position[1].any()
    assert ds.position[2].var() == pytest.approx(0.2, rel=0.2)


class Quiet(LateNoise):
    """A class that gives `diffusion` and declares that it has none."""

    noisy = False

    def diffusion(self, t):
        return None


class Loud(Quiet):
    """A subclass of one without noise that gives noise again."""

    def diffusion(self, t):
        return np.eye(2)


class Mixin:
    def diffusion(self, t):
        return np.eye(2)


class Mixed(Mixin, ToMean):
    """Noise from a class that is no field."""


def test_a_class_that_gives_a_diffusion_has_noise_unless_it_declares_otherwise():
    assert [kind.noisy for kind in (ToMean, LateNoise, Quiet, Loud, Mixed)] == [False, True, False, True, True]


class Layers(VelocityField):
    """Piecewise constant in time."""

    dim = 2

    def __init__(self, *times):
        object.__setattr__(self, "breakpoints", times)

    def velocity(self, t, x, mu):
        return np.full_like(x, np.searchsorted(self.breakpoints, t, side="right"))


def test_breakpoints_are_forwarded_and_merged():
    one, two = Layers(1.0, 3.0), Layers(2.0, 3.0)
    assert ToMean(1.0).breakpoints == ()
    assert (one + two).breakpoints == (1.0, 2.0, 3.0)
    assert one.in_frame(A).breakpoints == one.on_sphere().breakpoints == (1.0, 3.0)
    assert Ensemble((two, one)).breakpoints == (1.0, 2.0, 3.0)


@dataclass(frozen=True, eq=False)
class Doubled(Derived):
    """Twice a field: a user's wrapper that overrides its one difference."""

    def velocity(self, t, x, mu):
        return 2 * self.field.velocity(t, x, mu)


def test_a_wrapper_gives_its_difference_only():
    inner = Clumps(1.0) + Clumps(3.0)
    model = Doubled(inner)
    assert model.noisy
    assert (model.dim, model.events, model.space, model.frame) == (1, inner.events, inner.space, None)
    assert [term.field for term in model.terms] == list(inner.terms)
    np.testing.assert_array_equal(model.diffusion(0.0), np.eye(1))
    x = np.array([[0.0], [9.0]])
    np.testing.assert_array_equal(model.particle_velocity(0.0, x, np.full(2, 0.5)), np.full((2, 1), 8.0))
    free = Doubled(PowerAttraction(2.0))
    assert free.dim is None
    assert free.in_dimension(3).dim == 3


def test_copies_are_as_frozen_as_the_original():
    for copied in (pickle.loads(pickle.dumps(SelfAttention(A, A, A))), deepcopy(SelfAttention(A, A, A).in_frame(A))):
        with pytest.raises(ValueError, match="read-only"):
            copied.Q[0, 0] = 1.0


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_one_position_that_is_lost_costs_its_own_run_and_no_other(lost):
    """The law is unknown with any token, and so is the velocity of all that it moves."""
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    x[1, 2, 0] = lost
    v = ToMean(0.7).particle_velocity(0.0, x, np.full(4, 0.25))
    assert np.isnan(v[1]).all()
    assert np.isfinite(v[[0, 2]]).all()
