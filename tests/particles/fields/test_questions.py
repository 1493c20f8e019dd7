"""Questions that only some fields can answer: the answer where there is one, an error by name elsewhere."""

import numpy as np
import pytest
from samples import matrices, tokens
from user_fields import Burst, Halved, Spin

from particles import (
    CausalAttention,
    HardmaxAttention,
    L2Attention,
    LinearAttention,
    SelfAttention,
    SinkhornAttention,
    UnnormalizedAttention,
)
from particles.errors import NotSupported
from particles.fields.questions import attention_matrix, own_frame, score_matrix


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
