"""What every field inherits: sums, frames, divergence, ensembles; and that a user's field needs two members only."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.linalg import expm

from particles import EmpiricalMeasure, FeedForward, SelfAttention, VelocityField, simulate
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import MovingFrame, Sum


@dataclass(frozen=True, eq=False)
class ToMean(VelocityField):
    """x' = rate · (mean − x), from a user's notebook."""

    rate: float
    dim: int = 2

    def velocity(self, t, x, mu):
        return self.rate * (mu.weights @ mu.points - x)


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
