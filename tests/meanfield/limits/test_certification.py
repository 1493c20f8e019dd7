import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from meanfield import limits
from particles import Adaptive, Euler, SelfAttention, simulate
from particles.errors import InvalidInput
from particles.store import write_netcdf

TIMES = np.linspace(0.0, 12.0, 49)
SHEAR = np.array([[1.0, 3.0, 0.0], [0.0, 0.4, -1.0], [0.0, 0.0, -0.3]])


def random_points(seed, n, d, half=1.0):
    return np.random.default_rng(seed).uniform(-half, half, size=(n, d))


def certificate(model, x0, times=TIMES, **options):
    return limits.certify(simulate(model, x0, times, **options))


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


def test_closed_form_from_the_phase_on_reproduces_the_run():
    x0 = random_points(7, 25, 2)
    ds = simulate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled(), x0, TIMES)
    found = limits.certify(ds)
    start = ds.position.sel(time=found.phase_time).values
    for t in TIMES[found.phase_time <= TIMES]:
        expected = found.limits + np.exp(found.phase_time - t) * (start - found.limits)
        np.testing.assert_allclose(ds.position.sel(time=t).values, expected, atol=2e-8)


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


def test_non_normal_hyperplanes_are_level_sets_of_the_left_eigenvector():
    V = np.array([[1.0, 4.0], [0.0, -0.2]])
    ds = simulate(SelfAttention(np.eye(2), np.eye(2), V).rescaled(), random_points(9, 40, 2), np.linspace(0, 16, 65))
    found = limits.certify(ds)
    assert found.status == "conditional"
    last = ds.position.values[-1]
    left = found.hypotheses.block.dual_F[0] / np.linalg.norm(found.hypotheses.block.dual_F[0])
    for leader in np.unique(found.leaders):
        members = last[found.leaders == leader]
        assert np.ptp(members @ left) < 1e-6
        assert np.ptp(members @ found.hypotheses.block.F[:, 0]) > 1.0


def test_collapse_to_the_origin():
    found = certificate(SelfAttention(np.eye(2), np.eye(2), -np.eye(2)), random_points(10, 20, 2, 3.0))
    assert (found.theorem, found.status, found.frame) == ("8.5", "proved", "original")
    assert (found.limits == 0).all()
    assert (np.diff(found.distance) < 0).all()


def test_saddle_is_not_proved_and_its_row_of_asterisks_is_found():
    found = certificate(SelfAttention(1.0, 1.0, 1.0).rescaled(), [-1.0, 0.0, 1.0], np.linspace(0, 1.5, 13))
    assert not found.known
    assert np.isinf(found.bound).all()
    assert found.limit_set.free_row == 1
    np.testing.assert_allclose(found.limit_set.matrix[1], [1 / 3, 1 / 3, 1 / 3], atol=1e-9)


def test_row_of_asterisks_solves_its_equation():
    gamma, w = np.array([-1.0, 0.0, 2.0, 2.0]), np.array([0.4, 0.1, 0.3, 0.2])
    theta, row = limits.free_row_values(gamma, 1, w, product=1.5)
    assert row.sum() == pytest.approx(1.0)
    assert np.sum(w * np.exp(1.5 * gamma * theta) * gamma) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(row, w * np.exp(1.5 * gamma * theta) / np.sum(w * np.exp(1.5 * gamma * theta)))


def test_token_on_a_face_is_not_proved():
    """Four symmetric leaders and a fifth token that stays on the axis between two of them."""
    x0 = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0], [0.6, 0.0]])
    found = certificate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled(), x0, np.linspace(0, 3, 13))
    assert not found.known


def test_a_coarse_step_is_not_proved():
    x0 = random_points(11, 30, 2)
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    coarse = certificate(model, x0, np.linspace(0, 12, 41), method=Euler(0.1))
    assert coarse.status == "observed"
    assert "second integration" in coarse.reason


def test_a_short_run_is_undecided():
    short = certificate(
        SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled(), random_points(12, 30, 2), [0, 0.5, 1]
    )
    assert short.status == "undecided"
    assert set(short.limit_kind) == {"unknown"}
    assert "run longer" in short.reason


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


def test_ensembles_are_refused_and_their_runs_accepted():
    model = SelfAttention(1.0, 1.0, 1.0).rescaled()
    ds = simulate(model, random_points(15, 20, 1).reshape(2, 10, 1), TIMES)
    with pytest.raises(InvalidInput, match=r"isel\(run=k\)"):
        limits.certify(ds)
    assert limits.certify(ds.isel(run=1)).theorem == "2.1"


