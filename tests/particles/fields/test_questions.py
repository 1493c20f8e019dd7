"""Questions that only some fields can answer: the answer where there is one, an error by name elsewhere."""

import numpy as np
import pytest
from samples import matrices
from user_fields import Burst, Spin

from particles import L2Attention, SelfAttention
from particles.errors import NotSupported
from particles.fields.questions import own_frame


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
