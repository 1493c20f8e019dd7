"""Hypotheses as numbers: near-ties and rounding are undecided, resolved gaps decided."""

import numpy as np
import pytest

from meanfield import limits
from meanfield.limits.conditions import good_triple
from meanfield.limits.head import Head
from particles import SelfAttention

I2, I3 = np.eye(2), np.eye(3)


@pytest.mark.parametrize("gap", [1e-9, 1e-10, 1e-12, 1e-14])
def test_a_near_tie_is_undecided_and_names_its_gap(gap):
    found = limits.hypotheses(SelfAttention(I2, I2, np.diag([1.0, 1.0 - gap])))
    assert found.theorem is None
    assert "4.2" in found.undecided
    apart = next(check for check in found.checks["4.2"] if "simple" in check.needs)
    assert apart.holds is None
    assert apart.value == pytest.approx(gap, rel=0.1)


def test_a_resolved_gap_is_decided():
    assert limits.hypotheses(SelfAttention(I2, I2, np.diag([1.0, 1.0 - 1e-6]))).theorem == "4.2"


def test_barely_positive_form_is_undecided():
    found = limits.hypotheses(SelfAttention(np.diag([1e-16, 1.0]), I2, np.diag([2.0, 1.0])))
    assert found.theorem is None
    assert found.undecided == ("4.2",)


@pytest.mark.parametrize("gap", [1e-9, 1e-12])
@pytest.mark.parametrize(("D", "name"), [([1.0, 1.0, -1.0], "5.2"), ([1.0, -1.0], "4.2")])
def test_a_negative_eigenvalue_nearly_as_large_is_undecided(gap, D, name):
    V = np.diag(D)
    V[-1, -1] += gap
    found = limits.hypotheses(SelfAttention(np.eye(len(D)), np.eye(len(D)), V))
    assert (found.theorem, found.undecided) == (None, (name,))
    open_checks = [check for check in found.checks[name] if check.holds is None]
    assert [check.value for check in open_checks] == [pytest.approx(gap, rel=1e-3)]
    assert str(open_checks[0]) in found.reason


def test_a_negative_eigenvalue_clearly_smaller_is_decided():
    assert limits.hypotheses(SelfAttention(I3, I3, np.diag([1.0, 1.0, -1.0 + 1e-6]))).theorem == "5.2"


def test_a_product_of_low_rank_is_not_positive_definite_by_rounding():
    """QᵀK of two rows in R³ has an eigenvalue 0, which is computed as 1e-17 or so: it fails, it is not undecided."""
    rows = np.random.default_rng(0).normal(size=(2, 3))
    found = limits.hypotheses(SelfAttention(rows, rows, I3))
    definite = next(check for check in found.checks["3.1"] if "rank" in check.needs)
    assert definite.holds is False
    assert found.undecided == ()
    # As many rows as dimensions may be definite.
    assert limits.hypotheses(SelfAttention(np.vstack([rows, [0, 0, 1]]), np.vstack([rows, [0, 0, 1]]), I3)).theorem


def test_on_the_line_only_theorems_on_the_line_apply():
    found = limits.hypotheses(SelfAttention(1.0, 1.0, 1.0))
    assert found.theorem == "2.1"
    assert "5.2" not in (*found.others, *found.undecided)
    assert "5.2" not in found.checks


def test_on_the_line_the_leading_direction_is_exact():
    """⟨Qφ₁, Kφ₁⟩ = QK for φ₁ = ±1: nothing is uncertain in it but the product."""
    found = limits.hypotheses(SelfAttention(1.3, 0.7, 1.1))
    (product,) = (check for check in found.checks["2.1"] if "Q" in check.needs)
    (form,) = (check for check in found.checks["4.2"] if "Q" in check.needs)
    assert (form.value, form.margin) == (product.value, product.margin)


def test_no_hypothesis_fails_with_a_positive_margin_or_holds_with_a_negative_one():
    """Complex pairs, negative and zero eigenvalues, products of low rank, and ties among 60 random heads."""
    rng = np.random.default_rng(3)
    heads = [SelfAttention(I2, I2, np.array([[1.0, -0.5], [0.5, 1.0]])), SelfAttention(I2, I2, -I2)]
    for d in (1, 2, 3, 4):
        for k in range(15):
            rank = 1 + k % d
            Q, K = rng.normal(size=(2, rank, d))
            heads.append(
                SelfAttention(Q, Q if k % 2 else K, rng.normal(size=(d, d)) if k % 3 else rng.normal() * np.eye(d))
            )
    for head in heads:
        for checks in limits.hypotheses(head).checks.values():
            for check in checks:
                assert check.holds is not False or check.margin <= 0, (head, check)
                assert check.holds is not True or check.margin >= 0, (head, check)
    assert "λ₁ real and positive: 1 (margin -0.5) no" in str(limits.hypotheses(heads[0]))


def test_eigenvalues_are_told_only_of_a_single_head():
    assert "eigenvalues" not in str(limits.hypotheses(SelfAttention(I3, I3, I3).on_sphere()))
    assert "eigenvalues of V: 1, 1, 1; 3 with positive real part" in str(limits.hypotheses(SelfAttention(I3, I3, I3)))


def test_an_eigenvector_that_is_hard_to_tell_makes_a_small_form_undecided():
    """⟨Qφ₁, Kφ₁⟩ = 1e-11: decided where φ₁ is an axis, not where it is known to 1e-9 in a basis of nearly one line."""
    turned = np.array([[1e-11, -1.0], [1.0, 1e-11]])
    basis = np.array([[1.0, 1.0], [1.0, 1.001]])
    for V, holds in ((np.diag([1.0, 0.5]), True), (basis @ np.diag([1.0, 0.999]) @ np.linalg.inv(basis), None)):
        form = good_triple(Head(I2, turned, V))[2]
        assert form.needs.startswith("⟨Qφ₁, Kφ₁⟩ > 0")
        assert form.value == pytest.approx(1e-11, rel=1e-3)
        assert form.holds is holds


def test_a_splitting_that_float64_does_not_resolve_is_undecided():
    V = np.array([[1.0, 1e6], [0.0, 0.5]])
    checks = good_triple(Head(I2, I2, V))
    assert [check.holds for check in checks] == [True, True, True, None]
    assert checks[3].needs == "R^d = F ⊕ G resolved in float64"
    assert good_triple(Head(I2, I2, np.diag([1.0, 0.5])))[3].holds is True
