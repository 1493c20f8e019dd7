"""Every k-th token is saved; all of them are kept at the first and at the last save, so that nothing else is lost."""

import numpy as np
import pytest
import xarray as xr

from meanfield.analysis.clusters import cluster_count, leaders
from meanfield.analysis.diagnostics import mean
from meanfield.analysis.frames import to_original, to_rescaled
from meanfield.limits import certify
from meanfield.studies.clustered import clustered_limit
from particles import (
    Adaptive,
    SelfAttention,
    simulate,
    whole_states,
    write_netcdf,
)
from particles.errors import InvalidInput
from particles.models.opinion import HegselmannKrause

X = np.random.default_rng(0).standard_normal((23, 2))
W = np.random.default_rng(1).dirichlet(np.ones(23))
MODEL = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled()
TIMES = np.linspace(0.0, 2.0, 9)
WATCH = {"m": mean, "lead": leaders}


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("every", [2, 7, 23, 1000])
def test_a_thinned_run_is_a_part_of_the_whole_one_with_its_ends(every, stored, tmp_path):
    whole = simulate(MODEL, X, TIMES, weights=W, observables=WATCH)
    store = tmp_path / "run.zarr" if stored else None
    ds = simulate(MODEL, X, TIMES, weights=W, observables=WATCH, every=every, store=store)
    part = whole.isel(particle=slice(None, None, every))
    for name in ("position", "weight", "m", "lead", "particle"):
        assert ds[name].identical(part[name]), name
    ends = whole_states(ds)
    two = whole.isel(time=[0, -1])
    for name in ("position", "weight"):
        assert ends[name].identical(two[name]) or np.array_equal(ends[name], two[name])
    assert set(ends.dims) == {"time", "particle", "component"}
    np.testing.assert_array_equal(ends["time"], TIMES[[0, -1]])
    np.testing.assert_array_equal(mean(ends), mean(two))


def test_an_ensemble_and_a_model_with_groups_are_thinned(tmp_path):
    runs = np.random.default_rng(2).uniform(-1, 1, (3, 11, 1))
    model = HegselmannKrause(0.7)
    whole = simulate(model, runs, [0.0, 1.0, 2.0])
    ds = simulate(model, runs, [0.0, 1.0, 2.0], every=4, store=tmp_path / "runs.zarr")
    np.testing.assert_array_equal(ds["position"], whole["position"][:, :, ::4])
    np.testing.assert_array_equal(ds["state_position"], whole["position"][:, [0, -1]])
    for name in set(whole.data_vars) - {"position", "weight"}:
        np.testing.assert_array_equal(ds[f"state_{name}"], whole[name].isel(time=[0, -1]))


def test_what_reads_all_tokens_refuses_a_part_of_them():
    ds = simulate(MODEL, X, TIMES, every=3)
    for ask in (mean, leaders, clustered_limit, lambda ds: cluster_count(ds, distance=0.1)):
        with pytest.raises(InvalidInput, match=r"every k-th token only.*whole_states"):
            ask(ds)
    assert np.isfinite(mean(whole_states(ds))).all()


def test_a_thinned_run_has_the_certificate_of_its_two_states():
    times = np.linspace(0.0, 4.0, 5)
    ds = simulate(MODEL, X, times, every=5)
    found, two = certify(ds), certify(simulate(MODEL, X, times[[0, -1]]))
    assert found.known
    assert found.status == two.status
    np.testing.assert_allclose(found.limits, two.limits, atol=1e-7)
    assert len(found.limits) == len(X)


def test_all_tokens_change_their_frame_too():
    ds = simulate(MODEL, X, TIMES, every=3)
    back = to_original(ds)
    expected = to_original(simulate(MODEL, X, TIMES))
    np.testing.assert_allclose(whole_states(back)["position"], expected["position"][[0, -1]], rtol=1e-14)
    np.testing.assert_allclose(to_rescaled(back)["state_position"], ds["state_position"], rtol=1e-12, atol=1e-14)


def test_a_stopped_thinned_run_keeps_its_last_state(tmp_path):
    ds = simulate(MODEL, X, TIMES, every=1000, store=tmp_path / "run.zarr", stop=lambda t, ds: t >= 1.0)
    assert ds["state_time"].values.tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(whole_states(ds)["position"][1], simulate(MODEL, X, TIMES)["position"].sel(time=1.0))


def test_a_thinned_dataset_stands_in_netcdf(tmp_path):
    ds = simulate(MODEL, X, TIMES, every=5)
    with xr.open_dataset(write_netcdf(ds, tmp_path / "run.nc")) as found:
        np.testing.assert_array_equal(whole_states(found)["position"], ds["state_position"])


@pytest.mark.parametrize("every", [0, -1, 1.5, "2", None])
def test_every_is_a_whole_number(every):
    with pytest.raises(InvalidInput, match="every"):
        simulate(MODEL, X, TIMES, every=every)


def test_names_of_a_thinned_run_are_taken():
    with pytest.raises(InvalidInput, match="state_position"):
        simulate(MODEL, X, TIMES, every=3, observables={"state_position": mean})


def test_one_save_and_one_token_are_no_exception():
    ds = simulate(MODEL, X[:1], [0.0, 1.0], Adaptive(), every=5, stop=lambda t, ds: True)
    assert whole_states(ds).sizes == {"time": 1, "particle": 1, "component": 2}
