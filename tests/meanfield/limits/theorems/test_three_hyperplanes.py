"""Theorem 4.2: own shares of attention, and levels before a proof."""

import numpy as np
import pytest

from meanfield import limits
from particles import Adaptive, SelfAttention, simulate

I2 = np.eye(2)

OWN_SHARE = {
    "5.927": (
        [[3.997528345195214, 0.0], [5.9510634930618735, 2.713497302703937]],
        [[10.176452839485357, -1.7321348424395848], [-8.480906502041668, 3.731321191926786]],
        -0.3316925119726592,
    ),
    "3.160": (
        [[2.479069056195228, 0.0], [3.1676819443494106, 2.663023285337782]],
        [[36.22459632051729, -0.5894312580326048], [-11.300914324574535, 2.4398762746147167]],
        -0.5550630318176057,
    ),
}


@pytest.mark.parametrize("level", OWN_SHARE)
@pytest.mark.parametrize("times", [[0.0], [0.0, 0.001], np.linspace(0, 0.05, 6), np.linspace(0, 10, 101)])
def test_a_follower_may_be_carried_away_by_what_it_attends_to_itself(level, times):
    """At the start token 1 attends to token 0 most, and still both end with token 1."""
    x0, B, negative = OWN_SHARE[level]
    model = SelfAttention(B, I2, np.diag([1.0, negative]))
    found = limits.certify(simulate(model, x0, times))
    assert found.known == (len(times) > 6)
    assert found.status in ("conditional", "undecided")
    if found.known:
        late = simulate(model, x0, [0.0, 14.0], method=Adaptive(1e-12, 1e-14)).position.values[-1]
        assert found.limit_set.values == pytest.approx([np.exp(-14.0) * late[1, 0]], abs=found.bound.max())
        assert f"{found.limit_set.values[0]:.3f}" == level


def test_before_a_proof_the_hyperplanes_are_the_outermost_levels_and_zero():
    V, x0 = np.diag([1.0, -0.5]), [[-0.7, 0.2], [0.1, 0.1], [0.4, -0.3], [0.9, 0.5]]
    found = limits.certify(simulate(SelfAttention(I2, I2, V).rescaled(), x0, [0.0, 0.05]))
    assert (found.theorem, found.known) == ("4.2", False)
    last = simulate(SelfAttention(I2, I2, V).rescaled(), x0, [0.0, 0.05]).position.values[-1]
    np.testing.assert_allclose(found.limit_set.values, [last[:, 0].min(), 0.0, last[:, 0].max()], rtol=1e-14)
