"""Limits of the exact solution, proved with nothing assumed: against integrations of more digits."""

import numpy as np
import pytest
from oracles.precise import LongDouble, flow

from meanfield import limits
from meanfield.limits import enclosed_proof
from particles import Adaptive, Euler, SelfAttention, simulate

TIMES = np.linspace(0.0, 8.0, 41)
I2 = np.eye(2)


def cloud(seed, n, d):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, size=(n, d))


@pytest.mark.parametrize(
    ("seed", "n", "d", "lam", "K"),
    [
        (0, 20, 1, 1.0, 1.0),
        (3, 15, 1, 0.5, 4.0),
        (2, 20, 2, 1.0, I2),
        (3, 12, 2, 0.8, [[2.0, 0.5], [0.5, 1.0]]),
        (4, 12, 3, 1.0, np.diag([1.0, 2.0, 0.5])),
    ],
)
def test_proved_limits_hold_the_limits(seed, n, d, lam, K):
    x0 = cloud(seed, n, d)
    model = SelfAttention(np.eye(d), K, lam * np.eye(d))
    found = limits.certify(simulate(model, x0, TIMES), enclose=True)
    assert (found.status, found.assumptions) == ("proved", ())
    assert found.bound.max() < 1e-3
    B, end = np.atleast_2d(np.asarray(K, float)), found.phase_time
    *_, late = flow(x0, lam * np.eye(d), B, np.full(n, 1 / n), [end], LongDouble)
    z = np.exp(-np.longdouble(lam) * end) * late
    assert (np.linalg.norm((z[found.leaders] - found.limits).astype(float), axis=1) <= found.bound).all()
    # The token that it attends to is its leader's for good: followers approach it like e^{−λt}.
    later = simulate(model.rescaled(), x0, [0.0, end + 2.0], method=Adaptive(1e-11, 1e-13)).position.values[-1]
    behind = np.linalg.norm((late - late[found.leaders]).astype(float), axis=1).max()
    gap = np.linalg.norm(later - found.limits, axis=1)
    assert (gap <= found.bound + 1.01 * np.exp(-lam * (end + 2.0)) * behind + 1e-8).all()


def test_a_proof_is_about_the_first_tokens_and_not_about_the_run():
    """A coarse run has the limits of the exact solution proved, not its own."""
    x0, model = cloud(2, 20, 2), SelfAttention(I2, I2, I2)
    coarse = limits.certify(simulate(model, x0, TIMES, method=Euler(0.05)), enclose=True)
    fine = limits.certify(simulate(model, x0, TIMES), enclose=True)
    assert coarse.status == fine.status == "proved"
    np.testing.assert_array_equal(coarse.limits, fine.limits)


def test_proved_and_conditional_limits_agree():
    ds = simulate(SelfAttention(I2, I2, I2), cloud(3, 20, 2), TIMES)
    proved, conditional = limits.certify(ds, enclose=True), limits.certify(ds)
    assert conditional.status == "conditional"
    gap = np.linalg.norm(proved.limits - conditional.limits, axis=1)
    assert (gap <= proved.bound + conditional.bound).all()
    np.testing.assert_array_equal(proved.leaders, conditional.leaders)
    later = proved.continued([8.0, 9.0])
    assert (np.linalg.norm(later - conditional.continued([8.0, 9.0]), axis=2) < 1e-7).all()


@pytest.mark.parametrize("offset", [1e-1, 1e-3, 1e-6, 1e-9, 1e-13])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_beside_a_saddle_the_right_side_or_nothing_is_proved(offset, side):
    """By symmetry the middle token goes to the side it starts on; the measured error has no say in it."""
    found = limits.certify(simulate(SelfAttention(1.0, 1.0, 1.0), [-1.0, side * offset, 1.0], TIMES), enclose=True)
    assert found.status != "proved" or np.sign(found.limits[1, 0]) == side
    assert offset < 1e-3 or found.status == "proved"


def test_what_is_in_the_way_is_told():
    ds = simulate(SelfAttention(I2, I2, np.diag([1.0, 0.5])), cloud(4, 10, 2), TIMES)
    found = limits.certify(ds, enclose=True)
    assert found.status == "conditional"
    assert "V = λI, λ > 0, entry by entry" in found.reason
    short = limits.certify(simulate(SelfAttention(I2, I2, I2), cloud(4, 10, 2), [0.0, 0.5]), enclose=True)
    assert short.status == "undecided"
    assert "the exact solution is not enclosed: at t = 0.5" in short.reason
    many = limits.certify(simulate(SelfAttention(1.0, 1.0, 1.0), cloud(5, 800, 1), [0.0, 0.1]), enclose=True)
    assert "too many to enclose" in many.reason


def test_a_score_that_is_symmetric_to_rounding_only_is_an_assumption():
    Q = np.array([[1.0, 0.3], [0.1, 0.9]])
    K = Q @ np.array([[2.0, 0.4], [0.4, 1.0]])
    found = limits.certify(simulate(SelfAttention(Q, K, I2), cloud(6, 10, 2), TIMES), enclose=True)
    if found.theorem is not None and found.known:
        assert found.status == "conditional"
        assert any("QᵀK" in assumption for assumption in found.assumptions)
        assert not any("integration" in assumption for assumption in found.assumptions)


def test_copies_and_tokens_without_mass():
    x0 = np.vstack([cloud(7, 8, 2), cloud(7, 8, 2)[:2], [[0.3, -0.2]]])
    weights = np.append(np.full(10, 0.1), 0.0)
    found = limits.certify(simulate(SelfAttention(I2, I2, I2), x0, TIMES, weights=weights), enclose=True)
    assert found.status == "proved"
    np.testing.assert_array_equal(found.limits[:2], found.limits[8:10])
    assert 10 not in found.leaders


def test_no_limit_is_proved_where_its_factor_is_not_bounded(monkeypatch):
    """e^{−λt} is bounded for λt up to 690 only."""
    ds = simulate(SelfAttention(1.0, 1.0, 1.0), [2.0, -2.0], [0.0, 1.0, 2.0])
    assert limits.certify(ds, enclose=True).status == "proved"
    monkeypatch.setattr(enclosed_proof, "LATEST", -1.0)
    found = limits.certify(ds, enclose=True)
    assert found.status == "conditional"
    assert "leaves the range of float64" in found.reason
