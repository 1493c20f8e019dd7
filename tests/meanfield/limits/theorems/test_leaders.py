"""Leaders of runs: symmetry, and kernels of V that never move."""

from types import SimpleNamespace

import numpy as np
import pytest
from oracles.symmetric_clouds import asymmetry, cloud

from meanfield import limits
from meanfield.limits.theorems.leaders import _has_settled
from particles import SelfAttention, simulate

I3 = np.eye(3)


def broken_symmetries(seeds):
    """(seed, how far limits break the symmetry over twice their bound) of all certificates that state limits."""
    found = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        d = int(rng.integers(1, 4))
        x0, signs = cloud(seed, d, 10.0 ** rng.uniform(2, 5))
        times = (np.linspace(0, 8, 33), np.array([0.0, 4.0]), np.array([0.0, 0.5, 8.0]))[seed % 3]
        certificate = limits.certify(simulate(SelfAttention(np.eye(d), np.eye(d), np.eye(d)), x0, times))
        if certificate.known:
            found.append((seed, (asymmetry(x0, signs, certificate.limits) / (2 * certificate.bound)).max()))
    return found


def test_no_symmetric_token_goes_to_a_leader_that_symmetry_forbids():
    found = broken_symmetries(range(24))
    assert found
    assert max(ratio for _, ratio in found) <= 1.0


@pytest.mark.slow
def test_no_symmetric_token_goes_to_a_leader_that_symmetry_forbids_in_many_clouds():
    found = broken_symmetries(range(24, 264))
    assert len(found) > 20
    assert max(ratio for _, ratio in found) <= 1.0


def test_a_computed_zero_eigenvalue_gives_no_points():
    """V = a aᵀ of rank 2: the part of x in its kernel never moves, whatever sign rounding gives the eigenvalue 0."""
    a = np.array([[1.0, 2.0], [-3.0, 1.0], [2.0, 2.0]])
    V = a @ a.T / 16.0
    kernel = np.linalg.svd(V)[2][-1]
    x0 = np.random.default_rng(0).normal(size=(5, 3))
    found = limits.certify(simulate(SelfAttention(I3, I3, V), x0, np.linspace(0, 12, 61)))
    assert found.status == "conditional"
    assert set(found.limit_kind) == {"on set"}
    assert np.abs(found.limit_set.conormal @ kernel).max() < 1e-12


@pytest.mark.parametrize(("times", "settled"), [([0.0, 4.0], True), ([0.0, 1.0], False), ([9.0, 10.0], False)])
def test_a_run_has_settled_by_its_length_and_not_by_its_clock(times, settled):
    run, block = SimpleNamespace(times=np.array(times)), SimpleNamespace(value=1.0, complement=np.eye(2))
    assert _has_settled(run, np.eye(2)[None], block, np.zeros((1, 2))) is settled


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize(("distance", "settled"), [(0.0, True), (0.9e-3, True), (1.1e-3, False), (0.5, False)])
def test_a_run_has_settled_within_a_thousandth_of_the_spread_of_its_start(scale, distance, settled):
    run, block = SimpleNamespace(times=np.array([0.0, 9.0])), SimpleNamespace(value=1.0, complement=np.eye(2))
    start = 5.0 + scale * np.array([[0.0, 0.0], [1.0, 0.2]])
    away = np.array([[0.0, scale * distance]])
    assert _has_settled(run, start[None], block, away) is settled


@pytest.mark.parametrize("enclose", [False, True])
def test_runs_that_begin_beyond_the_range_of_the_rescaled_frame_are_left_open(enclose):
    x0 = np.random.default_rng(0).uniform(-1.0, 1.0, size=(3, 2))
    late = simulate(SelfAttention(np.eye(2), np.eye(2), np.diag([1.0, -0.9])), x0, [1000.0, 1001.0])
    found = limits.certify(late, enclose=enclose)
    assert (found.theorem, found.status) == ("4.2", "undecided")
    assert "every saved time" in found.reason
    assert str(found)


@pytest.mark.parametrize(("V", "kind"), [(np.eye(2), "point"), (np.diag([1.0, -0.3]), "on set")])
def test_what_is_observed_is_a_point_where_the_set_has_points_only(V, kind):
    """A cross, which symmetry keeps at a saddle, has settled on the set and is not proved to end there."""
    cross = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    found = limits.certify(simulate(SelfAttention(np.eye(2), np.eye(2), V).rescaled(), cross, [0.0, 20.0, 40.0]))
    assert found.status == "observed"
    assert set(found.limit_kind) == {kind}
    assert np.isinf(found.bound).all()
