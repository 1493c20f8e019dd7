"""The inequalities (6.7) and (6.8) in numbers."""

import numpy as np
import pytest
from samples import heads, in_ball

from meanfield.studies.inequalities import Inequality, frozen_flows, orders
from particles import EmpiricalMeasure, SelfAttention


def test_inequalities_6_7_and_6_8():
    rng = np.random.default_rng(2)
    for seed in range(5):
        mu, nu = in_ball(rng, 15, 2, 1.0), in_ball(rng, 12, 2, 1.0)
        first, second = orders(mu, nu)
        assert first.holds
        assert second.holds
        assert second.slack >= 1
        flows = frozen_flows(heads(seed, 2), mu, nu, 0.1)
        assert flows.holds
    # One atom each: all distances agree, and the diameter is that distance.
    first, second = orders(EmpiricalMeasure([[0.0, 0.0]]), EmpiricalMeasure([[3.0, 4.0]]))
    assert first.left == 5.0
    assert second.right == pytest.approx(5.0, rel=1e-15)


def test_small_clouds_are_carried_as_closely():
    """With Q and K divided by it a cloud of any size is the same one."""
    found = []
    for s in (1.0, 1e-30):
        x, y = s * np.random.default_rng(0).standard_normal((2, 5, 2))
        model = SelfAttention(np.eye(2) / s, np.eye(2) / s, np.eye(2))
        found.append(frozen_flows(model, EmpiricalMeasure(x), EmpiricalMeasure(y), 3.0).left / s)
    assert found[1] == pytest.approx(found[0], rel=1e-9)


def test_an_inequality_holds_at_equality_and_up_to_the_rounding_of_distances():
    assert Inequality(1.0, 1.0).holds
    assert Inequality(1.0 + 5e-10, 1.0).holds
    assert not Inequality(1.0 + 5e-9, 1.0).holds
    assert Inequality(0.0, 0.0).holds
    assert (Inequality(2.0, 3.0).slack, Inequality(0.0, 3.0).slack) == (1.5, np.inf)


def test_the_left_side_is_the_distance_after_both_have_moved():
    """Without scores V = −1 moves every token of a cloud by −t times the mean that the frozen field was made of."""
    x = np.array([[-1.0], [1.0]])
    found = frozen_flows(SelfAttention(0, 0, -1), EmpiricalMeasure(x + 1.0), EmpiricalMeasure(x - 3.0), 0.7)
    assert found.left == pytest.approx(4.0 - 0.7 * 4.0, rel=1e-6)
