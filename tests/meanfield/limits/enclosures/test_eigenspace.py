"""What is claimed of the leading eigenspace holds in forty digits, and near-ties and defects are refused."""

import dataclasses

import numpy as np
import pytest
from oracles.leading import leading
from scipy import linalg

from meanfield.limits.enclosures.eigenspace import exact_multiple, leading_form, splitting
from meanfield.limits.head import Head


def split_of(V):
    block = Head(np.eye(len(V)), np.eye(len(V)), V).block
    return splitting(V, block), block


def matrix(seed):
    """A simple leading eigenvalue 1, others of modulus 0.9 at most in a basis that is not orthogonal."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(2, 6))
    basis = np.eye(d) + 0.4 * rng.normal(size=(d, d))
    return basis @ np.diag(np.append(1.0, rng.uniform(-0.9, 0.9, size=d - 1))) @ np.linalg.inv(basis)


def sizes(M):
    return float(np.linalg.norm(np.array(M, dtype=float), 2))


@pytest.mark.parametrize("seed", range(12))
def test_eigenvalue_and_projection_lie_within_their_errors(seed):
    V = matrix(seed)
    split, block = split_of(V)
    value, projection = leading(V, block.rate)
    assert abs(value - split.value) <= split.error < 1e-10
    assert sizes(projection - split.projection) <= split.projection_error < 1e-9
    assert sizes(projection) <= split.norm
    assert np.abs(np.linalg.eigvals(V))[np.abs(np.linalg.eigvals(V) - 1.0) > 0.01].max() <= split.radius
    assert np.linalg.norm(V, 2) / float(value) <= split.ratio


@pytest.mark.parametrize("seed", range(6))
def test_the_other_part_grows_as_claimed(seed):
    """|e^{τV}(1 − π)x| ≤ lift e^{λτ} |w(x)|, and |w(x)| ≤ read |x|."""
    V = matrix(seed)
    split, block = split_of(V)
    rest = np.eye(len(V)) - np.array(leading(V, block.rate)[1], dtype=float)
    x = np.random.default_rng(seed).normal(size=(50, len(V)))
    aside = split.aside_up(x)
    assert (aside <= split.read * np.linalg.norm(x, axis=1) * (1 + 1e-12)).all()
    for tau in (0.0, 0.3, 1.0, 4.0):
        grown = np.linalg.norm(x @ (linalg.expm(tau * V) @ rest).T, axis=1)
        assert (grown <= split.lift * np.exp(split.value * tau) * aside * (1 + 1e-9)).all()
    assert split.lift * split.read < 1e3


def test_multiples_of_the_identity_are_whole():
    split, _ = split_of(0.7 * np.eye(3))
    assert split.whole
    x = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_array_equal(split.leading_part(x)[0], x)
    assert not split.leading_part(x)[1].any()


def test_a_multiple_eigenvalue_is_decided_by_the_numbers():
    split, _ = split_of(np.array([[1.0, 0.0, 0.5], [0.0, 1.0, -0.25], [0.0, 0.0, -0.5]]))
    assert (split.value, split.error) == (1.0, 0.0)
    V = np.array([[0.7, 0.1, 0.0], [0.1, 0.7, 0.0], [0.0, 0.0, 0.8]])
    assert exact_multiple(V, 0.8, 2) is None
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    assert "holds to rounding" in split_of(turn @ np.diag([1.0, 1.0, -0.5]) @ turn.T)[0]
    large = np.diag(np.append(np.ones(3), np.linspace(-0.5, 0.5, 17)))
    large[3:, 3:] += np.triu(0.01 * np.ones((17, 17)), 1)
    assert exact_multiple(large, 1.0, 3) == 1.0
    assert split_of(large)[0].error == 0.0


@pytest.mark.parametrize("gap", [1e-3, 1e-5])
def test_small_gaps_widen_the_error(gap):
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    V = turn @ np.diag([1.0, 1.0 - gap, -0.5]) @ turn.T
    split, block = split_of(V)
    value, projection = leading(V, block.rate)
    assert abs(value - split.value) <= split.error
    assert sizes(projection - split.projection) <= split.projection_error
    assert split.projection_error > 1e-16 / gap


def test_other_moduli_that_tie_are_seen():
    split, _ = split_of(np.diag([1.0, 0.999999, -0.2]))
    assert 0.999999 <= split.radius < 1.0
    V = np.array([[1.0, 0.0, 0.0], [0.0, 0.3, 5.0], [0.0, 0.0, 0.3]])
    assert 0.3 <= split_of(V)[0].radius < 0.4


def test_the_sign_of_the_form_is_proved_or_not():
    V = matrix(3)
    split, block = split_of(V)
    phi = block.F[:, 0]
    d = len(V)
    assert 0.9 < leading_form(np.eye(d), 0.0, block, split) <= 1.0
    tangent = np.outer(phi, phi) - (1.0 + 1e-13) * float(phi @ phi) ** 2 * np.outer(phi, phi)
    assert leading_form(tangent, 0.0, block, split) < 0.0
    assert leading_form(np.eye(d), 1.0, block, split) < 0.0


@pytest.mark.parametrize("off", [0.0, 0.05, 0.2])
def test_the_form_is_bounded_over_all_vectors_within_the_error_of_the_projection(off):
    """φ₁ = φ̂ + w, |φ̂| = 1, |w| ≤ e: (⟨Bφ̂, φ̂⟩ − ‖B‖ (2e + e²) − what B is off)/(1 + e)² for ‖π − π̂‖ = e."""
    V, B = np.diag([1.0, 0.5, -0.3]), np.diag([3.0, -1.0, 0.5])
    split, block = split_of(V)
    assert np.linalg.norm(block.F) == 1.0
    e = 0.125
    found = leading_form(B, off, block, dataclasses.replace(split, projection_error=e))
    assert found == pytest.approx((3.0 - (3.0 + off) * (2 * e + e * e) - off) / (1 + e) ** 2, rel=1e-8)
    w = np.random.default_rng(0).normal(size=(500, 3))
    phi = np.array([1.0, 0.0, 0.0]) + e * w / np.linalg.norm(w, axis=1, keepdims=True)
    assert found <= (np.einsum("ni,ij,nj->n", phi, B, phi) / np.sum(phi * phi, axis=1) - off).min()


def test_what_is_not_proved_of_a_matrix_is_told():
    """Bases that are not dual, an eigenvalue that does not lead, a multiple of I to rounding."""
    V = np.diag([1.0, 0.5, -0.3])
    block = Head(np.eye(3), np.eye(3), V).block
    bent = dataclasses.replace(block, dual_F=1.1 * block.dual_F)
    assert splitting(V, bent).startswith("the bases of F and G are too far from dual, by 0.1")
    assert splitting(np.diag([0.4, 0.5, -0.3]), block).startswith(
        "λ is not proved to lead: λ − μ(G) = 0.5 with the bases"
    )
    assert splitting(np.diag([1.0, 1.0 + 2e-16]), Head(np.eye(2), np.eye(2), np.eye(2)).block) == (
        "V = λI to rounding, but not entry by entry"
    )
    whole = splitting(np.diag([1.0, 1.0, 0.5]), Head(np.eye(3), np.eye(3), np.diag([1.0, 1.0, 0.5])).block)
    assert (whole.value, whole.error) == (1.0, 0.0)
    assert not whole.whole
