"""Limits of the exact solution, proved with nothing assumed: against integrations of more digits."""

import mpmath
import numpy as np
import pytest
from oracles.leading import leading
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


LEADING = {
    "diagonal": (1, 5, np.diag([1.0, -0.3])),
    "not normal": (1, 5, np.array([[0.9, 0.4], [0.05, 0.2]])),
    "rotation beside it": (2, 4, np.array([[1.0, 0.2, 0.0], [0.0, 0.1, 0.6], [0.0, -0.6, 0.1]])),
    "multiple": (4, 4, np.array([[1.0, 0.0, 0.3], [0.0, 1.0, 0.1], [0.0, 0.0, -0.5]])),
}


@pytest.mark.parametrize("name", LEADING)
def test_proved_sets_hold_the_limits_along_the_leading_eigenspace(name):
    seed, n, V = LEADING[name]
    d = len(V)
    x0 = cloud(seed, n, d)
    found = limits.certify(simulate(SelfAttention(np.eye(d), 2.0 * np.eye(d), V), x0, TIMES), enclose=True)
    assert (found.status, found.assumptions, found.theorem) == ("proved", (), "5.2" if name == "multiple" else "4.2")
    assert set(found.limit_kind) == {"on set"}
    assert found.bound.max() < 1e-3
    value, projection = leading(V, found.hypotheses.block.rate)
    late = next(iter(flow(x0, V, 2.0 * np.eye(d), np.full(n, 1 / n), [found.phase_time], LongDouble))).astype(float)
    projected = np.array(projection, dtype=float)
    lead = float(mpmath.exp(-value * found.phase_time)) * late[found.leaders] @ projected.T
    assert (np.linalg.norm(found.limits @ projected.T - lead, axis=1) <= found.bound + 1e-15).all()
    # Every token is a member of the set that is predicted, and still tends to it where the run ends.
    assert (found.limit_set.distance(found.limits) < 1e-12).all()
    assert found.distance[-1] < 0.3 * found.distance[-9]
    checked = limits.verify(found)
    assert checked.holds
    assert checked.share == pytest.approx(0.5, abs=0.1)


def test_proved_and_conditional_sets_agree():
    _, n, V = LEADING["not normal"]
    ds = simulate(SelfAttention(I2, 2.0 * I2, V), cloud(1, n, 2), TIMES)
    proved, conditional = limits.certify(ds, enclose=True), limits.certify(ds)
    assert (proved.status, conditional.status) == ("proved", "conditional")
    np.testing.assert_array_equal(proved.leaders, conditional.leaders)
    assert np.abs(np.unique(proved.limit_set.values) - np.unique(conditional.limit_set.values)).max() < 1e-6
    later = proved.continued([8.0, 9.0]) - conditional.continued([8.0, 9.0])
    gap = np.linalg.norm(later, axis=2).max(axis=1)
    assert (gap <= proved.continued_bound([8.0, 9.0]) + conditional.continued_bound([8.0, 9.0])).all()


def test_hypotheses_that_float64_decides_alone_stay_assumptions():
    """A double eigenvalue up to rounding proves nothing; other moduli within a hair of λ₁ are named."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    rounded = turn @ np.diag([1.0, 1.0, -0.5]) @ turn.T
    found = limits.certify(simulate(SelfAttention(np.eye(3), np.eye(3), rounded), cloud(5, 7, 3), TIMES), enclose=True)
    assert found.status == "conditional"
    assert "multiplicity 2 holds to rounding" in found.reason
    close = np.array([[1.0, 0.0, 0.0], [0.0, -0.9999, 3.0], [0.0, 0.0, -0.9998]])
    found = limits.certify(
        simulate(SelfAttention(np.eye(3), 9 * np.eye(3), close), cloud(1, 3, 3), TIMES), enclose=True
    )
    if found.phase is not None and found.phase.enclosed is not None:
        assert found.status == "conditional"
        assert "[|λ₂| < λ₁] is not proved" in found.assumptions[-1]


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
    assert "keeps its errors in a tube" in found.reason
    assert "the part of a leader in G" in found.reason
    nearly = np.diag([1.0, 1.0 + 2e-16])
    nearly = limits.certify(simulate(SelfAttention(I2, I2, nearly), cloud(4, 10, 2), TIMES), enclose=True)
    assert nearly.status == "conditional"
    assert "V = λI to rounding, but not entry by entry" in nearly.reason
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
