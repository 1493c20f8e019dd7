import numpy as np
import pytest

from particles import EmpiricalMeasure, PowerAttraction, SelfAttention
from particles.errors import InvalidInput

I2 = np.eye(2)
X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
MU = EmpiricalMeasure(X)
SA = SelfAttention(I2, I2, I2)


def test_points_of_an_open_dimension_and_their_measure_agree():
    # Broadcasting would have made a sense of the two that nobody meant.
    with pytest.raises(InvalidInput, match="dimension 1"):
        PowerAttraction(1.5).velocity(0.0, [1.0, 2.0], MU)


def test_an_array_is_no_measure_and_the_error_says_what_to_write():
    with pytest.raises(InvalidInput, match=r"got ndarray: write EmpiricalMeasure\(points\)"):
        SA.velocity(0.0, X, X)


@pytest.mark.parametrize("weights", [[0.5, 0.5], [1.5, -0.5, 0.0], [np.nan, 0.5, 0.5]])
def test_a_measure_made_by_hand_is_checked(weights):
    class ByHand:
        points = X

    measure = ByHand()
    measure.weights = np.array(weights)
    with pytest.raises(InvalidInput, match=r"mu\.weights"):
        SA.velocity(0.0, X, measure)


def test_a_measure_made_by_hand_moves_as_the_same_measure_of_the_library():
    class ByHand:
        points, weights = X, np.array([0.5, 0.5, 0.0])

    np.testing.assert_array_equal(
        SA.velocity(0.0, X, ByHand()), SA.velocity(0.0, X, EmpiricalMeasure(X, ByHand.weights))
    )
