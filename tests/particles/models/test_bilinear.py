"""Every attention field against a double loop written from its formula, in the original frame and in a moving one."""

import numpy as np
import pytest
from oracles import couplings
from oracles.couplings import naive
from samples import matrices, tokens

from particles import (
    CausalAttention,
    EmpiricalMeasure,
    Euler,
    HardmaxAttention,
    L2Attention,
    LinearAttention,
    SelfAttention,
    model_of,
    simulate,
)
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import MovingFrame, VelocityField

FAMILY = {
    "softmax": (SelfAttention, couplings.softmax),
    "none": (lambda *a: SelfAttention(*a, normalization="none"), couplings.none),
    "sinkhorn": (lambda *a: SelfAttention(*a, normalization="sinkhorn"), couplings.sinkhorn),
    "hardmax": (HardmaxAttention, couplings.hardmax),
    "linear": (LinearAttention, couplings.linear),
    "causal": (CausalAttention, couplings.causal),
    "distance": (L2Attention, couplings.distance),
}


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize(("n", "d", "k"), [(7, 1, 1), (9, 2, 2), (8, 3, 1), (6, 2, 4)])
def test_field_is_the_double_loop(name, n, d, k):
    build, rule = FAMILY[name]
    Q, K, V = matrices(d, k, seed=n)
    x, w = tokens(n, d, seed=d)
    model = build(Q, K, V)
    P, velocity = naive(rule, Q, K, V, x, w)
    np.testing.assert_allclose(model.attention_matrix(0.0, x, w), P, rtol=2e-12, atol=2e-12)
    np.testing.assert_allclose(model.particle_velocity(0.0, x, w), velocity, rtol=2e-12, atol=2e-12)
    if model.exchangeable:
        np.testing.assert_allclose(model.velocity(0.0, x, EmpiricalMeasure(x, w)), velocity, rtol=2e-12, atol=2e-12)


@pytest.mark.parametrize("name", FAMILY)
def test_ensembles_are_runs_side_by_side(name):
    Q, K, V = matrices(2, 2, seed=3)
    model = FAMILY[name][0](Q, K, V)
    x = np.random.default_rng(5).normal(size=(4, 6, 2))
    w = np.full(6, 1 / 6)
    side_by_side = model.particle_velocity(0.0, x, w)
    alone = np.stack([model.particle_velocity(0.0, run, w) for run in x])
    np.testing.assert_allclose(side_by_side, alone, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("t", [0.0, 0.7])
def test_frame_of_its_own_is_the_general_moving_frame(name, t):
    Q, K, V = matrices(3, 2, seed=11)
    z, w = tokens(8, 3, seed=2)
    model = FAMILY[name][0](Q, K, V)
    for A in (V, np.random.default_rng(1).normal(size=(3, 3)) * 0.4):
        framed = model.in_frame(A)
        assert type(framed) is type(model)
        expected = MovingFrame(model, A).particle_velocity(t, z, w)
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(framed.particle_velocity(t, z, w), expected, rtol=1e-11, atol=1e-11 * scale)


@pytest.mark.parametrize("name", [name for name in FAMILY if name not in ("causal", "hardmax")])
def test_divergence_is_that_of_the_field(name):
    Q, K, V = matrices(2, 2, seed=4)
    x, w = tokens(9, 2, seed=7)
    mu = EmpiricalMeasure(x, w)
    model = FAMILY[name][0](Q, K, V)
    for field in (model, model.in_frame(V)):
        numeric = VelocityField.divergence(field, 0.3, x, mu)
        np.testing.assert_allclose(field.divergence(0.3, x, mu), numeric, rtol=2e-8, atol=2e-8)


def test_time_dependent_matrices_are_read_at_the_time_asked():
    Q, K, V = matrices(2, 2, seed=8)
    x, w = tokens(6, 2, seed=9)
    for build, _ in FAMILY.values():
        moving = build(lambda t: (1 + t) * Q, lambda t: np.cos(t) * K, lambda t: V + t * np.eye(2))
        frozen = build(1.4 * Q, np.cos(0.4) * K, V + 0.4 * np.eye(2))
        np.testing.assert_array_equal(moving.particle_velocity(0.4, x, w), frozen.particle_velocity(0.4, x, w))
        with pytest.raises(NotSupported, match="constant V"):
            moving.rescaled()


@pytest.mark.parametrize("name", FAMILY)
def test_models_come_back_from_their_dataset(name):
    Q, K, V = matrices(2, 2, seed=12)
    model = FAMILY[name][0](Q, K, V)
    x, w = tokens(5, 2, seed=3)
    back = model_of(simulate(model, x, [0.0, 0.1], Euler(dt=0.1), weights=w))
    assert type(back) is type(model)
    np.testing.assert_array_equal(back.particle_velocity(0.0, x, w), model.particle_velocity(0.0, x, w))


def test_the_value_matrix_is_exact_where_the_frame_commutes_with_it():
    """At t = 400 the factors of e^{−tA} V e^{tA} would be 1e±174, their product a few digits of V or none."""
    V = np.array([[1.0, 0.3], [0.0, 0.5]])
    for A in (V, V @ V, 2.0 * np.eye(2)):
        np.testing.assert_array_equal(SelfAttention(np.eye(2), np.eye(2), V).in_frame(A).value_matrix(400.0), V)
    other = SelfAttention(np.eye(2), np.eye(2), V).in_frame(np.diag([1.0, 2.0])).value_matrix(1.0)
    np.testing.assert_allclose(other, [[1.0, 0.3 * np.e], [0.0, 0.5]], rtol=1e-14)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("shapes", [((2, 2), (3, 2), 2), ((2, 3), (2, 3), 2), ((2, 2), (2, 2), 3)])
def test_matrices_that_do_not_fit_are_refused_where_the_model_is_made(name, shapes):
    q, k, d = shapes
    with pytest.raises(InvalidInput, match=r"one shape \(k, d\) with d = "):
        FAMILY[name][0](np.ones(q), np.ones(k), np.eye(d))


@pytest.mark.parametrize("name", ["softmax", "hardmax", "linear"])
def test_factors_whose_product_underflows_are_refused(name):
    """Hardmax does not depend on the scale of its scores: all equal to 0 they would be ties."""
    make = FAMILY[name][0]
    with pytest.raises(InvalidInput, match="underflows"):
        make(np.full((1, 1), 1e-200), np.full((1, 1), 1e-200), np.eye(1))
    make(np.full((1, 1), 1e-200), np.full((1, 1), 1e200), np.eye(1))
    make(np.zeros((1, 1)), np.full((1, 1), 1e-200), np.eye(1))
    make(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.eye(2))
