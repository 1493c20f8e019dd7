import re

import numpy as np
import pytest

from meanfield import limits
from meanfield.limits.spectrum import leading_block, spectrum
from particles import SelfAttention
from particles.fields.linear_flow import linear_flow

I2, I3 = np.eye(2), np.eye(3)
SIMILARITY = np.random.default_rng(3).normal(size=(3, 3))


def similar(D):
    return SIMILARITY @ np.asarray(D, float) @ np.linalg.inv(SIMILARITY)


CASES = {
    "d = 1": (1.0, 1.0, 1.0, "2.1"),
    "d = 1, tall Q and K": (np.ones((3, 1)), np.ones((3, 1)), 2.0, "2.1"),
    "d = 1, V < 0": (1.0, 1.0, -1.0, "8.5"),
    "d = 1, QK < 0": (1.0, -1.0, 1.0, None),
    "identity": (I3, I3, I3, "3.1"),
    "multiple of the identity": (I3, 2 * I3, 0.3 * I3, "3.1"),
    "non-symmetric QᵀK": ([[1, 0.5], [-0.5, 1]], I2, I2, None),
    "indefinite QᵀK": (np.diag([1.0, -1.0]), I2, I2, None),
    "rank-deficient Q, K with V = I": (np.ones((1, 2)), np.ones((1, 2)), I2, None),
    "rank-deficient Q, K, good triple": (np.ones((1, 2)), np.ones((1, 2)), np.diag([2.0, 1.0]), "4.2"),
    "minus identity": (I3, I3, -I3, "8.5"),
    "minus a multiple": (I3, I3, -2 * I3, "8.5"),
    "V = −I, QᵀK positive definite": (I3, np.diag([2.0, 1.0, 0.5]), -I3, "8.5"),
    "V = −I, QᵀK singular": (np.ones((1, 2)), np.ones((1, 2)), -I2, None),
    "V = −I, QᵀK not symmetric": ([[1, 0.5], [-0.5, 1]], I2, -I2, None),
    "Figure 6": (I2, I2, np.diag([1.35, -0.07]), "4.2"),
    "Figure 8": (I3, I3, np.diag([1, 1, -0.5]), "5.2"),
    "Figure 8 in other coordinates": (I3, I3, similar(np.diag([1, 1, -0.5])), "5.2"),
    "complex pair below": (I3, I3, similar([[1.5, 0, 0], [0, 0.1, -0.5], [0, 0.5, 0.1]]), "4.2"),
    "complex pair leads": (I3, I3, similar([[1.5, 0, 0], [0, 2, -0.5], [0, 0.5, 2]]), None),
    "defective V, simple leading eigenvalue": (I3, I3, similar([[2, 0, 0], [0, 1, 1], [0, 0, 1]]), "4.2"),
    "leading Jordan block": (I2, I2, [[1, 1], [0, 1]], None),
    "leading Jordan block of 3": (I3, I3, similar([[1, 1, 0], [0, 1, 1], [0, 0, 1]]), None),
    "±λ tie": (I2, I2, np.diag([1.0, -1.0]), None),
    "rotation": (I2, I2, [[0, -1], [1, 0]], None),
    "zero V": (I2, I2, np.zeros((2, 2)), None),
    "negative leading eigenvalue": (I2, I2, np.diag([-2.0, 1.0]), None),
    "⟨Qφ₁, Kφ₁⟩ < 0": (np.diag([-1.0, 1.0]), I2, np.diag([2.0, 1.0]), None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_theorem_that_applies(name):
    Q, K, V, expected = CASES[name]
    model = SelfAttention(Q, K, V)
    for m in (model, model.rescaled()):
        found = limits.hypotheses(m)
        assert found.theorem == expected
        assert (found.reason == "") == (expected is not None)
        assert str(found)


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


def test_count_of_positive_eigenvalues():
    assert limits.hypotheses(SelfAttention(I3, I3, np.diag([1.96, -0.22, 0.25]))).positive == 2
    zero = limits.hypotheses(SelfAttention(I3, I3, np.diag([1.0, 0.0, -0.5])))
    assert (zero.positive, zero.positive_open) == (1, 1)


def test_models_outside_the_theorems_get_a_reason():
    head = SelfAttention(I2, I2, I2)
    assert "not Sum" in limits.hypotheses(head + head).reason
    moving = SelfAttention(I2, I2, lambda t: (1 + t) * I2)
    assert "time" in limits.hypotheses(moving).reason
    assert "frame" in limits.hypotheses(head.in_frame(2 * I2)).reason


@pytest.mark.parametrize("D", [np.diag([1.5, 0.3, -1.2]), np.diag([1, 1, -0.5]), [[2, 0, 0], [0, 1, 5], [0, 0, 1]]])
def test_leading_block_splits_space_and_bounds_growth(D):
    V = similar(D)
    block = leading_block(V, spectrum(V))
    k = block.F.shape[1]
    np.testing.assert_allclose(block.F @ block.dual_F + block.G @ block.dual_G, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(block.dual_F @ V, block.value * block.dual_F, atol=1e-12)
    assert k == np.sum(np.isclose(np.linalg.eigvals(V), block.value, atol=1e-6))
    rng = np.random.default_rng(0)
    for tau in (0.1, 1.0, 3.0, 10.0):
        x = rng.normal(size=(50, 3))
        grown = np.linalg.norm(x @ linear_flow(V, tau).T @ block.dual_G.T, axis=1)
        bound = np.exp(block.rate * tau) * np.linalg.norm(x @ block.dual_G.T, axis=1)
        assert (grown <= bound * (1 + 1e-9)).all()
        assert np.linalg.norm(linear_flow(V, -tau), 2) <= block.back_factor * np.exp(block.value * tau)


def test_left_eigenvector_of_a_non_normal_matrix():
    V = np.array([[1.0, 3.0], [0.0, 0.2]])
    block = leading_block(V, spectrum(V))
    np.testing.assert_allclose(np.abs(block.F[:, 0]), [1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(block.dual_F[0] / block.dual_F[0, 0], [1.0, 3.0 / 0.8], rtol=1e-14)


def test_zero_is_printed_without_a_sign():
    assert re.search(r"-0(?![.\d])", str(limits.hypotheses(SelfAttention(I2, I2, 0 * I2)))) is None


def rotations(D, number):
    rng = np.random.default_rng(5)
    for _ in range(number):
        R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        yield R @ np.diag(D) @ R.T


REFLECTION = I3 - 2 * np.outer([1.0, 2.0, 2.0], [1.0, 2.0, 2.0]) / 9


def test_ties_in_modulus_get_a_verdict_and_no_theorem():
    for V in (REFLECTION, *rotations([1.0, 1.0, -1.0], 40), *rotations([1.0, -1.0, 0.3], 10)):
        found = limits.hypotheses(SelfAttention(I3, I3, V))
        assert found.theorem is None
        assert found.reason


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


class Halved(SelfAttention):
    """Not the equation of the theorems: half of the mean."""

    def aggregate(self, t, x, y, w):
        return 0.5 * super().aggregate(t, x, y, w)


class Named(SelfAttention):
    """The equation of the theorems under another name."""

    same_equation = True


class Inherited(Named):
    """A declaration counts for the class that makes it alone."""


def test_subclasses_are_left_alone_unless_they_declare_the_same_equation():
    for kind, expected in ((Halved, None), (Inherited, None), (Named, "3.1"), (SelfAttention, "3.1")):
        found = limits.hypotheses(kind(I2, I2, I2))
        assert found.theorem == expected
        assert (kind.__name__ in found.reason) == (expected is None)
