"""Splitting methods, and the observed order of every stepper on every model."""

import numpy as np
import pytest

from particles import (
    RK4,
    Adaptive,
    CausalAttention,
    CuckerSmale,
    Ensemble,
    Euler,
    FeedForward,
    Krause,
    L2Attention,
    LieTrotter,
    LinearAttention,
    LogAttraction,
    PowerAttraction,
    SelfAttention,
    StrangMarchuk,
    simulate,
)
from particles.errors import InvalidInput, NotSupported

RNG = np.random.default_rng(17)


Q, K, V = (0.6 * RNG.normal(size=(2, 2)) for _ in range(3))


X0 = RNG.normal(size=(6, 2))


RING = X0 / np.linalg.norm(X0, axis=1, keepdims=True)


LAYER = FeedForward(RNG.normal(size=(2, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=3), "tanh")


MODELS = {
    "attention": (SelfAttention(Q, K, V), X0),
    "rescaled": (SelfAttention(Q, K, V).rescaled(), X0),
    "heads": (SelfAttention(Q, K, V) + SelfAttention(K, Q, V.T), X0),
    "moving matrices": (SelfAttention(lambda t: np.cos(t) * Q, K, lambda t: V + t * Q), X0),
    "unnormalised": (SelfAttention(Q, K, V, normalization="none"), 0.7 * X0),
    "sinkhorn": (SelfAttention(Q, K, V, normalization="sinkhorn"), X0),
    "linear": (LinearAttention(Q, K, V), X0),
    "causal": (CausalAttention(Q, K, V), X0),
    "distance": (L2Attention(Q, K, V), X0),
    "sphere, softmax": (SelfAttention(3 * np.eye(2), np.eye(2), np.eye(2)).on_sphere(), RING),
    "sphere, none": (SelfAttention(np.eye(2), np.eye(2), np.eye(2), normalization="none").on_sphere(), RING),
    "layer": (LAYER, X0),
    "krause": (Krause(lambda s: np.exp(-s)), X0),
    "cucker-smale": (CuckerSmale(0.4, 2.0), np.column_stack([X0, X0[::-1]])),
    "power 3": (PowerAttraction(3.0), 0.5 * X0),
    "power 4": (PowerAttraction(4), 0.3 * X0),
    "logarithm, far apart": (LogAttraction(0.5), 3 * X0),
}


def observed(model, x0, method, dts, T=0.8):
    exact = simulate(model, x0, [0.0, T], Adaptive(1e-12, 1e-13)).position[-1].values
    ends = [simulate(model, x0, [0.0, T], method(dt)).position[-1].values for dt in dts]
    errors = [np.abs(end - exact).max() for end in ends]
    return np.log2(errors[0] / errors[1])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("method", "order", "dts"), [(Euler, 1, (0.01, 0.005)), (RK4, 4, (0.1, 0.05))])
def test_observed_order_of_fixed_steps(name, method, order, dts):
    model, x0 = MODELS[name]
    assert abs(observed(model, x0, method, dts) - order) < (0.15 if order == 1 else 0.5)


SPLIT = {
    "attention and layer": (SelfAttention(Q, K, V) + LAYER, X0),
    "three terms": (SelfAttention(Q, K, V) + LAYER + CuckerSmale(0.5, 1.0), X0),
    "moving matrices": (SelfAttention(lambda t: np.cos(t) * Q, K, V) + LAYER, X0),
    "sphere": ((SelfAttention(3 * np.eye(2), np.eye(2), np.eye(2)) + LAYER).on_sphere(), RING),
}


@pytest.mark.parametrize("name", SPLIT)
@pytest.mark.parametrize(("method", "order"), [(LieTrotter, 1), (StrangMarchuk, 2)])
def test_observed_order_of_splittings(name, method, order):
    model, x0 = SPLIT[name]
    assert abs(observed(model, x0, method, (0.02, 0.01)) - order) < 0.15


def test_splitting_stays_on_the_sphere_and_refuses_what_does_not_split():
    model, x0 = SPLIT["sphere"]
    x = simulate(model, x0, [0.0, 1.0], StrangMarchuk(0.1)).position[-1]
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1.0, rtol=4e-16)
    with pytest.raises(NotSupported, match="add fields"):
        simulate(LAYER, X0, [0.0, 1.0], LieTrotter(0.1))
    with pytest.raises(NotSupported, match="original frame"):
        simulate((SelfAttention(Q, K, V) + LAYER).in_frame(V), X0, [0.0, 1.0], StrangMarchuk(0.1))


@pytest.mark.parametrize("method", [Euler(dt=0.1), RK4(dt=0.1), Adaptive()])
def test_a_sweep_in_one_call_is_its_runs_one_by_one(method):
    fields = tuple(SelfAttention(beta * np.eye(2), np.eye(2), np.eye(2)).on_sphere() for beta in (0.5, 2.0, 4.0))
    x0 = np.random.default_rng(4).normal(size=(6, 5, 2))
    x0 /= np.linalg.norm(x0, axis=2, keepdims=True)
    ds = simulate(Ensemble(fields, repeat=2), x0, [0.0, 0.5, 1.0], method)
    for run in range(6):
        alone = simulate(fields[run // 2], x0[run], [0.0, 0.5, 1.0], method)
        np.testing.assert_allclose(ds.position.isel(run=run), alone.position, atol=1e-14)
    with pytest.raises(InvalidInput, match="a model of 6 runs"):
        simulate(Ensemble(fields, repeat=2), x0[:5], [0.0, 1.0])


def test_strang_goes_forward_and_back_through_any_number_of_terms():
    a, b, c = (FeedForward(Q, K, RNG.normal(size=2), "tanh") for _ in range(3))
    found = list(StrangMarchuk(0.1).schedule((a, b, c), 1.0, 0.4))
    there_and_back = [(a, 1.0, 0.2), (b, 1.0, 0.2), (c, 1.0, 0.4), (b, 1.2, 0.2), (a, 1.2, 0.2)]
    assert found == there_and_back
    assert list(StrangMarchuk(0.1).schedule((a,), 1.0, 0.4)) == [(a, 1.0, 0.4)]
