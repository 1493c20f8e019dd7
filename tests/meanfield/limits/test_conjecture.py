import numpy as np
import pytest
import xarray as xr

from meanfield import Grid, Uniform, limits, solve
from meanfield.limits.conjecture import CLOSE, FOLDS, ROUNDING, SETTLED, _usable, _verdict, seen_subspaces
from meanfield.limits.spectrum import positive_part
from particles import SelfAttention, simulate
from particles.errors import InvalidInput
from particles.store import write_netcdf

SPIRAL = np.array([[1.0, -0.5, 0.3], [0.5, 1.0, 0.0], [0.0, 0.0, -0.4]])
JORDAN = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.2], [0.0, 0.0, -0.3]])


def certificate(V, n=20, seed=0, end=17.0, saves=35, rescaled=False):
    d = len(V)
    x0 = np.random.default_rng(seed).uniform(-1.0, 1.0, size=(n, d))
    model = SelfAttention(np.eye(d), np.eye(d), V)
    times = np.linspace(0.0, end / np.linalg.eigvals(V).real.max(), saves)
    return limits.certify(simulate(model.rescaled() if rescaled else model, x0, times))


@pytest.mark.parametrize("V", [SPIRAL, JORDAN, np.diag([1.0, 0.5, -0.2]) + np.triu(np.ones((3, 3)), 1)])
def test_left_invariant_coordinates(V):
    values = np.linalg.eigvals(V)
    L, N = positive_part(V, values)
    assert L.shape == (2, 3)
    np.testing.assert_allclose(L @ L.T, np.eye(2), atol=1e-14)
    np.testing.assert_allclose(L @ V, N @ L, atol=1e-14)
    expected = np.sort_complex(values[values.real > 0])
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(N)), expected, atol=1e-7)


@pytest.mark.parametrize("rescaled", [False, True])
def test_a_defective_matrix_is_observed_and_never_proved(rescaled, tmp_path):
    found = certificate(JORDAN, end=14.0 if rescaled else 17.0, rescaled=rescaled)
    assert (found.theorem, found.status) == (None, "observed")
    assert isinstance(found.limit_set, limits.ParallelSubspaces)
    assert set(found.limit_kind) == {"on set"}
    assert np.isinf(found.bound).all()
    assert "conjecture, not a theorem, k = 2" in str(found)
    # Independently of certify: L spans what annihilates the kernel of the negative eigenvalue.
    kernel = np.linalg.eig(JORDAN)[1][:, np.argmin(np.linalg.eigvals(JORDAN))]
    np.testing.assert_allclose(found.limit_set.conormal @ kernel, 0.0, atol=1e-7)
    assert found.limit_set.distance(found.limits).max() < 1e-9
    assert found.distance[-1] < 0.01 * found.distance[0]
    write_netcdf(found.to_dataset(), tmp_path / "certificate.nc")
    with xr.open_dataset(tmp_path / "certificate.nc") as read:
        np.testing.assert_array_equal(read.value.values, found.limit_set.values)


def test_a_short_run_is_undecided():
    found = certificate(SPIRAL, end=1.0)
    assert (found.theorem, found.status) == (None, "undecided")
    assert set(found.limit_kind) == {"unknown"}
    assert np.isinf(found.bound).all()
    assert "conjecture, not a theorem" in found.reason


def test_few_tokens_do_not_count_as_observed_before_their_time():
    """Three tokens are never more than three clusters."""
    found = certificate(SPIRAL, n=3, end=2.0)
    assert found.status == "undecided"
    assert "run longer" in found.reason


def test_more_than_three_clusters_are_not_observed():
    """A complex pair is like V = I in the plane: the tokens keep the vertices of a polygon."""
    found = certificate(np.array([[1.0, -2.0], [2.0, 1.0]]), end=8.0)
    assert (found.theorem, found.status, found.limit_set) == (None, "undecided", None)
    assert "4 clusters" in found.reason
    assert np.isnan(found.distance).all()


def test_without_positive_real_parts_nothing_is_predicted():
    x0 = np.random.default_rng(1).uniform(-1.0, 1.0, size=(5, 2))
    decay = SelfAttention(np.eye(2), np.eye(2), np.diag([-1.0, -0.5]))
    found = limits.certify(simulate(decay, x0, [0.0, 1.0, 2.0]))
    assert (found.theorem, found.status, found.limit_set) == (None, "undecided", None)
    assert "conjecture" not in found.reason


def test_a_real_part_too_near_zero_is_left_open():
    found = certificate(np.array([[0.5, -1.0, 0.0], [1.0, 0.5, 0.0], [0.0, 0.0, 0.0]]), n=4, end=2.0)
    assert found.status == "undecided"
    assert "too near 0" in found.reason


