"""Stores of runs: a Dataset holds its numbers, one process writes, nothing is lost when something goes wrong."""

import multiprocessing
import os
import shutil
import sys

import numpy as np
import pytest
import xarray as xr
from stores import cut
from user_fields import Burst

from meanfield import Grid, Normal, solve
from particles import RK4, PowerAttraction, SelfAttention, open_store, resume, simulate, write_netcdf
from particles.errors import RunStopped, StoreError
from particles.files import Lock
from particles.store import ZarrRecorder, read_commit

I2 = np.eye(2)
X = np.array([[1.0, 2.0], [3.0, 4.0]])
HEAD = SelfAttention(I2, I2, I2)
TIMES = [0.0, 0.25, 0.5]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no advisory locks there")


def stored(path, x=X, **options):
    return simulate(HEAD, x, TIMES, RK4(0.25), store=path, **options)


def on_a_grid(path=None):
    mu = Grid(bounds=[(-4, 4)], shape=(40,)).measure(Normal([0.0], [[0.5]]))
    return solve(SelfAttention(1.0, 1.0, -1.0), mu, [0, 0.1, 0.2], store=path)


def same(a, b):
    return a.identical(b.assign_attrs(history=a.attrs["history"]))


@pytest.mark.parametrize("fate", ["removed", "renamed", "overwritten", "damaged"])
@pytest.mark.parametrize("how", ["simulate", "solve", "resume", "open_store", "RunStopped"])
def test_a_dataset_holds_its_numbers_whatever_becomes_of_its_store(how, fate, tmp_path):
    store = tmp_path / "run.zarr"
    if how == "simulate":
        whole, ds = simulate(HEAD, X, TIMES, RK4(0.25)), stored(store)
    elif how == "solve":
        whole, ds = on_a_grid(), on_a_grid(store)
    elif how == "RunStopped":
        with pytest.raises(RunStopped) as first:
            simulate(Burst(), [1.0, 2.0], [0, 0.25, 1], RK4(0.01))
        with pytest.raises(RunStopped) as second:
            simulate(Burst(), [1.0, 2.0], [0, 0.25, 1], RK4(0.01), store=store)
        whole, ds = first.value.dataset, second.value.dataset
    else:
        whole = stored(store)
        if how == "resume":
            cut(store, 2)
        ds = resume(store) if how == "resume" else open_store(store)
    if fate == "removed":
        shutil.rmtree(store)
    elif fate == "renamed":
        store.rename(tmp_path / "other.zarr")
    elif fate == "overwritten":
        stored(store, X + 100, overwrite=True)
    else:
        for file in store.rglob("0"):
            file.write_bytes(b"") if file.is_file() else None
    assert same(whole, ds)


@pytest.mark.parametrize("gone", ["position", "weight", "checksums", "."])
@pytest.mark.parametrize("at", [1, 2])
def test_a_run_whose_store_is_removed_meanwhile_does_not_end_completed(gone, at, tmp_path, monkeypatch):
    store, save = tmp_path / "run.zarr", ZarrRecorder.save

    def saving(self, k, record, memo):
        if k == at:
            shutil.rmtree(store / gone)
        save(self, k, record, memo)

    monkeypatch.setattr(ZarrRecorder, "save", saving)
    with pytest.raises((StoreError, RunStopped), match=r"run\.zarr") as caught:
        stored(store)
    assert "is missing" in str(caught.value) or "cannot be written" in str(caught.value)
    if store.exists() and (store / "zarr.json").exists():
        assert read_commit(store).status == "running"
    with pytest.raises(StoreError):
        open_store(store)


