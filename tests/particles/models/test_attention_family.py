"""Every attention field against a double loop written from its formula, in the original frame and in a moving one."""

import pickle

import numpy as np
import pytest
from scipy.linalg import expm, sqrtm

from particles import (
    CausalAttention,
    EmpiricalMeasure,
    Euler,
    HardmaxAttention,
    L2Attention,
    LinearAttention,
    SelfAttention,
    SoftmaxField,
    model_of,
    simulate,
)
from particles.errors import InvalidInput, NotConverged, NotSupported
from particles.fields.field import MovingFrame, VelocityField
from particles.models.normalization import SinkhornAttention, UnnormalizedAttention


def matrices(d, k, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) * 0.7 for shape in ((k, d), (k, d), (d, d))]


def tokens(n, d, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    w = rng.uniform(0.2, 1.0, n)
    w[n // 2] = 0.0
    return x, w / w.sum()


def sinkhorn_scalings(kernel, w):
    """u, v with u_i Σ_j k_ij v_j w_j = 1 and v_j Σ_i k_ij u_i w_i = 1, by many plain iterations."""
    v = np.ones(len(w))
    for _ in range(5000):
        u = 1 / (kernel @ (v * w))
        v = 1 / (kernel.T @ (u * w))
    return 1 / (kernel @ (v * w)), v


def rows_softmax(s, w):
    return w * np.exp(s) / np.sum(w * np.exp(s))


def softmax(s, w, x, Q, K):
    return np.stack([rows_softmax(s[i], w) for i in range(len(s))])


def none(s, w, x, Q, K):
    return np.exp(s) * w


def sinkhorn(s, w, x, Q, K):
    u, v = sinkhorn_scalings(np.exp(s), w)
    return u[:, None] * np.exp(s) * v * w


def hardmax(s, w, x, Q, K):
    P = np.zeros_like(s)
    for i in range(len(s)):
        P[i, max((j for j in range(len(w)) if w[j] > 0), key=lambda j, i=i: s[i, j])] = 1.0
    return P


def linear(s, w, x, Q, K):
    return s * w


def causal(s, w, x, Q, K):
    P = np.zeros_like(s)
    for i in range(len(s)):
        P[i, : i + 1] = rows_softmax(s[i, : i + 1], w[: i + 1])
    return P


def distance(s, w, x, Q, K):
    q, k = x @ Q.T, x @ K.T
    return np.stack([rows_softmax(-np.sum((q[i] - k) ** 2, axis=1) / 2, w) for i in range(len(s))])


FAMILY = {
    "softmax": (SelfAttention, softmax),
    "none": (lambda *a: SelfAttention(*a, normalization="none"), none),
    "sinkhorn": (lambda *a: SelfAttention(*a, normalization="sinkhorn"), sinkhorn),
    "hardmax": (HardmaxAttention, hardmax),
    "linear": (LinearAttention, linear),
    "causal": (CausalAttention, causal),
    "distance": (L2Attention, distance),
}


def naive(rule, Q, K, V, x, w):
    """P and the velocities, one pair at a time."""
    n = len(x)
    scores = np.array([[float(np.dot(Q @ x[i], K @ x[j])) for j in range(n)] for i in range(n)])
    P = rule(scores, w, x, Q, K)
    velocity = np.zeros_like(x)
    for i in range(n):
        for j in range(n):
            velocity[i] += P[i, j] * (V @ x[j])
    return P, velocity


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
    together = model.particle_velocity(0.0, x, w)
    alone = np.stack([model.particle_velocity(0.0, run, w) for run in x])
    np.testing.assert_allclose(together, alone, rtol=1e-13, atol=1e-14)


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


def test_heads_that_share_their_scores_add_to_one_head():
    Q, K, V = matrices(3, 3, seed=6)
    x, w = tokens(10, 3, seed=6)
    one, halves = SelfAttention(Q, K, V), SelfAttention(Q, K, V / 2) + SelfAttention(Q, K, V / 2)
    np.testing.assert_allclose(halves.particle_velocity(0.2, x, w), one.particle_velocity(0.2, x, w), rtol=1e-13)
    A = 0.3 * np.eye(3) + 0.1 * V
    framed = halves.in_frame(A).particle_velocity(0.2, x, w)
    np.testing.assert_allclose(framed, one.in_frame(A).particle_velocity(0.2, x, w), rtol=1e-11, atol=1e-12)


def test_normalization_chooses_the_field_and_softmax_stays_one_type():
    Q, K, V = matrices(2, 2, seed=1)
    assert isinstance(SelfAttention(Q, K, V, normalization="softmax"), SoftmaxField)
    for name, cls in (("none", UnnormalizedAttention), ("sinkhorn", SinkhornAttention)):
        model = SelfAttention(Q, K, V, normalization=name)
        assert type(model) is cls
        assert not isinstance(model, SoftmaxField)
    with pytest.raises(InvalidInput, match="'softmax', 'none', 'sinkhorn'"):
        SelfAttention(Q, K, V, normalization="layer")
    copy = pickle.loads(pickle.dumps(SelfAttention(Q, K, V)))
    np.testing.assert_array_equal(copy.Q, Q)


@pytest.mark.parametrize("name", FAMILY)
def test_models_come_back_from_their_dataset(name):
    Q, K, V = matrices(2, 2, seed=12)
    model = FAMILY[name][0](Q, K, V)
    x, w = tokens(5, 2, seed=3)
    back = model_of(simulate(model, x, [0.0, 0.1], Euler(dt=0.1), weights=w))
    assert type(back) is type(model)
    np.testing.assert_array_equal(back.particle_velocity(0.0, x, w), model.particle_velocity(0.0, x, w))


def test_sinkhorn_rows_and_columns_sum_to_the_weights():
    Q, K, V = matrices(2, 2, seed=2)
    x, w = tokens(12, 2, seed=8)
    P = SelfAttention(2 * Q, 2 * K, V, normalization="sinkhorn", tolerance=1e-9).attention_matrix(0.0, x, w)
    np.testing.assert_allclose(P.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(w @ P, w, atol=1e-9)
    stubborn = SinkhornAttention(6 * Q, 6 * K, V, max_iterations=3)
    with pytest.raises(NotConverged, match="after 3 steps"):
        stubborn.attention_matrix(0.0, x, w)


def test_sinkhorn_on_gauss_quadrature_is_the_gaussian_closure():
    """Cross-covariance C = ((I + 4S²)^{1/2} − I)/2 for the kernel e^{xy}: X(x) = V C S^{-1} x."""
    nodes, masses = np.polynomial.hermite_e.hermegauss(60)
    for S in (0.3, 0.9):
        x = np.sqrt(S) * nodes[:, None]
        model = SelfAttention(1.0, 1.0, 1.5, normalization="sinkhorn")
        slope = 1.5 * (np.sqrt(1 + 4 * S**2) - 1) / 2 / S
        keep = np.abs(nodes) < 4
        got = model.velocity(0.0, x[keep], EmpiricalMeasure(x, masses / masses.sum()))
        np.testing.assert_allclose(got, slope * x[keep], atol=3e-10)


def test_hardmax_averages_ties_and_is_the_limit_of_softmax():
    square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    model = HardmaxAttention(np.eye(2), np.eye(2), np.eye(2))
    mu = EmpiricalMeasure(square, [0.1, 0.3, 0.2, 0.4])
    got = model.velocity(0.0, [[1.0, 0.0], [0.0, 0.0], [0.3, 0.2]], mu)
    np.testing.assert_allclose(got, [[1.0, -0.5], mu.mean(), [1.0, 1.0]], atol=1e-15)
    angles = 2 * np.pi * np.arange(7) / 7
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    # Scores that tie on paper differ in their last bits at most of these.
    between = ring + np.roll(ring, -1, axis=0)
    leader = model.velocity(0.0, between, EmpiricalMeasure(ring))
    np.testing.assert_allclose(leader, between / 2, atol=1e-15)
    x, w = tokens(9, 2, seed=21)
    soft = SelfAttention(4e4 * np.eye(2), np.eye(2), np.eye(2)).particle_velocity(0.0, x, w)
    np.testing.assert_allclose(model.particle_velocity(0.0, x, w), soft, atol=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_linear_attention_has_its_closed_form(sign):
    x, w = tokens(8, 3, seed=14)
    moment = (x.T * w) @ x
    T = 0.3 / (2 * np.linalg.eigvalsh(moment).max())
    ds = simulate(LinearAttention(np.eye(3), np.eye(3), sign * np.eye(3)), x, [0.0, T], weights=w)
    exact = x @ np.linalg.inv(sqrtm(np.eye(3) - sign * 2 * T * moment)).real
    np.testing.assert_allclose(ds.position[-1], exact, rtol=1e-8)


def test_causal_first_token_is_alone_and_later_tokens_change_nothing():
    Q, K, V = matrices(2, 2, seed=31)
    x, _ = tokens(6, 2, seed=4)
    model = CausalAttention(Q, K, V)
    whole = simulate(model, x, [0.0, 0.5])
    np.testing.assert_allclose(whole.position[-1, 0], expm(0.5 * V) @ x[0], rtol=1e-8)
    # Uniform weights: a prefix of the sequence does not know that more tokens follow.
    prefix = simulate(model, x[:4], [0.0, 0.5])
    np.testing.assert_allclose(whole.position[-1, :4], prefix.position[-1], rtol=1e-8)
    with pytest.raises(NotSupported, match="place in the sequence"):
        model.velocity(0.0, x, EmpiricalMeasure(x))
    with pytest.raises(InvalidInput, match="first token"):
        model.attention_matrix(0.0, x, [0.0, 0.2, 0.2, 0.2, 0.2, 0.2])


def test_unnormalized_overflow_stops_the_run_with_its_reason():
    from particles.errors import RunStopped

    model = SelfAttention(5.0, 5.0, 1.0, normalization="none")
    with pytest.raises(RunStopped):
        simulate(model, [1.0, 2.0], [0.0, 1.0, 2.0])
