"""The motion after a leader phase is below its bound, for states anywhere within the radii."""

import numpy as np
import pytest
from oracles.precise import LongDouble, flow

from meanfield.limits.enclosures.eigenspace import splitting
from meanfield.limits.enclosures.persistence import _bounds, _geometry, persistence
from meanfield.limits.enclosures.series import system_of
from meanfield.limits.head import Head


def whole(equation):
    """V = λI: the leading eigenspace is everything."""
    return splitting(equation.V, Head(equation.B, equation.V, equation.V).block)


def clusters(seed, spread=0.4, size=10.0):
    """Leaders far apart and followers behind them, λ = 0.9, a score that is not symmetric."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 4))
    angles = rng.normal(size=(4, d)) if d > 1 else np.array([[1.0], [-1.0]])
    leaders = size * angles / np.linalg.norm(angles, axis=1, keepdims=True)
    followers = leaders[rng.integers(len(leaders), size=6)] * rng.uniform(0.75, 0.95, size=(6, 1))
    Q = np.eye(d) + 0.15 * rng.normal(size=(d, d)) / d
    x = np.vstack([leaders, followers + spread * 0.1 * rng.normal(size=(6, d))])
    w = rng.dirichlet(5.0 * np.ones(len(x)))
    return system_of(Head(Q, np.eye(d), 0.9 * np.eye(d)), w, 0.0), x, rng


@pytest.mark.parametrize("radius", [0.0, 1e-8, 1e-3])
def test_later_motion_is_below_the_bound(radius):
    closed = 0
    for seed in range(12):
        equation, x, rng = clusters(seed)
        found = persistence(equation, whole(equation), 0.0, x, np.full(len(x), radius))
        if not np.isfinite(found.motion):
            continue
        closed += 1
        move = rng.normal(size=x.shape)
        state = x + radius * move / np.linalg.norm(move, axis=1, keepdims=True)
        for t, later in zip(
            (0.2, 1.0), flow(state, equation.V, equation.B, equation.w, [0.2, 1.0], LongDouble), strict=True
        ):
            later = later.astype(float)
            led = later[found.leaders]
            start = state[found.leaders]
            assert (np.linalg.norm(np.exp(-0.9 * t) * led - start, axis=1) <= found.motion + 1e-14).all()
            assert (np.linalg.norm(later - led - (state - start), axis=1) <= found.motion + 1e-14 * np.exp(t)).all()
    assert closed >= 4


@pytest.mark.parametrize("radius", [0.0, 1e-4])
def test_later_motion_along_the_leading_eigenspace_is_below_the_bound(radius):
    """V has smaller eigenvalues: π e^{−λτ} x_l and x_i − x_l move by `motion` at most, the part of x_l in G as u."""
    closed = 0
    for seed in range(16):
        equation, x, rng = clusters(seed, size=6.0)
        d = x.shape[1]
        basis = np.eye(d) + 0.2 * rng.normal(size=(d, d))
        V = basis @ np.diag(np.append(0.9, rng.uniform(-0.6, 0.5, size=d - 1))) @ np.linalg.inv(basis)
        x[: len(x) // 2] += 40.0 * basis[:, 0]
        x[len(x) // 2 :] -= 40.0 * basis[:, 0]
        head = Head(equation.B, np.eye(d), V)
        split, equation = splitting(V, head.block), system_of(head, equation.w, 0.0)
        found = persistence(equation, split, 0.0, x, np.full(len(x), radius))
        if not np.isfinite(found.motion):
            continue
        closed += 1
        move = rng.normal(size=x.shape)
        state = x + radius * move / np.linalg.norm(move, axis=1, keepdims=True)
        lead = state @ split.projection.T
        for t, later in zip((0.3, 1.5), flow(state, V, equation.B, equation.w, [0.3, 1.5], LongDouble), strict=True):
            later = later.astype(float)
            y = np.exp(-split.value * t) * later @ split.projection.T
            led = np.unique(found.leaders)
            assert (np.linalg.norm(y - lead, axis=1)[led] <= found.motion + 1e-12).all()
            assert (np.linalg.norm(y - found.lead, axis=1)[led] <= found.bound[led] + 1e-12).all()
            offset = later - later[found.leaders] - (state - state[found.leaders])
            assert (np.linalg.norm(offset, axis=1) <= found.motion + 1e-12).all()
    assert closed >= 4


def test_larger_radii_prove_less():
    equation, x, _ = clusters(0)
    motions = [
        persistence(equation, whole(equation), 0.0, x, np.full(len(x), r)).motion for r in (0.0, 1e-6, 1e-3, 0.5)
    ]
    assert motions == sorted(motions)
    assert np.isfinite(motions[0])
    assert np.isinf(motions[-1])
    assert "smallest exponents" in persistence(equation, whole(equation), 0.0, x, np.full(len(x), 0.5)).reason


def test_tokens_that_follow_a_follower_prove_nothing():
    equation = system_of(Head(np.eye(2), np.eye(2), np.eye(2)), np.full(3, 1 / 3), 0.0)
    chain = np.array([[3.0, 0.0], [4.0, 1.0], [2.0, 10.0]])
    found = persistence(equation, whole(equation), 0.0, chain, np.zeros(3))
    assert np.isinf(found.motion)
    assert "still attend to others" in found.reason


def test_a_tie_is_not_broken():
    equation = system_of(Head(np.eye(2), np.eye(2), np.eye(2)), np.full(3, 1 / 3), 0.0)
    tie = np.array([[5.0, 5.0], [5.0, -5.0], [3.0, 0.0]])
    assert np.isinf(persistence(equation, whole(equation), 0.0, tie, np.zeros(3)).motion)
    beside = persistence(equation, whole(equation), 0.0, tie + np.array([[0, 0], [0, 0], [0, 1.0]]), np.zeros(3))
    assert np.isfinite(beside.motion)
    np.testing.assert_array_equal(beside.leaders, [0, 1, 0])


def test_one_token_leads_itself():
    equation = system_of(Head(np.eye(2), np.eye(2), np.eye(2)), np.ones(1), 0.0)
    assert persistence(equation, whole(equation), 0.0, np.array([[0.3, 0.1]]), np.zeros(1)).motion < 1e-200


def test_exponents_lose_the_radius_times_the_lengths_and_no_more():
    """f falls by B (ρ L + h (ρ' + …)) with the radius: to first order linearly, and not at all without one."""
    equation, x, _ = clusters(0)
    split, still = whole(equation), np.zeros(len(x))
    leaders = persistence(equation, split, 0.0, x, still).leaders
    lost = []
    for radius in (0.0, 1e-9, 1e-6, 1e-3):
        near = np.full(len(x), radius)
        g = _geometry(equation, x, x, near, leaders)
        floor = _bounds(equation, split, g, leaders, near, 0.0)[2]
        apart = leaders[:, None] != leaders[None, :]
        lost.append(float(np.abs(floor - g.floor)[apart].max()))
    size = equation.B_norm * np.abs(x).max() ** 2
    assert lost[0] < 1e-12 * size
    assert lost[2] / lost[1] == pytest.approx(1e3, rel=1e-2)
    assert lost[3] / lost[2] == pytest.approx(1e3, rel=1e-2)
