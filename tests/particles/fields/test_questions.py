"""Questions that only some fields can answer: the answer where there is one, an error by name elsewhere."""

import numpy as np
import pytest
from samples import matrices, tokens
from user_fields import Burst, Halved, Spin

from particles import (
    CausalAttention,
    Ensemble,
    HardmaxAttention,
    L2Attention,
    LinearAttention,
    SelfAttention,
    SinkhornAttention,
    UnnormalizedAttention,
)
from particles.errors import NotSupported
from particles.fields.field import MovingFrame
from particles.fields.questions import attention_matrix, for_run, jacobian, own_frame, score_matrix, with_exact_sums


def test_the_frame_of_heads_is_the_sum_of_their_values():
    (Q, K, V), (_, _, U) = matrices(2, 2, seed=0), matrices(2, 2, seed=1)
    np.testing.assert_array_equal(own_frame(L2Attention(Q, K, V)), V)
    np.testing.assert_allclose(own_frame(SelfAttention(Q, K, V) + SelfAttention(K, Q, U)), V + U, rtol=1e-15)


def test_a_field_without_an_answer_is_named():
    Q, K, V = matrices(2, 2, seed=0)
    with pytest.raises(NotSupported, match="Burst has no constant value matrix"):
        own_frame(Burst())
    with pytest.raises(NotSupported, match="Spin has no constant value matrix"):
        own_frame(SelfAttention(Q, K, V) + Spin())
    with pytest.raises(NotSupported, match="function of t"):
        own_frame(SelfAttention(Q, K, lambda t: V))


def test_scores_are_weighed_by_the_score_matrix_in_the_frame_of_the_field():
    (Q, K, V), (x, w) = matrices(3, 2, seed=0), tokens(5, 3, seed=0)
    for field in (SelfAttention(Q, K, V), Halved(Q, K, V), SelfAttention(Q, K, V).in_frame(0.3 * V)):
        weights = w * np.exp(x @ score_matrix(field, 0.4).T @ x.T)
        P = weights / weights.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(attention_matrix(field, 0.4, x, w), P, rtol=1e-13)


