import re

import numpy as np
import pytest
from samples import similar

from meanfield import limits
from particles import HegselmannKrause, SelfAttention

I2, I3 = np.eye(2), np.eye(3)


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


def test_count_of_positive_eigenvalues():
    assert limits.hypotheses(SelfAttention(I3, I3, np.diag([1.96, -0.22, 0.25]))).positive == 2
    zero = limits.hypotheses(SelfAttention(I3, I3, np.diag([1.0, 0.0, -0.5])))
    assert (zero.positive, zero.positive_open) == (1, 1)


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


def test_a_verdict_names_every_theorem_that_applies():
    """On the line V = λ > 0 is Theorem 2.1; as V = λI and as a simple leading eigenvalue it is 3.1 and 4.2 as well."""
    found = limits.hypotheses(SelfAttention(1.0, 1.0, 1.0))
    assert (found.theorem, *found.others) == ("2.1", "3.1", "4.2")
    assert "also: Theorem 3.1, 4.2" in str(found)
    assert "also" not in str(limits.hypotheses(SelfAttention(I2, I2, -I2)))


def test_a_model_without_a_head_has_no_eigenvalues():
    found = limits.hypotheses(HegselmannKrause(0.5))
    assert (found.theorem, found.positive, found.positive_open, len(found.eigenvalues)) == (None, 0, 0, 0)