def test_dataset_and_text(tmp_path):
    found = certificate(SelfAttention(1.0, 1.0, 1.0), random_points(16, 15, 1))
    ds = found.to_dataset()
    assert ds.distance.dims == ("time",)
    assert ds.attention_rank.values[-1] == found.limit_set.rank
    assert all("long_name" in ds[name].attrs and ds[name].attrs["units"] == "1" for name in ds.variables)
    write_netcdf(ds, tmp_path / "certificate.nc")
    with xr.open_dataset(tmp_path / "certificate.nc") as read:
        np.testing.assert_array_equal(read.limit.values, found.limits)
        assert read.limit_kind.values.tolist() == found.limit_kind.tolist()
    assert "Theorem 2.1" in str(found)
    assert "conditional" in str(found)


def test_a_stored_run_has_the_same_certificate_in_a_new_process(tmp_path):
    ds = simulate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)), random_points(17, 20, 2), TIMES)
    live = limits.certify(ds)
    write_netcdf(ds, tmp_path / "run.nc")
    script = (
        "import sys, xarray as xr; from meanfield import limits; from particles.store import write_netcdf; "
        "c = limits.certify(xr.open_dataset(sys.argv[1]).load()); "
        "write_netcdf(c.to_dataset(), sys.argv[2]); open(sys.argv[3], 'w').write(str(c))"
    )
    paths = [str(tmp_path / name) for name in ("run.nc", "certificate.nc", "certificate.txt")]
    subprocess.run([sys.executable, "-c", script, *paths], check=True)
    assert (tmp_path / "certificate.txt").read_text() == str(live)
    with xr.open_dataset(paths[1]) as stored:
        xr.testing.assert_identical(stored.load(), live.to_dataset())


def test_continued_tokens_follow_the_closed_form_and_the_run():
    Q, K, V, x0 = CASES["4.2"]
    ds = simulate(SelfAttention(Q, K, V).rescaled(), x0, TIMES)
    found = limits.certify(ds)
    later = TIMES[found.phase_time <= TIMES]
    np.testing.assert_allclose(found.continued(later), ds.position.sel(time=later).values, rtol=1e-5, atol=1e-5)
    with pytest.raises(InvalidInput, match="phase_time"):
        found.continued([0.0])


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


@pytest.mark.parametrize("offset", [1e-3, 1e-7, 1e-9, 1e-11, 1e-13, 1e-16])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_beside_a_saddle_the_right_side_or_nothing_is_proved(offset, side):
    """By symmetry the middle token goes to the side it starts on, however small its offset is."""
    line = certificate(SelfAttention(1.0, 1.0, 1.0), [-1.0, side * offset, 1.0])
    corners = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
    plane = certificate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)), [*corners, [0.6, side * offset]])
    for found, coordinate in ((line, line.limits[1, 0]), (plane, plane.limits[4, 1])):
        assert not found.known or np.sign(coordinate) == side
    assert offset < 1e-3 or (line.known and plane.known)


@pytest.mark.parametrize("seed", range(4))
def test_vertices_of_a_limit_polytope_belong_to_its_set(seed):
    d = 2 + seed % 2
    found = certificate(SelfAttention(np.eye(d), np.eye(d), np.eye(d)), random_points(20 + seed, 25, d, 2.0))
    assert found.status == "conditional"
    K, S = found.limit_set.polytope, found.limit_set.points
    for vertex in K.vertices:
        assert np.linalg.norm(S - vertex, axis=1).min() < 1e-9
    assert K.boundary_distance(S[np.linalg.norm(S, axis=1) > 1e-9]).max() < 1e-6


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
    head = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    for model in (head + head, head.in_frame(0.5 * np.eye(2))):
        found = certificate(model, random_points(31, 6, 2), [0.0, 0.5])
        assert (found.theorem, found.status, found.limit_set) == (None, "undecided", None)
        assert str(found)
        found.to_dataset()


def test_one_time_of_a_run_is_certified_with_its_dimension():
    model = SelfAttention(np.eye(2), np.eye(2), -np.eye(2))
    ds = simulate(model, [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [0, 0.1])
    with pytest.raises(InvalidInput, match=r"isel\(time=\[k\]\)"):
        limits.certify(ds.isel(time=0))
    assert limits.certify(ds.isel(time=[0])).status == "proved"


def test_positions_that_are_not_finite_are_refused_by_time_and_token():
    for V in (-1.0, 1.0):
        ds = simulate(SelfAttention(1.0, 1.0, V), random_points(32, 4, 1), [0.0, 0.5, 1.0]).copy(deep=True)
        ds.position.values[2, 3] = np.nan
        with pytest.raises(InvalidInput, match=r"token 3 is not at t = 1; .*slice\(2\)"):
            limits.certify(ds)
        limits.certify(ds.isel(time=slice(2)))


def test_times_at_which_e_to_the_tV_overflows_are_left_out():
    """x in the original frame with λ = −40 in V: e^{−tV} leaves float64 near t = 17.7."""
    ds = simulate(
        SelfAttention(np.eye(2), np.eye(2), np.diag([0.5, -40.0])), [[1.0, 0.1], [0.5, 0.2]], [0.0, 17.0, 19.0]
    )
    assert limits.certify(ds).times.tolist() == [0.0, 17.0]
