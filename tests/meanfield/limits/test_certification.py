import numpy as np
import pytest
from certified import SHEAR, certificate, random_points

from meanfield import limits
from particles import Adaptive, SelfAttention, simulate

CASES = {
    "2.1": (1.0, 1.0, 1.0, random_points(0, 40, 1)),
    "2.1, V = 0.7, QK = 3": (1.0, 3.0, 0.7, random_points(1, 20, 1)),
    "3.1": (np.eye(3), np.eye(3), np.eye(3), random_points(2, 40, 3)),
    "3.1, QᵀK not the identity": (np.eye(2), [[2.0, 0.5], [0.5, 1.0]], np.eye(2), random_points(3, 30, 2)),
    "4.2": (np.eye(3), np.eye(3), SHEAR, random_points(4, 30, 3)),
    "4.2, low-rank head": ([[1.0, 0.2, 0.0]], [[1.0, -0.1, 0.3]], np.diag([1.0, 0.3, -0.2]), random_points(5, 30, 3)),
    "5.2": (np.eye(3), np.eye(3), np.diag([1.0, 1.0, -0.5]), random_points(6, 30, 3)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("frame", ["original", "rescaled"])
def test_proved_limits_agree_with_a_tight_long_run(name, frame):
    Q, K, V, x0 = CASES[name]
    model = SelfAttention(Q, K, V)
    found = certificate(model.rescaled() if frame == "rescaled" else model, x0)
    assert found.theorem == name[:3]
    assert found.status == "conditional"
    assert found.frame == "rescaled"
    assert (found.bound < 1e-6).all()
    late = simulate(model.rescaled(), x0, [0.0, 17.0], method=Adaptive(1e-12, 1e-14)).position.values[-1]
    remaining = np.linalg.norm((late - found.limits) @ found.limit_set.conormal.T, axis=1)
    lam = found.hypotheses.block.value
    spread = np.linalg.norm(np.ptp(x0, axis=0))
    # What has not yet decayed at t = 17 is e^{−λ(17−t₀)} of the distance to the leader at t₀.
    allowed = np.exp(-lam * (17.0 - found.phase_time)) * spread * np.linalg.norm(found.hypotheses.block.projection, 2)
    assert (remaining <= found.bound + allowed).all()
    assert set(found.limit_kind) == ({"point"} if name[:3] in ("2.1", "3.1") else {"on set"})
    assert found.distance[-1] < 1e-2 * found.distance[0] + 1e-6


def test_two_tokens_have_the_limit_of_the_closed_form():
    """x = ±r: r' = r tanh r², so z = e^{−t} r tends to a limit that a scalar quadrature gives."""
    from scipy.integrate import solve_ivp

    scalar = solve_ivp(lambda t, y: np.tanh(np.exp(2 * (t + y))) - 1, (0, 12), [np.log(0.5)], rtol=1e-12, atol=1e-13)
    found = certificate(SelfAttention(1.0, 1.0, 1.0).rescaled(), [-0.5, 0.5])
    assert found.status == "conditional"
    np.testing.assert_allclose(found.limits[:, 0], np.exp(scalar.y[0, -1]) * np.array([-1, 1]), atol=1e-7)
    np.testing.assert_array_equal(found.limit_set.matrix, np.eye(2))


def test_all_positive_real_parts_give_points():
    found = certificate(SelfAttention(np.eye(2), np.eye(2), np.diag([1.0, 0.6])).rescaled(), random_points(8, 20, 2))
    assert found.theorem == "4.2"
    assert found.status == "conditional"
    assert set(found.limit_kind) == {"point"}
    assert len(np.unique(found.limits, axis=0)) <= 2


def test_collapse_to_the_origin():
    found = certificate(SelfAttention(np.eye(2), np.eye(2), -np.eye(2)), random_points(10, 20, 2, 3.0))
    assert (found.theorem, found.status, found.frame) == ("8.5", "proved", "original")
    assert (found.limits == 0).all()
    assert (np.diff(found.distance) < 0).all()


def test_no_theorem_says_so():
    found = certificate(SelfAttention(np.eye(2), np.eye(2), [[0, -1], [1, 0]]), random_points(13, 5, 2), [0, 1])
    assert (found.theorem, found.status) == (None, "undecided")
    assert np.isnan(found.distance).all()
    found.to_dataset()


def test_equal_tokens_and_weights():
    x0 = np.repeat(random_points(14, 12, 2), 2, axis=0)
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled()
    doubled, single = certificate(model, x0), certificate(model, x0[::2])
    assert doubled.status == "conditional"
    np.testing.assert_allclose(doubled.limits[::2], single.limits, atol=1e-7)
    weights = np.random.default_rng(0).dirichlet(np.ones(12))
    weighted = certificate(model, x0[::2], weights=weights)
    late = simulate(model, x0[::2], [0, 17], weights=weights, method=Adaptive(1e-12, 1e-14)).position.values[-1]
    np.testing.assert_allclose(weighted.limits, late, atol=1e-5)


def test_a_token_without_mass_follows_but_does_not_lead():
    x0 = np.vstack([random_points(18, 12, 2), [[5.0, 5.0], [0.3, -0.2]]])
    weights = np.append(np.full(12, 1 / 12), [0.0, 0.0])
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    found = certificate(model, x0, weights=weights)
    assert found.status == "conditional"
    assert not np.isin([12, 13], found.leaders).any()
    alone = certificate(model, x0[:12])
    np.testing.assert_allclose(found.limits[:12], alone.limits, atol=1e-7)
    late = simulate(model.rescaled(), x0, [0, 17], weights=weights, method=Adaptive(1e-11, 1e-13)).position.values[-1]
    np.testing.assert_allclose(found.limits, late, atol=1e-5)


def test_collapse_follows_the_square_root_law():
    """V = −I: 2t Cov(x(t)) tends to a projector, here of full rank; the correction is of order 1/t."""
    x0 = random_points(30, 20, 2, 2.0)
    run = simulate(SelfAttention(np.eye(2), np.eye(2), -np.eye(2)), x0, [0.0, 500.0, 1000.0])
    last = run.position.values
    for t, x, tolerance in ((500.0, last[1], 5e-3), (1000.0, last[2], 2.5e-3)):
        eigenvalues = np.linalg.eigvalsh(2 * t * np.cov(x.T, bias=True))
        np.testing.assert_allclose(eigenvalues, 1.0, atol=tolerance)


def test_equal_tokens_in_one_dimension_are_left_to_theorem_3_1():
    """Theorem 2.1 needs pairwise distinct tokens: two equal leaders share the attention, and P* is not Boolean."""
    found = certificate(SelfAttention(1.0, 1.0, 1.0), [-0.8, 0.3, 0.9, 0.9])
    assert (found.theorem, found.status) == ("3.1", "conditional")
    np.testing.assert_allclose(found.attention_matrix(-1)[1], [0.0, 0.0, 0.5, 0.5], atol=1e-6)
    assert found.limits[2, 0] == found.limits[3, 0]


def test_other_models_get_a_certificate_without_a_theorem():
    head, other = (SelfAttention(np.eye(2), np.eye(2), V) for V in (np.eye(2), np.diag([1.0, 2.0])))
    for model in (head + other, head.in_frame(0.5 * np.eye(2))):
        found = certificate(model, random_points(31, 6, 2), [0.0, 0.5])
        assert (found.theorem, found.status, found.limit_set) == (None, "undecided", None)
        assert str(found)
        found.to_dataset()


@pytest.mark.parametrize("enclose", [False, True])
@pytest.mark.parametrize("V", [np.eye(2), -np.eye(2), [[0.0, 1.0], [-1.0, 0.0]]])
def test_progress_counts_every_saved_time_and_changes_nothing(V, enclose):
    ds = simulate(SelfAttention(np.eye(2), np.eye(2), V), random_points(30, 6, 2), np.linspace(0.0, 8.0, 9))
    calls = []
    found = limits.certify(ds, enclose=enclose, progress=lambda *counts: calls.append(counts))
    total = 9 * (1 + enclose)
    assert calls == [(k + 1, total) for k in range(total)]
    alone = limits.certify(ds, enclose=enclose)
    assert (found.status, found.reason) == (alone.status, alone.reason)
    np.testing.assert_array_equal(found.bound, alone.bound)
