"""Which models are a head of the theorems."""

import numpy as np
import pytest
from user_fields import Halved, Inherited, Named

from meanfield import limits
from meanfield.limits.head import Head
from particles import SelfAttention, simulate
from particles.errors import InvalidInput

I2 = np.eye(2)


def test_models_outside_the_theorems_get_a_reason():
    head = SelfAttention(I2, I2, I2)
    both = head + SelfAttention(I2, I2, np.diag([1.0, 2.0]))
    assert "leaders of rows fails on [V a multiple of I" in limits.hypotheses(both).reason
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


def test_factors_decide_what_rounding_hides():
    """V of rank 3 in R^20: 17 eigenvalues are 0 whatever the numbers are, and the conjecture has something to say."""
    rng = np.random.default_rng(5)
    left = rng.normal(size=(20, 3)) / 5
    right = left.T
    Q = np.eye(20)
    model = SelfAttention(Q, -Q, left @ right)
    hidden, known = limits.hypotheses(model), limits.hypotheses(model, factors=(left, right))
    assert hidden.positive_open == 17
    assert known.positive_open == 0
    assert known.positive == hidden.positive == 3
    assert "V has rank 3 at most" in str(known)
    run = simulate(model, rng.normal(size=(5, 20)), np.linspace(0.0, 1.0, 5))
    assert "17 more eigenvalue(s)" in limits.certify(run).reason
    told = limits.certify(run, factors=(left, right)).reason
    assert "more eigenvalue(s)" not in told
    assert "fails on [" in told
    assert "margin" in told


def test_factors_of_another_matrix_are_refused():
    model = SelfAttention(I2, I2, np.ones((2, 2)))
    assert limits.hypotheses(model, factors=(np.ones((2, 1)), np.ones((1, 2)))).head.rank == 1
    assert limits.hypotheses(model, factors=(np.ones((2, 2)), np.eye(2))).head.rank == 2
    with pytest.raises(InvalidInput, match="must have the product V: it differs by 1"):
        limits.hypotheses(model, factors=(2 * np.ones((2, 1)), np.ones((1, 2))))
    with pytest.raises(InvalidInput, match="pair of matrices"):
        limits.hypotheses(model, factors=np.ones((2, 2)))


@pytest.mark.parametrize(("share", "holds"), [(1.1, True), (0.9, None), (-0.9, None), (-1.1, False)])
def test_a_smallest_eigenvalue_counts_above_a_hundred_roundings_of_sums_of_k_products(share, holds):
    """diag(1, δ) with k = 2: a sum of k products is off by at most (k + 1) ε ‖Q‖ ‖K‖, and 100 times that is asked."""
    delta = share * 100 * 3 * np.finfo(float).eps
    checks = limits.hypotheses(SelfAttention(I2, np.diag([1.0, delta]), I2)).checks["3.1"]
    definite = next(check for check in checks if "smallest eigenvalue" in check.needs)
    assert definite.holds is holds
