"""Constants of the field: attained, never beaten, and where (6.5) fails."""

import numpy as np
import pytest
from samples import heads, in_ball
from user_fields import Halved

from meanfield import wasserstein
from meanfield.studies.constants import constants, sharp_products
from particles import EmpiricalMeasure, SelfAttention
from particles.errors import NotSupported


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("frame", [False, True])
def test_no_measure_in_the_ball_beats_the_constants(seed, frame):
    rng = np.random.default_rng(seed)
    d, t, R = 1 + seed % 3, 0.3, rng.uniform(0.2, 1.2)
    model = heads(seed, d, frame)
    found = constants(model, t, R)
    for _ in range(5):
        mu, nu = in_ball(rng, 6, d, R), in_ball(rng, 5, d, R)
        x = in_ball(rng, 40, d, R).points
        v = model.velocity(t, x, mu)
        step = 1e-6 * rng.standard_normal(x.shape)
        difference = (model.velocity(t, x + step, mu) - v) / np.linalg.norm(step, axis=1)[:, None]
        unit = step / np.linalg.norm(step, axis=1)[:, None]
        assert np.linalg.norm(difference, axis=1).max() <= found.in_space * (1 + 1e-4)
        assert (difference * unit).sum(axis=1).max() <= found.one_sided + 1e-4 * found.in_space
        assert np.linalg.norm(v, axis=1).max() <= found.size * (1 + 1e-12)
        gap = np.linalg.norm(v - model.velocity(t, x, nu), axis=1).max()
        assert gap <= np.exp(found.log_in_measure) * wasserstein(mu, nu, 1)
        assert gap <= np.exp(found.log_in_measure_w2) * wasserstein(mu, nu, 2)
        both = np.concatenate((mu.points, nu.points, x))
        sharper = constants(model, t, R, support=both)
        assert sharper.growth <= found.growth * (1 + 1e-12)
        assert gap <= np.exp(sharper.log_in_measure_w2) * wasserstein(mu, nu, 2)


def test_the_constant_in_space_is_attained():
    # Two equal masses at ±R u, u the maximiser of |Vu||Bᵀu|: at x = 0 the covariance is R² u uᵀ.
    V, R = np.diag([3.0, 1.0]), 0.7
    model = SelfAttention(np.eye(2), np.eye(2), V)
    mu = EmpiricalMeasure([[R, 0.0], [-R, 0.0]])
    slope = (model.velocity(0, np.array([[1e-5, 0.0]]), mu) - model.velocity(0, np.array([[-1e-5, 0.0]]), mu)) / 2e-5
    assert constants(model, 0.0, R).in_space == pytest.approx(3 * R**2, rel=1e-9)
    assert np.linalg.norm(slope) == pytest.approx(3 * R**2, rel=1e-6)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_sharp_products_against_many_directions(d):
    rng = np.random.default_rng(d)
    V, B = rng.standard_normal((2, d, d))
    u = rng.standard_normal((20000, d))
    u /= np.linalg.norm(u, axis=1)[:, None]
    first, second = u @ V.T, u @ B
    sizes = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    kappa, symmetric = sharp_products(V, B)
    assert sizes.max() <= kappa <= np.linalg.norm(V, 2) * np.linalg.norm(B, 2) * (1 + 1e-12)
    assert (0.5 * ((first * second).sum(axis=1) + sizes)).max() <= symmetric + 1e-12
    if d <= 3:
        assert sizes.max() >= 0.8 * kappa
    assert sharp_products(-np.eye(d), np.eye(d))[1] == pytest.approx(0.0, abs=1e-9)


def test_6_5_fails_on_the_whole_space():
    # ν moves ε of the mass of δ₀ to 1: W₁ = ε, but far out all attention goes to that mass.
    model = SelfAttention(1.0, 1.0, 1.0)
    mu = EmpiricalMeasure([0.0])
    for eps in (1e-2, 1e-6):
        nu = EmpiricalMeasure([0.0, 1.0], [1 - eps, eps])
        x = np.array([[100.0]])
        assert np.linalg.norm(model.velocity(0, x, mu) - model.velocity(0, x, nu)) > 0.99
        assert wasserstein(mu, nu, 1) == pytest.approx(eps)


def test_a_subclass_that_may_have_changed_the_equation_has_no_constants():
    with pytest.raises(NotSupported, match="Halved may have changed"):
        constants(Halved(np.eye(2), np.eye(2), np.eye(2)), 0.0, 1.0)


@pytest.mark.parametrize("d", [1, 2])
def test_a_field_of_zero_has_constants_zero(d):
    zero, one = np.zeros((d, d)), np.eye(d)
    assert sharp_products(zero, one) == (0.0, 0.0)
    assert sharp_products(one, zero) == (0.0, 0.0)
    found = constants(SelfAttention(one, one, zero), 0.0, 2.0)
    assert (found.in_space, found.one_sided, found.size, found.growth) == (0.0, 0.0, 0.0, 0.0)
    # Without scores every token moves with V times the mean: the same in space, ‖V‖ in the measure.
    flat = constants(SelfAttention(zero, one, one), 0.0, 2.0)
    assert (flat.in_space, flat.one_sided) == (0.0, 0.0)
    assert flat.growth == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_constants_on_the_ball_are_their_formulas(scale):
    """‖V‖ R, log ‖V‖ + log(1 + 2R²‖B‖) + 2R²‖B‖, and half that exponent for W₂; heads add up."""
    rng = np.random.default_rng(2)
    heads = [SelfAttention(*(scale * rng.normal(size=(3, 2, 2)))) for _ in range(2)]
    R = 1.7
    v = [np.linalg.norm(np.asarray(head.V), 2) for head in heads]
    b = [np.linalg.norm(np.asarray(head.K).T @ np.asarray(head.Q), 2) for head in heads]
    for chosen in ([0], [0, 1]):
        model = heads[0] if chosen == [0] else heads[0] + heads[1]
        found = constants(model, 0.0, R)
        x = [2.0 * R * R * b[k] for k in chosen]
        assert found.size == pytest.approx(sum(v[k] for k in chosen) * R)
        logs = [np.log(v[k]) + np.log1p(e) + e for k, e in zip(chosen, x, strict=True)]
        assert found.log_in_measure == pytest.approx(np.logaddexp.reduce(logs))
        halves = [np.log(v[k]) + np.log1p(e) + e / 2 for k, e in zip(chosen, x, strict=True)]
        assert found.log_in_measure_w2 == pytest.approx(np.logaddexp.reduce(halves))
        assert found.growth == pytest.approx(found.one_sided + np.exp(found.log_in_measure_w2))
        assert found.one_sided <= found.in_space <= sum(v[k] * b[k] for k in chosen) * R * R * (1 + 1e-9)
    turned = heads[0].in_frame(0.4 * np.eye(2))
    assert constants(turned, 0.0, R).size == pytest.approx((v[0] + 0.4) * R)
