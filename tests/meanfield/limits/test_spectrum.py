"""Verified statements about spectra."""

import numpy as np
import pytest
from samples import similar

from meanfield.limits.spectrum import expanding, leading_block, positive_part, spectrum, spectrum_of_product
from particles.fields.linear_flow import linear_flow

SIMILARITY = np.eye(4) + 0.3 * np.random.default_rng(1).normal(size=(4, 4))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_expanding_matrices_are_recognised(scale):
    for D in (np.diag([1.0, 0.5, 0.1, 1e-3]), np.diag([2.0, 1.0, 1.0, 0.3]) + np.diag([0.0, 1.0, 0.0], 1)):
        assert expanding(scale * SIMILARITY @ D @ np.linalg.inv(SIMILARITY))


@pytest.mark.parametrize("block", [1, 2, 3, 4])
def test_a_zero_eigenvalue_is_never_positive_however_defective(block):
    """A zero Jordan block of size k is computed as ε^{1/k}: 1e-4 for k = 4."""
    D = (
        np.diag([*[1.0] * (4 - block), *[0.0] * block])
        + np.diag([*[0.0] * (4 - block), *[1.0] * (block - 1)], 1)[:4, :4]
    )
    for seed in range(20):
        S = np.eye(4) + 0.3 * np.random.default_rng(seed).normal(size=(4, 4))
        assert not expanding(S @ D @ np.linalg.inv(S))


def test_negative_and_imaginary_eigenvalues_are_not_positive():
    assert not expanding(np.diag([1.0, -0.1]))
    assert not expanding(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    assert not expanding(np.zeros((2, 2)))


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


def test_the_leading_eigenvector_points_along_its_largest_coordinate():
    """An eigenvector is known up to its sign only, and hyperplanes φ₁* = c change theirs with it."""
    for seed in range(10):
        S = np.random.default_rng(seed).normal(size=(3, 3))
        V = S @ np.diag([2.0, 0.5, -0.3]) @ np.linalg.inv(S)
        block = leading_block(V, spectrum(V))
        phi = block.F[:, 0]
        assert phi[np.argmax(np.abs(phi))] > 0.0
        assert block.dual_F[0] @ phi == pytest.approx(1.0)


def test_the_rank_of_a_product_is_known_from_its_factors():
    """Rounding hides the kernel of a product in its numbers, not in its factors."""
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(12, 4)), rng.normal(size=(4, 12))
    hidden, known = spectrum(left @ right), spectrum_of_product(left, right)
    assert known.kernel == 8
    assert hidden.positive()[1] == 8
    assert known.positive()[1] == 0
    assert known.positive()[0] == hidden.positive()[0]
    np.testing.assert_allclose(known.eigenvalues[:4], hidden.eigenvalues[:4], rtol=1e-12)
    assert known.norm == pytest.approx(hidden.norm, rel=1e-12)


def test_an_eigenvalue_of_the_small_product_near_zero_stays_open():
    left, right = np.eye(5)[:, :2], np.eye(5)[:2]
    right = np.diag([1.0, 1e-17]) @ right
    assert spectrum_of_product(left, right).positive() == (1, 1)


@pytest.mark.parametrize("d", [2, 5])
def test_eigenvalues_of_a_normal_matrix_are_as_certain_as_rounding_allows(d):
    """Left and right eigenvectors are one: |y* x| = 1, whatever the basis."""
    S = np.random.default_rng(d).normal(size=(d, d))
    for V in (S + S.T, S - S.T):
        expected = d * np.finfo(float).eps * np.linalg.norm(V, 2)
        np.testing.assert_allclose(spectrum(V).uncertainty, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "V",
    [
        -np.eye(2),
        [[0.0, 1.0], [-1.0, 0.0]],
        [[1.0, -2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, -0.5]],
        np.diag([1.0, -1.0]),
        [[1.0, 1.0], [0.0, 1.0]],
        np.zeros((2, 2)),
    ],
)
def test_no_block_where_none_leads_alone(V):
    """Negative, complex, tied in modulus, defective, zero: no real positive eigenvalue leads with its own space."""
    V = np.asarray(V, dtype=float)
    block = leading_block(V, spectrum(V))
    assert block is None or block.F.shape[1] < len(V) or block.defect > 1e-3


def test_a_single_eigenvector_points_to_its_largest_entry():
    V = similar(np.diag([2.0, 0.5, -0.3]))
    block = leading_block(V, spectrum(V))
    assert block.F[np.argmax(np.abs(block.F[:, 0])), 0] > 0
    np.testing.assert_allclose(block.dual_F @ block.F, [[1.0]], atol=1e-12)
    assert block.rate == pytest.approx(0.5 * (2.0 + 0.5))
    assert block.defect < 1e-12
    # |e^{−τV} x| ≤ back_factor e^{−λτ}… is what the factor is for: at least 1.
    assert block.back_factor >= 1.0


def test_the_positive_part_is_invariant_and_has_the_eigenvalues_that_grow():
    V = np.array([[1.0, -2.0, 0.3, 0.0], [2.0, 1.0, 0.0, 0.1], [0.0, 0.0, 0.4, 0.7], [0.0, 0.0, 0.0, -0.5]])
    L, N = positive_part(V, np.linalg.eigvals(V))
    assert L.shape == (3, 4)
    np.testing.assert_allclose(L @ V, N @ L, atol=1e-13)
    np.testing.assert_allclose(L @ L.T, np.eye(3), atol=1e-13)
    found = sorted(np.linalg.eigvals(N), key=lambda z: (z.real, z.imag))
    np.testing.assert_allclose(found, [0.4, 1 - 2j, 1 + 2j], atol=1e-12)
