"""The first token of causal attention stays, and those of its hemisphere come to it."""

import numpy as np
import pytest

from meanfield import limits
from particles import Adaptive, CausalAttention, simulate

I3 = np.eye(3)


def cloud(seed, n=5):
    x = np.random.default_rng(seed).normal(size=(n, 3))
    x *= np.where(x @ x[0] > 0, 1.0, -1.0)[:, None]
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_all_tend_to_the_first_at_the_rate(seed):
    rng = np.random.default_rng(seed)
    Q, x0 = rng.normal(size=(3, 3)), cloud(seed)
    model = CausalAttention(Q, I3, 0.8 * I3).on_sphere()
    found = limits.certify(simulate(model, x0, np.linspace(0.0, 2.0, 5)))
    assert (found.theorem, found.status) == ("causal order", "conditional")
    np.testing.assert_array_equal(found.limits, np.tile(x0[0], (5, 1)))
    assert not found.bound.any()
    late = simulate(model, x0, [0.0, 2.0, 4.0], Adaptive(1e-10, 1e-12)).position.values
    np.testing.assert_allclose(late[-1][0], x0[0], atol=1e-9)
    halves = [np.tan(0.5 * np.arccos((x @ x0[0]).min())) for x in late[1:]]
    assert halves[1] <= halves[0] * np.exp(-2.0 * found.limit_set.rate)


def test_tokens_beyond_the_hemisphere_of_the_first_are_left_open_until_they_are_in_it():
    x0 = cloud(4)
    x0[3] = -x0[0] + 0.3 * x0[1]
    x0[3] /= np.linalg.norm(x0[3])
    model = CausalAttention(I3, I3, I3).on_sphere()
    early = limits.certify(simulate(model, x0, [0.0, 0.1]))
    assert early.status == "undecided"
    assert "1 token(s) are not in the hemisphere of the first" in early.reason
    assert limits.certify(simulate(model, x0, [0.0, 8.0])).status == "conditional"


def test_other_values_are_not_covered():
    found = limits.hypotheses(CausalAttention(I3, I3, -I3).on_sphere())
    assert found.theorem is None
    assert "λ > 0" in found.reason
    assert limits.hypotheses(CausalAttention(I3, I3, I3)).theorem != "causal order"


def test_the_cap_reaches_from_the_first_token_to_the_farthest():
    x0 = cloud(1)
    found = limits.certify(simulate(CausalAttention(I3, I3, I3).on_sphere(), x0, [0.0]))
    assert found.limit_set.angle == pytest.approx(np.arccos((x0 @ x0[0]).min()), rel=1e-9)
