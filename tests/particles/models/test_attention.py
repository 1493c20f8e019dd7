"""Softmax attention: heads add, and the normalization chooses the field."""

import pickle

import numpy as np
import pytest
from samples import matrices, tokens
from user_fields import Halved, Inherited, Named, Shuffle

from particles import L2Attention, SelfAttention, SoftmaxField
from particles.errors import InvalidInput, NotSupported
from particles.models.attention import softmax_head
from particles.models.normalization import SinkhornAttention, UnnormalizedAttention


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


def test_only_what_is_the_equation_or_declares_it_is_a_softmax_head():
    Q, K, V = matrices(2, 2, seed=1)
    for field in (SelfAttention(Q, K, V), SoftmaxField(Q, K, V), Named(Q, K, V), SelfAttention(Q, K, V).rescaled()):
        assert softmax_head(field) is field
    for field in (Halved(Q, K, V), Inherited(Q, K, V)):
        with pytest.raises(NotSupported, match=f"{type(field).__name__} may have changed the equation"):
            softmax_head(field)
    for field in (L2Attention(Q, K, V), SelfAttention(Q, K, V) + SelfAttention(Q, K, V), Shuffle()):
        with pytest.raises(NotSupported, match=f"{type(field).__name__} is not known to be the softmax field"):
            softmax_head(field)