def test_coordinates_that_rounding_has_reached_are_not_read():
    """x ~ e^t in one direction and e^{t/10} in the other: past t ≈ 20 e^{−tN} lifts the error of x above the bound."""
    V = np.diag([1.0, 0.1])
    times = np.linspace(0.0, 40.0, 41)
    still = np.random.default_rng(0).uniform(-1.0, 1.0, size=(6, 2))
    x = np.stack([still * np.exp([t, 0.1 * t]) for t in times])
    seen = seen_subspaces(V, np.diag(V), times, x, rescaled=False)
    assert 15 < len(times[: len(seen.token_distance)]) < 25
    assert not seen.observed


def test_more_than_three_subspaces_are_refused():
    with pytest.raises(InvalidInput, match="allows 3"):
        limits.ParallelSubspaces(np.arange(8.0).reshape(4, 2), np.eye(2))


def test_grid_solutions_are_refused_plainly():
    ds = solve(SelfAttention(1.0, 1.0, -1.0), Grid([(-2, 2)], 20).measure(Uniform((-1, 1))), [0.0, 0.1])
    with pytest.raises(InvalidInput, match="a grid solution has no tokens; certify a run of simulate"):
        limits.certify(ds)


def test_a_verdict_needs_e_folds_saves_and_a_distance_that_falls():
    times = np.linspace(0.0, 10.0, 41)
    falling = np.exp(-times)
    assert _verdict(times, falling, 1.0, FOLDS)[0]
    assert not _verdict(times, falling, 1.0, 0.99 * FOLDS)[0]
    # Constant at a distance that is not settled yet, or far away: nothing is seen to fall.
    assert not _verdict(times, np.full(41, 0.5 * CLOSE), 1.0, FOLDS)[0]
    assert _verdict(times, np.full(41, 0.5 * SETTLED), 1.0, FOLDS)[0]
    assert not _verdict(times, falling * 0 + 2 * CLOSE, 1.0, FOLDS)[0]
    # Two saves at least in the last quarter, one in the quarter before.
    assert not _verdict(times[[0, 25, 40]], falling[[0, 25, 40]], 1.0, FOLDS)[0]
    assert not _verdict(times[[0, 35, 40]], falling[[0, 35, 40]], 1.0, FOLDS)[0]
    assert _verdict(times[[0, 25, 35, 40]], falling[[0, 25, 35, 40]], 1.0, FOLDS)[0]
    # Shifted time is no other run.
    assert _verdict(times + 100.0, falling, 1.0, FOLDS)[0]


def test_usable_saves_are_those_whose_rounding_stays_below_the_spread():
    """N = 1: rounding ε|y| grows by e^{−t} · e^t in a rescaled run, and by e^{−t} in the original frame."""
    times = np.array([0.0, 10.0, 20.0, 30.0, 40.0])
    y = np.array([[0.0], [1.0]]) * np.exp(times)[:, None, None]
    limit = CLOSE / ROUNDING
    np.testing.assert_array_equal(_usable(np.eye(1), times, y, rescaled=False), np.full(5, limit >= 1.0))
    still = np.broadcast_to([[0.0], [1.0]], (5, 2, 1))
    np.testing.assert_array_equal(_usable(np.eye(1), times, still, rescaled=True), np.full(5, limit >= 1.0))
    # y grows as e^{2t} along one direction: the coordinate that grows as e^t has lost its digits once e^t > limit.
    two = np.stack([np.array([[0.0, 0.0], [np.exp(2 * t), np.exp(t)]]) for t in times])
    found = _usable(np.diag([2.0, 1.0]), times, two, rescaled=False)
    np.testing.assert_array_equal(found, np.exp(times) <= limit)


@pytest.mark.parametrize(("away", "observed"), [(0.009, True), (0.011, False)])
def test_a_hundredth_of_the_spread_decides(away, observed):
    """Two tokens that end at 0 and 1 and still were `away` from there at 3/4 of the run, 2 · away before."""
    times = np.linspace(0.0, 8.0, 41)
    off = away * np.where(times < 6.0, 2.0, np.where(times < 8.0, 1.0, 0.0))
    z = np.stack([off, 1.0 - off], axis=1)[:, :, None]
    z[0] = [[0.0], [1.0]]
    seen = seen_subspaces(np.eye(1), np.ones(1), times, z, rescaled=True)
    assert seen.observed == observed
    assert ("above 0.01: run longer" in seen.reason) != observed


def test_runs_without_a_usable_time_or_direction_conclude_nothing():
    """e^{−tV} leaves float64 from the first time on; V is so small that LAPACK may not tell its eigenvalues from 0."""
    x0 = np.random.default_rng(0).uniform(-1.0, 1.0, size=(4, 2))
    far = simulate(SelfAttention(np.eye(2), np.eye(2), np.diag([1.0, -1.0])), x0, [1e6, 1e6 + 2.0])
    skew = np.array([[1.0, 0.4], [-0.3, 0.2]])
    tiny = simulate(SelfAttention(skew, np.eye(2), 1.6e-310 * np.eye(2)), x0, [0.0, 100.0])
    for run in (far, tiny):
        found = limits.certify(run)
        assert found.status == "undecided"
        assert str(found)
        told = "no saved time is usable" in found.reason
        assert told or (run is tiny and "4 clusters at 5% of the spread at t = 100" in found.reason)
