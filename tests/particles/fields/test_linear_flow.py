"""The linear flow against closed forms, its group law, and where it leaves float64."""

import numpy as np
import pytest

from particles.errors import OutOfRange
from particles.fields.linear_flow import linear_flow


def test_nilpotent_skew_and_diagonal_matrices_have_their_closed_forms():
    np.testing.assert_allclose(linear_flow(np.array([[0.0, 1.0], [0.0, 0.0]]), 3.0), [[1, 3], [0, 1]], atol=1e-15)
    c, s = np.cos(0.4), np.sin(0.4)
    np.testing.assert_allclose(linear_flow(np.array([[0.0, -1.0], [1.0, 0.0]]), 0.4), [[c, -s], [s, c]], atol=1e-15)
    np.testing.assert_array_equal(linear_flow(np.diag([1.0, -2.0]), 0.5), np.diag(np.exp([0.5, -1.0])))


def test_times_add():
    A = np.random.default_rng(3).normal(size=(3, 3))
    np.testing.assert_allclose(linear_flow(A, 0.7) @ linear_flow(A, -0.2), linear_flow(A, 0.5), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(linear_flow(A, 0.0), np.eye(3))


def test_a_flow_is_shared_and_so_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        linear_flow(np.eye(2), 1.0)[0, 0] = 2.0


@pytest.mark.parametrize("A", [np.eye(2), np.array([[1.0, 1.0], [0.0, 1.0]])], ids=["diagonal", "defective"])
def test_a_flow_beyond_float64_names_its_time(A):
    with pytest.raises(OutOfRange, match="t = 800") as caught:
        linear_flow(A, 800.0)
    assert caught.value.time == 800.0
