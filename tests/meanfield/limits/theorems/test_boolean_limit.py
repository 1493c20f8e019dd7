"""Theorem 2.1: the outermost tokens lead, and the row of a token between both signs."""

import numpy as np
import pytest

from meanfield import limits
from particles import SelfAttention, simulate


def boolean(x0, times):
    return limits.certify(simulate(SelfAttention(1.0, 1.0, 1.0), np.reshape(x0, (-1, 1)), times))


def test_the_row_of_asterisks_is_the_limit_of_that_row():
    """A token that symmetry keeps at 0 shares its attention between both ends and itself for ever (Lemma 7.8)."""
    found = boolean([-1.0, 1.0, 0.0], np.linspace(0.0, 1.5, 7))
    assert (found.theorem, found.known) == ("2.1", False)
    assert found.limit_set.free_row == 2
    assert found.limit_set.rank == 3
    P = found.attention_matrix(-1)
    np.testing.assert_allclose(P, found.limit_set.matrix, atol=1e-4)
    np.testing.assert_allclose(found.limit_set.matrix, [[1, 0, 0], [0, 1, 0], [1 / 3] * 3], atol=1e-12)


@pytest.mark.parametrize("x0", [[-1.0, -0.4, 0.3, 1.2], [0.1, 0.4, 1.2], [-0.1, -0.4, -1.2]])
def test_no_row_of_asterisks_without_a_token_between_both_signs(x0):
    for end in (0.01, 8.0):
        found = boolean(x0, np.linspace(0.0, end, 9))
        assert found.limit_set.free_row is None
        # Each token is led by the outermost one of its own sign.
        signs = np.sign(x0)
        ends = np.where(signs > 0, np.argmax(x0), np.argmin(x0))
        np.testing.assert_array_equal(found.limit_set.leaders, ends)


def test_what_is_possible_before_a_proof_are_both_ends_and_zero():
    x0 = [-1.0, -0.4, 0.3, 1.2]
    found = boolean(x0, [0.0, 0.01])
    assert not found.known
    last = np.exp(-0.01) * found.positions[-1][:, 0]
    np.testing.assert_allclose(found.limit_set.points[:, 0], [last.min(), 0.0, last.max()], rtol=1e-12)
