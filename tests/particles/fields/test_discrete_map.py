"""A map of a user's in discrete time needs a dimension and a step."""

from dataclasses import dataclass

import numpy as np
import pytest
from user_fields import Shuffle

from particles import DiscreteMap, simulate
from particles.errors import InvalidInput


@dataclass(frozen=True)
class Halve(DiscreteMap):
    """x_{k+1} = x_k/2 + k."""

    dim: int | None = None

    def step(self, k, x, w, rng):
        return x / 2 + k


def test_a_user_s_map_is_applied_once_a_step_with_its_number():
    x = simulate(Halve(), [[8.0, -8.0]], [0, 1, 2, 3]).position.values[:, 0]
    np.testing.assert_array_equal(x, [[8, -8], [4, -4], [3, -1], [3.5, 1.5]])


def test_a_map_of_an_open_dimension_goes_anywhere_and_others_only_where_they_live():
    assert Halve().in_dimension(5).dim is None
    with pytest.raises(InvalidInput, match="dimension 2"):
        Shuffle().in_dimension(3)


def test_a_map_without_a_step_cannot_be_made():
    class Half(DiscreteMap):
        dim = 1

    with pytest.raises(TypeError, match="step"):
        Half()


def test_the_tokens_of_a_map_are_exchangeable_unless_it_says_otherwise():
    """A map that treats all tokens alike commutes with their permutations."""
    assert Halve().exchangeable
    x, order = np.array([[8.0], [3.0], [-1.0]]), [2, 0, 1]
    straight, shuffled = (simulate(Halve(), points, [0, 1, 2]).position.values for points in (x, x[order]))
    np.testing.assert_array_equal(shuffled, straight[:, order])
