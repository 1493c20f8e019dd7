"""Which models are a head of the theorems."""

import numpy as np
from user_fields import Halved, Inherited, Named

from meanfield import limits
from meanfield.limits.head import Head
from particles import SelfAttention

I2 = np.eye(2)


def test_models_outside_the_theorems_get_a_reason():
    head = SelfAttention(I2, I2, I2)
    assert "not Sum" in limits.hypotheses(head + head).reason
    moving = SelfAttention(I2, I2, lambda t: (1 + t) * I2)
    assert "time" in limits.hypotheses(moving).reason
    assert "frame" in limits.hypotheses(head.in_frame(2 * I2)).reason


def test_subclasses_are_left_alone_unless_they_declare_the_same_equation():
    for kind, expected in ((Halved, None), (Inherited, None), (Named, "3.1"), (SelfAttention, "3.1")):
        found = limits.hypotheses(kind(I2, I2, I2))
        assert found.theorem == expected
        assert (kind.__name__ in found.reason) == (expected is None)


def test_symmetry_is_decided_on_the_numbers_themselves():
    """QᵀK = 3QᵀQ is symmetric; one unit in the last place of one entry undoes it."""
    Q = np.array([[1.0, 2.0], [3.0, 5.0]])
    K = 3.0 * Q
    assert Head(Q, K, I2).exactly_symmetric
    K[0, 1] = np.nextafter(K[0, 1], 7.0)
    assert not Head(Q, K, I2).exactly_symmetric


def test_symmetry_of_many_terms_is_left_undecided():
    d = 300
    Q = np.eye(d)
    assert Head(Q, Q, Q).exactly_symmetric
    assert not Head(Q, 2.0 * Q, Q).exactly_symmetric
