"""Discrete maps."""

import numpy as np
from user_fields import Shuffle

from particles import simulate


def test_iterate_applies_the_map_once_a_unit_of_time():
    ds = simulate(Shuffle(), np.ones((3, 2)), [2, 3, 5], rng=11)
    rng = np.random.default_rng(11).spawn(1)[0]
    x = np.ones((3, 2))
    expected = [x]
    for _ in range(3):
        x = x / 2 + rng.standard_normal(x.shape)
        expected.append(x)
    np.testing.assert_array_equal(ds.position.values, [expected[0], expected[1], expected[3]])
