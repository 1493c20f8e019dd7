"""Softmax attention: heads add, and the normalization chooses the field."""

import pickle

import numpy as np
import pytest
from samples import matrices, tokens

from particles import (
    SelfAttention,
    SoftmaxField,
)
from particles.errors import InvalidInput
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
