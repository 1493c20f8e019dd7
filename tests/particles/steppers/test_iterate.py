"""Discrete maps."""

from dataclasses import dataclass

import numpy as np
import pytest
from user_fields import Shuffle

from particles import DiscreteMap, simulate
from particles.errors import RunStopped


def test_iterate_applies_the_map_once_a_unit_of_time():
    ds = simulate(Shuffle(), np.ones((3, 2)), [2, 3, 5], rng=11)
    rng = np.random.default_rng(11).spawn(1)[0]
    x = np.ones((3, 2))
    expected = [x]
    for _ in range(3):
        x = x / 2 + rng.standard_normal(x.shape)
        expected.append(x)
    np.testing.assert_array_equal(ds.position.values, [expected[0], expected[1], expected[3]])


@dataclass(frozen=True)
class Squared(DiscreteMap):
    """x ↦ x²."""

    dim: int = 1

    def step(self, k, x, w, rng):
        with np.errstate(over="ignore"):
            return x**2


def test_a_map_that_overflows_stops_at_the_step_that_did():
    """10^(2^k) is beyond float64 at k = 9 first."""
    with pytest.raises(RunStopped, match="left the range of float64") as stopped:
        simulate(Squared(), [[10.0]], [0, 5, 20])
    assert stopped.value.time == 9
    assert stopped.value.dataset.time.values.tolist() == [0, 5]
