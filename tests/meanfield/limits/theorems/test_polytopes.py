"""Theorems 3.1 and 5.2: tokens end at leaders, which are vertices of the polytope, times G."""

import numpy as np
import pytest

from meanfield import limits
from particles import SelfAttention, simulate

TIMES = np.linspace(0.0, 10.0, 41)


@pytest.mark.parametrize(("V", "name"), [(np.eye(3), "3.1"), (np.diag([1.0, 1.0, -0.5]), "5.2")])
def test_leaders_are_among_the_points_of_the_set(V, name):
    x0 = np.random.default_rng(1).uniform(-1.0, 1.0, size=(7, 3))
    found = limits.certify(simulate(SelfAttention(np.eye(3), 2.0 * np.eye(3), V), x0, TIMES))
    assert (found.theorem, found.status) == (name, "conditional")
    # 5.2 is about F × G: the kernel of V − 1 is exact, so that no tie is assumed.
    assert not any("V = λ on F" in assumption for assumption in found.assumptions)
    gap = found.limit_set.distances(found.limits)[np.arange(7), found.limit_set.distances(found.limits).argmin(axis=1)]
    assert gap.max() <= found.bound.max() + 1e-12
    assert found.distance[-1] < 1e-3 * found.distance[0]


def test_a_double_eigenvalue_to_rounding_is_assumed():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    x0 = np.random.default_rng(5).uniform(-1.0, 1.0, size=(7, 3))
    V = turn @ np.diag([1.0, 1.0, -0.5]) @ turn.T
    found = limits.certify(simulate(SelfAttention(np.eye(3), np.eye(3), V), x0, TIMES))
    assert found.status == "conditional"
    assert any("V = λ on F" in assumption for assumption in found.assumptions)


@pytest.mark.parametrize("value", [0.7, 3.0])
def test_the_eigenvalue_is_the_mean_of_the_diagonal(value):
    found = limits.hypotheses(SelfAttention(np.eye(3), np.eye(3), value * np.eye(3)))
    (check,) = (check for check in found.checks["3.1"] if check.needs.startswith("λ > 0"))
    assert check.value == pytest.approx(value, rel=1e-14)
