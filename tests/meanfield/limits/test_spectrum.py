"""Verified statements about spectra."""

import numpy as np
import pytest

from meanfield.limits.spectrum import expanding

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