def test_an_overwritten_store_is_whole_before_the_old_one_goes(tmp_path, monkeypatch):
    old = stored(tmp_path / "run.zarr")
    monkeypatch.setattr(ZarrRecorder, "save", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stored(tmp_path / "run.zarr", 2 * X, overwrite=True)
    assert open_store(tmp_path / "run.zarr").identical(old)
    assert os.listdir(tmp_path) == ["run.zarr"]


def test_a_store_through_a_link_is_the_one_that_it_points_to(tmp_path):
    (tmp_path / "disk").mkdir()
    stored(tmp_path / "disk" / "run.zarr")
    (tmp_path / "link.zarr").symlink_to("disk/run.zarr")
    second = stored(tmp_path / "link.zarr", 2 * X, overwrite=True)
    assert (tmp_path / "link.zarr").is_symlink()
    assert os.listdir(tmp_path / "disk") == ["run.zarr"]
    assert sorted(os.listdir(tmp_path)) == ["disk", "link.zarr"]
    assert open_store(tmp_path / "disk" / "run.zarr").identical(second)
    cut(tmp_path / "link.zarr", 2)
    assert resume(tmp_path / "link.zarr").identical(second)


def test_a_dangling_link_is_refused_and_kept(tmp_path):
    for name in ("run.zarr", "run.nc"):
        (tmp_path / name).symlink_to("nowhere")
    ds = simulate(HEAD, X, TIMES, RK4(0.25))
    for overwrite in (False, True):
        with pytest.raises(StoreError, match=r"run\.zarr is a link to nowhere"):
            stored(tmp_path / "run.zarr", overwrite=overwrite)
        with pytest.raises(StoreError, match=r"run\.nc is a link to nowhere"):
            write_netcdf(ds, tmp_path / "run.nc", overwrite=overwrite)
    assert all((tmp_path / name).is_symlink() for name in ("run.zarr", "run.nc"))
    assert sorted(os.listdir(tmp_path)) == ["run.nc", "run.zarr"]


def test_a_file_through_a_link_is_the_one_that_it_points_to(tmp_path):
    (tmp_path / "disk").mkdir()
    ds = simulate(HEAD, X, TIMES, RK4(0.25))
    target = write_netcdf(ds, tmp_path / "disk" / "run.nc")
    (tmp_path / "link.nc").symlink_to(target)
    with pytest.raises(StoreError, match="exists"):
        write_netcdf(ds, tmp_path / "link.nc")
    assert write_netcdf(2 * ds, tmp_path / "link.nc", overwrite=True) == target
    assert (tmp_path / "link.nc").is_symlink()
    with xr.open_dataset(target, engine="h5netcdf") as back:
        np.testing.assert_array_equal(back.position, 2 * ds.position)


def test_the_home_folder_and_long_names(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    long = "é" * 115 + ".zarr"
    for name in ("~/run.zarr", f"~/{long}"):
        whole = stored(name)
        assert open_store(name).identical(whole)
        assert stored(name, overwrite=True).sizes["time"] == 3
    assert sorted(os.listdir(tmp_path / "home")) == ["run.zarr", long]
    assert os.listdir(tmp_path) == ["home"]
    with pytest.raises(StoreError, match="cannot be a path here"):
        stored("x" * 300)


# Two at once -----------------------------------------------------------------------------------------------------


def resumed(store):
    try:
        return resume(store).attrs["status"]
    except StoreError as error:
        return str(error)


@POSIX
def test_of_two_resumes_at_once_one_is_refused_or_both_end_well(tmp_path):
    store = tmp_path / "run.zarr"
    x = np.random.default_rng(0).normal(size=(50, 2))
    whole = simulate(HEAD, x, np.linspace(0, 1, 60), RK4(0.02), store=store)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for _ in range(2):
            cut(store, 3)
            found = pool.map(resumed, [store, store], chunksize=1)
            assert "completed" in found
            other = next((text for text in found if text != "completed"), "run.zarr is being written by process")
            assert "run.zarr is being written by process" in other
            assert open_store(store).identical(whole)
    assert os.listdir(tmp_path) == ["run.zarr"]


def test_a_store_that_is_being_written_is_refused_to_others(tmp_path):
    store = tmp_path / "run.zarr"
    whole = stored(store)
    cut(store, 2)
    with Lock(store):
        for write in (lambda: resume(store), lambda: stored(store, overwrite=True)):
            with pytest.raises(StoreError, match=rf"run\.zarr is being written by process {os.getpid()} on"):
                write()
        assert open_store(store).sizes["time"] == 2
    assert resume(store).identical(whole)
    with Lock(tmp_path / "run.nc"), pytest.raises(StoreError, match="being written"):
        write_netcdf(whole, tmp_path / "run.nc")


def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "run"
    with pytest.raises(StoreError, match="cannot be made"):
        stored(place)
    with pytest.raises(StoreError, match="cannot be made"):
        write_netcdf(simulate(HEAD, X, TIMES, RK4(0.25)), place)


def test_chunks_of_nothing_but_missing_values_are_written(tmp_path):
    """Tokens that have not met: all meeting times are NaN, the fill value, and their file stands nevertheless."""
    model = PowerAttraction(1.0, dim=1)
    ds = simulate(model, [0.0, 5.0], [0.0, 0.05, 0.1], store=tmp_path / "run.zarr")
    assert np.isnan(ds.meeting_time).all()
    assert same(ds, open_store(tmp_path / "run.zarr"))
    cut(tmp_path / "run.zarr", 2)
    np.testing.assert_array_equal(resume(tmp_path / "run.zarr").position, ds.position)
