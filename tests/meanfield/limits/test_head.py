"""Which models are a head of the theorems."""

import numpy as np
from user_fields import Halved, Inherited, Named

from meanfield import limits
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
