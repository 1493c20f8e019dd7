"""A certificate as a Dataset and as text, live and from a store, continued beyond the run."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from certified import SHEAR, TIMES, certificate, random_points

from meanfield import limits
from particles import Adaptive, SelfAttention, simulate
from particles.errors import InvalidInput
from particles.store import write_netcdf

I2 = np.eye(2)


def test_dataset_and_text(tmp_path):
    found = certificate(SelfAttention(1.0, 1.0, 1.0), random_points(16, 15, 1))
    ds = found.to_dataset()
    assert ds.distance.dims == ("time",)
    assert ds.attention_rank.values[-1] == found.limit_set.rank
    assert ds.attrs["limit_set"] == str(found.limit_set)
    assert all("long_name" in ds[name].attrs and ds[name].attrs["units"] == "1" for name in ds.variables)
    write_netcdf(ds, tmp_path / "certificate.nc")
    with xr.open_dataset(tmp_path / "certificate.nc") as read:
        np.testing.assert_array_equal(read.limit.values, found.limits)
        assert read.limit_kind.values.tolist() == found.limit_kind.tolist()
    assert "Theorem 2.1" in str(found)
    assert "conditional" in str(found)


@pytest.mark.parametrize(
    ("V", "words", "moved"),
    [
        (np.eye(2), "of a token's limit;", False),
        (np.diag([1.0, -0.3]), "of the set that a token tends to, not of a point in it;", True),
    ],
)
def test_a_bound_on_the_set_is_not_told_as_one_on_a_limit_point(V, words, moved):
    """For V = diag(1, −0.3) rescaled tokens move along their line like e^{0.3t}: they leave `limits` behind."""
    ds = simulate(SelfAttention(I2, I2, V).rescaled(), random_points(17, 12, 2), TIMES)
    found = limits.certify(ds)
    assert found.status == "conditional"
    (line,) = (line for line in str(found).splitlines() if "largest bound" in line)
    assert line.startswith(f"  largest bound {found.bound.max():.3g}, {words} ")
    away = np.linalg.norm(ds.position.values[-1] - found.limits, axis=1).max()
    assert (away > 0.1 > 1e5 * found.bound.max()) == moved
    told = found.to_dataset()
    assert "the true set, not a point in it (on set)" in told["bound"].attrs["long_name"]
    assert "nearest to where it was at phase_time (on set)" in told["limit"].attrs["long_name"]


def test_a_token_without_a_bound_does_not_hide_the_bounds_of_the_others():
    found = certificate(SelfAttention(I2, I2, I2), random_points(17, 12, 2))
    bound = np.where(np.arange(12) == 3, np.inf, found.bound)
    kind = np.where(np.arange(12) == 3, "unknown", found.limit_kind)
    expected = f"largest bound {np.delete(found.bound, 3).max():.3g}, of a token's limit"
    assert expected in str(replace(found, bound=bound, limit_kind=kind))


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
    ds = simulate(SelfAttention(np.eye(3), np.eye(3), SHEAR).rescaled(), random_points(4, 30, 3), TIMES)
    found = limits.certify(ds)
    later = TIMES[found.phase_time <= TIMES]
    np.testing.assert_allclose(found.continued(later), ds.position.sel(time=later).values, rtol=1e-5, atol=1e-5)
    with pytest.raises(InvalidInput, match="phase_time"):
        found.continued([0.0])


def test_the_bound_of_a_continued_run_covers_the_truth():
    V = np.array([[1.0, 0.4], [0.0, -0.6]])
    x0 = np.random.default_rng(2).uniform(-1.0, 1.0, size=(8, 2))
    model = SelfAttention(I2, I2, V)
    found = limits.certify(simulate(model, x0, np.linspace(0, 8, 33)))
    late = simulate(model, x0, [0.0, 9.0, 12.0], method=Adaptive(1e-12, 1e-14)).position.values[1:]
    flow = [np.linalg.inv(_exponential(V, t)) for t in (9.0, 12.0)]
    for x, back, z, bound in zip(
        late, flow, found.continued([9.0, 12.0]), found.continued_bound([9.0, 12.0]), strict=True
    ):
        assert np.linalg.norm(x @ back.T - z, axis=1).max() <= bound < 1e-2


def _exponential(V, t):
    values, vectors = np.linalg.eig(V)
    return (vectors * np.exp(t * values)) @ np.linalg.inv(vectors)


def test_the_bound_of_a_continued_run_is_the_stated_sum():
    V = np.array([[1.0, 0.4], [0.0, -0.6]])
    x0 = np.random.default_rng(2).uniform(-1.0, 1.0, size=(8, 2))
    found = limits.certify(simulate(SelfAttention(I2, I2, V), x0, np.linspace(0, 8, 33)))
    phase, t = found.phase, 14.0
    # An error and a drift far above rounding, so that each counts with its own factor.
    rough = replace(found, phase=replace(phase, error=1e-3, drift=1e-5))
    sizes = [np.linalg.norm(_exponential(V, -s), 2) for s in (phase.time, t)]
    expected = sizes[0] * (1e-3 + 1e-5) + sizes[1] * (2e-3 + 1e-5)
    np.testing.assert_allclose(rough.continued_bound([t]), [expected], rtol=1e-9)


def test_limits_are_rescaled_and_the_run_is_as_it_was_made():
    ds = simulate(SelfAttention(I2, I2, np.diag([1.0, 0.5])), random_points(4, 12, 2), TIMES)
    found = limits.certify(ds)
    assert (ds.attrs["frame"], found.frame) == ("original", "rescaled")
    np.testing.assert_array_equal(found.positions, ds.position.values)
    assert found.model.frame is None
    k = int(np.flatnonzero(found.phase_time == TIMES)[0])
    z = ds.position.values[k] * np.exp(-np.array([1.0, 0.5]) * found.phase_time)
    assert np.abs(found.phase.positions - z).max() < 1e-12
    np.testing.assert_allclose(found.attention_matrix(k), found.model.attention_matrix(0.0, ds.position.values[k]))
