"""What is open stays open: tokens without mass, two tokens at one time."""

import numpy as np
import pytest

from meanfield import limits
from particles import SelfAttention, simulate

I2 = np.eye(2)


def test_theorem_8_5_leaves_tokens_without_mass_open():
    """The massless token stays at distance 1 from the line on which all mass is."""
    x0, weights = [[1.0, 0.0], [0.0, 1.0]], [1.0, 0.0]
    run = simulate(SelfAttention(I2, I2, -I2), x0, [0.0, 30.0], weights=weights)
    found = limits.certify(run)
    assert (found.theorem, found.status) == ("8.5", "proved")
    assert found.limit_kind.tolist() == ["point", "unknown"]
    assert np.isnan(found.limits[1]).all()
    assert found.bound.tolist() == [0.0, np.inf]
    assert "1 token(s) without mass" in found.reason
    assert run.position.values[-1, 1, 1] == pytest.approx(1.0, abs=1e-6)
    found.to_dataset()


def test_two_tokens_at_one_time_are_nothing_observed():
    found = limits.certify(simulate(SelfAttention(I2, I2, np.diag([1.0, -0.5])), [[1.0, 0.0], [1.0, 1e-3]], [0.0]))
    assert found.status == "undecided"


def test_where_nothing_is_known_no_token_has_a_leader_a_limit_or_a_bound():
    found = limits.certify(simulate(SelfAttention(I2, I2, np.diag([1.0, -1.0])), [[1.0, 0.0], [1.0, 1e-3]], [0.0, 1.0]))
    assert (found.theorem, found.status, found.limit_set) == (None, "undecided", None)
    assert found.leaders.tolist() == [-1, -1]
    assert found.limit_kind.tolist() == ["unknown", "unknown"]
    assert np.isnan(found.limits).all()
    assert np.isinf(found.bound).all()
    assert np.isnan(found.distance).all()