@pytest.mark.parametrize("kind", [SelfAttention, HardmaxAttention, CausalAttention, L2Attention, SinkhornAttention])
def test_attention_matrices_have_rows_of_sum_one_and_give_the_velocity(kind):
    (Q, K, V), (x, w) = matrices(2, 2, seed=3), tokens(6, 2, seed=3)
    field = kind(Q, K, V)
    P = attention_matrix(field, 0.0, x, w)
    np.testing.assert_allclose(P.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(field.particle_velocity(0.0, x, w), P @ x @ V.T, rtol=1e-12, atol=1e-14)


def test_fields_without_scores_or_averages_are_named():
    (Q, K, V), (x, w) = matrices(2, 2, seed=0), tokens(4, 2, seed=0)
    head = SelfAttention(Q, K, V)
    for field in (HardmaxAttention(Q, K, V), head + head, head.on_sphere(), Spin()):
        with pytest.raises(NotSupported, match=f"^{type(field).__name__} does not weigh"):
            score_matrix(field, 0.0)
    for field in (LinearAttention(Q, K, V), UnnormalizedAttention(Q, K, V), head + head, head.on_sphere(), Spin()):
        with pytest.raises(NotSupported, match=f"^{type(field).__name__} has no attention matrix"):
            attention_matrix(field, 0.0, x, w)


def differences(field, t, x, w, step=1e-5):
    """D_{x_j} of the velocity of x_i by central differences of order 4, (n, n, d, d)."""
    n, d = x.shape
    out = np.empty((n, n, d, d))
    for j in range(n):
        for b in range(d):
            move = np.zeros((n, d))
            move[j, b] = step
            values = [field.particle_velocity(t, x + k * move, w) for k in (-2, -1, 1, 2)]
            out[:, j, :, b] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    return out


JACOBIANS = {
    "softmax": SelfAttention,
    "hardmax": HardmaxAttention,
    "linear": LinearAttention,
    "causal": CausalAttention,
    "distance": L2Attention,
    "unnormalized": UnnormalizedAttention,
    "sinkhorn": lambda Q, K, V: SinkhornAttention(Q, K, V, tolerance=1e-15),
    "functions of time": lambda Q, K, V: SelfAttention(lambda t: t * Q, K, lambda t: V - t * np.eye(len(V))),
    "frame": lambda Q, K, V: SelfAttention(Q, K, V).in_frame(0.3 * V.T),
    "rescaled distance": lambda Q, K, V: L2Attention(Q, K, V).rescaled(),
    "two heads": lambda Q, K, V: (SelfAttention(Q, K, V) + L2Attention(K, Q, V.T)).in_frame(V),
    "moving frame": lambda Q, K, V: MovingFrame(SelfAttention(Q, K, V) + LinearAttention(K, Q, V), 0.2 * V),
    "sphere": lambda Q, K, V: (SelfAttention(Q, K, V) + UnnormalizedAttention(Q, K, V)).on_sphere(),
}


@pytest.mark.parametrize("name", JACOBIANS)
@pytest.mark.parametrize("rank", [1, 3])
def test_jacobians_are_the_derivatives_of_the_velocities(name, rank):
    (Q, K, V), (x, w) = matrices(3, rank, seed=4), tokens(5, 3, seed=4)
    field = JACOBIANS[name](Q, K, V)
    found = jacobian(field, 0.7, x, w)
    np.testing.assert_allclose(found, differences(field, 0.7, x, w), atol=1e-9 * max(1.0, np.abs(found).max()))


@pytest.mark.parametrize("name", ["softmax", "linear", "two heads"])
def test_jacobians_on_the_circle_are_those_of_the_angles(name):
    (Q, K, V), (_, w) = matrices(2, 2, seed=5), tokens(6, 2, seed=5)
    kinds = {"softmax": SelfAttention(Q, K, V), "linear": LinearAttention(Q, K, V)}
    field = kinds.get(name, sum(list(kinds.values())[1:], start=kinds["softmax"])).on_circle()
    angles = np.linspace(0.1, 5.0, 6)[:, None]
    found = jacobian(field, 0.0, angles, w)
    np.testing.assert_allclose(found, differences(field, 0.0, angles, w), atol=1e-9)


def test_fields_without_a_jacobian_are_named():
    """Also a subclass that may have changed the equation."""
    (Q, K, V), (x, w) = matrices(2, 2, seed=0), tokens(4, 2, seed=0)
    for field in (Spin(), SelfAttention(Q, K, V) + Spin(), Halved(Q, K, V)):
        with pytest.raises(NotSupported, match=f"^{'Halved' if isinstance(field, Halved) else 'Spin'} "):
            jacobian(field, 0.0, x, w)


def test_the_accuracy_of_sums_is_left_to_the_run_where_nothing_names_it():
    Q, K, V = matrices(2, 2, seed=0)
    left, exact, named = (
        SelfAttention(Q, K, V),
        SelfAttention(Q, K, V, tolerance=None),
        SelfAttention(Q, K, V, None, 0.1),
    )
    assert left.allowed is None
    assert left.summation(10**5) == "direct"
    for field in (left, exact, named):
        assert for_run(field, 100, 1e-10) is field
    for field in (exact, named):
        assert for_run(field, 10**5, 1e-10) is field
    chosen = for_run(left, 10**5, 1e-10)
    assert chosen.tolerance == chosen.allowed == 1e-10
    assert chosen.summation(10**5) == "tree"
    assert for_run(left, 10**5, 1e-15) is left


def test_what_is_made_of_fields_leaves_the_accuracy_of_its_sums_to_the_run_too():
    Q, K, V = matrices(2, 2, seed=0)
    left, exact = SelfAttention(Q, K, V), SelfAttention(Q, K, V, tolerance=None)
    for made in (left + exact, left.rescaled(), left.on_sphere(), Ensemble((exact, left)), (exact + left).on_circle()):
        assert for_run(made, 50, 1e-10) is made
        assert "tree" in for_run(made, 10**5, 1e-10).summation(10**5)
        assert "tree" not in made.summation(10**5)
    assert for_run(Spin(), 10**5, 1e-10) == Spin()


def test_exact_sums_replace_those_that_a_field_or_its_parts_allow():
    Q, K, V = matrices(2, 2, seed=0)
    loose, exact = SelfAttention(Q, K, V, tolerance=0.1), SelfAttention(Q, K, V, tolerance=None)
    for made, same in ((loose, exact), (loose + exact, exact + exact), (loose.on_sphere(), exact.on_sphere())):
        assert "tree" not in with_exact_sums(made).summation(10**5)
        assert with_exact_sums(same) is same
    assert with_exact_sums(Spin()) == Spin()
